using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Mvc.ApiExplorer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Stores;

namespace SuspiciousSignin.Tests.Api;

public sealed class ServiceApiTests
{
    [Fact]
    public async Task A_store_that_hangs_is_asked_once_and_is_not_ready_after_five_seconds()
    {
        var (asked, hangs) = (0, new TaskCompletionSource());
        var store = new InterceptedStore
        {
            BeforeChecking = () =>
            {
                Interlocked.Increment(ref asked);
                return hangs.Task;
            },
        };
        using var service = new TestService(store: store);
        var probes = Enumerable.Range(0, 5).Select(_ => service.GetAsync("/health/ready")).ToArray();
        await Eventually.IsAsync(() =>
        {
            service.Clock.Advance(TimeSpan.FromSeconds(1));
            return Task.WhenAll(probes).IsCompleted;
        });
        Assert.All(await Task.WhenAll(probes), probe => Assert.Equal(503, (int)probe.Status));
        Assert.Contains("did not answer within 5 seconds", (await probes[0]).Text, StringComparison.Ordinal);
        Assert.Equal(1, asked);
        hangs.SetResult();
        Assert.Equal(200, (int)(await service.GetAsync("/health/ready")).Status);
    }

    [Fact]
    public async Task The_service_stops_where_disk_and_memory_are_no_longer_the_same()
    {
        var folder = Directory.CreateTempSubdirectory("journal-");
        var journal = EventJournal.Open(folder.FullName);
        var clock = new StoppingClock(TestService.Now.ToUnixTimeMilliseconds());
        using (var store = DurableEventStore.Open(journal, new MemoryStoreOptions { Path = folder.FullName }, new EventReaderOptions(), clock))
        using (var service = new TestService(store: store))
        {
            var stopping = service.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
            await service.PostAsync(Ecs.Batch(Ecs.SignIn()));
            Assert.False(stopping.IsCancellationRequested);

            journal.BeforeFlush = () => clock.IsStopped = true;
            // The stand-in for a server may stop before it has answered; a real one answers first.
            await Record.ExceptionAsync(() => service.PostAsync(Ecs.Batch(Ecs.SignIn(minutesAgo: 5))));
            (journal.BeforeFlush, clock.IsStopped) = (null, false);

            Assert.True(stopping.WaitHandle.WaitOne(TimeSpan.FromSeconds(30)));
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Where_memory_is_used_up_the_caller_is_to_try_again_and_the_operator_is_told()
    {
        // Longer than any text may be, which .NET tells as want of memory.
        using var service = new TestService(store: InterceptedStore.Before(() => Task.FromResult(new string(' ', int.MaxValue))));

        var answer = await service.PostAsync(Ecs.Batch(Ecs.SignIn()));

        answer.Problem(503);
        Assert.Equal(TimeSpan.FromSeconds(60), answer.Headers.RetryAfter!.Delta);
        Assert.Single(service.Log, line => line.StartsWith("Critical Out of memory", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("::ffff:81.2.69.144")]
    [InlineData("81.2.69.144")]
    public async Task An_address_is_found_in_any_spelling_and_shown_in_one(string spelling)
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn(ip: "::FFFF:5102:4590")));

        var answer = await service.GetAsync($"/api/v1/ips/{spelling}/alerts");

        Assert.Equal(Ecs.Address, (string?)answer.Json!["sourceIp"]);
        Assert.Equal(2, answer.Json["alerts"]![0]!["eventsTotal"]!.GetValue<int>());
    }

    [Fact]
    public async Task An_address_without_alerts_has_an_empty_list()
    {
        using var service = new TestService();

        var answer = await service.GetAsync("/api/v1/ips/2A00::8/alerts");

        Assert.Equal((HttpStatusCode.OK, 0, "2a00::8"), (answer.Status, answer.Number("total"), (string?)answer.Json!["sourceIp"]));
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData("010.0.0.1")]
    [InlineData("1.2.3")]
    [InlineData("1.2.3.4:443")]
    [InlineData("1.2.3.4%25eth0")]
    public async Task Text_that_is_no_address_is_refused(string text)
    {
        using var service = new TestService();

        Assert.Equal(["ip"], (await service.GetAsync($"/api/v1/ips/{text}/alerts")).Problem(400));
        Assert.Equal(["ip"], (await service.GetAsync($"/api/v1/ips/{text}/events")).Problem(400));
    }

    [Theory]
    [InlineData("10.1.2.3", "10.0.0.0/8")]
    [InlineData("::1", "::1")]
    [InlineData("fe80::1%25eth0", "fe80::/10")]
    public async Task An_excluded_address_is_refused_with_its_network(string ip, string network)
    {
        using var service = new TestService();

        var answer = await service.GetAsync($"/api/v1/ips/{ip}/alerts");

        answer.Problem(422);
        Assert.Contains($" {network},", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Alerts_of_an_address_are_not_paged_and_who_sends_a_cursor_is_told_so()
    {
        using var service = new TestService();

        var answer = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts?cursor=bm9uZQ");

        Assert.Equal(["cursor"], answer.Problem(400));
        Assert.Contains("are not paged", (string?)answer.Json!["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_of_an_address_are_paged_oldest_first_each_once()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 7).Select(i => Ecs.SignIn(minutesAgo: 10 - (i / 2), id: $"e{i}"))]));

        var (ids, path) = (new List<string?>(), $"/api/v1/ips/{Ecs.Address}/events?limit=3");
        string? cursor = "";
        while (cursor is not null)
        {
            var page = await service.GetAsync(path + (cursor.Length == 0 ? "" : "&cursor=" + cursor));
            ids.AddRange(page.Json!["events"]!.AsArray().Select(e => (string?)e!["id"]));
            Assert.Equal(7, page.Number("total"));
            cursor = (string?)page.Json["nextCursor"];
        }

        Assert.Equal(["e0", "e1", "e2", "e3", "e4", "e5", "e6"], ids);
        Assert.Equal(["cursor"], (await service.GetAsync(path + "&cursor=!")).Problem(400));
        Assert.Equal(["limit"], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?limit=0")).Problem(422));
        Assert.Equal(["limit"], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?limit=abc")).Problem(400));
        Assert.Equal(["includeEvents"], (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts?includeEvents=maybe")).Problem(400));
    }

    [Theory]
    [InlineData("limit=abc", "The request cannot be read. limit: Expected a whole number, such as 100.")]
    [InlineData("promote=maybe", "The request cannot be read. promote: Expected true or false.")]
    [InlineData("limit=", "The request cannot be read. limit: The parameter has no value. Leave it out for its default.")]
    public async Task A_parameter_of_another_type_is_told_what_it_takes(string query, string detail)
    {
        using var service = new TestService();

        Assert.Equal(detail, (string?)(await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?{query}")).Json!["message"]);
    }

    [Fact]
    public async Task The_link_of_a_page_leads_to_the_next_and_the_last_has_none()
    {
        using var service = new TestService();
        const string Address = "2a02:cf40::156";
        await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 5).Select(i => Ecs.SignIn(minutesAgo: 10 - i, ip: Address, id: $"e{i}"))]));

        var (ids, path) = (new List<string?>(), $"/api/v1/ips/{Address}/events?limit=2&from=now-1h&cursor=");
        for (var pages = 0; path.Length > 0 && pages < 9; pages++)
        {
            var page = await service.GetAsync(path.Replace("&cursor=", pages == 0 ? "" : "&cursor=", StringComparison.Ordinal));
            ids.AddRange(page.Json!["events"]!.AsArray().Select(e => (string?)e!["id"]));
            path = page.Headers.TryGetValues("Link", out var links) ? Regex.Match(links.Single(), "^<(.+)>; rel=\"next\"$").Groups[1].Value : "";
        }

        Assert.Equal(["e0", "e1", "e2", "e3", "e4"], ids);
    }

    [Fact]
    public async Task The_link_of_a_page_has_one_cursor_however_the_last_one_was_written()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch([.. Enumerable.Range(0, 3).Select(i => Ecs.SignIn(minutesAgo: 10 - i))]));
        var first = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?limit=1");

        var second = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?limit=1&Cursor={(string?)first.Json!["nextCursor"]}");

        Assert.Equal($"</api/v1/ips/{Ecs.Address}/events?limit=1&cursor={(string?)second.Json!["nextCursor"]}>; rel=\"next\"", second.Headers.GetValues("Link").Single());
    }

    [Fact]
    public async Task Health_and_metrics_are_there()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn()));
        await service.RunAsync();

        var metrics = (await service.GetAsync("/metrics")).Text;

        Assert.Equal(HttpStatusCode.OK, (await service.GetAsync("/health/live")).Status);
        Assert.Contains("\"events\":2", (await service.GetAsync("/health/ready")).Text, StringComparison.Ordinal);
        Assert.All(["batch", "run"], kind => Assert.Contains(
            metrics.Split('\n'), line => line.StartsWith("suspicious_signin_runs_total{", StringComparison.Ordinal) && line.Contains($"kind=\"{kind}\",status=\"succeeded\"", StringComparison.Ordinal)));
        Assert.All(
            ["suspicious_signin_events_total", "suspicious_signin_store_events", "suspicious_signin_runs_total", "suspicious_signin_run_duration_seconds_count", "suspicious_signin_alerts_total",
                "dotnet_process_memory_working_set_bytes", "dotnet_gc_pause_time_seconds_total"],
            name => Assert.Contains(name, metrics, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_metrics_say_which_version_runs()
    {
        using var service = new TestService();

        Assert.Matches("target_info\\{.*service_name=\"suspicious-signin\".*service_version=\"[0-9]+\\.", (await service.GetAsync("/metrics")).Text);
    }

    [Theory]
    [InlineData("/openapi/v1.json", "3.1")]
    [InlineData("/openapi/v1-3.0.json", "3.0")]
    [InlineData("/openapi/v1-2.0.json", "2.0")]
    public async Task Every_operation_is_described(string path, string version)
    {
        using var service = new TestService();

        var document = (await service.GetAsync(path)).Json!;

        Assert.StartsWith(version, (string?)(document["openapi"] ?? document["swagger"]), StringComparison.Ordinal);
        var operations = document["paths"]!.AsObject().SelectMany(route => route.Value!.AsObject().Select(operation => operation.Value!)).ToList();
        Assert.Equal(6, operations.Select(operation => (string?)operation["operationId"]).Distinct().Count());
        Assert.All(operations, operation =>
        {
            Assert.False(string.IsNullOrWhiteSpace((string?)operation["summary"]));
            Assert.False(string.IsNullOrWhiteSpace((string?)operation["description"]));
            Assert.Contains("200", operation["responses"]!.AsObject().Select(response => response.Key));
            Assert.Contains("401", operation["responses"]!.AsObject().Select(response => response.Key));
            Assert.All(operation["responses"]!.AsObject(), response => Assert.False(string.IsNullOrWhiteSpace((string?)response.Value!["description"])));
        });
        Assert.Equal(HttpStatusCode.OK, (await service.GetAsync("/swagger/index.html")).Status);
    }

    [Theory]
    [InlineData("/openapi/v1.json", "components/schemas", "components/securitySchemes")]
    [InlineData("/openapi/v1-3.0.json", "components/schemas", "components/securitySchemes")]
    [InlineData("/openapi/v1-2.0.json", "definitions", "securityDefinitions")]
    public async Task A_document_needs_no_null_and_loses_no_type_in_any_version(string path, string schemas, string securitySchemes)
    {
        using var service = new TestService();

        var answer = await service.GetAsync(path);

        // Importers stumble over null; 2.0 has none, so that whatever could be null would lose its type there.
        Assert.DoesNotContain("nullable", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"null\"", answer.Text, StringComparison.Ordinal);
        Assert.All(At(schemas), schema => Assert.Contains($"\"$ref\": \"#/{schemas}/{schema.Key}\"", answer.Text, StringComparison.Ordinal));
        Assert.Equal(["apiKey", "bearer"], At(securitySchemes).Select(scheme => scheme.Key));
        Assert.All(At(securitySchemes), scheme => Assert.Contains((string?)scheme.Value!["type"], new[] { "apiKey", "http" }));

        JsonObject At(string pointer) => pointer.Split('/').Aggregate(answer.Json!, (node, name) => node[name]!).AsObject();
    }

    [Theory]
    [InlineData("/openapi/v1.json")]
    [InlineData("/openapi/v1-3.0.json")]
    [InlineData("/openapi/v1-2.0.json")]
    public async Task Answers_have_the_members_that_a_document_requires_and_none_that_it_does_not_know(string path)
    {
        using var service = new TestService();
        var document = (await service.GetAsync(path)).Json!;
        for (var i = 0; i < 2; i++)
        {
            // First of a store without events, then with some.
            Check("/api/v1/detections", "post", await service.RunAsync("""{"includeEvents":true}"""));
            Check("/api/v1/ips/{ip}/alerts", "get", await service.GetAsync($"/api/v1/ips/{Ecs.Address}/alerts"));
            Check("/api/v1/ips/{ip}/events", "get", await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?limit=1"));
            Check("/api/v1/rule", "get", await service.GetAsync("/api/v1/rule"));
            Check("/api/v1/limits", "get", await service.GetAsync("/api/v1/limits"));
            Check("/api/v1/events", "post", await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn(), Ecs.MailAccess(), "{}"), "?includeEvents=true"));
        }

        void Check(string route, string method, Answer answer)
        {
            var response = document["paths"]![route]![method]!["responses"]!["200"]!;
            Compare(answer.Json!, response["schema"] ?? response["content"]!["application/json"]!["schema"]!, $"{method} {route}");
        }

        void Compare(JsonNode value, JsonNode schema, string at)
        {
            if ((string?)(schema["$ref"] ?? schema["allOf"]?[0]!["$ref"]) is { } reference)
            {
                schema = reference[2..].Split('/').Aggregate(document, (node, name) => node[name]!);
            }

            if (value is JsonArray array)
            {
                Assert.All(array, (item, i) => Compare(item!, schema["items"]!, $"{at}/{i}"));
            }
            else if (value is JsonObject members)
            {
                Assert.All(schema["required"]?.AsArray() ?? [], name => Assert.True(members.ContainsKey((string)name!), $"{at} lacks {name}"));
                foreach (var (name, member) in members)
                {
                    var known = schema["properties"]?[name] ?? schema["additionalProperties"];
                    Assert.True(known is not null, $"{at} has {name}");
                    Compare(member!, known, $"{at}/{name}");
                }
            }
        }
    }

    [Theory]
    [InlineData("/openapi/v1.json")]
    [InlineData("/openapi/v1-3.0.json")]
    [InlineData("/openapi/v1-2.0.json")]
    public async Task Descriptions_are_text_and_no_xml(string path)
    {
        using var service = new TestService();

        var document = (await service.GetAsync(path)).Text;

        Assert.Contains("MITRE ATT&CK", document, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"&(\w+|#\d+);|</?(c|see|para)\b|IReadOnlyList", document);
    }

    [Theory]
    [InlineData("v1.yaml", "openapi: '3.1")]
    [InlineData("v1-3.0.yaml", "openapi: 3.0")]
    [InlineData("v1-2.0.yaml", "swagger: '2.0'")]
    public async Task The_documents_are_there_as_yaml(string name, string start)
    {
        using var service = new TestService();

        var document = await service.GetAsync("/openapi/" + name);

        Assert.Equal("application/yaml", document.ContentType?.MediaType);
        Assert.StartsWith(start, document.Text, StringComparison.Ordinal);
        Assert.Contains("operationId: runDetection", document.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("v2.json")]
    [InlineData("v1-3.1.json")]
    [InlineData("v1-2x0.json")]
    [InlineData("v1%0A.json")]
    [InlineData("v1.xml")]
    public async Task A_document_that_there_is_not_is_a_problem(string name)
    {
        using var service = new TestService();

        (await service.GetAsync("/openapi/" + name)).Problem(404);
    }

    [Fact]
    public async Task The_documents_and_links_name_the_url_that_callers_reach_the_service_by()
    {
        using var service = new TestService(settings: ("Hosting:PublicUrl", "https://signin.example.com/soc"));
        using var other = new TestService();

        var (current, oldest) = ((await service.GetAsync("/openapi/v1.json")).Json!, (await service.GetAsync("/openapi/v1-2.0.json")).Json!);

        Assert.Equal("https://signin.example.com/soc", (string?)current["servers"]![0]!["url"]);
        Assert.Equal(("signin.example.com", "/soc", "https"), ((string?)oldest["host"], (string?)oldest["basePath"], (string?)oldest["schemes"]![0]));
        Assert.Equal("/", (string?)(await other.GetAsync("/openapi/v1.json")).Json!["servers"]![0]!["url"]);

        await service.PostAsync(Ecs.Batch(Ecs.SignIn(), Ecs.SignIn()));
        var page = await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events?limit=1");
        Assert.StartsWith($"<https://signin.example.com/soc/api/v1/ips/{Ecs.Address}/events?limit=1&cursor=", page.Headers.GetValues("Link").Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("signin.example.com")]
    [InlineData("/soc")]
    [InlineData("ftp://signin.example.com")]
    [InlineData("https://signin.example.com/")]
    [InlineData("https://user@signin.example.com")]
    [InlineData("https://signin.example.com?x=1")]
    public void A_public_url_that_no_document_may_name_stops_the_start(string url) => Assert.Equal(
        "Hosting:PublicUrl: must be an absolute URL such as https://signin.example.com, without a slash at its end.",
        Assert.Single(Assert.Throws<OptionsValidationException>(() => new TestService(settings: ("Hosting:PublicUrl", url))).Failures));

    [Fact]
    public async Task The_examples_of_the_document_work_as_they_stand()
    {
        using var service = new TestService();
        var paths = (await service.GetAsync("/openapi/v1.json")).Json!["paths"]!;

        var batch = paths["/api/v1/events"]!["post"]!["requestBody"]!["content"]!;
        var asArray = await service.PostAsync(batch["application/json"]!["example"]!.ToJsonString());
        var asLines = await service.PostAsync((string)batch["application/x-ndjson"]!["example"]!, "?store=false", "application/x-ndjson");
        var run = await service.RunAsync(paths["/api/v1/detections"]!["post"]!["requestBody"]!["content"]!["application/json"]!["example"]!.ToJsonString());

        Assert.Equal(["89.160.20.156"], asArray.Addresses);
        Assert.Equal(["89.160.20.156"], asLines.Addresses);
        Assert.Equal(["89.160.20.156", "2a02:cf40::156"], run.Addresses);
    }

    [Fact]
    public async Task The_document_is_kept_for_a_while_whatever_is_added_to_the_request()
    {
        using var service = new TestService();

        var first = await service.GetAsync("/openapi/v1.json");
        // Its examples are dated from when it is made.
        service.Clock.Advance(TimeSpan.FromHours(1));
        var again = await service.GetAsync("/openapi/v1.json?again=1");
        var other = await service.GetAsync("/openapi/v1-3.0.json");

        Assert.Equal(first.Text, again.Text);
        Assert.NotEqual(first.Text, other.Text);
        Assert.Equal("no-store", again.Headers.CacheControl?.ToString());
    }

    [Fact]
    public async Task In_development_the_first_run_shows_an_alert()
    {
        using var development = new TestService("Development");
        using var production = new TestService("Production");

        Assert.Equal(["89.160.20.156"], (await development.RunAsync()).Addresses);
        Assert.Empty((await production.RunAsync()).Addresses);
    }

    [Fact]
    public async Task The_rule_is_described_with_the_query_of_each_revision()
    {
        using var service = new TestService();

        var rule = (await service.GetAsync("/api/v1/rule")).Json!;

        Assert.Equal("f0cc239b-67fa-46fc-89d4-f861753a40f5", (string?)rule["id"]);
        Assert.Equal(26, rule["excludedNetworks"]!.AsArray().Count);
        Assert.Equal(("esql", "esql", "2025-04-29", "8.17.0"), ((string?)rule["type"], (string?)rule["language"], (string?)rule["created"], (string?)rule["minStackVersion"]));
        Assert.Equal(["azure", "o365"], rule["integrations"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(12, rule["tags"]!.AsArray().Count);
        Assert.Contains("Rule Type: Higher-Order Rule", rule["tags"]!.AsArray().Select(tag => (string?)tag));
        Assert.All(rule["revisions"]!.AsArray(), revision => Assert.Contains("\nFROM ", (string?)revision!["esql"], StringComparison.Ordinal));
    }

    [Fact]
    public void Every_fault_of_the_settings_stops_the_start_and_is_listed()
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings:
            [
            ("Events:MaxDepth", "2"), ("Alerts:Period", "05:00:00"), ("Idempotency:MaxKeys", "secret"), ("Store:Memory:MaxEvents:0", "5000"),
            // A misspelt key hides neither another nor a value out of range beside it.
            ("Runs:MaxConcurent", "3"), ("Runs:Burst", "3"), ("Runs:MaxQueued", "-1"),
            // Nor does one that cannot be read.
            ("Requests:PerCaller", "many"), ("Requests:Window", "00:00:00"),
        ]));

        Assert.Equal(
            ["Alerts:Period", "Events:MaxDepth", "Idempotency:MaxKeys", "Requests:PerCaller", "Requests:Window", "Runs:Burst", "Runs:MaxConcurent", "Runs:MaxQueued", "Store:Memory:MaxEvents"],
            refusal.Failures.Select(fault => fault[..fault.IndexOf(": ", StringComparison.Ordinal)]).Order(StringComparer.Ordinal));
        Assert.Contains("Runs:MaxConcurent: no such setting; did you mean 'MaxConcurrent'?", refusal.Failures);
        Assert.Contains("Runs:Burst: no such setting.", refusal.Failures);
        Assert.Contains("Runs:MaxQueued: must be between 0 and 10000. You entered -1.", refusal.Failures);
        Assert.Contains("Idempotency:MaxKeys: must be a whole number.", refusal.Failures);
        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Events:MaxEvents", "1")]
    [InlineData("Events:MaxBodyBytes", "1024")]
    [InlineData("Events:MaxEventBytes", "1024")]
    public async Task The_samples_are_there_whatever_bounds_callers_have(string key, string value)
    {
        using var service = new TestService(settings: [("Samples:Enabled", "true"), (key, value)]);

        Assert.Equal(["89.160.20.156", "2a02:cf40::156"], (await service.RunAsync("""{"revision":"resilient"}""")).Addresses);
    }

    [Theory]
    [InlineData("Runs:Promote", "yes", "must be true or false.")]
    [InlineData("Runs:MaxWindow", "8h", "must be a duration, [days.]hours:minutes:seconds, with at most 23 hours.")]
    [InlineData("Runs:MaxWindow", "48:00:00", "must be a duration, [days.]hours:minutes:seconds, with at most 23 hours.")]
    [InlineData("Alerts:Period", "24:00:00", "must be a duration, [days.]hours:minutes:seconds, with at most 23 hours.")]
    [InlineData("Idempotency:Lifetime", "7", "must be a duration, [days.]hours:minutes:seconds, with at most 23 hours.")]
    [InlineData("Events:AlertDatasets", "suricata.eve", "holds one value where a list is expected: Events:AlertDatasets:0 is its first.")]
    [InlineData("Auth:ApiKeys:0:Scopes", "alerts:read", "holds one value where a list is expected: Auth:ApiKeys:0:Scopes:0 is its first.")]
    [InlineData("Idempotency:MaxBytes", "99999999999999999999", "must be a whole number.")]
    [InlineData("Auth:ApiKeys:0:Scope:0", "alerts:read", "no such setting; did you mean 'Scopes'?")]
    [InlineData("Ingest:Enabled", "on", "must be true or false.")]
    [InlineData("Store:Memory", "/data/events", "holds one value where settings are expected.")]
    [InlineData("Store", "Elasticsearch", "holds one value where settings are expected.")]
    [InlineData("Store:Elasticsearch:MaxRetries", "99", "must be between 1 and 10. You entered 99.")]
    [InlineData("Store:Elasticsearch:Indices", "logs-x", "holds one value where settings are expected.")]
    [InlineData("Auth:ApiKeys:0", "HASH", "holds one value where settings are expected.")]
    [InlineData("Logging:Console:FormatterName", "jsom", "must be 'lines' or 'json'.")]
    [InlineData("Logging:Console:FormatterName", "", "must be 'lines' or 'json'.")]
    [InlineData("Logging:Console:FormatterName", "simple", "must be 'lines' or 'json'.")]
    [InlineData("HTTP_PORTS", "8080;abc", "must be port numbers, with ';' between them.")]
    public void A_setting_that_cannot_be_read_is_told_by_its_key_with_what_it_should_be(string key, string value, string told)
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings: (key, value)));
        var name = told.StartsWith("no such", StringComparison.Ordinal) ? key[..key.LastIndexOf(':')] : key;
        Assert.Contains($"{name}: {told}", refusal.Failures);
    }

    [Theory]
    [InlineData("foo", "logs-x", "must be keyed by one of 2025-04-29, 2026-05-22, resilient.")]
    [InlineData("2025-04-29", "LOGS", "must be index patterns in lower case, such as logs-*.")]
    public void Patterns_of_indices_are_told_by_the_revision_that_they_are_of(string revision, string pattern, string told)
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings: ($"Store:Elasticsearch:Indices:{revision}:0", pattern)));

        Assert.Equal([$"Store:Elasticsearch:Indices:{revision}: {told}"], refusal.Failures);
    }

    [Theory]
    [InlineData("Hosting:HasProxies")]
    [InlineData("Events:KeepDocuments")]
    public void What_the_service_itself_sets_is_no_setting(string key)
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings: (key, "true")));

        Assert.Equal([$"{key}: no such setting."], refusal.Failures);
    }

    [Fact]
    public void A_fault_of_one_section_neither_hides_those_of_others_nor_is_told_twice()
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings:
            [("Requests:PerCaller", "-1"), ("Requests:HeadersTimeout", "00:00:00"), ("Alerts:MaxEvents", "0"), ("Store:Memory:MaxEvent", "5000")]));

        Assert.Equal(
            ["Alerts:MaxEvents", "Requests:HeadersTimeout", "Requests:PerCaller", "Store:Memory:MaxEvent"],
            refusal.Failures.Select(fault => fault[..fault.IndexOf(": ", StringComparison.Ordinal)]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_type_of_an_answer_is_written_by_generated_code()
    {
        using var service = new TestService();
        var answers = service.Endpoints.SelectMany(endpoint => endpoint.Metadata.GetOrderedMetadata<IApiResponseMetadataProvider>())
            .Select(produced => produced.Type).OfType<Type>().Where(type => type != typeof(void)).Distinct().ToList();
        JsonSerializerOptions[] options =
        [
            service.Services.GetRequiredService<IOptions<Microsoft.AspNetCore.Mvc.JsonOptions>>().Value.JsonSerializerOptions,
            service.Services.GetRequiredService<IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions>>().Value.SerializerOptions,
        ];

        // What an answer holds included: properties' types, elements of lists, values of dictionaries.
        var seen = new HashSet<Type>();
        for (var next = new Queue<Type>(answers); next.TryDequeue(out var type);)
        {
            if (seen.Add(type) && type != typeof(object))
            {
                Assert.All(options, each => Assert.IsAssignableFrom<JsonSerializerContext>(each.GetTypeInfo(type).OriginatingResolver));
                var info = options[0].GetTypeInfo(type);
                info.Properties.Select(property => property.PropertyType).Append(info.ElementType).OfType<Type>().ToList().ForEach(next.Enqueue);
            }
        }

        Assert.Contains(typeof(SuspiciousSignin.Events.EventUser), seen);
    }
}
