using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using SuspiciousSignin.FakeElasticsearch.Esql;

namespace SuspiciousSignin.FakeElasticsearch.Http;

/// <summary>One request on its way through the endpoints.</summary>
internal sealed record Call(RecordedRequest Request, string Path, string NodeName, Fault? Fault)
{
    public required Identity Identity { get; init; }

    public required EndpointRule Rule { get; init; }

    public required IReadOnlyDictionary<string, string> Parts { get; init; }

    public required string? Wanted { get; init; }

    public JsonObject Body { get; init; } = [];

    public IReadOnlyDictionary<string, string> Parameters => Request.Query;

    public string? Index => Parts.TryGetValue("index", out var index) ? Uri.UnescapeDataString(index) : null;

    public bool Flag(string name) => Parameters.TryGetValue(name, out var value) && value is "true" or "";

    public T Cluster<T>(bool granted, string action, string privilege, Func<T> then) =>
        granted ? then() : throw Identity.Refuse(action, [], privilege, "manage", "all");
}

/// <summary>What each endpoint does.</summary>
internal sealed class Endpoints(FakeCluster cluster)
{
    /// <summary>Checks a request against the table and carries it out. Never throws for what a client did wrong.</summary>
    public Answer Handle(RecordedRequest request, string rawPath, string nodeName, Fault? fault)
    {
        try
        {
            var (rule, parts) = RequestRules.Table.Find(request.Method, rawPath, cluster.Version);
            lock (cluster.Gate)
            {
                var identity = cluster.Security.Authenticate(request.Headers.GetValueOrDefault("Authorization"), request.Path);
                request.Username = identity.Username;
                var wanted = MediaTypes.Check(request.Headers.GetValueOrDefault("Accept"), request.Headers.GetValueOrDefault("Content-Type"), request.Body.Length > 0, rule.Body == "ndjson", cluster.Version);
                RequestRules.Table.CheckParameters(rule, request.Path, request.Query, cluster.Version);
                var call = new Call(request, rawPath, nodeName, fault)
                {
                    Identity = identity,
                    Rule = rule,
                    Parts = parts,
                    Wanted = wanted,
                    Body = rule.Body == "ndjson" ? [] : RequestRules.ReadBody(rule, request.Body, cluster.Version),
                };
                return Dispatch(call);
            }
        }
        catch (ElasticsearchException error)
        {
            return Answer.Of(error);
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException or InvalidCastException or JsonException or OverflowException)
        {
            return Answer.Of(new ElasticsearchException(400, "x_content_parse_exception", $"[1:1] {error.Message}"));
        }
        catch (Exception bug)
        {
            return Answer.Of(new ElasticsearchException(500, "fake_internal_error", bug.ToString()));
        }
    }

    private Answer Dispatch(Call call) => call.Rule.Name switch
    {
        "info" => call.Cluster(call.Identity.May("monitor"), "cluster:monitor/main", "monitor", () => Info(call)),
        "health" => call.Cluster(call.Identity.May("monitor"), "cluster:monitor/health", "monitor", () => Health(call)),
        "esql" => Esql(call),
        "esql.async" => StartAsync(call),
        "esql.get" => GetAsync(call),
        "esql.delete" => DeleteAsync(call),
        "esql.stop" => StopAsync(call),
        "field_caps" => Answer.Of(FieldCapabilities.Run(cluster, call)),
        "pit.open" => OpenPit(call),
        "pit.close" => ClosePit(call),
        "search" => Answer.Of(Search.Run(cluster, call.Identity, call.Index, call.Body, call.Parameters)),
        "count" => Answer.Of(Search.Count(cluster, call.Identity, call.Index!, call.Body, call.Parameters)),
        "bulk" => new Bulk(cluster, call).Run(),
        "refresh" => Refresh(call),
        "template.put" => PutTemplate(call),
        "template.get" => GetTemplate(call),
        "data_stream.put" => PutDataStream(call),
        "data_stream.delete" => DeleteDataStream(call),
        "index.put" => PutIndex(call),
        "index.get" => GetIndex(call),
        "index.delete" => DeleteIndex(call),
        "authenticate" => Authenticate(call),
        "has_privileges" => HasPrivileges(call),
        "role.put" => call.Cluster(call.Identity.May("manage_security"), "cluster:admin/xpack/security/role/put", "manage_security", () => PutRole(call)),
        "api_key.post" => call.Cluster(call.Identity.May("manage_own_api_key"), "cluster:admin/xpack/security/api_key/create", "manage_own_api_key", () => PostApiKey(call)),
        _ => throw ElasticsearchException.Plain(400, $"no handler found for uri [{call.Path}] and method [{call.Request.Method}]"),
    };

    private Answer Info(Call call)
    {
        var version = cluster.Version;
        return Answer.Of(new JsonObject
        {
            ["name"] = call.NodeName,
            ["cluster_name"] = "fake",
            ["cluster_uuid"] = "fakeclusteruuid0000000",
            ["version"] = new JsonObject
            {
                ["number"] = version.ToString(),
                ["build_flavor"] = version.Serverless ? "serverless" : "default",
                ["build_type"] = "docker",
                ["build_hash"] = "0123456789abcdef0123456789abcdef01234567",
                ["build_date"] = "2025-01-01T00:00:00.000000000Z",
                ["build_snapshot"] = false,
                ["lucene_version"] = version.Major >= 9 ? "10.1.0" : "9.12.0",
                ["minimum_wire_compatibility_version"] = version.Major >= 9 ? "8.19.0" : "7.17.0",
                ["minimum_index_compatibility_version"] = version.Major >= 9 ? "8.0.0" : "7.0.0",
            },
            ["tagline"] = "You Know, for Search",
        });
    }

    private Answer Health(Call call)
    {
        if (cluster.Version.Serverless)
        {
            throw new ElasticsearchException(
                410,
                "api_not_available_exception",
                $"Request for uri [{call.Path}] with method [{call.Request.Method}] exists but is not available when running in serverless mode");
        }

        string[] order = ["red", "yellow", "green"];
        var wanted = call.Parameters.GetValueOrDefault("wait_for_status");
        if (wanted is not null && !order.Contains(wanted)) throw ElasticsearchException.Argument($"unknown cluster health status [{wanted}]");
        var timedOut = wanted is not null && Array.IndexOf(order, cluster.Health) < Array.IndexOf(order, wanted);
        var json = new JsonObject
        {
            ["cluster_name"] = "fake",
            ["status"] = cluster.Health,
            ["timed_out"] = timedOut,
            ["number_of_nodes"] = cluster.NodeCount,
            ["number_of_data_nodes"] = cluster.NodeCount,
            ["active_primary_shards"] = cluster.Indices.Count,
            ["active_shards"] = cluster.Indices.Count,
            ["relocating_shards"] = 0,
            ["initializing_shards"] = 0,
            ["unassigned_shards"] = cluster.BrokenShards.Count,
            ["delayed_unassigned_shards"] = 0,
            ["number_of_pending_tasks"] = 0,
            ["number_of_in_flight_fetch"] = 0,
            ["task_max_waiting_in_queue_millis"] = 0,
            ["active_shards_percent_as_number"] = 100.0,
        };
        return Answer.Of(json, timedOut ? 408 : 200);
    }

    private EsqlRequest ReadEsql(Call call)
    {
        if (call.Body["query"] is not JsonValue query || query.GetValueKind() != JsonValueKind.String)
            throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: [query] is required;");
        if (call.Body["params"] is { } wrong and not JsonArray)
            throw new ElasticsearchException(400, "x_content_parse_exception", $"[1:1] [{call.Rule.Parser}] params doesn't support values of type: {wrong.GetValueKind()}");
        var partial = cluster.Version.Has("8.19 9.1") && cluster.AllowPartialResults;
        if (call.Parameters.TryGetValue("allow_partial_results", out var asked)) partial = asked != "false";
        return new EsqlRequest((string)query!, call.Body["params"] as JsonArray, call.Body["filter"], partial);
    }

    private EsqlFormat Format(Call call, bool? dropNullColumns = null)
    {
        var format = call.Parameters.GetValueOrDefault("format") ?? call.Wanted ?? "json";
        if (format is not ("json" or "csv" or "tsv" or "txt"))
        {
            throw format is "yaml" or "cbor" or "smile" or "arrow"
                ? ElasticsearchException.Plain(406, $"the fake does not write [{format}]")
                : ElasticsearchException.Argument($"Invalid format [{format}]");
        }

        return new EsqlFormat(
            (bool?)call.Body["columnar"] ?? false,
            dropNullColumns ?? call.Flag("drop_null_columns"),
            (bool?)call.Body["include_ccs_metadata"] ?? false,
            format,
            call.Parameters.GetValueOrDefault("delimiter") is { Length: 1 } delimiter ? delimiter[0] : ',',
            cluster.Version);
    }

    private Answer Write(EsqlResult result, EsqlFormat format)
    {
        var answer = format.Format == "json"
            ? Answer.Of(EsqlResponses.ToJson(result, format))
            : new Answer
            {
                Text = EsqlResponses.ToText(result, format),
                ContentType = format.Format switch
                {
                    "csv" => "text/csv; charset=utf-8; header=present",
                    "tsv" => "text/tab-separated-values; charset=utf-8",
                    _ => "text/plain; charset=utf-8",
                },
            };
        answer.Headers.AddRange(result.Warnings.Select(w => KeyValuePair.Create("Warning", Warnings.Header(w, cluster.Version))));
        return answer;
    }

    private Answer Esql(Call call)
    {
        var format = Format(call);
        return Write(Executor.Run(cluster, call.Identity, ReadEsql(call)), format);
    }

    private Answer StartAsync(Call call)
    {
        var format = Format(call);
        var request = ReadEsql(call);
        if (call.Body["wait_for_completion_timeout"] is { } wait) Search.Duration(wait.ToString(), "wait_for_completion_timeout");
        var keepAlive = Search.Duration(call.Body["keep_alive"]?.ToString() ?? "5d", "keep_alive");
        var keep = (bool?)call.Body["keep_on_completion"] ?? false;
        var result = Executor.Run(cluster, call.Identity, request);
        var polls = call.Fault is { Kind: FaultKind.Async } fault ? fault.Polls : cluster.AsyncPolls;
        if (polls == 0 && !keep)
        {
            var done = Write(result, format);
            if (done.Json is JsonObject json) json.Insert(0, "is_running", false);
            done.Headers.Add(KeyValuePair.Create("X-Elasticsearch-Async-Is-Running", "?0"));
            return done;
        }

        var id = "Async" + Convert.ToBase64String(Encoding.UTF8.GetBytes(cluster.NextId())).Replace('+', '-').Replace('/', '_');
        var query = new AsyncQuery
        {
            Id = id,
            Query = request.Text,
            Owner = call.Identity.Username,
            PollsLeft = polls,
            ExpiresAt = cluster.Now + keepAlive,
            Outcome = dropNullColumns => Write(result, format with { DropNullColumns = dropNullColumns }),
        };
        cluster.Keep(query);
        return Progress(query, format.DropNullColumns);
    }

    private static Answer Progress(AsyncQuery query, bool dropNullColumns)
    {
        var running = query.PollsLeft > 0;
        var answer = running
            ? Answer.Of(new JsonObject { ["took"] = 7, ["is_partial"] = true, ["columns"] = new JsonArray(), ["values"] = new JsonArray() })
            : query.Outcome(dropNullColumns);
        if (answer.Json is JsonObject json)
        {
            if (query.Stopped) json["is_partial"] = true;
            json.Insert(0, "is_running", running);
            json.Insert(0, "id", query.Id);
        }

        answer.Headers.Add(KeyValuePair.Create("X-Elasticsearch-Async-Id", query.Id));
        answer.Headers.Add(KeyValuePair.Create("X-Elasticsearch-Async-Is-Running", running ? "?1" : "?0"));
        return answer;
    }

    private AsyncQuery FindAsync(Call call, bool orMay)
    {
        var id = Uri.UnescapeDataString(call.Parts["id"]);
        return cluster.FindAsync(id) is { } query && (query.Owner == call.Identity.Username || orMay)
            ? query
            : throw new ElasticsearchException(404, "resource_not_found_exception", id);
    }

    private Answer GetAsync(Call call)
    {
        var query = FindAsync(call, orMay: false);
        if (call.Parameters.TryGetValue("wait_for_completion_timeout", out var wait)) Search.Duration(wait, "wait_for_completion_timeout");
        if (call.Parameters.TryGetValue("keep_alive", out var keepAlive)) query.ExpiresAt = cluster.Now + Search.Duration(keepAlive, "keep_alive");
        query.Polls++;
        if (query.PollsLeft > 0) query.PollsLeft--;
        return Progress(query, call.Flag("drop_null_columns"));
    }

    private Answer DeleteAsync(Call call)
    {
        FindAsync(call, orMay: call.Identity.May("cancel_task")).Deleted = true;
        return Answer.Of(new JsonObject { ["acknowledged"] = true });
    }

    private Answer StopAsync(Call call)
    {
        var query = FindAsync(call, orMay: false);
        query.Stopped = query.PollsLeft > 0;
        query.PollsLeft = 0;
        return Progress(query, call.Flag("drop_null_columns"));
    }

    private Answer OpenPit(Call call)
    {
        var keepAlive = call.Parameters.GetValueOrDefault("keep_alive")
            ?? throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: [keep_alive] is not specified;");
        var indices = Search.Authorise(cluster, call.Identity, call.Index!, call.Parameters, "indices:data/read/open_point_in_time");
        var filter = QueryDsl.Compile(call.Body["index_filter"], cluster.Now);
        indices = [.. indices.Where(filter.CanMatch)];
        var broken = indices.Where(i => cluster.BrokenShards.ContainsKey(i.Name)).ToArray();
        if (broken.Length > 0 && !call.Flag("allow_partial_search_results"))
        {
            var failure = cluster.BrokenShards[broken[0].Name];
            throw ElasticsearchException.AllShardsFailed(503, failure.Type, failure.Reason, broken[0].Name);
        }

        var pit = cluster.OpenPit(indices, Search.Duration(keepAlive, "keep_alive"));
        return Answer.Of(new JsonObject
        {
            ["id"] = pit.Id,
            ["_shards"] = new JsonObject { ["total"] = indices.Count, ["successful"] = indices.Count - broken.Length, ["skipped"] = 0, ["failed"] = broken.Length },
        });
    }

    private Answer ClosePit(Call call)
    {
        var id = (string?)call.Body["id"] ?? throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: reader id must be specified;");
        var closed = cluster.ClosePit(id, out var freed);
        return Answer.Of(new JsonObject { ["succeeded"] = true, ["num_freed"] = freed }, closed ? 200 : 404);
    }

    private Answer Refresh(Call call)
    {
        var indices = Search.Authorise(cluster, call.Identity, call.Index!, call.Parameters, "indices:admin/refresh", "maintenance");
        foreach (var index in indices) cluster.Refresh(index);
        return Answer.Of(new JsonObject { ["_shards"] = new JsonObject { ["total"] = indices.Count, ["successful"] = indices.Count, ["failed"] = 0 } });
    }

    private Answer PutTemplate(Call call) => call.Cluster(call.Identity.May("manage_index_templates"), "indices:admin/index_template/put", "manage_index_templates", () =>
    {
        var name = Uri.UnescapeDataString(call.Parts["name"]);
        if (call.Flag("create") && cluster.Templates.ContainsKey(name)) throw ElasticsearchException.Argument($"index template [{name}] already exists");
        var patterns = call.Body["index_patterns"] switch
        {
            JsonArray many => many.Select(p => p!.ToString()).ToArray(),
            JsonValue one => [one.ToString()],
            _ => throw new ElasticsearchException(400, "x_content_parse_exception", "[1:1] Required [index_patterns]"),
        };
        if (call.Body["composed_of"] is JsonArray { Count: > 0 } components && call.Body["ignore_missing_component_templates"] is null)
            throw new ElasticsearchException(400, "invalid_index_template_exception", $"index_template [{name}] invalid, cause [index template [{name}] specifies component templates [{string.Join(", ", components.Select(c => c!.ToString()))}] that do not exist]");
        var template = new IndexTemplate(
            name,
            patterns,
            (int?)call.Body["priority"] ?? 0,
            call.Body["data_stream"] is JsonObject,
            (bool?)call.Body["data_stream"]?["hidden"] ?? false,
            (JsonObject)call.Body.DeepClone());
        var ignoreMalformed = false;
        _ = new IndexMapping(template.Part("mappings"), ignoreMalformed);
        cluster.PutTemplate(template);
        return Answer.Of(new JsonObject { ["acknowledged"] = true });
    });

    private Answer GetTemplate(Call call)
    {
        var name = Uri.UnescapeDataString(call.Parts["name"]);
        var found = cluster.Templates.Values.Where(t => Wildcard.Matches(name, t.Name)).ToArray();
        if (found.Length == 0) throw new ElasticsearchException(404, "resource_not_found_exception", $"index template matching [{name}] not found");
        return Answer.Of(new JsonObject
        {
            ["index_templates"] = new JsonArray([.. found.Select(t => new JsonObject { ["name"] = t.Name, ["index_template"] = t.Body.DeepClone() })]),
        });
    }

    private Answer PutDataStream(Call call)
    {
        var name = Uri.UnescapeDataString(call.Parts["name"]);
        if (!call.Identity.May(name, "create_index")) throw call.Identity.Refuse("indices:admin/data_stream/create", [name], "create_index", "manage", "all");
        if (cluster.TemplateFor(name) is not { DataStream: true } template) throw ElasticsearchException.Argument($"no matching index template found for data stream [{name}]");
        cluster.AddDataStream(name, template.Part("mappings"), template.Part("settings"), template.Hidden);
        return Answer.Of(new JsonObject { ["acknowledged"] = true });
    }

    private Answer DeleteDataStream(Call call)
    {
        var name = Uri.UnescapeDataString(call.Parts["name"]);
        if (!call.Identity.May(name, "delete_index")) throw call.Identity.Refuse("indices:admin/data_stream/delete", [name], "delete_index", "manage", "all");
        return cluster.DeleteDataStream(name) ? Answer.Of(new JsonObject { ["acknowledged"] = true }) : throw ElasticsearchException.NoSuchIndex(name);
    }

    private Answer PutIndex(Call call)
    {
        var name = call.Index!;
        if (!call.Identity.May(name, "create_index")) throw call.Identity.Refuse("indices:admin/create", [name], "create_index", "manage", "all");
        if (cluster.TemplateFor(name) is { DataStream: true } template)
            throw ElasticsearchException.Argument($"cannot create index with name [{name}], because it matches with template [{template.Name}] that creates data streams only, use create data stream api instead");
        var settings = call.Body["settings"] as JsonObject;
        var hidden = (settings?["index.hidden"] ?? settings?["hidden"] ?? (settings?["index"] as JsonObject)?["hidden"])?.ToString() == "true";
        var index = cluster.AddIndex(name, call.Body["mappings"] as JsonObject ?? cluster.TemplateFor(name)?.Part("mappings"), settings, hidden, null);
        foreach (var (alias, _) in call.Body["aliases"] as JsonObject ?? []) index.Aliases.Add(alias);
        return Answer.Of(new JsonObject { ["acknowledged"] = true, ["shards_acknowledged"] = true, ["index"] = name });
    }

    private Answer GetIndex(Call call)
    {
        var found = Search.Authorise(cluster, call.Identity, call.Index!, call.Parameters, "indices:admin/get", "view_index_metadata");
        return Answer.Of(new JsonObject(found.Select(i => KeyValuePair.Create<string, JsonNode?>(i.Name, new JsonObject
        {
            ["aliases"] = new JsonObject(i.Aliases.Select(a => KeyValuePair.Create<string, JsonNode?>(a, new JsonObject()))),
            ["mappings"] = i.Mapping.ToJson(),
            ["settings"] = new JsonObject { ["index"] = new JsonObject { ["hidden"] = i.Hidden ? "true" : "false", ["provided_name"] = i.Name } },
        }))));
    }

    private Answer DeleteIndex(Call call)
    {
        if (call.Index!.Contains('*', StringComparison.Ordinal) || call.Index == "_all") throw ElasticsearchException.Argument("Wildcard expressions or all indices are not allowed");
        foreach (var name in call.Index.Split(','))
        {
            if (!call.Identity.May(name, "delete_index")) throw call.Identity.Refuse("indices:admin/delete", [name], "delete_index", "manage", "all");
            if (cluster.IsDataStream(name)) throw ElasticsearchException.Argument($"The provided expression [{name}] matches a data stream, specify the corresponding concrete indices instead.");
            cluster.DeleteIndex(cluster.ByConcreteName(name) ?? throw ElasticsearchException.NoSuchIndex(name));
        }

        return Answer.Of(new JsonObject { ["acknowledged"] = true });
    }

    private Answer Authenticate(Call call)
    {
        if (!cluster.Security.Enabled)
            throw ElasticsearchException.Plain(400, $"no handler found for uri [{call.Path}] and method [{call.Request.Method}]");
        var identity = call.Identity;
        var json = new JsonObject
        {
            ["username"] = identity.Username,
            ["roles"] = new JsonArray([.. identity.Roles.Select(r => JsonValue.Create(r.Name))]),
            ["full_name"] = null,
            ["email"] = null,
            ["metadata"] = new JsonObject(),
            ["enabled"] = true,
            ["authentication_realm"] = new JsonObject { ["name"] = identity.Realm, ["type"] = identity.Realm },
            ["lookup_realm"] = new JsonObject { ["name"] = identity.Realm, ["type"] = identity.Realm },
            ["authentication_type"] = identity.ApiKey is not null ? "api_key" : identity.Realm == "token" ? "token" : "realm",
        };
        if (identity.ApiKey is { } key) json["api_key"] = new JsonObject { ["id"] = key.Id, ["name"] = key.Name };
        return Answer.Of(json);
    }

    private static Answer HasPrivileges(Call call)
    {
        var all = true;
        var clusterAnswers = new JsonObject();
        foreach (var privilege in Strings(call.Body["cluster"]))
        {
            var may = call.Identity.May(privilege);
            all &= may;
            clusterAnswers[privilege] = may;
        }

        var indexAnswers = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        foreach (var group in call.Body["index"] as JsonArray ?? [])
        {
            foreach (var name in Strings(group!["names"]))
            {
                if (!indexAnswers.TryGetValue(name, out var answers)) indexAnswers[name] = answers = [];
                foreach (var privilege in Strings(group["privileges"]))
                {
                    var may = call.Identity.May(name, privilege);
                    all &= may;
                    answers[privilege] = may;
                }
            }
        }

        return Answer.Of(new JsonObject
        {
            ["username"] = call.Identity.Username,
            ["has_all_requested"] = all,
            ["cluster"] = clusterAnswers,
            ["index"] = new JsonObject(indexAnswers.Select(i => KeyValuePair.Create<string, JsonNode?>(i.Key, i.Value))),
            ["application"] = new JsonObject(),
        });
    }

    private static string[] Strings(JsonNode? node) => node switch
    {
        null => [],
        JsonArray many => [.. many.Select(m => m!.ToString())],
        _ => [node.ToString()],
    };

    private static FakeRole ReadRole(string name, JsonObject body) => new(
        name,
        Strings(body["cluster"]),
        [.. (body["indices"] ?? body["index"]) is JsonArray groups
            ? groups.Select(g => new IndexPrivileges(Strings(g!["names"]), Strings(g["privileges"])))
            : []]);

    private Answer PutRole(Call call)
    {
        var created = cluster.Security.Put(ReadRole(Uri.UnescapeDataString(call.Parts["name"]), call.Body));
        return Answer.Of(new JsonObject { ["role"] = new JsonObject { ["created"] = created } });
    }

    private Answer PostApiKey(Call call)
    {
        var name = (string?)call.Body["name"] ?? throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: api key name is required;");
        var roles = (call.Body["role_descriptors"] as JsonObject ?? []).Select(r => ReadRole(r.Key, (JsonObject)r.Value!)).ToArray();
        DateTimeOffset? expires = call.Body["expiration"] is { } expiration ? cluster.Now + Search.Duration(expiration.ToString(), "expiration") : null;
        var key = cluster.Security.Create(name, call.Identity.Username, roles, expires);
        var json = new JsonObject { ["id"] = key.Id, ["name"] = name, ["api_key"] = key.Secret, ["encoded"] = key.Encoded };
        if (expires is { } at) json["expiration"] = at.ToUnixTimeMilliseconds();
        return Answer.Of(json);
    }
}

/// <summary>Field capabilities: which field has which type in which index.</summary>
internal static class FieldCapabilities
{
    public static JsonObject Run(FakeCluster cluster, Call call)
    {
        if (call.Parameters.ContainsKey("fields") && call.Body.ContainsKey("fields"))
            throw ElasticsearchException.Argument("can't specify a request body and [fields] request parameter, either specify a request body or the [fields] request parameter");
        var patterns = call.Parameters.GetValueOrDefault("fields")?.Split(',') ?? call.Body["fields"] switch
        {
            JsonArray many => [.. many.Select(m => m!.ToString())],
            JsonValue one => [one.ToString()],
            _ => [],
        };
        if (patterns.Length == 0) throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: no fields specified;");
        var indices = Search.Authorise(cluster, call.Identity, call.Index ?? "_all", call.Parameters, "indices:data/read/field_caps", "view_index_metadata");
        var filter = QueryDsl.Compile(call.Body["index_filter"], cluster.Now);
        indices = [.. indices.Where(filter.CanMatch)];
        var filters = call.Parameters.GetValueOrDefault("filters")?.Split(',') ?? [];
        var types = call.Parameters.GetValueOrDefault("types")?.Split(',') ?? [];
        var onlyFilled = call.Parameters.GetValueOrDefault("include_empty_fields") == "false";
        var byField = new SortedDictionary<string, SortedDictionary<string, List<string>>>(StringComparer.Ordinal);
        foreach (var index in indices)
        {
            foreach (var (name, type) in Fields(cluster, index, filters, onlyFilled))
            {
                if (!patterns.Any(p => Wildcard.Matches(p, name)) || (types.Length > 0 && !types.Contains(type))) continue;
                if (!byField.TryGetValue(name, out var byType)) byField[name] = byType = new(StringComparer.Ordinal);
                if (!byType.TryGetValue(type, out var list)) byType[type] = list = [];
                list.Add(index.Name);
            }
        }

        var unmappedToo = call.Flag("include_unmapped");
        var fields = new JsonObject();
        foreach (var (name, byType) in byField)
        {
            var mappedIn = byType.Values.SelectMany(i => i).ToHashSet();
            var unmapped = indices.Select(i => i.Name).Where(i => !mappedIn.Contains(i)).ToList();
            if (unmappedToo && unmapped.Count > 0) byType["unmapped"] = unmapped;
            var answers = new JsonObject();
            foreach (var (type, names) in byType)
            {
                var container = type is "object" or "nested" or "unmapped";
                var answer = new JsonObject
                {
                    ["type"] = type,
                    ["metadata_field"] = name.StartsWith('_'),
                    ["searchable"] = !container,
                    ["aggregatable"] = !container && type is not "text",
                };
                if (byType.Count > 1) answer["indices"] = new JsonArray([.. names.Order(StringComparer.Ordinal).Select(n => JsonValue.Create(n))]);
                answers[type] = answer;
            }

            fields[name] = answers;
        }

        return new JsonObject { ["indices"] = new JsonArray([.. indices.Select(i => i.Name).Order(StringComparer.Ordinal).Select(n => JsonValue.Create(n))]), ["fields"] = fields };
    }

    private static IEnumerable<(string Name, string Type)> Fields(FakeCluster cluster, FakeIndex index, string[] filters, bool onlyFilled)
    {
        if (!filters.Contains("-metadata"))
        {
            yield return ("_id", "_id");
            yield return ("_index", "_index");
        }

        foreach (var (name, _) in index.Mapping.Leaves)
        {
            if (index.Mapping.Find(name) is not { } mapping) continue;
            if (filters.Contains("-nested") && index.Mapping.IsNested(name)) continue;
            if (filters.Contains("-multifield") && name.LastIndexOf('.') is var dot and > 0 && index.Mapping.Leaves.ContainsKey(name[..dot])) continue;
            if (onlyFilled && !index.Visible(cluster.Now).Any(d => QueryDsl.CellOf(d, name) is not null)) continue;
            yield return (name, mapping.Family);
        }

        if (filters.Contains("-parent")) yield break;
        foreach (var (name, kind) in index.Mapping.Objects) yield return (name, kind);
    }
}

/// <summary>A bulk request: NDJSON in, one result per action out, whatever happens to the others.</summary>
internal sealed class Bulk(FakeCluster cluster, Call call)
{
    private static readonly string[] Actions = ["create", "delete", "index", "update"];

    private static readonly string[] Metadata =
    [
        "_index", "_id", "routing", "version", "version_type", "if_seq_no", "if_primary_term", "require_alias", "require_data_stream",
        "pipeline", "dynamic_templates", "retry_on_conflict", "op_type", "list_executed_pipelines",
    ];

    public Answer Run()
    {
        var body = call.Request.Body;
        if (body.Length == 0) throw new ElasticsearchException(400, "parse_exception", "request body is required");
        if (body[^1] != '\n') throw ElasticsearchException.Argument("The bulk request must be terminated by a newline [\\n]");
        var refresh = call.Parameters.GetValueOrDefault("refresh") ?? "false";
        if (refresh is not ("true" or "false" or "wait_for" or "")) throw ElasticsearchException.Argument($"Unknown value for refresh: [{refresh}].");
        var refreshed = refresh is "true" or "wait_for" or "";
        if (!call.Identity.MayAnywhere("create_doc") && !call.Identity.MayAnywhere("delete"))
            throw call.Identity.Refuse("indices:data/write/bulk", [], "create_doc", "create", "delete", "index", "write", "all");
        var operations = Read(body);
        if (operations.Count == 0) throw new ElasticsearchException(400, "action_request_validation_exception", "Validation Failed: 1: no requests added;");
        var items = new JsonArray();
        var errors = false;
        foreach (var operation in operations)
        {
            JsonObject item;
            try
            {
                item = Carry(operation, refreshed);
            }
            catch (ElasticsearchException failure)
            {
                errors = true;
                var error = (JsonObject)failure.Body["error"]!.DeepClone();
                error.Remove("root_cause");
                item = new JsonObject { ["_index"] = operation.Target, ["_id"] = operation.Id, ["status"] = failure.Status, ["error"] = error };
            }

            items.Add(new JsonObject { [operation.Action] = item });
        }

        return Answer.Of(new JsonObject { ["errors"] = errors, ["took"] = 5, ["items"] = items });
    }

    private List<Operation> Read(string body)
    {
        var operations = new List<Operation>();
        var lines = body.Split('\n');
        for (var i = 0; i < lines.Length - 1; i++)
        {
            if (lines[i].Trim().Length == 0) continue;
            JsonNode? line;
            try
            {
                line = JsonNode.Parse(lines[i]);
            }
            catch (JsonException)
            {
                line = null;
            }

            if (line is not JsonObject { Count: > 0 } action) throw ElasticsearchException.Argument($"Malformed action/metadata line [{i + 1}], expected START_OBJECT but found [{(line is null ? "VALUE_NULL" : line.GetValueKind().ToString())}]");
            var (name, node) = action.First();
            if (!Actions.Contains(name)) throw ElasticsearchException.Argument($"Malformed action/metadata line [{i + 1}], expected field [create], [delete], [index] or [update] but found [{name}]");
            if (action.Count > 1) throw ElasticsearchException.Argument($"Malformed action/metadata line [{i + 1}], expected END_OBJECT but found [FIELD_NAME]");
            var metadata = node as JsonObject ?? [];
            foreach (var (key, _) in metadata)
            {
                if (!Metadata.Contains(key)) throw ElasticsearchException.Argument($"Action/metadata line [{i + 1}] contains an unknown parameter [{key}]");
            }

            var target = (string?)metadata["_index"] ?? call.Index ?? throw new ElasticsearchException(400, "action_request_validation_exception", $"Validation Failed: 1: index is missing;");
            var id = (string?)metadata["_id"];
            string? source = null;
            if (name != "delete")
            {
                if (++i >= lines.Length - 1) throw ElasticsearchException.Argument($"The bulk request must be terminated by a newline [\\n]");
                source = lines[i];
            }

            var streamOnly = metadata["require_data_stream"]?.ToString() == "true" || call.Flag("require_data_stream");
            var aliasOnly = metadata["require_alias"]?.ToString() == "true" || call.Flag("require_alias");
            operations.Add(new Operation(name, target, id, source, streamOnly, aliasOnly));
        }

        return operations;
    }

    private JsonObject Carry(Operation operation, bool refreshed)
    {
        if (call.Fault is { Kind: FaultKind.RejectBulkItems, Items: { } rejects, Canned: { } canned } && rejects(operation.Id ?? ""))
        {
            var error = canned.Json!["error"]!;
            throw new ElasticsearchException(canned.Status, (string)error["type"]!, (string)error["reason"]!);
        }

        var privileges = operation.Action switch
        {
            "delete" => (string[])["delete", "write", "all"],
            "index" when operation.Id is not null => ["index", "write", "all"],
            "update" => ["index", "write", "all"],
            _ => ["create_doc", "create", "index", "write", "all"],
        };
        var target = cluster.WriteTarget(operation.Target);
        bool May(string privilege) => target is null ? call.Identity.May(operation.Target, privilege) : call.Identity.May(target, privilege);
        if (!May(privileges[0]))
            throw call.Identity.Refuse($"indices:data/write/{(operation.Action == "delete" ? "delete" : "index")}", [operation.Target], privileges);
        if (refreshed && !May("maintenance") && !May("manage"))
            throw call.Identity.Refuse("indices:admin/refresh", [operation.Target], "maintenance", "manage", "all");
        if (operation.StreamOnly && !cluster.IsDataStream(operation.Target) && (target is not null || cluster.TemplateFor(operation.Target)?.DataStream != true))
        {
            throw new ElasticsearchException(
                404, "index_not_found_exception", $"no such index [{operation.Target}] and [require_data_stream] request flag is [true] and [{operation.Target}] is not a data stream");
        }

        if (operation.AliasOnly && target?.Aliases.Contains(operation.Target) != true)
            throw new ElasticsearchException(404, "index_not_found_exception", $"no such index [{operation.Target}] and [require_alias] request flag is [true] and [{operation.Target}] is not an alias");
        if (operation.Action == "update") throw ElasticsearchException.Argument("the fake does not carry out [update]");
        if (target is null && operation.Action != "delete")
        {
            if (!call.Identity.May(operation.Target, "auto_configure") && !call.Identity.May(operation.Target, "create_index"))
                throw call.Identity.Refuse("indices:admin/auto_create", [operation.Target], "auto_configure", "create_index", "manage", "all");
            if (cluster.TemplateFor(operation.Target) is { DataStream: true } && operation.Action != "create")
                throw ElasticsearchException.Argument("only write ops with an op_type of create are allowed in data streams");
            target = cluster.CreateFor(operation.Target);
        }

        if (target is null) throw ElasticsearchException.NoSuchIndex(operation.Target);
        if (target.DataStream == operation.Target && operation.Action != "create")
            throw ElasticsearchException.Argument("only write ops with an op_type of create are allowed in data streams");
        if (operation.Id is { } given && Encoding.UTF8.GetByteCount(given) > 512)
            throw ElasticsearchException.Argument($"id [{given}] is too long, must be no longer than 512 bytes but was: {Encoding.UTF8.GetByteCount(given)}");
        if (operation.Id is "") throw ElasticsearchException.Argument("if _id is specified it must not be empty");
        return operation.Action == "delete" ? Delete(operation, target, refreshed) : Index(operation, target, refreshed);
    }

    private JsonObject Delete(Operation operation, FakeIndex target, bool refreshed)
    {
        var version = target.Latest.GetValueOrDefault(operation.Id ?? "")?.Version ?? 0;
        var found = cluster.Delete(target, operation.Id ?? "", refreshed);
        return Result(target, operation.Id ?? "", found ? "deleted" : "not_found", version + 1, target.NextSeqNo++, found ? 200 : 404);
    }

    private JsonObject Index(Operation operation, FakeIndex target, bool refreshed)
    {
        if (operation.Action == "create" && operation.Id is { } id && target.Latest.TryGetValue(id, out var existing))
        {
            throw new ElasticsearchException(
                409,
                "version_conflict_engine_exception",
                $"[{id}]: version conflict, document already exists (current version [{existing.Version}])",
                new JsonObject { ["index_uuid"] = "fake", ["shard"] = "0", ["index"] = target.Name });
        }

        StoredDocument stored;
        try
        {
            stored = cluster.Write(target, operation.Id ?? cluster.NextId(), operation.Source!, refreshed);
        }
        catch (JsonException failure)
        {
            throw new ElasticsearchException(400, "document_parsing_exception", $"[1:{failure.BytePositionInLine ?? 1}] failed to parse: {failure.Message}");
        }

        if (refreshed) cluster.Refresh(target);
        var created = stored.Version == 1;
        return Result(target, stored.Id, created ? "created" : "updated", stored.Version, stored.SeqNo, created ? 201 : 200);
    }

    private static JsonObject Result(FakeIndex target, string id, string result, long version, long seqNo, int status) => new()
    {
        ["_index"] = target.Name,
        ["_id"] = id,
        ["_version"] = version,
        ["result"] = result,
        ["_shards"] = new JsonObject { ["total"] = 2, ["successful"] = 1, ["failed"] = 0 },
        ["_seq_no"] = seqNo,
        ["_primary_term"] = 1,
        ["status"] = status,
    };

    private sealed record Operation(string Action, string Target, string? Id, string? Source, bool StreamOnly, bool AliasOnly);
}

/// <summary>filter_path: keeps only the wanted parts of an answer.</summary>
internal static class FilterPath
{
    public static JsonNode? Apply(JsonNode? node, string filterPath)
    {
        var patterns = filterPath.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var excluded = patterns.Where(p => p.StartsWith('-')).Select(p => p[1..].Split('.')).ToArray();
        var included = patterns.Where(p => !p.StartsWith('-')).Select(p => p.Split('.')).ToArray();
        if (included.Length > 0) node = Include(node, included);
        return excluded.Length > 0 ? Exclude(node, excluded) : node;
    }

    private static JsonNode? Include(JsonNode? node, IReadOnlyList<string[]> patterns)
    {
        if (patterns.Any(p => p.Length == 0)) return node?.DeepClone();
        switch (node)
        {
            case JsonArray array:
                var items = array.Select(i => Include(i, patterns)).Where(i => i is not null).ToArray();
                return items.Length > 0 ? new JsonArray(items) : null;
            case JsonObject map:
                var kept = new JsonObject();
                foreach (var (key, value) in map)
                {
                    var next = Next(patterns, key);
                    if (next.Count == 0) continue;
                    if (next.Any(p => p.Length == 0)) kept[key] = value?.DeepClone();
                    else if (Include(value, next) is { } inner) kept[key] = inner;
                }

                return kept.Count > 0 ? kept : null;
            default:
                return null;
        }
    }

    private static JsonNode? Exclude(JsonNode? node, IReadOnlyList<string[]> patterns)
    {
        switch (node)
        {
            case JsonArray array:
                return new JsonArray([.. array.Select(i => Exclude(i, patterns))]);
            case JsonObject map:
                var kept = new JsonObject();
                foreach (var (key, value) in map)
                {
                    var next = Next(patterns, key);
                    if (next.Any(p => p.Length == 0)) continue;
                    kept[key] = Exclude(value, next);
                }

                return kept;
            default:
                return node?.DeepClone();
        }
    }

    private static List<string[]> Next(IReadOnlyList<string[]> patterns, string key)
    {
        var next = new List<string[]>();
        foreach (var pattern in patterns)
        {
            if (pattern.Length == 0) continue;
            if (pattern[0] == "**")
            {
                next.Add(pattern);
                if (pattern.Length > 1 && Wildcard.Matches(pattern[1], key)) next.Add(pattern[2..]);
            }
            else if (Wildcard.Matches(pattern[0], key))
            {
                next.Add(pattern[1..]);
            }
        }

        return next;
    }
}
