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
/// query takes references to what it needs under the lock and adds up outside, and nothing that it holds is changed meanwhile. Events are let go
/// by moving the time and number up to which nothing is held; what else refers to them is swept away in parts by the appends that follow.
/// </summary>
public sealed class MemoryEventStore : IEventStore
{
    /// <summary>So many that what appending them looks at fits into the second-level cache.</summary>
    private const int EventsPerHold = 256;

    private const int EvictionsPerHold = 512;

    /// <summary>As how many evictions a minute counts that goes at once.</summary>
    private const int EvictionsPerMinute = 8;

    /// <summary>In how many parts all is swept; a multiple of those of the identities.</summary>
    private const int SweepParts = 16 * IdentitySet.Shards;

    /// <summary>All is swept once while a quarter as many events come as are held.</summary>
    private const int SweepsPerEvent = 4;

    /// <summary>How many late events are put in order before the lock is given back.</summary>
    private const int LatePerHold = 16_384;

    private const int AddressesPerHold = 2_048;

    /// <summary>An address with more late events is left to those who ask for it.</summary>
    private const int LatePerSweep = 256;

    private readonly MemoryStoreOptions _options;
    private readonly TimeProvider _clock;
    private readonly StoreMetrics? _metrics;
    private readonly Lock _gate = new();
    private readonly IdentitySet _identities = new();
    private readonly Timeline _timeline;
    private readonly AddressTable _addresses = new();
    private readonly EntryPool _pool = new();
    private readonly RuleRevision[] _revisions = [.. RuleCatalogue.Revisions];
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
    private Evictions _evictions = Evictions.None;
    private Leaving _leaving;
    private int _sweptPart;
    private int _partsToSweep;
    private double _sweepDue;

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
        _timeline = new Timeline(_identities);
        _order = new SeriesOrder(_timeline);
    }

    /// <inheritdoc/>
    public string Kind => "memory";

    /// <summary>How many events are held.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <inheritdoc/>
    public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        var outcome = new Outcome();
        var from = 0;
        do
        {
            // Let queries in between: a large batch must not hold the lock from end to end.
            bool isMoreToEvict;
            lock (_gate)
            {
                var some = events.From(from);
                some = some[..Math.Min(EventsPerHold, some.Length)];
                Append(some, from, outcome);
                from += some.Length;
                isMoreToEvict = Evict(outcome);
                Sweep(some.Length);
            }

            LetQueriesIn();
            while (isMoreToEvict)
            {
                lock (_gate)
                {
                    isMoreToEvict = Evict(outcome);
                }

                LetQueriesIn();
            }
        }
        while (from < events.Count);

        _metrics?.Stored(Count);
        Warning[] warnings = outcome.TooOld == 0
            ? []
            : [new Warning("outsideRetention", $"Events older than the store's retention of {_options.Retention} were let go. To judge old events, send them with store=false.", outcome.TooOld)];
        return Task.FromResult(new AppendResult(outcome.Duplicates, [], warnings));
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
                return _evictions;
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
        var outcome = new Outcome();
        lock (_gate)
        {
            _evictions = evictions;
            var next = evictions.Before;
            foreach (var chunk in events.Chunk(EventsPerHold))
            {
                foreach (var (sequence, record) in chunk)
                {
                    _sequence = sequence;
                    Append(new ReadOnlySpan<EventRecord>(in record), 0, outcome);
                    next = Math.Max(next, sequence + 1);
                }

                _sequence = next;
                while (Evict(outcome))
                {
                }

                Sweep(chunk.Length);
            }

            _sequence = next;
        }

        _metrics?.Stored(Count);
    }

    /// <summary>How many distinct traits, accounts, addresses and identities are held, with those that were let go and not swept yet, for tests.</summary>
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

    /// <summary>For how many events of addresses there is room, for tests.</summary>
    internal long Capacity
    {
        get
        {
            lock (_gate)
            {
                return _pool.Capacity;
            }
        }
    }

    /// <summary>Takes away all at once that only events referred to that were let go, for tests.</summary>
    internal void Sweep()
    {
        lock (_gate)
        {
            SweepAll();
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
    private void Append(ReadOnlySpan<EventRecord> events, int position, Outcome outcome)
    {
        // While events are added no number is given anew, so what the objects' numbers are need not be asked twice.
        _recentTraits.AsSpan().Clear();
        _traits.Reclaim(_queries.Oldest);
        _accounts.Reclaim(_queries.Oldest);
        _pool.Reclaim(_queries.Oldest);
        Touch(events);
        for (var i = 0; i < events.Length; i++)
        {
            if (!Append(events[i], _touches[i], outcome))
            {
                outcome.Duplicates.Add(position + i);
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

    private bool Append(in EventRecord record, in Touched touch, Outcome outcome)
    {
        if (outcome.GoneAtOnce.Count > 0 && outcome.GoneAtOnce.Contains(record.Identity))
        {
            return false;
        }

        var minute = _timeline.Find(record.Timestamp);
        var isEarly = (record.Timestamp, _sequence).CompareTo(_order.Gone) <= 0;
        if (isEarly || minute is null or { IsFull: true })
        {
            if (record.Identity != 0 && _identities.Contains(record.Identity))
            {
                return false;
            }

            if (isEarly && !TryKeep(record, outcome))
            {
                return true;
            }

            if (minute is { IsFull: true })
            {
                throw new StoreUnavailableException("One minute has as many events as the store can keep of a minute. Spread them over time, or send them with store=false.");
            }

            minute = _timeline.GetOrAdd(record.Timestamp);
        }

        if (record.Identity != 0 && !_identities.Add(record.Identity, minute.Identities))
        {
            return false;
        }

        var classification = record.Classification;
        var addresses = record.Addresses.Span;
        Span<int> numbers = stackalloc int[addresses.Length];
        for (var i = 0; i < addresses.Length; i++)
        {
            numbers[i] = _addresses.GetOrAdd(addresses[i], i == 0 ? touch.Address : _addresses.HashOf(addresses[i]));
        }

        var traits = Hold(record.Traits, record.Timestamp);
        var account = record.Account.IsEmpty
            ? SeriesEntry.NoAccount
            : _accounts.Hold(record.Account.Span, touch.Account, record.Timestamp, static (held, fields) => fields.SequenceEqual(held.Fields), static fields => new EventAccount(fields.ToArray()));
        var header = new EvidenceHeader(record.Identity, _sequence++, record.Ingested - record.Timestamp, traits, account);
        var place = _timeline.Add(minute, record.Timestamp, _kinds.NumberOf(classification), header, numbers, record.Payload.Span);
        var entry = new SeriesEntry(record.Timestamp, place, traits, account);
        foreach (var number in numbers)
        {
            ref var series = ref _addresses[number];
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
            recent = (traits, _traits.Hold(traits, hash, timestamp, static (held, key) => held.Equals(key), static key => key));
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
        Evictions evictions;
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
                evictions = _evictions;
                break;
            }
        }

        Summarise(cut, query, summary, traits);

        if (query.Addresses is not null)
        {
            Summarise(slices, summary, traits, filter, cancellationToken);
        }

        var (findings, total, hidden) = Judge(query, slices, traits, accounts, filter, cancellationToken);
        var warnings = evictions.Tell(query.Window, _options.MaxEvents);
        var isPartial = warnings.Count > 0;
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
            var events = series.HandOut(_pool, _order, query.Window, number, _queries.Oldest);
            slices.Add(new AddressSlice(address, events, series.Seen.HasBothLegs(query.Revision)));
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
        Evictions evictions;
        using (EnterGate())
        {
            (traits, accounts, evictions) = (_traits.Read(), _accounts.Read(), _evictions);
            var found = _addresses.Find(address);
            if (found >= 0)
            {
                events = _addresses[found].HandOut(_pool, _order, window, number, _queries.Oldest);
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
        var warnings = evictions.Tell(window, _options.MaxEvents);
        return new EventPage(documents, total, next) { Warnings = warnings, IsPartial = warnings.Count > 0 };
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
            (low, high) = _order.SequenceOf(events[middle]) < start.Sequence ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>The earliest time that is not too old.</summary>
    private long Cutoff() => Math.Min(_newest, _clock.GetUtcNow().ToUnixTimeMilliseconds()) - (long)_options.Retention.TotalMilliseconds;

    /// <summary>
    /// Judges an event that is no later than what was let go. It goes at once where it is too old or there is no room, as it is the earliest then.
    /// Else the clock was set back, and all has to be swept, so that the event is not taken for one that was let go.
    /// </summary>
    private bool TryKeep(in EventRecord record, Outcome outcome)
    {
        var isTooOld = record.Timestamp < Cutoff();
        if (isTooOld || _count >= _options.MaxEvents)
        {
            LetGo(isTooOld, (record.Timestamp, _sequence++), 1);
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
        _evictions = isTooOld ? _evictions.ForAge(last.Timestamp, count) : _evictions.ForRoom(last.Timestamp, count);
        _leaving.TooOld += isTooOld ? count : 0;
        _leaving.TooMany += isTooOld ? 0 : count;
        _leaving.Furthest = _leaving.Furthest is { } furthest && furthest.CompareTo(last) > 0 ? furthest : last;
    }

    /// <summary>
    /// Lets go what is too old or too much, the earliest first, and of that so much as may hold up others.
    /// </summary>
    /// <returns>Whether there is more to let go.</returns>
    private bool Evict(Outcome outcome)
    {
        var cutoff = Cutoff();
        var room = EvictionsPerHold;
        while (room > 0 && _timeline.First is { } minute)
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
                room -= EvictionsPerMinute;
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

        var isMore = room <= 0 && _timeline.First is { } first && (first.Begin < cutoff || _count > _options.MaxEvents);
        outcome.TooOld += _leaving.TooOld;
        _metrics?.Evicted("retention", _leaving.TooOld);
        _metrics?.Evicted("capacity", _leaving.TooMany);
        if (_leaving.Furthest is { } letGo)
        {
            // Once all is done nothing up to here is held, whether it was let go just now or never came.
            var through = isMore || letGo.CompareTo((cutoff - 1, long.MaxValue)) > 0 ? letGo : (Timestamp: cutoff - 1, Sequence: long.MaxValue);
            if (through.CompareTo((_evictions.Timestamp, _evictions.Sequence)) >= 0)
            {
                _evictions = _evictions with { Timestamp = through.Timestamp, Sequence = through.Sequence, Before = _sequence };
            }
            else if (HoldsNothingUpTo(_evictions.Timestamp, _evictions.Sequence))
            {
                _evictions = _evictions with { Before = _sequence };
            }
        }

        _leaving = default;
        return isMore;
    }

    private static (long Timestamp, long Sequence) PlaceOf(Minute minute, MinuteEntry entry) =>
        (minute.Begin + entry.At, EvidenceLog.At(minute.Chunks, entry.Place).Sequence);

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
            _timeline.RemoveFirst();
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

    /// <summary>Takes away some of what only events referred to that were let go.</summary>
    /// <param name="added">How many events came since.</param>
    private void Sweep(int added)
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

    private void SweepAll()
    {
        // What is underway, and then all once.
        var parts = (_sweptPart == 0 ? 0 : SweepParts - _sweptPart) + SweepParts;
        for (var i = 0; i < parts; i++)
        {
            SweepPart(isThorough: true);
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

    /// <summary>What became of the events of a batch.</summary>
    private sealed class Outcome
    {
        /// <summary>The positions of those that were held before.</summary>
        public HashSet<int> Duplicates { get; } = [];

        /// <summary>The identities of those that were let go at once: whoever comes again in the same batch is a duplicate all the same.</summary>
        public HashSet<UInt128> GoneAtOnce { get; } = [];

        /// <summary>How many events were let go for age meanwhile.</summary>
        public int TooOld { get; set; }
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
