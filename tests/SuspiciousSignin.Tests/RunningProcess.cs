using System.Diagnostics;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.Tests;

/// <summary>A process of which the output is kept, and which never outlives its test.</summary>
internal sealed class RunningProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private TaskCompletionSource _grown = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningProcess(Process process) => _process = process;

    public string Output
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    public int Id => _process.Id;

    public int ExitCode => _process.ExitCode;

    public static RunningProcess Start(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError, start.UseShellExecute) = (true, true, false);
        var running = new RunningProcess(new Process { StartInfo = start });
        running._process.OutputDataReceived += (_, data) => running.Keep(data.Data);
        running._process.ErrorDataReceived += (_, data) => running.Keep(data.Data);
        running._process.Start();
        running._process.BeginOutputReadLine();
        running._process.BeginErrorReadLine();
        return running;
    }

    /// <summary>The path of a program, or null where it is not installed.</summary>
    public static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Concat(["/usr/sbin", "/usr/local/sbin"])
        .Select(folder => Path.Combine(folder, program))
        .FirstOrDefault(File.Exists);

    public async Task<string> WaitForLineAsync(Regex pattern, TimeSpan hung)
    {
        using var timeout = new CancellationTokenSource(hung);
        while (true)
        {
            Task grown;
            lock (_lines)
            {
                if (_lines.Find(pattern.IsMatch) is { } line)
                {
                    return line;
                }

                grown = _grown.Task;
            }

            if (_process.HasExited)
            {
                // What it said last may still be on its way.
                await _process.WaitForExitAsync(timeout.Token);
                Assert.True(grown.IsCompleted, $"Expected a line like '{pattern}', but the process ended. It said: {Output}");
            }

            try
            {
                await Task.WhenAny(grown, _process.WaitForExitAsync(timeout.Token)).WaitAsync(timeout.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"Expected a line like '{pattern}', but the process says: {Output}");
            }
        }
    }

    /// <summary>Ends it as a power cut would, as far as the process is concerned.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Waits for its own end.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan hung)
    {
        using var timeout = new CancellationTokenSource(hung);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"The process does not end. It says: {Output}");
        }

        return _process.ExitCode;
    }

    /// <summary>Asks it to end (SIGTERM), as a container's host does.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lines)
        {
            _lines.Add(line);
            var grown = _grown;
            _grown = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            grown.SetResult();
        }
    }
}
