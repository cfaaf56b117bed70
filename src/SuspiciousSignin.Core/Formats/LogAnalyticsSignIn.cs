using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// A row of Log Analytics' SigninLogs or AAD*SignInLogs tables: flat, in PascalCase, nested objects as objects or as text. Exports may add
/// <c> [UTC]</c> to the names of date columns.
/// </summary>
internal sealed class LogAnalyticsSignIn : IRecordShape
{
    private static readonly string[] RowFields = ["operation_name", "result_type", "result_signature", "result_description", "identity"];

    public string Name => "logAnalyticsSignIn";

    public bool Matches(JsonElement record) =>
        record.Get("Type").Text()?.EndsWith("SignInLogs", StringComparison.OrdinalIgnoreCase) == true
        || (record.Has("ResultType") && record.Has("IPAddress"));

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var row = SnakeCase.Rewrite(record);
        ecs.SetTimestamp((row.Get("created_at"), "/CreatedDateTime"), (row.Get("time_generated"), "/TimeGenerated"));
        SignInFields.Set(ecs, row, row.Get("location_details"), options);
        ecs.Set("event.action", row.Get("operation_name").Text() ?? SignInFields.Action);
        var status = row.Get("status");
        ecs.Set("event.outcome", OutcomeOf(record.Get("ResultType").TextOrEmpty(), status.Get("error_code")));
        ecs.Set("message", SignInFields.MessageOf(
            row.Get("result_description").Text() ?? status.Get("failure_reason").Text(), status.Get("additional_details").Text()));
        ecs.Set("geo.country_iso_code", row.Get("location").Text());
        ecs.Set("azure.tenant_id", row.Get("aadtenant_id").Text());
        ecs.Set("azure.correlation_id", row.Get("correlation_id").Text());
        ecs.Set("azure.signinlogs.category", row.Get("category").Text() ?? row.Get("type").Text());
        foreach (var field in RowFields)
        {
            ecs.Set("azure.signinlogs." + field, row.Get(field).Text());
        }
    }

    // Log Analytics has no null text: an empty column says as little as a missing one, but does not say success.
    private static string? OutcomeOf(string? resultType, JsonElement errorCode) => resultType switch
    {
        "0" => "success",
        "" when errorCode.IsEmpty() => "failure",
        "" or null => SignInFields.OutcomeOf(errorCode),
        _ => "failure",
    };
}
