using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Reads the events of one address: a point in time, so that nothing moves while it is read, and <c>search_after</c>. A page ends between two
/// events, not between two searches: events of the same time are put in the order of their ids, so that the next page, read from another point
/// in time, goes on exactly there.
/// </summary>
internal sealed partial class EvidenceReader(ElasticsearchClient client, IReadOnlyList<string> alertDatasets, ILogger logger)
{
    private const int HitsPerSearch = 1_000;
    private const string KeepAlive = "1m";

    private readonly EventReaderOptions _readerOptions = new() { MaxDepth = 512, AlertDatasets = alertDatasets };

    /// <summary>Reads a page.</summary>
    /// <param name="start">Where it starts; null for the beginning.</param>
    /// <param name="incomplete">Is told why, where the cluster could not look at all.</param>
    public async Task<EventPage> ReadAsync(
        SourceAddress address,
        TimeWindow window,
        RuleRevision revision,
        MappedIndices indices,
        bool countedOnly,
        int limit,
        Place? start,
        Action<string> incomplete,
        CancellationToken cancellationToken)
    {
        var pit = await OpenAsync(indices, cancellationToken);
        try
        {
            var page = new Page(_readerOptions, revision, countedOnly, limit, start);
            var total = 0L;
            if (start is not null)
            {
                using var counted = await SearchAsync(pit, address, window, revision, 0, null, cancellationToken);
                total = TotalOf(counted);
            }

            var from = start is { } place ? new TimeWindow(Math.Max(window.From, place.Timestamp - 1), window.To) : window;
            var size = Math.Min(limit + 1, HitsPerSearch);
            string? after = null;
            while (true)
            {
                using var answer = await SearchAsync(pit, address, from, revision, size, after, cancellationToken);
                total = start is null && after is null ? TotalOf(answer) : total;
                if (RemoteClusters.WhyNotAll(answer.Root) is { } reason)
                {
                    incomplete(reason);
                }

                var count = 0;
                foreach (var hit in answer.Root.GetProperty("hits").GetProperty("hits").EnumerateArray())
                {
                    count++;
                    after = hit.GetProperty("sort").GetRawText();
                    page.Add(hit);
                }

                if (count < size || page.IsFull)
                {
                    return page.ToEventPage(total);
                }
            }
        }
        finally
        {
            if (await client.GiveBackAsync("_pit", JsonSerializer.SerializeToUtf8Bytes(new { id = pit.Id })) is { } fault)
            {
                Log.NotClosed(logger, fault);
            }
        }
    }

    /// <summary>Reads where a page starts; false where the text is no cursor of ours.</summary>
    public static bool TryReadCursor(string? cursor, out Place? start)
    {
        start = null;
        if (cursor is null)
        {
            return true;
        }

        if (cursor.Length is 0 or > 4096 || !Base64Url.IsValid(cursor))
        {
            return false;
        }

        var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)).Split('\n');
        if (parts.Length != 3 || !long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var timestamp))
        {
            return false;
        }

        start = new Place(timestamp, parts[1], parts[2]);
        return true;
    }

    private async Task<PointInTime> OpenAsync(MappedIndices indices, CancellationToken cancellationToken)
    {
        using var answer = await client.SendAsync(
            HttpMethod.Post, $"{string.Join(',', indices.Patterns)}/_pit?keep_alive={KeepAlive}&ignore_unavailable=true", null, cancellationToken);
        return new PointInTime { Id = answer.Root.GetProperty("id").GetString()! };
    }

    private async Task<ElasticsearchClient.Answer> SearchAsync(
        PointInTime pit, SourceAddress address, TimeWindow window, RuleRevision revision, int size, string? after, CancellationToken cancellationToken)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteNumber("size", size);
            json.WriteBoolean("track_total_hits", after is null);
            json.WriteStartObject("pit");
            json.WriteString("id", pit.Id);
            json.WriteString("keep_alive", KeepAlive);
            json.WriteEndObject();
            json.WritePropertyName("query");
            JsonSerializer.Serialize(json, new
            {
                @bool = new
                {
                    filter = new object[]
                    {
                        new { terms = new Dictionary<string, string[]>(StringComparer.Ordinal) { ["source.ip"] = Spellings(address) } },
                        new { range = new Dictionary<string, object>(StringComparer.Ordinal) { ["@timestamp"] = new { gt = window.From, lte = window.To, format = "epoch_millis" } } },
                    },
                },
            });
            json.WritePropertyName("sort");
            json.WriteRawValue("""[{"@timestamp":{"order":"asc","numeric_type":"date"}},{"_shard_doc":"asc"}]""");
            if (after is not null)
            {
                json.WritePropertyName("search_after");
                json.WriteRawValue(after);
            }

            json.WritePropertyName("_source");
            JsonSerializer.Serialize(json, EventDocument.Paths.Append(EventWriter.ProvenanceField + ".*"));
            json.WritePropertyName("fields");
            JsonSerializer.Serialize(json, ColumnsOf(revision).Select(path => path is "@timestamp" or "event.ingested"
                ? (object)new { field = path, format = "strict_date_optional_time" }
                : path));
            json.WriteEndObject();
        }

        var answer = await client.SendAsync(HttpMethod.Post, "_search?allow_partial_search_results=false", body.WrittenSpan.ToArray(), cancellationToken);
        pit.Id = answer.Root.TryGetProperty("pit_id", out var id) ? id.GetString()! : pit.Id;
        if (answer.Root.GetProperty("timed_out").GetBoolean() || answer.Root.GetProperty("_shards").GetProperty("failed").GetInt32() > 0)
        {
            answer.Dispose();
            throw new StoreUnavailableException("Elasticsearch could search only some of the shards, so events would be missing. Try again.");
        }

        return answer;
    }

    private static IEnumerable<string> ColumnsOf(RuleRevision revision) => EsqlQuery.ConditionColumns(revision).Concat(["@timestamp", "event.ingested"]);

    /// <summary>An address mapped as such is found in any spelling; where it is mapped as text, only as it was written.</summary>
    private static string[] Spellings(SourceAddress address)
    {
        var canonical = address.ToString();
        return address.IsIPv4 ? [canonical, "::ffff:" + canonical] : [canonical, canonical.ToUpperInvariant()];
    }

    private static long TotalOf(ElasticsearchClient.Answer answer) => answer.Root.GetProperty("hits").GetProperty("total").GetProperty("value").GetInt64();

    /// <summary>A point in time; every search may give it another id.</summary>
    private sealed class PointInTime
    {
        public required string Id { get; set; }
    }

    /// <summary>A place in the order of events.</summary>
    internal readonly record struct Place(long Timestamp, string Id, string Index)
    {
        public int Compare(Place other) => Timestamp != other.Timestamp ? Timestamp.CompareTo(other.Timestamp)
            : string.CompareOrdinal(Id, other.Id) is not 0 and var byId ? byId
            : string.CompareOrdinal(Index, other.Index);

        public string ToCursor() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Timestamp}\n{Id}\n{Index}")));
    }

    /// <summary>Collects hits in the order of their times until one more is there than the page holds and no earlier one can follow.</summary>
    private sealed class Page(EventReaderOptions readerOptions, RuleRevision revision, bool countedOnly, int limit, Place? start)
    {
        private readonly EventReader _reader = new(readerOptions);
        private readonly HashSet<string> _columns = new(ColumnsOf(revision), StringComparer.Ordinal);
        private readonly List<(Place Place, EventDocument Document)> _events = [];
        private int _settled;
        private long _newest = long.MinValue;

        public bool IsFull => _settled > limit;

        public void Add(JsonElement hit)
        {
            var place = new Place(hit.GetProperty("sort")[0].GetInt64(), hit.GetProperty("_id").GetString()!, hit.GetProperty("_index").GetString()!);
            if (place.Timestamp != _newest)
            {
                Settle();
                _newest = place.Timestamp;
            }

            if (!(place.Compare(start ?? place) < 0) && Read(hit, place) is { } document && (document.Counted || !countedOnly))
            {
                _events.Add((place, document));
                if (_events.Count > _settled + (2 * (limit + 1)))
                {
                    SortLatest();
                    _events.RemoveRange(_settled + limit + 1, _events.Count - (_settled + limit + 1));
                }
            }
        }

        public EventPage ToEventPage(long total)
        {
            Settle();
            var next = _events.Count > limit ? _events[limit].Place.ToCursor() : null;
            return new EventPage([.. _events.Take(limit).Select(each => each.Document)], countedOnly && start is null && next is null ? _events.Count : total, next);
        }

        /// <summary>The events so far are of earlier times than all that follow.</summary>
        private void Settle()
        {
            SortLatest();
            _settled = _events.Count;
        }

        private void SortLatest() => _events.Sort(_settled, _events.Count - _settled, Comparer<(Place Place, EventDocument)>.Create((left, right) => left.Place.Compare(right.Place)));

        private EventDocument Read(JsonElement hit, Place place)
        {
            var utf8 = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(utf8))
            {
                WriteAsIndexed(json, hit, place);
            }

            return _reader.Read(utf8.WrittenMemory, 0, null, out var record) is { } unreadable
                ? new EventDocument { Timestamp = EcsTime.ToDateTime(place.Timestamp), Id = place.Id, Index = place.Index, Message = $"The document cannot be shown: {unreadable.Message}" }
                : EventDocument.From(record, revision);
        }

        /// <summary>The source for what is shown, the index for what the rule tests, so that an event counts here as it does in ES|QL.</summary>
        private void WriteAsIndexed(Utf8JsonWriter json, JsonElement hit, Place place)
        {
            var (id, index) = (place.Id, place.Index);
            json.WriteStartObject();
            if (hit.TryGetProperty("_source", out var source))
            {
                if (source.TryGetProperty(EventWriter.ProvenanceField, out var provenance) && provenance.ValueKind == JsonValueKind.Object)
                {
                    id = Text(provenance, "id") ?? id;
                    index = Text(provenance, "index") ?? index;
                }

                WriteMembers(json, source, "");
            }

            json.WriteString("_id", id);
            json.WriteString("_index", index);
            if (hit.TryGetProperty("fields", out var fields))
            {
                foreach (var field in fields.EnumerateObject().Where(field => _columns.Contains(field.Name)))
                {
                    field.WriteTo(json);
                }
            }

            json.WriteEndObject();
        }

        private void WriteMembers(Utf8JsonWriter json, JsonElement source, string prefix)
        {
            foreach (var member in source.EnumerateObject())
            {
                var path = prefix + member.Name;
                if (!_columns.Contains(path) && path is not ("_id" or "_index" or EventWriter.ProvenanceField))
                {
                    json.WritePropertyName(member.Name);
                    WriteValue(json, member.Value, path + ".");
                }
            }
        }

        private void WriteValue(Utf8JsonWriter json, JsonElement value, string prefix)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Object:
                    json.WriteStartObject();
                    WriteMembers(json, value, prefix);
                    json.WriteEndObject();
                    break;

                case JsonValueKind.Array:
                    json.WriteStartArray();
                    foreach (var each in value.EnumerateArray())
                    {
                        WriteValue(json, each, prefix);
                    }

                    json.WriteEndArray();
                    break;

                default:
                    value.WriteTo(json);
                    break;
            }
        }

        private static string? Text(JsonElement from, string name) =>
            from.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String or JsonValueKind.Number ? value.ToString() : null;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A point in time could not be closed; the cluster drops it when its keep-alive ends")]
        public static partial void NotClosed(ILogger logger, Exception exception);
    }
}
