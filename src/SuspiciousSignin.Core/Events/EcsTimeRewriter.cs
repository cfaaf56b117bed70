using System.Buffers;
using System.Text;
using System.Text.Json;

namespace SuspiciousSignin.Events;

/// <summary>
/// Moves <c>@timestamp</c> and <c>event.ingested</c> inside a document that was read before; everything else stays as it is.
/// </summary>
internal static class EcsTimeRewriter
{
    public static ReadOnlyMemory<byte> Move(ReadOnlyMemory<byte> document, long milliseconds)
    {
        var buffer = new ArrayBufferWriter<byte>(document.Length + 64);
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true, MaxDepth = int.MaxValue }))
        {
            var reader = new Utf8JsonReader(document.Span, new JsonReaderOptions { MaxDepth = int.MaxValue });
            reader.Read();
            Copy(ref reader, writer, document.Span, EcsFields.Root, milliseconds);
        }

        return buffer.WrittenMemory;
    }

    private static void Copy(
        ref Utf8JsonReader reader, Utf8JsonWriter writer, ReadOnlySpan<byte> document, FieldNode node, long milliseconds)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                writer.WriteStartObject();
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = reader.GetString()!;
                    writer.WritePropertyName(name);
                    var child = node.Find(Encoding.UTF8.GetBytes(name), out _);
                    reader.Read();
                    if (child is null)
                    {
                        var start = (int)reader.TokenStartIndex;
                        reader.Skip();
                        writer.WriteRawValue(document[start..(int)reader.BytesConsumed], skipInputValidation: true);
                    }
                    else
                    {
                        Copy(ref reader, writer, document, child, milliseconds);
                    }
                }

                writer.WriteEndObject();
                break;

            case JsonTokenType.StartArray:
                writer.WriteStartArray();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    Copy(ref reader, writer, document, node, milliseconds);
                }

                writer.WriteEndArray();
                break;

            case JsonTokenType.String or JsonTokenType.Number
                when node.Field is EcsField.Timestamp or EcsField.Ingested && TryMove(ref reader, milliseconds, out var moved):
                writer.WriteStringValue(EcsTime.ToDateTime(moved));
                break;

            default:
                writer.WriteRawValue(document[(int)reader.TokenStartIndex..(int)reader.BytesConsumed], skipInputValidation: true);
                break;
        }
    }

    private static bool TryMove(ref Utf8JsonReader reader, long milliseconds, out long moved)
    {
        var text = reader.TokenType == JsonTokenType.String ? Encoding.UTF8.GetBytes(reader.GetString()!) : reader.ValueSpan;
        var isDate = EcsTime.TryParse(text, out var time);
        moved = time + milliseconds;
        return isDate;
    }
}
