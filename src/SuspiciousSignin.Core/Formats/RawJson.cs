using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace SuspiciousSignin.Formats;

/// <summary>Reads raw records leniently: what is missing or of another kind reads as undefined, never as a fault.</summary>
internal static class RawJson
{
    /// <summary>The member of that name, or undefined where there is none or the element is no object.</summary>
    public static JsonElement Get(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : default;

    /// <summary>The member of that ASCII name in any casing, the exact one first.</summary>
    public static JsonElement GetAnyCase(this JsonElement element, string name)
    {
        if (element.Get(name) is { ValueKind: not JsonValueKind.Undefined } exact || element.ValueKind != JsonValueKind.Object)
        {
            return element.Get(name);
        }

        foreach (var property in element.EnumerateObject())
        {
            if (Ascii.EqualsIgnoreCase(JsonMarshal.GetRawUtf8PropertyName(property), name))
            {
                return property.Value;
            }
        }

        return default;
    }

    /// <summary>Whether the element has a member of that name, null or not.</summary>
    public static bool Has(this JsonElement element, string name) => element.Get(name).ValueKind != JsonValueKind.Undefined;

    /// <summary>As <see cref="Has"/>, the name in any casing.</summary>
    public static bool HasAnyCase(this JsonElement element, string name) => element.GetAnyCase(name).ValueKind != JsonValueKind.Undefined;

    /// <summary>The text of a string, number or boolean; null for everything else, empty text included.</summary>
    public static string? Text(this JsonElement element) => element.TextOrEmpty() is { Length: > 0 } text ? text : null;

    /// <summary>As <see cref="Text"/>, but empty text stays.</summary>
    public static string? TextOrEmpty(this JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => null,
    };

    /// <summary>Whether it is missing, null or empty text, and so says nothing.</summary>
    public static bool IsEmpty(this JsonElement element) =>
        element.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null
        || (element.ValueKind == JsonValueKind.String && element.ValueEquals(""u8));

    /// <summary>Whether a number, or one in text, is below, at or above 0, however large: -1, 0 or 1; null for what is no number.</summary>
    public static int? Sign(this JsonElement element) =>
        element.Text() is { } text && char.IsAsciiDigit(text[^1])
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? Math.Sign(number)
            : null;

    /// <summary>A number, or a number in text; one that is too large to be exact is none.</summary>
    public static double? Number(this JsonElement element) =>
        double.TryParse(element.Text(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && Math.Abs(number) < 9e15
            ? number
            : null;

    /// <summary>The members, or none where the element is no object.</summary>
    public static IEnumerable<JsonProperty> Members(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Object ? element.EnumerateObject() : [];

    /// <summary>
    /// Members under the names that a table gives their keys. Where two would have one name, the member that has it already keeps it, else
    /// the first gets it: the other stays what it was, so nothing is lost.
    /// </summary>
    /// <param name="members">The members, under the keys that the record has.</param>
    /// <param name="nameOf">The name of a key.</param>
    public static IEnumerable<(string Name, JsonElement Value)> Renamed(
        this IReadOnlyCollection<(string Key, JsonElement Value)> members, Func<string, string> nameOf)
    {
        HashSet<string>? taken = null;
        foreach (var (key, value) in members)
        {
            var name = nameOf(key);
            if (name != key)
            {
                taken ??= members.Select(member => member.Key).ToHashSet(StringComparer.Ordinal);
            }

            yield return (name == key || taken!.Add(name) ? name : key, value);
        }
    }

    /// <summary>The items, or the element itself where it is no array.</summary>
    public static IEnumerable<JsonElement> Values(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : [element];

    /// <summary>The items, or none where the element is no array.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : [];

    /// <summary>
    /// What a text of a JSON object or a list of objects holds, for Log Analytics gives nested objects as text in some tables; every other
    /// element as it is, text that only looks like JSON included.
    /// </summary>
    public static JsonElement Unwrapped(this JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.String || element.GetString() is not (['{', ..] or ['[', '{' or ']', ..]))
        {
            return element;
        }

        try
        {
            return JsonElement.Parse(element.GetString()!, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException)
        {
            return element;
        }
    }
}
