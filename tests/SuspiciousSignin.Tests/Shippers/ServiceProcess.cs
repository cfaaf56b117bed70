using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using SuspiciousSignin.Api.Auth;

namespace SuspiciousSignin.Tests.Shippers;

/// <summary>The service as a process of its own, on a free port of loopback, with one API key.</summary>
internal sealed partial class ServiceProcess : IAsyncDisposable
{
    public const string KeyName = "shipper";
    public const string Key = "a-key-of-the-tests";

    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(60);

    private readonly RunningProcess _process;
    private readonly HttpClient _client = new();

    private ServiceProcess(RunningProcess process, Uri url)
    {
        (_process, Url) = (process, url);
        _client.BaseAddress = url;
        _client.DefaultRequestHeaders.Add("X-API-Key", Key);
    }

    /// <summary>The time by the clock that another process has too, milliseconds since the epoch.</summary>
#pragma warning disable RS0030 // No injected clock reaches a process of its own.
    public static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
#pragma warning restore RS0030

    public Uri Url { get; }

    public string Log => _process.Output;

    /// <summary>Starts the service and waits until it answers.</summary>
    /// <param name="port">The port; 0 for any free one.</param>
    /// <param name="logLevel">What it logs of its own.</param>
    /// <param name="environment">Variables of its environment.</param>
    public static async Task<ServiceProcess> StartAsync(int port = 0, string logLevel = "Information", params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "SuspiciousSignin.Api.dll"), "--urls", $"http://127.0.0.1:{port}"])
        {
            WorkingDirectory = AppContext.BaseDirectory,
        };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        start.Environment["Logging__LogLevel__Microsoft"] = "Warning";
        start.Environment["Logging__LogLevel__SuspiciousSignin"] = logLevel;
        start.Environment["Auth__ApiKeys__0__Name"] = KeyName;
        start.Environment["Auth__ApiKeys__0__Hash"] = ApiKeys.HashOf(Key, [.. Enumerable.Repeat((byte)7, 16)]);
        start.Environment["Auth__ApiKeys__0__Scopes__0"] = "events:write";
        start.Environment["Auth__ApiKeys__0__Scopes__1"] = "alerts:read";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var process = RunningProcess.Start(start);
        try
        {
            var line = await process.WaitForLineAsync(SwaggerLine(), Hung);
            return new ServiceProcess(process, new Uri(SwaggerLine().Match(line).Groups["url"].Value));
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>How many events it holds.</summary>
    public async Task<int> CountAsync() =>
        (await _client.GetFromJsonAsync<JsonNode>("/health/ready"))!["checks"]![0]!["data"]!["events"]!.GetValue<int>();

    /// <summary>Waits until it holds at least so many events.</summary>
    public async Task WaitForAsync(int events, RunningProcess sender)
    {
        var waited = Stopwatch.StartNew();
        for (var count = await CountAsync(); count < events; count = await CountAsync())
        {
            Assert.True(waited.Elapsed < Hung, $"The service holds {count} events of {events}, and no more come. The sender says: {sender.Output}");
            await Task.Delay(20);
        }
    }

    /// <summary>The users of the events of one address, page by page.</summary>
    public async Task<List<string>> UsersAsync(string address)
    {
        var users = new List<string>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await _client.GetFromJsonAsync<JsonNode>($"/api/v1/ips/{address}/events?limit=1000{(cursor.Length == 0 ? "" : "&cursor=" + cursor)}");
            users.AddRange(page!["events"]!.AsArray().Select(e => (string)e!["user"]!["email"]!));
            cursor = (string?)page["nextCursor"];
        }

        return users;
    }

    /// <summary>Stops it as an operator would, and tells how many events it held when it had answered all requests.</summary>
    public async Task<int> StopAsync()
    {
        await _process.TerminateAsync(Hung);
        var line = await _process.WaitForLineAsync(ForgottenLine(), Hung);
        return int.Parse(ForgottenLine().Match(line).Groups["events"].Value, CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _process.DisposeAsync();
    }

    [GeneratedRegex("Swagger UI: (?<url>http://[0-9.:]+)/swagger", RegexOptions.ExplicitCapture)]
    private static partial Regex SwaggerLine();

    [GeneratedRegex("Stopped; (?<events>[0-9]+) events", RegexOptions.ExplicitCapture)]
    private static partial Regex ForgottenLine();
}
