using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Correlation;

/// <summary>
/// Adds up the events of one address after the other, each in the order of their times: what ES|QL's <c>STATS .. BY</c> does in a cluster.
/// An event costs its verdicts, its time and a count; traits and accounts are looked into once each, where the address has to be judged or
/// shown.
/// </summary>
internal sealed class AddressAggregator(RuleRevision revision, InternTable<EventTraits>.Reader traits, InternTable<byte[]>.Reader accounts)
{
    private readonly CountTable _byTraits = new();
    private readonly CountTable _byActor = new();
    private readonly Dictionary<int, EventUser?> _users = [];
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
        _byTraits.Count((uint)entry.Traits);
        if (verdicts.IsNetworkAlert(revision))
        {
            _alerts = (_alerts?.First ?? timestamp, timestamp);
            Narrow(timestamp, _accesses);
        }

        if (verdicts.IsAzureSignIn(revision) || verdicts.IsMailAccess(revision))
        {
            _accesses = (_accesses?.First ?? timestamp, timestamp);
            Narrow(timestamp, _alerts);
            _byActor.Count(((ulong)(uint)entry.Traits << 32) | (uint)entry.Account);
        }
    }

    /// <summary>What the events come to.</summary>
    public AddressTotals Total()
    {
        var (datasets, alertWithoutDataset) = (new DistinctTexts(), false);
        long total = 0, azureSignIn = 0, mailAccess = 0, networkAlert = 0;
        foreach (var (number, count) in _byTraits)
        {
            var kind = traits[(int)number];
            var verdicts = kind.Classification;
            total += count;
            azureSignIn += verdicts.IsAzureSignIn(revision) ? count : 0;
            mailAccess += verdicts.IsMailAccess(revision) ? count : 0;
            networkAlert += verdicts.IsNetworkAlert(revision) ? count : 0;
            var hasDataset = AddDatasets(datasets, new Texts(kind.Fields, default, default));
            alertWithoutDataset |= !hasDataset && revision.MissingDatasetCounts && verdicts.IsNetworkAlert(revision);
        }

        return new AddressTotals(new Measures(total, azureSignIn, mailAccess, networkAlert, datasets.Count + (alertWithoutDataset ? 1 : 0)), datasets);
    }

    /// <summary>The finding; only for an address with both legs.</summary>
    public AddressFinding ToFinding(SourceAddress address, AddressTotals totals)
    {
        var (ruleNames, categories) = (new DistinctTexts(), new DistinctTexts());
        foreach (var (number, _) in _byTraits)
        {
            var texts = new Texts(traits[(int)number].Fields, default, default);
            texts.AddTo(ruleNames, EcsField.RuleName);
            texts.AddTo(categories, EcsField.Category);
        }

        var users = new Accounts();
        foreach (var (actor, count) in _byActor)
        {
            var verdicts = traits[(int)(actor >> 32)].Classification;
            users.Add(UserOf((int)(uint)actor), verdicts.IsAzureSignIn(revision) ? count : 0, verdicts.IsMailAccess(revision) ? count : 0);
        }

        return new AddressFinding
        {
            Address = address,
            Counts = totals.Counts,
            Datasets = totals.Datasets.Sorted(),
            RuleNames = ruleNames.Sorted(),
            Categories = categories.Sorted(),
            Users = users.ToActivities(),
            FirstSeen = _firstSeen,
            LastSeen = _lastSeen,
            NetworkAlerts = _alerts!.Value,
            Accesses = _accesses!.Value,
            SmallestGap = _smallestGap,
        };
    }

    private EventUser? UserOf(int account)
    {
        if (account == SeriesEntry.NoAccount)
        {
            return null;
        }

        if (!_users.TryGetValue(account, out var user))
        {
            _users[account] = user = EventUser.From(new Texts(default, accounts[account], default));
        }

        return user;
    }

    private bool AddDatasets(DistinctTexts datasets, Texts texts)
    {
        foreach (var field in revision.Dataset.Fields)
        {
            if (texts.AddTo(datasets, field))
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

/// <summary>What the events of one address come to.</summary>
/// <param name="Counts">The counts that the rule tests.</param>
/// <param name="Datasets">The distinct datasets.</param>
internal sealed record AddressTotals(Measures Counts, DistinctTexts Datasets);

/// <summary>Counts by a number; made to be filled and cleared again and again. Its order is that of the first time each number came.</summary>
internal sealed class CountTable
{
    private int[] _places = new int[64];
    private (ulong Number, long Count)[] _counts = new (ulong, long)[16];
    private int _length;
    private int _latest;

    public bool IsEmpty => _length == 0;

    public void Count(ulong number)
    {
        // Runs are common: the same user at the same thing.
        if (_latest < _length && _counts[_latest].Number == number)
        {
            _counts[_latest].Count++;
            return;
        }

        var mask = _places.Length - 1;
        var place = PlaceOf(number, mask);
        for (; _places[place] != 0; place = (place + 1) & mask)
        {
            ref var counted = ref _counts[_places[place] - 1];
            if (counted.Number == number)
            {
                counted.Count++;
                _latest = _places[place] - 1;
                return;
            }
        }

        Add(number, place);
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

    public Span<(ulong Number, long Count)>.Enumerator GetEnumerator() => _counts.AsSpan(0, _length).GetEnumerator();

    private static int PlaceOf(ulong number, int mask) => (int)((number * 0x9E37_79B9_7F4A_7C15) >> 33) & mask;

    private void Add(ulong number, int place)
    {
        if (_length == _counts.Length)
        {
            Array.Resize(ref _counts, _length * 2);
        }

        _counts[_length++] = (number, 1);
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
}
