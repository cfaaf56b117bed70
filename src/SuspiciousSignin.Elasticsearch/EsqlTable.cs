using System.Text.Json;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>The answer to an ES|QL query.</summary>
internal sealed class EsqlTable : IDisposable
{
    private readonly ElasticsearchClient.Answer _answer;
    private readonly Dictionary<string, int> _columns = new(StringComparer.Ordinal);

    public EsqlTable(ElasticsearchClient.Answer answer)
    {
        _answer = answer;
        foreach (var column in answer.Root.GetProperty("columns").EnumerateArray())
        {
            _columns[column.GetProperty("name").GetString() ?? throw ElasticsearchClient.Misshapen()] = _columns.Count;
        }
    }

    /// <summary>Why the answer is not whole; null where it is.</summary>
    public string? PartialBecause
    {
        get
        {
            var isPartial = _answer.Root.TryGetProperty("is_partial", out var partial) && partial.ValueKind == JsonValueKind.True;
            return RemoteClusters.WhyNotAll(_answer.Root) ?? (isPartial ? "the cluster gave no reason" : null);
        }
    }

    public IEnumerable<Row> Rows => _answer.Root.GetProperty("values").EnumerateArray().Select(values => new Row(this, values));

    public void Dispose() => _answer.Dispose();

    /// <summary>One row; a column that the query did not ask for reads as null.</summary>
    internal readonly struct Row(EsqlTable table, JsonElement values)
    {
        /// <summary>A count; 0 for null.</summary>
        public long Count(string column) => this[column] is { ValueKind: JsonValueKind.Number } value ? value.GetInt64() : 0;

        /// <inheritdoc cref="Count(string)"/>
        public long Count(Measure measure) => Count(EsqlPredicate.ColumnOf(measure));

        /// <summary>A text; null for null and for empty text.</summary>
        public string? Text(string column) =>
            this[column] is { ValueKind: JsonValueKind.String } value && value.GetString() is { Length: > 0 } text ? text : null;

        public bool? Flag(string column) => this[column] switch
        {
            { ValueKind: JsonValueKind.True } => true,
            { ValueKind: JsonValueKind.False } => false,
            _ => null,
        };

        public SourceAddress Address(string column) =>
            SourceAddress.TryParse(Text(column), out var address) ? address : throw ElasticsearchClient.Misshapen();

        /// <summary>A date, in milliseconds since the epoch.</summary>
        public long? Time(string column) =>
            this[column] is { ValueKind: JsonValueKind.String } value
            && EcsTime.TryParse(System.Text.Encoding.UTF8.GetBytes(value.GetString()!), out var time)
                ? time
                : null;

        /// <summary>A date that is in every row.</summary>
        public long TimeIn(string column) => Time(column) ?? throw ElasticsearchClient.Misshapen();

        /// <summary>The values of a column in their order as text.</summary>
        public IReadOnlyList<string> Texts(string column)
        {
            IEnumerable<JsonElement> all = this[column] switch
            {
                { ValueKind: JsonValueKind.Array } several => several.EnumerateArray(),
                { ValueKind: JsonValueKind.String } one => [one],
                _ => [],
            };
            return [.. all.Select(value => value.GetString()!).Order(StringComparer.Ordinal)];
        }

        private JsonElement? this[string column] => table._columns.TryGetValue(column, out var index) ? values[index] : null;
    }
}

/// <summary>What an answer says of the remote clusters that it was asked of (<c>_clusters</c>).</summary>
internal static class RemoteClusters
{
    private static readonly string[] NotAll = ["skipped", "partial", "failed"];

    /// <summary>Whether a pattern names indices of another cluster. That one alone knows who may read them.</summary>
    public static bool IsOfRemote(string pattern) => pattern.Contains(':', StringComparison.Ordinal);

    /// <summary>The answer rests on some of the data only.</summary>
    public static Warning Partial(string reason) => new(
        WarningCodes.PartialResults, $"Elasticsearch could look at some of the data only: {reason}", 1);

    /// <summary>
    /// Why some of them were not looked at, or not wholly; null where all were. One that may be skipped (<c>skip_unavailable</c>) is told
    /// here only: the answer is a 200 without any failed shard.
    /// </summary>
    public static string? WhyNotAll(JsonElement answer)
    {
        if (!answer.TryGetProperty("_clusters", out var clusters) || clusters.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        if (clusters.TryGetProperty("details", out var details) && details.ValueKind == JsonValueKind.Object)
        {
            foreach (var cluster in details.EnumerateObject())
            {
                if (cluster.Value.TryGetProperty("failures", out var failures) && failures.GetArrayLength() > 0)
                {
                    return failures[0].TryGetProperty("reason", out var reason)
                        ? ElasticsearchClient.ReasonOf(reason).Reason
                        : "a shard failed";
                }
            }
        }

        var state = Array.Find(NotAll, state =>
            clusters.TryGetProperty(state, out var count) && count.ValueKind == JsonValueKind.Number && count.GetInt64() > 0);
        return state is null ? null : $"remote clusters are told as {state}";
    }
}
