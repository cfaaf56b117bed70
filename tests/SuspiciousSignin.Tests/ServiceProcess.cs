using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using SuspiciousSignin.Api.Auth;

namespace SuspiciousSignin.Tests;

/// <summary>The built service as a process of its own, on loopback.</summary>
internal sealed partial class ServiceProcess : IAsyncDisposable
{
    public const string KeyName = "shipper";
    public const string Key = "a-key-of-the-tests";

    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(60);

    private readonly RunningProcess _process;

    private ServiceProcess(RunningProcess process) => _process = process;

    /// <summary>The time by the clock that another process has too, milliseconds since the epoch.</summary>
#pragma warning disable RS0030 // No injected clock reaches a process of its own.
    public static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
#pragma warning restore RS0030

    public HttpClient Client { get; } = new() { Timeout = Hung };

    public Uri Url => Client.BaseAddress!;

    public string Log => _process.Output;

    public int Id => _process.Id;

    public int ExitCode => _process.ExitCode;

    /// <summary>Starts the service with one API key, and waits until it listens.</summary>
    /// <param name="port">The port; 0 for any free one.</param>
    /// <param name="logLevel">What it logs of its own.</param>
    /// <param name="environment">Variables of its environment.</param>
    public static async Task<ServiceProcess> StartAsync(int port = 0, string logLevel = "Information", params (string Name, string Value)[] environment)
    {
        var start = CommandFor(port);
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

        var service = await new ServiceProcess(RunningProcess.Start(start)).ListeningAsync();
        service.Client.DefaultRequestHeaders.Add("X-API-Key", Key);
        return service;
    }

    /// <summary>Starts the service with a journal and without keys, and waits until it listens.</summary>
    /// <param name="path"><c>Store:Memory:Path</c>.</param>
    /// <param name="before">A command that starts the service in its turn.</param>
    /// <param name="port">The port; 0 for any free one.</param>
    public static Task<ServiceProcess> StartOpenAsync(string path, string[]? before = null, int port = 0) =>
        LaunchOpen(path, before, port).ListeningAsync();

    /// <summary>The same without waiting.</summary>
    public static ServiceProcess LaunchOpen(string path, string[]? before = null, int port = 0)
    {
        var start = CommandFor(port, before, $"--Store:Memory:Path={path}", "--Auth:AllowAnonymous=true", "--Logging:LogLevel:Microsoft.AspNetCore=Warning");
        start.Environment["DOTNET_TieredPGO"] = "0";
        return new ServiceProcess(RunningProcess.Start(start));
    }

    /// <summary>How many events it holds.</summary>
    public async Task<int> CountAsync() =>
        (await Client.GetFromJsonAsync<JsonNode>("/health/ready"))!["checks"]![0]!["data"]!["events"]!.GetValue<int>();

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

    public Task<HttpResponseMessage> PostAsync(IEnumerable<string> documents) =>
        Client.PostAsync(new Uri("/api/v1/events", UriKind.Relative), new StringContent(string.Join('\n', documents), Encoding.UTF8, "application/x-ndjson"));

    /// <summary>The users of the events of one address.</summary>
    public Task<List<string>> UsersAsync(string address) => EachAsync(address, shown => (string)shown["user"]!["email"]!);

    /// <summary>The <c>event.action</c> of the events of one address.</summary>
    public Task<List<string>> ActionsAsync(string address) => EachAsync(address, shown => (string)shown["action"]!);

    /// <summary>Ends it as a power cut would, as far as the process is concerned.</summary>
    public Task KillAsync()
    {
        _process.Kill();
        return ExitAsync();
    }

    /// <inheritdoc cref="RunningProcess.TerminateAsync"/>
    public Task TerminateAsync() => _process.TerminateAsync();

    public Task ExitAsync() => _process.WaitForExitAsync(Hung);

    /// <summary>Stops it as an operator would, and tells how many events it held when it had answered all requests.</summary>
    public async Task<int> StopAsync()
    {
        await TerminateAsync();
        await ExitAsync();
        var line = await _process.WaitForLineAsync(ForgottenLine(), Hung);
        return int.Parse(ForgottenLine().Match(line).Groups["events"].Value, CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _process.DisposeAsync();
    }

    private static ProcessStartInfo CommandFor(int port, string[]? before = null, params string[] settings)
    {
        string[] command =
        [
            .. before ?? [], Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet",
            Path.Combine(AppContext.BaseDirectory, "SuspiciousSignin.Api.dll"), $"--urls=http://127.0.0.1:{port}", .. settings,
        ];
        var start = new ProcessStartInfo(command[0], command[1..]) { WorkingDirectory = AppContext.BaseDirectory };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        return start;
    }

    private async Task<ServiceProcess> ListeningAsync()
    {
        try
        {
            var line = await _process.WaitForLineAsync(SwaggerLine(), Hung);
            Client.BaseAddress = new Uri(SwaggerLine().Match(line).Groups["url"].Value);
            return this;
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    /// <summary>What is read of each event of an address, page by page.</summary>
    private async Task<List<string>> EachAsync(string address, Func<JsonNode, string> read)
    {
        var (all, cursor) = (new List<string>(), "");
        while (cursor is not null)
        {
            var page = await Client.GetFromJsonAsync<JsonNode>($"/api/v1/ips/{address}/events?from=now-1d&limit=1000{cursor}");
            all.AddRange(page!["events"]!.AsArray().Select(shown => read(shown!)));
            cursor = page["nextCursor"] is { } next ? $"&cursor={next}" : null;
        }

        return all;
    }

    [GeneratedRegex("Swagger UI: (?<url>http://[0-9.:]+)/swagger", RegexOptions.ExplicitCapture)]
    private static partial Regex SwaggerLine();

    [GeneratedRegex("Stopped; (?<events>[0-9]+) events", RegexOptions.ExplicitCapture)]
    private static partial Regex ForgottenLine();
}
