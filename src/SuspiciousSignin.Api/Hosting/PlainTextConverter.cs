using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>
/// Writes texts so that they look like what they are: characters that nobody sees, or that turn the direction of the text around them
/// (Unicode category Cf), are written as <c>\u</c> and their number. An encoder for all texts that does so writes <c>'</c> and <c>+</c> in
/// numbers too, so only the texts that have such a character go through it.
/// </summary>
internal sealed class PlainTextConverter : JsonConverter<string>
{
    private static readonly char[] FormatCharacters =
    [
        .. Enumerable.Range(0, 0x10000).Select(code => (char)code)
            .Where(character => char.GetUnicodeCategory(character) == UnicodeCategory.Format),
    ];

    // Those beyond 16 bits by their first halves; what else begins so is rare, and comes to no harm.
    private static readonly SearchValues<char> Suspects = SearchValues.Create([.. FormatCharacters, .. "\uD804\uD80D\uD82F\uD834\uDB40"]);

    private static readonly JavaScriptEncoder Encoder = NewEncoder();

    public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetString();

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options)
    {
        if (IsSuspect(value))
        {
            writer.WriteRawValue($"\"{Encoder.Encode(value)}\"", skipInputValidation: true);
        }
        else
        {
            writer.WriteStringValue(value);
        }
    }

    public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.GetString()!;

    public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options)
    {
        if (IsSuspect(value))
        {
            writer.WritePropertyName(JsonEncodedText.Encode(value, Encoder));
        }
        else
        {
            writer.WritePropertyName(value);
        }
    }

    // None of them is ASCII, which most texts are and which is told much faster.
    private static bool IsSuspect(string value) => !Ascii.IsValid(value) && value.AsSpan().ContainsAny(Suspects);

    private static JavaScriptEncoder NewEncoder()
    {
        var settings = new TextEncoderSettings(UnicodeRanges.All);
        settings.ForbidCharacters(FormatCharacters);
        return JavaScriptEncoder.Create(settings);
    }
}
