using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DuckDB.NET.Data;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Benchmarks;

/// <summary>From bytes in memory to classified events, one thread, beside other ways to find the same sign-ins.</summary>
internal static class ReaderBenchmark
{
    private static readonly RuleRevision Revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision)!;

    public static void Run(int documents, int rounds, bool isLarge)
    {
        var lines = new Documents(1, isLarge, documents).Lines(documents).ToArray();
        var folder = Repository.Temporary();
        var file = Path.Combine(folder, "all.ndjson");
        File.WriteAllBytes(file, lines);
        using var duck = new DuckDBConnection("DataSource=:memory:");
        duck.Open();
        duck.Execute("SET threads = 1");
        using var simdjson = Simdjson.Load(lines);
        var fields = FieldTree.Of(EventDocument.Paths);
        try
        {
            Rounds.Compare(
                $"Reader: {documents} documents of {lines.Length / documents} bytes, successful sign-ins found",
                rounds,
                lines.Length,
                new("ours: EventBatchReader, all fields, kept, judged", () => Ours(lines)),
                simdjson is null ? null : new("simdjson On-Demand, the same fields, copied", simdjson.ByAllFields),
                simdjson is null ? null : new("simdjson On-Demand, the three fields of the question", simdjson.ByThreeFields),
                new("Utf8JsonReader, the same fields, copied", () => Tokens(lines, fields)),
                new("Utf8JsonReader, the three fields of the question", () => ThreeTokens(lines)),
                new("System.Text.Json into classes, LINQ", () => Classes(lines)),
                new("DuckDB read_json of the three fields, one thread", () => duck.Number($$"""
                    SELECT count(*) FROM read_json('{{file}}', format = 'newline_delimited', columns = {event: 'STRUCT(dataset VARCHAR, outcome VARCHAR)', source: 'STRUCT(ip VARCHAR)'})
                    WHERE event.dataset = 'azure.signinlogs' AND event.outcome = 'success' AND source.ip NOT LIKE '10.%'
                    """)),
                new("DuckDB read_json of the small document's fields into a table, one thread", () => Kept(duck, file)));
            BesideJq(folder, lines[..End(lines, Math.Max(1, documents / 10))], rounds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void BesideJq(string folder, byte[] lines, int rounds)
    {
        try
        {
            Rounds.Run("jq", "--version");
        }
        catch (InvalidOperationException missing)
        {
            Rounds.Skipped<object>("jq (apt-get install jq)", missing.Message);
            return;
        }

        var file = Path.Combine(folder, "some.ndjson");
        File.WriteAllBytes(file, lines);
        const string Filter = """reduce inputs as $e (0; if $e.event.dataset == "azure.signinlogs" and $e.event.outcome == "success" and ($e.source.ip | startswith("10.") | not) then . + 1 else . end)""";
        Rounds.Compare(
            $"Reader: a tenth of them, {lines.Length} bytes",
            rounds,
            lines.Length,
            new("ours", () => Ours(lines)),
            new("jq, its start and reading the file included", () => Rounds.Number(Rounds.Run("jq", "-n", Filter, file))));
    }

    private static int End(byte[] lines, int documents)
    {
        var end = 0;
        for (var i = 0; i < documents; i++)
        {
            end = Array.IndexOf(lines, (byte)'\n', end) + 1;
        }

        return end;
    }

    /// <summary>In bodies of about 8 MB, whose memory is lent on as the service does once it has answered.</summary>
    private static long Ours(byte[] lines)
    {
        const int BodyBytes = 8_000_000;
        var options = new EventReaderOptions { MaxEvents = 10_000_000, MaxBodyBytes = long.MaxValue, Readers = 1 };
        var found = 0L;
        for (var (start, end) = (0, 0); start < lines.Length; start = end)
        {
            end = lines.Length - start <= BodyBytes ? lines.Length : Array.IndexOf(lines, (byte)'\n', start + BodyBytes) + 1;
            var body = new ReadOnlySequence<byte>(lines, start, end - start);
            var (batch, _) = EventBatchReader.ReadAsync(PipeReader.Create(body), BatchFormat.NdJson, options).GetAwaiter().GetResult();
            foreach (ref readonly var record in batch!.Events.InPlace())
            {
                found += record.Classification.IsAzureSignIn(Revision) ? 1 : 0;
            }

            batch.ReturnMemory();
        }

        return found;
    }

    /// <summary>The fields that <see cref="Poco"/> has, their types given, kept in a table as ours keeps its events.</summary>
    private static long Kept(DuckDBConnection duck, string file)
    {
        duck.Execute($$"""
            CREATE OR REPLACE TEMP TABLE kept AS SELECT * FROM read_json('{{file}}', format = 'newline_delimited', columns = {
                '@timestamp': 'TIMESTAMP', message: 'VARCHAR', 'kibana.alert.rule.name': 'VARCHAR', 'kibana.alert.rule.rule_id': 'VARCHAR',
                event: 'STRUCT(id VARCHAR, ingested TIMESTAMP, dataset VARCHAR, outcome VARCHAR, action VARCHAR, category VARCHAR[], kind VARCHAR, provider VARCHAR, severity INTEGER)',
                source: 'STRUCT(ip VARCHAR)', "user": 'STRUCT(name VARCHAR, id VARCHAR, email VARCHAR, domain VARCHAR)',
                azure: 'STRUCT(signinlogs STRUCT(properties STRUCT(app_display_name VARCHAR, device_detail STRUCT(operating_system VARCHAR))))',
                o365: 'STRUCT(audit STRUCT(LogonType INTEGER, ClientInfoString VARCHAR))', rule: 'STRUCT(name VARCHAR, id VARCHAR)'})
            """);
        return duck.Number("SELECT count(*) FROM kept WHERE event.dataset = 'azure.signinlogs' AND event.outcome = 'success' AND source.ip NOT LIKE '10.%'");
    }

    private static long Tokens(byte[] lines, FieldTree fields)
    {
        var room = new byte[16 * 1024];
        var found = 0L;
        foreach (var line in Split(lines))
        {
            var reader = new Utf8JsonReader(lines.AsSpan(line));
            reader.Read();
            var facts = new FieldTree.Facts();
            var kept = 0;
            fields.Read(ref reader, room, ref kept, ref facts);
            found += facts.IsSignIn ? 1 : 0;
        }

        return found;
    }

    private static long ThreeTokens(byte[] lines)
    {
        var found = 0L;
        foreach (var line in Split(lines))
        {
            var reader = new Utf8JsonReader(lines.AsSpan(line));
            var (depth, parent) = (0, "");
            bool isAzure = false, isSuccess = false;
            SourceAddress? address = null;
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                {
                    depth += reader.TokenType == JsonTokenType.StartObject ? 1 : reader.TokenType == JsonTokenType.EndObject ? -1 : 0;
                    continue;
                }

                if (depth == 1)
                {
                    parent = reader.ValueTextEquals("event"u8) ? "event" : reader.ValueTextEquals("source"u8) ? "source" : "";
                }

                if (depth == 2 && parent == "event" && reader.ValueTextEquals("dataset"u8))
                {
                    reader.Read();
                    isAzure = reader.ValueTextEquals("azure.signinlogs"u8);
                }
                else if (depth == 2 && parent == "event" && reader.ValueTextEquals("outcome"u8))
                {
                    reader.Read();
                    isSuccess = reader.ValueTextEquals("success"u8);
                }
                else if (depth == 2 && parent == "source" && reader.ValueTextEquals("ip"u8))
                {
                    reader.Read();
                    address = SourceAddress.TryParse(reader.ValueSpan, out var parsed) ? parsed : null;
                }
            }

            found += isAzure && isSuccess && address is { } ip && ExcludedNetworks.Find(ip) is null ? 1 : 0;
        }

        return found;
    }

    private static long Classes(byte[] lines) => Split(lines)
        .Select(line => JsonSerializer.Deserialize<Poco.Document>(lines.AsSpan(line))!)
        .LongCount(each => each.IsSignIn);

    private static IEnumerable<Range> Split(byte[] lines)
    {
        for (var start = 0; start < lines.Length;)
        {
            var end = Array.IndexOf(lines, (byte)'\n', start);
            yield return start..end;
            start = end + 1;
        }
    }
}

/// <summary>The fields as a tree of the segments of their paths, walked along with a document.</summary>
internal sealed class FieldTree
{
    private readonly List<(byte[] Name, FieldTree Child)> _children = [];
    private (byte[] Name, FieldTree Child)[] _slots = [];
    private string? _path;

    public static FieldTree Of(IEnumerable<string> paths)
    {
        var root = new FieldTree();
        foreach (var path in paths)
        {
            path.Split('.').Aggregate(root, (node, segment) => node.Add(Encoding.UTF8.GetBytes(segment)))._path = path;
        }

        root.Seal();
        return root;
    }

    /// <summary>Reads the object that the reader stands on; found values are copied into the room.</summary>
    public void Read(ref Utf8JsonReader reader, byte[] room, ref int kept, ref Facts facts)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.ValueSpan;
            var child = this;
            for (var start = 0; child is not null && start <= key.Length;)
            {
                var dot = key[start..].IndexOf((byte)'.');
                var end = dot < 0 ? key.Length : start + dot;
                child = child.Find(key[start..end]);
                start = end + 1;
            }

            reader.Read();
            if (child is null)
            {
                reader.Skip();
            }
            else
            {
                child.ReadValue(ref reader, room, ref kept, ref facts);
            }
        }
    }

    private void ReadValue(ref Utf8JsonReader reader, byte[] room, ref int kept, ref Facts facts)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject when _children.Count > 0:
                Read(ref reader, room, ref kept, ref facts);
                break;

            case JsonTokenType.StartObject:
                reader.Skip();
                break;

            case JsonTokenType.StartArray:
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    ReadValue(ref reader, room, ref kept, ref facts);
                }

                break;

            default:
                if (_path is not null)
                {
                    var length = 0;
                    if (reader.TokenType == JsonTokenType.String)
                    {
                        length = reader.CopyString(room.AsSpan(kept));
                    }
                    else
                    {
                        reader.ValueSpan.CopyTo(room.AsSpan(kept));
                        length = reader.ValueSpan.Length;
                    }

                    facts.Take(_path, room.AsSpan(kept, length));
                    kept += length;
                }

                break;
        }
    }

    private FieldTree Add(byte[] name)
    {
        var known = _children.Find(child => child.Name.AsSpan().SequenceEqual(name)).Child;
        if (known is null)
        {
            _children.Add((name, known = new FieldTree()));
        }

        return known;
    }

    private void Seal()
    {
        var size = 4;
        while (size < _children.Count * 4)
        {
            size *= 2;
        }

        _slots = new (byte[], FieldTree)[size];
        foreach (var child in _children)
        {
            var at = SlotOf(child.Name, size);
            while (_slots[at].Child is not null)
            {
                at = (at + 1) & (size - 1);
            }

            _slots[at] = child;
            child.Child.Seal();
        }
    }

    private FieldTree? Find(ReadOnlySpan<byte> key)
    {
        if (key.IsEmpty)
        {
            return null;
        }

        for (var at = SlotOf(key, _slots.Length); _slots[at].Child is { } child; at = (at + 1) & (_slots.Length - 1))
        {
            if (_slots[at].Name.AsSpan().SequenceEqual(key))
            {
                return child;
            }
        }

        return null;
    }

    private static int SlotOf(ReadOnlySpan<byte> key, int size) => ((key.Length * 31) + (key[0] * 7) + (key[^1] * 131) + key[key.Length / 2]) & (size - 1);

    /// <summary>What the question needs of a document.</summary>
    internal struct Facts
    {
        private bool _isAzure;
        private bool _isSuccess;
        private bool _isCounted;

        public readonly bool IsSignIn => _isAzure && _isSuccess && _isCounted;

        public void Take(string path, ReadOnlySpan<byte> value)
        {
            switch (path)
            {
                case "event.dataset":
                    _isAzure = value.SequenceEqual("azure.signinlogs"u8);
                    break;

                case "event.outcome":
                    _isSuccess = value.SequenceEqual("success"u8);
                    break;

                case "source.ip":
                    _isCounted = SourceAddress.TryParse(value, out var ip) && ExcludedNetworks.Find(ip) is null;
                    break;
            }
        }
    }
}

/// <summary>The documents as classes, as one writes them who wants to be done; what they do not name is skipped.</summary>
public static class Poco
{
    public sealed record Document(
        [property: JsonPropertyName("@timestamp")] DateTimeOffset Timestamp,
        [property: JsonPropertyName("event")] Facts? Facts,
        [property: JsonPropertyName("source")] Source? Source,
        [property: JsonPropertyName("user")] User? User,
        [property: JsonPropertyName("azure")] Azure? Azure,
        [property: JsonPropertyName("o365")] Office? Office,
        [property: JsonPropertyName("rule")] Rule? Rule,
        [property: JsonPropertyName("message")] string? Message,
        [property: JsonPropertyName("kibana.alert.rule.name")] string? RuleName,
        [property: JsonPropertyName("kibana.alert.rule.rule_id")] string? RuleId)
    {
        [JsonIgnore]
        public bool IsSignIn => Facts is { Dataset: "azure.signinlogs", Outcome: "success" } && SourceAddress.TryParse(Source?.Ip, out var ip) && ExcludedNetworks.Find(ip) is null;
    }

    public sealed record Facts(
        [property: JsonPropertyName("id")] string? Id,
        [property: JsonPropertyName("ingested")] DateTimeOffset? Ingested,
        [property: JsonPropertyName("dataset")] string? Dataset,
        [property: JsonPropertyName("outcome")] string? Outcome,
        [property: JsonPropertyName("action")] string? Action,
        [property: JsonPropertyName("category")] IReadOnlyList<string>? Categories,
        [property: JsonPropertyName("kind")] string? Kind,
        [property: JsonPropertyName("provider")] string? Provider,
        [property: JsonPropertyName("severity")] int? Severity);

    public sealed record Source([property: JsonPropertyName("ip")] string? Ip);

    public sealed record User(
        [property: JsonPropertyName("name")] string? Name,
        [property: JsonPropertyName("id")] string? Id,
        [property: JsonPropertyName("email")] string? Email,
        [property: JsonPropertyName("domain")] string? Domain);

    public sealed record Azure([property: JsonPropertyName("signinlogs")] SignInLogs? SignInLogs);

    public sealed record SignInLogs([property: JsonPropertyName("properties")] SignInProperties? Properties);

    public sealed record SignInProperties(
        [property: JsonPropertyName("app_display_name")] string? AppDisplayName,
        [property: JsonPropertyName("device_detail")] DeviceDetail? Device);

    public sealed record DeviceDetail([property: JsonPropertyName("operating_system")] string? OperatingSystem);

    public sealed record Office([property: JsonPropertyName("audit")] Audit? Audit);

    public sealed record Audit(
        [property: JsonPropertyName("LogonType")] int? LogonType,
        [property: JsonPropertyName("ClientInfoString")] string? ClientInfo);

    public sealed record Rule([property: JsonPropertyName("name")] string? Name, [property: JsonPropertyName("id")] string? Id);
}
