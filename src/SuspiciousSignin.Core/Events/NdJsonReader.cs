using System.Buffers;
using System.Text.Unicode;
using SuspiciousSignin.Formats;

namespace SuspiciousSignin.Events;

/// <summary>
/// Reads the lines of a body as they arrive into a batch: an event in each, or an action and an event by turns, as in a bulk dump.
/// </summary>
/// <param name="options">The bounds.</param>
/// <param name="batch">Where the events go.</param>
/// <param name="parallelBytes">From how many bytes on lines are read by several cores; 0 for one core always.</param>
internal sealed class NdJsonReader(EventReaderOptions options, EventBatch batch, int parallelBytes)
{
    private const int PieceBytes = 64 * 1024;

    private readonly DocumentReader _reader = new(options, batch);
    private BulkActionLine? _action;
    private bool _hasActions;
    private int _line;
    private bool _inOverlongLine;

    /// <summary>Reads the lines that have arrived; gives what is left of them.</summary>
    /// <param name="buffer">What was left, and what came since.</param>
    /// <param name="isCompleted">Whether nothing more will come.</param>
    public async ValueTask<ReadOnlySequence<byte>> ReadAsync(ReadOnlySequence<byte> buffer, bool isCompleted)
    {
        if (parallelBytes > 0 && buffer.Length >= parallelBytes && !_hasActions && !_inOverlongLine)
        {
            buffer = await ReadLinesInParallelAsync(buffer);
        }

        ReadLines(ref buffer, isCompleted);
        return buffer;
    }

    /// <summary>Why a body that has been read to its end is no NDJSON; null where it is.</summary>
    public BodyRefusal? CheckWhole() =>
        batch.Received == batch.MalformedTotal && !batch.HasEnvelopes
            ? new BodyRefusal(400, batch.Received == 0
                ? "The body is empty: expected one event (a JSON object) per line."
                : "No line of the body is JSON: expected one event (a JSON object) per line. For a JSON array send application/json.")
            : null;

    /// <summary>
    /// Reads the whole lines of the buffer in as many parts as there are readers; gives what is left. What a reader of an earlier part
    /// leaves open, the action of a bulk dump whose document is in the next part, makes the later parts void: they are left.
    /// </summary>
    private async Task<ReadOnlySequence<byte>> ReadLinesInParallelAsync(ReadOnlySequence<byte> buffer)
    {
        var parts = new List<(NdJsonReader Reader, EventBatch Batch, Task Read, ReadOnlySequence<byte> Left)>();
        var share = Math.Max(1, buffer.Length / options.Readers);
        for (var rest = buffer;
            parts.Count < options.Readers && rest.Length >= share && rest.Slice(share - 1).PositionOf((byte)'\n') is { } end;)
        {
            var (part, lines) = (new EventBatch(), rest.Slice(0, rest.GetPosition(1, end)));
            var reader = new NdJsonReader(options, part, parallelBytes: 0);
            rest = rest.Slice(lines.End);
            parts.Add((reader, part, Task.Run(() => reader.ReadLines(ref lines, isCompleted: false)), rest));
        }

        await Task.WhenAll(parts.Select(part => part.Read));
        foreach (var (reader, part, _, left) in parts)
        {
            batch.Add(part, _line);
            _line += reader._line;
            (_action, _hasActions, buffer) = (reader._action, reader._hasActions, left);
            if (_hasActions || batch.Received > options.MaxEvents)
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
            if (batch.Received > options.MaxEvents)
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
                    "The body ends with an action line; the document that belongs in the next line is missing.",
                    RejectionCodes.UnknownShape);
            }
        }
        else if (JsonBytes.IsLongerThan(buffer, options.MaxEventBytes))
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
        while (batch.Received <= options.MaxEvents && span[read..].IndexOf((byte)'\n') is >= 0 and var length)
        {
            if (_inOverlongLine || _action is not null || length > options.MaxEventBytes
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
        if (_inOverlongLine || JsonBytes.IsLongerThan(line, options.MaxEventBytes))
        {
            (_inOverlongLine, _action) = (false, null);
            batch.Reject(RejectedEvent.TooLarge(batch.Received, _line, options.MaxEventBytes));
            return;
        }

        if (JsonBytes.IsBlank(line))
        {
            batch.BlankLines++;
            return;
        }

        if (_action is null && BulkActionLine.Read(line) is { } action)
        {
            (batch.HasEnvelopes, _hasActions) = (true, true);
            if (!action.HasDocument)
            {
                RejectAction("A delete action has no document.");
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
            RejectAction("An update action holds a part of a document, which cannot be judged.");
        }
        else
        {
            _reader.Read(line, _line, action?.Identity ?? default);
        }
    }

    private void RejectAction(string message, string code = RejectionCodes.UnsupportedAction) => batch.Reject(new RejectedEvent
    {
        Index = batch.Received,
        Line = _line,
        Pointer = "",
        Code = code,
        Message = message,
    });
}
