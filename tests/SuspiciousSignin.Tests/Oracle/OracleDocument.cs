using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>One document as stored columns show it. A column is a list of distinct values: none is null, two or more is multi-valued.</summary>
public sealed class OracleDocument
{
    private const int IgnoreAbove = 1024;
    private readonly Dictionary<string, IReadOnlyList<string>> columns = new(StringComparer.Ordinal);
    private readonly JsonObject source;

    private OracleDocument(JsonObject source, long timestamp)
    {
        this.source = source;
        Timestamp = timestamp;
        SourceIps = [.. Texts(source, "source.ip").Select(OracleIp.Parse).OfType<BigInteger>().Distinct()];
        Ingested = Texts(source, "event.ingested").ToArray() is [var one] ? OracleTime.Parse(one) : null;
        IsKibanaAlert = HasPathUnder(source, "", "kibana.alert.");
        Identity = ReadIdentity();
    }

    /// <summary>@timestamp in milliseconds since 1970.</summary>
    public long Timestamp { get; }

    /// <summary>event.ingested in milliseconds since 1970, where there is one that can be read.</summary>
    public long? Ingested { get; }

    /// <summary>TO_IP(source.ip).</summary>
    public IReadOnlyList<BigInteger> SourceIps { get; }

    /// <summary>Whether the document has any kibana.alert.* key.</summary>
    public bool IsKibanaAlert { get; }

    /// <summary>The contract's identity, or null where the document has none.</summary>
    public string? Identity { get; }

    /// <summary>Null where the document is not acceptable: no object, or not exactly one usable @timestamp.</summary>
    public static OracleDocument? Read(JsonNode? node) =>
        node is JsonObject source && Texts(source, "@timestamp").ToArray() is [var text] && OracleTime.Parse(text) is { } timestamp
            ? new OracleDocument(source, timestamp)
            : null;

    /// <summary>The distinct values of a keyword column; of event.* and data_stream.* without those longer than 1,024 characters.</summary>
    public IReadOnlyList<string> Keyword(string path)
    {
        if (columns.TryGetValue(path, out var known))
            return known;
        var limited = path.StartsWith("event.", StringComparison.Ordinal) || path.StartsWith("data_stream.", StringComparison.Ordinal);
        return columns[path] = [.. Texts(source, path).Where(text => !limited || text.Length <= IgnoreAbove).Distinct(StringComparer.Ordinal)];
    }

    private string? ReadIdentity()
    {
        if (One("_id") is { } id)
            return JsonSerializer.Serialize(new[] { "_id", One("_index"), id });
        if (One("kibana.alert.uuid") is { } uuid)
            return JsonSerializer.Serialize(new[] { "kibana.alert.uuid", uuid });
        if (One("event.id") is not { } eventId)
            return null;
        var dataset = Keyword("event.dataset") is { Count: > 0 } own ? own : Keyword("data_stream.dataset");
        return JsonSerializer.Serialize(new object[] { "event.id", eventId, dataset, Keyword("event.kind") });

        string? One(string path) => Texts(source, path).Distinct(StringComparer.Ordinal).ToArray() is [{ Length: > 0 } text] ? text : null;
    }

    /// <summary>Every value at the path, however its segments are spread over nested objects, dotted keys and arrays.</summary>
    private static IEnumerable<string> Texts(JsonNode? node, string path) => node switch
    {
        JsonArray array => array.SelectMany(element => Texts(element, path)),
        JsonObject inner => inner.SelectMany(member =>
            member.Key == path ? Leaves(member.Value)
            : path.StartsWith(member.Key + ".", StringComparison.Ordinal) ? Texts(member.Value, path[(member.Key.Length + 1)..])
            : []),
        _ => [],
    };

    private static IEnumerable<string> Leaves(JsonNode? node) => node switch
    {
        JsonArray array => array.SelectMany(Leaves),
        JsonValue value => [value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : value.ToJsonString()],
        _ => [],
    };

    private static bool HasPathUnder(JsonNode? node, string path, string prefix) => node switch
    {
        JsonArray array => array.Any(element => HasPathUnder(element, path, prefix)),
        JsonObject inner => inner.Any(member =>
            (path + member.Key).StartsWith(prefix, StringComparison.Ordinal) || HasPathUnder(member.Value, path + member.Key + ".", prefix)),
        _ => false,
    };
}

/// <summary>Times as Elasticsearch reads a date: strict_date_optional_time, else epoch_millis; the rest of a millisecond is cut off.</summary>
public static partial class OracleTime
{
    public static long? Parse(string text)
    {
        if (IsoDate().Match(text) is { Success: true } iso)
            return FromIso(iso);
        return EpochMillis().IsMatch(text) ? (long)decimal.Floor(decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)) : null;
    }

    /// <summary>The instant as ISO 8601 in UTC with milliseconds.</summary>
    public static string Format(long millis) =>
        DateTimeOffset.FromUnixTimeMilliseconds(millis).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static long? FromIso(Match iso)
    {
        int Number(string name, int missing) => iso.Groups[name] is { Success: true } group ? int.Parse(group.Value) : missing;
        var (year, month, day) = (Number("year", 0), Number("month", 1), Number("day", 1));
        var (hour, minute, second) = (Number("hour", 0), Number("minute", 0), Number("second", 0));
        var (zoneHour, zoneMinute) = (Number("zoneHour", 0), Number("zoneMinute", 0));
        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month))
            return null;
        if (hour > 23 || minute > 59 || second > 59 || zoneMinute > 59 || (zoneHour * 60) + zoneMinute > 18 * 60)
            return null;

        var millis = int.Parse((iso.Groups["fraction"].Value + "000")[..3]);
        var offset = ((zoneHour * 60) + zoneMinute) * (iso.Groups["sign"].Value == "-" ? -1 : 1);
        var days = (long)(new DateTime(year, month, day, 0, 0, 0, DateTimeKind.Utc) - DateTime.UnixEpoch).TotalDays;
        return (((((days * 24) + hour) * 60) + minute - offset) * 60_000) + (second * 1_000) + millis;
    }

    [GeneratedRegex(
        """
        \A(?<year>[0-9]{4})
        (-(?<month>[0-9]{2})
          (-(?<day>[0-9]{2})
            (T(?<hour>[0-9]{2})
              (:(?<minute>[0-9]{2})(:(?<second>[0-9]{2})([.,](?<fraction>[0-9]{1,9}))?)?)?
              (Z|(?<sign>[+-])(?<zoneHour>[0-9]{2})(:?(?<zoneMinute>[0-9]{2}))?)?
            )?)?)?\z
        """,
        RegexOptions.ExplicitCapture | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex IsoDate();

    [GeneratedRegex(@"\A-?[0-9]{1,18}(\.[0-9]{0,6})?\z", RegexOptions.ExplicitCapture)]
    private static partial Regex EpochMillis();
}
