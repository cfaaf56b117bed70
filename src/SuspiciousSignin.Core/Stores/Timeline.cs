using System.Runtime.InteropServices;
using System.Security.Cryptography;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The minutes that hold events, by the hour: what coverage, near misses and eviction walk. A window costs its whole hours, the minutes at
/// its two edges, and the events of the minutes that it cuts. The identities of a minute's events are a group of theirs, and go with it.
/// </summary>
internal sealed class Timeline(IdentitySet identities)
{
    public const long MillisecondsPerMinute = 60_000;
    private const long MinutesPerHour = 60;

    private readonly Dictionary<long, Minute> _minutes = new(TimeComparer.Instance);
    private readonly SortedSet<Hour> _hours = new(Comparer<Hour>.Create((left, right) => left.Key.CompareTo(right.Key)));

    // Events of the same time come together, but not in its order: by the minute, whoever was there last.
    private readonly Minute?[] _latest = new Minute?[64];

    /// <summary>The earliest minute, or null where nothing is held.</summary>
    public Minute? First => _hours.Min?.Minutes[0];

    /// <summary>How much memory the evidence of all minutes takes.</summary>
    public long EvidenceBytes { get; private set; }

    /// <summary>The most pieces of evidence that a minute ever had.</summary>
    public int MostPieces { get; private set; }

    /// <summary>The minute of a time, or null where it holds nothing.</summary>
    public Minute? Find(long timestamp)
    {
        var key = MinuteOf(timestamp);
        return LatestOf(key) is { } latest && latest.Key == key ? latest : _minutes.GetValueOrDefault(key);
    }

    /// <summary>The minute of a time, made where there is none.</summary>
    public Minute GetOrAdd(long timestamp)
    {
        var key = MinuteOf(timestamp);
        ref var latest = ref LatestOf(key);
        if (latest?.Key == key)
        {
            return latest;
        }

        ref var minute = ref CollectionsMarshal.GetValueRefOrAddDefault(_minutes, key, out _);
        minute ??= Add(key);
        return latest = minute;
    }

    /// <summary>Adds an event to a minute that it has, and tells where its evidence is.</summary>
    public uint Add(
        Minute minute, long timestamp, ushort kind, in EvidenceHeader header, ReadOnlySpan<byte> payload)
    {
        var before = minute.EvidenceBytes;
        var place = minute.Add(timestamp, kind, header, payload);
        EvidenceBytes += minute.EvidenceBytes - before;
        MostPieces = Math.Max(MostPieces, minute.Pieces);
        return place;
    }

    /// <summary>Takes away the earliest minute.</summary>
    public void RemoveFirst()
    {
        var hour = _hours.Min!;
        var minute = hour.Minutes[0];
        EvidenceBytes -= minute.EvidenceBytes;
        if (minute.Identities != IdentitySet.Ungrouped)
        {
            identities.LetGo(minute.Identities);
        }

        _minutes.Remove(minute.Key);
        ref var latest = ref LatestOf(minute.Key);
        latest = ReferenceEquals(latest, minute) ? null : latest;
        hour.Minutes.RemoveAt(0);
        hour.IsChanged = true;
        if (hour.Minutes.Count == 0)
        {
            _hours.Remove(hour);
        }
    }

    /// <summary>The hours that have a part in the window.</summary>
    public IEnumerable<Hour> In(TimeWindow window)
    {
        if (_hours.Count == 0 || window.To <= window.From)
        {
            return [];
        }

        var (first, last) = (new Hour(HourOf(MinuteOf(window.From))), new Hour(HourOf(MinuteOf(window.To))));
        return _hours.GetViewBetween(first, last);
    }

    /// <summary>The first millisecond of a time's minute.</summary>
    public static long BeginOf(long timestamp) => MinuteOf(timestamp) * MillisecondsPerMinute;

    private static long MinuteOf(long timestamp) =>
        Math.DivRem(timestamp, MillisecondsPerMinute) is var (minute, rest) && rest < 0 ? minute - 1 : minute;

    private static long HourOf(long minute) => Math.DivRem(minute, MinutesPerHour) is var (hour, rest) && rest < 0 ? hour - 1 : hour;

    private ref Minute? LatestOf(long key) => ref _latest[key & (_latest.Length - 1)];

    private Minute Add(long key)
    {
        var probe = new Hour(HourOf(key));
        if (!_hours.TryGetValue(probe, out var hour))
        {
            _hours.Add(hour = probe);
        }

        var minute = new Minute(key, hour, identities.TakeGroup());
        var place = hour.Minutes.FindLastIndex(other => other.Key < key) + 1;
        hour.Minutes.Insert(place, minute);
        return minute;
    }
}

/// <summary>
/// Tells times apart in a table, whose places are drawn anew by each process: a number's own hash is itself, and senders, who choose the
/// times, could have all of them meet in one place.
/// </summary>
internal sealed class TimeComparer : IEqualityComparer<long>
{
    public static readonly TimeComparer Instance = new();

    private readonly ulong _factor = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) | 1;

    public bool Equals(long x, long y) => x == y;

    public int GetHashCode(long obj) => (int)(((ulong)obj * _factor) >> 32);
}

/// <summary>Up to sixty minutes and what they come to.</summary>
internal sealed class Hour(long key)
{
    private TallyList _tallies;
    private bool _mustBeWalked;

    /// <summary>Hours since the epoch.</summary>
    public long Key => key;

    /// <summary>The minutes that hold events, earliest first.</summary>
    public List<Minute> Minutes { get; } = new(1);

    /// <summary>Whether a minute changed since the tallies were added up.</summary>
    public bool IsChanged { get; set; } = true;

    /// <summary>Whether the window holds all of it.</summary>
    public bool IsWithin(TimeWindow window)
    {
        var first = key * 60 * Timeline.MillisecondsPerMinute;
        return window.From < first && first + (60 * Timeline.MillisecondsPerMinute) - 1 <= window.To;
    }

    /// <summary>Adds all events; false where a minute has to be walked instead.</summary>
    public bool TryAddTo(WindowSummary summary, KindTable kinds)
    {
        if (IsChanged)
        {
            (_tallies, _mustBeWalked, IsChanged) = (default, false, false);
            foreach (var minute in Minutes)
            {
                minute.AddTo(ref _tallies);
                _mustBeWalked |= minute.MustBeWalked;
            }
        }

        if (!_mustBeWalked)
        {
            _tallies.AddTo(summary, kinds);
        }

        return !_mustBeWalked;
    }
}

/// <summary>The events of one minute over all addresses.</summary>
internal sealed class Minute(long key, Hour hour, ushort identities)
{
    private MinuteEntry[] _entries = [];
    private int _start;
    private int _count;
    private int _ordered;
    private long _lastSequence = -1;
    private bool _hasUnlisted;
    private TallyList _tallies;
    private EvidenceLog _evidence;

    /// <summary>Minutes since the epoch.</summary>
    public long Key => key;

    /// <summary>The first millisecond.</summary>
    public long Begin => key * Timeline.MillisecondsPerMinute;

    /// <summary>The last millisecond.</summary>
    public long End => Begin + Timeline.MillisecondsPerMinute - 1;

    /// <summary>The group of the events' identities.</summary>
    public ushort Identities => identities;

    /// <summary>How many events are held.</summary>
    public int Count => _count - _start;

    /// <summary>The time of the earliest event that ever came.</summary>
    public long Earliest { get; private set; } = long.MaxValue;

    /// <summary>The time of the latest event.</summary>
    public long Latest { get; private set; } = long.MinValue;

    /// <summary>Whether its counts do not tell what it holds: some events were let go, or have verdicts that have no number.</summary>
    public bool MustBeWalked => _start > 0 || _hasUnlisted;

    /// <summary>The events held; see <see cref="Order"/>. What was taken here is never changed.</summary>
    public ReadOnlyMemory<MinuteEntry> Entries => _entries.AsMemory(_start, _count - _start);

    /// <summary>How much memory their evidence takes.</summary>
    public long EvidenceBytes => _evidence.Capacity;

    /// <summary>Where their evidence is.</summary>
    public byte[][] Chunks => _evidence.Chunks;

    /// <summary>In how many pieces their evidence is.</summary>
    public int Pieces => _evidence.Pieces;

    /// <summary>
    /// Whether the places of its events are in the order of their numbers; an earlier process's journal may tell them in another.
    /// </summary>
    public bool IsInSequence { get; private set; } = true;

    /// <summary>The earliest and the latest <c>event.ingested</c> of all its events.</summary>
    public (long Earliest, long Latest) Ingested { get; private set; } = (long.MaxValue, long.MinValue);

    /// <summary>Adds an event and tells where its evidence is.</summary>
    public uint Add(long timestamp, ushort kind, in EvidenceHeader header, ReadOnlySpan<byte> payload)
    {
        var place = _evidence.Add(timestamp, header, payload);
        if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, Math.Max(2, _count + (_count / 4) + 1));
        }

        var at = (ushort)(timestamp - Begin);
        _entries[_count++] = new MinuteEntry(at, place, kind);
        IsInSequence &= header.Sequence > _lastSequence;
        _lastSequence = header.Sequence;
        var ingested = timestamp + header.Delay;
        if (ingested < Ingested.Earliest || ingested > Ingested.Latest)
        {
            Ingested = (Math.Min(Ingested.Earliest, ingested), Math.Max(Ingested.Latest, ingested));
        }

        (Earliest, Latest) = (Math.Min(Earliest, timestamp), Math.Max(Latest, timestamp));
        _hasUnlisted |= kind == KindTable.Unlisted;
        _tallies.Add(kind, 1, timestamp, timestamp);
        hour.IsChanged = true;
        return place;
    }

    /// <summary>Puts the events in the order of their times, and of their numbers within a time.</summary>
    public void Order()
    {
        if (_ordered == _count)
        {
            return;
        }

        // What came since the last time is merged in; it is usually little.
        var (chunks, isInSequence) = (Chunks, IsInSequence);
        var latest = _count - Math.Max(_ordered, _start);
        if (!IsOrdered(Entries.Span, latest))
        {
            // In a copy, since a query may read those that there are.
            _entries = [.. _entries];
            var entries = _entries.AsSpan(_start, _count - _start);
            var late = entries[^latest..];
            if (isInSequence)
            {
                MemoryMarshal.Cast<MinuteEntry, ulong>(late).Sort();
            }
            else
            {
                late.Sort(Compare);
            }

            entries = entries[..^latest];
            var waiting = late.ToArray();
            var to = _count - 1;
            var from = entries.Length - 1;
            for (var i = waiting.Length - 1; i >= 0; to--)
            {
                _entries[to] = from >= 0 && Compare(entries[from], waiting[i]) > 0 ? entries[from--] : waiting[i--];
            }
        }

        _ordered = _count;

        int Compare(MinuteEntry left, MinuteEntry right) =>
            isInSequence || left.At != right.At ? left.Value.CompareTo(right.Value)
            : EvidenceLog.At(chunks, left.Place).Sequence.CompareTo(EvidenceLog.At(chunks, right.Place).Sequence);

        bool IsOrdered(ReadOnlySpan<MinuteEntry> all, int latest)
        {
            for (var i = Math.Max(1, all.Length - latest); i < all.Length; i++)
            {
                if (Compare(all[i - 1], all[i]) > 0)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Lets the first events go.</summary>
    public void RemoveFirst(int count)
    {
        _start += count;
        hour.IsChanged = true;
    }

    /// <summary>Adds the counts of all events, of which none may have been let go.</summary>
    public void AddTo(ref TallyList tallies) => _tallies.AddTo(ref tallies);

    /// <inheritdoc cref="AddTo(ref TallyList)"/>
    public void AddTo(WindowSummary summary, KindTable kinds) => _tallies.AddTo(summary, kinds);
}

/// <summary>Gives each combination of verdicts a number that fits into two bytes.</summary>
internal sealed class KindTable
{
    /// <summary>The number of all combinations beyond those that fit; the traits of the event tell its verdicts.</summary>
    public const ushort Unlisted = 0;

    private readonly Dictionary<Classification, ushort> _numbers = [];
    private Classification[] _kinds = new Classification[16];
    private int _count = 1;

    /// <summary>How many numbers there are; fewer for tests.</summary>
    public int Limit { get; init; } = ushort.MaxValue;

    public Classification this[ushort kind] => _kinds[kind];

    public ushort NumberOf(Classification classification)
    {
        if (!_numbers.TryGetValue(classification, out var number) && _count <= Limit)
        {
            if (_count == _kinds.Length)
            {
                // A new array: a query may read the one that there is.
                _kinds = [.. _kinds, .. new Classification[_count]];
            }

            _kinds[_count] = classification;
            _numbers.Add(classification, number = (ushort)_count++);
        }

        return number;
    }
}

/// <summary>One event of a minute, 8 bytes: in the order of these numbers are the times, and within a time the places.</summary>
internal readonly record struct MinuteEntry(ulong Value)
{
    public MinuteEntry(ushort at, uint place, ushort kind)
        : this(((ulong)at << 48) | ((ulong)place << 16) | kind)
    {
    }

    /// <summary>Milliseconds since the minute began.</summary>
    public ushort At => (ushort)(Value >> 48);

    /// <summary>Where its evidence is.</summary>
    public uint Place => (uint)(Value >> 16);

    /// <summary>The number of its verdicts.</summary>
    public ushort Kind => (ushort)Value;
}

/// <summary>Counts of events by their verdicts; there are few kinds in a minute.</summary>
internal struct TallyList
{
    private Tally[]? _tallies;
    private int _count;

    public void Add(ushort kind, long count, long oldest, long newest)
    {
        var tallies = _tallies.AsSpan(0, _count);
        for (var i = 0; i < tallies.Length; i++)
        {
            if (tallies[i].Kind == kind)
            {
                tallies[i].Count += count;
                tallies[i].Oldest = Math.Min(tallies[i].Oldest, oldest);
                tallies[i].Newest = Math.Max(tallies[i].Newest, newest);
                return;
            }
        }

        if (_count == (_tallies?.Length ?? 0))
        {
            Array.Resize(ref _tallies, Math.Max(1, _count * 2));
        }

        _tallies![_count++] = new Tally { Kind = kind, Count = count, Oldest = oldest, Newest = newest };
    }

    public readonly void AddTo(ref TallyList other)
    {
        foreach (ref readonly var tally in _tallies.AsSpan(0, _count))
        {
            other.Add(tally.Kind, tally.Count, tally.Oldest, tally.Newest);
        }
    }

    public readonly void AddTo(WindowSummary summary, KindTable kinds)
    {
        foreach (ref readonly var tally in _tallies.AsSpan(0, _count))
        {
            summary.Add(kinds[tally.Kind], tally.Count, tally.Oldest, tally.Newest);
        }
    }

    private struct Tally
    {
        public long Count;
        public long Oldest;
        public long Newest;
        public ushort Kind;
    }
}
