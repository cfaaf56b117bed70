using System.Globalization;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>A query, compiled: whether a document matches, and whether an index could hold a match at all.</summary>
internal sealed record Clause(Func<StoredDocument, bool> Matches, Func<FakeIndex, bool> CanMatch)
{
    public static Clause All { get; } = new(_ => true, _ => true);

    public static Clause None { get; } = new(_ => false, _ => false);
}

/// <summary>The subset of the query DSL that the product speaks, over doc values, as Elasticsearch evaluates it.</summary>
internal static class QueryDsl
{
    public static Clause Compile(JsonNode? query, DateTimeOffset now)
    {
        if (query is null) return Clause.All;
        if (query is not JsonObject wrapper) throw ElasticsearchException.Parsing("[_na] query malformed, must start with start_object");
        if (wrapper.Count == 0) throw new ElasticsearchException(400, "illegal_argument_exception", "query malformed, empty clause found");
        if (wrapper.Count > 1)
        {
            var names = wrapper.Select(w => w.Key).ToArray();
            throw ElasticsearchException.Parsing($"[{names[0]}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]");
        }

        var (name, body) = wrapper.First();
        return name switch
        {
            "match_all" => Clause.All,
            "match_none" => Clause.None,
            "bool" => Bool(Object(name, body), now),
            "constant_score" => Compile(Object(name, body)["filter"], now),
            "range" => Range(Object(name, body), now),
            "term" => Term(Object(name, body), now),
            "terms" => Terms(Object(name, body), now),
            "exists" => Exists(Object(name, body)),
            "ids" => Ids(Object(name, body)),
            "match" => Match(name, Object(name, body), now, phrase: false),
            "match_phrase" => Match(name, Object(name, body), now, phrase: true),
            "prefix" => Pattern(name, Object(name, body), v => v + "*"),
            "wildcard" => Pattern(name, Object(name, body), v => v),
            _ => throw ElasticsearchException.Parsing($"unknown query [{name}]"),
        };
    }

    /// <summary>The cell of a field, as searches see it.</summary>
    public static object? CellOf(StoredDocument document, string field)
    {
        switch (field)
        {
            case "_id":
                return document.Id;
            case "_index":
                return document.Index.Name;
        }

        if (document.Index.Mapping.Find(field, out var path) is not { } mapping || document.Index.Mapping.IsNested(path)) return null;
        return mapping.Type == "constant_keyword" ? mapping.Constant : document.Parsed.Fields.GetValueOrDefault(path);
    }

    /// <summary>A point in time, or date math: now-8h, now/d, 2024-01-01||+1M/d. Rounds up where asked.</summary>
    public static bool TryDate(string text, DateTimeOffset now, bool roundUp, out Instant instant)
    {
        try
        {
            return TryDateMath(text, now, roundUp, out instant);
        }
        catch (Exception failure) when (failure is ArgumentOutOfRangeException or OverflowException)
        {
            instant = default;
            return false;
        }
    }

    private static bool TryDateMath(string text, DateTimeOffset now, bool roundUp, out Instant instant)
    {
        instant = default;
        var math = "";
        DateTime time;
        if (text.StartsWith("now", StringComparison.Ordinal))
        {
            time = Instant.From(now).ToDateTime();
            math = text[3..];
        }
        else
        {
            var anchor = text.IndexOf("||", StringComparison.Ordinal);
            if (anchor >= 0)
            {
                math = text[(anchor + 2)..];
                text = text[..anchor];
            }

            if (!Instant.TryParse(text, out instant)) return false;
            if (math.Length == 0)
            {
                if (roundUp && text.Length is 4 or 7 or 10 or 13 or 16 && text.Contains('-', StringComparison.Ordinal)) instant = RoundUpMissing(text, instant);
                return true;
            }

            time = instant.ToDateTime();
        }

        for (var at = 0; at < math.Length;)
        {
            var op = math[at++];
            if (op is not ('+' or '-' or '/')) return false;
            var digits = at;
            while (at < math.Length && char.IsAsciiDigit(math[at])) at++;
            var count = at == digits ? 1 : int.Parse(math[digits..at], CultureInfo.InvariantCulture);
            if (at >= math.Length) return false;
            var unit = math[at++];
            if (op == '/')
            {
                var floor = Floor(time, unit);
                if (floor is null) return false;
                time = roundUp ? Add(floor.Value, unit, 1)!.Value.AddMilliseconds(-1) : floor.Value;
            }
            else if (Add(time, unit, op == '-' ? -count : count) is { } moved)
            {
                time = moved;
            }
            else
            {
                return false;
            }
        }

        instant = Instant.From(time);
        return true;
    }

    private static Instant RoundUpMissing(string text, Instant instant)
    {
        var time = instant.ToDateTime();
        var next = text.Length switch
        {
            7 => time.AddMonths(1),
            10 => time.AddDays(1),
            13 => time.AddHours(1),
            _ => time.AddMinutes(1),
        };
        return Instant.From(next.AddMilliseconds(-1));
    }

    private static DateTime? Add(DateTime time, char unit, int count) => unit switch
    {
        'y' => time.AddYears(count),
        'M' => time.AddMonths(count),
        'w' => time.AddDays(7 * count),
        'd' => time.AddDays(count),
        'h' or 'H' => time.AddHours(count),
        'm' => time.AddMinutes(count),
        's' => time.AddSeconds(count),
        _ => null,
    };

    private static DateTime? Floor(DateTime time, char unit) => unit switch
    {
        'y' => new DateTime(time.Year, 1, 1, 0, 0, 0, DateTimeKind.Utc),
        'M' => new DateTime(time.Year, time.Month, 1, 0, 0, 0, DateTimeKind.Utc),
        'w' => time.Date.AddDays(-(((int)time.DayOfWeek + 6) % 7)),
        'd' => time.Date,
        'h' or 'H' => time.Date.AddHours(time.Hour),
        'm' => time.Date.AddMinutes((time.Hour * 60) + time.Minute),
        's' => time.Date.AddSeconds((time.Hour * 3600) + (time.Minute * 60) + time.Second),
        _ => null,
    };

    private static JsonObject Object(string name, JsonNode? body) =>
        body as JsonObject ?? throw ElasticsearchException.Parsing($"[{name}] query malformed, no start_object after query name");

    private static (string Field, JsonNode? Value) Single(string name, JsonObject body)
    {
        var fields = body.Where(b => b.Key is not ("boost" or "_name")).ToArray();
        return fields.Length == 1
            ? (fields[0].Key, fields[0].Value)
            : throw ElasticsearchException.Parsing($"[{name}] query doesn't support multiple fields, found {string.Join(" and ", fields.Select(f => $"[{f.Key}]"))}");
    }

    private static string Text(JsonNode? value) => value?.ToString() ?? throw ElasticsearchException.Argument("value cannot be null");

    private static Clause Bool(JsonObject body, DateTimeOffset now)
    {
        List<Clause> must = [], should = [], mustNot = [];
        int? minimum = null;
        foreach (var (key, value) in body)
        {
            switch (key)
            {
                case "must" or "filter":
                    must.AddRange(Many(value, now));
                    break;
                case "should":
                    should.AddRange(Many(value, now));
                    break;
                case "must_not":
                    mustNot.AddRange(Many(value, now));
                    break;
                case "minimum_should_match":
                    minimum = int.Parse(Text(value), CultureInfo.InvariantCulture);
                    break;
                case "boost" or "_name":
                    break;
                default:
                    throw ElasticsearchException.Parsing($"[bool] query does not support [{key}]");
            }
        }

        var needed = should.Count == 0 ? 0 : minimum ?? (must.Count == 0 ? 1 : 0);
        return new Clause(
            d => must.TrueForAll(c => c.Matches(d)) && !mustNot.Exists(c => c.Matches(d)) && (needed == 0 || should.Count(c => c.Matches(d)) >= needed),
            i => must.TrueForAll(c => c.CanMatch(i)) && (needed == 0 || should.Count(c => c.CanMatch(i)) >= needed));
    }

    private static IEnumerable<Clause> Many(JsonNode? value, DateTimeOffset now) => value is JsonArray many ? many.Select(m => Compile(m, now)) : [Compile(value, now)];

    private static Clause Range(JsonObject body, DateTimeOffset now)
    {
        var (field, value) = Single("range", body);
        var bounds = Object("range", value);
        string? format = null;
        foreach (var (key, bound) in bounds)
        {
            if (key is not ("gt" or "gte" or "lt" or "lte" or "format" or "time_zone" or "relation" or "boost" or "_name"))
                throw ElasticsearchException.Parsing($"[range] query does not support [{key}]");
            if (key == "format") format = Text(bound);
        }

        var tests = new List<(string Op, string Text)>();
        foreach (var op in new[] { "gt", "gte", "lt", "lte" })
        {
            if (bounds[op] is { } bound) tests.Add((op, Text(bound)));
        }

        var known = new Dictionary<(string Family, string Op), object?>();
        bool Within(FieldMapping mapping, object value, (string Op, string Text) test)
        {
            if (!known.TryGetValue((mapping.Family, test.Op), out var bound)) known[(mapping.Family, test.Op)] = bound = Bound(mapping, test.Op, test.Text, now, format);
            return bound is not null && Holds(test.Op, Cell.Compare(value, bound));
        }

        return new Clause(
            d => d.Index.Mapping.Find(field) is { } mapping && Cell.Values(CellOf(d, field)).Any(v => tests.TrueForAll(t => Within(mapping, v, t))),
            i =>
            {
                if (i.Mapping.Find(field) is not { } mapping) return false;
                if (mapping.Family != "date") return true;
                var seen = i.Versions.SelectMany(d => Cell.Values(CellOf(d, field))).ToArray();
                return seen.Length > 0 && tests.TrueForAll(t => Array.Exists(seen, v => Within(mapping, v, t)));
            });
    }

    private static bool Holds(string op, int order) => op switch
    {
        "gt" => order > 0,
        "gte" => order >= 0,
        "lt" => order < 0,
        _ => order <= 0,
    };

    private static object? Bound(FieldMapping mapping, string op, string text, DateTimeOffset now, string? format)
    {
        switch (mapping.Family)
        {
            case "date" or "date_nanos":
                var epochOnly = text.Length > 4 && text.TrimStart('-').All(char.IsAsciiDigit);
                var rightFormat = format is null || !epochOnly || format.Contains("epoch_millis", StringComparison.Ordinal);
                // EpochTime reads the digits apart from their sign, which the least number does not have as a positive one.
                if (!rightFormat || text == "-9223372036854775808" || !TryDate(text, now, roundUp: op is "lte" or "gt", out var instant))
                    throw new ElasticsearchException(400, "parse_exception", $"failed to parse date field [{text}] with format [{format ?? "strict_date_optional_time||epoch_millis"}]");
                if (mapping.Type == "date_nanos" && instant.Millis < 0)
                    throw ElasticsearchException.Argument($"date[{instant}] is before the epoch in 1970 and cannot be stored in nanosecond resolution");
                if (mapping.Type == "date_nanos" && instant.Millis > long.MaxValue / 1_000_000)
                    throw ElasticsearchException.Argument($"date[{instant}] is after 2262-04-11T23:47:16.854775807 and cannot be stored in nanosecond resolution");
                return instant;
            case "ip":
                return Ip.TryParse(text, out var ip) ? ip : throw ElasticsearchException.Argument($"'{text}' is not an IP string literal.");
            case "keyword" or "text":
                return text;
            case "boolean":
                return text == "true";
            default:
                return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                    ? number
                    : throw new ElasticsearchException(400, "number_format_exception", $"For input string: \"{text}\"");
        }
    }

    private static Clause Term(JsonObject body, DateTimeOffset now)
    {
        var (field, value) = Single("term", body);
        var ignoreCase = false;
        if (value is JsonObject full)
        {
            foreach (var (key, _) in full)
            {
                if (key is not ("value" or "case_insensitive" or "boost" or "_name")) throw ElasticsearchException.Parsing($"[term] query does not support [{key}]");
            }

            ignoreCase = (bool?)full["case_insensitive"] ?? false;
            value = full["value"];
        }
        else if (value is JsonArray)
        {
            throw ElasticsearchException.Parsing("[term] query does not support array of values");
        }

        return OneOf(field, [Text(value)], ignoreCase, now);
    }

    private static Clause Terms(JsonObject body, DateTimeOffset now)
    {
        var (field, value) = Single("terms", body);
        return value is JsonArray many
            ? OneOf(field, [.. many.Select(Text)], false, now)
            : throw ElasticsearchException.Parsing("[terms] query requires an array of terms");
    }

    private static Clause OneOf(string field, IReadOnlyList<string> wanted, bool ignoreCase, DateTimeOffset now) => new(
        d => Cell.Values(CellOf(d, field)).Any(v => wanted.Any(w => Equals(d.Index, field, v, w, ignoreCase, now))),
        i =>
        {
            if (field == "_index") return wanted.Any(w => i.AllNames.Contains(w));
            if (field == "_id") return true;
            if (i.Mapping.Find(field) is not { } mapping) return false;
            return mapping.Type != "constant_keyword" || (mapping.Constant is { } constant && wanted.Any(w => string.Equals(constant, w, Comparison(ignoreCase))));
        });

    private static bool Equals(FakeIndex index, string field, object value, string wanted, bool ignoreCase, DateTimeOffset now)
    {
        if (field == "_index") return index.AllNames.Any(n => Wildcard.Matches(wanted, n));
        if (field == "_id") return (string)value == wanted;
        var mapping = index.Mapping.Find(field)!;
        switch (mapping.Family)
        {
            case "ip":
                try
                {
                    return IpBlock.Parse(wanted).Contains((Ip)value);
                }
                catch (FormatException failure)
                {
                    throw ElasticsearchException.Argument(failure.Message);
                }

            case "keyword":
                return string.Equals((string)value, wanted, Comparison(ignoreCase));
            case "text":
                return Tokens((string)value).Contains(wanted, ignoreCase ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);
            case "flattened":
                return false;
            default:
                var bound = Bound(mapping, "gte", wanted, now, null);
                return bound is not null && Cell.Compare(value, bound) == 0;
        }
    }

    private static StringComparison Comparison(bool ignoreCase) => ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    private static Clause Exists(JsonObject body)
    {
        foreach (var (key, _) in body)
        {
            if (key is not ("field" or "boost" or "_name")) throw ElasticsearchException.Parsing($"[exists] query does not support [{key}]");
        }

        var field = Text(body["field"] ?? throw ElasticsearchException.Parsing("[exists] must be provided with a [field]"));
        return new Clause(
            d => CellOf(d, field) is not null ||
                (d.Index.Mapping.Objects.ContainsKey(field) && d.Parsed.Fields.Keys.Any(k => k.StartsWith(field + ".", StringComparison.Ordinal))),
            i => i.Mapping.Objects.ContainsKey(field) || (i.Mapping.Find(field) is { } mapping && (mapping.Type != "constant_keyword" || mapping.Constant is not null)));
    }

    private static Clause Ids(JsonObject body)
    {
        var ids = (body["values"] as JsonArray ?? throw ElasticsearchException.Parsing("[ids] requires values to be specified")).Select(Text).ToHashSet();
        return new Clause(d => ids.Contains(d.Id), _ => true);
    }

    private static Clause Match(string name, JsonObject body, DateTimeOffset now, bool phrase)
    {
        var (field, value) = Single(name, body);
        var all = false;
        if (value is JsonObject full)
        {
            all = full["operator"]?.ToString().Equals("and", StringComparison.OrdinalIgnoreCase) ?? false;
            value = full["query"];
        }

        var text = Text(value);
        var exact = OneOf(field, [text], false, now);
        var wanted = Tokens(text);
        return exact with
        {
            Matches = d =>
            {
                if (d.Index.Mapping.Find(field) is not { Textual: true }) return exact.Matches(d);
                return Cell.Values(CellOf(d, field)).Any(v =>
                {
                    var tokens = Tokens((string)v);
                    if (phrase) return Enumerable.Range(0, Math.Max(0, tokens.Count - wanted.Count + 1)).Any(start => wanted.SequenceEqual(tokens.Skip(start).Take(wanted.Count)));
                    return all ? wanted.TrueForAll(tokens.Contains) : wanted.Exists(tokens.Contains);
                });
            },
        };
    }

    private static Clause Pattern(string name, JsonObject body, Func<string, string> toPattern)
    {
        var (field, value) = Single(name, body);
        if (value is JsonObject full) value = full["value"] ?? full["wildcard"];
        var pattern = toPattern(Text(value));
        return new Clause(
            d => Cell.Values(CellOf(d, field)).Any(v => v is string text && Wildcard.Matches(pattern, text, questionMark: true)),
            i => field is "_index" or "_id" || i.Mapping.Find(field) is not null);
    }

    private static List<string> Tokens(string text)
    {
        var tokens = new List<string>();
        var start = -1;
        for (var i = 0; i <= text.Length; i++)
        {
            var part = i < text.Length && char.IsLetterOrDigit(text[i]);
            if (part && start < 0) start = i;
            if (!part && start >= 0)
            {
                tokens.Add(text[start..i].ToLowerInvariant());
                start = -1;
            }
        }

        return tokens;
    }
}
