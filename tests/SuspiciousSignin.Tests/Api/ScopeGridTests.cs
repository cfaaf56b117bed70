using System.Text;

namespace SuspiciousSignin.Tests.Api;

/// <summary>Every endpoint with every scope. An endpoint that is not in the table fails the test until somebody says who may call it.</summary>
public sealed class ScopeGridTests
{
    private const string Anybody = "anybody";
    private const string AnyKey = "any key";

    private static readonly string[] AllScopes = ["events:write", "detections:run", "alerts:read", "rule:read", "metrics:read"];

    /// <summary>Method, route, a path of it, the scope that it needs, and what it then answers.</summary>
    private static readonly (string Method, string Route, string Path, string Needs, int Status)[] Table =
    [
        ("POST", "api/v1/detections", "/api/v1/detections", "detections:run", 200),
        ("POST", "api/v1/events", "/api/v1/events?store=false", "events:write", 200),
        ("GET", "api/v1/ips/{ip}/alerts", "/api/v1/ips/89.160.20.156/alerts", "alerts:read", 200),
        ("GET", "api/v1/ips/{ip}/events", "/api/v1/ips/89.160.20.156/events", "alerts:read", 200),
        ("GET", "api/v1/rule", "/api/v1/rule", "rule:read", 200),
        ("GET", "api/v1/limits", "/api/v1/limits", AnyKey, 200),
        ("GET", "/metrics", "/metrics", "metrics:read", 200),
        ("GET", "/health/live", "/health/live", Anybody, 200),
        ("HEAD", "/health/live", "/health/live", Anybody, 200),
        ("GET", "/health/ready", "/health/ready", Anybody, 200),
        ("HEAD", "/health/ready", "/health/ready", Anybody, 200),
        ("GET", @"/openapi/{documentName:regex(^v1(-[23]\.0)?\z)}.json", "/openapi/v1.json", Anybody, 200),
        ("GET", @"/openapi/{documentName:regex(^v1(-[23]\.0)?\z)}.yaml", "/openapi/v1-2.0.yaml", Anybody, 200),

        // What shippers ask for.
        ("GET", "", "/", "events:write", 200),
        ("HEAD", "", "/", "events:write", 200),
        ("POST", "_bulk", "/_bulk", "events:write", 400),
        ("PUT", "_bulk", "/_bulk", "events:write", 400),
        ("POST", "{index}/_bulk", "/logs/_bulk", "events:write", 400),
        ("PUT", "{index}/_bulk", "/logs/_bulk", "events:write", 400),
        ("GET", "_cluster/health", "/_cluster/health", "events:write", 200),
        ("HEAD", "_cluster/health", "/_cluster/health", "events:write", 200),
        ("GET", "_cat/health", "/_cat/health", "events:write", 200),
        ("HEAD", "_cat/health", "/_cat/health", "events:write", 200),
        ("GET", "_license", "/_license", "events:write", 200),
        ("GET", "_xpack", "/_xpack", "events:write", 200),
        ("GET", "_index_template/{**name}", "/_index_template/x", "events:write", 404),
        ("HEAD", "_index_template/{**name}", "/_index_template/x", "events:write", 404),
        ("PUT", "_index_template/{**name}", "/_index_template/x", "events:write", 200),
        ("POST", "_index_template/{**name}", "/_index_template/x", "events:write", 200),
        ("GET", "_component_template/{**name}", "/_component_template/x", "events:write", 404),
        ("HEAD", "_component_template/{**name}", "/_component_template/x", "events:write", 404),
        ("PUT", "_component_template/{**name}", "/_component_template/x", "events:write", 200),
        ("POST", "_component_template/{**name}", "/_component_template/x", "events:write", 200),
        ("GET", "_template/{**name}", "/_template/x", "events:write", 404),
        ("HEAD", "_template/{**name}", "/_template/x", "events:write", 404),
        ("PUT", "_template/{**name}", "/_template/x", "events:write", 200),
        ("POST", "_template/{**name}", "/_template/x", "events:write", 200),
        ("GET", "_ilm/{**name}", "/_ilm/policy/x", "events:write", 404),
        ("HEAD", "_ilm/{**name}", "/_ilm/policy/x", "events:write", 404),
        ("PUT", "_ilm/policy/{**name}", "/_ilm/policy/x", "events:write", 200),
        ("GET", "_ingest/pipeline/{**name}", "/_ingest/pipeline/x", "events:write", 404),
        ("HEAD", "_ingest/pipeline/{**name}", "/_ingest/pipeline/x", "events:write", 404),
        ("PUT", "_ingest/pipeline/{**name}", "/_ingest/pipeline/x", "events:write", 200),
        ("GET", "_alias/{**name}", "/_alias/x", "events:write", 404),
        ("HEAD", "_alias/{**name}", "/_alias/x", "events:write", 404),
        ("GET", "{target}/_alias/{**name}", "/logs/_alias/x", "events:write", 404),
        ("HEAD", "{target}/_alias/{**name}", "/logs/_alias/x", "events:write", 404),
        ("GET", "_aliases", "/_aliases", "events:write", 404),
        ("HEAD", "_aliases", "/_aliases", "events:write", 404),
        ("POST", "_aliases", "/_aliases", "events:write", 200),
        ("PUT", "{target}/_alias/{name}", "/logs/_alias/x", "events:write", 200),
        ("POST", "{target}/_alias/{name}", "/logs/_alias/x", "events:write", 200),
        ("GET", "_data_stream/{**name}", "/_data_stream/x", "events:write", 404),
        ("HEAD", "_data_stream/{**name}", "/_data_stream/x", "events:write", 404),
        ("PUT", "_data_stream/{**name}", "/_data_stream/x", "events:write", 200),
        ("PUT", "{target:regex(^<.+>$)}", "/%3Clogs%3E", "events:write", 200),
        ("*", "{target:regex(^<.+>$)}", "/%3Clogs%3E", "events:write", 404),
    ];

    [Fact]
    public async Task Every_endpoint_takes_the_scope_it_needs_and_no_other()
    {
        using var service = ServiceWithAKeyForEachScope();
        var wrong = new List<string>();

        foreach (var (method, route, path, needs, status) in Table)
        {
            foreach (var held in AllScopes)
            {
                var answer = await SendAsync(service, method, path, held);
                var expected = needs is Anybody or AnyKey || needs == held ? status : 403;
                if ((int)answer.Status != expected || (expected == 403 && method != "HEAD" && !answer.Text.Contains(needs, StringComparison.Ordinal)))
                {
                    wrong.Add($"{method} {route} with {held}: {(int)answer.Status}, not {expected}. {answer.Text}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData("?includeEvents=true", 403)]
    [InlineData("?includeEvents=true&store=true", 403)]
    [InlineData("?includeEvents=true&store=false", 200)]
    [InlineData("?includeEvents=false", 200)]
    public async Task Who_only_sends_events_cannot_read_those_of_others(string query, int status)
    {
        using var service = ServiceWithAKeyForEachScope();
        var answer = await SendAsync(service, "POST", "/api/v1/events" + query, "events:write");
        Assert.Equal(status, (int)answer.Status);
        Assert.Equal(status == 403, answer.Text.Contains("alerts:read", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_may_send_and_read_gets_the_events_of_a_batch_that_is_stored()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "key-for-both", "events:write", "alerts:read")]);
        Assert.Equal(200, (int)(await SendAsync(service, "POST", "/api/v1/events?includeEvents=true", "both")).Status);
    }

    [Fact]
    public async Task Without_a_key_no_endpoint_answers_but_those_for_anybody()
    {
        using var service = ServiceWithAKeyForEachScope();
        var wrong = new List<string>();

        foreach (var (method, route, path, needs, status) in Table)
        {
            var answer = await SendAsync(service, method, path, key: null);
            if ((int)answer.Status != (needs == Anybody ? status : 401) || (needs != Anybody && answer.Headers.WwwAuthenticate.Count == 0))
            {
                wrong.Add($"{method} {route}: {(int)answer.Status}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_endpoint_that_exists_is_in_the_table_and_no_other()
    {
        using var service = ServiceWithAKeyForEachScope();

        var exist = service.Endpoints
            .SelectMany(endpoint => (endpoint.Metadata.OfType<Microsoft.AspNetCore.Routing.IHttpMethodMetadata>().LastOrDefault()?.HttpMethods is { Count: > 0 } methods ? methods : ["*"])
                .Select(method => $"{method} {endpoint.RoutePattern.RawText}"))
            .Distinct(StringComparer.Ordinal);

        Assert.Equal(
            Table.Select(row => $"{row.Method} {row.Route}").Order(StringComparer.Ordinal),
            exist.Order(StringComparer.Ordinal));
    }

    private static TestService ServiceWithAKeyForEachScope() =>
        new(settings: [.. AllScopes.SelectMany((scope, i) => TestService.KeySettings(i, scope, "key-for-" + scope, scope)), ("Auth:MaxFailures", "10000")]);

    private static Task<Answer> SendAsync(TestService service, string method, string path, string? key)
    {
        var content = method is "POST" or "PUT" ? new StringContent(path.Contains("events", StringComparison.Ordinal) ? "[]" : "{}", Encoding.UTF8, "application/json") : null;
        (string, string)[] headers = key is null ? [] : [("X-API-Key", "key-for-" + key)];
        return service.SendAsync(new HttpMethod(method == "*" ? "GET" : method), path, content, idempotencyKey: null, headers);
    }
}
