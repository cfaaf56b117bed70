using System.Collections.ObjectModel;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Stores;

/// <summary>A window of event time: later than <paramref name="From"/>, up to and including <paramref name="To"/>.</summary>
/// <param name="From">Exclusive lower bound, milliseconds since the epoch.</param>
/// <param name="To">Inclusive upper bound, milliseconds since the epoch.</param>
public readonly record struct TimeWindow(long From, long To)
{
    /// <summary>All times.</summary>
    public static readonly TimeWindow All = new(long.MinValue, long.MaxValue);

    /// <summary>Whether the time lies in the window.</summary>
    public bool Contains(long timestamp) => timestamp > From && timestamp <= To;
}

/// <summary>What to correlate.</summary>
public sealed record CorrelationQuery
{
    /// <summary>The rule.</summary>
    public required RuleRevision Revision { get; init; }

    /// <summary>Which events by <c>@timestamp</c>.</summary>
    public required TimeWindow Window { get; init; }

    /// <summary>Only events whose <c>event.ingested</c>, else <c>@timestamp</c>, is at or after this; null for all.</summary>
    public long? IngestedAfter { get; init; }

    /// <summary>Only these addresses; null for all.</summary>
    public IReadOnlySet<SourceAddress>? Addresses { get; init; }

    /// <summary>How many addresses to return at most, in the order of the addresses.</summary>
    public required int Limit { get; init; }
}

/// <summary>What a store found.</summary>
public sealed record CorrelationResult
{
    /// <summary>The reported addresses in the order of their 16 bytes, at most the query's limit.</summary>
    public required IReadOnlyList<AddressFinding> Findings { get; init; }

    /// <summary>How many addresses the rule reports in all.</summary>
    public required int Total { get; init; }

    /// <summary>What data each leg had, over all addresses of the query.</summary>
    public required Coverage Coverage { get; init; }

    /// <summary>Near misses and everything else a reader of the answer should know.</summary>
    public required IReadOnlyList<Warning> Warnings { get; init; }

    /// <summary>Whether events that belong to the window could not be looked at; the warnings say why.</summary>
    public bool IsPartial { get; init; }
}

/// <summary>What became of an append.</summary>
/// <param name="Duplicates">The positions, in the list given, of events whose identity the store held already, or the list held
/// before.</param>
/// <param name="Rejected">Events that the store refused, with their positions; they are not stored.</param>
/// <param name="Warnings">What the sender should know, such as events beyond retention.</param>
public sealed record AppendResult(
    IReadOnlySet<int> Duplicates, IReadOnlyList<RejectedEvent> Rejected, IReadOnlyList<Warning> Warnings)
{
    /// <summary>Of which times the store keeps events now; null where it keeps all.</summary>
    public TimeWindow? Kept { get; init; }

    /// <summary>The events of the list given that the store took.</summary>
    /// <param name="events">That list.</param>
    public IReadOnlyList<EventRecord> AcceptedOf(IReadOnlyList<EventRecord> events)
    {
        if (Duplicates.Count == 0 && Rejected.Count == 0)
        {
            return events;
        }

        var refused = Rejected.Select(rejected => rejected.Index).ToHashSet();
        return [.. events.Where((record, i) => !Duplicates.Contains(i) && !refused.Contains(record.Position))];
    }
}

/// <summary>Which events of an address to read.</summary>
public sealed record EventQuery
{
    /// <summary>The address; events that hold several are read by each.</summary>
    public required SourceAddress Address { get; init; }

    /// <summary>Which events by <c>@timestamp</c>; with a cursor, those of the first page's window.</summary>
    public required TimeWindow Window { get; init; }

    /// <summary>The revision whose verdicts are shown.</summary>
    public required RuleRevision Revision { get; init; }

    /// <summary>Whether only events are read that the revision counts.</summary>
    public bool CountedOnly { get; init; }

    /// <summary>Only events whose <c>event.ingested</c>, else <c>@timestamp</c>, is at or after this; null for all.</summary>
    public long? IngestedAfter { get; init; }

    /// <summary>Only events that were there at this <see cref="AddressFinding.AsOf"/>; null for all.</summary>
    public long? AsOf { get; init; }

    /// <summary>How many events the page has at most, at least 1.</summary>
    public required int Limit { get; init; }

    /// <summary>
    /// How many bytes the evidence of the page's events takes, as the store keeps it: the event that reaches it is the page's last, and
    /// the next page goes on behind it. Default <see cref="EventPage.MaxBytes"/>.
    /// </summary>
    public long MaxBytes { get; init; } = EventPage.MaxBytes;

    /// <summary>Where an earlier page said the next one starts; null for the start.</summary>
    public string? Cursor { get; init; }

    /// <summary>Whether all events of the address in the window are asked for.</summary>
    public bool IsOfAll => !CountedOnly && IngestedAfter is null && AsOf is null;
}

/// <summary>A page of events, oldest first.</summary>
/// <param name="Events">The events.</param>
/// <param name="Total">How many there are in all; null where only some of the address are asked for: a finding tells how many it rests
/// on.</param>
/// <param name="Next">Where the next page starts; null on the last.</param>
public sealed record EventPage(IReadOnlyList<EventDocument> Events, long? Total, string? Next)
{
    /// <summary>
    /// The most evidence that one answer shows: 64 MiB, twenty times what 10,000 ordinary events have. Without it whoever sends events
    /// that are mostly text would decide how much memory an answer takes.
    /// </summary>
    public const long MaxBytes = 64 << 20;

    /// <summary>How many bytes the evidence of the events takes, as the store keeps it.</summary>
    public long Bytes { get; init; }

    /// <summary>What the page does not show by itself.</summary>
    public IReadOnlyList<Warning> Warnings { get; init; } = [];

    /// <summary>Whether events of the window could not be looked at; the warnings say why.</summary>
    public bool IsPartial { get; init; }
}

/// <summary>Whether a store can answer, and why not.</summary>
/// <param name="IsReady">Whether it can.</param>
/// <param name="Description">The same in words fit for callers, without secrets.</param>
/// <param name="Facts">What operators want to see, by name, as in <c>/health/ready</c>.</param>
public sealed record StoreHealth(bool IsReady, string Description, IReadOnlyDictionary<string, object> Facts)
{
    /// <summary>The health of a store; one that cannot even tell is not ready.</summary>
    public static async Task<StoreHealth> OfAsync(IEventStore store, CancellationToken cancellationToken)
    {
        try
        {
            return await store.CheckAsync(cancellationToken);
        }
        catch (StoreUnavailableException unavailable)
        {
            return new StoreHealth(false, unavailable.Message, ReadOnlyDictionary<string, object>.Empty);
        }
    }
}

/// <summary>
/// Holds events and correlates them: it takes the rule and the window and returns aggregates, so that each store works where its data is.
/// All members are thread-safe. A store that cannot answer throws <see cref="StoreUnavailableException"/>. A call that is cancelled throws
/// <see cref="OperationCanceledException"/>, or returns where little is left to do; an append may have kept a part of the events, or all.
/// </summary>
public interface IEventStore
{
    /// <summary>What answers call it: <c>memory</c> or <c>elasticsearch</c>.</summary>
    string Kind { get; }

    /// <summary>
    /// Adds events. Idempotent for events with an identity: those held already are left as they are. Events without identity are added
    /// every time. When it returns, later calls of this store see the events.
    /// </summary>
    Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken);

    /// <summary>Finds the addresses that the rule reports.</summary>
    Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken);

    /// <summary>
    /// Reads the events of one address in the order of their times; equal times in an order that stays the same from page to page.
    /// </summary>
    /// <returns>The page, or null where the cursor is none of this store's for the address.</returns>
    Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken);

    /// <summary>Whether the store can answer now.</summary>
    Task<StoreHealth> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>The store cannot answer now; the message says why in words fit for callers.</summary>
public class StoreUnavailableException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>When to try again, if the store knows.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
