using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Tests.Rules;

/// <summary>The ES|QL text of each revision is what was approved, to the character.</summary>
public sealed class EsqlQueryTests
{
    public static TheoryData<string, bool> Revisions() => [.. RuleCatalogue.Revisions.Select(revision => (revision.Name, revision.Promote))];

    [Theory]
    [MemberData(nameof(Revisions))]
    public void The_text_is_the_approved_one(string name, bool promote)
    {
        var file = Path.Combine(AppContext.BaseDirectory, "Rules", "Approved", $"{name}{(promote ? ".promote" : "")}.esql");
        Assert.Equal(File.ReadAllText(file), Engine.Revision(name, promote) is var revision ? Normal(EsqlQuery.Text(revision)) + "\n" : "");
    }

    /// <summary>The queries that complete a run, shown for one revision, two addresses and a bound on ingestion.</summary>
    [Theory]
    [InlineData("accounts")]
    [InlineData("times")]
    [InlineData("coverage")]
    public void The_texts_beside_it_are_the_approved_ones(string name)
    {
        var query = new EsqlQuery(Engine.Revision()) { Addresses = 2, HasIngestedAfter = true };
        var text = name switch { "accounts" => query.Accounts(), "times" => query.Times(), _ => query.Coverage() };
        Assert.Equal(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Rules", "Approved", $"2025-04-29.{name}.esql")), Normal(text) + "\n");
    }

    [Fact]
    public void Columns_that_no_index_maps_are_not_named_and_nothing_else_changes()
    {
        var mapped = EsqlQuery.Columns(Engine.Revision("resilient")).Except(["data_stream.dataset", "kibana.alert.original_data_stream.dataset", "kibana.alert.rule.rule_id", "event.category", "event.module", "user.domain"], StringComparer.Ordinal).ToHashSet(StringComparer.Ordinal);
        var query = new EsqlQuery(Engine.Revision("resilient"), column: path => mapped.Contains(path) ? path : null) { HasIngestedAfter = true };
        foreach (var text in new[] { query.Detection(), query.Accounts(), query.Times(), query.Coverage() })
        {
            var code = string.Join('\n', Normal(text).Split('\n').Where(line => !line.StartsWith("//", StringComparison.Ordinal)));
            Assert.DoesNotMatch(@"data_stream\.dataset|rule_id|event\.category|event\.module|user\.domain|\bnull\b", code);
        }

        Assert.True(query.CanReport);
        Assert.Contains("COALESCE(event.dataset, kibana.alert.original_event.dataset)", query.Detection(), StringComparison.Ordinal);
        Assert.False(new EsqlQuery(Engine.Revision(), column: path => path == "kibana.alert.rule.name" ? null : path).CanReport);
        Assert.False(new EsqlQuery(Engine.Revision(), column: path => path == "source.ip" ? null : path).CanReport);
    }

    [Theory]
    [MemberData(nameof(Revisions))]
    public void What_is_mapped_as_an_address_is_read_as_it_is_so_that_an_index_can_look_it_up(string name, bool promote)
    {
        var query = new EsqlQuery(Engine.Revision(name, promote), column: path => path) { Addresses = 1 };
        foreach (var text in new[] { query.Detection(), query.Accounts(), query.Times(), query.Coverage() })
        {
            Assert.DoesNotContain("TO_IP(source.ip)", text, StringComparison.Ordinal);
            Assert.Contains("CIDR_MATCH(source.ip,", text, StringComparison.Ordinal);
            Assert.Contains("| WHERE source.ip IN (TO_IP(?ip0))", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Times_in_nanoseconds_are_compared_as_those_of_ingestion_are()
    {
        var query = new EsqlQuery(Engine.Revision(), column: path => path == "@timestamp" ? "TO_DATETIME(@timestamp)" : path) { HasIngestedAfter = true };
        Assert.Contains("COALESCE(event.ingested, TO_DATETIME(@timestamp)) >= ", query.Detection(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Revisions))]
    public void The_text_sorts_limits_and_takes_the_window_as_parameters(string name, bool promote)
    {
        var text = Normal(EsqlQuery.Text(Engine.Revision(name, promote)));
        Assert.EndsWith("\n| SORT source_ip\n| LIMIT 10000", text, StringComparison.Ordinal);
        Assert.Contains("@timestamp > TO_DATETIME(?from) AND @timestamp <= TO_DATETIME(?to)", text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Revisions))]
    public void No_case_ends_in_a_null(string name, bool promote)
    {
        var text = EsqlQuery.Text(Engine.Revision(name, promote));
        Assert.Contains("CASE(", text, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"(?i),\s*null\s*\)", text);
    }

    private static string Normal(string text) => text.ReplaceLineEndings("\n");
}
