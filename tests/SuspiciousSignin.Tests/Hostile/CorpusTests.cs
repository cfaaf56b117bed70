using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;
using SuspiciousSignin.Events;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Hostile;

/// <summary>
/// Hostile inputs that the tests of their subjects (<c>EventReaderTests</c>, <c>EnvelopeTests</c>, <c>EventsApiTests</c>, <c>IngestApiTests</c>) do
/// not have: compression, character sets, and what the fuzz found.
/// </summary>
public sealed class CorpusTests
{
    private const string Good = """{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"8.8.8.8"},"event":{"dataset":"o365.audit"}}""";

    [Theory]
    [InlineData("/api/v1/events")]
    [InlineData("/api/v1/detections")]
    [InlineData("/_bulk")]
    public async Task A_body_that_is_not_what_its_encoding_says_is_400(string path)
    {
        using var service = new TestService(overTcp: true);
        foreach (var encoding in new[] { "gzip", "br", "deflate" })
        {
            using var content = TestService.Content(Good);
            content.Headers.ContentEncoding.Add(encoding);

            var answer = await service.SendAsync(HttpMethod.Post, path, content);

            Assert.Equal((encoding, HttpStatusCode.BadRequest), (encoding, answer.Status));
        }
    }

    [Fact]
    public async Task A_compressed_body_in_a_compressed_body_is_not_json()
    {
        using var service = new TestService();

        (await service.PostAsync(Gzip(Gzip(Encoding.UTF8.GetBytes(Good))), encoding: "gzip")).Problem(400);
    }

    [Fact]
    public async Task Several_gzip_members_are_one_body()
    {
        using var service = new TestService();

        var answer = await service.PostAsync([.. Gzip(Encoding.UTF8.GetBytes(Good + "\n")), .. Gzip(Encoding.UTF8.GetBytes(Good))], "?store=false", "application/x-ndjson", "gzip");

        Assert.Equal((2, 2), (answer.Number("received"), answer.Number("accepted")));
    }

    [Theory]
    [InlineData("gzip, gzip")]
    [InlineData("zstd")]
    [InlineData("GZIP\u00e9")]
    public async Task Two_encodings_or_one_that_is_not_taken_are_415(string encoding)
    {
        using var service = new TestService();

        (await service.PostAsync(Gzip(Gzip(Encoding.UTF8.GetBytes(Good))), encoding: encoding)).Problem(415);
    }

    [Fact]
    public async Task Utf16_is_refused_with_and_without_its_name()
    {
        using var service = new TestService();
        byte[] body = [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes(Good)];

        (await service.PostAsync(body, type: "application/json; charset=utf-16")).Problem(415);
        (await service.PostAsync(body)).Problem(400);
    }

    [Fact]
    public async Task A_value_may_hold_what_would_be_a_formula_or_markup_elsewhere_and_comes_back_as_json_text()
    {
        const string User = "=cmd|' /C calc'!A0<script>[x](javascript:1)\\r\\n\\u001b[31m";
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), Ecs.SignIn(user: User)));

        var answer = await service.RunAsync();

        Assert.Equal("application/json", answer.ContentType?.MediaType);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.DoesNotContain(answer.Text, char.IsControl);
        Assert.Equal("=cmd|' /C calc'!A0<script>[x](javascript:1)\r\n\u001b[31m", (string?)answer.Json!["alerts"]![0]!["users"]![0]!["email"], ignoreCase: true);
    }

    [Fact]
    public async Task No_text_in_an_answer_holds_characters_that_nobody_sees_or_that_turn_its_direction()
    {
        const string Unseen = "\u202e\u2066\u200b\u200f\u00ad\ufeff\u061c\u2028\u2029\udb40\udc41\ud834\udd73";
        const string Seen = "O'Brien + Zoë & 李 <ada>\ud83d\ude00";
        using var service = new TestService();
        var dirty = $$"""{"@timestamp":"{{Ecs.Time(9)}}","source.ip":"{{Ecs.Address}}","event":{"dataset":"azure.signinlogs","outcome":"success","category":["authentication"]},"user":{"name":"x{{Unseen}}y"},"message":"x{{Unseen}}y"}""";
        await service.PostAsync(Ecs.Batch(Ecs.NetworkAlert(), dirty, Ecs.SignIn(user: Seen)));

        Answer[] answers = [await service.RunAsync("""{"includeEvents":true}"""), await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events"), await service.PostAsync(Ecs.Batch(dirty), "?includeEvents=true&store=false", key: "k")];

        foreach (var answer in answers)
        {
            Assert.Equal(HttpStatusCode.OK, answer.Status);
            Assert.DoesNotContain(
                answer.Text.EnumerateRunes(),
                rune => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
        }

        var refused = await service.GetAsync("/api/v1/rule?x%E2%80%AEy=1");
        refused.Problem(400);
        Assert.DoesNotContain(refused.Text.EnumerateRunes(), rune => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format);
        var messages = answers[1].Json!["events"]!.AsArray().Select(shown => (string?)shown!["message"]);
        Assert.Contains($"x{Unseen}y", messages);
        Assert.Contains("\"O'Brien + Zoë & 李 <ada>", answers[1].Text, StringComparison.Ordinal);
    }

    // Found by ReaderFuzzTests, seed 20260314: this was an exception, so 500.
    [Theory]
    [InlineData("""{"\ud800":0,"events":[]}""")]
    [InlineData("""{"@timestamp":1,"\udc00x":{}}""")]
    public async Task Half_a_surrogate_pair_in_the_name_of_a_member_of_the_body_is_refused(string body)
    {
        var (batch, refusal) = await Engine.TryReadAsync(body);

        Assert.Null(batch);
        Assert.Equal(400, refusal!.Status);
        Assert.Equal(RejectionCodes.InvalidText, Assert.Single((await Engine.ReadAsync($"[{body},{Good}]")).Rejected).Code);
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return compressed.ToArray();
    }
}
