using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

public sealed class EventReaderTests
{
    private const string Good = """{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"8.8.8.8"},"event":{"dataset":"o365.audit"}}""";

    /// <summary>
    /// Worked out with another program: <c>printf '_id\0d1\0logs-x\0' | sha256sum</c>. Under these ids the documents lie in a cluster, so that no later version may derive
    /// others: all that is sent again would be kept twice.
    /// </summary>
    [Theory]
    [InlineData("""{"_id":"d1","_index":"logs-x","@timestamp":"2026-03-14T05:00:00Z"}""", "2025dd218f2e08147e041d0a6f442134")]
    [InlineData("""{"kibana.alert.uuid":"u1","event.id":"e1","@timestamp":"2026-03-14T05:00:00Z"}""", "3e175c141f3803712252e638d61c3805")]
    [InlineData("""{"event":{"id":"e1","dataset":"o365.audit","kind":"event"},"@timestamp":"2026-03-14T05:00:00Z"}""", "a6dd693763dc070e8a4bba9e2d7b2d8d")]
    public async Task A_document_that_is_kept_has_the_same_identity_in_every_version(string document, string identity)
    {
        var batch = await Engine.ReadAsync($"[{document}]", options: new EventReaderOptions { KeepDocuments = true });
        Assert.Equal(identity, Assert.Single(batch.Events).Identity.ToString("x32", CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("""{"events":[],"a":t""")]
    [InlineData("""{"events":[],"a":tru""")]
    [InlineData("""{"events":[],"a":fals""")]
    [InlineData("""{"events":[],"a":nul""")]
    [InlineData("""{"events":[],"a":-""")]
    [InlineData("""{"events":[],"a":1e""")]
    [InlineData("""{"events":[],"a":"text""")]
    [InlineData("""{"events":[],"a""")]
    [InlineData("""{"events":[],""")]
    [InlineData("""tru""")]
    [InlineData("""[tru""")]
    [InlineData("""[{"a":tru""")]
    public async Task A_body_that_breaks_off_is_no_json_wherever_its_pieces_end(string body)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        for (var length = 1; length <= bytes.Length; length++)
        {
            // Pipes may end with an empty piece.
            var first = new Segment(bytes.AsMemory(0, length));
            var last = first.Append(bytes.AsMemory(length)).Append(default);
            var pieces = PipeReader.Create(new ReadOnlySequence<byte>(first, 0, last, 0));
            var (batch, refusal) = await EventBatchReader.ReadAsync(
                pieces, BatchFormat.Json, new EventReaderOptions(), TestContext.Current.CancellationToken);

            Assert.Null(batch);
            Assert.Equal(400, refusal!.Status);
            Assert.StartsWith("The body is not valid JSON", refusal.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"_id":"a\u0000b","_index":"c","@timestamp":1}""", """{"_id":"a","_index":"b\u0000c","@timestamp":1}""")]
    [InlineData("""{"event":{"id":"a\u0000b","dataset":"c"},"@timestamp":1}""", """{"event":{"id":"a","dataset":"b\u0000c"},"@timestamp":1}""")]
    [InlineData("""{"event":{"id":"a","dataset":"b\u0000"},"@timestamp":1}""", """{"event":{"id":"a","dataset":"b"},"@timestamp":1}""")]
    public async Task Two_identities_that_hold_the_separator_are_two(string one, string another)
    {
        foreach (var options in new[] { new EventReaderOptions(), new EventReaderOptions { KeepDocuments = true } })
        {
            Assert.Equal(2, (await Engine.ReadAsync($"[{one},{another}]", options: options)).Events.Select(record => record.Identity).Distinct().Count());
        }
    }

    [Theory]
    [InlineData("""{"@timestamp":1,"event.ingested":"bad"}""", "/event.ingested")]
    [InlineData("""{"@timestamp":1,"event":{"ingested":"bad"}}""", "/event/ingested")]
    [InlineData("""{"@timestamp":1,"event":[{"id":"1"},{"\u0069ngested":[null,"bad"]}]}""", "/event/1/ingested/1")]
    [InlineData("""{"@timestamp":1,"source.ip":["8.8.8.8",{}]}""", "/source.ip/1")]
    [InlineData("""{"@timestamp":1,"source":{"port":1,"ip":{}}}""", "/source/ip")]
    [InlineData("""{"@timestamp":1,"event":[{"id":"1"},{"id":"1","id":"2"}]}""", "/event/1")]
    [InlineData("""{"@timestamp":"bad"}""", "/@timestamp")]
    public async Task A_pointer_leads_to_what_is_refused_as_the_document_spells_it(string document, string pointer)
    {
        Assert.Equal(pointer, Assert.Single((await Engine.ReadAsync($"[{document}]")).Rejected).Pointer);
        Assert.Equal(pointer, Assert.Single((await Engine.ReadAsync(document + "\n", BatchFormat.NdJson)).Rejected).Pointer);
    }

    [Theory]
    [InlineData("""{"@timestamp":1,"source":{"ip":"8.8.8.8"}}""")]
    [InlineData("""{"@timestamp":1,"source.ip":"8.8.8.8"}""")]
    [InlineData("""{"@timestamp":1,"source":[{"port":1},{"ip":["8.8.8.8",null]}]}""")]
    [InlineData("""{"@timestamp":1,"source.ip":"8.8.8.8","source":{"ip":"8.8.8.8"}}""")]
    [InlineData("""{"@timestamp":1,"s\u006furce":{"\u0069p":"8.8.8.\u0038"}}""")]
    public async Task Paths_nest_are_dotted_or_both(string document) =>
        Assert.Equal("8.8.8.8", Assert.Single((await OneAsync(document)).Events[0].Addresses.ToArray()).ToString());

    [Theory]
    [InlineData("""{"@timestamp":1,"source":{},"source":{}}""", RejectionCodes.DuplicateKey)]
    [InlineData("""{"@timestamp":1,"event":{"id":"1","id":"1"}}""", RejectionCodes.DuplicateKey)]
    [InlineData("""{"@timestamp":1,"source":{"ip":{}}}""", RejectionCodes.UnexpectedType)]
    [InlineData("""{"source":{"ip":"8.8.8.8"}}""", RejectionCodes.MissingTimestamp)]
    [InlineData("""{"@timestamp":null}""", RejectionCodes.MissingTimestamp)]
    [InlineData("""{"@timestamp":[1,2]}""", RejectionCodes.InvalidTimestamp)]
    [InlineData("""{"@timestamp":true}""", RejectionCodes.InvalidTimestamp)]
    [InlineData("""{"@timestamp":1,"message":"\ud800"}""", RejectionCodes.InvalidText)]
    [InlineData("42", RejectionCodes.NotAnObject)]
    [InlineData("null", RejectionCodes.NotAnObject)]
    [InlineData("[]", RejectionCodes.NotAnObject)]
    public async Task A_bad_element_is_rejected_alone_with_its_place(string bad, string code)
    {
        var batch = await Engine.ReadAsync($"[{Good},{bad},{Good}]");
        Assert.Equal((3, 2, 1), (batch.Received, batch.Events.Count, batch.RejectedTotal));
        var rejected = Assert.Single(batch.Rejected);
        Assert.Equal((1, code), (rejected.Index, rejected.Code));
        var lines = await Engine.ReadAsync($"{Good}\n\n{bad}\n{Good}", BatchFormat.NdJson);
        rejected = Assert.Single(lines.Rejected);
        Assert.Equal((1, 3, code), (rejected.Index, rejected.Line, rejected.Code));
    }

    [Theory]
    [InlineData("\"2026\"", 1_767_225_600_000)]
    [InlineData("\"2026-03\"", 1_772_323_200_000)]
    [InlineData("\"2026-03-14\"", 1_773_446_400_000)]
    [InlineData("\"2026-03-14T06\"", 1_773_468_000_000)]
    [InlineData("\"2026-03-14T06:00Z\"", 1_773_468_000_000)]
    [InlineData("\"2026-03-14T06:00:00.9999\"", 1_773_468_000_999)]
    [InlineData("\"2026-03-14T06:00:00,5Z\"", 1_773_468_000_500)]
    [InlineData("\"2026-03-14T08:00:00+02:00\"", 1_773_468_000_000)]
    [InlineData("\"2026-03-14T00:30:00-0530\"", 1_773_468_000_000)]
    [InlineData("1773468000000", 1_773_468_000_000)]
    [InlineData("\"1773468000000\"", 1_773_468_000_000)]
    [InlineData("-1", -1)]
    public async Task A_timestamp_is_read_as_elasticsearch_reads_it(string json, long expected) =>
        Assert.Equal(expected, Assert.Single((await OneAsync($"{{\"@timestamp\":{json}}}")).Events).Timestamp);

    [Theory]
    [InlineData("\"yesterday\"")]
    [InlineData("\"\"")]
    [InlineData("\"2026-02-29\"")]
    [InlineData("\"2026-3-14\"")]
    [InlineData("\"2026-03-14 06:00:00\"")]
    [InlineData("\"2026-03-14T24:00:00Z\"")]
    [InlineData("\"2026-03-14T06:00:60Z\"")]
    [InlineData("\"2026-03-14T06:00:00.Z\"")]
    [InlineData("\"2026-03-14T06:00:00.1234567890Z\"")]
    [InlineData("\"2026-03-14T06:00:00Z \"")]
    [InlineData("\"2026-03-14T06:00:00+19:00\"")]
    [InlineData("\"99999999999999999999\"")]
    public async Task What_is_no_timestamp_is_rejected(string json) =>
        Assert.Equal(RejectionCodes.InvalidTimestamp, Assert.Single((await OneAsync($"{{\"@timestamp\":{json}}}")).Rejected).Code);

    [Fact]
    public async Task Invalid_utf8_is_rejected_alone_in_ndjson()
    {
        byte[] body = [.. Encoding.UTF8.GetBytes(Good), (byte)'\n', .. "{\"@timestamp\":1,\"message\":\""u8, 0xC3, 0x28, .. "\"}\n"u8, .. Encoding.UTF8.GetBytes(Good)];
        var (batch, refusal) = await Engine.TryReadAsync(body, BatchFormat.NdJson);
        Assert.Null(refusal);
        Assert.Equal(2, batch!.Events.Count);
        Assert.Equal(RejectionCodes.InvalidText, Assert.Single(batch.Rejected).Code);
    }

    [Theory]
    [InlineData(63, true)]
    [InlineData(64, false)]
    public async Task A_document_may_nest_as_deep_as_the_bound(int arrays, bool accepted)
    {
        var batch = await OneAsync($"{{\"@timestamp\":1,\"x\":{new string('[', arrays)}{new string(']', arrays)}}}");
        Assert.Equal(accepted ? [] : new[] { RejectionCodes.TooDeep }, batch.Rejected.Select(rejected => rejected.Code));
    }

    [Fact]
    public async Task Byte_order_mark_carriage_returns_blank_lines_and_a_missing_last_newline_do_not_matter()
    {
        var batch = await Engine.ReadAsync($"\uFEFF\r\n{Good}\r\n \t\r\n{Good}", BatchFormat.NdJson);
        Assert.Equal((2, 0), (batch.Events.Count, batch.RejectedTotal));
        Assert.Equal(2, (await Engine.ReadAsync($"\uFEFF [{Good},\r\n{Good}]\r\n")).Events.Count);
    }

    [Theory]
    [InlineData(BatchFormat.Json)]
    [InlineData(BatchFormat.NdJson)]
    public async Task A_body_read_byte_by_byte_gives_the_same_batch(BatchFormat format)
    {
        const string Odd = """{"@timestamp":"2026-03-14","message":"Zürich 🔒 \ud83d\udd12","x":[{"y":[]}]}""";
        var body = Encoding.UTF8.GetBytes(format == BatchFormat.Json ? $"{{\"a\":[1],\"events\":[{Good},42,{Odd}],\"b\":{{}}}}" : $"{Good}\r\n42\n{Odd}");
        var whole = (await Engine.TryReadAsync(body, format)).Batch!;
        for (var step = 0; step <= body.Length; step++)
        {
            // Step 0 is byte by byte, every other one cuts the body once.
            var (batch, refusal) = await EventBatchReader.ReadAsync(
                PipeReader.Create(new Pieces(body, step)), format, new EventReaderOptions(), TestContext.Current.CancellationToken);
            Assert.Null(refusal);
            Assert.Equal(Shown(whole), Shown(batch!));
        }

        static string Shown(EventBatch batch) => string.Join('\n', batch.Events.Select(record =>
            $"{record.Position} {record.Timestamp} {record.Classification} {Convert.ToHexString(record.Traits.Fields)} {Convert.ToHexString(record.Payload.Span)}").Concat(batch.Rejected.Select(r => $"{r}")));
    }

    [Fact]
    public async Task Lines_read_by_several_readers_come_out_as_those_read_by_one()
    {
        string[] lines =
        [
            Good, Good.Replace("success", "failure", StringComparison.Ordinal), "", "{broken", """{"@timestamp":"x"}""", """{"index":{"_id":"1"}}""", """{"delete":{"_id":"1"}}""", """{"update":{"_id":"1"}}""",
            """{"hits":{"hits":[{"_id":"a","_source":{"@timestamp":"2026-03-14"}},{"_id":"b","_source":{"x":1}}]}}""", $"{{\"x\":\"{new string('y', 3000)}\"}}", "\r", "[]", "\"text\"",
        ];
        var random = new Random(5);
        for (var round = 0; round < 400; round++)
        {
            // Bodies with actions and bodies without, which several readers take to their end.
            var chosen = Enumerable.Range(0, random.Next(1, 200)).Select(_ => lines[random.Next(lines.Length)]).Where(line => round % 2 == 0 || !line.Contains("_id", StringComparison.Ordinal));
            var body = Encoding.UTF8.GetBytes(string.Join('\n', chosen) + (random.Next(2) == 0 ? "\n" : ""));
            var (expected, expectedRefusal) = await EventBatchReader.ReadAsync(PipeReader.Create(new MemoryStream(body)), BatchFormat.NdJson, new EventReaderOptions { MaxEventBytes = 2000, Readers = 1 }, 1, TestContext.Current.CancellationToken);
            var (batch, refusal) = await EventBatchReader.ReadAsync(
                PipeReader.Create(new MemoryStream(body), new StreamPipeReaderOptions(bufferSize: random.Next(1, 5000))), BatchFormat.NdJson, new EventReaderOptions { MaxEventBytes = 2000, Readers = random.Next(2, 9) }, random.Next(1, 4000), TestContext.Current.CancellationToken);
            Assert.Equal(expectedRefusal, refusal);
            if (expected is null)
            {
                continue;
            }

            Assert.Equal(expected.Events.Select(Shown), batch!.Events.Select(Shown));
            Assert.Equal(expected.Rejected, batch.Rejected);
            Assert.Equal(expected.LatestRejected, batch.LatestRejected);
            Assert.Equal(expected.Shapes, batch.Shapes);
            Assert.Equal(
                (expected.Received, expected.RejectedTotal, expected.MalformedTotal, expected.HasEnvelopes, expected.IncompleteEnvelopes),
                (batch.Received, batch.RejectedTotal, batch.MalformedTotal, batch.HasEnvelopes, batch.IncompleteEnvelopes));
        }

        static string Shown(EventRecord record) =>
            $"{record.Position} {record.Timestamp} {record.Classification} {record.Identity} {Convert.ToHexString(record.Traits.Fields)} {Convert.ToHexString(record.Payload.Span)}";
    }

    [Fact]
    public async Task An_overlong_event_is_rejected_alone()
    {
        var options = new EventReaderOptions { MaxEventBytes = 1024 };
        var tooLong = $"{{\"@timestamp\":1,\"message\":\"{new string('x', 3_000)}\"}}";
        var array = await Engine.ReadAsync($"[{Good},{tooLong},{Good}]", options: options);
        Assert.Equal((2, 1, RejectionCodes.TooLarge), (array.Events.Count, array.Rejected[0].Index, array.Rejected[0].Code));
        var lines = await Engine.ReadAsync($"{Good}\n{tooLong}\n{Good}\n", BatchFormat.NdJson, options);
        Assert.Equal((2, 2, RejectionCodes.TooLarge), (lines.Events.Count, lines.Rejected[0].Line, lines.Rejected[0].Code));
    }

    [Fact]
    public async Task The_action_of_an_overlong_document_does_not_name_the_next_one()
    {
        var options = new EventReaderOptions { MaxEventBytes = 1024, KeepDocuments = true };
        var tooLong = $"{{\"@timestamp\":1,\"message\":\"{new string('x', 3_000)}\"}}";

        var lines = await Engine.ReadAsync($"{{\"index\":{{\"_index\":\"x\",\"_id\":\"1\"}}}}\n{tooLong}\n{Good}\n", BatchFormat.NdJson, options);

        Assert.Equal(Good, Encoding.UTF8.GetString(Assert.Single(lines.Events).Document.Span));
    }

    [Theory]
    [InlineData("\"message\": \"TEXT\"")]
    [InlineData("\"message\" :\n\t\"TEXT\",\"x\":[1,{}]")]
    [InlineData("\"message\":{\"x\":[\"TEXT\",\"TEXT\"]}")]
    [InlineData("\"message\":\"TEXT\",\"other\":\"TEXT\"")]
    public async Task A_text_of_any_length_is_passed_over_in_whatever_pieces_it_arrives(string members)
    {
        var options = new EventReaderOptions { MaxEventBytes = 256 };
        var text = string.Concat(Enumerable.Repeat("]} \\\" \\\\ \\u00Fc \\n, ü", 300));
        var tooLong = "{\"@timestamp\":1," + members.Replace("TEXT", text, StringComparison.Ordinal) + "}";
        var body = Encoding.UTF8.GetBytes($"[{Good},{tooLong},{Good}]");
        foreach (var size in new[] { 1, 7, 64, 300, body.Length })
        {
            var (batch, refusal) = await ReadInPiecesAsync(body, size, options);

            Assert.Null(refusal);
            Assert.Equal((3, 2, 1, RejectionCodes.TooLarge), (batch!.Received, batch.Events.Count, Assert.Single(batch.Rejected).Index, batch.Rejected[0].Code));
        }
    }

    [Theory]
    [InlineData("TEXT\n\"}]")]
    [InlineData("TEXT\0\"}]")]
    [InlineData("TEXT")]
    [InlineData("TEXT\\")]
    [InlineData("TEXT\"")]
    [InlineData("TEXT\" \"x\"}]")]
    [InlineData("TEXT\\q\"}]")]
    [InlineData("TEXT\\u12g4\"}]")]
    [InlineData("TEXT\"]")]
    public async Task A_body_that_breaks_within_or_behind_a_long_text_is_no_json(string rest)
    {
        var body = Encoding.UTF8.GetBytes($"[{Good},{{\"@timestamp\":1,\"message\":\"" + rest.Replace("TEXT", new string('x', 5_000), StringComparison.Ordinal));
        foreach (var size in new[] { 1, 64, 300, body.Length })
        {
            Assert.Equal(400, (await ReadInPiecesAsync(body, size, new EventReaderOptions { MaxEventBytes = 256 })).Refusal?.Status);
        }
    }

    [Theory]
    [InlineData(1024, "\n", 2)]
    [InlineData(1024, "\r\n", 2)]
    [InlineData(1024, "\r\r\n", 1)]
    [InlineData(1025, "\n", 1)]
    [InlineData(1025, "\r\n", 1)]
    public async Task What_ends_a_line_is_no_part_of_its_length(int length, string end, int accepted)
    {
        var options = new EventReaderOptions { MaxEventBytes = 1024 };
        var line = $"{{\"@timestamp\":1,\"message\":\"{new string('x', length - 29)}\"}}";
        Assert.Equal(length, line.Length);
        var text = Encoding.UTF8.GetBytes(Good + end + line + end);

        foreach (var step in new[] { 1, 100, text.Length })
        {
            var (batch, _) = await EventBatchReader.ReadAsync(
                PipeReader.Create(new Pieces(text, step)), BatchFormat.NdJson, options, TestContext.Current.CancellationToken);
            Assert.Equal(accepted, batch!.Events.Count);
        }
    }

    [Theory]
    [InlineData("", BatchFormat.Json)]
    [InlineData("42", BatchFormat.Json)]
    [InlineData("[" + Good, BatchFormat.Json)]
    [InlineData("[" + Good + "]]", BatchFormat.Json)]
    [InlineData("[" + Good + ",]", BatchFormat.Json)]
    [InlineData("{\"events\":[" + Good + "]", BatchFormat.Json)]
    [InlineData("{\"events\":[" + Good + "],\"events\":[]}", BatchFormat.Json)]
    [InlineData("", BatchFormat.NdJson)]
    [InlineData("nonsense\n{", BatchFormat.NdJson)]
    public async Task A_body_that_is_not_whole_json_is_refused(string body, BatchFormat format) =>
        Assert.Equal(400, (await Engine.TryReadAsync(body, format)).Refusal?.Status);

    [Fact]
    public async Task Beyond_the_bounds_of_a_body_it_is_refused_as_too_large()
    {
        var body = $"[{Good},{Good},{Good}]";
        Assert.Equal(413, (await Engine.TryReadAsync(body, options: new EventReaderOptions { MaxEvents = 2 })).Refusal?.Status);
        Assert.Equal(413, (await Engine.TryReadAsync(body, options: new EventReaderOptions { MaxBodyBytes = body.Length - 1 })).Refusal?.Status);
        Assert.Null((await Engine.TryReadAsync(body, options: new EventReaderOptions { MaxEvents = 3, MaxBodyBytes = body.Length })).Refusal);
    }

    [Fact]
    public void What_is_no_json_is_never_accepted()
    {
        var random = new Random(11);
        var reader = new EventReader(new EventReaderOptions());
        var (valid, bytes) = (0, Encoding.UTF8.GetBytes("""{"@timestamp":"2026-03-14","source":{"ip":["8.8.8.8",-1.5e3]},"x":[true,null,{"y":"\u00e9ü"}],"event.id":"1"}"""));
        for (var i = 0; i < 20_000; i++)
        {
            var mutated = bytes.ToArray();
            for (var n = random.Next(1, 3); n > 0; n--)
            {
                mutated[random.Next(mutated.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"{}[]\",:\\0e-+. "[random.Next(14)];
            }

            var rejected = reader.Read(mutated, 0, null, out _);
            var isJson = IsJson(mutated);
            valid += isJson ? 1 : 0;
            Assert.True(
                isJson ? rejected?.Code != RejectionCodes.MalformedJson : rejected is not null,
                $"JSON: {isJson}, reader: {rejected?.Code ?? "accepted"}: {Convert.ToBase64String(mutated)}");
        }

        Assert.InRange(valid, 2_000, 18_000);
    }

    private static bool IsJson(byte[] utf8)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static async Task<(EventBatch? Batch, BodyRefusal? Refusal)> ReadInPiecesAsync(byte[] body, int size, EventReaderOptions options)
    {
        var pipe = new Pipe(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0));
        var reading = EventBatchReader.ReadAsync(pipe.Reader, BatchFormat.Json, options, TestContext.Current.CancellationToken);
        for (var at = 0; at < body.Length && !reading.IsCompleted; at += size)
        {
            await pipe.Writer.WriteAsync(body.AsMemory(at, Math.Min(size, body.Length - at)), TestContext.Current.CancellationToken);
        }

        await pipe.Writer.CompleteAsync();
        return await reading;
    }

    private static Task<EventBatch> OneAsync(string document) => Engine.ReadAsync($"[{document}]");

    /// <summary>Hands out a body in two pieces cut at a place, or byte by byte.</summary>
    private sealed class Pieces(byte[] body, int cut) : MemoryStream(body)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var most = cut == 0 ? 1 : Position < cut ? cut - (int)Position : int.MaxValue;
            return base.ReadAsync(buffer[..Math.Min(most, buffer.Length)], cancellationToken);
        }
    }

    [Theory]
    [InlineData("source.as.number", "\"AS15169\"", "15169")]
    [InlineData("azure.signinlogs.properties.device_detail.is_compliant", "\"unknown\"", "false")]
    [InlineData("azure.signinlogs.properties.device_detail.is_managed", "\"\"", "true")]
    [InlineData("azure.signinlogs.properties.is_interactive", "\"unknown\"", "true")]
    [InlineData("azure.signinlogs.properties.applied_conditional_access_policies.display_name", "\"\"", "\"Require MFA\"")]
    [InlineData("o365.audit.ExternalAccess", "\"unknown\"", "true")]
    [InlineData("o365.audit.OperationCount", "\"many\"", "3")]
    public async Task What_cannot_be_read_leaves_no_empty_object(string field, string unreadable, string readable)
    {
        Assert.Empty(FactsOf(await ShownAsync(unreadable)));
        Assert.Single(FactsOf(await ShownAsync(readable)));

        async Task<EventDocument> ShownAsync(string value) => EventDocument.From(
            (await OneAsync($$"""{"@timestamp":1,"event.provider":"Exchange","{{field}}":{{value}}}""")).Events[0], Engine.Revision());

        static IEnumerable<object> FactsOf(EventDocument shown) =>
            new object?[] { shown.User, shown.Device, shown.Geo, shown.As, shown.SignIn, shown.Mail, shown.Network }.OfType<object>();
    }

    [Theory]
    [InlineData("logs-azure.signinlogs-default", "azure.signinlogs")]
    [InlineData("logs-o365.audit-tenant-1", "o365.audit")]
    [InlineData(".ds-logs-azure.signinlogs-default-2026.01.01-000001", "azure.signinlogs")]
    [InlineData("eu-west:.ds-logs-o365.audit-default-2026.01.01-000001", "o365.audit")]
    [InlineData("eu-west:logs-o365.audit-default", "o365.audit")]
    [InlineData("partial-.ds-logs-o365.audit-default-2026.01.01-000001", "o365.audit")]
    [InlineData("restored-.ds-logs-o365.audit-default-2026.01.01-000001", "o365.audit")]
    [InlineData("shrink-a1b2-.ds-logs-azure.signinlogs-default-2026.01.01-000001", "azure.signinlogs")]
    [InlineData("eu-west:partial-shrink-a1b2-.ds-logs-azure.signinlogs-default-2026.01.01-000001", "azure.signinlogs")]
    [InlineData(".migrated-ds-logs-azure.signinlogs-default-2026.01.01-000001", "azure.signinlogs")]
    [InlineData("logs-azure.signinlogs", null)]
    [InlineData("logs-azure.auditlogs-default", null)]
    [InlineData("my-logs-o365.audit-default", null)]
    [InlineData("shrink-abcd", null)]
    [InlineData(".ds-metrics-o365.audit-default-2026.01.01-000001", null)]
    [InlineData("", null)]
    public void The_stream_behind_an_index_tells_the_dataset(string index, string? dataset) => Assert.Equal(dataset, EventReader.PresetDataset(index));

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory) => Memory = memory;

        public Segment Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
