using System.Buffers;
using System.Collections.Frozen;
using System.Text;
using System.Text.Json;

namespace SuspiciousSignin.Formats;

/// <summary>
/// Keys of Entra ID records as Elastic's azure pipeline names them: <c>_</c> between a lower-case letter and the capitals after it, then
/// all in lower case. So records in camelCase, PascalCase and snake_case read the same.
/// </summary>
internal static class SnakeCase
{
    private const string ExportSuffix = " [utc]";

    // The names that the pipeline gives by hand; the last two are Log Analytics' and old documentation's names of one thing.
    private static readonly FrozenDictionary<string, string> Renamed = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["created_date_time"] = "created_at",
        ["createddatetime"] = "created_at",
        ["processing_time_in_milliseconds"] = "processing_time_ms",
        ["risk_level_during_sign_in"] = "risk_level_during_signin",
        ["conditional_access_policies"] = "applied_conditional_access_policies",
        ["applied_conditional_access_policy"] = "applied_conditional_access_policies",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // What the tables of Log Analytics and some exports hold as JSON in text. Nothing that a client may write, as its user agent: that
    // stays text.
    private static readonly FrozenSet<string> JsonInText = FrozenSet.ToFrozenSet(
        [
            "applied_conditional_access_policies", "applied_event_listeners", "authentication_context_class_references",
            "authentication_details", "authentication_processing_details", "authentication_requirement_policies",
            "conditional_access_audiences", "device_detail", "location_details", "mfa_detail", "network_location_details", "properties",
            "session_lifetime_policies", "status", "token_protection_status_details",
        ],
        StringComparer.Ordinal);

    /// <summary>The record with its keys so named, null and empty text left out, and what may be JSON in text read.</summary>
    /// <param name="record">The record, a JSON object.</param>
    /// <exception cref="JsonException">Two keys of one object come out the same.</exception>
    public static JsonElement Rewrite(JsonElement record)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(buffer, EcsBuilder.WriterOptions))
        {
            Write(json, record, isInText: false);
        }

        return JsonElement.Parse(
            buffer.WrittenSpan, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 2 * EcsBuilder.MaxDepth });
    }

    /// <summary>The member of that name, also where its key was all in one case and so shows no words.</summary>
    public static JsonElement Snake(this JsonElement element, string name) =>
        element.Get(name) is { ValueKind: not JsonValueKind.Undefined } value
            ? value
            : element.Get(name.Replace("_", "", StringComparison.Ordinal));

    /// <summary>The key in snake_case, before the names that the pipeline gives by hand.</summary>
    public static string Of(string key)
    {
        var name = new StringBuilder(key.Length + 8);
        for (var i = 0; i < key.Length; i++)
        {
            if (i > 0 && char.IsAsciiLetterUpper(key[i]) && char.IsAsciiLetterLower(key[i - 1]))
            {
                name.Append('_');
            }

            name.Append(char.ToLowerInvariant(key[i]));
        }

        return name.ToString();
    }

    private static string NameInPipeline(string key)
    {
        var name = key.EndsWith(ExportSuffix, StringComparison.Ordinal) ? key[..^ExportSuffix.Length] : key;
        return Renamed.GetValueOrDefault(name, name);
    }

    private static void Write(Utf8JsonWriter json, JsonElement element, bool isInText)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                // The pipeline drops what is empty; and empty text in place of an object would not fit an index.
                var members = element.EnumerateObject()
                    .Where(property => !property.Value.IsEmpty())
                    .Select(property => (Of(property.Name), property.Value))
                    .ToArray();
                foreach (var (name, value) in members.Renamed(NameInPipeline))
                {
                    json.WritePropertyName(name);
                    if (value.ValueKind == JsonValueKind.String && !isInText && JsonInText.Contains(name))
                    {
                        Write(json, value.Unwrapped(), isInText: true);
                    }
                    else
                    {
                        Write(json, value, isInText);
                    }
                }

                json.WriteEndObject();
                break;

            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    Write(json, item, isInText);
                }

                json.WriteEndArray();
                break;

            default:
                element.WriteTo(json);
                break;
        }
    }
}
