using System.Text.Json.Nodes;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>
/// A morning of a made-up company as ECS documents: Entra ID sign-ins, Microsoft 365 audit records and Kibana alerts in the shapes that
/// Elastic's integrations write, with suspicious addresses planted among them. What must be found is written down where it is planted.
/// </summary>
public sealed class Scenario
{
    /// <summary>The window's start, exclusive: 2026-03-14T00:00:00Z.</summary>
    public const long From = 1_773_446_400_000;

    /// <summary>The window's end, inclusive: 2026-03-14T08:00:00Z.</summary>
    public const long To = From + (8 * 60 * Minute);

    private const int Minute = 60_000;
    private const int Documents = 2_000;
    private const int Alerts = Documents * 5 / 100;
    private const int AuditRecords = Documents * 35 / 100;
    private const int MailAccesses = AuditRecords / 10;
    private const int SignIns = Documents - Alerts - AuditRecords;

    private const string ExternalAlerts = "External Alerts";
    private const string ExternalAlertsId = "eb079c62-4481-4d6e-9643-3ca499df7aaa";
    private const string Tenant = "7d0f3c1a-52b4-4e0e-9a3c-0b6f2e9d4a11";
    private const string Organization = "northwindferry.example";

    private static readonly string[] Apps = ["Office 365 Exchange Online", "Microsoft Teams", "Azure Portal", "SharePoint Online", "Harbour Timetable"];
    private static readonly string[] Systems = ["Windows 11", "Windows 10", "MacOs", "Ios 18.3", "Android 15", "Linux"];
    private static readonly string[] Browsers = ["Edge 144.0", "Chrome 145.0", "Safari 18.3", "Firefox 147.0"];
    private static readonly string[] Operations =
        ["FileAccessed", "FileDownloaded", "UserLoggedIn", "Send", "MessageReadReceiptReceived", "PageViewed", "New-InboxRule"];

    private static readonly (string City, string Region, string Country, double Lat, double Lon)[] Places =
    [
        ("Oslo", "Oslo", "NO", 59.91, 10.75), ("Turku", "Southwest Finland", "FI", 60.45, 22.27), ("Porto", "Porto", "PT", 41.15, -8.61),
        ("Halifax", "Nova Scotia", "CA", 44.65, -63.57), ("Kobe", "Hyogo", "JP", 34.69, 135.19),
    ];

    private readonly Random random;
    private readonly List<JsonObject> documents = [];
    private readonly List<(string Address, string[] Revisions, string[] Promoted)> planted = [];
    private int signIns, auditRecords, mailAccesses, alerts;

    private Scenario(int seed) => random = new Random(seed);

    /// <summary>One document a line.</summary>
    public string Ndjson { get; private set; } = "";

    public int Count => documents.Count;

    public static Scenario Create(int seed = 1)
    {
        var scenario = new Scenario(seed);
        scenario.Plant();
        scenario.FillUp();
        var order = scenario.documents.ToArray();
        scenario.random.Shuffle(order);
        scenario.Ndjson = string.Concat(order.Select(document => document.ToJsonString() + "\n"));
        return scenario;
    }

    /// <summary>The canonical addresses to be reported, sorted ordinally. Known by construction.</summary>
    public IReadOnlyList<string> Expected(string revision, bool promote = false) =>
    [
        .. planted.Where(plant => (promote ? plant.Promoted : plant.Revisions).Contains(revision, StringComparer.Ordinal))
            .Select(plant => plant.Address).Order(StringComparer.Ordinal),
    ];

    // ---- What is planted

    private void Plant()
    {
        string[] all = [OracleRule.Seed, OracleRule.Head, OracleRule.Resilient];
        string[] notHead = [OracleRule.Seed, OracleRule.Resilient];
        string[] notSeed = [OracleRule.Head, OracleRule.Resilient];
        string[] resilient = [OracleRule.Resilient];

        // An IDS record without a message keeps the rule's name; its address then signs in.
        Expect("203.0.114.10", all);
        Alert("203.0.114.10", At(30), "zeek.notice");
        SignIn("203.0.114.10", At(42));

        // The same over IPv6 and a mailbox, each product with its own spelling.
        Expect("2a00:10a0:4f::7e", all);
        Alert("2A00:10A0:004F:0:0:0:0:007E", At(200), "snort.log");
        Mail("2a00:10a0:4f::7e", At(95));

        // IPv4 and its mapped form are one address; evidence on both sides of the alert.
        Expect("8.34.12.9", all);
        Mail("8.34.12.9", At(60));
        Alert("::ffff:8.34.12.9", At(70), "zeek.notice");
        SignIn("8.34.12.9", At(80));

        // A message overrides the rule's name: only its id tells.
        Expect("203.0.114.20", notSeed);
        Alert("203.0.114.20", At(120), "suricata.eve", message: "ET SCAN Suspicious inbound to MSSQL port 1433");
        SignIn("203.0.114.20", At(121));
        Expect("2a00:5f80:1::20", notSeed);
        Alert("2a00:5f80:1::20", At(300), "panw.panos", message: "THREAT url");
        Mail("2a00:5f80:1::20", At(310));

        // The literal name of a home-made promotion rule, from a shipper without data streams.
        Expect("8.77.3.200", notHead);
        Alert("8.77.3.200", At(15), "zeek.notice", ruleId: "0d6d7c6e-8c7a-4c39-9c2e-6b3f4b7f1e55", dataStream: false);
        Mail("8.77.3.200", At(16));

        // Name overridden and no data stream in the alert; no dataset but the original one; no dataset at all.
        Expect("203.0.114.30", resilient);
        Alert("203.0.114.30", At(45), "suricata.eve", message: "ET EXPLOIT attempt", dataStream: false);
        SignIn("203.0.114.30", At(50));
        Expect("203.0.114.31", resilient);
        Alert("203.0.114.31", At(145), "panw.panos", dataStream: false).Remove("event", "dataset");
        Mail("203.0.114.31", At(150));
        Expect("2a00:77aa::31", resilient);
        var bare = Alert("2a00:77aa::31", At(245), "custom.ids", dataStream: false);
        bare.Remove("event", "dataset");
        bare.Remove("kibana.alert.original_event.dataset");
        SignIn("2a00:77aa::31", At(250));

        // A hundred events are reported by all, one more hides the address from the newest.
        Expect("8.100.0.100", all);
        Crowd("8.100.0.100", events: 100);
        Expect("8.100.0.101", notHead);
        Crowd("8.100.0.101", events: 101);

        // Vendors' own alerts, never promoted by a rule: only where promotion is asked for; and never those of endpoint products.
        Expect("203.0.114.40", [], all);
        RawAlert("203.0.114.40", At(210), "suricata.eve");
        SignIn("203.0.114.40", At(222));
        RawAlert("203.0.114.41", At(210), "endpoint.alerts", module: "endpoint");
        SignIn("203.0.114.41", At(222));

        // Never reported: excluded network, two addresses in one alert, failure only, another operation, an alert before the window,
        // a sign-in on its first instant, an alert about a mailbox itself, an alert of another rule.
        Alert("198.51.100.77", At(30), "zeek.notice");
        Mail("198.51.100.77", At(31));
        Alert("203.0.114.80", At(30), "zeek.notice").Set(new JsonArray("203.0.114.80", "203.0.114.81"), "source", "ip");
        SignIn("203.0.114.80", At(35));
        Mail("203.0.114.81", At(36));
        Alert("203.0.114.82", At(30), "zeek.notice");
        SignIn("203.0.114.82", At(31), success: false);
        Mail("203.0.114.82", At(32), success: false);
        Alert("203.0.114.83", At(30), "snort.log");
        Audit("203.0.114.83", At(33), "FileDownloaded");
        Alert("203.0.114.84", At(-1), "zeek.notice");
        SignIn("203.0.114.84", At(5));
        Alert("203.0.114.85", At(30), "zeek.notice");
        SignIn("203.0.114.85", From);
        Alert("203.0.114.86", At(30), "o365.audit");
        Mail("203.0.114.86", At(30));
        Alert("203.0.114.87", At(30), "panw.panos", message: "Beaconing", ruleId: "c4f1a2b3-1111-4222-8333-944455566677");
        SignIn("203.0.114.87", At(31));
    }

    /// <summary>A busy gateway: an alert, mail accesses, and audit records up to the wanted number of kept events.</summary>
    private void Crowd(string address, int events)
    {
        Alert(address, At(20), "zeek.notice");
        Mail(address, At(400));
        for (var i = 2; i < events; i++)
            Audit(address, At(20 + i), Operations[i % Operations.Length]);
    }

    private void Expect(string address, string[] revisions, string[]? promoted = null) => planted.Add((address, revisions, promoted ?? revisions));

    // ---- Everyday events: people sign in from offices and homes, scanners only trip alerts

    private void FillUp()
    {
        while (alerts < Alerts)
        {
            var scanner = $"8.200.{random.Next(256)}.{random.Next(256)}";
            if (alerts % 3 == 0)
                Alert(scanner, Anytime(), "zeek.notice");
            else
                Alert(scanner, Anytime(), "suricata.eve", message: "ET DROP Spamhaus listed traffic inbound");
        }

        while (mailAccesses < MailAccesses)
            Mail(Home(), Anytime(), success: random.Next(20) > 0);
        while (auditRecords < AuditRecords)
            Audit(Home(), Anytime(), Operations[random.Next(Operations.Length)]);
        while (signIns < SignIns)
            SignIn(Home(), Anytime(), success: random.Next(8) > 0);
    }

    private string Home() => random.Next(10) switch
    {
        < 4 => $"8.16.1.{random.Next(4)}",
        < 8 => $"8.{random.Next(17, 33)}.{random.Next(256)}.{random.Next(256)}",
        8 => $"2a00:1d0:{random.Next(16):x}::{random.Next(1, 65536):x}",
        _ => $"10.20.{random.Next(4)}.{random.Next(256)}",
    };

    private static long At(int minute) => From + ((long)minute * Minute);

    private long Anytime() => From + random.Next(1, 480 * Minute);

    // ---- Shapes

    private JsonObject SignIn(string address, long at, bool success = true)
    {
        signIns++;
        var person = random.Next(120);
        var (name, id) = Person(person);
        var place = Places[person % Places.Length];
        var managed = random.Next(3) > 0;
        var system = Systems[person % Systems.Length];
        var device = new JsonObject
        {
            ["display_name"] = $"NWF-{person:000}",
            ["operating_system"] = system,
            ["browser"] = Browsers[random.Next(Browsers.Length)],
        };
        if (managed)
        {
            device["device_id"] = NewId();
            device["is_compliant"] = random.Next(10) > 0;
            device["is_managed"] = true;
            device["trust_type"] = random.Next(2) == 0 ? "Azure AD joined" : "Hybrid Azure AD joined";
        }

        var error = success ? 0 : 50126;
        var interactive = random.Next(3) > 0;
        var properties = new JsonObject
        {
            ["app_display_name"] = Apps[random.Next(Apps.Length)],
            ["app_id"] = NewId(),
            ["resource_display_name"] = "Microsoft Graph",
            ["applied_conditional_access_policies"] = new JsonArray(
                new JsonObject
                {
                    ["display_name"] = "Strong sign-in for everyone",
                    ["result"] = success ? "success" : "failure",
                    ["enforced_grant_controls"] = new JsonArray("Mfa"),
                },
                new JsonObject { ["display_name"] = "Crew devices only", ["result"] = "reportOnlyNotApplied", ["enforced_grant_controls"] = new JsonArray() }),
            ["authentication_requirement"] = random.Next(2) == 0 ? "multiFactorAuthentication" : "singleFactorAuthentication",
            ["client_app_used"] = interactive ? "Browser" : "Mobile Apps and Desktop clients",
            ["conditional_access_status"] = success ? "success" : "failure",
            ["correlation_id"] = NewId(),
            ["created_at"] = OracleTime.Format(at),
            ["cross_tenant_access_type"] = "none",
            ["device_detail"] = device,
            ["is_interactive"] = interactive,
            ["processing_time_ms"] = random.Next(40, 900),
            ["risk_level_aggregated"] = "none",
            ["risk_level_during_signin"] = random.Next(30) == 0 ? "medium" : "none",
            ["risk_state"] = "none",
            ["status"] = new JsonObject { ["error_code"] = error },
            ["user_display_name"] = $"Crew {person:000}",
            ["user_id"] = id,
            ["user_principal_name"] = name,
            ["user_type"] = "Member",
        };
        var outcome = success ? "success" : "failure";
        var document = Document(address, at, "azure", "azure.signinlogs", "event", outcome, "Sign-in activity", ["authentication"], ["info"]);
        document["azure"] = new JsonObject
        {
            ["correlation_id"] = NewId(),
            ["tenant_id"] = Tenant,
            ["resource"] = new JsonObject { ["id"] = $"/tenants/{Tenant}/providers/Microsoft.aadiam", ["provider"] = "Microsoft.aadiam" },
            ["signinlogs"] = new JsonObject
            {
                ["category"] = interactive ? "SignInLogs" : "NonInteractiveUserSignInLogs",
                ["identity"] = $"Crew {person:000}",
                ["operation_name"] = "Sign-in activity",
                ["result_type"] = error.ToString(),
                ["properties"] = properties,
            },
        };
        if (!success)
            document["message"] = "Invalid username or password or Invalid on-premise username or password.";
        document["cloud"] = new JsonObject { ["provider"] = "azure" };
        document["geo"] = new JsonObject
        {
            ["city_name"] = place.City,
            ["region_name"] = place.Region,
            ["country_iso_code"] = place.Country,
            ["location"] = new JsonObject { ["lat"] = place.Lat, ["lon"] = place.Lon },
        };
        document["source"]!["geo"] = document["geo"]!.DeepClone();
        document["source"]!["as"] = new JsonObject { ["number"] = 64500 + (person % 30), ["organization"] = new JsonObject { ["name"] = "Example Carrier" } };
        document["user"] = new JsonObject { ["id"] = id, ["name"] = name, ["email"] = name, ["full_name"] = $"Crew {person:000}" };
        document["user_agent"] = new JsonObject
        {
            ["original"] = $"Mozilla/5.0 ({system}) Example",
            ["name"] = device["browser"]!.ToString(),
            ["os"] = new JsonObject { ["name"] = system },
        };
        return Add(document);
    }

    private JsonObject Mail(string address, long at, bool success = true)
    {
        mailAccesses++;
        return Audit(address, at, "MailItemsAccessed", success);
    }

    private JsonObject Audit(string address, long at, string operation, bool success = true)
    {
        auditRecords++;
        var (name, id) = Person(random.Next(120));
        var workload = operation.StartsWith("File", StringComparison.Ordinal) || operation == "PageViewed" ? "SharePoint"
            : operation == "UserLoggedIn" ? "AzureActiveDirectory" : "Exchange";
        string[] categories = operation switch
        {
            "MailItemsAccessed" => ["web", "email"],
            "UserLoggedIn" => ["authentication"],
            "Send" => ["email"],
            _ when workload == "SharePoint" => ["file", "web"],
            _ => ["web"],
        };
        var document = Document(address, at, "o365", "o365.audit", "event", success ? "success" : "failure", operation, categories, ["info"]);
        var audit = new JsonObject
        {
            ["CreationTime"] = OracleTime.Format(at)[..19],
            ["Id"] = document["event"]!["id"]!.ToString(),
            ["Operation"] = operation,
            ["OrganizationId"] = Tenant,
            ["RecordType"] = operation == "MailItemsAccessed" ? "50" : "6",
            ["ResultStatus"] = success ? "Succeeded" : "Failed",
            ["UserId"] = name,
            ["UserKey"] = id,
            ["UserType"] = "0",
            ["Workload"] = workload,
        };
        if (operation == "MailItemsAccessed")
        {
            audit["ClientInfoString"] = "Client=REST;Client=RESTSystem;;";
            audit["MailboxOwnerUPN"] = name;
            audit["OperationCount"] = random.Next(1, 30);
            var item = new JsonObject { ["InternetMessageId"] = $"<{NewId()}@{Organization}>" };
            audit["Folders"] = new JsonArray(new JsonObject { ["Path"] = "\\Inbox", ["FolderItems"] = new JsonArray(item) });
        }

        document["o365"] = new JsonObject { ["audit"] = audit };
        document["client"] = new JsonObject { ["address"] = address, ["ip"] = address };
        document["organization"] = new JsonObject { ["id"] = Tenant };
        document["host"] = new JsonObject { ["id"] = Tenant, ["name"] = Organization };
        document["network"] = new JsonObject { ["type"] = address.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4" };
        document["user"] = new JsonObject { ["domain"] = Organization, ["email"] = name, ["id"] = name, ["name"] = name.Split('@')[0] };
        document["event"]!["provider"] = workload;
        document["event"]!["code"] = workload == "Exchange" ? "ExchangeItemAggregated" : workload;
        return Add(document);
    }

    /// <summary>A vendor's alert as its integration writes it.</summary>
    private JsonObject RawAlert(string address, long at, string dataset, string? module = null) => Add(VendorAlert(address, at, dataset, module));

    private JsonObject VendorAlert(string address, long at, string dataset, string? module = null)
    {
        alerts++;
        string[] categories = ["intrusion_detection", "network"];
        module ??= dataset.Split('.')[0];
        var document = Document(address, at, module, dataset, "alert", outcome: null, "network-alert", categories, ["info", "denied"]);
        document["event"]!["severity"] = random.Next(1, 4);
        document["destination"] = new JsonObject { ["address"] = "203.0.114.250", ["ip"] = "203.0.114.250", ["port"] = 443 };
        document["network"] = new JsonObject { ["transport"] = "tcp", ["protocol"] = "tls" };
        document["observer"] = new JsonObject { ["vendor"] = dataset.Split('.')[0], ["product"] = "sensor", ["name"] = "quay-ids-1" };
        var signature = random.Next(2_000_000, 3_000_000);
        document["rule"] = new JsonObject { ["name"] = "Perimeter scan", ["category"] = "Attempted Information Leak", ["id"] = $"{signature}" };
        document["source"]!["port"] = random.Next(1024, 65536);
        document["related"] = new JsonObject { ["ip"] = new JsonArray(address, "203.0.114.250") };
        return document;
    }

    /// <summary>The alert that Kibana makes of a vendor's: flat dotted keys over the nested source document, whose event.kind they replace.</summary>
    private JsonObject Alert(
        string address, long at, string dataset, string? message = null, string ruleId = ExternalAlertsId, bool dataStream = true)
    {
        var document = VendorAlert(address, at, dataset);
        var source = document["event"]!.DeepClone().AsObject();
        document["event"]!.AsObject().Remove("kind");
        document["event.kind"] = "signal";
        if (message is not null)
            document["message"] = message;
        if (!dataStream)
            document.Remove("data_stream");
        foreach (var (key, value) in source)
            document[$"kibana.alert.original_event.{key}"] = value?.DeepClone();
        document["kibana.alert.rule.name"] = message ?? ExternalAlerts;
        document["kibana.alert.rule.rule_id"] = ruleId;
        document["kibana.alert.rule.category"] = "Custom Query Rule";
        document["kibana.alert.rule.producer"] = "siem";
        document["kibana.alert.uuid"] = NewId();
        document["kibana.alert.severity"] = "medium";
        document["kibana.alert.risk_score"] = 47;
        document["kibana.alert.status"] = "active";
        document["kibana.alert.workflow_status"] = "open";
        document["kibana.alert.depth"] = 1;
        document["kibana.alert.reason"] = $"intrusion_detection, network event with source {address} created medium alert {message ?? ExternalAlerts}.";
        document["kibana.alert.original_time"] = OracleTime.Format(at - 4_000);
        document["kibana.space_ids"] = new JsonArray("default");
        return Add(document);
    }

    private JsonObject Document(
        string address, long at, string module, string dataset, string kind, string? outcome, string action, string[] categories, string[] types)
    {
        var document = new JsonObject
        {
            ["@timestamp"] = OracleTime.Format(at),
            ["agent"] = new JsonObject { ["name"] = "fleet-agent-2", ["type"] = "filebeat", ["version"] = "9.1.4" },
            ["data_stream"] = new JsonObject { ["dataset"] = dataset, ["namespace"] = "default", ["type"] = "logs" },
            ["ecs"] = new JsonObject { ["version"] = "8.17.0" },
            ["event"] = new JsonObject
            {
                ["action"] = action,
                ["agent_id_status"] = "verified",
                ["category"] = new JsonArray([.. categories]),
                ["dataset"] = dataset,
                ["id"] = NewId(),
                ["ingested"] = OracleTime.Format(at + random.Next(20_000, 240_000)),
                ["kind"] = kind,
                ["module"] = module,
                ["type"] = new JsonArray([.. types]),
            },
            ["source"] = new JsonObject { ["address"] = address, ["ip"] = address },
            ["tags"] = new JsonArray("forwarded", dataset.Replace('.', '-')),
        };
        if (outcome is not null)
            document["event"]!["outcome"] = outcome;
        return document;
    }

    private JsonObject Add(JsonObject document)
    {
        documents.Add(document);
        return document;
    }

    private static (string Name, string Id) Person(int number) => ($"crew{number:000}@{Organization}", $"00000000-0000-4000-8000-{number:000000000000}");

    private string NewId()
    {
        var bytes = new byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes).ToString();
    }
}

internal static class ScenarioDocuments
{
    /// <summary>Takes a member out of a document.</summary>
    public static void Remove(this JsonObject document, string parent, string key) => document[parent]!.AsObject().Remove(key);

    /// <summary>Puts a member into an object of a document.</summary>
    public static void Set(this JsonObject document, JsonNode value, string parent, string key) => document[parent]![key] = value;
}
