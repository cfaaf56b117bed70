using Microsoft.Extensions.Logging;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>The store with a journal does what every store does.</summary>
public class DurableEventStoreTests : EventStoreContract, IDisposable
{
    private const int FewPieces = 64;
    private const int MostInFewPieces = FewPieces * 65_536 / LongText;
    private const int LongText = 1_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("journal-").FullName;
    private protected readonly List<IDisposable> _open = [];
    private int _stores;

    public void Dispose()
    {
        _open.ForEach(store => store.Dispose());
        Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected override IEventStore Create() => Open($"{_stores++}");

    [Fact]
    public async Task Events_dated_more_than_a_day_after_now_take_no_room_on_the_disk_and_do_not_come_back()
    {
        var store = Open("ahead");
        string[] documents = [.. new[] { ("b", 25), ("a", 0), ("a", 0), ("b", 25), ("a", 25) }.Select(each => SignIn(Now + (each.Item2 * Hour), more: $",\"_id\":\"{each.Item1}\""))];

        var first = await AppendAsync(store, documents);
        var length = store.Journal.Length;
        var again = await AppendAsync(store, documents);
        Assert.Equal(length, store.Journal.Length);
        store.Dispose();
        _open.Remove(store);
        var reopened = Open("ahead");

        Assert.Equal(("tooFarAhead", 1), (Assert.Single(first.Warnings).Code, first.Warnings[0].Count));
        Assert.Equal([2, 3, 4], first.Duplicates.Order());
        Assert.Equal(1, Assert.Single(again.Warnings).Count);
        Assert.Equal([1, 2, 3, 4], again.Duplicates.Order());
        Assert.Equal(first.Duplicates.Order(), (await AppendAsync(new MemoryEventStore(new MemoryStoreOptions(), Clock), documents)).Duplicates.Order());
        Assert.Equal(1, reopened.Count);
    }

    [Fact]
    public async Task Of_which_times_events_are_kept_is_told_as_by_a_store_without_a_disk()
    {
        var events = await ReadAsync(SignIn(Now));

        var kept = (await Open("kept").AppendAsync(events, Cancellation)).Kept;

        Assert.Equal((await new MemoryEventStore(new MemoryStoreOptions(), Clock).AppendAsync(events, Cancellation)).Kept, kept);
        Assert.Equal(Now + (24 * Hour), kept!.Value.To);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Batches_that_share_a_flush_are_answered_as_by_a_store_without_a_disk_to_which_they_came_one_by_one(int seed)
    {
        var (random, single) = (new Random(seed), new MemoryEventStore(new MemoryStoreOptions(), Clock));
        using var isFlushing = new ManualResetEventSlim();
        using var isOpen = new ManualResetEventSlim();
        using var store = Open($"shared-{seed}");
        store.Journal.BeforeFlush = () =>
        {
            isFlushing.Set();
            isOpen.Wait();
        };
        var (tooOld, tooFarAhead, repeated) = (0, 0, 0);
        for (var step = 0; step < 60; step++)
        {
            isFlushing.Reset();
            isOpen.Reset();
            var batches = new List<IReadOnlyList<EventRecord>> { await ReadAsync(SignIn(Now)) };
            for (var i = random.Next(2, 5); i > 0; i--)
            {
                batches.Add(await ReadAsync([.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => SignIn(
                    Now + random.Next(3) switch { 0 => -49 * Hour, 1 => 25 * Hour, _ => 0 }, more: random.Next(5) == 0 ? "" : $",\"_id\":\"{step}.{random.Next(6)}\""))]));
            }

            // The first keeps the disk busy until the others wait for it.
            var answers = new List<Task<AppendResult>> { store.AppendAsync(batches[0], Cancellation) };
            isFlushing.Wait(Cancellation);
            answers.AddRange(batches.Skip(1).Select(batch => store.AppendAsync(batch, Cancellation)));
            isOpen.Set();
            foreach (var (batch, answer) in batches.Zip(await Task.WhenAll(answers)))
            {
                var expected = await single.AppendAsync(batch, Cancellation);
                Assert.Equal(expected.Duplicates.Order(), answer.Duplicates.Order());
                Assert.Equal(expected.Warnings.OrderBy(warning => warning.Code, StringComparer.Ordinal), answer.Warnings.OrderBy(warning => warning.Code, StringComparer.Ordinal));
                tooOld += expected.Warnings.Count(warning => warning.Code == "outsideRetention");
                tooFarAhead += expected.Warnings.Count(warning => warning.Code == "tooFarAhead");
                repeated += expected.Duplicates.Count;
            }

            Assert.Equal(single.Count, store.Count);
        }

        Assert.All([tooOld, tooFarAhead, repeated], count => Assert.InRange(count, 20, int.MaxValue));
    }

    [Fact]
    public async Task A_batch_for_a_minute_that_is_full_is_refused_as_a_whole_before_it_is_on_the_disk()
    {
        var store = Open("full", maxPiecesPerMinute: FewPieces);
        var sent = await FillAsync(store);
        var (count, length) = (store.Count, store.Journal.Length);

        var refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => AppendAsync(store, SignIn(Now - Hour), Long("more"), SignIn(Now)));

        Assert.Contains("dated in this minute", refused.Message, StringComparison.Ordinal);
        Assert.Equal((count, length), (store.Count, store.Journal.Length));
        Assert.False(store.OutOfStep.IsCompleted);
        Assert.Equal(sent, (await AppendAsync(store, [.. Enumerable.Range(0, sent).Select(i => Long($"{i}"))])).Duplicates.Count);
        Assert.Empty((await AppendAsync(store, SignIn(Now - Hour))).Duplicates);
        Assert.True((await store.CheckAsync(Cancellation)).IsReady);

        var single = new MemoryEventStore(new MemoryStoreOptions { MaxPiecesPerMinute = FewPieces }, Clock);
        Assert.Equal(sent, await FillAsync(single));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => AppendAsync(single, SignIn(Now - Hour), Long("more"), SignIn(Now)));
        Assert.Equal(sent, single.Count);
    }

    [Fact]
    public async Task A_batch_that_shares_a_flush_with_others_alone_is_refused_for_a_minute_that_is_full()
    {
        using var isFlushing = new ManualResetEventSlim();
        using var isOpen = new ManualResetEventSlim();
        using var store = Open("full-shared", maxPiecesPerMinute: FewPieces);
        await FillAsync(store);
        var count = store.Count;
        store.Journal.BeforeFlush = () =>
        {
            isFlushing.Set();
            isOpen.Wait();
        };
        var first = AppendAsync(store, SignIn(Now - Hour));
        isFlushing.Wait(Cancellation);
        var (full, other) = (AppendAsync(store, Long("more")), AppendAsync(store, SignIn(Now - Hour)));
        isOpen.Set();

        await Assert.ThrowsAsync<StoreUnavailableException>(() => full);
        await Task.WhenAll(first, other);
        Assert.Equal(count + 2, store.Count);
    }

    /// <param name="before">How many events come alone, so that whichever of two begins the last piece is the first of them once.</param>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Batches_that_fill_a_minute_together_are_taken_or_refused_before_they_are_on_the_disk(int before)
    {
        using var isFlushing = new SemaphoreSlim(0);
        using var isOpen = new SemaphoreSlim(0);
        using var store = Open("full-together", maxPiecesPerMinute: FewPieces);
        await AppendAsync(store, [SignIn(Now - Hour), .. Enumerable.Range(0, before).Select(i => Long($"before-{i}"))]);
        store.Journal.BeforeFlush = () =>
        {
            isFlushing.Release();
            isOpen.Wait();
        };
        var refused = 0;
        for (var i = 0; refused == 0; i += 2)
        {
            var held = AppendAsync(store, SignIn(Now - Hour));
            Assert.True(await isFlushing.WaitAsync(TimeSpan.FromSeconds(30), Cancellation));
            // Both wait, and so share the next flush.
            Task[] together = [AppendAsync(store, Long($"{i}")), AppendAsync(store, Long($"{i + 1}"))];
            isOpen.Release(1_000);
            await held;
            foreach (var batch in together)
            {
                refused += await Record.ExceptionAsync(() => batch) is StoreUnavailableException ? 1 : 0;
            }

            while (isOpen.Wait(0, Cancellation) || isFlushing.Wait(0, Cancellation))
            {
            }

            Assert.False(store.OutOfStep.IsCompleted);
        }

        isOpen.Release(1_000);
        Assert.True((await store.CheckAsync(Cancellation)).IsReady);
    }

    [Fact]
    public async Task Events_of_a_minute_that_is_full_are_let_go_by_a_start_which_goes_on_and_tells_how_many()
    {
        var store = Open("full-start");
        await AppendAsync(store, [SignIn(Now - Hour), .. Enumerable.Range(0, 2 * MostInFewPieces).Select(i => Long($"{i}"))]);
        store.Dispose();
        _open.Remove(store);
        var log = new LogLines();

        var reopened = Open("full-start", maxPiecesPerMinute: FewPieces, logger: log);

        Assert.InRange(reopened.Count, FewPieces, MostInFewPieces);
        var told = Assert.Single(log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Contains($"{(2 * MostInFewPieces) + 1 - reopened.Count} events", told, StringComparison.Ordinal);
        Assert.Single((await PageAsync(reopened, window: new TimeWindow(0, Now - 1))).Events);
        await AppendAsync(reopened, SignIn(Now - Hour));
    }

    /// <summary>Sends long events of one minute, ten at a time, until the store takes no more; tells how many it took.</summary>
    private async Task<int> FillAsync(IEventStore store)
    {
        for (var sent = 0; ; sent += 10)
        {
            try
            {
                await AppendAsync(store, [.. Enumerable.Range(sent, 10).Select(i => Long($"{i}"))]);
            }
            catch (StoreUnavailableException)
            {
                Assert.InRange(sent, FewPieces, MostInFewPieces);
                return sent;
            }
        }
    }

    private static string Long(string id) => SignIn(Now, more: $",\"_id\":\"{id}\",\"message\":\"{new string('m', LongText)}\"");

    protected DurableEventStore Open(
        string name, int maxEvents = 1_000_000, EventReaderOptions? reader = null, int maxPiecesPerMinute = EvidenceLog.MaxPieces, ILogger? logger = null)
    {
        var options = new MemoryStoreOptions { Path = Path.Combine(_folder, name), MaxEvents = maxEvents, MaxPiecesPerMinute = maxPiecesPerMinute };
        var store = DurableEventStore.Open(options, reader ?? new EventReaderOptions(), Clock, metrics: null, logger);
        _open.Add(store);
        return store;
    }
}

/// <summary>The same where every append is followed by a restart: what was kept is as good as what was sent.</summary>
public sealed class ReopenedEventStoreTests : DurableEventStoreTests
{
    private int _stores;

    protected override IEventStore Create() => new Reopened(this, $"{_stores++}");

    private sealed class Reopened(ReopenedEventStoreTests tests, string name) : IEventStore
    {
        private static readonly SemaphoreSlim Gate = new(1);
        private DurableEventStore _store = tests.Open(name);
        private int _appends;

        public string Kind => _store.Kind;

        public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken) => AloneAsync(async () =>
        {
            var result = await _store.AppendAsync(events, cancellationToken);
            if (++_appends < 60 || _appends % 50 == 0)
            {
                _store.Dispose();
                tests._open.Remove(_store);
                _store = tests.Open(name);
            }

            return result;
        });

        public Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken) =>
            AloneAsync(() => _store.CorrelateAsync(query, cancellationToken));

        public Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken) =>
            AloneAsync(() => _store.ReadEventsAsync(query, cancellationToken));

        public Task<StoreHealth> CheckAsync(CancellationToken cancellationToken) => AloneAsync(() => _store.CheckAsync(cancellationToken));

        private static async Task<T> AloneAsync<T>(Func<Task<T>> act)
        {
            await Gate.WaitAsync();
            try
            {
                return await act();
            }
            finally
            {
                Gate.Release();
            }
        }
    }
}
