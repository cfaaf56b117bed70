using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin;

/// <summary>What judging a batch asks.</summary>
public sealed record EvaluationQuery
{
    /// <summary>The rule.</summary>
    public required RuleRevision Revision { get; init; }

    /// <summary>Whether the events are kept, and judged beside those kept before; else the batch is judged alone. Default true.</summary>
    public bool Store { get; init; } = true;

    /// <summary>Exclusive lower bound, milliseconds since the epoch; null for the rule's look-back.</summary>
    public long? From { get; init; }

    /// <summary>Inclusive upper bound, milliseconds since the epoch; null for the batch's newest event.</summary>
    public long? To { get; init; }

    /// <summary>Whether alerts carry their events. Default false.</summary>
    public bool IncludeEvents { get; init; }
}

/// <summary>
/// The answer to a batch of events. <c>received</c> is the sum of <c>accepted</c>, <c>duplicates</c> and <c>rejectedTotal</c>.
/// </summary>
public sealed record Evaluation
{
    /// <summary>How many events the body held.</summary>
    public required int Received { get; init; }

    /// <summary>How many were new and well-formed; warnings say of how many the store keeps nothing.</summary>
    public required int Accepted { get; init; }

    /// <summary>How many had the identity of an earlier event; they change nothing.</summary>
    public required int Duplicates { get; init; }

    /// <summary>The first 100 events that were not accepted, with the reason.</summary>
    public required IReadOnlyList<RejectedEvent> Rejected { get; init; }

    /// <summary>How many were not accepted in all.</summary>
    public required int RejectedTotal { get; init; }

    /// <summary>
    /// How many of the documents that could be read had which shape; adds up to <c>received</c> less those rejected when read.
    /// </summary>
    public required IReadOnlyDictionary<string, int> Shapes { get; init; }

    /// <summary>What the accepted events are to the revision; adds up to <c>accepted</c>.</summary>
    public required BucketCounts Buckets { get; init; }

    /// <summary>Why the revision does not count accepted events.</summary>
    public required IgnoredCounts Ignored { get; init; }

    /// <summary>Whether the judgement is whole.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>By how much the events were moved, where <c>timeShift</c> was asked for.</summary>
    public AppliedTimeShift? TimeShift { get; init; }

    /// <summary>The window over which the alerts were judged.</summary>
    public required WindowBounds Window { get; init; }

    /// <summary>The alerts of the addresses in the batch.</summary>
    public required IReadOnlyList<Alert> Alerts { get; init; }

    /// <summary>What the answer does not show by itself.</summary>
    public required IReadOnlyList<Warning> Warnings { get; init; }
}

/// <summary>Accepted events by what they are to the revision.</summary>
/// <param name="AzureSignIn">Successful Entra ID sign-ins.</param>
/// <param name="MailAccess">Successful mail accesses.</param>
/// <param name="NetworkAlert">Network alerts.</param>
/// <param name="Other">Everything else.</param>
public sealed record BucketCounts(int AzureSignIn, int MailAccess, int NetworkAlert, int Other)
{
    /// <summary>Counts events.</summary>
    /// <param name="events">The events.</param>
    /// <param name="revision">The revision whose verdicts are counted.</param>
    public static BucketCounts Of(IReadOnlyList<EventRecord> events, RuleRevision revision)
    {
        Span<int> counts = stackalloc int[Enum.GetValues<EventBucket>().Length];
        foreach (ref readonly var record in events.InPlace())
        {
            counts[(int)record.Classification.BucketOf(revision)]++;
        }

        return new BucketCounts(
            counts[(int)EventBucket.AzureSignIn],
            counts[(int)EventBucket.MailAccess],
            counts[(int)EventBucket.NetworkAlert],
            counts[(int)EventBucket.Other]);
    }
}

/// <summary>
/// Accepted events that the revision does not count, each under the first reason that applies; <c>outsideWindow</c> is in addition and
/// counts events of any bucket.
/// </summary>
/// <param name="NoSourceIp"><c>source.ip</c> is missing or no address.</param>
/// <param name="ExcludedNetwork">The address is private or reserved.</param>
/// <param name="OtherDataset">Neither of the two sources nor a network alert.</param>
/// <param name="MultiValued"><c>source.ip</c> has several values.</param>
/// <param name="OutsideWindow">Not in the window judged.</param>
public sealed record IgnoredCounts(int NoSourceIp, int ExcludedNetwork, int OtherDataset, int MultiValued, int OutsideWindow)
{
    internal static IgnoredCounts Of(IReadOnlyList<EventRecord> events, RuleRevision revision, TimeWindow window)
    {
        Span<int> counts = stackalloc int[Enum.GetValues<IgnoredReason>().Length];
        var outside = 0;
        foreach (ref readonly var record in events.InPlace())
        {
            counts[(int)record.Classification.WhyIgnoredBy(revision)]++;
            outside += window.Contains(record.Timestamp) ? 0 : 1;
        }

        return new IgnoredCounts(
            counts[(int)IgnoredReason.NoSourceIp],
            counts[(int)IgnoredReason.ExcludedNetwork],
            counts[(int)IgnoredReason.OtherDataset],
            counts[(int)IgnoredReason.MultiValued],
            outside);
    }
}
