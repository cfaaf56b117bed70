using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using SuspiciousSignin.Formats;

namespace SuspiciousSignin.Events;

/// <summary>What a line of a bulk request asks for.</summary>
public enum BulkAction
{
    /// <summary>Add the document, or replace the one of the same <c>_id</c>.</summary>
    Index,

    /// <summary>Add the document unless there is one of the same <c>_id</c>.</summary>
    Create,

    /// <summary>Change a document: not carried out here.</summary>
    Update,

    /// <summary>Remove a document: not carried out here.</summary>
    Delete,
}

/// <summary>One action of a bulk request.</summary>
/// <param name="Action">What was asked for.</param>
/// <param name="Index">Where to, in the caller's words.</param>
/// <param name="Id">The <c>_id</c>, where the caller gave one.</param>
/// <param name="FirstEvent">The place of its first event in <see cref="BulkBatch.Events"/>.</param>
/// <param name="EventCount">How many events it has: none where it was rejected.</param>
/// <param name="Rejected">Why it, or an event of it, was rejected.</param>
public readonly record struct BulkItem(
    BulkAction Action, string Index, string? Id, int FirstEvent, int EventCount, RejectedEvent? Rejected);

/// <summary>A bulk request as read.</summary>
/// <param name="Items">Its actions, in order.</param>
/// <param name="Batch">The batch of their events.</param>
/// <param name="NamesPipeline">Whether an action wants a pipeline to work on its document; none will.</param>
public sealed record BulkBatch(IReadOnlyList<BulkItem> Items, EventBatch Batch, bool NamesPipeline)
{
    /// <summary>The events of those actions that have one.</summary>
    public IReadOnlyList<EventRecord> Events => Batch.Events;
}

/// <summary>
/// Reads the body of an Elasticsearch bulk request as it arrives, line by line: an action, then for all but <c>delete</c> a document. The
/// documents are read as those of any batch; a bad one is rejected alone. A line of action that cannot be read ends the request, since what
/// follows cannot be told apart any more.
/// </summary>
public sealed class BulkReader
{
    /// <summary>Elasticsearch's own bound, <c>IndexRequest.MAX_DOCUMENT_ID_LENGTH_IN_BYTES</c>.</summary>
    private const int MaxIdBytes = 512;

    /// <summary>Elasticsearch's own bound on the names of indices.</summary>
    private const int MaxIndexBytes = 255;

    /// <summary>
    /// The parameters of an action: what the API description lists, and what older clients still send. None has a meaning here but the
    /// first three.
    /// </summary>
    internal static readonly string[] Parameters =
    [
        "_index", "_id", "op_type", "routing", "version", "version_type", "if_seq_no", "if_primary_term", "require_alias",
        "require_data_stream", "pipeline", "dynamic_templates", "list_executed_pipelines", "retry_on_conflict", "_type", "_routing",
        "_version", "_version_type", "_parent", "parent", "_retry_on_conflict", "timestamp", "ttl",
    ];

    private readonly EventReaderOptions _options;
    private readonly DocumentReader? _reader;
    private readonly string? _defaultIndex;
    private readonly List<BulkItem> _items = [];
    private readonly EventBatch _batch = new();
    private (BulkAction Action, string Index, string? Id)? _pending;
    private string _latestIndex = "";
    private bool _inOverlongLine;
    private bool _namesPipeline;
    private int _line;

    private BulkReader(EventReaderOptions options, string? defaultIndex, bool readDocuments) =>
        (_options, _defaultIndex, _reader) = (options, defaultIndex, readDocuments ? new DocumentReader(options, _batch) : null);

    /// <summary>Reads a body to its end.</summary>
    /// <param name="body">The body, decompressed.</param>
    /// <param name="defaultIndex">The index of actions that name none; null where the request names none either.</param>
    /// <param name="options">The bounds.</param>
    /// <param name="readDocuments">False to read the actions only, for a request that is not going to be carried out.</param>
    /// <returns>The actions, or why the body was refused; exactly one of the two.</returns>
    public static async Task<(BulkBatch? Batch, BodyRefusal? Refusal)> ReadAsync(
        PipeReader body,
        string? defaultIndex,
        EventReaderOptions options,
        bool readDocuments = true,
        CancellationToken cancellationToken = default)
    {
        var reader = new BulkReader(options, defaultIndex, readDocuments);
        var refusal = await reader.ReadBodyAsync(body, cancellationToken);
        return refusal is null ? (new BulkBatch(reader._items, reader._batch, reader._namesPipeline), null) : (null, refusal);
    }

    private async Task<BodyRefusal?> ReadBodyAsync(PipeReader body, CancellationToken cancellationToken)
    {
        var (total, wanted) = (0L, 0L);
        while (true)
        {
            var result = await BodyPipe.ReadAsync(body, wanted, cancellationToken);
            var buffer = result.Buffer;
            var unread = buffer.Length;
            var refusal = ReadLines(ref buffer);
            total += unread - buffer.Length;
            wanted = Math.Min(2 * buffer.Length, _options.MaxEventBytes + 2L);
            if (refusal is null && total + buffer.Length > _options.MaxBodyBytes)
            {
                refusal = BodyRefusal.TooLong(_options.MaxBodyBytes);
            }

            var isWhole = buffer.IsEmpty && !_inOverlongLine;
            body.AdvanceTo(buffer.Start, buffer.End);
            if (refusal is not null || result.IsCompleted)
            {
                return refusal ?? CheckWhole(total, isWhole);
            }
        }
    }

    private BodyRefusal? CheckWhole(long total, bool endsWithNewline)
    {
        if (total == 0 && endsWithNewline)
        {
            return new BodyRefusal(400, "The body is empty: expected a line of action, then a line with the document.");
        }

        if (!endsWithNewline)
        {
            return new BodyRefusal(
                400,
                "The bulk request must be terminated by a newline [\\n]. It may have been cut short; nothing of it was stored.");
        }

        return _pending is not null
            ? new BodyRefusal(
                400,
                $"The document of the action in line {_line} is missing: it belongs in the next line. Nothing of the request was stored.")
            : _items.Count == 0 ? new BodyRefusal(400, "The body holds no action.") : null;
    }

    private BodyRefusal? ReadLines(ref ReadOnlySequence<byte> buffer)
    {
        while (buffer.PositionOf((byte)'\n') is { } end)
        {
            var line = buffer.Slice(0, end);
            buffer = buffer.Slice(buffer.GetPosition(1, end));
            if (ReadLine(line) is { } refusal)
            {
                return refusal;
            }
        }

        if (JsonBytes.IsLongerThan(buffer, _options.MaxEventBytes))
        {
            // An overlong line is dropped as it arrives, and told once it ends.
            _inOverlongLine = true;
            buffer = buffer.Slice(buffer.End);
        }

        return null;
    }

    private BodyRefusal? ReadLine(in ReadOnlySequence<byte> line)
    {
        _line++;
        var isTooLong = _inOverlongLine || JsonBytes.IsLongerThan(line, _options.MaxEventBytes);
        _inOverlongLine = false;
        if (_pending is { } pending)
        {
            _pending = null;
            ReadDocument(pending.Action, pending.Index, pending.Id, line, isTooLong);
            return _batch.CheckCounts(_options.MaxEvents);
        }

        if (isTooLong)
        {
            return Malformed($"it is longer than {_options.MaxEventBytes} bytes");
        }

        if (JsonBytes.IsBlank(line))
        {
            _batch.BlankLines++;
            return _batch.CheckCounts(_options.MaxEvents);
        }

        if (_items.Count == _options.MaxEvents)
        {
            return BodyRefusal.TooManyEvents(_options.MaxEvents);
        }

        return ReadAction(line);
    }

    private void ReadDocument(BulkAction action, string index, string? id, in ReadOnlySequence<byte> line, bool isTooLong)
    {
        var rejected = WhyNotCarriedOut(action, id)
            ?? (isTooLong ? RejectedEvent.TooLarge(_items.Count, _line, _options.MaxEventBytes) : null);
        if (rejected is not null || _reader is null)
        {
            AddWithoutEvents(action, index, id, rejected);
            return;
        }

        var (first, rejectedBefore) = (_batch.Events.Count, _batch.RejectedTotal);
        _reader.Read(line, _line, new DocumentIdentity(id, index));
        rejected = _batch.RejectedTotal > rejectedBefore ? _batch.LatestRejected : null;
        _items.Add(new BulkItem(action, index, id, first, _batch.Events.Count - first, rejected));
    }

    private void AddWithoutEvents(BulkAction action, string index, string? id, RejectedEvent? rejected)
    {
        _items.Add(new BulkItem(action, index, id, 0, 0, rejected));
        if (rejected is not null)
        {
            _batch.Reject(rejected);
        }
    }

    private RejectedEvent? WhyNotCarriedOut(BulkAction action, string? id)
    {
        if (action is BulkAction.Update or BulkAction.Delete)
        {
            return Reject(RejectionCodes.UnsupportedAction, "Events are added and never changed: only index and create are carried out.");
        }

        return id is not null && (id.Length == 0 || Encoding.UTF8.GetByteCount(id) > MaxIdBytes)
            ? Reject(RejectionCodes.InvalidId, $"An _id has 1 to {MaxIdBytes} bytes.")
            : null;
    }

    private RejectedEvent Reject(string code, string message) =>
        new() { Index = _items.Count, Line = _line, Pointer = "", Code = code, Message = message };

    private BodyRefusal? ReadAction(in ReadOnlySequence<byte> line)
    {
        try
        {
            var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = 16 });
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                return Malformed("expected an object such as {\"create\":{}}");
            }

            reader.Read();
            BulkAction? named = reader.TokenType != JsonTokenType.PropertyName ? null
                : reader.ValueTextEquals("index"u8) ? BulkAction.Index
                : reader.ValueTextEquals("create"u8) ? BulkAction.Create
                : reader.ValueTextEquals("update"u8) ? BulkAction.Update
                : reader.ValueTextEquals("delete"u8) ? BulkAction.Delete
                : null;
            if (named is not { } action)
            {
                return Malformed("expected one of the actions index, create, update and delete");
            }

            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                return Malformed("expected an object after the action");
            }

            if (ReadMetadata(ref reader, ref action, out var index, out var id) is { } refusal)
            {
                return refusal;
            }

            if (!reader.Read() || reader.TokenType != JsonTokenType.EndObject)
            {
                return Malformed("expected one action per line");
            }

            // Anything after the object ends in a JsonException.
            reader.Read();
            return Begin(action, index ?? _defaultIndex, id);
        }
        catch (JsonException)
        {
            return Malformed("it is not valid JSON");
        }
        catch (InvalidOperationException)
        {
            // What Utf8JsonReader throws for text that is not UTF-8, or an escaped lone surrogate.
            return Malformed("a string in it is not valid text");
        }
    }

    /// <summary>Reads the parameters of an action, to the end of their object.</summary>
    private BodyRefusal? ReadMetadata(ref Utf8JsonReader reader, ref BulkAction action, out string? index, out string? id)
    {
        (index, id) = (null, null);
        var seen = 0U;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (IndexOfKnownKey(ref reader) is not (>= 0 and var known))
            {
                return Malformed("it holds a parameter that bulk actions do not have");
            }

            var key = Parameters[known];
            if ((seen & (1U << known)) != 0)
            {
                return Malformed($"it gives {key} twice");
            }

            seen |= 1U << known;
            reader.Read();
            _namesPipeline |= key == "pipeline" && reader.TokenType == JsonTokenType.String && !reader.ValueTextEquals("_none"u8);
            if (key is "_index" or "_id" or "op_type")
            {
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                {
                    return Malformed($"{key} is text");
                }

                var value = TextOrNull(ref reader);
                (index, id) = key switch { "_index" => (value, id), "_id" => (index, value), _ => (index, id) };
                action = key == "op_type" && value == "create" && action == BulkAction.Index ? BulkAction.Create : action;
            }

            reader.Skip();
        }

        return null;
    }

    private BodyRefusal? Begin(BulkAction action, string? index, string? id)
    {
        if (string.IsNullOrEmpty(index))
        {
            return Malformed("_index is missing, in it and in the path of the request");
        }

        if (Encoding.UTF8.GetByteCount(index) > MaxIndexBytes)
        {
            return Malformed($"_index is longer than {MaxIndexBytes} bytes");
        }

        // Most requests name one index throughout: keep one string of it.
        index = _latestIndex = index == _latestIndex ? _latestIndex : index;
        if (action == BulkAction.Delete)
        {
            AddWithoutEvents(action, index, id, WhyNotCarriedOut(action, id));
        }
        else
        {
            _pending = (action, index, id);
        }

        return null;
    }

    private static int IndexOfKnownKey(ref Utf8JsonReader reader)
    {
        for (var i = 0; i < Parameters.Length; i++)
        {
            if (reader.ValueTextEquals(Parameters[i]))
            {
                return i;
            }
        }

        return -1;
    }

    private static string? TextOrNull(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.String => reader.GetString(),
        _ => Encoding.UTF8.GetString(reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan),
    };

    private BodyRefusal Malformed(string why) =>
        new(400, $"Malformed action/metadata line [{_line}]: {why}. Nothing of the request was stored.");
}
