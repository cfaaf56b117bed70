using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

/// <summary>The scanner beside the token reader, and beside System.Text.Json's own documents, on documents changed at random.</summary>
public sealed class EcsScannerTests
{
    private const int Mutants = 120_000;

    private static readonly string[] Originals =
    [
        """{"@timestamp":"2026-03-14T05:00:00.123Z","event":{"id":"0000a1","ingested":"2026-03-14T05:00:02Z","dataset":"azure.signinlogs","outcome":"success","action":"Sign-in activity","category":["authentication"],"kind":"event"},"source":{"ip":"81.2.69.142","geo":{"country_iso_code":"GB"}},"user":{"name":"crew1@northwindferry.example","id":"u1"},"azure":{"signinlogs":{"properties":{"app_display_name":"Outlook \"new\"","device_detail":{"operating_system":"Windows10","is_compliant":true},"applied_conditional_access_policies":[{"display_name":"MFA"},{"display_name":"Block"}]}}}}""",
        """{ "@timestamp" : "2026-03-14T05:00:00Z" , "event.dataset" : "o365.audit", "event.outcome":"success","event.action":"MailItemsAccessed","event":{"category":["web","email"],"provider":"Exchange"},"source.ip":["2a00:1450:4001:81b::200e","81.2.69.142"],"user":{"email":"zo\u00eb@example.com","name":"Zoë \ud83d\ude00"},"o365":{"audit":{"LogonType":0,"OperationCount":12.5e1,"Extra":{"deep":[[1,[2,[3,-0.1E-2]]],null,false]}}}, "raw":"a\\b\t" }""",
        """{"kibana.alert.rule.name":"External Alerts","kibana.alert.rule.rule_id":"eb079c62-4481-4d6e-9643-3ca499df7aaa","kibana":{"alert":{"uuid":"abc","severity":"high"}},"@timestamp":1773464400000,"event":{"kind":"signal","dataset":"suricata.eve","severity":2},"rule":{"name":"LOCAL repeated logon attempts of more than thirty-two characters","id":"9000001"},"message":"Attempted \u0049nformation Leak","source":{"ip":"81.2.69.142","port":443},"unknown":[{"a":{"b":[{}]}},[],{},"x",1,true,null]}""",
        """{"_id":"1","_index":"logs-o365.audit-default","@timestamp":"2026-03-14","data_stream":{"dataset":"o365.audit"},"event.id":null,"source":null,"user":[{"name":"a"},{"name":"b"}],"tags":[]}""",
        "{\r\n\t\"@timestamp\": \"2026-03-14T05:00:00+01:00\",\r\n\t\"source\": {\r\n\t\t\"ip\": \"::ffff:81.2.69.142\"\r\n\t}\r\n}\r\n",
    ];

    private static readonly string[] Pieces =
    [
        "\"", "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "\0", "\u001f", "\u007f", "0", "-", "1e5", "01", ".5", "5.", "1.0", "true", "nul", "null", "\\u12", "\\ud800", "\\ud83d\\ude00", "\\u0000", "\\/", "\\x",
        "\"source\":{\"ip\":\"1.2.3.4\"},", "\"event.id\":\"2\",", "\"@timestamp\":\"2026-03-14T05:00:00.123Z\",", "\"event\":{\"id\":\"2\"},", "{}", "[]", "[[[[", "\"\":1,", "é", "\ud83d\ude00", "//x", "/**/",
    ];

    [Fact]
    public void Documents_changed_at_random_come_out_as_the_token_reader_reads_them()
    {
        var options = new EventReaderOptions { MaxDepth = 8 };
        var (scanner, tokens) = (new EventReader(options), new EventReader(options) { IsTokensOnly = true });
        var random = new Random(20261124);
        var accepted = 0;
        for (var i = 0; i < Mutants; i++)
        {
            var mutant = Mutate(random);
            var rejected = scanner.Read(mutant, i, 1, out var record);
            var expected = tokens.Read(mutant, i, 1, out var wanted);

            // Where JSON went wrong is told by another reader, perhaps a byte further on.
            Assert.True(
                rejected?.Code == expected?.Code && rejected?.Pointer == expected?.Pointer
                    && (rejected?.Code == RejectionCodes.MalformedJson || rejected?.Message == expected?.Message),
                $"{rejected?.Code} {rejected?.Message} | {expected?.Code} {expected?.Message}: {Convert.ToBase64String(mutant)}");
            Assert.True(rejected?.Code == RejectionCodes.MalformedJson || tokens.IsEcs == scanner.IsEcs, Convert.ToBase64String(mutant));
            if (rejected is null)
            {
                accepted++;
                Assert.True(Show(record) == Show(wanted), $"{Show(record)}\n{Show(wanted)}\n{Convert.ToBase64String(mutant)}");
            }
        }

        Assert.InRange(accepted, Mutants / 10, Mutants * 9 / 10);
    }

    [Fact]
    public void Documents_changed_at_random_hold_what_a_document_object_model_finds_in_them()
    {
        var reader = new EventReader(new EventReaderOptions());
        var random = new Random(7);
        for (var i = 0; i < Mutants; i++)
        {
            var mutant = Mutate(random);
            var rejected = reader.Read(mutant, i, 1, out var record);
            using var document = Parse(mutant);
            if (document is null)
            {
                Assert.NotNull(rejected);
                continue;
            }

            Assert.NotEqual(RejectionCodes.MalformedJson, rejected?.Code);
            if (rejected is not null)
            {
                continue;
            }

            var shown = EventDocument.From(record, Engine.Revision());
            var times = Values(document.RootElement, "@timestamp").ToArray();
            Assert.NotEmpty(times);
            Assert.Equal(Values(document.RootElement, "source.ip").Where(text => SourceAddress.TryParse(text, out _)).Select(SourceAddress.Parse).Distinct(), record.Addresses.ToArray());
            Assert.Equal(First(document.RootElement, "event.action"), shown.Action);
            Assert.Equal(First(document.RootElement, "event.outcome"), shown.Outcome);
            Assert.Equal(First(document.RootElement, "kibana.alert.rule.name"), shown.RuleName);
            Assert.Equal(First(document.RootElement, "message"), shown.Message);
            Assert.Equal(First(document.RootElement, "user.email"), shown.User?.Email);
            Assert.Equal(First(document.RootElement, "azure.signinlogs.properties.app_display_name"), shown.SignIn?.AppName);
            Assert.Equal(Values(document.RootElement, "azure.signinlogs.properties.applied_conditional_access_policies.display_name").Distinct(), shown.SignIn?.ConditionalAccessPolicies ?? []);
        }
    }

    [Fact]
    public async Task Many_equal_values_of_one_field_beside_many_of_others_cost_no_more_than_their_length()
    {
        // Compared with all that the event keeps, each of them, this takes minutes; with those of its field, no time.
        var others = string.Join(',', new[] { "message", "event.type", "event.severity", "event.provider", "user.name", "user.id", "rule.name", "rule.id", "host.name", "session.id" }
            .Select(field => $"\"{field}\":[{string.Join(',', Enumerable.Range(0, 64).Select(i => $"\"{field}{i}\""))}]"));
        var equal = string.Join(',', Enumerable.Repeat("1,2", 2_000_000));
        var document = Encoding.UTF8.GetBytes($$"""{"@timestamp":"2026-03-14",{{others}},"event.code":[{{equal}}]}""");
        var read = Task.Run(() => new EventReader(new EventReaderOptions { MaxEventBytes = 64 * 1024 * 1024 }).Read(document, 0, null, out var record) is null ? record.Payload.Length : -1);
        Assert.InRange(await read.WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken), 1, 64 * 1024);
    }

    [Theory]
    [InlineData("""{"@timestamp":"2026-03-14","x":"a\u00""", 38)]
    [InlineData("""{"@timestamp":"2026-03-14",}""", 28)]
    [InlineData("""{"@timestamp":"2026-03-14"}}""", 28)]
    [InlineData("""{"@timestamp":"2026-03-14","x":01}""", 33)]
    public void Where_the_text_stops_being_json_is_told(string document, int column)
    {
        var rejected = new EventReader(new EventReaderOptions()).Read(Encoding.UTF8.GetBytes(document), 0, null, out _);
        Assert.Equal(RejectionCodes.MalformedJson, rejected!.Code);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"at byte {column} of the document"), rejected.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nesting_up_to_the_bound_is_read_and_one_level_more_is_too_deep_wherever_it_is()
    {
        foreach (var name in new[] { "unknown", "user", "tags" })
        {
            foreach (var (open, close) in new[] { ("[", "]"), ("{\"a\":", "}") })
            {
                var reader = new EventReader(new EventReaderOptions { MaxDepth = 500 });
                string Nested(int levels) =>
                    $"{{\"@timestamp\":\"2026-03-14\",\"{name}\":{string.Concat(Enumerable.Repeat(open, levels))}1{string.Concat(Enumerable.Repeat(close, levels))}}}";
                Assert.Null(reader.Read(Encoding.UTF8.GetBytes(Nested(499)), 0, null, out _));
                Assert.Equal(RejectionCodes.TooDeep, reader.Read(Encoding.UTF8.GetBytes(Nested(500)), 0, null, out _)!.Code);
            }
        }
    }

    private static byte[] Mutate(Random random)
    {
        var bytes = Encoding.UTF8.GetBytes(Originals[random.Next(Originals.Length)]).ToList();
        for (var n = random.Next(0, 4); n > 0; n--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;

                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 4), bytes.Count - at));
                    break;

                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;

                case 3:
                    // A member or an element more, where one may stand.
                    var comma = bytes.IndexOf((byte)',', at);
                    bytes.InsertRange(comma < 0 ? at : comma + 1, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;

                default:
                    var length = Math.Min(random.Next(1, 60), bytes.Count - at);
                    bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                    break;
            }
        }

        return [.. bytes];
    }

    private static string Show(EventRecord record) => string.Join(
        ' ',
        record.Timestamp,
        record.Ingested,
        record.Classification.Bits,
        record.Identity,
        record.IsKibanaAlert,
        string.Join(',', record.Addresses.ToArray()),
        Convert.ToHexString(record.Traits.Fields),
        Convert.ToHexString(record.Account.Span),
        Convert.ToHexString(record.Payload.Span));

    private static JsonDocument? Parse(byte[] utf8)
    {
        try
        {
            return Utf8.IsValid(utf8) ? JsonDocument.Parse(utf8) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? First(JsonElement root, string path) => Values(root, path).FirstOrDefault() is { Length: > 0 } text ? text : null;

    /// <summary>The values at a path as Elasticsearch flattens them: nested or dotted, arrays opened, nulls and objects left out.</summary>
    private static IEnumerable<string> Values(JsonElement element, string path)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Array:
                return element.EnumerateArray().SelectMany(each => Values(each, path));

            case JsonValueKind.Object:
                return element.EnumerateObject().SelectMany(member =>
                    path == member.Name ? Values(member.Value, "")
                    : path.StartsWith(member.Name + ".", StringComparison.Ordinal) ? Values(member.Value, path[(member.Name.Length + 1)..])
                    : []);

            case JsonValueKind.Null:
                return [];

            default:
                return path.Length > 0 ? [] : [element.ValueKind == JsonValueKind.String ? element.GetString()! : element.GetRawText()];
        }
    }
}
