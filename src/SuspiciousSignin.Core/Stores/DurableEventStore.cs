using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The in-memory store with a journal on the disk: an append returns once its events are flushed, and a new process starts with all that
/// was kept. One thread writes; whatever waits while it flushes shares the next flush, but for batches that repeat an event of another.
/// </summary>
public sealed partial class DurableEventStore : IEventStore, IDisposable
{
    private const long MaxBytesPerWrite = 32L * 1024 * 1024;

    /// <summary>How long a write may take before the store is called not ready.</summary>
    private static readonly TimeSpan LongestWrite = TimeSpan.FromSeconds(10);

    /// <summary>How long a question about the health waits for the disk.</summary>
    private static readonly TimeSpan LongestProbe = TimeSpan.FromSeconds(2);

    private readonly MemoryEventStore _memory;
    private readonly EventJournal _journal;
    private readonly TimeProvider _clock;
    private readonly StoreMetrics? _metrics;
    private readonly ILogger _logger;
    private readonly BlockingCollection<Waiting> _queue = [];
    private readonly Thread _writer;
    private readonly Lock _disposing = new();
    private readonly TaskCompletionSource _outOfStep = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _fault;
    private volatile bool _isPruneOverdue;
    private volatile Exception? _lost;
    private long _journalBytes;
    private long _writingSince;
    private bool _isDisposed;

    private DurableEventStore(MemoryEventStore memory, EventJournal journal, TimeProvider clock, StoreMetrics? metrics, ILogger? logger)
    {
        (_memory, _journal, _clock, _metrics, _logger) = (memory, journal, clock, metrics, logger ?? NullLogger.Instance);
        TellJournal();
        _writer = new Thread(Write) { IsBackground = true, Name = "event journal" };
    }

    /// <inheritdoc/>
    public string Kind => _memory.Kind;

    /// <summary>How many events are held.</summary>
    public int Count => _memory.Count;

    /// <summary>How many events were taken back at the start.</summary>
    internal int Restored { get; private init; }

    /// <summary>
    /// Ends when events that are on the disk could not be taken into memory, as for want of it. The store takes no more then, because the
    /// two are not the same any more: the process has to end, and the next one loads all from the disk.
    /// </summary>
    public Task OutOfStep => _outOfStep.Task;

    internal EventJournal Journal => _journal;

    /// <summary>Opens the journal under <see cref="MemoryStoreOptions.Path"/> and takes back what it holds.</summary>
    /// <exception cref="EventJournalException">The folder cannot be used, another instance holds it, or a file is damaged.</exception>
    public static DurableEventStore Open(
        MemoryStoreOptions options,
        EventReaderOptions readerOptions,
        TimeProvider clock,
        StoreMetrics? metrics = null,
        ILogger? logger = null) =>
        Open(EventJournal.Open(options.Path!), options, readerOptions, clock, metrics, logger);

    internal static DurableEventStore Open(
        EventJournal journal,
        MemoryStoreOptions options,
        EventReaderOptions readerOptions,
        TimeProvider clock,
        StoreMetrics? metrics = null,
        ILogger? logger = null)
    {
        var started = clock.GetTimestamp();
        var memory = new MemoryEventStore(options, clock, metrics);
        int leftOut;
        try
        {
            var reader = new EventReader(readerOptions);
            leftOut = memory.Restore(journal.ReadBack().Select(kept => (kept.Sequence, reader.ReadAgain(kept.Event))), journal.Evictions);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or OutOfMemoryException)
        {
            journal.GiveBack();
            throw EventJournalException.Unusable(options.Path!, fault);
        }
        catch
        {
            journal.GiveBack();
            throw;
        }

        var store = new DurableEventStore(memory, journal, clock, metrics, logger)
        {
            Restored = memory.Count,
        };
        Log.Restored(store._logger, memory.Count, clock.GetElapsedTime(started).TotalMilliseconds);
        if (leftOut > 0)
        {
            Log.LeftOut(store._logger, leftOut);
        }

        if (journal.TornAt is not null)
        {
            Log.Torn(store._logger, journal.TornBytes, journal.TornAt);
        }

        store._writer.Start();
        return store;
    }

    /// <summary>Removes the damaged parts of a journal; intact records are kept.</summary>
    /// <param name="folder">The folder of <c>Store:Memory:Path</c>.</param>
    /// <returns>
    /// The names of the files that were damaged, kept as <c>NAME.damaged</c>, or missing; and how many events of the damaged ones were
    /// written anew.
    /// </returns>
    /// <exception cref="EventJournalException">The folder cannot be used, or an instance holds it.</exception>
    public static (IReadOnlyList<string> Damaged, int Kept) Mend(string folder) => EventJournal.Mend(folder);

    /// <inheritdoc/>
    public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        if (_lost is not null)
        {
            throw NotInMemory(_lost);
        }

        var waiting = new Waiting(events);
        try
        {
            _queue.Add(waiting, cancellationToken);
        }
        catch (InvalidOperationException)
        {
            throw new StoreUnavailableException("The service is stopping. Nothing of this batch was stored; send it again.");
        }

        return WaitAsync(waiting, cancellationToken);
    }

    /// <summary>
    /// Waits as long as the caller does: whoever has gone does not wait for a disk that hangs, nor do the events. What is being written
    /// then is a duplicate when it is sent again, where it has an identity.
    /// </summary>
    private static async Task<AppendResult> WaitAsync(Waiting waiting, CancellationToken cancellationToken)
    {
        try
        {
            return await waiting.Done.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            waiting.Abandon();
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken) =>
        _memory.CorrelateAsync(query, cancellationToken);

    /// <inheritdoc/>
    public Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken) =>
        _memory.ReadEventsAsync(query, cancellationToken);

    /// <inheritdoc/>
    public async Task<StoreHealth> CheckAsync(CancellationToken cancellationToken)
    {
        if (_fault is not null && _lost is null && Volatile.Read(ref _writingSince) == 0)
        {
            // Nobody may send to a store that is not ready, so it has to find out by itself when the disk takes writes again.
            try
            {
                await AppendAsync([], cancellationToken).WaitAsync(LongestProbe, _clock, cancellationToken);
            }
            catch (Exception fault) when (fault is not OperationCanceledException)
            {
                // What is told below is why.
            }
        }

        var health = await _memory.CheckAsync(cancellationToken);
        var facts = new Dictionary<string, object>(health.Facts, StringComparer.Ordinal)
        {
            ["durable"] = true,
            ["restored"] = Restored,
            ["journalBytes"] = Volatile.Read(ref _journalBytes),
        };
        if (_isPruneOverdue)
        {
            facts["notPruned"] = "Files of evicted events cannot be deleted; see the log.";
        }

        if (Volatile.Read(ref _writingSince) is not 0 and var since && _clock.GetElapsedTime(since) is var waited && waited > LongestWrite)
        {
            return new StoreHealth(false, $"The disk has not taken a batch for {(int)waited.TotalSeconds} seconds; does it hang?", facts);
        }

        return new StoreHealth(_fault is null, _fault ?? "Events are held in memory, and on the disk before they are acknowledged.", facts);
    }

    /// <summary>
    /// Writes what was sent, marks the end of the journal and gives it back: the folder is free once this returns, whoever called first.
    /// </summary>
    public void Dispose()
    {
        lock (_disposing)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            _queue.CompleteAdding();
            _writer.Join();
            _queue.Dispose();
            _journal.Close(_memory.Evictions);
        }
    }

    private void Write()
    {
        foreach (var first in _queue.GetConsumingEnumerable())
        {
            var group = new List<Waiting> { first };
            for (var bytes = first.Bytes; bytes < MaxBytesPerWrite && _queue.TryTake(out var next); bytes += next.Bytes)
            {
                group.Add(next);
            }

            for (group = group.FindAll(waiting => waiting.TryTake()); group.Count > 0;)
            {
                var count = CountOfDistinct(group);
                WriteTogether(group[..count]);
                group.RemoveRange(0, count);
            }
        }
    }

    /// <summary>
    /// How many batches from the first on have no identity in common. Only once a batch is in memory is it known which of its events were
    /// kept, and so whether later ones of the same identity are duplicates.
    /// </summary>
    private static int CountOfDistinct(List<Waiting> group)
    {
        try
        {
            var coming = new HashSet<UInt128>();
            for (var i = 0; i < group.Count - 1; i++)
            {
                coming.UnionWith(IdentitiesOf(group[i]));
                if (coming.Overlaps(IdentitiesOf(group[i + 1])))
                {
                    return i + 1;
                }
            }

            return group.Count;
        }
        catch (OutOfMemoryException)
        {
            // A batch by itself shares no flush.
            return 1;
        }

        static IEnumerable<UInt128> IdentitiesOf(Waiting waiting) =>
            waiting.Events.Select(record => record.Identity).Where(identity => identity != 0);
    }

    private void WriteTogether(List<Waiting> group)
    {
        if (_lost is { } lost)
        {
            group.ForEach(waiting => waiting.Done.TrySetException(NotInMemory(lost)));
            return;
        }

        Volatile.Write(ref _writingSince, _clock.GetTimestamp());
        var refused = WriteDown(group);
        if (refused is null)
        {
            TakeIn(group);
        }

        Volatile.Write(ref _writingSince, 0);
        if (refused is not null)
        {
            // Only now: whoever was told and asks for the health has the disk tried anew, which nobody does while something is being
            // written.
            group.ForEach(waiting => waiting.Done.TrySetException(refused));
        }
    }

    /// <summary>
    /// Writes a group, less the batches that the memory could not take in; gives why it is not on the disk, or null where it is.
    /// </summary>
    private Exception? WriteDown(List<Waiting> group)
    {
        try
        {
            var (sequence, latest) = (_memory.NextSequence, _memory.Latest);
            var (added, bytes) = (new List<(long, EventRecord)>(), 0L);
            foreach (var waiting in group.ToList())
            {
                waiting.Duplicates = _memory.FindDuplicates(waiting.Events);
                waiting.Added = waiting.Duplicates.Count == 0 && waiting.Events.All(record => record.Timestamp <= latest)
                    ? waiting.Events
                    : [.. waiting.Events.Where((record, i) => record.Timestamp <= latest && !waiting.Duplicates.Contains(i))];
                var length = EvidenceLog.LengthOf(waiting.Added);
                if (!_memory.HasRoomFor(waiting.Added, long.MaxValue, bytes + length))
                {
                    // Before anything of it is on the disk, which the memory could not take in.
                    group.Remove(waiting);
                    waiting.Done.TrySetException(MemoryEventStore.MinuteIsFull());
                    continue;
                }

                bytes += length;
                added.AddRange(waiting.Added.Select(record => (sequence++, record)));
            }

            // Duplicates alone need no write: what they repeat was flushed before this thread came to them.
            if (added.Count > 0)
            {
                _journal.Append(_memory.Evictions, added);
                TellJournal();
            }
            else if (_fault is not null)
            {
                _journal.Probe();
            }

            _fault = null;
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            var cause = fault switch
            {
                UnauthorizedAccessException => "may the service write there?",
                FileNotFoundException => "files of the journal were removed or replaced while it was in use.",
                _ => "is it full?",
            };
            _fault = $"Events cannot be written to the disk; {cause}";
            return new StoreUnavailableException(
                $"The disk did not take the events; {cause} Nothing of this batch was stored. Send it again later.",
                fault);
        }
        catch (Exception fault)
        {
            // A fault of this service, not of the disk. It must not end the thread, and with it the process.
            return fault;
        }
    }

    /// <summary>Takes what is on the disk into memory, which must not fail: the two would not be the same any more.</summary>
    private void TakeIn(List<Waiting> group)
    {
        try
        {
            foreach (var waiting in group)
            {
                var result = _memory.Append(waiting.Added, long.MaxValue);
                var tooFarAhead = waiting.Events.Count - waiting.Duplicates.Count - waiting.Added.Count;
                waiting.Done.TrySetResult(result with
                {
                    Duplicates = waiting.Duplicates,
                    Warnings = tooFarAhead == 0 ? result.Warnings : [.. result.Warnings, MemoryEventStore.TooFarAhead(tooFarAhead)],
                    Kept = result.Kept!.Value with { To = _memory.Latest },
                });
            }
        }
        catch (Exception fault)
        {
            _lost = fault;
            _fault = "Events on the disk could not be loaded into memory. A restart loads them.";
            group.ForEach(waiting => waiting.Done.TrySetException(NotInMemory(fault)));
            Log.OutOfStep(_logger, fault);
            _outOfStep.TrySetResult();
            return;
        }

        try
        {
            _journal.Prune(_memory.Evictions);
            _isPruneOverdue = false;
        }
        catch (Exception fault)
        {
            // The events are on the disk and in memory. Files that should be gone cost room, and are tried again with the next batch.
            // Whatever the fault is, it must not end the thread, and with it the process. It is told once, not with every batch.
            if (!_isPruneOverdue)
            {
                Log.NotPruned(_logger, fault);
            }

            _isPruneOverdue = true;
        }

        TellJournal();
    }

    // For others than the thread that writes, which alone may ask the journal.
    private void TellJournal()
    {
        Volatile.Write(ref _journalBytes, _journal.Length);
        _metrics?.JournalHas(_journal.Length);
    }

    private static StoreUnavailableException NotInMemory(Exception fault) => new(
        "Events on the disk could not be loaded into memory; no more are accepted until a restart. "
        + "Those of this batch may be there then.",
        fault);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Files of evicted events cannot be deleted; each batch tries again")]
        public static partial void NotPruned(ILogger logger, Exception fault);

        [LoggerMessage(2, LogLevel.Critical, "Events on the disk could not be loaded into memory; a restart loads them")]
        public static partial void OutOfStep(ILogger logger, Exception fault);

        [LoggerMessage(3, LogLevel.Information, "Events are kept on the disk: took {Events} events back in {Milliseconds:0} ms")]
        public static partial void Restored(ILogger logger, int events, double milliseconds);

        // Nothing acknowledged was in it, unless the disk changed it later.
        [LoggerMessage(4, LogLevel.Warning,
            "The previous process stopped during a write: {Bytes} bytes of an incomplete batch were removed from {Place}. "
            + "They were never acknowledged, unless the disk damaged them later")]
        public static partial void Torn(ILogger logger, long bytes, string place);

        [LoggerMessage(5, LogLevel.Warning,
            "{Events} events on the disk were not taken back: the store cannot hold more events dated in their minute")]
        public static partial void LeftOut(ILogger logger, int events);
    }

    /// <summary>A batch that waits to be written. Either the writer takes it or its caller abandons it, whoever is first.</summary>
    private sealed class Waiting(IReadOnlyList<EventRecord> events)
    {
        private const int Queued = 0;
        private const int Taken = 1;
        private const int Abandoned = 2;

        private int _state = Queued;

        public IReadOnlyList<EventRecord> Events { get; private set; } = events;

        public long Bytes { get; } =
            events.Sum(record => (long)record.Payload.Length + record.Account.Length + record.Traits.Fields.Length);

        public TaskCompletionSource<AppendResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public HashSet<int> Duplicates { get; set; } = [];

        public IReadOnlyList<EventRecord> Added { get; set; } = [];

        public bool TryTake() => Interlocked.CompareExchange(ref _state, Taken, Queued) == Queued;

        public void Abandon()
        {
            if (Interlocked.CompareExchange(ref _state, Abandoned, Queued) == Queued)
            {
                Events = [];
            }
        }
    }
}
