using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Correlation;

/// <summary>
/// Adds up the events of one address after the other, each in the order of their times: what ES|QL's <c>STATS .. BY</c> does in a cluster.
/// An event costs its verdicts, its time and a count; traits and accounts are looked into once each, where the address has to be judged or
/// shown.
/// </summary>
internal sealed class AddressAggregator(RuleRevision revision, InternTable<EventTraits>.Reader traits, InternTable<EventAccount>.Reader accounts)
{
    private readonly EcsField[] _datasetFields = [.. revision.Dataset.Fields];
    private readonly CountTable _byTraits = new();
    private readonly CountTable _byActor = new();
    private readonly DistinctTexts _datasets = new();
    private readonly DistinctTexts _ruleNames = new();
    private readonly DistinctTexts _categories = new();
    private readonly Accounts _users = new();
    private long _firstSeen;
    private long _lastSeen;
    private (long First, long Last)? _alerts;
    private (long First, long Last)? _accesses;
    private long _smallestGap;

    /// <summary>Begins with another address.</summary>
    public void Clear()
    {
        _byTraits.Clear();
        _byActor.Clear();
        (_alerts, _accesses, _smallestGap) = (null, null, long.MaxValue);
    }

    /// <summary>Adds an event; events come oldest first, and those that the revision does not count are passed over.</summary>
    public void Add(in SeriesEntry entry)
    {
        var verdicts = traits[entry.Traits].Classification;
        if (!verdicts.IsKeptBy(revision))
        {
            return;
        }

        var timestamp = entry.Timestamp;
        _firstSeen = _byTraits.IsEmpty ? timestamp : _firstSeen;
        _lastSeen = timestamp;
        _byTraits.Count((uint)entry.Traits, timestamp);
        if (verdicts.IsNetworkAlert(revision))
        {
            _alerts = (_alerts?.First ?? timestamp, timestamp);
            Narrow(timestamp, _accesses);
        }

        if (verdicts.IsAzureSignIn(revision) || verdicts.IsMailAccess(revision))
        {
            _accesses = (_accesses?.First ?? timestamp, timestamp);
            Narrow(timestamp, _alerts);
            _byActor.Count(((ulong)(uint)entry.Traits << 32) | (uint)entry.Account, timestamp);
        }
    }

    /// <summary>What the events come to.</summary>
    public Measures Total()
    {
        _datasets.Clear();
        var alertWithoutDataset = false;
        long total = 0, azureSignIn = 0, mailAccess = 0, networkAlert = 0;
        foreach (var (number, count, _, _) in _byTraits)
        {
            var kind = traits[(int)number];
            var verdicts = kind.Classification;
            total += count;
            azureSignIn += verdicts.IsAzureSignIn(revision) ? count : 0;
            mailAccess += verdicts.IsMailAccess(revision) ? count : 0;
            networkAlert += verdicts.IsNetworkAlert(revision) ? count : 0;
            var hasDataset = AddDatasets(kind);
            alertWithoutDataset |= !hasDataset && revision.MissingDatasetCounts && verdicts.IsNetworkAlert(revision);
        }

        return new Measures(total, azureSignIn, mailAccess, networkAlert, _datasets.Count + (alertWithoutDataset ? 1 : 0));
    }

    /// <summary>The finding; only for an address with both legs.</summary>
    /// <param name="address">The address.</param>
    /// <param name="counts">What <see cref="Total"/> told just before.</param>
    public AddressFinding ToFinding(SourceAddress address, Measures counts)
    {
        _ruleNames.Clear();
        _categories.Clear();
        foreach (var (number, _, _, _) in _byTraits)
        {
            _ruleNames.AddAll(traits[(int)number], EcsField.RuleName);
            _categories.AddAll(traits[(int)number], EcsField.Category);
        }

        _users.Clear();
        foreach (var (actor, count, _, _) in _byActor)
        {
            var verdicts = traits[(int)(actor >> 32)].Classification;
            var account = (int)(uint)actor == SeriesEntry.NoAccount ? null : accounts[(int)(uint)actor];
            _users.Add(account?.Key ?? AccountKey.None, account?.User, verdicts.IsAzureSignIn(revision) ? count : 0, verdicts.IsMailAccess(revision) ? count : 0);
        }

        return new AddressFinding
        {
            Address = address,
            Counts = counts,
            Datasets = _datasets.Sorted(),
            RuleNames = _ruleNames.Sorted(),
            Categories = _categories.Sorted(),
            Users = _users.ToActivities(),
            FirstSeen = _firstSeen,
            LastSeen = _lastSeen,
            NetworkAlerts = _alerts!.Value,
            Accesses = _accesses!.Value,
            SmallestGap = _smallestGap,
        };
    }

    private bool AddDatasets(EventTraits kind)
    {
        foreach (var field in _datasetFields)
        {
            if (_datasets.AddAll(kind, field))
            {
                return true;
            }
        }

        return false;
    }

    private void Narrow(long timestamp, (long First, long Last)? others)
    {
        if (others is { } other)
        {
            _smallestGap = Math.Min(_smallestGap, timestamp - other.Last);
        }
    }
}

/// <summary>
/// Counts by a number, with the earliest and the latest time of each; made to be filled and cleared again and again. Its order is that of the first
/// time each number came.
/// </summary>
internal sealed class CountTable
{
    private int[] _places = new int[64];
    private Tally[] _counts = new Tally[16];
    private int _length;
    private int _latest;

    public bool IsEmpty => _length == 0;

    /// <summary>Counts once more.</summary>
    public void Count(ulong number, long timestamp)
    {
        // Runs are common: the same user at the same thing.
        if (_latest < _length && _counts[_latest].Number == number)
        {
            _counts[_latest].Add(timestamp);
            return;
        }

        var mask = _places.Length - 1;
        var place = PlaceOf(number, mask);
        for (; _places[place] != 0; place = (place + 1) & mask)
        {
            ref var counted = ref _counts[_places[place] - 1];
            if (counted.Number == number)
            {
                counted.Add(timestamp);
                _latest = _places[place] - 1;
                return;
            }
        }

        Add(number, place, timestamp);
    }

    public void Clear()
    {
        if (_length * 4 > _places.Length)
        {
            Array.Clear(_places);
        }
        else
        {
            // From the last to the first, so that every search finds what was there when it was added.
            for (var i = _length - 1; i >= 0; i--)
            {
                var place = PlaceOf(_counts[i].Number, _places.Length - 1);
                while (_places[place] != i + 1)
                {
                    place = (place + 1) & (_places.Length - 1);
                }

                _places[place] = 0;
            }
        }

        _length = 0;
    }

    public Span<Tally>.Enumerator GetEnumerator() => _counts.AsSpan(0, _length).GetEnumerator();

    private static int PlaceOf(ulong number, int mask) => (int)((number * 0x9E37_79B9_7F4A_7C15) >> 33) & mask;

    private void Add(ulong number, int place, long timestamp)
    {
        if (_length == _counts.Length)
        {
            Array.Resize(ref _counts, _length * 2);
        }

        _counts[_length++] = new Tally(number, timestamp);
        _latest = _length - 1;
        _places[place] = _length;
        if (_length * 2 > _places.Length)
        {
            _places = new int[_places.Length * 2];
            for (var i = 0; i < _length; i++)
            {
                var free = PlaceOf(_counts[i].Number, _places.Length - 1);
                while (_places[free] != 0)
                {
                    free = (free + 1) & (_places.Length - 1);
                }

                _places[free] = i + 1;
            }
        }
    }

    /// <summary>How often a number came, and when.</summary>
    public struct Tally(ulong number, long timestamp)
    {
        public readonly ulong Number => number;

        public long Count { get; private set; } = 1;

        /// <summary>The earliest time, milliseconds since the epoch.</summary>
        public long First { get; private set; } = timestamp;

        /// <summary>The latest time.</summary>
        public long Last { get; private set; } = timestamp;

        public void Add(long at)
        {
            Count++;
            First = Math.Min(First, at);
            Last = Math.Max(Last, at);
        }

        public readonly void Deconstruct(out ulong ofNumber, out long count, out long first, out long last) => (ofNumber, count, first, last) = (Number, Count, First, Last);
    }
}
