using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using DuckDB.NET.Data;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Benchmarks;

/// <summary>Appending, detecting over 8 of 24 hours, and asking about one address, beside SQL over a table of the same events.</summary>
internal static class StoreBenchmark
{
    private const int EventsPerBatch = 50_000;

    private static readonly TimeWindow LastEightHours = new(Documents.To - (8 * 3_600_000L), Documents.To);
    private static readonly RuleRevision Revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision)!;

    public static void Run(int events, int rounds)
    {
        var clock = new FixedClock();
        var store = new MemoryEventStore(new MemoryStoreOptions { MaxEvents = int.MaxValue, Retention = TimeSpan.FromDays(7) }, clock);
        using var duck = new DuckDBConnection("DataSource=:memory:");
        duck.Open();
        ReaderBenchmark.Execute(duck, "SET threads = 2");
        ReaderBenchmark.Execute(duck, "CREATE TABLE events (ts BIGINT, ip HUGEINT, sign_in BOOLEAN, mail BOOLEAN, alert BOOLEAN, kept BOOLEAN, dataset VARCHAR)");
        var generator = new Documents(2, isLarge: false);
        var options = new EventReaderOptions { MaxEvents = EventsPerBatch, MaxBodyBytes = long.MaxValue };
        var before = Held();
        var appending = TimeSpan.Zero;
        for (var done = 0; done < events; done += EventsPerBatch)
        {
            var lines = generator.Lines(Math.Min(EventsPerBatch, events - done));
            var (batch, _) = EventBatchReader.ReadAsync(PipeReader.Create(new MemoryStream(lines)), BatchFormat.NdJson, options).GetAwaiter().GetResult();
            // Document ids repeat from batch to batch; the store keeps each event once, so they are taken away.
            var fresh = batch!.Events.Select(record => record with { Identity = 0 }).ToArray();
            var started = Stopwatch.GetTimestamp();
            store.AppendAsync(fresh, CancellationToken.None).GetAwaiter().GetResult();
            appending += Stopwatch.GetElapsedTime(started);
            using var rows = duck.CreateAppender("events");
            foreach (var record in fresh)
            {
                var verdict = record.Classification;
                rows.CreateRow()
                    .AppendValue(record.Timestamp)
                    .AppendValue(record.Addresses.IsEmpty ? (System.Numerics.BigInteger?)null : (System.Numerics.BigInteger)(record.Addresses.Span[0].Value >> 1))
                    .AppendValue(verdict.IsAzureSignIn(Revision)).AppendValue(verdict.IsMailAccess(Revision)).AppendValue(verdict.IsNetworkAlert(Revision)).AppendValue(verdict.IsKeptBy(Revision))
                    .AppendValue(verdict.IsAzureSignIn(Revision) ? "azure.signinlogs" : verdict.IsMailAccess(Revision) ? "o365.audit" : "other")
                    .EndRow();
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nStore: {events} events; appended {events / appending.TotalSeconds / 1e6:0.00} million a second; {(Held() - before) / (double)events:0} bytes held per event, evidence included"));
        Rounds.Compare(
            "Detection over 8 of 24 hours: addresses reported",
            rounds,
            0,
            "",
            ("ours: MemoryEventStore", () => Detect(store)),
            ("DuckDB over a table, two threads", () => ReaderBenchmark.Count(duck, string.Create(CultureInfo.InvariantCulture, $"""
                SELECT count(*) FROM (
                    SELECT ip FROM events WHERE kept AND ts > {LastEightHours.From} AND ts <= {LastEightHours.To} GROUP BY ip
                    HAVING bool_or(alert) AND (bool_or(mail) OR (bool_or(sign_in) AND count(DISTINCT dataset) >= 2)))
                """))));
        var busiest = store.CorrelateAsync(Query, CancellationToken.None).GetAwaiter().GetResult().Findings.MaxBy(finding => finding.Counts.Total);
        if (busiest is null)
        {
            Console.WriteLine("\nToo few events for an address to be reported; nothing to ask about one.");
            return;
        }

        Console.WriteLine($"\nThe busiest reported address has {busiest.Counts.Total} events in the window");
        Rounds.Compare(
            "The first 100 events of that address",
            rounds,
            0,
            "",
            ("ours: MemoryEventStore", () => store.ReadEventsAsync(busiest.Address, LastEightHours, Revision, false, 100, null, CancellationToken.None).GetAwaiter().GetResult()!.Events.Count),
            ("DuckDB over a table, two threads", () => ReaderBenchmark.Count(duck, string.Create(CultureInfo.InvariantCulture, $"SELECT count(*) FROM (SELECT * FROM events WHERE ip = {(System.Numerics.BigInteger)(busiest.Address.Value >> 1)} AND ts > {LastEightHours.From} AND ts <= {LastEightHours.To} ORDER BY ts LIMIT 100)"))));
    }

    private static CorrelationQuery Query => new() { Revision = Revision, Window = LastEightHours, Limit = 10_000 };

    private static long Detect(MemoryEventStore store) => store.CorrelateAsync(Query, CancellationToken.None).GetAwaiter().GetResult().Total;

    private static long Held() => GC.GetTotalMemory(forceFullCollection: true);

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(Documents.To);
    }
}
