using System.Net.Sockets;
using System.Text.Json;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>Everything that goes wrong when it is asked to.</summary>
public sealed class FaultTests
{
    private const string Row = """{"query":"ROW x = 1 | LIMIT 1"}""";

    public static TheoryData<string, int, string> Errors() => new()
    {
        { "breaker", 429, "circuit_breaking_exception" },
        { "queue", 429, "es_rejected_execution_exception" },
        { "unauthorized", 401, "security_exception" },
        { "forbidden", 403, "security_exception" },
        { "async", 404, "resource_not_found_exception" },
        { "pit", 404, "search_phase_execution_exception" },
        { "shard", 503, "no_shard_available_action_exception" },
        { "block", 503, "cluster_block_exception" },
        { "error", 500, "search_phase_execution_exception" },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task Errors_come_once_and_then_the_truth(string kind, int status, string type)
    {
        await using var lab = await Lab.OpenAsync();
        var fault = lab.Server.Faults.Add(kind switch
        {
            "breaker" => Fault.CircuitBreaker().RetryAfter(3),
            "queue" => Fault.QueueFull(),
            "unauthorized" => Fault.Unauthorized(),
            "forbidden" => Fault.Forbidden(),
            "async" => Fault.AsyncGone(),
            "pit" => Fault.PitExpired(),
            "shard" => Fault.NoShard(),
            "block" => Fault.ClusterBlocked(),
            _ => Fault.Error(500, "search_phase_execution_exception", "Search rejected due to missing shards"),
        });
        var reply = await lab.PostAsync("_query", Row);
        Assert.Equal((status, type), (reply.Status, reply.ErrorType));
        Assert.Equal(kind == "breaker", reply.Headers.RetryAfter is not null);
        Assert.Equal(200, (await lab.PostAsync("_query", Row)).Status);
        Assert.Equal(1, fault.Fired);
        Assert.Equal(fault.Name, lab.Server.Requests[0].Fault);
    }

    [Fact]
    public async Task Faults_strike_the_requests_they_are_for_as_often_as_they_are_for()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.QueueFull().On("POST", "/_query").After(1).Times(2).When(r => r.Body.Contains("ROW", StringComparison.Ordinal)));
        Assert.Equal(200, (await lab.GetAsync("")).Status);
        var statuses = new List<int>();
        for (var i = 0; i < 4; i++) statuses.Add((await lab.PostAsync("_query", Row)).Status);
        Assert.Equal([200, 429, 429, 200], statuses);
        lab.Server.Faults.Add(Fault.PlainError(503, "no").Always());
        Assert.Equal("no", (string?)(await lab.GetAsync("")).Json["error"]);
        lab.Server.Faults.Clear();
        Assert.Equal(200, (await lab.GetAsync("")).Status);
    }

    [Fact]
    public async Task A_proxy_answers_with_a_page_and_without_the_product_header()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.Html());
        var reply = await lab.GetAsync("");
        Assert.Equal((502, "text/html"), (reply.Status, reply.ContentHeaders.ContentType!.MediaType));
        Assert.False(reply.Headers.Contains("X-Elastic-Product"));
        lab.Server.Faults.Add(Fault.NoProductHeader());
        var bare = await lab.GetAsync("");
        Assert.Equal((200, false), (bare.Status, bare.Headers.Contains("X-Elastic-Product")));
    }

    [Fact]
    public async Task A_truncated_answer_is_a_whole_message_with_half_its_json()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.TruncatedJson());
        var reply = await lab.GetAsync("");
        Assert.Equal(200, reply.Status);
        Assert.ThrowsAny<JsonException>(() => reply.Json);
    }

    [Fact]
    public async Task Connections_are_cut_before_during_and_after_the_work()
    {
        await using var lab = await Lab.OpenAsync();
        string[] lines = ["""{"create":{"_index":"a","_id":"1"}}""", "{}"];
        lab.Server.Faults.Add(Fault.CloseConnection());
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => lab.BulkAsync("", lines));
        Assert.Empty(lab.Cluster.Indices);
        lab.Server.Faults.Add(Fault.LoseAnswer());
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => lab.BulkAsync("", lines));
        Assert.Single(lab.Cluster.Documents("a"));
        lab.Server.Faults.Add(Fault.ResetMidBody());
        await Assert.ThrowsAnyAsync<Exception>(() => lab.GetAsync(""));
        Assert.Equal(200, (await lab.GetAsync("")).Status);
    }

    [Fact]
    public async Task Connections_are_accepted_and_closed()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Node.CloseNextConnections(1);
        using var fresh = new HttpClient { BaseAddress = lab.Server.Url };
        // A socket closed while the client still sets it up surfaces as it is, a moment later wrapped.
        var fault = await Record.ExceptionAsync(() => fresh.GetAsync(""));
        Assert.True(fault is HttpRequestException or System.Net.Sockets.SocketException, fault?.ToString());
        Assert.Empty(lab.Server.Requests);
        Assert.True((await fresh.GetAsync("")).IsSuccessStatusCode);
    }

    [Fact]
    public async Task A_client_that_gives_up_on_a_hanging_answer_is_noticed()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.Hang());
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lab.Client.GetAsync("", patience.Token));
        for (var i = 0; i < 100 && !lab.Server.Requests[0].ClientDisconnected; i++) await Task.Delay(50);
        Assert.True(lab.Server.Requests[0].ClientDisconnected);
        Assert.Equal(0, lab.Server.Requests[0].Status);
    }

    [Fact]
    public async Task A_hanging_answer_comes_when_it_is_let_go()
    {
        await using var lab = await Lab.OpenAsync();
        var fault = lab.Server.Faults.Add(Fault.Hang());
        var reply = lab.GetAsync("");
        await Task.Delay(100);
        Assert.False(reply.IsCompleted);
        fault.Release();
        Assert.Equal(200, (await reply).Status);
        Assert.False(lab.Server.Requests[0].ClientDisconnected);
    }

    [Fact]
    public async Task Answers_can_be_slow_as_a_whole_or_in_pieces()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Client.Timeout = TimeSpan.FromMilliseconds(300);
        lab.Server.Faults.Add(Fault.Slow(TimeSpan.FromSeconds(30)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lab.GetAsync(""));
        lab.Server.Faults.Add(Fault.SlowBody(TimeSpan.FromSeconds(5)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lab.GetAsync(""));
        lab.Server.Faults.Add(Fault.SlowBody(TimeSpan.FromMilliseconds(5)));
        Assert.Equal(200, (await lab.GetAsync("")).Status);
    }

    [Fact]
    public async Task Good_answers_can_say_that_they_are_not_whole()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"n":{"type":"long"}}""", """{"n":1}""");
        lab.Server.Faults.Add(Fault.TimedOut().On("POST", "*/_search"));
        lab.Server.Faults.Add(Fault.ShardsFailed().On("POST", "*/_search"));
        lab.Server.Faults.Add(Fault.Partial().On("POST", "/_query"));
        lab.Server.Faults.Add(Fault.Rewrite(json => json["took"] = -1));
        Assert.True((bool)(await lab.PostAsync("a/_search", "{}")).Json["timed_out"]!);
        Assert.Equal(1, (int)(await lab.PostAsync("a/_search", "{}")).Json["_shards"]!["failed"]!);
        var partial = await lab.EsqlAsync("FROM a");
        Assert.True((bool)partial.Json["is_partial"]!);
        Assert.NotNull(partial.Json["_clusters"]!["details"]!["(local)"]!["failures"]);
        Assert.Equal(-1, (int)(await lab.PostAsync("a/_search", "{}")).Json["took"]!);
    }
}

/// <summary>Several nodes, and nodes that die.</summary>
public sealed class NodeTests
{
    [Fact]
    public async Task A_node_dies_and_comes_back_on_its_port_with_what_the_cluster_knows()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"n":{"type":"long"}}""", """{"n":1}""");
        var url = lab.Server.Url;
        await lab.Server.Node.StopAsync();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => lab.GetAsync(""));
        await lab.Server.Node.StartAsync();
        Assert.Equal(url, lab.Server.Url);
        Assert.Equal(["1"], (await lab.EsqlAsync("FROM a")).First);
    }

    [Fact]
    public async Task Two_nodes_share_a_cluster_and_fail_apart()
    {
        await using var lab = await Lab.OpenAsync();
        await using var second = await FakeNode.StartAsync(lab.Cluster, "fake-node-2");
        using var client = new HttpClient { BaseAddress = second.Url };
        lab.Fill("a", """{"n":{"type":"long"}}""", """{"n":1}""");
        lab.Server.Node.Faults.Add(Fault.ClusterBlocked().Always());
        Assert.Equal(503, (await lab.GetAsync("a/_search")).Status);
        Assert.Contains("\"n\":1", await client.GetStringAsync("a/_search"), StringComparison.Ordinal);
        Assert.Contains("\"number_of_nodes\":2", await client.GetStringAsync("_cluster/health"), StringComparison.Ordinal);
        await lab.Server.Node.StopAsync();
        Assert.Contains("\"number_of_nodes\":1", await client.GetStringAsync("_cluster/health"), StringComparison.Ordinal);
        Assert.Equal(["fake-node-1", "fake-node-2", "fake-node-2", "fake-node-2"], lab.Cluster.Requests.Select(r => r.Node));
    }

    [Fact]
    public async Task A_node_that_dies_cuts_what_is_in_flight()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.Hang());
        var waiting = lab.GetAsync("");
        while (lab.Server.Requests.Count == 0) await Task.Delay(10);
        await lab.Server.Node.StopAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => waiting);
    }

    [Fact]
    public async Task The_listener_is_a_real_socket_on_the_loopback_address()
    {
        await using var lab = await Lab.OpenAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", lab.Server.Url.Port);
        Assert.True(socket.Connected);
    }
}
