using System.Diagnostics;
using System.Globalization;

namespace SuspiciousSignin.Benchmarks;

/// <summary>Runs contenders by turns, so that whatever else the machine does befalls all of them, and prints medians and ratios.</summary>
internal static class Rounds
{
    /// <summary>Compares; the first contender is ours.</summary>
    /// <param name="title">What is compared.</param>
    /// <param name="rounds">How many turns are counted, after one that is not.</param>
    /// <param name="amount">How much one call does, in <paramref name="unit"/>; 0 to show times only.</param>
    /// <param name="unit">What the amount counts.</param>
    /// <param name="contenders">Names and calls. Each returns a number that all have to agree on.</param>
    public static void Compare(string title, int rounds, double amount, string unit, params (string Name, Func<long> Call)[] contenders)
    {
        Console.WriteLine($"\n{title}");
        var times = contenders.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round <= rounds; round++)
        {
            var answers = new List<long>();
            for (var i = 0; i < contenders.Length; i++)
            {
                GC.Collect();
                var started = Stopwatch.GetTimestamp();
                answers.Add(contenders[i].Call());
                if (round > 0)
                {
                    times[i].Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                }
            }

            if (answers.Distinct().Count() > 1)
            {
                throw new InvalidOperationException($"The contenders disagree: {string.Join(", ", contenders.Zip(answers, (contender, answer) => $"{contender.Name} {answer}"))}");
            }
        }

        var ours = Median(times[0]);
        for (var i = 0; i < contenders.Length; i++)
        {
            var median = Median(times[i]);
            var speed = amount == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{amount / median / 1000,10:0.000} M{unit}/s");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {contenders[i].Name,-44} {median,12:0.000} ms {speed}{(i == 0 ? "" : $"   takes {median / ours:0.00} x ours")}"));
        }
    }

    public static double Median(List<double> values)
    {
        values.Sort();
        return values.Count % 2 == 1 ? values[values.Count / 2] : (values[(values.Count / 2) - 1] + values[values.Count / 2]) / 2;
    }
}
