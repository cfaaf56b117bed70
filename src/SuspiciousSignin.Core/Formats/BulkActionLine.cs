using System.Buffers;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// An action line of Elasticsearch's bulk format, such as <c>{"index":{"_index":"logs","_id":"1"}}</c>; the document is on the next line.
/// </summary>
/// <param name="Identity">Which document it is.</param>
/// <param name="HasDocument">Whether a line with a document follows: not after a delete.</param>
/// <param name="IsPartial">Whether that line holds a part of a document only: after an update.</param>
internal readonly record struct BulkActionLine(DocumentIdentity Identity, bool HasDocument, bool IsPartial)
{
    private const int MaxLength = 4096;

    /// <summary>Whether the line is a document beyond doubt, as most are by how their first key begins.</summary>
    public static bool IsDocument(ReadOnlySpan<byte> line) =>
        line is [(byte)'{', (byte)'"', not ((byte)'i' or (byte)'c' or (byte)'u' or (byte)'d' or (byte)'\\'), ..];

    /// <summary>Reads an action line, or null where the line is none.</summary>
    public static BulkActionLine? Read(in ReadOnlySequence<byte> line)
    {
        if (IsDocument(line.FirstSpan)
            || line.Length > MaxLength || !MayBeAction(line))
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Members().ToArray() is [{ Value.ValueKind: JsonValueKind.Object } action]
                && action.Value.Members().All(IsParameter)
                ? new BulkActionLine(
                    new DocumentIdentity(action.Value.Get("_id").Text(), action.Value.Get("_index").Text()),
                    action.Name != "delete",
                    action.Name == "update")
                : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Looks at the first key only, so that documents cost nothing more.</summary>
    private static bool MayBeAction(in ReadOnlySequence<byte> line)
    {
        var reader = new Utf8JsonReader(line.Slice(0, Math.Min(line.Length, 64)), isFinalBlock: false, default);
        try
        {
            return reader.Read() && reader.TokenType == JsonTokenType.StartObject
                && reader.Read() && reader.TokenType == JsonTokenType.PropertyName
                && (reader.ValueTextEquals("index"u8) || reader.ValueTextEquals("create"u8)
                    || reader.ValueTextEquals("update"u8) || reader.ValueTextEquals("delete"u8));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    // Anything else makes it a document that happens to have such a member.
    private static bool IsParameter(JsonProperty parameter) => BulkReader.Parameters.Contains(parameter.Name, StringComparer.Ordinal);
}
