namespace SuspiciousSignin.Events;

/// <summary>Distinct values of a field over many events.</summary>
internal sealed class DistinctTexts
{
    /// <summary>So many are compared one by one faster than looked up.</summary>
    private const int Few = 8;

    private readonly List<string> _values = [];
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    public int Count => _values.Count;

    public void Clear()
    {
        _values.Clear();
        _known.Clear();
    }

    /// <summary>Adds all values of a field; false where it has none.</summary>
    public bool AddAll(EventTraits traits, EcsField field)
    {
        var hasAny = false;
        foreach (var (of, text) in traits.Texts)
        {
            if (of == field)
            {
                Add(text);
                hasAny = true;
            }
        }

        return hasAny;
    }

    public IReadOnlyList<string> Sorted()
    {
        string[] values = [.. _values];
        Array.Sort(values, StringComparer.Ordinal);
        return values;
    }

    private void Add(string text)
    {
        if (_values.Count < Few)
        {
            if (!_values.Contains(text))
            {
                _values.Add(text);
            }

            return;
        }

        if (_known.Count == 0)
        {
            _known.UnionWith(_values);
        }

        if (_known.Add(text))
        {
            _values.Add(text);
        }
    }
}
