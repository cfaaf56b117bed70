using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>How one field is indexed.</summary>
internal sealed class FieldMapping
{
    private static readonly HashSet<string> Known =
    [
        "keyword", "constant_keyword", "wildcard", "text", "match_only_text", "ip", "date", "date_nanos", "long", "integer", "short",
        "byte", "double", "float", "half_float", "scaled_float", "unsigned_long", "boolean", "flattened", "alias", "binary", "geo_point",
        "object", "nested",
    ];

    public required string Type { get; init; }

    public int? IgnoreAbove { get; init; }

    public bool IgnoreMalformed { get; init; }

    public string? AliasPath { get; init; }

    public JsonNode? NullValue { get; init; }

    public required JsonObject Raw { get; init; }

    /// <summary>The value of a constant_keyword: preset, or taken from the first document that has one.</summary>
    public string? Constant { get; set; }

    /// <summary>What field capabilities call the type: constant_keyword and wildcard are keyword.</summary>
    public string Family => Type switch
    {
        "constant_keyword" or "wildcard" => "keyword",
        "match_only_text" => "text",
        _ => Type,
    };

    public bool Keywordish => Family == "keyword";

    public bool Textual => Family == "text";

    public static FieldMapping Read(string path, JsonObject raw, bool ignoreMalformed)
    {
        var type = (string?)raw["type"] ?? "object";
        if (!Known.Contains(type))
            throw new ElasticsearchException(400, "mapper_parsing_exception", $"No handler for type [{type}] declared on field [{path}]");
        return new FieldMapping
        {
            Type = type,
            IgnoreAbove = (int?)raw["ignore_above"],
            IgnoreMalformed = (bool?)raw["ignore_malformed"] ?? ignoreMalformed,
            AliasPath = (string?)raw["path"],
            NullValue = raw["null_value"]?.DeepClone(),
            Constant = type == "constant_keyword" ? (string?)raw["value"] : null,
            Raw = (JsonObject)raw.DeepClone(),
        };
    }
}

/// <summary>What a document looks like to the index: cells of doc values by field path.</summary>
internal sealed record ParsedDocument(Dictionary<string, object> Fields, List<string> Ignored);

/// <summary>
/// The mapping of one index: leaves by full path, sub-fields included. Dotted names and nested objects are the same path,
/// in mappings and in documents.
/// </summary>
internal sealed class IndexMapping
{
    private readonly SortedDictionary<string, FieldMapping> _leaves = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _objects = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _dynamic = [];
    private readonly HashSet<string> _disabled = [];
    private readonly List<JsonObject> _dynamicTemplates = [];
    private readonly bool _ignoreMalformed;

    public IndexMapping(JsonObject? mappings, bool ignoreMalformed)
    {
        _ignoreMalformed = ignoreMalformed;
        _dynamic[""] = "true";
        if (mappings is null) return;
        foreach (var (key, value) in mappings)
        {
            switch (key)
            {
                case "properties":
                    Properties("", (JsonObject)value!);
                    break;
                case "dynamic":
                    _dynamic[""] = value!.ToString();
                    break;
                case "dynamic_templates":
                    foreach (var named in (JsonArray)value!)
                        _dynamicTemplates.Add((JsonObject)((JsonObject)named!).First().Value!.DeepClone());
                    break;
                case "_meta" or "date_detection" or "numeric_detection" or "_routing" or "_source" or "_data_stream_timestamp" or "subobjects":
                    break;
                default:
                    throw new ElasticsearchException(
                        400, "mapper_parsing_exception", $"Root mapping definition has unsupported parameters:  [{key} : {value}]");
            }
        }
    }

    public IReadOnlyDictionary<string, FieldMapping> Leaves => _leaves;

    /// <summary>Object paths with their kind: object or nested.</summary>
    public IReadOnlyDictionary<string, string> Objects => _objects;

    /// <summary>The field behind a name, an alias followed to its target.</summary>
    public FieldMapping? Find(string path) => Find(path, out _);

    public FieldMapping? Find(string path, out string realPath)
    {
        realPath = path;
        if (!_leaves.TryGetValue(path, out var mapping)) return null;
        if (mapping.Type != "alias") return mapping;
        realPath = mapping.AliasPath ?? "";
        return _leaves.GetValueOrDefault(realPath);
    }

    /// <summary>Whether a field lies inside a nested object, where neither ES|QL nor a plain search sees it.</summary>
    public bool IsNested(string path) => _objects.Any(o => o.Value == "nested" && path.StartsWith(o.Key + ".", StringComparison.Ordinal));

    public ParsedDocument Parse(string id, JsonElement source)
    {
        var walk = new DocumentWalk(id, []);
        Walk(walk, "", source, "");
        var fields = new Dictionary<string, object>();
        foreach (var (path, values) in walk.Values) Store(path, values, fields);
        foreach (var (path, mapping) in _leaves)
        {
            if (mapping.Type != "constant_keyword" || !walk.Values.TryGetValue(path, out var seen)) continue;
            foreach (var value in seen.Select(v => (string)v))
            {
                mapping.Constant ??= value;
                if (mapping.Constant == value) continue;
                throw Unparsable(id, path, mapping.Type, value, new JsonObject
                {
                    ["type"] = "illegal_argument_exception",
                    ["reason"] = $"[constant_keyword] field [{path}] only accepts values that are equal to the value defined in the mappings " +
                        $"[{mapping.Constant}], but got [{value}]",
                });
            }
        }

        return new ParsedDocument(fields, walk.Ignored);
    }

    public JsonObject ToJson()
    {
        var root = new JsonObject { ["dynamic"] = _dynamic[""] };
        if (_dynamic[""] == "true") root.Remove("dynamic");
        var properties = new JsonObject();
        foreach (var (path, mapping) in _leaves)
        {
            if (IsSubField(path)) continue;
            var at = properties;
            var parts = path.Split('.');
            foreach (var part in parts[..^1])
            {
                if (at[part] is not JsonObject next) at[part] = next = [];
                if (next["properties"] is not JsonObject inner) next["properties"] = inner = [];
                at = inner;
            }

            var raw = (JsonObject)mapping.Raw.DeepClone();
            if (mapping.Constant is not null) raw["value"] = mapping.Constant;
            at[parts[^1]] = raw;
        }

        root["properties"] = properties;
        return root;
    }

    private static ElasticsearchException Unparsable(string id, string path, string type, string value, JsonObject cause) => new(
        400,
        "document_parsing_exception",
        $"[1:1] failed to parse field [{path}] of type [{type}] in document with id '{id}'. Preview of field's value: '{value}'",
        causedBy: cause);

    private bool IsSubField(string path)
    {
        var dot = path.LastIndexOf('.');
        return dot > 0 && _leaves.ContainsKey(path[..dot]);
    }

    private void Properties(string prefix, JsonObject properties)
    {
        foreach (var (name, value) in properties)
        {
            var path = prefix.Length == 0 ? name : $"{prefix}.{name}";
            var raw = (JsonObject)value!;
            Parents(path);
            if (raw.ContainsKey("properties") || !raw.ContainsKey("type") || (string?)raw["type"] is "object" or "nested")
            {
                _objects[path] = (string?)raw["type"] ?? "object";
                if (raw["dynamic"] is { } dynamic) _dynamic[path] = dynamic.ToString();
                if (raw["enabled"] is { } enabled && enabled.ToString() == "false") _disabled.Add(path);
                if (raw["properties"] is JsonObject inner) Properties(path, inner);
                continue;
            }

            AddLeaf(path, raw);
        }
    }

    private FieldMapping AddLeaf(string path, JsonObject raw)
    {
        Parents(path);
        var mapping = FieldMapping.Read(path, raw, _ignoreMalformed);
        _leaves[path] = mapping;
        foreach (var (sub, subRaw) in raw["fields"] as JsonObject ?? [])
            _leaves[$"{path}.{sub}"] = FieldMapping.Read($"{path}.{sub}", (JsonObject)subRaw!, _ignoreMalformed);
        return mapping;
    }

    private void Parents(string path)
    {
        for (var dot = path.IndexOf('.', StringComparison.Ordinal); dot > 0; dot = path.IndexOf('.', dot + 1))
            _objects.TryAdd(path[..dot], "object");
    }

    private string DynamicAt(string path)
    {
        for (var at = path; at.Length > 0;)
        {
            if (_dynamic.TryGetValue(at, out var mode)) return mode;
            var dot = at.LastIndexOf('.');
            at = dot < 0 ? "" : at[..dot];
        }

        return _dynamic[""];
    }

    private void Walk(DocumentWalk walk, string path, JsonElement element, string objectPath)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                if (_disabled.Contains(path)) return;
                if (_leaves.TryGetValue(path, out var leaf))
                {
                    if (leaf.Type == "flattened")
                    {
                        walk.Add(path, element.GetRawText());
                        return;
                    }

                    if (leaf.Type == "geo_point") return;
                    // Whatever ignore_malformed says: it does not cover objects.
                    throw Unparsable(walk.Id, path, leaf.Type, element.GetRawText(), new JsonObject
                    {
                        ["type"] = "illegal_state_exception",
                        ["reason"] = $"Can't get text on a START_OBJECT at 1:1",
                    });
                }

                if (_objects.GetValueOrDefault(path) == "nested") return;
                foreach (var member in element.EnumerateObject())
                    Walk(walk, path.Length == 0 ? member.Name : $"{path}.{member.Name}", member.Value, path);
                return;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray()) Walk(walk, path, item, objectPath);
                return;
            case JsonValueKind.Null or JsonValueKind.Undefined:
                if (_leaves.TryGetValue(path, out var nullable) && nullable.NullValue is { } substitute)
                    walk.Add(path, Value(walk, path, nullable, JsonSerializer.SerializeToElement(substitute)) ?? "");
                return;
            default:
                Scalar(walk, path, element, objectPath);
                return;
        }
    }

    private void Scalar(DocumentWalk walk, string path, JsonElement element, string objectPath)
    {
        if (_disabled.Any(d => path == d || path.StartsWith(d + ".", StringComparison.Ordinal))) return;
        if (!_leaves.TryGetValue(path, out var mapping))
        {
            if (_objects.TryGetValue(path, out _))
            {
                throw new ElasticsearchException(
                    400,
                    "document_parsing_exception",
                    $"[1:1] object mapping for [{path}] tried to parse field [{path}] as object, but found a concrete value");
            }

            var mode = DynamicAt(objectPath);
            if (mode is "false" or "runtime") return;
            if (mode == "strict")
            {
                throw new ElasticsearchException(
                    400,
                    "strict_dynamic_mapping_exception",
                    $"[1:1] mapping set to strict, dynamic introduction of [{path}] within [{(objectPath.Length == 0 ? "_doc" : objectPath)}] is not allowed");
            }

            mapping = AddLeaf(path, Infer(path, element));
        }

        if (mapping.Type == "alias")
        {
            throw new ElasticsearchException(
                400, "document_parsing_exception", $"[1:1] Cannot write to a field alias [{path}].");
        }

        if (Value(walk, path, mapping, element) is { } value) walk.Add(path, value);
        else walk.Ignored.Add(path);
        foreach (var (subPath, sub) in _leaves.Where(l => l.Key.StartsWith(path + ".", StringComparison.Ordinal)))
        {
            if (Value(walk, subPath, sub, element) is { } subValue) walk.Add(subPath, subValue);
            else walk.Ignored.Add(subPath);
        }
    }

    private JsonObject Infer(string path, JsonElement element)
    {
        var kind = element.ValueKind switch
        {
            JsonValueKind.True or JsonValueKind.False => "boolean",
            JsonValueKind.Number => element.TryGetInt64(out _) ? "long" : "double",
            _ => "string",
        };
        if (kind == "string" && LooksLikeDate(element.GetString()!)) kind = "date";
        foreach (var template in _dynamicTemplates)
        {
            if (template["match_mapping_type"] is { } wanted && wanted.ToString() != "*" && wanted.ToString() != kind) continue;
            if (template["path_match"] is { } pathMatch && !Patterns(pathMatch).Any(p => Wildcard.Matches(p, path))) continue;
            if (template["match"] is { } match && !Patterns(match).Any(p => Wildcard.Matches(p, path[(path.LastIndexOf('.') + 1)..]))) continue;
            var mapping = (JsonObject)template["mapping"]!.DeepClone();
            if ((string?)mapping["type"] is null or "{dynamic_type}") mapping["type"] = kind == "string" ? "text" : kind;
            return mapping;
        }

        if (kind != "string") return new JsonObject { ["type"] = kind == "double" ? "float" : kind };
        return new JsonObject
        {
            ["type"] = "text",
            ["fields"] = new JsonObject { ["keyword"] = new JsonObject { ["type"] = "keyword", ["ignore_above"] = 256 } },
        };
    }

    private static IEnumerable<string> Patterns(JsonNode node) => node is JsonArray many ? many.Select(m => m!.ToString()) : [node.ToString()];

    private static bool LooksLikeDate(string text) =>
        text.Length >= 10 && text[4] == '-' && Instant.TryParse(text, out _, epochMillis: false);

    /// <summary>The value as the field stores it, or null when the field ignores it.</summary>
    private static object? Value(DocumentWalk walk, string path, FieldMapping mapping, JsonElement element)
    {
        var text = element.ValueKind == JsonValueKind.String ? element.GetString()! : element.GetRawText();
        try
        {
            switch (mapping.Family)
            {
                case "keyword":
                    return mapping.IgnoreAbove is { } limit && text.Length > limit ? null : text;
                case "text" or "binary" or "geo_point":
                    return text;
                case "ip":
                    return Ip.TryParse(text, out var ip) ? ip : throw new FormatException($"'{text}' is not an IP string literal.");
                case "date":
                    return Instant.TryParse(text, out var date)
                        ? new Instant(date.Millis)
                        : throw new FormatException($"failed to parse date field [{text}] with format [strict_date_optional_time||epoch_millis]");
                case "date_nanos":
                    return Instant.TryParse(text, out var exact)
                        ? exact
                        : throw new FormatException($"failed to parse date field [{text}] with format [strict_date_optional_time_nanos||epoch_millis]");
                case "long" or "integer" or "short" or "byte" or "unsigned_long":
                    if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) return InRange(mapping.Type, whole, text);
                    return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var cut) && Math.Abs(cut) < 9.2e18
                        ? InRange(mapping.Type, (long)cut, text)
                        : throw new FormatException($"For input string: \"{text}\"");
                case "double" or "float" or "half_float" or "scaled_float":
                    return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
                        ? mapping.Type == "float" ? (double)(float)number : number
                        : throw new FormatException($"For input string: \"{text}\"");
                case "boolean":
                    return text switch
                    {
                        "true" => true,
                        "false" or "" => false,
                        _ => throw new FormatException($"Failed to parse value [{text}] as only [true] or [false] are allowed."),
                    };
                default:
                    return text;
            }
        }
        catch (FormatException) when (mapping.IgnoreMalformed)
        {
            return null;
        }
        catch (FormatException failure)
        {
            throw Unparsable(walk.Id, path, mapping.Type, text, new JsonObject
            {
                ["type"] = "illegal_argument_exception",
                ["reason"] = failure.Message,
            });
        }
    }

    private static long InRange(string type, long value, string text)
    {
        var (low, high) = type switch
        {
            "integer" => (int.MinValue, int.MaxValue),
            "short" => (short.MinValue, short.MaxValue),
            "byte" => (sbyte.MinValue, sbyte.MaxValue),
            _ => (long.MinValue, long.MaxValue),
        };
        return value >= low && value <= high ? value : throw new FormatException($"Value [{text}] is out of range for a {type}");
    }

    /// <summary>Doc values: sorted, and without duplicates where the type is kept as a set. Text has none and keeps what was sent.</summary>
    private void Store(string path, List<object> values, Dictionary<string, object> fields)
    {
        var mapping = _leaves[path];
        IReadOnlyList<object> kept = mapping.Family switch
        {
            "keyword" or "ip" => [.. values.Distinct().Order(Comparer<object>.Create(Cell.Compare))],
            "text" or "flattened" or "binary" or "geo_point" => values,
            _ => [.. values.Order(Comparer<object>.Create(Cell.Compare))],
        };
        if (Cell.Of(kept) is { } cell) fields[path] = cell;
    }
}

/// <summary>The state of reading one document.</summary>
internal sealed record DocumentWalk(string Id, Dictionary<string, List<object>> Values)
{
    public List<string> Ignored { get; } = [];

    public void Add(string path, object value)
    {
        if (!Values.TryGetValue(path, out var list)) Values[path] = list = [];
        list.Add(value);
    }
}

/// <summary>Reading and filtering a _source, where nested objects and dotted names are the same.</summary>
internal static class SourceFilter
{
    /// <summary>Keeps what the include patterns match and the exclude patterns do not. A pattern covers everything below its path.</summary>
    public static JsonNode Apply(JsonElement source, IReadOnlyList<string> includes, IReadOnlyList<string> excludes) =>
        Filter("", source, includes, excludes) ?? new JsonObject();

    /// <summary>Every scalar of the document with its dotted path.</summary>
    public static IEnumerable<(string Path, JsonElement Value)> Leaves(JsonElement element, string path = "") => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(m => Leaves(m.Value, path.Length == 0 ? m.Name : $"{path}.{m.Name}")),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(item => Leaves(item, path)),
        JsonValueKind.Null or JsonValueKind.Undefined => [],
        _ => [(path, element)],
    };

    private static JsonNode? Filter(string path, JsonElement element, IReadOnlyList<string> includes, IReadOnlyList<string> excludes)
    {
        if (path.Length > 0 && excludes.Any(p => Covers(p, path))) return null;
        if (element.ValueKind == JsonValueKind.Object)
        {
            var kept = new JsonObject();
            foreach (var member in element.EnumerateObject())
            {
                if (Filter(path.Length == 0 ? member.Name : $"{path}.{member.Name}", member.Value, includes, excludes) is { } inner)
                    kept[member.Name] = inner;
                else if (member.Value.ValueKind == JsonValueKind.Null && Included(path.Length == 0 ? member.Name : $"{path}.{member.Name}", includes))
                    kept[member.Name] = null;
            }

            return kept.Count > 0 || path.Length == 0 || (Included(path, includes) && !element.EnumerateObject().Any()) ? kept : null;
        }

        if (element.ValueKind == JsonValueKind.Array && element.EnumerateArray().Any(i => i.ValueKind == JsonValueKind.Object))
        {
            var items = element.EnumerateArray().Select(i => Filter(path, i, includes, excludes)).Where(i => i is not null).ToArray();
            return items.Length > 0 ? new JsonArray(items) : null;
        }

        return Included(path, includes) && element.ValueKind != JsonValueKind.Null ? JsonNode.Parse(element.GetRawText()) : null;
    }

    private static bool Included(string path, IReadOnlyList<string> includes) => includes.Count == 0 || includes.Any(p => Covers(p, path));

    private static bool Covers(string pattern, string path) => Wildcard.Matches(pattern, path) || Wildcard.Matches(pattern + ".*", path);
}
