using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using SuspiciousSignin.Api.Hosting;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>Faults that only a real process can have. Each test says how long recovery took; nothing depends on it.</summary>
[Trait("Category", "Process")]
public sealed class FaultTests : IDisposable
{
    private const int Kills = 50;
    private const int EventsPerBatch = 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("faults-").FullName;
    private readonly int _seed = Environment.GetEnvironmentVariable("SUSPICIOUSSIGNIN_SEED") is { } seed ? int.Parse(seed) : Random.Shared.Next();

    private static ITestOutputHelper Output => TestContext.Current.TestOutputHelper!;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Fifty_kills_at_random_moments_of_ingestion_lose_nothing_acknowledged_and_double_nothing()
    {
        Output.WriteLine($"SUSPICIOUSSIGNIN_SEED={_seed}");
        // Two services side by side, each killed and started again on its own folder.
        var recoveries = await Task.WhenAll(Enumerable.Range(0, 2).Select(lane => KillAgainAndAgainAsync(lane, Kills / 2)));
        var all = recoveries.SelectMany(recovery => recovery).Order().ToList();
        Output.WriteLine($"{Kills} kills; taking the events back took {all[all.Count / 2]} ms in the median, {all[^1]} ms at most");
    }

    [Fact]
    public async Task A_shipper_that_repeats_what_was_not_acknowledged_gets_everything_in_once_across_restarts()
    {
        var port = FreePort();
        var service = await ServiceProcess.StartOpenAsync(Store("shipper"), port: port);
        var (isDone, sent) = (false, new List<string>());
        var shipper = Task.Run(async () =>
        {
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            for (var batch = 0; !Volatile.Read(ref isDone); batch++)
            {
                var actions = Enumerable.Range(0, EventsPerBatch).Select(i => $"{batch}-{i}").ToList();
                sent.AddRange(actions);
                for (var isAcknowledged = false; !isAcknowledged;)
                {
                    try
                    {
                        using var body = new StringContent(string.Join('\n', actions.Select(action => Document("81.2.69.1", action, withId: true))), Encoding.UTF8, "application/x-ndjson");
                        using var answer = await client.PostAsync(new Uri("/api/v1/events", UriKind.Relative), body);
                        isAcknowledged = answer.IsSuccessStatusCode;
                    }
                    catch (HttpRequestException)
                    {
                        await Task.Delay(20);
                    }
                }
            }
        });
        for (var restart = 0; restart < 3; restart++)
        {
            await Task.Delay(200);
            if (restart == 1)
            {
                await service.KillAsync();
            }
            else
            {
                await service.TerminateAsync();
                await service.ExitAsync();
            }

            await service.DisposeAsync();
            service = await ServiceProcess.StartOpenAsync(Store("shipper"), port: port);
        }

        Volatile.Write(ref isDone, true);
        await shipper;
        Assert.Equal(sent.Order(StringComparer.Ordinal), (await service.ActionsAsync("81.2.69.1")).Order(StringComparer.Ordinal));
        await service.DisposeAsync();
    }

    [Fact]
    public async Task A_full_disk_is_answered_503_and_nothing_is_lost_before_during_and_after()
    {
        using var disk = SmallDisk.Make(Store("full"));
        Output.WriteLine(disk.Means);
        var acknowledged = new List<string>();
        await using (var service = await ServiceProcess.StartOpenAsync(disk.Folder, disk.Command))
        {
            disk.Fill(service.Id);
            HttpResponseMessage? refused = null;
            for (var batch = 0; refused is null; batch++)
            {
                Assert.True(batch < 2_000, "The disk never became full.");
                refused = await SendAsync(service, batch, 200);
            }

            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Equal("application/problem+json", refused.Content.Headers.ContentType?.MediaType);
            Assert.NotNull(refused.Headers.RetryAfter);
            Assert.Equal(acknowledged, await service.ActionsAsync("81.2.69.1"));
            using (var ready = await service.Client.GetAsync(new Uri("/health/ready", UriKind.Relative)))
            {
                Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
            }

            disk.GiveRoom(service.Id);
            var watch = Stopwatch.StartNew();
            using (var ready = await service.Client.GetAsync(new Uri("/health/ready", UriKind.Relative)))
            {
                Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
            }

            Assert.Null(await SendAsync(service, 5_000, 200));
            Output.WriteLine($"room again: ready and taking events after {watch.ElapsedMilliseconds} ms");
            await service.KillAsync();
        }

        await using var again = await ServiceProcess.StartOpenAsync(disk.Folder, disk.Command);
        Assert.Equal(acknowledged, await again.ActionsAsync("81.2.69.1"));

        async Task<HttpResponseMessage?> SendAsync(ServiceProcess service, int batch, int count)
        {
            var actions = Enumerable.Range(0, count).Select(i => $"{batch}-{i}").ToList();
            var answer = await service.PostAsync(actions.Select((action, i) => Document("81.2.69.1", action, withId: false, at: (batch * 1_000) + i)));
            if (!answer.IsSuccessStatusCode)
            {
                return answer;
            }

            acknowledged.AddRange(actions);
            return null;
        }
    }

    [Fact]
    public async Task A_second_instance_on_the_same_folder_refuses_to_start_and_says_why()
    {
        await using var first = await ServiceProcess.StartOpenAsync(Store("two"));
        await using var second = ServiceProcess.LaunchOpen(Store("two"));
        await second.ExitAsync();
        Assert.Equal(1, second.ExitCode);
        Assert.Matches("The service does not start:\\s+- Store:Memory:Path: another instance holds", second.Log);
        Assert.DoesNotContain("Unhandled exception", second.Log, StringComparison.Ordinal);
        using var answer = await first.PostAsync([Document("81.2.69.1", "1", withId: true)]);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task A_damaged_file_stops_the_start_by_name_and_offset_until_it_is_mended()
    {
        await using (var service = await ServiceProcess.StartOpenAsync(Store("damaged")))
        {
            for (var i = 0; i < 3; i++)
            {
                (await service.PostAsync([Document("81.2.69.1", $"{i}", withId: true)])).Dispose();
            }

            await service.KillAsync();
        }

        var file = Directory.GetFiles(Store("damaged"), "*.journal").Single();
        var bytes = await File.ReadAllBytesAsync(file);
        await File.AppendAllTextAsync(file, "cut short");
        await using (var recovered = await ServiceProcess.StartOpenAsync(Store("damaged")))
        {
            Assert.Contains($"9 bytes of an incomplete batch were removed from {Path.GetFileName(file)} at byte {bytes.Length}.", recovered.Log, StringComparison.Ordinal);
            Assert.Equal(3, (await recovered.ActionsAsync("81.2.69.1")).Count);
            await recovered.KillAsync();
        }

        var header = BitConverter.ToInt32(bytes, 8) + sizeof(ulong);
        bytes[(header + bytes.Length) / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);
        await using (var refused = ServiceProcess.LaunchOpen(Store("damaged")))
        {
            await refused.ExitAsync();
            Assert.NotEqual(0, refused.ExitCode);
            Assert.Matches($"{Path.GetFileName(file)}' at byte [0-9]+", refused.Log);
        }

        await using (var output = new StringWriter())
        {
            Assert.Equal(0, await Commands.RunAsync(["journal", "mend", Store("damaged")], output));
            Assert.Contains(Path.GetFileName(file), output.ToString(), StringComparison.Ordinal);
        }

        await using var mended = await ServiceProcess.StartOpenAsync(Store("damaged"));
        Assert.Equal(2, (await mended.ActionsAsync("81.2.69.1")).Count);
    }

    [Fact]
    public async Task A_slow_body_that_is_under_way_when_the_service_is_told_to_stop_gets_its_answer()
    {
        var text = Encoding.UTF8.GetBytes(Document("81.2.69.1", "slow", withId: true));
        await using (var service = await ServiceProcess.StartOpenAsync(Store("drain")))
        {
            using var connection = new TcpClient();
            await connection.ConnectAsync(service.Client.BaseAddress!.Host, service.Client.BaseAddress.Port);
            var stream = connection.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes(
                $"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: {text.Length}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"));
            // The service asks for the body once it reads it: from here on the request is under way.
            var answer = new byte[4096];
            Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(answer, 0, await stream.ReadAsync(answer)), StringComparison.Ordinal);
            await service.TerminateAsync();
            for (var at = 0; at < text.Length; at += 40)
            {
                await stream.WriteAsync(text.AsMemory(at, Math.Min(40, text.Length - at)));
                await Task.Delay(100);
            }

            Assert.StartsWith("HTTP/1.1 200", Encoding.ASCII.GetString(answer, 0, await stream.ReadAsync(answer)), StringComparison.Ordinal);
            await service.ExitAsync();
            Assert.Equal(0, service.ExitCode);
            Assert.Contains("Stopped; 1 events are on the disk", service.Log, StringComparison.Ordinal);
        }

        await using var again = await ServiceProcess.StartOpenAsync(Store("drain"));
        Assert.Equal(["slow"], await again.ActionsAsync("81.2.69.1"));
    }

    private async Task<List<long>> KillAgainAndAgainAsync(int lane, int kills)
    {
        var random = new Random(_seed + lane);
        var folder = Store($"lane-{lane}");
        var recoveries = new List<long>();
        var known = new Dictionary<string, (HashSet<string> Acknowledged, HashSet<string> Sent)>(StringComparer.Ordinal);
        for (var round = 0; round < kills; round++)
        {
            await using var service = await ServiceProcess.StartOpenAsync(folder);
            recoveries.Add(await CheckAsync(service, known.TakeLast(1)));
            var ip = $"81.2.69.{round + 1}";
            var (acknowledged, sent, gate) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal), new Lock());
            known[ip] = (acknowledged, sent);
            var first = new TaskCompletionSource();
            var clients = Enumerable.Range(0, 4).Select(client => Task.Run(async () =>
            {
                for (var batch = 0; ; batch++)
                {
                    var actions = Enumerable.Range(0, EventsPerBatch).Select(i => $"{round}-{client}-{batch}-{i}").ToList();
                    lock (gate)
                    {
                        sent.UnionWith(actions);
                    }

                    try
                    {
                        // Every other client sends events without identity, which no retry could make up for.
                        using var answer = await service.PostAsync(actions.Select(action => Document(ip, action, withId: client % 2 == 0)));
                        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                        Assert.Equal(EventsPerBatch, (int)(await answer.Content.ReadFromJsonAsync<JsonNode>())!["accepted"]!);
                        lock (gate)
                        {
                            acknowledged.UnionWith(actions);
                        }

                        first.TrySetResult();
                    }
                    catch (HttpRequestException)
                    {
                        return;
                    }
                }
            })).ToList();
            await Task.WhenAny(first.Task, Task.WhenAll(clients));
            await Task.Delay(random.Next(150));
            await service.KillAsync();
            await Task.WhenAll(clients);
            Assert.NotEmpty(acknowledged);
        }

        await using var last = await ServiceProcess.StartOpenAsync(folder);
        recoveries.Add(await CheckAsync(last, known));
        Output.WriteLine($"lane {lane}: {kills} kills, {known.Sum(round => round.Value.Acknowledged.Count)} events acknowledged, {known.Sum(round => round.Value.Sent.Count)} sent");
        return recoveries;
    }

    /// <summary>Every acknowledged event is there, nothing is there twice, and nothing that was never sent.</summary>
    private static async Task<long> CheckAsync(
        ServiceProcess service, IEnumerable<KeyValuePair<string, (HashSet<string> Acknowledged, HashSet<string> Sent)>> rounds)
    {
        foreach (var (ip, (acknowledged, sent)) in rounds)
        {
            var held = await service.ActionsAsync(ip);
            Assert.Empty(acknowledged.Except(held));
            Assert.Equal(held.Count, held.Distinct(StringComparer.Ordinal).Count());
            Assert.Empty(held.Except(sent));
        }

        var took = System.Text.RegularExpressions.Regex.Match(service.Log, "took [0-9]+ events back in ([0-9]+) ms");
        Assert.True(took.Success, service.Log);
        return long.Parse(took.Groups[1].Value);
    }

    private static string Document(string ip, string action, bool withId, int at = 0)
    {
#pragma warning disable RS0030 // The other process has a clock of its own.
        var timestamp = DateTimeOffset.UtcNow.AddHours(-1).AddMilliseconds(at).ToUnixTimeMilliseconds();
#pragma warning restore RS0030
        return $"{{{(withId ? $"\"_id\":\"{ip}/{action}\"," : "")}\"@timestamp\":{timestamp},\"source.ip\":\"{ip}\",\"event.action\":\"{action}\",\"event.dataset\":\"azure.signinlogs\",\"event.outcome\":\"success\"}}";
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private string Store(string name) => Path.Combine(_folder, name);
}
