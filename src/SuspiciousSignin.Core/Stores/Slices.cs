using System.Runtime.InteropServices;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>The events of an address in the window of a query.</summary>
/// <param name="Address">The address.</param>
/// <param name="Events">Its events, oldest first; good until the query ends.</param>
/// <param name="HasBothLegs">Whether all that it holds, in the window or not, has both legs of the revision.</param>
/// <param name="AsOf">The number that the next event got after they were taken.</param>
internal readonly record struct AddressSlice(SourceAddress Address, ReadOnlyMemory<SeriesEntry> Events, bool HasBothLegs, long AsOf)
{
    /// <summary>Those that the filter picks, or all where there is none; good until the filter is asked again.</summary>
    public ReadOnlySpan<SeriesEntry> EventsOf(IngestedFilter? filter) => filter is null ? Events.Span : filter.Of(Events.Span);
}

/// <summary>The events of a minute that have to be looked at one by one.</summary>
internal readonly record struct MinuteSlice(long Begin, ReadOnlyMemory<MinuteEntry> Entries, byte[][] Chunks)
{
    /// <summary>Counts them by the number of their verdicts; those of which it has none go straight to the summary.</summary>
    public void AddTo(CountTable counts, WindowSummary summary, CorrelationQuery query, InternTable<EventTraits>.Reader traits)
    {
        var (from, to) = (Math.Max(query.Window.From, Begin - 1) - Begin, Math.Max(query.Window.To, Begin - 1) - Begin);
        var ingestedAfter = query.IngestedAfter;
        foreach (var entry in Entries.Span)
        {
            if (entry.At <= from || entry.At > to)
            {
                continue;
            }

            var timestamp = Begin + entry.At;
            if (ingestedAfter is { } after && !EvidenceLog.IsIngestedSince(Chunks, entry.Place, timestamp, after))
            {
                continue;
            }

            if (entry.Kind == KindTable.Unlisted)
            {
                summary.Add(traits[EvidenceLog.At(Chunks, entry.Place).Traits].Classification, 1, timestamp, timestamp);
            }
            else
            {
                counts.Count(entry.Kind, timestamp);
            }
        }
    }
}

/// <summary>
/// Picks the events that were ingested at or after a time: by what is known of their minute, else by what their evidence tells.
/// </summary>
internal sealed class IngestedFilter(long after, IEnumerable<Hour> hours)
{
    private readonly Dictionary<long, ((long Earliest, long Latest) Ingested, byte[][] Chunks)> _minutes =
        hours.SelectMany(hour => hour.Minutes)
            .ToDictionary(minute => minute.Begin, minute => (minute.Ingested, minute.Chunks), TimeComparer.Instance);

    private readonly List<SeriesEntry> _picked = [];

    /// <summary>Those of the events, in their order; good until it is asked again.</summary>
    public ReadOnlySpan<SeriesEntry> Of(ReadOnlySpan<SeriesEntry> events)
    {
        _picked.Clear();
        (long begin, ((long Earliest, long Latest) Ingested, byte[][] Chunks) minute) = (long.MinValue, ((0, 0), []));
        foreach (ref readonly var entry in events)
        {
            if (entry.Timestamp - begin is < 0 or >= Timeline.MillisecondsPerMinute)
            {
                begin = Timeline.BeginOf(entry.Timestamp);
                minute = _minutes[begin];
            }

            if (EvidenceLog.IsIngestedSince(minute.Ingested, minute.Chunks, entry.Place, entry.Timestamp, after))
            {
                _picked.Add(entry);
            }
        }

        return CollectionsMarshal.AsSpan(_picked);
    }
}
