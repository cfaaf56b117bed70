using System.Globalization;
using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>The values of one event as text, by field.</summary>
internal sealed class Texts
{
    [ThreadStatic]
    private static Texts? t_texts;

    private readonly string?[] _first = new string?[EcsFields.Count];
    private readonly List<(EcsField Field, string Text)> _values = [];

    /// <summary>The first value, or null; empty text counts as none.</summary>
    public string? this[EcsField field] => _first[(int)field] is { Length: > 0 } text ? text : null;

    /// <summary>Values decoded before, and those of a part in compact form. Good until the next call on the same thread.</summary>
    public static Texts Of(ReadOnlySpan<(EcsField Field, string Text)> decoded, ReadOnlySpan<byte> part)
    {
        var texts = t_texts ??= new Texts();
        foreach (var (field, _) in texts._values)
        {
            texts._first[(int)field] = null;
        }

        texts._values.Clear();
        foreach (var (field, text) in decoded)
        {
            texts.Add(field, text);
        }

        var reader = new PayloadReader(part);
        while (reader.Read())
        {
            texts.Add(reader.Field, Encoding.UTF8.GetString(reader.Value));
        }

        return texts;
    }

    /// <summary>The values of a part in compact form, in its order.</summary>
    public static (EcsField Field, string Text)[] Decode(ReadOnlySpan<byte> part)
    {
        var values = new List<(EcsField, string)>();
        var reader = new PayloadReader(part);
        while (reader.Read())
        {
            values.Add((reader.Field, Encoding.UTF8.GetString(reader.Value)));
        }

        return [.. values];
    }

    public string? Any(params ReadOnlySpan<EcsField> fields)
    {
        foreach (var field in fields)
        {
            if (this[field] is { } text)
            {
                return text;
            }
        }

        return null;
    }

    /// <summary>
    /// The least value of the first of the fields that has one: of several the same in whatever order they came, as ES|QL's <c>MV_MIN</c>
    /// has it. Empty text counts as none.
    /// </summary>
    public string? Least(params ReadOnlySpan<EcsField> fields)
    {
        foreach (var field in fields)
        {
            string? least = null;
            foreach (var (of, text) in _values)
            {
                least = of == field && text.Length > 0 && (least is null || CompareAsUtf8(text, least) < 0) ? text : least;
            }

            if (least is not null)
            {
                return least;
            }
        }

        return null;
    }

    /// <summary>In the order of their bytes in UTF-8, which is not that of their UTF-16: surrogates stand for what comes last.</summary>
    private static int CompareAsUtf8(string left, string right)
    {
        var at = left.AsSpan().CommonPrefixLength(right);
        return at == left.Length || at == right.Length ? left.Length - right.Length : Rank(left[at]) - Rank(right[at]);

        static int Rank(char character) => char.IsSurrogate(character) ? char.MaxValue + character : character;
    }

    public bool HasAny(params ReadOnlySpan<EcsField> fields) => Any(fields) is not null;

    /// <summary>All values, empty ones too, or null.</summary>
    public IReadOnlyList<string>? All(EcsField field) =>
        _first[(int)field] is null ? null : [.. _values.Where(value => value.Field == field).Select(value => value.Text)];

    /// <summary>All values, or null; empty text counts as none.</summary>
    public IReadOnlyList<string>? NonEmpty(EcsField field) =>
        All(field)?.Where(text => text.Length > 0).ToList() is { Count: > 0 } texts ? texts : null;

    public bool? Flag(EcsField field) => bool.TryParse(this[field], out var flag) ? flag : null;

    public long? Number(EcsField field) =>
        decimal.TryParse(this[field], NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && decimal.IsInteger(number) && number is >= long.MinValue and <= long.MaxValue ? (long)number : null;

    public string? Joined(params ReadOnlySpan<EcsField> fields)
    {
        List<string>? parts = null;
        foreach (var field in fields)
        {
            if (this[field] is { } text)
            {
                (parts ??= []).Add(text);
            }
        }

        return parts is null ? null : string.Join(' ', parts);
    }

    private void Add(EcsField field, string text)
    {
        _first[(int)field] ??= text;
        _values.Add((field, text));
    }
}
