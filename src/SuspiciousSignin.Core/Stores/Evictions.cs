using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>What a store has let go, so that a later process neither brings it back nor answers as if it had never been there.</summary>
/// <param name="Timestamp">The time up to which events are gone that have a number below <paramref name="Before"/>. All times here are
/// milliseconds since the epoch.</param>
/// <param name="Sequence">Of the events of that very time, the number up to which they are gone.</param>
/// <param name="Before">The number of the next event at that moment.</param>
/// <param name="RetentionThrough">Time of the newest event let go for age.</param>
/// <param name="Retention">How many were let go for age.</param>
/// <param name="CapacityThrough">Time of the newest event let go for room.</param>
/// <param name="Capacity">How many were let go for room.</param>
internal readonly record struct Evictions(
    long Timestamp, long Sequence, long Before, long RetentionThrough, long Retention, long CapacityThrough, long Capacity)
{
    public static readonly Evictions None = new(long.MinValue, -1, 0, long.MinValue, 0, long.MinValue, 0);

    public bool Include(long timestamp, long sequence) => sequence < Before && (timestamp, sequence).CompareTo((Timestamp, Sequence)) <= 0;

    /// <summary>With events more that are let go for age.</summary>
    public Evictions ForAge(long newest, int count) =>
        this with { RetentionThrough = Math.Max(RetentionThrough, newest), Retention = Retention + count };

    /// <summary>With events more that are let go for room.</summary>
    public Evictions ForRoom(long newest, int count) =>
        this with { CapacityThrough = Math.Max(CapacityThrough, newest), Capacity = Capacity + count };

    /// <summary>What an answer over a window lacks.</summary>
    public List<Warning> WarningsOver(TimeWindow window, int maxEvents)
    {
        var warnings = new List<Warning>();
        if (CapacityThrough > window.From)
        {
            warnings.Add(new Warning(
                WarningCodes.EvictedByCapacity,
                $"The store holds at most {maxEvents} events and let older ones of any address go, "
                + $"up to {EcsTime.ToText(CapacityThrough)}: this answer may lack some of them. "
                + "Raise Store:Memory:MaxEvents or shorten the window.",
                Capacity));
        }

        if (RetentionThrough > window.From)
        {
            warnings.Add(new Warning(
                WarningCodes.WindowBeyondRetention,
                "The window reaches back beyond what the store keeps: "
                + $"events up to {EcsTime.ToText(RetentionThrough)} of any address were let go, and this answer may lack some of them.",
                Retention));
        }

        return warnings;
    }
}
