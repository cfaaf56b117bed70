using System.Text.Json;
using System.Text.Json.Serialization;

namespace SuspiciousSignin.Api.Requests;

/// <summary>
/// Reads whole numbers of a body as JSON has them (RFC 8259, section 6): <c>100.0</c> and <c>1e2</c> are 100. A number beyond those of .NET
/// is out of range, like any other that is too great.
/// </summary>
internal sealed class WholeNumberConverter : JsonConverter<int?>
{
    public override int? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var number) && number == Math.Truncate(number)
            ? (int)Math.Clamp(number, int.MinValue, int.MaxValue)
            : throw new JsonException();

    public override void Write(Utf8JsonWriter writer, int? value, JsonSerializerOptions options) => throw new NotSupportedException();
}
