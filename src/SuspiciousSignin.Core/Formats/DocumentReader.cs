using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// Reads one document of any shape into the batch. An ECS document is read forward, once, by <see cref="EventReader"/>. Only what that does
/// not know for ECS is parsed: an envelope is opened and each document in it read in turn; a raw record becomes the ECS document that
/// Elastic's pipeline would make of it, which then is read like any other.
/// </summary>
internal sealed class DocumentReader(EventReaderOptions options, EventBatch batch)
{
    /// <summary>How deep envelopes may lie in each other: search response, hit, row, text, record; and one more.</summary>
    private const int MaxEnvelopes = 6;

    private static readonly string KnownShapes = string.Join(", ", RecordShapes.All.Select(shape => shape.Name));

    private readonly EventReader _reader = new(options, batch.Memory);
    private readonly EventReader _mapped = new(options, batch.Memory) { Deeper = EcsBuilder.DeeperThanRecord };
    private readonly EcsBuilder _ecs = new();

    /// <summary>Whether the documents to come are known to be valid UTF-8.</summary>
    public bool IsValidUtf8
    {
        set => _reader.IsValidUtf8 = value;
    }

    /// <summary>Reads a document: adds to the batch what it holds, accepted or rejected.</summary>
    /// <param name="utf8">The JSON text of the document.</param>
    /// <param name="line">Its line in an NDJSON body, from 1.</param>
    /// <param name="identity">The <c>_id</c> and <c>_index</c> that came beside it.</param>
    public void Read(ReadOnlyMemory<byte> utf8, int? line, DocumentIdentity identity = default) =>
        Read(utf8, new Place(line, identity, "", 0));

    /// <inheritdoc cref="Read(ReadOnlyMemory{byte}, int?, DocumentIdentity)"/>
    public void Read(in ReadOnlySequence<byte> utf8, int? line, DocumentIdentity identity = default)
    {
        if (utf8.IsSingleSegment)
        {
            Read(utf8.First, line, identity);
            return;
        }

        var length = (int)utf8.Length;
        var whole = ArrayPool<byte>.Shared.Rent(length);
        utf8.CopyTo(whole);
        Read(whole.AsMemory(0, length), line, identity);
        ArrayPool<byte>.Shared.Return(whole);
    }

    private void Read(ReadOnlyMemory<byte> utf8, Place place)
    {
        var rejected = _reader.Read(utf8, batch.Received, place.Line, out batch.Next(), place.Identity.Id, place.Identity.Index);
        var isEcs = _reader.IsEcs && (rejected is not null || !_reader.MayHoldRecord);
        if (rejected is null && isEcs)
        {
            batch.AcceptNext(_reader.IsKibanaAlert ? RecordShapes.KibanaAlert : RecordShapes.Ecs);
            return;
        }

        try
        {
            if (!isEcs && rejected?.Code is not (RejectionCodes.MalformedJson or RejectionCodes.InvalidText)
                && TryReadOther(utf8, rejected, place))
            {
                return;
            }
        }
        catch (InvalidOperationException)
        {
            // What System.Text.Json throws for an escaped lone surrogate.
            Reject(place, RejectionCodes.InvalidText, "", EventReader.HalfSurrogate);
            return;
        }

        if (rejected is not null)
        {
            batch.Reject(place.Locate(rejected));
        }
        else
        {
            batch.AcceptNext(RecordShapes.Ecs);
        }
    }

    /// <summary>
    /// Reads an envelope or a raw record; false where the document is neither, and what the ECS reader says of it stands.
    /// </summary>
    private bool TryReadOther(ReadOnlyMemory<byte> utf8, RejectedEvent? rejected, Place place)
    {
        if (Parse(utf8, out var hasDuplicates) is not { } document)
        {
            return false;
        }

        using (document)
        {
            var root = document.RootElement;
            place = place with { Identity = place.Identity.OrOf(root), Ingested = IngestedOf(root) ?? place.Ingested };
            if (Open(root, isEvent: rejected is null) is { } contents)
            {
                if (Envelope.HasTwice(root))
                {
                    Reject(
                        place,
                        RejectionCodes.DuplicateKey,
                        "",
                        "An envelope has a duplicate key or two lists of events; which one is meant is unclear.");
                }
                else
                {
                    ReadAll(utf8, contents, Envelope.IsIncomplete(root), place);
                }

                return true;
            }

            // Depth is bounded for records as they came. Envelopes may be deeper, for each document in them is looked at anew.
            if (root.ValueKind != JsonValueKind.Object || rejected?.Code == RejectionCodes.TooDeep)
            {
                return false;
            }

            foreach (var shape in RecordShapes.All)
            {
                if (shape.Matches(root))
                {
                    if (hasDuplicates || !TryReadRecord(shape, root, place))
                    {
                        Reject(
                            place,
                            RejectionCodes.DuplicateKey,
                            "",
                            "An object holds the same key twice, be it in another casing; which one is meant cannot be told.");
                    }

                    return true;
                }
            }

            if (rejected?.Code != RejectionCodes.MissingTimestamp || Envelope.IsMeantAsEcs(root))
            {
                return false;
            }
        }

        Reject(
            place,
            RejectionCodes.UnknownShape,
            "",
            $"Neither an ECS document (with @timestamp and event.*) nor a record of a known shape: {KnownShapes}.");
        return true;
    }

    private IEnumerable<Envelope.Content>? Open(JsonElement root, bool isEvent)
    {
        var contents = (_reader.IsRecordMessage ? Envelope.OpenMessage(root) : null) ?? Envelope.Open(root);

        // An event that has an empty list of its own is still an event.
        return isEvent && contents?.Any() == false ? null : contents;
    }

    private void ReadAll(ReadOnlyMemory<byte> utf8, IEnumerable<Envelope.Content> contents, bool isIncomplete, Place place)
    {
        batch.HasEnvelopes = true;
        batch.IncompleteEnvelopes += isIncomplete ? 1 : 0;
        if (place.Envelopes == MaxEnvelopes)
        {
            Reject(place, RejectionCodes.TooDeep, "", $"More than {MaxEnvelopes} envelopes lie in each other.");
            return;
        }

        var isEmpty = true;
        foreach (var content in contents)
        {
            isEmpty = false;
            var inside = place with
            {
                Envelopes = place.Envelopes + 1,
                Identity = content.IsListed ? place.Identity with { Id = null } : place.Identity,
            };
            if (content.Text is { } text)
            {
                ReadText(text, inside with { TextPointer = content.Pointer });
            }
            else
            {
                Read(SliceOf(utf8, content.Element), inside);
            }

            // The caller refuses the body as a whole.
            if (batch.Received > options.MaxEvents)
            {
                return;
            }
        }

        batch.EmptyEnvelopes += isEmpty ? 1 : 0;
    }

    /// <summary>Reads a record that stood as text in another.</summary>
    private void ReadText(string text, Place place)
    {
        var utf8 = System.Text.Encoding.UTF8.GetBytes(text);
        if (Parse(utf8, out _) is not { } document)
        {
            Reject(place, RejectionCodes.UnexpectedType, "", "Expected a record as JSON text.");
            return;
        }

        document.Dispose();
        Read(utf8, place);
    }

    /// <summary>Reads a raw record, accepted or rejected; false where it holds a key twice.</summary>
    private bool TryReadRecord(IRecordShape shape, JsonElement record, Place place)
    {
        _ecs.Clear();
        try
        {
            shape.Map(record, _ecs, options);
            if (place.Ingested is { } ingested)
            {
                _ecs.SetTime("event.ingested", ingested);
            }

            if (_ecs.Refusal is { } refusal)
            {
                Reject(place, refusal.Code, refusal.Pointer, refusal.Message);
                return true;
            }

            var mapped = _ecs.Write();
            if (_mapped.Read(mapped, batch.Received, place.Line, out batch.Next(), place.Identity.Id, place.Identity.Index) is { } rejected)
            {
                batch.Reject(place.Locate(rejected));
            }
            else
            {
                batch.AcceptNext(shape.Name);
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private JsonDocument? Parse(ReadOnlyMemory<byte> utf8, out bool hasDuplicates)
    {
        var parsing = new JsonDocumentOptions
        {
            MaxDepth = options.MaxDepth + EcsBuilder.DeeperThanRecord,
            AllowDuplicateProperties = false,
        };
        hasDuplicates = false;
        try
        {
            return JsonDocument.Parse(utf8, parsing);
        }
        catch (JsonException)
        {
            hasDuplicates = true;
        }

        try
        {
            return JsonDocument.Parse(utf8, parsing with { AllowDuplicateProperties = true });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static long? IngestedOf(JsonElement root) =>
        (root.Get("event").Get("ingested").Text() ?? root.Get("event.ingested").Text()) is { } text
        && EcsTime.TryParse(System.Text.Encoding.UTF8.GetBytes(text), out var milliseconds) ? milliseconds : null;

    private static ReadOnlyMemory<byte> SliceOf(ReadOnlyMemory<byte> utf8, JsonElement element)
    {
        var raw = JsonMarshal.GetRawUtf8Value(element);
        utf8.Span.Overlaps(raw, out var start);
        return utf8.Slice(start, raw.Length);
    }

    private void Reject(Place place, string code, string pointer, string message) => batch.Reject(place.Locate(
        new RejectedEvent { Index = batch.Received, Line = place.Line, Pointer = pointer, Code = code, Message = message }));

    /// <summary>Where a document stands.</summary>
    /// <param name="Line">Its line in an NDJSON body.</param>
    /// <param name="Identity">What came beside it.</param>
    /// <param name="TextPointer">Where its text stands in the row around it.</param>
    /// <param name="Envelopes">How many envelopes are around it.</param>
    /// <param name="Ingested">The <c>event.ingested</c> that a shipper set beside the record or around it; no shape has one of its
    /// own.</param>
    private readonly record struct Place(int? Line, DocumentIdentity Identity, string TextPointer, int Envelopes, long? Ingested = null)
    {
        public RejectedEvent Locate(RejectedEvent rejected) =>
            TextPointer.Length == 0 ? rejected : rejected with { Pointer = TextPointer + rejected.Pointer };
    }
}

/// <summary>What says beside a document which one it is: a search hit, or the action line of a bulk dump.</summary>
/// <param name="Id"><c>_id</c>.</param>
/// <param name="Index"><c>_index</c>.</param>
internal readonly record struct DocumentIdentity(string? Id, string? Index)
{
    /// <summary>This, and what the document itself says where this says nothing.</summary>
    public DocumentIdentity OrOf(JsonElement document)
    {
        var (id, index) = (document.Get("_id").Text(), document.Get("_index").Text());
        return Id is null && id is not null ? new(id, index ?? Index) : new(Id, Index ?? index);
    }
}
