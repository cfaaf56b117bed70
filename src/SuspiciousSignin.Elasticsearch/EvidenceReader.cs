using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Reads the events of one address: a point in time, so that nothing moves while it is read, and <c>search_after</c>. A page ends between
/// two events, not between two searches: events of the same time are put in the order of their ids, so that the next page, read from
/// another point in time, goes on exactly there.
/// </summary>
internal sealed partial class EvidenceReader(ElasticsearchClient client, IReadOnlyList<string> alertDatasets, ILogger logger)
{
    private const int HitsPerSearch = 1_000;
    private const string KeepAlive = "1m";
    private const long NanosecondsPerMillisecond = 1_000_000;
    private const string DateFormat = "strict_date_optional_time";

    private readonly EventReaderOptions _readerOptions = new() { MaxDepth = 512, AlertDatasets = alertDatasets };

    /// <summary>Reads a page.</summary>
    /// <param name="query">Which events. Elasticsearch has no mark of when it looked, so <see cref="EventQuery.AsOf"/> is never
    /// given.</param>
    /// <param name="indices">What there is to read.</param>
    /// <param name="start">Where it starts; null for the beginning.</param>
    public async Task<EventPage> ReadAsync(EventQuery query, MappedIndices indices, Place? start, CancellationToken cancellationToken)
    {
        // Until the answer is there nobody knows its id, and without it nothing can be closed: the caller may go, the call may not.
        var opening = OpenAsync(indices);
        PointInTime pit;
        try
        {
            pit = await opening.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = CloseAsync(opening);
            throw;
        }

        try
        {
            var page = new Page(_readerOptions, query, start);
            var (total, warnings) = (0L, new List<Warning>());
            if (start is not null)
            {
                using var counted = await SearchAsync(pit, query, indices, 0, null, null, cancellationToken);
                total = TotalOf(counted);
            }

            // Where only some of the hits count, a page of few events may take many.
            var size = query.IsOfAll ? Math.Min(query.Limit + 1, HitsPerSearch) : HitsPerSearch;
            string? after = null;
            while (true)
            {
                using var answer = await SearchAsync(pit, query, indices, size, start?.Timestamp, after, cancellationToken);
                if (after is null)
                {
                    total = start is null ? TotalOf(answer) : total;
                    page.Before = total - TotalOf(answer);
                }

                if (warnings.Count == 0 && RemoteClusters.WhyNotAll(answer.Root) is { } reason)
                {
                    warnings.Add(RemoteClusters.Partial(reason));
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
                    return page.ToEventPage(total, warnings);
                }
            }
        }
        finally
        {
            await CloseAsync(pit);
        }
    }

    /// <summary>Reads where a page starts; false where the text is no cursor of ours.</summary>
    public static bool TryReadCursor(ref EventQuery query, out Place? start)
    {
        start = null;
        if (query.Cursor is null)
        {
            return true;
        }

        // An id may hold any character, the name of an index no line end.
        if (!EventCursor.TryRead(ref query, out var place)
            || place.Split('\n', 4) is not [var time, var count, var index, var id]
            || !long.TryParse(time, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var timestamp)
            || !long.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var before))
        {
            return false;
        }

        start = new Place(timestamp, id, index, before);
        return true;
    }

    private async Task<PointInTime> OpenAsync(MappedIndices indices)
    {
        using var answer = await client.SendAsync(
            HttpMethod.Post,
            $"{string.Join(',', indices.Patterns)}/_pit?keep_alive={KeepAlive}&ignore_unavailable=true",
            null,
            CancellationToken.None);
        return new PointInTime { Id = answer.Root.GetProperty("id").GetString()! };
    }

    private async Task CloseAsync(Task<PointInTime> opening)
    {
        try
        {
            await CloseAsync(await opening);
        }
        catch (Exception fault) when (fault is StoreUnavailableException or InvalidOperationException or KeyNotFoundException)
        {
            // Never opened, or under an id that cannot be read.
        }
    }

    private async Task CloseAsync(PointInTime pit)
    {
        if (await client.GiveBackAsync("_pit", JsonSerializer.SerializeToUtf8Bytes(new { id = pit.Id })) is { } fault)
        {
            Log.NotClosed(logger, fault);
        }
    }

    private async Task<ElasticsearchClient.Answer> SearchAsync(
        PointInTime pit, EventQuery query, MappedIndices indices, int size, long? since, string? after, CancellationToken cancellationToken)
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
                    filter = (object[])
                    [
                        new
                        {
                            terms = new Dictionary<string, string[]>(StringComparer.Ordinal) { ["source.ip"] = Spellings(query.Address) },
                        },
                        .. Within(query.Window, indices) is { } window ? [window] : Array.Empty<object>(),
                        .. since is { } time ? Since(time, indices) : [],
                        .. query.IngestedAfter is { } ingestedAfter ? IngestedSince(ingestedAfter, indices) : [],
                    ],
                },
            });
            json.WritePropertyName("sort");
            json.WriteRawValue("""[{"@timestamp":{"order":"asc","numeric_type":"date","unmapped_type":"date"}},{"_shard_doc":"asc"}]""");
            if (after is not null)
            {
                json.WritePropertyName("search_after");
                json.WriteRawValue(after);
            }

            json.WritePropertyName("_source");
            JsonSerializer.Serialize(json, EventDocument.Paths.Append(EventWriter.ProvenanceField + ".*"));
            json.WritePropertyName("fields");
            JsonSerializer.Serialize(json, ColumnsOf(query.Revision).Select(path =>
                path == "@timestamp" || (path == "event.ingested" && indices.Column(path) == path)
                    ? (object)new { field = path, format = DateFormat }
                    : path));
            json.WriteEndObject();
        }

        var answer = await client.SendAsync(
            HttpMethod.Post, "_search?allow_partial_search_results=false", body.WrittenSpan.ToArray(), cancellationToken);
        pit.Id = answer.Root.TryGetProperty("pit_id", out var id) ? id.GetString()! : pit.Id;
        if (answer.Root.GetProperty("timed_out").GetBoolean() || answer.Root.GetProperty("_shards").GetProperty("failed").GetInt32() > 0)
        {
            answer.Dispose();
            throw new StoreUnavailableException(
                "Elasticsearch could search only some of the shards, so events would be missing. Try again.");
        }

        return answer;
    }

    /// <summary>
    /// The filter of a window, in whole milliseconds, as ES|QL compares; null where the window has no bound. A bound is left out where a
    /// cluster cannot read its time, or an index that keeps nanoseconds cannot express it.
    /// </summary>
    internal static object? Within(TimeWindow window, MappedIndices indices)
    {
        var bounds = new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = DateFormat };
        var (least, most) = TimesOf(indices);
        if (window.From > TimeWindow.All.From && window.From >= least)
        {
            bounds["gte"] = ElasticsearchEventStore.Iso(Math.Min(window.From + 1, most));
        }

        if (window.To < EcsTime.Latest && window.To <= most)
        {
            bounds["lt"] = ElasticsearchEventStore.Iso(Math.Max(window.To + 1, least));
        }

        return bounds.Count > 1 ? InRange("@timestamp", bounds) : null;
    }

    private static object InRange(string path, object bounds) =>
        new { range = new Dictionary<string, object>(StringComparer.Ordinal) { [path] = bounds } };

    private static object Lacks(string path, params object[] filter) =>
        new { @bool = new { must_not = new { exists = new { field = path } }, filter } };

    private static object EitherOf(params object[] should) => new { @bool = new { should } };

    /// <summary>The times that all indices can compare with: nanoseconds in 64 bits are of 1970 to 2262.</summary>
    private static (long Least, long Most) TimesOf(MappedIndices indices) => indices.Column("@timestamp") == "@timestamp"
        ? (EcsTime.Earliest, EcsTime.Latest)
        : (0, long.MaxValue / NanosecondsPerMillisecond);

    /// <summary>Spares the reading of events of earlier times. A document without a time is the latest there is.</summary>
    private static object[] Since(long time, MappedIndices indices)
    {
        var (least, most) = TimesOf(indices);
        var bound = new { gte = ElasticsearchEventStore.Iso(Math.Min(time, most)), format = DateFormat };
        return time < least ? [] : [EitherOf(InRange("@timestamp", bound), Lacks("@timestamp"))];
    }

    /// <summary>Spares the reading of events that were ingested before; which they are exactly is told when they are read.</summary>
    private static object[] IngestedSince(long time, MappedIndices indices)
    {
        // Where some index maps it as anything but a date, the search could not compare.
        const string Path = "event.ingested";
        var (least, most) = TimesOf(indices);
        var bound = new { gte = ElasticsearchEventStore.Iso(Math.Min(time, most)), format = DateFormat };
        return time < least || indices.Column(Path) != Path
            ? []
            : [EitherOf(InRange(Path, bound), Lacks(Path, InRange("@timestamp", bound)))];
    }

    private static IEnumerable<string> ColumnsOf(RuleRevision revision) =>
        EsqlQuery.ConditionColumns(revision).Concat(["@timestamp", "event.ingested"]);

    /// <summary>An address mapped as such is found in any spelling; where it is mapped as text, only as it was written.</summary>
    private static string[] Spellings(SourceAddress address)
    {
        var canonical = address.ToString();
        return address.IsIPv4 ? [canonical, "::ffff:" + canonical] : [canonical, canonical.ToUpperInvariant()];
    }

    private static long TotalOf(ElasticsearchClient.Answer answer) =>
        answer.Root.GetProperty("hits").GetProperty("total").GetProperty("value").GetInt64();

    /// <summary>A point in time; every search may give it another id.</summary>
    private sealed class PointInTime
    {
        public required string Id { get; set; }
    }

    /// <summary>A place in the order of events, and how many events of the window came before it when the cursor was made.</summary>
    internal readonly record struct Place(long Timestamp, string Id, string Index, long Before)
    {
        public int Compare(Place other) => Timestamp != other.Timestamp ? Timestamp.CompareTo(other.Timestamp)
            : string.CompareOrdinal(Id, other.Id) is not 0 and var byId ? byId
            : string.CompareOrdinal(Index, other.Index);

        public string ToCursor(EventQuery query) =>
            EventCursor.Write(query, string.Create(CultureInfo.InvariantCulture, $"{Timestamp}\n{Before}\n{Index}\n{Id}"));
    }

    /// <summary>
    /// Collects hits in the order of their times until one more is there than the page holds and no earlier one can follow.
    /// </summary>
    private sealed class Page(EventReaderOptions readerOptions, EventQuery query, Place? start)
    {
        private readonly EventReader _reader = new(readerOptions) { TrustsDataset = true };
        private readonly HashSet<string> _columns = new(ColumnsOf(query.Revision), StringComparer.Ordinal);
        private readonly List<(Place Place, EventDocument Document, int Bytes)> _events = [];
        private int _settled;
        private int _length = query.Limit;
        private long _settledBytes;
        private long _latestBytes;
        private long _newest = long.MinValue;

        /// <summary>How many events of the window come before those of the page.</summary>
        public long Before { get; set; }

        public bool IsFull => _settled > _length;

        public void Add(JsonElement hit)
        {
            if (IsFull)
            {
                return;
            }

            var place = new Place(
                hit.GetProperty("sort")[0].GetInt64(),
                hit.GetProperty("_id").GetString()!,
                hit.GetProperty("_index").GetString()!,
                0);
            if (place.Timestamp != _newest)
            {
                Settle();
                _newest = place.Timestamp;
            }

            if (place.Compare(start ?? place) < 0)
            {
                Before++;
            }
            else if (Read(hit, place) is { } document)
            {
                var bytes = hit.TryGetProperty("_source", out var source) ? JsonMarshal.GetRawUtf8Value(source).Length : 0;
                _events.Add((place, document, bytes));
                _latestBytes += bytes;
                if (_events.Count > _settled + (2 * (query.Limit + 1)) || _latestBytes > 2 * query.MaxBytes)
                {
                    SortLatest();
                    var kept = Math.Min(_length + 1, _events.Count);
                    _events.RemoveRange(kept, _events.Count - kept);
                }
            }
        }

        /// <summary>What was collected, once all hits are added.</summary>
        /// <param name="total">How many events the window holds.</param>
        /// <param name="incomplete">Why the cluster could not look at all; nothing where it could.</param>
        public EventPage ToEventPage(long total, List<Warning> incomplete)
        {
            Settle();
            var late = query.IsOfAll && start is { } place ? Before - place.Before : 0;
            var next = _events.Count > _length
                ? (_events[_length].Place with { Before = Before + _length }).ToCursor(query)
                : null;
            var page = _events.Take(_length).ToList();
            return new EventPage(page.ConvertAll(static each => each.Document), query.IsOfAll ? total : null, next)
            {
                Bytes = page.Sum(static each => (long)each.Bytes),
                Warnings = late > 0 ? [.. incomplete, Warning.LateEvents(late)] : incomplete,
                IsPartial = incomplete.Count > 0,
            };
        }

        /// <summary>The events so far are of earlier times than all that follow.</summary>
        private void Settle()
        {
            _settledBytes += SortLatest();
            _settled = _events.Count;
        }

        /// <summary>Puts the events of the latest time in order, and finds where the page ends if none of them is missing.</summary>
        /// <returns>How many bytes those of them have that are on the page.</returns>
        private long SortLatest()
        {
            _latestBytes = 0;
            _events.Sort(
                _settled,
                _events.Count - _settled,
                Comparer<(Place Place, EventDocument, int)>.Create((left, right) => left.Place.Compare(right.Place)));
            if (_settledBytes >= query.MaxBytes)
            {
                return 0;
            }

            _length = query.Limit;
            long bytes = 0;
            for (var i = _settled; i < Math.Min(_events.Count, query.Limit); i++)
            {
                bytes += _events[i].Bytes;
                if (_settledBytes + bytes >= query.MaxBytes)
                {
                    _length = i + 1;
                    break;
                }
            }

            return bytes;
        }

        /// <summary>The event of a hit, or null where it is not asked for.</summary>
        private EventDocument? Read(JsonElement hit, Place place)
        {
            var utf8 = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(utf8))
            {
                WriteAsIndexed(json, hit, place);
            }

            if (_reader.Read(utf8.WrittenMemory, 0, null, out var record) is { } unreadable)
            {
                // The cluster sorts a document without a time as the latest there is, and has years that no answer can show.
                return query.CountedOnly
                    ? null
                    : new EventDocument
                    {
                        Timestamp = EcsTime.ToDateTime(Math.Clamp(place.Timestamp, EcsTime.Earliest, EcsTime.Latest)),
                        Id = place.Id,
                        Index = place.Index,
                        Message = $"The document cannot be shown: {unreadable.Message}",
                    };
            }

            var isAskedFor = (!query.CountedOnly || record.Classification.IsKeptBy(query.Revision))
                && !(record.Ingested < query.IngestedAfter);
            return isAskedFor ? EventDocument.From(record, query.Revision) : null;
        }

        /// <summary>
        /// The source for what is shown, the index for what the rule tests, so that an event counts here as it does in ES|QL.
        /// </summary>
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
                    json.WriteRawValue(JsonMarshal.GetRawUtf8Value(value), skipInputValidation: true);
                    break;
            }
        }

        private static string? Text(JsonElement from, string name) =>
            from.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String or JsonValueKind.Number
                ? value.ToString()
                : null;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A point in time could not be closed; the cluster drops it when its keep-alive ends")]
        public static partial void NotClosed(ILogger logger, Exception exception);
    }
}
