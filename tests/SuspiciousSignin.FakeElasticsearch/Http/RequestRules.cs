using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Http;

/// <summary>What one endpoint accepts.</summary>
internal sealed record EndpointRule(
    string Name,
    IReadOnlyList<string> Methods,
    IReadOnlyList<string> Segments,
    IReadOnlyDictionary<string, string> Parameters,
    IReadOnlyDictionary<string, string> Fields,
    string Parser,
    string Body,
    string Since);

/// <summary>The table of endpoints, URL parameters and body fields, with the release from which each is known.</summary>
internal sealed class RequestRules
{
    private readonly List<EndpointRule> _rules = [];
    private readonly Dictionary<string, string> _always;

    private RequestRules(JsonObject table)
    {
        _always = Map(table["always"]);
        foreach (var entry in (JsonArray)table["endpoints"]!)
        {
            _rules.Add(new EndpointRule(
                (string)entry!["name"]!,
                ((string)entry["methods"]!).Split(' '),
                Segments((string)entry["path"]!),
                Map(entry["params"]),
                Map(entry["fields"]),
                (string?)entry["parser"] ?? "",
                (string?)entry["body"] ?? "none",
                (string?)entry["since"] ?? ""));
        }
    }

    public static RequestRules Table { get; } = Load();

    /// <summary>The endpoint of a path, with the values of its variable parts; of several, the one with the most fixed parts.</summary>
    public (EndpointRule Rule, Dictionary<string, string> Parts) Find(string method, string path, ElasticsearchVersion version)
    {
        var segments = Segments(path);
        var matches = _rules
            .Where(r => version.Has(r.Since))
            .Select(r => (Rule: r, Parts: Match(r.Segments, segments)))
            .Where(r => r.Parts is not null)
            .OrderBy(r => r.Parts!.Count)
            .ToArray();
        if (Array.Find(matches, m => m.Rule.Methods.Contains(method)) is { Rule: not null } match) return (match.Rule, match.Parts!);
        if (matches.Length == 0) throw ElasticsearchException.Plain(400, $"no handler found for uri [{path}] and method [{method}]");
        var allowed = string.Join(", ", matches.SelectMany(m => m.Rule.Methods).Distinct());
        var error = ElasticsearchException.Plain(405, $"Incorrect HTTP method for uri [{path}] and method [{method}], allowed: [{allowed}]");
        error.Headers.Add(KeyValuePair.Create("Allow", allowed.Replace(" ", "", StringComparison.Ordinal)));
        throw error;
    }

    /// <summary>Refuses URL parameters that this version does not know, and values that are not the truth values they should be.</summary>
    public void CheckParameters(EndpointRule rule, string path, IReadOnlyDictionary<string, string> parameters, ElasticsearchVersion version)
    {
        var unknown = parameters.Keys.Where(p => !Knows(rule.Parameters, p, version) && !Knows(_always, p, version)).Order(StringComparer.Ordinal).ToArray();
        if (unknown.Length > 0)
        {
            throw ElasticsearchException.Argument(
                $"request [{path}] contains unrecognized parameter{(unknown.Length > 1 ? "s" : "")}: {string.Join(", ", unknown.Select(u => $"[{u}]"))}");
        }

        foreach (var (name, value) in parameters)
        {
            if (rule.Parameters.GetValueOrDefault(name)?.StartsWith("bool", StringComparison.Ordinal) == true && value is not ("true" or "false" or ""))
                throw ElasticsearchException.Argument($"Failed to parse value [{value}] as only [true] or [false] are allowed.");
        }
    }

    /// <summary>Reads the body and refuses fields that this version does not know.</summary>
    public static JsonObject ReadBody(EndpointRule rule, string body, ElasticsearchVersion version)
    {
        if (body.Length == 0)
        {
            return rule.Body == "required"
                ? throw new ElasticsearchException(400, "parse_exception", "request body or source parameter is required")
                : [];
        }

        if (rule.Body == "none") throw ElasticsearchException.Argument($"request does not support having a body");
        JsonNode? json;
        try
        {
            json = JsonNode.Parse(body, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException failure)
        {
            throw new ElasticsearchException(400, "x_content_parse_exception", $"[{(failure.LineNumber ?? 0) + 1}:{(failure.BytePositionInLine ?? 0) + 1}] {failure.Message}");
        }

        if (json is not JsonObject fields) throw ElasticsearchException.Parsing($"[{rule.Parser}] Expected START_OBJECT but was: {json?.GetValueKind().ToString() ?? "VALUE_NULL"}");
        foreach (var (name, value) in fields)
        {
            if (Knows(rule.Fields, name, version)) continue;
            throw rule.Parser switch
            {
                "search" => ElasticsearchException.Parsing($"Unknown key for a {Kind(value)} in [{name}]."),
                "close_point_in_time" or "index_template" or "create_index" or "role" or "has_privileges" => ElasticsearchException.Parsing($"unknown key [{name}] for [{rule.Parser}]"),
                _ => new ElasticsearchException(400, "x_content_parse_exception", $"[1:{Math.Max(0, body.IndexOf($"\"{name}\"", StringComparison.Ordinal)) + 1}] [{rule.Parser}] unknown field [{name}]"),
            };
        }

        return fields;
    }

    private static string Kind(JsonNode? value) => value?.GetValueKind() switch
    {
        JsonValueKind.Object => "START_OBJECT",
        JsonValueKind.Array => "START_ARRAY",
        JsonValueKind.Number => "VALUE_NUMBER",
        JsonValueKind.True or JsonValueKind.False => "VALUE_BOOLEAN",
        JsonValueKind.String => "VALUE_STRING",
        _ => "VALUE_NULL",
    };

    private static bool Knows(IReadOnlyDictionary<string, string> table, string name, ElasticsearchVersion version) =>
        table.TryGetValue(name, out var since) && version.Has(since.StartsWith("bool", StringComparison.Ordinal) ? since[4..].Trim() : since);

    private static Dictionary<string, string>? Match(IReadOnlyList<string> template, IReadOnlyList<string> path)
    {
        if (template.Count != path.Count) return null;
        var parts = new Dictionary<string, string>();
        for (var i = 0; i < template.Count; i++)
        {
            if (template[i].StartsWith('{'))
            {
                if (path[i].StartsWith('_') && path[i] != "_all") return null;
                parts[template[i].Trim('{', '}')] = path[i];
            }
            else if (template[i] != path[i])
            {
                return null;
            }
        }

        return parts;
    }

    private static string[] Segments(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries);

    private static Dictionary<string, string> Map(JsonNode? node) =>
        node is JsonObject map ? map.ToDictionary(m => m.Key, m => m.Value!.ToString()) : [];

    private static RequestRules Load()
    {
        using var stream = typeof(RequestRules).Assembly.GetManifestResourceStream("RequestRules.json")!;
        return new RequestRules((JsonObject)JsonNode.Parse(stream)!);
    }
}
