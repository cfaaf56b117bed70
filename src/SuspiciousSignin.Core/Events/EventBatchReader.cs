using System.Buffers;
using System.IO.Pipelines;

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

    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private readonly EventReaderOptions _options;
    private readonly EventBatch _batch = new();
    private readonly int _parallelBytes;

    // One of the two reads the body.
    private readonly NdJsonReader? _lines;
    private readonly JsonBodyReader? _json;

    private EventBatchReader(BatchFormat format, EventReaderOptions options, int parallelBytes)
    {
        _options = options;
        if (format == BatchFormat.NdJson)
        {
            _parallelBytes = options.Readers > 1 ? parallelBytes : 0;
            _lines = new NdJsonReader(options, _batch, _parallelBytes);
        }
        else
        {
            _json = new JsonBodyReader(options, _batch);
        }
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
        var reader = new EventBatchReader(format, options, parallelBytes);
        var refusal = await reader.ReadBodyAsync(body, cancellationToken);
        return refusal is null ? (reader._batch, null) : (null, refusal);
    }

    private async Task<BodyRefusal?> ReadBodyAsync(PipeReader body, CancellationToken cancellationToken)
    {
        var (total, isStart, wanted) = (0L, true, (long)ByteOrderMark.Length);
        while (true)
        {
            var result = await BodyPipe.ReadAsync(body, wanted, cancellationToken);
            var buffer = result.Buffer;
            if (isStart && StartsWithByteOrderMark(buffer))
            {
                buffer = buffer.Slice(ByteOrderMark.Length);
            }

            isStart = false;
            var unread = buffer.Length;
            var refusal = _json?.Read(ref buffer, result.IsCompleted);
            if (_lines is not null)
            {
                buffer = await _lines.ReadAsync(buffer, result.IsCompleted);
            }

            total += unread - buffer.Length;
            refusal ??= CheckBounds(total + buffer.Length, buffer.Length);
            wanted = Math.Max(Math.Min(2 * buffer.Length, (MaxTokenFactor * (long)_options.MaxEventBytes) + 1), _parallelBytes);
            body.AdvanceTo(buffer.Start, buffer.End);
            if (refusal is not null || result.IsCompleted)
            {
                return refusal ?? _lines?.CheckWhole();
            }
        }
    }

    private BodyRefusal? CheckBounds(long total, long pending)
    {
        if (total > _options.MaxBodyBytes)
        {
            return BodyRefusal.TooLong(_options.MaxBodyBytes);
        }

        if (_batch.CheckCounts(_options.MaxEvents) is { } refusal)
        {
            return refusal;
        }

        return pending > MaxTokenFactor * (long)_options.MaxEventBytes
            ? new BodyRefusal(413, $"A single value of the body is longer than {MaxTokenFactor * (long)_options.MaxEventBytes} bytes.")
            : null;
    }

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
}
