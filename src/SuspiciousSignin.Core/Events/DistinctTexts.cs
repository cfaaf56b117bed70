using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>Distinct values of a field over many events.</summary>
internal sealed class DistinctTexts
{
    private readonly HashSet<string> _values = new(StringComparer.Ordinal);

    public int Count => _values.Count;

    public void Add(ReadOnlySpan<byte> utf8) => _values.Add(Encoding.UTF8.GetString(utf8));

    public IReadOnlyList<string> Sorted() => [.. _values.Order(StringComparer.Ordinal)];
}
