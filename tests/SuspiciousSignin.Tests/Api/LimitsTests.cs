using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Settings;

namespace SuspiciousSignin.Tests.Api;

public sealed class LimitsTests : IDisposable
{
    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("suspicious-signin-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task The_bounds_in_force_are_told()
    {
        using var service = new TestService(settings:
        [
            ("Events:MaxBodyBytes", "2000"), ("Events:MaxEvents", "3"), ("Events:MaxEventBytes", "1024"), ("Events:MaxDepth", "9"), ("Requests:MaxBodyBytes", "1500"),
            ("Requests:PerCaller", "7"), ("Requests:Window", "00:00:30"), ("Requests:MinBytesPerSecond", "11"), ("Requests:GracePeriod", "00:00:12"), ("Requests:HeadersTimeout", "00:00:13"),
            ("Runs:MaxConcurrent", "2"), ("Runs:MaxQueued", "4"), ("Runs:MaxWindow", "2.00:00:00"), ("Runs:MaxAddresses", "5"), ("Alerts:MaxEvents", "6"), ("Alerts:MaxEventsPerAnswer", "60"),
            ("Auth:MaxFailures", "8"), ("Auth:FailureWindow", "00:02:00"), ("Idempotency:MaxKeys", "10"), ("Idempotency:MaxBytes", "2000000"), ("Idempotency:Lifetime", "00:05:00"),
        ]);

        var limits = (await service.GetAsync("/api/v1/limits")).Json;

        Assert.True(JsonNode.DeepEquals(limits, JsonNode.Parse("""
            {
              "body": { "maxBytesSent": 1500, "maxBytesDecompressed": 2000, "minBytesPerSecond": 11, "gracePeriod": "PT12S", "headersTimeout": "PT13S" },
              "events": { "maxPerBatch": 3, "maxBytes": 1024, "maxDepth": 9, "maxTextLength": 1024 },
              "runs": { "maxConcurrent": 2, "maxQueued": 4, "maxWindow": "P2D", "maxAddresses": 5, "maxAlerts": 10000, "maxEventsPerAlert": 6, "maxEventsPerAnswer": 60, "maxBodyBytes": 1048576 },
              "requests": { "perCaller": 7, "window": "PT30S", "maxFailures": 8, "failureWindow": "PT2M" },
              "idempotency": { "maxKeyLength": 255, "maxKeys": 10, "maxBytes": 2000000, "lifetime": "PT5M" }
            }
            """)), limits!.ToJsonString());
    }

    [Theory]
    [InlineData("now-2d", 200)]
    [InlineData("now-d", 200)]
    [InlineData("now-", 400)]
    [InlineData("now-172801s", 422)]
    [InlineData("0001-01-01T00:00:00Z", 422)]
    public async Task A_window_longer_than_the_bound_is_refused(string from, int status)
    {
        using var service = new TestService(settings: ("Runs:MaxWindow", "2.00:00:00"));

        var run = await service.RunAsync($$"""{"from":"{{from}}"}""");
        var alerts = await service.GetAsync($"/api/v1/ips/81.2.69.144/alerts?from={from}");

        Assert.Equal((status, status), ((int)run.Status, (int)alerts.Status));
        if (status == 422)
        {
            Assert.Equal(["/from"], run.Problem(422));
            Assert.Equal(["from"], alerts.Problem(422));
            Assert.Contains("longer than P2D.", run.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task More_addresses_than_the_bound_are_refused()
    {
        using var service = new TestService(settings: ("Runs:MaxAddresses", "2"));

        Assert.Equal(HttpStatusCode.OK, (await service.RunAsync("""{"sourceIps":["8.8.8.8","8.8.4.4"]}""")).Status);
        Assert.Equal(["/sourceIps"], (await service.RunAsync("""{"sourceIps":["8.8.8.8","8.8.4.4","1.1.1.1"]}""")).Problem(422));
    }

    [Fact]
    public async Task Requests_of_a_caller_are_bounded_and_every_answer_says_how_many_are_left()
    {
        using var service = new TestService(settings:
        [
            .. TestService.KeySettings(0, "soar", "old", "rule:read"), .. TestService.KeySettings(1, "soar", "new", "rule:read"), .. TestService.KeySettings(2, "other", "other", "rule:read"),
            ("Requests:PerCaller", "2"), ("Requests:Window", "00:01:00"),
        ]);

        var first = await GetAsync(service, "old");
        Assert.Equal(("\"requests\";q=2;w=60", "\"requests\";r=1;t=60"), (Header(first, "RateLimit-Policy"), Header(first, "RateLimit")));
        service.Clock.Advance(TimeSpan.FromSeconds(20.5));
        Assert.Equal("\"requests\";r=0;t=40", Header(await GetAsync(service, "new"), "RateLimit"));

        var refused = await GetAsync(service, "old");
        refused.Problem(429);
        Assert.Equal((TimeSpan.FromSeconds(40), "\"requests\";r=0;t=40"), (refused.Headers.RetryAfter?.Delta, Header(refused, "RateLimit")));
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(service, "other")).Status);
        Assert.Equal(HttpStatusCode.OK, (await service.GetAsync("/health/live")).Status);

        service.Clock.Advance(TimeSpan.FromSeconds(39.4));
        (await GetAsync(service, "old")).Problem(429);
        service.Clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal("\"requests\";r=1;t=60", Header(await GetAsync(service, "old"), "RateLimit"));
    }

    [Fact]
    public async Task Calls_that_are_refused_count_too()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "alerts:read"), ("Requests:PerCaller", "2")]);

        Assert.Equal("\"requests\";r=1;t=60", Header(await GetAsync(service, "K"), "RateLimit"));
        (await GetAsync(service, "K")).Problem(403);
        (await GetAsync(service, "K")).Problem(429);
        Assert.Equal("\"requests\";r=1;t=60", Header(await GetAsync(service, "wrong"), "RateLimit"));
        Assert.Equal(2, service.Log.Count(line => line.Contains("lacks the scope", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Strangers_of_many_addresses_use_up_nothing_of_those_who_have_a_key()
    {
        using var service = new TestService(settings:
        [
            .. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Requests:PerCaller", "5"), ("Requests:Window", "01:00:00"),
            ("Hosting:KnownNetworks:0", "0.0.0.0/0"), ("Hosting:KnownNetworks:1", "::/0"), ("Auth:MaxFailures", "1"),
        ]);
        for (var i = 0; i < WindowCounter.MaxKeys + 10; i++)
        {
            await service.SendAsync(HttpMethod.Get, "/api/v1/rule", null, null, ("X-Forwarded-For", $"2001:db8:{i >> 8:x}:{i & 255:x}::1"));
        }

        Assert.Equal("\"requests\";r=4;t=3600", Header(await GetAsync(service, "K"), "RateLimit"));
    }

    [Fact]
    public async Task An_answer_that_an_exception_led_to_says_how_many_requests_are_left_too()
    {
        using var service = new TestService(store: InterceptedStore.Before(() => throw new InvalidOperationException("A fault of ours.")));

        var answer = await service.RunAsync();

        answer.Problem(500);
        Assert.Equal("\"requests\";r=59999;t=60", Header(answer, "RateLimit"));
    }

    [Fact]
    public async Task Without_a_bound_requests_are_not_counted()
    {
        using var service = new TestService(settings: ("Requests:PerCaller", "0"));

        Assert.False((await service.GetAsync("/api/v1/rule")).Headers.Contains("RateLimit"));
        Assert.Null((await service.GetAsync("/api/v1/limits")).Json!["requests"]!["perCaller"]);
    }

    [Fact]
    public async Task A_shipper_is_told_in_its_own_form_that_it_sends_too_often()
    {
        using var service = new TestService(settings: ("Requests:PerCaller", "1"));
        await service.GetAsync("/");

        var answer = await service.SendAsync(HttpMethod.Post, "/_bulk", TestService.Content("{}"));

        Assert.Equal((429, "es_rejected_execution_exception"), ((int)answer.Status, (string?)answer.Json!["error"]!["type"]));
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Theory]
    [InlineData("GET", "/api/v1/ips/8.8.8.8/alerts", 8)]
    [InlineData("POST", "/api/v1/events", 8)]
    [InlineData("POST", "/_bulk", 8)]
    [InlineData("GET", "/api/v1/ips/8.8.8.8/alerts", 2)]
    [InlineData("POST", "/_bulk", 2)]
    public async Task A_noisy_key_keeps_no_other_from_its_place(string method, string path, int places)
    {
        var running = 0;
        var busy = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var service = new TestService(
            store: InterceptedStore.Before(() =>
            {
                var count = Interlocked.Increment(ref running);
                if (count == places - 1)
                {
                    busy.SetResult();
                }

                return count < places ? release.Task : Task.CompletedTask;
            }),
            settings:
            [
                .. TestService.KeySettings(0, "noisy", "N", "events:write", "alerts:read"), .. TestService.KeySettings(1, "other", "O", "events:write", "alerts:read"),
                ("Runs:MaxConcurrent", $"{places}"), ("Runs:MaxQueued", "4"),
            ]);

        var noise = Enumerable.Range(0, 60).Select(_ => SendAsync("N")).ToList();
        await busy.Task.WaitAsync(Hung);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("200", Outcome(await SendAsync("O").WaitAsync(Hung)));
        }

        // The rest of its own bound waits, and what is beyond is refused.
        while (noise.Count(task => task.IsCompleted) < 60 - (places - 1) - 4)
        {
            await Task.WhenAny(noise.Where(task => !task.IsCompleted)).WaitAsync(Hung);
        }

        release.SetResult();
        Assert.Equal(places - 1 + 4, (await Task.WhenAll(noise)).Count(answer => Outcome(answer) == "200"));

        Task<Answer> SendAsync(string key) => service.SendAsync(
            new HttpMethod(method),
            path,
            method == "GET" ? null : TestService.Content(path == "/_bulk" ? "{\"create\":{\"_index\":\"x\"}}\n" + Ecs.SignIn() + "\n" : Ecs.Batch(Ecs.SignIn()), path == "/_bulk" ? "application/x-ndjson" : "application/json"),
            null,
            ("X-API-Key", key));

        // A bulk request is put off item by item.
        static string Outcome(Answer answer) =>
            answer.Text.Contains("es_rejected_execution_exception", StringComparison.Ordinal) ? "429" : $"{(int)answer.Status}";
    }

    [Fact]
    public async Task Of_a_single_place_another_caller_has_the_next_turn()
    {
        using var limiter = new IngestLimiter(new RunOptions { MaxConcurrent = 1, MaxQueued = 1 }, new FakeTimeProvider());

        var running = await limiter.AcquireAsync("noisy", CancellationToken.None);
        var waiting = limiter.AcquireAsync("noisy", CancellationToken.None).AsTask();
        using var refused = await limiter.AcquireAsync("noisy", CancellationToken.None);
        var other = limiter.AcquireAsync("other", CancellationToken.None).AsTask();
        Assert.False(refused.IsAcquired);
        running.Dispose();

        using (var lease = await other.WaitAsync(Hung))
        {
            Assert.True(lease.IsAcquired);
            Assert.False(waiting.IsCompleted);
        }

        using var last = await waiting.WaitAsync(Hung);
        Assert.True(last.IsAcquired);
    }

    // Against a process of its own: what follows is of the server and of memory.

    [Fact]
    public async Task A_client_that_resets_its_connection_is_no_fault_in_the_log()
    {
        await using var service = await ServiceProcess.StartAsync();
        var head = Encoding.ASCII.GetBytes($"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {ServiceProcess.Key}\r\nContent-Type: application/x-ndjson\r\nContent-Length: 600000\r\n\r\n");
        var line = Encoding.ASCII.GetBytes("{\"@timestamp\":1}\n");
        for (var i = 0; i < 30; i++)
        {
            using var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(enable: true, seconds: 0) };
            await client.ConnectAsync(service.Url.Host, service.Url.Port);
            await client.SendAsync(head);
            for (var sent = 0; sent < 1000 * i; sent++)
            {
                await client.SendAsync(line);
            }
        }

        using var http = new HttpClient { BaseAddress = service.Url };
        using var live = await http.GetAsync(new Uri("/health/live", UriKind.Relative), TestContext.Current.CancellationToken);
        live.EnsureSuccessStatusCode();
        await service.StopAsync();

        Assert.DoesNotContain(" error ", service.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_decompression_bomb_is_refused_and_costs_no_memory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The peak of a process's memory is read from /proc.");
        await using var service = await ServiceProcess.StartOpenAsync(_folder.FullName);
        var spaces = Enumerable.Repeat((byte)' ', 16 * 1024 * 1024).ToArray();
        var letters = Enumerable.Repeat((byte)'x', spaces.Length).ToArray();
        (string Encoding, string Type, byte[] Body)[] bombs =
        [
            // 1 GiB each, and some hundred bytes to a few megabytes as sent.
            ("gzip", "application/json", Gzip("["u8, spaces, times: 64)),
            ("gzip", "application/json", Gzip("[{\"a\":\""u8, letters, times: 64)),
            ("gzip", "application/x-ndjson", Gzip("{\"a\":\""u8, letters, times: 64)),
            ("br", "application/json", Brotli("["u8, spaces, times: 64)),
        ];
        foreach (var (encoding, type, _) in bombs)
        {
            // What code and buffers take is taken once.
            await SendAsync(service, Compress(encoding, Encoding.UTF8.GetBytes("[" + new string(' ', 4_000_000) + "]")), encoding, type);
        }

        var before = PeakOf(service);
        foreach (var (encoding, type, body) in bombs)
        {
            Assert.True(body.Length < 4_000_000);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(service, body, encoding, type));
        }

        // Each comes to 128 MiB before it is refused; kept, that would show.
        Assert.InRange(PeakOf(service) - before, 0, 48L * 1024 * 1024);
        Assert.Equal(HttpStatusCode.OK, await SendAsync(service, "[]"u8.ToArray(), null, "application/json"));
    }

    [Fact]
    public async Task A_body_is_bounded_as_it_is_sent_and_apart_from_that_decompressed()
    {
        await using var service = await ServiceProcess.StartOpenAsync(_folder.FullName, ["env", "Requests__MaxBodyBytes=1024", "Events__MaxBodyBytes=200000"]);
        // A member of gzip (RFC 1952) without content.
        byte[] empty = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

        using var tooLong = await service.Client.PostAsync(new Uri("/api/v1/events", UriKind.Relative), TestService.Content(Padded(1025), "application/json"));
        Assert.Contains("/api/v1/limits", await tooLong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await SendAsync(service, Padded(1024), null, "application/json"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(service, Padded(1025), null, "application/json"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(service, Padded(1025), null, "application/json", isChunked: true));
        Assert.Equal(HttpStatusCode.OK, await SendAsync(service, Compress("gzip", Padded(200_000)), "gzip", "application/json"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(service, Compress("gzip", Padded(200_001)), "gzip", "application/json"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(service, Compress("br", Padded(200_001)), "br", "application/json"));
        // Nothing decompressed, however much is sent.
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(service, [.. Enumerable.Repeat(empty, 200).SelectMany(member => member)], "gzip", "application/json", isChunked: true));
    }

    [Fact]
    public async Task Slow_senders_are_cut_off()
    {
        await using var service = await ServiceProcess.StartOpenAsync(_folder.FullName, ["env", "Requests__GracePeriod=00:00:02", "Requests__HeadersTimeout=00:00:02"]);
        var url = service.Client.BaseAddress!;

        var body = await UntilClosedAsync(url, "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[");
        var bulk = await UntilClosedAsync(url, "POST /_bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
        var headers = await UntilClosedAsync(url, "POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");

        Assert.StartsWith("HTTP/1.1 408 ", body, StringComparison.Ordinal);
        Assert.Contains("slower than it may", body, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 408 ", bulk, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 408 ", headers, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await SendAsync(service, "[]"u8.ToArray(), null, "application/json"));
    }

    [Theory]
    [InlineData("GET", "/api/v1/ips/8.8.8.8/alerts", 200)]
    [InlineData("POST", "/api/v1/events", 415)]
    [InlineData("POST", "/api/v1/detections", 415)]
    [InlineData("POST", "/_bulk", 415)]
    public async Task A_form_is_no_body_that_anybody_here_reads(string method, string path, int status)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The peak of a process's memory is read from /proc.");
        await using var service = await ServiceProcess.StartOpenAsync(_folder.FullName);
        var value = new byte[4_000_000];
        value.AsSpan().Fill((byte)'x');
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            // Within MVC's own bounds of forms, and 400 MB in all.
            for (var i = 0; i < 100; i++)
            {
                gzip.Write(Encoding.ASCII.GetBytes($"&k{i}="));
                gzip.Write(value);
            }
        }

        var before = PeakOf(service);
        foreach (var type in new[] { "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-7", "multipart/form-data; boundary=x" })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new ByteArrayContent(compressed.ToArray()) };
            request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
            request.Content.Headers.ContentEncoding.Add("gzip");
            using var answer = await service.Client.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal(status, (int)answer.StatusCode);
        }

        Assert.InRange(PeakOf(service) - before, 0, 48L * 1024 * 1024);
    }

    [Fact]
    public void Who_reads_an_answer_slower_than_16_KiB_a_second_is_cut_off_by_the_server()
    {
        // Waiting for it takes minutes: what the system's buffers hold counts as read.
        using var service = new TestService();
        Assert.Equal(16 * 1024, service.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits.MinResponseDataRate?.BytesPerSecond);
    }

    [Fact]
    public async Task A_running_service_watches_no_files()
    {
        // Each watcher takes one of the 128 inotify instances that a user of a Linux machine has by default, whatever runs there beside.
        Assert.SkipUnless(OperatingSystem.IsLinux(), "What a process holds open is read from /proc.");
        await using var service = await ServiceProcess.StartOpenAsync(_folder.FullName);
        var open = Directory.GetFiles($"/proc/{service.Id}/fd").Select(file => new FileInfo(file).LinkTarget).ToArray();
        Assert.NotEmpty(open);
        Assert.DoesNotContain("anon_inode:inotify", open);
    }

    [Theory]
    [InlineData("/api/v1/events", "application/x-ndjson", "80000000")]
    [InlineData("/api/v1/events", "application/json", "FFFFFFFFFFFFFFFFF")]
    [InlineData("/_bulk", "application/x-ndjson", "100000000")]
    [InlineData("/api/v1/detections", "application/json", "FFFFFFFF")]
    public async Task A_chunk_of_an_impossible_size_is_a_bad_request(string path, string type, string size)
    {
        await using var service = await ServiceProcess.StartOpenAsync(_folder.FullName);
        var answer = await UntilClosedAsync(service.Client.BaseAddress!, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {type}\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{{}}\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("a chunk has no valid size", answer, StringComparison.Ordinal);
    }

    private static Task<Answer> GetAsync(TestService service, string key) => service.SendAsync(HttpMethod.Get, "/api/v1/rule", null, null, ("X-API-Key", key));

    private static string Header(Answer answer, string name) => Assert.Single(answer.Headers.GetValues(name));

    private static byte[] Padded(int length) => Encoding.UTF8.GetBytes("[]".PadRight(length));

    private static async Task<string> UntilClosedAsync(Uri url, string sent)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(sent));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync().WaitAsync(Hung);
    }

    private static async Task<HttpStatusCode> SendAsync(ServiceProcess service, byte[] body, string? encoding, string type, bool isChunked = false)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/events?store=false") { Content = new ByteArrayContent(body) };
        request.Headers.TransferEncodingChunked = isChunked;
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        if (encoding is not null)
        {
            request.Content.Headers.ContentEncoding.Add(encoding);
        }

        // Refused before it is all sent: the client then waits for the answer instead of running into a closed connection.
        request.Headers.ExpectContinue = true;
        using var response = await service.Client.SendAsync(request);
        return response.StatusCode;
    }

    private static byte[] Compress(string encoding, byte[] body) => encoding == "br" ? Brotli(body, [], 1) : Gzip(body, [], 1);

    /// <summary>Each repetition a member of its own, as gzip allows.</summary>
    private static byte[] Gzip(ReadOnlySpan<byte> start, byte[] repeated, int times)
    {
        var member = Member(repeated);
        return [.. Member(start.ToArray()), .. Enumerable.Repeat(member, times).SelectMany(bytes => bytes)];

        static byte[] Member(byte[] content)
        {
            using var output = new MemoryStream();
            using (var gzip = new GZipStream(output, CompressionLevel.Optimal))
            {
                gzip.Write(content);
            }

            return output.ToArray();
        }
    }

    private static byte[] Brotli(ReadOnlySpan<byte> start, byte[] repeated, int times)
    {
        using var output = new MemoryStream();
        using (var brotli = new BrotliStream(output, CompressionLevel.Fastest))
        {
            brotli.Write(start);
            for (var i = 0; i < times; i++)
            {
                brotli.Write(repeated);
            }
        }

        return output.ToArray();
    }

    private static long PeakOf(ServiceProcess service)
    {
        var line = File.ReadLines($"/proc/{service.Id}/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
