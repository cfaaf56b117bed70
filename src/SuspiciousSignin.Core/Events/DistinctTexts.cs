namespace SuspiciousSignin.Events;

/// <summary>Distinct values of a field over many events.</summary>
internal sealed class DistinctTexts
{
    private readonly HashSet<string> _values = new(StringComparer.Ordinal);

    public int Count => _values.Count;

    public void Clear() => _values.Clear();

    /// <summary>Adds all values of a field; false where it has none.</summary>
    public bool AddAll(EventTraits traits, EcsField field)
    {
        var hasAny = false;
        foreach (var (of, text) in traits.Texts)
        {
            if (of == field)
            {
                _values.Add(text);
                hasAny = true;
            }
        }

        return hasAny;
    }

    public IReadOnlyList<string> Sorted()
    {
        var values = new string[_values.Count];
        _values.CopyTo(values);
        Array.Sort(values, StringComparer.Ordinal);
        return values;
    }
}
