using System.Globalization;
using SuspiciousSignin.Benchmarks;

var count = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 0;
switch (args.FirstOrDefault())
{
    case "reader":
        ReaderBenchmark.Run(count == 0 ? 250_000 : count, rounds: 7, isLarge: false);
        ReaderBenchmark.Run(count == 0 ? 25_000 : count / 10, rounds: 7, isLarge: true);
        return 0;

    case "store":
        StoreBenchmark.Run(count == 0 ? 10_000_000 : count, rounds: 7);
        return 0;

    case "tiny":
        ReaderBenchmark.Run(200, rounds: 1, isLarge: false);
        ReaderBenchmark.Run(50, rounds: 1, isLarge: true);
        StoreBenchmark.Run(20_000, rounds: 1);
        return 0;

    default:
        Console.Error.WriteLine("Usage: reader|store|tiny [count]");
        return 2;
}
