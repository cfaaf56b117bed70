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
