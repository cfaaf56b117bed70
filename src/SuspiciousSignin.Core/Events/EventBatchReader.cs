using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Unicode;
using SuspiciousSignin.Formats;

namespace SuspiciousSignin.Events;

/// <summary>How the events of a body are set apart.</summary>
public enum BatchFormat
{
    /// <summary>A JSON array of events, an envelope around one, such as <c>{"events":[...]}</c>, or one event.</summary>
    Json,

    /// <summary>One event per line, or an action line before each, as in a bulk dump.</summary>
    NdJson,
}

/// <summary>
/// Reads a body as it arrives, event by event; the body is never held as a whole. One bad event is rejected with its place and the rest
/// goes on; a body that is not JSON at all, or breaks off, is refused as a whole.
/// </summary>
public sealed class EventBatchReader
{
    /// <summary>
    /// A JSON token has to be in the buffer whole, unless it is a text within an event; another of this many times the longest event ends
    /// the request.
    /// </summary>
    private const int MaxTokenFactor = 8;

    /// <summary>From how many bytes on lines are read by several cores.</summary>
    private const int ParallelBytes = 512 * 1024;

    private const int PieceBytes = 64 * 1024;

    // What may follow in a text: anything, what a backslash escapes, or so many hexadecimal digits.
    private const int NoEscape = 0;
    private const int HexDigits = 4;
    private const int AnyEscape = -1;

    /// <summary>What may end the text of a string, or must not be in it.</summary>
    private static readonly SearchValues<byte> EndsOfText =
        SearchValues.Create([(byte)'"', (byte)'\\', .. Enumerable.Range(0, ' ').Select(character => (byte)character)]);

    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private readonly EventReaderOptions _options;
    private readonly DocumentReader _reader;
    private readonly EventBatch _batch = new();
    private Phase _phase = Phase.Start;
    private JsonReaderState _json = new(new JsonReaderOptions { MaxDepth = int.MaxValue });
    private string? _envelope;
    private bool _isIncomplete;
    private bool _isGraphPage;
    private BulkActionLine? _action;
    private int _line;
    private int _blankLines;
    private bool _inOverlongLine;
    private int _overlongDepth;
    private byte[]? _beforeLongText;
    private bool _hasPassedText;
    private int _escape;
    private bool _hasActions;
    private int _parallelBytes = int.MaxValue;

    private EventBatchReader(EventReaderOptions options)
    {
        _options = options;
        _reader = new DocumentReader(options, _batch);
    }

    private enum Phase
    {
        Start,
        Envelope,
        Events,
        OverlongEvent,
        AfterEvents,
        End,
    }

    /// <summary>Reads a body to its end.</summary>
    /// <param name="body">The body, decompressed.</param>
    /// <param name="format">How its events are set apart.</param>
    /// <param name="options">The bounds.</param>
    /// <returns>The events, or why the body was refused; exactly one of the two.</returns>
    public static Task<(EventBatch? Batch, BodyRefusal? Refusal)> ReadAsync(
        PipeReader body,
        BatchFormat format,
        EventReaderOptions options,
        CancellationToken cancellationToken = default) => ReadAsync(body, format, options, ParallelBytes, cancellationToken);

    /// <summary>Reads a body to its end; lines on several cores from so many bytes on.</summary>
    internal static async Task<(EventBatch? Batch, BodyRefusal? Refusal)> ReadAsync(
        PipeReader body, BatchFormat format, EventReaderOptions options, int parallelBytes, CancellationToken cancellationToken)
    {
        var reader = new EventBatchReader(options)
        {
            _parallelBytes = format == BatchFormat.NdJson && options.Readers > 1 ? parallelBytes : int.MaxValue,
        };
        var refusal = await reader.ReadBodyAsync(body, format, cancellationToken);
        return refusal is null ? (reader._batch, null) : (null, refusal);
    }

    private async Task<BodyRefusal?> ReadBodyAsync(PipeReader body, BatchFormat format, CancellationToken cancellationToken)
    {
        var (total, isStart, wanted) = (0L, true, 0L);
        while (true)
        {
            var result = await body.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            // What broke off is read anew once there is twice as much of it: a value that comes in many small pieces, as decompressed
            // bodies do, would else be read from its start with each of them.
            if (!result.IsCompleted && buffer.Length < Math.Max(wanted, isStart ? ByteOrderMark.Length : 0))
            {
                body.AdvanceTo(buffer.Start, buffer.End);
                continue;
            }

            if (isStart && StartsWithByteOrderMark(buffer))
            {
                buffer = buffer.Slice(ByteOrderMark.Length);
            }

            isStart = false;
            var unread = buffer.Length;
            if (buffer.Length >= _parallelBytes && !_hasActions && !_inOverlongLine)
            {
                buffer = await ReadLinesInParallelAsync(buffer);
            }

            BodyRefusal? refusal = null;
            if (format == BatchFormat.NdJson)
            {
                ReadLines(ref buffer, result.IsCompleted);
            }
            else
            {
                refusal = ReadJson(ref buffer, result.IsCompleted);
            }

            total += unread - buffer.Length;
            refusal ??= CheckBounds(total + buffer.Length, buffer.Length);
            wanted = Math.Min(2 * buffer.Length, (MaxTokenFactor * (long)_options.MaxEventBytes) + 1);
            wanted = _parallelBytes < int.MaxValue ? Math.Max(wanted, _parallelBytes) : wanted;
            body.AdvanceTo(buffer.Start, buffer.End);
            if (refusal is not null || result.IsCompleted)
            {
                _batch.IncompleteEnvelopes += _isIncomplete ? 1 : 0;
                return refusal ?? CheckWhole(format);
            }
        }
    }

    private BodyRefusal? CheckBounds(long total, long pending)
    {
        if (total > _options.MaxBodyBytes)
        {
            return BodyRefusal.TooLong(_options.MaxBodyBytes);
        }

        if (_batch.CheckCounts(_blankLines, _options.MaxEvents) is { } refusal)
        {
            return refusal;
        }

        return pending > MaxTokenFactor * (long)_options.MaxEventBytes
            ? new BodyRefusal(413, $"A single value of the body is longer than {MaxTokenFactor * (long)_options.MaxEventBytes} bytes.")
            : null;
    }

    private BodyRefusal? CheckWhole(BatchFormat format) =>
        format == BatchFormat.NdJson && _batch.Received == _batch.MalformedTotal && !_batch.HasEnvelopes
            ? new BodyRefusal(400, _batch.Received == 0
                ? "The body is empty: expected one event (a JSON object) per line."
                : "No line of the body is JSON: expected one event (a JSON object) per line. For a JSON array send application/json.")
            : null;

    private static bool StartsWithByteOrderMark(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.Length < ByteOrderMark.Length)
        {
            return false;
        }

        Span<byte> start = stackalloc byte[ByteOrderMark.Length];
        buffer.Slice(0, ByteOrderMark.Length).CopyTo(start);
        return start.SequenceEqual(ByteOrderMark);
    }

    /// <summary>
    /// Reads the whole lines of the buffer in as many parts as there are readers; gives what is left. What a reader of an earlier part
    /// leaves open, the action of a bulk dump whose document is in the next part, makes the later parts void: they are left.
    /// </summary>
    private async Task<ReadOnlySequence<byte>> ReadLinesInParallelAsync(ReadOnlySequence<byte> buffer)
    {
        var parts = new List<(EventBatchReader Reader, Task Read, ReadOnlySequence<byte> Left)>();
        var share = Math.Max(1, buffer.Length / _options.Readers);
        for (var rest = buffer;
            parts.Count < _options.Readers && rest.Length >= share && rest.Slice(share - 1).PositionOf((byte)'\n') is { } end;)
        {
            var (reader, lines) = (new EventBatchReader(_options), rest.Slice(0, rest.GetPosition(1, end)));
            rest = rest.Slice(lines.End);
            parts.Add((reader, Task.Run(() => reader.ReadLines(ref lines, isCompleted: false)), rest));
        }

        await Task.WhenAll(parts.Select(part => part.Read));
        foreach (var (reader, _, left) in parts)
        {
            _batch.Add(reader._batch, _line);
            (_line, _blankLines) = (_line + reader._line, _blankLines + reader._blankLines);
            (_action, _hasActions, buffer) = (reader._action, reader._hasActions, left);
            if (_hasActions || _batch.Received > _options.MaxEvents)
            {
                break;
            }
        }

        return buffer;
    }

    private void ReadLines(ref ReadOnlySequence<byte> buffer, bool isCompleted)
    {
        while (true)
        {
            // Lines that lie in one piece of the buffer, as most do, need none of the bookkeeping of sequences. Pieces are looked at in
            // parts that the processor's cache holds until they are read.
            var piece = buffer.First[..Math.Min(buffer.First.Length, PieceBytes)];
            var isLast = buffer.Length == piece.Length;
            buffer = buffer.Slice(ReadLinesOf(piece));
            if (_batch.Received > _options.MaxEvents)
            {
                return;
            }

            if (isLast || buffer.PositionOf((byte)'\n') is not { } end)
            {
                break;
            }

            ReadLine(buffer.Slice(0, end));
            buffer = buffer.Slice(buffer.GetPosition(1, end));
        }

        if (isCompleted)
        {
            // What is behind the last line end is a line only where there is something.
            if (_inOverlongLine || !buffer.IsEmpty)
            {
                ReadLine(buffer);
                buffer = buffer.Slice(buffer.End);
            }

            if (_action is not null)
            {
                RejectAction(
                    _line,
                    "The body ends with an action line; the document that belongs in the next line is missing.",
                    RejectionCodes.UnknownShape);
            }
        }
        else if (JsonBytes.IsLongerThan(buffer, _options.MaxEventBytes))
        {
            // An overlong line is dropped as it arrives, and told once it ends.
            _inOverlongLine = true;
            buffer = buffer.Slice(buffer.End);
        }
    }

    /// <summary>Reads the whole lines of a piece; gives how many bytes they are.</summary>
    private int ReadLinesOf(ReadOnlyMemory<byte> piece)
    {
        var read = 0;
        var span = piece.Span;
        span = span[..(span.LastIndexOf((byte)'\n') + 1)];
        _reader.IsValidUtf8 = Utf8.IsValid(span);
        while (_batch.Received <= _options.MaxEvents && span[read..].IndexOf((byte)'\n') is >= 0 and var length)
        {
            if (_inOverlongLine || _action is not null || length > _options.MaxEventBytes
                || !BulkActionLine.IsDocument(span.Slice(read, length)))
            {
                ReadLine(new ReadOnlySequence<byte>(piece.Slice(read, length)));
            }
            else
            {
                _reader.Read(piece.Slice(read, length), ++_line);
            }

            read += length + 1;
        }

        _reader.IsValidUtf8 = false;
        return read;
    }

    private void ReadLine(ReadOnlySequence<byte> line)
    {
        _line++;
        if (_inOverlongLine || JsonBytes.IsLongerThan(line, _options.MaxEventBytes))
        {
            (_inOverlongLine, _action) = (false, null);
            RejectTooLarge(_line);
            return;
        }

        if (JsonBytes.IsBlank(line))
        {
            _blankLines++;
            return;
        }

        if (_action is null && BulkActionLine.Read(line) is { } action)
        {
            (_batch.HasEnvelopes, _hasActions) = (true, true);
            if (!action.HasDocument)
            {
                RejectAction(_line, "A delete action has no document.");
                return;
            }

            _action = action;
            return;
        }

        ReadAfterAction(line);
    }

    /// <summary>Reads the document line, with the identity that the action line before it gave.</summary>
    private void ReadAfterAction(ReadOnlySequence<byte> line)
    {
        var action = _action;
        _action = null;
        if (action is { IsPartial: true })
        {
            RejectAction(_line, "An update action holds a part of a document, which cannot be judged.");
        }
        else
        {
            _reader.Read(line, _line, action?.Identity ?? default);
        }
    }

    private void RejectAction(int line, string message, string code = RejectionCodes.UnsupportedAction) => _batch.Reject(new RejectedEvent
    {
        Index = _batch.Received,
        Line = line,
        Pointer = "",
        Code = code,
        Message = message,
    });

    private BodyRefusal? ReadJson(ref ReadOnlySequence<byte> buffer, bool isCompleted)
    {
        try
        {
            BodyRefusal? refusal;
            do
            {
                PassLongText(ref buffer);
                refusal = ReadTokens(ref buffer, isCompleted);
            }
            while (refusal is null && TryBeginLongText(ref buffer));
            if (refusal is null && isCompleted && _phase == Phase.Start)
            {
                refusal = new BodyRefusal(
                    400,
                    "The body is empty: expected a JSON array of events, or an object with the member 'events'.");
            }

            return refusal;
        }
        catch (JsonException exception)
        {
            return new BodyRefusal(
                400,
                $"The body is not valid JSON at line {(exception.LineNumber ?? 0) + 1}"
                // The reader knows nothing of the bytes that were passed over.
                + (_hasPassedText ? "" : $", byte {(exception.BytePositionInLine ?? 0) + 1}") + ". Nothing of it was stored."
                + (_phase == Phase.End ? " Send one event per line as application/x-ndjson." : ""));
        }
        catch (InvalidOperationException)
        {
            // What System.Text.Json throws for an escaped lone surrogate, here in the name of a member beside the events.
            return new BodyRefusal(
                400,
                "The name of a member escapes half of a surrogate pair, which is no character. Nothing of the body was stored.");
        }
    }

    private BodyRefusal? ReadTokens(ref ReadOnlySequence<byte> buffer, bool isCompleted)
    {
        var reader = new Utf8JsonReader(buffer, isCompleted, _json);
        var (state, consumed) = (reader.CurrentState, reader.Position);
        BodyRefusal? refusal = null;
        while (refusal is null && _batch.Received <= _options.MaxEvents && Step(ref reader, buffer, out refusal))
        {
            (state, consumed) = (reader.CurrentState, reader.Position);
        }

        (_json, buffer) = (state, buffer.Slice(consumed));
        return refusal;
    }

    /// <summary>
    /// Whether what is left begins with a text that is longer than an event may be, in an event that is too long anyway.
    /// </summary>
    private bool TryBeginLongText(ref ReadOnlySequence<byte> buffer)
    {
        if (_phase != Phase.OverlongEvent || buffer.Length <= _options.MaxEventBytes)
        {
            return false;
        }

        var bytes = new SequenceReader<byte>(buffer);
        PassSpace(ref bytes);
        if (bytes.IsNext((byte)',', advancePast: true))
        {
            PassSpace(ref bytes);
        }

        if (!bytes.IsNext((byte)'"', advancePast: true))
        {
            return false;
        }

        var before = buffer.Slice(0, bytes.Position).ToArray();
        var reader = new Utf8JsonReader([.. before, (byte)'"'], isFinalBlock: false, _json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.String)
        {
            // The name of a member, for one, is no text.
            return false;
        }

        (_beforeLongText, _hasPassedText, buffer) = (before, true, bytes.UnreadSequence);
        return true;

        static void PassSpace(ref SequenceReader<byte> bytes) => bytes.AdvancePastAny((byte)' ', (byte)'\t', (byte)'\r', (byte)'\n');
    }

    /// <summary>
    /// Passes over what there is of a long text that has begun, so that it is never held as a whole. What ends it is given to the JSON
    /// reader, for which the text was empty.
    /// </summary>
    private void PassLongText(ref ReadOnlySequence<byte> buffer)
    {
        var bytes = new SequenceReader<byte>(buffer);
        while (_beforeLongText is not null && !bytes.End)
        {
            if (_escape is not NoEscape && bytes.TryRead(out var escaped))
            {
                if (_escape == AnyEscape && (escaped == 'u' || "\"\\/bfnrt"u8.Contains(escaped)))
                {
                    _escape = escaped == 'u' ? HexDigits : NoEscape;
                }
                else if (_escape != AnyEscape && char.IsAsciiHexDigit((char)escaped))
                {
                    _escape--;
                }
                else
                {
                    EndLongText([(byte)'\\', escaped, (byte)'"']);
                }
            }
            else if (bytes.UnreadSpan.IndexOfAny(EndsOfText) is >= 0 and var end)
            {
                bytes.Advance(end);
                bytes.TryRead(out var found);
                if (found == '\\')
                {
                    _escape = AnyEscape;
                }
                else
                {
                    EndLongText([found]);
                }
            }
            else
            {
                bytes.Advance(bytes.UnreadSpan.Length);
            }
        }

        buffer = bytes.UnreadSequence;
    }

    private void EndLongText(ReadOnlySpan<byte> rest)
    {
        var reader = new Utf8JsonReader([.. _beforeLongText!, .. rest], isFinalBlock: false, _json);
        reader.Read();
        (_json, _beforeLongText) = (reader.CurrentState, null);
    }

    /// <summary>Goes one event or one structural token further; false where more bytes are needed first, or nothing is left.</summary>
    private bool Step(ref Utf8JsonReader reader, in ReadOnlySequence<byte> buffer, out BodyRefusal? refusal)
    {
        refusal = null;
        if (_phase == Phase.Start && buffer.IsEmpty)
        {
            return false;
        }

        if (!reader.Read())
        {
            return false;
        }

        switch (_phase)
        {
            case Phase.Start when reader.TokenType == JsonTokenType.StartArray:
                _phase = Phase.Events;
                return true;

            case Phase.Start when reader.TokenType == JsonTokenType.StartObject:
                return TryFindEvents(ref reader, buffer, out refusal);

            case Phase.Start:
                refusal = new BodyRefusal(400, "Expected a JSON array of events, or an object with the member 'events'.");
                return true;

            case Phase.Events when reader.TokenType == JsonTokenType.EndArray:
                _phase = _envelope is not null ? Phase.AfterEvents : Phase.End;
                return true;

            case Phase.Events:
                return TryReadEvent(ref reader, buffer);

            case Phase.OverlongEvent:
                if (reader.CurrentDepth == _overlongDepth && reader.TokenType is (JsonTokenType.EndObject or JsonTokenType.EndArray))
                {
                    RejectTooLarge(null);
                    _phase = Phase.Events;
                }

                return true;

            case Phase.AfterEvents when reader.TokenType == JsonTokenType.EndObject:
                _phase = reader.CurrentDepth == 0 ? Phase.End : Phase.AfterEvents;
                return true;

            case Phase.AfterEvents:
                return TryPassMember(ref reader, out refusal);

            default:
                return true;
        }
    }

    /// <summary>Reads the event that the reader is at the start of.</summary>
    private bool TryReadEvent(ref Utf8JsonReader reader, in ReadOnlySequence<byte> buffer)
    {
        var start = reader.TokenStartIndex;
        if (reader.TrySkip())
        {
            ReadOne(buffer.Slice(start, reader.BytesConsumed - start));
            return true;
        }

        if (buffer.Length - start <= _options.MaxEventBytes)
        {
            return false;
        }

        // Passed over token by token, so that it is never held as a whole.
        (_phase, _overlongDepth) = (Phase.OverlongEvent, reader.CurrentDepth);
        return true;
    }

    private void ReadOne(in ReadOnlySequence<byte> document)
    {
        if (document.Length > _options.MaxEventBytes)
        {
            RejectTooLarge(null);
        }
        else
        {
            _reader.Read(document, null);
        }
    }

    /// <summary>Passes over a member behind the events of an envelope, unless events would be lost with it.</summary>
    private bool TryPassMember(ref Utf8JsonReader reader, out BodyRefusal? refusal)
    {
        refusal = null;
        _isIncomplete |= reader.CurrentDepth == 1 && SaysIncomplete(reader);
        _isGraphPage |= IsOfGraph(reader);
        var isAgain = reader.ValueTextEquals(_envelope);
        var other = reader.CurrentDepth == 1 ? NameIn(Envelope.EventMembers, reader) : null;
        if (!reader.Read() || !reader.TrySkip())
        {
            return false;
        }

        // Only an array or an object could hold events.
        var wouldLose = reader.TokenType switch
        {
            JsonTokenType.EndArray => isAgain || Envelope.MayHoldEvents(other, isInHits: false, _isGraphPage),
            JsonTokenType.EndObject => isAgain || Envelope.MayHideEvents(other),
            _ => false,
        };
        refusal = wouldLose ? HoldsEventsTwice(_envelope!) : null;
        return true;
    }

    /// <summary>An object at the top is an envelope where it has an array of events, else it is one event.</summary>
    private bool TryFindEvents(ref Utf8JsonReader reader, in ReadOnlySequence<byte> buffer, out BodyRefusal? refusal)
    {
        refusal = null;
        var start = reader.TokenStartIndex;
        var (isEcs, saysIncomplete) = (false, false);
        _isGraphPage = false;
        string? emptyList = null;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.EndObject)
            {
                if (reader.CurrentDepth > 0)
                {
                    continue;
                }

                _phase = Phase.End;
                ReadOne(buffer.Slice(start, reader.BytesConsumed - start));
                return true;
            }

            // The response of a search has its hits one object deeper.
            var isInHits = reader.CurrentDepth > 1;
            _isGraphPage |= IsOfGraph(reader);
            saysIncomplete |= !isInHits && SaysIncomplete(reader);
            isEcs |= reader.ValueTextEquals("@timestamp"u8);
            var envelope = NameIn(isInHits ? Envelope.EventMembersOfHits : Envelope.EventMembers, reader);
            if (!reader.Read())
            {
                return false;
            }

            if (reader.TokenType == JsonTokenType.StartArray && !isEcs && Envelope.MayHoldEvents(envelope, isInHits, _isGraphPage))
            {
                if (emptyList is not null)
                {
                    refusal = HoldsEventsTwice(emptyList);
                    return true;
                }

                var ahead = reader;
                if (!ahead.Read())
                {
                    return false;
                }

                if (ahead.TokenType == JsonTokenType.EndArray)
                {
                    // An empty list makes no envelope of what may turn out to be an event.
                    reader = ahead;
                    emptyList = envelope;
                    continue;
                }

                (_phase, _envelope, _batch.HasEnvelopes) = (Phase.Events, envelope, true);
                _isIncomplete = saysIncomplete;
                return true;
            }

            if (envelope == Envelope.Hits && !isInHits && reader.TokenType == JsonTokenType.StartObject)
            {
                continue;
            }

            if (!reader.TrySkip())
            {
                return false;
            }
        }

        return false;
    }

    private static BodyRefusal HoldsEventsTwice(string envelope) =>
        new(400, $"The body holds events twice: after '{envelope}' comes another such member. Nothing of it was stored.");

    /// <summary>Whether the member that the reader is at says that an envelope holds less than there is.</summary>
    private static bool SaysIncomplete(Utf8JsonReader reader)
    {
        if (NameIn(Envelope.IncompleteMembers, reader) is not { } name
            || !reader.Read() || !JsonDocument.TryParseValue(ref reader, out var value))
        {
            return false;
        }

        using (value)
        {
            return Envelope.SaysIncomplete(name, value.RootElement);
        }
    }

    private static bool IsOfGraph(in Utf8JsonReader reader) => NameIn(Envelope.GraphMembers, reader) is not null;

    /// <summary>Which of the names the member has that the reader is at; null for none of them.</summary>
    private static string? NameIn(string[] names, in Utf8JsonReader reader)
    {
        foreach (var name in names)
        {
            if (reader.ValueTextEquals(name))
            {
                return name;
            }
        }

        return null;
    }

    private void RejectTooLarge(int? line) => _batch.Reject(new RejectedEvent
    {
        Index = _batch.Received,
        Line = line,
        Pointer = "",
        Code = RejectionCodes.TooLarge,
        Message = $"The event is longer than {_options.MaxEventBytes} bytes.",
    });
}
