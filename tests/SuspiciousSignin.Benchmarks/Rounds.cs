using System.Diagnostics;
using System.Globalization;

namespace SuspiciousSignin.Benchmarks;

/// <summary>One way to find an answer.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Call">Returns a number that all contenders have to agree on.</param>
/// <param name="Repeats">How many calls make one turn; more where one is too short to be timed.</param>
internal sealed record Contender(string Name, Func<long> Call, int Repeats = 1);

/// <summary>Runs contenders by turns, so that whatever else the machine does befalls all of them, and prints medians and ratios.</summary>
internal static class Rounds
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1);

    /// <summary>Compares; the first contender is ours.</summary>
    /// <param name="title">What is compared.</param>
    /// <param name="rounds">How many turns are counted, after some that are not.</param>
    /// <param name="bytes">How much one call reads, to show speeds; 0 to show times only.</param>
    /// <param name="contenders">The contenders; those that are null, since what they need is missing, are left out.</param>
    public static void Compare(string title, int rounds, long bytes, params Contender?[] contenders)
    {
        Console.WriteLine($"\n{title}");
        var all = contenders.OfType<Contender>().ToArray();
        var times = all.Select(_ => new List<double>()).ToArray();
        // Code that runs often is compiled anew, which takes a while.
        foreach (var contender in rounds == 1 ? [] : all)
        {
            var begun = Stopwatch.GetTimestamp();
            do
            {
                contender.Call();
            }
            while (Stopwatch.GetElapsedTime(begun) < WarmUp);
        }

        const int Uncounted = 1;
        for (var round = 0; round < Uncounted + rounds; round++)
        {
            var answers = new List<long>();
            for (var i = 0; i < all.Length; i++)
            {
                GC.Collect();
                var started = Stopwatch.GetTimestamp();
                answers.Add(all[i].Call());
                for (var again = 1; again < all[i].Repeats; again++)
                {
                    all[i].Call();
                }

                if (round >= Uncounted)
                {
                    times[i].Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds / all[i].Repeats);
                }
            }

            MustAgree(all.Zip(answers, (contender, answer) => (contender.Name, answer)));
        }

        Tell(bytes, all.Zip(times, (contender, taken) => (contender.Name, taken)));
    }

    /// <summary>Stops the run where the answers differ: what answers another question is not compared.</summary>
    public static void MustAgree(IEnumerable<(string Name, long Answer)> answers)
    {
        if (answers.Select(each => each.Answer).Distinct().Count() > 1)
        {
            throw new InvalidOperationException($"The contenders disagree: {string.Join(", ", answers.Select(each => $"{each.Name} {each.Answer}"))}");
        }
    }

    /// <summary>
    /// Prints medians, and how long each contender takes beside the first: the median over the rounds, each by itself, since a machine that is shared
    /// gets slower and faster between them.
    /// </summary>
    public static void Tell(long bytes, IEnumerable<(string Name, List<double> Milliseconds)> contenders)
    {
        List<double>? ours = null;
        foreach (var (name, times) in contenders)
        {
            var median = Median([.. times]);
            var speed = bytes == 0 ? "" : $"{bytes / median / 1000,10:0} MB/s";
            var ratio = ours is null ? "" : $"   takes {Median([.. times.Zip(ours, (theirs, mine) => theirs / mine)]):0.00} x ours";
            ours ??= times;
            Console.WriteLine($"  {name,-62} {median,14:0.0000} ms {speed}{ratio}");
        }
    }

    /// <summary>The value that as many lie below as above.</summary>
    public static double Median(List<double> values) => Percentile(values, 0.5);

    /// <summary>The value that the share lies below or at.</summary>
    public static double Percentile(List<double> values, double share)
    {
        values.Sort();
        return values[Math.Clamp((int)Math.Ceiling(values.Count * share) - 1, 0, values.Count - 1)];
    }

    /// <summary>Says that a peer is left out, and why.</summary>
    public static T? Skipped<T>(string peer, string why)
        where T : class
    {
        Console.WriteLine($"SKIPPED {peer}: {why}");
        return null;
    }

    /// <summary>Runs a program to its end and returns what it printed.</summary>
    /// <exception cref="InvalidOperationException">It is not there, or failed.</exception>
    public static string Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        try
        {
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : throw new InvalidOperationException($"'{program}' failed: {errors.Result.Trim()} {output.Trim()}");
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new InvalidOperationException($"'{program}' cannot be started: {missing.Message}.", missing);
        }
    }

    /// <summary>Reads a count that a program printed.</summary>
    public static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
