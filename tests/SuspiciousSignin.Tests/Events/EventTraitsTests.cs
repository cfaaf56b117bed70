using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Tests.Events;

public sealed class EventTraitsTests
{
    [Fact]
    public void Every_field_that_a_predicate_of_the_rule_reads_is_kept_with_the_traits()
    {
        var columns = RuleCatalogue.Revisions
            .SelectMany(revision => new[] { revision.Keep, revision.AzureSignIn, revision.MailAccess, revision.NetworkAlert })
            .Concat(RuleCatalogue.NearMisses.Select(miss => miss.Condition))
            .SelectMany(condition => condition.Columns)
            .Where(path => path != "source.ip")
            .Select(path => EcsFields.Find(path)!.Value)
            .Concat(RuleCatalogue.Revisions.SelectMany(revision => revision.Dataset.Fields))
            .Append(EcsField.RuleName)
            .Append(EcsField.Category);
        Assert.All(columns, field => Assert.Equal(FieldPart.Traits, EcsFields.PartOf(field)));
    }

    [Fact]
    public async Task Events_of_the_same_fields_share_their_traits()
    {
        const string Event = """{"@timestamp":"2026-05-22T10:00:00Z","event":{"dataset":"azure.signinlogs","outcome":"OUTCOME"},"source":{"ip":"ADDRESS"},"user":{"name":"crew"}}""";
        string Line(string address, string outcome) => Event.Replace("ADDRESS", address, StringComparison.Ordinal).Replace("OUTCOME", outcome, StringComparison.Ordinal);
        var batch = await Engine.ReadAsync(string.Join('\n', Line("81.2.69.142", "success"), Line("81.2.69.143", "success"), Line("10.0.0.1", "success"), Line("81.2.69.142", "failure")), BatchFormat.NdJson);

        Assert.Same(batch.Events[0].Traits, batch.Events[1].Traits);
        Assert.NotEqual(batch.Events[0].Traits, batch.Events[2].Traits);
        Assert.NotEqual(batch.Events[0].Traits, batch.Events[3].Traits);
    }
}
