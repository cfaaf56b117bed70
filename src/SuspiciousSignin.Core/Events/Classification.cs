using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Events;

/// <summary>What an event is to a revision of the rule.</summary>
public enum EventBucket
{
    /// <summary>None of the three; failed sign-ins, other mailbox operations, and all that the rule does not keep.</summary>
    Other,

    /// <summary>A successful Entra ID sign-in.</summary>
    AzureSignIn,

    /// <summary>A successful access to mail items.</summary>
    MailAccess,

    /// <summary>A network security alert.</summary>
    NetworkAlert,
}

/// <summary>Why a revision does not keep an event.</summary>
internal enum IgnoredReason
{
    /// <summary>The event is kept.</summary>
    None,

    /// <summary><c>source.ip</c> is missing or holds no address.</summary>
    NoSourceIp,

    /// <summary><c>source.ip</c> has several values.</summary>
    MultiValued,

    /// <summary>The address is private or reserved.</summary>
    ExcludedNetwork,

    /// <summary>Neither of the two sources nor a network alert.</summary>
    OtherDataset,
}

/// <summary>The verdicts of every revision on one event, taken once when it is read.</summary>
/// <param name="Bits">Four bits per revision slot (kept, sign-in, mail access, network alert), then one per near miss, then the
/// address.</param>
public readonly record struct Classification(ulong Bits)
{
    private const int KeptBit = 0;
    private const int AzureSignInBit = 1;
    private const int MailAccessBit = 2;
    private const int NetworkAlertBit = 3;
    private const int BitsPerRevision = 4;
    private const int NearMissBase = 40;
    private const ulong NoSourceIp = 1UL << 60;
    private const ulong SeveralSourceIps = 1UL << 61;
    private const ulong Excluded = 1UL << 62;

    /// <summary>Whether the revision counts the event.</summary>
    public bool IsKeptBy(RuleRevision revision) => Has(revision, KeptBit);

    /// <summary>Whether the revision holds it for a successful Entra ID sign-in.</summary>
    internal bool IsAzureSignIn(RuleRevision revision) => Has(revision, AzureSignInBit);

    /// <summary>Whether the revision holds it for a successful mail access.</summary>
    internal bool IsMailAccess(RuleRevision revision) => Has(revision, MailAccessBit);

    /// <summary>Whether the revision holds it for a network alert.</summary>
    internal bool IsNetworkAlert(RuleRevision revision) => Has(revision, NetworkAlertBit);

    /// <summary>Whether these verdicts, or the union of those of several events, hold both legs that the revision correlates.</summary>
    internal bool HasBothLegs(RuleRevision revision) => IsNetworkAlert(revision) && (IsAzureSignIn(revision) || IsMailAccess(revision));

    /// <summary>Whether the event is one of those the near miss warns of.</summary>
    public bool Is(NearMiss miss) => (Bits & (1UL << (NearMissBase + miss.Slot))) != 0;

    /// <summary>The bucket of the event.</summary>
    internal EventBucket BucketOf(RuleRevision revision) =>
        IsAzureSignIn(revision) ? EventBucket.AzureSignIn
        : IsMailAccess(revision) ? EventBucket.MailAccess
        : IsNetworkAlert(revision) ? EventBucket.NetworkAlert
        : EventBucket.Other;

    /// <summary>Why the revision does not keep the event.</summary>
    internal IgnoredReason WhyIgnoredBy(RuleRevision revision) =>
        IsKeptBy(revision) ? IgnoredReason.None
        : (Bits & NoSourceIp) != 0 ? IgnoredReason.NoSourceIp
        : (Bits & SeveralSourceIps) != 0 ? IgnoredReason.MultiValued
        : (Bits & Excluded) != 0 ? IgnoredReason.ExcludedNetwork
        : IgnoredReason.OtherDataset;

    /// <summary>The union of the verdicts.</summary>
    public static Classification operator |(Classification left, Classification right) => new(left.Bits | right.Bits);

    internal static Classification Of(EcsDocument document)
    {
        ulong bits = 0;
        foreach (var revision in RuleCatalogue.Revisions)
        {
            if (revision.Keep.Test(document) != true)
            {
                continue;
            }

            var verdict = 1u << KeptBit;
            verdict |= revision.AzureSignIn.Test(document) == true ? 1u << AzureSignInBit : 0;
            verdict |= revision.MailAccess.Test(document) == true ? 1u << MailAccessBit : 0;
            verdict |= revision.NetworkAlert.Test(document) == true ? 1u << NetworkAlertBit : 0;
            bits |= (ulong)verdict << (revision.Slot * BitsPerRevision);
        }

        foreach (var miss in RuleCatalogue.NearMisses)
        {
            bits |= miss.Condition.Test(document) == true ? 1UL << (NearMissBase + miss.Slot) : 0;
        }

        bits |= document.Addresses switch
        {
            [] => NoSourceIp,
            [var address] => ExcludedNetworks.Find(address) is null ? 0 : Excluded,
            _ => SeveralSourceIps,
        };
        return new Classification(bits);
    }

    private bool Has(RuleRevision revision, int bit) => (Bits & (1UL << ((revision.Slot * BitsPerRevision) + bit))) != 0;
}
