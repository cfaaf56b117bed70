using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>Distinct values of a field over many events. The few that nearly all events have are recognised before they are decoded.</summary>
internal sealed class DistinctTexts
{
    private const int MaxFrequent = 8;

    private readonly List<byte[]> _frequent = [];
    private readonly HashSet<string> _values = new(StringComparer.Ordinal);

    public int Count => _values.Count;

    public void Add(ReadOnlySpan<byte> utf8)
    {
        foreach (var frequent in _frequent)
        {
            if (utf8.SequenceEqual(frequent))
            {
                return;
            }
        }

        _values.Add(Encoding.UTF8.GetString(utf8));
        if (_frequent.Count < MaxFrequent)
        {
            _frequent.Add(utf8.ToArray());
        }
    }

    public IReadOnlyList<string> Sorted() => [.. _values.Order(StringComparer.Ordinal)];
}
