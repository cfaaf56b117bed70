using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Events;

/// <summary>
/// Traits and accounts by their fields. A log has few of them, so that nearly every event is judged by one look-up; the first of each kind is
/// judged by the predicates.
/// </summary>
internal sealed class TraitsCache
{
    /// <summary>What comes beyond these is made anew each time: whoever sends many must not make us keep them.</summary>
    private const int MaxEntries = 65_536;

    // Per address class and alert dataset, which the verdicts depend on besides the fields.
    private readonly BytesTable<EventTraits>[] _traits = new BytesTable<EventTraits>[8];
    private readonly BytesTable<EventAccount> _accounts = new();

    /// <summary>The traits of a document.</summary>
    public EventTraits TraitsOf(EcsDocument document)
    {
        // Predicates ask of the address only how many there are and whether it is excluded.
        var addressClass = document.Addresses switch
        {
            [] => 0,
            [var address] => ExcludedNetworks.Find(address) is null ? 1 : 2,
            _ => 3,
        };
        var table = _traits[(addressClass * 2) + (document.IsOfAlertDataset ? 1 : 0)] ??= new();
        var fields = document.Part(FieldPart.Traits);
        if (!table.TryGet(fields, out var traits))
        {
            var own = fields.ToArray();
            traits = new EventTraits(Classification.Of(document), own);
            table.Add(own, traits);
        }

        return traits;
    }

    /// <summary>Who acted; null where the document does not say.</summary>
    public EventAccount? AccountOf(EcsDocument document)
    {
        var fields = document.Part(FieldPart.Account);
        if (fields.IsEmpty)
        {
            return null;
        }

        if (!_accounts.TryGet(fields, out var account))
        {
            var own = fields.ToArray();
            account = new EventAccount(own);
            _accounts.Add(own, account);
        }

        return account;
    }

    private sealed class BytesTable<T>
        where T : class
    {
        private readonly Dictionary<byte[], T> _known = new(BytesComparer.Instance);
        private readonly Dictionary<byte[], T>.AlternateLookup<ReadOnlySpan<byte>> _lookUp;

        public BytesTable() => _lookUp = _known.GetAlternateLookup<ReadOnlySpan<byte>>();

        public bool TryGet(ReadOnlySpan<byte> key, [NotNullWhen(true)] out T? value) => _lookUp.TryGetValue(key, out value);

        public void Add(byte[] key, T value)
        {
            if (_known.Count < MaxEntries)
            {
                _known.Add(key, value);
            }
        }
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
