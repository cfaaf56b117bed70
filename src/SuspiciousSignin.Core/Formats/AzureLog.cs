using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// Any other log that diagnostic settings write, such as AuditLogs: Event Hubs carry them along with sign-ins. The rule counts none of
/// them, so only what tells them apart is read.
/// </summary>
internal sealed class AzureLog : IRecordShape
{
    public string Name => "azureLog";

    public bool Matches(JsonElement record) =>
        record.GetAnyCase("category").ValueKind == JsonValueKind.String
        && record.GetAnyCase("time").ValueKind == JsonValueKind.String
        && (record.GetAnyCase("operationName").ValueKind == JsonValueKind.String
            || record.GetAnyCase("resourceId").ValueKind == JsonValueKind.String);

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var category = record.GetAnyCase("category").Text();
        var dataset = category == "AuditLogs" ? "azure.auditlogs" : "azure.platformlogs";
        ecs.SetTimestamp((record.GetAnyCase("time"), "/time"));
        ecs.Set("event.dataset", dataset);
        ecs.Set("event.module", "azure");
        ecs.Set("data_stream.dataset", dataset);
        ecs.Set("event.kind", "event");
        ecs.Set("event.action", record.GetAnyCase("operationName").Text());
        ecs.Set("azure.resource.id", record.GetAnyCase("resourceId").Text());
        ecs.Set("azure.correlation_id", record.GetAnyCase("correlationId").Text());
        ecs.Set(dataset + ".category", category);
    }
}
