using System.Text.Json.Serialization;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin;

/// <summary>What a run of the detection asks.</summary>
public sealed record DetectionQuery
{
    /// <summary>The rule.</summary>
    public required RuleRevision Revision { get; init; }

    /// <summary>Which events by <c>@timestamp</c>.</summary>
    public required TimeWindow Window { get; init; }

    /// <summary>Only events ingested at or after this, milliseconds since the epoch; null for all.</summary>
    public long? IngestedAfter { get; init; }

    /// <summary>Only these addresses; null for all.</summary>
    public IReadOnlyList<SourceAddress>? SourceIps { get; init; }

    /// <summary>How many alerts to return at most, at least 1. Default 100.</summary>
    public int Limit { get; init; } = 100;

    /// <summary>Whether alerts carry their events. Default false.</summary>
    public bool IncludeEvents { get; init; }
}

/// <summary>Whether an answer is whole.</summary>
public enum RunStatus
{
    /// <summary>Everything asked for was looked at.</summary>
    Succeeded,

    /// <summary>Some events of the window could not be looked at; the warnings say which and why.</summary>
    Partial,
}

/// <summary>The rule that ran.</summary>
/// <param name="Id">The rule's id in Elastic's catalogue.</param>
/// <param name="Name">The rule's name.</param>
/// <param name="Revision">The revision.</param>
/// <param name="Severity">The rule's severity.</param>
/// <param name="RiskScore">The rule's risk score, 0 to 100.</param>
public sealed record RuleIdentity(string Id, string Name, string Revision, string Severity, int RiskScore);

/// <summary>The answer to a run of the detection.</summary>
public sealed record DetectionRun
{
    /// <summary>Derived from everything that decides which alerts there are: the same question has the same id.</summary>
    public required string Id { get; init; }

    /// <summary>The rule that ran.</summary>
    public required RuleIdentity Rule { get; init; }

    /// <summary>The window that was looked at.</summary>
    public required WindowBounds Window { get; init; }

    /// <summary>The store that answered: <c>memory</c> or <c>elasticsearch</c>.</summary>
    public required string Store { get; init; }

    /// <summary>Whether the answer is whole.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>How long it took.</summary>
    [JsonIgnore]
    public TimeSpan Took { get; init; }

    /// <summary>How long it took, evidence included, milliseconds.</summary>
    public long TookMs => (long)Took.TotalMilliseconds;

    /// <summary>What data each leg had, and how fresh it is.</summary>
    public required Coverage Coverage { get; init; }

    /// <summary>How many addresses are reported in all, each by one alert.</summary>
    public required int Total { get; init; }

    /// <summary>Whether there are more alerts than the limit.</summary>
    public required bool Truncated { get; init; }

    /// <summary>The alerts in the order of the addresses.</summary>
    public required IReadOnlyList<Alert> Alerts { get; init; }

    /// <summary>What the answer does not show by itself.</summary>
    public required IReadOnlyList<Warning> Warnings { get; init; }
}
