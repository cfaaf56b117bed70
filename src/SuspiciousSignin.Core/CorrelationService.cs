using System.Globalization;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin;

/// <summary>
/// The product's main path: run the rule over a window, show the alerts and events of an address, judge a batch. What controllers offer of
/// events and alerts passes here; what needs data is asked of the store, whose <see cref="StoreUnavailableException"/> passes through.
/// </summary>
public sealed class CorrelationService(IEventStore store, TimeProvider clock, AlertOptions alerts)
{
    /// <summary>Longer than all years that <see cref="EcsTime"/> reads: no event of a batch is too old to be judged, or too new.</summary>
    private static readonly MemoryStoreOptions AloneOptions = new()
    {
        MaxEvents = int.MaxValue,
        Retention = TimeSpan.FromDays(3_700_000),
        MaxAhead = TimeSpan.FromDays(3_700_000),
    };

    /// <summary>Runs the rule over a window.</summary>
    public async Task<DetectionRun> RunAsync(DetectionQuery query, CancellationToken cancellationToken = default)
    {
        var started = clock.GetTimestamp();
        var addresses = query.SourceIps?.ToLookup(address => ExcludedNetworks.Find(address) is null);
        var correlation = new CorrelationQuery
        {
            Revision = query.Revision,
            Window = query.Window,
            IngestedAfter = query.IngestedAfter,
            Addresses = addresses?[true].ToHashSet(),
            Limit = query.Limit,
        };
        var result = await store.CorrelateAsync(correlation, cancellationToken);
        var warnings = result.Warnings.ToList();
        if (addresses?[false].Count() is > 0 and var excluded)
        {
            warnings.Add(new Warning(
                WarningCodes.ExcludedAddress,
                "Private and reserved addresses never have alerts; they were left out.",
                excluded));
        }

        var (found, isPartial) = await ToAlertsAsync(store, correlation, result, query.IncludeEvents, warnings, cancellationToken);
        return new DetectionRun
        {
            Id = IdOf(query),
            Rule = new RuleIdentity(
                RuleCatalogue.RuleId, RuleCatalogue.RuleName, query.Revision.Name, RuleCatalogue.Severity, RuleCatalogue.RiskScore),
            Window = WindowBounds.Of(query.Window),
            Store = store.Kind,
            Status = isPartial ? RunStatus.Partial : RunStatus.Succeeded,
            Took = clock.GetElapsedTime(started),
            Coverage = result.Coverage,
            Total = result.Total,
            Truncated = result.Total > result.Findings.Count,
            Alerts = found,
            Warnings = warnings,
        };
    }

    /// <summary>Reads the events of one address, oldest first; null where the cursor is none of ours.</summary>
    public Task<EventPage?> EventsOfAsync(EventQuery query, CancellationToken cancellationToken = default) =>
        store.ReadEventsAsync(query, cancellationToken);

    /// <summary>Keeps events for later runs, without judging them.</summary>
    public Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken = default) =>
        store.AppendAsync(events, cancellationToken);

    /// <summary>Judges a batch: over the store that now holds it, or alone where nothing is to be kept.</summary>
    public Task<Evaluation> EvaluateAsync(EventBatch batch, EvaluationQuery query, CancellationToken cancellationToken = default) =>
        EvaluateAsync(batch, query, _ => { }, cancellationToken);

    /// <summary>The same, and tells what became of the events before it judges: they are kept also where judging them fails.</summary>
    public async Task<Evaluation> EvaluateAsync(
        EventBatch batch, EvaluationQuery query, Action<AppendResult> onAppended, CancellationToken cancellationToken)
    {
        var judge = query.Store ? store : new MemoryEventStore(AloneOptions, clock);
        var appended = await judge.AppendAsync(batch.Events, cancellationToken);
        foreach (var refused in appended.Rejected)
        {
            batch.RejectCounted(refused);
        }

        onAppended(appended);
        var warnings = appended.Warnings.ToList();
        if (batch.IncompleteEnvelopes > 0)
        {
            warnings.Add(new Warning(
                WarningCodes.IncompleteEnvelope,
                "Search responses or Graph pages say that there is more than they hold: "
                + "failed shards, clusters left out, a search that ended early, or a next page. Fetch the rest and send it too.",
                batch.IncompleteEnvelopes));
        }

        var window = WindowOf(batch, query, warnings);
        var correlation = new CorrelationQuery
        {
            Revision = query.Revision,
            Window = window,
            Addresses = AddressesOf(batch),
            Limit = int.MaxValue,
        };
        var isCut = false;
        if (appended.Kept is { } kept && (window.From < kept.From || window.To > kept.To))
        {
            if (window.To <= kept.From || window.From >= kept.To)
            {
                // The store keeps nothing of that window, so all that is known of it is the batch.
                judge = new MemoryEventStore(AloneOptions, clock);
                await judge.AppendAsync(batch.Events, cancellationToken);
            }
            else
            {
                isCut = batch.Events.Any(record => window.Contains(record.Timestamp) && !kept.Contains(record.Timestamp));
            }
        }

        var result = await judge.CorrelateAsync(correlation, cancellationToken);
        warnings.AddRange(result.Warnings);
        var (found, isPartial) = await ToAlertsAsync(judge, correlation, result, query.IncludeEvents, warnings, cancellationToken);
        var accepted = appended.AcceptedOf(batch.Events);
        return new Evaluation
        {
            Received = batch.Received,
            Accepted = accepted.Count,
            Duplicates = appended.Duplicates.Count,
            Rejected = batch.Rejected,
            RejectedTotal = batch.RejectedTotal,
            Shapes = batch.Shapes,
            Buckets = BucketCounts.Of(accepted, query.Revision),
            Ignored = IgnoredCounts.Of(accepted, query.Revision, window),
            Status = isPartial || isCut ? RunStatus.Partial : RunStatus.Succeeded,
            Window = WindowBounds.Of(window),
            Alerts = found,
            Warnings = warnings,
        };
    }

    private static HashSet<SourceAddress> AddressesOf(EventBatch batch)
    {
        var addresses = new HashSet<SourceAddress>();
        foreach (ref readonly var record in batch.Events.InPlace())
        {
            foreach (var address in record.Addresses.Span)
            {
                addresses.Add(address);
            }
        }

        return addresses;
    }

    /// <summary>
    /// The rule's look-back that ends at the batch's newest event. Events dated beyond the tolerated skew do not count as newest, unless
    /// there are no others, so that one wrong clock does not move the window away from everybody else's events.
    /// </summary>
    private TimeWindow WindowOf(EventBatch batch, EvaluationQuery query, List<Warning> warnings)
    {
        var now = clock.GetUtcNow();
        var latest = (now + TimeShift.ToleratedClockSkew).ToUnixTimeMilliseconds();
        (var future, long? newest, long? newestTimely) = (0, null, null);
        foreach (ref readonly var record in batch.Events.InPlace())
        {
            newest = Math.Max(newest ?? long.MinValue, record.Timestamp);
            if (record.Timestamp <= latest)
            {
                newestTimely = Math.Max(newestTimely ?? long.MinValue, record.Timestamp);
            }
            else
            {
                future++;
            }
        }

        if (future > 0)
        {
            warnings.Add(new Warning(
                WarningCodes.FutureEvents,
                $"Events are dated more than {TimeShift.ToleratedClockSkew.TotalMinutes} minutes after now. "
                + "Check the clock or the time zone of their source.",
                future));
        }

        var last = newestTimely ?? newest ?? now.ToUnixTimeMilliseconds();
        var to = query.To ?? (query.From >= last ? Math.Min(query.From.Value + 1, EcsTime.Latest) : last);
        return new TimeWindow(query.From ?? Math.Max(to - (long)RuleCatalogue.LookBack.TotalMilliseconds, EcsTime.Earliest), to);
    }

    /// <summary>
    /// The alerts, and whether something is missing from them or their evidence; adds to the warnings what was not told yet.
    /// </summary>
    private async Task<(IReadOnlyList<Alert> Alerts, bool IsPartial)> ToAlertsAsync(
        IEventStore from,
        CorrelationQuery query,
        CorrelationResult result,
        bool includeEvents,
        List<Warning> warnings,
        CancellationToken cancellationToken)
    {
        var (found, isPartial) = (new List<Alert>(result.Findings.Count), result.IsPartial);
        var (left, leftBytes, cut) = (alerts.MaxEventsPerAnswer, EventPage.MaxBytes, 0);
        foreach (var finding in result.Findings)
        {
            var alert = Alert.From(finding, query.Revision, query.Window, alerts.Period);
            if (includeEvents && (left == 0 || leftBytes <= 0))
            {
                cut++;
                alert = alert with { Events = [], EventsTotal = finding.Counts.Total };
            }
            else if (includeEvents)
            {
                var evidence = new EventQuery
                {
                    Address = finding.Address,
                    Window = query.Window,
                    Revision = query.Revision,
                    CountedOnly = true,
                    IngestedAfter = query.IngestedAfter,
                    AsOf = finding.AsOf,
                    Limit = Math.Min(alerts.MaxEvents, left),
                    MaxBytes = leftBytes,
                };
                var page = await from.ReadEventsAsync(evidence, cancellationToken);
                alert = alert with { Events = page!.Events, EventsTotal = finding.Counts.Total };
                (left, leftBytes) = (left - page.Events.Count, leftBytes - page.Bytes);
                isPartial |= page.IsPartial;
                warnings.AddRange(page.Warnings.Where(warning => !warnings.Exists(told => told.Code == warning.Code)).ToList());
            }

            found.Add(alert);
        }

        if (cut > 0)
        {
            warnings.Add(new Warning(
                WarningCodes.EvidenceCut,
                $"One answer shows at most {alerts.MaxEventsPerAnswer} events (Alerts:MaxEventsPerAnswer), and "
                + $"{EventPage.MaxBytes >> 20} MiB of evidence: these alerts show none. Ask for the events of their addresses.",
                cut));
        }

        return (found, isPartial);
    }

    /// <summary>Of everything that decides which alerts there are.</summary>
    private static string IdOf(DetectionQuery query)
    {
        var addresses = query.SourceIps is null ? "*" : string.Join(',', query.SourceIps.Order());
        return DerivedId.Of(string.Create(
            CultureInfo.InvariantCulture,
            $"{RuleCatalogue.RuleId}|{query.Revision.Name}|{query.Revision.Promote}|"
            + $"{query.Window.From}|{query.Window.To}|{query.IngestedAfter}|{addresses}|{query.Limit}"));
    }
}
