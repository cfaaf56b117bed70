using System.Text;
using SuspiciousSignin.Tests.Formats;

namespace SuspiciousSignin.Tests.Hostile;

/// <summary>What a body is sent as.</summary>
internal enum HostileBody
{
    Json,
    Lines,
    Bulk,
}

/// <summary>
/// Bodies as an attacker may write them: grown from a grammar of the names and values that the reader looks for, then bent byte by byte. The
/// same seed gives the same bodies.
/// </summary>
internal sealed class HostileText(int seed)
{
    private static readonly string[] Names =
    [
        "@timestamp", "event", "event.ingested", "event.dataset", "dataset", "data_stream", "data_stream.dataset", "source", "source.ip", "ip", "event.action", "action",
        "event.outcome", "outcome", "event.category", "event.kind", "event.id", "id", "kind", "user", "user.name", "user.email", "email", "name", "message", "_id", "_index",
        "kibana.alert.uuid", "kibana.alert.rule.name", "kibana.alert.rule.rule_id", "kibana.alert.original_event.dataset", "kibana", "alert", "rule", "source.", ".ip", "a..b",
        "time", "category", "properties", "resultType", "callerIpAddress", "operationName", "ipAddress", "status", "errorCode", "createdDateTime", "userPrincipalName",
        "CreationTime", "RecordType", "Operation", "ClientIPAddress", "ClientIP", "UserId", "ResultStatus", "AuditData", "Client_IPAddress", "TimeGenerated",
        "event_type", "timestamp", "src_ip", "dest_ip", "ts", "note", "id.orig_h", "uid", "msg",
        "events", "records", "value", "hits", "_source", "took", "timed_out", "_shards", "failed", "create", "index", "update", "delete", "doc", "pipeline", "",
        "s\\u006furce", "\\ud800", "\\u0000", "__proto__", "\\r\\nx: y",
    ];

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-0", "-1", "1e400", "-1e-400", "99999999999999999999999999", "9223372036854775807", "1773468000000", "1773463800.426472",
        "\"\"", "\"8.8.8.8\"", "\"81.2.69.144\"", "\"1.2.3.4:443\"", "\"[::1]:80\"", "\"fe80::1%eth0\"", "\"::ffff:10.0.0.1\"", "\"0x7f.1\"", "\"010.0.0.1\"", "\"1.2.3\"", "\" 8.8.8.8 \"",
        "\"8.8.8.8.\"", "\"64:ff9b::808:808\"", "\"2002:808:808::1\"", "\"\uFF11.\uFF11.\uFF11.\uFF11\"", "\"::\"", "\"1:2:3:4:5:6:7:8:9\"",
        "\"2026-03-14T05:00:00Z\"", "\"0001-01-01T00:00:00+14:00\"", "\"9999-12-31T23:59:59.999999999-18:00\"", "\"2026-06-30T23:59:60Z\"", "\"2026-03-14T05:00:00\"", "\"2026-03-29T02:30:00+01:00\"",
        "\"3/14/2026, 5:01:00.000 AM\"", "\"2026-03-14T04:50:00.836744+0000\"", "\"2026-W11\"", "\"20260314\"", "\"-1\"",
        "\"azure.signinlogs\"", "\"o365.audit\"", "\"zeek.notice\"", "\"success\"", "\"MailItemsAccessed\"", "\"External Alerts\"", "\"SignInLogs\"", "\"alert\"", "\"signal\"", "50", "\"50\"",
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\\r\\nadmin\\u001b[31m\"", "\"=cmd|' /C calc'!A0\"", "\"<script>alert(1)</script>\"", "\"[x](javascript:alert(1))\"", "\"\\u202Eexe\"",
        "\"{\\\"records\\\":[{\\\"time\\\":1}]}\"", "\"{\\\"CreationTime\\\":\\\"2026-03-14T05:00:00\\\",\\\"RecordType\\\":50}\"", "\"{\"", "\"\uD83D\uDE00\"", "[]", "{}", "[[[]]]",
    ];

    private static readonly string[] Fragments =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", "\r\n", "\0", " ", "\\u", "\\ud8", "//", "/*", "\uFEFF", "{\"events\":[", "{\"records\":[", "]}", "{\"hits\":{\"hits\":[", "{\"value\":[",
        "{\"create\":{}}\n", "{\"index\":{\"_index\":\"logs-zeek.notice-default\",\"_id\":\"1\"}}\n", "{\"delete\":{\"_id\":\"1\"}}\n", "{\"update\":{\"_id\":\"1\"}}\n", "\"_id\":\"1\",", "\"@timestamp\":1,", "NaN", ":01", ":1.", "'x'",
    ];

    private static readonly string[] Actions =
    [
        "{\"create\":{}}\n", "{\"index\":{\"_index\":\"logs-zeek.notice-default\",\"_id\":\"1\"}}\n", "{\"create\":{\"_id\":\"\\u0000\",\"pipeline\":\"p\"}}\n", "{\"index\":{\"_id\":7}}\n",
        "{\"create\":{\"_index\":\"\\ud800\"}}\n", "{\"delete\":{\"_id\":\"1\"}}\n", "{\"update\":{\"_id\":\"1\"}}\n", "{\"create\":null}\n", "{\"create\":{},\"index\":{}}\n", "",
    ];

    private static readonly byte[][] Seeds =
    [
        .. Raw.All.Select(shape => Encoding.UTF8.GetBytes(shape.Record)),
        """{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"81.2.69.144"},"event":{"dataset":"azure.signinlogs","outcome":"success"},"user":{"email":"a@example.com"}}"""u8.ToArray(),
        """{"_id":"1","@timestamp":"2026-03-14T05:01:00Z","source.ip":["81.2.69.144"],"event.dataset":"zeek.notice","kibana.alert.rule.name":"External Alerts","event.kind":"signal"}"""u8.ToArray(),
        """{"took":1,"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":1},"hits":[{"_id":"1","_index":"i","_source":{"@timestamp":1,"source.ip":"8.8.8.8"}}]}}"""u8.ToArray(),
        """{"@odata.nextLink":"https://example.com","value":[{"createdDateTime":"2026-03-14T05:00:00Z","id":"g","ipAddress":"8.8.8.8","status":{"errorCode":0}}]}"""u8.ToArray(),
        """{"events":[{"@timestamp":1},{"@timestamp":2,"event":{"id":"x"}}]}"""u8.ToArray(),
        "{\"create\":{\"_index\":\"logs-azure.signinlogs-default\",\"_id\":\"a\"}}\n{\"@timestamp\":1,\"source.ip\":\"8.8.8.8\"}\n{\"delete\":{\"_id\":\"b\"}}\n"u8.ToArray(),
    ];

    private readonly Random _random = new(seed);

    public int Next(int below) => _random.Next(below);

    public T OneOf<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];

    /// <summary>A name that means something to the service, or nearly.</summary>
    public string Name() => OneOf(Names);

    /// <summary>JSON text of a value; not always valid.</summary>
    public string Value() => OneOf(Values);

    /// <summary>The bytes of a body, most of which hold JSON as a reader of that kind expects it.</summary>
    public byte[] Body(HostileBody kind)
    {
        var bytes = new List<byte>();
        for (var (i, documents) = (0, 1 + Next(4)); i < documents; i++)
        {
            var separator = kind switch
            {
                HostileBody.Json => i == 0 ? "[" : ",",
                HostileBody.Bulk => (i == 0 ? "" : "\n") + OneOf(Actions),
                _ => i == 0 ? "" : "\n",
            };
            bytes.AddRange(Encoding.UTF8.GetBytes(separator));
            bytes.AddRange(Next(2) == 0 ? OneOf(Seeds) : Encoding.UTF8.GetBytes(Document()));
        }

        if (kind == HostileBody.Json)
        {
            bytes.Add((byte)']');
            if (Next(4) == 0)
            {
                // The first document alone, and what follows it.
                bytes.RemoveAt(0);
            }
        }

        for (var i = Next(3) == 0 ? 1 + Next(3) : 0; i > 0; i--)
        {
            Bend(bytes);
        }

        return [.. bytes];
    }

    private string Document()
    {
        var text = new StringBuilder();
        Grow(text, depth: 0);
        return text.ToString();
    }

    private void Grow(StringBuilder text, int depth)
    {
        var kind = depth == 0 ? 5 : Next(depth > 4 ? 5 : 8);
        switch (kind)
        {
            case < 5 when depth > 0:
                text.Append(Value());
                break;

            case 6:
                text.Append('[').AppendJoin(',', Enumerable.Range(0, Next(4)).Select(_ => Value())).Append(']');
                break;

            case 7 when Next(20) == 0:
                var levels = 60 + Next(10);
                text.Append('[', levels).Append(']', levels);
                break;

            default:
                text.Append('{');
                for (var (i, members) = (0, Next(7)); i < members; i++)
                {
                    text.Append(i == 0 ? "" : ",").Append('"').Append(Name()).Append("\":");
                    Grow(text, depth + 1);
                }

                text.Append('}');
                break;
        }
    }

    private void Bend(List<byte> bytes)
    {
        var at = Next(bytes.Count + 1);
        var length = Math.Min(Next(12), bytes.Count - at);
        switch (Next(6))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << Next(8));
                break;

            case 1:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(OneOf(Fragments)));
                break;

            case 2:
                bytes.RemoveRange(at, length);
                break;

            case 3:
                bytes.InsertRange(at, bytes.GetRange(at, length));
                break;

            case 4:
                bytes.RemoveRange(at, bytes.Count - at);
                break;

            default:
                bytes.Insert(at, (byte)Next(256));
                break;
        }
    }
}
