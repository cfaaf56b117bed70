using System.Buffers;
using System.Collections.Frozen;
using System.Text;
using System.Text.Json;

namespace SuspiciousSignin.Formats;

/// <summary>
/// Keys of Entra ID records as Elastic's azure pipeline names them: <c>_</c> between a lower-case letter and the capitals after it, then all
/// in lower case. So records in camelCase, PascalCase and snake_case read the same.
/// </summary>
internal static class SnakeCase
{
    private const string ExportSuffix = " [UTC]";

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

    /// <summary>The record with its keys so named, null and empty text left out.</summary>
    /// <param name="record">The record, a JSON object.</param>
    /// <param name="unwrapText">Whether its members may be JSON in text.</param>
    /// <exception cref="JsonException">Two keys of one object come out the same.</exception>
    public static JsonElement Rewrite(JsonElement record, bool unwrapText = false)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(buffer, EcsBuilder.WriterOptions))
        {
            json.WriteStartObject();
            foreach (var property in record.EnumerateObject().Where(HasValue))
            {
                json.WritePropertyName(Of(property.Name));
                if (unwrapText)
                {
                    property.Value.WriteUnwrapped(json, Write);
                }
                else
                {
                    Write(json, property.Value);
                }
            }

            json.WriteEndObject();
        }

        return JsonElement.Parse(buffer.WrittenSpan, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 2 * EcsBuilder.MaxDepth });
    }

    /// <summary>The member of that name, also where its key was all in one case and so shows no words.</summary>
    public static JsonElement Snake(this JsonElement element, string name) =>
        element.Get(name) is { ValueKind: not JsonValueKind.Undefined } value ? value : element.Get(name.Replace("_", "", StringComparison.Ordinal));

    public static string Of(string key)
    {
        var name = new StringBuilder(key.Length + 8);
        var end = key.EndsWith(ExportSuffix, StringComparison.Ordinal) ? key.Length - ExportSuffix.Length : key.Length;
        for (var i = 0; i < end; i++)
        {
            if (i > 0 && char.IsAsciiLetterUpper(key[i]) && char.IsAsciiLetterLower(key[i - 1]))
            {
                name.Append('_');
            }

            name.Append(char.ToLowerInvariant(key[i]));
        }

        var snake = name.ToString();
        return Renamed.GetValueOrDefault(snake, snake);
    }

    // The pipeline drops what is empty; and empty text in place of an object would not fit an index.
    private static bool HasValue(JsonProperty property) =>
        property.Value.ValueKind != JsonValueKind.Null && !(property.Value.ValueKind == JsonValueKind.String && property.Value.ValueEquals(""u8));

    private static void Write(Utf8JsonWriter json, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var property in element.EnumerateObject().Where(HasValue))
                {
                    json.WritePropertyName(Of(property.Name));
                    Write(json, property.Value);
                }

                json.WriteEndObject();
                break;

            case JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    Write(json, item);
                }

                json.WriteEndArray();
                break;

            default:
                element.WriteTo(json);
                break;
        }
    }
}
