using System.Runtime.InteropServices;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>
/// What is kept of the events of one minute, in the order of their arrival, in few large pieces, so that all of it goes at once and the
/// garbage collector has little to look at. What was written is never changed: a reader that took <see cref="Chunks"/> reads on while
/// others write. A piece begins with the earliest and the latest <c>event.ingested</c> of its events, which only ever grow apart. At most
/// 16 GiB.
/// </summary>
internal struct EvidenceLog
{
    /// <summary>How many pieces there may be; a place in a later one has no number.</summary>
    public const int MaxPieces = 1 << (32 - OffsetBits);

    private const int FirstLength = 256;
    private const int HeadLength = 2 * sizeof(long);
    private const int OffsetBits = 14;
    private const int MaxLength = 1 << (OffsetBits + 2);

    // What is short at first doubles, with at worst two pieces for each step.
    private const int ShortPieces = 32;

    private int _count;
    private int _used;
    private long _length;

    /// <summary>The pieces; <see cref="At"/> finds events in them.</summary>
    public byte[][] Chunks { readonly get => field ?? []; private set; }

    /// <summary>How many bytes the pieces have.</summary>
    public long Capacity { get; private set; }

    /// <summary>How many pieces it has begun.</summary>
    public readonly int Pieces => _count;

    /// <summary>
    /// How many pieces events may take at most: what did not fit into the piece before is in the next, so two in a row are more than full.
    /// </summary>
    /// <param name="bytes">Their <see cref="LengthOf"/> in all.</param>
    public static long PiecesFor(long bytes) => ShortPieces + (2 * bytes / (MaxLength - HeadLength));

    /// <summary>How many bytes events take at most.</summary>
    public static long LengthOf(IReadOnlyList<EventRecord> events)
    {
        var length = 0L;
        foreach (ref readonly var record in events.InPlace())
        {
            length += Evidence.MaxFixedLength + record.Payload.Length;
        }

        return length;
    }

    /// <summary>The event that was written at a place.</summary>
    public static Evidence At(byte[][] chunks, uint place)
    {
        var chunk = chunks[place >> OffsetBits];
        return new Evidence(chunk.AsSpan((int)(place & ((1 << OffsetBits) - 1)) * 4));
    }

    /// <summary>
    /// Whether the event at a place was ingested at or after a time. Most often its piece tells, for there events come as they are
    /// ingested.
    /// </summary>
    public static bool IsIngestedSince(byte[][] chunks, uint place, long timestamp, long after)
    {
        ref readonly var head = ref HeadOf(chunks[place >> OffsetBits]);
        return head.Earliest >= after || (head.Latest >= after && timestamp + At(chunks, place).Delay >= after);
    }

    /// <summary>The same where the earliest and the latest <c>event.ingested</c> of all of them are known, which most often tell.</summary>
    public static bool IsIngestedSince((long Earliest, long Latest) ofAll, byte[][] chunks, uint place, long timestamp, long after) =>
        ofAll.Earliest >= after || (ofAll.Latest >= after && IsIngestedSince(chunks, place, timestamp, after));

    /// <summary>Loads what every event has of the one at a place.</summary>
    public static void Touch(byte[][] chunks, uint place) =>
        Prefetch.Load(in chunks[place >> OffsetBits][(place & ((1 << OffsetBits) - 1)) * 4]);

    /// <summary>Writes an event down; later places are greater.</summary>
    public uint Add(long timestamp, in EvidenceHeader header, ReadOnlySpan<byte> payload)
    {
        var length = (Evidence.LengthOf(header, payload.Length) + 3) & ~3;
        var tail = _count == 0 ? [] : Chunks[_count - 1];
        if (_used + length > tail.Length || _used >= MaxLength)
        {
            tail = Grow(length);
        }

        var place = ((uint)(_count - 1) << OffsetBits) | (uint)(_used / 4);
        Evidence.Write(tail.AsSpan(_used), header, payload);
        ref var head = ref HeadOf(tail);
        var ingested = timestamp + header.Delay;
        (head.Earliest, head.Latest) = (Math.Min(head.Earliest, ingested), Math.Max(head.Latest, ingested));
        _used += length;
        _length += length;
        return place;
    }

    private static ref (long Earliest, long Latest) HeadOf(byte[] chunk) =>
        ref MemoryMarshal.AsRef<(long Earliest, long Latest)>(chunk.AsSpan(0, HeadLength));

    private byte[] Grow(int length)
    {
        if (_count == Chunks.Length)
        {
            // Readers keep the array that they have.
            var chunks = new byte[Math.Max(1, _count * 2)][];
            Chunks.CopyTo(chunks, 0);
            Chunks = chunks;
        }

        // As much again as there is: a quiet minute stays small, a busy one has few pieces. What is pinned the collector never moves; short
        // pieces, which die in other orders, would leave holes there.
        var chunk = GC.AllocateUninitializedArray<byte>(
            (int)Math.Max(HeadLength + length, Math.Clamp(_length, FirstLength, MaxLength)),
            pinned: _length >= 4096);
        HeadOf(chunk) = (long.MaxValue, long.MinValue);
        Chunks[_count++] = chunk;
        Capacity += chunk.Length;
        _used = HeadLength;
        return chunk;
    }
}

/// <summary>What the store needs of an event besides its payload.</summary>
/// <param name="Identity">0 for an event without.</param>
/// <param name="Sequence">Its number in the order of arrival.</param>
/// <param name="Delay">From its time to its <c>event.ingested</c>, milliseconds; may be negative.</param>
/// <param name="Traits">The number of its traits.</param>
internal readonly record struct EvidenceHeader(UInt128 Identity, long Sequence, long Delay, int Traits);

/// <summary>
/// One event in an <see cref="EvidenceLog"/>: 16 bytes that every event has, then only what there is of the delay (4 or 8 bytes) and the
/// identity (16), and the payload.
/// </summary>
internal readonly ref struct Evidence(ReadOnlySpan<byte> bytes)
{
    /// <summary>What an event takes besides its payload at most, and what aligns it.</summary>
    public const int MaxFixedLength = FixedLength + sizeof(long) + 16 + 3;

    private const int FixedLength = 16;
    private const int FlagBits = 3;
    private const int HasIdentity = 1;
    private const int HasDelay = 2;
    private const int HasLongDelay = 4;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Traits => MemoryMarshal.Read<int>(_bytes[4..]);

    public long Sequence => MemoryMarshal.Read<long>(_bytes[8..]);

    public long Delay => (Flags & (HasDelay | HasLongDelay)) switch
    {
        0 => 0,
        HasDelay => MemoryMarshal.Read<int>(_bytes[FixedLength..]),
        _ => MemoryMarshal.Read<long>(_bytes[FixedLength..]),
    };

    public UInt128 Identity =>
        (Flags & HasIdentity) == 0 ? 0 : MemoryMarshal.Read<UInt128>(_bytes[(FixedLength + DelayLength(Flags))..]);

    public ReadOnlySpan<byte> Payload => _bytes.Slice(PayloadAt(Flags), MemoryMarshal.Read<int>(_bytes) >> FlagBits);

    // With the length behind them.
    private int Flags => MemoryMarshal.Read<int>(_bytes);

    public static int LengthOf(in EvidenceHeader header, int payload) => PayloadAt(FlagsOf(header)) + payload;

    public static void Write(Span<byte> to, in EvidenceHeader header, ReadOnlySpan<byte> payload)
    {
        var flags = FlagsOf(header);
        MemoryMarshal.Write(to, (payload.Length << FlagBits) | flags);
        MemoryMarshal.Write(to[4..], header.Traits);
        MemoryMarshal.Write(to[8..], header.Sequence);
        if ((flags & HasLongDelay) != 0)
        {
            MemoryMarshal.Write(to[FixedLength..], header.Delay);
        }
        else if ((flags & HasDelay) != 0)
        {
            MemoryMarshal.Write(to[FixedLength..], (int)header.Delay);
        }

        if ((flags & HasIdentity) != 0)
        {
            MemoryMarshal.Write(to[(FixedLength + DelayLength(flags))..], header.Identity);
        }

        payload.CopyTo(to[PayloadAt(flags)..]);
    }

    private static int FlagsOf(in EvidenceHeader header) =>
        (header.Identity == 0 ? 0 : HasIdentity) | (header.Delay == 0 ? 0 : header.Delay == (int)header.Delay ? HasDelay : HasLongDelay);

    private static int DelayLength(int flags) => (flags & HasLongDelay) != 0 ? sizeof(long) : (flags & HasDelay) != 0 ? sizeof(int) : 0;

    private static int PayloadAt(int flags) => FixedLength + DelayLength(flags) + ((flags & HasIdentity) != 0 ? 16 : 0);
}
