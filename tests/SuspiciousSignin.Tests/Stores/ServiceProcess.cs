using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>The built service as a process of its own, on a free port.</summary>
internal sealed partial class ServiceProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _log = new();
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServiceProcess(Process process)
    {
        _process = process;
        _process.OutputDataReceived += (_, line) => Take(line.Data);
        _process.ErrorDataReceived += (_, line) => Take(line.Data);
        _process.EnableRaisingEvents = true;
        _process.Exited += (_, _) => _address.TrySetException(new InvalidOperationException("The service stopped:\n" + Log));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public HttpClient Client { get; private set; } = null!;

    public string Log => string.Join('\n', _log);

    public int Id => _process.Id;

    public int ExitCode => _process.ExitCode;

    /// <summary>Starts the service and waits until it listens.</summary>
    /// <param name="path"><c>Store:Memory:Path</c>.</param>
    /// <param name="before">A command that starts the service in its turn.</param>
    /// <param name="port">The port; 0 for any.</param>
    public static async Task<ServiceProcess> StartAsync(string path, string[]? before = null, int port = 0)
    {
        var service = Launch(path, before, port);
        try
        {
            service.Client = new HttpClient { BaseAddress = await service._address.Task.WaitAsync(Patience), Timeout = Patience };
            return service;
        }
        catch
        {
            service.Dispose();
            throw;
        }
    }

    /// <summary>Starts the service without waiting for it.</summary>
    public static ServiceProcess Launch(string path, string[]? before = null, int port = 0)
    {
        string[] command =
        [
            .. before ?? [], Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet",
            Path.Combine(AppContext.BaseDirectory, "SuspiciousSignin.Api.dll"),
            $"--urls=http://127.0.0.1:{port}", $"--Store:Memory:Path={path}", "--Auth:AllowAnonymous=true", "--Logging:LogLevel:Microsoft.AspNetCore=Warning",
        ];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        start.Environment["DOTNET_TieredPGO"] = "0";
        return new ServiceProcess(new Process { StartInfo = start });
    }

    /// <summary>Ends it as a power cut would, as far as the process is concerned.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await ExitAsync();
    }

    /// <summary>Asks it to stop, as a container's host does.</summary>
    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public Task ExitAsync() => _process.WaitForExitAsync().WaitAsync(Patience);

    public Task<HttpResponseMessage> PostAsync(IEnumerable<string> documents) =>
        Client.PostAsync(new Uri("/api/v1/events", UriKind.Relative), new StringContent(string.Join('\n', documents), System.Text.Encoding.UTF8, "application/x-ndjson"));

    /// <summary>The <c>event.action</c> of everything that is known of an address.</summary>
    public async Task<List<string>> ActionsAsync(string ip)
    {
        var (actions, cursor) = (new List<string>(), "");
        do
        {
            var page = await Client.GetFromJsonAsync<JsonNode>(new Uri($"/api/v1/ips/{ip}/events?from=now-1d&limit=1000{cursor}", UriKind.Relative));
            actions.AddRange(page!["events"]!.AsArray().Select(shown => (string)shown!["action"]!));
            cursor = page["nextCursor"] is { } next ? $"&cursor={next}" : null;
        }
        while (cursor is not null);

        return actions;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        Client?.Dispose();
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        _log.Enqueue(line);
        if (Listening().Match(line) is { Success: true } match)
        {
            _address.TrySetResult(new Uri(match.Value));
        }
    }

    // The greeting: "Swagger UI: http://127.0.0.1:5080/swagger".
    [GeneratedRegex("(?<=Swagger UI: )http://[0-9.:]+")]
    private static partial Regex Listening();
}
