using System.Diagnostics;
using System.Globalization;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>
/// A folder that a process finds full: a tmpfs of 8 MiB in a mount namespace of its own where the system allows that, else the limit that
/// the system sets to the length of a process' files.
/// </summary>
internal sealed class SmallDisk : IDisposable
{
    private const int DiskLength = 8 * 1024 * 1024;

    private readonly Process? _holder;

    private SmallDisk(string folder, Process? holder) => (Folder, _holder) = (folder, holder);

    /// <summary>The folder, as the process sees it.</summary>
    public string Folder { get; }

    /// <summary>What stands for the full disk.</summary>
    public string Means => _holder is null ? "Disk full: RLIMIT_FSIZE (EFBIG)" : "Disk full: tmpfs of 8 MiB (ENOSPC)";

    /// <summary>Starts what follows where the folder is small.</summary>
    public string[] Command => _holder is null
        ? ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]
        : ["nsenter", $"--target={_holder.Id}", "--user", "--mount", "--preserve-credentials"];

    private string Ballast => $"/proc/{_holder!.Id}/root{Path.GetDirectoryName(Folder)}/ballast";

    public static SmallDisk Make(string folder)
    {
        Directory.CreateDirectory(folder);
        var start = new ProcessStartInfo("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", $"mount -t tmpfs -o size={DiskLength} tmpfs '{folder}' && echo mounted && exec sleep 600"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var below = Path.Combine(folder, "journal");
        try
        {
            var holder = Process.Start(start)!;
            if (holder.StandardOutput.ReadLine() == "mounted")
            {
                return new SmallDisk(below, holder);
            }

            holder.Dispose();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No unshare here.
        }

        return new SmallDisk(below, null);
    }

    /// <summary>Leaves room for some 100 KB.</summary>
    public void Fill(int process)
    {
        if (_holder is null)
        {
            Limit(process, "100000");
            return;
        }

        using var ballast = File.Create(Ballast);
        ballast.Write(new byte[DiskLength - 100_000]);
    }

    /// <summary>Gives the room back.</summary>
    public void GiveRoom(int process)
    {
        if (_holder is null)
        {
            Limit(process, "unlimited");
            return;
        }

        File.Delete(Ballast);
    }

    public void Dispose()
    {
        _holder?.Kill();
        _holder?.WaitForExit();
        _holder?.Dispose();
    }

    private static void Limit(int process, string bytes)
    {
        using var limit = Process.Start("prlimit", [$"--pid={process.ToString(CultureInfo.InvariantCulture)}", $"--fsize={bytes}:unlimited"]);
        limit.WaitForExit();
        Assert.Equal(0, limit.ExitCode);
    }
}
