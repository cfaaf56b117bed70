using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>One event of an address, 20 bytes.</summary>
/// <param name="Timestamp">Milliseconds since the epoch; its minute holds the evidence.</param>
/// <param name="Place">Where the evidence is in that minute.</param>
/// <param name="Traits">The number of its traits.</param>
/// <param name="Account">The number of its account, or <see cref="NoAccount"/>.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal readonly record struct SeriesEntry(long Timestamp, uint Place, int Traits, int Account)
{
    public const int NoAccount = -1;
}

/// <summary>
/// The events of one address. They come to the end as they arrive and are put in order when somebody asks; those that the store has let go
/// stay in front until then. What was handed out is never changed while a query may read it: new events go behind it, and whatever has to
/// come between goes into a new array.
/// </summary>
internal struct AddressSeries
{
    public SourceAddress Address;

    /// <summary>The union of the verdicts on its events, perhaps with those of some that were let go.</summary>
    public Classification Seen;

    /// <summary>Below this many events a block is small enough to stay as it is.</summary>
    private const int SmallBlock = 64;

    // In this order it is 64 bytes long.
    private long _latest;
    private long _handedTo;
    private int _block;
    private int _capacity;
    private int _start;
    private int _count;
    private int _ordered;
    private int _gone;

    /// <summary>Whether it has a block, be it of events that were let go.</summary>
    public readonly bool IsUsed => _capacity > 0;

    /// <summary>How many events are held. <see cref="Settle"/> it before.</summary>
    public readonly int Count => _count - _start;

    /// <summary>The time of its latest event, milliseconds since the epoch.</summary>
    public readonly long Latest => _latest;

    /// <summary>How many events are not yet in their order.</summary>
    public readonly int Late => _count - _ordered;

    /// <summary>Whether so many events went that <see cref="Seen"/> is worth taking anew.</summary>
    public readonly bool IsSeenStale => _gone > 16 && _gone > Count / 2;

    /// <summary>Whether so many events went that a smaller block would do. <see cref="Settle"/> it before.</summary>
    public readonly bool IsSparse => _capacity > SmallBlock && Count < _capacity / 4;

    /// <summary>Loads its last fields.</summary>
    public readonly void TouchEnd() => Prefetch.Load(in _gone);

    /// <summary>Loads what <see cref="Add"/> looks at.</summary>
    public readonly void Touch(EntryPool pool)
    {
        if (_count > 0)
        {
            Prefetch.Load(in pool.At(_block, _count - 1));
        }
    }

    /// <summary>Loads what <see cref="Settle"/> looks at, where all is in its order.</summary>
    public readonly void TouchStart(EntryPool pool)
    {
        if (_count > _start)
        {
            Prefetch.Load(in pool.At(_block, _start));
        }
    }

    /// <inheritdoc cref="Settle"/>
    /// <param name="entry">The event.</param>
    public void Add(in SeriesEntry entry, EntryPool pool, SeriesOrder order, long oldestQuery)
    {
        if (_count == _capacity)
        {
            Settle(pool, order, oldestQuery);
            Move(Count + 1, pool, oldestQuery);
        }

        if (_ordered == _count)
        {
            var isLast = _count == _start;
            if (!isLast)
            {
                ref readonly var last = ref pool.At(_block, _count - 1);
                isLast = order.IsBefore(last, entry);
            }

            _ordered += isLast ? 1 : 0;
        }

        _latest = _count == _start ? entry.Timestamp : Math.Max(_latest, entry.Timestamp);
        pool.At(_block, _count++) = entry;
    }

    /// <summary>Puts all in order and takes away what the store has let go.</summary>
    /// <param name="pool">Where the entries are.</param>
    /// <param name="order">Their order, and what has been let go.</param>
    /// <param name="oldestQuery">The oldest query that runs.</param>
    public void Settle(EntryPool pool, SeriesOrder order, long oldestQuery)
    {
        Arrange(pool, order, oldestQuery);
        if (_start < _count && pool.At(_block, _start).Timestamp <= order.Gone.Timestamp)
        {
            var entries = pool[_block].Span[_start.._count];

            // What went is a small part in front, so it is not looked for in the middle of all.
            var bound = 1;
            while (bound < entries.Length && entries[bound].Timestamp < order.Gone.Timestamp)
            {
                bound *= 2;
            }

            var gone = FirstAfter(entries[..Math.Min(bound, entries.Length)], order.Gone.Timestamp - 1);
            while (gone < entries.Length && order.IsGone(entries[gone]))
            {
                gone++;
            }

            _start += gone;
            _gone = (int)Math.Min(int.MaxValue, (long)_gone + gone);
        }
    }

    /// <summary>The events of a window, for a query that may read them until it ends.</summary>
    /// <inheritdoc cref="Settle"/>
    public ReadOnlyMemory<SeriesEntry> HandOut(EntryPool pool, SeriesOrder order, TimeWindow window, long query, long oldestQuery)
    {
        // A window after what was let go need not look at what is in front.
        if (window.From < order.Gone.Timestamp)
        {
            Settle(pool, order, oldestQuery);
        }
        else
        {
            Arrange(pool, order, oldestQuery);
        }

        if (Count == 0)
        {
            return default;
        }

        _handedTo = Math.Max(_handedTo, query);
        var entries = pool[_block][_start.._count];
        var from = FirstAfter(entries.Span, window.From);
        return entries[from..Math.Max(from, FirstAfter(entries.Span, window.To))];
    }

    /// <summary>Takes <see cref="Seen"/> anew. <see cref="Settle"/> it before.</summary>
    public void SeeAnew(EntryPool pool, InternTable<EventTraits>.Reader traits)
    {
        (Seen, _gone) = (default, 0);
        foreach (ref readonly var entry in pool[_block].Span[_start.._count])
        {
            Seen |= traits[entry.Traits].Classification;
        }
    }

    /// <summary>Moves its events to a smaller block. <see cref="Settle"/> it before.</summary>
    /// <inheritdoc cref="Settle"/>
    public void Shrink(EntryPool pool, long oldestQuery) => Move(Count, pool, oldestQuery);

    /// <summary>The place of the first event later than the time.</summary>
    public static int FirstAfter(ReadOnlySpan<SeriesEntry> entries, long timestamp)
    {
        // Windows most often end after the latest event, which was looked at just now.
        if (entries.IsEmpty || entries[^1].Timestamp <= timestamp)
        {
            return entries.Length;
        }

        var (low, high) = (0, entries.Length - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = entries[middle].Timestamp <= timestamp ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>Gives back what it has; it must not be used any more.</summary>
    public readonly void Release(EntryPool pool, long oldestQuery)
    {
        if (_capacity > 0)
        {
            pool.Return(_block, _handedTo, oldestQuery);
        }
    }

    // Another block even where half of this one was let go, since somebody may read it.
    private void Move(int length, EntryPool pool, long oldestQuery)
    {
        var live = Count;
        var block = pool.Rent(length, out var capacity);
        if (live > 0)
        {
            pool[_block].Span[_start.._count].CopyTo(pool[block].Span);
        }

        Release(pool, oldestQuery);
        (_block, _capacity, _start, _count, _ordered) = (block, capacity, 0, live, live);
    }

    private void Arrange(EntryPool pool, SeriesOrder order, long oldestQuery)
    {
        if (_ordered < _count)
        {
            Merge(pool, order, oldestQuery);
        }
    }

    private void Merge(EntryPool pool, SeriesOrder order, long oldestQuery)
    {
        // Nobody was given what is late, but perhaps what it goes between.
        var entries = pool[_block].Span[_start.._count];
        var late = entries[(_ordered - _start)..];
        late.Sort(order.Comparison);
        var ordered = entries[..(_ordered - _start)];
        var keep = FirstAfter(ordered, late[0].Timestamp - 1);
        while (keep < ordered.Length && order.IsBefore(ordered[keep], late[0]))
        {
            keep++;
        }

        if (keep < ordered.Length)
        {
            var waiting = pool.Copy(late);
            var target = entries;
            if (_handedTo >= oldestQuery)
            {
                var block = pool.Rent(entries.Length, out var capacity);
                target = pool[block].Span[..entries.Length];
                ordered[..keep].CopyTo(target);
                pool.Return(_block, _handedTo, oldestQuery);
                (_block, _capacity, _start, _count) = (block, capacity, 0, entries.Length);
            }

            var (from, to) = (ordered.Length - 1, entries.Length - 1);
            for (var i = waiting.Length - 1; i >= 0; i--)
            {
                ref readonly var next = ref waiting[i];
                while (from >= keep && order.IsBefore(next, ordered[from]))
                {
                    target[to--] = ordered[from--];
                }

                target[to--] = next;
            }

            ordered[keep..(from + 1)].CopyTo(target[keep..]);
        }

        _ordered = _count;
    }
}

/// <summary>
/// By time, then by number, up to where the store has let all go. Within a minute places are in the order of the numbers, unless a journal
/// told them in another.
/// </summary>
internal sealed class SeriesOrder
{
    /// <summary>Nothing.</summary>
    public static readonly (long Timestamp, long Sequence) Nothing = (long.MinValue, long.MinValue);

    private readonly Timeline _timeline;

    public SeriesOrder(Timeline timeline) => (_timeline, Comparison) = (timeline, Compare);

    /// <summary><see cref="Compare"/> as sorting takes it; one for all, since many short lists are sorted.</summary>
    public Comparison<SeriesEntry> Comparison { get; }

    /// <summary>Events up to this time and number are let go, though those of addresses may still be there.</summary>
    public (long Timestamp, long Sequence) Gone { get; set; } = Nothing;

    /// <summary>As <see cref="Compare"/> tells; the times alone most often do, so they are compared in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsBefore(in SeriesEntry left, in SeriesEntry right) =>
        left.Timestamp < right.Timestamp || (left.Timestamp == right.Timestamp && Compare(left, right) < 0);

    public int Compare(SeriesEntry left, SeriesEntry right)
    {
        if (left.Timestamp != right.Timestamp)
        {
            return left.Timestamp.CompareTo(right.Timestamp);
        }

        // What is gone has to go, in whatever order; its minute may be another by now.
        var minute = IsAllGone(left.Timestamp) ? null : _timeline.Find(left.Timestamp);
        return minute is null || minute.IsInSequence
            ? left.Place.CompareTo(right.Place)
            : EvidenceLog.At(minute.Chunks, left.Place).Sequence.CompareTo(EvidenceLog.At(minute.Chunks, right.Place).Sequence);
    }

    /// <summary>Whether an event of that time and number was let go.</summary>
    public bool IsGone(long timestamp, long sequence) =>
        timestamp < Gone.Timestamp || (timestamp == Gone.Timestamp && sequence <= Gone.Sequence);

    /// <summary>Whether the event was let go.</summary>
    public bool IsGone(in SeriesEntry entry) =>
        IsAllGone(entry.Timestamp) || (entry.Timestamp == Gone.Timestamp && SequenceOf(entry) <= Gone.Sequence);

    /// <summary>The number of an event that is held.</summary>
    public long SequenceOf(in SeriesEntry entry) => EvidenceLog.At(_timeline.Find(entry.Timestamp)!.Chunks, entry.Place).Sequence;

    private bool IsAllGone(long timestamp) => IsGone(timestamp, long.MaxValue);
}
