using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Correlation;

/// <summary>What the caller should know about the answer, with a stable code.</summary>
/// <param name="Code">A stable code.</param>
/// <param name="Message">What it means and what to do.</param>
/// <param name="Count">How many events or addresses it is about.</param>
public sealed record Warning(string Code, string Message, long Count)
{
    /// <summary>Addresses are hidden by the revision's cap on the volume.</summary>
    /// <param name="addresses">How many.</param>
    public static Warning HiddenByVolume(long addresses) => new(
        "hiddenByVolume",
        $"Addresses with more than {RuleCatalogue.HighVolume} events meet the rule but for this revision's cap, and are not reported. "
        + "Revision 'resilient' reports them.",
        addresses);

    /// <summary>Events came in time to lie before a page, but after the pages before it were read.</summary>
    /// <param name="events">How many.</param>
    public static Warning LateEvents(long events) => new(
        "lateEvents",
        "Events that belong on earlier pages arrived while the pages were read, and no page shows them. Ask without a cursor to see them.",
        events);
}

/// <summary>The data that one leg of the correlation had.</summary>
/// <param name="Events">How many events.</param>
/// <param name="Oldest">The oldest of them; absent where there are none.</param>
/// <param name="Newest">The newest of them; absent where there are none.</param>
public sealed record LegCoverage(long Events, DateTime? Oldest = null, DateTime? Newest = null);

/// <summary>
/// What data each leg had: no alerts because nothing happened, or because nothing was there to look at? Where a question names addresses,
/// of their events only.
/// </summary>
/// <param name="AzureSignIn">Successful Entra ID sign-ins.</param>
/// <param name="MailAccess">Successful mail accesses.</param>
/// <param name="NetworkAlert">Network alerts.</param>
public sealed record Coverage(LegCoverage AzureSignIn, LegCoverage MailAccess, LegCoverage NetworkAlert);

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
