using System.Buffers.Text;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>What every event store does, whatever holds its events.</summary>
public abstract class EventStoreContract
{
    protected const string Ip = "203.0.114.7";
    protected const long Now = EventSets.To;
    protected const long Minute = 60_000;
    protected const long Hour = 60 * Minute;

    protected static readonly TimeWindow LastEightHours = new(EventSets.From, EventSets.To);

    protected FakeTimeProvider Clock { get; } = Engine.ClockAt(Now);

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>How documents are read for the store.</summary>
    protected virtual EventReaderOptions Reading { get; } = new();

    /// <summary>How many appends each of eight tasks makes at once with the others.</summary>
    protected virtual int AppendsPerTask => 250;

    /// <summary>A store without events.</summary>
    protected abstract IEventStore Create();

    [Theory]
    [InlineData("\"_id\":\"1\"", "\"_id\":\"1\"", 1)]
    [InlineData("\"_id\":\"1\"", "\"_id\":\"2\"", 0)]
    [InlineData("\"_id\":\"1\",\"_index\":\"a\"", "\"_id\":\"1\",\"_index\":\"a\"", 1)]
    [InlineData("\"_id\":\"1\",\"_index\":\"a\"", "\"_id\":\"1\",\"_index\":\"b\"", 0)]
    [InlineData("\"_id\":\"1\",\"event.id\":\"e\"", "\"_id\":\"2\",\"event.id\":\"e\"", 0)]
    [InlineData("\"kibana.alert.uuid\":\"1\"", "\"kibana.alert.uuid\":\"1\",\"event.id\":\"e\"", 1)]
    [InlineData("\"event.id\":\"e\",\"event.dataset\":\"a\"", "\"event\":{\"id\":\"e\",\"dataset\":\"a\"}", 1)]
    [InlineData("\"event.id\":\"e\",\"event.dataset\":\"a\"", "\"event.id\":\"e\",\"event.dataset\":\"b\"", 0)]
    [InlineData("\"event.id\":\"e\",\"event.kind\":\"event\"", "\"event.id\":\"e\",\"event.kind\":\"signal\"", 0)]
    [InlineData("\"event.id\":\"e\"", "\"event.id\":\"e\",\"kibana.alert.uuid\":\"1\"", 0)]
    [InlineData("\"x\":1", "\"x\":1", 0)]
    public async Task A_document_is_kept_once_per_identity(string first, string second, int duplicates)
    {
        foreach (var together in new[] { true, false })
        {
            var store = Create();
            var events = await ReadAsync(Document(first, Now), Document(second, Now));
            var last = together ? await store.AppendAsync(events, Cancellation) : await AppendOneByOneAsync(store, events);
            Assert.Equal(duplicates, last.Duplicates.Count);
            Assert.Equal(2 - duplicates, (await PageAsync(store)).Total);
        }
    }

    [Fact]
    public async Task The_first_of_an_identity_is_the_one_kept()
    {
        var store = Create();
        await AppendAsync(store, Document("\"_id\":\"1\",\"event.action\":\"first\"", Now));
        await AppendAsync(store, Document("\"_id\":\"1\",\"event.action\":\"second\"", Now - 1));
        Assert.Equal("first", Assert.Single((await PageAsync(store)).Events).Action);
    }

    [Fact]
    public async Task What_a_store_holds_stays_when_the_batch_lends_its_memory_to_later_ones()
    {
        var store = Create();
        var first = await BatchAsync("first");
        Assert.Empty((await store.AppendAsync(first.Events, Cancellation)).Rejected);
        first.ReturnMemory();
        Assert.Empty(first.Events);
        for (var round = 0; round < 3; round++)
        {
            // It is not appended: its events only lie where those of the first lay.
            Assert.Equal(600, (await BatchAsync("later")).Events.Count);
        }

        var events = (await PageAsync(store, limit: 1_000)).Events;
        Assert.Equal(
            Enumerable.Range(0, 600).Select(i => ($"first{i}", $"first{i}", $"first{i % 7}", (string?)$"first{i}")).Order(),
            events.Select(document => (document.Id!, document.Message!, document.User!.Name!, document.Device?.Id)).Order());
        Assert.Equal(600, (await CorrelateAsync(store)).Coverage.AzureSignIn.Events);

        Task<EventBatch> BatchAsync(string word) => Engine.ReadAsync(
            string.Join('\n', Enumerable.Range(0, 600).Select(i => SignIn(
                Now - i,
                Ip,
                $",\"_id\":\"{word}{i}\",\"message\":\"{word}{i}\",\"user.name\":\"{word}{i % 7}\",\"azure.signinlogs.properties.device_detail.device_id\":\"{word}{i}\""))),
            BatchFormat.NdJson,
            Reading);
    }

    [Fact]
    public async Task A_window_excludes_its_start_and_includes_its_end_to_the_millisecond()
    {
        var store = Create();
        long[] times = [EventSets.From - 1, EventSets.From, EventSets.From + 1, Now - 1, Now, Now + 1];
        await AppendAsync(store, [.. times.Select(at => SignIn(at))]);
        Assert.Equal(times[2..5], (await PageAsync(store)).Events.Select(At));
        var coverage = (await CorrelateAsync(store)).Coverage.AzureSignIn;
        Assert.Equal((3L, times[2], times[4]), (coverage.Events, At(coverage.Oldest!.Value), At(coverage.Newest!.Value)));
    }

    [Fact]
    public async Task A_time_in_milliseconds_may_have_a_fraction_which_is_cut_off()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now).Replace($"{Now}", $"{Now}.75", StringComparison.Ordinal));

        var coverage = (await CorrelateAsync(store)).Coverage.AzureSignIn;

        Assert.Equal((1, Now), (coverage.Events, At(coverage.Newest!.Value)));
    }

    [Fact]
    public async Task Events_are_read_by_time_and_equal_times_in_the_same_order_whatever_the_page()
    {
        var store = Create();
        for (var i = 0; i < 20; i++)
        {
            await AppendAsync(store, Document($"\"event.action\":\"{i}\"", i % 2 == 0 ? Now - 5 : Now - 9));
        }

        var whole = (await PageAsync(store)).Events;
        Assert.Equal(whole.Select(At).Order(), whole.Select(At));
        Assert.Equal(20, whole.Select(document => document.Action).Distinct(StringComparer.Ordinal).Count());
        foreach (var limit in new[] { 1, 3, 7, 19 })
        {
            var paged = new List<string?>();
            string? cursor = null;
            do
            {
                var page = await PageAsync(store, limit, cursor);
                paged.AddRange(page.Events.Select(document => document.Action));
                cursor = page.Next;
            }
            while (cursor is not null);

            Assert.Equal(whole.Select(document => document.Action), paged);
        }
    }

    [Fact]
    public async Task A_page_ends_with_the_event_that_reaches_its_bytes_and_the_next_goes_on_behind_it()
    {
        var store = Create();
        for (var i = 0; i < 12; i++)
        {
            var message = new string('m', i % 3 == 0 ? 900 : 10);
            await AppendAsync(store, Document($"\"event.action\":\"{i}\",\"message\":\"{message}\"", i is > 3 and < 9 ? Now - 5 : Now - 9 + (i / 2)));
        }

        var whole = (await PageAsync(store)).Events.Select(document => document.Action).ToList();
        foreach (var maxBytes in new[] { 1, 700, 1_500 })
        {
            var pages = new List<EventPage>();
            do
            {
                pages.Add(await PageAsync(store, cursor: pages.LastOrDefault()?.Next, maxBytes: maxBytes));
            }
            while (pages[^1].Next is not null);

            Assert.Equal(whole, pages.SelectMany(page => page.Events).Select(document => document.Action));
            Assert.All(pages.SkipLast(1), page => Assert.True(page.Bytes >= maxBytes));
            Assert.All(pages, page => Assert.InRange(page.Bytes, 1, maxBytes + 1_400));
            Assert.All(pages, page => Assert.True(maxBytes > 1 || page.Events.Count == 1));
        }
    }

    [Fact]
    public async Task A_page_is_full_with_the_event_that_makes_its_bytes_exactly()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now - 2), SignIn(Now - 1), SignIn(Now));
        var bytes = (await PageAsync(store, limit: 1)).Bytes;

        var page = await PageAsync(store, maxBytes: bytes);

        Assert.Equal((Now - 2, bytes), (At(Assert.Single(page.Events)), page.Bytes));
        Assert.NotNull(page.Next);
    }

    [Fact]
    public async Task Late_events_complete_a_correlation()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now));
        Assert.Empty((await CorrelateAsync(store)).Findings);
        await AppendAsync(store, NetworkAlert(Now - (7 * Hour)));
        var finding = Assert.Single((await CorrelateAsync(store)).Findings);
        Assert.Equal((Now - (7 * Hour), Now, 7 * Hour), (finding.FirstSeen, finding.LastSeen, finding.SmallestGap));
    }

    [Fact]
    public async Task IngestedAfter_is_inclusive_and_falls_back_to_the_timestamp()
    {
        var store = Create();
        await AppendAsync(
            store,
            SignIn(Now - Hour, more: $",\"event.ingested\":{Now - 11}"),
            SignIn(Now - Hour, more: $",\"event.ingested\":{Now - 10}"),
            SignIn(Now - 10),
            SignIn(Now - 11),
            NetworkAlert(Now));
        var finding = Assert.Single((await CorrelateAsync(store, query => query with { IngestedAfter = Now - 10 })).Findings);
        Assert.Equal((3L, 2L), (finding.Counts.Total, finding.Counts.AzureSignIn));
    }

    [Fact]
    public async Task Addresses_are_filtered_limited_and_in_their_order()
    {
        var store = Create();
        string[] addresses = ["2a00::1", "8.8.8.8", "8.8.4.4", "::2", "203.0.114.7"];
        await AppendAsync(store, [.. addresses.SelectMany(ip => new[] { SignIn(Now, ip), NetworkAlert(Now, ip) })]);
        string[] ordered = ["::2", "8.8.4.4", "8.8.8.8", "203.0.114.7", "2a00::1"];
        var all = await CorrelateAsync(store);
        Assert.Equal(ordered, all.Findings.Select(finding => finding.Address.ToString()));
        var some = await CorrelateAsync(store, query => query with { Limit = 2 });
        Assert.Equal(5, some.Total);
        Assert.Equal(ordered[..2], some.Findings.Select(finding => finding.Address.ToString()));
        HashSet<SourceAddress> wanted = [SourceAddress.Parse("::ffff:8.8.8.8"), SourceAddress.Parse("8.8.8.8"), SourceAddress.Parse("9.9.9.9")];
        var filtered = await CorrelateAsync(store, query => query with { Addresses = wanted });
        Assert.Equal("8.8.8.8", Assert.Single(filtered.Findings).Address.ToString());
        Assert.Equal(1, filtered.Coverage.AzureSignIn.Events);
    }

    [Fact]
    public async Task Each_of_many_datasets_categories_and_accounts_is_told_once()
    {
        var store = Create();
        string[] names = [.. Enumerable.Range(10, 40).Select(i => $"sensor.{i}")];
        string[] documents =
        [
            .. names.Select((name, i) => NetworkAlert(Now - i).Replace("zeek.notice", name, StringComparison.Ordinal)),
            .. names.Select((name, i) => SignIn(Now - i, more: $",\"event.category\":\"{name}\",\"user.name\":\"{name}\"")),
        ];
        await AppendAsync(store, [.. documents, .. documents]);
        var finding = Assert.Single((await CorrelateAsync(store)).Findings);
        Assert.Equal([.. names.Prepend("azure.signinlogs")], finding.Datasets);
        Assert.Equal(41, finding.Counts.Datasets);
        Assert.Equal(names, finding.Categories);
        Assert.Equal(names.Select(name => (name, 2L)), finding.Users.Select(user => (user.Name!, user.AzureSignIn)));
    }

    [Fact]
    public async Task An_account_of_several_values_has_the_least_of_each()
    {
        var store = Create();
        await AppendAsync(
            store, NetworkAlert(Now), SignIn(Now, more: ",\"user.name\":[\"zed\",\"abe\"],\"user.id\":[\"z\",\"b\"],\"user.email\":[\"b@x\",\"a@x\"]"));

        var user = Assert.Single(Assert.Single((await CorrelateAsync(store)).Findings).Users);

        Assert.Equal(("abe", "b", "a@x"), (user.Name, user.Id, user.Email));
    }

    [Fact]
    public async Task The_least_of_several_values_is_that_of_their_bytes_in_UTF_8()
    {
        var store = Create();
        await AppendAsync(store, NetworkAlert(Now), SignIn(Now, more: ",\"user.name\":[\"\U0001F600\",\"\uFF5E\"]"));

        Assert.Equal("\uFF5E", Assert.Single(Assert.Single((await CorrelateAsync(store)).Findings).Users).Name);
    }

    [Fact]
    public async Task An_account_whose_name_is_empty_is_not_named()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now - 1, more: ",\"user.name\":\"\",\"user.id\":\"\",\"user.email\":\"\""), NetworkAlert(Now));

        var user = Assert.Single(Assert.Single((await CorrelateAsync(store)).Findings).Users);

        Assert.Equal((null, null, null), (user.Name, user.Id, user.Email));
    }

    [Fact]
    public async Task Accounts_are_told_apart_by_up_to_1024_characters_of_a_name()
    {
        var store = Create();
        var (name, tooLong) = (new string('\u00e9', 1_023), new string('a', 1_025));
        await AppendAsync(store, [NetworkAlert(Now), .. new[] { name + "x", name + "y", tooLong }.Select(user => SignIn(Now, more: $",\"user.name\":\"{user}\""))]);

        var users = Assert.Single((await CorrelateAsync(store)).Findings).Users;

        Assert.Equal([name + "x", name + "y", null], users.Select(user => user.Name).OrderBy(user => user is null).ThenBy(user => user, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Members_that_exports_of_searches_have_at_the_root_are_no_reason_to_refuse_an_event()
    {
        var store = Create();
        const string Metadata = ""","_version":1,"_seq_no":7,"_routing":"a","_ignored":["message"],"_doc_count":5,"_score":1.5""";

        var result = await AppendAsync(store, SignIn(Now, more: Metadata), NetworkAlert(Now));

        Assert.Empty(result.Rejected);
        Assert.Equal(1, Assert.Single((await CorrelateAsync(store)).Findings).Counts.AzureSignIn);
    }

    [Fact]
    public async Task Each_of_many_rule_names_of_one_event_is_told()
    {
        var store = Create();
        string[] names = [.. Enumerable.Range(10, 30).Select(i => $"n{i}")];
        await AppendAsync(store, NetworkAlert(Now), SignIn(Now, more: $",\"kibana.alert.rule.name\":[{string.Join(',', names.Select(name => $"\"{name}\""))}]"));

        Assert.Equal(["External Alerts", .. names], Assert.Single((await CorrelateAsync(store)).Findings).RuleNames);
    }

    [Fact]
    public async Task Paging_shows_each_event_once_while_newer_ones_arrive()
    {
        var store = Create();
        await AppendAsync(store, [.. Enumerable.Range(0, 25).Select(i => Document($"\"_id\":\"{i}\"", Now - Hour + (i / 3)))]);
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await PageAsync(store, limit: 4, cursor);
            Assert.True(page.Total >= 25);
            Assert.Equal(
                cursor is null || seen.Count >= 20 ? [] : [("lateEvents", 1L)],
                page.Warnings.Select(warning => (warning.Code, warning.Count)));
            seen.AddRange(page.Events.Select(document => document.Id!));
            cursor = page.Next;
            if (seen.Count < 20)
            {
                await AppendAsync(store, Document($"\"_id\":\"new-{seen.Count}\"", Now - seen.Count));
                await AppendAsync(store, Document($"\"_id\":\"old-{seen.Count}\"", Now - (2 * Hour)));
            }
        }
        while (cursor is not null);

        Assert.Equal(seen.Count, seen.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(25, seen.Count(id => !id.Contains('-', StringComparison.Ordinal)));
        Assert.Equal(4, seen.Count(id => id.StartsWith("new", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Counted_events_are_paged()
    {
        var store = Create();
        await AppendAsync(store, [.. Enumerable.Range(0, 9).Select(i => i % 3 == 2 ? Document("\"event.dataset\":\"other\"", Now - i) : SignIn(Now - i))]);
        var (read, cursor) = (0, (string?)null);
        do
        {
            var page = (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = LastEightHours, Revision = Engine.Revision(), CountedOnly = true, Limit = 2, Cursor = cursor }, Cancellation))!;
            Assert.All(page.Events, document => Assert.True(document.Counted));
            read += page.Events.Count;
            cursor = page.Next;
        }
        while (cursor is not null);

        Assert.Equal(6, read);
    }

    [Fact]
    public async Task Whoever_has_left_is_not_answered()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now));
        var query = new EventQuery { Address = SourceAddress.Parse(Ip), Window = LastEightHours, Revision = Engine.Revision(), Limit = 10 };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await store.ReadEventsAsync(query, new CancellationToken(canceled: true)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("not a cursor")]
    [InlineData("MS4y.")]
    [InlineData("AAAA")]
    public async Task An_unknown_cursor_is_told_by_null(string cursor)
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now));
        Assert.Null(await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = LastEightHours, Revision = Engine.Revision(), Limit = 10, Cursor = cursor }, Cancellation));
    }

    [Fact]
    public async Task A_cursor_is_taken_for_its_address_and_as_it_was_given_only()
    {
        var store = Create();
        foreach (var ip in new[] { Ip, "8.8.8.8" })
        {
            await AppendAsync(store, SignIn(Now - 2, ip), SignIn(Now - 1, ip), SignIn(Now, ip));
        }

        var cursor = (await PageAsync(store, limit: 1)).Next!;
        var query = new EventQuery { Address = SourceAddress.Parse(Ip), Window = LastEightHours, Revision = Engine.Revision(), Limit = 10 };
        Assert.Equal(2, (await store.ReadEventsAsync(query with { Cursor = cursor }, Cancellation))!.Events.Count);
        Assert.Null(await store.ReadEventsAsync(query with { Cursor = cursor, Address = SourceAddress.Parse("8.8.8.8") }, Cancellation));
        for (var i = 0; i < cursor.Length; i++)
        {
            var changed = cursor[..i] + (cursor[i] == 'A' ? 'B' : 'A') + cursor[(i + 1)..];
            if (Base64Url.IsValid(changed))
            {
                Assert.Null(await store.ReadEventsAsync(query with { Cursor = changed }, Cancellation));
            }

            Assert.Null(await store.ReadEventsAsync(query with { Cursor = cursor[..i] }, Cancellation));
        }
    }

    [Fact]
    public async Task The_pages_that_follow_have_the_window_of_the_first()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now - 3), SignIn(Now - 2), SignIn(Now - 1), SignIn(Now));
        var cursor = (await PageAsync(store, limit: 1, window: new TimeWindow(Now - 4, Now - 1))).Next!;
        foreach (var window in new[] { new TimeWindow(Now - 2, Now), TimeWindow.All, new TimeWindow(Now, Now) })
        {
            var page = await PageAsync(store, cursor: cursor, window: window);
            Assert.Equal([Now - 2, Now - 1], page.Events.Select(At));
            Assert.Equal(3, page.Total);
            Assert.Empty(page.Warnings);
        }
    }

    [Theory]
    [InlineData(0, "a b c e")]
    [InlineData(1, "b c")]
    [InlineData(6, "b c")]
    [InlineData(7, "c")]
    [InlineData(8, "")]
    public async Task Evidence_is_of_what_was_ingested_since(long after, string ids)
    {
        var store = Create();
        await AppendAsync(
            store,
            SignIn(Now - Hour, more: $",\"_id\":\"a\",\"event.ingested\":{Now}"),
            SignIn(Now - 30, more: $",\"_id\":\"b\",\"event.ingested\":{Now + 6}"),
            SignIn(Now - 20, more: $",\"_id\":\"c\",\"event.ingested\":{Now + 7}"),
            SignIn(Now - 10, more: ",\"_id\":\"d\""),
            SignIn(Now, more: ",\"_id\":\"e\""));
        var query = new EventQuery { Address = SourceAddress.Parse(Ip), Window = LastEightHours, Revision = Engine.Revision(), CountedOnly = true, IngestedAfter = Now + after, Limit = 10 };
        var page = (await store.ReadEventsAsync(query, Cancellation))!;
        Assert.Equal(ids, string.Join(' ', page.Events.Select(document => document.Id)));
        Assert.Equal((null, null), (page.Total, page.Next));
    }

    [Fact]
    public async Task Coverage_counts_each_leg_with_its_oldest_and_newest()
    {
        var store = Create();
        await AppendAsync(
            store, SignIn(Now - 3), SignIn(Now - (3 * Hour)), SignIn(Now - Hour, "8.8.8.8"), Mail(Now - 7), NetworkAlert(Now - 5, "9.9.9.9"), SignIn(Now, "10.0.0.1"));
        var coverage = (await CorrelateAsync(store)).Coverage;
        Assert.Equal((3L, Now - (3 * Hour), Now - 3), Shown(coverage.AzureSignIn));
        Assert.Equal((1L, Now - 7, Now - 7), Shown(coverage.MailAccess));
        Assert.Equal((1L, Now - 5, Now - 5), Shown(coverage.NetworkAlert));
        static (long Events, long Oldest, long Newest) Shown(LegCoverage leg) => (leg.Events, At(leg.Oldest!.Value), At(leg.Newest!.Value));
    }

    [Theory]
    [InlineData("")]
    [InlineData(",\"event.dataset\":null")]
    [InlineData(",\"event.dataset\":[]")]
    [InlineData(",\"event\":{\"dataset\":null}")]
    [InlineData(",\"event\":[{\"dataset\":[null]}]")]
    public async Task The_index_of_an_integration_says_the_dataset_where_the_document_does_not(string dataset)
    {
        var store = Create();
        await AppendAsync(store, Document($"\"_id\":\"1\",\"_index\":\".ds-logs-azure.signinlogs-default-2026.01.01-000001\",\"event.outcome\":\"success\"{dataset}", Now));
        Assert.Equal(1, (await CorrelateAsync(store)).Coverage.AzureSignIn.Events);
        Assert.Equal("azure.signinlogs", Assert.Single((await PageAsync(store)).Events).Dataset);
    }

    [Fact]
    public async Task Near_misses_are_counted_once_per_event()
    {
        var store = Create();
        var renamed = NetworkAlert(Now - (2 * Hour)).Replace("\"External Alerts\"", "\"ET SCAN\"", StringComparison.Ordinal);
        await AppendAsync(
            store,
            renamed,
            renamed,
            Document("\"event.kind\":\"alert\"", Now),
            NetworkAlert(Now, "10.0.0.1"),
            NetworkAlert(Now - Hour, "8.8.8.8\",\"9.9.9.9"));
        var warnings = (await CorrelateAsync(store)).Warnings.ToDictionary(warning => warning.Code, warning => warning.Count, StringComparer.Ordinal);
        Assert.Equal(2, warnings["externalAlertRenamed"]);
        Assert.Equal(1, warnings["promotableAlert"]);
        Assert.Equal(1, warnings["alertOnExcludedNetwork"]);
        Assert.Equal(1, warnings["multiValuedSourceIp"]);
        Assert.Contains("mailAccessWithoutData", warnings.Keys);
    }

    [Theory]
    [InlineData("2025-04-29", false, "promotableAlert 2")]
    [InlineData("2025-04-29", true, "externalAlertWithoutDataset 1, multiValuedSourceIp 1, alertOnExcludedNetwork 1")]
    [InlineData("resilient", false, "promotableAlert 2")]
    [InlineData("resilient", true, "multiValuedSourceIp 1, alertOnExcludedNetwork 1")]
    public async Task Raw_alerts_that_do_not_count_are_told_with_promotion_and_without(string revision, bool promote, string told)
    {
        var store = Create();
        const string Zeek = "\"event.kind\":\"alert\",\"event.dataset\":\"zeek.notice\"";
        await AppendAsync(
            store,
            SignIn(Now),
            Mail(Now),
            Document(Zeek, Now, "8.8.8.8"),
            Document("\"event.kind\":\"alert\"", Now, "8.8.4.4"),
            Document(Zeek, Now, "10.0.0.1"),
            Document(Zeek, Now, "8.8.8.8\",\"9.9.9.9"),
            // An alert of one of the two sources is no network alert to any revision.
            Document("\"event.kind\":\"alert\",\"event.dataset\":\"o365.audit\"", Now, "8.8.8.8"));

        var warnings = (await CorrelateAsync(store, query => query with { Revision = RuleCatalogue.Find(revision, promote)! })).Warnings;

        Assert.Equal(told, string.Join(", ", warnings.Where(warning => !warning.Code.EndsWith("WithoutData", StringComparison.Ordinal)).Select(warning => $"{warning.Code} {warning.Count}")));
    }

    [Fact]
    public async Task What_resilient_does_not_count_either_is_not_told_as_if_it_did()
    {
        var store = Create();
        await AppendAsync(
            store,
            NetworkAlert(Now, "10.0.0.1").Replace("\"External Alerts\"", "\"ET SCAN\"", StringComparison.Ordinal),
            NetworkAlert(Now).Replace("\"External Alerts\"", "\"ET SCAN\"", StringComparison.Ordinal));
        var warnings = (await CorrelateAsync(store)).Warnings.ToDictionary(warning => warning.Code, warning => warning.Count, StringComparer.Ordinal);
        Assert.Equal((1, 1), (warnings["externalAlertRenamed"], warnings["alertOnExcludedNetwork"]));
    }

    [Fact]
    public async Task Without_data_from_the_addresses_asked_for_no_source_is_suspected()
    {
        var store = Create();
        await AppendAsync(store, SignIn(Now), Mail(Now), NetworkAlert(Now));
        var asked = (await CorrelateAsync(store, query => query with { Addresses = new HashSet<SourceAddress> { SourceAddress.Parse("8.8.8.8") } })).Warnings;
        Assert.Equal(["azureSignInWithoutData", "mailAccessWithoutData", "networkAlertWithoutData"], asked.Select(warning => warning.Code));
        Assert.All(asked, warning => Assert.Contains("from these addresses", warning.Message, StringComparison.Ordinal));
        Assert.Empty((await CorrelateAsync(store)).Warnings);
    }

    [Fact]
    public async Task Appends_and_queries_at_once_lose_nothing()
    {
        var store = Create();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(task => Task.Run(
            async () =>
            {
                for (var i = 0; i < AppendsPerTask; i++)
                {
                    var at = Now - Hour + (((i * 7919) + task) % 3_000_000);
                    await AppendAsync(store, task % 2 == 0 ? SignIn(at) : NetworkAlert(at));
                    if (i % 25 == 0)
                    {
                        await CorrelateAsync(store);
                        await PageAsync(store, limit: 5);
                    }
                }
            },
            Cancellation)));
        var finding = Assert.Single((await CorrelateAsync(store)).Findings);
        Assert.Equal((8L * AppendsPerTask, 4L * AppendsPerTask, 4L * AppendsPerTask), (finding.Counts.Total, finding.Counts.AzureSignIn, finding.Counts.NetworkAlert));
        Assert.Equal(8 * AppendsPerTask, (await PageAsync(store, limit: 10_000)).Events.Count);
    }

    protected static string Document(string members, long at, string ip = Ip) =>
        $"{{\"@timestamp\":{at},\"source.ip\":[\"{ip}\"],{members}}}";

    protected static string SignIn(long at, string ip = Ip, string more = "") =>
        Document($"\"event.dataset\":\"azure.signinlogs\",\"data_stream.dataset\":\"azure.signinlogs\",\"event.outcome\":\"success\"{more}", at, ip);

    protected static string Mail(long at, string ip = Ip) =>
        Document("\"event.dataset\":\"o365.audit\",\"event.action\":\"MailItemsAccessed\",\"event.outcome\":\"success\"", at, ip);

    protected static string NetworkAlert(long at, string ip = Ip) => Document(
        $"\"event.dataset\":\"zeek.notice\",\"kibana.alert.rule.name\":\"External Alerts\",\"kibana.alert.rule.rule_id\":\"{RuleCatalogue.ExternalAlertsRuleId}\"", at, ip);

    protected static long At(DateTime time) => new DateTimeOffset(time).ToUnixTimeMilliseconds();

    protected static long At(EventDocument document) => At(document.Timestamp);

    protected async Task<AppendResult> AppendAsync(IEventStore store, params string[] documents) =>
        await store.AppendAsync(await ReadAsync(documents), Cancellation);

    protected static async Task<EventPage> PageAsync(IEventStore store, int limit = 1_000, string? cursor = null, TimeWindow? window = null, long maxBytes = EventPage.MaxBytes) =>
        (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = window ?? LastEightHours, Revision = Engine.Revision(), Limit = limit, Cursor = cursor, MaxBytes = maxBytes }, Cancellation))!;

    protected static Task<CorrelationResult> CorrelateAsync(IEventStore store, Func<CorrelationQuery, CorrelationQuery>? with = null)
    {
        var query = new CorrelationQuery { Revision = Engine.Revision(), Window = LastEightHours, Limit = 100 };
        return store.CorrelateAsync(with?.Invoke(query) ?? query, Cancellation);
    }

    protected async Task<IReadOnlyList<EventRecord>> ReadAsync(params string[] documents)
    {
        var batch = await Engine.ReadAsync(new StringBuilder("[").AppendJoin(',', documents).Append(']').ToString(), options: Reading);
        Assert.Empty(batch.Rejected);
        return batch.Events;
    }

    private static async Task<AppendResult> AppendOneByOneAsync(IEventStore store, IReadOnlyList<EventRecord> events)
    {
        await store.AppendAsync([events[0]], Cancellation);
        return await store.AppendAsync([events[1]], Cancellation);
    }
}
