using System.Diagnostics.Metrics;

namespace SuspiciousSignin.Stores;

/// <summary>What the in-memory store tells of itself, under the meter <see cref="MeterName"/>.</summary>
public sealed class StoreMetrics
{
    /// <summary>The meter of the whole service.</summary>
    public const string MeterName = "SuspiciousSignin";

    /// <summary>The reason of events that were older than is kept.</summary>
    internal const string ForAge = "retention";

    /// <summary>The reason of events for which there was no room.</summary>
    internal const string ForRoom = "capacity";

    private const long NoJournal = -1;

    private readonly Counter<long> _evicted;
    private long _stored;
    private long _journalBytes = NoJournal;

    /// <summary>Creates the instruments.</summary>
    public StoreMetrics(IMeterFactory factory)
    {
        var meter = factory.Create(MeterName);
        _evicted = meter.CreateCounter<long>("suspicious_signin.store.evicted", description: "Events let go, by reason.");
        meter.CreateObservableGauge(
            "suspicious_signin.store.events",
            () => Volatile.Read(ref _stored),
            description: "Events held in memory.");
        meter.CreateObservableGauge(
            "suspicious_signin.store.journal",
            () => Volatile.Read(ref _journalBytes) is not NoJournal and var bytes
                ? [new Measurement<long>(bytes)]
                : Array.Empty<Measurement<long>>(),
            "By",
            "What the journal of the store takes on the disk.");
    }

    /// <summary>Begins every series of what goes at 0, once somebody listens: of one that is absent no increase can be asked.</summary>
    public void Begin()
    {
        foreach (var reason in new[] { ForAge, ForRoom })
        {
            _evicted.Add(0, new KeyValuePair<string, object?>("reason", reason));
        }
    }

    internal void Stored(long count) => Volatile.Write(ref _stored, count);

    internal void JournalHas(long bytes) => Volatile.Write(ref _journalBytes, bytes);

    internal void Evicted(string reason, long count)
    {
        if (count > 0)
        {
            _evicted.Add(count, new KeyValuePair<string, object?>("reason", reason));
        }
    }
}
