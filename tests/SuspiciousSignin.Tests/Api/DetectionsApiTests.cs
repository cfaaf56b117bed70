using System.Net;
using System.Text;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Api;

public sealed class DetectionsApiTests
{
    [Fact]
    public async Task Datasets_whose_events_are_alerts_count_with_promote_whatever_their_kind()
    {
        foreach (var (dataset, reported) in new[] { ("acme.sensor", 1), ("acme.other", 0) })
        {
            using var service = new TestService(settings: [("Events:AlertDatasets:0", "acme.sensor")]);
            await service.PostAsync(Ecs.Batch(
                Ecs.SignIn(), $$"""{"@timestamp":"{{Ecs.Time(30)}}","source.ip":"{{Ecs.Address}}","event.dataset":"{{dataset}}","event.kind":"event"}"""));
            Assert.Equal(reported, (await service.RunAsync("""{"promote":true}""")).Addresses.Length);
            Assert.Empty((await service.RunAsync()).Addresses);
        }
    }

    [Fact]
    public async Task An_empty_body_runs_the_default_revision_over_the_last_eight_hours()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));

        var answer = await service.SendAsync(HttpMethod.Post, "/api/v1/detections");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Equal((1, false), (answer.Number("total"), (bool)answer.Json!["truncated"]!));
        Assert.Equal("2025-04-29", (string?)answer.Json["rule"]!["revision"]);
        Assert.Equal("2026-03-13T22:00:00Z", (string?)answer.Json["window"]!["from"]);
        Assert.Equal("2026-03-14T06:00:00Z", (string?)answer.Json["window"]!["to"]);
    }

    [Fact]
    public async Task An_alert_says_who_when_in_which_order_and_how_close()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(30), Ecs.SignIn(18), Ecs.MailAccess(5)));

        var alert = (await service.RunAsync("""{"includeEvents":true}""")).Json!["alerts"]![0]!;

        Assert.Equal("""{"total":3,"azureSignIn":1,"mailAccess":1,"networkAlert":1,"datasets":3}""", alert["counts"]!.ToJsonString());
        Assert.Equal("""[{"name":"ada@example.com","email":"Ada@example.com","azureSignIn":1,"mailAccess":1}]""", alert["users"]!.ToJsonString());
        Assert.Equal(("alertFirst", "PT12M"), ((string?)alert["order"], (string?)alert["smallestGap"]));
        Assert.Equal("2026-03-14T05:42:00Z", (string?)alert["completedAt"]);
        Assert.Equal(["networkAlert", "azureSignIn", "mailAccess"], alert["events"]!.AsArray().Select(e => (string?)e!["bucket"]));
        Assert.Equal("T1078", (string?)alert["threat"]![0]!["technique"]!["id"]);
    }

    /// <summary>
    /// Worked out with another program: <c>printf 'RULE|REVISION|ADDRESS|TICKS OF A PERIOD|NUMBER OF THE PERIOD' | sha256sum</c>. Playbooks know an alert by its id, so that
    /// no later version may give it another.
    /// </summary>
    [Theory]
    [InlineData("81.2.69.144", "2025-04-29", "b9f991ece10564ad0c1664f96faee788")]
    [InlineData("81.2.69.144", "resilient", "bdbabf6b0255fd7238e285b4f64b6c56")]
    [InlineData("2A02:DB8::1", "resilient", "aafc13712a5d2075ca39d43e57d84daa")]
    public async Task An_alert_has_the_same_id_in_every_version(string ip, string revision, string id)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(ip: ip), Ecs.SignIn(ip: ip)));

        var run = await service.RunAsync($$"""{"revision":"{{revision}}"}""");

        Assert.Equal(id, (string?)run.Json!["alerts"]![0]!["id"]);
    }

    [Theory]
    [InlineData(1, 1, 0, "1 successful Entra ID sign-in by 1 account from 81.2.69.144, which has 1 network alert; after the last network alert, closest 20 minutes apart.")]
    [InlineData(2, 0, 1, "1 mail access by 1 account from 81.2.69.144, which has 2 network alerts; after the last network alert, closest 25 minutes apart.")]
    [InlineData(1, 2, 2, "2 successful Entra ID sign-ins and 2 mail accesses by 2 accounts from 81.2.69.144, which has 1 network alert; after the last network alert, closest 20 minutes apart.")]
    public async Task The_reason_says_in_one_sentence_who_did_what_after_what(int alerts, int signIns, int mailAccesses, string reason)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(
        [
            .. Enumerable.Repeat(Ecs.NetworkAlert(30), alerts),
            .. Enumerable.Range(0, signIns).Select(i => Ecs.SignIn(10, user: i == 0 ? "ada@example.com" : "eve@example.com")),
            .. Enumerable.Repeat(Ecs.MailAccess(5), mailAccesses),
        ]));

        Assert.Equal(reason, (string?)(await service.RunAsync()).Json!["alerts"]![0]!["reason"]);
    }

    [Theory]
    [InlineData(30, 10, 5, "alertFirst")]
    [InlineData(5, 30, 10, "signInFirst")]
    [InlineData(20, 30, 10, "interleaved")]
    [InlineData(30, 30, 30, "alertFirst")]
    public async Task The_order_of_the_legs_is_told(double alert, double signIn, double mail, string order)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(alert), Ecs.SignIn(signIn), Ecs.MailAccess(mail)));

        Assert.Equal(order, (string?)answer.Json!["alerts"]![0]!["order"]);
    }

    [Fact]
    public async Task Ids_stay_with_address_and_day_and_change_with_the_next()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(30), Ecs.SignIn(10)));
        var id = Id(await service.RunAsync());

        await service.PostAsync(Ecs.Batch(Ecs.MailAccess(1)));
        Assert.Equal(id, Id(await service.RunAsync("""{"from":"now-1h"}""")));
        Assert.NotEqual(id, Id(await service.RunAsync("""{"revision":"resilient"}""")));

        service.Clock.Advance(TimeSpan.FromDays(1));
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(30 - 1440), Ecs.SignIn(10 - 1440)));
        Assert.NotEqual(id, Id(await service.RunAsync()));

        static string? Id(Answer answer) => (string?)answer.Json!["alerts"]![0]!["id"];
    }

    [Fact]
    public async Task The_window_excludes_its_start_and_includes_its_end()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(30), Ecs.SignIn(10)));

        Assert.Empty((await service.RunAsync($$"""{"from":"{{Ecs.Time(30)}}"}""")).Addresses);
        Assert.Single((await service.RunAsync($$"""{"from":"{{Ecs.Time(30 + (1 / 60_000.0))}}","to":"{{Ecs.Time(10)}}"}""")).Addresses);
        Assert.Empty((await service.RunAsync($$"""{"to":"{{Ecs.Time(10 + (1 / 60_000.0))}}"}""")).Addresses);
    }

    [Fact]
    public async Task Limit_cuts_in_the_order_of_the_addresses_and_says_so()
    {
        using var service = new TestService();
        foreach (var ip in new[] { "9.9.9.9", "8.8.8.8", "2a00::1" })
        {
            await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(ip: ip), Ecs.SignIn(ip: ip)));
        }

        var answer = await service.RunAsync("""{"limit":2}""");

        Assert.Equal(["8.8.8.8", "9.9.9.9"], answer.Addresses);
        Assert.Equal((3, true), (answer.Number("total"), answer.Json!["truncated"]!.GetValue<bool>()));
        Assert.Equal(["2a00::1"], (await service.RunAsync("""{"sourceIps":["2A00:0::1","10.0.0.1"]}""")).Addresses);
        Assert.Contains("excludedAddress", (await service.RunAsync("""{"sourceIps":["10.0.0.1"]}""")).Warnings);
    }

    [Fact]
    public async Task A_run_that_finds_as_many_alerts_as_it_may_show_is_not_truncated()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));

        var answer = await service.RunAsync("""{"limit":1}""");

        Assert.Equal((1, false), (answer.Number("total"), (bool)answer.Json!["truncated"]!));
    }

    [Fact]
    public async Task Runs_have_one_id_where_they_ask_the_same_and_else_another()
    {
        using var service = new TestService();
        string[] questions =
        [
            "", ",\"limit\":99", ",\"ingestedAfter\":\"now-1h\"", ",\"promote\":true", ",\"revision\":\"resilient\"", ",\"sourceIps\":[\"8.8.8.8\",\"9.9.9.9\"]", ",\"sourceIps\":[\"8.8.8.8\"]",
        ];

        var ids = new List<string?>();
        foreach (var question in questions)
        {
            ids.Add(await IdAsync(question));
        }

        Assert.Distinct(ids);
        Assert.Equal(ids[0], await IdAsync(",\"limit\":100"));
        Assert.Equal(ids[5], await IdAsync(",\"sourceIps\":[\"9.9.9.9\",\"8.8.8.8\",\"9.9.9.9\"]"));

        async Task<string?> IdAsync(string members) => (string?)(await service.RunAsync($$"""{"from":"now-1d"{{members}}}""")).Json!["id"];
    }

    [Theory]
    [InlineData(100, null)]
    [InlineData(101, "highVolume")]
    public async Task An_address_of_more_than_a_hundred_events_is_labelled(int events, string? label)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch([Ecs.NetworkAlert(), .. Enumerable.Range(1, events - 1).Select(_ => Ecs.SignIn())]));

        Assert.Equal(label, (string?)(await service.RunAsync("""{"revision":"resilient"}""")).Json!["alerts"]![0]!["labels"]?[0]);
    }

    [Theory]
    [InlineData("d", "2026-03-14T00:00:00Z", "2026-03-14T23:59:59.999Z")]
    [InlineData("w", "2026-03-09T00:00:00Z", "2026-03-15T23:59:59.999Z")]
    [InlineData("M", "2026-03-01T00:00:00Z", "2026-03-31T23:59:59.999Z")]
    [InlineData("y", "2026-01-01T00:00:00Z", "2026-12-31T23:59:59.999Z")]
    [InlineData("h", "2026-03-14T06:00:00Z", "2026-03-14T06:59:59.999Z")]
    public async Task A_unit_rounds_to_its_first_millisecond_and_at_the_end_of_a_window_to_its_last(string unit, string from, string to)
    {
        using var service = new TestService();

        var window = (await service.RunAsync($$"""{"from":"now/{{unit}}","to":"now/{{unit}}"}""")).Json!["window"]!;

        Assert.Equal((from, to), ((string?)window["from"], (string?)window["to"]));
    }

    [Fact]
    public async Task Near_misses_and_legs_without_data_are_told()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(
            Ecs.SignIn(), Ecs.NetworkAlert(name: "Port scan"), Ecs.NetworkAlert(ip: "10.0.0.9"),
            $$"""{"@timestamp":"{{Ecs.Time(3)}}","source.ip":"8.8.4.4","event":{"kind":"alert","module":"suricata","dataset":"suricata.eve"} }""",
            $$"""{"@timestamp":"{{Ecs.Time(3)}}","source.ip":["8.8.4.4","8.8.8.8"],"event":{"dataset":"azure.signinlogs"} }"""));

        var answer = await service.RunAsync();

        Assert.Equal(
            ["externalAlertRenamed", "promotableAlert", "multiValuedSourceIp", "alertOnExcludedNetwork", "mailAccessWithoutData", "networkAlertWithoutData"],
            answer.Warnings);
        Assert.Equal(1, answer.Number("coverage.azureSignIn.events"));
        Assert.Equal([Ecs.Address], (await service.RunAsync("""{"revision":"resilient"}""")).Addresses);
    }

    [Theory]
    [InlineData("2025-04-29")]
    [InlineData("resilient")]
    public async Task Evidence_is_of_the_events_that_were_counted_though_more_arrive_before_it_is_read(string revision)
    {
        var store = new InterceptedStore();
        using var service = new TestService(store: store);
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));
        store.BeforeReading = async () =>
        {
            store.BeforeReading = () => Task.CompletedTask;
            await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.SignIn()));
        };

        var alert = (await service.RunAsync($$"""{"revision":"{{revision}}","includeEvents":true}""")).Json!["alerts"]![0]!;

        Assert.Equal((2, 2, 2), ((int)alert["counts"]!["total"]!, (int)alert["eventsTotal"]!, alert["events"]!.AsArray().Count));
    }

    [Theory]
    [InlineData(1, "2 successful Entra ID sign-ins by 1 account and others that the events do not name from")]
    [InlineData(0, "1 successful Entra ID sign-in by accounts that the events do not name from")]
    public async Task Sign_ins_that_name_nobody_are_no_account(int named, string reason)
    {
        using var service = new TestService();
        var unnamed = $$"""{"@timestamp":"{{Ecs.Time(4)}}","source.ip":"{{Ecs.Address}}","event":{"dataset":"azure.signinlogs","outcome":"success"} }""";
        await service.PostAsync(Ecs.Batch([Ecs.NetworkAlert(), unnamed, .. Enumerable.Range(0, named).Select(_ => Ecs.SignIn())]));

        Assert.StartsWith(reason, (string)(await service.RunAsync()).Json!["alerts"]![0]!["reason"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evidence_is_of_what_was_ingested_since_where_the_run_is()
    {
        using var service = new TestService();
        string Ingested(string document, double minutesAgo) => document.Insert(1, $"\"event.ingested\":\"{Ecs.Time(minutesAgo)}\",");
        await service.PostAsync(Ecs.Batch(
            Ingested(Ecs.NetworkAlert(), 10), Ingested(Ecs.SignIn(), 10), Ingested(Ecs.SignIn(), 200), Ingested(Ecs.NetworkAlert(), 300)));

        var alert = (await service.RunAsync("""{"ingestedAfter":"now-1h","includeEvents":true}""")).Json!["alerts"]![0]!;

        Assert.Equal((2, 2, 2), ((int)alert["counts"]!["total"]!, (int)alert["eventsTotal"]!, alert["events"]!.AsArray().Count));
    }

    [Fact]
    public async Task The_cap_of_the_current_revision_hides_and_tells()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch([Ecs.NetworkAlert(), .. Enumerable.Range(0, 100).Select(_ => Ecs.SignIn())]));

        var capped = await service.RunAsync("""{"revision":"2026-05-22"}""");
        var resilient = await service.RunAsync("""{"revision":"resilient"}""");

        Assert.Empty(capped.Addresses);
        Assert.Contains("hiddenByVolume", capped.Warnings);
        Assert.Equal("""["highVolume"]""", resilient.Json!["alerts"]![0]!["labels"]!.ToJsonString());
    }

    [Theory]
    [InlineData("""{"revison":"x"}""", 400, "/revison")]
    [InlineData("""{"limit":"ten"}""", 400, "/limit")]
    [InlineData("""{"limit":1,"limit":2}""", 400, "/limit")]
    [InlineData("""{"from":"yesterday"}""", 400, "/from")]
    [InlineData("""{"from":"2026-03-14T05:00:00"}""", 400, "/from")]
    [InlineData("""{"ingestedAfter":"now-8x"}""", 400, "/ingestedAfter")]
    [InlineData("""{"sourceIps":["8.8.8.8","010.0.0.1"]}""", 400, "/sourceIps/1")]
    [InlineData("""{"revision":"2024-01-01"}""", 422, "/revision")]
    [InlineData("""{"from":"now","to":"now"}""", 422, "/from")]
    [InlineData("""{"limit":0}""", 422, "/limit")]
    [InlineData("""{"limit":10001}""", 422, "/limit")]
    [InlineData("""{"from":"now","to":"now+7973y/y"}""", 422, "/from")]
    [InlineData("""{"to":"now+7973y/y+1d"}""", 400, "/to")]
    [InlineData("""{"limit":""", 400, "/limit")]
    [InlineData("[]", 400, "")]
    [InlineData("""{"a\/b~":1}""", 400, "/a~1b~0")]
    [InlineData("""{"a.b[0]":1}""", 400, "/a.b[0]")]
    [InlineData("""{"it's ']":1}""", 400, "/it's ']")]
    [InlineData("""{"$":1}""", 400, "/$")]
    public async Task What_is_wrong_with_a_request_is_named(string body, int status, string pointer)
    {
        using var service = new TestService();

        Assert.Equal([pointer], (await service.RunAsync(body)).Problem(status));
    }

    [Fact]
    public async Task An_end_that_rounds_up_beyond_all_years_is_refused_by_every_endpoint()
    {
        using var service = new TestService();
        const string To = "to=now%2B7973y/y%2B1d";

        Assert.Equal(["to"], (await service.PostAsync("[]", $"?{To}")).Problem(400));
        Assert.Equal(["to"], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts?{To}")).Problem(400));
        Assert.Equal(["to"], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?{To}")).Problem(400));
    }

    [Theory]
    [InlineData("1.0", 200)]
    [InlineData("1e0", 200)]
    [InlineData("null", 200)]
    [InlineData("0", 422)]
    [InlineData("3000000000", 422)]
    [InlineData("-1e400", 422)]
    [InlineData("1.5", 400)]
    [InlineData("\"1\"", 400)]
    public async Task A_limit_is_any_whole_number_of_json_and_out_of_range_where_it_is_too_great(string limit, int status)
    {
        using var service = new TestService();

        Assert.Equal(status, (int)(await service.RunAsync($"{{\"limit\":{limit}}}")).Status);
    }

    [Theory]
    [InlineData(0, "less than a second")]
    [InlineData(0.5 / 60, "less than a second")]
    [InlineData(1.9 / 60, "1 second")]
    [InlineData(1, "1 minute")]
    [InlineData(8.99, "8 minutes 59 seconds")]
    [InlineData(60, "1 hour")]
    [InlineData(61.5, "1 hour 1 minute")]
    [InlineData((24 * 60) + 5, "1 day")]
    [InlineData(51 * 60, "2 days 3 hours")]
    public async Task The_gap_between_the_legs_is_told_in_words(double minutes, string words)
    {
        using var service = new TestService(settings: ("Store:Memory:Retention", "10.00:00:00"));
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(minutesAgo: minutes + 1), Ecs.SignIn(minutesAgo: 1)));

        var alert = (await service.RunAsync("""{"from":"now-9d"}""")).Json!["alerts"]![0]!;

        Assert.EndsWith($", closest {words} apart.", (string?)alert["reason"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"revison":"x"}""", "The request cannot be read. /revison: There is no such member. The members are: from, to, ingestedAfter, revision, promote, sourceIps, limit, includeEvents.")]
    [InlineData("""{"limit":"ten"}""", "The request cannot be read. /limit: Expected a whole number, such as 100.")]
    [InlineData("""{"limit":1.5}""", "The request cannot be read. /limit: Expected a whole number, such as 100.")]
    [InlineData("""{"promote":"yes"}""", "The request cannot be read. /promote: Expected true or false.")]
    [InlineData("""{"from":7}""", "The request cannot be read. /from: Expected text, in valid Unicode.")]
    [InlineData("""{"sourceIps":"8.8.8.8"}""", "The request cannot be read. /sourceIps: Expected a list of texts, in valid Unicode.")]
    [InlineData("""{"sourceIps":[8]}""", "The request cannot be read. /sourceIps/0: Expected text, in valid Unicode.")]
    [InlineData("""{"limit":1,"limit":2}""", "The request cannot be read. /limit: The member is there more than once.")]
    [InlineData("""{"from":"now-1d",}""", "The request cannot be read. Not valid JSON at line 1, byte 18.")]
    [InlineData("{\n  \"from\": \"now-1d\"\n  \"to\": \"now\"\n}", "The request cannot be read. Not valid JSON at line 3, byte 3.")]
    [InlineData("""{"from":now}""", "The request cannot be read. /from: Not valid JSON at line 1, byte 10.")]
    [InlineData("""{"limit":5""", "The request cannot be read. /limit: Not valid JSON at line 1, byte 11.")]
    [InlineData("""{} {}""", "The request cannot be read. Not valid JSON at line 1, byte 4.")]
    [InlineData("[]", "The request cannot be read. Expected an object with any of the members: from, to, ingestedAfter, revision, promote, sourceIps, limit, includeEvents.")]
    [InlineData("""{"limit":0}""", "The request cannot be accepted. /limit: 'limit' is 1 to 10000.")]
    [InlineData("""{"limit":0,"revision":"x"}""", "The request cannot be accepted; 'errors' says what to change.")]
    public async Task The_only_fault_of_a_request_is_told_in_the_detail_too_for_playbooks_that_show_nothing_else(string body, string detail)
    {
        using var service = new TestService();

        var answer = (await service.RunAsync(body)).Json!;

        Assert.Equal((detail, detail), ((string?)answer["detail"], (string?)answer["message"]));
    }

    [Theory]
    [InlineData("application/json; charset=", 200)]
    [InlineData("application/json;x=", 200)]
    [InlineData("APPLICATION/JSON; charset=\"UTF-8\"", 200)]
    [InlineData("application/json; charset=utf-16", 415)]
    [InlineData("application/json; charset=\"", 415)]
    [InlineData("text/json", 415)]
    [InlineData("application/vnd.x+json", 415)]
    [InlineData("application/x-www-form-urlencoded; charset=utf-7", 415)]
    [InlineData("json", 415)]
    public async Task However_a_type_is_written_it_is_json_or_not_taken(string type, int status)
    {
        using var service = new TestService();
        var content = new ByteArrayContent("{}"u8.ToArray());
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        Assert.Equal(status, (int)(await service.SendAsync(HttpMethod.Post, "/api/v1/detections", content)).Status);
    }

    [Theory]
    [InlineData("10", 200)]
    [InlineData("0010", 200)]
    [InlineData("10000", 200)]
    [InlineData("10001", 422)]
    [InlineData("0x10", 400)]
    [InlineData("%2310", 400)]
    [InlineData("1e1", 400)]
    [InlineData("-", 400)]
    [InlineData("-1", 422)]
    [InlineData("2147483648", 422)]
    [InlineData("99999999999999999999999", 422)]
    public async Task A_limit_is_decimal_digits(string limit, int status)
    {
        using var service = new TestService();
        Assert.Equal(status, (int)(await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts?limit={limit}")).Status);
    }

    [Theory]
    [InlineData("/api/v1/ips/8.8.8.8/alerts")]
    [InlineData("/api/v1/ips/8.8.8.8/events")]
    public async Task A_list_says_how_many_there_are_and_whether_it_is_cut_also_where_there_are_none(string path)
    {
        using var service = new TestService();
        var answer = (await service.GetAsync(path)).Json!;
        Assert.Equal((0, false), ((int)answer["total"]!, (bool)answer["truncated"]!));
    }

    [Fact]
    public async Task A_plus_that_a_url_did_not_escape_is_one()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));

        var window = (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts?from=2026-03-14T05:30:00+01:00&to=now+1h")).Json!["window"]!;

        Assert.Equal("2026-03-14T04:30:00Z", (string?)window["from"]);
        Assert.Equal(TestService.Now.AddHours(1).UtcDateTime, (DateTime?)window["to"]);
    }

    [Theory]
    [InlineData("2026-03-14T00:30:00+23:59", "2026-03-13T00:31:00Z")]
    [InlineData("2026-03-13T00:30:00-23:59", "2026-03-14T00:29:00Z")]
    [InlineData("2026-03-14t05:30:00.5+14:30", "2026-03-13T15:00:00.5Z")]
    [InlineData("2026-03-14t05:30:00z", "2026-03-14T05:30:00Z")]
    public async Task A_bound_has_any_offset_that_rfc_3339_has(string from, string read)
    {
        using var service = new TestService();
        Assert.Equal(read, (string?)(await service.RunAsync($$"""{"from":"{{from}}"}""")).Json!["window"]!["from"]);
    }

    [Theory]
    [InlineData("2026-03-14T05:30:00+24:00")]
    [InlineData("2026-03-14T05:30:00+01:60")]
    [InlineData("2026-03-14T05:30:00")]
    [InlineData("2026-03-14T05:30:60Z")]
    [InlineData("0001-01-01T00:00:00+00:01")]
    [InlineData("9999-12-31T23:59:59-00:01")]
    public async Task A_bound_that_is_no_moment_of_the_calendar_is_refused(string from)
    {
        using var service = new TestService();
        Assert.Equal(["/from"], (await service.RunAsync($$"""{"from":"{{from}}"}""")).Problem(400));
    }

    [Theory]
    [InlineData("0001-01-01T08:00:00.001Z", "0001-01-01T00:00:00.001Z")]
    [InlineData("0001-01-01T08:00:00Z", "0001-01-01T00:00:00Z")]
    [InlineData("0001-01-01T07:59:59.999Z", "0001-01-01T00:00:00Z")]
    [InlineData("0001-01-01T00:00:00.001Z", "0001-01-01T00:00:00Z")]
    public async Task The_look_back_of_a_window_begins_with_the_calendar_at_the_earliest(string to, string from)
    {
        using var service = new TestService();

        var answer = await service.RunAsync($$"""{"to":"{{to}}"}""");

        Assert.Equal((from, to), ((string?)answer.Json!["window"]!["from"], (string?)answer.Json["window"]!["to"]));
    }

    [Theory]
    [InlineData("y")]
    [InlineData("M")]
    [InlineData("d")]
    public async Task The_last_unit_of_the_calendar_ends_with_it(string unit)
    {
        using var service = new TestService();

        var answer = await service.RunAsync($$"""{"from":"9999-12-31T00:00:00Z","to":"now+7973y+9M+17d/{{unit}}"}""");

        Assert.Equal("9999-12-31T23:59:59.999Z", (string?)answer.Json!["window"]!["to"]);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{")]
    public async Task A_body_in_another_charset_is_415(string json)
    {
        using var service = new TestService();

        foreach (var encoding in new[] { Encoding.UTF8, Encoding.Unicode })
        {
            (await service.SendAsync(HttpMethod.Post, "/api/v1/detections", TestService.Content(encoding.GetBytes(json), "application/json; charset=utf-16"))).Problem(415);
        }
    }

    [Theory]
    [InlineData("2026-03-13T23:59:59.999999999Z", "2026-03-13T23:59:59.999Z")]
    [InlineData("2026-03-13t23:59:59.99999996+00:00", "2026-03-13T23:59:59.999Z")]
    [InlineData("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999Z")]
    [InlineData("2026-03-13T23:59:59.99999999999999Z", "2026-03-13T23:59:59.999Z")]
    [InlineData("2026-03-13 23:59:59.1Z", "2026-03-13T23:59:59.1Z")]
    public async Task Digits_below_the_millisecond_are_cut_off(string to, string bound)
    {
        using var service = new TestService();

        var answer = await service.RunAsync($$"""{"from":"{{bound[..10]}}T00:00:00Z","to":"{{to}}"}""");

        Assert.Equal(bound, (string?)answer.Json!["window"]!["to"]);
    }

    [Fact]
    public async Task More_than_a_thousand_addresses_are_refused()
    {
        using var service = new TestService();
        var ips = string.Join(',', Enumerable.Range(0, 1001).Select(i => $"\"8.8.{i / 256}.{i % 256}\""));

        Assert.Equal(["/sourceIps"], (await service.RunAsync($$"""{"sourceIps":[{{ips}}]}""")).Problem(422));
    }

    [Fact]
    public async Task Routing_failures_are_problems_too()
    {
        using var service = new TestService();

        (await service.GetAsync("/api/v1/nothing")).Problem(404);
        var wrongMethod = await service.GetAsync("/api/v1/detections");
        wrongMethod.Problem(405);
        Assert.Equal(["POST"], wrongMethod.ContentHeaders.Allow);
        (await service.SendAsync(HttpMethod.Post, "/api/v1/detections", TestService.Content("{}", "text/plain"))).Problem(415);
        Assert.Equal(["limt"], (await service.SendAsync(HttpMethod.Post, "/api/v1/detections?limt=1", TestService.Content("{}"))).Problem(400));
    }

    [Fact]
    public async Task A_fault_of_ours_is_in_the_log_once_under_the_trace_id_of_the_answer()
    {
        using var service = new TestService(store: InterceptedStore.Before(() => throw new InvalidOperationException("What nobody outside may read.")));

        var answer = await service.RunAsync();

        answer.Problem(500);
        Assert.DoesNotContain("nobody outside", answer.Text, StringComparison.Ordinal);
        var line = Assert.Single(service.Log, line => line.Contains("nobody outside", StringComparison.Ordinal));
        Assert.Contains($"(traceId {(string?)answer.Json!["traceId"]})", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(7000, 7)]
    [InlineData(7001, 8)]
    [InlineData(0, 1)]
    [InlineData(null, 5)]
    public async Task A_store_that_cannot_answer_is_503_with_retry_after_in_whole_seconds(int? milliseconds, int seconds)
    {
        TimeSpan? retryAfter = milliseconds is { } known ? TimeSpan.FromMilliseconds(known) : null;
        using var service = new TestService(store: InterceptedStore.Before(() => throw new StoreUnavailableException("The store is down.") { RetryAfter = retryAfter }));

        var answer = await service.RunAsync();

        answer.Problem(503);
        Assert.Equal(TimeSpan.FromSeconds(seconds), answer.Headers.RetryAfter!.Delta);
        (await service.PostAsync(Ecs.Batch(Ecs.SignIn()))).Problem(503);
    }

    [Fact]
    public async Task Too_many_runs_are_429_and_a_key_in_use_is_409()
    {
        var (release, entered) = (new TaskCompletionSource(), new SemaphoreSlim(0));
        using var service = new TestService(
            store: InterceptedStore.Before(() =>
            {
                entered.Release();
                return release.Task;
            }),
            settings: [("Runs:MaxConcurrent", "2"), ("Runs:MaxQueued", "0")]);

        var first = service.PostAsync("[]", key: "k1");
        await entered.WaitAsync();
        var inUse = await service.PostAsync("[]", key: "k1");
        inUse.Problem(409);
        Assert.Equal("1", inUse.Headers.GetValues("Retry-After").Single());
        var second = service.PostAsync("[]");
        await entered.WaitAsync();
        AssertTooMany(await service.PostAsync("[]"));

        // Batches keep nobody from asking.
        Task<Answer>[] runs = [service.RunAsync(), service.GetAsync("/api/v1/ips/8.8.4.4/alerts")];
        await entered.WaitAsync();
        await entered.WaitAsync();
        AssertTooMany(await service.GetAsync("/api/v1/ips/8.8.8.8/alerts"));

        release.SetResult();
        Assert.All(await Task.WhenAll([first, second, .. runs]), answer => Assert.Equal(HttpStatusCode.OK, answer.Status));

        static void AssertTooMany(Answer answer)
        {
            answer.Problem(429);
            Assert.NotNull(answer.Headers.RetryAfter);
        }
    }

    [Fact]
    public async Task Events_of_an_address_are_judged_as_its_alerts_are()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(
            Ecs.SignIn(), $$"""{"@timestamp":"{{Ecs.Time(3)}}","source.ip":"{{Ecs.Address}}","event":{"kind":"alert","module":"suricata","dataset":"suricata.eve"} }"""));

        var (asIs, promoted) = (await CountedAsync(""), await CountedAsync("?promote=true"));
        Assert.Equal([true, false], asIs);
        Assert.Equal([true, true], promoted);
        Assert.Equal([Ecs.Address], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts?promote=true")).Addresses);

        async Task<bool[]> CountedAsync(string query) =>
            [.. (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events{query}")).Json!["events"]!.AsArray().Select(document => (bool)document!["counted"]!)];
    }
}
