using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using static SuspiciousSignin.Rules.EsqlPredicate;

namespace SuspiciousSignin.Rules;

/// <summary>
/// The rule and its revisions, each written once. Elastic's rule "Microsoft Azure or Mail Sign-in from a Suspicious Source" is expressed
/// here in our own words; its query and prose are Elastic's.
/// </summary>
public static class RuleCatalogue
{
    /// <summary>The rule's id in Elastic's catalogue.</summary>
    public const string RuleId = "f0cc239b-67fa-46fc-89d4-f861753a40f5";

    /// <summary>The rule's name in Elastic's catalogue.</summary>
    public const string RuleName = "Microsoft Azure or Mail Sign-in from a Suspicious Source";

    /// <summary>The rule's severity.</summary>
    public const string Severity = "high";

    /// <summary>The rule's risk score, 0 to 100.</summary>
    public const int RiskScore = 73;

    /// <summary>The revision used where a caller names none.</summary>
    public const string DefaultRevision = "2025-04-29";

    /// <summary>The rule id of Elastic's promotion rule "External Alerts", whatever name its alerts carry.</summary>
    public const string ExternalAlertsRuleId = "eb079c62-4481-4d6e-9643-3ca499df7aaa";

    /// <summary>The name of that promotion rule; alerts keep it only where the event behind them has no <c>message</c>.</summary>
    public const string ExternalAlertsRuleName = "External Alerts";

    /// <summary>How far the rule looks back.</summary>
    public static readonly TimeSpan LookBack = TimeSpan.FromHours(8);

    /// <summary>An alert over more than this many events is labelled <c>highVolume</c>.</summary>
    public const int HighVolume = 100;

    private const string AzureDataset = "azure.signinlogs";
    private const string MailDataset = "o365.audit";

    private static readonly EsqlColumn EventDataset = new(EcsField.Dataset);
    private static readonly EsqlColumn DataStreamDataset = new(EcsField.DataStreamDataset);
    private static readonly EsqlColumn AnyDataset = new(
        EcsField.Dataset, EcsField.DataStreamDataset, EcsField.OriginalDataset, EcsField.OriginalDataStreamDataset);

    private static readonly EsqlColumn ModuleColumn = new(EcsField.Module);
    private static readonly EsqlColumn RuleNameColumn = new(EcsField.RuleName);
    private static readonly EsqlPredicate HasRuleName = Is(RuleNameColumn, ExternalAlertsRuleName);
    private static readonly EsqlPredicate HasRuleId = Is(new EsqlColumn(EcsField.RuleId), ExternalAlertsRuleId);
    private static readonly EsqlPredicate Succeeded = Is(new EsqlColumn(EcsField.Outcome), "success");
    private static readonly EsqlPredicate AccessesMail = Is(new EsqlColumn(EcsField.Action), "MailItemsAccessed");
    private static readonly EsqlPredicate IsExternalAlert = Any(HasRuleId, HasRuleName);
    private static readonly EsqlPredicate IsOfNeitherSource = Any(IsNull(AnyDataset), Not(Is(AnyDataset, MailDataset, AzureDataset)));
    private static readonly EsqlPredicate IsExcluded = SourceIpIn(ExcludedNetworks.All);

    /// <summary>What External Alerts itself promotes: any alert document but those of Elastic's own endpoint and cloud sensors.</summary>
    private static readonly EsqlPredicate IsRawAlert = All(
        IsAlertKind(),
        Any(IsNull(ModuleColumn), Not(Is(ModuleColumn, "endpoint", "endgame", "cloud_defend"))));

    /// <summary>
    /// What a network alert needs in 'resilient' besides who raised it, so that warnings promise only what a change of revision gives.
    /// </summary>
    private static readonly EsqlPredicate CountsInResilient = All(Not(IsExcluded), IsOfNeitherSource);

    private static readonly NearMiss RenamedExternalAlert = Miss(
        WarningCodes.ExternalAlertRenamed,
        All(HasRuleId, Any(IsNull(RuleNameColumn), Not(HasRuleName)), CountsInResilient),
        "Alerts of the External Alerts rule carry another rule name (it takes the event's message as its name), "
        + "so this revision ignores them. Revision 'resilient' counts them.");

    private static readonly (NearMiss OfKibana, NearMiss OrRaw) AlertWithoutEventDataset = WithoutDataset(EventDataset);
    private static readonly (NearMiss OfKibana, NearMiss OrRaw) AlertWithoutDataStream = WithoutDataset(DataStreamDataset);

    private static readonly NearMiss UnmappedDataStream = Miss(
        WarningCodes.AlertDataStreamUnmapped,
        All(HasRuleId, Not(IsNull(DataStreamDataset))),
        "These alerts are judged by their data_stream.dataset. Stock Kibana alert indices do not map that field, "
        + "and on such a cluster this revision reports nothing for them. Revision 'resilient' does.",
        onlyInMemory: true);

    private static readonly NearMiss PromotableAlert = Miss(
        WarningCodes.PromotableAlert,
        All(IsRawAlert, CountsInResilient),
        "Raw network alerts (event.kind: alert) that no Kibana rule has promoted do not count. "
        + "Ask with 'promote' to count them; those without the dataset field that a revision reads count in 'resilient' only.");

    private static readonly (NearMiss OfKibana, NearMiss OrRaw) MultiValuedSourceIp = OfKibanaOrRaw(
        WarningCodes.MultiValuedSourceIp,
        isAlert => All(SourceIpIsMultiValued(), Any(Is(AnyDataset, MailDataset, AzureDataset), isAlert)),
        "Events with several source.ip values never count: ES|QL compares single values only. "
        + "Split them at the source to have them judged.");

    private static readonly (NearMiss OfKibana, NearMiss OrRaw) AlertOnExcludedNetwork = OfKibanaOrRaw(
        WarningCodes.AlertOnExcludedNetwork,
        isAlert => All(isAlert, IsExcluded),
        "Network alerts whose source.ip is private or reserved never count. "
        + "In outbound detections the outside address is destination.ip, which the rule does not read.");

    /// <summary>Every near miss, by slot.</summary>
    public static IReadOnlyList<NearMiss> NearMisses { get; } = new[]
    {
        RenamedExternalAlert,
        AlertWithoutEventDataset.OfKibana,
        AlertWithoutEventDataset.OrRaw,
        AlertWithoutDataStream.OfKibana,
        AlertWithoutDataStream.OrRaw,
        UnmappedDataStream,
        PromotableAlert,
        MultiValuedSourceIp.OfKibana,
        MultiValuedSourceIp.OrRaw,
        AlertOnExcludedNetwork.OfKibana,
        AlertOnExcludedNetwork.OrRaw,
    }.Select((miss, slot) => miss with { Slot = slot }).ToArray();

    /// <summary>Every revision, without and with promotion, by slot.</summary>
    public static IReadOnlyList<RuleRevision> Revisions { get; } =
    [
        .. new[] { false, true }.SelectMany(promote => new[] { Original(promote), Current(promote), Resilient(promote) })
            .Select((revision, slot) => revision with { Slot = slot }),
    ];

    /// <summary>The names of the revisions, oldest first.</summary>
    public static IReadOnlyList<string> RevisionNames { get; } = [.. Revisions.Where(r => !r.Promote).Select(r => r.Name)];

    /// <summary>The revision of that name, or null where there is none.</summary>
    public static RuleRevision? Find(string name, bool promote = false) =>
        Revisions.FirstOrDefault(revision => revision.Name == name && revision.Promote == promote);

    private static RuleRevision Original(bool promote) => new()
    {
        Name = DefaultRevision,
        Promote = promote,
        Description = "The rule as first published, reproduced exactly.",
        Differences =
        [
            "Reads the dataset from event.dataset.",
            "A network alert is an alert named 'External Alerts'.",
            "Mail access needs no second dataset; an Entra ID sign-in needs two distinct datasets. There is no cap on the volume.",
        ],
        BlindSpots =
        [
            "External Alerts takes the event's message as the alert's name, so alerts of most sensors carry another name and are ignored.",
            "An alert without event.dataset, or with several source addresses, never counts.",
            "Alerts of other promotion rules, and raw alerts that no rule has promoted, are ignored.",
        ],
        Schedule = "Documents ingested in the last 60 minutes whose @timestamp lies in the last 8 hours.",
        Indices = ["logs-*", ".alerts-security.*"],
        Dataset = EventDataset,
        Keep = Keeps(EventDataset, Promoted(HasRuleName, promote)),
        AzureSignIn = All(Is(EventDataset, AzureDataset), Succeeded),
        MailAccess = All(Is(EventDataset, MailDataset), AccessesMail, Succeeded),
        NetworkAlert = All(Promoted(HasRuleName, promote), Not(Is(EventDataset, MailDataset, AzureDataset))),
        Report = All(
            AtLeast(Measure.NetworkAlert, 1),
            Any(AtLeast(Measure.MailAccess, 1), All(AtLeast(Measure.AzureSignIn, 1), AtLeast(Measure.Datasets, 2)))),
        NearMisses = Misses(promote, RenamedExternalAlert, For(promote, AlertWithoutEventDataset)),
    };

    private static RuleRevision Current(bool promote) => new()
    {
        Name = "2026-05-22",
        Promote = promote,
        Description = "The rule as its authors ship it since May 2026.",
        Differences =
        [
            "Reads only the Entra ID and Microsoft 365 data streams besides the alerts, and the dataset from data_stream.dataset.",
            "A network alert is an alert of the External Alerts rule id, whatever its name.",
            "Needs two distinct datasets always, and at most 100 events of the address.",
        ],
        BlindSpots =
        [
            "Stock Kibana alert indices do not map data_stream.dataset: on them this revision never fires.",
            "More than 100 events, failed sign-ins included, hide an address.",
            "Alerts of other promotion rules, and raw alerts that no rule has promoted, are ignored.",
        ],
        Schedule = "Every hour, over documents ingested in the last 8 hours (event.ingested, else @timestamp).",
        Indices = promote
            ? ["logs-*", ".alerts-security.*"]
            : ["logs-o365.audit-*", "logs-azure.signinlogs-*", ".alerts-security.*"],
        Dataset = DataStreamDataset,
        Keep = Keeps(DataStreamDataset, Promoted(HasRuleId, promote)),
        AzureSignIn = All(Is(DataStreamDataset, AzureDataset), Succeeded),
        MailAccess = All(Is(DataStreamDataset, MailDataset), AccessesMail, Succeeded),
        NetworkAlert = All(Promoted(HasRuleId, promote), Not(Is(DataStreamDataset, MailDataset, AzureDataset))),
        Report = All(BothLegsAndTwoDatasets, AtMost(Measure.Total, HighVolume)),
        ReportIgnoringVolume = BothLegsAndTwoDatasets,
        NearMisses = Misses(promote, For(promote, AlertWithoutDataStream), UnmappedDataStream),
    };

    private static RuleRevision Resilient(bool promote) => new()
    {
        Name = "resilient",
        Promote = promote,
        Description = "Ours: catches what the two published revisions are known to miss.",
        Differences =
        [
            "Reads the dataset from event.dataset, data_stream.dataset, "
                + "or the originals that Kibana keeps in an alert, whichever is there first.",
            "A network alert is an alert of the External Alerts rule id or of its name; its dataset may be missing.",
            "No cap: an address of more than 100 events is labelled 'highVolume'.",
        ],
        BlindSpots =
        [
            "An event with several source addresses never counts.",
            "Alerts of other promotion rules are ignored; raw alerts count only with 'promote'.",
        ],
        Schedule = "As you run it.",
        Indices = ["logs-*", ".alerts-security.*"],
        Dataset = AnyDataset,
        Keep = Keeps(AnyDataset, Promoted(IsExternalAlert, promote)),
        AzureSignIn = All(Is(AnyDataset, AzureDataset), Succeeded),
        MailAccess = All(Is(AnyDataset, MailDataset), AccessesMail, Succeeded),
        NetworkAlert = All(Promoted(IsExternalAlert, promote), IsOfNeitherSource),
        MissingDatasetCounts = true,
        Report = BothLegsAndTwoDatasets,
        NearMisses = Misses(promote),
    };

    private static EsqlPredicate BothLegsAndTwoDatasets => All(
        AtLeast(Measure.NetworkAlert, 1),
        AtLeast(Measure.Datasets, 2),
        Any(AtLeast(Measure.MailAccess, 1), AtLeast(Measure.AzureSignIn, 1)));

    private static EsqlPredicate Keeps(EsqlColumn dataset, EsqlPredicate isAlert) =>
        All(SourceIpParses(), Any(Is(dataset, MailDataset, AzureDataset), isAlert), Not(IsExcluded));

    private static EsqlPredicate Promoted(EsqlPredicate isAlert, bool promote) => promote ? Any(isAlert, IsRawAlert) : isAlert;

    /// <summary>The near misses of a revision, with their slots.</summary>
    private static NearMiss[] Misses(bool promote, params NearMiss[] own)
    {
        NearMiss[] all =
        [
            .. own,
            .. promote ? Array.Empty<NearMiss>() : [PromotableAlert],
            For(promote, MultiValuedSourceIp),
            For(promote, AlertOnExcludedNetwork),
        ];
        return Array.ConvertAll(all, miss => NearMisses.First(listed => ReferenceEquals(listed.Condition, miss.Condition)));
    }

    private static NearMiss For(bool promote, (NearMiss OfKibana, NearMiss OrRaw) miss) => promote ? miss.OrRaw : miss.OfKibana;

    private static (NearMiss OfKibana, NearMiss OrRaw) WithoutDataset(EsqlColumn dataset) => OfKibanaOrRaw(
        WarningCodes.ExternalAlertWithoutDataset,
        isAlert => All(isAlert, IsNull(dataset), CountsInResilient),
        $"Network alerts without {dataset} never count in this revision. Revision 'resilient' counts them.");

    /// <summary>The same near miss where only Kibana's alerts could have counted, and where raw ones could have too.</summary>
    private static (NearMiss OfKibana, NearMiss OrRaw) OfKibanaOrRaw(
        string code, Func<EsqlPredicate, EsqlPredicate> condition, string message) => (
            Miss(code, condition(Promoted(IsExternalAlert, promote: false)), message),
            Miss(code, condition(Promoted(IsExternalAlert, promote: true)), message));

    private static NearMiss Miss(string code, EsqlPredicate condition, string message, bool onlyInMemory = false) =>
        new(code, condition, message) { OnlyInMemory = onlyInMemory };
}
