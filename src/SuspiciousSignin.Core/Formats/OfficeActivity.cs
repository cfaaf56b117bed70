using System.Buffers;
using System.Collections.Frozen;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>A row of Log Analytics' OfficeActivity table: an audit record under other names, its lists as text.</summary>
internal sealed class OfficeActivity : IRecordShape
{
    private static readonly FrozenDictionary<string, string> Renamed = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["TimeGenerated"] = "CreationTime",
        ["TimeGenerated [UTC]"] = "CreationTime",
        ["OfficeWorkload"] = "Workload",
        ["Client_IPAddress"] = "ClientIPAddress",
        ["OfficeId"] = "Id",
        ["Logon_Type"] = "LogonType",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly string[] ListsAsText =
        ["Folders", "OperationProperties", "Parameters", "ExtendedProperties", "Item", "AppAccessContext"];

    public string Name => "officeActivity";

    public bool Matches(JsonElement record) => record.Get("Type").Text() == "OfficeActivity" || record.Has("OfficeWorkload");

    public void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(buffer, EcsBuilder.WriterOptions))
        {
            json.WriteStartObject();
            // A column that the row leaves empty must not hide one of the record's own name, as Client_IPAddress and ClientIP.
            var columns = record.Members()
                .Where(column => column.Value.Text() is not null || column.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
                .Select(column => (column.Name, column.Value))
                .ToArray();
            var hasId = false;
            foreach (var (name, value) in columns.Renamed(column => Renamed.GetValueOrDefault(column, column)))
            {
                hasId |= name == "Id";
                json.WritePropertyName(name);
                (ListsAsText.Contains(name) ? value.Unwrapped() : value).WriteTo(json);
            }

            if (!hasId && record.Get("SourceRecordId").Text() is { } id)
            {
                json.WriteString("Id", id);
            }

            json.WriteEndObject();
        }

        O365Audit.Set(
            ecs,
            JsonElement.Parse(
                buffer.WrittenSpan, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 2 * EcsBuilder.MaxDepth }),
            "/TimeGenerated");
    }
}
