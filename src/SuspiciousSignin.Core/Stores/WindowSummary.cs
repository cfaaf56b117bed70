using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Stores;

/// <summary>Legs and near misses of a window, added up over events or groups of events of the same verdicts.</summary>
public sealed class WindowSummary(RuleRevision revision)
{
    private readonly NearMiss[] _ofRevision = [.. revision.NearMisses];
    private readonly long[] _misses = new long[RuleCatalogue.NearMisses.Count];
    private Leg _azureSignIn;
    private Leg _mailAccess;
    private Leg _networkAlert;

    /// <summary>What data each leg had.</summary>
    public Coverage Coverage => new(_azureSignIn.ToCoverage(), _mailAccess.ToCoverage(), _networkAlert.ToCoverage());

    /// <summary>Adds events of the same verdicts.</summary>
    public void Add(Classification classification, long count, long oldest, long newest)
    {
        if (classification.IsAzureSignIn(revision))
        {
            Add(Measure.AzureSignIn, count, oldest, newest);
        }

        if (classification.IsMailAccess(revision))
        {
            Add(Measure.MailAccess, count, oldest, newest);
        }

        if (classification.IsNetworkAlert(revision))
        {
            Add(Measure.NetworkAlert, count, oldest, newest);
        }

        foreach (var miss in _ofRevision)
        {
            Add(miss, classification.Is(miss) ? count : 0);
        }
    }

    /// <summary>Adds events of one leg; times in milliseconds since the epoch.</summary>
    public void Add(Measure leg, long count, long oldest, long newest)
    {
        if (count > 0)
        {
            (leg == Measure.AzureSignIn ? ref _azureSignIn : ref leg == Measure.MailAccess ? ref _mailAccess : ref _networkAlert).Add(count, oldest, newest);
        }
    }

    /// <summary>Adds events that nearly counted.</summary>
    public void Add(NearMiss miss, long count) => _misses[miss.Slot] += count;

    /// <summary>The near misses that there were, then the legs that had nothing to look at.</summary>
    public IEnumerable<Warning> Warnings()
    {
        foreach (var miss in _ofRevision)
        {
            if (_misses[miss.Slot] > 0)
            {
                yield return new Warning(miss.Code, miss.Message, _misses[miss.Slot]);
            }
        }

        foreach (var (leg, code, name) in new[]
        {
            (_azureSignIn, "azureSignInWithoutData", "successful Entra ID sign-ins"),
            (_mailAccess, "mailAccessWithoutData", "successful mail accesses"),
            (_networkAlert, "networkAlertWithoutData", "network alerts"),
        })
        {
            if (leg.Events == 0)
            {
                yield return new Warning(code, $"There are no {name} in the window. Is the source connected? No data is not the same as no activity.", 0);
            }
        }
    }

    private record struct Leg(long Events, long Oldest, long Newest)
    {
        public void Add(long count, long oldest, long newest)
        {
            (Oldest, Newest) = Events == 0 ? (oldest, newest) : (Math.Min(Oldest, oldest), Math.Max(Newest, newest));
            Events += count;
        }

        public readonly LegCoverage ToCoverage() =>
            Events == 0 ? new LegCoverage(0, null, null) : new LegCoverage(Events, EcsTime.ToDateTime(Oldest), EcsTime.ToDateTime(Newest));
    }
}
