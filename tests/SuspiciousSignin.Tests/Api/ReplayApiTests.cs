using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Api;

public sealed class ReplayApiTests
{
    private const string Newest = "2024-02-29T12:00:00.250Z";

    private static readonly string[] Recording =
    [
        $$"""{"_id":"a","@timestamp":"2024-02-29T11:30:00Z","source.ip":"{{Ecs.Address}}","event.dataset":"zeek.notice","kibana.alert.rule.name":"External Alerts","event.ingested":"2024-02-29T11:31:00Z"}""",
        $$"""{"_id":"s","@timestamp":"{{Newest}}","source.ip":"{{Ecs.Address}}","event.dataset":"azure.signinlogs","event.outcome":"success"}""",
    ];

    [Fact]
    public async Task A_recording_is_moved_so_that_its_newest_event_is_now_with_its_distances_kept()
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Recording), "?timeShift=now");

        // From 2024-02-29T12:00:00.250 to 2026-03-14T06:00:00.
        Assert.Equal("""{"applied":"P743DT17H59M59.75S","milliseconds":64259999750}""", answer.Json!["timeShift"]!.ToJsonString());
        Assert.Equal([Ecs.Address], answer.Addresses);
        Assert.Equal("2026-03-14T06:00:00Z", (string?)answer.Json["window"]!["to"]);
        Assert.Equal("PT30M0.25S", (string?)answer.Json["alerts"]![0]!["smallestGap"]);
        var events = (await service.GetAsync($"/api/v1/ips/{Ecs.Address}/events")).Json!["events"]!.AsArray();
        Assert.Equal(["2026-03-14T05:29:59.75Z", "2026-03-14T06:00:00Z"], events.Select(e => (string?)e!["timestamp"]));
        Assert.Equal("2026-03-14T05:30:59.75Z", (string?)events[0]!["ingested"]);
        Assert.Equal([Ecs.Address], (await service.RunAsync("""{"ingestedAfter":"now-1h"}""")).Addresses);
    }

    [Theory]
    [InlineData("%2B2h", 2 * 3_600_000)]
    [InlineData("+2h", 2 * 3_600_000)]
    [InlineData("8h", 8 * 3_600_000)]
    [InlineData("60m", 60 * 60_000)]
    [InlineData("2d", 2 * 86_400_000)]
    [InlineData("-30m", -30 * 60_000)]
    [InlineData("PT2H", 2 * 3_600_000)]
    [InlineData("-PT1.5S", -1_500)]
    [InlineData("%2B1w2d3h4m5s6ms", ((((((((7 + 2) * 24) + 3) * 60) + 4) * 60) + 5) * 1000L) + 6)]
    [InlineData("P1DT1M", 86_460_000)]
    [InlineData("%2B0s", 0)]
    public async Task Events_are_moved_by_a_duration(string shift, long milliseconds)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Recording), "?store=false&from=2024-01-01T00:00:00Z&timeShift=" + shift);

        Assert.Equal(milliseconds, answer.Json!["timeShift"]!["milliseconds"]!.GetValue<long>());
        Assert.Equal(
            DateTimeOffset.Parse(Newest, null).AddMilliseconds(milliseconds),
            DateTimeOffset.Parse((string)answer.Json["alerts"]![0]!["lastSeen"]!, null));
    }

    [Theory]
    [InlineData(64, 200)]
    [InlineData(65, 400)]
    public async Task A_shift_has_at_most_64_characters(int length, int status)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Recording), $"?store=false&timeShift={"2h".PadLeft(length, '0')}");

        Assert.Equal(status, (int)answer.Status);
    }

    [Theory]
    [InlineData("later", 400)]
    [InlineData("now-1h", 400)]
    [InlineData("2", 400)]
    [InlineData("h", 400)]
    [InlineData("1.5h", 400)]
    [InlineData("-", 400)]
    [InlineData("%2B2h30", 400)]
    [InlineData("%2B2y", 400)]
    [InlineData("P", 400)]
    [InlineData("PT", 400)]
    [InlineData("P1DT", 400)]
    [InlineData("P1M", 400)]
    [InlineData("P1Y", 400)]
    [InlineData("%2B999999999w", 422)]
    [InlineData("P999999999D", 422)]
    [InlineData("-36601d", 422)]
    [InlineData("-999999999d", 422)]
    [InlineData("-P99999999D", 422)]
    [InlineData("-99999999999999999999h", 422)]
    [InlineData("-P99999999999999999999D", 422)]
    [InlineData("-PT999999999999H", 422)]
    public async Task A_shift_that_cannot_be_carried_out_is_refused(string shift, int status)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(Ecs.Batch(Recording), "?timeShift=" + shift);

        Assert.Equal(["timeShift"], answer.Problem(status));
        Assert.Empty((await service.RunAsync("""{"from":"2024-01-01T00:00:00Z"}""")).Addresses);
    }

    [Theory]
    [InlineData("[{\"@timestamp\":\"2026-03-14T05:00:00Z\"}]", "%2B65m", 200)]
    [InlineData("[{\"@timestamp\":\"2026-03-14T05:00:00Z\"}]", "%2B3900001ms", 422)]
    [InlineData("[{\"@timestamp\":\"2026-03-14T05:00:00Z\"},{\"@timestamp\":\"0001-01-01T00:00:00Z\"}]", "-0s", 200)]
    [InlineData("[{\"@timestamp\":\"2026-03-14T05:00:00Z\"},{\"@timestamp\":\"0001-01-01T00:00:00Z\"}]", "-1ms", 422)]
    [InlineData("[{\"@timestamp\":\"2026-03-14T05:00:00Z\",\"event.ingested\":\"9999-12-31T23:59:59.999Z\"}]", "%2B1ms", 422)]
    [InlineData("[{\"@timestamp\":\"2026-03-14T05:00:00Z\",\"event.ingested\":\"9999-12-31T23:59:59.998Z\"}]", "%2B1ms", 200)]
    [InlineData("[{\"@timestamp\":\"2126-03-14T05:00:00Z\"}]", "now", 200)]
    [InlineData("[{\"@timestamp\":\"1026-03-14T05:00:00Z\"}]", "now", 422)]
    [InlineData("[]", "now", 200)]
    [InlineData("[{\"source.ip\":\"8.8.8.8\"}]", "now", 200)]
    public async Task Nothing_is_moved_into_the_future_or_out_of_the_calendar(string body, string shift, int status)
    {
        using var service = new TestService();

        var answer = await service.PostAsync(body, "?store=false&timeShift=" + shift);

        Assert.Equal(status, (int)answer.Status);
        if (status == 422)
        {
            Assert.Equal(["timeShift"], answer.Problem(422));
        }
    }

    [Fact]
    public async Task A_recording_can_be_replayed_again_but_the_same_shift_of_it_is_known()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Recording), "?timeShift=now");

        var sameMoment = await service.PostAsync(Ecs.Batch(Recording), "?timeShift=now");
        service.Clock.Advance(TimeSpan.FromHours(1));
        var later = await service.PostAsync(Ecs.Batch(Recording), "?timeShift=now");

        Assert.Equal((0, 2), (sameMoment.Number("accepted"), sameMoment.Number("duplicates")));
        Assert.Equal((2, 0), (later.Number("accepted"), later.Number("duplicates")));
    }

    [Fact]
    public async Task A_recording_is_replayed_again_with_another_key()
    {
        using var service = new TestService();
        await service.PostAsync(Ecs.Batch(Recording), "?timeShift=now", key: "k1");

        var otherKey = await service.PostAsync(Ecs.Batch(Recording), "?timeShift=now", key: "k2");

        Assert.Equal((2, 0), (otherKey.Number("accepted"), otherKey.Number("duplicates")));
    }

    [Fact]
    public async Task A_batch_that_is_not_replayed_says_nothing_of_a_shift()
    {
        using var service = new TestService();

        Assert.Null((await service.PostAsync(Ecs.Batch(Ecs.SignIn()))).Json!["timeShift"]);
    }

    [Fact]
    public async Task Where_documents_are_kept_their_times_move_in_whatever_form_they_have()
    {
        var batch = await Engine.ReadAsync(
            """[{"@timestamp":10000,"event.ingested":["1970-01-01T00:00:20Z"],"event":{"ingested":"20000","created":"1970-01-01T00:00:03Z","id":"1e400"},"n":1e400,"s":"\u00e9\ud83d\ude00","x":[{"@timestamp":1}],"null":null}]""",
            options: new EventReaderOptions { KeepDocuments = true });
        Assert.True(TimeShift.TryParse("+1h", out var shift));

        Assert.Null(shift.Apply(batch, TestService.Now, out _));

        var moved = Assert.Single(batch.Events);
        Assert.Equal((3_610_000, 3_620_000), (moved.Timestamp, moved.Ingested));
        Assert.Equal(
            """{"@timestamp":"1970-01-01T01:00:10Z","event.ingested":["1970-01-01T01:00:20Z"],"event":{"ingested":"1970-01-01T01:00:20Z","created":"1970-01-01T00:00:03Z","id":"1e400"},"n":1e400,"s":"\u00e9\ud83d\ude00","x":[{"@timestamp":1}],"null":null}""",
            Encoding.UTF8.GetString(moved.Document.Span));
    }
}
