using System.IO.Compression;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Api;

public sealed class EventsApiTests
{
    private static readonly string[] Both = [Ecs.NetworkAlert(id: "a"), Ecs.SignIn(id: "s")];

    [Theory]
    [InlineData("application/json", "[{0},{1}]")]
    [InlineData("application/json; charset=utf-8", "\uFEFF[{0},{1}]")]
    [InlineData("application/json", "{{\"source\":\"playbook\",\"events\":[{0},{1}],\"more\":[1]}}")]
    [InlineData("application/x-ndjson", "{0}\n{1}")]
    [InlineData("application/x-ndjson", "\uFEFF{0}\r\n\r\n{1}\r\n\n")]
    public async Task Every_form_of_a_batch_gives_the_alert(string type, string form)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(string.Format(form, Both), type: type);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Equal(2, answer.Number("accepted"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    [InlineData("x-gzip")]
    public async Task A_compressed_batch_is_read(string encoding)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Compress(Ecs.Batch(Both), encoding), encoding: encoding);

        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task A_compressed_body_that_breaks_off_is_refused_and_nothing_is_stored(string encoding)
    {
        using var service = new TestService();
        // Flushed between the lines, so that what comes before a cut can be read up to the end of a line.
        var (whole, flushed) = CompressLines([.. Both, Ecs.SignIn(minutesAgo: 5)], encoding);

        foreach (var length in new[] { flushed, flushed + 1, whole.Length - 1, whole.Length / 2 })
        {
            var answer = await service.PostAsync(whole[..length], type: "application/x-ndjson", encoding: encoding);

            answer.Problem(400);
        }

        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task A_compressed_body_with_something_behind_its_data_is_refused_and_nothing_is_stored(string encoding)
    {
        using var service = new TestService();
        var body = Compress(Ecs.SignIn(), encoding);

        foreach (var behind in new[] { [0, .. body], Encoding.UTF8.GetBytes(Ecs.NetworkAlert()) })
        {
            (await service.PostAsync([.. body, .. behind], type: "application/x-ndjson", encoding: encoding)).Problem(400);
        }

        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task A_body_of_several_gzip_members_is_read_to_its_end()
    {
        using var service = new TestService();

        var answer = await service.PostAsync([.. Both.SelectMany(line => Compress(line, "gzip"))], type: "application/x-ndjson", encoding: "gzip");

        Assert.Equal((2, 1), (answer.Number("accepted"), answer.Addresses.Length));
    }

    [Theory]
    [InlineData("zstd")]
    [InlineData("gzip, gzip")]
    [InlineData("nonsense")]
    public async Task A_body_in_an_unknown_encoding_is_refused_wherever_it_is_sent(string encoding)
    {
        using var service = new TestService();

        (await service.PostAsync(Ecs.Batch(Both), encoding: encoding)).Problem(415);
        var run = new StringContent("{}", Encoding.UTF8, "application/json");
        run.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        (await service.SendAsync(HttpMethod.Post, "/api/v1/detections", run)).Problem(415);
    }

    [Theory]
    [InlineData("nope", "application/json")]
    [InlineData("\"x\"", "application/json")]
    [InlineData("", "application/json")]
    [InlineData("", "application/x-ndjson")]
    [InlineData("[{\"a\":1}", "application/json")]
    public async Task A_body_that_cannot_be_read_is_named_by_the_pointer_to_all_of_it(string body, string type)
    {
        using var service = new TestService();

        Assert.Equal([""], (await service.PostAsync(body, type: type)).Problem(400));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"_id\":\"\",")]
    [InlineData("\"event.id\":\"\",")]
    [InlineData("\"kibana.alert.uuid\":\"\",")]
    public async Task Empty_text_is_no_identity(string identity)
    {
        using var service = new TestService();
        var document = Ecs.SignIn().Replace("{ ", "{" + identity, StringComparison.Ordinal);

        var answer = await service.PostAsync(Ecs.Batch(document, document));

        Assert.Equal((2, 0), (answer.Number("accepted"), answer.Number("duplicates")));
    }

    [Fact]
    public async Task The_same_event_id_with_other_values_of_dataset_or_kind_is_another_event()
    {
        using var service = new TestService();
        string Document(string members) => $$"""{"@timestamp":"{{Ecs.Time(1)}}","event.id":"e",{{members}}}""";

        var answer = await service.PostAsync(Ecs.Batch(
            Document("\"event.dataset\":[\"x\",\"y\"]"),
            Document("\"event.dataset\":[\"x\",\"z\"]"),
            Document("\"event.dataset\":\"x\""),
            Document("\"event.kind\":[\"event\",\"alert\"]"),
            Document("\"event.kind\":[\"event\",\"metric\"]"),
            Document("\"event.dataset\":[\"x\",\"z\"]")));

        Assert.Equal((5, 1), (answer.Number("accepted"), answer.Number("duplicates")));
    }

    [Fact]
    public async Task An_alert_that_says_nothing_but_the_event_id_of_the_event_behind_it_is_no_duplicate_of_it()
    {
        using var service = new TestService();
        var behind = $$"""{"@timestamp":"{{Ecs.Time(1)}}","source.ip":"{{Ecs.Address}}","event.dataset":"zeek.notice","event.id":"e"}""";
        var alert = behind.Replace("{\"", "{\"kibana.alert.rule.name\":\"External Alerts\",\"", StringComparison.Ordinal);


        var answer = await service.PostAsync(Ecs.Batch(behind, alert, Ecs.SignIn(), alert));

        Assert.Equal((3, 1), (answer.Number("accepted"), answer.Number("duplicates")));
        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Theory]
    [InlineData("{\"@timestamp\":\"2026-01-01\",\"message\":\"\\ud800\"}\n", 200)]
    [InlineData("\u00ff\n", 400)]
    public async Task A_line_of_json_that_cannot_be_taken_is_rejected_alone_even_where_it_is_the_only_one(string line, int status)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Encoding.Latin1.GetBytes(line), type: "application/x-ndjson");

        Assert.Equal(status, (int)answer.Status);
        Assert.Equal(status == 200 ? "invalidText" : null, (string?)answer.Json!["rejected"]?[0]?["code"]);
    }

    [Theory]
    [InlineData("\"source.geo\":{\"country_iso_code\":\"DE\"},\"geo\":{\"country_iso_code\":\"FR\",\"city_name\":\"Champs-sur-Marne\"},", """{"countryIsoCode":"DE"}""")]
    [InlineData("\"geo\":{\"country_iso_code\":\"FR\",\"city_name\":\"Champs-sur-Marne\"},", """{"countryIsoCode":"FR","cityName":"Champs-sur-Marne"}""")]
    public async Task A_place_is_that_of_one_source_and_never_of_some_of_either(string members, string expected)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.SignIn().Replace("{ ", "{" + members, StringComparison.Ordinal)));

        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events");

        Assert.Equal(expected, answer.Json!["events"]![0]!["geo"]!.ToJsonString());
    }

    [Fact]
    public async Task A_decompression_bomb_is_too_large()
    {
        using var service = new TestService(settings: [("Events:MaxBodyBytes", "100000")]);

        var answer = await service.PostAsync(Compress("[" + new string(' ', 5_000_000) + "]", "gzip"), encoding: "gzip");

        answer.Problem(413);
    }

    [Fact]
    public async Task A_body_of_too_many_events_is_too_large_and_nothing_is_stored()
    {
        using var service = new TestService(settings: [("Events:MaxEvents", "1")]);

        (await service.PostAsync(Ecs.Batch(Both))).Problem(413);

        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public async Task An_action_line_without_its_document_is_told_by_its_own_number(string end)
    {
        using var service = new TestService();

        var answer = await service.PostAsync($$"""{{Ecs.SignIn()}}{{"\n"}}{"index":{} }{{end}}""", type: "application/x-ndjson");

        Assert.Equal((2, 1), (answer.Number("received"), answer.Number("accepted")));
        Assert.Equal(2, (int)answer.Json!["rejected"]![0]!["line"]!);
    }

    [Theory]
    [InlineData(" ", 1, 200)]
    [InlineData(" ", 2, 200)]
    [InlineData(" ", 3, 413)]
    [InlineData("""{"records":[]}""", 2, 200)]
    [InlineData("""{"records":[]}""", 3, 413)]
    public async Task Lines_that_say_nothing_are_bounded_as_events_are(string line, int lines, int status)
    {
        using var service = new TestService(settings: [("Events:MaxEvents", "2")]);
        var blank = string.Concat(Enumerable.Repeat($"{line}\n", lines));

        Assert.Equal(status, (int)(await service.PostAsync($"{Ecs.SignIn()}\n{blank}", type: "application/x-ndjson")).Status);

        Assert.Equal(status == 200 ? 1 : 0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Theory]
    [InlineData("identity")]
    [InlineData("Identity")]
    public async Task A_body_that_is_said_to_be_in_no_encoding_is_plain(string encoding)
    {
        using var service = new TestService();

        Assert.Equal(1, (await service.PostAsync(Ecs.Batch(Ecs.SignIn()), encoding: encoding)).Number("accepted"));
    }

    [Theory]
    [InlineData("text/plain", null)]
    [InlineData("application/json; charset=utf-16", null)]
    [InlineData("application/xml", null)]
    [InlineData("application/json", "zstd")]
    [InlineData("application/json", "compress")]
    public async Task Another_type_or_encoding_is_unsupported(string type, string? encoding)
    {
        using var service = new TestService();

        (await service.PostAsync("[]", type: type, encoding: encoding)).Problem(415);
    }

    [Theory]
    [InlineData("application/json", "")]
    [InlineData("application/json", "   ")]
    [InlineData("application/json", "hello")]
    [InlineData("application/json", "5")]
    [InlineData("application/json", "null")]
    [InlineData("application/json", "\"text\"")]
    [InlineData("application/json", "[{\"@timestamp\":\"2026-03-14T05:00:00Z\"},")]
    [InlineData("application/json", "[{\"@timestamp\":\"2026-03-14T05:00:00Z\"}] []")]
    [InlineData("application/json", "[NaN]")]
    [InlineData("application/json", "{\"events\":[],\"events\":[]}")]
    [InlineData("application/x-ndjson", "")]
    [InlineData("application/x-ndjson", "hello\nworld\n")]
    public async Task A_body_that_is_not_a_batch_at_all_is_refused_as_a_whole(string type, string body)
    {
        using var service = new TestService();

        (await service.PostAsync(body, type: type)).Problem(400);
        Assert.Contains("\"events\":0", (await service.GetAsync("/health/ready")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_bad_line_is_rejected_with_its_place_and_the_rest_goes_on()
    {
        using var service = new TestService();

        var answer = await service.PostAsync($"{Both[0]}\n\nnot json\n{{\"source.ip\":\"1.1.1.1\"}}\n{Both[1]}\n", type: "application/x-ndjson");

        Assert.Equal((4, 2, 2), (answer.Number("received"), answer.Number("accepted"), answer.Number("rejectedTotal")));
        Assert.Equal(
            ["1 3 malformedJson ", "2 4 missingTimestamp /@timestamp"],
            answer.Json!["rejected"]!.AsArray().Select(r => $"{r!["index"]} {r["line"]} {r["code"]} {r["pointer"]}"));
        Assert.All(answer.Json!["rejected"]!.AsArray(), rejected => Assert.Equal(["index", "line", "pointer", "code", "message"], rejected!.AsObject().Select(member => member.Key)));
        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Theory]
    [InlineData("null", "notAnObject")]
    [InlineData("[]", "notAnObject")]
    [InlineData("{}", "missingTimestamp")]
    [InlineData("{\"@timestamp\":\"yesterday\"}", "invalidTimestamp")]
    [InlineData("{\"@timestamp\":[\"2026-01-01\",\"2026-01-02\"]}", "invalidTimestamp")]
    [InlineData("{\"@timestamp\":\"2026-06-30T23:59:60Z\"}", "invalidTimestamp")]
    [InlineData("{\"@timestamp\":\"2026-01-01\",\"source\":{\"ip\":\"1.1.1.1\"},\"source\":{\"ip\":\"8.8.8.8\"}}", "duplicateKey")]
    [InlineData("{\"@timestamp\":\"2026-01-01\",\"event\":{\"dataset\":{\"x\":1}}}", "unexpectedType")]
    [InlineData("{\"@timestamp\":\"2026-01-01\",\"message\":\"\\ud800\"}", "invalidText")]
    public async Task An_unacceptable_element_is_rejected_with_a_code(string element, string code)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(element, Ecs.SignIn()));

        Assert.Equal(code, answer.Json!["rejected"]![0]!["code"]!.GetValue<string>());
        Assert.Equal(1, answer.Number("accepted"));
    }

    [Fact]
    public async Task Hostile_documents_get_an_answer_each_and_never_a_fault()
    {
        using var service = new TestService();
        string[] hostile =
        [
            Deep(65), Deep(10_000), "{\"@timestamp\":1e400}", "{\"@timestamp\":99999999999999999999999}", "{\"@timestamp\":\"0001-01-01T00:00:00+14:00\"}",
            "{\"@timestamp\":\"9999-12-31T23:59:59.999999999-18:00\"}", "{\"@timestamp\":\"2026-01-01\",\"user.name\":\"\\u0000\\r\\nadmin\\u001b[31m\"}",
            "{\"@timestamp\":\"2026-01-01\",\"message\":\"" + new string('x', 2_000_000) + "\"}", "{\"@timestamp\":\"2026-01-01\",\"source.ip\":\"１.１.１.１\"}",
            "{\"@timestamp\":\"2026-01-01\",\"source.ip\":[[[\"1.1.1.1\"]],{}]}", "{\"@timestamp\":\"2026-01-01\",\"event\":[[{\"dataset\":[1,true,null]}]]}",
        ];

        foreach (var document in hostile)
        {
            var asArray = await service.PostAsync(Ecs.Batch(document), "?store=false");
            var asLine = await service.PostAsync(document + "\n" + Ecs.SignIn(), "?store=false", "application/x-ndjson");
            Assert.Equal(HttpStatusCode.OK, asArray.Status);
            Assert.Equal(1, asArray.Number("received"));
            Assert.Equal((HttpStatusCode.OK, 2), (asLine.Status, asLine.Number("received")));
        }

        Assert.Equal(HttpStatusCode.OK, (await service.PostAsync([.. "{\"@timestamp\":\"2026-01-01\",\"x\":\""u8, 0xFF, .. "\"}\n{\"@timestamp\":\"2026-01-01\"}"u8], "?store=false", "application/x-ndjson")).Status);
    }

    [Fact]
    public async Task Sending_a_batch_again_counts_duplicates_and_changes_no_alert()
    {
        using var service = new TestService();

        var first = await service.PostAsync(Ecs.Batch(Both));
        var again = await service.PostAsync(Ecs.Batch(Both));

        Assert.Equal((0, 2), (again.Number("accepted"), again.Number("duplicates")));
        Assert.Equal(first.Json!["alerts"]!.ToJsonString(), again.Json!["alerts"]!.ToJsonString());
    }

    [Fact]
    public async Task Events_without_identity_are_never_merged()
    {
        using var service = new TestService();

        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));
        var again = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));

        Assert.Equal(4, again.Json!["alerts"]![0]!["counts"]!["total"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_batch_shuffled_and_split_over_concurrent_requests_gives_the_same_alerts()
    {
        var scenario = Oracle.Scenario.Create();
        var documents = scenario.Ndjson.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        using var whole = new TestService();
        using var split = new TestService();
        var window = $$"""{"from":"{{Iso(Oracle.Scenario.From)}}","to":"{{Iso(Oracle.Scenario.To)}}","revision":"resilient","limit":1000}""";

        await whole.PostAsync(scenario.Ndjson, type: "application/x-ndjson");
        var shuffled = documents.ToArray();
        new Random(7).Shuffle(shuffled);
        await Task.WhenAll(shuffled.Chunk((shuffled.Length / 10) + 1).Select(part => split.PostAsync(string.Join('\n', part), type: "application/x-ndjson")));

        Assert.Equal((await whole.RunAsync(window)).Json!["alerts"]!.ToJsonString(), (await split.RunAsync(window)).Json!["alerts"]!.ToJsonString());
    }

    [Theory]
    [InlineData("2025-04-29", false)]
    [InlineData("2026-05-22", false)]
    [InlineData("resilient", false)]
    [InlineData("2025-04-29", true)]
    [InlineData("2026-05-22", true)]
    [InlineData("resilient", true)]
    public async Task The_scenario_reports_exactly_the_planted_addresses(string revision, bool promote)
    {
        var scenario = Oracle.Scenario.Create();
        using var service = new TestService();
        await service.PostAsync(scenario.Ndjson, type: "application/x-ndjson");

        var answer = await service.RunAsync(
            $$"""{"from":"{{Iso(Oracle.Scenario.From)}}","to":"{{Iso(Oracle.Scenario.To)}}","revision":"{{revision}}","promote":{{(promote ? "true" : "false")}},"limit":1000}""");

        Assert.True(scenario.Count >= 1000);
        Assert.Equal(scenario.Expected(revision, promote).Order(StringComparer.Ordinal), answer.Addresses.Order(StringComparer.Ordinal));
        Assert.Equal("succeeded", (string?)answer.Json!["status"]);
    }

    [Fact]
    public async Task With_store_false_nothing_is_kept()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Both), "?store=false");

        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Empty((await service.RunAsync()).Addresses);
    }

    [Fact]
    public async Task Every_accepted_event_is_accounted_for()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(
            Ecs.SignIn(), Ecs.MailAccess(), Ecs.NetworkAlert(), Ecs.SignIn(outcome: "failure"), Ecs.SignIn(ip: "10.0.0.1"), Ecs.SignIn(ip: "nowhere"),
            Ecs.SignIn(minutesAgo: 600), $$"""{"@timestamp":"{{Ecs.Time(1)}}","source.ip":"8.8.8.8","event.dataset":"apache.access"}""",
            $$"""{"@timestamp":"{{Ecs.Time(1)}}","source.ip":["8.8.8.8","9.9.9.9"],"event.dataset":"azure.signinlogs"}""", "{}"));

        Assert.Equal((10, 9, 0, 1), (answer.Number("received"), answer.Number("accepted"), answer.Number("duplicates"), answer.Number("rejectedTotal")));
        Assert.Equal("""{"azureSignIn":2,"mailAccess":1,"networkAlert":1,"other":5}""", answer.Json!["buckets"]!.ToJsonString());
        Assert.Equal("""{"noSourceIp":1,"excludedNetwork":1,"otherDataset":1,"multiValued":1,"outsideWindow":1}""", answer.Json["ignored"]!.ToJsonString());
        Assert.Equal(4, answer.Json["alerts"]![0]!["counts"]!["total"]!.GetValue<int>());
    }

    [Fact]
    public async Task Events_of_the_future_are_told_and_do_not_move_the_window()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch([.. Both, Ecs.SignIn(minutesAgo: -600)]));

        Assert.Contains("futureEvents", answer.Warnings);
        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Equal(Ecs.Time(10)[..19], ((string?)answer.Json!["window"]!["to"])![..19]);
    }

    [Fact]
    public async Task An_event_of_as_much_after_now_as_clocks_may_differ_by_is_not_of_the_future()
    {
        using var service = new TestService();

        var tolerated = await service.PostAsync(Ecs.Batch([.. Both, Ecs.SignIn(minutesAgo: -5)]), "?store=false");
        var beyond = await service.PostAsync(Ecs.Batch([.. Both, Ecs.SignIn(minutesAgo: -5.1)]), "?store=false");

        Assert.DoesNotContain("futureEvents", tolerated.Warnings);
        Assert.Equal("2026-03-14T06:05:00Z", (string?)tolerated.Json!["window"]!["to"]);
        Assert.Contains("futureEvents", beyond.Warnings);
        Assert.Equal("2026-03-14T05:50:00Z", (string?)beyond.Json!["window"]!["to"]);
    }

    [Fact]
    public async Task A_window_from_the_newest_event_on_ends_later_than_it_begins()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Both), $"?from={Ecs.Time(10)}");

        Assert.Equal(("2026-03-14T05:50:00Z", "2026-03-14T05:50:00.001Z"), ((string?)answer.Json!["window"]!["from"], (string?)answer.Json["window"]!["to"]));
    }

    [Fact]
    public async Task A_window_that_begins_at_the_end_of_the_calendar_is_empty()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Both), "?from=9999-12-31T23:59:59.999Z");

        Assert.Equal((HttpStatusCode.OK, 2), (answer.Status, answer.Number("accepted")));
        Assert.Empty(answer.Addresses);
    }

    [Fact]
    public async Task The_window_ends_at_the_newest_event_to_the_millisecond_and_excludes_its_start()
    {
        using var service = new TestService();

        var justOut = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: 480), Ecs.SignIn(minutesAgo: 0)), "?store=false");
        var justIn = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: 480 - (1 / 60_000.0)), Ecs.SignIn(minutesAgo: 0)), "?store=false");

        Assert.Empty(justOut.Addresses);
        Assert.Equal([Ecs.Address], justIn.Addresses);
    }

    [Fact]
    public async Task An_idempotency_key_makes_a_request_safe_to_send_again()
    {
        using var service = new TestService();
        var body = Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn());

        var first = await service.PostAsync(body, key: "k1");
        var again = await service.PostAsync(body, key: "k1");
        var other = await service.PostAsync(Ecs.Batch(Ecs.SignIn()), key: "k1");
        var otherParameters = await service.PostAsync(body, "?revision=resilient", key: "k1");

        Assert.Equal(first.Text, again.Text);
        Assert.Equal(2, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
        other.Problem(422);
        otherParameters.Problem(422);
    }

    [Fact]
    public async Task An_idempotency_key_is_its_callers_own()
    {
        using var service = new TestService(settings:
            [.. TestService.KeySettings(0, "soar", "K1", "events:write"), .. TestService.KeySettings(1, "soar", "K2", "events:write"), .. TestService.KeySettings(2, "siem", "K3", "events:write")]);

        var first = await PostAsync("K1", Ecs.Batch(Both));
        var rotated = await PostAsync("K2", Ecs.Batch(Both));
        var other = await PostAsync("K3", Ecs.Batch(Ecs.SignIn()));

        Assert.Equal(first.Text, rotated.Text);
        Assert.Equal((HttpStatusCode.OK, 1), (other.Status, other.Number("accepted")));

        Task<Answer> PostAsync(string key, string body) =>
            service.SendAsync(HttpMethod.Post, "/api/v1/events?store=false", TestService.Content(body), "k1", ("X-API-Key", key));
    }

    [Fact]
    public async Task Equal_events_without_identity_of_two_callers_are_two_although_their_keys_are_equal()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K1", "events:write"), .. TestService.KeySettings(1, "siem", "K2", "events:write")]);

        foreach (var caller in new[] { "K1", "K2" })
        {
            var answer = await service.SendAsync(HttpMethod.Post, "/api/v1/events", TestService.Content(Ecs.Batch(Ecs.SignIn())), "k1", ("X-API-Key", caller));

            Assert.Equal((1, 0), (answer.Number("accepted"), answer.Number("duplicates")));
        }
    }

    [Fact]
    public async Task An_answer_is_remembered_for_its_lifetime_and_no_longer()
    {
        using var service = new TestService(settings: ("Idempotency:Lifetime", "01:00:00"));
        await service.PostAsync(Ecs.Batch(Both), key: "k1");

        // A key that is remembered refuses another body; one that is free takes it.
        service.Clock.Advance(TimeSpan.FromHours(1));
        (await service.PostAsync("[]", key: "k1")).Problem(422);
        service.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(HttpStatusCode.OK, (await service.PostAsync("[]", key: "k1")).Status);
    }

    [Fact]
    public async Task The_longest_body_that_is_allowed_may_be_sent_again_with_its_key()
    {
        var body = Ecs.Batch(Both).PadRight(2048);
        using var service = new TestService(settings: ("Events:MaxBodyBytes", $"{body.Length}"));

        var first = await service.PostAsync(body, key: "k1");
        var again = await service.PostAsync(body, key: "k1");

        Assert.Equal((HttpStatusCode.OK, first.Text), (again.Status, again.Text));
    }

    [Theory]
    [InlineData("application/json", "application/json; charset=utf-8", HttpStatusCode.OK)]
    [InlineData("application/x-ndjson", "application/ndjson", HttpStatusCode.OK)]
    [InlineData("application/json", "application/x-ndjson", HttpStatusCode.UnprocessableEntity)]
    public async Task A_request_is_the_same_however_its_content_type_is_written(string first, string again, HttpStatusCode status)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.SignIn(), type: first, key: "k1");

        Assert.Equal(status, (await service.PostAsync(Ecs.SignIn(), type: again, key: "k1")).Status);
    }

    [Theory]
    [InlineData("?promote=false&revision=resilient", HttpStatusCode.OK)]
    [InlineData("?Revision=resilient&promote=false", HttpStatusCode.OK)]
    [InlineData("?revision=resilient&promote=true", HttpStatusCode.UnprocessableEntity)]
    [InlineData("?revision=resilient", HttpStatusCode.UnprocessableEntity)]
    public async Task A_request_is_the_same_in_whatever_order_its_parameters_come(string again, HttpStatusCode status)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.SignIn(), "?revision=resilient&promote=false", key: "k1");

        Assert.Equal(status, (await service.PostAsync(Ecs.SignIn(), again, key: "k1")).Status);
    }

    [Theory]
    [InlineData("store")]
    [InlineData("timeShift")]
    [InlineData("revision")]
    public async Task A_parameter_without_a_value_does_not_mean_its_default(string name)
    {
        using var service = new TestService();

        Assert.Equal([name], (await service.PostAsync(Ecs.SignIn(), $"?{name}=")).Problem(400));
        Assert.Equal([name], (await service.PostAsync(Ecs.SignIn(), $"?{name}=%20")).Problem(400));
        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task An_empty_key_is_refused_for_whoever_sends_one_counts_on_it()
    {
        using var service = new TestService();

        var answer = await service.SendAsync(HttpMethod.Post, "/api/v1/events", TestService.Content(Ecs.SignIn()), headers: ("Idempotency-Key", " "));

        Assert.Equal(["Idempotency-Key"], answer.Problem(422));
        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task A_key_whose_first_request_failed_may_be_used_again()
    {
        using var service = new TestService();

        (await service.PostAsync("nonsense", key: "k1")).Problem(400);

        Assert.Equal(HttpStatusCode.OK, (await service.PostAsync(Ecs.Batch(Both), key: "k1")).Status);
    }

    [Fact]
    public async Task A_body_repeated_with_an_idempotency_key_is_read_no_further_than_a_first_one()
    {
        using var service = new TestService(settings: ("Events:MaxBodyBytes", "4096"));
        await service.PostAsync(Ecs.Batch(Both), key: "k1");
        var bomb = Compress(new string(' ', 1_000_000), "gzip");

        var first = await service.PostAsync(bomb, encoding: "gzip", key: "k2");
        var again = await service.PostAsync(bomb, encoding: "gzip", key: "k1");

        first.Problem(413);
        again.Problem(413);
        Assert.Equal((string?)first.Json!["detail"], (string?)again.Json!["detail"]);
    }

    [Fact]
    public async Task Answers_to_idempotency_keys_are_forgotten_beyond_their_bytes_the_oldest_first()
    {
        using var service = new TestService(settings: [("Idempotency:MaxBytes", "1048576"), ("Alerts:MaxEvents", "10000")]);
        var small = await service.PostAsync(Batch("small", 2000), "?includeEvents=true&store=false", key: "small");
        var other = await service.PostAsync(Batch("other", 2000), "?includeEvents=true&store=false", key: "other");
        var third = await service.PostAsync(Batch("third", 2000), "?includeEvents=true&store=false", key: "third");
        var large = await service.PostAsync(Batch("large", 6000), "?includeEvents=true&store=false", key: "large");

        Assert.InRange(small.Text.Length, 1048576 / 3 + 1, 1048576 / 2);
        Assert.InRange(large.Text.Length, 1048576 + 1, int.MaxValue);
        // A key that is remembered refuses another body; one that is free takes it.
        (await service.PostAsync(Batch("x", 1), key: "other")).Problem(422);
        (await service.PostAsync(Batch("x", 1), key: "third")).Problem(422);
        Assert.Equal(other.Text, (await service.PostAsync(Batch("other", 2000), "?includeEvents=true&store=false", key: "other")).Text);
        Assert.Equal(HttpStatusCode.OK, third.Status);
        Assert.Equal(HttpStatusCode.OK, (await service.PostAsync(Batch("x", 1), key: "small")).Status);
        Assert.Equal(HttpStatusCode.OK, (await service.PostAsync(Batch("x", 1), key: "large")).Status);

        static string Batch(string name, int count) =>
            Ecs.Batch([Ecs.NetworkAlert(), .. Enumerable.Range(0, count).Select(i => Ecs.SignIn(id: $"{name}<{i}>é"))]);
    }

    [Fact]
    public void A_key_whose_request_goes_on_is_never_forgotten()
    {
        var clock = new FakeTimeProvider(TestService.Now);
        var cache = new IdempotencyCache(new IdempotencyOptions { MaxKeys = 1 }, clock);

        cache.TryClaim("soar", "k1", out _, out _);
        cache.TryClaim("soar", "k2", out _, out _);
        clock.Advance(TimeSpan.FromDays(2));

        Assert.Equal(IdempotencyCache.Claim.InProgress, cache.TryClaim("soar", "k1", out _, out _));
    }

    [Theory]
    [InlineData(1001, "[]", "")]
    [InlineData(10, null, "?includeEvents=true&store=false")]
    public async Task Nobody_pushes_out_the_answers_of_another_caller(int requests, string? body, string query)
    {
        using var service = new TestService(settings:
        [
            .. TestService.KeySettings(0, "quiet", "Q", "events:write"), .. TestService.KeySettings(1, "noisy", "N", "events:write"), ("Idempotency:MaxBytes", "1048576"),
        ]);
        body ??= Ecs.Batch([Ecs.NetworkAlert(), .. Enumerable.Range(0, 2000).Select(i => Ecs.SignIn(id: $"other{i}"))]);

        var first = await SendAsync("Q", "k", "[]");
        for (var i = 0; i < requests; i++)
        {
            Assert.Equal(HttpStatusCode.OK, (await SendAsync("N", $"k{i}", body, query)).Status);
        }

        // A key that is remembered refuses another body.
        Assert.Equal(first.Text, (await SendAsync("Q", "k", "[]")).Text);
        (await SendAsync("Q", "k", "[ ]")).Problem(422);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("N", "k0", "[ ]")).Status);
        (await SendAsync("N", $"k{requests - 1}", "[ ]")).Problem(422);

        Task<Answer> SendAsync(string key, string idempotencyKey, string json, string parameters = "") =>
            service.SendAsync(HttpMethod.Post, "/api/v1/events" + parameters, TestService.Content(json), idempotencyKey, ("X-API-Key", key));
    }

    [Fact]
    public async Task Of_callers_who_hold_as_many_answers_the_one_of_the_oldest_loses_it()
    {
        using var service = new TestService(settings:
            [.. TestService.KeySettings(0, "early", "E", "events:write"), .. TestService.KeySettings(1, "late", "L", "events:write"), ("Idempotency:MaxKeys", "1")]);

        await SendAsync("E", "[]");
        service.Clock.Advance(TimeSpan.FromSeconds(1));
        await SendAsync("L", "[]");

        // A key that is remembered refuses another body; one that is free takes it.
        (await SendAsync("L", "[ ]")).Problem(422);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("E", "[ ]")).Status);

        Task<Answer> SendAsync(string key, string json) =>
            service.SendAsync(HttpMethod.Post, "/api/v1/events", TestService.Content(json), "k", ("X-API-Key", key));
    }

    [Fact]
    public async Task Answers_that_were_forgotten_do_not_count_among_those_that_a_caller_holds()
    {
        using var service = new TestService(settings:
        [
            .. TestService.KeySettings(0, "first", "A", "events:write"), .. TestService.KeySettings(1, "second", "B", "events:write"), .. TestService.KeySettings(2, "third", "C", "events:write"),
            ("Idempotency:MaxBytes", "1048576"), ("Idempotency:Lifetime", "01:00:00"), ("Alerts:MaxEvents", "10000"),
        ]);

        // The first held most, but for an hour only, and has little left when the others together hold too much.
        await SendAsync("A", "large", 4000);
        service.Clock.Advance(TimeSpan.FromMinutes(30));
        await SendAsync("A", "small", 1);
        service.Clock.Advance(TimeSpan.FromMinutes(31));
        await SendAsync("B", "k", 3200);
        await SendAsync("C", "k", 2800);

        // A key that is remembered refuses another body; one that is free takes it.
        (await SendAsync("A", "small", 2)).Problem(422);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("B", "k", 2)).Status);

        Task<Answer> SendAsync(string key, string idempotencyKey, int count) => service.SendAsync(
            HttpMethod.Post,
            "/api/v1/events?includeEvents=true&store=false",
            TestService.Content(Ecs.Batch([Ecs.NetworkAlert(), .. Enumerable.Range(0, count).Select(i => Ecs.SignIn(id: $"other{i}"))])),
            idempotencyKey,
            ("X-API-Key", key));
    }

    [Fact]
    public void A_key_whose_request_failed_is_new_again()
    {
        var cache = new IdempotencyCache(new IdempotencyOptions(), new FakeTimeProvider(TestService.Now));

        cache.TryClaim("soar", "k1", out _, out _);
        cache.Release("soar", "k1");

        Assert.Equal(IdempotencyCache.Claim.New, cache.TryClaim("soar", "k1", out _, out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData("?timeShift=-1h")]
    [InlineData("?timeShift=now")]
    public async Task A_request_that_failed_behind_the_store_is_stored_once_when_it_is_sent_again_with_its_key(string query)
    {
        var store = new InterceptedStore { BeforeCorrelation = _ => throw new StoreUnavailableException("Not now.") };
        using var service = new TestService(store: store);
        var body = Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn(), Ecs.SignIn(), Ecs.SignIn(id: "s1"));

        (await service.PostAsync(body, query, key: "k1")).Problem(503);
        store.BeforeCorrelation = _ => Task.CompletedTask;
        service.Clock.Advance(TimeSpan.FromSeconds(5));
        var again = await service.PostAsync(body, query, key: "k1");
        var otherBody = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()), query, key: "k2");

        Assert.Equal((0, 4), (again.Number("accepted"), again.Number("duplicates")));
        Assert.Equal([Ecs.Address], again.Addresses);
        Assert.Equal((2, 0), (otherBody.Number("accepted"), otherBody.Number("duplicates")));
        Assert.Equal(6, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task A_caller_who_went_away_behind_the_store_sends_again_with_its_key_and_nothing_counts_twice()
    {
        using var isStored = new SemaphoreSlim(0);
        var store = new InterceptedStore();
        store.BeforeCorrelation = async gone =>
        {
            isStored.Release();
            await Task.Delay(Timeout.Infinite, gone);
        };
        using var service = new TestService(store: store);
        using var caller = new CancellationTokenSource();
        var body = Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn(), Ecs.SignIn());

        var first = service.SendAsync(HttpMethod.Post, "/api/v1/events", TestService.Content(body), "k1", caller.Token);
        await isStored.WaitAsync();
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        store.BeforeCorrelation = _ => Task.CompletedTask;
        // The service learns a moment later that the caller went away.
        var again = await service.PostAsync(body, key: "k1");
        await Eventually.IsAsync(async () => (again = await service.PostAsync(body, key: "k1")).Status != HttpStatusCode.Conflict);

        Assert.Equal((0, 3), (again.Number("accepted"), again.Number("duplicates")));
        Assert.Equal(3, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task Equal_events_of_one_request_without_identity_stay_two_with_a_key_too()
    {
        using var service = new TestService();

        Assert.Equal(3, (await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.SignIn(), Ecs.SignIn()), key: "k1")).Number("accepted"));
    }

    [Fact]
    public async Task Evidence_that_is_not_all_there_makes_the_answer_partial()
    {
        using var service = new TestService(store: new InterceptedStore { Page = page => page with { IsPartial = true, Warnings = [new Warning("partialResults", "Not all.", 1)] } });

        var batch = await service.PostAsync(Ecs.Batch(Both), "?includeEvents=true");
        var run = await service.RunAsync("""{"includeEvents":true}""");
        var without = await service.RunAsync("""{"includeEvents":false}""");

        Assert.All([batch, run], answer =>
        {
            Assert.Equal("partial", (string?)answer.Json!["status"]);
            Assert.Contains("partialResults", answer.Warnings);
        });
        Assert.Equal("succeeded", (string?)without.Json!["status"]);
    }

    [Fact]
    public async Task One_answer_shows_no_more_events_than_it_may_and_says_which_alerts_show_none()
    {
        using var service = new TestService(settings: ("Alerts:MaxEventsPerAnswer", "5"));
        string[] addresses = ["81.2.69.1", "81.2.69.2", "81.2.69.3", "81.2.69.4"];

        var answer = await service.PostAsync(Ecs.Batch([.. addresses.SelectMany(ip => new[] { Ecs.NetworkAlert(ip: ip), Ecs.SignIn(ip: ip) })]), "?includeEvents=true");

        Assert.Equal(addresses, answer.Addresses);
        var alerts = answer.Json!["alerts"]!.AsArray();
        Assert.Equal([2, 2, 1, 0], alerts.Select(alert => alert!["events"]!.AsArray().Count));
        Assert.All(alerts, alert => Assert.Equal(2, (int)alert!["eventsTotal"]!));
        var warning = answer.Json["warnings"]!.AsArray().Single(each => (string?)each!["code"] == "evidenceCut");
        Assert.Equal(1, (int)warning!["count"]!);
        Assert.Equal("succeeded", (string?)answer.Json["status"]);
    }

    [Theory]
    [InlineData(-200, "outsideRetention", true)]
    [InlineData(200, "tooFarAhead", true)]
    [InlineData(200, "tooFarAhead", false)]
    [InlineData(-1, "outsideCapacity", true)]
    public async Task A_batch_of_days_that_the_store_does_not_keep_is_judged_alone(int daysFromNow, string warning, bool holdsEvents)
    {
        using var service = new TestService(settings: ("Store:Memory:MaxEvents", "1000"));
        if (holdsEvents)
        {
            await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 1_000).Select(i => Ecs.SignIn(minutesAgo: i / 100.0, ip: "81.2.69.1"))]));
        }

        var minutes = -daysFromNow * 24 * 60;
        var batch = Ecs.Batch(Ecs.NetworkAlert(minutesAgo: minutes + 5), Ecs.SignIn(minutesAgo: minutes), Ecs.SignIn(minutesAgo: minutes + (9 * 60), ip: "81.2.69.2"));

        var answer = await service.PostAsync(batch, "?includeEvents=true");

        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Equal(2, answer.Json!["alerts"]![0]!["events"]!.AsArray().Count);
        Assert.Equal(3, (int)answer.Json["warnings"]!.AsArray().Single(each => (string?)each!["code"] == warning)!["count"]!);
        Assert.Equal((3, 0, "succeeded"), (answer.Number("accepted"), answer.Number("duplicates"), (string?)answer.Json["status"]));
        var alone = await service.PostAsync(batch, "?store=false");
        Assert.Equal(alone.Warnings.Append(warning).Order(StringComparer.Ordinal), answer.Warnings.Order(StringComparer.Ordinal));
        Assert.Equal(0, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Theory]
    [InlineData((2 * 24 * 60) + (1 / 60_000.0))]
    [InlineData(-(24 + 8) * 60)]
    public async Task A_batch_whose_window_only_touches_what_the_store_keeps_is_judged_alone(double minutesAgo)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.SignIn(minutesAgo: 0, ip: "81.2.69.1"));

        var answer = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: minutesAgo + 5), Ecs.SignIn(minutesAgo: minutesAgo)));

        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Equal("succeeded", (string?)answer.Json!["status"]);
    }

    [Fact]
    public async Task Events_that_were_not_stored_and_lie_outside_the_window_leave_the_answer_whole()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch([.. Both, Ecs.SignIn(minutesAgo: -50 * 60)]), $"?from=now-8h&to=now%2B36h");

        Assert.Contains("tooFarAhead", answer.Warnings);
        Assert.Equal("succeeded", (string?)answer.Json!["status"]);
    }

    [Fact]
    public async Task An_answer_whose_window_has_events_that_were_not_stored_is_partial()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: -25 * 60), Ecs.SignIn(minutesAgo: -(25 * 60) + 1)));

        Assert.Equal(("partial", 2), ((string?)answer.Json!["status"], answer.Number("accepted")));
        Assert.Contains("tooFarAhead", answer.Warnings);
    }

    [Fact]
    public async Task One_answer_shows_no_more_bytes_of_evidence_than_64_MiB()
    {
        using var service = new TestService(store: new InterceptedStore { Page = page => page with { Bytes = 30 << 20 } });
        string[] addresses = ["81.2.69.1", "81.2.69.2", "81.2.69.3", "81.2.69.4"];

        var answer = await service.PostAsync(Ecs.Batch([.. addresses.SelectMany(ip => new[] { Ecs.NetworkAlert(ip: ip), Ecs.SignIn(ip: ip) })]), "?includeEvents=true");

        Assert.Equal([2, 2, 2, 0], answer.Json!["alerts"]!.AsArray().Select(alert => alert!["events"]!.AsArray().Count));
        Assert.Contains("evidenceCut", answer.Warnings);
    }

    [Fact]
    public async Task From_alone_is_compared_with_the_events_and_not_with_now()
    {
        using var service = new TestService();
        var from = Iso(TestService.Now.AddHours(1).ToUnixTimeMilliseconds());

        var answer = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: -70), Ecs.SignIn(minutesAgo: -80)), $"?store=false&from={from}");

        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Fact]
    public async Task The_events_of_an_address_have_no_end_unless_one_is_asked_for()
    {
        using var service = new TestService();
        var from = Iso(TestService.Now.AddHours(1).ToUnixTimeMilliseconds());
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: -70), Ecs.SignIn(minutesAgo: 10)));

        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?from={from}");

        Assert.Equal(1, answer.Number("total"));
        Assert.Equal(["from"], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?from={from}&to=now")).Problem(422));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("k1")]
    public async Task Now_is_when_a_request_came_however_long_its_body_takes(string? key)
    {
        var body = new SlowBody(TimeSpan.FromSeconds(40));
        using var service = new TestService("Production", null, services => services.AddSingleton<IStartupFilter>(body));

        var answer = await service.PostAsync(
            Ecs.Batch(Ecs.NetworkAlert(0.75), Ecs.SignIn(0.75)), $"?store=false&from=now-1m&to={Ecs.Time(0.5)}", key: key);

        Assert.Equal(TestService.Now.AddSeconds(40), service.Clock.GetUtcNow());
        Assert.Equal("""{"from":"2026-03-14T05:59:00Z","to":"2026-03-14T05:59:30Z"}""", answer.Json!["window"]?.ToJsonString());
        Assert.Equal([Ecs.Address], answer.Addresses);
    }

    [Fact]
    public async Task Events_moved_to_now_are_moved_to_the_end_of_their_body_and_judged_in_a_window_of_that_moment()
    {
        var body = new SlowBody(TimeSpan.FromSeconds(40));
        using var service = new TestService("Production", null, services => services.AddSingleton<IStartupFilter>(body));
        var batch = Ecs.Batch(Ecs.NetworkAlert(30), Ecs.SignIn(10));

        var answer = await service.PostAsync(batch, "?timeShift=now&from=now-1h&to=now");

        Assert.Equal("""{"from":"2026-03-14T05:00:40Z","to":"2026-03-14T06:00:40Z"}""", answer.Json!["window"]?.ToJsonString());
        Assert.Equal("2026-03-14T06:00:40Z", (string?)answer.Json["alerts"]![0]!["lastSeen"]);

        // At 06:00:40 this window is not upside down yet, at 06:01:20 it is.
        var late = await service.PostAsync(batch, "?timeShift=now&from=now-1m&to=2026-03-14T06:00:00Z");

        Assert.Equal(["from"], late.Problem(422));
        Assert.Equal(2, (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Number("total"));
    }

    [Fact]
    public async Task Now_is_the_same_for_both_bounds_of_a_window_also_around_midnight()
    {
        using var service = new TestService(store: new MemoryEventStore(
            new MemoryStoreOptions { Retention = TimeSpan.FromDays(90) }, new FakeTimeProvider(TestService.Now)));
        await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 80).Select(day => Ecs.SignIn(minutesAgo: day * 1440))]));

        service.Clock.AdjustTime(TestService.Now.AddDays(-79));
        service.Clock.AutoAdvanceAmount = TimeSpan.FromDays(1);
        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?from=now/d&to=now/d");

        Assert.Equal(1, answer.Number("total"));
    }

    [Theory]
    [InlineData("?revision=2024-01-01", 422, "revision")]
    [InlineData("?from=now&to=now-1h", 422, "from")]
    [InlineData("?from=yesterday", 400, "from")]
    [InlineData("?store=perhaps", 400, "store")]
    [InlineData("?sotre=false", 400, "sotre")]
    [InlineData("?store=false&store=true", 400, "store")]
    public async Task A_bad_parameter_is_named(string query, int status, string name)
    {
        using var service = new TestService();

        Assert.Equal([name], (await service.PostAsync(Ecs.Batch(Both), query)).Problem(status));
    }

    private static string Deep(int levels) =>
        "{\"@timestamp\":\"2026-01-01\",\"x\":" + new string('[', levels) + new string(']', levels) + "}";

    private static string Iso(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");

    private static byte[] Compress(string text, string encoding) => CompressLines([text], encoding).Whole;

    /// <summary>Compresses lines, and tells how much of it holds the first of them.</summary>
    private static (byte[] Whole, int Flushed) CompressLines(string[] lines, string encoding)
    {
        using var compressed = new MemoryStream();
        int flushed;
        using (Stream stream = encoding switch
        {
            "gzip" or "x-gzip" => new GZipStream(compressed, CompressionLevel.Fastest),
            "br" => new BrotliStream(compressed, CompressionLevel.Fastest),
            _ => new ZLibStream(compressed, CompressionLevel.Fastest),
        })
        {
            stream.Write(Encoding.UTF8.GetBytes(lines[0] + "\n"));
            stream.Flush();
            flushed = (int)compressed.Length;
            stream.Write(Encoding.UTF8.GetBytes(string.Join('\n', lines[1..])));
        }

        return (compressed.ToArray(), flushed);
    }

    /// <summary>Bodies that take a time to come, once the service begins to read them.</summary>
    private sealed class SlowBody(TimeSpan takes) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            var clock = (FakeTimeProvider)app.ApplicationServices.GetRequiredService<TimeProvider>();
            app.Use((context, inner) =>
            {
                context.Request.Body = new SlowStream(context.Request.Body, () => clock.Advance(takes));
                return inner(context);
            });
            next(app);
        };
    }

    private sealed class SlowStream(Stream body, Action atFirst) : MemoryStream
    {
        private bool _isBegun;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!_isBegun)
            {
                _isBegun = true;
                atFirst();
            }

            return await body.ReadAsync(buffer, cancellationToken);
        }
    }
}
