using SuspiciousSignin.Correlation;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>Memory and Elasticsearch give the same answer to the same question.</summary>
public sealed class StoreParityTests
{
    private const int Sets = 2_000;

    [Fact]
    public async Task Both_stores_agree_on_generated_sets_by_each_revision()
    {
        await using var cluster = await Cluster.StartAsync();
        var store = cluster.NewEmptyStore();
        var cases = 0;
        var alerts = RuleCatalogue.Revisions.ToDictionary(revision => (revision.Name, revision.Promote), _ => 0);
        foreach (var (set, asked) in EventSets.Take(EventSets.WithQuery, Sets, 3_141UL))
        {
            var batch = await Engine.ReadAsync(set.Json, options: Cluster.Reading);
            var (memory, elastic) = (NewService(new MemoryEventStore(new MemoryStoreOptions(), Engine.ClockAt(EventSets.To))), NewService(store));
            var posted = new EvaluationQuery { Revision = Engine.Revision(asked.Revision, asked.Promote) };
            var (expectedEvaluation, actualEvaluation) = (await memory.EvaluateAsync(batch, posted), await elastic.EvaluateAsync(batch, posted));
            Check(Shown(expectedEvaluation), Shown(actualEvaluation), "evaluation");
            foreach (var revision in RuleCatalogue.Revisions.Where(revision => revision.Promote == asked.Promote))
            {
                var query = Engine.ToDetectionQuery(asked) with { Revision = revision };
                var (expected, actual) = (await memory.RunAsync(query), await elastic.RunAsync(query));
                Check(Shown(expected), Shown(actual), $"run of {revision.Name}");
                alerts[(revision.Name, revision.Promote)] += expected.Total;
            }

            cases++;
            await cluster.DeleteStreamsAsync();

            void Check(string memorySays, string elasticSays, string what) => Assert.True(
                memorySays == elasticSays, $"Case {cases}, {what}\nset: {set}\nquery: {asked}\nmemory:\n{memorySays}\nelasticsearch:\n{elasticSays}");
        }

        Assert.All(alerts, each => Assert.True(each.Value > 50, $"Only {each.Value} alerts of {each.Key} prove little."));
    }

    private static CorrelationService NewService(IEventStore store) => new(store, Engine.ClockAt(EventSets.To), new AlertOptions());

    private static string Shown(Evaluation answer) =>
        $"{answer.Accepted} {answer.Duplicates} {answer.RejectedTotal} {answer.Buckets} {Shown(answer.Alerts)}\n{Shown(answer.Warnings)}";

    private static string Shown(DetectionRun run) => $"{run.Total} {run.Status} {Shown(run.Alerts)}\n{run.Coverage}\n{Shown(run.Warnings)}";

    private static string Shown(IEnumerable<Alert> alerts) => string.Join('\n', alerts.Select(alert =>
        $"{alert.Id} {AsShown(Engine.ToFinding(alert))} {string.Join(',', alert.Users)} {alert.Reason}"));

    /// <summary>Memory cuts names of rules, which are for reading only, at 1,024 bytes.</summary>
    private static OracleFinding AsShown(OracleFinding finding) =>
        finding with { RuleNames = [.. finding.RuleNames.Select(name => name.Length > 1024 ? name[..1024] : name)] };

    /// <summary>Without those that speak of the store itself.</summary>
    private static string Shown(IEnumerable<Warning> warnings) => string.Join('\n', warnings
        .Where(warning => warning.Code is not ("alertDataStreamUnmapped" or "alertsIndexMissing" or "eventsIndexMissing"))
        .Select(warning => $"{warning}"));
}
