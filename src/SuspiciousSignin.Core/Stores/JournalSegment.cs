using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>One record of a segment: what was written and flushed together.</summary>
/// <param name="End">Where it ends in its file.</param>
/// <param name="Evictions">What the store had let go before.</param>
/// <param name="Catalogue">The closed segments at the time and how long they are; null where they are as in the record before.</param>
/// <param name="Events">The events, still encoded.</param>
internal sealed record JournalRecord(long End, Evictions Evictions, (int Number, long Length)[]? Catalogue, ArraySegment<byte> Events)
{
    /// <summary>Whether it has no events, as the mark has that a stop leaves behind the last of them.</summary>
    public bool IsMark => BinaryPrimitives.ReadInt32LittleEndian(Events) == 0;
}

/// <summary>
/// One file of the journal. A header (random salt, the names of the fields behind the numbers in payloads), then records: marker, length,
/// hash of these two, hash of the body, body. Hashes are seeded with the salt and the offset, so text inside an event cannot pass for a
/// record.
/// </summary>
internal sealed class JournalSegment
{
    private const uint Marker = 0x4C4E524A;
    private const int RecordHeaderLength = 24;
    private const int FixedHeaderLength = 12;
    private const long BodySeed = 0x5EED_B0D1;
    private const byte UnknownField = byte.MaxValue;
    private const long MillisecondsPerMinute = 60_000;

    private static readonly string[] Fields = EcsFields.Paths();

    private readonly long _salt;
    private readonly byte[] _fields;
    private readonly Dictionary<long, int> _minutes = new(TimeComparer.Instance);
    private long _newest = long.MinValue;
    private long _lastSequence = -1;
    private int _events;

    private JournalSegment(string path, int number, long salt, long start, string[] fields)
    {
        (FilePath, Number, _salt, Start, Length) = (path, number, salt, start, start);
        _fields = [.. fields.Select(field => EcsFields.Find(field) is { } known ? (byte)known : UnknownField)];
        HasTodaysFields = fields.AsSpan().SequenceEqual(Fields);
    }

    public string FilePath { get; }

    public int Number { get; }

    /// <summary>Whether the name of the file tells its number.</summary>
    public bool IsNamedRight => Path.GetFileName(FilePath) == NameOf(Number);

    /// <summary>Where the first record begins.</summary>
    public long Start { get; }

    /// <summary>Where the last good record ends.</summary>
    public long Length { get; set; }

    /// <summary>Whether events of today's reader can be added.</summary>
    public bool HasTodaysFields { get; }

    private static ReadOnlySpan<byte> Magic => "SSIGNJ01"u8;

    public static string NameOf(int number) => $"events-{number:D8}.journal";

    public static int? NumberOf(string fileName) =>
        fileName.StartsWith("events-", StringComparison.Ordinal) && fileName.EndsWith(".journal", StringComparison.Ordinal)
        && int.TryParse(fileName.AsSpan(7, fileName.Length - 15), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    /// <summary>Makes a new file: it gets its name once its header is on the disk.</summary>
    public static JournalSegment Create(string folder, int number) => Create(folder, number, Fields);

    /// <inheritdoc cref="Create(string, int)"/>
    internal static JournalSegment Create(string folder, int number, string[] fields)
    {
        var salt = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
        using var header = new MemoryStream();
        using (var writer = new BinaryWriter(header, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(Magic);
            writer.Write(0);
            writer.Write(number);
            writer.Write(salt);
            writer.Write((short)fields.Length);
            Array.ForEach(fields, writer.Write);
            BinaryPrimitives.WriteInt32LittleEndian(header.GetBuffer().AsSpan(Magic.Length), (int)header.Length);
            writer.Write(XxHash3.HashToUInt64(header.GetBuffer().AsSpan(0, (int)header.Length)));
        }

        var path = Path.Combine(folder, NameOf(number));
        using (var file = JournalFiles.OpenToWrite(path + JournalFiles.Unfinished, FileMode.Create))
        {
            RandomAccess.Write(file, header.GetBuffer().AsSpan(0, (int)header.Length), 0);
            RandomAccess.FlushToDisk(file);
        }

        // One of this name has nothing in it: it was made, but its name may not have reached the disk.
        File.Move(path + JournalFiles.Unfinished, path, overwrite: true);
        JournalFiles.FlushFolder(folder);
        return new JournalSegment(path, number, salt, header.Length, fields);
    }

    /// <summary>Reads the header of a file.</summary>
    /// <exception cref="EventJournalException">The header is damaged.</exception>
    public static JournalSegment Open(string path, SafeFileHandle file)
    {
        var segment = TryOpen(path, file) ?? throw EventJournalException.Damaged(path, 0);
        // What would be added to a copy of another would be lost with its number.
        return segment.IsNamedRight ? segment : throw EventJournalException.Misnamed(path, NameOf(segment.Number));
    }

    /// <summary>Reads the header of a file; null where it is damaged.</summary>
    public static JournalSegment? TryOpen(string path, SafeFileHandle file)
    {
        var length = RandomAccess.GetLength(file);
        var start = new byte[FixedHeaderLength];
        var isReadable = RandomAccess.Read(file, start, 0) == start.Length && start.AsSpan().StartsWith(Magic);
        var headerLength = BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(Magic.Length));
        if (!isReadable || headerLength < FixedHeaderLength || headerLength > length - sizeof(ulong))
        {
            return null;
        }

        var header = new byte[headerLength + sizeof(ulong)];
        if (RandomAccess.Read(file, header, 0) != header.Length
            || XxHash3.HashToUInt64(header.AsSpan(0, headerLength)) != BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(headerLength)))
        {
            return null;
        }

        using var reader = new BinaryReader(new MemoryStream(header, FixedHeaderLength, headerLength - FixedHeaderLength));
        var (number, salt) = (reader.ReadInt32(), reader.ReadInt64());
        var fields = new string[reader.ReadInt16()];
        for (var i = 0; i < fields.Length; i++)
        {
            fields[i] = reader.ReadString();
        }

        return new JournalSegment(path, number, salt, header.Length, fields);
    }

    /// <summary>Reads records up to the end or to the first that is not whole.</summary>
    /// <param name="file">This segment, open to read.</param>
    /// <param name="end">How far to read.</param>
    /// <param name="skipsDamage">Whether to go on with the next record that is whole.</param>
    /// <remarks>The bodies share one buffer: each is good until the next is read.</remarks>
    public IEnumerable<JournalRecord> Records(SafeFileHandle file, long end, bool skipsDamage = false)
    {
        var head = new byte[RecordHeaderLength];
        var body = Array.Empty<byte>();
        for (var at = Start; ;)
        {
            if (ReadWhole(file, head, at) && IsHead(head, at) && BodyLength(head) is var length && at + RecordHeaderLength + length <= end)
            {
                body = body.Length < length ? new byte[length] : body;
                if (ReadWhole(file, body.AsSpan(0, length), at + RecordHeaderLength)
                    && BodyHash(body.AsSpan(0, length), at) == BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(16)))
                {
                    var record = ReadBody(body, length, at);
                    at = record.End;
                    yield return record;
                    continue;
                }
            }

            if (!skipsDamage || FindRecordBehind(file, at, end) is not { } next)
            {
                yield break;
            }

            at = next;
        }
    }

    /// <summary>Where the last record ends that is whole, as all before it are; where the first would begin where none is.</summary>
    public long EndOfWhole(SafeFileHandle file, long end) => Records(file, end).LastOrDefault()?.End ?? Start;

    /// <summary>
    /// Where a later record begins; null where there is none. Records are flushed one by one, so what is unreadable before a later one was
    /// whole once; behind the last one it is a write that was cut short.
    /// </summary>
    public long? FindRecordBehind(SafeFileHandle file, long offset, long end)
    {
        Span<byte> marker = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(marker, Marker);
        var rest = new byte[Math.Max(0, end - offset)];
        if (!ReadWhole(file, rest, offset))
        {
            return null;
        }

        for (var at = 1; at <= rest.Length - RecordHeaderLength; at++)
        {
            var next = rest.AsSpan(at).IndexOf(marker);
            if (next < 0 || (at += next) > rest.Length - RecordHeaderLength)
            {
                return null;
            }

            if (IsHead(rest.AsSpan(at, RecordHeaderLength), offset + at))
            {
                return offset + at;
            }
        }

        return null;
    }

    /// <summary>Encodes a record that is to stand at <see cref="Length"/>.</summary>
    public void Encode(
        MemoryStream buffer,
        Evictions evictions,
        IReadOnlyCollection<(int Number, long Length)>? catalogue,
        IReadOnlyList<(long Sequence, EventRecord Event)> events)
    {
        buffer.SetLength(0);
        using var writer = new BinaryWriter(buffer, Encoding.UTF8, leaveOpen: true);
        writer.Write(stackalloc byte[RecordHeaderLength]);
        writer.Write(evictions.Timestamp);
        writer.Write(evictions.Sequence);
        writer.Write(evictions.Before);
        writer.Write(evictions.RetentionThrough);
        writer.Write(evictions.Retention);
        writer.Write(evictions.CapacityThrough);
        writer.Write(evictions.Capacity);
        writer.Write(catalogue?.Count ?? -1);
        foreach (var (number, length) in catalogue ?? [])
        {
            writer.Write(number);
            writer.Write(length);
        }

        writer.Write(events.Count);
        var (lastSequence, lastTimestamp) = (0L, 0L);
        foreach (var (sequence, record) in events)
        {
            writer.Write7BitEncodedInt64(sequence - lastSequence);
            writer.Write7BitEncodedInt64(ZigZag(record.Timestamp - lastTimestamp));
            writer.Write7BitEncodedInt64(ZigZag(record.Ingested - record.Timestamp));
            writer.Write((byte)((record.Addresses.Length << 1) | (record.IsKibanaAlert ? 1 : 0)));
            foreach (var address in record.Addresses.Span)
            {
                writer.Write((ulong)(address.Value >> 64));
                writer.Write((ulong)address.Value);
            }

            writer.Write7BitEncodedInt(record.Traits.Fields.Length + record.Account.Length + record.Payload.Length);
            writer.Write(record.Traits.Fields);
            writer.Write(record.Account.Span);
            writer.Write(record.Payload.Span);
            (lastSequence, lastTimestamp) = (sequence, record.Timestamp);
        }

        var written = buffer.GetBuffer().AsSpan(0, (int)buffer.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(written, Marker);
        BinaryPrimitives.WriteInt32LittleEndian(written[4..], written.Length - RecordHeaderLength);
        BinaryPrimitives.WriteUInt64LittleEndian(written[8..], HeadHash(written, Length));
        BinaryPrimitives.WriteUInt64LittleEndian(written[16..], BodyHash(written[RecordHeaderLength..], Length));
    }

    /// <summary>An event that outlives the reading of its record.</summary>
    public static (long Sequence, EventRecord Event) Copy((long Sequence, EventRecord Event) entry) =>
        (entry.Sequence, entry.Event with { Payload = entry.Event.Payload.ToArray() });

    /// <summary>
    /// Decodes the events of a record, all fields of each in its payload: <see cref="EventReader.ReadAgain"/> judges it. Fields get today's
    /// numbers, and those that nobody knows any more are dropped.
    /// </summary>
    public IEnumerable<(long Sequence, EventRecord Event)> Decode(JournalRecord record)
    {
        using var reader = new BinaryReader(new MemoryStream(record.Events.Array!, record.Events.Offset, record.Events.Count));
        var (sequence, timestamp) = (0L, 0L);
        for (var left = reader.ReadInt32(); left > 0; left--)
        {
            sequence += reader.Read7BitEncodedInt64();
            timestamp += UnZigZag(reader.Read7BitEncodedInt64());
            var ingested = timestamp + UnZigZag(reader.Read7BitEncodedInt64());
            var flags = reader.ReadByte();
            var addresses = new SourceAddress[flags >> 1];
            for (var i = 0; i < addresses.Length; i++)
            {
                addresses[i] = new SourceAddress(new UInt128(reader.ReadUInt64(), reader.ReadUInt64()));
            }

            var length = reader.Read7BitEncodedInt();
            var payload = new ArraySegment<byte>(record.Events.Array!, record.Events.Offset + (int)reader.BaseStream.Position, length);
            reader.BaseStream.Position += length;
            yield return (sequence, new EventRecord
            {
                Position = 0,
                Timestamp = timestamp,
                Ingested = ingested,
                Traits = EventTraits.None,
                Identity = 0,
                Addresses = addresses,
                Payload = Renumber(payload),
                IsKibanaAlert = (flags & 1) != 0,
            });
        }
    }

    /// <summary>Takes note of an event in this file.</summary>
    public void Note(long sequence, long timestamp)
    {
        _events++;
        (_newest, _lastSequence) = (Math.Max(_newest, timestamp), Math.Max(_lastSequence, sequence));
        var minute = timestamp / MillisecondsPerMinute;
        _minutes[minute] = _minutes.GetValueOrDefault(minute) + 1;
    }

    /// <summary>How much of this file's events the store has let go: from 0 for none to 1 for all.</summary>
    public double ShareLetGo(Evictions evictions)
    {
        if (_events == 0 || (_newest < evictions.Timestamp && _lastSequence < evictions.Before))
        {
            return 1;
        }

        var minute = evictions.Timestamp / MillisecondsPerMinute;
        return _lastSequence < evictions.Before
            ? _minutes.Where(entry => entry.Key < minute).Sum(entry => (double)entry.Value) / _events
            : 0;
    }

    private ArraySegment<byte> Renumber(ArraySegment<byte> payload)
    {
        var to = 0;
        for (var from = 0; from < payload.Count;)
        {
            var length = PayloadReader.EntryOverhead + BinaryPrimitives.ReadUInt16LittleEndian(payload.AsSpan(from + 1));
            if (_fields[payload[from]] is var field and not UnknownField)
            {
                payload.AsSpan(from, length).CopyTo(payload.AsSpan(to));
                payload[to] = field;
                to += length;
            }

            from += length;
        }

        return payload[..to];
    }

    private static JournalRecord ReadBody(byte[] body, int length, long offset)
    {
        using var reader = new BinaryReader(new MemoryStream(body, 0, length));
        var evictions = new Evictions(
            reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64(),
            reader.ReadInt64(), reader.ReadInt64(), reader.ReadInt64());
        var count = reader.ReadInt32();
        var catalogue = count < 0 ? null : new (int, long)[count];
        for (var i = 0; i < count; i++)
        {
            catalogue![i] = (reader.ReadInt32(), reader.ReadInt64());
        }

        var at = (int)reader.BaseStream.Position;
        return new JournalRecord(offset + RecordHeaderLength + length, evictions, catalogue, new ArraySegment<byte>(body, at, length - at));
    }

    private static int BodyLength(ReadOnlySpan<byte> head) => BinaryPrimitives.ReadInt32LittleEndian(head[4..]);

    private bool IsHead(ReadOnlySpan<byte> head, long offset) =>
        BinaryPrimitives.ReadUInt32LittleEndian(head) == Marker
        && BodyLength(head) >= 0
        && BinaryPrimitives.ReadUInt64LittleEndian(head[8..]) == HeadHash(head, offset);

    private ulong HeadHash(ReadOnlySpan<byte> head, long offset) => XxHash3.HashToUInt64(head[..8], _salt ^ offset);

    private ulong BodyHash(ReadOnlySpan<byte> body, long offset) => XxHash3.HashToUInt64(body, _salt ^ offset ^ BodySeed);

    private static bool ReadWhole(SafeFileHandle file, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(file, destination, offset);
            if (read == 0)
            {
                return false;
            }

            destination = destination[read..];
            offset += read;
        }

        return true;
    }

    private static long ZigZag(long value) => (value << 1) ^ (value >> 63);

    private static long UnZigZag(long value) => (long)((ulong)value >> 1) ^ -(value & 1);
}
