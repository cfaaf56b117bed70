using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Api;

/// <summary>The service in this process, at a fixed time, with settings and a store of the test's choice.</summary>
internal sealed class TestService : IDisposable
{
    public static readonly DateTimeOffset Now = new(2026, 3, 14, 6, 0, 0, TimeSpan.Zero);

    private readonly WebApplicationFactory<Program> _factory;
    private readonly IEventStore _store;
    private readonly HttpClient _client;
    private readonly LogLines _log = new();

    /// <param name="overTcp">Whether requests go through Kestrel, which refuses what HTTP does not allow, instead of straight into the service.</param>
    public TestService(string environment = "Production", IEventStore? store = null, bool overTcp = false, params (string Key, string Value)[] settings)
        : this(environment, store, overTcp, _ => { }, settings)
    {
    }

    /// <param name="configure">Further services of the test.</param>
    public TestService(string environment, IEventStore? store, Action<IServiceCollection> configure, params (string Key, string Value)[] settings)
        : this(environment, store, overTcp: false, configure, settings)
    {
    }

    private TestService(string environment, IEventStore? store, bool overTcp, Action<IServiceCollection> configure, (string Key, string Value)[] settings)
    {
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment(environment);
            if (environment != "Development" && !settings.Any(setting => setting.Key.StartsWith("Auth:ApiKeys", StringComparison.Ordinal) || setting.Key.StartsWith("Auth:Jwt", StringComparison.Ordinal)))
            {
                host.UseSetting("Auth:AllowAnonymous", "true");
            }

            host.UseUrls("http://127.0.0.1:0");
            foreach (var (key, value) in settings)
            {
                host.UseSetting(key, value);
            }

            host.ConfigureTestServices(services =>
            {
                services.AddSingleton<TimeProvider>(Clock);
                if (store is not null)
                {
                    services.AddSingleton(store);
                }

                services.AddSingleton<ILoggerProvider>(_log);
                configure(services);
            });
        });
        if (overTcp)
        {
            _factory.UseKestrel();
        }

        _client = _factory.CreateClient();
        _store = _factory.Services.GetRequiredService<IEventStore>();
    }

    public FakeTimeProvider Clock { get; } = new(Now);

    /// <summary>What was logged so far, a line each.</summary>
    public string[] Log => [.. _log.Lines];

    public IReadOnlyList<RouteEndpoint> Endpoints => [.. _factory.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()];
    public IServiceProvider Services => _factory.Services;

    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<Answer> RunAsync(string json = "{}") => SendAsync(HttpMethod.Post, "/api/v1/detections", Content(json));

    public Task<Answer> PostAsync(string body, string query = "", string type = "application/json", string? encoding = null, string? key = null) =>
        PostAsync(Encoding.UTF8.GetBytes(body), query, type, encoding, key);

    public Task<Answer> PostAsync(byte[] body, string query = "", string type = "application/json", string? encoding = null, string? key = null)
    {
        var content = Content(body, type);
        if (encoding is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        }

        return SendAsync(HttpMethod.Post, "/api/v1/events" + query, content, key);
    }

    public Task<Answer> SendAsync(HttpMethod method, string path, HttpContent? content = null, string? idempotencyKey = null, params (string Name, string Value)[] headers) =>
        SendAsync(method, path, content, idempotencyKey, CancellationToken.None, headers);

    public async Task<Answer> SendAsync(
        HttpMethod method, string path, HttpContent? content, string? idempotencyKey, CancellationToken cancellationToken, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await _client.SendAsync(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync();
        var isJson = response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) == true;
        return new Answer(response.StatusCode, isJson && text.Length > 0 ? JsonNode.Parse(text) : null, text, response.Content.Headers.ContentType, response.Headers, response.Content.Headers);
    }

    public void Dispose()
    {
        _client.Dispose();
        _factory.Dispose();

        // The entry point lets its host go on a thread of its own, and the factory may return while that one is still at it.
        (_store as IDisposable)?.Dispose();
    }

    /// <summary>The settings of one key.</summary>
    public static IEnumerable<(string Key, string Value)> KeySettings(int i, string name, string key, params string[] scopes) =>
    [
        ($"Auth:ApiKeys:{i}:Name", name),
        ($"Auth:ApiKeys:{i}:Hash", ApiKeys.HashOf(key, [.. Enumerable.Repeat((byte)i, 16)])),
        .. scopes.Select((scope, place) => ($"Auth:ApiKeys:{i}:Scopes:{place}", scope)),
    ];

    /// <summary>A body of any type, be it none that HTTP allows.</summary>
    public static ByteArrayContent Content(byte[] body, string type)
    {
        var content = new ByteArrayContent(body);
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        return content;
    }

    public static StringContent Content(string json, string type = "application/json") => new(json, Encoding.UTF8, type);
}

/// <summary>Keeps what is logged.</summary>
internal sealed class LogLines : ILoggerProvider, ILogger
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue($"{logLevel} {formatter(state, exception)} {exception}");

    public void Dispose()
    {
        // Nothing is held.
    }
}

/// <summary>An answer of the service.</summary>
internal sealed record Answer(
    HttpStatusCode Status, JsonNode? Json, string Text, MediaTypeHeaderValue? ContentType, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders)
{
    public string[] Addresses => [.. Json!["alerts"]!.AsArray().Select(alert => alert!["sourceIp"]!.GetValue<string>())];

    public string[] Warnings => [.. Json!["warnings"]!.AsArray().Select(warning => warning!["code"]!.GetValue<string>())];

    public int Number(string path) => path.Split('.').Aggregate(Json, (node, name) => node![name])!.GetValue<int>();

    /// <summary>Asserts a problem document and tells the names under its <c>errors</c>.</summary>
    public string[] Problem(int status)
    {
        Assert.Equal(status, (int)Status);
        Assert.Equal("application/problem+json", ContentType?.MediaType);
        Assert.Equal(status, Json!["status"]!.GetValue<int>());
        Assert.All(["type", "title", "detail", "traceId", "message"], member => Assert.False(string.IsNullOrEmpty((string?)Json[member])));
        return Json["errors"] is JsonObject errors ? [.. errors.Select(error => error.Key)] : [];
    }
}

/// <summary>ECS documents of which only the relevant difference is written.</summary>
internal static class Ecs
{
    public const string Address = "81.2.69.144";

    public static string SignIn(double minutesAgo = 10, string ip = Address, string outcome = "success", string? id = null, string user = "ada@example.com") =>
        Document(minutesAgo, ip, "azure.signinlogs", id, $$"""
            "event":{"dataset":"azure.signinlogs","outcome":"{{outcome}}","category":["authentication"]},"user":{"name":"{{user}}","email":"{{user}}"}
            """);

    public static string MailAccess(double minutesAgo = 5, string ip = Address, string action = "MailItemsAccessed", string? id = null) =>
        Document(minutesAgo, ip, "o365.audit", id, $$"""
            "event":{"dataset":"o365.audit","action":"{{action}}","outcome":"success","category":["web","email"]},"user.email":"Ada@example.com","user.name":"Ada"
            """);

    public static string NetworkAlert(double minutesAgo = 30, string ip = Address, string name = "External Alerts", string? id = null) =>
        Document(minutesAgo, ip, "zeek.notice", id, $$"""
            "event":{"dataset":"zeek.notice","category":["intrusion_detection"]},"event.kind":"signal","kibana.alert.rule.name":"{{name}}","kibana.alert.rule.rule_id":"eb079c62-4481-4d6e-9643-3ca499df7aaa"
            """);

    public static string Batch(params string[] documents) => "[" + string.Join(',', documents) + "]";

    public static string Time(double minutesAgo) => TestService.Now.AddMinutes(-minutesAgo).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'");

    private static string Document(double minutesAgo, string ip, string dataset, string? id, string rest) =>
        $$"""{ {{(id is null ? "" : $"\"_id\":\"{id}\",")}}"@timestamp":"{{Time(minutesAgo)}}","source":{"ip":"{{ip}}"},"data_stream":{"dataset":"{{dataset}}"},{{rest}} }""";
}
