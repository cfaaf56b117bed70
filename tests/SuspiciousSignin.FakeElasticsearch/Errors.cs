using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>An answer that is an error, in the shape in which Elasticsearch reports errors.</summary>
internal sealed class ElasticsearchException : Exception
{
    public ElasticsearchException(int status, string type, string reason, JsonObject? extra = null, JsonObject? causedBy = null)
        : base(reason)
    {
        Status = status;
        Type = type;
        var error = new JsonObject { ["type"] = type, ["reason"] = reason };
        foreach (var (key, value) in extra ?? []) error[key] = value?.DeepClone();
        var root = (JsonObject)error.DeepClone();
        if (causedBy is not null) error["caused_by"] = causedBy;
        error.Insert(0, "root_cause", new JsonArray(root));
        Body = new JsonObject { ["error"] = error, ["status"] = status };
    }

    private ElasticsearchException(int status, JsonObject body, string message)
        : base(message)
    {
        Status = status;
        Type = "";
        Body = body;
    }

    public int Status { get; }

    public string Type { get; }

    public JsonObject Body { get; }

    public List<KeyValuePair<string, string>> Headers { get; } = [];

    /// <summary>The routing layer answers with a plain string.</summary>
    public static ElasticsearchException Plain(int status, string message) =>
        new(status, new JsonObject { ["error"] = message, ["status"] = status }, message);

    public static ElasticsearchException Argument(string reason) => new(400, "illegal_argument_exception", reason);

    public static ElasticsearchException Parsing(string reason) => new(400, "parsing_exception", reason);

    public static ElasticsearchException NoSuchIndex(string name) => new(404, "index_not_found_exception", $"no such index [{name}]", new JsonObject
    {
        ["resource.type"] = "index_or_alias",
        ["resource.id"] = name,
        ["index_uuid"] = "_na_",
        ["index"] = name,
    });

    /// <summary>Every shard failed in the same way.</summary>
    public static ElasticsearchException AllShardsFailed(int status, string type, string reason, string index)
    {
        var cause = new JsonObject { ["type"] = type, ["reason"] = reason };
        var error = new JsonObject
        {
            ["root_cause"] = new JsonArray(cause.DeepClone()),
            ["type"] = "search_phase_execution_exception",
            ["reason"] = "all shards failed",
            ["phase"] = "query",
            ["grouped"] = true,
            ["failed_shards"] = new JsonArray(new JsonObject { ["shard"] = 0, ["index"] = index, ["node"] = "fake", ["reason"] = cause }),
        };
        return new ElasticsearchException(status, new JsonObject { ["error"] = error, ["status"] = status }, reason);
    }
}

/// <summary>The version that a cluster claims, and what follows from it.</summary>
public sealed record ElasticsearchVersion(int Major, int Minor, int Patch, bool Serverless = false)
{
    /// <summary>A serverless project: it knows everything and its number means nothing.</summary>
    public static ElasticsearchVersion ServerlessProject { get; } = new(8, 11, 0, Serverless: true);

    /// <summary>Reads "8.17.0", or "serverless".</summary>
    public static ElasticsearchVersion Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == "serverless") return ServerlessProject;
        var parts = text.Split('.');
        return new ElasticsearchVersion(int.Parse(parts[0]), int.Parse(parts[1]), parts.Length > 2 ? int.Parse(parts[2]) : 0);
    }

    /// <summary>
    /// Whether something that came with the given releases is here. "8.19 9.1" means from 8.19 on in the 8 line and from 9.1 on in the
    /// 9 line; one release means from there on.
    /// </summary>
    public bool Has(string since)
    {
        ArgumentNullException.ThrowIfNull(since);
        if (since.Length == 0 || Serverless) return true;
        var releases = since.Split(' ').Select(Parse).ToArray();
        var line = Array.Find(releases, r => r.Major == Major);
        return line is not null ? Minor >= line.Minor : Major > releases[^1].Major;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Major}.{Minor}.{Patch}";
}
