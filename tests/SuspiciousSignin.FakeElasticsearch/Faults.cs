using System.Text.Json.Nodes;
using SuspiciousSignin.FakeElasticsearch.Esql;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>One request as a node received it.</summary>
public sealed class RecordedRequest
{
    /// <summary>The HTTP method.</summary>
    public required string Method { get; init; }

    /// <summary>The path, decoded.</summary>
    public required string Path { get; init; }

    /// <summary>The query string as sent, without the question mark.</summary>
    public required string QueryString { get; init; }

    /// <summary>The URL parameters.</summary>
    public required IReadOnlyDictionary<string, string> Query { get; init; }

    /// <summary>The headers, by name in any case; several values are joined with ", ".</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    /// <summary>The body, decompressed.</summary>
    public required string Body { get; init; }

    /// <summary>How many bytes the body had on the wire.</summary>
    public required long BodyLength { get; init; }

    /// <summary>The node that received it.</summary>
    public required string Node { get; init; }

    /// <summary>When it was received.</summary>
    public required DateTimeOffset ReceivedAt { get; init; }

    /// <summary>The user that it was found to come from.</summary>
    public string? Username { get; internal set; }

    /// <summary>The status that was answered; zero while there is none, or when the connection was cut.</summary>
    public int Status { get; internal set; }

    /// <summary>The fault that struck.</summary>
    public string? Fault { get; internal set; }

    /// <summary>Whether the client went away before it had its answer.</summary>
    public bool ClientDisconnected { get; internal set; }

    /// <summary>The body as JSON.</summary>
    public JsonNode? Json => JsonNode.Parse(Body);

    /// <summary>The lines of an NDJSON body.</summary>
    public IReadOnlyList<string> Lines => Body.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <inheritdoc/>
    public override string ToString() => $"{Method} {Path}{(QueryString.Length > 0 ? "?" + QueryString : "")} -> {Status}{(Fault is null ? "" : $" ({Fault})")}";
}

/// <summary>What a node sends back.</summary>
internal sealed class Answer
{
    public int Status { get; set; } = 200;

    public JsonNode? Json { get; set; }

    public string? Text { get; set; }

    /// <summary>Null: JSON in the spelling that the client asked for.</summary>
    public string? ContentType { get; set; }

    public List<KeyValuePair<string, string>> Headers { get; } = [];

    public static Answer Of(JsonNode json, int status = 200) => new() { Json = json, Status = status };

    public static Answer Of(ElasticsearchException error)
    {
        var answer = new Answer { Status = error.Status, Json = error.Body };
        answer.Headers.AddRange(error.Headers);
        return answer;
    }
}

internal enum FaultKind
{
    Reply,
    CloseBefore,
    CloseAfter,
    CutBody,
    TruncateJson,
    Hang,
    Delay,
    Drip,
    HideProduct,
    Rewrite,
    RejectBulkItems,
    Async,
}

/// <summary>
/// Something that goes wrong: what, for which requests, and how often. Made by the factory methods, narrowed by <see cref="On"/>,
/// <see cref="When"/>, <see cref="Times"/> and <see cref="After"/>, and put into a <see cref="FaultScript"/>.
/// </summary>
public sealed class Fault
{
    private string _method = "*";
    private string _path = "*";
    private Func<RecordedRequest, bool> _when = _ => true;
    private int _left = 1;
    private int _skip;
    private int _fired;

    private Fault(FaultKind kind, string name)
    {
        Kind = kind;
        Name = name;
    }

    /// <summary>What it is, for the record.</summary>
    public string Name { get; }

    /// <summary>How often it struck.</summary>
    public int Fired => Volatile.Read(ref _fired);

    internal FaultKind Kind { get; }

    internal bool HidesProduct { get; private set; }

    internal Answer? Canned { get; private init; }

    internal Action<JsonObject>? Change { get; private init; }

    internal TimeSpan Wait { get; private init; }

    internal TaskCompletionSource? Gate { get; private init; }

    internal Func<string, bool>? Items { get; private init; }

    internal int Polls { get; private init; }

    /// <summary>An error as Elasticsearch words it.</summary>
    public static Fault Error(int status, string type, string reason, JsonObject? extra = null) =>
        new(FaultKind.Reply, $"{status} {type}") { Canned = Answer.Of(new ElasticsearchException(status, type, reason, extra)) };

    /// <summary>An error of the routing layer, whose "error" is a string.</summary>
    public static Fault PlainError(int status, string message) =>
        new(FaultKind.Reply, $"{status} plain") { Canned = Answer.Of(ElasticsearchException.Plain(status, message)) };

    /// <summary>429: the memory is nearly full.</summary>
    public static Fault CircuitBreaker(bool permanent = false) => Error(
        429,
        "circuit_breaking_exception",
        "[parent] Data too large, data for [<http_request>] would be [1073741824/1gb], which is larger than the limit of [1020054732/972.7mb]",
        new JsonObject { ["bytes_wanted"] = 1073741824, ["bytes_limit"] = 1020054732, ["durability"] = permanent ? "PERMANENT" : "TRANSIENT" });

    /// <summary>429: the queue is full.</summary>
    public static Fault QueueFull() => Error(
        429, "es_rejected_execution_exception", "rejected execution of org.elasticsearch.action on EsThreadPoolExecutor[name = fake/search, queue capacity = 1000]");

    /// <summary>401, whatever the credentials.</summary>
    public static Fault Unauthorized()
    {
        var fault = Error(401, "security_exception", "unable to authenticate with provided credentials and anonymous access is not allowed for this request", new JsonObject
        {
            ["header"] = new JsonObject { ["WWW-Authenticate"] = new JsonArray("ApiKey") },
        });
        return fault.WithHeader("WWW-Authenticate", "ApiKey");
    }

    /// <summary>403, whatever the privileges.</summary>
    public static Fault Forbidden(string action = "indices:data/read/search") => Error(
        403,
        "security_exception",
        $"action [{action}] is unauthorized for user [fake] with effective roles [none], this action is granted by the index privileges [read,all]");

    /// <summary>404: the asynchronous query is gone.</summary>
    public static Fault AsyncGone(string id = "gone") => Error(404, "resource_not_found_exception", id);

    /// <summary>404: the point in time has expired.</summary>
    public static Fault PitExpired() => new(FaultKind.Reply, "404 search_context_missing_exception")
    {
        Canned = Answer.Of(ElasticsearchException.AllShardsFailed(404, "search_context_missing_exception", "No search context found for id [42]", "")),
    };

    /// <summary>503: no shard to read from.</summary>
    public static Fault NoShard() => Error(503, "no_shard_available_action_exception", "No shard available for [fake]");

    /// <summary>503: the cluster has no master, or is being recovered.</summary>
    public static Fault ClusterBlocked() => Error(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];");

    /// <summary>A page of a proxy in front, without the product header.</summary>
    public static Fault Html(int status = 502, string html = "<html><body><h1>502 Bad Gateway</h1></body></html>") =>
        new(FaultKind.Reply, $"{status} html") { Canned = new Answer { Status = status, Text = html, ContentType = "text/html; charset=utf-8" }, HidesProduct = true };

    /// <summary>Any answer at all.</summary>
    public static Fault Reply(int status, string contentType, string body) =>
        new(FaultKind.Reply, $"{status} canned") { Canned = new Answer { Status = status, Text = body, ContentType = contentType } };

    /// <summary>The request is read and the connection closed; nothing is done and nothing answered.</summary>
    public static Fault CloseConnection() => new(FaultKind.CloseBefore, "connection closed before doing anything");

    /// <summary>The request is carried out and the connection closed without the answer.</summary>
    public static Fault LoseAnswer() => new(FaultKind.CloseAfter, "answer lost");

    /// <summary>The request is carried out and the connection reset in the middle of the answer.</summary>
    public static Fault ResetMidBody() => new(FaultKind.CutBody, "reset mid-body");

    /// <summary>The request is carried out and the answer ends in the middle of its JSON, as a complete HTTP message.</summary>
    public static Fault TruncatedJson() => new(FaultKind.TruncateJson, "truncated JSON");

    /// <summary>The answer comes only after <see cref="Release"/>, or never.</summary>
    public static Fault Hang() => new(FaultKind.Hang, "hangs")
    {
        Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously),
    };

    /// <summary>The answer comes late, in real time.</summary>
    public static Fault Slow(TimeSpan delay) => new(FaultKind.Delay, "slow") { Wait = delay };

    /// <summary>The body comes in small pieces with a pause, in real time, between them.</summary>
    public static Fault SlowBody(TimeSpan pause) => new(FaultKind.Drip, "slow body") { Wait = pause };

    /// <summary>The answer lacks X-Elastic-Product.</summary>
    public static Fault NoProductHeader() => new(FaultKind.HideProduct, "no product header") { HidesProduct = true };

    /// <summary>The true answer, changed.</summary>
    public static Fault Rewrite(Action<JsonObject> change) => new(FaultKind.Rewrite, "rewritten") { Change = change };

    /// <summary>A search that says that it timed out.</summary>
    public static Fault TimedOut() => new(FaultKind.Rewrite, "timed out") { Change = json => json["timed_out"] = true };

    /// <summary>A search of whose shards one failed. To lose the documents as well, see <see cref="FakeCluster.BreakShard"/>.</summary>
    public static Fault ShardsFailed(string type = "es_rejected_execution_exception") => new(FaultKind.Rewrite, "shards failed")
    {
        Change = json =>
        {
            if (json["_shards"] is not JsonObject shards) json["_shards"] = shards = new JsonObject { ["total"] = 1 };
            var total = Math.Max(1, (int?)shards["total"] ?? 1);
            shards["total"] = total;
            shards["successful"] = total - 1;
            shards["failed"] = 1;
            shards["failures"] = new JsonArray(new JsonObject
            {
                ["shard"] = 0,
                ["index"] = "fake",
                ["node"] = "fake",
                ["reason"] = new JsonObject { ["type"] = type, ["reason"] = "rejected" },
            });
        },
    };

    /// <summary>An ES|QL answer that says that it is partial.</summary>
    public static Fault Partial() => new(FaultKind.Rewrite, "partial") { Change = json => EsqlResponses.MarkPartial(json, "fake", new ShardFailure("node_disconnected_exception", "[fake] disconnected")) };

    /// <summary>Items of a bulk request that are refused; the other items are carried out.</summary>
    public static Fault RejectBulkItems(Func<string, bool>? whichIds = null, int status = 429, string type = "es_rejected_execution_exception", string reason = "rejected execution of coordinating operation") =>
        new(FaultKind.RejectBulkItems, $"bulk items {status}")
        {
            Items = whichIds ?? (_ => true),
            Canned = Answer.Of(new ElasticsearchException(status, type, reason)),
        };

    /// <summary>An asynchronous query that says for this many polls that it is running.</summary>
    public static Fault StaysRunning(int polls) => new(FaultKind.Async, "stays running") { Polls = polls };

    /// <summary>Only for this method and path; * stands for anything in both.</summary>
    public Fault On(string method, string path)
    {
        _method = method;
        _path = path;
        return this;
    }

    /// <summary>Only when this holds as well.</summary>
    public Fault When(Func<RecordedRequest, bool> condition)
    {
        var before = _when;
        _when = request => before(request) && condition(request);
        return this;
    }

    /// <summary>Strikes this often; once, unless said otherwise.</summary>
    public Fault Times(int times)
    {
        _left = times;
        return this;
    }

    /// <summary>Strikes until the script is cleared.</summary>
    public Fault Always() => Times(int.MaxValue);

    /// <summary>Lets this many matching requests pass first.</summary>
    public Fault After(int requests)
    {
        _skip = requests;
        return this;
    }

    /// <summary>Adds a header to a canned answer.</summary>
    public Fault WithHeader(string name, string value)
    {
        (Canned ?? throw new InvalidOperationException("Only a canned answer takes headers.")).Headers.Add(KeyValuePair.Create(name, value));
        return this;
    }

    /// <summary>Adds Retry-After.</summary>
    public Fault RetryAfter(int seconds) => WithHeader("Retry-After", seconds.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>The answer comes from something in front of Elasticsearch: it lacks X-Elastic-Product.</summary>
    public Fault FromProxy()
    {
        HidesProduct = true;
        return this;
    }

    /// <summary>Lets a hanging answer go.</summary>
    public void Release() => Gate?.TrySetResult();

    internal bool Strikes(RecordedRequest request)
    {
        if (_left <= 0 || !Wildcard.Matches(_method, request.Method) || !Wildcard.Matches(_path, request.Path) || !_when(request)) return false;
        if (_skip > 0)
        {
            _skip--;
            return false;
        }

        if (_left != int.MaxValue) _left--;
        Interlocked.Increment(ref _fired);
        return true;
    }
}

/// <summary>The faults that wait for their request, in order. Of those that could strike, the first does.</summary>
public sealed class FaultScript
{
    private readonly Lock _lock = new();
    private readonly List<Fault> _faults = [];

    /// <summary>Appends a fault.</summary>
    public Fault Add(Fault fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        lock (_lock) _faults.Add(fault);
        return fault;
    }

    /// <summary>Forgets all faults and lets go what hangs.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            foreach (var fault in _faults) fault.Release();
            _faults.Clear();
        }
    }

    internal Fault? Next(RecordedRequest request)
    {
        lock (_lock) return _faults.Find(f => f.Strikes(request));
    }
}
