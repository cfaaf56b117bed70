using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Stores;

public sealed class MemoryEventStoreTests : EventStoreContract
{
    private static readonly TimeWindow Ever = new(0, long.MaxValue);

    protected override IEventStore Create() => NewStore();

    [Fact]
    public async Task Events_of_equal_times_are_read_in_the_order_of_arrival()
    {
        var store = NewStore();
        for (var i = 0; i < 20; i++)
        {
            await AppendAsync(store, Document($"\"event.action\":\"{i}\"", i % 2 == 0 ? Now - 5 : Now - 9));
        }

        Assert.Equal(
            Enumerable.Range(0, 20).OrderByDescending(i => i % 2).ThenBy(i => i).Select(i => $"{i}"),
            (await PageAsync(store)).Events.Select(document => document.Action));
    }

    [Fact]
    public async Task An_old_data_set_is_kept_when_the_clock_is_far_ahead()
    {
        Clock.Advance(TimeSpan.FromDays(700));
        var store = NewStore();
        await AppendAsync(store, SignIn(Now), NetworkAlert(Now - Hour));
        Assert.Equal(2, store.Count);
        Assert.Single((await CorrelateAsync(store)).Findings);
    }

    [Fact]
    public async Task What_is_beyond_retention_goes_once_a_newer_event_arrives_and_the_answer_says_so()
    {
        Clock.Advance(TimeSpan.FromDays(700));
        var store = NewStore();
        await AppendAsync(store, SignIn(Now), NetworkAlert(Now - Hour));
        var result = await AppendAsync(store, SignIn(Now + (49 * Hour)));
        Assert.Equal(1, store.Count);
        Assert.Contains(result.Warnings, warning => warning.Code == "outsideRetention");
        var answer = await CorrelateAsync(store);
        Assert.True(answer.IsPartial);
        Assert.Equal(2, Assert.Single(answer.Warnings, warning => warning.Code == "windowBeyondRetention").Count);
        var later = await CorrelateAsync(store, query => query with { Window = new TimeWindow(Now, Now + (50 * Hour)) });
        Assert.False(later.IsPartial);
    }

    [Fact]
    public async Task An_event_from_the_future_evicts_nothing_that_the_clock_would_keep()
    {
        var store = NewStore();
        await AppendAsync(store, SignIn(Now), SignIn(Now - (47 * Hour)));
        await AppendAsync(store, SignIn(Now + (5_000 * Hour)));
        Assert.Equal(3, store.Count);
    }

    [Fact]
    public async Task Beyond_capacity_exactly_the_oldest_go_and_the_answer_says_so()
    {
        var store = NewStore(maxEvents: 10);
        await AppendAsync(store, [.. Enumerable.Range(0, 25).OrderBy(i => i * 7 % 25).Select(i => SignIn(Now - (i * 20_000)))]);
        Assert.Equal(10, store.Count);
        var page = await PageAsync(store);
        Assert.Equal(Enumerable.Range(0, 10).Reverse().Select(i => Now - (i * 20_000L)), page.Events.Select(At));
        var answer = await CorrelateAsync(store);
        Assert.True(answer.IsPartial);
        Assert.Equal(10, answer.Coverage.AzureSignIn.Events);
        Assert.Equal(15, Assert.Single(answer.Warnings, warning => warning.Code == "evictedByCapacity").Count);
        var recent = await CorrelateAsync(store, query => query with { Window = new TimeWindow(Now - (10 * 20_000), Now) });
        Assert.False(recent.IsPartial);
    }

    [Fact]
    public async Task Eviction_takes_an_event_of_several_addresses_as_a_whole()
    {
        var store = NewStore(maxEvents: 10);
        await AppendAsync(store, [.. Enumerable.Range(0, 30).Select(i => SignIn(Now - i, more: ",\"source\":{\"ip\":\"8.8.8.8\"}"))]);
        Assert.Equal(10, store.Count);
        var other = await store.ReadEventsAsync(SourceAddress.Parse("8.8.8.8"), Ever, Engine.Revision(), false, 100, null, default);
        Assert.Equal(Enumerable.Range(0, 10).Reverse().Select(i => Now - i), other!.Events.Select(At));
        Assert.Equal(other.Events.Select(At), (await PageAsync(store)).Events.Select(At));
    }

    [Fact]
    public async Task An_evicted_identity_may_come_again()
    {
        var store = NewStore(maxEvents: 2);
        await AppendAsync(store, SignIn(Now - 9, more: ",\"_id\":\"1\""), SignIn(Now - 8, more: ",\"_id\":\"2\""), SignIn(Now - 7, more: ",\"_id\":\"3\""));
        var again = await AppendAsync(store, SignIn(Now, more: ",\"_id\":\"1\""), SignIn(Now, more: ",\"_id\":\"3\""));
        Assert.Equal([1], again.Duplicates);
        Assert.Equal([Now - 7, Now], (await PageAsync(store)).Events.Select(At));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task A_clock_that_steps_an_hour_loses_nothing_within_retention(int hours)
    {
        var store = NewStore();
        await AppendAsync(store, SignIn(Now - (46 * Hour)), NetworkAlert(Now - Hour));
        var stepped = Engine.ClockAt(Now + (hours * Hour));
        Clock.AdjustTime(stepped.GetUtcNow());
        await AppendAsync(store, SignIn(Now));
        Clock.AdjustTime(Engine.ClockAt(Now).GetUtcNow());
        await AppendAsync(store, SignIn(Now - 1));
        Assert.Equal(4, store.Count);
        Assert.Equal(4, (await PageAsync(store, window: Ever)).Total);
        Assert.False((await CorrelateAsync(store)).IsPartial);
    }

    private MemoryEventStore NewStore(int maxEvents = 1_000_000) => new(new MemoryStoreOptions { MaxEvents = maxEvents }, Clock);
}
