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
