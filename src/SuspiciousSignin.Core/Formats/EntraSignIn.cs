using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>A record of one of the Entra ID sign-in logs as diagnostic settings write it to an Event Hub or a storage account.</summary>
internal sealed class EntraSignIn : IRecordShape
{
    // Of the record itself; the sign-in is in its properties.
    private static readonly string[] RootFields =
    [
        "category", "operation_name", "operation_version", "result_type", "result_signature", "result_description", "identity",
        "caller_ip_address",
    ];

    public string Name => "entraSignIn";

    public bool Matches(JsonElement record) =>
        record.GetAnyCase("category").Text()?.EndsWith("SignInLogs", StringComparison.OrdinalIgnoreCase) == true;

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var root = SnakeCase.Rewrite(record);
        var signIn = root.Snake("properties");
        ecs.SetTimestamp(
            (signIn.Get("created_at"), "/properties/createdDateTime"),
            (root.Snake("time"), "/time"),
            (root.Get("created_at"), "/createdDateTime"));
        SignInFields.Set(ecs, signIn, signIn.Snake("location"), options);
        ecs.Set("event.action", root.Snake("operation_name").Text());
        ecs.Set("event.duration", DurationOf(root.Snake("duration_ms")));
        ecs.Set("geo.country_iso_code", root.Snake("location").Text());
        ecs.Set("log.level", root.Snake("level").Text());
        ecs.Set("azure.tenant_id", root.Snake("tenant_id").Text());
        ecs.Set("azure.correlation_id", root.Snake("correlation_id").Text());
        ecs.Set("azure.resource.id", root.Snake("resource_id").Text());
        foreach (var field in RootFields)
        {
            ecs.Set("azure.signinlogs." + field, root.Snake(field).Text());
        }

        var status = signIn.Snake("status");
        ecs.Set("message", SignInFields.MessageOf(status.Snake("failure_reason").Text(), status.Snake("additional_details").Text()));
        ecs.Set("event.outcome", OutcomeOf(status, root, options));
        if (options.SignInCallerAddressFallback && signIn.Get("ipaddress").Text() is null && signIn.Get("ip_address").Text() is null)
        {
            SignInFields.SetAddress(ecs, root.Snake("caller_ip_address").Text(), options);
        }
    }

    private static string? OutcomeOf(JsonElement status, JsonElement root, EventReaderOptions options)
    {
        var resultType = options.SignInResultTypeFallback ? root.Snake("result_type").Text() : null;
        return status.ValueKind == JsonValueKind.Object ? SignInFields.OutcomeOf(status.Snake("error_code"), resultType)
            : resultType is null or "0" ? "success"
            : "failure";
    }

    private static long? DurationOf(JsonElement milliseconds) =>
        milliseconds.Number() is { } number and > -9e12 and < 9e12 ? (long)number * 1_000_000 : null;
}
