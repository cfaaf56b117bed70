using System.Diagnostics;
using System.Text;

namespace SuspiciousSignin.Benchmarks;

/// <summary>The published service over loopback, on one core, beside what one would write instead; this program sends from the other core.</summary>
internal static class HttpBenchmark
{
    private const int Connections = 8;
    private const string NdJson = "application/x-ndjson";
    private const string Events = "/api/v1/events";
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(45);

    /// <param name="published">The folder of the published service.</param>
    /// <param name="megabytes">How long a batch is, about.</param>
    /// <param name="rounds">Turns of each contender.</param>
    /// <param name="seconds">How long one turn of GET takes.</param>
    public static void Run(string published, double megabytes, int rounds, double seconds)
    {
        var onOneCore = Server.KeepToTheOtherCore();
        using (var ours = Server.Ours(published, onOneCore))
        using (var peer = Server.Peer(onOneCore))
        {
            Post(ours, peer, (int)(megabytes * 1e6 / 441), rounds, isLarge: false);
            Post(ours, peer, (int)(megabytes * 1e6 / 4650), rounds, isLarge: true);
            Get(ours, peer, rounds, seconds);
        }

        Console.WriteLine("\nThe most memory ever resident (VmHWM), a new process each, after one batch of 4 KB documents");
        foreach (var size in (int[])[0, 16, 128])
        {
            using var ours = Server.Ours(published, onOneCore);
            using var peer = Server.Peer(onOneCore);
            var count = (int)(size * (megabytes < 1 ? 0.01 : 1) * 1_048_576 / 4700) + 1;
            PostOurs(ours, new Documents(9, isLarge: true, count) { End = Now }.Lines(count));
            var lines = ours.Kibibytes("VmHWM");
            PostList(peer, new Documents(9, isLarge: true, count) { End = Now }.Array(count));
            Console.WriteLine($"  {(size == 0 ? "one document" : $"{count * 4700L / 1_048_576.0:0.0} MiB"),-14} ours {lines / 1024,6} MiB   MVC controller {peer.Kibibytes("VmHWM") / 1024,6} MiB");
        }
    }

    // The batches are fresh in each turn, since the service keeps each event once; no turn includes making one.
    private static void Post(Server ours, Server peer, int documents, int rounds, bool isLarge)
    {
        var (bytes, runs) = (0L, new[] { new Turns("ours, NDJSON, judged and stored"), new Turns("MVC [FromBody] List<T> of a JSON array, LINQ"), new Turns("a handler that drains the NDJSON") });
        // On one core the compiler takes a while to get to everything that is called often; until then smaller batches, which are judged alone, so
        // that no store grows by how long the warm-up was.
        var started = Stopwatch.GetTimestamp();
        var seed = isLarge ? 10_000 : 100;
        while (rounds > 1 && Stopwatch.GetElapsedTime(started) < WarmUp)
        {
            Turn(Math.Max(1, documents / 16), isCounted: false);
        }

        for (var round = 0; round < rounds; round++)
        {
            Turn(documents, isCounted: true);
        }

        Console.WriteLine($"\nPOST {Events}: {documents} documents of {bytes / documents} bytes");
        Rounds.Tell(bytes, runs.Select(run => (run.Name, run.Times)));
        Turns.TellBusy(runs);

        void Turn(int count, bool isCounted)
        {
            var end = Now;
            var lines = new Documents(++seed, isLarge, count) { End = end }.Lines(count);
            var array = new Documents(seed, isLarge, count) { End = end }.Array(count);
            bytes = lines.Count;
            var mine = runs[0].Time(ours, isCounted, () => PostOurs(ours, lines, isCounted ? "" : "?store=false"));
            var theirs = runs[1].Time(peer, isCounted, () => PostList(peer, array));
            var drained = runs[2].Time(peer, isCounted, () => Drain(peer, lines));
            Rounds.MustAgree([("ours", mine), ("MVC", theirs)]);
            Rounds.MustAgree([("sent", lines.Count), ("drained", drained)]);
        }
    }

    private static void Get(Server ours, Server peer, int rounds, double seconds)
    {
        const string Address = "81.2.69.145";
        const string Alerts = $"/api/v1/ips/{Address}/alerts";
        const int Wanted = 4500;
        using var toOurs = new Wire(ours.Port);
        using var toPeer = new Wire(peer.Port);
        var at = DateTimeOffset.FromUnixTimeMilliseconds(Now).ToString("O");
        PostOurs(ours, Encoding.UTF8.GetBytes($$"""{"@timestamp":"{{at}}","source.ip":"{{Address}}","event.dataset":"suricata.eve","kibana.alert.rule.name":"External Alerts"}"""));
        var documents = new Documents(200, isLarge: false, 1000) { End = Now, Span = 1000, Egress = Address };
        for (var sent = 0; sent < 100 && toOurs.Get(Alerts).BodyLength < Wanted; sent++)
        {
            PostOurs(ours, documents.Lines(1));
        }

        var length = toOurs.Get(Alerts).BodyLength;
        var asked = length;
        for (var again = 0; again < 3; again++)
        {
            asked += length - toPeer.Get($"/answers?bytes={asked}").BodyLength;
        }

        var answers = $"/answers?bytes={asked}";
        const string OfAddress = $"/api/v1/ips/{Address}/events";
        Console.WriteLine($"\nGET over {Connections} connections: an answer is {length} bytes (alerts), {toOurs.Get(OfAddress).BodyLength} (events), {toPeer.Get(answers).BodyLength} (MVC)");
        var runs = new[] { new Turns($"ours, GET {Alerts}"), new Turns($"ours, GET {OfAddress}"), new Turns("MVC controller, as many bytes from objects by reflection") };
        // On one core the compiler takes a while to get to everything that is asked often.
        var uncounted = rounds == 1 ? 0 : 3;
        for (var round = 0; round < uncounted + rounds; round++)
        {
            runs[0].Rate(ours, round >= uncounted, Alerts, Connections, seconds);
            runs[1].Rate(ours, round >= uncounted, OfAddress, Connections, seconds);
            runs[2].Rate(peer, round >= uncounted, answers, Connections, seconds);
        }

        Rounds.Tell(0, runs.Select(run => (run.Name, run.Times)));
        Turns.TellBusy(runs);
    }

    private static long PostOurs(Server ours, ReadOnlyMemory<byte> lines, string query = "")
    {
        using var wire = new Wire(ours.Port);
        var answer = wire.Post(Events + query, NdJson, lines).Json;
        return (long)answer["rejectedTotal"]! + (long)answer["duplicates"]! == 0 ? (long)answer["buckets"]!["azureSignIn"]! : -1;
    }

    private static long PostList(Server peer, ReadOnlyMemory<byte> array)
    {
        using var wire = new Wire(peer.Port);
        return (long)wire.Post("/list", "application/json", array).Json["azureSignIn"]!;
    }

    private static long Drain(Server peer, ReadOnlyMemory<byte> lines)
    {
        using var wire = new Wire(peer.Port);
        return (long)wire.Post("/drain", NdJson, lines).Json["bytes"]!;
    }

#pragma warning disable RS0030 // The service that is measured has the system's clock.
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
#pragma warning restore RS0030

    /// <summary>The turns of one contender, and how busy both sides were in them: where the server's core is not, something else was measured.</summary>
    private sealed class Turns(string name)
    {
        private TimeSpan _elapsed;
        private TimeSpan _server;
        private TimeSpan _client;

        public string Name => name;

        /// <summary>Milliseconds per request.</summary>
        public List<double> Times { get; } = [];

        public static void TellBusy(IEnumerable<Turns> runs) =>
            Console.WriteLine($"  busy, server/client: {string.Join(", ", runs.Select(run => $"{run._server / run._elapsed:P0}/{run._client / run._elapsed:P0}"))}");

        public long Time(Server server, bool isCounted, Func<long> request)
        {
            var answer = 0L;
            Measure(server, isCounted, () =>
            {
                answer = request();
                return 1;
            });
            return answer;
        }

        public void Rate(Server server, bool isCounted, string path, int connections, double seconds)
        {
            var head = Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
            Measure(server, isCounted, () =>
            {
                var (requests, end) = (0, Stopwatch.GetTimestamp() + (long)(seconds * Stopwatch.Frequency));
                var threads = Enumerable.Range(0, connections).Select(_ => new Thread(() =>
                {
                    using var wire = new Wire(server.Port);
                    while (Stopwatch.GetTimestamp() < end)
                    {
                        wire.Ask(head, default);
                        Interlocked.Increment(ref requests);
                    }
                })).ToList();
                threads.ForEach(thread => thread.Start());
                threads.ForEach(thread => thread.Join());
                return requests;
            });
        }

        private void Measure(Server server, bool isCounted, Func<int> requests)
        {
            using var self = Process.GetCurrentProcess();
            GC.Collect();
            var (started, serverBusy, clientBusy) = (Stopwatch.GetTimestamp(), server.Busy, self.TotalProcessorTime);
            var count = requests();
            var elapsed = Stopwatch.GetElapsedTime(started);
            if (isCounted)
            {
                self.Refresh();
                Times.Add(elapsed.TotalMilliseconds / count);
                _elapsed += elapsed;
                _server += server.Busy - serverBusy;
                _client += self.TotalProcessorTime - clientBusy;
            }
        }
    }
}
