using System.Globalization;
using SuspiciousSignin.Benchmarks;

// What each command compares is in docs/performance.md.
var number = args.Length > 1 && int.TryParse(args[1], CultureInfo.InvariantCulture, out var given) ? given : 0;
switch (args.FirstOrDefault())
{
    case "reader":
        ReaderBenchmark.Run(number == 0 ? 250_000 : number, rounds: 7, isLarge: false);
        ReaderBenchmark.Run(number == 0 ? 25_000 : number / 10, rounds: 7, isLarge: true);
        return 0;

    case "store":
        StoreBenchmark.Run(number == 0 ? 10_000_000 : number, rounds: 7);
        return 0;

    case "http":
        Server.WithPublished(args.ElementAtOrDefault(1), published => HttpBenchmark.Run(published, megabytes: 32, rounds: 7, seconds: 3));
        return 0;

    case "latency":
        LatencyBenchmark.Run(2_000_000, number == 0 ? 30 : number);
        return 0;

    case "start":
        Server.WithPublished(args.ElementAtOrDefault(1), published => StartBenchmark.Run(published, rounds: 7, idle: TimeSpan.FromSeconds(5)));
        return 0;

    // So that they cannot rot: everything once, small.
    case "tiny":
        ReaderBenchmark.Run(200, rounds: 1, isLarge: false);
        ReaderBenchmark.Run(50, rounds: 1, isLarge: true);
        StoreBenchmark.Run(20_000, rounds: 1);
        LatencyBenchmark.Run(10_000, seconds: 0.5);
        Server.WithPublished(args.ElementAtOrDefault(1), published =>
        {
            StartBenchmark.Run(published, rounds: 1, idle: TimeSpan.FromSeconds(0.1));
            HttpBenchmark.Run(published, megabytes: 0.5, rounds: 1, seconds: 0.1);
        });
        return 0;

    // Started by http and start.
    case "peer" when args.Length == 2:
        await Peer.RunAsync(args[1]);
        return 0;

    default:
        Console.Error.WriteLine("Usage: reader [documents] | store [events] | http [published] | latency [seconds] | start [published] | tiny [published]");
        return 2;
}
