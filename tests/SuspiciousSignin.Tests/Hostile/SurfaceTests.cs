using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Hostile;

/// <summary>What every answer has and has not, whoever wrote it.</summary>
public sealed class SurfaceTests
{
    [Theory]
    [InlineData("GET", "/api/v1/rule", 200)]
    [InlineData("POST", "/api/v1/detections", 200)]
    [InlineData("GET", "/api/v1/ips/nowhere/alerts", 400)]
    [InlineData("GET", "/api/v1/nothing", 404)]
    [InlineData("GET", "/api/v1/detections", 405)]
    [InlineData("GET", "/", 200)]
    [InlineData("GET", "/_license", 200)]
    [InlineData("GET", "/health/ready", 200)]
    [InlineData("GET", "/metrics", 200)]
    [InlineData("GET", "/openapi/v1.json", 200)]
    public async Task Every_answer_tells_browsers_to_do_nothing_with_it_and_caches_to_forget_it(string method, string path, int status)
    {
        using var service = new TestService(overTcp: true);

        var answer = await service.SendAsync(new HttpMethod(method), path);

        Assert.Equal(status, (int)answer.Status);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
        Assert.Equal("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'", answer.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Equal("DENY", answer.Headers.GetValues("X-Frame-Options").Single());
        Assert.Equal("same-origin", answer.Headers.GetValues("Cross-Origin-Opener-Policy").Single());
        Assert.Equal("same-origin", answer.Headers.GetValues("Cross-Origin-Resource-Policy").Single());
        Assert.Equal("require-corp", answer.Headers.GetValues("Cross-Origin-Embedder-Policy").Single());
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        Assert.Empty(answer.Headers.Server);
        Assert.False(answer.Headers.Contains("X-Powered-By"));
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
        Assert.False(answer.Headers.Contains("Strict-Transport-Security"));
    }

    [Theory]
    [InlineData("Production")]
    [InlineData("Development")]
    public async Task A_fault_of_ours_is_told_without_its_stack_and_with_the_headers(string environment)
    {
        using var service = new TestService(environment, new FaultyStore(), settings: ("Samples:Enabled", "false"));

        var answer = await service.RunAsync();

        answer.Problem(500);
        Assert.DoesNotContain("secret", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", answer.Text, StringComparison.Ordinal);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
    }

    [Theory]
    [InlineData("/swagger/index.html")]
    [InlineData("/Swagger/index.html")]
    public async Task Swagger_ui_runs_nothing_but_its_own_files(string path)
    {
        using var service = new TestService();

        var page = await service.GetAsync(path);

        Assert.Equal(HttpStatusCode.OK, page.Status);
        var policy = page.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self' 'sha256-", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotMatch("<script(?![^>]* src=)|<style|style=|[ ]on[a-z]+=|javascript:", page.Text);
    }

    [Theory]
    [InlineData("GET", "/api/v1/events", "POST")]
    [InlineData("DELETE", "/api/v1/detections", "POST")]
    [InlineData("HEAD", "/api/v1/rule", "GET")]
    [InlineData("OPTIONS", "/api/v1/rule", "GET")]
    [InlineData("TRACE", "/api/v1/events", "POST")]
    [InlineData("PUT", "/api/v1/ips/8.8.8.8/alerts", "GET")]
    [InlineData("POST", "/metrics", "GET")]
    [InlineData("POST", "/health/live", "GET, HEAD")]
    [InlineData("TRACE", "/", "GET, HEAD")]
    [InlineData("GET", "/_bulk", "POST, PUT")]
    public async Task A_method_that_a_path_does_not_take_is_405_with_those_it_takes(string method, string path, string allowed)
    {
        using var service = new TestService(overTcp: true);

        var answer = await service.SendAsync(new HttpMethod(method), path);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.Status);
        Assert.Equal(allowed, string.Join(", ", answer.ContentHeaders.Allow.Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("text/csv")]
    [InlineData("text/html")]
    [InlineData("application/x-ndjson, application/json;q=0")]
    public async Task Errors_are_problems_whatever_the_caller_accepts(string accept)
    {
        using var service = new TestService(settings: ("Requests:MaxBodyBytes", "1024"), overTcp: true);
        Task<Answer> SendAsync(string method, string path, HttpContent? body = null) => service.SendAsync(new HttpMethod(method), path, body, null, ("Accept", accept));

        (await SendAsync("GET", "/nothing")).Problem(404);
        (await SendAsync("DELETE", "/api/v1/rule")).Problem(405);
        (await SendAsync("GET", "/api/v1/ips/none/alerts")).Problem(400);
        (await SendAsync("POST", "/api/v1/events", TestService.Content($"[{new string(' ', 2000)}]"))).Problem(413);
        using var notCompressed = TestService.Content("[]");
        notCompressed.Headers.ContentEncoding.Add("gzip");
        (await SendAsync("POST", "/api/v1/events", notCompressed)).Problem(400);
    }

    [Theory]
    [InlineData("POST", "/swagger/_bulk")]
    [InlineData("GET", "/swagger/_alias/x")]
    [InlineData("GET", "/swagger/nothing")]
    public async Task What_is_below_swagger_and_no_file_of_it_has_the_headers_of_data(string method, string path)
    {
        using var service = new TestService();

        var answer = await service.SendAsync(new HttpMethod(method), path, TestService.Content("{\"delete\":{\"_id\":\"1\"}}\n"));

        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        Assert.DoesNotContain("'self'", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void Sockets_are_read_into_blocks_of_64_KiB_or_as_much_more_as_is_asked_for()
    {
        using var service = new TestService();
        using var pool = service.Services.GetRequiredService<IMemoryPoolFactory<byte>>().Create();

        Assert.All([-1, 0, 1, 4096, 65_536, 100_000], asked =>
        {
            using var block = pool.Rent(asked);
            Assert.True(block.Memory.Length >= Math.Max(asked, 65_536));
        });
    }

    [Fact]
    public async Task Plain_http_is_refused_where_https_is_required_but_not_to_health_checks()
    {
        using var service = new TestService(settings: ("Hosting:RequireHttps", "true"));

        (await service.GetAsync("/api/v1/rule")).Problem(400);
        var bulk = await service.SendAsync(HttpMethod.Post, "/_bulk", TestService.Content("{}"));
        Assert.Equal((400, "illegal_argument_exception"), ((int)bulk.Status, (string?)bulk.Json!["error"]!["type"]));
        Assert.Equal("Elasticsearch", bulk.Headers.GetValues("X-Elastic-Product").Single());
        Assert.Equal(HttpStatusCode.OK, (await service.GetAsync("/health/live")).Status);
        Assert.Equal(HttpStatusCode.OK, (await service.GetAsync("https://soc.example/api/v1/rule")).Status);
    }

    [Fact]
    public async Task Hsts_is_sent_over_https_only_and_as_long_as_configured()
    {
        using var service = new TestService(settings: ("Hosting:HstsMaxAge", "365.00:00:00"));

        Assert.False((await service.GetAsync("/api/v1/rule")).Headers.Contains("Strict-Transport-Security"));
        Assert.Equal("max-age=31536000; includeSubDomains", (await service.GetAsync("https://soc.example/api/v1/rule")).Headers.GetValues("Strict-Transport-Security").Single());
    }

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7", true)]
    [InlineData("192.0.2.7", "::ffff:192.0.2.7", true)]
    [InlineData("192.0.2.8", "192.0.2.7", false)]
    [InlineData("192.0.2.7", null, false)]
    public async Task Forwarded_headers_are_believed_of_configured_proxies_only(string peer, string? proxy, bool isBelieved)
    {
        // What the framework switches on by itself must not be believed of everybody either.
        (string, string)[] settings = proxy is null ? [("ForwardedHeaders_Enabled", "true")] : [("Hosting:KnownProxies:0", proxy)];
        using var service = new TestService(settings: settings);
        var forwarded = service.Services.GetRequiredService<IOptions<ForwardedHeadersOptions>>();
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = Address(peer);
        context.Request.Headers["X-Forwarded-For"] = "198.51.100.1";
        context.Request.Headers["X-Forwarded-Proto"] = "https";

        var middleware = new ForwardedHeadersMiddleware(_ => Task.CompletedTask, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, forwarded);
        await middleware.Invoke(context);

        Assert.Equal(isBelieved ? ("198.51.100.1", "https") : (peer, ""), (context.Connection.RemoteIpAddress!.ToString(), context.Request.Scheme));
    }

    [Fact]
    public void Settings_of_proxies_that_cannot_be_read_stop_the_start()
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings:
            [("Hosting:KnownProxies:0", "proxy.example"), ("Hosting:KnownNetworks:0", "10.0.0.0/99"), ("Hosting:HstsMaxAge", "1000.00:00:00")]));

        Assert.Equal(3, refusal.Failures.Count());
    }

    [Fact]
    public async Task The_document_and_the_routes_name_the_same_operations()
    {
        using var service = new TestService();

        var paths = (await service.GetAsync("/openapi/v1.json")).Json!["paths"]!.AsObject();
        var documented = paths.SelectMany(path => path.Value!.AsObject().Select(operation => $"{operation.Key.ToUpperInvariant()} {path.Key}"));
        var routed = service.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.RoutePattern.RawText?.StartsWith("api/", StringComparison.Ordinal) == true)
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(method => $"{method} /{endpoint.RoutePattern.RawText}"));

        Assert.Equal(routed.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("a\r\nX-Injected: 1", "a??X-Injected: 1")]
    [InlineData("\"quoted\\\"", "?quoted??")]
    [InlineData("é\u0000\u007f\u202e", "????")]
    public void Text_in_a_header_can_neither_end_it_nor_its_quotes(string text, string shown) => Assert.Equal(shown, Surface.HeaderText(text));

    private sealed class FaultyStore : IEventStore
    {
        public string Kind => "memory";

        public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken) => throw new InvalidOperationException("secret");

        public Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken) => throw new InvalidOperationException("secret");

        public Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken) => throw new InvalidOperationException("secret");

        public Task<StoreHealth> CheckAsync(CancellationToken cancellationToken) => throw new InvalidOperationException("secret");
    }

#pragma warning disable RS0030 // The framework's type is what the middleware reads.
    private static IPAddress Address(string text) => IPAddress.Parse(text);
#pragma warning restore RS0030
}
