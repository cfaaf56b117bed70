using System.Diagnostics;
using System.Globalization;
using System.Text;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Hostile;

/// <summary>
/// Whatever a request holds, the answer says what it is about, and never 500. A hundredth of <c>SUSPICIOUSSIGNIN_FUZZ_INPUTS</c> requests, 600
/// where it says nothing.
/// </summary>
public sealed class RequestFuzzTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private static readonly string[] Parameters =
    [
        "from", "to", "revision", "promote", "limit", "cursor", "includeEvents", "store", "timeShift", "ingestedAfter", "sourceIps", "filter_path", "pipeline", "refresh", "FROM", "x", "",
    ];

    // Those that most paths take, so that not every request ends at a name.
    private static readonly string[] CommonParameters = ["from", "to", "revision", "limit"];

    private static readonly string[] Texts =
    [
        "", "now", "now-8h", "now-1d/d", "now+999999999y", "now-999999999w", "now/y/M/w/d", "now--1h", "now-", "/d", "2026-03-14T05:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999-14:00",
        "2026-06-30T23:59:60Z", "2026-03-14T05:00:00", "1773468000000", "-1", "0", "1", "100", "10000", "10001", "2147483648", "1e3", "NaN", "true", "True", "yes", "null", "resilient", "2025-04-29", "2026-05-22",
        "+2h", "-30m", "PT2H", "-P36600D", "P99999999999D", "PT0.0000001S", "AAAA", "!!!!", "MQox", "8.8.8.8", "1.2.3.4:443", "[::1]:80", "fe80::1%eth0", "::ffff:10.0.0.1", "0x7f.1", "010.0.0.1",
        "\uFF11.\uFF11.\uFF11.\uFF11", "a\r\nX-Injected: 1", "\0", "\u001b[31m", "../../etc/passwd", "..%2f..", "%", "%00", "{ip}", "<script>", "items.*.error", "**", ",,,", "-items", "\uD83D\uDE00",
    ];

    private static readonly string[] Members = ["from", "to", "ingestedAfter", "revision", "promote", "sourceIps", "limit", "includeEvents", "From", "x", "__proto__", "\\u0066rom", "\\ud800"];

    private static readonly string[] Paths =
    [
        "/api/v1/events", "/api/v1/detections", "/api/v1/ips/{ip}/alerts", "/api/v1/ips/{ip}/events", "/api/v1/rule", "/_bulk", "/{ip}/_bulk", "/", "/_cluster/health", "/_cat/health", "/_license", "/_xpack",
        "/_index_template/{ip}", "/_ilm/policy/{ip}", "/_ingest/pipeline/{ip}", "/{ip}/_alias/{ip}", "/{ip}", "/health/live", "/health/ready", "/metrics", "/openapi/{ip}.json", "/swagger/{ip}",
    ];

    private static readonly string[] Types =
    [
        "application/json", "application/json; charset=utf-8", "application/json; charset=utf-16", "application/x-ndjson", "text/plain", "application/vnd.elasticsearch+json; compatible-with=9",
        "application/vnd.elasticsearch+json; compatible-with=99999999999", "application/json; charset=\"", "*/*", "x", ";", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
    ];

    private static readonly string[] Methods = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "PROPFIND"];

    private static readonly string[] Encodings = ["gzip", "br", "deflate", "identity", "gzip, gzip", "zstd", "x"];

    [Fact]
    public async Task No_request_is_answered_500()
    {
        var (requests, first, started) = (Math.Max(1, ReaderFuzzTests.Inputs(otherwise: 60_000) / 100), ReaderFuzzTests.FirstSeed(), Stopwatch.GetTimestamp());
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{requests} requests, seed {first}"));
        using var service = new TestService(overTcp: true);
        var text = new HostileText(first);
        var statuses = new SortedDictionary<int, int>();
        for (var i = 0; i < requests; i++)
        {
            var (method, path, content, key) = Request(text);
            Answer answer;
            try
            {
                answer = await service.SendAsync(method, path, content, key).WaitAsync(Hang);
            }
            catch (Exception fault)
            {
                throw new InvalidOperationException($"Seed {first}, request {i}: {await DescribeAsync(method, path, content, key)}", fault);
            }

            Assert.True((int)answer.Status is < 500 and not 0, $"Seed {first}, request {i}: {await DescribeAsync(method, path, content, key)} was answered {(int)answer.Status}: {answer.Text}");
            Assert.False(answer.Headers.Contains("X-Injected"));
            Assert.DoesNotContain("   at ", answer.Text, StringComparison.Ordinal);
            statuses[(int)answer.Status] = statuses.GetValueOrDefault((int)answer.Status) + 1;
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{requests} requests in {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s, by status: {string.Join(", ", statuses.Select(status => $"{status.Key} {status.Value}"))}"));
        Assert.All([200, 400, 404, 405, 415], status => Assert.True(statuses.ContainsKey(status), $"No request was answered {status}."));
    }

    private static (HttpMethod Method, string Path, HttpContent? Content, string? Key) Request(HostileText text)
    {
        var path = text.OneOf(Paths);
        while (path.Contains("{ip}", StringComparison.Ordinal))
        {
            var at = path.IndexOf("{ip}", StringComparison.Ordinal);
            // An empty first segment would make a host of the second.
            path = path[..at] + (at == 1 ? "x" : "") + Uri.EscapeDataString(text.OneOf(Texts).Replace("{ip}", "8.8.8.8", StringComparison.Ordinal)) + path[(at + 4)..];
        }

        var query = string.Join('&', Enumerable.Range(0, text.Next(4)).Select(_ => $"{text.OneOf(text.Next(4) == 0 ? Parameters : CommonParameters)}={Uri.EscapeDataString(text.OneOf(Texts))}"));
        var isPost = path is "/api/v1/events" or "/api/v1/detections" || path.EndsWith("/_bulk", StringComparison.Ordinal);
        var method = text.Next(8) == 0 ? text.OneOf(Methods) : isPost ? "POST" : "GET";
        HttpContent? content = null;
        if (method is "POST" or "PUT" or "PATCH")
        {
            var isLines = path.EndsWith("/_bulk", StringComparison.Ordinal) || text.Next(2) == 0;
            content = new ByteArrayContent(path == "/api/v1/detections" ? Encoding.UTF8.GetBytes(DetectionRequest(text)) : text.Body((HostileBody)text.Next(3)));
            content.Headers.TryAddWithoutValidation("Content-Type", text.Next(8) == 0 ? text.OneOf(Types) : isLines && path != "/api/v1/detections" ? "application/x-ndjson" : "application/json");
            if (text.Next(10) == 0)
            {
                content.Headers.TryAddWithoutValidation("Content-Encoding", text.OneOf(Encodings));
            }
        }

        var key = path == "/api/v1/events" && text.Next(5) == 0 ? new string('k', text.Next(300)) : null;
        return (new HttpMethod(method), query.Length == 0 ? path : $"{path}?{query}", content, key);
    }

    private static string DetectionRequest(HostileText text)
    {
        var members = Enumerable.Range(0, text.Next(4)).Select(_ => $"\"{text.OneOf(text.Next(4) == 0 ? Members : CommonParameters)}\":{Value(text)}");
        var json = $"{{{string.Join(',', members)}}}";
        return text.Next(10) == 0 ? json[text.Next(json.Length)..] : json;
    }

    private static string Value(HostileText text) => text.Next(4) switch
    {
        0 => text.Value(),
        1 => $"[{string.Join(',', Enumerable.Range(0, text.Next(4)).Select(_ => text.Value()))}]",
        _ => System.Text.Json.JsonSerializer.Serialize(text.OneOf(Texts)),
    };

    private static async Task<string> DescribeAsync(HttpMethod method, string path, HttpContent? content, string? key) =>
        $"{method} {path} {content?.Headers.ContentType} {string.Join(',', content?.Headers.ContentEncoding ?? (ICollection<string>)[])} key of {key?.Length} {(content is null ? "" : Convert.ToBase64String(await content.ReadAsByteArrayAsync()))}";
}
