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
    private readonly Counter<long> _deferred;
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
        _deferred = meter.CreateCounter<long>(
            "suspicious_signin.events.deferred",
            description: "Items of bulk requests answered 429: there was no room for them, and they are to be sent again.");
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

    /// <summary>Counts a run when it ends, however it does.</summary>
    internal async Task<DetectionRun> CountAsync(Task<DetectionRun> running)
    {
        var run = await CountFailureAsync("run", running);
        Count("run", StatusOf(run.Status));
        _alerts.Add(run.Alerts.Count);
        _duration.Record(run.Took.TotalSeconds);
        return run;
    }

    /// <summary>Begins every series at 0: of one that is absent no increase can be asked, nor that there is none.</summary>
    internal void Begin()
    {
        Count(BucketCounts.Of([], _revision));
        _rejected.Add(0);
        _duplicates.Add(0);
        _deferred.Add(0);
        _alerts.Add(0);
        foreach (var kind in new[] { "run", "batch" })
        {
            Count(kind, "succeeded", 0);
            Count(kind, "partial", 0);
            Count(kind, "failed", 0);
        }
    }

    /// <summary>Counts the judgement of a batch when it ends, however it does.</summary>
    internal async Task<Evaluation> CountAsync(Task<Evaluation> judging)
    {
        var evaluation = await CountFailureAsync("batch", judging);
        Count("batch", StatusOf(evaluation.Status));
        _alerts.Add(evaluation.Alerts.Count);
        return evaluation;
    }

    /// <summary>Counts events as soon as the store is through with them, whatever becomes of the request.</summary>
    internal void Appended(IReadOnlyList<EventRecord> accepted, int rejected, int duplicates)
    {
        Count(BucketCounts.Of(accepted, _revision));
        _rejected.Add(rejected);
        _duplicates.Add(duplicates);
    }

    /// <summary>Counts items of bulk requests that were put off inside an answer of 200, which no metric of HTTP shows.</summary>
    internal void Deferred(int items) => _deferred.Add(items);

    private async Task<T> CountFailureAsync<T>(string kind, Task<T> work)
    {
        try
        {
            return await work;
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            Count(kind, "failed");
            throw;
        }
    }

    private static string StatusOf(RunStatus status) => status == RunStatus.Succeeded ? "succeeded" : "partial";

    private void Count(string kind, string status, int runs = 1) => _runs.Add(
        runs, new KeyValuePair<string, object?>("kind", kind), new KeyValuePair<string, object?>("status", status));

    private void Count(BucketCounts buckets)
    {
        Count("azureSignIn", buckets.AzureSignIn);
        Count("mailAccess", buckets.MailAccess);
        Count("networkAlert", buckets.NetworkAlert);
        Count("other", buckets.Other);
    }

    private void Count(string bucket, int events) => _events.Add(events, new KeyValuePair<string, object?>("bucket", bucket));
}
