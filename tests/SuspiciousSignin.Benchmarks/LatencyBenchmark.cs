using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Benchmarks;

/// <summary>How long runs and questions take while one thread appends as fast as it can, and the store lets as many events go.</summary>
internal static class LatencyBenchmark
{
    private const int EventsPerBatch = 500;
    private const int Batches = 200;
    private const int Hour = 3_600_000;

    private static readonly RuleRevision Revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision)!;

    /// <param name="held">How many events the store holds throughout, 24 hours of them.</param>
    /// <param name="seconds">How long it takes.</param>
    public static void Run(int held, double seconds)
    {
        var clock = new MovingClock();
        var store = new MemoryEventStore(new MemoryStoreOptions { MaxEvents = held, Retention = TimeSpan.FromDays(2) }, clock);
        var source = Read();
        var step = 24 * Hour * (double)EventsPerBatch / held;
        var at = clock.Now - (24.0 * Hour);
        for (var filled = 0; filled < held; filled += EventsPerBatch)
        {
            at += step;
            Append(store, source, filled / EventsPerBatch, (long)at);
        }

        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        var (appended, started) = (0L, Stopwatch.GetTimestamp());
        var appending = new Thread(() =>
        {
            for (var batch = 0; !stop.IsCancellationRequested; batch++)
            {
                at += step;
                clock.Advance(TimeSpan.FromMilliseconds(Math.Max(0, (long)at - clock.Now)));
                Append(store, source, batch, (long)at);
                appended += EventsPerBatch;
            }
        });
        appending.Start();
        var (runs, questions) = (new List<double>(), new List<double>());
        var address = SourceAddress.Parse(Documents.AddressOf(101));
        while (!stop.IsCancellationRequested)
        {
            var window = new TimeWindow(clock.Now - (8 * Hour), clock.Now);
            runs.Add(Time(() => store.CorrelateAsync(new CorrelationQuery { Revision = Revision, Window = window, Limit = 100 }, CancellationToken.None).GetAwaiter().GetResult()));
            for (var again = 0; again < 10; again++)
            {
                questions.Add(Time(() => store.ReadEventsAsync(new EventQuery { Address = address, Window = window, Revision = Revision, Limit = 100 }, CancellationToken.None).GetAwaiter().GetResult()));
            }
        }

        appending.Join();
        Console.WriteLine($"\nWhile one thread appends {appended / Stopwatch.GetElapsedTime(started).TotalSeconds / 1e6:0.00} million events a second to {store.Count} held, as many of which go");
        Tell("window run over 8 of 24 hours", runs);
        Tell("first 100 events of one address", questions);
    }

    private static double Time(Action ask)
    {
        var started = Stopwatch.GetTimestamp();
        ask();
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static void Tell(string name, List<double> times) =>
        Console.WriteLine($"  {name,-40} p50 {Rounds.Percentile(times, 0.5),8:0.000} ms   p99 {Rounds.Percentile(times, 0.99),8:0.000} ms   longest {times[^1],8:0.000} ms   of {times.Count}");

    private static EventRecord[][] Read()
    {
        var documents = new Documents(4, isLarge: false, EventsPerBatch * Batches);
        return
        [
            .. Enumerable.Range(0, Batches).Select(_ =>
            {
                var lines = new ReadOnlySequence<byte>(documents.Lines(EventsPerBatch).ToArray());
                return EventBatchReader.ReadAsync(PipeReader.Create(lines), BatchFormat.NdJson, new EventReaderOptions()).GetAwaiter().GetResult().Batch!.Events.ToArray();
            }),
        ];
    }

    // The same events again and again, each time as new ones of a later time.
    private static void Append(MemoryEventStore store, EventRecord[][] source, int batch, long at)
    {
        var events = Array.ConvertAll(source[batch % Batches], record => record with { Identity = 0, Timestamp = at, Ingested = at });
        store.AppendAsync(events, CancellationToken.None).GetAwaiter().GetResult();
    }
}
