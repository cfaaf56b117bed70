using System.Text.Json.Nodes;
using SuspiciousSignin.FakeElasticsearch.Http;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>The table of requests against the official description of the API, where that is at hand.</summary>
public sealed class RequestRulesTests
{
    // Known to the servers, missing from the description.
    private static readonly string[] Undescribed = ["wait_for_active_shards"];

    [Theory]
    [InlineData("POST", "/_query", true)]
    [InlineData("GET", "/{index}/_field_caps", true)]
    [InlineData("POST", "/{index}/_pit", true)]
    [InlineData("DELETE", "/_pit", true)]
    [InlineData("POST", "/_bulk", true)]
    [InlineData("POST", "/_search", false)]
    [InlineData("POST", "/{index}/_search", false)]
    [InlineData("POST", "/{index}/_count", false)]
    [InlineData("POST", "/_security/user/_has_privileges", true)]
    public void What_the_table_allows_is_in_the_official_description(string method, string path, bool all)
    {
        Assert.SkipWhen(Shared.Find("elasticsearch", "openapi-subset.json") is null, "openapi-subset.json is not beside this repository");
        var api = JsonNode.Parse(File.ReadAllText(Shared.Find("elasticsearch", "openapi-subset.json")!))!;
        var operation = api["paths"]![path]![method.ToLowerInvariant()]!;
        var described = (operation["parameters"] as JsonArray ?? [])
            .Select(p => Follow(api, p!))
            .Where(p => (string?)p["in"] == "query")
            .Select(p => (string)p["name"]!)
            .ToHashSet();
        var rule = RequestRules.Table.Find(method, path.Replace("{index}", "a", StringComparison.Ordinal), ElasticsearchVersion.ServerlessProject).Rule;
        Assert.Empty(rule.Parameters.Keys.Except(described).Except(Undescribed));
        if (all) Assert.Empty(described.Except(rule.Parameters.Keys).Except(["format"]));
        if (rule.Body is "none" or "ndjson" || operation["requestBody"] is not { } body) return;
        var schema = Follow(api, Follow(api, body)["content"]!["application/json"]!["schema"]!);
        var fields = ((JsonObject)schema["properties"]!).Select(f => f.Key).ToHashSet();
        Assert.Empty(rule.Fields.Keys.Except(fields).Except(["aggs"]));
        if (all) Assert.Empty(fields.Except(rule.Fields.Keys));
    }

    [Theory]
    [InlineData("8.19.3", "8.19 9.1", true)]
    [InlineData("8.18.9", "8.19 9.1", false)]
    [InlineData("9.0.4", "8.19 9.1", false)]
    [InlineData("9.1.0", "8.19 9.1", true)]
    [InlineData("10.0.0", "8.19 9.1", true)]
    [InlineData("9.0.0", "8.18", true)]
    [InlineData("8.19.3", "9.1", false)]
    [InlineData("serverless", "9.5", true)]
    public void Features_come_with_the_release_of_each_line(string version, string since, bool expected) =>
        Assert.Equal(expected, ElasticsearchVersion.Parse(version).Has(since));

    private static JsonNode Follow(JsonNode api, JsonNode node)
    {
        while ((string?)(node as JsonObject)?["$ref"] is { } reference)
            node = reference[2..].Split('/').Aggregate(api, (at, part) => at[part]!);
        return node;
    }
}
