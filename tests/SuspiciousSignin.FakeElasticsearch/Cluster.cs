using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>How rows come back whose order Elasticsearch does not promise: groups without SORT, the elements of VALUES.</summary>
public enum UnspecifiedOrder
{
    /// <summary>As the documents were stored.</summary>
    AsStored,

    /// <summary>The other way round: shows who relies on the order.</summary>
    Reversed,
}

/// <summary>What a search with a point in time answers as the id to use next.</summary>
public enum PitIdPolicy
{
    /// <summary>A new id each time; the old one is gone. A client that always uses the newest id does not notice.</summary>
    NewEachTime,

    /// <summary>The id never changes.</summary>
    Same,
}

/// <summary>How the Content-Type of an answer spells JSON for a client that asked for the vendor type.</summary>
public enum ContentTypeSpelling
{
    /// <summary>As asked: application/vnd.elasticsearch+json;compatible-with=8.</summary>
    Vendor,

    /// <summary>application/vnd.elasticsearch+json, without the version.</summary>
    VendorWithoutVersion,

    /// <summary>application/json.</summary>
    Plain,
}

/// <summary>One stored document.</summary>
public sealed class StoredDocument
{
    internal StoredDocument(FakeIndex index, string id, string source, ParsedDocument parsed, long seqNo, long version, DateTimeOffset visibleFrom)
    {
        Index = index;
        Id = id;
        SourceJson = source;
        using var document = JsonDocument.Parse(source);
        Source = document.RootElement.Clone();
        Parsed = parsed;
        SeqNo = seqNo;
        Version = version;
        VisibleFrom = visibleFrom;
    }

    /// <summary>The index that holds it: of a data stream, the backing index.</summary>
    public FakeIndex Index { get; }

    /// <summary>Its _id.</summary>
    public string Id { get; }

    /// <summary>Its _source as it was sent.</summary>
    public string SourceJson { get; }

    /// <summary>Its _source.</summary>
    public JsonElement Source { get; }

    /// <summary>Its _version: how often this id was written.</summary>
    public long Version { get; }

    /// <summary>Its _seq_no.</summary>
    public long SeqNo { get; }

    internal ParsedDocument Parsed { get; }

    internal DateTimeOffset VisibleFrom { get; set; }

    internal DateTimeOffset? HiddenFrom { get; set; }

    internal bool IsVisible(DateTimeOffset now) => VisibleFrom <= now && (HiddenFrom is null || HiddenFrom > now);
}

/// <summary>One concrete index.</summary>
public sealed class FakeIndex
{
    internal FakeIndex(string name, JsonObject? mappings, JsonObject? settings, bool hidden, string? dataStream)
    {
        Name = name;
        Hidden = hidden;
        DataStream = dataStream;
        Settings = settings is null ? [] : (JsonObject)settings.DeepClone();
        var ignoreMalformed = Setting("mapping.ignore_malformed") == "true";
        Mapping = new IndexMapping(mappings, ignoreMalformed);
    }

    /// <summary>The concrete name.</summary>
    public string Name { get; }

    /// <summary>Whether wildcards pass it by, unless they start with a dot.</summary>
    public bool Hidden { get; }

    /// <summary>The data stream that it backs.</summary>
    public string? DataStream { get; }

    /// <summary>The names that an outsider may use for it.</summary>
    public HashSet<string> Aliases { get; } = [];

    internal JsonObject Settings { get; }

    internal IndexMapping Mapping { get; }

    internal List<StoredDocument> Versions { get; } = [];

    internal Dictionary<string, StoredDocument> Latest { get; } = [];

    internal long NextSeqNo { get; set; }

    internal IEnumerable<string> AllNames => DataStream is null ? Aliases.Prepend(Name) : Aliases.Prepend(DataStream).Prepend(Name);

    internal IEnumerable<StoredDocument> Visible(DateTimeOffset now) => Versions.Where(d => d.IsVisible(now));

    internal string? Setting(string name) =>
        Settings[$"index.{name}"]?.ToString() ?? Settings[name]?.ToString() ?? Nested(Settings["index"] as JsonObject ?? Settings, name);

    private static string? Nested(JsonObject at, string name)
    {
        JsonNode? node = at;
        foreach (var part in name.Split('.')) node = (node as JsonObject)?[part];
        return node is JsonValue ? node.ToString() : null;
    }
}

/// <summary>A shard that cannot be read.</summary>
/// <param name="Type">The type of the failure.</param>
/// <param name="Reason">What the shard says.</param>
public sealed record ShardFailure(string Type, string Reason);

/// <summary>A point in time that is open.</summary>
public sealed class OpenPit
{
    /// <summary>The id under which it is known now.</summary>
    public string Id { get; internal set; } = "";

    /// <summary>When it is closed unless somebody uses it.</summary>
    public DateTimeOffset ExpiresAt { get; internal set; }

    internal IReadOnlyList<StoredDocument> Snapshot { get; init; } = [];

    internal IReadOnlyList<FakeIndex> Indices { get; init; } = [];

    internal int Generation { get; set; }
}

/// <summary>An asynchronous ES|QL query, kept until it expires or is deleted.</summary>
public sealed class AsyncQuery
{
    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>The text of the query.</summary>
    public required string Query { get; init; }

    /// <summary>How many more polls it will say that it is running.</summary>
    public int PollsLeft { get; internal set; }

    /// <summary>How often somebody asked for it.</summary>
    public int Polls { get; internal set; }

    /// <summary>Whether a client deleted it.</summary>
    public bool Deleted { get; internal set; }

    /// <summary>Whether a client ended it early.</summary>
    public bool Stopped { get; internal set; }

    /// <summary>When it is forgotten.</summary>
    public DateTimeOffset ExpiresAt { get; internal set; }

    internal string Owner { get; init; } = "";

    internal Func<bool, Answer> Outcome { get; init; } = _ => new Answer();
}

/// <summary>An index template: what a new index or data stream gets.</summary>
internal sealed record IndexTemplate(string Name, IReadOnlyList<string> Patterns, int Priority, bool DataStream, bool Hidden, JsonObject Body)
{
    public JsonObject? Part(string name) => (Body["template"] as JsonObject)?[name] as JsonObject;
}

/// <summary>
/// What all nodes of a cluster share: indices, data streams, templates, points in time, asynchronous queries, users. A
/// <see cref="FakeNode"/> serves it over HTTP; several may.
/// </summary>
public sealed partial class FakeCluster
{
    private readonly SortedDictionary<string, FakeIndex> _indices = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, List<FakeIndex>> _dataStreams = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IndexTemplate> _templates = new(StringComparer.Ordinal);
    private readonly Dictionary<string, OpenPit> _pits = [];
    private readonly Dictionary<string, AsyncQuery> _async = [];
    private readonly Dictionary<string, ShardFailure> _brokenShards = [];
    private readonly ConcurrentQueue<RecordedRequest> _requests = [];
    private long _nextId;

    /// <summary>An empty cluster without security.</summary>
    /// <param name="clock">What NOW(), refreshes and expiries go by.</param>
    /// <param name="version">"8.17.0", "9.1.0", "serverless".</param>
    public FakeCluster(TimeProvider clock, string version = "8.19.3")
    {
        ArgumentNullException.ThrowIfNull(clock);
        Clock = clock;
        Version = ElasticsearchVersion.Parse(version);
        Security = new FakeSecurity(this);
    }

    /// <summary>What NOW(), refreshes and expiries go by.</summary>
    public TimeProvider Clock { get; }

    /// <summary>The version that the cluster claims and behaves like.</summary>
    public ElasticsearchVersion Version { get; set; }

    /// <summary>Users, keys and roles. There is no security until the first user, key or token is added.</summary>
    public FakeSecurity Security { get; }

    /// <summary>Faults on every node; a node has its own as well.</summary>
    public FaultScript Faults { get; } = new();

    /// <summary>How long a write without refresh stays invisible to searches.</summary>
    public TimeSpan RefreshInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The rows of a query without LIMIT.</summary>
    public int DefaultLimit { get; set; } = 1000;

    /// <summary>The rows of any query.</summary>
    public int MaximumLimit { get; set; } = 10_000;

    /// <summary>Whether TO_IP reads like the loop of 8.19 and 9.x reads on paper, which accepts "1.2.3.4.5". Off: strict.</summary>
    public bool LooseIpReading { get; set; }

    /// <summary>Whether an aggregate over CASE(.., null) with the null written out breaks with a 500, as on some releases.</summary>
    public bool NullCaseHazard { get; set; }

    /// <summary>Whether a pattern of wildcards that matches nothing is a 400. By default it is before 9.3.</summary>
    public bool? UnmatchedWildcardIsAnError { get; set; }

    /// <summary>The default of allow_partial_results where the version knows it.</summary>
    public bool AllowPartialResults { get; set; } = true;

    /// <summary>The order where Elasticsearch promises none.</summary>
    public UnspecifiedOrder UnspecifiedOrder { get; set; }

    /// <summary>What a search answers as the id of its point in time.</summary>
    public PitIdPolicy PitIds { get; set; }

    /// <summary>How answers spell their media type.</summary>
    public ContentTypeSpelling ContentTypes { get; set; }

    /// <summary>Whether answers carry X-Elastic-Product.</summary>
    public bool ProductHeader { get; set; } = true;

    /// <summary>For how many polls an asynchronous query stays running. Zero: done within wait_for_completion_timeout.</summary>
    public int AsyncPolls { get; set; }

    /// <summary>green, yellow or red.</summary>
    public string Health { get; set; } = "green";

    /// <summary>The largest request body, after decompression.</summary>
    public long MaximumContentLength { get; set; } = 100L * 1024 * 1024;

    /// <summary>All requests that any node received, in order.</summary>
    public IReadOnlyList<RecordedRequest> Requests => [.. _requests];

    /// <summary>The points in time that are open.</summary>
    public IReadOnlyList<OpenPit> OpenPits
    {
        get
        {
            lock (Gate)
            {
                ExpireOld();
                return [.. _pits.Values];
            }
        }
    }

    /// <summary>Every asynchronous query that was kept, deleted ones included.</summary>
    public IReadOnlyList<AsyncQuery> AsyncQueries
    {
        get
        {
            lock (Gate) return [.. _async.Values];
        }
    }

    /// <summary>The indices by name.</summary>
    public IReadOnlyList<FakeIndex> Indices
    {
        get
        {
            lock (Gate) return [.. _indices.Values];
        }
    }

    /// <summary>The names of the data streams.</summary>
    public IReadOnlyList<string> DataStreams
    {
        get
        {
            lock (Gate) return [.. _dataStreams.Keys];
        }
    }

    internal Lock Gate { get; } = new();

    internal DateTimeOffset Now => Clock.GetUtcNow();

    internal IReadOnlyDictionary<string, ShardFailure> BrokenShards => _brokenShards;

    internal IReadOnlyDictionary<string, IndexTemplate> Templates => _templates;

    internal int NodeCount { get; set; }

    internal bool EmptyWildcardFails => UnmatchedWildcardIsAnError ?? !Version.Has("9.3");

    /// <summary>Creates an index. Mappings are JSON as in the create-index API: {"properties": {...}}.</summary>
    public FakeIndex CreateIndex(string name, string mappings = "{}", bool hidden = false, params string[] aliases)
    {
        lock (Gate)
        {
            var index = AddIndex(name, (JsonObject)JsonNode.Parse(mappings)!, null, hidden, null);
            index.Aliases.UnionWith(aliases);
            return index;
        }
    }

    /// <summary>Creates a data stream with one backing index.</summary>
    public FakeIndex CreateDataStream(string name, string mappings = "{}", bool hidden = false)
    {
        lock (Gate) return AddDataStream(name, (JsonObject)JsonNode.Parse(mappings)!, null, hidden);
    }

    /// <summary>Stores a document at once, visible to searches. The target is an index, an alias or a data stream.</summary>
    public StoredDocument Index(string target, string json, string? id = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        lock (Gate)
        {
            var index = WriteTarget(target) ?? CreateFor(target);
            return Write(index, id ?? NextId(), json, refreshed: true);
        }
    }

    /// <summary>The documents that the pattern reaches, the ones not yet refreshed included.</summary>
    public IReadOnlyList<StoredDocument> Documents(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        lock (Gate) return [.. Resolve(pattern.Split(','), _ => true, expandHidden: true).Indices.SelectMany(i => i.Latest.Values.OrderBy(d => d.SeqNo))];
    }

    /// <summary>Makes the shard of an index unreadable: searches report it in _shards, ES|QL is partial or fails.</summary>
    public void BreakShard(string index, ShardFailure? failure = null)
    {
        lock (Gate)
        {
            var found = Resolve([index], _ => true, expandHidden: true).Indices;
            if (found.Count == 0) throw new ArgumentException($"No index [{index}] to break.", nameof(index));
            foreach (var each in found)
                _brokenShards[each.Name] = failure ?? new ShardFailure("no_shard_available_action_exception", "No shard available for [" + each.Name + "]");
        }
    }

    /// <summary>Makes all shards readable again.</summary>
    public void HealShards()
    {
        lock (Gate) _brokenShards.Clear();
    }

    /// <summary>Makes everything written so far visible to searches.</summary>
    public void Refresh()
    {
        lock (Gate)
        {
            foreach (var index in _indices.Values) Refresh(index);
        }
    }

    /// <summary>Closes all points in time, as if their keep-alive had run out.</summary>
    public void ExpirePits()
    {
        lock (Gate) _pits.Clear();
    }

    /// <summary>Forgets all asynchronous queries, as if their keep-alive had run out.</summary>
    public void ExpireAsyncQueries()
    {
        lock (Gate) _async.Clear();
    }

    /// <summary>Forgets the requests received so far.</summary>
    public void ForgetRequests() => _requests.Clear();

    internal void Record(RecordedRequest request) => _requests.Enqueue(request);

    internal string NextId()
    {
        _nextId++;
        return $"fake{_nextId:D16}";
    }

    internal FakeIndex AddIndex(string name, JsonObject? mappings, JsonObject? settings, bool hidden, string? dataStream)
    {
        if (_indices.ContainsKey(name) || _dataStreams.ContainsKey(name))
        {
            throw new ElasticsearchException(
                400,
                "resource_already_exists_exception",
                $"index [{name}/fake] already exists",
                new JsonObject { ["index"] = name });
        }

        if (name.Length == 0 || !string.Equals(name, name.ToLowerInvariant(), StringComparison.Ordinal) || name[0] is '_' or '-' or '+' || name.AsSpan().ContainsAny(" \"*\\<|,>/?#:"))
            throw new ElasticsearchException(400, "invalid_index_name_exception", $"Invalid index name [{name}]", new JsonObject { ["index"] = name });
        var index = new FakeIndex(name, mappings, settings, hidden, dataStream);
        _indices[name] = index;
        return index;
    }

    internal FakeIndex AddDataStream(string name, JsonObject? mappings, JsonObject? settings, bool hidden)
    {
        mappings = mappings is null ? [] : (JsonObject)mappings.DeepClone();
        if (mappings["properties"] is not JsonObject properties) mappings["properties"] = properties = [];
        if (!properties.ContainsKey("@timestamp")) properties["@timestamp"] = new JsonObject { ["type"] = "date" };
        var backing = AddIndex($".ds-{name}-{Now.UtcDateTime:yyyy.MM.dd}-000001", mappings, settings, hidden, name);
        _dataStreams[name] = [backing];
        return backing;
    }

    internal bool IsDataStream(string name) => _dataStreams.ContainsKey(name);

    internal bool DeleteDataStream(string name)
    {
        if (!_dataStreams.Remove(name, out var backing)) return false;
        foreach (var index in backing) _indices.Remove(index.Name);
        return true;
    }

    internal void DeleteIndex(FakeIndex index) => _indices.Remove(index.Name);

    internal FakeIndex? ByConcreteName(string name) => _indices.GetValueOrDefault(name);

    internal void PutTemplate(IndexTemplate template) => _templates[template.Name] = template;

    internal IndexTemplate? TemplateFor(string name) => _templates.Values
        .Where(t => t.Patterns.Any(p => Wildcard.Matches(p, name)))
        .OrderByDescending(t => t.Priority)
        .FirstOrDefault();

    /// <summary>Creates what a write to an unknown name creates: what the matching template says, or a plain index.</summary>
    internal FakeIndex CreateFor(string name)
    {
        var template = TemplateFor(name);
        if (template?.DataStream == true) return AddDataStream(name, template.Part("mappings"), template.Part("settings"), template.Hidden);
        var hidden = template?.Part("settings") is { } settings && (settings["index.hidden"] ?? (settings["index"] as JsonObject)?["hidden"])?.ToString() == "true";
        var index = AddIndex(name, template?.Part("mappings"), template?.Part("settings"), hidden, null);
        foreach (var (alias, _) in template?.Part("aliases") ?? []) index.Aliases.Add(alias);
        return index;
    }

    internal FakeIndex? WriteTarget(string name)
    {
        if (_dataStreams.TryGetValue(name, out var backing)) return backing[^1];
        if (_indices.TryGetValue(name, out var index)) return index;
        var aliased = _indices.Values.Where(i => i.Aliases.Contains(name)).ToArray();
        return aliased.Length switch
        {
            0 => null,
            1 => aliased[0],
            _ => throw ElasticsearchException.Argument(
                $"no write index is defined for alias [{name}]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index"),
        };
    }

    internal StoredDocument Write(FakeIndex index, string id, string json, bool refreshed)
    {
        using var parsed = JsonDocument.Parse(json);
        if (parsed.RootElement.ValueKind != JsonValueKind.Object)
            throw new ElasticsearchException(400, "document_parsing_exception", "[1:1] failed to parse, document is not an object");
        foreach (var name in parsed.RootElement.EnumerateObject().Select(member => member.Name))
        {
            if (name is "_id" or "_index" or "_source" or "_routing" or "_version" or "_seq_no" or "_field_names" or "_ignored")
                throw new ElasticsearchException(400, "document_parsing_exception", $"[1:1] Field [{name}] is a metadata field and cannot be added inside a document. Use the index API request parameters.");
            if (name.Trim().Length == 0 || name.StartsWith('.') || name.EndsWith('.') || name.Contains("..", StringComparison.Ordinal))
                throw new ElasticsearchException(400, "document_parsing_exception", $"[1:1] field name [{name}] makes object resolution ambiguous");
        }

        RefuseRepeatedKeys(parsed.RootElement);
        var fields = index.Mapping.Parse(id, parsed.RootElement);
        if (index.DataStream is not null && !fields.Fields.ContainsKey("@timestamp"))
            throw new ElasticsearchException(400, "document_parsing_exception", "[1:1] data stream timestamp field [@timestamp] is missing");
        var visibleFrom = refreshed ? Now : Now + RefreshInterval;
        index.Latest.TryGetValue(id, out var before);
        var stored = new StoredDocument(index, id, json, fields, index.NextSeqNo++, (before?.Version ?? 0) + 1, visibleFrom);
        if (before is not null) before.HiddenFrom = visibleFrom;
        index.Versions.Add(stored);
        index.Latest[id] = stored;
        return stored;
    }

    // Jackson reads documents with STRICT_DUPLICATE_DETECTION.
    private static void RefuseRepeatedKeys(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray()) RefuseRepeatedKeys(item);
        }
        else if (element.ValueKind == JsonValueKind.Object)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var member in element.EnumerateObject())
            {
                if (!seen.Add(member.Name))
                    throw new ElasticsearchException(400, "document_parsing_exception", $"[1:1] Duplicate field '{member.Name}'");
                RefuseRepeatedKeys(member.Value);
            }
        }
    }

    internal bool Delete(FakeIndex index, string id, bool refreshed)
    {
        if (!index.Latest.Remove(id, out var before)) return false;
        before.HiddenFrom = refreshed ? Now : Now + RefreshInterval;
        return true;
    }

    internal void Refresh(FakeIndex index)
    {
        foreach (var document in index.Versions)
        {
            if (document.VisibleFrom > Now) document.VisibleFrom = Now;
            if (document.HiddenFrom > Now) document.HiddenFrom = Now;
        }
    }

    /// <summary>
    /// What a list of names, wildcards and exclusions means to somebody who may only see some of the indices. Wildcards expand to what is
    /// visible; a concrete name that is not there, or not to be seen, is in Missing or Refused.
    /// </summary>
    internal Resolution Resolve(IEnumerable<string> expressions, Func<FakeIndex, bool> mayRead, bool expandHidden = false, bool expandOpen = true)
    {
        var found = new List<FakeIndex>();
        List<string> missing = [], refused = [];
        var anyConcrete = false;
        foreach (var expression in expressions.Select(e => e.Trim()))
        {
            if (expression.Contains(':', StringComparison.Ordinal))
            {
                var remote = expression[..expression.IndexOf(':', StringComparison.Ordinal)];
                if (remote.Contains('*', StringComparison.Ordinal)) continue;
                throw new ElasticsearchException(404, "no_such_remote_cluster_exception", $"no such remote cluster: [{remote}]");
            }

            var exclusion = expression.StartsWith('-') && found.Count + missing.Count > 0;
            var pattern = exclusion ? expression[1..] : expression;
            if (pattern is "_all") pattern = "*";
            if (exclusion)
            {
                found.RemoveAll(i => i.AllNames.Any(n => Wildcard.Matches(pattern, n)));
                continue;
            }

            if (pattern.Contains('*', StringComparison.Ordinal))
            {
                if (!expandOpen) continue;
                foreach (var index in _indices.Values)
                {
                    var reachable = expandHidden || !index.Hidden || pattern.StartsWith('.');
                    if (index.DataStream is not null && Wildcard.Matches(pattern, index.Name) && !pattern.StartsWith(".ds-", StringComparison.Ordinal) && !expandHidden)
                        reachable = reachable && Wildcard.Matches(pattern, index.DataStream);
                    if (reachable && index.AllNames.Any(n => Wildcard.Matches(pattern, n)) && mayRead(index) && !found.Contains(index)) found.Add(index);
                }

                continue;
            }

            anyConcrete = true;
            var named = _indices.Values.Where(i => i.AllNames.Contains(pattern)).ToArray();
            if (named.Length == 0) missing.Add(pattern);
            foreach (var index in named)
            {
                if (!mayRead(index)) refused.Add(pattern);
                else if (!found.Contains(index)) found.Add(index);
            }
        }

        return new Resolution(found, missing, [.. refused.Distinct()], anyConcrete);
    }

    internal OpenPit OpenPit(IReadOnlyList<FakeIndex> indices, TimeSpan keepAlive)
    {
        var now = Now;
        var pit = new OpenPit
        {
            Indices = indices,
            Snapshot = [.. indices.SelectMany(i => i.Visible(now))],
            ExpiresAt = now + keepAlive,
        };
        pit.Id = PitId(pit);
        _pits[pit.Id] = pit;
        return pit;
    }

    internal OpenPit UsePit(string id, TimeSpan? keepAlive)
    {
        ExpireOld();
        if (!_pits.TryGetValue(id, out var pit))
            throw ElasticsearchException.AllShardsFailed(404, "search_context_missing_exception", $"No search context found for id [{id.GetHashCode(StringComparison.Ordinal) & 0xFFFF}]", "");
        if (keepAlive is { } extended && Now + extended > pit.ExpiresAt) pit.ExpiresAt = Now + extended;
        if (PitIds == PitIdPolicy.NewEachTime)
        {
            _pits.Remove(id);
            pit.Generation++;
            pit.Id = PitId(pit);
            _pits[pit.Id] = pit;
        }

        return pit;
    }

    internal bool ClosePit(string id, out int freed)
    {
        ExpireOld();
        freed = _pits.Remove(id, out var pit) ? Math.Max(1, pit.Indices.Count) : 0;
        return freed > 0;
    }

    internal void Keep(AsyncQuery query) => _async[query.Id] = query;

    internal AsyncQuery? FindAsync(string id)
    {
        ExpireOld();
        return _async.TryGetValue(id, out var query) && !query.Deleted && query.ExpiresAt > Now ? query : null;
    }

    private void ExpireOld()
    {
        foreach (var old in _pits.Where(p => p.Value.ExpiresAt <= Now).Select(p => p.Key).ToArray()) _pits.Remove(old);
    }

    private string PitId(OpenPit pit) =>
        Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"pit:{NextId()}:{pit.Generation}:{string.Join(',', pit.Indices.Select(i => i.Name))}")).Replace('+', '-').Replace('/', '_');
}

/// <summary>What names mean.</summary>
internal sealed record Resolution(IReadOnlyList<FakeIndex> Indices, IReadOnlyList<string> Missing, IReadOnlyList<string> Refused, bool AnyConcrete);
