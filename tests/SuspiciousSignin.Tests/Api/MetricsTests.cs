using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Elasticsearch;

namespace SuspiciousSignin.Tests.Api;

/// <summary>Which series there are, and how far they have counted.</summary>
[Collection<RunsAlone>]
public sealed class MetricsTests
{
    [Fact]
    public async Task Every_series_is_there_from_the_start_and_trials_do_not_count_as_events()
    {
        var start = await SeriesAfterAsync(_ => Task.CompletedTask);
        var trial = await SeriesAfterAsync(service => service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()), "?store=false"));
        var stored = await SeriesAfterAsync(service => service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn())));

        string[] series =
        [
            .. new[] { "azureSignIn", "mailAccess", "networkAlert", "other" }.Select(bucket => $"events_total{{bucket={bucket}}}"),
            "events_duplicate_total", "events_rejected_total", "events_deferred_total", "alerts_total",
            .. new[] { "batch", "run" }.SelectMany(kind => new[] { "failed", "partial", "succeeded" }.Select(status => $"runs_total{{kind={kind},status={status}}}")),
            .. new[] { "capacity", "retention" }.Select(reason => $"store_evicted_total{{reason={reason}}}"),
        ];
        Assert.All(series, name => Assert.Equal("0", start.GetValueOrDefault(name)));
        Assert.Equal(("0", "1"), (trial["events_total{bucket=azureSignIn}"], trial["runs_total{kind=batch,status=succeeded}"]));
        Assert.Equal(("1", "1"), (stored["events_total{bucket=azureSignIn}"], stored["runs_total{kind=batch,status=succeeded}"]));
    }

    [Fact]
    public async Task Every_event_of_an_item_that_is_not_accepted_counts()
    {
        var bulk = string.Concat(
            """{"create":{"_index":"x"}}""", "\n", """{"events":[{"a":1},{"a":2},{"a":3}]}""", "\n", """{"delete":{"_index":"x","_id":"1"}}""", "\n");

        var series = await SeriesAfterAsync(service => service.SendAsync(HttpMethod.Post, "/_bulk", new StringContent(bulk, Encoding.UTF8, "application/x-ndjson")));

        Assert.Equal("4", series["events_rejected_total"]);
    }

    [Fact]
    public async Task Events_that_an_answer_does_not_list_count_as_rejected_too()
    {
        var series = await SeriesAfterAsync(service => service.PostAsync(Ecs.Batch([.. Enumerable.Repeat("{}", 101)])));

        Assert.Equal("101", series["events_rejected_total"]);
    }

    [Theory]
    [InlineData("false", "other")]
    [InlineData("true", "networkAlert")]
    public async Task Events_count_by_the_default_revision_and_its_promotion_however_they_come(string promote, string bucket)
    {
        var raw = $$"""{"@timestamp":"{{Ecs.Time(1)}}","event.kind":"alert","event.dataset":"suricata.eve","event.category":["intrusion_detection"],"source.ip":"{{Ecs.Address}}"}""";
        var setting = ("Runs:Promote", promote);

        var posted = await SeriesAfterAsync(service => service.PostAsync(Ecs.Batch(raw), $"?revision=resilient&promote={promote != "true"}"), settings: setting);
        var bulk = await SeriesAfterAsync(
            service => service.SendAsync(HttpMethod.Post, "/_bulk", new StringContent($"{{\"create\":{{\"_index\":\"x\"}}}}\n{raw}\n", Encoding.UTF8, "application/x-ndjson")),
            settings: setting);

        Assert.All([posted, bulk], series => Assert.Equal("1", series[$"events_total{{bucket={bucket}}}"]));
    }

    [Fact]
    public async Task Events_that_were_stored_count_although_judging_them_failed()
    {
        var store = new InterceptedStore { BeforeCorrelation = _ => throw new StoreUnavailableException("away") };

        var series = await SeriesAfterAsync(
            async service => (await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "1"), Ecs.SignIn(id: "1"), "{}"))).Problem(503), store);

        Assert.Equal("1", series["events_total{bucket=azureSignIn}"]);
        Assert.Equal(("1", "1"), (series["events_duplicate_total"], series["events_rejected_total"]));
    }

    [Fact]
    public async Task Runs_and_batches_that_failed_count_as_such()
    {
        var store = InterceptedStore.Before(() => throw new StoreUnavailableException("away"));

        var series = await SeriesAfterAsync(
            async service =>
            {
                (await service.RunAsync()).Problem(503);
                (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts")).Problem(503);
                (await service.PostAsync(Ecs.SignIn())).Problem(503);
            },
            store);

        Assert.Equal(("2", "1"), (series["runs_total{kind=run,status=failed}"], series["runs_total{kind=batch,status=failed}"]));
    }

    [Fact]
    public async Task A_run_whose_caller_went_away_did_not_fail()
    {
        var series = await SeriesAfterAsync(async service =>
        {
            var gone = Task.FromCanceled<DetectionRun>(new CancellationToken(canceled: true));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => service.Services.GetRequiredService<ServiceMetrics>().CountAsync(gone));
        });

        Assert.Equal("0", series["runs_total{kind=run,status=failed}"]);
    }

    [Fact]
    public async Task Alerts_of_batches_count_as_those_of_runs_do()
    {
        var series = await SeriesAfterAsync(async service =>
        {
            await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));
            await service.RunAsync();
        });

        Assert.Equal("2", series["alerts_total"]);
    }

    [Fact]
    public async Task Items_that_the_store_refuses_count_as_rejected()
    {
        var store = new InterceptedStore
        {
            Appended = events => new AppendResult(
                new HashSet<int>(), [new RejectedEvent { Index = events[0].Position, Pointer = "", Code = RejectionCodes.RefusedByStore, Message = "Not this one." }], []),
        };
        var bulk = $"{{\"create\":{{\"_index\":\"x\"}}}}\n{Ecs.SignIn()}\n{{\"create\":{{\"_index\":\"x\"}}}}\n{Ecs.SignIn()}\n";

        var series = await SeriesAfterAsync(service => service.SendAsync(HttpMethod.Post, "/_bulk", new StringContent(bulk, Encoding.UTF8, "application/x-ndjson")), store);

        Assert.Equal(("1", "1"), (series["events_rejected_total"], series["events_total{bucket=azureSignIn}"]));
    }

    [Fact]
    public async Task Items_of_bulk_requests_that_are_put_off_count_although_the_answer_is_200()
    {
        var (entered, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        var store = new InterceptedStore
        {
            BeforeAppend = () =>
            {
                entered.SetResult();
                return release.Task;
            },
        };

        var series = await SeriesAfterAsync(
            async service =>
            {
                var first = BulkAsync(service);
                await entered.Task;
                Assert.Contains("429", (await BulkAsync(service)).Text, StringComparison.Ordinal);
                release.SetResult();
                await first;
            },
            store,
            ("Runs:MaxConcurrent", "1"),
            ("Runs:MaxQueued", "0"));

        Assert.Equal("2", series["events_deferred_total"]);

        static Task<Answer> BulkAsync(TestService service)
        {
            const string Item = "{\"create\":{\"_index\":\"x\"}}\n{}\n";
            return service.SendAsync(HttpMethod.Post, "/_bulk", new StringContent(Item + Item, Encoding.UTF8, "application/x-ndjson"));
        }
    }

    [Fact]
    public async Task Over_a_cluster_no_metric_tells_of_a_store_in_memory()
    {
        await using var cluster = await Cluster.StartAsync(Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()));
        using var service = new TestService(store: cluster.NewStore(), settings: [("Store:Kind", "Elasticsearch"), ("Store:Elasticsearch:Nodes:0", "http://localhost:9200")]);
        Assert.Equal([Ecs.Address], (await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.NetworkAlert()))).Addresses);

        var metrics = (await service.GetAsync("/metrics")).Text;

        Assert.Contains("suspicious_signin_runs_total", metrics, StringComparison.Ordinal);
        Assert.DoesNotContain("suspicious_signin_store", metrics, StringComparison.Ordinal);
    }

    // A service each, for the exporter gives the same text to all who ask within moments. Names without the prefix, labels without those of the exporter.
    private static async Task<Dictionary<string, string>> SeriesAfterAsync(
        Func<TestService, Task> act, IEventStore? store = null, params (string Key, string Value)[] settings)
    {
        using var service = new TestService(store: store, settings: settings);
        await act(service);
        var metrics = (await service.GetAsync("/metrics")).Text;
        var bare = Regex.Replace(metrics, "otel_scope_name=\"SuspiciousSignin\",?|\"", "").Replace("{}", "", StringComparison.Ordinal);
        return Regex.Matches(bare, @"^suspicious_signin_(?<name>\w+_total(\{.*?\})?) (?<value>\d+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture)
            .ToDictionary(series => series.Groups["name"].Value, series => series.Groups["value"].Value, StringComparer.Ordinal);
    }
}
