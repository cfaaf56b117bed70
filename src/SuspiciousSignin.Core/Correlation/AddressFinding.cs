using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Correlation;

/// <summary>What a store aggregated of one reported address.</summary>
public sealed record AddressFinding
{
    /// <summary>The address.</summary>
    public required SourceAddress Address { get; init; }

    /// <summary>The counts that the rule tests.</summary>
    public required Measures Counts { get; init; }

    /// <summary>Distinct datasets, sorted.</summary>
    public required IReadOnlyList<string> Datasets { get; init; }

    /// <summary>Distinct <c>kibana.alert.rule.name</c>, sorted.</summary>
    public required IReadOnlyList<string> RuleNames { get; init; }

    /// <summary>Distinct <c>event.category</c>, sorted.</summary>
    public required IReadOnlyList<string> Categories { get; init; }

    /// <summary>The accounts of the sign-ins and mail accesses, busiest first.</summary>
    public required IReadOnlyList<UserActivity> Users { get; init; }

    /// <summary>The time of the first counted event, milliseconds since the epoch.</summary>
    public required long FirstSeen { get; init; }

    /// <summary>The time of the last counted event.</summary>
    public required long LastSeen { get; init; }

    /// <summary>The first and last network alert.</summary>
    public required (long First, long Last) NetworkAlerts { get; init; }

    /// <summary>The first and last sign-in or mail access.</summary>
    public required (long First, long Last) Accesses { get; init; }

    /// <summary>The smallest time between a network alert and a sign-in or mail access, milliseconds.</summary>
    public required long SmallestGap { get; init; }

    /// <summary>The store's mark of when it looked, by which it reads no events that came later; null where it has none.</summary>
    public long? AsOf { get; init; }
}

/// <summary>
/// One account seen from a suspicious address, or, where it has neither name, id nor e-mail, those that the events do not name.
/// </summary>
public sealed record UserActivity
{
    internal bool IsNamed => (Name ?? Id ?? Email) is not null;

    /// <summary><c>user.name</c>, or the service principal's name.</summary>
    public string? Name { get; init; }

    /// <summary><c>user.id</c>, or the service principal's id.</summary>
    public string? Id { get; init; }

    /// <summary><c>user.email</c>.</summary>
    public string? Email { get; init; }

    /// <summary>Successful Entra ID sign-ins from the address.</summary>
    public required long AzureSignIn { get; init; }

    /// <summary>Successful mail accesses from the address.</summary>
    public required long MailAccess { get; init; }
}
