using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Stores;

[Collection<RunsAlone>]
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
    public async Task What_is_beyond_retention_goes_once_a_newer_event_arrives_and_later_answers_say_so()
    {
        Clock.Advance(TimeSpan.FromDays(700));
        var store = NewStore();
        await AppendAsync(store, SignIn(Now), NetworkAlert(Now - Hour));
        var result = await AppendAsync(store, SignIn(Now + (49 * Hour)));
        Assert.Equal(1, store.Count);
        // None of this batch went.
        Assert.Empty(result.Warnings);
        var answer = await CorrelateAsync(store);
        Assert.True(answer.IsPartial);
        Assert.Equal(2, Assert.Single(answer.Warnings, warning => warning.Code == "windowBeyondRetention").Count);
        var later = await CorrelateAsync(store, query => query with { Window = new TimeWindow(Now, Now + (50 * Hour)) });
        Assert.False(later.IsPartial);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Events_of_a_batch_that_are_too_old_are_counted_and_no_others(bool oldestFirst)
    {
        Clock.Advance(TimeSpan.FromDays(700));
        var store = NewStore();
        var known = SignIn(Now - Hour, more: ",\"_id\":\"known\"");
        await AppendAsync(store, SignIn(Now), known);
        string[] documents = [SignIn(Now - Hour), known, SignIn(Now + (49 * Hour)), SignIn(Now + (50 * Hour))];
        var result = await AppendAsync(store, oldestFirst ? documents : [.. documents.Reverse()]);
        Assert.Equal(2, store.Count);
        Assert.Single(result.Duplicates);
        Assert.Equal(("outsideRetention", 1), (Assert.Single(result.Warnings).Code, result.Warnings[0].Count));
    }

    [Fact]
    public async Task An_event_from_the_future_evicts_nothing_that_the_clock_would_keep()
    {
        var store = NewStore();
        await AppendAsync(store, SignIn(Now), SignIn(Now - (47 * Hour)));
        await AppendAsync(store, SignIn(Now + (23 * Hour)));
        Assert.Equal(3, store.Count);
    }

    [Fact]
    public async Task Events_dated_more_than_a_day_after_now_are_not_kept_and_push_out_no_others()
    {
        var store = NewStore(maxEvents: 3);
        await AppendAsync(store, SignIn(Now), NetworkAlert(Now - Hour));

        var result = await AppendAsync(store, [SignIn(Now + (24 * Hour)), .. Enumerable.Range(1, 9).Select(i => SignIn(Now + (24 * Hour) + i))]);

        Assert.Equal(("tooFarAhead", 9), (Assert.Single(result.Warnings).Code, result.Warnings[0].Count));
        Assert.Equal(3, store.Count);
        Assert.Single((await CorrelateAsync(store)).Findings);
    }

    [Fact]
    public async Task An_event_as_old_as_the_oldest_that_a_full_store_holds_is_not_told_as_left_out()
    {
        var store = NewStore(maxEvents: 2);
        await AppendAsync(store, SignIn(Now - 3), SignIn(Now - 2), SignIn(Now - 1));

        var result = await AppendAsync(store, SignIn(Now - 4), SignIn(Now - 1));

        Assert.Equal(("outsideCapacity", 1), (Assert.Single(result.Warnings).Code, result.Warnings[0].Count));
        Assert.Equal(2, (await PageAsync(store)).Total);
    }

    [Fact]
    public async Task The_events_of_a_finding_are_without_the_very_next_that_came_after_it()
    {
        var store = NewStore();
        await AppendAsync(store, SignIn(Now), NetworkAlert(Now - Hour));
        var finding = Assert.Single((await CorrelateAsync(store)).Findings);
        await AppendAsync(store, SignIn(Now - 1));

        var page = await store.ReadEventsAsync(
            new EventQuery { Address = SourceAddress.Parse(Ip), Window = LastEightHours, Revision = Engine.Revision(), AsOf = finding.AsOf, Limit = 10 }, Cancellation);

        Assert.Equal([Now - Hour, Now], page!.Events.Select(At));
    }

    [Fact]
    public async Task Events_older_than_all_that_a_full_store_holds_are_told_as_not_stored()
    {
        var store = NewStore(maxEvents: 2);
        await AppendAsync(store, SignIn(Now - 3), SignIn(Now - 2), SignIn(Now - 1));

        var result = await AppendAsync(store, SignIn(Now - 4), SignIn(Now - 5), SignIn(Now));

        Assert.Equal(("outsideCapacity", 2), (Assert.Single(result.Warnings).Code, result.Warnings[0].Count));
    }

    [Fact]
    public void Times_that_a_sender_chose_to_meet_in_one_place_of_a_table_do_not()
    {
        // The size of a table of .NET that holds 36,354 to 75,431 entries.
        const long Buckets = 75_431;

        var places = Enumerable.Range(0, 10_000).Select(i => (uint)TimeComparer.Instance.GetHashCode(i * Buckets) % Buckets).Distinct().Count();

        Assert.True(places > 5_000);
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
        Assert.True(page.IsPartial);
        Assert.Equal(15, Assert.Single(page.Warnings).Count);
        var recentPage = await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = new TimeWindow(Now - (10 * 20_000), Now), Revision = Engine.Revision(), Limit = 100 }, Cancellation);
        Assert.False(recentPage!.IsPartial);
        Assert.Empty(recentPage.Warnings);
    }

    [Fact]
    public async Task Eviction_takes_an_event_of_several_addresses_as_a_whole()
    {
        var store = NewStore(maxEvents: 10);
        await AppendAsync(store, [.. Enumerable.Range(0, 30).Select(i => SignIn(Now - i, more: ",\"source\":{\"ip\":\"8.8.8.8\"}"))]);
        Assert.Equal(10, store.Count);
        var other = await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse("8.8.8.8"), Window = Ever, Revision = Engine.Revision(), Limit = 100 }, default);
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

    [Fact]
    public async Task It_tells_how_much_memory_the_evidence_takes_and_gives_back()
    {
        var store = NewStore();
        var message = $",\"message\":\"{new string('m', 1_000)}\"";
        Assert.Equal(0, await EvidenceBytesAsync());
        await AppendAsync(store, [.. Enumerable.Range(0, 100).Select(i => SignIn(Now - (47 * Hour) + i, Ip, message))]);
        Assert.InRange(await EvidenceBytesAsync(), 100 * 1_000, 300 * 1_000);
        Clock.AdjustTime(Engine.ClockAt(Now + (2 * Hour)).GetUtcNow());
        await AppendAsync(store, SignIn(Now + (2 * Hour)));
        Assert.InRange(await EvidenceBytesAsync(), 1, 1_000);

        async Task<long> EvidenceBytesAsync() => (long)(await store.CheckAsync(Cancellation)).Facts["evidenceBytes"];
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

    [Fact]
    public async Task Ever_new_rule_names_and_users_are_kept_no_longer_than_their_events()
    {
        var store = NewStore(maxEvents: 500);
        for (var i = 0; i < 100_000; i += 1_000)
        {
            await AppendAsync(store, [.. Enumerable.Range(i, 1_000).Select(n => SignIn(
                Now - 100_000 + n, $"8.{n >> 16}.{(n >> 8) & 255}.{n & 255}", $",\"_id\":\"{n}\",\"kibana.alert.rule.name\":\"r{n}\",\"user.name\":\"u{n}\""))]);
            var held = store.Held;
            Assert.InRange(held.Traits, 500, 3_000);
            Assert.InRange(held.Accounts, 500, 3_000);
            Assert.InRange(held.Addresses, 500, 3_000);
            Assert.InRange(held.Identities, 500, 3_000);
        }
    }

    [Fact]
    public async Task An_address_that_was_busy_once_keeps_no_room_for_it()
    {
        const int Busy = 20_000;
        const int Addresses = 30;
        var store = NewStore(maxEvents: Busy);
        for (var i = 0; i < Addresses; i++)
        {
            await AppendAsync(store, [.. Enumerable.Range(i * Busy, Busy).Select(n => SignIn(Now + n, $"8.8.8.{i}"))]);
            await AppendAsync(store, [.. Enumerable.Range(0, i).Select(n => SignIn(Now + (i * Busy) + Busy, $"8.8.8.{n}"))]);
        }

        // Blocks of all lengths are kept for others, some 500,000 places; each address had one of more than 20,000 for itself.
        Assert.InRange(store.Capacity, Busy, (Addresses - 1) * Busy);
    }

    [Fact]
    public async Task An_event_as_early_as_those_let_go_is_kept_once_the_clock_is_set_back_and_those_are_not()
    {
        var store = NewStore();
        const long Early = Now - (48 * Hour) + (30 * Minute);
        await AppendAsync(store, SignIn(Early), SignIn(Early + 1), NetworkAlert(Now));
        Clock.AdjustTime(Engine.ClockAt(Now + Hour).GetUtcNow());
        await AppendAsync(store, SignIn(Now + Hour));
        Assert.Equal(2, store.Count);
        Clock.AdjustTime(Engine.ClockAt(Now).GetUtcNow());
        await AppendAsync(store, SignIn(Early), SignIn(Early + 2));
        Assert.Equal([Early, Early + 2, Now, Now + Hour], (await PageAsync(store, window: Ever)).Events.Select(At));
    }

    [Fact]
    public async Task What_comes_too_late_is_let_go_at_once_and_told_and_known_again_in_the_same_batch()
    {
        var store = NewStore(maxEvents: 2);
        await AppendAsync(store, SignIn(Now - 3), SignIn(Now - 2), SignIn(Now - 1));
        var result = await AppendAsync(store, SignIn(Now - 9, more: ",\"_id\":\"late\""), SignIn(Now - 8, more: ",\"_id\":\"late\""));
        Assert.Equal([1], result.Duplicates);
        Assert.Equal([Now - 2, Now - 1], (await PageAsync(store, window: Ever)).Events.Select(At));
        var warning = Assert.Single((await PageAsync(store, window: Ever)).Warnings);
        Assert.Equal(("evictedByCapacity", 2L), (warning.Code, warning.Count));
        Assert.Empty((await AppendAsync(store, SignIn(Now - 9, more: ",\"_id\":\"late\""))).Duplicates);
    }

    [Fact]
    public async Task The_same_user_in_many_batches_is_kept_once()
    {
        var store = NewStore();
        for (var i = 0; i < 50; i++)
        {
            await AppendAsync(store, SignIn(Now - i, more: ",\"user.name\":\"crew\""), NetworkAlert(Now - i));
        }

        Assert.Equal((2, 1, 1, 0), store.Held);
        Assert.Equal(("crew", 50L), Assert.Single((await CorrelateAsync(store)).Findings[0].Users) is var user ? (user.Name, user.AzureSignIn) : default);
    }

    [Fact]
    public async Task Events_of_years_apart_are_read_in_their_order()
    {
        Clock.AdjustTime(DateTimeOffset.FromUnixTimeMilliseconds(EcsTime.Earliest + Hour));
        var store = new MemoryEventStore(new MemoryStoreOptions { MaxAhead = TimeSpan.FromDays(3_700_000) }, Clock);
        long[] times = [Now, EcsTime.Latest, EcsTime.Earliest, -1, 0, -60_001, -60_000];
        await AppendAsync(store, [.. times.Select(at => SignIn(at))]);
        Assert.Equal(times.Order(), (await PageAsync(store, window: TimeWindow.All)).Events.Select(At));
        var all = await CorrelateAsync(store, query => query with { Window = TimeWindow.All });
        Assert.Equal((7L, EcsTime.ToDateTime(EcsTime.Earliest), EcsTime.ToDateTime(EcsTime.Latest)), all.Coverage.AzureSignIn is var leg ? (leg.Events, leg.Oldest!.Value, leg.Newest!.Value) : default);
        var early = await CorrelateAsync(store, query => query with { Window = new TimeWindow(-60_001, -1) });
        Assert.Equal(2, early.Coverage.AzureSignIn.Events);
    }

    [Fact]
    public async Task One_event_a_minute_over_90_days_takes_little_memory()
    {
        const int Minutes = 90 * 24 * 60;
        var store = new MemoryEventStore(new MemoryStoreOptions { Retention = TimeSpan.FromDays(90) }, Clock);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < Minutes; i += 10_000)
        {
            await AppendAsync(store, [.. Enumerable.Range(i, Math.Min(10_000, Minutes - i)).Select(n => SignIn(Now - ((Minutes - n - 1) * Minute)))]);
        }

        Assert.Equal(Minutes, store.Count);
        Assert.InRange((GC.GetTotalMemory(forceFullCollection: true) - before) / Minutes, 0, 1_500);
        Assert.Equal(Minutes, (await CorrelateAsync(store, query => query with { Window = TimeWindow.All })).Coverage.AzureSignIn.Events);
        GC.KeepAlive(store);
    }

    [Fact]
    public async Task Identities_go_with_their_events_though_there_are_more_minutes_than_groups_of_them()
    {
        const int Minutes = ushort.MaxValue + 500;
        var store = new MemoryEventStore(new MemoryStoreOptions { Retention = TimeSpan.FromDays(90) }, Clock);
        await AppendAsync(store, [.. Enumerable.Range(0, Minutes).Select(n => SignIn(Now - ((Minutes - n - 1) * Minute), more: $",\"_id\":\"{n}\""))]);
        // All but the last two hours, which have no group.
        var later = Now + (89L * 24 * Hour) + (22 * Hour);
        Clock.AdjustTime(Engine.ClockAt(later).GetUtcNow());
        await AppendAsync(store, SignIn(later, more: ",\"_id\":\"last\""));
        Assert.Equal(122, store.Count);
        store.Sweep();
        Assert.Equal((122, 1), (store.Held.Identities, store.Held.Addresses));
        var again = await AppendAsync(store, [.. Enumerable.Range(Minutes - 130, 130).Select(n => SignIn(later, more: $",\"_id\":\"{n}\""))]);
        Assert.Equal(Enumerable.Range(9, 121), again.Duplicates.Order());
    }

    [Fact]
    public async Task Appends_evictions_runs_and_pages_at_once_never_show_an_event_twice_or_out_of_order()
    {
        var store = NewStore(maxEvents: 3_000);
        var isDone = false;
        var writers = Enumerable.Range(0, 3).Select(writer => Task.Run(
            async () =>
            {
                var random = new Random(writer);
                for (var i = 0; i < 150; i++)
                {
                    await AppendAsync(store, [.. Enumerable.Range(0, 40).Select(n =>
                    {
                        var at = Now - (7 * Hour) + (i * 1_000) - random.Next(3_000);
                        var more = $",\"_id\":\"{writer}.{i}.{n}\",\"user.name\":\"{at}\",\"kibana.alert.rule.name\":\"{at}\",\"message\":\"{at}\"";
                        return n % 4 == 0 ? NetworkAlert(at, "8.8.8.8") : SignIn(at, n % 2 == 0 ? Ip : "8.8.8.8", more);
                    })]);
                }
            },
            Cancellation)).ToArray();
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(
            async () =>
            {
                while (!Volatile.Read(ref isDone))
                {
                    var page = await PageAsync(store, limit: 5_000);
                    Assert.Equal(page.Events.Count, page.Total);
                    Assert.Equal(page.Events.Select(At).Order(), page.Events.Select(At));
                    Assert.Equal(page.Events.Count, page.Events.Select(document => document.Id).Distinct(StringComparer.Ordinal).Count());
                    // Each event says its time in its traits, its account and its payload.
                    Assert.All(page.Events, document => Assert.Equal(
                        ($"{At(document)}", $"{At(document)}", $"{At(document)}"), (document.Message, document.User!.Name, document.RuleName)));
                    foreach (var finding in (await CorrelateAsync(store)).Findings)
                    {
                        Assert.Equal(finding.Counts.AzureSignIn, finding.Users.Sum(user => user.AzureSignIn));
                        Assert.InRange(finding.Counts.Total, 1, 18_000);
                        Assert.All(finding.Users, user => Assert.InRange(long.Parse(user.Name!, System.Globalization.CultureInfo.InvariantCulture), finding.Accesses.First, finding.Accesses.Last));
                    }
                }
            },
            Cancellation)).ToArray();
        try
        {
            await Task.WhenAll(writers);
        }
        finally
        {
            Volatile.Write(ref isDone, true);
            await Task.WhenAll(readers);
        }

        Assert.Equal((3_000, 3_000), (store.Count, (await PageAsync(store, limit: 1, window: Ever)).Total + (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse("8.8.8.8"), Window = Ever, Revision = Engine.Revision(), Limit = 1 }, Cancellation))!.Total));
    }

    private MemoryEventStore NewStore(int maxEvents = 1_000_000) => new(new MemoryStoreOptions { MaxEvents = maxEvents }, Clock);
}
