using System.IO.Hashing;

namespace SuspiciousSignin.Events;

/// <summary>
/// What many events have in common: the fields that the rule tests, and its verdicts on them. A log has few of these, so that counting and
/// showing an alert looks at each once rather than at every event.
/// </summary>
public sealed class EventTraits : IEquatable<EventTraits>
{
    /// <summary>Of an event that was not judged.</summary>
    internal static readonly EventTraits None = new(default, []);

    private readonly byte[] _fields;
    private readonly int _hash;

    internal EventTraits(Classification classification, byte[] fields)
    {
        (Classification, _fields) = (classification, fields);
        _hash = HashCode.Combine(classification, XxHash3.HashToUInt64(fields));
    }

    /// <summary>The verdicts of every revision.</summary>
    public Classification Classification { get; }

    /// <summary>The fields in the compact form that <see cref="PayloadReader"/> reads.</summary>
    internal ReadOnlySpan<byte> Fields => _fields;

    /// <summary>The fields as text, decoded when they are first asked for.</summary>
    internal (EcsField Field, string Text)[] Texts => field ??= Events.Texts.Decode(_fields);

    /// <summary><c>event.category</c>, or null where there is none.</summary>
    internal IReadOnlyList<string>? Categories =>
        field ??= Texts.Where(value => value.Field == EcsField.Category).Select(value => value.Text).ToArray() is { Length: > 0 } categories
            ? categories
            : null;

    /// <inheritdoc/>
    public bool Equals(EventTraits? other) =>
        ReferenceEquals(this, other)
        || (other is not null && _hash == other._hash && Classification == other.Classification && Fields.SequenceEqual(other._fields));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as EventTraits);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;
}
