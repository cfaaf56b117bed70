using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Writes events into the data stream, each under an id derived from its identity: sent twice, it is kept once, and a call whose answer was
/// lost can be sent again.
/// </summary>
internal sealed class EventWriter(ElasticsearchClient client, ElasticsearchOptions options, TimeProvider clock)
{
    /// <summary>Where a document keeps the <c>_id</c> and <c>_index</c> it came with; Elasticsearch takes neither as a field.</summary>
    public const string ProvenanceField = "suspicious_signin";

    /// <summary>What no document may have at its root, as exports of searches do: Elasticsearch refuses it, or counts by it.</summary>
    private static readonly HashSet<string> MetadataFields = new(StringComparer.Ordinal)
    {
        "_id", "_index", "_type", "_source", "_routing", "_version", "_seq_no", "_primary_term", "_field_names", "_ignored",
        "_ignored_source", "_doc_count", "_nested_path", "_tier", "_size", "_feature", "_data_stream_timestamp", "_tsid",
        "_ts_routing_hash", "_inference_fields",
    };

    private static readonly JsonDocumentOptions ReadOptions = new() { MaxDepth = 1000 };
    private static readonly JsonWriterOptions WriteOptions = new() { MaxDepth = 1000, SkipValidation = true };

    /// <summary>Writes; when it returns, searches see the events.</summary>
    public async Task<AppendResult> WriteAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        var append = new Append(events);
        var requests = 0;
        for (var next = 0; next < events.Count; requests++)
        {
            next = await WriteSomeAsync(append, next, cancellationToken);
        }

        if (requests > 1)
        {
            // Waiting for a refresh after each request would cost up to a second each time.
            using var refreshed = await client.SendAsync(HttpMethod.Post, $"{options.DataStream}/_refresh", null, cancellationToken);
        }

        return append.ToResult();
    }

    /// <summary>Writes one request's worth of events from a place on; returns the place after them.</summary>
    private async Task<int> WriteSomeAsync(Append append, int next, CancellationToken cancellationToken)
    {
        var body = new ArrayBufferWriter<byte>();
        var lines = new List<Line>();
        var first = next;
        for (; next < append.Events.Count && (lines.Count == 0 || body.WrittenCount < options.BulkBytes); next++)
        {
            if (append.IdOf(next) is { } id)
            {
                var start = body.WrittenCount;
                WriteLine(body, id, append.Events[next]);
                lines.Add(new Line(next, start, body.WrittenCount - start));
            }
        }

        var isAll = first == 0 && next == append.Events.Count;
        await SendAsync(append, body.WrittenMemory, lines, isAll ? "?refresh=wait_for" : "", cancellationToken);
        return next;
    }

    private async Task SendAsync(
        Append append, ReadOnlyMemory<byte> body, List<Line> lines, string refresh, CancellationToken cancellationToken)
    {
        var attempt = 0;
        while (lines.Count > 0)
        {
            var ready = lines.Sum(line => line.Length) == body.Length ? body : Gather(body, lines);
            try
            {
                using var answer = await client.SendAsync(
                    HttpMethod.Post, $"{options.DataStream}/_bulk{refresh}", ready, cancellationToken, "x-ndjson");
                var items = answer.Root.GetProperty("items");
                if (items.GetArrayLength() != lines.Count)
                {
                    throw new StoreUnavailableException(
                        "Elasticsearch answered for another number of events than were sent. "
                        + "Send the batch again: events with an identity are not doubled.");
                }

                lines = [.. lines.Where((line, i) => !append.Settle(line.Event, items[i].GetProperty("create"), answer.IsRepeated))];
            }
            catch (ElasticsearchException tooLarge) when (tooLarge.Status == 413 && lines.Count > 1)
            {
                await SendAsync(append, body, lines[..(lines.Count / 2)], refresh, cancellationToken);
                lines = lines[(lines.Count / 2)..];
                continue;
            }
            catch (ElasticsearchException tooLarge) when (tooLarge.Status == 413)
            {
                append.Refuse(
                    lines[0].Event,
                    RejectionCodes.TooLarge,
                    "The event is longer than the cluster takes in one request (http.max_content_length).");
                return;
            }

            if (lines.Count > 0 && attempt >= options.MaxRetries)
            {
                throw new StoreUnavailableException(
                    $"Elasticsearch could not take {lines.Count} of {append.Events.Count} events ({append.LastFailure}). "
                    + "Send the batch again: events with an identity are not doubled.");
            }

            if (lines.Count > 0)
            {
                await Task.Delay(ElasticsearchClient.PauseAfter(attempt++), clock, cancellationToken);
            }
        }
    }

    private static ReadOnlyMemory<byte> Gather(ReadOnlyMemory<byte> body, List<Line> lines)
    {
        var gathered = new ArrayBufferWriter<byte>();
        foreach (var line in lines)
        {
            gathered.Write(body.Span.Slice(line.Start, line.Length));
        }

        return gathered.WrittenMemory;
    }

    private static void WriteLine(ArrayBufferWriter<byte> body, string id, in EventRecord record)
    {
        using (var action = new Utf8JsonWriter(body, WriteOptions))
        {
            action.WriteStartObject();
            action.WriteStartObject("create");
            action.WriteString("_id", id);
            action.WriteEndObject();
            action.WriteEndObject();
        }

        body.Write("\n"u8);
        using (var source = new Utf8JsonWriter(body, WriteOptions))
        {
            WriteSource(source, record.Document);
        }

        body.Write("\n"u8);
    }

    /// <summary>
    /// The document on one line, without the members that Elasticsearch takes for its own, or that only this service writes. Values go as
    /// they came: a text that nobody reads may hold what a JSON writer refuses, such as half of a surrogate pair.
    /// </summary>
    private static void WriteSource(Utf8JsonWriter json, ReadOnlyMemory<byte> utf8)
    {
        // JSON has line ends between tokens only.
        var line = utf8.ToArray();
        line.AsSpan().Replace((byte)'\n', (byte)' ');
        line.AsSpan().Replace((byte)'\r', (byte)' ');
        using var document = JsonDocument.Parse(line, ReadOptions);
        var root = document.RootElement;
        var hasProvenance = root.TryGetProperty("_id", out var id) | root.TryGetProperty("_index", out var index);
        // In its own data stream the dataset is a constant of the mapping; here it has to be said.
        var preset = index.ValueKind == JsonValueKind.String && !HasDataset(root) ? EventReader.PresetDataset(index.GetString()!) : null;
        json.WriteStartObject();
        foreach (var member in root.EnumerateObject())
        {
            if (!(MetadataFields.Contains(member.Name) || IsProvenance(member.Name)
                || (preset is not null && member.NameEquals("event.dataset"))))
            {
                json.WritePropertyName(member.Name);
                json.WriteRawValue(JsonMarshal.GetRawUtf8Value(member.Value), skipInputValidation: true);
            }
        }

        if (hasProvenance)
        {
            json.WriteStartObject(ProvenanceField);
            foreach (var (name, value) in new[] { ("id", id), ("index", index) })
            {
                if (value.ValueKind != JsonValueKind.Undefined)
                {
                    json.WritePropertyName(name);
                    value.WriteTo(json);
                }
            }

            json.WriteEndObject();
        }

        if (preset is not null)
        {
            json.WriteString("event.dataset", preset);
        }

        json.WriteEndObject();
    }

    private static bool IsProvenance(string name) =>
        name == ProvenanceField || name.StartsWith(ProvenanceField + ".", StringComparison.Ordinal);

    private static bool HasDataset(JsonElement root) =>
        (root.TryGetProperty("event.dataset", out var dotted) && HasValue(dotted))
        || (root.TryGetProperty("event", out var nested)
            && Objects(nested).Any(each => each.TryGetProperty("dataset", out var dataset) && HasValue(dataset)));

    // An array is its members, and neither null nor what is too long is a value, as Elasticsearch has it.
    private static bool HasValue(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().Any(HasValue),
        JsonValueKind.String => value.GetString()!.Length <= EventReaderOptions.MaxTextLength,
        _ => value.ValueKind != JsonValueKind.Null,
    };

    private static IEnumerable<JsonElement> Objects(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().SelectMany(Objects)
        : value.ValueKind == JsonValueKind.Object ? [value]
        : [];

    /// <summary>One document in a bulk body: which event, and where.</summary>
    private readonly record struct Line(int Event, int Start, int Length);

    /// <summary>What has become of the events of one append so far.</summary>
    private sealed class Append(IReadOnlyList<EventRecord> events)
    {
        private readonly HashSet<int> _duplicates = [];
        private readonly HashSet<UInt128> _seen = [];
        private readonly List<RejectedEvent> _rejected = [];

        // Events without identity are never merged. Their ids are drawn, once for this append, so that a repeated call does not double
        // them.
        private readonly string _drawn = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

        // Sent before with an outcome that nobody knows.
        private readonly HashSet<int> _unclear = [];
        private int _doubtful;

        public IReadOnlyList<EventRecord> Events => events;

        /// <summary>What the cluster said of an event that is to be sent again.</summary>
        public string? LastFailure { get; private set; }

        /// <summary>The id to write an event under, or null where the append held its identity before.</summary>
        public string? IdOf(int index)
        {
            var identity = events[index].Identity;
            if (identity == 0)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{_drawn}-{index}");
            }

            if (_seen.Add(identity))
            {
                return identity.ToString("x32", CultureInfo.InvariantCulture);
            }

            _duplicates.Add(index);
            return null;
        }

        /// <summary>Takes down an item of the answer; false where the event is to be sent again.</summary>
        /// <exception cref="ElasticsearchException">The event failed for a reason that is neither its own nor one that passes
        /// soon.</exception>
        public bool Settle(int index, JsonElement item, bool isRepeated)
        {
            var status = item.GetProperty("status").GetInt32();
            switch (status)
            {
                case >= 200 and < 300 when item.TryGetProperty("failure_store", out var kept) && kept.ValueEquals("used"):
                    Refuse(
                        index,
                        RejectionCodes.RefusedByStore,
                        "Elasticsearch could not index the event and put it into the failure store of the data stream, "
                        + "where no search of this service finds it.");
                    return true;

                case >= 200 and < 300:
                    return true;

                case 409 when events[index].Identity == 0:
                    return true;

                case 409:
                    _duplicates.Add(index);
                    _doubtful += isRepeated || _unclear.Contains(index) ? 1 : 0;
                    return true;
            }

            var (type, reason) = ElasticsearchClient.ReasonOf(item.GetProperty("error"));
            switch (status)
            {
                // Whoever is told that the document is at fault drops it, so nothing else may be told so.
                case 413:
                case 400 when ConcernsDocument(type, reason):
                    Refuse(index, RejectionCodes.RefusedByStore, $"Elasticsearch refused the event ({type}): {reason}");
                    return true;

                case 429 or >= 500:
                    if (status != 429 || isRepeated)
                    {
                        _unclear.Add(index);
                    }

                    LastFailure = string.Create(CultureInfo.InvariantCulture, $"{status} {type}: {reason}");
                    return false;

                default:
                    throw new ElasticsearchException(status, type, reason);
            }
        }

        /// <summary>
        /// Whether an error with status 400 is of the document. Elasticsearch answers 400 also where it cannot create the index (the limit
        /// of shards, elastic/elasticsearch#70349), where the index is closed, and where the pipeline is not there.
        /// </summary>
        private static bool ConcernsDocument(string type, string reason) => type switch
        {
            "document_parsing_exception" or "mapper_parsing_exception" or "strict_dynamic_mapping_exception" => true,
            "json_parse_exception" or "x_content_parse_exception" or "parsing_exception" => true,
            // By processors of an ingest pipeline.
            "number_format_exception" or "script_exception" => true,
            "illegal_argument_exception" => !reason.StartsWith("Validation Failed:", StringComparison.Ordinal)
                && !reason.StartsWith("pipeline with id ", StringComparison.Ordinal),
            _ => false,
        };

        public void Refuse(int index, string code, string message) =>
            _rejected.Add(new RejectedEvent { Index = events[index].Position, Pointer = "", Code = code, Message = message });

        public AppendResult ToResult() => new(
            _duplicates,
            _rejected,
            _doubtful == 0
                ? []
                : [new Warning(
                    WarningCodes.WriteRepeated,
                    "The answer of Elasticsearch was lost and the events were sent again. "
                    + "Some of the duplicates counted may be this batch's own.",
                    _doubtful)]);
    }
}
