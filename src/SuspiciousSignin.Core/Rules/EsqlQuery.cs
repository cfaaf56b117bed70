using System.Globalization;
using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Rules;

/// <summary>
/// The ES|QL texts of a revision: what the in-memory engine does with its predicates, a cluster does with these. Values travel as the named
/// parameters <c>?from</c>, <c>?to</c>, <c>?ingested_after</c>, <c>?ip0</c>, <c>?ip1</c>, ... and, for pages of <see cref="Times"/>,
/// <c>?after_ip</c> and <c>?after</c>, never in the text.
/// </summary>
public sealed class EsqlQuery
{
    /// <summary>The most rows that ES|QL returns, whatever <c>LIMIT</c> says (<c>esql.query.result_truncation_max_size</c>).</summary>
    public const int MaxRows = 10_000;

    private readonly RuleRevision _revision;
    private readonly IReadOnlyList<string> _indices;
    private readonly Func<string, string?> _column;
    private readonly string _sourceIp;
    private readonly string _timestamp;
    private readonly EsqlPredicate _keep;
    private readonly (Measure Measure, EsqlPredicate Condition)[] _legs;
    private readonly EsqlPredicate _report;
    private readonly EsqlPredicate? _reportIgnoringVolume;

    /// <summary>Derives the texts.</summary>
    /// <param name="revision">The revision.</param>
    /// <param name="indices">The index patterns to read; null for the revision's own.</param>
    /// <param name="column">
    /// The ES|QL expression that reads a dotted path, or null where no index maps the path; null where all are mapped as ECS has them.
    /// </param>
    public EsqlQuery(RuleRevision revision, IReadOnlyList<string>? indices = null, Func<string, string?>? column = null)
    {
        _revision = revision;
        _indices = indices ?? revision.Indices;
        _column = column ?? (path => path == "source.ip" ? EsqlPredicate.SourceIpText : path);
        _sourceIp = _column("source.ip") ?? EsqlPredicate.SourceIpText;
        _timestamp = _column("@timestamp") ?? "@timestamp";
        _keep = revision.Keep.Resolve(_column);
        _legs = Array.FindAll(
            [
                (Measure.AzureSignIn, revision.AzureSignIn.Resolve(_column)),
                (Measure.MailAccess, revision.MailAccess.Resolve(_column)),
                (Measure.NetworkAlert, revision.NetworkAlert.Resolve(_column)),
            ],
            leg => !leg.Item2.IsNever);
        _report = revision.Report.Resolve(Counted);
        _reportIgnoringVolume = revision.ReportIgnoringVolume?.Resolve(Counted);
        Misses =
        [
            .. revision.NearMisses.Where(miss => !miss.OnlyInMemory)
                .Select(miss => (miss, miss.Condition.Resolve(_column)))
                .Where(miss => !miss.Item2.IsNever),
        ];
    }

    /// <summary>Whether only events ingested at or after <c>?ingested_after</c> count.</summary>
    public bool HasIngestedAfter { get; init; }

    /// <summary>To how many addresses, <c>?ip0</c> and so on, the texts are limited; 0 for no such limit.</summary>
    public int Addresses { get; init; }

    /// <summary>Whether the indices have what it takes to report any address; if not, <see cref="Detection"/> has nothing to ask.</summary>
    public bool CanReport => !_keep.IsNever && !_report.IsNever;

    /// <summary>The near misses that <see cref="Coverage"/> counts, in the order of its columns <c>miss_0</c>, <c>miss_1</c>, ...</summary>
    public IReadOnlyList<(NearMiss Miss, EsqlPredicate Condition)> Misses { get; }

    /// <summary>The column of the time of a leg's first event.</summary>
    public static string FirstOf(Measure leg) => "first_" + EsqlPredicate.ColumnOf(leg);

    /// <summary>The column of the time of a leg's last event.</summary>
    public static string LastOf(Measure leg) => "last_" + EsqlPredicate.ColumnOf(leg);

    /// <summary>The text for documentation: the detection of a revision over indices that map everything.</summary>
    public static string Text(RuleRevision revision) => new EsqlQuery(revision).Detection();

    /// <summary>
    /// The addresses that the rule reports in the window, one row each. Where the revision caps the volume, the addresses above the cap are
    /// among the rows and <c>reported</c> tells them apart.
    /// </summary>
    public string Detection()
    {
        var query = Kept(
            $"Revision {_revision.Name}{(_revision.Promote ? ", raw network alerts promoted" : "")}: "
            + "the suspicious addresses of a window.");
        List<string> fields =
        [
            $"dataset = {_revision.Dataset.Resolve(_column)}",
            .. _revision.MissingDatasetCounts ? [$"without_dataset_at = CASE(dataset IS NULL, {_timestamp})"] : Array.Empty<string>(),
            .. TimesOf(_legs),
        ];
        List<string> aggregates =
        [
            "total = COUNT(*)",
            .. CountsOf(_legs),
            "unique_datasets = COUNT_DISTINCT(dataset)",
            .. _revision.MissingDatasetCounts ? ["without_dataset = COUNT(without_dataset_at)"] : Array.Empty<string>(),
            "datasets = VALUES(dataset)",
            .. _column(RuleName) is { } ruleName ? [$"rule_names = VALUES({ruleName})"] : Array.Empty<string>(),
            .. _column(Category) is { } category ? [$"categories = VALUES({category})"] : Array.Empty<string>(),
            $"first_seen = MIN({_timestamp}), last_seen = MAX({_timestamp})",
            .. FirstsAndLasts,
        ];
        return query
            .AppendLine("// What each of them is; a condition that is null counts as not met.")
            .Append("| EVAL ").AppendLine(List(fields))
            .Append("| STATS ").AppendLine(List(aggregates))
            .Append("  BY source_ip = ").AppendLine(_sourceIp)
            .Append(_revision.MissingDatasetCounts
                ? "// Alerts without a dataset count as one more.\n"
                    + "| EVAL unique_datasets = unique_datasets + CASE(without_dataset > 0, 1, 0)\n"
                : "")
            .Append("| WHERE ").AppendLine((_reportIgnoringVolume ?? _report).ToString())
            .Append(_reportIgnoringVolume is null
                ? ""
                : $"// Addresses above the cap on the volume are told, not reported.\n| EVAL reported = {_report}\n")
            .AppendLine("| SORT source_ip")
            .Append("| LIMIT ").Append(MaxRows.ToString(CultureInfo.InvariantCulture))
            .ToString();
    }

    /// <summary>Per address and account, the sign-ins and mail accesses.</summary>
    public string Accounts()
    {
        var accesses = Array.FindAll(_legs, leg => leg.Measure is Measure.AzureSignIn or Measure.MailAccess);
        var keys = Account
            .Select(key => (key.Name, Text: EsqlColumn.FirstOf([.. key.Fields.Select(_column).OfType<string>()])))
            .Where(key => key.Text is not null)
            .ToArray();
        return Kept("Who signed in or read mail from these addresses.")
            .Append("| WHERE ").AppendLine(string.Join(" OR ", accesses.Select(leg => $"({leg.Condition})")))
            .Append("| EVAL ").AppendLine(List(
                [
                    .. keys.Select(key => $"{key.Name} = MV_MIN({key.Text})"),
                    .. TimesOf(accesses),
                ]))
            .Append("| STATS ").AppendLine(List([.. CountsOf(accesses)]))
            .Append("  BY ").AppendLine(string.Join(", ", keys.Select(key => key.Name).Prepend($"source_ip = {_sourceIp}")))
            .Append("| SORT ").AppendLine(string.Join(", ", keys.Select(key => key.Name).Prepend("source_ip")))
            .Append("| LIMIT ").Append(MaxRows.ToString(CultureInfo.InvariantCulture))
            .ToString();
    }

    /// <summary>
    /// Per address and millisecond, how many network alerts and accesses there are; for the smallest gap where the legs interleave. Starts
    /// after the row of <c>?after_ip</c> and <c>?after</c>, so that more than <see cref="MaxRows"/> rows are read page by page.
    /// </summary>
    public string Times()
    {
        var counted = string.Join(" OR ", _legs.Select(leg => $"({leg.Condition})"));
        return Kept("When each leg was seen from these addresses.")
            .Append("| WHERE ").AppendLine(counted)
            .AppendLine(
                $"| WHERE {_sourceIp} > TO_IP(?after_ip) OR ({_sourceIp} == TO_IP(?after_ip) AND {_timestamp} > TO_DATETIME(?after))")
            .Append("| EVAL ").AppendLine(List([.. TimesOf(_legs)]))
            .Append("| STATS ").AppendLine(List([.. CountsOf(_legs)]))
            .AppendLine($"  BY source_ip = {_sourceIp}, at = {_timestamp}")
            .AppendLine("| SORT source_ip, at")
            .Append("| LIMIT ").Append(MaxRows.ToString(CultureInfo.InvariantCulture))
            .ToString();
    }

    /// <summary>One row: what data each leg had, and how many near misses there were.</summary>
    public string Coverage()
    {
        var query = In("What data each leg had, and what the revision passed over.", orSeveral: true);
        if (_keep.IsNever && Misses.Count == 0)
        {
            return query.Append("| STATS total = COUNT(*)\n| LIMIT 1").ToString();
        }

        // Counting passes over what is neither.
        AppendNecessary(
            query,
            EsqlPredicate.Any([.. _keep.IsNever ? Array.Empty<EsqlPredicate>() : [_keep], .. Misses.Select(miss => miss.Condition)]))
            .Append("| EVAL ").AppendLine(List(
                [
                    $"is_kept = {_keep}",
                    .. _legs.Select(leg =>
                        $"{At(leg.Measure)} = CASE(is_kept AND {EsqlPredicate.Parenthesised(leg.Condition)}, {_timestamp})"),
                    .. Misses.Select((miss, i) => $"is_miss_{i} = CASE({miss.Condition}, 1)"),
                ]));
        List<string> counts =
        [
            .. CountsOf(_legs),
            .. Misses.Select((_, i) => $"miss_{i} = COUNT(is_miss_{i})"),
        ];
        if (Addresses == 0)
        {
            return query.Append("| STATS ").AppendLine(List([.. counts, .. FirstsAndLasts])).Append("| LIMIT 1").ToString();
        }

        // Grouping by address first counts an event of several addresses for each of them that was asked for.
        return query
            .Append("| STATS ").AppendLine(List([.. counts, .. FirstsAndLasts]))
            .Append("  BY source_ip = ").AppendLine(_sourceIp)
            .Append("| WHERE source_ip IN (").Append(AddressList).AppendLine(")")
            .Append("| STATS ").AppendLine(List(
                [
                    .. _legs.Select(leg => EsqlPredicate.ColumnOf(leg.Measure))
                        .Concat(Misses.Select((_, i) => $"miss_{i}"))
                        .Select(name => $"{name} = SUM({name})"),
                    .. _legs.Select(leg =>
                        $"{FirstOf(leg.Measure)} = MIN({FirstOf(leg.Measure)}), {LastOf(leg.Measure)} = MAX({LastOf(leg.Measure)})"),
                ]))
            .Append("| LIMIT 1")
            .ToString();
    }

    private IEnumerable<string> TimesOf(IEnumerable<(Measure Measure, EsqlPredicate Condition)> legs) =>
        legs.Select(leg => $"{At(leg.Measure)} = CASE({leg.Condition}, {_timestamp})");

    private static IEnumerable<string> CountsOf(IEnumerable<(Measure Measure, EsqlPredicate Condition)> legs) =>
        legs.Select(leg => $"{EsqlPredicate.ColumnOf(leg.Measure)} = COUNT({At(leg.Measure)})");

    private static readonly string RuleName = EcsFields.Path(EcsField.RuleName);
    private static readonly string Category = EcsFields.Path(EcsField.Category);
    private static readonly string Ingested = EcsFields.Path(EcsField.Ingested);

    /// <summary>The columns of an account and the paths each is read from, first choice first.</summary>
    private static readonly (string Name, string[] Fields)[] Account =
    [
        ("user_email", PathsOf(EventUser.EmailFields)),
        ("user_name", PathsOf(EventUser.NameFields)),
        ("user_id", PathsOf(EventUser.IdFields)),
        ("user_domain", PathsOf(EventUser.DomainFields)),
    ];

    /// <summary>Every dotted path that the texts may name.</summary>
    public static IReadOnlyList<string> Columns(RuleRevision revision) =>
        [.. ConditionColumns(revision).Concat(DisplayColumns).Concat(["@timestamp", Ingested]).Distinct(StringComparer.Ordinal)];

    /// <summary>The dotted paths that decide what an event is to the revision.</summary>
    public static IReadOnlyList<string> ConditionColumns(RuleRevision revision) =>
    [
        .. new[] { revision.Keep, revision.AzureSignIn, revision.MailAccess, revision.NetworkAlert }
            .Concat(revision.NearMisses.Where(miss => !miss.OnlyInMemory).Select(miss => miss.Condition))
            .SelectMany(condition => condition.Columns)
            .Distinct(StringComparer.Ordinal),
    ];

    /// <summary>Those of <see cref="Columns"/> that are only shown: without them the answer is poorer, but right.</summary>
    public static IReadOnlyList<string> DisplayColumns { get; } =
        [RuleName, Category, .. Account.SelectMany(key => key.Fields)];

    private string? Counted(string measure) =>
        measure is "total" or "unique_datasets" || Array.Exists(_legs, leg => measure == EsqlPredicate.ColumnOf(leg.Measure))
            ? measure
            : null;

    private IEnumerable<string> FirstsAndLasts => _legs.Select(leg =>
        $"{FirstOf(leg.Measure)} = MIN({At(leg.Measure)}), {LastOf(leg.Measure)} = MAX({At(leg.Measure)})");

    private string AddressList =>
        string.Join(", ", Enumerable.Range(0, Addresses).Select(i => string.Create(CultureInfo.InvariantCulture, $"TO_IP(?ip{i})")));

    /// <summary>The events of the window that the revision counts.</summary>
    private StringBuilder Kept(string title) =>
        (_revision.Dataset.Resolve(_column)?.Fields.Count > 1 ? AppendNecessary(In(title), _keep) : In(title))
            .AppendLine("// Which events count: a usable public source address, and one of the two sources or a network alert.")
            .Append("| WHERE ").AppendLine(_keep.ToString());

    /// <summary>Leaves out what an index can tell to be no matter, before the rest is read.</summary>
    private static StringBuilder AppendNecessary(StringBuilder query, EsqlPredicate condition) =>
        condition.AnyNecessary is not { } necessary ? query : query
            .AppendLine("// What the index of a cluster can look up; more than counts.")
            .Append("| WHERE ").AppendLine(string.Join("\n    OR ", necessary));

    /// <summary>
    /// The events of the window and of the addresses; an event of several addresses is equal to none, so they are asked for apart.
    /// </summary>
    private StringBuilder In(string title, bool orSeveral = false)
    {
        var query = new StringBuilder()
            .Append("// ").AppendLine(title)
            .Append("FROM ").AppendLine(string.Join(", ", _indices))
            .AppendLine($"| WHERE {_timestamp} > TO_DATETIME(?from) AND {_timestamp} <= TO_DATETIME(?to)");
        if (HasIngestedAfter)
        {
            query.Append("| WHERE ")
                .Append(EsqlColumn.FirstOf(_column(Ingested) is { } ingested ? [ingested, _timestamp] : [_timestamp]))
                .AppendLine(" >= TO_DATETIME(?ingested_after)");
        }

        return Addresses == 0 ? query : query
            .Append($"| WHERE {_sourceIp} IN (").Append(AddressList).Append(')')
            .AppendLine(orSeveral ? $" OR MV_COUNT({_sourceIp}) > 1" : "");
    }

    private static string[] PathsOf(EcsField[] fields) => Array.ConvertAll(fields, EcsFields.Path);

    private static string At(Measure measure) => EsqlPredicate.ColumnOf(measure) + "_at";

    private static string List(IReadOnlyList<string> items) => string.Join(",\n    ", items);
}
