using SuspiciousSignin.Formats;

namespace SuspiciousSignin.Events;

/// <summary>The stable codes of <see cref="RejectedEvent.Code"/>.</summary>
public static class RejectionCodes
{
    /// <summary>The line or element is not valid JSON.</summary>
    public const string MalformedJson = "malformedJson";

    /// <summary>Invalid UTF-8, or half of a surrogate pair.</summary>
    public const string InvalidText = "invalidText";

    /// <summary>The element is no JSON object.</summary>
    public const string NotAnObject = "notAnObject";

    /// <summary>The document nests too deep.</summary>
    public const string TooDeep = "tooDeep";

    /// <summary>The document is too large.</summary>
    public const string TooLarge = "tooLarge";

    /// <summary>An object holds a key twice.</summary>
    public const string DuplicateKey = "duplicateKey";

    /// <summary>Neither ECS nor a raw record of a known shape.</summary>
    public const string UnknownShape = "unknownShape";

    /// <summary>No <c>@timestamp</c>, or none of the times that the record's shape has.</summary>
    public const string MissingTimestamp = "missingTimestamp";

    /// <summary>A date that is none, or several dates.</summary>
    public const string InvalidTimestamp = "invalidTimestamp";

    /// <summary>An object where the rule needs a value.</summary>
    public const string UnexpectedType = "unexpectedType";

    /// <summary>A bulk action that is not carried out: <c>update</c> or <c>delete</c>.</summary>
    public const string UnsupportedAction = "unsupportedAction";

    /// <summary>An <c>_id</c> of a bulk action that is empty or too long.</summary>
    public const string InvalidId = "invalidId";

    /// <summary>The store refused the event; its reason is in the message.</summary>
    public const string RefusedByStore = "refusedByStore";
}

/// <summary>One event of a batch that was not accepted.</summary>
public sealed record RejectedEvent
{
    /// <summary>Its place in the batch, counted from 0 over all events received.</summary>
    public required int Index { get; init; }

    /// <summary>Its line in an NDJSON body, counted from 1.</summary>
    public int? Line { get; init; }

    /// <summary>The JSON pointer (RFC 6901) inside the event to what is wrong; empty for the event as a whole.</summary>
    public required string Pointer { get; init; }

    /// <summary>A stable code.</summary>
    public required string Code { get; init; }

    /// <summary>What is wrong and what is expected. Never quotes the event.</summary>
    public required string Message { get; init; }

    /// <summary>Whether it is no JSON at all; a body of nothing else is refused as a whole. No part of answers.</summary>
    internal bool IsNotJson { get; init; }

    /// <summary>The event is longer than so many bytes.</summary>
    internal static RejectedEvent TooLarge(int index, int? line, int maxBytes) => new()
    {
        Index = index,
        Line = line,
        Pointer = "",
        Code = RejectionCodes.TooLarge,
        Message = $"The event is longer than {maxBytes} bytes.",
    };
}

/// <summary>Why a body as a whole was not read; nothing of it was stored.</summary>
/// <param name="Status">The HTTP status that says it: 400 or 413.</param>
/// <param name="Detail">What is wrong, where, and how to mend it.</param>
public sealed record BodyRefusal(int Status, string Detail)
{
    /// <summary>The body is longer than so many bytes after decompression.</summary>
    public static BodyRefusal TooLong(long maxBytes) => new(
        413, $"The body is longer than {maxBytes} bytes after decompression. Send it in several requests.");

    /// <summary>The body holds more events than so many.</summary>
    internal static BodyRefusal TooManyEvents(int maxEvents) => new(
        413, $"The body holds more than {maxEvents} events. Send them in several requests.");

    /// <summary>Blank lines cost time as events do, and say nothing.</summary>
    internal static BodyRefusal TooManyBlankLines(int maxEvents) =>
        new(413, $"The body holds more than {maxEvents} blank lines or empty envelopes.");
}

/// <summary>The events of one request body.</summary>
public sealed class EventBatch
{
    /// <summary>How many rejected events are described one by one.</summary>
    public const int MaxRejectionsTold = 100;

    /// <summary>What <see cref="Shapes"/> counts: documents of ECS, then raw shapes.</summary>
    public static readonly IReadOnlyList<string> KnownShapes =
        [RecordShapes.Ecs, RecordShapes.KibanaAlert, .. RecordShapes.All.Select(shape => shape.Name)];

    private readonly EventList _events;
    private readonly List<RejectedEvent> _rejected = [];
    private readonly SortedDictionary<string, int> _shapes = new(StringComparer.Ordinal);

    // Most batches are of one shape, so runs of it are counted, not single events.
    private string? _runShape;
    private int _runLength;

    /// <summary>Creates an empty batch.</summary>
    public EventBatch() => _events = new EventList(Memory);

    /// <summary>The accepted events in the order of the body.</summary>
    public IReadOnlyList<EventRecord> Events => _events;

    /// <summary>The first <see cref="MaxRejectionsTold"/> rejected events.</summary>
    public IReadOnlyList<RejectedEvent> Rejected => _rejected;

    /// <summary>How many events were rejected.</summary>
    public int RejectedTotal { get; private set; }

    /// <summary>The rejected event that was added last.</summary>
    internal RejectedEvent? LatestRejected { get; private set; }

    /// <summary>How many events the body held.</summary>
    public int Received { get; private set; }

    /// <summary>How many of the accepted events had which shape.</summary>
    public IReadOnlyDictionary<string, int> Shapes
    {
        get
        {
            EndRun();
            return _shapes;
        }
    }

    /// <summary>Whether an envelope was opened, with events in it or without.</summary>
    internal bool HasEnvelopes { get; set; }

    /// <summary>How many envelopes say that they hold less than there is: failed shards, a time-out, a next page.</summary>
    internal int IncompleteEnvelopes { get; set; }

    /// <summary>How many envelopes were opened that held nothing: they cost time as events do.</summary>
    internal int EmptyEnvelopes { get; set; }

    /// <summary>How many lines were blank: they cost time as events do.</summary>
    internal int BlankLines { get; set; }

    /// <summary>How many of the rejected events were not JSON at all.</summary>
    internal int MalformedTotal { get; private set; }

    /// <summary>What the events lie in.</summary>
    internal BatchMemory Memory { get; } = new();

    /// <summary>
    /// Lends what the events lie in to later batches: for whoever is certain that nobody reads <see cref="Events"/> any more, nor anything
    /// that came out of them. A batch that never does costs no more than garbage.
    /// </summary>
    public void ReturnMemory()
    {
        _events.Clear();
        Memory.Return();
    }

    /// <summary>Where the next event is to be read to, before it is accepted.</summary>
    internal ref EventRecord Next() => ref _events.Next();

    /// <summary>Accepts the event that was read to <see cref="Next"/>.</summary>
    internal void AcceptNext(string shape)
    {
        Received++;
        if (!ReferenceEquals(shape, _runShape))
        {
            EndRun();
            _runShape = shape;
        }

        _runLength++;
        _events.AddNext();
    }

    /// <summary>
    /// Gives the events without identity one that only the same request, sent again, has: its events are known then, whatever became of the
    /// answer.
    /// </summary>
    /// <param name="request">What stands for the request; a cryptographic hash.</param>
    public void Identify(UInt128 request) =>
        Replace(record => DerivedIdentity.OfRequest(record, request));

    /// <summary>Puts other events into the place of the accepted ones.</summary>
    internal void Replace(Func<EventRecord, EventRecord> change)
    {
        for (var i = 0; i < _events.Count; i++)
        {
            _events.At(i) = change(_events[i]);
        }
    }

    /// <summary>Adds what another reader found behind this.</summary>
    /// <param name="next">Its batch.</param>
    /// <param name="lines">How many lines there are before it.</param>
    internal void Add(EventBatch next, int lines)
    {
        for (var i = 0; i < next._events.Count; i++)
        {
            ref var record = ref next._events.At(i);
            _events.Add(record with { Position = record.Position + Received });
        }

        Memory.TakeOver(next.Memory);
        EndRun();
        foreach (var (shape, count) in next.Shapes)
        {
            _shapes[shape] = _shapes.GetValueOrDefault(shape) + count;
        }

        _rejected.AddRange(next._rejected.Take(MaxRejectionsTold - _rejected.Count).Select(Moved));
        LatestRejected = next.LatestRejected is { } latest ? Moved(latest) : LatestRejected;
        Received += next.Received;
        RejectedTotal += next.RejectedTotal;
        MalformedTotal += next.MalformedTotal;
        HasEnvelopes |= next.HasEnvelopes;
        IncompleteEnvelopes += next.IncompleteEnvelopes;
        EmptyEnvelopes += next.EmptyEnvelopes;
        BlankLines += next.BlankLines;

        RejectedEvent Moved(RejectedEvent rejected) => rejected with { Index = rejected.Index + Received, Line = rejected.Line + lines };
    }

    private void EndRun()
    {
        if (_runShape is not null)
        {
            _shapes[_runShape] = _shapes.GetValueOrDefault(_runShape) + _runLength;
            (_runShape, _runLength) = (null, 0);
        }
    }

    internal void Reject(RejectedEvent rejected)
    {
        Received++;
        RejectCounted(rejected);
        MalformedTotal += rejected.IsNotJson ? 1 : 0;
    }

    /// <summary>Why the body is refused that holds more than may be read of it; null where it does not.</summary>
    /// <param name="maxEvents">The bound of events, and of what says nothing.</param>
    internal BodyRefusal? CheckCounts(int maxEvents) =>
        Received > maxEvents ? BodyRefusal.TooManyEvents(maxEvents)
        : BlankLines + EmptyEnvelopes > maxEvents ? BodyRefusal.TooManyBlankLines(maxEvents)
        : null;

    /// <summary>Adds a rejection of an event that was read and counted already.</summary>
    internal void RejectCounted(RejectedEvent rejected)
    {
        RejectedTotal++;
        LatestRejected = rejected;
        if (_rejected.Count < MaxRejectionsTold)
        {
            _rejected.Add(rejected);
        }
    }
}
