using System.Xml;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;

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
    /// The folder of the journal that makes the store outlive its process; null, the default, for a store that forgets. Made, for its owner
    /// only, where its parent exists. On a local disk, one instance per folder.
    /// </summary>
    public string? Path { get; set; }

    /// <summary>
    /// How far after now an event may be dated to be kept: a day, more than any time zone is wrong by. The oldest go first where there is
    /// no room, so events of years to come would push out all others, and never go themselves.
    /// </summary>
    internal TimeSpan MaxAhead { get; init; } = TimeSpan.FromDays(1);

    /// <summary>In how many pieces the evidence of a minute may lie; fewer for tests.</summary>
    internal int MaxPiecesPerMinute { get; init; } = EvidenceLog.MaxPieces;
}

/// <summary>
/// Events in memory. One lock guards their <see cref="EventIndex"/>. An append takes it for some hundred events at a time and lets queries
/// in between; a query takes references to what it needs under the lock and adds up outside, and nothing that it holds is changed
/// meanwhile.
/// </summary>
public sealed class MemoryEventStore : IEventStore
{
    /// <summary>How many late events are put in order before the lock is given back.</summary>
    private const int LatePerHold = 16_384;

    private const int AddressesPerHold = 2_048;

    // Of all stores, for a batch that is judged alone has one of its own.
    private static QueryMemory? _queryMemory;

    private readonly MemoryStoreOptions _options;
    private readonly TimeProvider _clock;
    private readonly StoreMetrics? _metrics;
    private readonly Lock _gate = new();
    private readonly RunningQueries _queries = new();
    private readonly EventIndex _index;
    private int _waiting;

    /// <summary>Creates an empty store.</summary>
    public MemoryEventStore(MemoryStoreOptions options, TimeProvider clock, StoreMetrics? metrics = null)
        : this(options, clock, metrics, ushort.MaxValue)
    {
    }

    /// <summary>Creates one that numbers fewer combinations of verdicts, for tests.</summary>
    internal MemoryEventStore(MemoryStoreOptions options, TimeProvider clock, StoreMetrics? metrics, int maxKinds)
    {
        (_options, _clock, _metrics) = (options, clock, metrics);
        _index = new EventIndex(options, clock, metrics, _queries, maxKinds);
    }

    /// <inheritdoc/>
    public string Kind => "memory";

    /// <summary>How many events are held.</summary>
    public int Count => _index.Count;

    /// <inheritdoc/>
    public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var latest = Latest;
        if (!HasRoomFor(events, latest, EvidenceLog.LengthOf(events)))
        {
            throw MinuteIsFull();
        }

        return Task.FromResult(Append(events, latest));
    }

    /// <summary>Adds events.</summary>
    /// <param name="events">The events.</param>
    /// <param name="latest">Those of later times are not kept, milliseconds since the epoch.</param>
    /// <exception cref="StoreUnavailableException">
    /// A minute is full: other batches took its room since it was asked about. Some events were added.
    /// </exception>
    internal AppendResult Append(IReadOnlyList<EventRecord> events, long latest)
    {
        var outcome = new AppendOutcome();
        var from = 0;
        do
        {
            // Let queries in between: a large batch must not hold the lock from end to end.
            bool isMoreToEvict;
            lock (_gate)
            {
                var some = events.From(from);
                some = some[..Math.Min(EventIndex.EventsPerAppend, some.Length)];
                _index.Append(some, from, latest, outcome);
                from += some.Length;
                isMoreToEvict = _index.Evict();
                _index.Sweep(some.Length);
            }

            LetQueriesIn();
            while (isMoreToEvict)
            {
                lock (_gate)
                {
                    isMoreToEvict = _index.Evict();
                }

                LetQueriesIn();
            }
        }
        while (from < events.Count && outcome.WithoutRoom == 0);

        _metrics?.Stored(Count);
        if (outcome.WithoutRoom > 0)
        {
            throw MinuteIsFull();
        }

        long cutoff, fullBefore;
        lock (_gate)
        {
            (cutoff, fullBefore) = (_index.Cutoff(), _index.FullBefore(outcome.Earliest));
        }

        return new AppendResult(outcome.Duplicates, [], WarningsOf(events, outcome, cutoff, Math.Min(fullBefore, latest)))
        {
            Kept = new TimeWindow(Math.Max(cutoff, fullBefore) - 1, latest),
        };
    }

    /// <summary>What to tell of events that were not stored.</summary>
    /// <param name="events">All events.</param>
    /// <param name="outcome">What became of them.</param>
    /// <param name="cutoff">Those before are too old.</param>
    /// <param name="fullBefore">Before this there is no room.</param>
    private List<Warning> WarningsOf(IReadOnlyList<EventRecord> events, AppendOutcome outcome, long cutoff, long fullBefore)
    {
        var warnings = new List<Warning>();
        if (CountOlder(events, outcome, long.MinValue, cutoff) is > 0 and var tooOld)
        {
            warnings.Add(new Warning(
                WarningCodes.OutsideRetention,
                $"Events older than the retention of {XmlConvert.ToString(_options.Retention)} were not stored. "
                + "A batch whose whole window is older is judged alone; to judge others with them, use POST /api/v1/events?store=false.",
                tooOld));
        }

        if (outcome.TooFarAhead > 0)
        {
            warnings.Add(TooFarAhead(outcome.TooFarAhead));
        }

        if (CountOlder(events, outcome, cutoff, fullBefore) is > 0 and var withoutRoom)
        {
            warnings.Add(new Warning(
                WarningCodes.OutsideCapacity,
                $"The store holds {_options.MaxEvents} events, the most it may, and these events are older than all of those: they were "
                + "not stored. Raise Store:Memory:MaxEvents.",
                withoutRoom));
        }

        return warnings;
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
    public Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var start = EventPlace.Beginning;
        if (query.Cursor is not null && !(EventCursor.TryRead(ref query, out var place) && EventPlace.TryParse(place, out start)))
        {
            return Task.FromResult<EventPage?>(null);
        }

        var number = _queries.Enter();
        try
        {
            return Task.FromResult<EventPage?>(Read(query, start, number));
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
                ["events"] = _index.Count,
                ["maxEvents"] = _options.MaxEvents,
                ["durable"] = false,
                ["evidenceBytes"] = _index.Timeline.EvidenceBytes,
            };
            if (_index.Count > 0)
            {
                facts["newest"] = EcsTime.ToDateTime(_index.Newest);
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
                return _index.Evictions;
            }
        }
    }

    /// <summary>The latest time of which events are kept now, milliseconds since the epoch.</summary>
    internal long Latest => _clock.GetUtcNow().ToUnixTimeMilliseconds() + (long)_options.MaxAhead.TotalMilliseconds;

    /// <summary>The number that the next event gets.</summary>
    internal long NextSequence
    {
        get
        {
            lock (_gate)
            {
                return _index.Sequence;
            }
        }
    }

    /// <summary>The positions of the events that an append would tell as duplicates.</summary>
    internal HashSet<int> FindDuplicates(IReadOnlyList<EventRecord> events)
    {
        lock (_gate)
        {
            return _index.FindDuplicates(events);
        }
    }

    /// <inheritdoc cref="EventIndex.HasRoomFor"/>
    internal bool HasRoomFor(IReadOnlyList<EventRecord> events, long latest, long bytes)
    {
        lock (_gate)
        {
            return _index.HasRoomFor(events, latest, bytes);
        }
    }

    /// <summary>What to tell whoever sent events of a minute that holds the most it may.</summary>
    internal static StoreUnavailableException MinuteIsFull() =>
        new("The store cannot hold more events dated in this minute. Spread them over time, or send them with store=false.");

    /// <summary>What to tell whoever sent events that are dated too far after now.</summary>
    internal static Warning TooFarAhead(int count) => new(
        WarningCodes.TooFarAhead,
        "Events dated more than a day after now were not stored. Check the clock of their source; to judge them, use "
        + "POST /api/v1/events?store=false.",
        count);

    /// <summary>
    /// How many of the events of an append, those that were held before left out, are of a span of time that is not held.
    /// </summary>
    private static int CountOlder(IReadOnlyList<EventRecord> events, AppendOutcome outcome, long from, long before) =>
        outcome.Earliest >= before
            ? 0
            : Enumerable.Range(0, events.Count).Count(i =>
                events[i].Timestamp >= from && events[i].Timestamp < before && !outcome.Duplicates.Contains(i));

    /// <summary>Takes back the events of an earlier process with their numbers, and what it had let go.</summary>
    /// <returns>How many events were left out, as their minutes were full.</returns>
    internal int Restore(IEnumerable<(long Sequence, EventRecord Event)> events, Evictions evictions)
    {
        var outcome = new AppendOutcome();
        lock (_gate)
        {
            _index.Evictions = evictions;
            var next = evictions.Before;
            foreach (var chunk in events.Chunk(EventIndex.EventsPerAppend))
            {
                // They are appended one by one, for their numbers; each by itself would wait for memory.
                _index.Touch([.. chunk.Select(entry => entry.Event)]);
                foreach (var (sequence, record) in chunk)
                {
                    _index.Sequence = sequence;
                    outcome.GoneAtOnce.Clear();
                    _index.Append(new ReadOnlySpan<EventRecord>(in record), 0, long.MaxValue, outcome);
                    if (outcome.Duplicates.Remove(0))
                    {
                        // It was acknowledged, so what has its identity was let go before, and is here only because the note of that is
                        // less exact than the store was.
                        _index.Append([record with { Identity = 0 }], 0, long.MaxValue, outcome);
                    }

                    next = Math.Max(next, sequence + 1);
                }

                _index.Sequence = next;
                while (_index.Evict())
                {
                }

                _index.Sweep(chunk.Length);
            }

            _index.Sequence = next;
        }

        _metrics?.Stored(Count);
        return outcome.WithoutRoom;
    }

    /// <summary>
    /// How many distinct traits, accounts, addresses and identities are held, with those that were let go and not swept yet, for tests.
    /// </summary>
    internal (int Traits, int Accounts, int Addresses, int Identities) Held
    {
        get
        {
            lock (_gate)
            {
                return _index.Held;
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
                return _index.Capacity;
            }
        }
    }

    /// <summary>Takes away all at once that only events referred to that were let go, for tests.</summary>
    internal void Sweep()
    {
        lock (_gate)
        {
            _index.SweepAll();
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

    private CorrelationResult Correlate(CorrelationQuery query, long number, CancellationToken cancellationToken)
    {
        var summary = new WindowSummary(query);
        var memory = Interlocked.Exchange(ref _queryMemory, null) ?? new QueryMemory();
        var slices = memory.Slices;
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
                    ? _index.Candidates(query.Revision)
                    : [.. query.Addresses.Select(address => (address, AddressTable.Unknown))];
                if (!Take(query, addresses, slices, number))
                {
                    continue;
                }

                filter = query.IngestedAfter is { } after ? new IngestedFilter(after, _index.Timeline.In(query.Window)) : null;
                if (query.Addresses is null)
                {
                    Summarise(query, summary, cut);
                }

                (traits, accounts) = _index.Read();
                evictions = _index.Evictions;
                break;
            }
        }

        SummariseCut(cut, query, summary, traits);

        var (findings, total, hidden) = Judge(query, memory, summary, traits, accounts, filter, cancellationToken);
        slices.Clear();
        _queryMemory = memory.IsWorthKeeping ? memory : null;
        var warnings = evictions.WarningsOver(query.Window, _options.MaxEvents);
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

    /// <summary>
    /// Takes the events of further addresses; false where there is so much to do that others should have the lock in between.
    /// </summary>
    private bool Take(CorrelationQuery query, (SourceAddress Address, int Number)[] addresses, List<AddressSlice> slices, long number)
    {
        var late = 0;
        // What filters by event.ingested reads evidence, which has to be taken with the events.
        var last = query.IngestedAfter is null ? Math.Min(addresses.Length, slices.Count + AddressesPerHold) : addresses.Length;
        Span<int> numbers = stackalloc int[EventIndex.AddressesPerSearch];
        while (slices.Count < last && late < LatePerHold)
        {
            var some = addresses.AsSpan(slices.Count, Math.Min(numbers.Length, last - slices.Count));
            _index.Find(some, numbers);
            for (var i = 0; i < some.Length && late < LatePerHold; i++)
            {
                slices.Add(_index.HandOut(some[i].Address, numbers[i], query.Revision, query.Window, number, out var lateHere));
                late += query.IngestedAfter is null ? lateHere : 0;
            }
        }

        return slices.Count == addresses.Length;
    }

    /// <summary>Judges address by address. Where some were named, the summary is of their events.</summary>
    private static (List<AddressFinding> Findings, int Total, int HiddenByVolume) Judge(
        CorrelationQuery query,
        QueryMemory memory,
        WindowSummary summary,
        InternTable<EventTraits>.Reader traits,
        InternTable<EventAccount>.Reader accounts,
        IngestedFilter? filter,
        CancellationToken cancellationToken)
    {
        var (findings, total, hidden) = (new List<AddressFinding>(), 0, 0);
        var slices = memory.Slices;
        var aggregator = new AddressAggregator(query.Revision, traits, accounts, memory);
        var areNamed = query.Addresses is not null;
        if (areNamed)
        {
            // Of the many in a batch that cannot be findings only the summary tells, for which they need not be in order.
            foreach (var slice in slices.Where(static slice => !slice.HasBothLegs))
            {
                cancellationToken.ThrowIfCancellationRequested();
                aggregator.AddToTotal(slice.EventsOf(filter));
            }
        }

        slices.RemoveAll(static slice => slice.Events.IsEmpty || !slice.HasBothLegs);
        if (areNamed)
        {
            // Candidates come in their order, and these are fewer than those that were named.
            slices.Sort(static (left, right) => left.Address.CompareTo(right.Address));
        }

        foreach (var slice in slices)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var events = slice.EventsOf(filter);
            var counts = aggregator.Count(events);
            if (areNamed)
            {
                aggregator.AddToTotal();
            }

            if (query.Revision.Report.Test(counts) == true)
            {
                // Who it was is told of those that are shown only.
                if (total++ < query.Limit)
                {
                    findings.Add(aggregator.ToFinding(slice, events, counts));
                }
            }
            else if (query.Revision.ReportIgnoringVolume?.Test(counts) == true)
            {
                hidden++;
            }
        }

        aggregator.Summarise(summary);
        return (findings, total, hidden);
    }

    /// <summary>
    /// Adds up legs and near misses over the window: whole hours, then whole minutes; the minutes that have to be walked are put aside.
    /// </summary>
    private void Summarise(CorrelationQuery query, WindowSummary summary, List<MinuteSlice> cut)
    {
        foreach (var hour in _index.Timeline.In(query.Window))
        {
            if (query.IngestedAfter is null && hour.IsWithin(query.Window) && hour.TryAddTo(summary, _index.Kinds))
            {
                continue;
            }

            foreach (var minute in hour.Minutes)
            {
                if (minute.Latest <= query.Window.From || minute.Earliest > query.Window.To || minute.Ingested.Latest < query.IngestedAfter)
                {
                    continue;
                }

                var isWhole = minute.Earliest > query.Window.From && minute.Latest <= query.Window.To
                    && !(minute.Ingested.Earliest < query.IngestedAfter);
                if (isWhole && !minute.MustBeWalked)
                {
                    minute.AddTo(summary, _index.Kinds);
                }
                else
                {
                    cut.Add(new MinuteSlice(minute.Begin, minute.Entries, minute.Chunks));
                }
            }
        }
    }

    private void SummariseCut(List<MinuteSlice> cut, CorrelationQuery query, WindowSummary summary, InternTable<EventTraits>.Reader traits)
    {
        if (cut.Count == 0)
        {
            return;
        }

        var counts = new CountTable();
        foreach (var minute in cut)
        {
            minute.AddTo(counts, summary, query, traits);
        }

        foreach (var (kind, count, first, last) in counts)
        {
            summary.Add(_index.Kinds[(ushort)kind], count, first, last);
        }
    }

    private EventPage Read(EventQuery query, EventPlace start, long number)
    {
        ReadOnlyMemory<SeriesEntry> events = default;
        InternTable<EventTraits>.Reader traits;
        InternTable<EventAccount>.Reader accounts;
        var found = new List<(int Place, SeriesEntry Entry, byte[][] Chunks)>();
        int first;
        Evictions evictions;
        using (EnterGate())
        {
            (traits, accounts) = _index.Read();
            evictions = _index.Evictions;
            events = _index.HandOut(query.Address, AddressTable.Unknown, query.Revision, query.Window, number, out _).Events;
            first = FirstFrom(events.Span, start);
            for (var i = first; i < events.Length && found.Count <= query.Limit; i++)
            {
                var entry = events.Span[i];
                if (query.CountedOnly && !traits[entry.Traits].Classification.IsKeptBy(query.Revision))
                {
                    continue;
                }

                var minute = _index.Timeline.Find(entry.Timestamp)!;
                if ((query.IngestedAfter is { } after
                        && !EvidenceLog.IsIngestedSince(minute.Ingested, minute.Chunks, entry.Place, entry.Timestamp, after))
                    || (query.AsOf is { } asOf && EvidenceLog.At(minute.Chunks, entry.Place).Sequence >= asOf))
                {
                    continue;
                }

                found.Add((i, entry, minute.Chunks));
            }
        }

        var documents = new List<EventDocument>(Math.Min(found.Count, query.Limit));
        long bytes = 0;
        string? next = null;
        foreach (var (place, entry, chunks) in found)
        {
            var evidence = EvidenceLog.At(chunks, entry.Place);
            if (documents.Count == query.Limit || bytes >= query.MaxBytes)
            {
                next = EventCursor.Write(query, new EventPlace(entry.Timestamp, evidence.Sequence, place).ToString());
                break;
            }

            var (trait, account) = (traits[entry.Traits], entry.Account == SeriesEntry.NoAccount ? null : accounts[entry.Account]);
            bytes += evidence.Payload.Length + trait.Fields.Length + (account?.Fields.Length ?? 0);
            documents.Add(EventDocument.From(
                entry.Timestamp, entry.Timestamp + evidence.Delay, trait, account?.User, evidence.Payload, query.Revision));
        }

        var warnings = evictions.WarningsOver(query.Window, _options.MaxEvents);
        var isPartial = warnings.Count > 0;
        if (first > start.Before)
        {
            warnings.Add(Warning.LateEvents(first - start.Before));
        }

        return new EventPage(documents, query.IsOfAll ? events.Length : null, next)
        {
            Bytes = bytes,
            Warnings = warnings,
            IsPartial = isPartial,
        };
    }

    /// <summary>The place of the first event at or after the start, by time and number.</summary>
    private int FirstFrom(ReadOnlySpan<SeriesEntry> events, EventPlace start)
    {
        if (start == EventPlace.Beginning)
        {
            return 0;
        }

        var (low, high) = (AddressSeries.FirstAfter(events, start.Timestamp - 1), AddressSeries.FirstAfter(events, start.Timestamp));
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _index.SequenceOf(events[middle]) < start.Sequence ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
