using System.Buffers;
using System.Text.Json;
using SuspiciousSignin.Formats;

namespace SuspiciousSignin.Events;

/// <summary>
/// Reads a JSON body as it arrives into a batch: an array of events, an envelope around one, or one event. What is longer than an event may
/// be is passed over and never held as a whole.
/// </summary>
/// <param name="options">The bounds.</param>
/// <param name="batch">Where the events go.</param>
internal sealed class JsonBodyReader(EventReaderOptions options, EventBatch batch)
{
    // What may follow in a text: anything, what a backslash escapes, or so many hexadecimal digits.
    private const int NoEscape = 0;
    private const int HexDigits = 4;
    private const int AnyEscape = -1;

    /// <summary>What may end the text of a string, or must not be in it.</summary>
    private static readonly SearchValues<byte> EndsOfText =
        SearchValues.Create([(byte)'"', (byte)'\\', .. Enumerable.Range(0, ' ').Select(character => (byte)character)]);

    private readonly DocumentReader _reader = new(options, batch);
    private Phase _phase = Phase.Start;
    private JsonReaderState _json = new(new JsonReaderOptions { MaxDepth = int.MaxValue });
    private string? _envelope;
    private bool _isIncomplete;
    private bool _isGraphPage;
    private int _overlongDepth;
    private byte[]? _beforeLongText;
    private bool _hasPassedText;
    private int _escape;

    private enum Phase
    {
        Start,
        Events,
        OverlongEvent,
        AfterEvents,
        End,
    }

    /// <summary>Reads the events that have arrived; gives why the body is refused, if it is.</summary>
    /// <param name="buffer">What was left, and what came since; then what is left of it.</param>
    /// <param name="isCompleted">Whether nothing more will come.</param>
    public BodyRefusal? Read(ref ReadOnlySequence<byte> buffer, bool isCompleted)
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
            batch.IncompleteEnvelopes += isCompleted && _isIncomplete ? 1 : 0;
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
        var reader = new Utf8JsonReader(WithoutEmptyEnd(buffer), isCompleted, _json);
        var (state, consumed) = (reader.CurrentState, reader.Position);
        BodyRefusal? refusal = null;
        while (refusal is null && batch.Received <= options.MaxEvents && Step(ref reader, buffer, out refusal))
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
        if (_phase != Phase.OverlongEvent || buffer.Length <= options.MaxEventBytes)
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

    /// <summary>
    /// The same without empty pieces at the end, at which System.Text.Json is out of range where a literal breaks off
    /// (dotnet/runtime#134448).
    /// </summary>
    private static ReadOnlySequence<byte> WithoutEmptyEnd(in ReadOnlySequence<byte> buffer)
    {
        var (position, end) = (buffer.Start, buffer.Start);
        for (var start = position; buffer.TryGet(ref position, out var piece); start = position)
        {
            end = piece.IsEmpty ? end : new SequencePosition(start.GetObject(), start.GetInteger() + piece.Length);
        }

        return buffer.IsEmpty ? buffer : buffer.Slice(buffer.Start, end);
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
                    batch.Reject(RejectedEvent.TooLarge(batch.Received, null, options.MaxEventBytes));
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

        if (buffer.Length - start <= options.MaxEventBytes)
        {
            return false;
        }

        // Passed over token by token, so that it is never held as a whole.
        (_phase, _overlongDepth) = (Phase.OverlongEvent, reader.CurrentDepth);
        return true;
    }

    private void ReadOne(in ReadOnlySequence<byte> document)
    {
        if (document.Length > options.MaxEventBytes)
        {
            batch.Reject(RejectedEvent.TooLarge(batch.Received, null, options.MaxEventBytes));
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

                (_phase, _envelope, batch.HasEnvelopes) = (Phase.Events, envelope, true);
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
}
