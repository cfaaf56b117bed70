using System.IO.Hashing;
using System.Security.Cryptography;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Events;

/// <summary>
/// Traits by their fields. A log has few of them, so that nearly every event is judged by one look-up; the first of each kind is judged by the
/// predicates.
/// </summary>
internal sealed class TraitsCache
{
    // Per address class and alert dataset, which the verdicts depend on besides the fields.
    private readonly FieldsTable<EventTraits>?[] _traits = new FieldsTable<EventTraits>?[8];

    // The latest by a cheap key: nearly all events are of a few kinds that take turns.
    private readonly EventTraits?[] _latest = new EventTraits?[64];
    private readonly int[] _latestTable = new int[64];

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
        var key = fields.IsEmpty ? 0 : (fields.Length + (fields[^1] * 7) + (fields[fields.Length / 2] * 13) + (number * 29)) & (_latest.Length - 1);
        if (_latest[key] is not { } latest || _latestTable[key] != number || !fields.SequenceEqual(latest.Fields))
        {
            latest = Find(document, fields, number);
            (_latest[key], _latestTable[key]) = (latest, number);
        }

        return latest;
    }

    private EventTraits Find(EcsDocument document, ReadOnlySpan<byte> fields, int number)
    {
        var table = _traits[number] ??= new();
        if (table.Find(fields, out var hash) is { } known)
        {
            return known;
        }

        var own = fields.ToArray();
        return table.Add(hash, own, new EventTraits(Classification.Of(document), own));
    }

    /// <summary>An open hash table by the bytes of fields: the hash, the bytes and the value of an entry lie together.</summary>
    private sealed class FieldsTable<T>
        where T : class
    {
        /// <summary>Values beyond these are made anew each time: whoever sends many must not make us keep them.</summary>
        private const int MaxEntries = 65_536;

        // Drawn once per process: nobody outside can prepare fields that fall into one place.
        private static readonly long Seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

        private Entry[] _entries = new Entry[16];
        private int _count;

        public T? Find(ReadOnlySpan<byte> fields, out ulong hash)
        {
            hash = XxHash3.HashToUInt64(fields, Seed);
            var entries = _entries;
            for (var at = (int)hash & (entries.Length - 1); entries[at].Value is { } value; at = (at + 1) & (entries.Length - 1))
            {
                if (entries[at].Hash == hash && fields.SequenceEqual(entries[at].Fields))
                {
                    return value;
                }
            }

            return null;
        }

        public T Add(ulong hash, byte[] fields, T value)
        {
            var entry = new Entry(hash, fields, value);
            if (_count < MaxEntries)
            {
                if (++_count * 2 > _entries.Length)
                {
                    var old = _entries;
                    _entries = new Entry[old.Length * 2];
                    foreach (ref readonly var each in old.AsSpan())
                    {
                        if (each.Value is not null)
                        {
                            Place(each);
                        }
                    }
                }

                Place(entry);
            }

            return value;
        }

        private void Place(in Entry entry)
        {
            var at = (int)entry.Hash & (_entries.Length - 1);
            while (_entries[at].Value is not null)
            {
                at = (at + 1) & (_entries.Length - 1);
            }

            _entries[at] = entry;
        }

        private readonly record struct Entry(ulong Hash, byte[] Fields, T Value);
    }
}
