using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace SuspiciousSignin.Events;

/// <summary>
/// Reads one ECS document, nested, dotted or mixed, forward only: known fields are taken down, everything else is checked and skipped, and
/// no object model is built. One instance serves one batch.
/// </summary>
public sealed class EventReader
{
    /// <summary>What is said of JSON for which System.Text.Json throws <see cref="InvalidOperationException"/>.</summary>
    internal const string HalfSurrogate = "A string escapes half of a surrogate pair, which is no character.";

    // Drawn once per process: nobody outside can prepare two documents of the same hash.
    private static readonly long IdentitySeed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));

    /// <summary>
    /// Where <c>message</c> is a record before the pipeline has mapped it. What others write there is not trusted to be one.
    /// </summary>
    private static readonly byte[][] MessageDatasets =
        [.. new[] { "azure.events", "azure.signinlogs", "o365.audit", "suricata.eve", "zeek.notice" }.Select(Encoding.UTF8.GetBytes)];

    private static readonly string[] IntegrationStreams = ["logs-azure.signinlogs-", "logs-o365.audit-"];

    /// <summary>
    /// What comes before the name of a data stream, or of an index, in the names of indices made from it; a few letters more follow
    /// <c>shrink-</c>.
    /// </summary>
    private static readonly string[] IndexPrefixes = [".ds-", ".migrated-ds-", "partial-", "restored-", "shrink-"];

    private readonly EcsDocument _document = new();
    private readonly TraitsCache _traits = new();
    private readonly List<FieldNode> _seenKeys = [];
    private readonly EventReaderOptions _options;
    private readonly BatchMemory? _memory;
    private readonly JsonReaderOptions _jsonOptions;
    private EcsScanner? _scanner;
    private byte[] _scratch = new byte[256];
    private byte[] _chunk = [];
    private int _chunkUsed;
    private SourceAddress[] _addresses = [];
    private int _addressesUsed;
    // Where each key begins that leads to the current value; the complements of the places in lists.
    private readonly List<long> _steps = [];
    private (string Code, string Pointer, string Message, bool IsNotJson)? _refusal;

    /// <summary>Creates a reader of single events.</summary>
    public EventReader(EventReaderOptions options)
        : this(options, null)
    {
    }

    /// <summary>Creates one whose events lie in the memory of a batch.</summary>
    internal EventReader(EventReaderOptions options, BatchMemory? memory)
    {
        (_options, _memory) = (options, memory);
        _jsonOptions = new JsonReaderOptions { MaxDepth = options.MaxDepth };
    }

    /// <summary>How much deeper than the bound a document may nest.</summary>
    internal int Deeper
    {
        init => _jsonOptions = new JsonReaderOptions { MaxDepth = _options.MaxDepth + value };
    }

    /// <summary>Whether the last document is ECS beyond doubt, so that no other shape need be tried.</summary>
    internal bool IsEcs =>
        IsKibanaAlert
        || (_document.Timestamp is not null && (_document.Marks.HasFlag(DocumentMarks.EventField) || _document.HasSourceIpText));

    /// <summary>
    /// Whether the last document, though ECS, may be what a shipper sends to a pipeline: its own fields around a record that nobody has
    /// mapped.
    /// </summary>
    internal bool MayHoldRecord =>
        !IsKibanaAlert && !_document.HasSourceIpText && (_document.Marks.HasFlag(DocumentMarks.Envelope) || IsUnmapped);

    /// <summary>Whether its <c>message</c> is such a record: it belongs to an integration that ships them so.</summary>
    internal bool IsRecordMessage =>
        IsUnmapped && !_document.HasSourceIpText && _document.Count(EcsField.Message) == 1
        && BeginsAsRecords(_document.First(EcsField.Message))
        && Array.Exists(MessageDatasets, dataset => _document.First(DatasetField).SequenceEqual(dataset));

    private static bool BeginsAsRecords(ReadOnlySpan<byte> text)
    {
        text = text.TrimStart(" \t\r\n"u8);
        text = text.StartsWith("["u8) ? text[1..].TrimStart(" \t\r\n"u8) : text;
        return text.StartsWith("{"u8);
    }

    /// <summary>Whether the last document is a Kibana alert.</summary>
    internal bool IsKibanaAlert => _document.IsKibanaAlert;

    /// <summary>Reads a document.</summary>
    /// <param name="utf8">The JSON text of one document.</param>
    /// <param name="position">Its place in the batch, from 0.</param>
    /// <param name="line">Its line in an NDJSON body, from 1.</param>
    /// <param name="record">The event.</param>
    /// <param name="id">The <c>_id</c> that the request gives the document; null where it gives none. It goes before the document's
    /// own.</param>
    /// <param name="index">The <c>_index</c> likewise.</param>
    /// <returns>Null where the event is accepted, else why it is not.</returns>
    public RejectedEvent? Read(
        ReadOnlyMemory<byte> utf8, int position, int? line, out EventRecord record, string? id = null, string? index = null)
    {
        _refusal = null;
        if (!TryParse(utf8.Span, id, index))
        {
            record = default;
            var (code, pointer, message, isNotJson) = _refusal!.Value;
            return new RejectedEvent
            {
                Index = position,
                Line = line,
                Pointer = pointer,
                Code = code,
                Message = message,
                IsNotJson = isNotJson,
            };
        }

        ReadAsMapped();
        var timestamp = _document.Timestamp!.Value;
        var (account, payload) = KeepFields();
        record = new EventRecord
        {
            Position = position,
            Timestamp = timestamp,
            Ingested = _document.Ingested ?? timestamp,
            Traits = _traits.Of(_document),
            Account = account,
            Identity = Identify(),
            Addresses = Keep(_document.Addresses),
            Payload = payload,
            IsKibanaAlert = _document.IsKibanaAlert,
            Document = _options.KeepDocuments ? WithIdentity(utf8.Span, id, index) : default,
        };
        return null;
    }

    /// <summary>
    /// Reads an event again from what was kept of it: verdicts and identity are taken anew, by the rule, the settings and the seed of this
    /// process.
    /// </summary>
    internal EventRecord ReadAgain(in EventRecord kept)
    {
        _document.Clear();
        (_document.Timestamp, _document.Ingested) = (kept.Timestamp, kept.Ingested);
        _document.Marks = kept.IsKibanaAlert ? DocumentMarks.KibanaAlert : DocumentMarks.None;
        foreach (var address in kept.Addresses.Span)
        {
            _document.AddAddress(address);
        }

        AddAll(kept.Traits.Fields);
        AddAll(kept.Account.Span);
        AddAll(kept.Payload.Span);
        ReadAsMapped();
        var (account, payload) = KeepFields();
        return kept with
        {
            Traits = _traits.Of(_document),
            Account = account,
            Identity = DerivedIdentity.From(Identify(), _document.First(EcsField.Derivation)),
            Payload = payload,
        };
    }

    private void AddAll(ReadOnlySpan<byte> part)
    {
        var fields = new PayloadReader(part);
        while (fields.Read())
        {
            var kind = fields.Field == EcsField.Derivation ? FieldKind.Text : EcsFields.KindOf(fields.Field);
            _document.Add(fields.Field, kind, fields.Value);
        }
    }

    /// <summary>Whether the documents to come are known to be valid UTF-8.</summary>
    internal bool IsValidUtf8 { get; set; }

    /// <summary>Whether documents are read by tokens only, for tests: what the scanner accepts must come out the same.</summary>
    internal bool IsTokensOnly { get; init; }

    /// <summary>Whether a document without a dataset has none, whatever index it is of, since its index was asked. Default false.</summary>
    public bool TrustsDataset { get; init; }

    private bool TryParse(ReadOnlySpan<byte> utf8, string? id, string? index)
    {
        Begin(id, index);
        if (!IsValidUtf8 && !Utf8.IsValid(utf8))
        {
            return Refuse(RejectionCodes.InvalidText, "", "The text is not valid UTF-8.", isNotJson: true);
        }

        if (IsTokensOnly)
        {
            return TryParseTokens(utf8);
        }

        var read = (_scanner ??= new EcsScanner(_document, _jsonOptions.MaxDepth)).Read(utf8);
        if (read >= 0)
        {
            return RequireTimestamp();
        }

        if (read != JsonBytes.Unsure)
        {
            return Malformed(utf8, JsonBytes.PositionOf(read));
        }

        Begin(id, index);
        return TryParseTokens(utf8);
    }

    private void Begin(string? id, string? index)
    {
        _document.Clear();
        if (id is not null)
        {
            _document.Name(EcsField.Id, Encoding.UTF8.GetBytes(id));
        }

        if (index is not null)
        {
            _document.Name(EcsField.Index, Encoding.UTF8.GetBytes(index));
        }
    }

    private bool TryParseTokens(ReadOnlySpan<byte> utf8)
    {
        _seenKeys.Clear();
        _steps.Clear();
        try
        {
            var reader = new Utf8JsonReader(utf8, _jsonOptions);
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                reader.Read();
                return Refuse(RejectionCodes.NotAnObject, "", "An event is a JSON object.");
            }

            if (!ReadObject(ref reader, EcsFields.Root))
            {
                _refusal = _refusal!.Value with { Pointer = PointerToRefused(utf8) };
                return false;
            }

            reader.Read();
        }
        catch (JsonException exception)
        {
            return IsValidWhenDeeper(utf8)
                ? Refuse(RejectionCodes.TooDeep, "", $"The document nests deeper than {_options.MaxDepth} levels.")
                : Malformed((exception.LineNumber ?? 0) + 1, (exception.BytePositionInLine ?? 0) + 1);
        }
        catch (InvalidOperationException)
        {
            // What Utf8JsonReader throws for an escaped lone surrogate.
            return Refuse(RejectionCodes.InvalidText, "", HalfSurrogate);
        }

        return RequireTimestamp();
    }

    private bool RequireTimestamp() =>
        _document.Timestamp is not null
            || Refuse(RejectionCodes.MissingTimestamp, "/@timestamp", "The event has no @timestamp. Events are never dated by guess.");

    private bool Malformed(ReadOnlySpan<byte> utf8, int at)
    {
        var before = utf8[..at];
        return Malformed(before.Count((byte)'\n') + 1, at - before.LastIndexOf((byte)'\n'));
    }

    private bool Malformed(long line, long column) =>
        Refuse(
            RejectionCodes.MalformedJson,
            "",
            $"Not valid JSON at byte {column} of {(line > 1 ? $"line {line} of " : "")}the document.",
            isNotJson: true);

    private bool ReadObject(ref Utf8JsonReader reader, FieldNode node)
    {
        var firstKey = _seenKeys.Count;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.TokenStartIndex;
            var child = node.Find(Text(ref reader), out var passed);
            _document.Marks |= passed;
            reader.Read();
            if (child is null)
            {
                reader.Skip();
                continue;
            }

            if (_seenKeys.IndexOf(child, firstKey) >= 0)
            {
                return Refuse(RejectionCodes.DuplicateKey, "", "An object holds the same key twice; which one is meant cannot be told.");
            }

            _seenKeys.Add(child);
            _steps.Add(key);
            if (!ReadValue(ref reader, child))
            {
                return false;
            }

            _steps.RemoveAt(_steps.Count - 1);
        }

        _seenKeys.RemoveRange(firstKey, _seenKeys.Count - firstKey);
        return true;
    }

    private bool ReadValue(ref Utf8JsonReader reader, FieldNode node)
    {
        _document.Marks |= node.Marks;
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray:
                for (var index = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; index++)
                {
                    _steps.Add(~index);
                    if (!ReadValue(ref reader, node))
                    {
                        return false;
                    }

                    _steps.RemoveAt(_steps.Count - 1);
                }

                return true;

            case JsonTokenType.StartObject when node.HasChildren:
                return ReadObject(ref reader, node);

            case JsonTokenType.StartObject when node is { Field: { } field, Kind: not FieldKind.Text }:
                return Refuse(RejectionCodes.UnexpectedType, "", $"{EcsFields.Path(field)} is a value, not an object.");

            case JsonTokenType.StartObject:
                reader.Skip();
                return true;

            case JsonTokenType.Null:
                return true;

            default:
                return node.Field is not { } leaf || Take(leaf, node.Kind, Text(ref reader));
        }
    }

    private bool Take(EcsField field, FieldKind kind, ReadOnlySpan<byte> value)
    {
        if (kind != FieldKind.Date)
        {
            _document.Take(field, kind, value);
            return true;
        }

        if (!EcsTime.TryParse(value, out var milliseconds))
        {
            return Refuse(
                RejectionCodes.InvalidTimestamp,
                "",
                $"{EcsFields.Path(field)} is no date: "
                + "expected ISO 8601 such as 2026-05-22T10:00:00.000Z, or milliseconds since the epoch.");
        }

        return _document.TryDate(field, milliseconds)
            || Refuse(RejectionCodes.InvalidTimestamp, "", $"{EcsFields.Path(field)} has several values.");
    }

    /// <summary>The text of the current key, string, number or literal in UTF-8.</summary>
    private ReadOnlySpan<byte> Text(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped)
        {
            return reader.ValueSpan;
        }

        var unescaped = Scratch(reader.ValueSpan.Length);
        return unescaped[..reader.CopyString(unescaped)];
    }

    /// <summary>So many bytes, good until the next call.</summary>
    private Span<byte> Scratch(int length)
    {
        if (_scratch.Length < length)
        {
            _scratch = new byte[length];
        }

        return _scratch.AsSpan(0, length);
    }

    /// <summary>Reads the dataset as the index mappings would have it.</summary>
    private void ReadAsMapped()
    {
        if (_options.StockAlertMapping && _document.IsKibanaAlert)
        {
            _document.Hide(EcsField.DataStreamDataset, EcsField.UnmappedDataStreamDataset);
        }

        if (!TrustsDataset && _document.Count(EcsField.Index) == 1 && _document.Count(EcsField.Dataset) == 0
            && PresetDataset(Encoding.UTF8.GetString(_document.First(EcsField.Index))) is { } dataset)
        {
            _document.Add(EcsField.Dataset, FieldKind.Keyword, Encoding.UTF8.GetBytes(dataset));
        }

        _document.IsOfAlertDataset = IsOfAlertDataset();
    }

    // Every pipeline sets the kind of its events.
    private bool IsUnmapped =>
        _document.Count(EcsField.Kind) == 0 && _document.Count(EcsField.Action) == 0 && _document.Count(EcsField.Outcome) == 0;

    private EcsField DatasetField => _document.Count(EcsField.Dataset) > 0 ? EcsField.Dataset : EcsField.DataStreamDataset;

    private bool IsOfAlertDataset()
    {
        if (_options.AlertDatasets.Count == 0)
        {
            return false;
        }

        var field = DatasetField;
        return _document.Count(field) == 1
            && _options.AlertDatasets.Contains(Encoding.UTF8.GetString(_document.First(field)), StringComparer.Ordinal);
    }

    /// <summary>
    /// The <c>event.dataset</c> that every document of the index has, whatever its source says: the integrations map it as a constant. Null
    /// for other indices.
    /// </summary>
    /// <param name="index">The name of the data stream or of an index behind it, also on a remote cluster, shrunk, migrated, or mounted
    /// from a snapshot.</param>
    public static string? PresetDataset(string index)
    {
        var at = index.IndexOf(':', StringComparison.Ordinal) + 1;
        while (Array.Find(IndexPrefixes, prefix => index.AsSpan(at).StartsWith(prefix)) is { } prefix)
        {
            at += prefix.Length;
            at = prefix == "shrink-" ? Math.Max(at, index.IndexOf('-', at) + 1) : at;
        }

        return Array.Find(IntegrationStreams, stream => index.AsSpan(at).StartsWith(stream))?["logs-".Length..^1];
    }

    private UInt128 Identify()
    {
        if (IsGiven(EcsField.Id))
        {
            return Identify("_id"u8, _document.First(EcsField.Id), _document.All(EcsField.Index), default);
        }

        if (IsGiven(EcsField.AlertUuid))
        {
            return Identify("uuid"u8, _document.First(EcsField.AlertUuid), default, default);
        }

        if (IsGiven(EcsField.EventId))
        {
            // An alert copies the event.id of the event behind it, most often its dataset and kind as well, and is not its duplicate.
            var kind = _document.IsKibanaAlert ? "alert"u8 : "event"u8;
            return Identify(kind, _document.First(EcsField.EventId), _document.All(DatasetField), _document.All(EcsField.Kind));
        }

        return 0;
    }

    // Empty text tells nobody from anybody else.
    private bool IsGiven(EcsField field) => _document.Count(field) == 1 && !_document.First(field).IsEmpty;

    private UInt128 Identify(ReadOnlySpan<byte> kind, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        const int Separators = 3;
        var length = kind.Length + first.Length + second.Length + third.Length + Separators;
        var bytes = Scratch(length);
        var rest = bytes;
        AppendWithSeparator(ref rest, kind);
        AppendWithSeparator(ref rest, first);
        AppendWithSeparator(ref rest, second);
        third.CopyTo(rest);
        if (bytes.Count((byte)0) > Separators)
        {
            // Where a part holds a separator itself, only their lengths tell where one ends.
            byte[] unambiguous = [.. bytes, .. BitConverter.GetBytes(first.Length), .. BitConverter.GetBytes(second.Length)];
            bytes = unambiguous;
        }

        // A store that keeps documents outlives the process, and derives their ids from the identity.
        var hash = _options.KeepDocuments
            ? BinaryPrimitives.ReadUInt128BigEndian(SHA256.HashData(bytes))
            : XxHash128.HashToUInt128(bytes, IdentitySeed);
        return hash == 0 ? 1 : hash;
    }

    private static void AppendWithSeparator(ref Span<byte> rest, ReadOnlySpan<byte> part)
    {
        part.CopyTo(rest);
        rest[part.Length] = 0;
        rest = rest[(part.Length + 1)..];
    }

    /// <summary>
    /// Copies what is kept of an event alone into chunks shared by neighbouring events, so that a batch costs few allocations.
    /// </summary>
    private (ReadOnlyMemory<byte> Account, ReadOnlyMemory<byte> Payload) KeepFields()
    {
        var (account, payload) = (_document.Length(FieldPart.Account), _document.Length(FieldPart.Event));
        var kept = Keep(account + payload);
        _document.Part(FieldPart.Account).CopyTo(kept.Span);
        _document.Part(FieldPart.Event).CopyTo(kept.Span[account..]);
        return (kept[..account], kept[account..]);
    }

    private Memory<byte> Keep(int length)
    {
        const int FirstChunk = 4 * 1024;
        const int LongestChunk = 64 * 1024;
        if (_chunk.Length - _chunkUsed < length)
        {
            var longer = Math.Max(Math.Clamp(_chunk.Length * 2, FirstChunk, LongestChunk), length);
            _chunk = _memory?.RentBytes(longer) ?? new byte[longer];
            _chunkUsed = 0;
        }

        var kept = _chunk.AsMemory(_chunkUsed, length);
        _chunkUsed += length;
        return kept;
    }

    private ReadOnlyMemory<SourceAddress> Keep(ReadOnlySpan<SourceAddress> addresses)
    {
        const int LongestChunk = 1024;
        if (_addresses.Length - _addressesUsed < addresses.Length)
        {
            var longer = Math.Clamp(_addresses.Length * 2, EcsDocument.MaxValuesPerField, LongestChunk);
            (_addresses, _addressesUsed) = (_memory?.RentAddresses(longer) ?? new SourceAddress[longer], 0);
        }

        var kept = _addresses.AsMemory(_addressesUsed, addresses.Length);
        addresses.CopyTo(kept.Span);
        _addressesUsed += addresses.Length;
        return kept;
    }

    /// <summary>The document as if what identifies it had come inside: last, so that it goes before the document's own.</summary>
    private static byte[] WithIdentity(ReadOnlySpan<byte> utf8, string? id, string? index)
    {
        if (id is null && index is null)
        {
            return utf8.ToArray();
        }

        var buffer = new ArrayBufferWriter<byte>(128);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var (name, value) in new[] { ("_id", id), ("_index", index) })
            {
                if (value is not null)
                {
                    json.WriteString(name, value);
                }
            }

            json.WriteEndObject();
        }

        var members = utf8[..utf8.LastIndexOf((byte)'}')].TrimEnd(" \t\r\n"u8);
        return members[^1] == (byte)'{' ? buffer.WrittenSpan.ToArray() : [.. members, (byte)',', .. buffer.WrittenSpan[1..]];
    }

    private static bool IsValidWhenDeeper(ReadOnlySpan<byte> utf8)
    {
        try
        {
            var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
            while (reader.Read())
            {
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private bool Refuse(string code, string pointer, string message, bool isNotJson = false)
    {
        _refusal = (code, pointer, message, isNotJson);
        return false;
    }

    /// <summary>The JSON pointer (RFC 6901) to what was refused, as the document spells its keys.</summary>
    private string PointerToRefused(ReadOnlySpan<byte> utf8)
    {
        var pointer = new StringBuilder();
        foreach (var step in _steps)
        {
            pointer.Append('/');
            if (step < 0)
            {
                pointer.Append(CultureInfo.InvariantCulture, $"{~step}");
            }
            else
            {
                var key = new Utf8JsonReader(utf8[(int)step..]);
                key.Read();
                pointer.Append(key.GetString()!.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal));
            }
        }

        return pointer.ToString();
    }
}
