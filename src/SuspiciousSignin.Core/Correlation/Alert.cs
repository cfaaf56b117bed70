using System.Globalization;
using System.Xml;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Correlation;

/// <summary>How alerts are made (section <c>Alerts</c>).</summary>
public sealed class AlertOptions
{
    /// <summary>
    /// The period within which one address raises one alert, counted from 0001-01-01T00:00:00Z. Default 1 day, which is the UTC day; 1 hour
    /// to 30 days, dividing a day or whole days.
    /// </summary>
    public TimeSpan Period { get; set; } = TimeSpan.FromDays(1);

    /// <summary>The most events shown inside one alert. Default 1,000; 1 to 10,000.</summary>
    public int MaxEvents { get; set; } = 1000;

    /// <summary>
    /// The most events shown inside all alerts of one answer; alerts behind them show none and are counted in a warning. Default 50,000; 1
    /// to 1,000,000.
    /// </summary>
    public int MaxEventsPerAnswer { get; set; } = 50_000;
}

/// <summary>In which order the two legs came.</summary>
public enum AlertOrder
{
    /// <summary>Every network alert came before or with the first sign-in or mail access.</summary>
    AlertFirst,

    /// <summary>Every sign-in or mail access came before or with the first network alert.</summary>
    SignInFirst,

    /// <summary>They came by turns.</summary>
    Interleaved,
}

/// <summary>A span of event time as answers show it.</summary>
/// <param name="From">Exclusive lower bound, UTC.</param>
/// <param name="To">Inclusive upper bound, UTC.</param>
public sealed record WindowBounds(DateTime From, DateTime To)
{
    internal static WindowBounds Of(TimeWindow window) => new(EcsTime.ToDateTime(window.From), EcsTime.ToDateTime(window.To));
}

/// <summary>How many events of each kind the alert rests on.</summary>
/// <param name="Total">All events that the revision counts, failed sign-ins included.</param>
/// <param name="AzureSignIn">Successful Entra ID sign-ins.</param>
/// <param name="MailAccess">Successful mail accesses.</param>
/// <param name="NetworkAlert">Network alerts.</param>
/// <param name="Datasets">Distinct datasets; in revision <c>resilient</c> a network alert without one adds one.</param>
public sealed record AlertCounts(long Total, long AzureSignIn, long MailAccess, long NetworkAlert, long Datasets);

/// <summary>A tactic or technique of MITRE ATT&amp;CK.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Name">Its name.</param>
/// <param name="Reference">Its page.</param>
public sealed record ThreatReference(string Id, string Name, string Reference);

/// <summary>Where the alert stands in MITRE ATT&amp;CK.</summary>
/// <param name="Framework">Always <c>MITRE ATT&amp;CK</c>.</param>
/// <param name="Tactic">The tactic.</param>
/// <param name="Technique">The technique.</param>
public sealed record Threat(string Framework, ThreatReference Tactic, ThreatReference Technique)
{
    /// <summary>Initial Access by Valid Accounts, as Elastic maps the rule.</summary>
    public static readonly Threat ValidAccounts = new(
        "MITRE ATT&CK",
        new ThreatReference("TA0001", "Initial Access", "https://attack.mitre.org/tactics/TA0001/"),
        new ThreatReference("T1078", "Valid Accounts", "https://attack.mitre.org/techniques/T1078/"));
}

/// <summary>Somebody signed in or read mail from an address that a network sensor had flagged.</summary>
public sealed record Alert
{
    /// <summary>
    /// Derived from rule, revision, address and the period in which the correlation completed: whoever computes the alert, however often,
    /// gets this id, and later evidence of the same period updates the alert.
    /// </summary>
    public required string Id { get; init; }

    /// <summary>The address, canonical (RFC 5952; IPv4 as dotted quad).</summary>
    public required string SourceIp { get; init; }

    /// <summary>The revision that reported it.</summary>
    public required string Revision { get; init; }

    /// <summary>The first counted event, UTC.</summary>
    public required DateTime FirstSeen { get; init; }

    /// <summary>The last counted event, UTC.</summary>
    public required DateTime LastSeen { get; init; }

    /// <summary>The rule's severity.</summary>
    public string Severity { get; init; } = RuleCatalogue.Severity;

    /// <summary>The rule's risk score, 0 to 100.</summary>
    public int RiskScore { get; init; } = RuleCatalogue.RiskScore;

    /// <summary>One sentence for the queue. Names no user: names are attacker-written.</summary>
    public required string Reason { get; init; }

    /// <summary>Over which events the counts were taken.</summary>
    public required WindowBounds Window { get; init; }

    /// <summary>When both legs were there: the later of the first network alert and the first sign-in or mail access, UTC.</summary>
    public required DateTime CompletedAt { get; init; }

    /// <summary>The counts.</summary>
    public required AlertCounts Counts { get; init; }

    /// <summary>Distinct datasets, sorted.</summary>
    public required IReadOnlyList<string> Datasets { get; init; }

    /// <summary>Distinct names of the Kibana rules whose alerts count, sorted.</summary>
    public required IReadOnlyList<string> RuleNames { get; init; }

    /// <summary>Distinct event categories, sorted.</summary>
    public required IReadOnlyList<string> Categories { get; init; }

    /// <summary>The accounts that signed in or read mail, busiest first.</summary>
    public required IReadOnlyList<UserActivity> Users { get; init; }

    /// <summary>Which leg came first.</summary>
    public required AlertOrder Order { get; init; }

    /// <summary>The smallest time between a network alert and a sign-in or mail access, ISO 8601 duration.</summary>
    public required string SmallestGap { get; init; }

    /// <summary>
    /// Marks such as <c>highVolume</c> (more than 100 events: perhaps a proxy or gateway) and <c>promoted</c>; absent without any.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>The place in MITRE ATT&amp;CK.</summary>
    public IReadOnlyList<Threat> Threat { get; init; } = [Correlation.Threat.ValidAccounts];

    /// <summary>The evidence, oldest first; only where asked for.</summary>
    public IReadOnlyList<EventDocument>? Events { get; init; }

    /// <summary>How many events there are in all; only with <c>events</c>.</summary>
    public long? EventsTotal { get; init; }

    internal static Alert From(AddressFinding finding, RuleRevision revision, TimeWindow window, TimeSpan period)
    {
        var completedAt = Math.Max(finding.NetworkAlerts.First, finding.Accesses.First);
        var order = finding.NetworkAlerts.Last <= finding.Accesses.First ? AlertOrder.AlertFirst
            : finding.Accesses.Last <= finding.NetworkAlerts.First ? AlertOrder.SignInFirst
            : AlertOrder.Interleaved;
        string[] labels =
        [
            .. finding.Counts.Total > RuleCatalogue.HighVolume ? ["highVolume"] : Array.Empty<string>(),
            .. revision.Promote ? ["promoted"] : Array.Empty<string>(),
        ];
        var sourceIp = finding.Address.ToString();
        return new Alert
        {
            Id = IdOf(revision, sourceIp, completedAt, period),
            SourceIp = sourceIp,
            Revision = revision.Name,
            FirstSeen = EcsTime.ToDateTime(finding.FirstSeen),
            LastSeen = EcsTime.ToDateTime(finding.LastSeen),
            Reason = ReasonOf(finding, sourceIp, order),
            Window = WindowBounds.Of(window),
            CompletedAt = EcsTime.ToDateTime(completedAt),
            Counts = new AlertCounts(
                finding.Counts.Total,
                finding.Counts.AzureSignIn,
                finding.Counts.MailAccess,
                finding.Counts.NetworkAlert,
                finding.Counts.Datasets),
            Datasets = finding.Datasets,
            RuleNames = finding.RuleNames,
            Categories = finding.Categories,
            Users = finding.Users,
            Order = order,
            SmallestGap = Duration(finding.SmallestGap),
            Labels = labels.Length == 0 ? null : labels,
        };
    }

    /// <summary>Of rule, revision, address and the number of the period.</summary>
    private static string IdOf(RuleRevision revision, string sourceIp, long completedAt, TimeSpan period)
    {
        var number = EcsTime.ToDateTime(completedAt).Ticks / period.Ticks;
        return DerivedId.Of(string.Create(
            CultureInfo.InvariantCulture, $"{RuleCatalogue.RuleId}|{revision.Name}|{sourceIp}|{period.Ticks}|{number}"));
    }

    private static string ReasonOf(AddressFinding finding, string sourceIp, AlertOrder order)
    {
        var accesses = string.Join(" and ", new[]
        {
            Some(finding.Counts.AzureSignIn, "successful Entra ID sign-in"),
            Some(finding.Counts.MailAccess, "mail access", "mail accesses"),
        }.OfType<string>());
        var when = order switch
        {
            AlertOrder.AlertFirst => "after the last network alert",
            AlertOrder.SignInFirst => "before the first network alert",
            _ => "interleaved with the network alerts",
        };
        var named = finding.Users.Count(user => user.IsNamed);
        var by = named == 0 ? "accounts that the events do not name"
            : named == finding.Users.Count ? Some(named, "account")
            : $"{Some(named, "account")} and others that the events do not name";
        return $"{accesses} by {by} from {sourceIp}, which has {Some(finding.Counts.NetworkAlert, "network alert")}; "
            + $"{when}, closest {InWords(finding.SmallestGap)} apart.";
    }

    private static string? Some(long count, string one, string? many = null) =>
        count == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? one : many ?? one + "s")}");

    /// <summary>The largest unit that there is any of, and the next smaller one.</summary>
    private static string InWords(long milliseconds)
    {
        var time = TimeSpan.FromMilliseconds(milliseconds);
        var units = new[] { Some(time.Days, "day"), Some(time.Hours, "hour"), Some(time.Minutes, "minute"), Some(time.Seconds, "second") }
            .SkipWhile(unit => unit is null).Take(2).OfType<string>().ToArray();
        return units.Length == 0 ? "less than a second" : string.Join(' ', units);
    }

    private static string Duration(long milliseconds) => XmlConvert.ToString(TimeSpan.FromMilliseconds(milliseconds));
}
