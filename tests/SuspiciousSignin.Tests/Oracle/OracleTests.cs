using System.Text.Json.Nodes;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>The oracle against the worked examples of the rule's semantics.</summary>
public sealed class OracleTests
{
    private const long Now = 1_773_468_000_000;
    private const long Hour = 3_600_000;

    [Fact]
    public void Seed_examples_are_judged_as_written() => AgreesOnRule("rule.seed", atLeast: 10, new OracleQuery(OracleRule.Seed, Now - (8 * Hour), Now));

    [Fact]
    public void Head_on_stock_alert_mappings_finds_nothing() =>
        AgreesOnRule("rule.head", atLeast: 1, new OracleQuery(OracleRule.Head, Now - (8 * Hour), Now) { StockAlertMapping = true });

    [Fact]
    public void Addresses_are_read_as_TO_IP_reads_them()
    {
        foreach (var vector in Vectors("TO_IP", atLeast: 40))
        {
            var input = vector["input"]!.AsObject();
            if (vector["expression"]!.ToString() is not ("TO_IP(s)" or "TO_IP(s) IS NOT NULL" or "TO_IP(ip0)"))
                Assert.Fail($"An expression that this test does not know: {vector.ToJsonString()}");
            var texts = (input["s"] ?? input["ip0"]) switch
            {
                JsonArray list => list.Select(element => element?.ToString()).ToArray(),
                var one => [one?.ToString()],
            };
            var read = texts.Select(OracleIp.Canonical).OfType<string>().ToArray();
            var expected = vector["expected"]?.ToString();
            if (vector["canonical"]?.ToString() is { } canonical)
                expected = expected == "true" ? canonical : null;
            Assert.Equal(expected is null ? [] : [expected], read);
        }
    }

    [Fact]
    public void Addresses_are_written_canonically()
    {
        foreach (var vector in Vectors("ip.format", atLeast: 7))
            Assert.Equal(vector["expected"]!.ToString(), OracleIp.Canonical(vector["input"]!["s"]!.ToString()));
    }

    [Fact]
    public void Networks_contain_what_CIDR_MATCH_says()
    {
        var compared = 0;
        foreach (var vector in Vectors("CIDR_MATCH", atLeast: 15))
        {
            if (vector["input"]!["blocks"] is not JsonArray blocks)
                continue;
            var address = OracleIp.Parse(vector["input"]!["ip"]!.ToString())!.Value;
            Assert.Equal(vector["expected"]!.GetValue<bool>(), blocks.Any(block => OracleCidr.Contains(block!.ToString(), address)));
            compared++;
        }

        Assert.True(compared >= 15);
    }

    [Fact]
    public void Excluded_networks_end_where_the_examples_say()
    {
        Assert.Equal(26, OracleCidr.Excluded.Distinct(StringComparer.Ordinal).Count());
        foreach (var vector in Vectors("CIDR_MATCH.rule_blocks", atLeast: 35))
        {
            var address = OracleIp.Parse(vector["input"]!["ip"]!.ToString())!.Value;
            Assert.Equal(vector["expected"]!.GetValue<bool>(), !OracleCidr.IsExcluded(address));
        }
    }

    [Fact]
    public void Fixture_alert_and_a_sign_in_from_its_address_are_reported_by_every_revision()
    {
        var alert = JsonNode.Parse(File.ReadAllText(Require("fixtures/kibana-alert-zeek-constructed.json")))!;
        var signIn = JsonNode.Parse("""
            {"@timestamp":"2023-09-03T23:00:00Z","source.ip":"::ffff:8.42.77.171","event":{"dataset":"azure.signinlogs","outcome":"success"},
             "data_stream":{"dataset":"azure.signinlogs"}}
            """);
        var documents = OracleBatch.Read(new JsonArray(alert, signIn)).Stored;
        var from = OracleTime.Parse("2023-09-03T20:00:00Z")!.Value;
        foreach (var revision in OracleRule.Revisions)
        {
            var finding = Assert.Single(OracleRule.Run(documents, new OracleQuery(revision, from, from + (8 * Hour))));
            Assert.Equal("8.42.77.171", finding.SourceIp);
            Assert.Equal(new OracleCounts(2, 1, 0, 1, 2), finding.Counts);
            Assert.Equal("alertFirst", finding.Order);
            Assert.Equal(OracleTime.Parse("2023-09-03T23:00:00Z"), finding.CompletedAt);
            Assert.Equal(OracleTime.Parse("2023-09-03T23:00:00Z") - OracleTime.Parse("2023-09-03T22:24:02Z"), finding.SmallestGap);
        }
    }

    [Fact]
    public void Fixture_events_are_acceptable_documents()
    {
        foreach (var file in Directory.GetFiles(Require("fixtures"), "ecs-*.json"))
            Assert.Single(OracleDocument.Read(JsonNode.Parse(File.ReadAllText(file)))!.SourceIps);
    }

    [Theory]
    [InlineData("2026-03-14T06:00:00.000Z", 1_773_468_000_000)]
    [InlineData("2026-03-14T06:00:00", 1_773_468_000_000)]
    [InlineData("2026-03-14T08:30+02:30", 1_773_468_000_000)]
    [InlineData("2026-03-14T01:00:00-0500", 1_773_468_000_000)]
    [InlineData("2026-03-14T06:00:00.0019999Z", 1_773_468_000_001)]
    [InlineData("2026-03-14", 1_773_446_400_000)]
    [InlineData("1773468000000", 1_773_468_000_000)]
    [InlineData("2026-03-14 06:00:00Z", null)]
    [InlineData("2026-02-29T00:00:00Z", null)]
    [InlineData("2026-03-14T24:00:00Z", null)]
    [InlineData("14/03/2026", null)]
    [InlineData("now", null)]
    [InlineData("", null)]
    public void Times_are_read_as_an_Elasticsearch_date(string text, long? millis) => Assert.Equal(millis, OracleTime.Parse(text));

    [Theory]
    [InlineData("""{"@timestamp":0,"source":{"ip":"8.8.8.8"}}""", "8.8.8.8")]
    [InlineData("""{"@timestamp":0,"source.ip":"8.8.8.8","source":{"ip":["::ffff:808:808",null]}}""", "8.8.8.8")]
    [InlineData("""{"@timestamp":0,"source":[{"ip":"8.8.8.8"},null,{"ip":[["9.9.9.9"]]}]}""", "8.8.8.8 9.9.9.9")]
    [InlineData("""{"@timestamp":0,"source":{"ip":["bogus","8.8.8.8",42]}}""", "8.8.8.8")]
    [InlineData("""{"@timestamp":0,"source":{"ip":[]},"x":{"source.ip":"8.8.8.8"}}""", "")]
    public void Nested_dotted_and_listed_values_are_one_column(string json, string expected) =>
        Assert.Equal(expected, string.Join(' ', OracleDocument.Read(JsonNode.Parse(json))!.SourceIps.Select(OracleIp.Format)));

    private static void AgreesOnRule(string topic, int atLeast, OracleQuery query)
    {
        foreach (var vector in Vectors(topic, atLeast))
        {
            var documents = vector["input"]!["docs"]!.DeepClone().AsArray();
            foreach (var document in documents)
            {
                document!["@timestamp"] = Now - (long)(document["age_h"]!.GetValue<double>() * Hour);
                document.AsObject().Remove("age_h");
            }

            var expected = vector["expected"]!.AsArray().Select(row => row!).ToArray();
            var found = OracleRule.Run(OracleBatch.Read(documents).Stored, query);
            Assert.Equal(expected.Length, found.Count);
            foreach (var (row, finding) in expected.Zip(found))
            {
                Assert.Equal(row["source_ip"]!.ToString(), finding.SourceIp);
                Assert.Equal(row["total_alerts"]!.GetValue<int>(), finding.Counts.Total);
                Assert.Equal(row["unique_dataset"]!.GetValue<int>(), finding.Counts.Datasets);
                Assert.Equal(row["is_mail_access"]!.GetValue<int>() > 0, finding.Counts.MailAccess > 0);
                Assert.Equal(row["is_azure"]!.GetValue<int>() > 0, finding.Counts.AzureSignIn > 0);
                Assert.Equal(row["is_network_alert"]!.GetValue<int>() > 0, finding.Counts.NetworkAlert > 0);
                Assert.Equal(Values(row["datasets"]), finding.Datasets);
                Assert.Equal(Values(row["rules"]), finding.RuleNames);
                Assert.Equal(Values(row["cat"]), finding.Categories);
            }
        }
    }

    private static string[] Values(JsonNode? node) => node switch
    {
        null => [],
        JsonArray list => [.. list.Select(element => element!.ToString()).Order(StringComparer.Ordinal)],
        _ => [node.ToString()],
    };

    /// <summary>The examples of a topic and of the topics below it, except rule_blocks, which is named in full.</summary>
    private static JsonNode[] Vectors(string topic, int atLeast)
    {
        var all = JsonNode.Parse(File.ReadAllText(Require("vectors/esql.json")))!.AsArray();
        JsonNode[] chosen = [.. all.OfType<JsonNode>().Where(vector => vector["topic"]!.ToString() is var name
            && (name == topic || (topic == "TO_IP" && name.StartsWith("TO_IP.", StringComparison.Ordinal))))];
        Assert.True(chosen.Length >= atLeast, $"Only {chosen.Length} examples of {topic}.");
        return chosen;
    }

    private static string Require(string relativePath)
    {
        var path = Shared.Find(relativePath);
        Assert.SkipWhen(path is null, Shared.Absent);
        return path!;
    }
}
