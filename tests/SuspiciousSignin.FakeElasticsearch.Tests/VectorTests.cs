using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>
/// Every vector of the shared collection, over HTTP. Those whose expression is not a query, or whose expectation is not a table, have
/// runners of their own: the rule, storage, the hard limit and union types.
/// </summary>
public sealed class VectorTests
{
    private const string Missing = "vectors/esql.json is not beside this repository";

    private static readonly string[] Commands = ["FROM ", "WHERE ", "STATS ", "EVAL ", "KEEP ", "SORT "];

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly Lazy<JsonArray?> Vectors = new(Load);

    public static TheoryData<int, string> All()
    {
        var data = new TheoryData<int, string>();
        if (Vectors.Value is not { } vectors) data.Add(-1, Missing);
        for (var i = 0; i < Vectors.Value?.Count; i++)
        {
            var name = (string?)Vectors.Value[i]!["name"] ?? (string)Vectors.Value[i]!["expression"]!;
            data.Add(i, $"{Vectors.Value[i]!["topic"]}: {name}");
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task The_interpreter_agrees_with_the_vector(int number, string title)
    {
        Assert.SkipWhen(number < 0, title);
        var vector = (JsonObject)Vectors.Value![number]!;
        await using var lab = await Lab.OpenAsync("9.1.0", stock: true);
        var topic = (string)vector["topic"]!;
        var expression = (string)vector["expression"]!;
        if (topic is "rule.seed" or "rule.head")
            await RuleAsync(lab, vector, topic == "rule.seed" ? RuleQueries.Seed : RuleQueries.Head);
        else if (topic == "storage")
            await StorageAsync(lab, vector);
        else if (topic == "limit")
            await LimitAsync(lab);
        else if (topic == "union_types")
            await UnionAsync(lab, vector);
        else if (Array.Exists(Commands, c => expression.StartsWith(c, StringComparison.Ordinal)))
            await TableAsync(lab, vector);
        else if (vector["input"]!["table"] is not null)
            await ColumnAsync(lab, vector);
        else
            await ScalarAsync(lab, vector);
    }

    [Theory]
    [MemberData(nameof(All))]
    public async Task The_loose_reading_of_addresses_is_there_when_asked_for(int number, string title)
    {
        Assert.SkipWhen(number < 0, title);
        var vector = (JsonObject)Vectors.Value![number]!;
        if (!((string)vector["topic"]!).StartsWith("TO_IP", StringComparison.Ordinal) || vector["input"]!["s"] is not JsonValue) return;
        await using var lab = await Lab.OpenAsync("9.1.0");
        lab.Cluster.LooseIpReading = true;
        var reply = await lab.EsqlAsync($"ROW s = {Literal(vector["input"]!["s"])} | EVAL x = {vector["expression"]} | KEEP x");
        Same(vector.ContainsKey("expected_ParseIp_reading") ? vector["expected_ParseIp_reading"] : vector["expected"], reply.Rows[0]![0]);
    }

    private static async Task ScalarAsync(Lab lab, JsonObject vector)
    {
        var input = (JsonObject)vector["input"]!;
        var expression = Expand((string)vector["expression"]!, input);
        string source;
        if ((string?)input["type"] is { } type)
        {
            var field = input.First(i => i.Key != "type");
            lab.Fill("typed", new JsonObject { [field.Key] = new JsonObject { ["type"] = type } }.ToJsonString(), new JsonObject { [field.Key] = field.Value?.DeepClone() }.ToJsonString());
            source = "FROM typed";
        }
        else
        {
            var fields = input.Where(i => i.Key is not ("blocks" or "list")).Select(i => $"{i.Key} = {Literal(i.Value)}").ToArray();
            source = fields.Length == 0 ? "ROW nothing = 1" : "ROW " + string.Join(", ", fields);
        }

        var reply = await lab.EsqlAsync($"{source} | EVAL result = {expression} | KEEP result | LIMIT 5");
        Assert.True(reply.Status == 200, reply.Text);
        Same(vector["expected"], reply.Rows[0]![0]);
        CheckWarnings(vector, reply);
        if (vector["canonical"] is { } canonical)
            Same(canonical, (await lab.EsqlAsync($"{source} | EVAL result = TO_STRING(TO_IP(s)) | KEEP result")).Rows[0]![0]);
    }

    private static async Task ColumnAsync(Lab lab, JsonObject vector)
    {
        CreateTable(lab, (JsonObject)vector["input"]!);
        var expected = (JsonArray)vector["expected"]!;
        var name = ((JsonObject)expected[0]!).First(e => !((JsonObject)vector["input"]!["types"]!).ContainsKey(e.Key)).Key;
        SameRows(expected, await lab.EsqlAsync($"FROM hosts | EVAL {name} = {vector["expression"]} | KEEP {string.Join(", ", ((JsonObject)expected[0]!).Select(e => e.Key))}"), false);
    }

    private static async Task TableAsync(Lab lab, JsonObject vector)
    {
        var input = (JsonObject)vector["input"]!;
        var expression = (string)vector["expression"]!;
        string query;
        if (input["table"] is { } table)
        {
            CreateTable(lab, input);
            query = expression.StartsWith("FROM", StringComparison.Ordinal) ? expression : $"FROM {table} | {expression}";
        }
        else
        {
            var row = input["rows"] is JsonArray rows ? (JsonObject)rows[0]! : input;
            query = $"ROW {string.Join(", ", row.Select(i => $"{i.Key} = {Literal(i.Value)}"))} | {expression}";
        }

        var reply = await lab.EsqlAsync(query);
        SameRows((JsonArray)vector["expected"]!, reply, false);
        CheckWarnings(vector, reply);
    }

    private static async Task UnionAsync(Lab lab, JsonObject vector)
    {
        var input = (JsonObject)vector["input"]!;
        var expression = (string)vector["expression"]!;
        foreach (var (index, type) in new[] { ("a", "ip"), ("b", "keyword") })
        {
            lab.Cluster.CreateIndex(index, $$$"""{"properties":{"@timestamp":{"type":"date"},"client_ip":{"type":"{{{type}}}" } } }""");
            var rows = input["rows"] is JsonArray timed
                ? timed.Select(r => new JsonObject { ["@timestamp"] = r![0]!.DeepClone(), ["client_ip"] = r[1]!.DeepClone() })
                : ((JsonArray)input.First().Value!).Select(v => new JsonObject { ["client_ip"] = v!.DeepClone() });
            foreach (var row in rows) lab.Cluster.Index(index, row.ToJsonString());
        }

        if (vector["expected"] is JsonArray expected)
        {
            SameRows(expected, await lab.EsqlAsync($"FROM a, b | {expression}"), false);
        }
        else if (vector["expected"] is JsonObject first)
        {
            var stats = expression[..expression.IndexOf(" (first row", StringComparison.Ordinal)];
            var reply = await lab.EsqlAsync($"FROM a, b | {stats} | SORT count DESC | LIMIT 1");
            Same(first["count"], reply.Rows[0]![0]);
            Same(first["@timestamp"], reply.Rows[0]![1]);
        }
        else if (expression.StartsWith("KEEP", StringComparison.Ordinal))
        {
            var reply = await lab.EsqlAsync($"FROM a, b | {expression}");
            Assert.Equal(["unsupported"], reply.Types);
            Assert.All(reply.First, Assert.Null);
        }
        else
        {
            var reply = await lab.EsqlAsync($"FROM a, b | {expression}");
            Assert.Equal(400, reply.Status);
            Assert.Equal("verification_exception", reply.ErrorType);
            Assert.Contains("Cannot use field [client_ip] due to ambiguities being mapped as [2] incompatible types: [ip] in [a], [keyword] in [b]", reply.Reason, StringComparison.Ordinal);
        }
    }

    private static async Task StorageAsync(Lab lab, JsonObject vector)
    {
        var input = (JsonObject)vector["input"]!;
        lab.Fill("stored", new JsonObject { ["f"] = new JsonObject { ["type"] = input["mapping"]!.DeepClone() } }.ToJsonString(), new JsonObject { ["f"] = input["_source"]!.DeepClone() }.ToJsonString());
        Same(vector["expected"], (await lab.EsqlAsync("FROM stored | KEEP f")).Rows[0]![0]);
    }

    private static async Task LimitAsync(Lab lab)
    {
        lab.Fill("big", """{"n":{"type":"long"}}""", [.. Enumerable.Range(0, 20_000).Select(n => $$"""{"n":{{n}}}""")]);
        Assert.Equal(10_000, (await lab.EsqlAsync("FROM big | KEEP n | LIMIT 20000")).Rows.Count);
    }

    private static async Task RuleAsync(Lab lab, JsonObject vector, string query)
    {
        foreach (var document in ((JsonArray)vector["input"]!["docs"]!).Cast<JsonObject>())
        {
            var stored = (JsonObject)document.DeepClone();
            var age = (double)stored["age_h"]!;
            stored.Remove("age_h");
            stored["@timestamp"] = Lab.Noon.AddHours(-age).ToString("O", CultureInfo.InvariantCulture);
            var target = stored.ContainsKey("kibana.alert.rule.name")
                ? FakeCluster.Alerts
                : (string?)stored["event"]!["dataset"] == "azure.signinlogs" ? FakeCluster.AzureSignInLogs : FakeCluster.Office365Audit;
            lab.Cluster.Index(target, stored.ToJsonString());
        }

        SameRows((JsonArray)vector["expected"]!, await lab.EsqlAsync(query), (bool?)vector["values_columns_are_sets"] ?? false);
    }

    private static void CreateTable(Lab lab, JsonObject input)
    {
        if (input["types"] is not JsonObject types)
        {
            lab.Fill((string)input["table"]!, """{"languages":{"type":"integer"}}""", """{"languages":2}""", """{"languages":5}""", "{}");
            return;
        }

        var properties = new JsonObject(types.Select(t => KeyValuePair.Create<string, JsonNode?>(t.Key, new JsonObject { ["type"] = t.Value!.DeepClone() })));
        lab.Fill((string)input["table"]!, properties.ToJsonString(), [.. ((JsonArray)input["rows"]!).Select(r => r!.ToJsonString())]);
    }

    private static string Expand(string expression, JsonObject input)
    {
        if (input["blocks"] is JsonArray blocks) expression = expression.Replace("...blocks", string.Join(", ", blocks.Select(Literal)), StringComparison.Ordinal);
        if (input["list"] is JsonArray list) expression = expression.Replace("(list)", $"({string.Join(", ", list.Select(Literal))})", StringComparison.Ordinal);
        return expression.Replace("<26 rule blocks>", RuleQueries.Blocks, StringComparison.Ordinal);
    }

    private static string Literal(JsonNode? value) => value is JsonArray many ? $"[{string.Join(", ", many.Select(Literal))}]" : value?.ToJsonString(Relaxed) ?? "null";

    private static void CheckWarnings(JsonObject vector, Reply reply)
    {
        if ((string?)vector["warning_reason"] is { } reason) Assert.Contains(reply.Warnings, w => w.EndsWith(reason, StringComparison.Ordinal));
        foreach (var warning in vector["warnings"] as JsonArray ?? [])
        {
            // The place, and the name of a column, are those of the published test; what matters is which function failed and why.
            var text = (string)warning!;
            var at = text.IndexOf("evaluation of [", StringComparison.Ordinal);
            if (at < 0) at = text.IndexOf("java.lang", StringComparison.Ordinal);
            var end = text.IndexOf('(', at);
            var core = text.StartsWith("Line", StringComparison.Ordinal) && end > 0 && text.Contains("TO_IP(", StringComparison.Ordinal) ? text[at..end] : text[at..];
            Assert.Contains(reply.Warnings, w => w.Contains(core, StringComparison.Ordinal));
        }
    }

    private static void SameRows(JsonArray expected, Reply reply, bool listsAreSets)
    {
        Assert.True(reply.Status == 200, reply.Text);
        var actual = reply.Rows.Select(r => new JsonObject(reply.Columns.Select((c, i) => KeyValuePair.Create(c, r![i]?.DeepClone()))));
        Assert.Equal(
            expected.Select(e => Canonical(e, listsAreSets)).Order(StringComparer.Ordinal),
            actual.Select(a => Canonical(a, listsAreSets)).Order(StringComparer.Ordinal));
    }

    private static void Same(JsonNode? expected, JsonNode? actual) => Assert.Equal(Canonical(expected, false), Canonical(actual, false));

    private static string Canonical(JsonNode? node, bool listsAreSets)
    {
        switch (node)
        {
            case null:
                return "null";
            case JsonObject map:
                return string.Join("; ", map.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => $"{m.Key}={Canonical(m.Value, listsAreSets)}"));
            case JsonArray list:
                var items = list.Select(i => Canonical(i, listsAreSets));
                return $"[{string.Join(", ", listsAreSets ? items.Order(StringComparer.Ordinal) : items)}]";
            default:
                return node.GetValueKind() == JsonValueKind.Number ? double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture) : node.ToJsonString();
        }
    }

    private static JsonArray? Load() => Shared.Find("vectors", "esql.json") is { } file ? (JsonArray)JsonNode.Parse(File.ReadAllText(file))! : null;
}

/// <summary>The rule as ES|QL, worded for these tests from the facts about it.</summary>
internal static class RuleQueries
{
    public const string Blocks =
        """
        "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32",
        "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.168.0.0/16",
        "192.88.99.0/24", "224.0.0.0/4", "100.64.0.0/10", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "240.0.0.0/4", "::1", "FE80::/10", "FF00::/8"
        """;

    public const string Seed =
        $"""
        FROM logs-*, .alerts-security.*
        | WHERE @timestamp > NOW() - 8 hours AND TO_IP(source.ip) IS NOT NULL
        | EVAL cloud = event.dataset IN ("azure.signinlogs", "o365.audit"), alert = kibana.alert.rule.name == "External Alerts"
        | WHERE (cloud OR alert) AND NOT CIDR_MATCH(TO_IP(source.ip), {Blocks})
        | EVAL ok = event.outcome == "success",
               mail = CASE(event.dataset == "o365.audit" AND event.action == "MailItemsAccessed" AND ok, TO_IP(source.ip)),
               azure = CASE(event.dataset == "azure.signinlogs" AND ok, TO_IP(source.ip)),
               network = CASE(alert AND NOT cloud, TO_IP(source.ip))
        | STATS total_alerts = COUNT(*), is_mail_access = COUNT_DISTINCT(mail), is_azure = COUNT_DISTINCT(azure),
                unique_dataset = COUNT_DISTINCT(event.dataset), is_network_alert = COUNT_DISTINCT(network),
                datasets = VALUES(event.dataset), rules = VALUES(kibana.alert.rule.name), cat = VALUES(event.category)
          BY source_ip = TO_IP(source.ip)
        | WHERE is_network_alert > 0 AND (is_mail_access > 0 OR (is_azure > 0 AND unique_dataset >= 2))
        | LIMIT 1001
        """;

    public const string Head =
        $"""
        FROM logs-o365.audit-*, logs-azure.signinlogs-*, .alerts-security.*
        | WHERE TO_IP(source.ip) IS NOT NULL
        | EVAL cloud = data_stream.dataset IN ("azure.signinlogs", "o365.audit"), alert = kibana.alert.rule.rule_id == "eb079c62-4481-4d6e-9643-3ca499df7aaa"
        | WHERE (cloud OR alert) AND NOT CIDR_MATCH(TO_IP(source.ip), {Blocks})
        | EVAL mail = CASE(data_stream.dataset == "o365.audit" AND event.action == "MailItemsAccessed" AND event.outcome == "success", TO_IP(source.ip)),
               azure = CASE(data_stream.dataset == "azure.signinlogs" AND event.outcome == "success", TO_IP(source.ip)),
               network = CASE(alert AND NOT cloud, TO_IP(source.ip))
        | STATS total = COUNT(*), mails = COUNT_DISTINCT(mail), signins = COUNT_DISTINCT(azure), sets = COUNT_DISTINCT(data_stream.dataset),
                alerts = COUNT_DISTINCT(network) BY source_ip = TO_IP(source.ip)
        | WHERE alerts > 0 AND sets >= 2 AND (mails > 0 OR signins > 0) AND total <= 100
        | LIMIT 1001
        """;
}
