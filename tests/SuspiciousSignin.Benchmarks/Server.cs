using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace SuspiciousSignin.Benchmarks;

/// <summary>A web application in a process of its own, on the first core only; this program is meant to keep to the second.</summary>
internal sealed class Server : IDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string?> _said = new();

    private Server(string name, IEnumerable<string> command, IEnumerable<(string Key, string Value)> settings, bool onOneCore)
    {
        (Name, Port) = (name, FreePort());
        var words = command.Select(word => word.Replace("{url}", Url, StringComparison.Ordinal));
        string[] all = onOneCore ? ["taskset", "-c", "0", .. words] : [.. words];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        // What the SDK takes for a web application, also where this program is none.
        start.Environment["DOTNET_gcServer"] = "1";
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        start.Environment["ASPNETCORE_URLS"] = Url;
        foreach (var (key, value) in settings)
        {
            start.Environment[key] = value;
        }

        var started = Stopwatch.GetTimestamp();
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => _said.Enqueue(line.Data);
        _process.ErrorDataReceived += (_, line) => _said.Enqueue(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        FirstAnswer = WaitForAnswer(started);
    }

    public string Name { get; }

    public int Port { get; }

    /// <summary>From the start of the process to the end of its first answer.</summary>
    public TimeSpan FirstAnswer { get; }

    /// <summary>How long its core was busy so far.</summary>
    public TimeSpan Busy
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    private string Url => $"http://127.0.0.1:{Port}";

    /// <summary>Starts the service as it was published, open to everybody here, with room for what a benchmark sends.</summary>
    public static Server Ours(string published, bool onOneCore) => new(
        "ours",
        ["dotnet", Path.Combine(published, "SuspiciousSignin.Api.dll")],
        [("Auth__AllowAnonymous", "true"), ("Requests__PerCaller", "100000000"), ("Store__Memory__MaxEvents", "20000000")],
        onOneCore);

    /// <summary>Starts the peer (<see cref="Benchmarks.Peer"/>).</summary>
    public static Server Peer(bool onOneCore) => new(
        "MVC controller",
        ["dotnet", typeof(Server).Assembly.Location, "peer", "{url}"],
        // Compiled once, as the service is; where the start is measured, as the template has it.
        onOneCore ? [("DOTNET_TC_QuickJit", "0")] : [],
        onOneCore);

    /// <summary>Hands on the folder of the published service; where none is given, publishes it as its container does, for as long as the run takes.</summary>
    public static void WithPublished(string? published, Action<string> run)
    {
        if (published is not null)
        {
            run(published);
            return;
        }

        var folder = Repository.Temporary();
        try
        {
            Console.WriteLine("Publishing the service");
            Rounds.Run("dotnet", "publish", Path.Combine(Repository.Root, "src", "SuspiciousSignin.Api"), "--use-current-runtime", "--self-contained", "false", "-c", "Release", "-o", folder, "--nologo");
            run(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Keeps this process, and all threads that it has and will have, to the second core. False where there is no second or no taskset.</summary>
    public static bool KeepToTheOtherCore()
    {
        try
        {
            if (Environment.ProcessorCount > 1)
            {
                Rounds.Run("taskset", "-a", "-c", "-p", "1", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
                return true;
            }
        }
        catch (InvalidOperationException missing)
        {
            Console.WriteLine($"No core of its own for the server: {missing.Message}");
        }

        return false;
    }

    /// <summary>Kibibytes that the kernel tells of the process, such as VmHWM, the most ever resident.</summary>
    public long Kibibytes(string name) => KibibytesOf(name is "Pss" ? "smaps_rollup" : "status", name);

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }

    private long KibibytesOf(string file, string name)
    {
        var line = File.ReadLines($"/proc/{_process.Id}/{file}").First(line => line.StartsWith(name + ":", StringComparison.Ordinal));
        return long.Parse(line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    private TimeSpan WaitForAnswer(long started)
    {
        while (!_process.HasExited && Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(30))
        {
            try
            {
                using var wire = new Wire(Port);
                wire.Get(Name == "ours" ? "/api/v1/limits" : "/answers?bytes=500");
                return Stopwatch.GetElapsedTime(started);
            }
            catch (SocketException)
            {
                Pause(TimeSpan.FromMilliseconds(1));
            }
        }

        Dispose();
        throw new InvalidOperationException($"{Name} does not answer: {string.Join('\n', _said)}");
    }

    /// <summary>Lets other processes do what they do.</summary>
    public static void Pause(TimeSpan time)
    {
        using var never = new ManualResetEventSlim();
        never.Wait(time);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
