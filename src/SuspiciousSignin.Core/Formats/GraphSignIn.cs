using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// A <c>signIn</c> of Microsoft Graph, <c>/auditLogs/signIns</c>: the properties of a diagnostic record, without the record.
/// </summary>
internal sealed class GraphSignIn : IRecordShape
{
    public string Name => "graphSignIn";

    public bool Matches(JsonElement record) =>
        record.HasAnyCase("createdDateTime") && record.HasAnyCase("ipAddress") && record.HasAnyCase("status");

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var signIn = SnakeCase.Rewrite(record);
        ecs.SetTimestamp((signIn.Get("created_at"), "/createdDateTime"));
        SignInFields.Set(ecs, signIn, signIn.Get("location"), options);
        ecs.Set("event.action", SignInFields.Action);
        var status = signIn.Get("status");
        var errorCode = status.Get("error_code");
        ecs.Set("event.outcome", errorCode.Sign() < 0 ? "failure" : SignInFields.OutcomeOf(errorCode));
        ecs.Set("message", SignInFields.MessageOf(status.Get("failure_reason").Text(), status.Get("additional_details").Text()));
        ecs.Set("geo.country_iso_code", signIn.Get("location").Get("country_or_region").Text());
        ecs.Set("azure.correlation_id", signIn.Get("correlation_id").Text());
        ecs.Set("azure.signinlogs.category", CategoryOf(signIn));
    }

    // Only the beta version tells; version 1.0 lists sign-ins by people unless asked otherwise.
    private static string CategoryOf(JsonElement signIn) => signIn.Get("sign_in_event_types").Values().FirstOrDefault().Text() switch
    {
        "nonInteractiveUser" => "NonInteractiveUserSignInLogs",
        "servicePrincipal" => "ServicePrincipalSignInLogs",
        "managedIdentity" => "ManagedIdentitySignInLogs",
        _ => "SignInLogs",
    };
}
