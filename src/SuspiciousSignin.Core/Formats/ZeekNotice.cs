using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>A line of Zeek's notice log in JSON.</summary>
internal sealed partial class ZeekNotice : IRecordShape
{
    public string Name => "zeekNotice";

    // Without its own time, which a shipper may have moved, it takes more to be a notice: a note may be anybody's.
    public bool Matches(JsonElement record) => record.Has("note") && (record.Has("ts")
        || (EcsBuilder.ShippersTime(record) is not null
            && Note().IsMatch(record.Get("note").Text() ?? "")
            && SourceAddress.TryParse(SourceOf(record).Text(), out _)));

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var time = record.Get("ts");
        if (RawTime.TryParseEpochSeconds(time.Text(), out var milliseconds))
        {
            ecs.SetTimestamp(milliseconds);
        }
        else if (time.ValueKind == JsonValueKind.Number)
        {
            ecs.Refuse(
                RejectionCodes.InvalidTimestamp,
                "/ts",
                "Expected seconds since the epoch, such as 1320435875.879278; JSON::TS_MILLIS writes milliseconds.");
        }
        else
        {
            ecs.SetTimestampOrShippers(record, time, "/ts");
        }

        ecs.Set("event.dataset", "zeek.notice");
        ecs.Set("event.module", "zeek");
        ecs.Set("data_stream.dataset", "zeek.notice");
        ecs.Set("event.kind", "alert");
        ecs.Set("event.category", ["intrusion_detection"]);
        ecs.Set("event.type", record.Get("dropped").ValueKind switch
        {
            JsonValueKind.True => ["info", "denied"],
            JsonValueKind.False => ["info", "allowed"],
            _ => ["info"],
        });
        ecs.SetEndpoint("source", SourceOf(record), Connection(record, "orig_p"));
        ecs.SetEndpoint(
            "destination", Either(Connection(record, "resp_h"), record.Get("dst")), Either(Connection(record, "resp_p"), record.Get("p")));
        ecs.Set("network.transport", record.Get("proto").Text()?.ToLowerInvariant());
        ecs.Set("event.id", record.Get("uid").Text());
        ecs.Set("rule.name", record.Get("note").Text());
        ecs.Set("rule.description", record.Get("msg").Text());
        ecs.Set("zeek.notice", record);

        ecs.Set("_id", "zeek-" + Convert.ToHexStringLower(HashOf(record).AsSpan(0, 16)));
    }

    /// <summary>
    /// The hash of all that Zeek wrote, in whatever order and with whatever space it came: <c>uid</c> names the connection, and two notices
    /// of one connection are two events. What a shipper sets beside it, <c>@timestamp</c> and <c>event.*</c>, changes with each delivery.
    /// </summary>
    private static byte[] HashOf(JsonElement record)
    {
        var written = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(written, EcsBuilder.WriterOptions))
        {
            var isDatedByShipper = !record.Has("ts");
            WriteInOrder(json, record.EnumerateObject().Where(member => member.Name == "@timestamp"
                ? isDatedByShipper
                : !member.Name.StartsWith('@') && member.Name.Split('.')[0] != "event"));
        }

        return SHA256.HashData(written.WrittenSpan);
    }

    private static void WriteInOrder(Utf8JsonWriter json, IEnumerable<JsonProperty> members)
    {
        json.WriteStartObject();
        foreach (var member in members.OrderBy(member => member.Name, StringComparer.Ordinal))
        {
            json.WritePropertyName(member.Name);
            if (member.Value.ValueKind == JsonValueKind.Object)
            {
                WriteInOrder(json, member.Value.EnumerateObject());
            }
            else
            {
                member.Value.WriteTo(json);
            }
        }

        json.WriteEndObject();
    }

    /// <summary>A member of the connection's <c>id</c>, which Zeek writes dotted and others nested.</summary>
    private static JsonElement Connection(JsonElement record, string name) => Either(record.Get("id." + name), record.Get("id").Get(name));

    private static JsonElement SourceOf(JsonElement record) => Either(Connection(record, "orig_h"), record.Get("src"));

    private static JsonElement Either(JsonElement first, JsonElement second) => first.Text() is not null ? first : second;

    /// <summary>The module and the name of a notice, such as <c>SSH::Password_Guessing</c>.</summary>
    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_]*::[A-Za-z][A-Za-z0-9_]*\z", RegexOptions.NonBacktracking)]
    private static partial Regex Note();
}
