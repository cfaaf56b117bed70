using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>A record of the Microsoft 365 unified audit log, as the Office 365 Management Activity API gives it.</summary>
internal sealed partial class O365Audit : IRecordShape
{
    private static readonly string[] CommonMembers = ["Workload", "OrganizationId", "UserType", "UserKey"];
    private static readonly string[] ClientFields = ["ClientIPAddress", "ClientIP", "ActorIpAddress"];
    private static readonly string[] NumbersKeptAsText = ["RecordType", "UserType", "Version", "LogonType", "InternalLogonType"];

    public string Name => "o365Audit";

    // Operation is missing in some records, RecordType in some exports. Without CreationTime, which a shipper may have moved, it takes more
    // to be one: other logs, such as those of DNS, have both words too.
    public bool Matches(JsonElement record) => record.Has("CreationTime")
        ? record.Has("RecordType") || record.Has("Operation")
        : int.TryParse(record.Get("RecordType").Text(), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && record.Get("Operation").ValueKind == JsonValueKind.String
            && CommonMembers.Any(member => record.Has(member));

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options) => Set(ecs, record, "/CreationTime");

    /// <summary>Sets the fields of a record whose time stood at the place given.</summary>
    public static void Set(EcsBuilder ecs, JsonElement record, string timePointer)
    {
        ecs.SetTimestampOrShippers(record, record.Get("CreationTime"), timePointer);
        var type = AuditRecordType.NameOf(record.Get("RecordType").Text());
        ecs.Set("event.dataset", "o365.audit");
        ecs.Set("event.module", "o365");
        ecs.Set("data_stream.dataset", "o365.audit");
        ecs.Set("event.id", record.Get("Id").Text());
        ecs.Set("event.provider", record.Get("Workload").Text());
        ecs.Set("event.code", type);
        ecs.Set("event.outcome", OutcomeOf(record.Get("ResultStatus").Text()));
        ecs.Set("event.severity", SeverityOf(record.Get("Severity").Text()));
        var operation = AuditOperation.Of(type, record.Get("Operation").Text());
        ecs.Set("event.action", operation.Action);
        ecs.Set("event.kind", operation.Kind);
        ecs.Set("event.category", operation.Categories);
        ecs.Set("event.type", operation.Types);
        SetClient(ecs, record);
        SetUser(ecs, record, type);
        SetOrganization(ecs, record, type);
        SetAlert(ecs, record, type);
        SetDataLossPrevention(ecs, record, type);
        ecs.Set("user_agent.original", record.Get("UserAgent").Text() ?? ValueOf(record.Get("ExtendedProperties"), "UserAgent"));
        ecs.Set("process.name", type == AuditRecordType.ExchangeItem ? record.Get("ClientProcessName").Text() : null);
        ecs.Set("session.id", record.Get("AppAccessContext").Get("AADSessionId").Text());
        ecs.Set("token.id", record.Get("AppAccessContext").Get("UniqueTokenId").Text());
        ecs.Set("o365.audit", json => WriteAudit(json, record));
    }

    /// <summary>What is neither a known success nor a known failure is success: that is how the pipeline has it.</summary>
    private static string OutcomeOf(string? resultStatus) =>
        string.Equals(resultStatus, "Failed", StringComparison.OrdinalIgnoreCase)
        || string.Equals(resultStatus, "False", StringComparison.OrdinalIgnoreCase)
            ? "failure"
            : "success";

    private static long? SeverityOf(string? severity) => severity switch
    {
        "informational" => 1,
        "low" => 2,
        "medium" => 3,
        "high" => 4,
        _ => null,
    };

    /// <summary>The first address that is not null counts, even where it is empty or cannot be read.</summary>
    private static void SetClient(EcsBuilder ecs, JsonElement record)
    {
        var first = ClientFields.Select(name => record.Get(name))
            .FirstOrDefault(static value => value.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null));
        var client = ClientAddress.Parse(first.TextOrEmpty() ?? "");
        ecs.Set("client.address", client.Address);
        ecs.Set("client.domain", client.Domain);
        ecs.Set("client.port", client.Port);
        ecs.Set("source.port", client.Port);
        if (client.Ip is not { } ip)
        {
            return;
        }

        ecs.Set("client.ip", ip);
        ecs.Set("source.ip", ip);
        ecs.Set("network.type", ip.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4");
        ecs.Set("related.ip", [ip]);
    }

    private static void SetUser(EcsBuilder ecs, JsonElement record, string? type)
    {
        var id = record.Get("UserId").Text();
        switch (type)
        {
            case AuditRecordType.ExchangeItem:
                ecs.Set("user.email", record.Get("MailboxOwnerUPN").Text());
                ecs.Set("user.full_name", record.Get("LogonUserDisplayName").Text());
                id ??= record.Get("LogonUserSid").Text();
                break;

            case AuditRecordType.ExchangeAdmin or AuditRecordType.ExchangeItemGroup or AuditRecordType.ExchangeItemAggregated:
                id ??= record.Get("LogonUserSid").Text();
                break;

            case AuditRecordType.Yammer:
                ecs.Set("user.email", record.Get("ActorUserId").Text());
                id ??= record.Get("ActorYammerUserId").Text();
                break;

            case AuditRecordType.Alert:
                ecs.Set("user.email", record.Get("Data").Unwrapped().Get("f3u").Text());
                break;

            case AuditRecordType.DlpSharePoint or AuditRecordType.DlpExchange:
                id ??= record.Get("SharePointMetaData").Get("From").Text();
                break;
        }

        ecs.Set("user.id", id);
        if (id?.Split('@') is [var name, var domain])
        {
            ecs.Set("user.email", id);
            ecs.Set("user.name", name);
            ecs.Set("user.domain", domain);
        }
    }

    private static void SetOrganization(EcsBuilder ecs, JsonElement record, string? type)
    {
        var organization = record.Get("OrganizationId").Text()?.ToLowerInvariant();
        ecs.Set("organization.id", organization);
        ecs.Set("host.id", organization);
        var isExchange = type is AuditRecordType.ExchangeAdmin or AuditRecordType.ExchangeItem;
        var name = isExchange ? record.Get("OrganizationName").Text() : null;
        ecs.Set("organization.name", name);
        ecs.Set("host.name", name ?? (record.Get("UserId").Text()?.Split('@') is [_, var domain] ? domain : null));
        if (!isExchange || record.Get("OriginatingServer").Text() is not { } text)
        {
            return;
        }

        if (ServerNameAndAddress().Match(text) is { Success: true } server)
        {
            ecs.Set("server.domain", server.Groups["name"].Value);
            text = server.Groups["address"].Value;
        }

        ecs.Set("server.address", text);
        if (SourceAddress.TryParse(text, out _))
        {
            ecs.Set("server.ip", text);
            ecs.Set("destination.ip", text);
        }
    }

    private static void SetAlert(EcsBuilder ecs, JsonElement record, string? type)
    {
        if (type != AuditRecordType.Alert)
        {
            return;
        }

        ecs.Set("rule.name", record.Get("Name").Text());
        ecs.Set("rule.id", record.Get("PolicyId").Text());
        ecs.Set("rule.category", record.Get("Category").Text());
        ecs.Set("rule.description", record.Get("AlertEntityId").Text());
        ecs.Set("message", record.Get("Name").Text());
    }

    /// <summary>The rules of data loss prevention that matched, the severest of them, and whether they let the access be.</summary>
    private static void SetDataLossPrevention(EcsBuilder ecs, JsonElement record, string? type)
    {
        if (type is not (AuditRecordType.DlpSharePoint or AuditRecordType.DlpExchange))
        {
            return;
        }

        ecs.Set("message", record.Get("ExchangeMetaData").Get("Subject").Text());
        ecs.Set("rule.id", record.Get("PolicyId").Text());
        ecs.Set("rule.name", record.Get("PolicyName").Text());
        var rules = record.Get("PolicyDetails").Items().SelectMany(policy => policy.Get("Rules").Items()).ToArray();
        if (rules.Length == 0)
        {
            return;
        }

        var named = rules.Where(rule => rule.Get("RuleId").Text() is not null && rule.Get("RuleName").Text() is not null).ToArray();
        if (named.Length > 0)
        {
            ecs.Set("rule.id", named.Select(rule => rule.Get("RuleId").Text()!));
            ecs.Set("rule.name", named.Select(rule => rule.Get("RuleName").Text()!));
        }

        ecs.Set("event.severity", rules.Max(rule => SeverityOf(rule.Get("Severity").Text()?.ToLowerInvariant()) ?? 0));
        var isBlocked = rules.Any(rule => rule.Get("Actions").Values().Any(action => action.Text() == "BlockAccess"));
        ecs.Set("event.outcome", !isBlocked ? "success" : record.Get("Operation").Text() switch
        {
            "DlpRuleUndo" => "success",
            "DlpInfo" => "failure",
            _ => record.Get("ExceptionInfo").Text() is not null || record.Get("ExceptionInfo").Members().Any() ? "success" : "failure",
        });
    }

    private static void WriteAudit(Utf8JsonWriter json, JsonElement record)
    {
        json.WriteStartObject();
        foreach (var property in record.Members())
        {
            json.WritePropertyName(property.Name);
            if (property.Name is "Parameters" or "ExtendedProperties" && property.Value.ValueKind == JsonValueKind.Array)
            {
                WriteAsMap(json, property.Value);
            }
            else if (property.Name == "OperationProperties")
            {
                WriteOperationProperties(json, property.Value.Unwrapped());
            }
            else if (property.Value.ValueKind == JsonValueKind.Number && NumbersKeptAsText.Contains(property.Name))
            {
                json.WriteStringValue(property.Value.GetRawText());
            }
            else
            {
                property.Value.WriteTo(json);
            }
        }

        json.WriteEndObject();
    }

    /// <summary>A list of Name and Value as one object; of equal names the last counts.</summary>
    private static void WriteAsMap(Utf8JsonWriter json, JsonElement list)
    {
        var values = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var item in list.Items())
        {
            if (item.Get("Name").Text() is { } name
                && item.Get("Value") is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } value)
            {
                values[name] = value;
            }
        }

        json.WriteStartObject();
        foreach (var (name, value) in values)
        {
            json.WritePropertyName(name);
            value.WriteTo(json);
        }

        json.WriteEndObject();
    }

    /// <summary>
    /// The list stays one, as the pipeline has it; what an analyst needs of it is an item besides, for
    /// <see cref="EcsField.MailAccessType"/> and <see cref="EcsField.IsThrottled"/>.
    /// </summary>
    private static void WriteOperationProperties(Utf8JsonWriter json, JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
        {
            // The pipeline drops what is no list either.
            json.WriteNullValue();
            return;
        }

        json.WriteStartArray();
        foreach (var item in list.Items())
        {
            item.WriteTo(json);
        }

        foreach (var name in (ReadOnlySpan<string>)["MailAccessType", "IsThrottled"])
        {
            if (ValueOf(list, name) is { } value)
            {
                json.WriteStartObject();
                json.WriteString(name, value);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static string? ValueOf(JsonElement list, string name) =>
        list.Items().FirstOrDefault(item => item.Get("Name").Text() == name).Get("Value").Text();

    [GeneratedRegex(@"\[?(?<name>\S+) \((?<address>[^)]*)\)", RegexOptions.NonBacktracking)]
    private static partial Regex ServerNameAndAddress();
}
