using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Api;

/// <summary>The endpoint for shippers. Expected answers are those of Elasticsearch's API description, where it does not say otherwise.</summary>
public sealed class IngestApiTests
{
    private static readonly string Document = Ecs.SignIn();

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    public async Task Events_sent_in_bulk_are_correlated_as_any_others(string method)
    {
        using var service = new TestService();

        var answer = await BulkAsync(
            service,
            Lines("""{"create":{"_index":"logs-zeek.notice-default"}}""", Ecs.NetworkAlert(), """{"index":{"_index":"logs-azure.signinlogs-default","_id":"s1"}}""", Document),
            method: method);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("Elasticsearch", Assert.Single(answer.Headers.GetValues("X-Elastic-Product")));
        Assert.False(answer.Json!["errors"]!.GetValue<bool>());
        Assert.Equal(
            """[{"create":{"_index":"logs-zeek.notice-default","status":201,"result":"created"}},{"index":{"_index":"logs-azure.signinlogs-default","_id":"s1","status":201,"result":"created"}}]""",
            answer.Json["items"]!.ToJsonString());
        Assert.True(answer.Json["took"]!.GetValue<long>() >= 0);
        Assert.Equal([Ecs.Address], (await service.RunAsync()).Addresses);
    }

    [Theory]
    [InlineData("\n", 3)]
    [InlineData("{\"create\":{\"_index\":\"x\"}}\n{\"records\":[{\"records\":[]},{\"records\":[]},{\"records\":[]}]}\n", 1)]
    public async Task What_says_nothing_is_bounded_as_events_are(string part, int times)
    {
        using var service = new TestService(settings: [("Events:MaxEvents", "2")]);

        var answer = await BulkAsync(service, string.Concat(Enumerable.Repeat(part, times)) + Lines("""{"create":{"_index":"x"}}""", Document));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.Status);
    }

    [Fact]
    public async Task Every_item_is_answered_in_order_whatever_becomes_of_the_others()
    {
        using var service = new TestService();

        var answer = await BulkAsync(
            service,
            Lines(
                """{"index":{"_id":"1"}}""", Document,
                """{"create":{"_id":"1"}}""", Document,
                """{"index":{"_id":"1"}}""", Document,
                """{"create":{"_id":"1","_index":"other"}}""", Document,
                """{"delete":{"_id":"1"}}""",
                """{"update":{"_id":"1"}}""", """{"doc":{}}""",
                """{"create":{}}""", """{"source":{"ip":"8.8.8.8"}}""",
                """{"create":{}}""", "no JSON",
                """{"create":{}}""", "",
                """{"create":{"_id":""}}""", Document,
                $$$"""{"create":{"_id":"{{{new string('x', 513)}}}"}}""", Document,
                """{"index":{"op_type":"create","_id":"1"}}""", Document,
                """{"create":{"_id":2}}""", Document),
            "/here/_bulk");

        Assert.True(answer.Json!["errors"]!.GetValue<bool>());
        Assert.Equal(
            [
                "index 201 created", "create 409 version_conflict_engine_exception", "index 200 noop", "create 201 created",
                "delete 400 illegal_argument_exception", "update 400 illegal_argument_exception", "create 400 document_parsing_exception",
                "create 400 document_parsing_exception", "create 400 document_parsing_exception", "create 400 illegal_argument_exception",
                "create 400 illegal_argument_exception", "create 409 version_conflict_engine_exception", "create 201 created",
            ],
            Items(answer));
        Assert.Equal(["here", "here", "here", "other"], answer.Json["items"]!.AsArray().Take(4).Select(item => (string?)item!.AsObject().Single().Value!["_index"]));
        Assert.StartsWith("missingTimestamp at /@timestamp: ", (string?)answer.Json["items"]![6]!["create"]!["error"]!["reason"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_id_and_index_of_an_action_are_the_identity_as_in_a_document()
    {
        using var service = new TestService();
        await service.PostAsync(Document.Replace("{ ", """{"_id":"x","_index":"logs-a",""", StringComparison.Ordinal));

        var answer = await BulkAsync(
            service,
            Lines(
                """{"create":{"_index":"logs-a","_id":"x"}}""", Document,
                """{"create":{"_index":"logs-b","_id":"x"}}""", Document,
                """{"create":{"_index":"logs-a"}}""", Ecs.SignIn(id: "x"),
                """{"create":{"_index":"logs-a","_id":"y"}}""", Ecs.SignIn(id: "x")));

        Assert.Equal(["create 409 version_conflict_engine_exception", "create 201 created", "create 409 version_conflict_engine_exception", "create 201 created"], Items(answer));
    }

    [Theory]
    [InlineData("create")]
    [InlineData("index")]
    public async Task An_envelope_with_nothing_in_it_conflicts_with_nothing(string action)
    {
        using var service = new TestService();

        var answer = await BulkAsync(service, Lines($$"""{"{{action}}":{"_index":"logs-a"} }""", """{"records":[]}"""));

        Assert.Equal([$"{action} 200 noop"], Items(answer));
    }

    [Fact]
    public async Task The_index_tells_the_dataset_where_the_document_does_not()
    {
        using var service = new TestService();

        await BulkAsync(service, Lines(
            """{"create":{"_index":"logs-azure.signinlogs-default"}}""", $$"""{"@timestamp":"{{Ecs.Time(5)}}","source.ip":"{{Ecs.Address}}","event.outcome":"success"}"""));

        var events = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");
        Assert.Equal("azureSignIn", (string?)events.Json!["events"]![0]!["bucket"]);
    }

    [Fact]
    public async Task Raw_records_and_envelopes_are_read_as_in_any_batch()
    {
        using var service = new TestService();
        const string Suricata = """{"timestamp":"2026-03-14T05:30:00.250000+0000","event_type":"alert","src_ip":"81.2.69.144","src_port":50122,"dest_ip":"195.82.54.10","dest_port":443,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":9000001,"rev":1,"signature":"LOCAL","category":"Attempted User Privilege Gain","severity":1}}""";

        var answer = await BulkAsync(service, Lines(
            """{"create":{"_index":"raw","_id":"1"}}""", Suricata,
            """{"create":{"_index":"raw"}}""", $$"""{"records":[{{Ecs.SignIn(id: "a")}},{{Ecs.SignIn(id: "b")}}]}""",
            """{"create":{"_index":"raw"}}""", $$"""{"records":[{{Ecs.SignIn(id: "a")}},{{Ecs.SignIn(id: "b")}}]}""",
            """{"create":{"_index":"raw"}}""", $$"""{"records":[{{Ecs.SignIn(id: "c")}},{"a":1}]}"""));

        Assert.Equal(["create 201 created", "create 201 created", "create 409 version_conflict_engine_exception", "create 400 document_parsing_exception"], Items(answer));
        Assert.Equal(4, await StoredAsync(service));
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("{\"create\":{\"_index\":\"x\"}}\n{\"@timestamp\":1}", "terminated by a newline")]
    [InlineData("{\"create\":{\"_index\":\"x\"}}\n", "missing")]
    [InlineData("\n\r\n", "no action")]
    [InlineData("[]\n{}\n", "[1]")]
    [InlineData("{}\n{}\n", "[1]")]
    [InlineData("nonsense\n{}\n", "[1]")]
    [InlineData("{\"create\":{\"_index\":\"x\"}}\n{\"@timestamp\":1}\n{\"upsert\":{}}\n{}\n", "[3]")]
    [InlineData("{\"create\":{\"_index\":\"x\"},\"index\":{}}\n{}\n", "[1]")]
    [InlineData("{\"create\":{\"_index\":\"x\"}} {}\n{}\n", "[1]")]
    [InlineData("{\"create\":[]}\n{}\n", "[1]")]
    [InlineData("{\"create\":{\"_index\":{}}}\n{}\n", "[1]")]
    [InlineData("{\"create\":{\"index\":\"x\"}}\n{}\n", "[1]")]
    [InlineData("{\"create\":{\"_id\":\"x\"}}\n{}\n", "_index is missing")]
    [InlineData("{\"create\":{\"_index\":\"x\",\"_id\":\"a\",\"_id\":\"b\"}}\n{}\n", "gives _id twice")]
    [InlineData("{\"create\":{\"_index\":\"\\ud800\"}}\n{}\n", "[1]")]
    public async Task A_request_that_cannot_be_told_apart_is_refused_whole(string body, string reason)
    {
        using var service = new TestService();

        var answer = await BulkAsync(service, body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(("illegal_argument_exception", 400), ((string?)answer.Json!["error"]!["type"], answer.Number("status")));
        Assert.Contains(reason, (string?)answer.Json["error"]!["reason"], StringComparison.Ordinal);
        Assert.Equal(0, await StoredAsync(service));
    }

    [Theory]
    [InlineData("\n{A}\n\n{D}\n\r\n{A}\n{D}\n")]
    [InlineData("{A}\r\n{D}\r\n{A}\r\n{D}\r\n")]
    public async Task Blank_lines_between_actions_and_carriage_returns_are_passed_over(string form)
    {
        using var service = new TestService();
        var isBlankDocument = form.Contains("\n\n", StringComparison.Ordinal);

        var answer = await BulkAsync(service, form.Replace("{A}", """{"create":{"_index":"x"}}""", StringComparison.Ordinal).Replace("{D}", Document, StringComparison.Ordinal));

        // A blank line after an action is its document, and a bad one; the document that follows is then no action.
        Assert.Equal(isBlankDocument ? HttpStatusCode.BadRequest : HttpStatusCode.OK, answer.Status);
        Assert.Equal(isBlankDocument ? 0 : 2, await StoredAsync(service));
    }

    [Fact]
    public async Task A_body_may_be_compressed()
    {
        using var service = new TestService();
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Encoding.UTF8.GetBytes(Lines("""{"create":{"_index":"x"}}""", Document)));
        }

        var content = new ByteArrayContent(compressed.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
        content.Headers.ContentEncoding.Add("gzip");

        Assert.Equal(["create 201 created"], Items(await service.SendAsync(HttpMethod.Post, "/_bulk", content)));
    }

    [Theory]
    [InlineData("application/json", 200)]
    [InlineData("application/json; charset=utf-8", 200)]
    [InlineData("application/json; charset=\"UTF-8\"", 200)]
    [InlineData("application/x-ndjson", 200)]
    [InlineData("application/vnd.elasticsearch+x-ndjson; compatible-with=9", 200)]
    [InlineData("application/vnd.elasticsearch+json;compatible-with=8", 200)]
    [InlineData("text/plain", 415)]
    [InlineData("application/x-www-form-urlencoded", 415)]
    [InlineData("application/x-ndjson; charset=utf-16", 415)]
    public async Task The_content_types_of_clients_are_taken(string type, int status)
    {
        using var service = new TestService();

        Assert.Equal(status, (int)(await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document), type: type)).Status);
    }

    [Fact]
    public async Task Bounds_are_those_of_every_batch()
    {
        using var service = new TestService(settings: [("Events:MaxEvents", "2"), ("Events:MaxEventBytes", "1024"), ("Events:MaxBodyBytes", "100000")]);
        var action = """{"create":{"_index":"x"}}""";
        var overlong = $$"""{"@timestamp":1,"a":"{{new string('a', 9000)}}"}""";

        Assert.Equal(413, (int)(await BulkAsync(service, Lines(action, Document, action, Document, action, Document))).Status);
        Assert.Equal(413, (int)(await BulkAsync(service, Lines(action, new string(' ', 100_000)))).Status);
        Assert.Equal(413, (int)(await BulkAsync(service, "\n\n\n" + Lines(action, Document))).Status);
        Assert.Equal(["create 400 document_parsing_exception", "create 201 created"], Items(await BulkAsync(service, Lines(action, overlong, action, Document))));
        Assert.Equal(400, (int)(await BulkAsync(service, Lines($$$"""{"create":{"_index":"{{{new string('x', 2000)}}}"}}""", Document))).Status);
        Assert.Equal(1, await StoredAsync(service));
    }

    [Theory]
    [InlineData("filter_path=errors,items.*.error,items.*.status", """{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"*"}}}]}""")]
    [InlineData("filter_path=items.*.error.type", """{"items":[{"create":{"error":{"type":"version_conflict_engine_exception"}}}]}""")]
    [InlineData("filter_path=errors", """{"errors":true}""")]
    [InlineData("filter_path=-took,-items.**.error", """{"errors":true,"items":[{"create":{"_index":"x","_id":"1","status":201,"result":"created"}},{"create":{"_index":"x","_id":"1","status":409}}]}""")]
    [InlineData("filter_path=**.status", """{"items":[{"create":{"status":201}},{"create":{"status":409}}]}""")]
    [InlineData("filter_path=items.**.**.**.type", """{"items":[{"create":{"error":{"type":"version_conflict_engine_exception"}}}]}""")]
    [InlineData("filter_path=none", "{}")]
    public async Task Only_what_the_client_wants_is_answered(string query, string expected)
    {
        using var service = new TestService();
        var action = """{"create":{"_index":"x","_id":"1"}}""";

        var answer = await BulkAsync(service, Lines(action, Document, action, Document), $"/_bulk?refresh=wait_for&timeout=1m&require_alias=false&pretty&{query}");

        Assert.Equal(expected, System.Text.RegularExpressions.Regex.Replace(answer.Text, "\"reason\":\"[^\"]+\"", "\"reason\":\"*\"", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1)));
    }

    [Theory]
    [InlineData("**.")]
    [InlineData("**.*.")]
    public async Task A_path_of_many_wildcards_is_little_work(string wildcard)
    {
        using var service = new TestService();
        var wildcards = string.Concat(Enumerable.Repeat(wildcard, 1000));

        var answer = await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document), $"/_bulk?filter_path={wildcards}zz,errors");

        Assert.Equal("""{"errors":false}""", answer.Text);
    }

    [Theory]
    [InlineData("/", "version.number", "9.4.3")]
    [InlineData("/_license", "license.type", "basic")]
    [InlineData("/_xpack", "license.status", "active")]
    [InlineData("/_cluster/health", "status", "green")]
    public async Task What_clients_ask_for_first_is_answered(string path, string member, string expected)
    {
        using var service = new TestService();

        var answer = await service.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("Elasticsearch", Assert.Single(answer.Headers.GetValues("X-Elastic-Product")));
        Assert.Equal(expected, (string?)member.Split('.').Aggregate(answer.Json, (node, name) => node![name]));
        Assert.Equal(expected, (string?)member.Split('.').Aggregate((await service.GetAsync($"{path}?filter_path={member}")).Json, (node, name) => node![name]));
    }

    [Theory]
    [InlineData("/_cluster/health", "\"status\":\"red\"")]
    [InlineData("/_cluster/health", "\"active_shards_percent_as_number\":0")]
    [InlineData("/_cat/health", "suspicious-signin red\n")]
    public async Task Where_the_store_cannot_be_asked_its_health_is_red(string path, string shown)
    {
        using var service = new TestService(store: new InterceptedStore { BeforeChecking = () => throw new StoreUnavailableException("Away.") });

        var answer = await service.GetAsync(path);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
        Assert.Contains(shown, answer.Text, StringComparison.Ordinal);
        Assert.Equal("5", (await service.GetAsync("/health/ready")).Headers.GetValues("Retry-After").Single());
    }

    [Fact]
    public async Task The_answer_says_what_it_really_is()
    {
        using var service = new TestService();

        var answer = await service.GetAsync("/");

        Assert.Contains("Not Elasticsearch", (string?)answer.Json!["tagline"], StringComparison.Ordinal);
        Assert.Equal("suspicious-signin", (string?)answer.Json["version"]!["build_flavor"]);
    }

    [Theory]
    [InlineData("HEAD", "/", 200)]
    [InlineData("HEAD", "/_cat/health", 200)]
    [InlineData("GET", "/_cat/health", 200)]
    [InlineData("HEAD", "/_index_template/filebeat-9.4.3", 404)]
    [InlineData("GET", "/_index_template/filebeat-9.4.3", 404)]
    [InlineData("GET", "/_ilm/policy/filebeat", 404)]
    [InlineData("GET", "/_ingest/pipeline/filebeat-9.4.3-zeek-notice-pipeline", 404)]
    [InlineData("PUT", "/_index_template/filebeat-9.4.3", 200)]
    [InlineData("PUT", "/_template/logstash", 200)]
    [InlineData("PUT", "/_ilm/policy/filebeat", 200)]
    [InlineData("PUT", "/_ingest/pipeline/filebeat-9.4.3-zeek-notice-pipeline", 200)]
    [InlineData("PUT", "/_data_stream/filebeat-9.4.3", 200)]
    [InlineData("PUT", "/%3Clogstash-%7Bnow%2Fd%7D-000001%3E", 200)]
    [InlineData("POST", "/_aliases", 200)]
    [InlineData("GET", "/_aliases", 404)]
    [InlineData("HEAD", "/filebeat/_alias/filebeat-9.4.3", 404)]
    [InlineData("GET", "/filebeat/_alias", 404)]
    [InlineData("HEAD", "/logstash", 404)]
    [InlineData("GET", "/nothing", 404)]
    public async Task Templates_policies_and_pipelines_are_accepted_and_said_to_be_unused(string method, string path, int status)
    {
        using var service = new TestService();

        var answer = await service.SendAsync(new HttpMethod(method), path, method is "PUT" or "POST" ? TestService.Content("{}") : null);

        Assert.Equal(status, (int)answer.Status);
        if (method is "PUT" or "POST")
        {
            Assert.Equal("""{"acknowledged":true}""", answer.Text);
            Assert.Contains("unused", answer.Headers.GetValues("Warning").Single(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("application/vnd.elasticsearch+json; compatible-with=9", "application/vnd.elasticsearch+json; compatible-with=9")]
    [InlineData("application/vnd.elasticsearch+json;compatible-with=8", "application/vnd.elasticsearch+json; compatible-with=8")]
    [InlineData("application/json", "application/json")]
    [InlineData("*/*", "application/json")]
    public async Task The_vendor_content_type_is_echoed(string accept, string expected)
    {
        using var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host => host.UseEnvironment("Production").UseSetting("Auth:AllowAnonymous", "true"));
        using var client = factory.CreateClient();
        client.DefaultRequestHeaders.TryAddWithoutValidation("Accept", accept);

        using var response = await client.GetAsync("/");

        Assert.Equal(expected, response.Content.Headers.ContentType?.ToString());
    }

    [Theory]
    [InlineData("?pipeline=geoip", """{"create":{"_index":"x"}}""", true)]
    [InlineData("", """{"create":{"_index":"x","pipeline":"geoip","_type":"doc"}}""", true)]
    [InlineData("", """{"create":{"_index":"x","pipeline":"_none"}}""", false)]
    public async Task A_pipeline_that_does_not_run_is_told_of(string query, string action, bool isTold)
    {
        using var service = new TestService();

        var answer = await BulkAsync(service, Lines(action, Document), "/_bulk" + query);

        Assert.Equal(["create 201 created"], Items(answer));
        Assert.Equal(isTold, answer.Headers.Contains("Warning"));
    }

    [Fact]
    public async Task Events_older_than_the_store_keeps_are_told_of()
    {
        using var service = new TestService();

        var answer = await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Ecs.SignIn(minutesAgo: 5), """{"create":{"_index":"x"}}""", Ecs.SignIn(minutesAgo: 60 * 24 * 10)));

        Assert.Contains("outsideRetention: 1 events", answer.Headers.GetValues("Warning").Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_warning_of_bulk_requests_is_logged_once_a_minute()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.SignIn());
        for (var i = 0; i < 3; i++)
        {
            await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Ecs.SignIn(minutesAgo: 60 * 24 * 10, id: $"{i}")));
        }

        Assert.Single(service.Log, line => line.Contains("Bulk request: outsideRetention", StringComparison.Ordinal));
        service.Clock.Advance(TimeSpan.FromMinutes(1));
        await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Ecs.SignIn(minutesAgo: 60 * 24 * 10, id: "late")));
        Assert.Equal(2, service.Log.Count(line => line.Contains("Bulk request: outsideRetention", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_store_that_cannot_answer_is_503_in_the_clients_words()
    {
        using var service = new TestService(store: InterceptedStore.Before(() => throw new StoreUnavailableException("The store is away.") { RetryAfter = TimeSpan.FromSeconds(7) }));

        var answer = await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
        Assert.Equal("store_unavailable_exception", (string?)answer.Json!["error"]!["type"]);
        Assert.Equal("7", answer.Headers.GetValues("Retry-After").Single());
        Assert.Equal("Elasticsearch", answer.Headers.GetValues("X-Elastic-Product").Single());
    }

    [Fact]
    public async Task A_fault_of_ours_is_not_told_as_one_of_the_client()
    {
        using var service = new TestService(store: InterceptedStore.Before(() => throw new InvalidTimeZoneException("A fault.")));

        var answer = await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document));

        Assert.Equal(HttpStatusCode.InternalServerError, answer.Status);
        Assert.Equal("exception", (string?)answer.Json!["error"]!["type"]);
    }

    [Fact]
    public async Task What_the_store_refuses_is_told_at_its_item()
    {
        // It refuses the second event, and knows the third.
        using var service = new TestService(store: new InterceptedStore
        {
            Appended = events => new AppendResult(
                new HashSet<int> { 2 },
                [new RejectedEvent { Index = events[1].Position, Pointer = "", Code = RejectionCodes.RefusedByStore, Message = "Not this one." }],
                []),
        });

        var answer = await BulkAsync(service, Lines(
            """{"delete":{"_index":"x"}}""",
            """{"create":{"_index":"x"}}""", "{}",
            """{"create":{"_index":"x"}}""", Document,
            """{"create":{"_index":"x"}}""", Document,
            """{"create":{"_index":"x"}}""", Document));

        Assert.Equal(
            ["delete 400 illegal_argument_exception", "create 400 document_parsing_exception", "create 201 created", "create 400 document_parsing_exception", "create 409 version_conflict_engine_exception"],
            Items(answer));
        Assert.Equal("refusedByStore: Not this one.", (string?)answer.Json!["items"]![3]!["create"]!["error"]!["reason"]);
    }

    [Fact]
    public async Task Where_too_many_requests_wait_every_item_is_put_off_and_none_is_stored()
    {
        var (entered, release) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var appends = 0;
        var store = new InterceptedStore
        {
            BeforeAppend = () =>
            {
                appends++;
                entered.TrySetResult();
                return release.Task;
            },
        };
        using var service = new TestService(store: store, settings: [("Runs:MaxConcurrent", "1"), ("Runs:MaxQueued", "0")]);
        var body = Lines("""{"create":{"_index":"x"}}""", Document, """{"index":{"_index":"x"}}""", Document);
        var first = BulkAsync(service, body);
        await entered.Task;

        var second = await BulkAsync(service, body);
        release.SetResult();

        Assert.Equal(["create 429 es_rejected_execution_exception", "index 429 es_rejected_execution_exception"], Items(second));
        Assert.Equal(["create 201 created", "index 201 created"], Items(await first));
        Assert.Equal(1, appends);
    }

    [Fact]
    public async Task The_longest_id_index_and_body_that_are_allowed_are_taken()
    {
        var body = Lines($$$"""{"create":{"_index":"{{{new string('i', 255)}}}","_id":"{{{new string('d', 512)}}}"}}""", Document.PadRight(1024));
        using var service = new TestService(settings: ("Events:MaxBodyBytes", $"{body.Length}"));

        Assert.Equal(413, (int)(await BulkAsync(service, body + "\n")).Status);
        Assert.Equal(["create 201 created"], Items(await BulkAsync(service, body)));
        Assert.Contains("_index is longer", (await BulkAsync(service, Lines($$$"""{"create":{"_index":"{{{new string('i', 256)}}}"}}""", "{}"))).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_item_of_which_nothing_is_wanted_is_left_out()
    {
        using var service = new TestService();

        var answer = await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document, """{"create":{"_index":"x","_id":"1"}}""", Document), "/_bulk?filter_path=items.*._id");

        Assert.Equal("""{"items":[{"create":{"_id":"1"}}]}""", answer.Text);
    }

    [Fact]
    public async Task A_client_that_does_not_say_what_it_accepts_is_answered_in_the_type_that_it_sends()
    {
        using var service = new TestService();

        var answer = await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document), type: "application/vnd.elasticsearch+json; compatible-with=8");

        Assert.Equal("application/vnd.elasticsearch+json; compatible-with=8", answer.ContentType?.ToString());
    }

    [Fact]
    public async Task Where_even_requests_that_are_put_off_are_too_many_one_is_refused_whole_and_told_when_to_come_again()
    {
        var (entered, release) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var store = InterceptedStore.Before(() =>
        {
            entered.TrySetResult();
            return release.Task;
        });
        using var service = new TestService(store: store, settings: [("Runs:MaxConcurrent", "1"), ("Runs:MaxQueued", "0")]);
        var body = Lines("""{"create":{"_index":"x"}}""", Document);
        var first = BulkAsync(service, body);
        await entered.Task;
        var places = service.Services.GetRequiredService<IngestLimiter>();
        var (isTaken, second) = (false, (Answer?)null);
        using (var held = places.AcquireToRefuse())
        {
            isTaken = held.IsAcquired;
            second = await BulkAsync(service, body);
        }

        release.SetResult();
        await first;

        Assert.True(isTaken);
        Assert.Equal(HttpStatusCode.TooManyRequests, second.Status);
        Assert.Equal("es_rejected_execution_exception", (string?)second.Json!["error"]!["type"]);
        Assert.Equal("1", second.Headers.GetValues("Retry-After").Single());
    }

    [Fact]
    public async Task It_can_be_switched_off()
    {
        using var service = new TestService(settings: ("Ingest:Enabled", "false"));

        Assert.Equal(HttpStatusCode.NotFound, (await service.GetAsync("/")).Status);
        (await BulkAsync(service, Lines("""{"create":{"_index":"x"}}""", Document))).Problem(404);
    }

    [Theory]
    [InlineData("ApiKey", "K", 200)]
    [InlineData("ApiKey", "b64(shipper:K)", 200)]
    [InlineData("Basic", "b64(shipper:K)", 200)]
    [InlineData("Bearer", "K", 200)]
    [InlineData("ApiKey", "b64(other:K)", 401)]
    [InlineData("Basic", "b64(reader:K)", 401)]
    [InlineData("Basic", "b64(shipper:wrong)", 401)]
    [InlineData("Basic", "K", 401)]
    [InlineData("Basic", "!", 401)]
    [InlineData("Basic", "b64(reader:R)", 403)]
    [InlineData("Basic", "b64(ship:one:S)", 200)]
    [InlineData("ApiKey", "b64(ship:one:S)", 200)]
    [InlineData("Basic", "b64(ship:S)", 401)]
    [InlineData("None", "x", 401)]
    public async Task Keys_are_taken_as_shippers_send_them(string scheme, string text, int status)
    {
        using var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Production");
            foreach (var (i, name, key, scope) in new[] { (0, "shipper", "key:of:shipper", "events:write"), (1, "reader", "key of reader", "alerts:read"), (2, "ship:one", "0123abcd", "events:write") })
            {
                host.UseSetting($"Auth:ApiKeys:{i}:Name", name);
                host.UseSetting($"Auth:ApiKeys:{i}:Hash", ApiKeys.HashOf(key, [.. Enumerable.Repeat((byte)i, 16)]));
                host.UseSetting($"Auth:ApiKeys:{i}:Scopes:0", scope);
            }
        });
        using var client = factory.CreateClient();
        text = text.Replace("K", "key:of:shipper", StringComparison.Ordinal).Replace("R", "key of reader", StringComparison.Ordinal).Replace("S", "0123abcd", StringComparison.Ordinal);
        text = text.StartsWith("b64(", StringComparison.Ordinal) ? Convert.ToBase64String(Encoding.UTF8.GetBytes(text[4..^1])) : text;
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", $"{scheme} {text}");

        using var response = await client.GetAsync("/");

        Assert.Equal(status, (int)response.StatusCode);
        if (status != 200)
        {
            var error = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
            Assert.Equal(("security_exception", status), ((string?)error["error"]!["type"], error["status"]!.GetValue<int>()));
        }

        if (status == 401)
        {
            Assert.Equal(["ApiKey", "Basic"], response.Headers.WwwAuthenticate.Select(challenge => challenge.Scheme));
        }
    }

    private static string Lines(params string[] lines) => string.Concat(lines.Select(line => line + "\n"));

    private static Task<Answer> BulkAsync(TestService service, string body, string path = "/_bulk", string type = "application/x-ndjson", string method = "POST") =>
        service.SendAsync(new HttpMethod(method), path, TestService.Content(Encoding.UTF8.GetBytes(body), type));

    private static string[] Items(Answer answer) =>
    [
        .. answer.Json!["items"]!.AsArray().Select(item => item!.AsObject().Single()).Select(item => string.Create(
            CultureInfo.InvariantCulture,
            $"{item.Key} {(int)item.Value!["status"]!} {(string?)item.Value["result"] ?? (string?)item.Value["error"]!["type"]}")),
    ];

    private static async Task<int> StoredAsync(TestService service) =>
        (await service.GetAsync("/health/ready")).Json!["checks"]![0]!["data"]!["events"]!.GetValue<int>();
}
