using System.Numerics;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>What is asked: a revision over a window, from exclusive and to inclusive, in milliseconds since 1970.</summary>
public sealed record OracleQuery(string Revision, long From, long To)
{
    /// <summary>Raw alerts of vendors count like those that the External Alerts rule promoted.</summary>
    public bool Promote { get; init; }

    /// <summary>Keeps only events whose event.ingested, else @timestamp, is at or after it.</summary>
    public long? IngestedAfter { get; init; }

    /// <summary>Keeps only these addresses, in any spelling; null keeps all.</summary>
    public IReadOnlyCollection<string>? SourceIps { get; init; }

    /// <summary>Reads data_stream.* as null in documents with any kibana.alert.* key, as stock alert indices do.</summary>
    public bool StockAlertMapping { get; init; }
}

/// <summary>How many of the kept events of an address fall where.</summary>
public sealed record OracleCounts(int Total, int AzureSignIn, int MailAccess, int NetworkAlert, int Datasets);

/// <summary>One reported address. Times are milliseconds since 1970, the gap is milliseconds.</summary>
public sealed record OracleFinding(
    string SourceIp,
    OracleCounts Counts,
    IReadOnlyList<string> Datasets,
    IReadOnlyList<string> RuleNames,
    IReadOnlyList<string> Categories,
    long FirstSeen,
    long LastSeen,
    long CompletedAt,
    string Order,
    long SmallestGap)
{
    /// <summary>All of it on one line, so that two findings are equal when their lines are.</summary>
    public override string ToString() =>
        $"{SourceIp} total={Counts.Total} azure={Counts.AzureSignIn} mail={Counts.MailAccess} alert={Counts.NetworkAlert} datasets={Counts.Datasets}"
        + $" [{Listed(Datasets)}] rules [{Listed(RuleNames)}] categories [{Listed(Categories)}]"
        + $" seen {OracleTime.Format(FirstSeen)}..{OracleTime.Format(LastSeen)} completed {OracleTime.Format(CompletedAt)} {Order} gap {SmallestGap}";

    private static string Listed(IReadOnlyList<string> values) => string.Join(", ", values.Select(value => $"'{value}'"));
}

/// <summary>A batch as it would be stored: unacceptable documents rejected by position, the first of each identity kept.</summary>
public sealed record OracleBatch(IReadOnlyList<OracleDocument> Stored, int Duplicates, IReadOnlyList<int> Rejected)
{
    public static OracleBatch Read(string json) => Read(JsonNode.Parse(json)!.AsArray());

    public static OracleBatch Read(JsonArray documents)
    {
        var stored = new List<OracleDocument>();
        var identities = new HashSet<string>(StringComparer.Ordinal);
        var duplicates = 0;
        var rejected = new List<int>();
        for (var i = 0; i < documents.Count; i++)
        {
            if (OracleDocument.Read(documents[i]) is not { } document)
                rejected.Add(i);
            else if (document.Identity is { } identity && !identities.Add(identity))
                duplicates++;
            else
                stored.Add(document);
        }

        return new OracleBatch(stored, duplicates, rejected);
    }
}

/// <summary>The rule over documents, one by one and clause by clause, in ES|QL's three-valued logic: null is neither true nor false.</summary>
public static class OracleRule
{
    public const string Seed = "2025-04-29";
    public const string Head = "2026-05-22";
    public const string Resilient = "resilient";

    private const string O365 = "o365.audit";
    private const string Azure = "azure.signinlogs";

    public static IReadOnlyList<string> Revisions { get; } = [Seed, Head, Resilient];

    /// <summary>The reported addresses in the order of their 16 bytes.</summary>
    public static IReadOnlyList<OracleFinding> Run(string json, OracleQuery query) => Run(OracleBatch.Read(json).Stored, query);

    /// <inheritdoc cref="Run(string, OracleQuery)"/>
    public static IReadOnlyList<OracleFinding> Run(IEnumerable<OracleDocument> documents, OracleQuery query)
    {
        if (!Revisions.Contains(query.Revision, StringComparer.Ordinal))
            throw new ArgumentException($"There is no revision '{query.Revision}'.", nameof(query));
        var wanted = query.SourceIps?.Select(OracleIp.Parse).ToHashSet();
        return [.. documents
            .Where(document => document.Timestamp > query.From && document.Timestamp <= query.To)
            .Where(document => query.IngestedAfter is not { } after || (document.Ingested ?? document.Timestamp) >= after)
            .Select(document => new Row(document, query))
            .Where(row => row.Kept && (wanted is null || wanted.Contains(row.Address)))
            .GroupBy(row => row.Address)
            .OrderBy(group => group.Key)
            .Select(group => Judge(group.Key, [.. group], query.Revision))
            .OfType<OracleFinding>()];
    }

    private static OracleFinding? Judge(BigInteger address, IReadOnlyList<Row> rows, string revision)
    {
        var azure = rows.Where(row => row.AzureSignIn).ToArray();
        var mail = rows.Where(row => row.MailAccess).ToArray();
        var network = rows.Where(row => row.NetworkAlert).ToArray();
        var datasets = Distinct(rows.SelectMany(row => row.Dataset));
        var datasetCount = datasets.Length;
        if (revision == Resilient && network.Any(row => row.Dataset.Count == 0))
            datasetCount++;

        var reported = revision switch
        {
            Seed => network.Length > 0 && (mail.Length > 0 || (azure.Length > 0 && datasetCount >= 2)),
            Head => network.Length > 0 && datasetCount >= 2 && (mail.Length > 0 || azure.Length > 0) && rows.Count <= 100,
            _ => network.Length > 0 && (mail.Length > 0 || azure.Length > 0),
        };
        if (!reported)
            return null;

        var alerts = network.Select(row => row.Timestamp).ToArray();
        var qualifying = azure.Concat(mail).Select(row => row.Timestamp).ToArray();
        return new OracleFinding(
            OracleIp.Format(address),
            new OracleCounts(rows.Count, azure.Length, mail.Length, network.Length, datasetCount),
            datasets,
            Distinct(rows.SelectMany(row => row.RuleName)),
            Distinct(rows.SelectMany(row => row.Category)),
            rows.Min(row => row.Timestamp),
            rows.Max(row => row.Timestamp),
            Math.Max(alerts.Min(), qualifying.Min()),
            alerts.All(alert => qualifying.All(signIn => alert <= signIn)) ? "alertFirst"
                : alerts.All(alert => qualifying.All(signIn => signIn <= alert)) ? "signInFirst"
                : "interleaved",
            alerts.SelectMany(alert => qualifying.Select(signIn => Math.Abs(alert - signIn))).Min());
    }

    private static string[] Distinct(IEnumerable<string> values) =>
        [.. values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    private static bool? IsOneOf(IReadOnlyList<string> column, params string[] values) =>
        column.Count == 1 ? values.Contains(column[0], StringComparer.Ordinal) : null;

    private static bool? And(params bool?[] terms) =>
        terms.Contains(false) ? false : terms.Contains(null) ? null : true;

    private static bool? Or(params bool?[] terms) =>
        terms.Contains(true) ? true : terms.Contains(null) ? null : false;

    private static bool? Not(bool? term) => term is { } known ? !known : null;

    /// <summary>A document with the answers to the rule's tests.</summary>
    private sealed class Row
    {
        public Row(OracleDocument document, OracleQuery query)
        {
            IReadOnlyList<string> Column(string path) =>
                query.StockAlertMapping && document.IsKibanaAlert && path.StartsWith("data_stream.", StringComparison.Ordinal)
                    ? []
                    : document.Keyword(path);

            Timestamp = document.Timestamp;
            RuleName = Column("kibana.alert.rule.name");
            Category = Column("event.category");
            Dataset = query.Revision switch
            {
                Seed => Column("event.dataset"),
                Head => Column("data_stream.dataset"),
                _ => new[]
                {
                    "event.dataset", "data_stream.dataset",
                    "kibana.alert.original_event.dataset", "kibana.alert.original_data_stream.dataset",
                }.Select(Column).FirstOrDefault(values => values.Count > 0, []),
            };

            var byName = IsOneOf(RuleName, "External Alerts");
            var byId = IsOneOf(Column("kibana.alert.rule.rule_id"), "eb079c62-4481-4d6e-9643-3ca499df7aaa");
            var module = Column("event.module");
            var promoted = query.Promote
                ? And(
                    IsOneOf(Column("event.kind"), "alert"),
                    Or(module.Count == 0, Not(IsOneOf(module, "endpoint", "endgame", "cloud_defend"))))
                : false;
            var alert = query.Revision switch
            {
                Seed => Or(byName, promoted),
                Head => Or(byId, promoted),
                _ => Or(byId, byName, promoted),
            };

            var ips = document.SourceIps;
            bool? excluded = ips.Count == 1 ? OracleCidr.IsExcluded(ips[0]) : null;
            Kept = And(ips.Count > 0, Or(IsOneOf(Dataset, O365, Azure), alert), Not(excluded)) == true;
            Address = Kept ? ips[0] : BigInteger.Zero;

            var success = IsOneOf(Column("event.outcome"), "success");
            AzureSignIn = And(IsOneOf(Dataset, Azure), success) == true;
            MailAccess = And(IsOneOf(Dataset, O365), IsOneOf(Column("event.action"), "MailItemsAccessed"), success) == true;

            var notCloud = Not(IsOneOf(Dataset, O365, Azure));
            NetworkAlert = And(alert, query.Revision == Resilient ? Or(Dataset.Count == 0, notCloud) : notCloud) == true;
        }

        public long Timestamp { get; }

        public IReadOnlyList<string> RuleName { get; }

        public IReadOnlyList<string> Category { get; }

        public IReadOnlyList<string> Dataset { get; }

        public bool Kept { get; }

        public BigInteger Address { get; }

        public bool AzureSignIn { get; }

        public bool MailAccess { get; }

        public bool NetworkAlert { get; }
    }
}
