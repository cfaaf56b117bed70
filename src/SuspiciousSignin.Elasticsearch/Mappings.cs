using System.Collections.Concurrent;
using System.Text.Json;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>What a revision finds in the cluster: its indices, how each column reads, and what to tell about it.</summary>
internal sealed record MappedIndices
{
    /// <summary>The patterns read.</summary>
    public required IReadOnlyList<string> Patterns { get; init; }

    /// <summary>Whether any index is there and visible.</summary>
    public required bool Any { get; init; }

    /// <summary>The ES|QL expression that reads a dotted path, by path; paths that no index maps are absent.</summary>
    public required IReadOnlyDictionary<string, string> Columns { get; init; }

    /// <summary>What a reader of the answer should know.</summary>
    public required IReadOnlyList<Warning> Warnings { get; init; }

    /// <summary>That some indices did not tell their mappings; null where all did.</summary>
    public Warning? Unread { get; init; }

    /// <summary>Whether the next write of anybody adds nothing that the rule reads: no index and no mapping of it is missing.</summary>
    public required bool IsComplete { get; init; }

    /// <summary>Whether events could not be looked at, for lack of privileges or of mappings.</summary>
    public required bool IsPartial { get; init; }

    /// <summary>Whether addresses are kept as words, among which searches do not find all.</summary>
    public bool SourceIpIsText { get; init; }

    public string? Column(string path) => Columns.GetValueOrDefault(path);
}

/// <summary>
/// Looks before it queries: an ES|QL query that names one column which no index maps fails as a whole, and an index that may not be read
/// looks the same as one that is not there.
/// </summary>
internal sealed class Mappings(
    ElasticsearchClient client, ElasticsearchOptions options, IReadOnlyList<string> alertDatasets, TimeProvider clock)
{
    /// <summary>
    /// How often failed mappings are asked for again. A remote cluster that is down stays so, and every run would wait for it.
    /// </summary>
    private const int MostRetries = 2;

    private static readonly string[] DatasetPaths = ["event.dataset", "data_stream.dataset"];

    private static readonly HashSet<string> KeywordTypes = ["keyword", "text", "constant_keyword", "wildcard", "match_only_text"];

    /// <summary>The types that <c>TO_STRING</c> takes, so that indices of different opinions read alike.</summary>
    private static readonly HashSet<string> ConvertibleTypes =
    [
        .. KeywordTypes,
        "boolean", "date", "double", "float", "half_float", "scaled_float", "integer", "short", "byte", "long", "unsigned_long", "ip",
        "version",
    ];

    /// <summary>
    /// How long mappings count that lack something: the next write of anybody may add it. Long enough for the evidence of one run, alert by
    /// alert.
    /// </summary>
    private static readonly TimeSpan IncompleteLifetime = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(string Name, bool Promote), Known> _known = [];
    private int _writes;

    /// <summary>Forgets what was learned, because a query showed it to be wrong.</summary>
    public void Forget() => _known.Clear();

    /// <summary>Says that this service wrote events, so that what mappings lacked before may be there.</summary>
    public void Written() => Interlocked.Increment(ref _writes);

    /// <summary>What the revision finds; asked anew once in a while.</summary>
    public async Task<MappedIndices> FindAsync(RuleRevision revision, CancellationToken cancellationToken)
    {
        var writes = Volatile.Read(ref _writes);
        if (_known.TryGetValue((revision.Name, revision.Promote), out var known) && IsFresh(known, writes))
        {
            return known.Found;
        }

        var found = await LookAsync(revision, cancellationToken);
        _known[(revision.Name, revision.Promote)] = new Known(found, clock.GetTimestamp(), writes);
        return found;
    }

    private bool IsFresh(Known known, int writes)
    {
        var age = clock.GetElapsedTime(known.At);
        return age < options.MappingLifetime && (known.Found.IsComplete || (age < IncompleteLifetime && known.Writes == writes));
    }

    /// <summary>
    /// The patterns that the revision reads: its own or the configured ones, and the data stream that this service writes.
    /// </summary>
    public IReadOnlyList<string> PatternsOf(RuleRevision revision)
    {
        IReadOnlyList<string> patterns = options.Indices.TryGetValue(revision.Name, out var own) && own.Length > 0 ? own : revision.Indices;
        // With a wildcard, because a name that does not exist yet fails the query.
        return patterns.Any(pattern => pattern.EndsWith('*') && options.DataStream.StartsWith(pattern[..^1], StringComparison.Ordinal))
            ? patterns
            : [.. patterns, options.DataStream + "*"];
    }

    /// <summary>Whether the patterns may be read; null where the cluster does not say, as without security.</summary>
    private async Task<bool?> MayReadAsync(IEnumerable<string> patterns, CancellationToken cancellationToken) =>
        (await PrivilegesAsync([(patterns.ToArray(), ["read"])], cancellationToken))?.Values.All(privilege => privilege);

    /// <summary>Which privileges there are, by index pattern and privilege; null where the cluster does not say.</summary>
    public async Task<IReadOnlyDictionary<(string Pattern, string Privilege), bool>?> PrivilegesAsync(
        IEnumerable<(string[] Patterns, string[] Privileges)> asked, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new
        {
            index = asked.Select(each => new { names = each.Patterns, privileges = each.Privileges }),
        });
        try
        {
            using var answer = await client.SendAsync(HttpMethod.Post, "_security/user/_has_privileges", body, cancellationToken);
            return answer.Root.GetProperty("index").EnumerateObject()
                .SelectMany(index => index.Value.EnumerateObject()
                    .Select(privilege => ((index.Name, privilege.Name), privilege.Value.GetBoolean())))
                .ToDictionary();
        }
        catch (ElasticsearchException unknown) when (unknown.Status is 400 or 404 or 405 or 500 or 501)
        {
            return null;
        }
    }

    private async Task<MappedIndices> LookAsync(RuleRevision revision, CancellationToken cancellationToken)
    {
        await client.InfoAsync(cancellationToken);
        var patterns = PatternsOf(revision);
        var (anyIndex, fields, unread) = await FieldCapsAsync(
            patterns,
            [.. EsqlQuery.Columns(revision).Union(DatasetPaths, StringComparer.Ordinal)],
            Math.Min(options.MaxRetries, MostRetries),
            cancellationToken);
        var ofAlerts = patterns.ToLookup(pattern => pattern[(pattern.IndexOf(':', StringComparison.Ordinal) + 1)..].StartsWith('.'));
        var events = await LookForAnyAsync([.. ofAlerts[false].Distinct(StringComparer.Ordinal)], isOfAlerts: false, cancellationToken);
        var alerts = await LookForAnyAsync([.. ofAlerts[true]], isOfAlerts: true, cancellationToken);
        var (columns, mixed) = ColumnsOf(fields, revision);
        var unmapped = anyIndex && !columns.ContainsKey("source.ip")
            ? new Warning(WarningCodes.SourceIpUnmapped, "No index maps source.ip, so nothing can be correlated. Are the events in ECS?", 1)
            : null;
        var isText = fields.GetValueOrDefault("source.ip")?.Keys.Any(type => type is "text" or "match_only_text") == true;
        var text = isText
            ? new Warning(
                WarningCodes.SourceIpIsText,
                "Some indices map source.ip as text. Runs count their events, but a search of text finds no IPv6 address, so events shown "
                + "for one may be missing. Map it as ip.",
                1)
            : null;
        return new MappedIndices
        {
            Patterns = patterns,
            Any = anyIndex && columns.ContainsKey("@timestamp"),
            Columns = columns,
            Warnings = [.. new[] { unread, events.Missing, alerts.Missing, mixed, unmapped, text }.OfType<Warning>()],
            Unread = unread,
            SourceIpIsText = isText,
            IsComplete = (unread ?? events.Missing ?? alerts.Missing ?? unmapped) is null
                && EsqlQuery.ConditionColumns(revision).All(columns.ContainsKey),
            IsPartial = unread is not null || events.MayNotRead || alerts.MayNotRead,
        };
    }

    /// <summary>
    /// What to tell where the patterns reach no index, and whether that is for lack of privileges. Nothing where they reach one, or where
    /// some did not answer, which is told already.
    /// </summary>
    private async Task<(Warning? Missing, bool MayNotRead)> LookForAnyAsync(
        string[] patterns, bool isOfAlerts, CancellationToken cancellationToken)
    {
        if (patterns.Length == 0
            || await FieldCapsAsync(patterns, ["@timestamp"], 0, cancellationToken) is { Any: true } or { Unread: not null })
        {
            return (null, false);
        }

        string[] local = [.. patterns.Where(pattern => !RemoteClusters.IsOfRemote(pattern))];
        var mayNotRead = local.Length > 0 && await MayReadAsync(local, cancellationToken) == false;
        var all = string.Join(", ", patterns);
        var warning = (isOfAlerts, mayNotRead) switch
        {
            (_, true) => new Warning(
                isOfAlerts ? WarningCodes.AlertsNotReadable : WarningCodes.EventsNotReadable,
                $"The credentials may not read {all}, so what is there was not looked at. "
                + "Grant 'read' and 'view_index_metadata' on it.",
                patterns.Length),
            (true, false) => new Warning(
                WarningCodes.AlertsIndexMissing,
                $"No index matches {all}: Kibana's detection engine has raised no alert here yet. "
                + "Enable the rule External Alerts, or ask with 'promote'.",
                patterns.Length),
            (false, false) => new Warning(
                WarningCodes.EventsIndexMissing,
                $"No index matches {all}: no events have been ingested, or the patterns are wrong (Store:Elasticsearch:Indices).",
                patterns.Length),
        };
        return (warning, mayNotRead);
    }

    /// <summary>How each path is read, and what to tell where indices disagree on types.</summary>
    /// <exception cref="StoreUnavailableException">The rule cannot read a path as it is mapped.</exception>
    private (Dictionary<string, string> Columns, Warning? Mixed) ColumnsOf(
        Dictionary<string, Dictionary<string, string[]>> fields, RuleRevision revision)
    {
        var columns = new Dictionary<string, string>(StringComparer.Ordinal);
        var mixed = new List<string>();
        foreach (var (path, types) in fields)
        {
            if (TextOf(path, types) is { } text)
            {
                columns[path] = text;
                var isReadAsItIs = path is "source.ip" or "@timestamp"
                    || (path == "event.ingested" && types.Keys.All(type => type is "date" or "date_nanos"));
                if (types.Count > 1 && !isReadAsItIs)
                {
                    mixed.Add($"{path} ({string.Join(", ", types.Keys.Order(StringComparer.Ordinal))})");
                }
            }
            else if (!EsqlQuery.DisplayColumns.Contains(path) || path == "kibana.alert.rule.name")
            {
                throw new StoreUnavailableException(
                    $"The rule cannot read {path}: it is mapped as {Places(types)}. "
                    + $"Mend the mapping, or leave those indices out (Store:Elasticsearch:Indices:{revision.Name}).");
            }
        }

        if (WithAlertDatasets(columns) is { } widened)
        {
            columns["event.kind"] = widened;
        }

        return (columns, mixed.Count == 0 ? null : new Warning(
            WarningCodes.MixedMapping,
            $"Indices disagree on the type of {string.Join("; ", mixed)}. "
            + "It is read as text, which is right but slower. Align the mappings.",
            mixed.Count));
    }

    /// <summary>
    /// <c>event.kind</c> where some datasets are alerts whatever it says; null where there are none, or no dataset is mapped.
    /// </summary>
    private string? WithAlertDatasets(Dictionary<string, string> columns)
    {
        string[] datasets = [.. DatasetPaths.Select(columns.GetValueOrDefault).OfType<string>()];
        if (alertDatasets.Count == 0 || datasets.Length == 0)
        {
            return null;
        }

        var otherwise = columns.TryGetValue("event.kind", out var kind) ? $", {kind}" : "";
        var dataset = EsqlColumn.FirstOf(datasets);
        return $"CASE({dataset} IN ({string.Join(", ", alertDatasets.Select(name => $"\"{name}\""))}), \"alert\"{otherwise})";
    }

    /// <summary>How ES|QL reads a path of these types, or null where it cannot.</summary>
    private static string? TextOf(string path, IReadOnlyDictionary<string, string[]> types) => path switch
    {
        // As it is, an index can look it up.
        "source.ip" => types.Keys.All(type => type == "ip") ? path
            : types.Keys.All(type => type == "ip" || KeywordTypes.Contains(type)) ? EsqlPredicate.SourceIpText
            : null,
        // Before 8.18 nanoseconds cannot be compared with milliseconds, before 9.2 a column cannot be both.
        "@timestamp" => types.Keys.All(type => type == "date") ? path
            : types.Keys.All(type => type is "date" or "date_nanos") ? $"TO_DATETIME({path})"
            : null,
        "event.ingested" => types.Keys.All(type => type == "date") ? path
            : types.Keys.All(type => type is "date" or "date_nanos" or "keyword" or "text") ? $"TO_DATETIME({path})"
            : null,
        _ when types.Count == 1 && KeywordTypes.Contains(types.Keys.First()) => path,
        _ => types.Keys.All(ConvertibleTypes.Contains) ? $"TO_STRING({path})" : null,
    };

    private static string Places(IReadOnlyDictionary<string, string[]> types) =>
        ElasticsearchClient.Escape(string.Join(" and as ", types.Select(type => type.Value.Length == 0
            ? type.Key
            : $"{type.Key} in {string.Join(", ", type.Value.Take(3))}{(type.Value.Length > 3 ? ", ..." : "")}")));

    /// <summary>
    /// Whether the patterns reach any index, per mapped path its types with the indices of each, where they differ, and what to tell where
    /// some indices did not answer: the cluster then answers 200 all the same.
    /// </summary>
    private async Task<(bool Any, Dictionary<string, Dictionary<string, string[]>> Fields, Warning? Unread)> FieldCapsAsync(
        IReadOnlyList<string> patterns, IReadOnlyList<string> paths, int retries, CancellationToken cancellationToken)
    {
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                var found = await FieldCapsOnceAsync(patterns, paths, cancellationToken);
                if (found.Unread is null || attempt >= retries)
                {
                    return found;
                }

                await Task.Delay(ElasticsearchClient.PauseAfter(attempt), clock, cancellationToken);
            }
        }
        catch (ElasticsearchException refused) when (refused.Status is 403 or 404)
        {
            // One remote cluster that is not connected, or says no, makes the cluster refuse them all, its own indices included.
            return (false, [], !patterns.Any(RemoteClusters.IsOfRemote) ? null : new Warning(
                WarningCodes.MappingsIncomplete,
                $"The cluster refused to tell the mappings of {string.Join(", ", patterns)} ({refused.Message}), "
                + "so nothing there was looked at. Connect the remote clusters, or leave them out (Store:Elasticsearch:Indices).",
                patterns.Count));
        }
    }

    private static Warning? UnreadIn(JsonElement answer)
    {
        JsonElement[] failures = answer.TryGetProperty("failures", out var told) ? [.. told.EnumerateArray()] : [];
        var count = answer.TryGetProperty("failed_indices", out var counted) ? counted.GetInt32() : 0;
        string[] names =
        [
            .. failures.SelectMany(failure => failure.GetProperty("indices").EnumerateArray())
                .Select(index => index.ToString())
                .Distinct(StringComparer.Ordinal),
        ];
        count = Math.Max(count, names.Length);
        if (count == 0 && failures.Length == 0)
        {
            return null;
        }

        var places = names.Length == 0
            ? "some indices"
            : ElasticsearchClient.Escape(string.Join(", ", names.Take(5)) + (names.Length > 5 ? ", ..." : ""));
        var (type, reason) = failures.Length > 0 && failures[0].TryGetProperty("failure", out var failure)
            ? ElasticsearchClient.ReasonOf(failure.TryGetProperty("error", out var error) ? error : failure)
            : ("unknown", "the cluster gave no reason");
        return new Warning(
            WarningCodes.MappingsIncomplete,
            $"The mappings of {places} could not be read ({type}: {reason}), so what is there may not have been looked at. "
            + "Bring the shards or the remote cluster back and ask again, or leave those indices out (Store:Elasticsearch:Indices).",
            Math.Max(count, 1));
    }

    private async Task<(bool Any, Dictionary<string, Dictionary<string, string[]>> Fields, Warning? Unread)> FieldCapsOnceAsync(
        IReadOnlyList<string> patterns, IReadOnlyList<string> paths, CancellationToken cancellationToken)
    {
        using var answer = await client.SendAsync(
            HttpMethod.Post,
            $"{string.Join(',', patterns)}/_field_caps?ignore_unavailable=true&allow_no_indices=true&filters=-nested",
            JsonSerializer.SerializeToUtf8Bytes(new { fields = paths }),
            cancellationToken);
        var fields = new Dictionary<string, Dictionary<string, string[]>>(StringComparer.Ordinal);
        foreach (var field in answer.Root.GetProperty("fields").EnumerateObject())
        {
            fields[field.Name] = field.Value.EnumerateObject().Where(type => type.Name != "unmapped").ToDictionary(
                type => type.Name,
                type => type.Value.TryGetProperty("indices", out var indices)
                    ? indices.EnumerateArray().Select(index => index.GetString()!).ToArray()
                    : [],
                StringComparer.Ordinal);
        }

        return (answer.Root.GetProperty("indices").GetArrayLength() > 0, fields, UnreadIn(answer.Root));
    }

    /// <summary>Mappings that were asked for.</summary>
    /// <param name="Found">The mappings.</param>
    /// <param name="At">When, as <see cref="TimeProvider.GetTimestamp"/> has it.</param>
    /// <param name="Writes">How often this service had written before it asked.</param>
    private sealed record Known(MappedIndices Found, long At, int Writes);
}
