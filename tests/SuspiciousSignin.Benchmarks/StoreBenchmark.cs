using System.Buffers;
using System.Buffers.Binary;
using System.Data.Common;
using System.Diagnostics;
using System.IO.Pipelines;
using DuckDB.NET.Data;
using Microsoft.Data.Sqlite;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Benchmarks;

/// <summary>What the databases hold of an event; <paramref name="Kind"/> is 0 for none, 1 for a kept one, 2 sign-in, 3 mail access, 4 network alert.</summary>
internal readonly record struct Row(SourceAddress Address, long Timestamp, long Ingested, short Kind);

/// <summary>Appending, detecting, asking about one address, letting go: the in-memory store beside databases that hold the same events.</summary>
internal static class StoreBenchmark
{
    private const int EventsPerBatch = 50_000;
    private const int Hour = 3_600_000;
    private const long End = Documents.DefaultEnd;

    // About one event in 1,200 comes from it.
    private static readonly SourceAddress SomeAddress = SourceAddress.Parse(Documents.AddressOf(101));
    private static readonly SourceAddress Egress = SourceAddress.Parse("81.2.69.144");
    private static readonly TimeWindow LastEightHours = new(End - (8 * Hour), End);
    private static readonly RuleRevision Revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision)!;
    private static readonly string InWindow = $"ts > {LastEightHours.From} AND ts <= {LastEightHours.To}";

    public static void Run(int events, int rounds)
    {
        // The address that a whole office goes out by: 260,000 of ten million.
        var office = Math.Max(100, (int)(events * 0.026));
        var rows = new Row[events + office];
        var clock = new MovingClock();
        var store = new MemoryEventStore(new MemoryStoreOptions { MaxEvents = int.MaxValue, Retention = TimeSpan.FromHours(25) }, clock);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        Append(store, () => new Documents(2, isLarge: false, events), rows.AsSpan(0, events));
        TellHeld(store, GC.GetTotalMemory(forceFullCollection: true) - before);

        using var duck = new DuckDBConnection("DataSource=:memory:");
        duck.Open();
        using var postgres = Postgres.Start();
        using var sqlite = new SqliteConnection("Data Source=:memory:");
        sqlite.Open();
        Load(duck, rows.AsMemory(0, events));
        Load(postgres, rows.AsMemory(0, events));
        Load(sqlite, rows[..events]);

        Detect("Detection over 8 of 24 hours: addresses reported", store, duck, postgres, rounds, null);
        Detect("The same of what was taken in during the last 4 hours (ingestedAfter), for which nothing is indexed", store, duck, postgres, rounds, End - (4 * Hour));
        AskAboutOne(store, duck, postgres, sqlite, rounds);

        Append(store, () => new Documents(3, isLarge: false, office) { Span = 7 * Hour, Egress = Egress.ToString() }, rows.AsSpan(events));
        Fill(duck, rows.AsMemory(events));
        postgres?.Load(rows.AsMemory(events));
        postgres?.Connection.Execute("VACUUM ANALYZE events");
        Detect($"Detection over 8 of 24 hours with {office} events of one suspicious address more", store, duck, postgres, rounds, null);
        Evict(store, clock, rounds);
    }

    /// <summary>Reads documents and appends them; only appending is timed.</summary>
    /// <param name="store">Where they go.</param>
    /// <param name="makeDocuments">Made in here, so that no frame holds them when memory is measured afterwards.</param>
    /// <param name="rows">What SQL is told of them.</param>
    private static void Append(MemoryEventStore store, Func<Documents> makeDocuments, Span<Row> rows)
    {
        var documents = makeDocuments();
        var (appending, longest) = (TimeSpan.Zero, TimeSpan.Zero);
        for (var done = 0; done < rows.Length; done += EventsPerBatch)
        {
            var count = Math.Min(EventsPerBatch, rows.Length - done);
            var batch = Read(documents, count);
            var started = Stopwatch.GetTimestamp();
            var result = store.AppendAsync(batch.Events, CancellationToken.None).GetAwaiter().GetResult();
            var took = Stopwatch.GetElapsedTime(started);
            (appending, longest) = (appending + took, took > longest ? took : longest);
            if (batch.Events.Count != count || result.Duplicates.Count > 0)
            {
                throw new InvalidOperationException("Not every document was taken in.");
            }

            for (var i = 0; i < count; i++)
            {
                rows[done + i] = RowOf(batch.Events[i]);
            }
        }

        Console.WriteLine($"\nAppended {rows.Length} events in batches of {EventsPerBatch}: {rows.Length / appending.TotalSeconds / 1e6:0.00} million a second, longest batch {longest.TotalMilliseconds:0.0} ms");
    }

    private static EventBatch Read(Documents documents, int count)
    {
        var lines = PipeReader.Create(new ReadOnlySequence<byte>(documents.Lines(count)));
        return EventBatchReader.ReadAsync(lines, BatchFormat.NdJson, new EventReaderOptions { MaxEvents = count, MaxBodyBytes = long.MaxValue }).GetAwaiter().GetResult().Batch!;
    }

    private static void TellHeld(MemoryEventStore store, long held)
    {
        var evidence = (long)store.CheckAsync(CancellationToken.None).GetAwaiter().GetResult().Facts["evidenceBytes"];
        Console.WriteLine($"  {held / (double)store.Count:0.0} bytes of managed memory held per event, of which {evidence / (double)store.Count:0.0} are evidence and {(held - evidence) / (double)store.Count:0.0} all else");
    }

    private static Row RowOf(in EventRecord record)
    {
        var verdict = record.Classification;
        var kind = verdict.IsAzureSignIn(Revision) ? 2 : verdict.IsMailAccess(Revision) ? 3 : verdict.IsNetworkAlert(Revision) ? 4 : verdict.IsKeptBy(Revision) ? 1 : 0;
        return new Row(record.Addresses.Span[0], record.Timestamp, record.Ingested, (short)kind);
    }

    private static void Load(DuckDBConnection duck, ReadOnlyMemory<Row> rows)
    {
        duck.Execute("SET threads = 2");
        duck.Execute("CREATE TABLE events (ip HUGEINT, ts BIGINT, ingested BIGINT, kind TINYINT)");
        Fill(duck, rows);
        duck.Execute("CREATE INDEX by_address ON events (ip)");
    }

    private static void Fill(DuckDBConnection duck, ReadOnlyMemory<Row> rows)
    {
        using var appender = duck.CreateAppender("events");
        foreach (ref readonly var row in rows.Span)
        {
            appender.CreateRow().AppendValue(Huge(row.Address)).AppendValue(row.Timestamp).AppendValue(row.Ingested).AppendValue((sbyte)row.Kind).EndRow();
        }
    }

    private static void Load(Postgres? postgres, ReadOnlyMemory<Row> rows)
    {
        if (postgres is null)
        {
            return;
        }

        postgres.Connection.Execute("CREATE UNLOGGED TABLE events (ip inet, ts bigint, ingested bigint, kind smallint)");
        postgres.Load(rows);
        postgres.Connection.Execute("CREATE INDEX alerts ON events (ts) INCLUDE (ip, ingested) WHERE kind = 4");
        postgres.Connection.Execute("CREATE INDEX accesses ON events (ip, ts) INCLUDE (ingested) WHERE kind IN (2, 3)");
        postgres.Connection.Execute("CREATE INDEX by_address ON events (ip, ts) INCLUDE (ingested, kind)");
        postgres.Connection.Execute("VACUUM ANALYZE events");
    }

    /// <summary>Clustered by address and time, which is the best that SQLite can do for one address.</summary>
    private static void Load(SqliteConnection sqlite, Row[] rows)
    {
        Array.Sort(rows, (left, right) => (left.Address.Value, left.Timestamp).CompareTo((right.Address.Value, right.Timestamp)));
        sqlite.Execute("CREATE TABLE events (ip BLOB, ts INTEGER, n INTEGER, ingested INTEGER, kind INTEGER, PRIMARY KEY (ip, ts, n)) WITHOUT ROWID");
        using var transaction = sqlite.BeginTransaction();
        using var insert = sqlite.CreateCommand();
        insert.Transaction = transaction;
        insert.CommandText = "INSERT INTO events VALUES ($ip, $ts, $n, $ingested, $kind)";
        SqliteParameter[] values = [.. new[] { "$ip", "$ts", "$n", "$ingested", "$kind" }.Select(name => insert.Parameters.Add(new SqliteParameter { ParameterName = name }))];
        for (var i = 0; i < rows.Length; i++)
        {
            var address = new byte[16];
            BinaryPrimitives.WriteUInt128BigEndian(address, rows[i].Address.Value);
            (values[0].Value, values[1].Value, values[2].Value, values[3].Value, values[4].Value) = (address, rows[i].Timestamp, i, rows[i].Ingested, rows[i].Kind);
            insert.ExecuteNonQuery();
        }

        transaction.Commit();
        sqlite.Execute("ANALYZE");
    }

    private static void Detect(string title, MemoryEventStore store, DuckDBConnection duck, Postgres? postgres, int rounds, long? ingestedAfter)
    {
        var query = new CorrelationQuery { Revision = Revision, Window = LastEightHours, IngestedAfter = ingestedAfter, Limit = 10_000 };
        var where = ingestedAfter is null ? InWindow : $"{InWindow} AND ingested >= {ingestedAfter}";
        // An alert and a sign-in never share a dataset here, so that the rule's count of datasets need not be asked for.
        var grouped = $"SELECT count(*) FROM (SELECT ip FROM events WHERE kind >= 2 AND {where} GROUP BY ip HAVING max(kind) = 4 AND min(kind) < 4)";
        var alertsFirst = $"SELECT count(DISTINCT ip) FROM events SEMI JOIN (SELECT DISTINCT ip FROM events WHERE kind = 4 AND {where}) alerted USING (ip) WHERE kind IN (2, 3) AND {where}";
        var lookedUp = $"SELECT count(*) FROM (SELECT DISTINCT ip FROM events WHERE kind = 4 AND {where}) alerted WHERE EXISTS (SELECT 1 FROM events access WHERE access.ip = alerted.ip AND kind IN (2, 3) AND {where})";
        using var duckGrouped = duck.Prepared(grouped);
        using var duckAlertsFirst = duck.Prepared(alertsFirst);
        using var postgresGrouped = postgres?.Connection.Prepared(grouped + " reported");
        using var postgresLookedUp = postgres?.Connection.Prepared(lookedUp);
        var found = Correlate(store, query);
        var theirs = found.Findings.Sum(finding => finding.Counts.Total);
        Rounds.Compare(
            $"{title} ({found.Total}; they have {theirs} events in the window)",
            rounds,
            0,
            new("ours, the number of addresses and one alert", () => Correlate(store, query with { Limit = 1 }).Total, Repeats: 10),
            // Nothing between them that would empty the caches, as the databases do.
            new("ours, the same 500 times in a row", () => Correlate(store, query with { Limit = 1 }).Total, Repeats: 500),
            new("ours, all alerts with who it was", () => Correlate(store, query).Total, Repeats: 10),
            new("DuckDB, two threads, all addresses grouped", duckGrouped.Number),
            new("DuckDB, two threads, addresses with alerts first", duckAlertsFirst.Number),
            postgresGrouped is null ? null : new("PostgreSQL, all addresses grouped", postgresGrouped.Number),
            postgresLookedUp is null ? null : new("PostgreSQL, addresses with alerts first", postgresLookedUp.Number));
    }

    private static void AskAboutOne(MemoryEventStore store, DuckDBConnection duck, Postgres? postgres, SqliteConnection sqlite, int rounds)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, SomeAddress.Value);
        var (inDuck, inPostgres, inSqlite) = ($"ip = {Huge(SomeAddress)}", $"ip = '{SomeAddress}'", $"ip = x'{Convert.ToHexString(bytes)}'");
        var query = new CorrelationQuery { Revision = Revision, Window = LastEightHours, Addresses = new HashSet<SourceAddress> { SomeAddress }, Limit = 1 };
        Compare(
            "The verdict on one address over 8 hours: sign-ins, mail accesses and alerts counted",
            () => Correlate(store, query).Coverage is var coverage ? coverage.AzureSignIn.Events + coverage.MailAccess.Events + coverage.NetworkAlert.Events : 0,
            1000,
            $"SELECT count(*) FILTER (WHERE kind = 2) + count(*) FILTER (WHERE kind = 3) + count(*) FILTER (WHERE kind = 4) FROM events WHERE {InWindow} AND ",
            "",
            Sql.Number);
        Compare(
            "The first 100 events of one address over 8 hours",
            () => Read(store, LastEightHours, 100),
            100,
            $"SELECT ts, ingested, kind FROM events WHERE {InWindow} AND ",
            " ORDER BY ts LIMIT 100",
            Sql.Rows);
        Compare(
            $"All events of one address ({Read(store, TimeWindow.All, int.MaxValue)})",
            () => Read(store, TimeWindow.All, int.MaxValue),
            1,
            "SELECT ts, ingested, kind FROM events WHERE ",
            " ORDER BY ts",
            Sql.Rows);

        void Compare(string title, Func<long> ours, int repeats, string select, string order, Func<DbCommand, long> answer)
        {
            using var duckCommand = duck.Prepared(select + inDuck + order);
            using var postgresCommand = postgres?.Connection.Prepared(select + inPostgres + order);
            using var sqliteCommand = sqlite.Prepared(select + inSqlite + order);
            sqliteCommand.Prepare();
            Rounds.Compare(
                title,
                rounds,
                0,
                new("ours", ours, repeats),
                new("SQLite in memory, clustered by address and time", () => answer(sqliteCommand), 10),
                postgresCommand is null ? null : new("PostgreSQL, index of address and time", () => answer(postgresCommand), 10),
                new("DuckDB, two threads, index of addresses", () => answer(duckCommand)));
        }
    }

    /// <summary>Moves the clock on, hour by hour, while another thread asks about an address again and again.</summary>
    private static void Evict(MemoryEventStore store, MovingClock clock, int rounds)
    {
        var (times, sweeps, longest, gone, isCounted) = (new List<double>(), new List<double>(), 0.0, 0, false);
        using var done = new CancellationTokenSource();
        var asking = Task.Run(() =>
        {
            var slowest = 0.0;
            while (!done.IsCancellationRequested)
            {
                var started = Stopwatch.GetTimestamp();
                Read(store, LastEightHours, 1);
                slowest = Volatile.Read(ref isCounted) ? Math.Max(slowest, Stopwatch.GetElapsedTime(started).TotalMilliseconds) : slowest;
            }

            return slowest;
        });
        // The code that evicts has to be compiled well first, which takes calls and time.
        var uncounted = rounds == 1 ? 1 : 10;
        for (var round = 0; round < uncounted + rounds; round++)
        {
            done.Token.WaitHandle.WaitOne(round < uncounted && rounds > 1 ? 150 : 0);
            clock.Advance(TimeSpan.FromHours(round == 0 ? 2 : 1));
            Volatile.Write(ref isCounted, round >= uncounted);
            var batch = Newest(clock);
            var (before, taken) = (store.Count, 0.0);
            // A store may let go bit by bit, with every append: until nothing more goes.
            while (true)
            {
                var held = store.Count;
                var started = Stopwatch.GetTimestamp();
                store.AppendAsync(batch, CancellationToken.None).GetAwaiter().GetResult();
                var took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                taken += took;
                longest = round < uncounted ? 0 : Math.Max(longest, took);
                if (store.Count >= held)
                {
                    break;
                }
            }

            // What the appends that follow would do bit by bit.
            Volatile.Write(ref isCounted, false);
            var swept = Stopwatch.GetTimestamp();
            store.Sweep();
            if (round >= uncounted)
            {
                times.Add(taken);
                sweeps.Add(Stopwatch.GetElapsedTime(swept).TotalMilliseconds);
                gone += before - store.Count;
            }

            // Whoever waited for that is not counted either.
            done.Token.WaitHandle.WaitOne(rounds > 1 ? 20 : 0);
        }

        done.Cancel();
        Console.WriteLine($"\nEviction of an hour: {gone / rounds} events in {Rounds.Median(times):0.00} ms, longest append meanwhile {longest:0.00} ms, longest question about an address from another thread {asking.Result:0.00} ms");
        Console.WriteLine($"  all swept at once afterwards, which later appends do bit by bit, once for every quarter of the events held: {Rounds.Median(sweeps):0.00} ms");
    }

    private static EventRecord[] Newest(MovingClock clock)
    {
        var documents = new Documents((int)(clock.Now / Hour), isLarge: false, 1) { End = clock.Now };
        // Without identity, so that it is new each time; dated now, so that the store's newest event is as new as the clock.
        return [Read(documents, 1).Events[0] with { Identity = 0, Timestamp = clock.Now }];
    }

    private static CorrelationResult Correlate(MemoryEventStore store, CorrelationQuery query) => store.CorrelateAsync(query, CancellationToken.None).GetAwaiter().GetResult();

    private static long Read(MemoryEventStore store, TimeWindow window, int limit) =>
        store.ReadEventsAsync(new EventQuery { Address = SomeAddress, Window = window, Revision = Revision, Limit = limit }, CancellationToken.None).GetAwaiter().GetResult()!.Events.Count;

    // Half of the range, since HUGEINT has a sign.
    private static System.Numerics.BigInteger Huge(SourceAddress address) => (System.Numerics.BigInteger)address.Value - ((System.Numerics.BigInteger)1 << 127);
}

/// <summary>A clock that stands until it is moved.</summary>
internal sealed class MovingClock : TimeProvider
{
    private long _now = Documents.DefaultEnd;

    public long Now => Volatile.Read(ref _now);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _now, (long)by.TotalMilliseconds);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(Now);
}
