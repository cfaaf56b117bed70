using System.IO.Pipelines;
using System.Text;
using SuspiciousSignin.Events;
using SuspiciousSignin.Formats;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Formats;

public sealed class EnvelopeTests
{
    private const string Ok = """{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"8.8.8.8"},"event":{"dataset":"o365.audit"}}""";

    [Theory]
    [InlineData("""{"records":[E,E]}""", 2)]
    [InlineData("""{"records":[]}""", 0)]
    [InlineData("""{"x":{"records":[1]},"records":[E],"more":[1,{"events":[]}]}""", 1)]
    [InlineData("""{"@odata.context":"c","@odata.nextLink":"n","value":[E,E,E]}""", 3)]
    [InlineData("""{"value":[E],"@odata.context":"c"}""", 1)]
    [InlineData("""{"took":1,"timed_out":false,"_shards":{"total":1},"hits":{"total":{"value":2},"max_score":null,"hits":[{"_index":"i","_id":"1","_source":E},{"_index":"i","_id":"2","_source":E}]},"aggregations":{}}""", 2)]
    [InlineData("""{"hits":{"hits":[]}}""", 0)]
    [InlineData("""{"_index":"i","_id":"1","_score":1.0,"_source":E,"sort":[1]}""", 1)]
    [InlineData("""{"_index":"i","_id":"1","fields":{"@timestamp":["2026-03-14T05:00:00Z"],"source.ip":["8.8.8.8"],"event.dataset":["o365.audit"]}}""", 1)]
    [InlineData("""{"o365audit":{"CreationTime":"2026-03-14T05:00:00","RecordType":50}}""", 1)]
    [InlineData("""{"CreationDate":"2026-03-14T05:00:00","UserIds":"u","Operations":"MailItemsAccessed","RecordType":50,"AuditData":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50,\"ClientIP\":\"8.8.8.8\"}"}""", 1)]
    [InlineData("""{"RecordType":50,"AuditData":{"CreationTime":"2026-03-14T05:00:00","RecordType":50}}""", 1)]
    [InlineData("""[E,[E,E],{"records":[E,{"records":[E]}]}]""", 5)]
    public async Task An_envelope_is_opened_wherever_it_stands(string envelope, int events)
    {
        var body = envelope.Replace("E", Ok, StringComparison.Ordinal);
        foreach (var (text, format) in new[] { (body, BatchFormat.Json), (body + "\n", BatchFormat.NdJson), ($"{body}\r\n\r\n{Ok}\n", BatchFormat.NdJson), ($"[{body},{Ok}]", BatchFormat.Json) })
        {
            var batch = await Engine.ReadAsync(text, format);
            var others = text == body || text == body + "\n" ? 0 : 1;
            Assert.Empty(batch.Rejected);
            Assert.Equal((events + others, events + others), (batch.Received, batch.Events.Count));
            Assert.Equal(Enumerable.Range(0, events + others), batch.Events.Select(record => record.Position));
        }
    }

    [Fact]
    public async Task A_hit_gives_its_document_the_identity()
    {
        var batch = await Engine.ReadAsync($$$"""
            {"hits":{"hits":[{"_index":"i","_id":"1","_source":{{{Ok}}}},{"_index":"i","_id":"2","_source":{{{Ok}}}},{"_index":"i","_id":"1","_source":{{{Ok}}}},{"_index":"i","_id":"1","_source":{{{Raw.Zeek}}}}]}}
            """);

        Assert.Equal(2, batch.Events.Select(record => record.Identity).Distinct().Count());
        Assert.Equal(batch.Events[0].Identity, batch.Events[2].Identity);
        Assert.Equal(batch.Events[0].Identity, batch.Events[3].Identity);
        var plain = await Engine.ReadAsync("[" + "{\"_id\":\"1\",\"_index\":\"i\"," + Ok[1..] + "]");
        Assert.Equal(batch.Events[0].Identity, plain.Events[0].Identity);
    }

    [Theory]
    [InlineData("{\"create\":{\"_index\":\"i\",\"_id\":\"m\"}}\n{\"records\":[R]}\n", BatchFormat.NdJson)]
    [InlineData("[{\"_index\":\"i\",\"_id\":\"m\",\"_source\":{\"records\":[R]}}]", BatchFormat.Json)]
    [InlineData("[{\"_index\":\"i\",\"_id\":\"m\",\"_source\":{\"events\":[R]}}]", BatchFormat.Json)]
    public async Task What_names_a_message_of_several_records_names_none_of_them(string message, BatchFormat format)
    {
        var named = Ok.Replace("\"dataset\"", "\"id\":\"1\",\"dataset\"", StringComparison.Ordinal);
        var batch = await Engine.ReadAsync(message.Replace("R", $"{named},{Ok},{Ok}", StringComparison.Ordinal), format);

        Assert.Empty(batch.Rejected);
        Assert.Equal((await Engine.ReadAsync($"[{named}]")).Events[0].Identity, batch.Events[0].Identity);
        Assert.Equal([0, 0], batch.Events.Skip(1).Select(record => record.Identity));
    }

    [Theory]
    [InlineData("""{"_id":"1","_index":"i",R""")]
    [InlineData("""{"_id":"1","_index":"i","o365audit":{R}""")]
    [InlineData("""{"_id":"1","_index":"i","AuditData":{R}""")]
    [InlineData("""{"_id":"1","_index":"i","_source":{"_id":"2","AuditData":{R}}""")]
    public async Task A_raw_record_is_known_by_the_id_that_it_came_with_as_any_other_document(string record)
    {
        const string Record = "\"Id\":\"same\",\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50,\"ClientIP\":\"8.8.8.8\"}";
        var first = record.Replace("R", Record, StringComparison.Ordinal);
        var second = first.Replace("\"_id\":\"1\"", "\"_id\":\"3\"", StringComparison.Ordinal);

        var batch = await Engine.ReadAsync($$"""[{{first}},{{second}},{"_id":"1","_index":"i","@timestamp":1}]""");

        Assert.Empty(batch.Rejected);
        Assert.NotEqual(batch.Events[0].Identity, batch.Events[1].Identity);
        Assert.Equal(batch.Events[2].Identity, batch.Events[0].Identity);
    }

    [Fact]
    public async Task The_action_of_a_bulk_dump_names_a_hit_before_the_hit_does()
    {
        var batch = await Engine.ReadAsync(
            $"{{\"create\":{{\"_index\":\"i\",\"_id\":\"1\"}}}}\n{{\"_id\":\"2\",\"_source\":{Ok}}}\n{{\"_id\":\"1\",\"_index\":\"i\",{Ok[1..]}\n", BatchFormat.NdJson);

        Assert.Equal(batch.Events[1].Identity, batch.Events[0].Identity);
    }

    [Theory]
    [InlineData("records")]
    [InlineData("events")]
    [InlineData("hits\":{\"hits")]
    public async Task A_single_event_with_an_empty_list_before_its_time_is_an_event(string list)
    {
        var close = list.Contains(':', StringComparison.Ordinal) ? "}" : "";
        var body = $$"""{"{{list}}":[]{{close}},"@timestamp":"2026-03-14T05:00:00Z","message":"x"}""";
        foreach (var (text, format) in new[] { (body, BatchFormat.Json), ($"[{body}]", BatchFormat.Json), (body + "\n", BatchFormat.NdJson) })
        {
            var batch = await Engine.ReadAsync(text, format);
            Assert.Equal((1, 1), (batch.Received, batch.Events.Count));
        }
    }

    [Fact]
    public async Task A_bulk_dump_is_read_in_pairs_of_lines()
    {
        var batch = await Engine.ReadAsync(
            $$$"""
            {"index":{"_index":"i","_id":"1"}}
            {{{Ok}}}

            { "create" : {} }
            {{{Raw.Mail.Trim()}}}
            {"delete":{"_index":"i","_id":"1"}}
            {"update":{"_index":"i","_id":"1"}}
            {"doc":{"x":1}}
            {{{Ok}}}
            {"index":{"_index":"i","_id":"1"}}
            {{{Ok}}}
            {"index":{}}
            """,
            BatchFormat.NdJson);

        Assert.Equal((7, 4), (batch.Received, batch.Events.Count));
        Assert.Equal(batch.Events[0].Identity, batch.Events[3].Identity);
        Assert.Equal((UInt128)0, batch.Events[2].Identity);
        Assert.Equal(
            [(2, 6, "unsupportedAction"), (3, 8, "unsupportedAction"), (6, 12, "unknownShape")],
            batch.Rejected.Select(rejected => (rejected.Index, rejected.Line!.Value, rejected.Code)));
    }

    [Fact]
    public async Task A_document_whose_first_member_is_named_like_an_action_is_a_document()
    {
        var batch = await Engine.ReadAsync($$"""{"index":{"name":"x"},{{Ok[1..]}}""" + "\n" + """{"create":{"by":"me"}}""" + "\n" + Ok, BatchFormat.NdJson);

        Assert.Equal((3, 2), (batch.Received, batch.Events.Count));
        Assert.Equal("unknownShape", Assert.Single(batch.Rejected).Code);
    }

    [Fact]
    public async Task A_bad_event_in_an_envelope_is_rejected_alone_with_its_index_line_and_pointer()
    {
        var batch = await Engine.ReadAsync(
            $$"""
            {{Ok}}
            {"records":[{{Ok}},42,{"foo":1},{"CreationTime":"x","RecordType":1},{{Ok}}]}
            {"AuditData":"no record"}
            {"AuditData":"{\"CreationTime\":\"x\",\"RecordType\":1}"}
            """,
            BatchFormat.NdJson);

        Assert.Equal((8, 3), (batch.Received, batch.Events.Count));
        Assert.Equal(
            [(2, 2, "", "notAnObject"), (3, 2, "", "unknownShape"), (4, 2, "/CreationTime", "invalidTimestamp"), (6, 3, "/AuditData", "unexpectedType"), (7, 4, "/AuditData/CreationTime", "invalidTimestamp")],
            batch.Rejected.Select(rejected => (rejected.Index, rejected.Line!.Value, rejected.Pointer, rejected.Code)));
    }

    [Theory]
    [InlineData("""{"records":[E],"records":[E]}""")]
    [InlineData("""{"records":[E],"events":[E]}""")]
    [InlineData("""{"@odata.context":"c","value":[E],"value":[E]}""")]
    [InlineData("""{"hits":{"hits":[E],"hits":[E]}}""")]
    [InlineData("""{"events":[E],"hits":{"hits":[E]}}""")]
    [InlineData("""{"records":[E],"@odata.context":"c","value":[E]}""")]
    [InlineData("""{"@odata.context":"c","value":[E],"hits":{"hits":[E]}}""")]
    [InlineData("""{"hits":{"hits":[E]},"@odata.context":"c","value":[E]}""")]
    [InlineData("""{"records":[],"events":[E]}""")]
    [InlineData("""{"records":[E]""")]
    public async Task A_body_whose_events_would_be_lost_is_refused(string body) =>
        Assert.Equal(400, (await Engine.TryReadAsync(body.Replace("E", Ok, StringComparison.Ordinal))).Refusal?.Status);

    [Theory]
    [InlineData("""{"records":[E],"records":[]}""")]
    [InlineData("""{"records":[E],"events":[E]}""")]
    [InlineData("""{"hits":{"hits":[E],"hits":[E]}}""")]
    [InlineData("""{"@odata.context":"c","value":[E],"records":[E]}""")]
    [InlineData("""{"hits":{"hits":[E]},"events":[E]}""")]
    public async Task An_envelope_in_a_line_that_has_its_events_twice_is_rejected(string envelope) => Assert.Equal(
        "duplicateKey",
        Assert.Single((await Engine.ReadAsync(envelope.Replace("E", Ok, StringComparison.Ordinal) + "\n" + Ok, BatchFormat.NdJson)).Rejected).Code);

    [Fact]
    public async Task The_bounds_hold_for_what_an_envelope_holds()
    {
        var three = $$"""{"records":[{{Ok}},{{Ok}},{{Ok}}]}""";
        Assert.Equal(413, (await Engine.TryReadAsync(three, options: new EventReaderOptions { MaxEvents = 2 })).Refusal?.Status);
        Assert.Equal(413, (await Engine.TryReadAsync(three, BatchFormat.NdJson, new EventReaderOptions { MaxEvents = 2 })).Refusal?.Status);
        Assert.Equal(413, (await Engine.TryReadAsync($"[[{three}]]", options: new EventReaderOptions { MaxEvents = 2 })).Refusal?.Status);
        Assert.Null((await Engine.TryReadAsync($"[[{three}]]", options: new EventReaderOptions { MaxEvents = 3 })).Refusal);

        // A line is bounded as a whole; a body is not, for it is read event by event.
        var many = $"{{\"records\":[{string.Join(',', Enumerable.Repeat(Ok, 20))},{{\"x\":\"{new string('x', 2000)}\"}}]}}";
        var options = new EventReaderOptions { MaxEventBytes = 1024 };
        Assert.Equal((21, 20), await CountsAsync(many, BatchFormat.Json, options));
        Assert.Equal((2, 1), await CountsAsync(many + "\n" + Ok, BatchFormat.NdJson, options));

        var deep = $$"""{"records":[{"CreationTime":"2026-03-14T05:00:00","RecordType":1,"x":{{new string('[', 63)}}{{new string(']', 63)}}}]}""";
        Assert.Equal((1, 1), await CountsAsync(deep, BatchFormat.NdJson, new EventReaderOptions()));
        Assert.Equal((1, 0), await CountsAsync(deep.Replace("[]", "[[]]", StringComparison.Ordinal), BatchFormat.NdJson, new EventReaderOptions()));
    }

    [Fact]
    public async Task A_large_envelope_is_read_as_it_arrives()
    {
        // Far longer than a single event may be, in pieces, with what other members it has before and after.
        var body = new StringBuilder("{\"meta\":{\"a\":[1,2]},\"records\":[");
        for (var i = 0; i < 100_000; i++)
        {
            body.Append(i == 0 ? "" : ",").Append(Ok);
        }

        body.Append("],\"end\":true}");
        var batch = await Engine.ReadAsync(body.ToString(), options: new EventReaderOptions { MaxEventBytes = 1024 });

        Assert.Equal((100_000, 100_000), (batch.Received, batch.Events.Count));
    }

    [Fact]
    public async Task A_page_of_graph_whose_context_comes_late_is_bounded_as_one_event_however_it_arrives()
    {
        var body = Encoding.UTF8.GetBytes($$"""{"value":[{{Ok}},{{Ok}}],"@odata.context":"c","x":1}""");
        for (var cut = body.Length - 12; cut < body.Length; cut++)
        {
            var pipe = new Pipe();
            await pipe.Writer.WriteAsync(body.AsMemory(0, cut), TestContext.Current.CancellationToken);
            var reading = EventBatchReader.ReadAsync(pipe.Reader, BatchFormat.Json, new EventReaderOptions { MaxEventBytes = body.Length - 1 }, TestContext.Current.CancellationToken);
            await pipe.Writer.WriteAsync(body.AsMemory(cut), TestContext.Current.CancellationToken);
            await pipe.Writer.CompleteAsync();

            Assert.Equal("tooLarge", Assert.Single((await reading).Batch!.Rejected).Code);
        }
    }

    [Fact]
    public async Task Each_envelope_that_says_there_is_more_counts()
    {
        using var service = new TestService();
        const string Envelope = """{"timed_out":true,"hits":{"hits":[{"_id":"1","_index":"i","_source":""" + Ok + "}]}}";

        var answer = await service.PostAsync($"{Envelope}\n{Ok}\n{Envelope}\n", type: "application/x-ndjson");

        Assert.Equal(2, (int)answer.Json!["warnings"]!.AsArray().Single(warning => (string?)warning!["code"] == "incompleteEnvelope")!["count"]!);
    }

    [Theory]
    [InlineData("""{"a":{"b":[1]},"records":[E,{"AuditData":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"},42],"c":[]}""")]
    [InlineData("""{"took":1,"hits":{"total":{"value":1},"hits":[{"_id":"1","_source":E}],"x":[1]},"y":{"hits":[]}}""")]
    [InlineData("""{"@odata.context":"c","value":[E]}""")]
    public async Task An_envelope_read_in_two_pieces_gives_the_same_batch(string envelope)
    {
        var body = Encoding.UTF8.GetBytes(envelope.Replace("E", Ok, StringComparison.Ordinal));
        var whole = (await Engine.TryReadAsync(body)).Batch!;
        for (var cut = 1; cut < body.Length; cut++)
        {
            var pipe = new Pipe();
            await pipe.Writer.WriteAsync(body.AsMemory(0, cut), TestContext.Current.CancellationToken);
            var reading = EventBatchReader.ReadAsync(pipe.Reader, BatchFormat.Json, new EventReaderOptions(), TestContext.Current.CancellationToken);
            await pipe.Writer.WriteAsync(body.AsMemory(cut), TestContext.Current.CancellationToken);
            await pipe.Writer.CompleteAsync();
            var (batch, refusal) = await reading;
            Assert.Null(refusal);
            Assert.Equal((whole.Received, whole.Events.Count, whole.RejectedTotal), (batch!.Received, batch.Events.Count, batch.RejectedTotal));
        }
    }

    [Fact]
    public async Task Hostile_raw_records_get_a_clear_answer_each()
    {
        const string Head = "{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50,\"Operation\":\"MailItemsAccessed\",";
        var wide = string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"f{i}\":{i}"));
        var rows = new (string Record, string? Code)[]
        {
            (Head + "\"ClientIPAddress\":\"8.8.8.8\"}", null),
            (Head + wide + "}", null),
            (Head + $"\"x\":\"{new string('x', 900_000)}\"}}", null),
            (Head + $"\"x\":\"{new string('x', 2_000_000)}\"}}", "tooLarge"),
            (Head + $"\"x\":{new string('[', 63)}{new string(']', 63)}}}", null),
            (Head + $"\"x\":{new string('[', 64)}{new string(']', 64)}}}", "tooDeep"),
            (Head + $"\"x\":{new string('[', 10_000)}{new string(']', 10_000)}}}", "tooDeep"),
            (Head + "\"UserId\":\"a\",\"UserId\":\"b\"}", "duplicateKey"),
            (Head + "\"x\":{\"y\":1,\"y\":2}}", "duplicateKey"),
            ("{\"category\":\"SignInLogs\",\"Category\":\"AuditLogs\",\"time\":\"2026-03-14T05:00:00Z\"}", "duplicateKey"),
            (Head + "\"UserId\":\"\\ud800\"}", "invalidText"),
            (Head + "\"x\":[\"\\udc00\"]}", "invalidText"),
            (Head + "\"UserId\":\"\\u0000\\r\\n\\u001b[31m=cmd|x\"}", null),
            (Head + "\"OperationCount\":1e400}", null),
            ("{\"ts\":1e400,\"note\":\"x\"}", "invalidTimestamp"),
            ("{\"ts\":-1e30,\"note\":\"x\"}", "invalidTimestamp"),
            ("{\"category\":\"\\ud800\",\"foo\":1}", "invalidText"),
            ("{\"AuditData\":\"\\ud800\"}", "invalidText"),
            ("{\"category\":\"SignInLogs\",\"time\":\"2026-03-14T05:00:00Z\",\"durationMs\":1e400,\"properties\":{\"status\":{\"errorCode\":1e400}}}", null),
            ("{\"event_type\":\"alert\",\"src_ip\":[\"8.8.8.8\"],\"timestamp\":\"2026-03-14T05:00:00Z\",\"alert\":\"none\"}", null),
            ("{\"category\":\"SignInLogs\",\"time\":\"2026-03-14T05:00:00Z\",\"properties\":[1]}", null),
            (string.Concat(Enumerable.Repeat("{\"records\":[", 20)) + Ok + string.Concat(Enumerable.Repeat("]}", 20)), "tooDeep"),
        };
        using var service = new TestService();
        foreach (var (record, code) in rows)
        {
            foreach (var (body, type, received) in new[] { ($"[{record},{Ok}]", "application/json", 2), ($"\uFEFF{record}\r\n{Ok}\r\n", "application/x-ndjson", 2), ($"{{\"records\":[{record},{Ok}]}}", "application/json", 2) })
            {
                var answer = await service.PostAsync(body, "?store=false", type);
                Assert.Equal(200, (int)answer.Status);
                Assert.Equal(received, answer.Number("received"));
                Assert.Equal(code, (string?)answer.Json!["rejected"]!.AsArray().FirstOrDefault()?["code"]);
            }
        }

        // A string of 10 MB is passed over, and never held.
        var huge = Head + $"\"x\":\"{new string('x', 10_000_000)}\"}}";
        Assert.Equal("tooLarge", (string?)(await service.PostAsync(huge + "\n" + Ok, "?store=false", "application/x-ndjson")).Json!["rejected"]![0]!["code"]);
        Assert.Equal("tooLarge", (string?)(await service.PostAsync($"[{huge}]", "?store=false")).Json!["rejected"]![0]!["code"]);
        (await service.PostAsync("[" + Head + "\"x\":NaN}]")).Problem(400);
        Assert.Equal("malformedJson", (string?)(await service.PostAsync(Head + "\"x\":NaN}\n" + Ok, type: "application/x-ndjson")).Json!["rejected"]![0]!["code"]);
    }

    [Theory]
    [InlineData("""{"@odata.context":"c","@odata.nextLink":"n","value":[E]}""", 1)]
    [InlineData("""{"@odata.context":"c","value":[E],"@odata.nextLink":"n"}""", 1)]
    [InlineData("""{"took":1,"timed_out":true,"hits":{"hits":[E]}}""", 1)]
    [InlineData("""{"took":1,"timed_out":false,"_shards":{"total":2,"failed":1},"hits":{"hits":[E]}}""", 1)]
    [InlineData("""{"hits":{"hits":[E]},"_shards":{"total":2,"failed":1}}""", 1)]
    [InlineData("""{"took":1,"timed_out":false,"_shards":{"total":2,"failed":0},"hits":{"hits":[E]}}""", 0)]
    [InlineData("""{"@odata.context":"c","@odata.nextLink":null,"value":[E]}""", 0)]
    [InlineData("""{"took":1,"_clusters":{"total":2,"successful":1,"skipped":1},"hits":{"hits":[E]}}""", 1)]
    [InlineData("""{"took":1,"hits":{"hits":[E]},"_clusters":{"total":2,"successful":1,"skipped":0,"failed":1}}""", 1)]
    [InlineData("""{"took":1,"_clusters":{"total":2,"successful":1,"skipped":0,"partial":1},"hits":{"hits":[E]}}""", 1)]
    [InlineData("""{"took":1,"_clusters":{"total":2,"successful":2,"skipped":0},"hits":{"hits":[E]}}""", 0)]
    [InlineData("""{"took":1,"terminated_early":true,"hits":{"hits":[E]}}""", 1)]
    [InlineData("""[E]""", 0)]
    public async Task An_envelope_that_says_there_is_more_is_told(string envelope, int count)
    {
        var body = envelope.Replace("E", Ok, StringComparison.Ordinal);
        using var service = new TestService();
        foreach (var type in new[] { "application/json", "application/x-ndjson" })
        {
            var answer = await service.PostAsync(body, "?store=false", type);
            Assert.Equal(1, answer.Number("accepted"));
            Assert.Equal(count, answer.Warnings.Count(code => code == "incompleteEnvelope"));
        }
    }

    [Theory]
    [InlineData("""{"_id":"1","_index":"i","_source":E}""", """{"@timestamp":1,"event.id":"e","_id":"1","_index":"i"}""")]
    [InlineData("""{"_id":"1","_index":null,"_source":{"_id":"own","@timestamp":1 } }""", """{"_id":"own","@timestamp":1,"_id":"1"}""")]
    [InlineData("""{"records":[E]}""", """{"@timestamp":1,"event.id":"e"}""")]
    public async Task The_document_that_a_store_keeps_is_the_one_inside_with_its_identity(string envelope, string expected)
    {
        var documents = await Normalised.AllAsync(envelope.Replace("E", """{"@timestamp":1,"event.id":"e"}""", StringComparison.Ordinal));

        Assert.Equal(expected, Assert.Single(documents).GetRawText());
    }

    [Fact]
    public void Whatever_becomes_of_a_record_by_accident_it_gets_an_answer()
    {
        var random = new Random(5);
        var (accepted, rejected) = (0, 0);
        foreach (var text in Raw.All.Select(raw => raw.Record).Append($$$"""{"hits":{"hits":[{"_id":"1","_source":{{{Ok}}}}]}}""").Append("""{"AuditData":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}"""))
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            for (var i = 0; i < 1_500; i++)
            {
                var mutated = bytes.ToArray();
                for (var n = random.Next(1, 4); n > 0; n--)
                {
                    mutated[random.Next(mutated.Length)] = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)"{}[]\",:\\0e-+. u"[random.Next(15)];
                }

                var batch = new EventBatch();
                new DocumentReader(new EventReaderOptions { KeepDocuments = true }, batch).Read(mutated, 1);
                Assert.Equal(batch.Received, batch.Events.Count + batch.RejectedTotal);
                (accepted, rejected) = (accepted + batch.Events.Count, rejected + batch.RejectedTotal);
            }
        }

        Assert.True(accepted > 1_000 && rejected > 1_000, $"{accepted} accepted, {rejected} rejected");
    }

    private static async Task<(int Received, int Accepted)> CountsAsync(string body, BatchFormat format, EventReaderOptions options)
    {
        var batch = await Engine.ReadAsync(body, format, options);
        return (batch.Received, batch.Events.Count);
    }
}
