using System.Buffers.Text;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
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
/// Events in memory: per address in the order of time, per minute for coverage and eviction, and for every revision the set of addresses
/// that hold both legs, so that a run visits those only. One lock guards the indexes; queries copy what they need under it and add up
/// outside.
/// </summary>
public sealed class MemoryEventStore(MemoryStoreOptions options, TimeProvider clock, StoreMetrics? metrics = null) : IEventStore
{
    private const long MillisecondsPerMinute = 60_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<SourceAddress, AddressSeries> _series = [];
    private readonly AddressSeries _withoutAddress = new(null);
    private readonly SortedDictionary<long, Minute> _minutes = [];
    private readonly HashSet<UInt128> _identities = [];
    private readonly HashSet<AddressSeries>[] _candidates = [.. RuleCatalogue.Revisions.Select(_ => new HashSet<AddressSeries>())];
    private long _sequence;
    private int _count;
    private long _newest = long.MinValue;
    private (long Timestamp, long Sequence, long Before) _evicted = (long.MinValue, -1, 0);
    private (long Through, long Count) _evictedByRetention = (long.MinValue, 0);
    private (long Through, long Count) _evictedByCapacity = (long.MinValue, 0);

    /// <inheritdoc/>
    public string Kind => "memory";

    /// <summary>How many events are held.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <inheritdoc/>
    public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        const int EventsPerHold = 1024;
        var duplicates = new HashSet<int>();
        var beyondRetention = 0;
        for (var from = 0; from == 0 || from < events.Count; from += EventsPerHold)
        {
            // Let queries in between: a large batch must not hold the lock from end to end.
            lock (_gate)
            {
                for (var i = from; i < Math.Min(from + EventsPerHold, events.Count); i++)
                {
                    if (!Append(events[i]))
                    {
                        duplicates.Add(i);
                    }
                }

                beyondRetention += Evict();
            }
        }

        metrics?.Stored(Count);
        Warning[] warnings = beyondRetention == 0
            ? []
            : [new Warning("outsideRetention", $"Events older than the store's retention of {options.Retention} were let go. To judge old events, send them with store=false.", beyondRetention)];
        return Task.FromResult(new AppendResult(duplicates, [], warnings));
    }

    /// <inheritdoc/>
    public Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken)
    {
        var slices = new List<(SourceAddress Address, StoredEvent[] Events)>();
        WindowSummary summary;
        List<Warning> warnings;
        bool isPartial;
        lock (_gate)
        {
            foreach (var series in Candidates(query))
            {
                slices.Add((series.Address!.Value, series.In(query.Window).ToArray()));
            }

            summary = Summarise(query);
            (warnings, isPartial) = TellEvictions(query.Window);
        }

        cancellationToken.ThrowIfCancellationRequested();
        var (findings, hidden) = Judge(query, slices, cancellationToken);
        warnings.AddRange(summary.Warnings());
        if (hidden > 0)
        {
            warnings.Add(Warning.HiddenByVolume(hidden));
        }

        return Task.FromResult(new CorrelationResult
        {
            Findings = findings.Count > query.Limit ? findings[..query.Limit] : findings,
            Total = findings.Count,
            Coverage = summary.Coverage,
            Warnings = warnings,
            IsPartial = isPartial,
        });
    }

    /// <inheritdoc/>
    public Task<EventPage?> ReadEventsAsync(
        SourceAddress address, TimeWindow window, RuleRevision revision, bool countedOnly, int limit, string? cursor, CancellationToken cancellationToken)
    {
        var start = (Timestamp: long.MinValue, Sequence: long.MinValue);
        if (cursor is not null && !TryReadCursor(cursor, out start))
        {
            return Task.FromResult<EventPage?>(null);
        }

        var page = new List<StoredEvent>();
        long total = 0;
        string? next = null;
        lock (_gate)
        {
            if (_series.TryGetValue(address, out var series))
            {
                foreach (ref readonly var stored in series.In(window))
                {
                    if (countedOnly && !stored.Classification.IsKeptBy(revision))
                    {
                        continue;
                    }

                    total++;
                    if (next is not null || (stored.Timestamp, stored.Sequence).CompareTo(start) < 0)
                    {
                        continue;
                    }

                    if (page.Count == limit)
                    {
                        next = WriteCursor(stored);
                    }
                    else
                    {
                        page.Add(stored);
                    }
                }
            }
        }

        var documents = page.ConvertAll(stored => stored.ToDocument(revision));
        return Task.FromResult<EventPage?>(new EventPage(documents, total, next));
    }

    /// <inheritdoc/>
    public Task<StoreHealth> CheckAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var facts = new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["events"] = _count,
                ["maxEvents"] = options.MaxEvents,
                ["durable"] = false,
            };
            if (_minutes.Count > 0)
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
        const int EventsPerEviction = 1024;
        lock (_gate)
        {
            _evicted = (evictions.Timestamp, evictions.Sequence, evictions.Before);
            _evictedByRetention = (evictions.RetentionThrough, evictions.Retention);
            _evictedByCapacity = (evictions.CapacityThrough, evictions.Capacity);
            var next = evictions.Before;
            foreach (var chunk in events.Chunk(EventsPerEviction))
            {
                foreach (var (sequence, record) in chunk)
                {
                    _sequence = sequence;
                    Append(record);
                    next = Math.Max(next, sequence + 1);
                }

                _sequence = next;
                Evict();
            }

            _sequence = next;
        }

        metrics?.Stored(Count);
    }

    private bool Append(in EventRecord record)
    {
        if (record.Identity != 0 && !_identities.Add(record.Identity))
        {
            return false;
        }

        _newest = Math.Max(_newest, record.Timestamp);
        _count++;
        var stored = new StoredEvent(record, _sequence++);
        var addresses = record.Addresses.Span;
        if (addresses.IsEmpty)
        {
            Add(_withoutAddress, stored);
        }

        for (var i = 0; i < addresses.Length; i++)
        {
            ref var series = ref CollectionsMarshal.GetValueRefOrAddDefault(_series, addresses[i], out _);
            series ??= new AddressSeries(addresses[i]);
            Add(series, i == 0 ? stored : stored with { IsCopy = true });
        }

        return true;
    }

    private void Add(AddressSeries series, in StoredEvent stored)
    {
        var seen = series.Seen;
        series.Add(stored);
        if (series.Seen != seen)
        {
            UpdateCandidates(series);
        }

        var key = MinuteOf(stored.Timestamp);
        if (!_minutes.TryGetValue(key, out var minute))
        {
            _minutes[key] = minute = new Minute();
        }

        minute.Add(new MinuteEntry(stored.Timestamp, stored.Sequence, stored.Ingested, stored.IsCopy, stored.Classification, series));
    }

    private void UpdateCandidates(AddressSeries series)
    {
        foreach (var revision in RuleCatalogue.Revisions)
        {
            if (series.Seen.HasBothLegs(revision))
            {
                _candidates[revision.Slot].Add(series);
            }
            else
            {
                _candidates[revision.Slot].Remove(series);
            }
        }
    }

    private IEnumerable<AddressSeries> Candidates(CorrelationQuery query)
    {
        var candidates = _candidates[query.Revision.Slot];
        return query.Addresses is null
            ? candidates
            : query.Addresses.Distinct().Select(address => _series.GetValueOrDefault(address)).OfType<AddressSeries>().Where(candidates.Contains);
    }

    private static (List<AddressFinding> Findings, int HiddenByVolume) Judge(
        CorrelationQuery query, List<(SourceAddress Address, StoredEvent[] Events)> slices, CancellationToken cancellationToken)
    {
        var (findings, hidden) = (new List<AddressFinding>(), 0);
        foreach (var (address, events) in slices)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var aggregator = new AddressAggregator(query.Revision);
            foreach (ref readonly var stored in events.AsSpan())
            {
                if (stored.Classification.IsKeptBy(query.Revision) && !(stored.Ingested < query.IngestedAfter))
                {
                    aggregator.Add(stored.Timestamp, stored.Traits, stored.Account.Span);
                }
            }

            if (query.Revision.Report.Test(aggregator.Counts) == true)
            {
                findings.Add(aggregator.ToFinding(address));
            }
            else if (query.Revision.ReportIgnoringVolume?.Test(aggregator.Counts) == true)
            {
                hidden++;
            }
        }

        findings.Sort((left, right) => left.Address.CompareTo(right.Address));
        return (findings, hidden);
    }

    /// <summary>Adds up legs and near misses over the window: whole minutes by their summaries, the two at its edges event by event.</summary>
    private WindowSummary Summarise(CorrelationQuery query)
    {
        var summary = new WindowSummary(query.Revision);
        if (query.Addresses is not null)
        {
            foreach (var address in query.Addresses.Distinct())
            {
                if (_series.TryGetValue(address, out var series))
                {
                    foreach (ref readonly var stored in series.In(query.Window))
                    {
                        if (!(stored.Ingested < query.IngestedAfter))
                        {
                            summary.Add(stored.Classification, 1, stored.Timestamp, stored.Timestamp);
                        }
                    }
                }
            }

            return summary;
        }

        foreach (var (key, minute) in _minutes)
        {
            var first = key * MillisecondsPerMinute;
            var last = first + MillisecondsPerMinute - 1;
            if (last <= query.Window.From || first > query.Window.To)
            {
                continue;
            }

            if (query.IngestedAfter is null && query.Window.Contains(first) && query.Window.Contains(last))
            {
                minute.AddTo(summary);
                continue;
            }

            foreach (ref readonly var entry in CollectionsMarshal.AsSpan(minute.Entries))
            {
                if (!entry.IsCopy && query.Window.Contains(entry.Timestamp) && !(entry.Ingested < query.IngestedAfter))
                {
                    summary.Add(entry.Classification, 1, entry.Timestamp, entry.Timestamp);
                }
            }
        }

        return summary;
    }

    private (List<Warning> Warnings, bool IsPartial) TellEvictions(TimeWindow window)
    {
        var warnings = new List<Warning>();
        if (_evictedByCapacity.Through > window.From)
        {
            warnings.Add(new Warning("evictedByCapacity", $"The store holds at most {options.MaxEvents} events and let older ones go, up to {EcsTime.ToDateTime(_evictedByCapacity.Through):O}: this answer lacks them. Raise Store:Memory:MaxEvents or shorten the window.", _evictedByCapacity.Count));
        }

        if (_evictedByRetention.Through > window.From)
        {
            warnings.Add(new Warning("windowBeyondRetention", $"The window reaches back beyond what the store keeps: events up to {EcsTime.ToDateTime(_evictedByRetention.Through):O} were let go, and this answer lacks them.", _evictedByRetention.Count));
        }

        return (warnings, warnings.Count > 0);
    }

    /// <summary>Lets go what is too old or too much; tells how many events of the latest append were among the too old.</summary>
    private int Evict()
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var cutoff = Math.Min(_newest, now) - (long)options.Retention.TotalMilliseconds;
        var byRetention = 0;
        (long Timestamp, long Sequence)? furthest = null;
        while (_minutes.Count > 0)
        {
            var (key, minute) = _minutes.First();
            var isOld = key * MillisecondsPerMinute < cutoff;
            var excess = _count - options.MaxEvents;
            if (!isOld && excess <= 0)
            {
                break;
            }

            minute.Sort();
            var (gone, primary) = (0, 0);
            foreach (ref readonly var entry in CollectionsMarshal.AsSpan(minute.Entries))
            {
                var tooOld = entry.Timestamp < cutoff;
                if (!tooOld && (primary >= excess && !entry.IsCopy))
                {
                    break;
                }

                gone++;
                if (!entry.IsCopy)
                {
                    primary++;
                    byRetention += tooOld ? 1 : 0;
                    ref var tally = ref tooOld ? ref _evictedByRetention : ref _evictedByCapacity;
                    tally = (Math.Max(tally.Through, entry.Timestamp), tally.Count + 1);
                    metrics?.Evicted(tooOld ? "retention" : "capacity");
                }
            }

            if (gone == 0)
            {
                break;
            }

            furthest = (minute.Entries[gone - 1].Timestamp, minute.Entries[gone - 1].Sequence);
            Remove(minute, gone);
            _count -= primary;
            if (minute.Entries.Count == 0)
            {
                _minutes.Remove(key);
            }
        }

        if (furthest is { } last)
        {
            // Nothing up to here is held now, whether it was let go just now or never came.
            var through = last.CompareTo((cutoff - 1, long.MaxValue)) > 0 ? last : (Timestamp: cutoff - 1, Sequence: long.MaxValue);
            if (through.CompareTo((_evicted.Timestamp, _evicted.Sequence)) >= 0)
            {
                _evicted = (through.Timestamp, through.Sequence, _sequence);
            }
            else if (HoldsNothingUpTo(_evicted.Timestamp, _evicted.Sequence))
            {
                _evicted.Before = _sequence;
            }
        }

        return byRetention;
    }

    private bool HoldsNothingUpTo(long timestamp, long sequence)
    {
        var (key, minute) = _minutes.FirstOrDefault();
        if (minute is null || key != MinuteOf(timestamp))
        {
            return minute is null || key > MinuteOf(timestamp);
        }

        minute.Sort();
        return (minute.Entries[0].Timestamp, minute.Entries[0].Sequence).CompareTo((timestamp, sequence)) > 0;
    }

    private void Remove(Minute minute, int gone)
    {
        var last = minute.Entries[gone - 1];
        var touched = new HashSet<AddressSeries>();
        foreach (var entry in minute.Entries.Take(gone))
        {
            touched.Add(entry.Series);
        }

        foreach (var series in touched)
        {
            series.RemoveThrough(last.Timestamp, last.Sequence, _identities);
            UpdateCandidates(series);
            if (series.IsEmpty && series.Address is { } address)
            {
                _series.Remove(address);
            }
        }

        minute.RemoveFirst(gone);
    }

    private static long MinuteOf(long timestamp) => (long)Math.Floor(timestamp / (double)MillisecondsPerMinute);

    private static string WriteCursor(in StoredEvent stored) =>
        Base64Url.EncodeToString(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{stored.Timestamp}.{stored.Sequence}")));

    private static bool TryReadCursor(string cursor, out (long Timestamp, long Sequence) start)
    {
        start = default;
        Span<byte> bytes = stackalloc byte[64];
        if (cursor.Length > 64 || !Base64Url.IsValid(cursor) || !Base64Url.TryDecodeFromChars(cursor, bytes, out var length))
        {
            return false;
        }

        var parts = Encoding.ASCII.GetString(bytes[..length]).Split('.');
        return parts.Length == 2
            && long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out start.Timestamp)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out start.Sequence);
    }

    private readonly record struct StoredEvent(
        long Timestamp, long Sequence, long Ingested, EventTraits Traits, ReadOnlyMemory<byte> Account, UInt128 Identity, ReadOnlyMemory<byte> Payload, bool IsCopy)
    {
        public StoredEvent(in EventRecord record, long sequence)
            : this(record.Timestamp, sequence, record.Ingested, record.Traits, record.Account, record.Identity, record.Payload, IsCopy: false)
        {
        }

        public Classification Classification => Traits.Classification;

        public EventDocument ToDocument(RuleRevision revision) =>
            EventDocument.From(Timestamp, Ingested, Traits, Account.Span, Payload.Span, revision);
    }

    private readonly record struct MinuteEntry(
        long Timestamp, long Sequence, long Ingested, bool IsCopy, Classification Classification, AddressSeries Series);

    /// <summary>The events of one address, sorted when they are read.</summary>
    private sealed class AddressSeries(SourceAddress? address)
    {
        private readonly List<StoredEvent> _events = [];
        private bool _isSorted = true;

        public SourceAddress? Address => address;

        public bool IsEmpty => _events.Count == 0;

        /// <summary>The union of the verdicts on all its events.</summary>
        public Classification Seen { get; private set; }

        public void Add(in StoredEvent stored)
        {
            _isSorted &= _events.Count == 0 || Compare(_events[^1], stored) <= 0;
            _events.Add(stored);
            Seen |= stored.Classification;
        }

        public Span<StoredEvent> In(TimeWindow window)
        {
            var events = Sorted();
            var from = FirstAfter(events, window.From);
            return events[from..Math.Max(from, FirstAfter(events, window.To))];
        }

        public void RemoveThrough(long timestamp, long sequence, HashSet<UInt128> identities)
        {
            var events = Sorted();
            var gone = 0;
            for (; gone < events.Length && (events[gone].Timestamp, events[gone].Sequence).CompareTo((timestamp, sequence)) <= 0; gone++)
            {
                identities.Remove(events[gone].Identity);
            }

            _events.RemoveRange(0, gone);
            Seen = default;
            foreach (ref readonly var left in CollectionsMarshal.AsSpan(_events))
            {
                Seen |= left.Classification;
            }
        }

        private Span<StoredEvent> Sorted()
        {
            if (!_isSorted)
            {
                CollectionsMarshal.AsSpan(_events).Sort(Compare);
                _isSorted = true;
            }

            return CollectionsMarshal.AsSpan(_events);
        }

        private static int FirstAfter(ReadOnlySpan<StoredEvent> events, long timestamp)
        {
            var (low, high) = (0, events.Length);
            while (low < high)
            {
                var middle = (low + high) / 2;
                (low, high) = events[middle].Timestamp <= timestamp ? (middle + 1, high) : (low, middle);
            }

            return low;
        }

        private static int Compare(StoredEvent left, StoredEvent right) =>
            (left.Timestamp, left.Sequence).CompareTo((right.Timestamp, right.Sequence));
    }

    /// <summary>The events of one minute over all addresses, and how many there are of each combination of verdicts.</summary>
    private sealed class Minute
    {
        private readonly Dictionary<Classification, (long Count, long Oldest, long Newest)> _summary = [];

        public List<MinuteEntry> Entries { get; } = [];

        public void Add(in MinuteEntry entry)
        {
            Entries.Add(entry);
            Count(entry);
        }

        public void AddTo(WindowSummary summary)
        {
            foreach (var (classification, (count, oldest, newest)) in _summary)
            {
                summary.Add(classification, count, oldest, newest);
            }
        }

        // An event of several addresses comes before its copies, so that eviction takes it as a whole.
        public void Sort() => Entries.Sort((left, right) =>
            (left.Timestamp, left.Sequence, left.IsCopy).CompareTo((right.Timestamp, right.Sequence, right.IsCopy)));

        public void RemoveFirst(int count)
        {
            Entries.RemoveRange(0, count);
            _summary.Clear();
            Entries.ForEach(entry => Count(entry));
        }

        private void Count(in MinuteEntry entry)
        {
            if (entry.IsCopy)
            {
                return;
            }

            ref var counted = ref CollectionsMarshal.GetValueRefOrAddDefault(_summary, entry.Classification, out var exists);
            counted = exists
                ? (counted.Count + 1, Math.Min(counted.Oldest, entry.Timestamp), Math.Max(counted.Newest, entry.Timestamp))
                : (1, entry.Timestamp, entry.Timestamp);
        }
    }
}
