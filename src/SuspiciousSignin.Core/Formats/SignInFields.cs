using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// What the three shapes of Entra ID sign-in have in common, as Elastic's azure.signinlogs pipeline maps it. All keys are in snake_case.
/// </summary>
internal static class SignInFields
{
    public const string Action = "Sign-in activity";

    /// <summary>The fields that come from the sign-in itself: <c>properties</c> of a diagnostic record, a Graph object, a row.</summary>
    public static void Set(EcsBuilder ecs, JsonElement signIn, JsonElement location, EventReaderOptions options)
    {
        ecs.Set("event.dataset", "azure.signinlogs");
        ecs.Set("event.module", "azure");
        ecs.Set("data_stream.dataset", "azure.signinlogs");
        ecs.Set("event.kind", "event");
        ecs.Set("event.category", ["authentication"]);
        ecs.Set("event.type", ["info"]);
        ecs.Set("cloud.provider", "azure");
        ecs.Set("event.id", signIn.Snake("id").Text());
        SetUser(ecs, signIn);
        ecs.Set("service.name", signIn.Snake("service_principal_name").Text());
        ecs.Set("user_agent.original", signIn.Snake("user_agent").Text());
        ecs.Set("geo.city_name", location.Snake("city").Text());
        ecs.Set("geo.region_name", location.Snake("state").Text());
        var coordinates = location.Snake("geo_coordinates");
        if (coordinates.Snake("latitude").Number() is not null && coordinates.Snake("longitude").Number() is not null)
        {
            ecs.Set("geo.location.lat", coordinates.Snake("latitude"));
            ecs.Set("geo.location.lon", coordinates.Snake("longitude"));
        }

        SetAddress(ecs, signIn.Get("ipaddress").Text() ?? signIn.Get("ip_address").Text(), options);
        ecs.Set("azure.signinlogs.properties", signIn);
    }

    /// <summary><c>source.ip</c> where the text is an address; otherwise the text is kept as <c>source.address</c> only.</summary>
    public static void SetAddress(EcsBuilder ecs, string? text, EventReaderOptions options)
    {
        if (text is null)
        {
            return;
        }

        ecs.Set("source.address", text);
        var client = options.SignInAddressWithPort && !SourceAddress.TryParse(text, out _)
            ? ClientAddress.Parse(text)
            : new ClientAddress(text);
        if (client is { Ip: { } ip, Domain: null })
        {
            ecs.Set("source.ip", ip);
            ecs.Set("source.port", client.Port);
            ecs.Set("client.ip", ip);
            ecs.Set("related.ip", [ip]);
        }
    }

    /// <summary>
    /// <c>event.outcome</c> of an error code: none or 0 is success, more is failure. One that is no number says neither, as Elastic's
    /// pipeline fails on it; then the result type counts where the record has one.
    /// </summary>
    public static string? OutcomeOf(JsonElement errorCode, string? resultType = null) => errorCode.Sign() switch
    {
        0 => "success",
        > 0 => "failure",
        null when errorCode.IsEmpty() => "success",
        null when resultType is not null => resultType == "0" ? "success" : "failure",
        _ => null,
    };

    /// <summary>The failure reason with the details in brackets, or whichever of the two is there.</summary>
    public static string? MessageOf(string? reason, string? details) =>
        reason is not null && details is not null ? $"{reason} ({details})" : reason ?? details;

    private static void SetUser(EcsBuilder ecs, JsonElement signIn)
    {
        var name = signIn.Snake("user_principal_name").Text();
        ecs.Set("user.name", name);
        if (name?.IndexOf('@', StringComparison.Ordinal) > 0)
        {
            ecs.Set("user.email", name);
        }

        ecs.Set("user.id", signIn.Snake("user_id").Text());
        ecs.Set("user.full_name", signIn.Snake("user_display_name").Text());
    }
}
