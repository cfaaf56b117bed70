using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Tests.Api;

public sealed class OpenApiTests
{
    public static TheoryData<string> Versions => ["v1", "v1-3.0", "v1-2.0"];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Generated_clients_are_told_the_defaults_of_every_request(string version)
    {
        using var service = new TestService(settings: ("Runs:Promote", "true"));

        var document = await DocumentAsync(service, version);

        Assert.Equal("limit=100, promote=true, revision=2025-04-29, includeEvents=true", DefaultsOf("/api/v1/ips/{ip}/alerts", "get"));
        Assert.Equal("limit=100, promote=true, revision=2025-04-29", DefaultsOf("/api/v1/ips/{ip}/events", "get"));
        Assert.Equal("promote=true, revision=2025-04-29, store=true, includeEvents=false", DefaultsOf("/api/v1/events", "post"));
        Assert.Equal("limit=100, promote=true, revision=2025-04-29, includeEvents=false", Defaults(Schema(document, "DetectionRequest")["properties"]!.AsObject()
            .Select(member => (member.Key, member.Value!["default"]))));

        string DefaultsOf(string path, string method) => Defaults(document["paths"]![path]![method]!["parameters"]!.AsArray()
            .Select(parameter => ((string)parameter!["name"]!, parameter["default"] ?? parameter["schema"]?["default"])));

        static string Defaults(IEnumerable<(string Name, JsonNode? Value)> all) => string.Join(", ", all
            .Where(one => one.Value is not null)
            .OrderBy(one => Array.IndexOf(["limit", "promote", "revision", "store", "includeEvents"], one.Name))
            .Select(one => $"{one.Name}={one.Value}"));
    }

    [Fact]
    public async Task The_answers_shown_are_those_to_the_requests_shown()
    {
        using var service = new TestService("Development");
        var paths = (await DocumentAsync(service))["paths"]!;

        foreach (var (path, answer) in new[]
        {
            ("/api/v1/ips/{ip}/alerts", await service.GetAsync(PathOf("/api/v1/ips/{ip}/alerts", "get"))),
            ("/api/v1/ips/{ip}/events", await service.GetAsync(PathOf("/api/v1/ips/{ip}/events", "get"))),
            ("/api/v1/events", await service.PostAsync(BodyOf("/api/v1/events"), PathOf("/api/v1/events", "post")["/api/v1/events".Length..])),
            ("/api/v1/detections", await service.RunAsync(BodyOf("/api/v1/detections"))),
        })
        {
            Assert.Equal(WithoutCursor(Shown(path)), WithoutCursor(answer.Json!));
        }

        Assert.Equal((9, 0), ((int)Shown("/api/v1/events")["accepted"]!, (int)Shown("/api/v1/events")["duplicates"]!));
        Assert.All(["/api/v1/ips/{ip}/alerts", "/api/v1/detections"], path =>
        {
            Assert.Equal("resilient", (string?)Shown(path)["alerts"]![0]!["revision"]);
            Assert.Equal((int)Shown(path)["alerts"]![0]!["eventsTotal"]!, Shown(path)["alerts"]![0]!["events"]!.AsArray().Count);
        });

        JsonNode Shown(string path) => paths[path]!.AsObject().Single().Value!["responses"]!["200"]!["content"]!["application/json"]!["example"]!;

        // It is another in every store.
        static string WithoutCursor(JsonNode answer) => Regex.Replace(answer.ToJsonString(), @"""nextCursor"":""[^""]*""", "");

        string BodyOf(string path) => paths[path]!["post"]!["requestBody"]!["content"]!["application/json"]!["example"]!.ToJsonString();

        string PathOf(string path, string method) => path.Replace("{ip}", "89.160.20.156", StringComparison.Ordinal) + "?" + string.Join('&', paths[path]![method]!["parameters"]!.AsArray()
            .Where(parameter => (string?)parameter!["in"] == "query" && parameter["example"] is not null)
            .Select(parameter => $"{parameter!["name"]}={parameter["example"]}"));
    }

    [Fact]
    public async Task The_refusals_shown_are_those_of_faulty_requests()
    {
        using var service = new TestService();
        var paths = (await DocumentAsync(service))["paths"]!;

        Same("/api/v1/detections", "post", await service.RunAsync("""{"from":"yesterday"}"""), 400, "/from");
        Same("/api/v1/detections", "post", await service.RunAsync("""{"limit":0}"""), 422, "/limit");
        Same("/api/v1/events", "post", await service.PostAsync("[]", "?from=yesterday"), 400, "from");
        Same("/api/v1/events", "post", await service.PostAsync("[]", "?revision=latest"), 422, "revision");
        Same("/api/v1/ips/{ip}/alerts", "get", await service.GetAsync("/api/v1/ips/8.8.8.8/alerts?from=yesterday"), 400, "from");
        Same("/api/v1/ips/{ip}/alerts", "get", await service.GetAsync("/api/v1/ips/8.8.8.8/alerts?limit=0"), 422, "limit");
        Same("/api/v1/ips/{ip}/events", "get", await service.GetAsync("/api/v1/ips/8.8.8.8/events?from=yesterday"), 400, "from");
        Same("/api/v1/ips/{ip}/events", "get", await service.GetAsync("/api/v1/ips/8.8.8.8/events?limit=0"), 422, "limit");
        Same("/api/v1/rule", "get", await service.GetAsync("/api/v1/rule?limit=1"), 400, "limit");
        Same("/api/v1/limits", "get", await service.GetAsync("/api/v1/limits?limit=1"), 400, "limit");

        void Same(string path, string method, Answer answer, int status, string at)
        {
            Assert.Equal([at], answer.Problem(status));
            var example = paths[path]![method]!["responses"]![$"{status}"]!["content"]!["application/problem+json"]!["example"]!;
            Assert.Equal(WithoutTraceId(answer.Json!), WithoutTraceId(example));
        }

        static string WithoutTraceId(JsonNode problem) => Regex.Replace(problem.ToJsonString(), @"""traceId"":""[^""]*""", "");
    }

    [Fact]
    public async Task Each_operation_names_the_scope_that_it_needs()
    {
        using var service = new TestService();

        var operations = (await DocumentAsync(service))["paths"]!.AsObject()
            .SelectMany(path => path.Value!.AsObject().Select(operation => operation.Value!))
            .ToDictionary(operation => (string)operation["operationId"]!);

        Assert.All(
            [
                ("runDetection", "Needs the scope `detections:run`."),
                ("evaluateEvents", "Needs the scope `events:write`; `includeEvents` needs `alerts:read` too, unless `store=false`."),
                ("getAlertsOfAddress", "Needs the scope `alerts:read`."),
                ("getEventsOfAddress", "Needs the scope `alerts:read`."),
                ("getRule", "Needs the scope `rule:read`."),
                ("getLimits", "Needs no scope: any valid credential will do."),
            ],
            expected => Assert.EndsWith(expected.Item2, (string?)operations[expected.Item1]["description"], StringComparison.Ordinal));
        Assert.DoesNotContain("scope", (string?)operations["getLimits"]["responses"]!["403"]!["description"], StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_code_to_branch_on_is_named(string version)
    {
        using var service = new TestService();

        var document = await DocumentAsync(service, version);

        Assert.All(ConstantsOf(typeof(WarningCodes)).Concat(["promotableAlert", "hiddenByVolume", "mappingsIncomplete"]), code => Assert.Contains($"`{code}`", DescriptionOf("Warning", "code"), StringComparison.Ordinal));
        Assert.All(ConstantsOf(typeof(RejectionCodes)).Concat(["malformedJson", "unknownShape"]), code => Assert.Contains($"`{code}`", DescriptionOf("RejectedEvent", "code"), StringComparison.Ordinal));
        Assert.All(
            ["ecs", "kibanaAlert", "logAnalyticsSignIn", "entraSignIn", "graphSignIn", "officeActivity", "o365Audit", "suricata", "zeekNotice", "azureLog"],
            shape => Assert.Contains($"`{shape}`", DescriptionOf("Evaluation", "shapes"), StringComparison.Ordinal));

        string? DescriptionOf(string schema, string member) => (string?)Schema(document, schema)["properties"]![member]!["description"];

        static IEnumerable<string> ConstantsOf(Type codes) => codes.GetFields().Select(field => (string)field.GetRawConstantValue()!);
    }

    [Fact]
    public async Task Members_that_refer_to_a_schema_are_described_in_3_0_as_in_3_1()
    {
        using var service = new TestService();
        var (current, older) = (await DocumentAsync(service), await DocumentAsync(service, "v1-3.0"));

        var members = current["components"]!["schemas"]!.AsObject()
            .SelectMany(schema => schema.Value!["properties"]?.AsObject() ?? [], (schema, member) => (Schema: schema.Key, Name: member.Key, Value: member.Value!))
            .Where(member => member.Value["$ref"] is not null)
            .ToList();

        Assert.Contains(members, member => member is ("AddressAlerts", "window", _));
        Assert.All(members, member =>
        {
            var same = Schema(older, member.Schema)["properties"]![member.Name]!;
            Assert.Equal((string?)member.Value["description"], (string?)same["description"]);
            Assert.Equal((string?)member.Value["$ref"], (string?)same["allOf"]!.AsArray().Single()!["$ref"]);
        });
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task No_description_breaks_its_lines_where_the_source_does(string version)
    {
        using var service = new TestService();

        var descriptions = Descriptions(await DocumentAsync(service, version)).ToList();

        Assert.Contains("Whether the events are kept for later runs. Default true; with false the batch alone is judged, as is one whose whole window the store does not keep.", descriptions);
        Assert.All(descriptions, description => Assert.DoesNotMatch(@"\n|&(\w+|#\d+);", description));

        static IEnumerable<string> Descriptions(JsonNode? node) => node switch
        {
            JsonObject members => members.Where(member => member.Key != "example").SelectMany(member =>
                member is { Key: "description", Value: JsonValue text } ? [(string)text!] : Descriptions(member.Value)),
            JsonArray items => items.SelectMany(Descriptions),
            _ => [],
        };
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task No_bound_is_beyond_what_a_double_holds(string version)
    {
        using var service = new TestService();

        var bounds = Regex.Matches((await service.GetAsync($"/openapi/{version}.json")).Text, @"""(?:maximum|minimum)"": (-?[0-9]+)").Select(bound => decimal.Parse(bound.Groups[1].Value)).ToList();

        Assert.Contains(9007199254740991m, bounds);
        Assert.All(bounds, bound => Assert.InRange(bound, -9007199254740991m, 9007199254740991m));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Tags_and_members_of_problems_are_described(string version)
    {
        using var service = new TestService();

        var document = await DocumentAsync(service, version);

        Assert.Equal(["Detections", "Events", "Addresses", "Rule", "Limits"], document["tags"]!.AsArray().Select(tag => (string?)tag!["name"]));
        Assert.All(document["tags"]!.AsArray(), tag => Assert.False(string.IsNullOrEmpty((string?)tag!["description"])));
        Assert.Equal(8, Schema(document, "ProblemDetails")["properties"]!.AsObject().Count(member => !string.IsNullOrEmpty((string?)member.Value!["description"])));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_idempotency_key_is_as_long_as_it_may_be(string version)
    {
        using var service = new TestService();

        var key = (await DocumentAsync(service, version))["paths"]!["/api/v1/events"]!["post"]!["parameters"]!.AsArray().Single(parameter => (string?)parameter!["name"] == "Idempotency-Key")!;

        key = key["schema"] ?? key;
        Assert.Equal((1, 255), ((int)key["minLength"]!, (int)key["maxLength"]!));
    }

    [Fact]
    public async Task Every_answer_declares_the_headers_that_come_with_it()
    {
        using var service = new TestService();

        var answers = (await DocumentAsync(service))["paths"]!.AsObject()
            .SelectMany(path => path.Value!.AsObject().SelectMany(operation => operation.Value!["responses"]!.AsObject()));

        Assert.All(answers, answer =>
        {
            var headers = answer.Value!["headers"]!.AsObject().Select(header => header.Key).ToList();
            Assert.Contains("RateLimit", headers);
            Assert.Contains("RateLimit-Policy", headers);
            Assert.Equal(answer.Key == "401", headers.Contains("WWW-Authenticate"));
            Assert.Equal(answer.Key is "409" or "429" or "503", headers.Contains("Retry-After"));
        });
    }

    [Fact]
    public void Every_near_miss_of_the_rule_has_a_known_code() =>
        Assert.All(RuleCatalogue.NearMisses, miss => Assert.Contains(miss.Code, typeof(WarningCodes).GetFields().Select(field => (string)field.GetRawConstantValue()!)));

    private static JsonNode Schema(JsonNode document, string name) => (document["components"]?["schemas"] ?? document["definitions"])![name]!;

    private static async Task<JsonNode> DocumentAsync(TestService service, string version = "v1") => (await service.GetAsync($"/openapi/{version}.json")).Json!;
}
