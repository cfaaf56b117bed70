using System.Text;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>How a result is to be written.</summary>
internal sealed record EsqlFormat(bool Columnar, bool DropNullColumns, bool ClusterMetadata, string Format, char Delimiter, ElasticsearchVersion Version);

/// <summary>ES|QL results as JSON and as lines of text.</summary>
internal static class EsqlResponses
{
    public static JsonObject ToJson(EsqlResult result, EsqlFormat format)
    {
        var json = new JsonObject { ["took"] = 7, ["is_partial"] = result.Failures.Count > 0 };
        if (!format.Version.Has("8.18")) json.Remove("is_partial");
        if (format.Version.Has("8.19 9.1"))
        {
            json["documents_found"] = result.Documents;
            json["values_loaded"] = result.Documents * result.Columns.Count;
        }

        var columns = result.Columns.Select((c, i) => (Column: c, Slot: i)).ToList();
        if (format.DropNullColumns)
        {
            json["all_columns"] = new JsonArray([.. columns.Select(c => Describe(c.Column, format.Version))]);
            columns.RemoveAll(c => result.Rows.All(r => Value(c.Column, r[c.Slot]) is null));
        }

        json["columns"] = new JsonArray([.. columns.Select(c => Describe(c.Column, format.Version))]);
        var values = new JsonArray();
        if (format.Columnar)
        {
            foreach (var (column, slot) in columns) values.Add(new JsonArray([.. result.Rows.Select(r => Cell.ToJson(Value(column, r[slot])))]));
        }
        else
        {
            foreach (var row in result.Rows) values.Add(new JsonArray([.. columns.Select(c => Cell.ToJson(Value(c.Column, row[c.Slot])))]));
        }

        json["values"] = values;
        if (format.ClusterMetadata || result.Failures.Count > 0)
            json["_clusters"] = Clusters(result.IndexExpression, result.Shards, [.. result.Failures]);
        return json;
    }

    public static string ToText(EsqlResult result, EsqlFormat format)
    {
        var lines = new StringBuilder();
        var (separator, quote) = format.Format switch
        {
            "tsv" => ('\t', false),
            "txt" => ('|', false),
            _ => (format.Delimiter, true),
        };
        lines.AppendJoin(separator, result.Columns.Select(c => Field(c.Name, separator, quote))).Append("\r\n");
        foreach (var row in result.Rows)
        {
            lines.AppendJoin(separator, result.Columns.Select((c, i) =>
            {
                var cells = Cell.Values(Value(c, row[i])).Select(v => v is bool flag ? (flag ? "true" : "false") : v.ToString()!).ToArray();
                return Field(cells.Length > 1 ? $"[{string.Join(',', cells)}]" : string.Concat(cells), separator, quote);
            })).Append("\r\n");
        }

        return lines.ToString();
    }

    public static void MarkPartial(JsonObject json, string index, ShardFailure failure)
    {
        json["is_partial"] = true;
        json["_clusters"] = Clusters(index, 2, [(index, failure)]);
    }

    private static string Field(string text, char separator, bool quote) =>
        quote && (text.Contains(separator, StringComparison.Ordinal) || text.AsSpan().ContainsAny("\"\r\n"))
            ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
            : text;

    private static object? Value(Column column, object? cell) => column.Type == EsqlType.Unsupported || cell is TypedCell ? null : cell;

    private static JsonObject Describe(Column column, ElasticsearchVersion version)
    {
        var json = new JsonObject { ["name"] = column.Name, ["type"] = column.Type.Name() };
        if (!version.Has("8.19 9.1")) return json;
        if (column.Variants is { } variants)
        {
            json["original_types"] = new JsonArray([.. variants.Select(v => JsonValue.Create(v.TypeName))]);
            json["suggested_cast"] = "keyword";
        }
        else if (column.UnsupportedType is { } type)
        {
            json["original_types"] = new JsonArray(type);
        }

        return json;
    }

    private static JsonObject Clusters(string indices, int shards, IReadOnlyList<(string Index, ShardFailure Failure)> failures)
    {
        var partial = failures.Count > 0;
        var details = new JsonObject
        {
            ["status"] = partial ? "partial" : "successful",
            ["indices"] = indices,
            ["took"] = 7,
            ["_shards"] = new JsonObject { ["total"] = shards, ["successful"] = shards - failures.Count, ["skipped"] = 0, ["failed"] = failures.Count },
        };
        if (partial)
        {
            details["failures"] = new JsonArray([.. failures.Select(f => new JsonObject
            {
                ["shard"] = 0,
                ["index"] = f.Index,
                ["reason"] = new JsonObject { ["type"] = f.Failure.Type, ["reason"] = f.Failure.Reason },
            })]);
        }

        return new JsonObject
        {
            ["total"] = 1,
            ["successful"] = partial ? 0 : 1,
            ["running"] = 0,
            ["skipped"] = 0,
            ["partial"] = partial ? 1 : 0,
            ["failed"] = 0,
            ["details"] = new JsonObject { ["(local)"] = details },
        };
    }
}
