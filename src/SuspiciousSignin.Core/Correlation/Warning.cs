using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Correlation;

/// <summary>What the caller should know about the answer, with a stable code.</summary>
/// <param name="Code">A stable code.</param>
/// <param name="Message">What it means and what to do.</param>
/// <param name="Count">
/// How many of what the code is about: events, addresses, alerts, fields, index patterns and the like; 0 where it is about none being
/// there.
/// </param>
public sealed record Warning(string Code, string Message, long Count)
{
    /// <summary>Addresses are hidden by the revision's cap on the volume.</summary>
    /// <param name="addresses">How many.</param>
    public static Warning HiddenByVolume(long addresses) => new(
        WarningCodes.HiddenByVolume,
        $"Addresses with more than {RuleCatalogue.HighVolume} events meet the rule but for this revision's cap, and are not reported. "
        + "Revision 'resilient' reports them.",
        addresses);

    /// <summary>Events came in time to lie before a page, but after the pages before it were read.</summary>
    /// <param name="events">How many.</param>
    public static Warning LateEvents(long events) => new(
        WarningCodes.LateEvents,
        "Events that belong on earlier pages arrived while the pages were read, and no page shows them. Ask without a cursor to see them.",
        events);
}

/// <summary>The stable codes of <see cref="Warning.Code"/>; README and docs/elasticsearch.md say what to do about each.</summary>
public static class WarningCodes
{
    /// <summary>Alerts of the External Alerts rule carry another name, and the revision goes by the name.</summary>
    public const string ExternalAlertRenamed = "externalAlertRenamed";

    /// <summary>Network alerts lack the dataset field that the revision reads.</summary>
    public const string ExternalAlertWithoutDataset = "externalAlertWithoutDataset";

    /// <summary>The answer rests on <c>data_stream.dataset</c> of alerts, which stock clusters do not map.</summary>
    public const string AlertDataStreamUnmapped = "alertDataStreamUnmapped";

    /// <summary>Raw network alerts, which no rule has promoted, do not count.</summary>
    public const string PromotableAlert = "promotableAlert";

    /// <summary>Events with several <c>source.ip</c> values do not count.</summary>
    public const string MultiValuedSourceIp = "multiValuedSourceIp";

    /// <summary>Network alerts whose source is private or reserved do not count.</summary>
    public const string AlertOnExcludedNetwork = "alertOnExcludedNetwork";

    /// <summary>There are no Entra ID sign-ins in the window.</summary>
    public const string AzureSignInWithoutData = "azureSignInWithoutData";

    /// <summary>There are no mail accesses in the window.</summary>
    public const string MailAccessWithoutData = "mailAccessWithoutData";

    /// <summary>There are no network alerts in the window.</summary>
    public const string NetworkAlertWithoutData = "networkAlertWithoutData";

    /// <summary>Addresses are hidden by the revision's cap on the volume.</summary>
    public const string HiddenByVolume = "hiddenByVolume";

    /// <summary>The store let events go, since it is full.</summary>
    public const string EvictedByCapacity = "evictedByCapacity";

    /// <summary>The window reaches further back than the store keeps events.</summary>
    public const string WindowBeyondRetention = "windowBeyondRetention";

    /// <summary>Alerts show no events, since those before them used up what one answer may show.</summary>
    public const string EvidenceCut = "evidenceCut";

    /// <summary>Events arrived that belong on pages read before.</summary>
    public const string LateEvents = "lateEvents";

    /// <summary>Events of the batch are older than the store keeps.</summary>
    public const string OutsideRetention = "outsideRetention";

    /// <summary>Events of the batch are older than all that the full store holds.</summary>
    public const string OutsideCapacity = "outsideCapacity";

    /// <summary>Events of the batch are dated too far after now to be stored.</summary>
    public const string TooFarAhead = "tooFarAhead";

    /// <summary>Events are dated after now.</summary>
    public const string FutureEvents = "futureEvents";

    /// <summary>Search responses or pages of the batch are incomplete by their own account.</summary>
    public const string IncompleteEnvelope = "incompleteEnvelope";

    /// <summary>An address asked for lies in an excluded network.</summary>
    public const string ExcludedAddress = "excludedAddress";

    /// <summary>Indices or remote clusters did not tell their mappings.</summary>
    public const string MappingsIncomplete = "mappingsIncomplete";

    /// <summary>Indices disagree on the type of a field.</summary>
    public const string MixedMapping = "mixedMapping";

    /// <summary>No index maps <c>source.ip</c>.</summary>
    public const string SourceIpUnmapped = "sourceIpUnmapped";

    /// <summary>Some index maps <c>source.ip</c> as text.</summary>
    public const string SourceIpIsText = "sourceIpIsText";

    /// <summary>No index of alerts matches.</summary>
    public const string AlertsIndexMissing = "alertsIndexMissing";

    /// <summary>No index of events matches.</summary>
    public const string EventsIndexMissing = "eventsIndexMissing";

    /// <summary>The credentials may not read the indices of alerts.</summary>
    public const string AlertsNotReadable = "alertsNotReadable";

    /// <summary>The credentials may not read the indices of events.</summary>
    public const string EventsNotReadable = "eventsNotReadable";

    /// <summary>The cluster could look at some of the data only.</summary>
    public const string PartialResults = "partialResults";

    /// <summary>There may be more addresses than the cluster returns.</summary>
    public const string TooManyAddresses = "tooManyAddresses";

    /// <summary>There may be more accounts than the cluster returns.</summary>
    public const string TooManyAccounts = "tooManyAccounts";

    /// <summary>There are too many moments to tell the smallest gap exactly.</summary>
    public const string GapNotExact = "gapNotExact";

    /// <summary>A write was repeated, so some duplicates may be of this batch itself.</summary>
    public const string WriteRepeated = "writeRepeated";
}
