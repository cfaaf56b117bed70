using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.FakeElasticsearch;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>What the store makes of the indices that it finds, and of those that it may not see.</summary>
public sealed class MappingTests : IAsyncLifetime
{
    private const string Ip = Ecs.Address;
    private Cluster _cluster = null!;

    private FakeCluster Fake => _cluster.Fake;

    public async ValueTask InitializeAsync() => _cluster = await Cluster.StartAsync(Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()));

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task A_stock_stack_is_read_as_it_is()
    {
        await using var stock = await Cluster.StartAsync(Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()), stock: true);
        stock.Fake.Index(FakeCluster.AzureSignInLogs, $$"""{"@timestamp":"{{Ecs.Time(20)}}","source.ip":"{{Ip}}","event":{"outcome":"success"},"user":{"name":"ada"} }""");
        stock.Fake.Index(FakeCluster.Office365Audit, $$"""{"@timestamp":"{{Ecs.Time(10)}}","source.ip":"{{Ip}}","event.action":"MailItemsAccessed","event.outcome":"success","user.name":"ada"}""");
        stock.Fake.Index(FakeCluster.Alerts, $$"""{"@timestamp":"{{Ecs.Time(30)}}","source.ip":"{{Ip}}","event.dataset":"panw.panos","data_stream.dataset":"panw.panos","kibana.alert.rule.name":"External Alerts","kibana.alert.rule.rule_id":"{{RuleCatalogue.ExternalAlertsRuleId}}","event.kind":"signal"}""");
        var store = stock.NewStore();
        foreach (var (revision, found) in new[] { ("2025-04-29", 1), ("resilient", 1), ("2026-05-22", 0) })
        {
            // The stock alerts index does not map data_stream.dataset, so the current revision cannot fire there.
            var result = await RunAsync(store, revision);
            Assert.Equal(found, result.Findings.Count);
            Assert.False(result.IsPartial);
        }

        var finding = (await RunAsync(store)).Findings[0];
        Assert.Equal(new Measures(3, 1, 1, 1, 3), finding.Counts);
        Assert.Equal(["azure.signinlogs", "o365.audit", "panw.panos"], finding.Datasets);
        Assert.Equal(("ada", 1L, 1L), (Assert.Single(finding.Users).Name, finding.Users[0].AzureSignIn, finding.Users[0].MailAccess));

        // Evidence counts what ES|QL counts: the dataset of the sign-in is a constant of its mapping, in no source.
        var evidence = (await store.ReadEventsAsync(new EventQuery { Address = finding.Address, Window = TimeWindow.All, Revision = Engine.Revision(), CountedOnly = true, Limit = 10 }, TestContext.Current.CancellationToken))!;
        Assert.Equal([EventBucket.NetworkAlert, EventBucket.AzureSignIn, EventBucket.MailAccess], evidence.Events.Select(document => document.Bucket));
        Assert.Equal("azure.signinlogs", evidence.Events[1].Dataset);
        Assert.StartsWith(".ds-logs-azure.signinlogs-default-", evidence.Events[1].Index, StringComparison.Ordinal);
        Assert.Empty(stock.Fake.OpenPits);
    }

    [Fact]
    public async Task Mappings_that_lack_something_are_asked_for_once_in_a_while_and_anew_after_a_write()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var store = _cluster.NewStore();
        int Asked() => _cluster.Server.Requests.Count(request => request.Path.EndsWith("_field_caps", StringComparison.Ordinal));
        Assert.Empty((await RunAsync(store)).Findings);
        var first = Asked();

        // Whose evidence is read alert by alert does not ask for every one of them.
        await RunAsync(store);
        await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10 }, cancellation);
        Assert.Equal(first, Asked());

        await store.AppendAsync((await Engine.ReadAsync(Ecs.Batch(Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert()), BatchFormat.Json, Cluster.Reading)).Events, cancellation);
        Assert.Single((await RunAsync(store)).Findings);
        Assert.True(Asked() > first);
    }

    [Fact]
    public async Task What_others_write_is_found_once_the_mappings_that_lacked_it_are_forgotten()
    {
        var store = _cluster.NewStore(options => options.MappingLifetime = TimeSpan.FromMilliseconds(1));
        Assert.Empty((await RunAsync(store)).Findings);
        await _cluster.NewStore().AppendAsync(
            (await Engine.ReadAsync(Ecs.Batch(Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert()), BatchFormat.Json, Cluster.Reading)).Events, TestContext.Current.CancellationToken);
        await Task.Delay(20, TestContext.Current.CancellationToken);

        Assert.Single((await RunAsync(store)).Findings);
    }

    [Theory]
    [InlineData("gone:logs-*")]
    [InlineData("gone:.alerts-security.*")]
    public async Task A_remote_cluster_that_is_not_connected_any_more_makes_a_run_partial_and_evidence_unavailable(string pattern)
    {
        FillEvents();
        Fake.Index("logs-suspicious_signin.events-default", Ecs.NetworkAlert());
        var store = _cluster.NewStore(options => options.Indices["2025-04-29"] = [.. Engine.Revision().Indices, pattern]);

        var result = await RunAsync(store);

        Assert.True(result.IsPartial);
        Assert.Contains(result.Warnings, warning => warning.Code == "mappingsIncomplete" && warning.Message.Contains(pattern, StringComparison.Ordinal));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.ReadEventsAsync(
            new EventQuery { Address = SourceAddress.Parse(Ip), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10 }, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Without_an_alerts_index_the_answer_says_why_it_is_empty()
    {
        FillEvents();
        var result = await RunAsync(_cluster.NewStore());
        Assert.Empty(result.Findings);
        Assert.Contains(result.Warnings, warning => warning.Code == "alertsIndexMissing" && warning.Message.Contains(".alerts-security.*", StringComparison.Ordinal));
        Assert.Equal(1, result.Coverage.AzureSignIn.Events);
        Assert.Contains(result.Warnings, warning => warning.Code == "networkAlertWithoutData");
    }

    [Fact]
    public async Task An_alerts_index_that_may_not_be_read_makes_the_run_partial_and_the_service_not_ready()
    {
        FillEvents();
        Fake.CreateIndex(FakeCluster.AlertsIndex, FakeCluster.AlertMapping(), hidden: true, FakeCluster.Alerts);
        Fake.Index(FakeCluster.Alerts, Alert());
        Fake.Security.AddUser("admin", "admin-password", "superuser");
        var events = Fake.Security.AddRole("events", ["monitor"], new IndexPrivileges(["logs-*"], ["read", "view_index_metadata", "create_doc"]));
        var store = _cluster.NewStore(options => options.ApiKey = Fake.Security.AddApiKey("service", "admin", events).Encoded);
        var result = await RunAsync(store);
        Assert.True(result.IsPartial);
        Assert.Contains(result.Warnings, warning => warning.Code == "alertsNotReadable" && warning.Message.Contains("Grant 'read'", StringComparison.Ordinal));
        using var service = new TestService(store: store);
        var health = await service.GetAsync("/health/ready");
        Assert.Equal(503, (int)health.Status);
        Assert.Contains("read on .alerts-security.*", health.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_documented_role_suffices_for_everything_the_service_does()
    {
        Fake.CreateIndex(FakeCluster.AlertsIndex, FakeCluster.AlertMapping(), hidden: true, FakeCluster.Alerts);
        Fake.Security.AddUser("admin", "admin-password", "superuser");
        var role = JsonNode.Parse(Cluster.Setup("role.json"))!;
        var made = Fake.Security.AddRole(
            "suspicious_signin",
            Texts(role["cluster"]),
            [.. role["indices"]!.AsArray().Select(index => new IndexPrivileges(Texts(index!["names"]), Texts(index["privileges"])))]);
        var store = _cluster.NewStore(options => options.ApiKey = Fake.Security.AddApiKey("service", "admin", made).Encoded);
        using var service = new TestService(store: store, settings: Settings);
        Assert.Equal(200, (int)(await service.GetAsync("/health/ready")).Status);
        Assert.Equal([Ip], (await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert()))).Addresses);
        var run = await service.RunAsync("""{"includeEvents":true}""");
        Assert.Equal("succeeded", (string?)run.Json!["status"]);
        Assert.Equal("elasticsearch", (string?)run.Json["store"]);
        Assert.Equal(3, run.Json["alerts"]![0]!["events"]!.AsArray().Count);
        Assert.Equal(3, (await service.GetAsync($"/api/v1/ips/{Ip}/events")).Number("total"));
        Assert.DoesNotContain(_cluster.Server.Requests, request => request.Status is 401 or 403);

        static string[] Texts(JsonNode? node) => [.. node!.AsArray().Select(each => (string)each!)];
    }

    [Theory]
    [InlineData("text")]
    [InlineData("long")]
    public async Task Indices_that_disagree_on_a_type_are_read_right_and_told_of(string type)
    {
        FillEvents();
        Fake.CreateIndex("logs-odd", Mapping.Replace("OUTCOME", type, StringComparison.Ordinal));
        Fake.Index("logs-odd", Alert());
        var result = await RunAsync(_cluster.NewStore());
        Assert.Equal(Ip, Assert.Single(result.Findings).Address.ToString());
        var warning = Assert.Single(result.Warnings, warning => warning.Code == "mixedMapping");
        Assert.Contains($"event.outcome (keyword, {type})", warning.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"event.outcome\":{\"type\":\"text\"}", "mixedMapping")]
    [InlineData("\"source.ip\":{\"type\":\"text\"}", "sourceIpIsText")]
    public async Task Mappings_that_lack_nothing_are_kept_for_their_time_whatever_is_told_of_them(string field, string told)
    {
        FillEvents();
        Fake.CreateIndex("logs-odd", $$$"""{"properties":{"@timestamp":{"type":"date"},{{{field}}}}}""");
        var store = _cluster.NewStore(options => options.Indices["2025-04-29"] = ["logs-*"]);
        int Asked() => _cluster.Server.Requests.Count(request => request.Path.EndsWith("_field_caps", StringComparison.Ordinal));
        Assert.Contains(told, (await RunAsync(store)).Warnings.Select(warning => warning.Code));
        var first = Asked();

        await store.AppendAsync((await Engine.ReadAsync(Ecs.Batch(Ecs.SignIn()), BatchFormat.Json, Cluster.Reading)).Events, TestContext.Current.CancellationToken);
        Assert.Contains(told, (await RunAsync(store)).Warnings.Select(warning => warning.Code));

        Assert.Equal(first, Asked());
    }

    [Fact]
    public async Task A_time_of_ingestion_in_nanoseconds_here_and_milliseconds_there_is_not_told_as_read_as_text()
    {
        FillEvents();
        Fake.CreateIndex("logs-nanos", """{"properties":{"@timestamp":{"type":"date"},"event":{"properties":{"ingested":{"type":"date_nanos"}}}}}""");

        var result = await RunAsync(_cluster.NewStore());

        Assert.Equal(1, result.Coverage.AzureSignIn.Events);
        Assert.DoesNotContain("mixedMapping", result.Warnings.Select(warning => warning.Code));
    }

    [Fact]
    public async Task A_column_that_cannot_be_read_is_a_problem_that_names_the_column_and_the_index()
    {
        FillEvents();
        Fake.CreateIndex("logs-odd", """{"properties":{"@timestamp":{"type":"date"},"event":{"properties":{"outcome":{"type":"flattened"}}}}}""");
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);
        var answer = await service.RunAsync();
        answer.Problem(503);
        Assert.Contains("cannot read event.outcome", (string?)answer.Json!["detail"], StringComparison.Ordinal);
        Assert.Contains("flattened in logs-odd", (string?)answer.Json["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Addresses_mapped_as_text_are_correlated_with_those_mapped_as_addresses()
    {
        FillEvents();
        Fake.CreateIndex("logs-text", """{"properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"keyword"}}},"event":{"properties":{"dataset":{"type":"keyword"}}},"kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}""");
        Fake.Index("logs-text", Alert("::ffff:" + Ip));
        var store = _cluster.NewStore();
        Assert.Equal(Ip, Assert.Single((await RunAsync(store)).Findings).Address.ToString());
        var evidence = (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10 }, TestContext.Current.CancellationToken))!;
        Assert.Equal(3, evidence.Total);
    }

    [Theory]
    [InlineData("2a00:1450::5")]
    [InlineData("2A00:1450::5")]
    public async Task An_address_kept_as_text_is_found_in_capitals_too(string written)
    {
        Fake.CreateIndex("logs-text", """{"properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"keyword"}}},"event":{"properties":{"dataset":{"type":"keyword"}}},"kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}""");
        Fake.Index("logs-text", Alert(written));

        var page = await _cluster.NewStore().ReadEventsAsync(
            new EventQuery { Address = SourceAddress.Parse(written), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10 }, TestContext.Current.CancellationToken);

        Assert.Single(page!.Events);
    }

    [Theory]
    [InlineData("1969-12-31T00:00:00Z", "2300-01-01T00:00:00Z", 2)]
    [InlineData("1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z", 0)]
    [InlineData("2262-04-12T00:00:00Z", "2300-01-01T00:00:00Z", 0)]
    public async Task A_window_beyond_what_nanoseconds_express_is_read_like_any_other(string from, string to, int events)
    {
        Fake.CreateIndex("logs-nanos", """{"properties":{"@timestamp":{"type":"date_nanos"},"source":{"properties":{"ip":{"type":"ip"}}},"event":{"properties":{"dataset":{"type":"keyword"},"ingested":{"type":"date"}}}}}""");
        Fake.Index("logs-nanos", Ecs.SignIn());
        Fake.Index("logs-nanos", Ecs.SignIn(minutesAgo: 5));
        var store = _cluster.NewStore();
        var window = new TimeWindow(DateTimeOffset.Parse(from, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds(), DateTimeOffset.Parse(to, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds());
        var query = new EventQuery { Address = SourceAddress.Parse(Ip), Window = window, Revision = Engine.Revision(), Limit = 10 };

        var (all, ingestedSince) = (await store.ReadEventsAsync(query, TestContext.Current.CancellationToken), await store.ReadEventsAsync(query with { IngestedAfter = window.From }, TestContext.Current.CancellationToken));

        Assert.Equal((events, events), (all!.Events.Count, ingestedSince!.Events.Count));
    }

    [Theory]
    [InlineData("8.17.0")]
    [InlineData("8.18.0")]
    [InlineData("9.2.0")]
    public async Task Times_in_nanoseconds_are_correlated_with_those_in_milliseconds(string version)
    {
        Fake.Version = ElasticsearchVersion.Parse(version);
        FillEvents();
        Fake.CreateIndex("logs-nanos", """{"properties":{"@timestamp":{"type":"date_nanos"},"source":{"properties":{"ip":{"type":"ip"}}},"event":{"properties":{"dataset":{"type":"keyword"}}},"kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}""");
        Fake.Index("logs-nanos", Alert(Ip));
        var store = _cluster.NewStore();
        var (revision, now) = (Engine.Revision(), TestService.Now.ToUnixTimeMilliseconds());
        var result = await store.CorrelateAsync(new CorrelationQuery { Revision = revision, Window = new TimeWindow(now - 28_800_000, now), Limit = 10 }, TestContext.Current.CancellationToken);
        Assert.DoesNotContain(result.Warnings, warning => warning.Code == "mixedMapping");
        Assert.Equal(1, Assert.Single(result.Findings).Counts.NetworkAlert);
        var queries = Fake.Requests.Where(request => request.Path.StartsWith("/_query/async", StringComparison.Ordinal) && request.Method == "POST").ToArray();
        Assert.NotEmpty(queries);
        // Before 8.18 a filter that leaves out all indices of a column fails the query.
        Assert.All(queries, query => Assert.Equal(version != "8.17.0", JsonNode.Parse(query.Body)!["filter"]?["range"]?["@timestamp"]?["lt"] is not null));
        var evidence = (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = TimeWindow.All, Revision = revision, Limit = 10 }, TestContext.Current.CancellationToken))!;
        Assert.Equal(3, evidence.Total);
    }

    [Theory]
    [InlineData("8.17.0")]
    [InlineData("8.19.3")]
    [InlineData("9.2.0")]
    public async Task An_alert_in_the_last_millisecond_of_a_window_counts_in_that_window_alone(string version)
    {
        Fake.Version = ElasticsearchVersion.Parse(version);
        var to = TestService.Now.ToUnixTimeMilliseconds();
        Fake.CreateIndex("logs-nanos", """{"dynamic":"false","properties":{"@timestamp":{"type":"date_nanos"},"source":{"properties":{"ip":{"type":"ip"}}},"event":{"properties":{"dataset":{"type":"keyword"},"outcome":{"type":"keyword"}}},"kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}""");
        Fake.Index("logs-nanos", Ecs.SignIn());
        Fake.Index("logs-nanos", $$"""{"@timestamp":"{{TestService.Now.UtcDateTime.AddTicks(4000):o}}","source.ip":"{{Ip}}","event.dataset":"zeek.notice","kibana.alert.rule.name":"External Alerts"}""");
        var store = _cluster.NewStore();

        async Task<(int Findings, int Alerts)> InAsync(long from, long until)
        {
            var window = new TimeWindow(from, until);
            var found = await store.CorrelateAsync(new CorrelationQuery { Revision = Engine.Revision(), Window = window, Limit = 10 }, TestContext.Current.CancellationToken);
            var events = (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Ip), Window = window, Revision = Engine.Revision(), Limit = 10 }, TestContext.Current.CancellationToken))!;
            return (found.Findings.Count, events.Events.Count(each => each.Bucket == EventBucket.NetworkAlert));
        }

        Assert.Equal((1, 1), await InAsync(to - 28_800_000, to));
        Assert.Equal((0, 0), await InAsync(to, to + 3_600_000));
    }

    [Fact]
    public async Task Addresses_mapped_as_words_are_counted_and_what_cannot_be_looked_up_is_told()
    {
        const string Six = "2a00:1450::5";
        Fake.CreateIndex("logs-text", """{"dynamic":"false","properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"text"}}},"event":{"properties":{"dataset":{"type":"keyword"},"outcome":{"type":"keyword"}}},"kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}""");
        Fake.Index("logs-text", Ecs.SignIn(ip: Six));
        Fake.Index("logs-text", Ecs.NetworkAlert(ip: Six));
        var store = _cluster.NewStore();

        var result = await RunAsync(store);
        var page = (await store.ReadEventsAsync(new EventQuery { Address = SourceAddress.Parse(Six), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10 }, TestContext.Current.CancellationToken))!;

        Assert.Equal(Six, Assert.Single(result.Findings).Address.ToString());
        Assert.False(result.IsPartial);
        Assert.Contains(result.Warnings, warning => warning.Code == "sourceIpIsText");
        Assert.True(page.IsPartial);
    }

    [Fact]
    public async Task The_evidence_of_an_alert_is_what_the_run_counted_whatever_the_name_of_the_index_says()
    {
        // The index is named as the integration's stream, and its mapping gives no dataset.
        const string Index = "logs-azure.signinlogs-mine";
        Fake.CreateIndex(Index, """{"dynamic":"false","properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"ip"}}},"event":{"properties":{"dataset":{"type":"keyword"},"outcome":{"type":"keyword"}}},"kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}""");
        Fake.Index(Index, Ecs.SignIn());
        Fake.Index(Index, Ecs.NetworkAlert());
        Fake.Index(Index, $$"""{"@timestamp":"{{Ecs.Time(5)}}","source.ip":"{{Ip}}","event.outcome":"success"}""");
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);

        var alert = (await service.GetAsync($"/api/v1/ips/{Ip}/alerts")).Json!["alerts"]![0]!;

        Assert.Equal((2, 2, 2), ((int)alert["counts"]!["total"]!, (int)alert["eventsTotal"]!, alert["events"]!.AsArray().Count));
    }

    [Fact]
    public async Task A_pattern_of_a_remote_cluster_that_comes_first_is_a_path_and_no_url()
    {
        FillEvents();
        var store = _cluster.NewStore(options => options.Indices["2025-04-29"] = ["emea:logs-*", "emea:.alerts-security.*", "logs-*"]);
        // The fake has no remote clusters; what counts is where the call went.
        try
        {
            await RunAsync(store);
        }
        catch (StoreUnavailableException)
        {
        }

        Assert.Contains(_cluster.Server.Requests, request => request.Path.StartsWith("/emea:logs-*,", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("auto_configure")]
    [InlineData("maintenance")]
    public async Task A_privilege_that_only_writing_takes_is_named_and_leaves_the_store_ready(string lacking)
    {
        Fake.CreateIndex(FakeCluster.AlertsIndex, FakeCluster.AlertMapping(), hidden: true, FakeCluster.Alerts);
        Fake.Security.AddUser("admin", "admin-password", "superuser");
        string[] writing = ["create_doc", "auto_configure", "maintenance"];
        var role = Fake.Security.AddRole(
            "service",
            ["monitor"],
            new IndexPrivileges(["logs-*", ".alerts-security.*"], ["read", "view_index_metadata"]),
            new IndexPrivileges(["logs-suspicious_signin.events-*"], [.. writing.Where(privilege => privilege != lacking)]));
        var store = _cluster.NewStore(options => options.ApiKey = Fake.Security.AddApiKey("service", "admin", role).Encoded);

        var health = await store.CheckAsync(TestContext.Current.CancellationToken);

        Assert.True(health.IsReady);
        Assert.Contains($"lack {lacking} on logs-suspicious_signin.events-default", health.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_field_that_only_nested_objects_have_is_none_that_a_query_could_name()
    {
        FillEvents();
        Fake.CreateIndex("logs-nested", """{"dynamic":"false","properties":{"@timestamp":{"type":"date"},"kibana":{"type":"nested","properties":{"alert":{"properties":{"rule":{"properties":{"rule_id":{"type":"flattened"}}}}}}}}}""");
        var result = await RunAsync(_cluster.NewStore());
        Assert.Equal(1, result.Coverage.AzureSignIn.Events);
    }

    [Fact]
    public async Task A_mapping_that_changes_while_it_is_remembered_is_learned_anew()
    {
        var store = _cluster.NewStore(options => options.Indices["2025-04-29"] = ["logs-*"]);
        using var service = new TestService(store: store, settings: Settings);
        Assert.Equal([Ip], (await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert()))).Addresses);
        Fake.CreateIndex("logs-odd", """{"properties":{"@timestamp":{"type":"date"},"event":{"properties":{"outcome":{"type":"text"}}}}}""");
        var answer = await service.RunAsync();
        Assert.Equal([Ip], answer.Addresses);
        Assert.Contains("mixedMapping", answer.Warnings);
    }

    [Fact]
    public async Task An_empty_cluster_is_an_empty_answer_that_says_so()
    {
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);
        var answer = await service.RunAsync();
        Assert.Equal(0, answer.Number("total"));
        Assert.Contains("eventsIndexMissing", answer.Warnings);
        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ip}/events")).Number("total"));
    }

    [Fact]
    public async Task A_pattern_that_is_configured_twice_is_told_of_once()
    {
        var result = await RunAsync(_cluster.NewStore(options => options.Indices["2025-04-29"] = ["mapped-*", "mapped-*", "logs-*"]));
        var missing = Assert.Single(result.Warnings, warning => warning.Code == "eventsIndexMissing");
        Assert.Equal(2, missing.Count);
        Assert.Contains("mapped-*, logs-*:", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Datasets_whose_events_are_alerts_count_with_promote_whatever_their_kind()
    {
        FillEvents();
        Fake.Index("logs-suspicious_signin.events-default", $$"""{"@timestamp":"{{Ecs.Time(30)}}","source.ip":"{{Ip}}","event.dataset":"acme.sensor","event.kind":"event"}""");
        var query = new CorrelationQuery { Revision = Engine.Revision(promote: true), Window = TimeWindow.All, Limit = 10 };
        Assert.Empty((await _cluster.NewStore().CorrelateAsync(query, TestContext.Current.CancellationToken)).Findings);
        var store = _cluster.NewStore(["acme.sensor"]);
        var finding = Assert.Single((await store.CorrelateAsync(query, TestContext.Current.CancellationToken)).Findings);
        Assert.Equal(1, finding.Counts.NetworkAlert);
        Assert.Empty((await store.CorrelateAsync(query with { Revision = Engine.Revision() }, TestContext.Current.CancellationToken)).Findings);
        var evidence = (await store.ReadEventsAsync(new EventQuery { Address = finding.Address, Window = TimeWindow.All, Revision = query.Revision, CountedOnly = true, Limit = 10 }, TestContext.Current.CancellationToken))!;
        Assert.Equal(EventBucket.NetworkAlert, evidence.Events[0].Bucket);
    }

    [Fact]
    public async Task Events_without_an_address_anywhere_are_told_of()
    {
        Fake.CreateIndex("logs-bare", """{"dynamic":"false","properties":{"@timestamp":{"type":"date"},"event":{"properties":{"dataset":{"type":"keyword"}}}}}""");
        Fake.Index("logs-bare", Ecs.SignIn());
        var store = _cluster.NewStore();
        var result = await RunAsync(store);
        Assert.Empty(result.Findings);
        Assert.Contains(result.Warnings, warning => warning.Code == "sourceIpUnmapped");
        var one = await store.CorrelateAsync(
            new CorrelationQuery { Revision = Engine.Revision(), Window = TimeWindow.All, Limit = 1, Addresses = new HashSet<SourceAddress> { SourceAddress.Parse(Ip) } }, TestContext.Current.CancellationToken);
        Assert.Empty(one.Findings);
    }

    [Fact]
    public async Task Configured_patterns_replace_those_of_the_revision()
    {
        Fake.Index("elsewhere-1", Ecs.SignIn());
        Fake.Index("elsewhere-1", Ecs.NetworkAlert());
        Assert.Empty((await RunAsync(_cluster.NewStore())).Findings);
        Fake.CreateIndex("mapped-1", Mapping.Replace("OUTCOME", "keyword", StringComparison.Ordinal));
        Fake.Index("mapped-1", Ecs.SignIn());
        Fake.Index("mapped-1", Ecs.NetworkAlert());
        var result = await RunAsync(_cluster.NewStore(options => options.Indices["2025-04-29"] = ["mapped-*"]));
        Assert.Equal(2, Assert.Single(result.Findings).Counts.Total);
    }

    [Fact]
    public async Task Addresses_that_are_none_neither_stop_a_run_nor_make_a_node_look_dead_however_many_warnings_they_raise()
    {
        Fake.Index("logs-a", Ecs.SignIn());
        Fake.Index("logs-a", Ecs.NetworkAlert());
        Fake.CreateIndex("logs-junk", """{"properties":{"source":{"properties":{"ip":{"type":"keyword"} } } } }""");
        for (var i = 0; i < 400; i++)
        {
            Fake.Index("logs-junk", Ecs.SignIn(ip: $"unknown-{i}-{new string('x', 1_000)}"));
        }

        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);

        Assert.Equal([Ip], (await service.RunAsync("""{"revision":"resilient"}""")).Addresses);
        Assert.Contains("\"livingNodes\":1", (await service.GetAsync("/health/ready")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_index_without_times_does_not_stand_in_the_way_of_evidence()
    {
        Fake.CreateIndex("logs-a", """{"properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"ip"} } } } }""");
        Fake.Index("logs-a", Ecs.SignIn());
        Fake.CreateIndex("logs-legacy", """{"properties":{"time":{"type":"date"} } }""");
        Fake.Index("logs-legacy", """{"time":"2020-01-01T00:00:00Z"}""");
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);

        Assert.Equal(1, (await service.GetAsync($"/api/v1/ips/{Ip}/events")).Number("total"));
    }

    [Fact]
    public async Task A_document_without_a_time_is_shown_as_one_that_cannot_be()
    {
        Fake.CreateIndex("logs-a", """{"properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"ip"} } } } }""");
        Fake.Index("logs-a", Ecs.SignIn());
        Fake.Index("logs-a", $$"""{"source":{"ip":"{{Ip}}"} }""");
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);

        var answer = await service.GetAsync($"/api/v1/ips/{Ip}/events");

        Assert.Equal(2, answer.Number("total"));
        Assert.StartsWith("The document cannot be shown", (string?)answer.Json!["events"]![1]!["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(7)]
    public async Task Documents_without_a_time_are_on_the_last_pages_whatever_the_page(int limit)
    {
        Fake.CreateIndex("logs-a", """{"properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"ip"} } } } }""");
        for (var i = 0; i < 7; i++)
        {
            Fake.Index("logs-a", i < 3 ? Ecs.SignIn(minutesAgo: i) : $$"""{"source":{"ip":"{{Ip}}"} }""");
        }

        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);
        var ids = new HashSet<string>(StringComparer.Ordinal);
        string? cursor = null;
        do
        {
            var page = await service.GetAsync($"/api/v1/ips/{Ip}/events?limit={limit}{(cursor is null ? "" : $"&cursor={cursor}")}");
            Assert.Equal((7, limit), (page.Number("total"), Math.Max(limit, page.Json!["events"]!.AsArray().Count)));
            Assert.DoesNotContain("lateEvents", page.Warnings);
            Assert.All(page.Json["events"]!.AsArray(), each => Assert.True(ids.Add((string)each!["id"]!)));
            cursor = (string?)page.Json["nextCursor"];
        }
        while (cursor is not null);

        Assert.Equal(7, ids.Count);
    }

    [Fact]
    public async Task Patterns_of_remote_clusters_do_not_make_the_store_unready()
    {
        Fake.Index("logs-a", Ecs.SignIn());
        Fake.Security.AddUser("admin", "admin-password", "superuser");
        var role = Fake.Security.AddRole(
            "service",
            ["monitor"],
            new IndexPrivileges(["logs-*", ".alerts-security.*"], ["read", "view_index_metadata"]),
            new IndexPrivileges(["logs-suspicious_signin.events-*"], ["create_doc", "auto_configure", "maintenance"]));
        var key = Fake.Security.AddApiKey("service", "admin", role).Encoded;
        var store = _cluster.NewStore(options =>
        {
            options.ApiKey = key;
            options.Indices["2025-04-29"] = ["logs-*", ".alerts-security.*", "emea:logs-*", "emea:.alerts-security.*"];
        });

        var health = await store.CheckAsync(TestContext.Current.CancellationToken);

        Assert.True(health.IsReady, health.Description);
    }

    [Theory]
    [InlineData("8.17.0", false)]
    [InlineData("8.19.3", true)]
    [InlineData("9.0.0", false)]
    [InlineData("9.1.0", true)]
    [InlineData("serverless", true)]
    public async Task Each_version_is_asked_only_what_it_knows(string version, bool refusesPartialResults)
    {
        Fake.Version = ElasticsearchVersion.Parse(version);
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);
        Assert.Equal([Ip], (await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert()))).Addresses);
        Assert.Equal("succeeded", (string?)(await service.RunAsync("""{"includeEvents":true}""")).Json!["status"]);
        Assert.DoesNotContain(_cluster.Server.Requests, request => request.Status == 400);
        var queries = _cluster.Server.Requests.Where(request => request.Path == "/_query/async").ToArray();
        Assert.NotEmpty(queries);
        Assert.All(queries, query =>
        {
            Assert.Equal(refusesPartialResults ? "false" : null, query.Query.GetValueOrDefault("allow_partial_results"));
            Assert.Equal($"application/vnd.elasticsearch+json;compatible-with=8", query.Headers["Accept"].Replace(" ", "", StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task A_version_that_is_too_old_is_told_so()
    {
        Fake.Version = ElasticsearchVersion.Parse("8.16.1");
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);
        var answer = await service.RunAsync();
        answer.Problem(503);
        Assert.Contains("runs Elasticsearch 8.16.1; the rule needs 8.17 or later", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("apiKey", "ApiKey ")]
    [InlineData("basic", "Basic ")]
    [InlineData("bearer", "Bearer token-1")]
    public async Task Each_kind_of_credentials_is_sent(string kind, string sent)
    {
        Fake.Security.AddUser("admin", "pass:word", "superuser");
        Fake.Security.AddBearerToken("token-1", "admin");
        var store = _cluster.NewStore(options =>
        {
            options.ApiKey = kind == "apiKey" ? Fake.Security.AddApiKey("service", "admin").Encoded : null;
            (options.Username, options.Password) = kind == "basic" ? ("admin", "pass:word") : (null, null);
            options.BearerToken = kind == "bearer" ? "token-1" : null;
        });
        Assert.True((await store.CheckAsync(TestContext.Current.CancellationToken)).IsReady);
        Assert.All(_cluster.Server.Requests.TakeLast(2), request => Assert.StartsWith(sent, request.Headers["Authorization"], StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_password_may_hold_any_letter()
    {
        Fake.Security.AddUser("jürgen", "pässwörd€", "superuser");
        var store = _cluster.NewStore(options => (options.Username, options.Password) = ("jürgen", "pässwörd€"));

        Assert.True((await store.CheckAsync(TestContext.Current.CancellationToken)).IsReady);
    }

    [Fact]
    public async Task The_cap_of_the_current_revision_hides_and_tells()
    {
        using var service = new TestService(store: _cluster.NewStore(), settings: Settings);
        await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 100).Select(i => Ecs.SignIn(minutesAgo: i)), Ecs.NetworkAlert()]));
        var answer = await service.RunAsync("""{"revision":"2026-05-22"}""");
        Assert.Empty(answer.Addresses);
        Assert.Contains("hiddenByVolume", answer.Warnings);
        Assert.Equal([Ip], (await service.RunAsync("""{"revision":"resilient"}""")).Addresses);
    }

    [Fact]
    public async Task The_smallest_gap_is_found_beyond_the_rows_of_one_answer()
    {
        var store = _cluster.NewStore();
        var documents = Enumerable.Range(0, 10_050).Select(i => Ecs.SignIn(minutesAgo: 400 - (i / 60.0)))
            .Append(Ecs.NetworkAlert(minutesAgo: 399.5 - (0.25 / 60))).Append(Ecs.NetworkAlert(minutesAgo: 400 - (10_040 / 60.0) - (0.002 / 60)));
        var batch = await Engine.ReadAsync(Ecs.Batch([.. documents]), options: Cluster.Reading);
        await store.AppendAsync(batch.Events, TestContext.Current.CancellationToken);
        Assert.Equal(2, Assert.Single((await RunAsync(store)).Findings).SmallestGap);
    }

    [Fact]
    public async Task More_addresses_than_fit_one_query_are_asked_for_in_portions()
    {
        var store = _cluster.NewStore();
        var addresses = Enumerable.Range(0, 1_500).Select(i => $"81.{2 + (i / 250)}.1.{1 + (i % 250)}").ToArray();
        var batch = await Engine.ReadAsync(Ecs.Batch([.. addresses.SelectMany(ip => new[] { Ecs.SignIn(ip: ip), Ecs.NetworkAlert(ip: ip) })]), options: Cluster.Reading);
        var service = new CorrelationService(store, Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()), new AlertOptions());
        var evaluation = await service.EvaluateAsync(batch, new EvaluationQuery { Revision = Engine.Revision() }, TestContext.Current.CancellationToken);
        Assert.Equal(1_500, evaluation.Alerts.Count);
        Assert.All(evaluation.Alerts, alert => Assert.Single(alert.Users));
    }

    [Fact]
    public void The_template_maps_every_field_that_is_read()
    {
        var mapped = new HashSet<string>(StringComparer.Ordinal);
        Walk(JsonNode.Parse(Cluster.Setup("index-template.json"))!["template"]!["mappings"]!["properties"]!.AsObject(), "");
        Assert.Empty(EventDocument.Paths.Where(path => !path.StartsWith('_')).Except(mapped));
        Assert.Empty(RuleCatalogue.Revisions.SelectMany(EsqlQuery.Columns).Except(mapped));

        void Walk(JsonObject properties, string prefix)
        {
            foreach (var (name, field) in properties)
            {
                if (field!["properties"] is JsonObject inner)
                {
                    Walk(inner, prefix + name + ".");
                }
                else
                {
                    mapped.Add(prefix + name);
                }
            }
        }
    }

    private const string Mapping = """
        {"properties":{"@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"ip"}}},
          "event":{"properties":{"dataset":{"type":"keyword"},"outcome":{"type":"OUTCOME"}}},
          "kibana":{"properties":{"alert":{"properties":{"rule":{"properties":{"name":{"type":"keyword"}}}}}}}}}
        """;

    private static (string, string)[] Settings => [("Store:Kind", "Elasticsearch"), ("Store:Elasticsearch:Nodes:0", "http://localhost:9200")];

    private static string Alert(string ip = Ip) =>
        $$"""{"@timestamp":"{{Ecs.Time(30)}}","source.ip":"{{ip}}","event.dataset":"zeek.notice","kibana.alert.rule.name":"External Alerts"}""";

    private static Task<CorrelationResult> RunAsync(IEventStore store, string revision = "2025-04-29") => store.CorrelateAsync(
        new CorrelationQuery { Revision = Engine.Revision(revision), Window = TimeWindow.All, Limit = 10_000 }, TestContext.Current.CancellationToken);

    private void FillEvents()
    {
        Fake.Index("logs-suspicious_signin.events-default", Ecs.SignIn());
        Fake.Index("logs-suspicious_signin.events-default", Ecs.MailAccess());
    }
}
