namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>The indices of a stack with the Azure, Office 365 and PAN-OS integrations and Kibana's detection engine.</summary>
public sealed partial class FakeCluster
{
    /// <summary>The data stream of Entra ID sign-ins.</summary>
    public const string AzureSignInLogs = "logs-azure.signinlogs-default";

    /// <summary>The data stream of Microsoft 365 audit events.</summary>
    public const string Office365Audit = "logs-o365.audit-default";

    /// <summary>The data stream of the firewall.</summary>
    public const string PanOs = "logs-panw.panos-default";

    /// <summary>The alias of the alerts in the default space.</summary>
    public const string Alerts = ".alerts-security.alerts-default";

    /// <summary>The index behind the alias of the alerts.</summary>
    public const string AlertsIndex = ".internal.alerts-security.alerts-default-000001";

    /// <summary>
    /// A cluster with the data streams <see cref="AzureSignInLogs"/>, <see cref="Office365Audit"/> and <see cref="PanOs"/>, and the alerts
    /// behind <see cref="Alerts"/>, mapped as shipped: the dataset of the first two is a preset constant, and alerts have no data_stream.*.
    /// </summary>
    public static FakeCluster WithStockMappings(TimeProvider clock, string version = "8.19.3")
    {
        var cluster = new FakeCluster(clock, version);
        cluster.CreateDataStream(AzureSignInLogs, EventMapping("azure", "azure.signinlogs"));
        cluster.CreateDataStream(Office365Audit, EventMapping("o365", "o365.audit"));
        cluster.CreateDataStream(PanOs, EventMapping(null, null));
        cluster.CreateIndex(AlertsIndex, AlertMapping(version), hidden: true, Alerts);
        return cluster;
    }

    /// <summary>Adds the alerts of another space, behind the alias .alerts-security.alerts-{space}.</summary>
    public FakeIndex AddAlerts(string space) =>
        CreateIndex($".internal.alerts-security.alerts-{space}-000001", AlertMapping(Version.Serverless ? "serverless" : Version.ToString()), hidden: true, $".alerts-security.alerts-{space}");

    /// <summary>The mapping of an integration's data stream. Without a module and dataset both are plain keywords.</summary>
    public static string EventMapping(string? module, string? dataset) => $$"""
        {
          "dynamic": "true",
          "dynamic_templates": [{ "strings_as_keyword": { "match_mapping_type": "string", "mapping": { "type": "keyword", "ignore_above": 1024 } } }],
          "properties": {
            {{EcsFields}},
            "data_stream": { "properties": {
              "type": { "type": "constant_keyword" },
              "dataset": { "type": "constant_keyword" },
              "namespace": { "type": "constant_keyword" } } },
            "event": { "properties": {
              {{EventFields}},
              "module": {{Preset(module)}},
              "dataset": {{Preset(dataset)}} } }
          }
        }
        """;

    /// <summary>The mapping of the alerts index: ECS without its constants, kibana.alert.* on top, nothing dynamic.</summary>
    public static string AlertMapping(string version = "8.19.3") => $$"""
        {
          "dynamic": "false",
          "properties": {
            {{EcsFields}},
            "event": { "properties": {
              {{EventFields}},
              "module": { "type": "keyword", "ignore_above": 1024 },
              "dataset": { "type": "keyword", "ignore_above": 1024 } } },
            "kibana": { "properties": {
              "space_ids": { "type": "keyword" },
              "version": { "type": "keyword" },
              "alert": { "properties": {
                "ancestors": { "properties": {
                  "id": { "type": "keyword" }, "index": { "type": "keyword" }, "type": { "type": "keyword" }, "depth": { "type": "long" }, "rule": { "type": "keyword" } } },
                "depth": { "type": "long" },
                "reason": { "type": "keyword" },
                "severity": { "type": "keyword" },
                "risk_score": { "type": "float" },
                "status": { "type": "keyword" },
                "workflow_status": { "type": "keyword" },
                "workflow_tags": { "type": "keyword" },
                "uuid": { "type": "keyword" },
                "url": { "type": "keyword", "index": false, "ignore_above": 2048 },
                "start": { "type": "date" },
                "last_detected": { "type": "date" },
                "original_time": { "type": "date" },
                {{(ElasticsearchVersion.Parse(version).Has("9.1") ? OriginalDataStream : "")}}
                "original_event": { "properties": {
                  {{EventFields}},
                  "module": { "type": "keyword" },
                  "dataset": { "type": "keyword" } } },
                "rule": { "properties": {
                  "uuid": { "type": "keyword" },
                  "rule_id": { "type": "keyword" },
                  "name": { "type": "keyword" },
                  "type": { "type": "keyword" },
                  "category": { "type": "keyword" },
                  "tags": { "type": "keyword" },
                  "created_at": { "type": "date" },
                  "parameters": { "type": "flattened", "ignore_above": 4096 },
                  "execution": { "properties": { "uuid": { "type": "keyword" }, "timestamp": { "type": "date" } } } } } } } } },
            "signal": { "properties": {
              "rule": { "properties": {
                "name": { "type": "alias", "path": "kibana.alert.rule.name" },
                "rule_id": { "type": "alias", "path": "kibana.alert.rule.rule_id" } } },
              "status": { "type": "alias", "path": "kibana.alert.workflow_status" } } }
          }
        }
        """;

    private const string OriginalDataStream = """
        "original_data_stream": { "properties": {
          "dataset": { "type": "keyword" }, "namespace": { "type": "keyword" }, "type": { "type": "keyword" } } },
        """;

    private const string EcsFields = """
        "@timestamp": { "type": "date" },
        "message": { "type": "match_only_text" },
        "tags": { "type": "keyword", "ignore_above": 1024 },
        "labels": { "type": "object" },
        "ecs": { "properties": { "version": { "type": "keyword", "ignore_above": 1024 } } },
        "client": { "properties": { "ip": { "type": "ip" }, "address": { "type": "keyword", "ignore_above": 1024 } } },
        "cloud": { "properties": { "provider": { "type": "keyword", "ignore_above": 1024 }, "account": { "properties": { "id": { "type": "keyword", "ignore_above": 1024 } } } } },
        "network": { "properties": { "direction": { "type": "keyword", "ignore_above": 1024 }, "protocol": { "type": "keyword", "ignore_above": 1024 } } },
        "observer": { "properties": { "vendor": { "type": "keyword", "ignore_above": 1024 }, "product": { "type": "keyword", "ignore_above": 1024 }, "name": { "type": "keyword", "ignore_above": 1024 } } },
        "organization": { "properties": { "id": { "type": "keyword", "ignore_above": 1024 }, "name": { "type": "keyword", "ignore_above": 1024 } } },
        "url": { "properties": { "full": { "type": "wildcard" }, "domain": { "type": "keyword", "ignore_above": 1024 } } },
        "agent": { "properties": { "name": { "type": "keyword", "ignore_above": 1024 }, "type": { "type": "keyword", "ignore_above": 1024 } } },
        "related": { "properties": { "ip": { "type": "ip" }, "user": { "type": "keyword", "ignore_above": 1024 } } },
        "rule": { "properties": { "name": { "type": "keyword", "ignore_above": 1024 }, "id": { "type": "keyword", "ignore_above": 1024 } } },
        "host": { "properties": { "name": { "type": "keyword", "ignore_above": 1024 } } },
        "source": { "properties": {
          "ip": { "type": "ip" }, "port": { "type": "long" }, "address": { "type": "keyword", "ignore_above": 1024 },
          "as": { "properties": { "number": { "type": "long" }, "organization": { "properties": { "name": {
            "type": "keyword", "ignore_above": 1024, "fields": { "text": { "type": "match_only_text" } } } } } } },
          "geo": { "properties": {
            "country_iso_code": { "type": "keyword", "ignore_above": 1024 }, "country_name": { "type": "keyword", "ignore_above": 1024 },
            "city_name": { "type": "keyword", "ignore_above": 1024 }, "location": { "type": "geo_point" } } } } },
        "destination": { "properties": { "ip": { "type": "ip" }, "port": { "type": "long" } } },
        "user": { "properties": {
          "name": { "type": "keyword", "ignore_above": 1024, "fields": { "text": { "type": "match_only_text" } } },
          "id": { "type": "keyword", "ignore_above": 1024 }, "email": { "type": "keyword", "ignore_above": 1024 },
          "full_name": { "type": "keyword", "ignore_above": 1024 }, "domain": { "type": "keyword", "ignore_above": 1024 } } },
        "user_agent": { "properties": { "original": { "type": "keyword", "ignore_above": 1024, "fields": { "text": { "type": "match_only_text" } } } } }
        """;

    private const string EventFields = """
        "action": { "type": "keyword", "ignore_above": 1024 },
        "category": { "type": "keyword", "ignore_above": 1024 },
        "code": { "type": "keyword", "ignore_above": 1024 },
        "created": { "type": "date" },
        "id": { "type": "keyword", "ignore_above": 1024 },
        "ingested": { "type": "date" },
        "kind": { "type": "keyword", "ignore_above": 1024 },
        "outcome": { "type": "keyword", "ignore_above": 1024 },
        "provider": { "type": "keyword", "ignore_above": 1024 },
        "reason": { "type": "keyword", "ignore_above": 1024 },
        "risk_score": { "type": "float" },
        "severity": { "type": "long" },
        "type": { "type": "keyword", "ignore_above": 1024 }
        """;

    private static string Preset(string? value) => value is null
        ? """{ "type": "keyword", "ignore_above": 1024 }"""
        : $$"""{ "type": "constant_keyword", "value": "{{value}}" }""";
}
