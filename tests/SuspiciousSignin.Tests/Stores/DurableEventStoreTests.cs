using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>The store with a journal does what every store does.</summary>
public class DurableEventStoreTests : EventStoreContract, IDisposable
{
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

    protected DurableEventStore Open(string name, int maxEvents = 1_000_000, EventReaderOptions? reader = null)
    {
        var options = new MemoryStoreOptions { Path = Path.Combine(_folder, name), MaxEvents = maxEvents };
        var store = DurableEventStore.Open(options, reader ?? new EventReaderOptions(), Clock);
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
