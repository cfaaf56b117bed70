using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Events;

/// <summary>
/// Verdicts by the values they depend on. A log has few combinations of those, so that nearly every event is judged by one look-up; the first
/// of each combination is judged by the predicates.
/// </summary>
internal sealed class ClassificationCache
{
    /// <summary>Combinations beyond these are judged each time: whoever sends many must not make us keep them.</summary>
    private const int MaxEntries = 4096;

    private const int MaxKeyLength = 512;

    /// <summary>Every field that a predicate reads, but the address.</summary>
    private static readonly EcsField[] Fields =
    [
        .. RuleCatalogue.Revisions
            .SelectMany(revision => new[] { revision.Keep, revision.AzureSignIn, revision.MailAccess, revision.NetworkAlert })
            .Concat(RuleCatalogue.NearMisses.Select(miss => miss.Condition))
            .SelectMany(condition => condition.Columns)
            .Distinct(StringComparer.Ordinal)
            .Select(path => EcsFields.Find(path)!.Value)
            .Where(field => field != EcsField.SourceIp),
    ];

    private readonly Dictionary<byte[], Classification> _known = new(BytesComparer.Instance);
    private readonly Dictionary<byte[], Classification>.AlternateLookup<ReadOnlySpan<byte>> _lookUp;

    public ClassificationCache() => _lookUp = _known.GetAlternateLookup<ReadOnlySpan<byte>>();

    /// <summary>The verdicts on a document.</summary>
    public Classification Of(EcsDocument document)
    {
        Span<byte> key = stackalloc byte[MaxKeyLength];
        if (!TryWriteKey(document, key, out var length))
        {
            return Classification.Of(document);
        }

        key = key[..length];
        if (!_lookUp.TryGetValue(key, out var verdicts))
        {
            verdicts = Classification.Of(document);
            if (_known.Count < MaxEntries)
            {
                _known.Add(key.ToArray(), verdicts);
            }
        }

        return verdicts;
    }

    /// <summary>
    /// Predicates tell no value, one value and several apart, and look at one value only; of the address, whether it is excluded.
    /// </summary>
    private static bool TryWriteKey(EcsDocument document, Span<byte> key, out int length)
    {
        key[0] = (byte)(document.Addresses switch
        {
            [] => 0,
            [var address] => ExcludedNetworks.Find(address) is null ? 1 : 2,
            _ => 3,
        });
        key[1] = (byte)(document.IsOfAlertDataset ? 1 : 0);
        length = 2;
        foreach (var field in Fields)
        {
            var count = document.Count(field);
            var value = count == 1 ? document.First(field) : default;
            if (value.Length > byte.MaxValue || length + 2 + value.Length > key.Length)
            {
                return false;
            }

            key[length++] = (byte)Math.Min(count, 2);
            key[length++] = (byte)value.Length;
            value.CopyTo(key[length..]);
            length += value.Length;
        }

        return true;
    }

    private sealed class BytesComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly BytesComparer Instance = new();

        public bool Equals(byte[]? left, byte[]? right) => left.AsSpan().SequenceEqual(right);

        public int GetHashCode([DisallowNull] byte[] bytes) => GetHashCode((ReadOnlySpan<byte>)bytes);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => unchecked((int)XxHash3.HashToUInt64(alternate));

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
