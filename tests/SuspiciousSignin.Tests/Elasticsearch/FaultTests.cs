using System.Net;
using System.Text.Json.Nodes;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Events;
using SuspiciousSignin.FakeElasticsearch;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>What callers see, and what is in the cluster, when the cluster or the way to it fails.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private static readonly string Finding = Ecs.Batch(Ecs.SignIn(id: "s"), Ecs.MailAccess(id: "m"), Ecs.NetworkAlert(id: "n"));

    private readonly List<FakeNode> _moreNodes = [];
    private Cluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await Cluster.StartAsync(Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()));

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _moreNodes)
        {
            await node.DisposeAsync();
        }

        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task A_cluster_that_is_busy_for_a_moment_is_asked_again()
    {
        using var service = await NewServiceAsync();
        var busy = _cluster.Server.Faults.Add(Fault.QueueFull().On("POST", "/_query/async").Times(2));
        var answer = await service.RunAsync();
        Assert.Equal(2, busy.Fired);
        Assert.Equal("succeeded", (string?)answer.Json!["status"]);
        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Fact]
    public async Task A_cluster_that_says_when_to_come_back_is_left_alone_until_then()
    {
        using var service = await NewServiceAsync();
        var busy = _cluster.Server.Faults.Add(Fault.CircuitBreaker().On("POST", "/_query/async").Always().RetryAfter(60));
        var answer = await service.RunAsync().WaitAsync(TimeSpan.FromSeconds(30));
        answer.Problem(503);
        Assert.Equal(1, busy.Fired);
        Assert.Equal(TimeSpan.FromSeconds(60), answer.Headers.RetryAfter?.Delta);
        Assert.Contains("overloaded (circuit_breaking_exception): [parent] Data too large", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Errors() => new()
    {
        { "unauthorized", "Elasticsearch refused the credentials: unable to authenticate" },
        { "forbidden", "Elasticsearch does not allow this service what it needs: action [indices:data/read/search] is unauthorized" },
        { "noShard", "503 no_shard_available_action_exception: No shard available" },
        { "blocked", "503 cluster_block_exception: blocked by" },
        { "internal", "500 search_phase_execution_exception: Search rejected" },
        { "plain", "400 error: no handler found" },
        { "html", "502 BadGateway: the answer is text/html; is there a proxy in between?" },
        { "otherHtml", "answer of Elasticsearch is no complete JSON" },
        { "noProduct", "What answers is not Elasticsearch" },
        { "truncated", "answer of Elasticsearch is no complete JSON" },
        { "closed", "No Elasticsearch node could be reached" },
        { "reset", "No Elasticsearch node could be reached" },
        { "hangs", "no answer within 00:00:01" },
        { "slowBody", "no answer within 00:00:01" },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task What_a_failing_cluster_says_is_told_and_no_answer_is_made_up(string kind, string told)
    {
        using var service = await NewServiceAsync(options => options.CallTimeout = TimeSpan.FromSeconds(1));
        _cluster.Server.Faults.Add(OfKind(kind).On("POST", "/_query/async").Always());
        var answer = await service.RunAsync();
        answer.Problem(503);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Contains(told, (string?)answer.Json!["detail"], StringComparison.Ordinal);
        Assert.Null(answer.Json["alerts"]);
        _cluster.Server.Faults.Clear();
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);

        static Fault OfKind(string kind) => kind switch
        {
            "unauthorized" => Fault.Unauthorized(),
            "forbidden" => Fault.Forbidden(),
            "noShard" => Fault.NoShard(),
            "blocked" => Fault.ClusterBlocked(),
            "internal" => Fault.Error(500, "search_phase_execution_exception", "Search rejected due to missing shards"),
            "plain" => Fault.PlainError(400, "no handler found for uri [/_query/async] and method [POST]"),
            "html" => Fault.Html(),
            "otherHtml" => Fault.Html(200),
            "noProduct" => Fault.NoProductHeader(),
            "truncated" => Fault.TruncatedJson(),
            "closed" => Fault.CloseConnection(),
            "reset" => Fault.ResetMidBody(),
            "hangs" => Fault.Hang(),
            _ => Fault.SlowBody(TimeSpan.FromMilliseconds(400)),
        };
    }

    [Fact]
    public async Task A_dead_node_costs_one_attempt_and_is_then_left_out()
    {
        var second = await AddNodeAsync("second");
        using var service = await NewServiceAsync(options => options.Nodes = [_cluster.Url, second.Url]);
        await _cluster.Server.Node.StopAsync();
        foreach (var _ in Enumerable.Range(0, 3))
        {
            Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
        }

        Assert.Single(_cluster.Logged, line => line.Contains("is left out for a while", StringComparison.Ordinal));
        await _cluster.Server.Node.StartAsync();
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
        var health = await service.GetAsync("/health/ready");
        Assert.Contains("\"livingNodes\":1", health.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_the_cluster_is_away_the_log_has_a_line_for_each_request_and_one_for_all_probes()
    {
        using var service = NewService(options => options.CircuitBreak = TimeSpan.FromMilliseconds(500));
        await _cluster.Server.Node.StopAsync();
        foreach (var _ in Enumerable.Range(0, 4))
        {
            (await service.RunAsync()).Problem(503);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await service.GetAsync("/health/ready")).Status);
        }

        Assert.Equal(4, service.Log.Count(line => line.Contains("The store cannot answer", StringComparison.Ordinal)));
        Assert.Single(service.Log, line => line.StartsWith("Warning Not ready: ", StringComparison.Ordinal));
        Assert.DoesNotContain(service.Log, line => line.Contains("Health check", StringComparison.Ordinal) || line.Contains("   at ", StringComparison.Ordinal));
        Assert.Single(_cluster.Logged);
        await _cluster.Server.Node.StartAsync();
        // As soon as calls are no longer paused.
        await Eventually.IsAsync(async () => (await service.GetAsync("/health/ready")).Status == HttpStatusCode.OK);
        Assert.Single(service.Log, line => line.StartsWith("Information Ready again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_connection_that_is_accepted_and_closed_is_tried_again()
    {
        using var filled = await NewServiceAsync();
        using var service = NewService();
        _cluster.Server.Node.CloseNextConnections(1);
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
    }

    [Fact]
    public async Task A_node_behind_a_broken_proxy_is_passed_over()
    {
        var second = await AddNodeAsync("second");
        using var service = await NewServiceAsync(options => options.Nodes = [_cluster.Url, second.Url]);
        _cluster.Server.Node.Faults.Add(Fault.Html().Always());
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
    }

    [Theory]
    [InlineData("search_phase_execution_exception")]
    [InlineData("no_shard_available_action_exception")]
    public async Task A_node_that_tells_of_missing_shards_is_alive_and_no_other_is_asked(string type)
    {
        var second = await AddNodeAsync("second");
        using var service = await NewServiceAsync(options => options.Nodes = [_cluster.Url, second.Url]);
        foreach (var faults in new[] { _cluster.Server.Faults, second.Faults })
        {
            faults.Add(Fault.Error(503, type, "Search rejected due to missing shards [[logs-other][0]].").On("POST", "/_query/async").Always());
        }

        var answer = await service.RunAsync();

        answer.Problem(503);
        Assert.Contains("missing shards", answer.Text, StringComparison.Ordinal);
        Assert.Single(_cluster.Fake.Requests, request => request.Path == "/_query/async");
        Assert.Contains("\"livingNodes\":2", (await service.GetAsync("/health/ready")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_a_cluster_is_upgraded_its_older_nodes_understand_what_they_are_asked()
    {
        await using var older = await Cluster.StartAsync(Engine.ClockAt(TestService.Now.ToUnixTimeMilliseconds()), version: "8.19.3");
        _cluster.Fake.Version = ElasticsearchVersion.Parse("9.1.0");
        using var service = NewService(options => options.Nodes = [_cluster.Url, older.Url]);
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(200, (int)(await service.RunAsync()).Status);
        }
    }

    [Fact]
    public async Task A_cluster_that_failed_repeatedly_is_left_alone_for_a_moment()
    {
        using var service = await NewServiceAsync(options => (options.CircuitCalls, options.CircuitBreak) = (2, TimeSpan.FromMinutes(1)), isEmpty: true);
        _cluster.Server.Faults.Add(Fault.ClusterBlocked().Always());
        foreach (var _ in Enumerable.Range(0, 3))
        {
            (await service.RunAsync()).Problem(503);
        }

        var asked = _cluster.Server.Requests.Count;
        var answer = await service.RunAsync();
        answer.Problem(503);
        Assert.Equal(asked, _cluster.Server.Requests.Count);
        Assert.Equal(TimeSpan.FromMinutes(1), answer.Headers.RetryAfter?.Delta);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_write_whose_answer_was_lost_is_repeated_and_doubles_nothing(bool withIdentity)
    {
        using var service = await NewServiceAsync(isEmpty: true);
        _cluster.Server.Faults.Add(Fault.LoseAnswer().On("POST", "*_bulk"));
        var documents = Enumerable.Range(0, 5).Select(i => Ecs.SignIn(id: withIdentity ? $"{i}" : null)).ToArray();
        var answer = await service.PostAsync(Ecs.Batch(documents));
        Assert.Equal(200, (int)answer.Status);
        Assert.Equal(5, _cluster.Fake.Documents("logs-*").Count);
        // With an identity nobody can tell who wrote first; the answer says so.
        Assert.Equal(withIdentity ? (0, 5) : (5, 0), (answer.Number("accepted"), answer.Number("duplicates")));
        Assert.Equal(withIdentity, answer.Warnings.Contains("writeRepeated"));
    }

    [Fact]
    public async Task Items_that_the_cluster_was_too_busy_for_are_sent_again_and_only_they()
    {
        using var service = await NewServiceAsync(isEmpty: true);
        _cluster.Server.Faults.Add(Fault.RejectBulkItems(_ => _.EndsWith("-1", StringComparison.Ordinal) || _.EndsWith("-3", StringComparison.Ordinal)));
        var answer = await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 5).Select(_ => Ecs.SignIn())]));
        Assert.Equal((5, 0, 0), (answer.Number("accepted"), answer.Number("duplicates"), answer.Number("rejectedTotal")));
        Assert.Equal(5, _cluster.Fake.Documents("logs-*").Count);
        Assert.Equal([10, 4], _cluster.Server.Requests.Where(request => request.Path.EndsWith("_bulk", StringComparison.Ordinal)).Select(request => request.Body.Split('\n').Length - 1));
    }

    [Fact]
    public async Task A_write_that_stays_refused_is_an_error_and_sending_it_again_completes_it()
    {
        using var service = await NewServiceAsync(options => options.MaxRetries = 1, isEmpty: true);
        _cluster.Server.Faults.Add(Fault.RejectBulkItems().Always());
        var refused = await service.PostAsync(Finding);
        refused.Problem(503);
        Assert.Contains("Send the batch again", (string?)refused.Json!["detail"], StringComparison.Ordinal);
        _cluster.Server.Faults.Clear();
        Assert.Equal([Ecs.Address], (await service.PostAsync(Finding)).Addresses);
        Assert.Equal(3, _cluster.Fake.Documents("logs-*").Count);
    }

    [Theory]
    [InlineData(500, "node_disconnected_exception")]
    [InlineData(502, "remote_transport_exception")]
    [InlineData(503, "unavailable_shards_exception")]
    public async Task Items_that_failed_in_the_cluster_are_sent_again(int status, string type)
    {
        using var service = await NewServiceAsync(isEmpty: true);
        var failing = _cluster.Server.Faults.Add(Fault.RejectBulkItems(id => id.EndsWith("-1", StringComparison.Ordinal), status, type, "primary shard is not active"));
        var answer = await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 3).Select(_ => Ecs.SignIn())]));
        Assert.Equal((1, 3, 0), (failing.Fired, answer.Number("accepted"), answer.Number("rejectedTotal")));
        Assert.Equal(3, _cluster.Fake.Documents("logs-*").Count);
    }

    [Theory]
    [InlineData(500, "shard_failed_exception", "500 shard_failed_exception: told by the cluster", 2)]
    [InlineData(503, "unavailable_shards_exception", "503 unavailable_shards_exception: told by the cluster", 2)]
    [InlineData(401, "security_exception", "refused the credentials: told by the cluster", 1)]
    [InlineData(403, "security_exception", "does not allow this service what it needs: told by the cluster", 1)]
    [InlineData(404, "index_not_found_exception", "404 index_not_found_exception: told by the cluster", 1)]
    [InlineData(418, "odd_exception", "418 odd_exception: told by the cluster", 1)]
    [InlineData(400, "index_closed_exception", "400 index_closed_exception: told by the cluster", 1)]
    [InlineData(400, "validation_exception", "400 validation_exception: told by the cluster", 1)]
    [InlineData(400, "illegal_argument_exception", "Validation Failed: 1: this action would add [2] shards", 1, "Validation Failed: 1: this action would add [2] shards")]
    [InlineData(400, "illegal_argument_exception", "pipeline with id [geo] does not exist", 1, "pipeline with id [geo] does not exist")]
    public async Task An_item_that_failed_for_no_fault_of_its_document_is_an_error_of_the_batch_and_never_a_rejection(
        int status, string type, string told, int requests, string reason = "told by the cluster")
    {
        using var service = await NewServiceAsync(options => options.MaxRetries = 1, isEmpty: true);
        var failing = _cluster.Server.Faults.Add(Fault.RejectBulkItems(null, status, type, reason).Always());
        var refused = await service.PostAsync(Finding);
        refused.Problem(503);
        Assert.Contains(told, (string?)refused.Json!["detail"], StringComparison.Ordinal);
        Assert.Equal(requests, failing.Fired);
        _cluster.Server.Faults.Clear();
        Assert.Equal([Ecs.Address], (await service.PostAsync(Finding)).Addresses);
        Assert.Equal(3, _cluster.Fake.Documents("logs-*").Count);
    }

    [Theory]
    [InlineData(400, "document_parsing_exception")]
    [InlineData(400, "illegal_argument_exception")]
    [InlineData(400, "strict_dynamic_mapping_exception")]
    [InlineData(413, "es_rejected_execution_exception")]
    public async Task An_item_refused_for_its_document_is_a_rejection_and_the_others_are_kept(int status, string type)
    {
        using var service = await NewServiceAsync(isEmpty: true);
        _cluster.Server.Faults.Add(Fault.RejectBulkItems(id => id.EndsWith("-1", StringComparison.Ordinal), status, type, "the document"));
        var answer = await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 3).Select(_ => Ecs.SignIn())]));
        Assert.Equal((2, 1), (answer.Number("accepted"), answer.Number("rejectedTotal")));
        Assert.Equal("refusedByStore", (string?)answer.Json!["rejected"]![0]!["code"]);
    }

    [Fact]
    public async Task An_event_that_went_to_the_failure_store_is_not_told_as_stored()
    {
        using var service = await NewServiceAsync(isEmpty: true);
        _cluster.Server.Faults.Add(Fault.Rewrite(json => json["items"]![1]!["create"]!["failure_store"] = "used").On("POST", "*_bulk"));
        var answer = await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 3).Select(_ => Ecs.SignIn())]));
        Assert.Equal((2, 1), (answer.Number("accepted"), answer.Number("rejectedTotal")));
        Assert.Contains("failure store", (string?)answer.Json!["rejected"]![0]!["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("_bulk", """{"took":1}""")]
    [InlineData("_bulk", "[]")]
    [InlineData("_bulk", "null")]
    [InlineData("_bulk", """{"items":[{"create":{"status":"a lot"}},{"create":{}},{}]}""")]
    [InlineData("_query/async", """{"is_running":false}""")]
    [InlineData("_query/async", """{"is_running":true}""")]
    [InlineData("_query/async", """{"columns":[{"name":null}],"values":[]}""")]
    [InlineData("_query/async", """{"columns":[],"values":[[]]}""")]
    [InlineData("_query/async", """{"columns":[{"name":"source_ip"}],"values":[["nowhere"]]}""")]
    [InlineData("_query/async", """{"columns":[{"name":"source_ip"}],"values":[["8.8.8.8"]]}""")]
    [InlineData("_query/async", """{"columns":[{"name":"total"}],"values":[[1e300]]}""")]
    [InlineData("_field_caps", "[1]")]
    [InlineData("_has_privileges", """{"index":7}""")]
    public async Task An_answer_of_another_shape_is_an_error_of_the_store(string path, string body)
    {
        using var service = await NewServiceAsync(options => options.MappingLifetime = TimeSpan.Zero);
        _cluster.Server.Faults.Add(Fault.Reply(200, "application/json", body).On("POST", "*" + path).Always());
        var answer = path == "_bulk" ? await service.PostAsync(Finding) : await service.RunAsync();
        answer.Problem(503);
        Assert.Contains("not the expected shape", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/", "[]")]
    [InlineData("GET", "/", """{"version":{"number":8}}""")]
    [InlineData("POST", "*_pit", "{}")]
    [InlineData("POST", "/_search", """{"timed_out":"no"}""")]
    [InlineData("POST", "/_search", """{"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":1},"hits":[{"sort":[]}]}}""")]
    public async Task Evidence_of_another_shape_is_an_error_of_the_store(string method, string path, string body)
    {
        using var service = await NewServiceAsync(options => options.MappingLifetime = TimeSpan.Zero);
        _cluster.Server.Faults.Add(Fault.Reply(200, "application/json", body).On(method, path).Always());
        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");
        answer.Problem(503);
        Assert.Contains("not the expected shape", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_whose_answers_have_another_shape_is_not_ready()
    {
        using var service = await NewServiceAsync(isEmpty: true);
        _cluster.Server.Faults.Add(Fault.Reply(200, "application/json", "[]").On("POST", "*_has_privileges").Always());
        var health = await service.GetAsync("/health/ready");
        Assert.Equal(503, (int)health.Status);
        Assert.Contains("not the expected shape", health.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_write_that_was_refused_for_a_full_queue_is_sent_again_and_nobody_wonders_who_wrote_it()
    {
        using var service = await NewServiceAsync(isEmpty: true);
        await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "a")));
        _cluster.Server.Faults.Add(Fault.QueueFull().On("POST", "*_bulk"));
        var answer = await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "a")));
        Assert.Equal(1, answer.Number("duplicates"));
        Assert.DoesNotContain("writeRepeated", answer.Warnings);
    }

    [Theory]
    [InlineData("""
        "labels":{"subject":"lunch \ud83d"}
        """)]
    [InlineData("""
        "foo":{"bar":["\ud83d",
        2]}
        """)]
    [InlineData("""
        "suspicious_signin":"mine"
        """)]
    [InlineData("""
        "suspicious_signin":{"id":"spoof","index":"logs-azure.signinlogs-x"}
        """)]
    [InlineData("""
        "_id":"x","suspicious_signin.id":"spoof"
        """)]
    public async Task A_member_that_nobody_reads_keeps_no_event_from_being_stored_and_changes_none(string member)
    {
        using var service = await NewServiceAsync(isEmpty: true);
        var odd = $$"""{"@timestamp":"{{Ecs.Time(5)}}","source.ip":"{{Ecs.Address}}",{{member.Trim()}}}""";
        var answer = await service.PostAsync(Ecs.Batch(odd, Ecs.SignIn(id: "good")));
        Assert.Equal((200, 2), ((int)answer.Status, answer.Number("accepted")));
        var events = (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Json!["events"]!.AsArray();
        Assert.Equal(2, events.Count);
        Assert.DoesNotContain(events, each => (string?)each!["id"] == "spoof" || each["dataset"] is null && (string?)each["index"] == "logs-azure.signinlogs-x");
    }

    [Theory]
    [InlineData(429, "es_rejected_execution_exception", false, false)]
    [InlineData(429, "es_rejected_execution_exception", true, true)]
    [InlineData(503, "unavailable_shards_exception", false, true)]
    public async Task A_duplicate_behind_a_failure_that_may_have_been_none_is_told_as_doubtful(int status, string type, bool losesAnswer, bool isTold)
    {
        using var service = await NewServiceAsync(isEmpty: true);
        await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "a")));
        if (losesAnswer)
        {
            _cluster.Server.Faults.Add(Fault.LoseAnswer().On("POST", "*_bulk"));
        }

        var failing = _cluster.Server.Faults.Add(Fault.RejectBulkItems(null, status, type, "told by the cluster"));

        var answer = await service.PostAsync(Ecs.Batch(Ecs.SignIn(id: "a")));

        Assert.Equal((1, 1), (failing.Fired, answer.Number("duplicates")));
        Assert.Equal(isTold, answer.Warnings.Contains("writeRepeated"));
    }

    [Fact]
    public async Task A_dataset_too_long_for_the_cluster_is_none_and_told_by_the_index_as_in_its_own_stream()
    {
        using var service = await NewServiceAsync(isEmpty: true);
        var signIn = $$"""{"@timestamp":"{{Ecs.Time(5)}}","_id":"1","_index":"logs-azure.signinlogs-default","source.ip":"{{Ecs.Address}}","event.dataset":"{{new string('x', 1025)}}","event.outcome":"success"}""";

        await service.PostAsync(Ecs.Batch(signIn, Ecs.NetworkAlert()));

        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
    }

    [Fact]
    public async Task A_cluster_that_failed_is_asked_anew_which_version_it_is()
    {
        _cluster.Fake.Version = ElasticsearchVersion.Parse("8.17.0");
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.Error(500, "search_phase_execution_exception", "Going down").On("POST", "/_query/async"));
        (await service.RunAsync()).Problem(503);
        _cluster.Fake.Version = ElasticsearchVersion.Parse("9.1.0");

        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);

        var query = _cluster.Server.Requests.Last(request => request.Path == "/_query/async");
        Assert.Equal("false", query.Query.GetValueOrDefault("allow_partial_results"));
    }

    [Fact]
    public async Task Halving_a_request_is_no_repetition_and_uses_up_none()
    {
        using var service = await NewServiceAsync(options => options.MaxRetries = 1, isEmpty: true);
        var documents = Enumerable.Range(0, 200).Select(i => Ecs.SignIn(id: $"{i}")).ToArray();
        Assert.Equal(200, (await service.PostAsync(Ecs.Batch(documents))).Number("accepted"));
        _cluster.Fake.MaximumContentLength = 16_000;
        var busy = _cluster.Server.Faults.Add(Fault.RejectBulkItems().On("POST", "*_bulk").When(request => request.Body.Contains("\"new\"", StringComparison.Ordinal) && request.Body.Length < 16_000));
        var answer = await service.PostAsync(Ecs.Batch([.. documents, Ecs.SignIn(id: "new")]));
        Assert.Equal((1, 1, 200), (busy.Fired, answer.Number("accepted"), answer.Number("duplicates")));
        Assert.DoesNotContain("writeRepeated", answer.Warnings);
    }

    [Fact]
    public async Task Mappings_that_fail_for_a_moment_are_asked_for_again()
    {
        using var service = await NewServiceAsync(options => options.MappingLifetime = TimeSpan.Zero);
        var failing = _cluster.Server.Faults.Add(FailedMappings().On("POST", "*_field_caps"));
        var answer = await service.RunAsync();
        Assert.Equal(1, failing.Fired);
        Assert.Equal("succeeded", (string?)answer.Json!["status"]);
        Assert.DoesNotContain("mappingsIncomplete", answer.Warnings);
        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Fact]
    public async Task Mappings_that_stay_failed_make_the_run_partial_and_are_not_remembered()
    {
        using var service = await NewServiceAsync(options => (options.MappingLifetime, options.MaxRetries) = (TimeSpan.Zero, 1));
        _cluster.Server.Faults.Add(FailedMappings().On("POST", "*_field_caps").Always());
        var answer = await service.RunAsync();
        Assert.Equal("partial", (string?)answer.Json!["status"]);
        var warning = answer.Json["warnings"]!.AsArray().Single(each => (string?)each!["code"] == "mappingsIncomplete");
        Assert.Contains("logs-lost", (string?)warning!["message"], StringComparison.Ordinal);
        Assert.Contains("node_disconnected_exception", (string?)warning["message"], StringComparison.Ordinal);
        Assert.DoesNotContain("eventsIndexMissing", answer.Warnings);
        // Nothing seen is no reason to say that there is nothing.
        (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Problem(503);
        _cluster.Server.Faults.Clear();
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
    }

    [Theory]
    [InlineData(9_999, "succeeded")]
    [InlineData(10_000, "partial")]
    public async Task As_many_addresses_as_the_cluster_returns_at_most_may_not_be_all(int rows, string status)
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.Rewrite(json => json["values"] = new JsonArray([.. Enumerable.Range(0, rows).Select(_ => json["values"]![0]!.DeepClone())]))
            .On("POST", "/_query/async").When(IsDetection));

        var answer = await service.RunAsync("""{"limit":1}""");

        Assert.Equal((status, rows), ((string?)answer.Json!["status"], answer.Number("total")));
        Assert.Equal(status == "partial", answer.Warnings.Contains("tooManyAddresses"));
    }

    [Fact]
    public async Task A_smallest_gap_among_more_moments_than_are_read_is_told_as_not_exact()
    {
        using var service = await NewServiceAsync();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: 7)));
        JsonNode? row = null;
        var endless = _cluster.Server.Faults.Add(Fault.Rewrite(json =>
            {
                row ??= json["values"]![0]!.DeepClone();
                json["values"] = new JsonArray([.. Enumerable.Range(0, 10_000).Select(_ => row.DeepClone())]);
            })
            .On("POST", "/_query/async").When(request => request.Body.Contains("?after_ip", StringComparison.Ordinal)).Always());

        var inexact = await service.RunAsync();
        _cluster.Server.Faults.Clear();
        var exact = await service.RunAsync();

        Assert.Equal(20, endless.Fired);
        Assert.Contains("gapNotExact", inexact.Warnings);
        Assert.DoesNotContain("gapNotExact", exact.Warnings);
        Assert.Equal("PT2M", (string?)exact.Json!["alerts"]![0]!["smallestGap"]);
    }

    [Fact]
    public async Task An_event_that_the_cluster_cannot_index_is_rejected_with_its_place_and_reason()
    {
        using var service = await NewServiceAsync(isEmpty: true);
        var bad = Ecs.SignIn().Replace("\"source\":{", "\"host\":{\"name\":{\"first\":\"a\"}},\"source\":{", StringComparison.Ordinal);
        var answer = await service.PostAsync(string.Join('\n', Ecs.SignIn(), "", bad, Ecs.MailAccess()), type: "application/x-ndjson");
        Assert.Equal((3, 2, 1), (answer.Number("received"), answer.Number("accepted"), answer.Number("rejectedTotal")));
        var rejected = answer.Json!["rejected"]![0]!;
        Assert.Equal((1, "refusedByStore"), ((int)rejected["index"]!, (string?)rejected["code"]));
        Assert.Contains("host.name", (string?)rejected["message"], StringComparison.Ordinal);
        Assert.Equal(2, _cluster.Fake.Documents("logs-*").Count);
    }

    [Fact]
    public async Task A_batch_of_many_bytes_goes_in_several_requests_and_is_visible_in_the_end()
    {
        using var service = await NewServiceAsync(options => options.BulkBytes = 64 * 1024, isEmpty: true);
        var documents = Enumerable.Range(0, 600).Select(i => Ecs.SignIn(minutesAgo: i / 60.0)).Append(Ecs.NetworkAlert());
        var answer = await service.PostAsync(Ecs.Batch([.. documents]));
        Assert.Equal(601, answer.Number("accepted"));
        Assert.Equal(600, (int)answer.Json!["alerts"]![0]!["counts"]!["azureSignIn"]!);
        Assert.True(_cluster.Server.Requests.Count(request => request.Path.EndsWith("_bulk", StringComparison.Ordinal)) > 2);
        Assert.Single(_cluster.Server.Requests, request => request.Path.EndsWith("_refresh", StringComparison.Ordinal));
        Assert.All(_cluster.Server.Requests.Where(request => request.Body.Length > 4096), request =>
        {
            Assert.Equal("gzip", request.Headers["Content-Encoding"]);
            Assert.True(request.BodyLength < request.Body.Length / 2);
        });
    }

    [Fact]
    public async Task A_request_that_is_too_long_for_the_cluster_is_halved_until_it_fits()
    {
        _cluster.Fake.MaximumContentLength = 16_000;
        using var service = await NewServiceAsync(isEmpty: true);
        var huge = Ecs.SignIn().Replace("\"source\":{", $"\"message\":\"{new string('x', 20_000)}\",\"source\":{{", StringComparison.Ordinal);
        var answer = await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 60).Select(_ => Ecs.SignIn()), huge]));
        Assert.Equal((60, 1), (answer.Number("accepted"), answer.Number("rejectedTotal")));
        Assert.Equal((60, "tooLarge"), ((int)answer.Json!["rejected"]![0]!["index"]!, (string?)answer.Json["rejected"]![0]!["code"]));
        Assert.Equal(60, _cluster.Fake.Documents("logs-*").Count);
    }

    [Fact]
    public async Task A_partial_answer_makes_the_run_partial_with_the_reason()
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.Partial().On("POST", "/_query/async").Always());
        var answer = await service.RunAsync();
        Assert.Equal("partial", (string?)answer.Json!["status"]);
        var warning = answer.Json["warnings"]!.AsArray().Single(each => (string?)each!["code"] == "partialResults");
        Assert.Contains("[fake] disconnected", (string?)warning!["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"total":2,"successful":1,"skipped":1,"details":{"(local)":{"status":"successful"},"eu":{"status":"skipped","failures":[{"shard":-1,"index":null,"reason":{"type":"connect_transport_exception","reason":"Unable to connect to [eu]"}}]}}}""", "Unable to connect to [eu]")]
    [InlineData("""{"total":2,"successful":1,"skipped":1}""", "remote clusters are told as skipped")]
    [InlineData("""{"total":2,"successful":1,"skipped":0,"partial":1,"failed":0}""", "remote clusters are told as partial")]
    public async Task A_remote_cluster_that_was_skipped_makes_runs_and_evidence_partial_though_no_shard_failed(string clusters, string told)
    {
        using var service = await NewServiceAsync();
        var whole = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");
        foreach (var path in new[] { "/_query/async", "/_search" })
        {
            _cluster.Server.Faults.Add(Fault.Rewrite(json => json["_clusters"] = JsonNode.Parse(clusters)).On("POST", path).Always());
        }

        var run = await service.RunAsync("""{"includeEvents":true}""");
        var evidence = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");

        Assert.Equal("succeeded", (string?)whole.Json!["status"]);
        Assert.DoesNotContain("partialResults", whole.Warnings);
        foreach (var answer in new[] { run, evidence })
        {
            Assert.Equal("partial", (string?)answer.Json!["status"]);
            var warning = answer.Json["warnings"]!.AsArray().Single(each => (string?)each!["code"] == "partialResults");
            Assert.Contains(told, (string?)warning!["message"], StringComparison.Ordinal);
        }

        Assert.Equal(whole.Json["events"]!.AsArray().Count, evidence.Json!["events"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("8.17.0")]
    [InlineData("8.19.3")]
    [InlineData("9.1.0")]
    public async Task A_broken_shard_never_gives_an_answer_that_looks_whole(string version)
    {
        _cluster.Fake.Version = ElasticsearchVersion.Parse(version);
        using var service = await NewServiceAsync();
        _cluster.Fake.BreakShard(_cluster.Fake.Indices[0].Name);
        var run = await service.RunAsync();
        Assert.True((int)run.Status == 503 || (string?)run.Json!["status"] == "partial", run.Text);
        (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Problem(503);
        Assert.Empty(_cluster.Fake.OpenPits);
    }

    [Theory]
    [InlineData("timedOut")]
    [InlineData("shardsFailed")]
    public async Task Evidence_from_some_of_the_shards_is_no_evidence(string kind)
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add((kind == "timedOut" ? Fault.TimedOut() : Fault.ShardsFailed()).On("POST", "/_search"));
        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");
        answer.Problem(503);
        Assert.Contains("only some of the shards", (string?)answer.Json!["detail"], StringComparison.Ordinal);
        Assert.Empty(_cluster.Fake.OpenPits);
        Assert.Equal(3, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task A_point_in_time_that_expires_while_it_is_read_is_opened_again()
    {
        using var service = await NewServiceAsync();
        var expired = _cluster.Server.Faults.Add(Fault.PitExpired().On("POST", "/_search"));
        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");
        Assert.Equal((1, 3), (expired.Fired, answer.Number("total")));
        Assert.Empty(_cluster.Fake.OpenPits);
    }

    [Fact]
    public async Task Evidence_that_fits_one_search_takes_one()
    {
        using var service = await NewServiceAsync();
        Assert.Equal(3, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
        Assert.Single(_cluster.Server.Requests, request => request.Path.EndsWith("/_search", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task An_answer_that_is_not_what_its_encoding_says_is_no_fault_of_the_caller(string encoding)
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.Reply(200, "application/json", "this is neither").WithHeader("Content-Encoding", encoding).On("POST", "*").Always());

        (await service.RunAsync()).Problem(503);
        (await service.PostAsync(Ecs.Batch(Ecs.SignIn()))).Problem(503);
    }

    [Fact]
    public async Task Few_events_that_count_among_many_that_do_not_take_one_search()
    {
        using var service = await NewServiceAsync();
        var others = Enumerable.Range(0, 300).Select(i => $$"""{"@timestamp":"{{Ecs.Time(60)}}","source.ip":"{{Ecs.Address}}","event.dataset":"other","event.id":"{{i}}"}""");
        await service.PostAsync(Ecs.Batch([.. others]));
        _cluster.Fake.ForgetRequests();

        var page = await _cluster.NewStore().ReadEventsAsync(
            new EventQuery { Address = SourceAddress.Parse(Ecs.Address), Window = TimeWindow.All, Revision = Engine.Revision(), CountedOnly = true, Limit = 1 },
            TestContext.Current.CancellationToken);

        Assert.Single(page!.Events);
        Assert.Single(_cluster.Server.Requests, request => request.Path.EndsWith("/_search", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/_pit")]
    [InlineData("/_query/async/*")]
    public async Task Nobody_waits_long_for_a_cluster_that_does_not_take_back_what_it_keeps_for_a_query(string path)
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.StaysRunning(1).On("POST", "/_query/async").When(IsDetection));
        var hang = _cluster.Server.Faults.Add(Fault.Hang().On("DELETE", path));
        var answer = path == "/_pit" ? service.GetAsync($"/api/v1/ips/{Ecs.Address}/events") : service.RunAsync();
        // Any other call would hang for the two minutes that tests give it.
        Assert.Equal(HttpStatusCode.OK, (await answer.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken)).Status);
        Assert.Equal(1, hang.Fired);
        Assert.Contains(_cluster.Logged, line => line.Contains("the cluster drops it when its keep-alive ends", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_long_query_is_polled_and_then_deleted()
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.StaysRunning(3).On("POST", "/_query/async").When(IsDetection));
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
        var query = Assert.Single(_cluster.Fake.AsyncQueries);
        Assert.Equal((3, true), (query.Polls, query.Deleted));
    }

    [Fact]
    public async Task A_query_that_the_cluster_dropped_by_itself_is_no_warning_in_the_log()
    {
        using var service = await NewServiceAsync();
        var gone = _cluster.Server.Faults.Add(Fault.Error(404, "resource_not_found_exception", "gone").On("DELETE", "*").Always());

        Assert.Equal([Ecs.Address], (await service.RunAsync("""{"includeEvents":true}""")).Addresses);

        Assert.True(gone.Fired > 0);
        Assert.DoesNotContain(_cluster.Logged, line => line.Contains("could not be", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_cluster_keeps_a_query_for_as_long_as_it_is_waited_for_and_the_last_call_takes()
    {
        using var service = await NewServiceAsync(options => (options.QueryTimeout, options.CallTimeout) = (TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(7)));

        await service.RunAsync();

        Assert.Contains("\"keep_alive\":\"67000ms\"", _cluster.Server.Requests.First(request => request.Path == "/_query/async").Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_query_that_takes_too_long_is_stopped_and_told()
    {
        using var service = await NewServiceAsync(options => options.QueryTimeout = TimeSpan.FromMilliseconds(1));
        _cluster.Server.Faults.Add(Fault.StaysRunning(int.MaxValue).On("POST", "/_query/async").When(IsDetection));
        var answer = await service.RunAsync();
        answer.Problem(503);
        Assert.Contains("The query was stopped after", (string?)answer.Json!["detail"], StringComparison.Ordinal);
        Assert.NotEmpty(_cluster.Fake.AsyncQueries);
        Assert.All(_cluster.Fake.AsyncQueries, query => Assert.True(query.Deleted));
    }

    [Fact]
    public async Task A_call_that_takes_too_long_in_all_is_given_up_and_the_setting_named()
    {
        using var service = NewService(options => options.TotalTimeout = TimeSpan.FromMilliseconds(100));
        _cluster.Server.Faults.Add(Fault.Slow(TimeSpan.FromMinutes(1)));

        var answer = await service.RunAsync();

        answer.Problem(503);
        Assert.Contains("Store:Elasticsearch:TotalTimeout", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_caller_who_goes_away_stops_the_query_in_the_cluster()
    {
        var store = _cluster.NewStore();
        Fill();
        _cluster.Server.Faults.Add(Fault.StaysRunning(int.MaxValue).On("POST", "/_query/async").When(IsDetection));
        using var caller = new CancellationTokenSource();
        var run = store.CorrelateAsync(
            new CorrelationQuery { Revision = Engine.Revision(), Window = TimeWindow.All, Limit = 10 }, caller.Token);
        await Eventually.IsAsync(() => _cluster.Fake.AsyncQueries.Count > 0 && _cluster.Fake.AsyncQueries[0].Polls > 0);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        Assert.True(Assert.Single(_cluster.Fake.AsyncQueries).Deleted);
    }

    [Fact]
    public async Task A_caller_who_goes_away_before_the_query_has_an_id_stops_it_all_the_same()
    {
        var store = _cluster.NewStore();
        Fill();
        var hang = _cluster.Server.Faults.Add(Fault.Slow(TimeSpan.FromMilliseconds(300)).On("POST", "/_query/async").When(IsDetection));
        _cluster.Fake.AsyncPolls = int.MaxValue;
        using var caller = new CancellationTokenSource();
        var run = store.CorrelateAsync(
            new CorrelationQuery { Revision = Engine.Revision(), Window = TimeWindow.All, Limit = 10 }, caller.Token);
        await Eventually.IsAsync(() => hang.Fired > 0);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.WaitAsync(TimeSpan.FromSeconds(30)));
        await Eventually.IsAsync(() => _cluster.Fake.AsyncQueries.Any(query => query.Deleted));
    }

    [Fact]
    public async Task A_caller_who_goes_away_before_the_point_in_time_has_an_id_has_it_closed_all_the_same()
    {
        var store = _cluster.NewStore();
        Fill();
        var slow = _cluster.Server.Faults.Add(Fault.Slow(TimeSpan.FromMilliseconds(300)).On("POST", "*/_pit"));
        using var caller = new CancellationTokenSource();
        var read = store.ReadEventsAsync(
            new EventQuery { Address = SourceAddress.Parse(Ecs.Address), Window = TimeWindow.All, Revision = Engine.Revision(), Limit = 10 }, caller.Token);
        await Eventually.IsAsync(() => slow.Fired > 0);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.WaitAsync(TimeSpan.FromSeconds(30)));
        await Eventually.IsAsync(() => _cluster.Server.Requests.Any(request => request is { Method: "DELETE", Path: "/_pit", Status: 200 }));
        Assert.Empty(_cluster.Fake.OpenPits);
    }

    [Fact]
    public async Task A_query_that_the_cluster_forgot_is_asked_again()
    {
        using var service = await NewServiceAsync();
        _cluster.Server.Faults.Add(Fault.StaysRunning(2).On("POST", "/_query/async").When(IsDetection));
        _cluster.Server.Faults.Add(Fault.AsyncGone().On("GET", "/_query/async/*"));
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
    }

    [Fact]
    public async Task Credentials_are_in_no_log_line_and_no_answer()
    {
        _cluster.Fake.Security.AddUser("elastic", "s3cret-password", "superuser");
        var credentials = Convert.ToBase64String("elastic:wrong-s3cret"u8);
        using var service = NewService(options => (options.Username, options.Password) = ("elastic", "wrong-s3cret"));
        var answer = await service.RunAsync();
        answer.Problem(503);
        Assert.Contains("refused the credentials", (string?)answer.Json!["detail"], StringComparison.Ordinal);
        Assert.DoesNotContain(_cluster.Logged.Append(answer.Text), line => line.Contains("wrong-s3cret", StringComparison.Ordinal) || line.Contains(credentials, StringComparison.Ordinal));
        Assert.Contains(credentials, _cluster.Server.Requests[^1].Headers["Authorization"], StringComparison.Ordinal);
    }

    private static bool IsDetection(RecordedRequest request) => request.Body.Contains("the suspicious addresses", StringComparison.Ordinal);

    /// <summary>An answer of 200 in which every index is among the failures.</summary>
    private static Fault FailedMappings() => Fault.Rewrite(json =>
    {
        (json["indices"], json["fields"], json["failed_indices"]) = (new JsonArray(), new JsonObject(), 1);
        json["failures"] = new JsonArray(new JsonObject
        {
            ["indices"] = new JsonArray("logs-lost"),
            ["failure"] = new JsonObject { ["error"] = new JsonObject { ["type"] = "node_disconnected_exception", ["reason"] = "[node-2] disconnected" } },
        });
    });

    private async Task<FakeNode> AddNodeAsync(string name)
    {
        var node = await FakeNode.StartAsync(_cluster.Fake, name);
        _moreNodes.Add(node);
        return node;
    }

    private TestService NewService(Action<ElasticsearchOptions>? with = null) => new(
        store: _cluster.NewStore(with), settings: [("Store:Kind", "Elasticsearch"), ("Store:Elasticsearch:Nodes:0", "http://localhost:9200")]);

    /// <summary>The service over the cluster, which by default holds an address to report.</summary>
    private async Task<TestService> NewServiceAsync(Action<ElasticsearchOptions>? with = null, bool isEmpty = false)
    {
        var service = NewService(with);
        if (!isEmpty)
        {
            Assert.Equal([Ecs.Address], (await service.PostAsync(Finding)).Addresses);
        }

        _cluster.Fake.ForgetRequests();
        return service;
    }

    private void Fill()
    {
        foreach (var document in new[] { Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert() })
        {
            _cluster.Fake.Index("logs-suspicious_signin.events-default", document);
        }
    }
}
