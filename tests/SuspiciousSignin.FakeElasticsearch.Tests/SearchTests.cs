using System.Globalization;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>Searches, points in time and field capabilities.</summary>
public sealed class SearchTests
{
    private const string Properties = """
        {"t":{"type":"date"},"n":{"type":"long"},"k":{"type":"keyword"},"ip":{"type":"ip"},"m":{"type":"text"},"c":{"type":"constant_keyword","value":"cc"},"o":{"properties":{"p":{"type":"keyword"}}}}
        """;

    [Theory]
    [InlineData("""{"match_all":{}}""", "1 2 3")]
    [InlineData("""{"match_none":{}}""", "")]
    [InlineData("""{"term":{"k":"a"}}""", "1")]
    [InlineData("""{"term":{"k":{"value":"A","case_insensitive":true}}}""", "1")]
    [InlineData("""{"term":{"c":"cc"}}""", "1 2 3")]
    [InlineData("""{"term":{"ip":"10.0.0.0/8"}}""", "1")]
    [InlineData("""{"terms":{"k":["a","b"]}}""", "1 2")]
    [InlineData("""{"terms":{"n":[1,3]}}""", "1 3")]
    [InlineData("""{"exists":{"field":"o"}}""", "2")]
    [InlineData("""{"exists":{"field":"nothing"}}""", "")]
    [InlineData("""{"ids":{"values":["2","9"]}}""", "2")]
    [InlineData("""{"range":{"n":{"gt":1,"lte":3}}}""", "2 3")]
    [InlineData("""{"range":{"t":{"gte":"2025-06-01T10:00:00.000Z","lt":"2025-06-01T11:00:00Z"}}}""", "2")]
    [InlineData("""{"range":{"t":{"gt":"now-90m"}}}""", "3")]
    [InlineData("""{"range":{"t":{"gte":"now/d","lte":"now/d"}}}""", "2 3")]
    [InlineData("""{"range":{"t":{"lte":"2025-05-31","format":"strict_date_optional_time"}}}""", "1")]
    [InlineData("""{"range":{"t":{"gte":1748772000000,"format":"epoch_millis"}}}""", "2 3")]
    [InlineData("""{"match":{"m":"quick fox"}}""", "1 2")]
    [InlineData("""{"match_phrase":{"m":"quick brown"}}""", "1")]
    [InlineData("""{"wildcard":{"k":"?"}}""", "1 2")]
    [InlineData("""{"prefix":{"k":"cc"}}""", "3")]
    [InlineData("""{"bool":{"filter":[{"range":{"n":{"gte":1}}}],"must_not":{"term":{"k":"a"}}}}""", "2 3")]
    [InlineData("""{"bool":{"should":[{"term":{"k":"a"}},{"term":{"n":2}}],"minimum_should_match":1,"filter":{"match_all":{}}}}""", "1 2")]
    [InlineData("""{"bool":{"should":[{"term":{"k":"a"}}],"filter":{"match_all":{}}}}""", "1 2 3")]
    [InlineData("""{"bool":{"should":[{"term":{"k":"a"}}]}}""", "1")]
    [InlineData("""{"bool":{"should":[{"range":{"t":{"gte":"now-3h"}}},{"bool":{"filter":[{"range":{"n":{"lte":1}}},{"bool":{"must_not":{"exists":{"field":"o.p"}}}}]}}],"minimum_should_match":1}}""", "1 2 3")]
    public async Task The_query_language_finds_what_it_means(string query, string ids)
    {
        await using var lab = await FilledAsync();
        var reply = await lab.PostAsync("a/_search", $$"""{"query":{{query}},"sort":["n"]}""");
        Assert.True(reply.Status == 200, reply.Text);
        Assert.Equal(ids, string.Join(' ', Hits(reply).Select(h => (string?)h!["_id"])));
    }

    [Theory]
    [InlineData("""{"query":{"term":{"k":"a","n":1}}}""")]
    [InlineData("""{"query":{"bool":{"shuold":[]}}}""")]
    [InlineData("""{"query":{"range":{"t":{"gte":"yesterday"}}}}""")]
    [InlineData("""{"query":{"range":{"t":{"after":"now"}}}}""")]
    [InlineData("""{"query":{"match_all":{},"match_none":{}}}""")]
    [InlineData("""{"sort":["nothing"]}""")]
    [InlineData("""{"sort":["m"]}""")]
    [InlineData("""{"sort":["n"],"search_after":[1,2]}""")]
    [InlineData("""{"search_after":[1]}""")]
    [InlineData("""{"size":10001}""")]
    [InlineData("""{"sort":["_shard_doc"]}""")]
    public async Task Searches_that_are_wrong_are_refused(string body)
    {
        await using var lab = await FilledAsync();
        Assert.Equal(400, (await lab.PostAsync("a/_search", body)).Status);
    }

    [Fact]
    public async Task A_point_in_time_pages_through_ties_without_loss_and_does_not_see_later_writes()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", Properties, [.. Enumerable.Range(0, 25).Select(i => $$"""{"t":"2025-06-01T10:00:00Z","n":{{i}}}""")]);
        lab.Fill("b", Properties, [.. Enumerable.Range(25, 25).Select(i => $$"""{"t":"2025-06-01T10:00:00Z","n":{{i}}}""")]);
        var pit = (string)(await lab.PostAsync("a,b/_pit?keep_alive=1m")).Json["id"]!;
        lab.Cluster.Index("a", """{"t":"2025-06-01T10:00:00Z","n":99}""");
        var seen = new List<int>();
        JsonNode? after = null;
        while (true)
        {
            var body = new JsonObject
            {
                ["size"] = 7,
                ["pit"] = new JsonObject { ["id"] = pit, ["keep_alive"] = "1m" },
                ["sort"] = new JsonArray(new JsonObject { ["t"] = "asc" }, new JsonObject { ["_shard_doc"] = "asc" }),
                ["track_total_hits"] = false,
            };
            if (after is not null) body["search_after"] = after.DeepClone();
            var reply = await lab.PostAsync("_search", body.ToJsonString());
            Assert.True(reply.Status == 200, reply.Text);
            pit = (string)reply.Json["pit_id"]!;
            var hits = Hits(reply);
            if (hits.Count == 0) break;
            seen.AddRange(hits.Select(h => (int)h!["_source"]!["n"]!));
            after = hits[^1]!["sort"];
        }

        Assert.Equal(Enumerable.Range(0, 50), seen.Order());
        Assert.Single(lab.Cluster.OpenPits);
        var closed = await lab.SendAsync(HttpMethod.Delete, "_pit", $$"""{"id":"{{pit}}"}""");
        Assert.Equal((200, true), (closed.Status, (bool)closed.Json["succeeded"]!));
        Assert.Empty(lab.Cluster.OpenPits);
        Assert.Equal(404, (await lab.SendAsync(HttpMethod.Delete, "_pit", $$"""{"id":"{{pit}}"}""")).Status);
    }

    [Fact]
    public async Task An_old_id_of_a_point_in_time_is_gone_unless_ids_stay_the_same()
    {
        await using var lab = await FilledAsync();
        var pit = (string)(await lab.PostAsync("a/_pit?keep_alive=1m")).Json["id"]!;
        var body = $$"""{"pit":{"id":"{{pit}}","keep_alive":"1m" } }""";
        Assert.Equal(200, (await lab.PostAsync("_search", body)).Status);
        var gone = await lab.PostAsync("_search", body);
        Assert.Equal((404, "search_context_missing_exception"), (gone.Status, (string?)gone.Json["error"]!["root_cause"]![0]!["type"]));
        lab.Cluster.PitIds = PitIdPolicy.Same;
        pit = (string)(await lab.PostAsync("a/_pit?keep_alive=1m")).Json["id"]!;
        Assert.Equal(pit, (string?)(await lab.PostAsync("_search", $$"""{"pit":{"id":"{{pit}}" } }""")).Json["pit_id"]);
    }

    [Fact]
    public async Task A_point_in_time_expires_and_cannot_go_with_an_index()
    {
        await using var lab = await FilledAsync();
        var pit = (string)(await lab.PostAsync("a/_pit?keep_alive=1m")).Json["id"]!;
        Assert.Equal("action_request_validation_exception", (await lab.PostAsync("a/_search", $$"""{"pit":{"id":"{{pit}}" } }""")).ErrorType);
        lab.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(404, (await lab.PostAsync("_search", $$"""{"pit":{"id":"{{pit}}" } }""")).Status);
        Assert.Equal(400, (await lab.PostAsync("a/_pit")).Status);
    }

    [Fact]
    public async Task A_missing_date_sorts_as_the_largest_long_and_a_missing_keyword_as_null()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", Properties, """{"k":"x"}""", """{"t":"2025-06-01T00:00:00Z"}""");
        var byDate = Hits(await lab.PostAsync("a/_search", """{"sort":[{"t":{"order":"asc"}}]}"""));
        Assert.Equal(["[1748736000000]", "[9223372036854775807]"], byDate.Select(h => h!["sort"]!.ToJsonString()));
        var byWord = Hits(await lab.PostAsync("a/_search", """{"sort":[{"k":{"order":"desc","missing":"_first"}}]}"""));
        Assert.Equal(["[null]", """["x"]"""], byWord.Select(h => h!["sort"]!.ToJsonString()));
        var formatted = Hits(await lab.PostAsync("a/_search", """{"sort":[{"t":{"order":"asc","format":"strict_date_optional_time","unmapped_type":"date"}}],"size":1}"""));
        Assert.Equal("""["2025-06-01T00:00:00.000Z"]""", formatted[0]!["sort"]!.ToJsonString());
    }

    [Fact]
    public async Task Totals_are_tracked_to_ten_thousand_unless_told_otherwise()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"n":{"type":"long"}}""", [.. Enumerable.Range(0, 10_001).Select(i => $$"""{"n":{{i}}}""")]);
        Assert.Equal("""{"value":10000,"relation":"gte"}""", (await lab.PostAsync("a/_search", "{}")).Json["hits"]!["total"]!.ToJsonString());
        Assert.Equal("""{"value":10001,"relation":"eq"}""", (await lab.PostAsync("a/_search", """{"track_total_hits":true}""")).Json["hits"]!["total"]!.ToJsonString());
        Assert.Null((await lab.PostAsync("a/_search", """{"track_total_hits":false}""")).Json["hits"]!["total"]);
        Assert.Equal(10_001, (int)(await lab.GetAsync("a/_count")).Json["count"]!);
    }

    [Fact]
    public async Task Parts_of_the_source_and_fields_can_be_asked_for()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", Properties, """{"o":{"p":["x","y"]},"o.q":2,"n":3,"t":"2025-06-01"}""");
        var hit = Hits(await lab.PostAsync("a/_search", """{"_source":{"includes":["o.*"],"excludes":["*.q"]},"fields":["o.p",{"field":"t","format":"epoch_millis"},"c"]}"""))[0]!;
        Assert.Equal("""{"o":{"p":["x","y"]}}""", hit["_source"]!.ToJsonString());
        Assert.Equal("""{"o.p":["x","y"],"t":["1748736000000"],"c":["cc"]}""", hit["fields"]!.ToJsonString());
        Assert.Null(Hits(await lab.PostAsync("a/_search", """{"_source":false}"""))[0]!["_source"]);
        Assert.Equal("""{"o":{"p":["x","y"]},"o.q":2}""", Hits(await lab.PostAsync("a/_search?_source=o", "{}"))[0]!["_source"]!.ToJsonString());
    }

    [Fact]
    public async Task A_broken_shard_shows_in_shards_or_fails_the_search()
    {
        await using var lab = await FilledAsync();
        lab.Fill("b", Properties, """{"n":9}""");
        lab.Cluster.BreakShard("b", new ShardFailure("es_rejected_execution_exception", "full"));
        var reply = await lab.PostAsync("a,b/_search", "{}");
        Assert.Equal((200, 1, 3), (reply.Status, (int)reply.Json["_shards"]!["failed"]!, Hits(reply).Count));
        Assert.Equal("es_rejected_execution_exception", (string?)reply.Json["_shards"]!["failures"]![0]!["reason"]!["type"]);
        Assert.Equal(503, (await lab.PostAsync("a,b/_search?allow_partial_search_results=false", "{}")).Status);
        Assert.Equal(503, (await lab.PostAsync("b/_search", "{}")).Status);
    }

    [Fact]
    public async Task A_missing_index_is_not_found_but_a_wildcard_finds_nothing()
    {
        await using var lab = await Lab.OpenAsync();
        var missing = await lab.PostAsync("missing/_search", "{}");
        Assert.Equal((404, "index_not_found_exception"), (missing.Status, missing.ErrorType));
        Assert.Equal(200, (await lab.PostAsync("missing/_search?ignore_unavailable=true", "{}")).Status);
        Assert.Equal(200, (await lab.PostAsync("missing-*/_search", "{}")).Status);
        Assert.Equal(404, (await lab.PostAsync("missing-*/_search?allow_no_indices=false", "{}")).Status);
    }

    [Fact]
    public async Task Field_capabilities_tell_types_and_where_they_differ()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Fill("logs-odd", """{"event":{"properties":{"dataset":{"type":"text"}}}}""");
        var reply = await lab.PostAsync("logs-*,.alerts-security.*/_field_caps?fields=event.dataset,kibana.alert.rule.name,nothing&include_unmapped=true");
        var fields = (JsonObject)reply.Json["fields"]!;
        Assert.Equal(["event.dataset", "kibana.alert.rule.name"], fields.Select(f => f.Key));
        Assert.Equal(["keyword", "text"], ((JsonObject)fields["event.dataset"]!).Select(f => f.Key));
        Assert.Equal("""["logs-odd"]""", fields["event.dataset"]!["text"]!["indices"]!.ToJsonString());
        Assert.Equal(["keyword", "unmapped"], ((JsonObject)fields["kibana.alert.rule.name"]!).Select(f => f.Key));
        var alone = await lab.GetAsync(".alerts-security.*/_field_caps?fields=data_stream.dataset,kibana.alert.original_data_stream.dataset");
        Assert.Empty((JsonObject)alone.Json["fields"]!);
        Assert.Null((await lab.GetAsync("logs-o365*/_field_caps?fields=event.dataset")).Json["fields"]!["event.dataset"]!["keyword"]!["indices"]);
        Assert.Equal(400, (await lab.GetAsync("logs-*/_field_caps")).Status);
    }

    [Fact]
    public async Task An_index_filter_leaves_out_indices_that_cannot_match()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.AzureSignInLogs, """{"@timestamp":"2025-06-01T11:00:00Z"}""");
        lab.Cluster.Index(FakeCluster.Office365Audit, """{"@timestamp":"2025-01-01T11:00:00Z"}""");
        var reply = await lab.PostAsync("logs-*/_field_caps?fields=event.dataset", """{"index_filter":{"range":{"@timestamp":{"gte":"now-1d"}}}}""");
        Assert.Equal([".ds-logs-azure.signinlogs-default-2025.06.01-000001"], ((JsonArray)reply.Json["indices"]!).Select(i => (string)i!));
    }

    [Fact]
    public async Task From_9_1_on_alerts_have_the_original_data_stream()
    {
        await using var lab = await Lab.OpenAsync("9.1.0", stock: true);
        Assert.NotEmpty((JsonObject)(await lab.GetAsync(".alerts-security.*/_field_caps?fields=kibana.alert.original_data_stream.*&filters=-parent")).Json["fields"]!);
    }

    private static JsonArray Hits(Reply reply) => (JsonArray)reply.Json["hits"]!["hits"]!;

    private static async Task<Lab> FilledAsync()
    {
        var lab = await Lab.OpenAsync();
        lab.Cluster.CreateIndex("a", $$"""{"dynamic":"false","properties":{{Properties}}}""");
        string[] documents =
        [
            """{"t":"2025-05-31T10:00:00Z","n":1,"k":"a","ip":"10.1.1.1","m":"The quick brown fox"}""",
            """{"t":"2025-06-01T10:00:00Z","n":2,"k":"b","ip":"8.8.8.8","m":"Quick","o":{"p":"x"}}""",
            """{"t":"2025-06-01T11:00:00Z","n":3,"k":"ccc","ip":"::1","m":"slow"}""",
        ];
        for (var i = 0; i < documents.Length; i++) lab.Cluster.Index("a", documents[i], (i + 1).ToString(CultureInfo.InvariantCulture));
        return lab;
    }
}

/// <summary>Writing.</summary>
public sealed class BulkTests
{
    [Fact]
    public async Task Creating_an_id_twice_is_a_conflict_of_that_item_alone()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"n":{"type":"long"}}""");
        var reply = await lab.BulkAsync("?refresh=true", """{"create":{"_index":"a","_id":"1"}}""", """{"n":1}""", """{"create":{"_index":"a","_id":"1"}}""", """{"n":2}""", """{"index":{"_index":"a","_id":"1"}}""", """{"n":3}""");
        Assert.Equal(200, reply.Status);
        Assert.True((bool)reply.Json["errors"]!);
        Assert.Equal([201, 409, 200], Statuses(reply));
        Assert.Equal("version_conflict_engine_exception", (string?)Items(reply)[1]!["create"]!["error"]!["type"]);
        Assert.Equal("3", (await lab.EsqlAsync("FROM a")).First[0]);
        Assert.Equal(2, Assert.Single(lab.Cluster.Documents("a")).Version);
    }

    [Fact]
    public async Task Without_refresh_a_write_is_invisible_until_the_interval_is_over()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"n":{"type":"long"}}""");
        await lab.BulkAsync("", """{"create":{"_index":"a","_id":"1"}}""", """{"n":1}""");
        Assert.Empty((await lab.EsqlAsync("FROM a")).Rows);
        Assert.Equal([409], Statuses(await lab.BulkAsync("", """{"create":{"_index":"a","_id":"1"}}""", """{"n":1}""")));
        lab.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Single((await lab.EsqlAsync("FROM a")).Rows);
        await lab.BulkAsync("?refresh=wait_for", """{"create":{"_index":"a"}}""", """{"n":2}""");
        Assert.Equal(2, (await lab.EsqlAsync("FROM a")).Rows.Count);
    }

    [Fact]
    public async Task Values_that_do_not_fit_the_mapping_fail_their_item()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"ip":{"type":"ip"},"t":{"type":"date"},"n":{"type":"integer"},"e":{"properties":{"k":{"type":"keyword"}}},"l":{"type":"ip","ignore_malformed":true}}""");
        var reply = await lab.BulkAsync(
            "?refresh=true",
            [.. new[] { """{"ip":"010.0.0.1"}""", """{"t":"yesterday"}""", """{"n":3000000000}""", """{"e":"x"}""", """{"e":{"k":{"x":1}}}""", """{"l":"nope"}""", "[1]" }.SelectMany(d => new[] { """{"create":{"_index":"a"}}""", d })]);
        Assert.Equal([400, 400, 400, 400, 400, 201, 400], Statuses(reply));
        Assert.All(Items(reply).Where((_, i) => i != 5), i => Assert.Equal("document_parsing_exception", (string?)i!["create"]!["error"]!["type"]));
        Assert.Contains("failed to parse field [ip] of type [ip]", (string?)Items(reply)[0]!["create"]!["error"]!["reason"], StringComparison.Ordinal);
        Assert.Equal("'010.0.0.1' is not an IP string literal.", (string?)Items(reply)[0]!["create"]!["error"]!["caused_by"]!["reason"]);
        Assert.Equal("\"l\"", (await lab.EsqlAsync("FROM a METADATA _ignored | KEEP _ignored")).First[0]);
    }

    [Fact]
    public async Task A_template_makes_a_data_stream_that_takes_only_creations_with_a_time()
    {
        await using var lab = await Lab.OpenAsync();
        await lab.SendAsync(HttpMethod.Put, "_index_template/t", """{"index_patterns":["findings-*"],"priority":200,"data_stream":{},"template":{"mappings":{"properties":{"source":{"properties":{"ip":{"type":"ip"}}}}}}}""");
        var reply = await lab.BulkAsync(
            "?refresh=true",
            """{"create":{"_index":"findings-default","_id":"1"}}""",
            """{"@timestamp":"2025-06-01T00:00:00Z","source.ip":"8.8.8.8"}""",
            """{"index":{"_index":"findings-default","_id":"2"}}""",
            """{"@timestamp":"2025-06-01T00:00:00Z"}""",
            """{"create":{"_index":"findings-default"}}""",
            """{"source":{"ip":"8.8.8.8"}}""");
        Assert.Equal([201, 400, 400], Statuses(reply));
        Assert.StartsWith(".ds-findings-default-", (string?)Items(reply)[0]!["create"]!["_index"], StringComparison.Ordinal);
        Assert.Contains("only write ops with an op_type of create are allowed in data streams", (string?)Items(reply)[1]!["index"]!["error"]!["reason"], StringComparison.Ordinal);
        Assert.Equal(["findings-default"], lab.Cluster.DataStreams);
        Assert.Equal("\"8.8.8.8\"", (await lab.EsqlAsync("FROM findings-* | KEEP source.ip")).First[0]);
        Assert.Equal([404], Statuses(await lab.BulkAsync("?require_data_stream=true", """{"create":{"_index":"plain"}}""", "{}")));
    }

    [Fact]
    public async Task Mappings_grow_by_themselves_unless_they_must_not()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.PanOs, """{"@timestamp":"2025-06-01T00:00:00Z","panw":{"panos":{"action":"x"}}}""");
        Assert.Equal(["keyword"], (await lab.EsqlAsync("FROM logs-panw* | KEEP panw.panos.action")).Types);
        lab.Cluster.CreateIndex("strict", """{"dynamic":"strict","properties":{}}""");
        var refused = await lab.BulkAsync("", """{"create":{"_index":"strict"}}""", """{"x":1}""");
        Assert.Equal("strict_dynamic_mapping_exception", (string?)Items(refused)[0]!["create"]!["error"]!["type"]);
        lab.Cluster.Index("auto", """{"s":"text","n":1,"d":1.5,"b":true,"t":"2025-06-01"}""");
        Assert.Equal(["boolean", "double", "long", "text", "keyword", "date"], (await lab.EsqlAsync("FROM auto | KEEP b, d, n, s, s.keyword, t")).Types);
    }

    [Theory]
    [InlineData("{\"create\":{\"_index\":\"a\"}}\n{}")]
    [InlineData("{\"create\":\n{\"_index\":\"a\"}}\n{}\n")]
    [InlineData("{\"creat\":{\"_index\":\"a\"}}\n{}\n")]
    [InlineData("{\"create\":{\"_index\":\"a\",\"_type\":\"x\"}}\n{}\n")]
    [InlineData("{\"create\":{\"_index\":\"a\"}}\n")]
    [InlineData("{\"create\":{}}\n{}\n")]
    [InlineData("\n")]
    public async Task A_malformed_body_is_refused_as_a_whole(string body)
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal(400, (await lab.SendAsync(HttpMethod.Post, "_bulk", body, "application/x-ndjson")).Status);
        Assert.Empty(lab.Cluster.Indices);
    }

    [Fact]
    public async Task Items_can_be_rejected_on_demand_and_pass_the_next_time()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Server.Faults.Add(Fault.RejectBulkItems(id => id == "2"));
        string[] lines = ["""{"create":{"_index":"a","_id":"1"}}""", "{}", """{"create":{"_index":"a","_id":"2"}}""", "{}"];
        Assert.Equal([201, 429], Statuses(await lab.BulkAsync("", lines)));
        Assert.Equal([409, 201], Statuses(await lab.BulkAsync("", lines)));
    }

    [Fact]
    public async Task Indices_are_made_shown_and_deleted()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal(200, (await lab.SendAsync(HttpMethod.Put, "a", """{"mappings":{"properties":{"x.y":{"type":"ip"}}},"aliases":{"z":{}}}""")).Status);
        Assert.Equal("resource_already_exists_exception", (await lab.SendAsync(HttpMethod.Put, "a")).ErrorType);
        Assert.Equal("mapper_parsing_exception", (await lab.SendAsync(HttpMethod.Put, "b", """{"mappings":{"properties":{"x":{"type":"ipp"}}}}""")).ErrorType);
        Assert.Equal("ip", (string?)(await lab.GetAsync("z")).Json["a"]!["mappings"]!["properties"]!["x"]!["properties"]!["y"]!["type"]);
        Assert.Equal(200, (await lab.SendAsync(HttpMethod.Delete, "a")).Status);
        Assert.Equal(404, (await lab.SendAsync(HttpMethod.Head, "a")).Status);
    }

    private static JsonArray Items(Reply reply) => (JsonArray)reply.Json["items"]!;

    private static IEnumerable<int> Statuses(Reply reply) => Items(reply).Select(i => (int)((JsonObject)i!).First().Value!["status"]!);
}
