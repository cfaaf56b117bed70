using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Npgsql;
using NpgsqlTypes;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Benchmarks;

/// <summary>A PostgreSQL server of our own on a Unix socket in a temporary folder; stopped and removed at the end.</summary>
internal sealed class Postgres : IDisposable
{
    private const string Settings =
        "-c listen_addresses='' -c shared_buffers=2GB -c work_mem=256MB -c maintenance_work_mem=1GB -c effective_cache_size=8GB -c random_page_cost=1.1 "
        + "-c max_parallel_workers_per_gather=1 -c max_worker_processes=4 -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=8GB -c jit=off -c autovacuum=off";

    private readonly string _folder = Repository.Temporary();
    private readonly string _programs;
    private int _isDisposed;

    private Postgres(string programs) => _programs = programs;

    public NpgsqlConnection Connection { get; private set; } = new();

    /// <summary>Starts a server; null, and why, where this machine cannot.</summary>
    public static Postgres? Start()
    {
        var programs = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderBy(version => version.EndsWith("/15", StringComparison.Ordinal)).Select(version => Path.Combine(version, "bin")).LastOrDefault()
            : null;
        if (programs is null)
        {
            return Rounds.Skipped<Postgres>("PostgreSQL (apt-get install postgresql-15)", "There is no /usr/lib/postgresql.");
        }

        var server = new Postgres(programs);
        try
        {
            server.Open();
            return server;
        }
        catch (Exception failed) when (failed is InvalidOperationException or NpgsqlException)
        {
            server.Dispose();
            return Rounds.Skipped<Postgres>("PostgreSQL", failed.Message);
        }
    }

    /// <summary>Takes rows in by COPY.</summary>
    public void Load(ReadOnlyMemory<Row> rows)
    {
        var addresses = new Dictionary<UInt128, NpgsqlInet>();
        using var copy = Connection.BeginBinaryImport("COPY events (ip, ts, ingested, kind) FROM STDIN (FORMAT BINARY)");
        foreach (ref readonly var row in rows.Span)
        {
            if (!addresses.TryGetValue(row.Address.Value, out var address))
            {
                address = addresses[row.Address.Value] = ToInet(row.Address);
            }

            copy.StartRow();
            copy.Write(address, NpgsqlDbType.Inet);
            copy.Write(row.Timestamp, NpgsqlDbType.Bigint);
            copy.Write(row.Ingested, NpgsqlDbType.Bigint);
            copy.Write(row.Kind, NpgsqlDbType.Smallint);
        }

        copy.Complete();
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        Connection.Dispose();
        NpgsqlConnection.ClearAllPools();
        if (File.Exists(Path.Combine(_folder, "data", "postmaster.pid")))
        {
            Run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", Path.Combine(_folder, "data"));
        }

        Directory.Delete(_folder, recursive: true);
    }

    private void Open()
    {
        if (Environment.UserName == "root")
        {
            Rounds.Run("chown", "nobody", _folder);
        }

        // Also where the run is interrupted.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Dispose();
        Console.CancelKeyPress += (_, _) => Dispose();
        var data = Path.Combine(_folder, "data");
        Run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C");
        Run("pg_ctl", "start", "-w", "-D", data, "-l", Path.Combine(_folder, "log"), "-o", $"-k {_folder} {Settings}");
        Connection = new NpgsqlConnection($"Host={_folder};Username=postgres;Database=postgres;Max Auto Prepare=20;Auto Prepare Min Usages=1;Command Timeout=0");
        Connection.Open();
        Console.WriteLine($"PostgreSQL {Connection.PostgreSqlVersion.ToString(2)}, SHOW shared_buffers: {Text("SHOW shared_buffers")}");
    }

    private string Text(string sql)
    {
        using var command = Connection.Prepared(sql);
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture)!;
    }

    private static NpgsqlInet ToInet(SourceAddress address)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, address.Value);
        return new NpgsqlInet(new IPAddress(address.IsIPv4 ? bytes[12..] : bytes));
    }

    // The server refuses to run as root.
    private void Run(string program, params string[] arguments)
    {
        program = Path.Combine(_programs, program);
        _ = Environment.UserName == "root" ? Rounds.Run("runuser", ["-u", "nobody", "--", program, .. arguments]) : Rounds.Run(program, arguments);
    }
}
