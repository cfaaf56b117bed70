using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Correlation;

/// <summary>Adds up the events of one address, in the order of their times: what ES|QL's <c>STATS .. BY</c> does in a cluster.</summary>
internal sealed class AddressAggregator(RuleRevision revision)
{
    private readonly DistinctTexts _datasets = new();
    private readonly DistinctTexts _ruleNames = new();
    private readonly DistinctTexts _categories = new();
    private readonly Accounts _accounts = new();
    private int _total;
    private int _azureSignIn;
    private int _mailAccess;
    private int _networkAlert;
    private bool _alertWithoutDataset;
    private long _firstSeen;
    private long _lastSeen;
    private (long First, long Last)? _alerts;
    private (long First, long Last)? _accesses;
    private long _smallestGap = long.MaxValue;

    /// <summary>The counts so far.</summary>
    public Measures Counts => new(_total, _azureSignIn, _mailAccess, _networkAlert, _datasets.Count + (_alertWithoutDataset ? 1 : 0));

    /// <summary>Adds an event that the revision counts; events come oldest first.</summary>
    public void Add(long timestamp, EventTraits traits, ReadOnlySpan<byte> account)
    {
        var classification = traits.Classification;
        _firstSeen = _total++ == 0 ? timestamp : _firstSeen;
        _lastSeen = timestamp;
        var texts = new Texts(traits.Fields, account, default);
        var hasDataset = AddDatasets(texts);
        texts.AddTo(_ruleNames, EcsField.RuleName);
        texts.AddTo(_categories, EcsField.Category);
        if (classification.IsNetworkAlert(revision))
        {
            _networkAlert++;
            _alertWithoutDataset |= !hasDataset && revision.MissingDatasetCounts;
            _alerts = (_alerts?.First ?? timestamp, timestamp);
            Narrow(timestamp, _accesses);
        }

        var (isSignIn, isMail) = (classification.IsAzureSignIn(revision), classification.IsMailAccess(revision));
        if (isSignIn || isMail)
        {
            _azureSignIn += isSignIn ? 1 : 0;
            _mailAccess += isMail ? 1 : 0;
            _accesses = (_accesses?.First ?? timestamp, timestamp);
            Narrow(timestamp, _alerts);
            _accounts.Add(EventUser.From(texts), isSignIn ? 1 : 0, isMail ? 1 : 0);
        }
    }

    /// <summary>The finding; only for an address with both legs.</summary>
    public AddressFinding ToFinding(SourceAddress address) => new()
    {
        Address = address,
        Counts = Counts,
        Datasets = _datasets.Sorted(),
        RuleNames = _ruleNames.Sorted(),
        Categories = _categories.Sorted(),
        Users = _accounts.ToActivities(),
        FirstSeen = _firstSeen,
        LastSeen = _lastSeen,
        NetworkAlerts = _alerts!.Value,
        Accesses = _accesses!.Value,
        SmallestGap = _smallestGap,
    };

    private bool AddDatasets(Texts texts)
    {
        foreach (var field in revision.Dataset.Fields)
        {
            if (texts.AddTo(_datasets, field))
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
