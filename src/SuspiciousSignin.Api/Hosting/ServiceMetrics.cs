using System.Diagnostics.Metrics;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>What the service counts, under the meter <c>SuspiciousSignin</c>; Prometheus reads it at /metrics.</summary>
public sealed class ServiceMetrics
{
    private readonly Counter<long> _events;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _duplicates;
    private readonly Counter<long> _runs;
    private readonly Counter<long> _alerts;
    private readonly Histogram<double> _duration;

    /// <summary>The one by which all events are counted, whichever the request judges them by: a series has one meaning.</summary>
    private readonly RuleRevision _revision;

    /// <summary>Creates the instruments.</summary>
    public ServiceMetrics(IMeterFactory factory, RunOptions runs)
    {
        _revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision, runs.Promote)!;
        var meter = factory.Create(StoreMetrics.MeterName);
        _events = meter.CreateCounter<long>(
            "suspicious_signin.events",
            description: "Accepted events by bucket, those of batches with store=false left out.");
        _rejected = meter.CreateCounter<long>("suspicious_signin.events.rejected", description: "Events not accepted.");
        _duplicates = meter.CreateCounter<long>("suspicious_signin.events.duplicate", description: "Events of an identity already known.");
        _runs = meter.CreateCounter<long>(
            "suspicious_signin.runs",
            description: "Runs of the detection and judgements of batches, by status.");
        _alerts = meter.CreateCounter<long>("suspicious_signin.alerts", description: "Alerts returned by runs and batches.");
        _duration = meter.CreateHistogram(
            "suspicious_signin.run.duration",
            unit: "s",
            description: "Duration of runs.",
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
            });
    }

    internal void Ran(DetectionRun run)
    {
        Count("run", run.Status);
        _alerts.Add(run.Alerts.Count);
        _duration.Record(run.Took.TotalSeconds);
    }

    /// <summary>Begins every series at 0: of one that is absent no increase can be asked, nor that there is none.</summary>
    internal void Begin()
    {
        Count(BucketCounts.Of([], _revision));
        _rejected.Add(0);
        _duplicates.Add(0);
        _alerts.Add(0);
        foreach (var kind in new[] { "run", "batch" })
        {
            Count(kind, RunStatus.Succeeded, 0);
            Count(kind, RunStatus.Partial, 0);
        }
    }

    internal void Evaluated(Evaluation evaluation)
    {
        Count("batch", evaluation.Status);
        _alerts.Add(evaluation.Alerts.Count);
    }

    /// <summary>Counts events as soon as the store is through with them, whatever becomes of the request.</summary>
    internal void Appended(IReadOnlyList<EventRecord> accepted, int rejected, int duplicates)
    {
        Count(BucketCounts.Of(accepted, _revision));
        _rejected.Add(rejected);
        _duplicates.Add(duplicates);
    }

    private void Count(string kind, RunStatus status, int runs = 1) => _runs.Add(
        runs,
        new KeyValuePair<string, object?>("kind", kind),
        new KeyValuePair<string, object?>("status", status == RunStatus.Succeeded ? "succeeded" : "partial"));

    private void Count(BucketCounts buckets)
    {
        Count("azureSignIn", buckets.AzureSignIn);
        Count("mailAccess", buckets.MailAccess);
        Count("networkAlert", buckets.NetworkAlert);
        Count("other", buckets.Other);
    }

    private void Count(string bucket, int events) => _events.Add(events, new KeyValuePair<string, object?>("bucket", bucket));
}
