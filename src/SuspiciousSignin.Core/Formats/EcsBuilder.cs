using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>Takes the ECS fields of a raw record by path and writes them as one nested document. Reused from record to record.</summary>
internal sealed class EcsBuilder
{
    /// <summary>How deep a written document may nest: that of the deepest record allowed, and of what it is put under.</summary>
    public const int MaxDepth = 512 + DeeperThanRecord;

    /// <summary>How much deeper than its record a written document may nest.</summary>
    public const int DeeperThanRecord = 8;

    // Text stays as it is: nothing here ends in a web page.
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = 2 * MaxDepth,
    };

    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private readonly List<string> _open = [];

    /// <summary>Why the record cannot be an event, or null.</summary>
    public (string Code, string Pointer, string Message)? Refusal { get; private set; }

    public void Clear()
    {
        _values.Clear();
        Refusal = null;
    }

    /// <summary>Sets a field; null and empty text set nothing, as Elastic's pipelines drop them.</summary>
    public void Set(string path, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            _values[path] = value;
        }
    }

    /// <inheritdoc cref="Set(string, string?)"/>
    public void Set(string path, long? value)
    {
        if (value is not null)
        {
            _values[path] = value;
        }
    }

    /// <summary>Sets a field of several values.</summary>
    public void Set(string path, IEnumerable<string> values) => _values[path] = values.ToArray();

    /// <summary>Sets a field to a value, object or array of the record as it is; undefined, null and empty text set nothing.</summary>
    public void Set(string path, JsonElement value)
    {
        if (!value.IsEmpty())
        {
            _values[path] = value;
        }
    }

    /// <summary>Sets a field to what is written.</summary>
    public void Set(string path, Action<Utf8JsonWriter> write) => _values[path] = write;

    /// <summary>Sets the address and port under <c>source</c> or <c>destination</c>; the <c>ip</c> only where the text is one.</summary>
    public void SetEndpoint(string path, JsonElement address, JsonElement port)
    {
        Set(path + ".address", address.Text());
        Set(path + ".port", (long?)port.Number());
        if (SourceAddress.TryParse(address.Text(), out _))
        {
            Set(path + ".ip", address.Text());
        }
    }

    /// <summary>
    /// Sets <c>@timestamp</c> from the first of the members that is there; refuses the record where none is, or it is no date.
    /// </summary>
    public void SetTimestamp(params ReadOnlySpan<(JsonElement Value, string Pointer)> candidates)
    {
        foreach (var (value, pointer) in candidates)
        {
            if (value.Text() is { } text)
            {
                if (RawTime.TryParse(text, out var milliseconds))
                {
                    SetTimestamp(milliseconds);
                }
                else
                {
                    Refuse(
                        RejectionCodes.InvalidTimestamp,
                        pointer,
                        "The record's time is not in its source's format: expected ISO 8601 such as 2026-05-22T10:00:00Z.");
                }

                return;
            }
        }

        Refuse(RejectionCodes.MissingTimestamp, candidates[0].Pointer, "The record has no time. Events are never dated by guess.");
    }

    /// <summary>
    /// Sets <c>@timestamp</c> from the record's own time, or where it has none from the <c>@timestamp</c> beside its members: shippers such
    /// as Fluent Bit move it there. Never from that beside one of its own, since others put the time of their reading there.
    /// </summary>
    /// <param name="record">The record.</param>
    /// <param name="own">Its own time.</param>
    /// <param name="pointer">Where that stands, or should.</param>
    public void SetTimestampOrShippers(JsonElement record, JsonElement own, string pointer)
    {
        if (own.Text() is not null || ShippersTime(record) is not { } text)
        {
            SetTimestamp((own, pointer));
        }
        else if (EcsTime.TryParse(Encoding.UTF8.GetBytes(text), out var milliseconds))
        {
            SetTimestamp(milliseconds);
        }
        else
        {
            Refuse(RejectionCodes.InvalidTimestamp, "/@timestamp", "Not a date: expected ISO 8601, or milliseconds since the epoch.");
        }
    }

    /// <summary>The <c>@timestamp</c> beside the members of a record, null where there is none or there are several.</summary>
    public static string? ShippersTime(JsonElement record) => record.Get("@timestamp") switch
    {
        { ValueKind: JsonValueKind.Array } values when values.GetArrayLength() == 1 => values[0].Text(),
        var value => value.Text(),
    };

    public void SetTimestamp(long milliseconds) => SetTime("@timestamp", milliseconds);

    public void SetTime(string path, long milliseconds) => _values[path] = EcsTime.ToText(milliseconds);

    public void Refuse(string code, string pointer, string message) => Refusal ??= (code, pointer, message);

    /// <summary>Writes the document; it is valid until the next one is written.</summary>
    public ReadOnlyMemory<byte> Write()
    {
        _buffer.ResetWrittenCount();
        _open.Clear();
        using var json = new Utf8JsonWriter(_buffer, WriterOptions);
        json.WriteStartObject();

        // In this order all paths under one object stand together.
        foreach (var path in _values.Keys.Order(StringComparer.Ordinal))
        {
            var segments = path.Split('.');
            var common = 0;
            while (common < _open.Count && common < segments.Length - 1 && _open[common] == segments[common])
            {
                common++;
            }

            for (; _open.Count > common; _open.RemoveAt(_open.Count - 1))
            {
                json.WriteEndObject();
            }

            foreach (var segment in segments[common..^1])
            {
                json.WriteStartObject(segment);
                _open.Add(segment);
            }

            json.WritePropertyName(segments[^1]);
            WriteValue(json, _values[path]);
        }

        for (var i = 0; i <= _open.Count; i++)
        {
            json.WriteEndObject();
        }

        json.Flush();
        return _buffer.WrittenMemory;
    }

    private static void WriteValue(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case string text:
                json.WriteStringValue(text);
                break;

            case long number:
                json.WriteNumberValue(number);
                break;

            case string[] values:
                json.WriteStartArray();
                foreach (var text in values)
                {
                    json.WriteStringValue(text);
                }

                json.WriteEndArray();
                break;

            case Action<Utf8JsonWriter> write:
                write(json);
                break;

            default:
                ((JsonElement)value).WriteTo(json);
                break;
        }
    }
}
