using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

public sealed class EventListTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(17)]
    [InlineData(2 * EventList.PieceLength)]
    [InlineData((3 * EventList.PieceLength) + 1)]
    public void Events_are_gone_over_once_and_in_order_whatever_list_they_are_in(int count)
    {
        EventRecord[] array = [.. Enumerable.Range(0, count).Select(Record)];
        var pieces = new EventList(new BatchMemory());
        foreach (var record in array)
        {
            pieces.Add(record);
        }

        foreach (IReadOnlyList<EventRecord> events in new IReadOnlyList<EventRecord>[] { pieces, array, array.ToList(), array.AsReadOnly() })
        {
            var positions = new List<int>();
            foreach (ref readonly var record in events.InPlace())
            {
                positions.Add(record.Position);
            }

            Assert.Equal(Enumerable.Range(0, count), positions);
        }
    }

    private static EventRecord Record(int position) =>
        new() { Position = position, Timestamp = 0, Ingested = 0, Traits = EventTraits.None, Identity = 0, Addresses = default, Payload = default };
}
