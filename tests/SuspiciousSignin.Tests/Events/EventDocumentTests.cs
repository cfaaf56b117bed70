using System.Text.Json;
using System.Text.Json.Nodes;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

/// <summary>What is shown of an event.</summary>
public sealed class EventDocumentTests
{
    /// <summary>What the rule reads and no event repeats: the address is the answer's.</summary>
    private static readonly string[] NotShown = ["event.module", "source.ip"];

    public static TheoryData<string> Paths => [.. EventDocument.Paths.Except(NotShown)];

    [Theory]
    [MemberData(nameof(Paths))]
    public async Task Every_field_that_is_kept_of_an_event_is_shown(string path)
    {
        var document = new JsonObject
        {
            ["@timestamp"] = "2026-03-14T05:00:00Z",
            ["source.ip"] = "81.2.69.144",
            ["service.type"] = "nobody asks for this",
            ["rule.uuid"] = "nor for this",
        };
        if (path is "host.name")
        {
            document["rule.name"] = "Scan";
        }
        else if (path is "event.provider")
        {
            document["o365.audit.LogonType"] = "0";
        }
        else if (path is "user.domain" or "azure.signinlogs.properties.user_type")
        {
            document["user.name"] = "ada";
        }

        var before = await ShownAsync(document);
        document[path] = path switch
        {
            "@timestamp" or "event.ingested" => "2026-03-14T06:00:00Z",
            "event.type" => "denied",
            "o365.audit.OperationProperties.Value" => "Sync",
            "source.as.number" or "o365.audit.OperationCount" => 7,
            _ when path.Contains(".is_", StringComparison.Ordinal) => true,
            "o365.audit.ExternalAccess" or "o365.audit.OperationProperties.IsThrottled" => "True",
            _ => "something",
        };

        Assert.NotEqual(before, await ShownAsync(document));
    }

    [Theory]
    [InlineData("2001:DB8:0:0:0:0:0:1", "2001:db8::1")]
    [InlineData("::ffff:8.8.8.8", "8.8.8.8")]
    [InlineData("192.0.2.44", "192.0.2.44")]
    [InlineData("gateway", "gateway")]
    public async Task The_destination_is_shown_in_canonical_form_where_it_is_an_address(string destination, string shown) => Assert.Equal(
        shown,
        (await ReadAsync(new JsonObject
        {
            ["@timestamp"] = "2026-03-14T05:00:00Z",
            ["source.ip"] = "81.2.69.144",
            ["destination.ip"] = destination,
        })).Network!.DestinationIp);

    [Fact]
    public async Task A_network_alert_tells_its_host_why_it_was_raised_and_the_techniques_it_names()
    {
        var alert = await ReadAsync(JsonNode.Parse(
            """
            {"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"81.2.69.144"},"kibana.alert.rule.name":"External Alerts","host":{"name":"gw1"},
             "kibana.alert.reason":"intrusion_detection event on gw1 created medium alert External Alerts.",
             "threat":{"tactic":{"id":"TA0043","name":"Reconnaissance"},"technique":[{"id":"T1046","name":"Network Service Discovery"},{"id":"T1595","name":"Active Scanning"}]}}
            """)!.AsObject());

        Assert.Equal(
            ("gw1", "intrusion_detection event on gw1 created medium alert External Alerts."),
            (alert.Network!.HostName, alert.Network.AlertReason));
        Assert.Equal(["TA0043"], alert.Threat!.TacticIds!);
        Assert.Equal(["Reconnaissance"], alert.Threat.TacticNames!);
        Assert.Equal(["T1046", "T1595"], alert.Threat.TechniqueIds!);
        Assert.Equal(["Network Service Discovery", "Active Scanning"], alert.Threat.TechniqueNames!);
    }

    [Fact]
    public async Task Empty_texts_are_no_tactics()
    {
        var alert = await ReadAsync(JsonNode.Parse(
            """{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"81.2.69.144"},"threat":{"tactic":{"id":["",""],"name":["","Reconnaissance"]}}}""")!.AsObject());

        Assert.Null(alert.Threat!.TacticIds);
        Assert.Equal(["Reconnaissance"], alert.Threat.TacticNames!);
    }

    [Fact]
    public async Task A_host_alone_makes_no_network_alert_of_an_event() => Assert.Null((await ReadAsync(new JsonObject
    {
        ["@timestamp"] = "2026-03-14T05:00:00Z",
        ["source.ip"] = "81.2.69.144",
        ["host.name"] = "example.com",
    })).Network);

    private static async Task<string> ShownAsync(JsonObject document) =>
        JsonSerializer.Serialize(await ReadAsync(document), JsonSerializerOptions.Web);

    private static async Task<EventDocument> ReadAsync(JsonObject document) =>
        EventDocument.From(Assert.Single((await Engine.ReadAsync(document.ToJsonString())).Events), Engine.Revision());
}
