using System.Text.Json;
using CsCheck;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>The generated sets are what a comparison needs: acceptable, repeatable, and often enough suspicious.</summary>
public sealed class EventSetsTests
{
    [Fact]
    public void A_good_third_of_the_sets_reports_an_address_and_every_revision_does_so_often()
    {
        const int Sets = 2_000;
        var reported = new Dictionary<string, int>(StringComparer.Ordinal) { [OracleRule.Seed] = 0, [OracleRule.Head] = 0, [OracleRule.Resilient] = 0 };
        var totals = new HashSet<int>();
        var (any, differing, promotionMatters, duplicates, multiValued) = (0, 0, 0, 0, 0);
        foreach (var set in EventSets.Take(Sets))
        {
            var batch = OracleBatch.Read(set.Json);
            Assert.Empty(batch.Rejected);
            string Found(string revision, bool promote)
            {
                var findings = OracleRule.Run(batch.Stored, new OracleQuery(revision, EventSets.From, EventSets.To) { Promote = promote });
                totals.UnionWith(findings.Select(finding => finding.Counts.Total));
                return string.Join(' ', findings.Select(finding => finding.SourceIp));
            }

            var found = OracleRule.Revisions.Select(revision => Found(revision, promote: false)).ToArray();
            foreach (var (revision, addresses) in OracleRule.Revisions.Zip(found))
                reported[revision] += addresses.Length > 0 ? 1 : 0;
            any += found.Any(addresses => addresses.Length > 0) ? 1 : 0;
            differing += found.Distinct(StringComparer.Ordinal).Count() > 1 ? 1 : 0;
            promotionMatters += found[0] != Found(OracleRule.Seed, promote: true) ? 1 : 0;
            duplicates += batch.Duplicates > 0 ? 1 : 0;
            multiValued += batch.Stored.Any(document => document.SourceIps.Count > 1) ? 1 : 0;
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"any {any}, differing {differing}, promotion {promotionMatters}, duplicates {duplicates}, multi-valued {multiValued}, {string.Join(' ', reported)}");
        Assert.InRange(any, Sets / 3, Sets * 9 / 10);
        Assert.All(reported, pair => Assert.InRange(pair.Value, Sets / 5, Sets * 9 / 10));
        Assert.Superset(new HashSet<int> { 99, 100, 101 }, totals);
        Assert.All([differing, promotionMatters, duplicates, multiValued], count => Assert.InRange(count, Sets / 10, Sets));
    }

    [Fact]
    public void The_same_seed_gives_the_same_sets() =>
        Assert.Equal(EventSets.Take(50, seed: 7).Select(set => set.Json), EventSets.Take(50, seed: 7).Select(set => set.Json));

    [Fact]
    public void No_object_has_a_key_twice()
    {
        foreach (var set in EventSets.Take(300, seed: 3))
            JsonDocument.Parse(set.Json, new JsonDocumentOptions { AllowDuplicateProperties = false }).Dispose();
    }

    [Fact]
    public void Unacceptable_documents_are_rejected_and_change_nothing_else()
    {
        var rejected = 0;
        foreach (var set in EventSets.Take(EventSets.WithUnacceptable, 200))
        {
            var batch = OracleBatch.Read(set.Json);
            Assert.InRange(batch.Rejected.Count, 1, 4);
            rejected += batch.Rejected.Count;
        }

        Assert.True(rejected > 200);
    }

    [Fact]
    public void Resilient_reports_whatever_the_first_revision_reports() => EventSets.WithQuery.Sample(
        (set, query) =>
        {
            var documents = OracleBatch.Read(set.Json).Stored;
            var first = OracleRule.Run(documents, query with { Revision = OracleRule.Seed }).Select(finding => finding.SourceIp);
            var resilient = OracleRule.Run(documents, query with { Revision = OracleRule.Resilient }).Select(finding => finding.SourceIp);
            return !first.Except(resilient, StringComparer.Ordinal).Any();
        },
        iter: 300,
        threads: 1);

    [Fact]
    public void The_order_of_documents_without_identity_does_not_matter() => EventSets.WithQuery.Sample(
        (set, query) =>
        {
            var documents = OracleBatch.Read(set.Json).Stored;
            return OracleRule.Run(documents, query).Select(finding => finding.ToString())
                .SequenceEqual(OracleRule.Run(documents.Reverse(), query).Select(finding => finding.ToString()), StringComparer.Ordinal);
        },
        iter: 300,
        threads: 1);
}
