using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Stores;

public sealed class TimelineTests
{
    [Fact]
    public void What_a_query_took_of_a_minute_stays_as_it_was_while_events_come_are_ordered_and_go()
    {
        var minute = new Timeline(new IdentitySet()).GetOrAdd(0);
        long[] times = [30, 10, 20, 50, 40];
        foreach (var at in times)
        {
            Add(minute, at);
        }

        var taken = minute.Entries;
        Add(minute, 5);
        minute.Order();
        minute.RemoveFirst(2);
        Add(minute, 25);
        minute.Order();

        Assert.Equal(times, taken.ToArray().Select(entry => (long)entry.At));
        Assert.Equal([20L, 25, 30, 40, 50], minute.Entries.ToArray().Select(entry => (long)entry.At));
    }

    private static void Add(Minute minute, long at) => minute.Add(at, kind: 1, new EvidenceHeader(0, at, 0, 0), []);
}
