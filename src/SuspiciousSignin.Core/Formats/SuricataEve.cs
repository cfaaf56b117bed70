using System.Collections.Frozen;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// A line of Suricata's EVE log. Alerts are network alerts; flows, DNS and the rest are events that the rule does not count.
/// </summary>
internal sealed class SuricataEve : IRecordShape
{
    private static readonly FrozenSet<string> Protocols = new[]
    {
        "dns", "ftp", "ftp_data", "ikev2", "krb5", "mqtt", "rdp", "rfb", "smb", "smtp", "snmp", "ssh", "tftp", "tls",
    }.ToFrozenSet(StringComparer.Ordinal);

    public string Name => "suricata";

    public bool Matches(JsonElement record) =>
        record.Has("event_type") && (record.Has("src_ip") || (record.Has("timestamp") && record.Has("stats"))) && !IsAnothers(record);

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var eventType = record.Get("event_type").Text()?.ToLowerInvariant();
        var types = TypesOf(eventType);
        ecs.SetTimestampOrShippers(record, record.Get("timestamp"), "/timestamp");
        ecs.Set("event.dataset", "suricata.eve");
        ecs.Set("event.module", "suricata");
        ecs.Set("data_stream.dataset", "suricata.eve");
        ecs.Set("event.kind", eventType switch { "alert" => "alert", "stats" => "metric", _ => "event" });
        ecs.Set("event.category", eventType switch
        {
            "alert" => ["network", "intrusion_detection"],
            "http" or "http2" => ["network", "web"],
            _ => ["network"],
        });
        ecs.SetEndpoint("source", record.Get("src_ip"), record.Get("src_port"));
        ecs.SetEndpoint("destination", record.Get("dest_ip"), record.Get("dest_port"));
        ecs.Set("network.transport", record.Get("proto").Text()?.ToLowerInvariant());
        ecs.Set("network.protocol", ProtocolOf(record.Get("app_proto").Text()?.ToLowerInvariant(), eventType));
        ecs.Set("user_agent.original", record.Get("http").Get("http_user_agent").Text());
        ecs.Set("observer.vendor", "OISF");
        ecs.Set("observer.product", "Suricata");
        ecs.Set("observer.type", "ids");
        ecs.Set("observer.ingress.interface.name", record.Get("in_iface").Text());
        ecs.Set("suricata.eve.flow_id", record.Get("flow_id").Text());
        ecs.Set("suricata.eve.event_type", eventType);
        if (eventType == "http" && record.Get("http").Get("status").Number() is { } status)
        {
            ecs.Set("event.outcome", status < 400 ? "success" : "failure");
        }

        if (RawTime.TryParse(record.Get("flow").Get("start").Text() ?? "", out var start))
        {
            ecs.SetTime("event.start", start);
        }

        switch (record.Get("flow").Get("state").Text())
        {
            case "new":
                types.Add("start");
                break;
            case "closed":
                types.Add("end");
                break;
        }

        SetAlert(ecs, record.Get("alert"), types);
        if (types.Count > 0)
        {
            ecs.Set("event.type", types);
        }
    }

    // Dated by a shipper only, it takes more to be an alert of Suricata's.
    private static bool IsAnothers(JsonElement record) =>
        !record.Has("timestamp") && record.Has("@timestamp")
        && record.Get("event_type").Text() == "alert" && record.Get("alert").ValueKind != JsonValueKind.Object;

    private static List<string> TypesOf(string? eventType) => eventType switch
    {
        "flow" => ["connection"],
        "http" or "http2" => ["access", "protocol"],
        not null when Protocols.Contains(eventType) => ["protocol"],
        _ => [],
    };

    private static string? ProtocolOf(string? appProto, string? eventType) => (appProto, eventType) switch
    {
        (not (null or "failed" or "template" or "template-rust"), _) => appProto,
        (_, "ftp_data") => "ftp",
        (_, "http" or "http2") => "http",
        (_, "rfb") => "rdp",
        (_, not null) when Protocols.Contains(eventType) => eventType,
        _ => null,
    };

    // Events other than alerts have an alert too where a rule dropped the packet.
    private static void SetAlert(EcsBuilder ecs, JsonElement alert, List<string> types)
    {
        ecs.Set("rule.name", alert.Get("signature").Text());
        ecs.Set("rule.id", alert.Get("signature_id").Text());
        ecs.Set("rule.category", alert.Get("category").Text());
        ecs.Set("message", alert.Get("category").Text());
        ecs.Set("event.severity", (long?)alert.Get("severity").Number());
        if (alert.Get("action").Text() is { } action)
        {
            types.Add(action == "blocked" ? "denied" : action);
        }
    }
}
