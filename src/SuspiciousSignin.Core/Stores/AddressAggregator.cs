using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Stores;

/// <summary>
/// Adds up the events of one address after the other: what ES|QL's <c>STATS .. BY</c> does in a cluster. Judging an address costs a count
/// for each event; who it was and in which order is found out of those addresses only that are shown.
/// </summary>
internal sealed class AddressAggregator(
    RuleRevision revision, InternTable<EventTraits>.Reader traits, InternTable<EventAccount>.Reader accounts, QueryMemory memory)
{
    private readonly EcsField[] _datasetFields = [.. revision.Dataset.Fields];
    private readonly DistinctTexts _datasets = new();
    private readonly DistinctTexts _ruleNames = new();
    private readonly DistinctTexts _categories = new();

    // What the traits are to the revision, in the order of their counts.
    private readonly List<Legs> _legs = [];

    [Flags]
    private enum Legs
    {
        None = 0,
        AzureSignIn = 1,
        MailAccess = 2,
        Access = AzureSignIn | MailAccess,
        NetworkAlert = 4,
        Kept = 8,
    }

    /// <summary>What the events of an address come to; those that the revision does not count are passed over.</summary>
    public Measures Count(ReadOnlySpan<SeriesEntry> events)
    {
        memory.ByTraits.Clear();
        memory.ByTraits.CountInOrder(events);
        _datasets.Clear();
        _legs.Clear();
        var alertWithoutDataset = false;
        long total = 0, azureSignIn = 0, mailAccess = 0, networkAlert = 0;
        foreach (var (number, count, _, _) in memory.ByTraits)
        {
            var common = traits[number];
            var legs = LegsOf(common.Classification);
            _legs.Add(legs);
            if (legs == Legs.None)
            {
                continue;
            }

            total += count;
            azureSignIn += legs.HasFlag(Legs.AzureSignIn) ? count : 0;
            mailAccess += legs.HasFlag(Legs.MailAccess) ? count : 0;
            networkAlert += legs.HasFlag(Legs.NetworkAlert) ? count : 0;
            var hasDataset = AddDatasets(common);
            alertWithoutDataset |= !hasDataset && revision.MissingDatasetCounts && legs.HasFlag(Legs.NetworkAlert);
        }

        return new Measures(total, azureSignIn, mailAccess, networkAlert, _datasets.Count + (alertWithoutDataset ? 1 : 0));
    }

    /// <summary>Adds what <see cref="Count"/> told last to the total of all addresses.</summary>
    public void AddToTotal()
    {
        foreach (ref readonly var tally in memory.ByTraits)
        {
            memory.Total.Add(tally);
        }
    }

    /// <summary>Adds the events of an address that need not be judged to that total.</summary>
    public void AddToTotal(ReadOnlySpan<SeriesEntry> events)
    {
        memory.ByTraits.Clear();
        memory.ByTraits.CountInOrder(events);
        AddToTotal();
    }

    /// <summary>Adds that total to a summary, and begins with another.</summary>
    public void Summarise(WindowSummary summary)
    {
        foreach (var (number, count, first, last) in memory.Total)
        {
            summary.Add(traits[number].Classification, count, first, last);
        }

        memory.Total.Clear();
    }

    /// <summary>The finding; only for an address with both legs.</summary>
    /// <param name="slice">The address and when its events were taken.</param>
    /// <param name="events">Its events, oldest first.</param>
    /// <param name="counts">What <see cref="Count"/> told of them just before.</param>
    public AddressFinding ToFinding(in AddressSlice slice, ReadOnlySpan<SeriesEntry> events, Measures counts)
    {
        _ruleNames.Clear();
        _categories.Clear();
        (long First, long Last) none = (long.MaxValue, long.MinValue);
        var (seen, alerts, accesses) = (none, none, none);
        var slot = 0;
        foreach (var (number, _, first, last) in memory.ByTraits)
        {
            var legs = _legs[slot++];
            if (legs == Legs.None)
            {
                continue;
            }

            seen = (Math.Min(seen.First, first), Math.Max(seen.Last, last));
            alerts = legs.HasFlag(Legs.NetworkAlert) ? (Math.Min(alerts.First, first), Math.Max(alerts.Last, last)) : alerts;
            accesses = (legs & Legs.Access) != Legs.None ? (Math.Min(accesses.First, first), Math.Max(accesses.Last, last)) : accesses;
            _ruleNames.AddAll(traits[number], EcsField.RuleName);
            _categories.AddAll(traits[number], EcsField.Category);
        }

        var smallestGap = Follow(events);
        return new AddressFinding
        {
            Address = slice.Address,
            Counts = counts,
            Datasets = _datasets.Sorted(),
            RuleNames = _ruleNames.Sorted(),
            Categories = _categories.Sorted(),
            Users = Users(),
            FirstSeen = seen.First,
            LastSeen = seen.Last,
            NetworkAlerts = alerts,
            Accesses = accesses,
            SmallestGap = smallestGap,
            AsOf = slice.AsOf,
        };
    }

    /// <summary>Counts the events of each account, and tells the smallest time between the two legs.</summary>
    private long Follow(ReadOnlySpan<SeriesEntry> events)
    {
        memory.SignInsByAccount.Clear();
        memory.MailAccessesByAccount.Clear();
        (long? alert, long? access, var smallestGap) = (null, null, long.MaxValue);
        foreach (ref readonly var entry in events)
        {
            var (legs, timestamp) = (_legs[memory.ByTraits.PlaceOf(entry.Traits)], entry.Timestamp);
            if (legs.HasFlag(Legs.NetworkAlert))
            {
                alert = timestamp;
                smallestGap = Math.Min(smallestGap, (timestamp - access) ?? long.MaxValue);
            }

            if ((legs & Legs.Access) != Legs.None)
            {
                access = timestamp;
                smallestGap = Math.Min(smallestGap, (timestamp - alert) ?? long.MaxValue);
                if (legs.HasFlag(Legs.AzureSignIn))
                {
                    memory.SignInsByAccount.Count(entry.Account + 1, timestamp);
                }

                if (legs.HasFlag(Legs.MailAccess))
                {
                    memory.MailAccessesByAccount.Count(entry.Account + 1, timestamp);
                }
            }
        }

        return smallestGap;
    }

    private IReadOnlyList<UserActivity> Users()
    {
        memory.Users.Clear(memory.SignInsByAccount.Length + memory.MailAccessesByAccount.Length);
        foreach (var (number, count, _, _) in memory.SignInsByAccount)
        {
            var (key, user) = AccountOf(number - 1);
            memory.Users.Add(key, user, azureSignIn: count, mailAccess: 0);
        }

        foreach (var (number, count, _, _) in memory.MailAccessesByAccount)
        {
            var (key, user) = AccountOf(number - 1);
            memory.Users.Add(key, user, azureSignIn: 0, mailAccess: count);
        }

        return memory.Users.ToActivities();
    }

    private (AccountKey Key, EventUser? User) AccountOf(int number) =>
        number == SeriesEntry.NoAccount ? (AccountKey.None, null) : (accounts[number].Key, accounts[number].User);

    private Legs LegsOf(Classification verdicts) =>
        verdicts.IsKeptBy(revision)
            ? Legs.Kept
                | (verdicts.IsAzureSignIn(revision) ? Legs.AzureSignIn : Legs.None)
                | (verdicts.IsMailAccess(revision) ? Legs.MailAccess : Legs.None)
                | (verdicts.IsNetworkAlert(revision) ? Legs.NetworkAlert : Legs.None)
            : Legs.None;

    private bool AddDatasets(EventTraits common)
    {
        foreach (var field in _datasetFields)
        {
            if (_datasets.AddAll(common, field))
            {
                return true;
            }
        }

        return false;
    }
}
