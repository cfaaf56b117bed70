namespace SuspiciousSignin.Benchmarks;

/// <summary>From the start of the process to its first answer, and what it holds in memory when it has nothing to do.</summary>
internal static class StartBenchmark
{
    public static void Run(string published, int rounds, TimeSpan idle)
    {
        Console.WriteLine("\nProcess start to first answer, no core set aside");
        Func<Server>[] starts = [() => Server.Ours(published, onOneCore: false), () => Server.Peer(onOneCore: false)];
        var times = starts.Select(_ => new List<double>()).ToArray();
        var memory = starts.Select(_ => (Resident: new List<double>(), Shared: new List<double>())).ToArray();
        var names = new string[starts.Length];
        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < starts.Length; i++)
            {
                using var server = starts[i]();
                Server.Pause(idle);
                names[i] = server.Name;
                times[i].Add(server.FirstAnswer.TotalMilliseconds);
                memory[i].Resident.Add(server.Kibibytes("VmRSS") / 1024.0);
                memory[i].Shared.Add(server.Kibibytes("Pss") / 1024.0);
            }
        }

        Rounds.Tell(0, names.Zip(times));
        for (var i = 0; i < starts.Length; i++)
        {
            Console.WriteLine($"  {names[i]}, idle for {idle.TotalSeconds} s: VmRSS {Rounds.Median(memory[i].Resident):0} MiB, PSS {Rounds.Median(memory[i].Shared):0} MiB");
        }
    }
}
