using System.IO.Pipelines;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests;

/// <summary>The product's own way from text to alerts, short enough to call from a test.</summary>
internal static class Engine
{
    public static FakeTimeProvider ClockAt(long milliseconds) => new(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));

    public static Task<(EventBatch? Batch, BodyRefusal? Refusal)> TryReadAsync(
        byte[] body, BatchFormat format = BatchFormat.Json, EventReaderOptions? options = null) =>
        EventBatchReader.ReadAsync(PipeReader.Create(new MemoryStream(body)), format, options ?? new EventReaderOptions(), TestContext.Current.CancellationToken);

    public static Task<(EventBatch? Batch, BodyRefusal? Refusal)> TryReadAsync(
        string body, BatchFormat format = BatchFormat.Json, EventReaderOptions? options = null) =>
        TryReadAsync(Encoding.UTF8.GetBytes(body), format, options);

    public static async Task<EventBatch> ReadAsync(string body, BatchFormat format = BatchFormat.Json, EventReaderOptions? options = null)
    {
        var (batch, refusal) = await TryReadAsync(body, format, options);
        Assert.Null(refusal);
        return batch!;
    }

    public static RuleRevision Revision(string name = OracleRule.Seed, bool promote = false) => RuleCatalogue.Find(name, promote)!;

    public static OracleFinding ToFinding(Alert alert) => new(
        alert.SourceIp,
        new OracleCounts(
            (int)alert.Counts.Total, (int)alert.Counts.AzureSignIn, (int)alert.Counts.MailAccess, (int)alert.Counts.NetworkAlert, (int)alert.Counts.Datasets),
        alert.Datasets,
        alert.RuleNames,
        alert.Categories,
        Milliseconds(alert.FirstSeen),
        Milliseconds(alert.LastSeen),
        Milliseconds(alert.CompletedAt),
        alert.Order switch { AlertOrder.AlertFirst => "alertFirst", AlertOrder.SignInFirst => "signInFirst", _ => "interleaved" },
        (long)System.Xml.XmlConvert.ToTimeSpan(alert.SmallestGap).TotalMilliseconds);

    public static string Lines(IEnumerable<Alert> alerts) => Lines(alerts.Select(ToFinding));

    public static string Lines(IEnumerable<OracleFinding> findings) => string.Join('\n', findings);

    public static DetectionQuery ToDetectionQuery(OracleQuery query) => new()
    {
        Revision = Revision(query.Revision, query.Promote),
        Window = new TimeWindow(query.From, query.To),
        IngestedAfter = query.IngestedAfter,
        SourceIps = query.SourceIps?.Select(SourceAddress.Parse).ToArray(),
        Limit = 10_000,
    };

    private static long Milliseconds(DateTime time) => new DateTimeOffset(time).ToUnixTimeMilliseconds();
}
