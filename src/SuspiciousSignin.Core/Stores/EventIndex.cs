using System.IO.Hashing;
using System.Security.Cryptography;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The events that the in-memory store holds, and what finds them: the evidence by the minute, an index by the address, and for every
/// revision the addresses that have both legs. Events are let go by moving the time and number up to which nothing is held; what else
/// refers to them is swept away in parts by the appends that follow. Not thread-safe; what was handed to a query stays good until the query
/// ends.
/// </summary>
internal sealed class EventIndex
{
    /// <summary>So many at once that what appending them looks at fits into the second-level cache.</summary>
    public const int EventsPerAppend = 256;

    /// <summary>How many addresses are looked for at once.</summary>
    public const int AddressesPerSearch = 128;

    private const int EvictionsPerCall = 512;

    /// <summary>As how many of these evictions a minute counts that goes at once.</summary>
    private const int CostOfWholeMinute = 8;

    /// <summary>In how many parts all is swept; a multiple of those of the identities.</summary>
    private const int SweepParts = 16 * IdentitySet.Shards;

    /// <summary>All is swept once while a quarter as many events come as are held.</summary>
    private const int SweepsPerEvent = 4;

    /// <summary>An address with more late events is left to those who ask for it.</summary>
    private const int LatePerSweep = 256;

    private readonly MemoryStoreOptions _options;
    private readonly TimeProvider _clock;
    private readonly StoreMetrics? _metrics;
    private readonly IdentitySet _identities = new();
    private readonly AddressTable _addresses = new();
    private readonly EntryPool _pool = new();
    private readonly RuleRevision[] _revisions = [.. RuleCatalogue.Revisions];
    private readonly InternTable<EventTraits> _traits = new();
    private readonly InternTable<EventAccount> _accounts = new();
    private readonly SeriesOrder _order;
    private readonly CandidateSet[] _candidates = [.. RuleCatalogue.Revisions.Select(_ => new CandidateSet())];
    private readonly RunningQueries _queries;
    private readonly Touched[] _touches = new Touched[EventsPerAppend];
    private readonly (EventTraits? Value, int Number)[] _recentTraits = new (EventTraits?, int)[64];
    private readonly long _seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
    private int _count;
    private Leaving _leaving;
    private int _sweptPart;
    private int _partsToSweep;
    private double _sweepDue;

    /// <summary>Creates an empty one.</summary>
    /// <param name="options">What is let go.</param>
    /// <param name="clock">What tells how old events are.</param>
    /// <param name="metrics">Where evictions are counted.</param>
    /// <param name="queries">The queries that may read what was handed out.</param>
    /// <param name="maxKinds">How many combinations of verdicts have numbers.</param>
    public EventIndex(MemoryStoreOptions options, TimeProvider clock, StoreMetrics? metrics, RunningQueries queries, int maxKinds)
    {
        (_options, _clock, _metrics, _queries) = (options, clock, metrics, queries);
        Kinds = new KindTable { Limit = maxKinds };
        Timeline = new Timeline(_identities);
        _order = new SeriesOrder(Timeline);
    }

    /// <summary>How many events are held; safe to ask at any time.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The time of the newest event that ever came.</summary>
    public long Newest { get; private set; } = long.MinValue;

    /// <summary>The number that the next event gets.</summary>
    public long Sequence { get; set; }

    /// <summary>What was let go so far.</summary>
    public Evictions Evictions { get; set; } = Evictions.None;

    /// <summary>The events by the minute.</summary>
    public Timeline Timeline { get; }

    /// <summary>The combinations of verdicts by their numbers.</summary>
    public KindTable Kinds { get; }

    /// <summary>
    /// How many distinct traits, accounts, addresses and identities are held, with those that were let go and not swept yet.
    /// </summary>
    public (int Traits, int Accounts, int Addresses, int Identities) Held =>
        (_traits.Count, _accounts.Count, _addresses.Count, _identities.Count);

    /// <summary>For how many events of addresses there is room.</summary>
    public long Capacity => _pool.Capacity;

    /// <summary>What reads traits and accounts by their numbers.</summary>
    public (InternTable<EventTraits>.Reader Traits, InternTable<EventAccount>.Reader Accounts) Read() => (_traits.Read(), _accounts.Read());

    /// <summary>The addresses that have both legs of a revision in their order, with their numbers, and perhaps some that had.</summary>
    public (SourceAddress Address, int Number)[] Candidates(RuleRevision revision) => _candidates[revision.Slot].InOrder();

    /// <summary>The events of an address in a window, for a query that may read them until it ends; none where it is not held.</summary>
    /// <param name="address">The address.</param>
    /// <param name="likely">The number that it had, or <see cref="AddressTable.Unknown"/>.</param>
    /// <param name="revision">Whose legs are asked about.</param>
    /// <param name="window">The window.</param>
    /// <param name="query">The number of the query.</param>
    /// <param name="late">How many events had to be put in order.</param>
    public AddressSlice HandOut(SourceAddress address, int likely, RuleRevision revision, TimeWindow window, long query, out int late)
    {
        late = 0;
        var number = _addresses.Find(address, likely);
        if (number < 0)
        {
            return default;
        }

        ref var series = ref _addresses[number];
        late = series.Late;
        var events = series.HandOut(_pool, _order, window, query, _queries.Oldest);
        return new AddressSlice(address, events, series.Seen.HasBothLegs(revision), Sequence);
    }

    /// <summary>
    /// Looks for addresses, and loads what <see cref="HandOut"/> will look at, step by step for all of them, so that the waits for memory
    /// overlap.
    /// </summary>
    /// <param name="addresses">At most <see cref="AddressesPerSearch"/>, with the numbers that they had where those are known.</param>
    /// <param name="numbers">The numbers that they have, not compared with the addresses; -1 where one is not held.</param>
    public void Find(ReadOnlySpan<(SourceAddress Address, int Number)> addresses, Span<int> numbers)
    {
        Span<ulong> hashes = stackalloc ulong[AddressesPerSearch];
        for (var i = 0; i < addresses.Length; i++)
        {
            if (addresses[i].Number == AddressTable.Unknown)
            {
                hashes[i] = _addresses.HashOf(addresses[i].Address);
                _addresses.Touch(hashes[i]);
            }
        }

        for (var i = 0; i < addresses.Length; i++)
        {
            numbers[i] = addresses[i].Number;
            if (numbers[i] == AddressTable.Unknown)
            {
                numbers[i] = _addresses.Peek(hashes[i]);
            }
            else
            {
                _addresses.TouchAt(numbers[i]);
            }
        }

        foreach (var number in numbers[..addresses.Length])
        {
            if (number >= 0)
            {
                _addresses[number].Touch(_pool);
            }
        }
    }

    /// <summary>The number of an event that is held.</summary>
    public long SequenceOf(in SeriesEntry entry) => _order.SequenceOf(entry);

    /// <summary>Adds events. What each will look at is loaded for all of them first, so that the waits for memory overlap.</summary>
    /// <param name="events">At most <see cref="EventsPerAppend"/>.</param>
    /// <param name="position">The position of the first in its batch.</param>
    /// <param name="latest">Events of later times are not kept, milliseconds since the epoch.</param>
    /// <param name="outcome">Where is noted what became of them.</param>
    public void Append(ReadOnlySpan<EventRecord> events, int position, long latest, AppendOutcome outcome)
    {
        // While events are added no number is given anew, so what the objects' numbers are need not be asked twice.
        _recentTraits.AsSpan().Clear();
        _traits.Reclaim(_queries.Oldest);
        _accounts.Reclaim(_queries.Oldest);
        _pool.Reclaim(_queries.Oldest);
        Touch(events);
        for (var i = 0; i < events.Length; i++)
        {
            outcome.Earliest = Math.Min(outcome.Earliest, events[i].Timestamp);
            if (!(events[i].Timestamp > latest ? PassOver(events[i].Identity, outcome) : Append(events[i], _touches[i], outcome)))
            {
                outcome.Duplicates.Add(position + i);
            }
        }
    }

    /// <summary>
    /// The positions of the events of a batch that are duplicates: one of their identity is held, or came before them in the batch,
    /// whatever became of it. <see cref="Append(ReadOnlySpan{EventRecord}, int, long, AppendOutcome)"/> finds the same.
    /// </summary>
    public HashSet<int> FindDuplicates(IReadOnlyList<EventRecord> events)
    {
        var (duplicates, seen, position) = (new HashSet<int>(), new HashSet<UInt128>(), 0);
        foreach (ref readonly var record in events.InPlace())
        {
            if (record.Identity != 0 && (_identities.Contains(record.Identity) || !seen.Add(record.Identity)))
            {
                duplicates.Add(position);
            }

            position++;
        }

        return duplicates;
    }

    /// <summary>
    /// Whether a batch can be added as a whole: no event of it is dated in a minute that has no more room, or might have none once the
    /// others are there.
    /// </summary>
    /// <param name="events">The events.</param>
    /// <param name="latest">Events of later times are not kept, milliseconds since the epoch.</param>
    /// <param name="bytes">How many bytes their evidence takes, with what is added before them.</param>
    public bool HasRoomFor(IReadOnlyList<EventRecord> events, long latest, long bytes)
    {
        var most = _options.MaxPiecesPerMinute - EvidenceLog.PiecesFor(bytes);
        if (Timeline.MostPieces <= most)
        {
            return true;
        }

        foreach (ref readonly var record in events.InPlace())
        {
            if (record.Timestamp <= latest
                && (Timeline.Find(record.Timestamp)?.Pieces ?? 0) > most
                && (record.Identity == 0 || !_identities.Contains(record.Identity)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Lets go what is too old or too much, the earliest first, and of that so much as may hold up others.</summary>
    /// <returns>Whether there is more to let go.</returns>
    public bool Evict()
    {
        var cutoff = Cutoff();
        var room = EvictionsPerCall;
        while (room > 0 && Timeline.First is { } minute)
        {
            var excess = _count - _options.MaxEvents;
            if (minute.Begin >= cutoff && excess <= 0)
            {
                break;
            }

            var isTooOld = minute.End < cutoff;
            if (minute.Identities != IdentitySet.Ungrouped && (isTooOld || (minute.Begin >= cutoff && excess >= minute.Count)))
            {
                LetGo(isTooOld, (minute.Latest, long.MaxValue), minute.Count);
                Remove(minute, minute.Count);
                room -= CostOfWholeMinute;
                continue;
            }

            minute.Order();
            var entries = minute.Entries.Span;
            var tooOld = isTooOld ? entries.Length : FirstAt(entries, cutoff - minute.Begin);
            var gone = Math.Min(Math.Min(entries.Length, Math.Max(tooOld, excess)), room);
            if (gone == 0)
            {
                break;
            }

            tooOld = Math.Min(tooOld, gone);
            if (tooOld > 0)
            {
                LetGo(isTooOld: true, PlaceOf(minute, entries[tooOld - 1]), tooOld);
            }

            if (gone > tooOld)
            {
                LetGo(isTooOld: false, PlaceOf(minute, entries[gone - 1]), gone - tooOld);
            }

            RemoveIdentities(minute, entries[..gone]);
            Remove(minute, gone);
            room -= gone;
        }

        var isMore = room <= 0 && Timeline.First is { } first && (first.Begin < cutoff || _count > _options.MaxEvents);
        _metrics?.Evicted(StoreMetrics.ForAge, _leaving.TooOld);
        _metrics?.Evicted(StoreMetrics.ForRoom, _leaving.TooMany);
        if (_leaving.Furthest is { } letGo)
        {
            // Once all is done nothing up to here is held, whether it was let go just now or never came.
            Remember(isMore || letGo.CompareTo((cutoff - 1, long.MaxValue)) > 0 ? letGo : (cutoff - 1, long.MaxValue));
        }

        _leaving = default;
        return isMore;
    }

    /// <summary>Takes away some of what only events referred to that were let go.</summary>
    /// <param name="added">How many events came since.</param>
    public void Sweep(int added)
    {
        if (_partsToSweep > 0)
        {
            _sweepDue += (double)SweepsPerEvent * SweepParts * added / Math.Max(_count, SweepParts);
            for (; _sweepDue >= 1 && _partsToSweep > 0; _sweepDue--)
            {
                _partsToSweep--;
                SweepPart(isThorough: false);
            }
        }
    }

    /// <summary>Takes away all that only events referred to that were let go.</summary>
    public void SweepAll()
    {
        // What is underway, and then all once.
        var parts = (_sweptPart == 0 ? 0 : SweepParts - _sweptPart) + SweepParts;
        for (var i = 0; i < parts; i++)
        {
            SweepPart(isThorough: true);
        }
    }

    /// <summary>
    /// Loads what appending the events will look at, step by step for all of them, so that the waits for memory overlap: first the places
    /// in the tables, then what stands there, then what that refers to.
    /// </summary>
    /// <param name="events">At most <see cref="EventsPerAppend"/>.</param>
    public void Touch(ReadOnlySpan<EventRecord> events)
    {
        var touches = _touches.AsSpan(0, events.Length);
        for (var i = 0; i < touches.Length; i++)
        {
            ref readonly var record = ref events[i];
            ref var touch = ref touches[i];
            touch = default;
            _identities.Touch(record.Identity);
            if (record.Addresses.Length > 0)
            {
                touch.Address = _addresses.HashOf(record.Addresses.Span[0]);
                _addresses.Touch(touch.Address);
            }

            if (record.Account.Length > 0)
            {
                touch.Account = XxHash3.HashToUInt64(record.Account.Span, _seed);
                _accounts.Touch(touch.Account);
            }
        }

        for (var i = 0; i < touches.Length; i++)
        {
            ref var touch = ref touches[i];
            touch.AddressNumber = events[i].Addresses.Length == 0 ? -1 : _addresses.Peek(touch.Address);
            touch.AccountNumber = events[i].Account.Length == 0 ? -1 : _accounts.Peek(touch.Account);
        }

        for (var i = 0; i < touches.Length; i++)
        {
            ref var touch = ref touches[i];
            if (touch.AddressNumber >= 0)
            {
                _addresses[touch.AddressNumber].Touch(_pool);
            }

            if (touch.AccountNumber >= 0)
            {
                Prefetch.LoadObject(_accounts[touch.AccountNumber]);
            }
        }

        for (var i = 0; i < touches.Length; i++)
        {
            if (touches[i].AccountNumber is >= 0 and var number)
            {
                _accounts[number].Touch();
            }
        }
    }

    /// <summary>Notes an event that is dated too far after now; false where one of its identity is held or was passed over.</summary>
    private bool PassOver(UInt128 identity, AppendOutcome outcome)
    {
        if (identity != 0 && (_identities.Contains(identity) || !outcome.GoneAtOnce.Add(identity)))
        {
            return false;
        }

        outcome.TooFarAhead++;
        return true;
    }

    private bool Append(in EventRecord record, in Touched touch, AppendOutcome outcome)
    {
        if (outcome.GoneAtOnce.Count > 0 && outcome.GoneAtOnce.Contains(record.Identity))
        {
            return false;
        }

        var minute = Timeline.Find(record.Timestamp);
        var isFull = minute?.Pieces >= _options.MaxPiecesPerMinute;
        var isEarly = _order.IsGone(record.Timestamp, Sequence);
        if (isEarly || isFull || minute is null)
        {
            if (record.Identity != 0 && _identities.Contains(record.Identity))
            {
                return false;
            }

            if (isEarly && !TryKeep(record, outcome))
            {
                return true;
            }

            if (isFull)
            {
                outcome.WithoutRoom++;
                return true;
            }

            minute = Timeline.GetOrAdd(record.Timestamp);
        }

        if (record.Identity != 0 && !_identities.Add(record.Identity, minute.Identities))
        {
            return false;
        }

        var classification = record.Classification;
        var addresses = record.Addresses.Span;
        var traits = Hold(record.Traits, record.Timestamp);
        var account = record.Account.IsEmpty
            ? SeriesEntry.NoAccount
            : _accounts.Hold(
                record.Account.Span,
                touch.Account,
                touch.AccountNumber,
                record.Timestamp,
                static (held, fields) => fields.SequenceEqual(held.Fields),
                static fields => new EventAccount(fields.ToArray()));
        var header = new EvidenceHeader(record.Identity, Sequence++, record.Ingested - record.Timestamp, traits);
        var place = Timeline.Add(minute, record.Timestamp, Kinds.NumberOf(classification), header, record.Payload.Span);
        var entry = new SeriesEntry(record.Timestamp, place, traits, account);
        for (var i = 0; i < addresses.Length; i++)
        {
            var number = i == 0
                ? _addresses.GetOrAdd(addresses[i], touch.Address, touch.AddressNumber)
                : _addresses.GetOrAdd(addresses[i], _addresses.HashOf(addresses[i]), AddressTable.Unknown);
            ref var series = ref _addresses[number];
            series.Add(entry, _pool, _order, _queries.Oldest);
            if ((series.Seen | classification) != series.Seen)
            {
                var before = series.Seen;
                series.Seen |= classification;
                UpdateCandidates(number, before, series.Seen);
            }
        }

        Newest = Math.Max(Newest, record.Timestamp);
        _count++;
        return true;
    }

    private int Hold(EventTraits traits, long timestamp)
    {
        ref var recent = ref _recentTraits[traits.GetHashCode() & (_recentTraits.Length - 1)];
        if (ReferenceEquals(recent.Value, traits))
        {
            _traits.HoldAgain(recent.Number, timestamp);
        }
        else
        {
            var hash = XxHash3.HashToUInt64(traits.Fields, _seed ^ (long)traits.Classification.Bits);
            recent = (traits, _traits.Hold(traits, hash, -1, timestamp, static (held, key) => held.Equals(key), static key => key));
        }

        return recent.Number;
    }

    private void UpdateCandidates(int number, Classification before, Classification after)
    {
        foreach (var revision in _revisions)
        {
            var hasBothLegs = after.HasBothLegs(revision);
            if (hasBothLegs == before.HasBothLegs(revision))
            {
                continue;
            }

            if (hasBothLegs)
            {
                _candidates[revision.Slot].Add(_addresses[number].Address, number);
            }
            else
            {
                _candidates[revision.Slot].Remove(_addresses[number].Address, number);
            }
        }
    }

    /// <summary>The earliest time that is not too old to be kept, milliseconds since the epoch.</summary>
    public long Cutoff()
    {
        var now = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        return (Newest == long.MinValue ? now : Math.Min(Newest, now)) - (long)_options.Retention.TotalMilliseconds;
    }

    /// <summary>
    /// The time before which nothing is held for want of room, milliseconds since the epoch; the least there is where there is room.
    /// </summary>
    /// <param name="earliest">The earliest time that is asked about.</param>
    public long FullBefore(long earliest)
    {
        if (_count < _options.MaxEvents || Timeline.First is not { } minute || earliest > minute.End)
        {
            return long.MinValue;
        }

        minute.Order();
        return minute.Begin + minute.Entries.Span[0].At;
    }

    /// <summary>
    /// Judges an event that is no later than what was let go. It goes at once where it is too old or there is no room, as it is the
    /// earliest then. Else the clock was set back, and all has to be swept, so that the event is not taken for one that was let go.
    /// </summary>
    private bool TryKeep(in EventRecord record, AppendOutcome outcome)
    {
        var isTooOld = record.Timestamp < Cutoff();
        if (isTooOld || _count >= _options.MaxEvents)
        {
            LetGo(isTooOld, (record.Timestamp, Sequence++), 1);
            if (record.Identity != 0)
            {
                outcome.GoneAtOnce.Add(record.Identity);
            }

            return false;
        }

        SweepAll();
        _order.Gone = SeriesOrder.Nothing;
        return true;
    }

    private void LetGo(bool isTooOld, (long Timestamp, long Sequence) last, int count)
    {
        Evictions = isTooOld ? Evictions.ForAge(last.Timestamp, count) : Evictions.ForRoom(last.Timestamp, count);
        _leaving.TooOld += isTooOld ? count : 0;
        _leaving.TooMany += isTooOld ? 0 : count;
        _leaving.Furthest = _leaving.Furthest is { } furthest && furthest.CompareTo(last) > 0 ? furthest : last;
    }

    /// <summary>Remembers up to where nothing is held of the events that came so far.</summary>
    private void Remember((long Timestamp, long Sequence) through)
    {
        if (through.CompareTo((Evictions.Timestamp, Evictions.Sequence)) >= 0)
        {
            Evictions = Evictions with { Timestamp = through.Timestamp, Sequence = through.Sequence, Before = Sequence };
        }
        else if (HoldsNothingUpTo(Evictions.Timestamp, Evictions.Sequence))
        {
            Evictions = Evictions with { Before = Sequence };
        }
    }

    private static (long Timestamp, long Sequence) PlaceOf(Minute minute, MinuteEntry entry) =>
        (minute.Begin + entry.At, EvidenceLog.At(minute.Chunks, entry.Place).Sequence);

    private bool HoldsNothingUpTo(long timestamp, long sequence)
    {
        if (Timeline.First is not { } minute || minute.Begin > timestamp)
        {
            return true;
        }

        if (minute.End < timestamp)
        {
            return false;
        }

        minute.Order();
        return PlaceOf(minute, minute.Entries.Span[0]).CompareTo((timestamp, sequence)) > 0;
    }

    /// <summary>Lets the first events of the earliest minute go, whose places in <see cref="LetGo"/> were told before.</summary>
    private void Remove(Minute minute, int gone)
    {
        _count -= gone;
        _order.Gone = _leaving.Furthest!.Value;
        _partsToSweep = 2 * SweepParts;
        if (gone < minute.Count)
        {
            minute.RemoveFirst(gone);
        }
        else
        {
            // Its numbers cannot be told any more.
            _order.Gone = (minute.Latest, long.MaxValue);
            Timeline.RemoveFirst();
        }
    }

    /// <summary>Takes away the identities of events of a minute that stays.</summary>
    private void RemoveIdentities(Minute minute, ReadOnlySpan<MinuteEntry> entries)
    {
        foreach (var entry in entries)
        {
            EvidenceLog.Touch(minute.Chunks, entry.Place);
        }

        foreach (var entry in entries)
        {
            _identities.Touch(EvidenceLog.At(minute.Chunks, entry.Place).Identity);
        }

        foreach (var entry in entries)
        {
            var identity = EvidenceLog.At(minute.Chunks, entry.Place).Identity;
            if (identity != 0)
            {
                _identities.Remove(identity);
            }
        }
    }

    private void SweepPart(bool isThorough)
    {
        var part = _sweptPart;
        _sweptPart = (part + 1) % SweepParts;
        if (part % (SweepParts / IdentitySet.Shards) == 0)
        {
            _identities.Sweep(part / (SweepParts / IdentitySet.Shards));
        }

        _traits.Sweep(part, SweepParts, _order.Gone.Timestamp, _queries.Next);
        _accounts.Sweep(part, SweepParts, _order.Gone.Timestamp, _queries.Next);
        var (from, to) = ((int)((long)part * _addresses.End / SweepParts), (int)((part + 1L) * _addresses.End / SweepParts));
        for (var number = from; number < to; number++)
        {
            _addresses[number].TouchStart(_pool);
        }

        for (var number = from; number < to; number++)
        {
            SweepAddress(number, isThorough);
        }
    }

    private void SweepAddress(int number, bool isThorough)
    {
        ref var series = ref _addresses[number];
        var isGone = series.Latest < _order.Gone.Timestamp;
        if (!series.IsUsed || (series.Late > LatePerSweep && !isThorough && !isGone))
        {
            return;
        }

        if (!isGone)
        {
            series.Settle(_pool, _order, _queries.Oldest);
        }

        if (isGone || series.Count == 0)
        {
            UpdateCandidates(number, series.Seen, default);
            series.Release(_pool, _queries.Oldest);
            _addresses.Remove(number);
            return;
        }

        if (series.IsSparse)
        {
            series.Shrink(_pool, _queries.Oldest);
        }

        if (series.IsSeenStale)
        {
            var before = series.Seen;
            series.SeeAnew(_pool, _traits.Read());
            UpdateCandidates(number, before, series.Seen);
        }
    }

    private static int FirstAt(ReadOnlySpan<MinuteEntry> entries, long at)
    {
        var (low, high) = (0, entries.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = entries[middle].At < at ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>What is found out of an event while what it looks at is loaded.</summary>
    private struct Touched
    {
        /// <summary>The hash of its first address.</summary>
        public ulong Address;

        /// <summary>The hash of its account.</summary>
        public ulong Account;

        /// <summary>The number of an address of that hash, -1 where none is held.</summary>
        public int AddressNumber;

        /// <summary>The number of an account of that hash, -1 where none is held.</summary>
        public int AccountNumber;
    }

    /// <summary>What is let go by one append or eviction.</summary>
    private struct Leaving
    {
        /// <summary>How many events were too old.</summary>
        public int TooOld;

        /// <summary>How many there was no room for.</summary>
        public int TooMany;

        /// <summary>The time and number of the last of them.</summary>
        public (long Timestamp, long Sequence)? Furthest;
    }
}

/// <summary>The addresses that may be suspicious, which change far less often than they are asked for.</summary>
internal sealed class CandidateSet
{
    private readonly SortedSet<(SourceAddress Address, int Number)> _members = [];
    private (SourceAddress Address, int Number)[]? _inOrder;

    public void Add(SourceAddress address, int number)
    {
        _members.Add((address, number));
        _inOrder = null;
    }

    public void Remove(SourceAddress address, int number)
    {
        _members.Remove((address, number));
        _inOrder = null;
    }

    /// <summary>All, by their addresses; never changed afterwards.</summary>
    public (SourceAddress Address, int Number)[] InOrder() => _inOrder ??= [.. _members];
}

/// <summary>What became of the events of a batch.</summary>
internal sealed class AppendOutcome
{
    /// <summary>The positions of those that were held before.</summary>
    public HashSet<int> Duplicates { get; } = [];

    /// <summary>
    /// The identities of those that were let go at once or never taken: whoever comes again in the same batch is a duplicate all the same.
    /// </summary>
    public HashSet<UInt128> GoneAtOnce { get; } = [];

    /// <summary>The time of the earliest event, milliseconds since the epoch.</summary>
    public long Earliest { get; set; } = long.MaxValue;

    /// <summary>How many are dated too far after now.</summary>
    public int TooFarAhead { get; set; }

    /// <summary>How many are dated in a minute that holds the most it may.</summary>
    public int WithoutRoom { get; set; }
}
