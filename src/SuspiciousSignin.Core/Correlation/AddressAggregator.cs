using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Correlation;

/// <summary>Adds up the events of one address, in the order of their times: what ES|QL's <c>STATS .. BY</c> does in a cluster.</summary>
internal sealed class AddressAggregator(RuleRevision revision)
{
    private readonly SortedSet<string> _datasets = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _ruleNames = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _categories = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Account> _accounts = new(StringComparer.OrdinalIgnoreCase);
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
    public void Add(long timestamp, Classification classification, ReadOnlySpan<byte> payload)
    {
        _firstSeen = _total++ == 0 ? timestamp : _firstSeen;
        _lastSeen = timestamp;
        var texts = new Texts(payload);
        var hasDataset = AddDatasets(texts);
        AddAll(_ruleNames, texts, EcsField.RuleName);
        AddAll(_categories, texts, EcsField.Category);
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
            Account.Of(_accounts, texts).Add(texts, isSignIn);
        }
    }

    /// <summary>The finding; only for an address with both legs.</summary>
    public AddressFinding ToFinding(SourceAddress address) => new()
    {
        Address = address,
        Counts = Counts,
        Datasets = [.. _datasets],
        RuleNames = [.. _ruleNames],
        Categories = [.. _categories],
        Users = [.. _accounts.Values.Select(account => account.ToActivity())
            .OrderByDescending(user => user.AzureSignIn + user.MailAccess)
            .ThenBy(user => user.Name, StringComparer.Ordinal)
            .ThenBy(user => user.Id, StringComparer.Ordinal)],
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
            if (AddAll(_datasets, texts, field))
            {
                return true;
            }
        }

        return false;
    }

    private static bool AddAll(SortedSet<string> values, Texts texts, EcsField field)
    {
        if (texts.All(field) is not { } all)
        {
            return false;
        }

        values.UnionWith(all);
        return true;
    }

    private void Narrow(long timestamp, (long First, long Last)? others)
    {
        if (others is { } other)
        {
            _smallestGap = Math.Min(_smallestGap, timestamp - other.Last);
        }
    }

    /// <summary>
    /// An account across the two sources, joined case-insensitively: sign-in logs hold the user principal name in lower case as name and
    /// e-mail, audit records split it or keep the case.
    /// </summary>
    private sealed class Account
    {
        private readonly SortedSet<string> _names = new(StringComparer.Ordinal);
        private readonly SortedSet<string> _ids = new(StringComparer.Ordinal);
        private readonly SortedSet<string> _emails = new(StringComparer.Ordinal);
        private readonly SortedSet<string> _signInNames = new(StringComparer.Ordinal);
        private readonly SortedSet<string> _signInIds = new(StringComparer.Ordinal);
        private int _azureSignIn;
        private int _mailAccess;

        public static Account Of(Dictionary<string, Account> accounts, Texts texts)
        {
            var user = EventUser.From(texts);
            var key = user?.Email
                ?? (user is { Name: { } name, Domain: { } domain } && !name.Contains('@', StringComparison.Ordinal) ? $"{name}@{domain}" : null)
                ?? user?.Name ?? user?.Id ?? "";
            if (!accounts.TryGetValue(key, out var account))
            {
                accounts[key] = account = new Account();
            }

            return account;
        }

        public void Add(Texts texts, bool isSignIn)
        {
            _azureSignIn += isSignIn ? 1 : 0;
            _mailAccess += isSignIn ? 0 : 1;
            var user = EventUser.From(texts);
            AddTo(isSignIn ? _signInNames : _names, user?.Name);
            AddTo(isSignIn ? _signInIds : _ids, user?.Id);
            AddTo(_emails, user?.Email);
        }

        // Whatever the order of arrival, the same events name the account the same way; the directory's own name and id come first.
        public UserActivity ToActivity() => new()
        {
            Name = _signInNames.Min ?? _names.Min,
            Id = _signInIds.Min ?? _ids.Min,
            Email = _emails.Min,
            AzureSignIn = _azureSignIn,
            MailAccess = _mailAccess,
        };

        private static void AddTo(SortedSet<string> values, string? value)
        {
            if (value is not null)
            {
                values.Add(value);
            }
        }
    }
}
