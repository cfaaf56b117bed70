using System.Text.Json.Nodes;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>What the scenario says was planted, and what the oracle finds, are two independent accounts of the same.</summary>
public sealed class ScenarioTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_oracle_finds_what_was_planted(int seed)
    {
        var scenario = Scenario.Create(seed);
        var batch = Read(scenario);
        Assert.Empty(batch.Rejected);
        Assert.Equal(0, batch.Duplicates);
        foreach (var (revision, promote, addresses) in new[]
        {
            (OracleRule.Seed, false, 6), (OracleRule.Head, false, 6), (OracleRule.Resilient, false, 11),
            (OracleRule.Seed, true, 7), (OracleRule.Head, true, 7), (OracleRule.Resilient, true, 12),
        })
        {
            var found = OracleRule.Run(batch.Stored, new OracleQuery(revision, Scenario.From, Scenario.To) { Promote = promote });
            Assert.Equal(scenario.Expected(revision, promote), found.Select(finding => finding.SourceIp).Order(StringComparer.Ordinal));
            Assert.Equal(addresses, found.Count);
        }
    }

    [Fact]
    public void It_is_the_announced_mix_of_documents_that_all_have_an_identity()
    {
        var scenario = Scenario.Create();
        Assert.Equal(2_000, scenario.Count);
        var stored = Read(scenario).Stored;
        var cloud = stored.Where(document => !document.IsKibanaAlert).ToLookup(document => document.Keyword("event.dataset").Single(), StringComparer.Ordinal);
        Assert.Equal(1_200, cloud["azure.signinlogs"].Count());
        Assert.Equal(700, cloud["o365.audit"].Count());
        Assert.Equal(70, cloud["o365.audit"].Count(document => document.Keyword("event.action").Single() == "MailItemsAccessed"));
        Assert.Equal(100, stored.Count(document => document.IsKibanaAlert || document.Keyword("event.kind").Single() == "alert"));
        Assert.All(stored, document => Assert.NotNull(document.Identity));
    }

    [Fact]
    public void The_same_seed_gives_the_same_lines() => Assert.Equal(Scenario.Create(5).Ndjson, Scenario.Create(5).Ndjson);

    private static OracleBatch Read(Scenario scenario) =>
        OracleBatch.Read(new JsonArray([.. scenario.Ndjson.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line))]));
}
