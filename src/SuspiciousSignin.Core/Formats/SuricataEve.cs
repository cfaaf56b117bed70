using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>A line of Suricata's EVE log. Alerts are network alerts; flows, DNS and the rest are events that the rule does not count.</summary>
internal sealed class SuricataEve : IRecordShape
{
    public string Name => "suricata";

    public bool Matches(JsonElement record) =>
        record.Has("event_type") && (record.Has("src_ip") || (record.Has("timestamp") && record.Has("stats")));

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var isAlert = record.Get("event_type").Text() == "alert";
        ecs.SetTimestamp((record.Get("timestamp"), "/timestamp"));
        ecs.Set("event.dataset", "suricata.eve");
        ecs.Set("event.module", "suricata");
        ecs.Set("data_stream.dataset", "suricata.eve");
        ecs.Set("event.kind", isAlert ? "alert" : "event");
        ecs.Set("event.category", isAlert ? ["network", "intrusion_detection"] : ["network"]);
        ecs.SetEndpoint("source", record.Get("src_ip"), record.Get("src_port"));
        ecs.SetEndpoint("destination", record.Get("dest_ip"), record.Get("dest_port"));
        ecs.Set("network.transport", record.Get("proto").Text()?.ToLowerInvariant());
        ecs.Set("network.protocol", record.Get("app_proto").Text());
        ecs.Set("user_agent.original", record.Get("http").Get("http_user_agent").Text());
        ecs.Set("observer.vendor", "OISF");
        ecs.Set("observer.product", "Suricata");
        ecs.Set("observer.type", "ids");
        ecs.Set("observer.ingress.interface.name", record.Get("in_iface").Text());
        ecs.Set("suricata.eve.flow_id", record.Get("flow_id").Text());
        ecs.Set("suricata.eve.event_type", record.Get("event_type").Text());
        if (RawTime.TryParse(record.Get("flow").Get("start").Text() ?? "", out var start))
        {
            ecs.SetTime("event.start", start);
        }

        if (isAlert)
        {
            SetAlert(ecs, record.Get("alert"));
        }
    }

    private static void SetAlert(EcsBuilder ecs, JsonElement alert)
    {
        ecs.Set("rule.name", alert.Get("signature").Text());
        ecs.Set("rule.id", alert.Get("signature_id").Text());
        ecs.Set("rule.category", alert.Get("category").Text());
        ecs.Set("message", alert.Get("category").Text());
        ecs.Set("event.severity", (long?)alert.Get("severity").Number());
        if (alert.Get("action").Text() is { } action)
        {
            ecs.Set("event.type", [action == "blocked" ? "denied" : action]);
        }
    }
}
