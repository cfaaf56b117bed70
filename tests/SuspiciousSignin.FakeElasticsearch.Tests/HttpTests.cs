using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>Headers, parameters, versions, formats.</summary>
public sealed class HttpTests
{
    private const string Vendor8 = "application/vnd.elasticsearch+json;compatible-with=8";
    private const string Vendor9 = "application/vnd.elasticsearch+json;compatible-with=9";

    [Fact]
    public async Task Every_answer_names_the_product_unless_told_not_to()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal(["Elasticsearch"], (await lab.GetAsync("")).Headers.GetValues("X-Elastic-Product"));
        Assert.Equal(["Elasticsearch"], (await lab.GetAsync("no/such/thing")).Headers.GetValues("X-Elastic-Product"));
        lab.Cluster.ProductHeader = false;
        Assert.False((await lab.GetAsync("")).Headers.Contains("X-Elastic-Product"));
    }

    [Theory]
    [InlineData("8.17.0", "8.17.0", "default")]
    [InlineData("9.3.0", "9.3.0", "default")]
    [InlineData("serverless", "8.11.0", "serverless")]
    public async Task The_root_tells_the_version(string version, string number, string flavour)
    {
        await using var lab = await Lab.OpenAsync(version);
        var reply = await lab.GetAsync("");
        Assert.Equal((number, flavour), ((string?)reply.Json["version"]!["number"], (string?)reply.Json["version"]!["build_flavor"]));
        Assert.Equal(200, (await lab.SendAsync(HttpMethod.Head, "")).Status);
    }

    [Fact]
    public async Task Unknown_url_parameters_are_refused()
    {
        await using var lab = await Lab.OpenAsync();
        var reply = await lab.EsqlAsync("ROW x = 1", parameters: "?foo=1&bar=2");
        Assert.Equal((400, "illegal_argument_exception", "request [/_query] contains unrecognized parameters: [bar], [foo]"), (reply.Status, reply.ErrorType, reply.Reason));
    }

    [Theory]
    [InlineData("8.17.0", 400)]
    [InlineData("8.18.4", 400)]
    [InlineData("8.19.0", 200)]
    [InlineData("9.0.0", 400)]
    [InlineData("9.1.0", 200)]
    [InlineData("serverless", 200)]
    public async Task Partial_results_can_be_refused_only_where_they_exist(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        Assert.Equal(status, (await lab.EsqlAsync("ROW x = 1", parameters: "?allow_partial_results=false")).Status);
    }

    [Theory]
    [InlineData("_query", """{"query":"ROW x = 1","foo":1}""", "x_content_parse_exception")]
    [InlineData("_query", """{"query":"ROW x = 1","wait_for_completion_timeout":"1s"}""", "x_content_parse_exception")]
    [InlineData("_query", """{"query":"ROW x = 1","time_zone":"UTC"}""", "x_content_parse_exception")]
    [InlineData("_query", """{"query":"ROW x = 1","query":"ROW y = 1"}""", "x_content_parse_exception")]
    [InlineData("_query", """{"query":""", "x_content_parse_exception")]
    [InlineData("_query", "{}", "action_request_validation_exception")]
    [InlineData("_search", """{"foo":1}""", "parsing_exception")]
    [InlineData("_search", """{"query":{"foo":{}}}""", "parsing_exception")]
    [InlineData("_field_caps?fields=*", """{"foo":1}""", "x_content_parse_exception")]
    public async Task Unknown_body_fields_are_refused(string path, string body, string type)
    {
        await using var lab = await Lab.OpenAsync();
        var reply = await lab.PostAsync(path, body);
        Assert.Equal((400, type), (reply.Status, reply.ErrorType));
    }

    [Fact]
    public async Task Truth_values_must_be_true_or_false()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal(400, (await lab.EsqlAsync("ROW x = 1", parameters: "?drop_null_columns=yes")).Status);
    }

    [Fact]
    public async Task What_has_no_handler_is_a_plain_error_and_a_wrong_method_names_the_right_ones()
    {
        await using var lab = await Lab.OpenAsync();
        var nothing = await lab.GetAsync("_no/such");
        Assert.Equal((400, true), (nothing.Status, nothing.Json["error"] is JsonValue));
        var wrong = await lab.GetAsync("_bulk");
        Assert.Equal(405, wrong.Status);
        Assert.Contains("POST", string.Join(',', wrong.ContentHeaders.Allow), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("8.19.3", Vendor8, Vendor8, 200)]
    [InlineData("9.1.0", Vendor8, Vendor8, 200)]
    [InlineData("9.1.0", Vendor9, Vendor9, 200)]
    [InlineData("8.19.3", Vendor9, Vendor9, 400)]
    [InlineData("8.19.3", "application/json", Vendor8, 400)]
    [InlineData("8.19.3", Vendor8, "application/json", 400)]
    [InlineData("8.19.3", "application/json", "application/json", 200)]
    [InlineData("8.19.3", "*/*", "application/json", 200)]
    [InlineData("8.19.3", "application/json", "text/plain", 406)]
    [InlineData("8.19.3", "application/json", "application/x-ndjson", 406)]
    [InlineData("8.19.3", "application/json", "", 406)]
    [InlineData("8.19.3", "image/png", "application/json", 400)]
    public async Task Media_types_are_checked(string version, string accept, string contentType, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        var reply = await lab.SendAsync(HttpMethod.Post, "_query", """{"query":"ROW x = 1"}""", contentType, ("Accept", accept));
        Assert.Equal(status, reply.Status);
        if (status == 400) Assert.Equal("media_type_header_exception", reply.ErrorType);
    }

    [Theory]
    [InlineData(ContentTypeSpelling.Vendor, Vendor8)]
    [InlineData(ContentTypeSpelling.VendorWithoutVersion, "application/vnd.elasticsearch+json")]
    [InlineData(ContentTypeSpelling.Plain, "application/json")]
    public async Task The_answer_spells_its_type_in_three_ways(ContentTypeSpelling spelling, string expected)
    {
        await using var lab = await Lab.OpenAsync();
        lab.Cluster.ContentTypes = spelling;
        var reply = await lab.SendAsync(HttpMethod.Get, "", headers: ("Accept", Vendor8));
        Assert.Equal(expected.Replace(";", "; ", StringComparison.Ordinal), reply.ContentHeaders.ContentType!.ToString());
        Assert.Equal("application/json", (await lab.GetAsync("")).ContentHeaders.ContentType!.ToString());
    }

    [Fact]
    public async Task Bodies_may_be_compressed_both_ways()
    {
        await using var lab = await Lab.OpenAsync();
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) await gzip.WriteAsync(Encoding.UTF8.GetBytes("""{"query":"ROW x = 1"}"""));
        using var request = new HttpRequestMessage(HttpMethod.Post, "_query") { Content = new ByteArrayContent(packed.ToArray()) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        request.Content.Headers.TryAddWithoutValidation("Content-Encoding", "gzip");
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "gzip");
        using var response = await lab.Client.SendAsync(request);
        Assert.Equal(["gzip"], response.Content.Headers.ContentEncoding);
        await using var unpacked = new GZipStream(await response.Content.ReadAsStreamAsync(), CompressionMode.Decompress);
        Assert.Equal("[[1]]", (await JsonNode.ParseAsync(unpacked))!["values"]!.ToJsonString());
        Assert.Equal("""{"query":"ROW x = 1"}""", lab.Server.Requests[0].Body);
    }

    [Fact]
    public async Task Too_large_a_body_is_refused_after_decompression()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Cluster.MaximumContentLength = 1000;
        Assert.Equal(413, (await lab.EsqlAsync(new string(' ', 2000))).Status);
    }

    [Fact]
    public async Task Requests_are_recorded_with_everything_they_had()
    {
        await using var lab = await Lab.OpenAsync();
        var reply = await lab.SendAsync(HttpMethod.Post, "_query?format=json", """{"query":"ROW x = 1"}""", headers: ("X-Opaque-Id", "trace-1"));
        var request = Assert.Single(lab.Server.Requests);
        Assert.Equal(("POST", "/_query", "json", "trace-1", 200), (request.Method, request.Path, request.Query["format"], request.Headers["x-opaque-id"], request.Status));
        Assert.Equal(["trace-1"], reply.Headers.GetValues("X-Opaque-Id"));
        Assert.Equal("ROW x = 1", (string?)request.Json!["query"]);
    }

    [Fact]
    public async Task Health_waits_in_vain_with_408_and_the_usual_body()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal("green", (string?)(await lab.GetAsync("_cluster/health")).Json["status"]);
        lab.Cluster.Health = "red";
        var waited = await lab.GetAsync("_cluster/health?wait_for_status=yellow&timeout=1s");
        Assert.Equal((408, true, "red"), (waited.Status, (bool)waited.Json["timed_out"]!, (string?)waited.Json["status"]));
        await using var serverless = await Lab.OpenAsync("serverless");
        Assert.Equal((410, "api_not_available_exception"), ((await serverless.GetAsync("_cluster/health")).Status, (await serverless.GetAsync("_cluster/health")).ErrorType));
    }

    [Fact]
    public async Task Parts_of_an_answer_can_be_picked()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal("""{"version":{"number":"8.19.3"}}""", (await lab.GetAsync("?filter_path=version.number")).Text);
        Assert.Equal("""{"columns":[{"name":"x"}],"values":[[1]]}""", (await lab.EsqlAsync("ROW x = 1 | LIMIT 1", parameters: "?filter_path=columns.name,values")).Text);
    }
}

/// <summary>Asynchronous ES|QL.</summary>
public sealed class AsyncQueryTests
{
    [Fact]
    public async Task A_query_that_is_done_in_time_has_no_id_unless_it_is_to_be_kept()
    {
        await using var lab = await Lab.OpenAsync();
        var done = await lab.PostAsync("_query/async", """{"query":"ROW x = 1","wait_for_completion_timeout":"5s"}""");
        Assert.Equal((false, false), (done.Json.ContainsKey("id"), (bool)done.Json["is_running"]!));
        var kept = await lab.PostAsync("_query/async", """{"query":"ROW x = 1","keep_on_completion":true,"keep_alive":"1m"}""");
        var again = await lab.GetAsync("_query/async/" + kept.Json["id"]);
        Assert.Equal(["1"], again.First);
        lab.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal((404, "resource_not_found_exception"), ((await lab.GetAsync("_query/async/" + kept.Json["id"])).Status, (await lab.GetAsync("_query/async/" + kept.Json["id"])).ErrorType));
    }

    [Fact]
    public async Task A_query_stays_running_for_as_many_polls_as_told_and_remembers_being_deleted()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.StaysRunning(2));
        var started = await lab.PostAsync("_query/async", """{"query":"ROW x = 1"}""");
        var id = (string)started.Json["id"]!;
        Assert.True((bool)started.Json["is_running"]!);
        Assert.Equal(["?1"], started.Headers.GetValues("X-Elasticsearch-Async-Is-Running"));
        Assert.True((bool)(await lab.GetAsync("_query/async/" + id)).Json["is_running"]!);
        Assert.Equal(["1"], (await lab.GetAsync($"_query/async/{id}?wait_for_completion_timeout=1s")).First);
        Assert.False(Assert.Single(lab.Cluster.AsyncQueries).Deleted);
        Assert.Equal(200, (await lab.SendAsync(HttpMethod.Delete, "_query/async/" + id)).Status);
        Assert.True(lab.Cluster.AsyncQueries[0].Deleted);
        Assert.Equal(2, lab.Cluster.AsyncQueries[0].Polls);
        Assert.Equal(404, (await lab.GetAsync("_query/async/" + id)).Status);
    }

    [Theory]
    [InlineData("8.17.0", 400)]
    [InlineData("8.18.0", 200)]
    public async Task A_running_query_can_be_stopped_from_8_18_on(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Cluster.AsyncPolls = 5;
        var id = (await lab.PostAsync("_query/async", """{"query":"ROW x = 1"}""")).Json["id"];
        var stopped = await lab.PostAsync($"_query/async/{id}/stop");
        Assert.Equal(status, stopped.Status);
        if (status == 200) Assert.Equal((true, false), ((bool)stopped.Json["is_partial"]!, (bool)stopped.Json["is_running"]!));
    }

    [Fact]
    public async Task A_wrong_query_fails_when_it_is_started()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal(400, (await lab.PostAsync("_query/async", """{"query":"ROW x = y"}""")).Status);
    }
}
