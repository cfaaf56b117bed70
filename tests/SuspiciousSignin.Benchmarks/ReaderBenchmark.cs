using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization;
using DuckDB.NET.Data;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Benchmarks;

/// <summary>From bytes to classified events, one thread, beside other ways to find the same sign-ins.</summary>
internal static class ReaderBenchmark
{
    private static readonly RuleRevision Revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision)!;

    public static void Run(int documents, int rounds, bool isLarge)
    {
        var lines = new Documents(1, isLarge).Lines(documents);
        var file = Path.GetTempFileName();
        File.WriteAllBytes(file, lines);
        using var duck = new DuckDBConnection("DataSource=:memory:");
        duck.Open();
        Execute(duck, "SET threads = 1");
        try
        {
            Rounds.Compare(
                $"Reader: {documents} documents of {lines.Length / documents} bytes, successful sign-ins found",
                rounds,
                lines.Length,
                "B",
                ("ours: EventBatchReader", () => Ours(lines)),
                ("Utf8JsonReader, the three fields of the question", () => Plain(lines)),
                ("System.Text.Json into classes of them, LINQ", () => Classes(lines)),
                ("DuckDB read_json of them, one thread", () => Count(duck, $$"""
                    SELECT count(*) FROM read_json('{{file}}', format = 'newline_delimited', columns = {'@timestamp': 'VARCHAR', event: 'STRUCT(dataset VARCHAR, outcome VARCHAR, "action" VARCHAR)', source: 'STRUCT(ip VARCHAR)'})
                    WHERE event.dataset = 'azure.signinlogs' AND event.outcome = 'success' AND source.ip NOT LIKE '10.%'
                    """)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static long Ours(byte[] lines)
    {
        var options = new EventReaderOptions { MaxEvents = 10_000_000, MaxBodyBytes = long.MaxValue };
        var (batch, _) = EventBatchReader.ReadAsync(PipeReader.Create(new MemoryStream(lines)), BatchFormat.NdJson, options).GetAwaiter().GetResult();
        return batch!.Events.LongCount(record => record.Classification.IsAzureSignIn(Revision));
    }

    private static long Plain(byte[] lines)
    {
        var found = 0L;
        foreach (var line in Split(lines))
        {
            var reader = new Utf8JsonReader(lines.AsSpan(line));
            var (depth, parent) = (0, "");
            bool isAzure = false, isSuccess = false;
            SourceAddress? address = null;
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                {
                    depth += reader.TokenType == JsonTokenType.StartObject ? 1 : reader.TokenType == JsonTokenType.EndObject ? -1 : 0;
                    continue;
                }

                if (depth == 1)
                {
                    parent = reader.ValueTextEquals("event"u8) ? "event" : reader.ValueTextEquals("source"u8) ? "source" : "";
                }

                if (depth == 2 && parent == "event" && reader.ValueTextEquals("dataset"u8))
                {
                    reader.Read();
                    isAzure = reader.ValueTextEquals("azure.signinlogs"u8);
                }
                else if (depth == 2 && parent == "event" && reader.ValueTextEquals("outcome"u8))
                {
                    reader.Read();
                    isSuccess = reader.ValueTextEquals("success"u8);
                }
                else if (depth == 2 && parent == "source" && reader.ValueTextEquals("ip"u8))
                {
                    reader.Read();
                    address = SourceAddress.TryParse(reader.ValueSpan, out var parsed) ? parsed : null;
                }
            }

            found += isAzure && isSuccess && address is { } ip && ExcludedNetworks.Find(ip) is null ? 1 : 0;
        }

        return found;
    }

    private static long Classes(byte[] lines) => Split(lines)
        .Select(line => JsonSerializer.Deserialize<Event>(lines.AsSpan(line))!)
        .LongCount(each => each.Facts?.Dataset == "azure.signinlogs" && each.Facts.Outcome == "success"
            && SourceAddress.TryParse(each.Source?.Ip, out var ip) && ExcludedNetworks.Find(ip) is null);

    private static IEnumerable<Range> Split(byte[] lines)
    {
        for (var start = 0; start < lines.Length;)
        {
            var end = Array.IndexOf(lines, (byte)'\n', start);
            yield return start..end;
            start = end + 1;
        }
    }

    internal static void Execute(DuckDBConnection duck, string sql)
    {
        using var command = duck.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    internal static long Count(DuckDBConnection duck, string sql)
    {
        using var command = duck.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }

    private sealed record Event([property: JsonPropertyName("@timestamp")] DateTimeOffset Timestamp, [property: JsonPropertyName("event")] Facts? Facts, [property: JsonPropertyName("source")] Source? Source);

    private sealed record Facts([property: JsonPropertyName("dataset")] string? Dataset, [property: JsonPropertyName("outcome")] string? Outcome, [property: JsonPropertyName("action")] string? Action);

    private sealed record Source([property: JsonPropertyName("ip")] string? Ip);
}
