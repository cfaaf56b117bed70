using System.IO.Hashing;
using System.Security.Cryptography;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Stores;

/// <summary>The bounds of the in-memory store (section <c>Store:Memory</c>).</summary>
public sealed class MemoryStoreOptions
{
    /// <summary>
    /// How long events are kept, by event time, measured back from the newest event or the clock, whichever is earlier. Default 2 days;
    /// 1 hour to 90 days.
    /// </summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(2);

    /// <summary>The most events kept; beyond it the oldest go first. Default 1,000,000; 1,000 to 50,000,000.</summary>
    public int MaxEvents { get; set; } = 1_000_000;

    /// <summary>
    /// The folder of the journal that makes the store outlive its process; null, the default, for a store that forgets. Made, for its owner only,
    /// where its parent exists. On a local disk, one instance per folder.
    /// </summary>
    public string? Path { get; set; }
}

/// <summary>
/// Events in memory: the evidence by the minute, an index by the address, and for every revision the set of addresses that hold both legs, so
/// that a run visits those only. One lock guards them. An append takes it for some hundred events at a time and lets queries in between; a
/// query takes references to what it needs under the lock and adds up outside, and nothing that it holds is changed meanwhile.
/// </summary>
public sealed class MemoryEventStore : IEventStore
{
    /// <summary>So many that what appending them looks at fits into the second-level cache.</summary>
    private const int EventsPerHold = 256;

    private const int EvictionsPerHold = 512;

    /// <summary>How many late events are put in order before the lock is given back.</summary>
    private const int LatePerHold = 16_384;

    private const int AddressesPerHold = 2_048;

    private readonly MemoryStoreOptions _options;
    private readonly TimeProvider _clock;
    private readonly StoreMetrics? _metrics;
    private readonly Lock _gate = new();
    private readonly Timeline _timeline = new();
    private readonly AddressTable _addresses = new();
    private readonly EntryPool _pool = new();
    private readonly RuleRevision[] _revisions = [.. RuleCatalogue.Revisions];
    private readonly IdentitySet _identities = new();
    private readonly InternTable<EventTraits> _traits = new();
    private readonly InternTable<EventAccount> _accounts = new();
    private readonly KindTable _kinds;
    private readonly SeriesOrder _order;
    private readonly HashSet<int>[] _candidates = [.. RuleCatalogue.Revisions.Select(_ => new HashSet<int>())];
    private readonly RunningQueries _queries = new();
    private readonly Touched[] _touches = new Touched[EventsPerHold];
    private readonly (EventTraits? Value, int Number)[] _recentTraits = new (EventTraits?, int)[64];
    private readonly long _seed = BitConverter.ToInt64(RandomNumberGenerator.GetBytes(sizeof(long)));
    private AggregatorMemory? _aggregatorMemory;
    private int _waiting;
    private long _sequence;
    private int _count;
    private long _newest = long.MinValue;
    private (long Timestamp, long Sequence, long Before) _evicted = (long.MinValue, -1, 0);
    private (long Through, long Count) _evictedByRetention = (long.MinValue, 0);
    private (long Through, long Count) _evictedByCapacity = (long.MinValue, 0);

    /// <summary>Creates an empty store.</summary>
    public MemoryEventStore(MemoryStoreOptions options, TimeProvider clock, StoreMetrics? metrics = null)
        : this(options, clock, metrics, ushort.MaxValue)
    {
    }

    /// <summary>Creates one that numbers fewer combinations of verdicts, for tests.</summary>
    internal MemoryEventStore(MemoryStoreOptions options, TimeProvider clock, StoreMetrics? metrics, int maxKinds)
    {
        (_options, _clock, _metrics) = (options, clock, metrics);
        _kinds = new KindTable { Limit = maxKinds };
        _order = new SeriesOrder(_timeline);
    }

    /// <inheritdoc/>
    public string Kind => "memory";

    /// <summary>How many events are held.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <inheritdoc/>
    public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        var duplicates = new HashSet<int>();
        var beyondRetention = 0;
        var from = 0;
        do
        {
            // Let queries in between: a large batch must not hold the lock from end to end.
            bool isMoreToEvict;
            lock (_gate)
            {
                from += Append(events, from, duplicates);
                isMoreToEvict = Evict(ref beyondRetention);
            }

            LetQueriesIn();
            while (isMoreToEvict)
            {
                lock (_gate)
                {
                    isMoreToEvict = Evict(ref beyondRetention);
                }

                LetQueriesIn();
            }
        }
        while (from < events.Count);

        _metrics?.Stored(Count);
        Warning[] warnings = beyondRetention == 0
            ? []
            : [new Warning("outsideRetention", $"Events older than the store's retention of {_options.Retention} were let go. To judge old events, send them with store=false.", beyondRetention)];
        return Task.FromResult(new AppendResult(duplicates, [], warnings));
    }

    /// <inheritdoc/>
    public Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken)
    {
        var number = _queries.Enter();
        try
        {
            return Task.FromResult(Correlate(query, number, cancellationToken));
        }
        finally
        {
            _queries.Leave(number);
        }
    }

    /// <inheritdoc/>
    public Task<EventPage?> ReadEventsAsync(
        SourceAddress address, TimeWindow window, RuleRevision revision, bool countedOnly, int limit, string? cursor, CancellationToken cancellationToken)
    {
        var start = EventCursor.Beginning;
        if (cursor is not null && !EventCursor.TryParse(cursor, out start))
        {
            return Task.FromResult<EventPage?>(null);
        }

        var number = _queries.Enter();
        try
        {
            return Task.FromResult<EventPage?>(Read(address, window, countedOnly, revision, limit, start, number));
        }
        finally
        {
            _queries.Leave(number);
        }
    }

    /// <inheritdoc/>
    public Task<StoreHealth> CheckAsync(CancellationToken cancellationToken)
    {
        using (EnterGate())
        {
            var facts = new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["events"] = _count,
                ["maxEvents"] = _options.MaxEvents,
                ["durable"] = false,
                ["evidenceBytes"] = _timeline.EvidenceBytes,
            };
            if (_count > 0)
            {
                facts["newest"] = EcsTime.ToDateTime(_newest);
            }

            return Task.FromResult(new StoreHealth(true, "Events are held in memory only and are lost when the service stops.", facts));
        }
    }

    /// <summary>What was let go so far.</summary>
    internal Evictions Evictions
    {
        get
        {
            lock (_gate)
            {
                return new Evictions(
                    _evicted.Timestamp, _evicted.Sequence, _evicted.Before, _evictedByRetention.Through, _evictedByRetention.Count, _evictedByCapacity.Through, _evictedByCapacity.Count);
            }
        }
    }

    /// <summary>The number that the next event gets.</summary>
    internal long NextSequence
    {
        get
        {
            lock (_gate)
            {
                return _sequence;
            }
        }
    }

    /// <summary>The positions of the events that an append would not add, where those of <paramref name="coming"/> were added before.</summary>
    /// <param name="events">The events.</param>
    /// <param name="coming">Identities on their way to this store; those of the events are added.</param>
    internal HashSet<int> FindDuplicates(IReadOnlyList<EventRecord> events, HashSet<UInt128> coming)
    {
        var duplicates = new HashSet<int>();
        lock (_gate)
        {
            for (var i = 0; i < events.Count; i++)
            {
                var identity = events[i].Identity;
                if (identity != 0 && (_identities.Contains(identity) || !coming.Add(identity)))
                {
                    duplicates.Add(i);
                }
            }
        }

        return duplicates;
    }

    /// <summary>Takes back the events of an earlier process with their numbers, and what it had let go.</summary>
    internal void Restore(IEnumerable<(long Sequence, EventRecord Event)> events, Evictions evictions)
    {
        var (duplicates, beyondRetention) = (new HashSet<int>(), 0);
        lock (_gate)
        {
            _evicted = (evictions.Timestamp, evictions.Sequence, evictions.Before);
            _evictedByRetention = (evictions.RetentionThrough, evictions.Retention);
            _evictedByCapacity = (evictions.CapacityThrough, evictions.Capacity);
            var next = evictions.Before;
            foreach (var chunk in events.Chunk(EventsPerHold))
            {
                foreach (var (sequence, record) in chunk)
                {
                    _sequence = sequence;
                    Append(new ReadOnlySpan<EventRecord>(in record), 0, duplicates);
                    next = Math.Max(next, sequence + 1);
                }

                _sequence = next;
                while (Evict(ref beyondRetention))
                {
                }
            }

            _sequence = next;
        }

        _metrics?.Stored(Count);
    }

    /// <summary>How many distinct traits, accounts, addresses and identities are held, for tests.</summary>
    internal (int Traits, int Accounts, int Addresses, int Identities) Held
    {
        get
        {
            lock (_gate)
            {
                return (_traits.Count, _accounts.Count, _addresses.Count, _identities.Count);
            }
        }
    }

    /// <summary>Takes the lock for a query, which whoever adds or evicts many events lets in between.</summary>
    private Lock.Scope EnterGate()
    {
        Interlocked.Increment(ref _waiting);
        var scope = _gate.EnterScope();
        Interlocked.Decrement(ref _waiting);
        return scope;
    }

    // A lock goes to whoever comes first when it is given back, which would be the one that just did.
    private void LetQueriesIn()
    {
        var wait = default(SpinWait);
        while (Volatile.Read(ref _waiting) > 0 && wait.Count < 100)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>Adds some of the events. What each will look at is loaded for all of them first, so that the waits for memory overlap.</summary>
    /// <returns>How many it has gone through; some, unless there are none.</returns>
    private int Append(IReadOnlyList<EventRecord> events, int from, HashSet<int> duplicates)
    {
        var some = events.From(from);
        some = some[..Math.Min(EventsPerHold, some.Length)];
        Append(some, from, duplicates);
        return some.Length;
    }

    private void Append(ReadOnlySpan<EventRecord> events, int position, HashSet<int> duplicates)
    {
        // While events are added no number is given anew, so what the objects' numbers are need not be asked twice.
        _recentTraits.AsSpan().Clear();
        _traits.Reclaim(_queries.Oldest);
        _accounts.Reclaim(_queries.Oldest);
        _pool.Reclaim(_queries.Oldest);
        Touch(events);
        for (var i = 0; i < events.Length; i++)
        {
            if (!Append(events[i], _touches[i]))
            {
                duplicates.Add(position + i);
            }
        }
    }

    /// <summary>
    /// Loads what appending the events will look at, step by step for all of them, so that the waits for memory overlap: first the places in the
    /// tables, then what stands there, then what that refers to.
    /// </summary>
    private void Touch(ReadOnlySpan<EventRecord> events)
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
                _accounts[touch.AccountNumber].Touch();
            }
        }
    }

    private bool Append(in EventRecord record, in Touched touch)
    {
        if (record.Identity != 0 && !_identities.Add(record.Identity))
        {
            return false;
        }

        var minute = _timeline.GetOrAdd(record.Timestamp);
        if (minute.IsFull)
        {
            _identities.Remove(record.Identity);
            throw new StoreUnavailableException("One minute has as many events as the store can keep of a minute. Spread them over time, or send them with store=false.");
        }

        var classification = record.Classification;
        var addresses = record.Addresses.Span;
        Span<int> numbers = stackalloc int[addresses.Length];
        for (var i = 0; i < addresses.Length; i++)
        {
            numbers[i] = _addresses.GetOrAdd(addresses[i], i == 0 ? touch.Address : _addresses.HashOf(addresses[i]));
        }

        var traits = Hold(record.Traits);
        var account = record.Account.IsEmpty
            ? SeriesEntry.NoAccount
            : _accounts.Hold(record.Account.Span, touch.Account, static (held, fields) => fields.SequenceEqual(held.Fields), static fields => new EventAccount(fields.ToArray()));
        var header = new EvidenceHeader(record.Identity, _sequence++, record.Ingested - record.Timestamp, traits, account);
        var place = _timeline.Add(minute, record.Timestamp, _kinds.NumberOf(classification), header, numbers, record.Payload.Span);
        var entry = new SeriesEntry(record.Timestamp, place, traits, account);
        foreach (var number in numbers)
        {
            ref var series = ref _addresses[number];
            if (record.Timestamp <= _evicted.Timestamp)
            {
                // What has to go from this address is its earliest events: this one must not be taken for one of them.
                series.Settle(_pool, _order, _queries.Oldest);
            }

            series.Add(entry, _pool, _order, _queries.Oldest);
            if ((series.Seen | classification) != series.Seen)
            {
                var before = series.Seen;
                series.Seen |= classification;
                UpdateCandidates(number, before, series.Seen);
            }
        }

        _newest = Math.Max(_newest, record.Timestamp);
        _count++;
        return true;
    }

    private int Hold(EventTraits traits)
    {
        ref var recent = ref _recentTraits[traits.GetHashCode() & (_recentTraits.Length - 1)];
        if (ReferenceEquals(recent.Value, traits))
        {
            _traits.HoldAgain(recent.Number);
        }
        else
        {
            var hash = XxHash3.HashToUInt64(traits.Fields, _seed ^ (long)traits.Classification.Bits);
            recent = (traits, _traits.Hold(traits, hash, static (held, key) => held.Equals(key), static key => key));
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
                _candidates[revision.Slot].Add(number);
            }
            else
            {
                _candidates[revision.Slot].Remove(number);
            }
        }
    }

    private CorrelationResult Correlate(CorrelationQuery query, long number, CancellationToken cancellationToken)
    {
        var summary = new WindowSummary(query.Revision);
        var slices = new List<AddressSlice>();
        var cut = new List<MinuteSlice>();
        InternTable<EventTraits>.Reader traits;
        InternTable<EventAccount>.Reader accounts;
        List<Warning> warnings;
        bool isPartial;
        (SourceAddress Address, int Number)[]? addresses = null;
        IngestedFilter? filter = null;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using (EnterGate())
            {
                addresses ??= query.Addresses is null
                    ? [.. _candidates[query.Revision.Slot].Select(number => (_addresses[number].Address, number))]
                    : [.. query.Addresses.Distinct().Select(address => (address, AddressTable.Unknown))];
                if (!Take(query, addresses, slices, number))
                {
                    continue;
                }

                filter = query.IngestedAfter is { } after ? new IngestedFilter(after, _timeline.In(query.Window)) : null;
                if (query.Addresses is null)
                {
                    Summarise(query, summary, cut);
                }

                (traits, accounts) = (_traits.Read(), _accounts.Read());
                (warnings, isPartial) = TellEvictions(query.Window);
                break;
            }
        }

        Summarise(cut, query, summary, traits);

        if (query.Addresses is not null)
        {
            Summarise(slices, summary, traits, filter, cancellationToken);
        }

        var (findings, total, hidden) = Judge(query, slices, traits, accounts, filter, cancellationToken);
        warnings.AddRange(summary.Warnings());
        if (hidden > 0)
        {
            warnings.Add(Warning.HiddenByVolume(hidden));
        }

        return new CorrelationResult
        {
            Findings = findings,
            Total = total,
            Coverage = summary.Coverage,
            Warnings = warnings,
            IsPartial = isPartial,
        };
    }

    /// <summary>Takes the events of further addresses; false where there is so much to do that others should have the lock in between.</summary>
    private bool Take(CorrelationQuery query, (SourceAddress Address, int Number)[] addresses, List<AddressSlice> slices, long number)
    {
        var late = 0;
        // What filters by event.ingested reads evidence, which has to be taken with the events.
        var last = query.IngestedAfter is null ? Math.Min(addresses.Length, slices.Count + AddressesPerHold) : addresses.Length;
        while (slices.Count < last && late < LatePerHold)
        {
            var (address, likely) = addresses[slices.Count];
            var found = _addresses.Find(address, likely);
            if (found < 0)
            {
                slices.Add(default);
                continue;
            }

            ref var series = ref _addresses[found];
            late += query.IngestedAfter is null ? series.Late : 0;
            series.Settle(_pool, _order, _queries.Oldest);
            if (series.IsSeenStale)
            {
                var before = series.Seen;
                series.SeeAnew(_pool, _traits.Read());
                UpdateCandidates(found, before, series.Seen);
            }

            slices.Add(new AddressSlice(address, series.HandOut(_pool, query.Window, number), series.Seen.HasBothLegs(query.Revision)));
        }

        return slices.Count == addresses.Length;
    }

    private (List<AddressFinding> Findings, int Total, int HiddenByVolume) Judge(
        CorrelationQuery query,
        List<AddressSlice> slices,
        InternTable<EventTraits>.Reader traits,
        InternTable<EventAccount>.Reader accounts,
        IngestedFilter? filter,
        CancellationToken cancellationToken)
    {
        var (findings, total, hidden) = (new List<AddressFinding>(), 0, 0);
        var memory = Interlocked.Exchange(ref _aggregatorMemory, null) ?? new AggregatorMemory();
        var aggregator = new AddressAggregator(query.Revision, traits, accounts, memory);
        slices.RemoveAll(static slice => !slice.HasBothLegs || slice.Events.IsEmpty);
        slices.Sort(static (left, right) => left.Address.CompareTo(right.Address));
        foreach (var slice in slices)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var events = slice.EventsOf(filter);
            var counts = aggregator.Count(events);
            if (query.Revision.Report.Test(counts) == true)
            {
                // Who it was is told of those that are shown only.
                if (total++ < query.Limit)
                {
                    findings.Add(aggregator.ToFinding(slice.Address, events, counts));
                }
            }
            else if (query.Revision.ReportIgnoringVolume?.Test(counts) == true)
            {
                hidden++;
            }
        }

        _aggregatorMemory = memory.IsWorthKeeping ? memory : null;
        return (findings, total, hidden);
    }

    /// <summary>Adds up legs and near misses over the window: whole hours, then whole minutes; the minutes that have to be walked are put aside.</summary>
    private void Summarise(CorrelationQuery query, WindowSummary summary, List<MinuteSlice> cut)
    {
        foreach (var hour in _timeline.In(query.Window))
        {
            if (query.IngestedAfter is null && hour.IsWithin(query.Window) && hour.TryAddTo(summary, _kinds))
            {
                continue;
            }

            foreach (var minute in hour.Minutes)
            {
                if (minute.End <= query.Window.From || minute.Begin > query.Window.To || minute.Ingested.Latest < query.IngestedAfter)
                {
                    continue;
                }

                var isWhole = minute.Begin > query.Window.From && minute.End <= query.Window.To && !(minute.Ingested.Earliest < query.IngestedAfter);
                if (isWhole && !minute.MustBeWalked)
                {
                    minute.AddTo(summary, _kinds);
                }
                else
                {
                    cut.Add(new MinuteSlice(minute.Begin, minute.Entries, minute.Chunks));
                }
            }
        }
    }

    private void Summarise(List<MinuteSlice> cut, CorrelationQuery query, WindowSummary summary, InternTable<EventTraits>.Reader traits)
    {
        var counts = new CountTable();
        foreach (var minute in cut)
        {
            minute.AddTo(counts, summary, query, traits);
        }

        foreach (var (kind, count, first, last) in counts)
        {
            summary.Add(_kinds[(ushort)kind], count, first, last);
        }
    }

    private static void Summarise(
        List<AddressSlice> slices, WindowSummary summary, InternTable<EventTraits>.Reader traits, IngestedFilter? filter, CancellationToken cancellationToken)
    {
        var counts = new CountTable();
        foreach (var slice in slices)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (ref readonly var entry in slice.EventsOf(filter))
            {
                counts.Count(entry.Traits, entry.Timestamp);
            }
        }

        foreach (var (number, count, first, last) in counts)
        {
            summary.Add(traits[number].Classification, count, first, last);
        }
    }

    private EventPage Read(
        SourceAddress address, TimeWindow window, bool countedOnly, RuleRevision revision, int limit, EventCursor start, long number)
    {
        ReadOnlyMemory<SeriesEntry> events = default;
        InternTable<EventTraits>.Reader traits;
        InternTable<EventAccount>.Reader accounts;
        var page = new List<(SeriesEntry Entry, byte[][] Chunks)>(Math.Min(limit, 1024));
        string? next = null;
        (List<Warning> Warnings, bool IsPartial) evictions;
        using (EnterGate())
        {
            (traits, accounts, evictions) = (_traits.Read(), _accounts.Read(), TellEvictions(window));
            var found = _addresses.Find(address);
            if (found >= 0)
            {
                ref var series = ref _addresses[found];
                series.Settle(_pool, _order, _queries.Oldest);
                events = series.HandOut(_pool, window, number);
            }

            for (var i = FirstFrom(events.Span, start); i < events.Length && next is null; i++)
            {
                var entry = events.Span[i];
                if (countedOnly && !traits[entry.Traits].Classification.IsKeptBy(revision))
                {
                    continue;
                }

                var chunks = _timeline.Find(entry.Timestamp)!.Chunks;
                if (page.Count < limit)
                {
                    page.Add((entry, chunks));
                }
                else
                {
                    next = new EventCursor(entry.Timestamp, EvidenceLog.At(chunks, entry.Place).Sequence).ToString();
                }
            }
        }

        long total = events.Length;
        if (countedOnly)
        {
            total = 0;
            foreach (ref readonly var entry in events.Span)
            {
                total += traits[entry.Traits].Classification.IsKeptBy(revision) ? 1 : 0;
            }
        }

        var documents = page.ConvertAll(taken =>
        {
            var entry = taken.Entry;
            var evidence = EvidenceLog.At(taken.Chunks, entry.Place);
            return EventDocument.From(
                entry.Timestamp,
                entry.Timestamp + evidence.Delay,
                traits[entry.Traits],
                entry.Account == SeriesEntry.NoAccount ? null : accounts[entry.Account].User,
                evidence.Payload,
                revision);
        });
        return new EventPage(documents, total, next) { Warnings = evictions.Warnings, IsPartial = evictions.IsPartial };
    }

    /// <summary>The place of the first event at or after the start, by time and number.</summary>
    private int FirstFrom(ReadOnlySpan<SeriesEntry> events, EventCursor start)
    {
        if (start == EventCursor.Beginning)
        {
            return 0;
        }

        var (low, high) = (AddressSeries.FirstAfter(events, start.Timestamp - 1), AddressSeries.FirstAfter(events, start.Timestamp));
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = SequenceOf(events[middle]) < start.Sequence ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private long SequenceOf(in SeriesEntry entry) => EvidenceLog.At(_timeline.Find(entry.Timestamp)!.Chunks, entry.Place).Sequence;

    private (List<Warning> Warnings, bool IsPartial) TellEvictions(TimeWindow window)
    {
        var warnings = new List<Warning>();
        if (_evictedByCapacity.Through > window.From)
        {
            warnings.Add(new Warning("evictedByCapacity", $"The store holds at most {_options.MaxEvents} events and let older ones go, up to {EcsTime.ToDateTime(_evictedByCapacity.Through):O}: this answer lacks them. Raise Store:Memory:MaxEvents or shorten the window.", _evictedByCapacity.Count));
        }

        if (_evictedByRetention.Through > window.From)
        {
            warnings.Add(new Warning("windowBeyondRetention", $"The window reaches back beyond what the store keeps: events up to {EcsTime.ToDateTime(_evictedByRetention.Through):O} were let go, and this answer lacks them.", _evictedByRetention.Count));
        }

        return (warnings, warnings.Count > 0);
    }

    /// <summary>
    /// Lets go what is too old or too much, the earliest first, and of that so much as may hold up others; adds to the number of events that
    /// were too old.
    /// </summary>
    /// <returns>Whether there is more to let go.</returns>
    private bool Evict(ref int beyondRetention)
    {
        var now = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        var cutoff = Math.Min(_newest, now) - (long)_options.Retention.TotalMilliseconds;
        var (byRetention, byCapacity) = (0, 0);
        (long Timestamp, long Sequence)? furthest = null;
        var isMore = false;
        while (_timeline.First is { } minute)
        {
            var excess = _count - _options.MaxEvents;
            if (minute.Begin >= cutoff && excess <= 0)
            {
                break;
            }

            minute.Order();
            var entries = minute.Entries.Span;
            var tooOld = minute.End < cutoff ? entries.Length : FirstAt(entries, cutoff - minute.Begin);
            var gone = Math.Min(entries.Length, Math.Max(tooOld, excess));
            if (gone == 0)
            {
                break;
            }

            var room = EvictionsPerHold - byRetention - byCapacity;
            if (isMore = gone > room)
            {
                gone = room;
            }

            if (gone == 0)
            {
                break;
            }

            var last = entries[gone - 1];
            tooOld = Math.Min(tooOld, gone);
            if (tooOld > 0)
            {
                byRetention += tooOld;
                _evictedByRetention = (Math.Max(_evictedByRetention.Through, minute.Begin + entries[tooOld - 1].At), _evictedByRetention.Count + tooOld);
            }

            if (gone > tooOld)
            {
                byCapacity += gone - tooOld;
                _evictedByCapacity = (Math.Max(_evictedByCapacity.Through, minute.Begin + last.At), _evictedByCapacity.Count + gone - tooOld);
            }

            furthest = (minute.Begin + last.At, EvidenceLog.At(minute.Chunks, last.Place).Sequence);
            Remove(minute, gone);
            if (isMore)
            {
                break;
            }
        }

        beyondRetention += byRetention;
        _metrics?.Evicted("retention", byRetention);
        _metrics?.Evicted("capacity", byCapacity);
        if (furthest is { } letGo)
        {
            // Once all is done nothing up to here is held, whether it was let go just now or never came.
            var through = isMore || letGo.CompareTo((cutoff - 1, long.MaxValue)) > 0 ? letGo : (Timestamp: cutoff - 1, Sequence: long.MaxValue);
            if (through.CompareTo((_evicted.Timestamp, _evicted.Sequence)) >= 0)
            {
                _evicted = (through.Timestamp, through.Sequence, _sequence);
            }
            else if (HoldsNothingUpTo(_evicted.Timestamp, _evicted.Sequence))
            {
                _evicted.Before = _sequence;
            }
        }

        return isMore;
    }

    private bool HoldsNothingUpTo(long timestamp, long sequence)
    {
        if (_timeline.First is not { } minute || minute.Begin > timestamp)
        {
            return true;
        }

        if (minute.End < timestamp)
        {
            return false;
        }

        minute.Order();
        var first = minute.Entries.Span[0];
        return (minute.Begin + first.At, EvidenceLog.At(minute.Chunks, first.Place).Sequence).CompareTo((timestamp, sequence)) > 0;
    }

    /// <summary>Lets the first events of the earliest minute go.</summary>
    private void Remove(Minute minute, int gone)
    {
        Span<UInt128> identities = stackalloc UInt128[EventsPerHold];
        var entries = minute.Entries.Span[..gone];
        var chunks = minute.Chunks;
        while (!entries.IsEmpty)
        {
            var some = entries[..Math.Min(EventsPerHold, entries.Length)];
            foreach (var entry in some)
            {
                EvidenceLog.Touch(chunks, entry.Place);
            }

            for (var i = 0; i < some.Length; i++)
            {
                var evidence = EvidenceLog.At(chunks, some[i].Place);
                identities[i] = evidence.Identity;
                _identities.Touch(identities[i]);
                foreach (var number in evidence.Addresses)
                {
                    _addresses.TouchAt(number);
                }

                if (evidence.Account != SeriesEntry.NoAccount)
                {
                    _accounts.TouchAt(evidence.Account);
                }
            }

            for (var i = 0; i < some.Length; i++)
            {
                if (identities[i] != 0)
                {
                    _identities.Remove(identities[i]);
                }

                var evidence = EvidenceLog.At(chunks, some[i].Place);
                foreach (var number in evidence.Addresses)
                {
                    ref var series = ref _addresses[number];
                    series.RemoveFirst();
                    if (series.Count == 0)
                    {
                        UpdateCandidates(number, series.Seen, default);
                        series.Release(_pool, _queries.Oldest);
                        _addresses.Remove(number);
                    }
                    else if (!minute.IsInSequence)
                    {
                        // While the minute can still tell the numbers of its events.
                        series.Settle(_pool, _order, _queries.Oldest);
                    }
                }

                _traits.Release(evidence.Traits, _queries.Next);
                if (evidence.Account != SeriesEntry.NoAccount)
                {
                    _accounts.Release(evidence.Account, _queries.Next);
                }
            }

            entries = entries[some.Length..];
        }

        _count -= gone;
        minute.RemoveFirst(gone);
        if (minute.Entries.IsEmpty)
        {
            _timeline.RemoveFirst();
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

    /// <summary>By time, then by number. Within a minute places are in the order of the numbers, unless a journal told them in another.</summary>
    private sealed class SeriesOrder(Timeline timeline) : IComparer<SeriesEntry>
    {
        public int Compare(SeriesEntry left, SeriesEntry right)
        {
            if (left.Timestamp != right.Timestamp)
            {
                return left.Timestamp.CompareTo(right.Timestamp);
            }

            // All of a minute that is gone has to go, in whatever order.
            var minute = timeline.Find(left.Timestamp);
            return minute is null || minute.IsInSequence
                ? left.Place.CompareTo(right.Place)
                : EvidenceLog.At(minute.Chunks, left.Place).Sequence.CompareTo(EvidenceLog.At(minute.Chunks, right.Place).Sequence);
        }
    }
}
