using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using System.Security.Cryptography;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Events;

/// <summary>
/// Traits by their fields. A log has few of them, so that nearly every event is judged by one look-up; the first of each kind is judged by
/// the predicates.
/// </summary>
internal sealed class TraitsCache
{
    /// <summary>Traits beyond these are made anew each time: whoever sends many must not make us keep them.</summary>
    private const int MaxEntries = 65_536;

    // Per address class and alert dataset, which the verdicts depend on besides the fields.
    private readonly Dictionary<byte[], EventTraits>?[] _traits = new Dictionary<byte[], EventTraits>?[8];

    // The latest by a cheap key: nearly all events are of a few kinds that take turns.
    private readonly (EventTraits? Traits, int Number)[] _latest = new (EventTraits?, int)[64];

    /// <summary>The traits of a document.</summary>
    public EventTraits Of(EcsDocument document)
    {
        // Predicates ask of the address only how many there are and whether it is excluded.
        var addressClass = document.Addresses switch
        {
            [] => 0,
            [var address] => ExcludedNetworks.Find(address) is null ? 1 : 2,
            _ => 3,
        };
        var number = (addressClass * 2) + (document.IsOfAlertDataset ? 1 : 0);
        var fields = document.Part(FieldPart.Traits);
        var key = fields.IsEmpty
            ? 0
            : (fields.Length + (fields[^1] * 7) + (fields[fields.Length / 2] * 13) + (number * 29)) & (_latest.Length - 1);
        ref var latest = ref _latest[key];
        if (latest.Traits is not { } traits || latest.Number != number || !fields.SequenceEqual(traits.Fields))
        {
            traits = Find(document, fields, number);
            latest = (traits, number);
        }

        return traits;
    }

    private EventTraits Find(EcsDocument document, ReadOnlySpan<byte> fields, int number)
    {
        var table = _traits[number] ??= new(BytesComparer.Instance);
        if (table.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(fields, out var known))
        {
            return known;
        }

        var own = fields.ToArray();
        var traits = new EventTraits(Classification.Of(document), own);
        if (table.Count < MaxEntries)
        {
            table.Add(own, traits);
        }

        return traits;
    }

    private sealed class BytesComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly BytesComparer Instance = new();

        // Drawn once per process: nobody outside can prepare fields that fall into one place.
        private static readonly long Seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

        public bool Equals(byte[]? left, byte[]? right) => left.AsSpan().SequenceEqual(right);

        public int GetHashCode([DisallowNull] byte[] bytes) => GetHashCode((ReadOnlySpan<byte>)bytes);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => unchecked((int)XxHash3.HashToUInt64(alternate, Seed));

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
