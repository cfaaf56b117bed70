using System.Text.Json.Nodes;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Rules;

/// <summary>The engine and the independent reading of the rule give the same answer to the same question.</summary>
public sealed class ParityTests
{
    [Theory]
    [InlineData(20_260_522UL, false)]
    [InlineData(20_250_429UL, true)]
    public async Task The_engine_agrees_with_the_oracle_on_generated_sets(ulong seed, bool stockAlertMapping)
    {
        var (alerts, cases) = (0, 0);
        foreach (var (set, asked) in EventSets.Take(EventSets.WithQuery, stockAlertMapping ? 2_500 : 12_500, seed))
        {
            var query = asked with { StockAlertMapping = stockAlertMapping };
            var oracle = OracleBatch.Read(set.Json);
            var expected = Engine.Lines(OracleRule.Run(oracle.Stored, query).Select(AsShown));
            if (oracle.Stored.Any(IdentityIsUndecided))
            {
                continue;
            }

            var batch = await Engine.ReadAsync(set.Json, options: new EventReaderOptions { StockAlertMapping = stockAlertMapping });
            var service = NewService();
            var evaluation = await service.EvaluateAsync(batch, ToEvaluation(query, store: true), TestContext.Current.CancellationToken);
            var run = await service.RunAsync(Engine.ToDetectionQuery(query), TestContext.Current.CancellationToken);

            Check(expected, Engine.Lines(run.Alerts), "run");
            Check($"{oracle.Stored.Count} {oracle.Duplicates}", $"{evaluation.Accepted} {evaluation.Duplicates}", "accepted and duplicates");
            if (query.SourceIps is null && query.IngestedAfter is null)
            {
                Check(expected, Engine.Lines(evaluation.Alerts), "evaluation with the store");
                var alone = await NewService().EvaluateAsync(batch, ToEvaluation(query, store: false), TestContext.Current.CancellationToken);
                Check(expected, Engine.Lines(alone.Alerts), "evaluation of the batch alone");
            }

            cases++;
            alerts += run.Total;

            void Check(string oracleSays, string engineSays, string what) => Assert.True(
                oracleSays == engineSays, $"Case {cases}, {what}\nset: {set}\nquery: {query}\noracle:\n{oracleSays}\nengine:\n{engineSays}");
        }

        Assert.True(stockAlertMapping || cases >= 10_000, $"Only {cases} cases were compared.");
        Assert.True(alerts > cases / 10, $"Only {alerts} alerts in {cases} cases prove little.");
    }

    [Fact]
    public async Task Order_batches_and_repetition_do_not_matter()
    {
        var random = new Random(7);
        foreach (var (set, query) in EventSets.Take(EventSets.WithQuery, 2_000, 77))
        {
            // Without identity a repetition counts, and of two documents with one identity the first is kept: give each its own.
            var documents = JsonNode.Parse(set.Json)!.AsArray().Select((node, i) =>
            {
                var document = node!.DeepClone().AsObject();
                document["_id"] = $"own-{i}";
                return document.ToJsonString();
            }).ToArray();
            var detection = Engine.ToDetectionQuery(query);
            var expected = Shown(await RunAsync(detection, [documents]));
            var shuffled = documents.ToArray();
            random.Shuffle(shuffled);
            foreach (var (batches, how) in new (string[][] Batches, string How)[]
            {
                ([shuffled], "shuffled"),
                ([.. shuffled.Chunk(3)], "in batches"),
                ([documents, documents], "posted twice"),
                ([.. shuffled.Chunk(2), documents], "in pieces, then again as a whole"),
            })
            {
                var actual = Shown(await RunAsync(detection, batches));
                Assert.True(expected == actual, $"{how}\nset: {set}\nquery: {query}\nfirst:\n{expected}\nthen:\n{actual}");
            }
        }
    }

    /// <summary>The contract does not say what the identity is of an event.id with several kinds or datasets.</summary>
    private static bool IdentityIsUndecided(OracleDocument document) =>
        document.Identity?.StartsWith("[\"event.id\"", StringComparison.Ordinal) == true
        && (document.Keyword("event.kind").Count > 1 || document.Keyword("event.dataset").Count > 1 || document.Keyword("data_stream.dataset").Count > 1);

    /// <summary>Names of rules are for reading and are cut at 1,024.</summary>
    private static OracleFinding AsShown(OracleFinding finding) =>
        finding with { RuleNames = [.. finding.RuleNames.Select(name => name.Length > 1024 ? name[..1024] : name)] };

    private static string Shown(DetectionRun run) => string.Join('\n', run.Alerts.Select(alert =>
        $"{alert.Id} {Engine.ToFinding(alert)} {string.Join(',', alert.Users)} {alert.Reason}").Append($"{run.Coverage}").Concat(run.Warnings.Select(w => $"{w}")));

    private static async Task<DetectionRun> RunAsync(DetectionQuery query, string[][] batches)
    {
        var service = NewService();
        foreach (var documents in batches)
        {
            var batch = await Engine.ReadAsync($"[{string.Join(',', documents)}]");
            await service.EvaluateAsync(batch, new EvaluationQuery { Revision = query.Revision }, TestContext.Current.CancellationToken);
        }

        return await service.RunAsync(query, TestContext.Current.CancellationToken);
    }

    private static CorrelationService NewService()
    {
        var clock = Engine.ClockAt(EventSets.To);
        return new CorrelationService(new MemoryEventStore(new MemoryStoreOptions(), clock), clock, new AlertOptions());
    }

    private static EvaluationQuery ToEvaluation(OracleQuery query, bool store) => new()
    {
        Revision = Engine.Revision(query.Revision, query.Promote),
        Store = store,
        From = query.From,
        To = query.To,
    };
}
