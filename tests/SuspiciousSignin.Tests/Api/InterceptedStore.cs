using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Api;

/// <summary>The in-memory store, which does as told before it appends and correlates, and reads, and to the pages that it gives.</summary>
internal sealed class InterceptedStore : IEventStore
{
    private readonly MemoryEventStore _store = new(new MemoryStoreOptions(), Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()));

    public Func<Task> BeforeAppend { get; init; } = () => Task.CompletedTask;

    public Func<CancellationToken, Task> BeforeCorrelation { get; set; } = _ => Task.CompletedTask;

    /// <summary>What became of events, instead of appending them.</summary>
    public Func<IReadOnlyList<EventRecord>, AppendResult>? Appended { get; init; }

    public Func<Task> BeforeReading { get; set; } = () => Task.CompletedTask;

    public Func<Task> BeforeChecking { get; init; } = () => Task.CompletedTask;

    public Func<EventPage, EventPage> Page { get; init; } = page => page;

    public string Kind => _store.Kind;

    public static InterceptedStore Before(Func<Task> act) => new() { BeforeAppend = act, BeforeCorrelation = _ => act() };

    public async Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        await BeforeAppend();
        return Appended?.Invoke(events) ?? await _store.AppendAsync(events, cancellationToken);
    }

    public async Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken)
    {
        await BeforeCorrelation(cancellationToken);
        return await _store.CorrelateAsync(query, cancellationToken);
    }

    public async Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken)
    {
        await BeforeReading();
        return await _store.ReadEventsAsync(query, cancellationToken) is { } page ? Page(page) : null;
    }

    public async Task<StoreHealth> CheckAsync(CancellationToken cancellationToken)
    {
        await BeforeChecking();
        return await _store.CheckAsync(cancellationToken);
    }
}
