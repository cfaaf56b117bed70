using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>One key of a sort.</summary>
internal sealed record SortKey(string Field, bool Descending, bool MissingFirst, JsonNode? MissingValue, string? UnmappedType, string? Mode, string? Format, bool FormatNanos);

/// <summary>Searches: query, sort, search_after, points in time, _source and fields.</summary>
internal static class Search
{
    private const int Window = 10_000;

    public static JsonObject Run(FakeCluster cluster, Identity identity, string? index, JsonObject body, IReadOnlyDictionary<string, string> parameters)
    {
        var now = cluster.Now;
        foreach (var name in new[] { "aggs", "aggregations", "collapse", "highlight", "knn", "rescore", "retriever", "script_fields", "slice", "suggest", "runtime_mappings" })
        {
            if (body.ContainsKey(name)) throw ElasticsearchException.Argument($"the fake does not carry out [{name}]");
        }

        var pitBody = body["pit"] as JsonObject;
        var from = Whole(body["from"] ?? Parameter(parameters, "from")) ?? 0;
        var size = Whole(body["size"] ?? Parameter(parameters, "size")) ?? 10;
        Validate(pitBody, index, parameters, from, size, body);
        IReadOnlyList<FakeIndex> indices;
        IEnumerable<StoredDocument> candidates;
        string? pitId = null;
        if (pitBody is not null)
        {
            var id = (string?)pitBody["id"] ?? throw ElasticsearchException.Parsing("Required [id]");
            var pit = cluster.UsePit(id, pitBody["keep_alive"] is { } keepAlive ? Duration(keepAlive.ToString(), "keep_alive") : null);
            var refused = pit.Indices.Where(i => !identity.May(i, "read")).Select(i => i.Name).ToArray();
            if (refused.Length > 0) throw identity.Refuse("indices:data/read/search", refused, "read", "all");
            pitId = pit.Id;
            indices = pit.Indices;
            candidates = pit.Snapshot;
        }
        else
        {
            indices = Authorise(cluster, identity, index ?? "_all", parameters, "indices:data/read/search");
            candidates = indices.SelectMany(i => i.Visible(now));
        }

        var broken = indices.Where(i => cluster.BrokenShards.ContainsKey(i.Name)).ToArray();
        var failures = broken.Select(i => (i.Name, Failure: cluster.BrokenShards[i.Name])).ToArray();
        if (broken.Length > 0 && (broken.Length == indices.Count || parameters.GetValueOrDefault("allow_partial_search_results") == "false"))
            throw ElasticsearchException.AllShardsFailed(503, failures[0].Failure.Type, failures[0].Failure.Reason, failures[0].Name);
        var query = QueryDsl.Compile(body["query"], now);
        var sort = Sort(body["sort"], parameters, pitBody is not null);
        foreach (var key in sort) CheckSort(key, indices);
        var found = candidates.Where(d => !broken.Contains(d.Index) && query.Matches(d)).ToList();
        if (cluster.UnspecifiedOrder == UnspecifiedOrder.Reversed) found.Reverse();
        var shardDocs = Number(indices, candidates);
        var keyed = found.ConvertAll(d => (Document: d, Keys: sort.Select(k => SortValue(k, d, shardDocs, indices)).ToArray()));
        if (sort.Count > 0)
        {
            var comparer = Comparer<object?[]>.Create((a, b) => Compare(sort, a, b));
            keyed = [.. keyed.OrderBy(k => k.Keys, comparer)];
            if (body["search_after"] is JsonArray after)
            {
                if (after.Count != sort.Count && !(pitBody is not null && after.Count == sort.Count - 1 && sort[^1].Field == "_shard_doc"))
                    throw ElasticsearchException.AllShardsFailed(400, "illegal_argument_exception", $"search_after has {after.Count} value(s) but sort has {sort.Count}.", indices.Count > 0 ? indices[0].Name : "");
                var bound = after.Select((v, i) => AfterValue(sort[i], v, indices, now)).ToArray();
                keyed = keyed.FindAll(k => Compare(sort, k.Keys[..bound.Length], bound) > 0);
            }
        }

        var total = found.Count;
        var hits = new JsonObject();
        Total(hits, body["track_total_hits"] ?? Parameter(parameters, "track_total_hits"), total, parameters);
        hits["max_score"] = sort.Count > 0 || total == 0 ? null : 1.0;
        var sourceFilter = SourceSpec.Read(body["_source"], parameters);
        hits["hits"] = new JsonArray([.. keyed.Skip(from).Take(size).Select(k => Hit(k.Document, k.Keys, sort, body, parameters, sourceFilter))]);
        var json = new JsonObject { ["took"] = 3, ["timed_out"] = false, ["_shards"] = Shards(indices.Count, failures), ["hits"] = hits };
        if (pitId is not null) json.Insert(0, "pit_id", pitId);
        return json;
    }

    public static JsonObject Count(FakeCluster cluster, Identity identity, string index, JsonObject body, IReadOnlyDictionary<string, string> parameters)
    {
        var indices = Authorise(cluster, identity, index, parameters, "indices:data/read/search");
        var query = QueryDsl.Compile(body["query"], cluster.Now);
        var broken = indices.Where(i => cluster.BrokenShards.ContainsKey(i.Name)).ToArray();
        var count = indices.Except(broken).SelectMany(i => i.Visible(cluster.Now)).Count(query.Matches);
        return new JsonObject { ["count"] = count, ["_shards"] = Shards(indices.Count, [.. broken.Select(i => (i.Name, cluster.BrokenShards[i.Name]))]) };
    }

    /// <summary>The indices that are meant and may be read. A wildcard reaches less; a name that may not be read is a 403.</summary>
    public static IReadOnlyList<FakeIndex> Authorise(FakeCluster cluster, Identity identity, string expression, IReadOnlyDictionary<string, string> parameters, string action, params string[] otherPrivileges)
    {
        string[] privileges = ["read", .. otherPrivileges];
        if (!privileges.Any(identity.MayAnywhere)) throw identity.Refuse(action, [], [.. privileges, "all"]);
        var expand = parameters.GetValueOrDefault("expand_wildcards") ?? "open";
        var resolution = cluster.Resolve(
            expression.Split(','),
            i => privileges.Any(p => identity.May(i, p)),
            expandHidden: expand.Split(',').Any(e => e is "all" or "hidden"),
            expandOpen: expand.Split(',').Any(e => e is "all" or "open"));
        var lenient = parameters.GetValueOrDefault("ignore_unavailable") == "true";
        if (resolution.Refused.Count > 0 && !lenient) throw identity.Refuse(action, resolution.Refused, [.. privileges, "all"]);
        if (resolution.Missing.Count > 0 && !lenient) throw ElasticsearchException.NoSuchIndex(resolution.Missing[0]);
        if (resolution.Indices.Count == 0 && parameters.GetValueOrDefault("allow_no_indices") == "false") throw ElasticsearchException.NoSuchIndex(expression);
        return resolution.Indices;
    }

    /// <summary>A length of time such as 30s, 1m, 4h or 5d.</summary>
    public static TimeSpan Duration(string text, string setting)
    {
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c)).Count();
        if (digits > 0 && long.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var count))
        {
            switch (text[digits..])
            {
                case "d":
                    return TimeSpan.FromDays(count);
                case "h":
                    return TimeSpan.FromHours(count);
                case "m":
                    return TimeSpan.FromMinutes(count);
                case "s":
                    return TimeSpan.FromSeconds(count);
                case "ms":
                    return TimeSpan.FromMilliseconds(count);
                case "micros":
                    return TimeSpan.FromMicroseconds(count);
                case "nanos":
                    return TimeSpan.FromMicroseconds(count / 1000.0);
            }
        }

        throw ElasticsearchException.Argument($"failed to parse setting [{setting}] with value [{text}] as a time value: unit is missing or unrecognized");
    }

    private static JsonValue? Parameter(IReadOnlyDictionary<string, string> parameters, string name) =>
        parameters.TryGetValue(name, out var value) ? JsonValue.Create(value) : null;

    private static int? Whole(JsonNode? node) => node is null
        ? null
        : int.TryParse(node.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw ElasticsearchException.Argument($"Failed to parse int parameter with value [{node}]");

    private static void Validate(JsonObject? pit, string? index, IReadOnlyDictionary<string, string> parameters, int from, int size, JsonObject body)
    {
        var problems = new List<string>();
        if (pit is not null)
        {
            if (index is not null) problems.Add("[indices] cannot be used with point in time. Do not specify any index with point in time.");
            foreach (var name in new[] { "routing", "preference" })
            {
                if (parameters.ContainsKey(name)) problems.Add($"[{name}] cannot be used with point in time");
            }

            foreach (var name in new[] { "ignore_unavailable", "allow_no_indices", "expand_wildcards" })
            {
                if (parameters.ContainsKey(name)) problems.Add("[indicesOptions] cannot be used with point in time");
            }
        }

        if (size < 0) throw ElasticsearchException.Argument($"[size] parameter cannot be negative, found [{size}]");
        if (from < 0) throw ElasticsearchException.Argument($"[from] parameter cannot be negative but was [{from}]");
        if (body.ContainsKey("search_after") && from > 0) problems.Add("[from] parameter must be set to 0 when [search_after] is used");
        if (problems.Count > 0)
            throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: " + string.Concat(problems.Select((p, i) => $"{i + 1}: {p};")));
        if (body.ContainsKey("search_after") && body["sort"] is null && !parameters.ContainsKey("sort"))
            throw ElasticsearchException.AllShardsFailed(400, "illegal_argument_exception", "Sort must contain at least one field.", index ?? "");
        if (from + (long)size > Window)
        {
            throw ElasticsearchException.AllShardsFailed(
                400,
                "illegal_argument_exception",
                $"Result window is too large, from + size must be less than or equal to: [{Window}] but was [{from + (long)size}]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting.",
                index ?? "");
        }
    }

    private static List<SortKey> Sort(JsonNode? sort, IReadOnlyDictionary<string, string> parameters, bool pit)
    {
        var keys = new List<SortKey>();
        if (sort is null && parameters.TryGetValue("sort", out var url))
        {
            sort = new JsonArray([.. url.Split(',').Select(s => s.Split(':')).Select(p => (JsonNode)new JsonObject { [p[0]] = p.Length > 1 ? p[1] : "asc" })]);
        }

        foreach (var entry in sort is JsonArray many ? many.ToArray() : sort is null ? [] : [sort])
        {
            if (entry is JsonValue name)
            {
                keys.Add(Key(name.ToString(), null));
                continue;
            }

            foreach (var (field, spec) in (JsonObject)entry!) keys.Add(Key(field, spec));
        }

        if (pit && keys.Count > 0 && !keys.Exists(k => k.Field == "_shard_doc")) keys.Add(Key("_shard_doc", null));
        if (!pit && keys.Exists(k => k.Field == "_shard_doc"))
            throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: [_shard_doc] sort field cannot be used without [point in time];");
        return keys;
    }

    private static SortKey Key(string field, JsonNode? spec)
    {
        if (spec is not JsonObject full)
        {
            var order = spec?.ToString() ?? (field == "_score" ? "desc" : "asc");
            return new SortKey(field, Direction(order), false, null, null, null, null, false);
        }

        foreach (var (option, _) in full)
        {
            if (option is not ("order" or "missing" or "unmapped_type" or "mode" or "format" or "numeric_type" or "nested"))
                throw ElasticsearchException.Parsing($"[field_sort] unknown field [{option}]");
        }

        var missing = full["missing"]?.ToString();
        return new SortKey(
            field,
            Direction(full["order"]?.ToString() ?? "asc"),
            missing == "_first",
            missing is null or "_first" or "_last" ? null : full["missing"],
            full["unmapped_type"]?.ToString(),
            full["mode"]?.ToString(),
            full["format"]?.ToString(),
            full["numeric_type"]?.ToString() == "date_nanos");
    }

    private static bool Direction(string order) => order.ToLowerInvariant() switch
    {
        "asc" => false,
        "desc" => true,
        _ => throw ElasticsearchException.Argument($"Unknown SortOrder [{order}]"),
    };

    private static void CheckSort(SortKey key, IReadOnlyList<FakeIndex> indices)
    {
        if (key.Field is "_doc" or "_score" or "_shard_doc" or "_id") return;
        foreach (var index in indices)
        {
            var mapping = index.Mapping.Find(key.Field);
            if (mapping is null && key.UnmappedType is null)
                throw ElasticsearchException.AllShardsFailed(400, "query_shard_exception", $"No mapping found for [{key.Field}] in order to sort on", index.Name);
            if (mapping is { Textual: true })
            {
                throw ElasticsearchException.AllShardsFailed(
                    400,
                    "illegal_argument_exception",
                    $"Fielddata is disabled on [{key.Field}] in [{index.Name}]. Text fields are not optimised for operations that require per-document field data like aggregations and sorting, so these operations are disabled by default. Please use a keyword field instead.",
                    index.Name);
            }
        }
    }

    private static Dictionary<StoredDocument, long> Number(IReadOnlyList<FakeIndex> indices, IEnumerable<StoredDocument> documents)
    {
        var numbers = new Dictionary<StoredDocument, long>();
        var shard = indices.Select((index, i) => (index, i)).ToDictionary(p => p.index, p => (long)p.i << 32);
        foreach (var document in documents) numbers[document] = shard[document.Index]++;
        return numbers;
    }

    private static bool IsNumericSort(SortKey key, IReadOnlyList<FakeIndex> indices)
    {
        var family = indices.Select(i => i.Mapping.Find(key.Field)?.Family).FirstOrDefault(f => f is not null) ?? key.UnmappedType;
        return family is "date" or "date_nanos" or "long" or "integer" or "short" or "byte" or "double" or "float" or "half_float" or "scaled_float" or "unsigned_long" or "boolean";
    }

    private static object? SortValue(SortKey key, StoredDocument document, Dictionary<StoredDocument, long> shardDocs, IReadOnlyList<FakeIndex> indices)
    {
        switch (key.Field)
        {
            case "_shard_doc" or "_doc":
                return shardDocs[document];
            case "_score":
                return 1.0;
        }

        var values = Cell.Values(QueryDsl.CellOf(document, key.Field));
        if (values.Count == 0)
        {
            if (key.MissingValue is { } substitute) return long.TryParse(substitute.ToString(), out var whole) ? whole : substitute.ToString();
            if (!IsNumericSort(key, indices)) return null;
            return key.MissingFirst == key.Descending ? long.MaxValue : long.MinValue;
        }

        var order = Comparer<object>.Create(Cell.Compare);
        var value = (key.Mode ?? (key.Descending ? "max" : "min")) == "max" ? values.Max(order)! : values.Min(order)!;
        return value switch
        {
            Instant instant => key.FormatNanos ? (instant.Millis * 1_000_000) + instant.Nanos : instant.Millis,
            bool flag => flag ? 1L : 0L,
            Ip ip => ip,
            _ => value,
        };
    }

    private static object? AfterValue(SortKey key, JsonNode? value, IReadOnlyList<FakeIndex> indices, DateTimeOffset now)
    {
        if (value is null) return null;
        var element = JsonSerializer.SerializeToElement(value);
        if (key.Field is "_shard_doc" or "_doc") return element.GetInt64();
        var family = indices.Select(i => i.Mapping.Find(key.Field)?.Family).FirstOrDefault(f => f is not null) ?? key.UnmappedType;
        if (family is "date" or "date_nanos")
        {
            if (element.ValueKind == JsonValueKind.Number) return element.TryGetInt64(out var millis) ? millis : (long)element.GetDouble();
            return QueryDsl.TryDate(element.GetString()!, now, false, out var instant)
                ? key.FormatNanos ? (instant.Millis * 1_000_000) + instant.Nanos : instant.Millis
                : throw new ElasticsearchException(400, "parse_exception", $"failed to parse date field [{element}] with format [{key.Format ?? "strict_date_optional_time||epoch_millis"}]");
        }

        if (family == "ip") return Ip.TryParse(value.ToString(), out var ip) ? ip : throw ElasticsearchException.Argument($"'{value}' is not an IP string literal.");
        if (element.ValueKind == JsonValueKind.Number) return element.TryGetInt64(out var whole) ? (object)whole : element.GetDouble();
        return element.ValueKind is JsonValueKind.True or JsonValueKind.False ? (element.GetBoolean() ? 1L : 0L) : value.ToString();
    }

    private static int Compare(List<SortKey> keys, object?[] a, object?[] b)
    {
        for (var i = 0; i < a.Length; i++)
        {
            if (a[i] is null && b[i] is null) continue;
            if (a[i] is null) return keys[i].MissingFirst ? -1 : 1;
            if (b[i] is null) return keys[i].MissingFirst ? 1 : -1;
            var order = Cell.Compare(a[i]!, b[i]!);
            if (order != 0) return keys[i].Descending ? -order : order;
        }

        return 0;
    }

    private static void Total(JsonObject hits, JsonNode? track, int total, IReadOnlyDictionary<string, string> parameters)
    {
        var text = track?.ToString() ?? "10000";
        if (text == "false") return;
        if (parameters.GetValueOrDefault("rest_total_hits_as_int") == "true")
        {
            hits["total"] = total;
            return;
        }

        var limit = text == "true" ? int.MaxValue : Whole(track) ?? 10_000;
        hits["total"] = new JsonObject { ["value"] = Math.Min(total, limit), ["relation"] = total > limit ? "gte" : "eq" };
    }

    private static JsonObject Hit(StoredDocument document, object?[] keys, List<SortKey> sort, JsonObject body, IReadOnlyDictionary<string, string> parameters, SourceSpec source)
    {
        var hit = new JsonObject { ["_index"] = document.Index.Name, ["_id"] = document.Id };
        if (Flag(body["version"] ?? Parameter(parameters, "version"))) hit["_version"] = document.Version;
        if (Flag(body["seq_no_primary_term"] ?? Parameter(parameters, "seq_no_primary_term")))
        {
            hit["_seq_no"] = document.SeqNo;
            hit["_primary_term"] = 1;
        }

        hit["_score"] = sort.Count > 0 && !sort.Exists(k => k.Field == "_score") ? null : 1.0;
        if (document.Parsed.Ignored.Count > 0) hit["_ignored"] = new JsonArray([.. document.Parsed.Ignored.Distinct().Select(i => JsonValue.Create(i))]);
        if (source.Enabled) hit["_source"] = SourceFilter.Apply(document.Source, source.Includes, source.Excludes);
        var fields = new JsonObject();
        foreach (var request in (body["fields"] as JsonArray ?? []).Concat(body["docvalue_fields"] as JsonArray ?? [])) AddFields(fields, document, request!);
        if (fields.Count > 0) hit["fields"] = fields;
        if (sort.Count > 0)
        {
            hit["sort"] = new JsonArray([.. keys.Select((k, i) => sort[i].Format is { } format && k is long millis && !format.Contains("epoch", StringComparison.Ordinal) && millis is not (long.MaxValue or long.MinValue)
                ? JsonValue.Create(new Instant(millis).ToString())
                : Cell.ToJson(k))]);
        }

        return hit;
    }

    private static void AddFields(JsonObject fields, StoredDocument document, JsonNode request)
    {
        var pattern = request is JsonObject spec ? (string?)spec["field"] ?? "" : request.ToString();
        var format = (request as JsonObject)?["format"]?.ToString();
        foreach (var name in document.Index.Mapping.Leaves.Keys.Where(k => Wildcard.Matches(pattern, k)))
        {
            var cell = QueryDsl.CellOf(document, name);
            if (cell is null) continue;
            fields[name] = new JsonArray([.. Cell.Values(cell).Select(v => v is Instant instant && format == "epoch_millis"
                ? JsonValue.Create(instant.Millis.ToString(CultureInfo.InvariantCulture))
                : Cell.ToJson(v))]);
        }
    }

    private static bool Flag(JsonNode? node) => node?.ToString() == "true";

    private static JsonObject Shards(int total, IReadOnlyList<(string Index, ShardFailure Failure)> failures)
    {
        var shards = new JsonObject { ["total"] = total, ["successful"] = total - failures.Count, ["skipped"] = 0, ["failed"] = failures.Count };
        if (failures.Count > 0)
        {
            shards["failures"] = new JsonArray([.. failures.Select(f => new JsonObject
            {
                ["shard"] = 0,
                ["index"] = f.Index,
                ["node"] = "fake",
                ["reason"] = new JsonObject { ["type"] = f.Failure.Type, ["reason"] = f.Failure.Reason },
            })]);
        }

        return shards;
    }
}

/// <summary>Which parts of _source a search wants.</summary>
internal sealed record SourceSpec(bool Enabled, IReadOnlyList<string> Includes, IReadOnlyList<string> Excludes)
{
    public static SourceSpec Read(JsonNode? source, IReadOnlyDictionary<string, string> parameters)
    {
        if (source is null)
        {
            var includes = parameters.GetValueOrDefault("_source_includes")?.Split(',') ?? [];
            var excludes = parameters.GetValueOrDefault("_source_excludes")?.Split(',') ?? [];
            var value = parameters.GetValueOrDefault("_source");
            if (value == "false") return new SourceSpec(false, [], []);
            return new SourceSpec(true, value is null or "true" or "" ? includes : value.Split(','), excludes);
        }

        return source switch
        {
            JsonArray many => new SourceSpec(true, Strings(many), []),
            JsonObject full => new SourceSpec(true, Strings(full["includes"] ?? full["include"]), Strings(full["excludes"] ?? full["exclude"])),
            _ when source.ToString() == "false" => new SourceSpec(false, [], []),
            _ when source.ToString() == "true" => new SourceSpec(true, [], []),
            _ => new SourceSpec(true, [source.ToString()], []),
        };
    }

    private static IReadOnlyList<string> Strings(JsonNode? node) => node switch
    {
        null => [],
        JsonArray many => [.. many.Select(m => m!.ToString())],
        _ => [node.ToString()],
    };
}
