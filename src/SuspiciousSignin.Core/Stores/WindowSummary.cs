using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Stores;

/// <summary>Legs and near misses of what a query looks at, added up over events or groups of events of the same verdicts.</summary>
public sealed class WindowSummary(CorrelationQuery query)
{
    private readonly NearMiss[] _ofRevision = [.. query.Revision.NearMisses];
    private readonly long[] _misses = new long[RuleCatalogue.NearMisses.Count];
    private Leg _azureSignIn;
    private Leg _mailAccess;
    private Leg _networkAlert;

    /// <summary>What data each leg had.</summary>
    public Coverage Coverage => new(_azureSignIn.ToCoverage(), _mailAccess.ToCoverage(), _networkAlert.ToCoverage());

    /// <summary>Adds events of the same verdicts.</summary>
    public void Add(Classification classification, long count, long oldest, long newest)
    {
        var revision = query.Revision;
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
            (leg == Measure.AzureSignIn ? ref _azureSignIn : ref leg == Measure.MailAccess ? ref _mailAccess : ref _networkAlert)
                .Add(count, oldest, newest);
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
            (_azureSignIn, WarningCodes.AzureSignInWithoutData, "successful Entra ID sign-ins"),
            (_mailAccess, WarningCodes.MailAccessWithoutData, "successful mail accesses"),
            (_networkAlert, WarningCodes.NetworkAlertWithoutData, "network alerts"),
        })
        {
            if (leg.Events == 0)
            {
                // Nothing from one address says nothing about the source.
                var message = query.Addresses is null
                    ? $"There are no {name} in the window. Is the source connected? No data is not the same as no activity."
                    : $"There are no {name} from these addresses in the window. "
                        + "A run over all addresses tells whether the source sends any.";
                yield return new Warning(code, message, 0);
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
            Events == 0 ? new LegCoverage(0) : new LegCoverage(Events, EcsTime.ToDateTime(Oldest), EcsTime.ToDateTime(Newest));
    }
}
