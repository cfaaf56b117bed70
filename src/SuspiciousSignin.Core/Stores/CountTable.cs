namespace SuspiciousSignin.Stores;

/// <summary>
/// Counts by a small number, as the store gives them out, with the earliest and the latest time of each; made to be filled and cleared
/// again and again. Its order is that of the first time each number came.
/// </summary>
internal sealed class CountTable
{
    // Where the count of each number is, behind one that stands for those that did not come.
    private int[] _places = new int[64];
    private Tally[] _counts = new Tally[16];
    private int _length;

    /// <summary>How many numbers came.</summary>
    public int Length => _length;

    /// <summary>For how many numbers that come there is room.</summary>
    public int Capacity => _counts.Length;

    /// <summary>Counts once more.</summary>
    public void Count(int number, long timestamp)
    {
        if (number < _places.Length && _places[number] is not 0 and var place)
        {
            _counts[place].Add(timestamp);
        }
        else
        {
            Add(number, timestamp);
        }
    }

    /// <summary>
    /// Counts the traits of events that are in the order of their times, none of which is earlier than any that was counted.
    /// </summary>
    public void CountInOrder(ReadOnlySpan<SeriesEntry> events)
    {
        var (places, counts) = (_places, _counts);
        foreach (ref readonly var entry in events)
        {
            var number = entry.Traits;
            if ((uint)number < (uint)places.Length && places[number] is not 0 and var place)
            {
                counts[place].AddLater(entry.Timestamp);
            }
            else
            {
                Add(number, entry.Timestamp);
                (places, counts) = (_places, _counts);
            }
        }
    }

    /// <summary>Adds what was counted elsewhere.</summary>
    public void Add(in Tally tally)
    {
        if (tally.Number < _places.Length && _places[tally.Number] is not 0 and var place)
        {
            _counts[place].Add(tally);
        }
        else
        {
            Add(tally.Number, tally.First);
            _counts[_length] = tally;
        }
    }

    /// <summary>Where in the order a number is, which must have been counted.</summary>
    public int PlaceOf(int number) => _places[number] - 1;

    public void Clear()
    {
        foreach (ref readonly var tally in Tallies)
        {
            _places[tally.Number] = 0;
        }

        _length = 0;
    }

    public Span<Tally>.Enumerator GetEnumerator() => Tallies.GetEnumerator();

    private Span<Tally> Tallies => _counts.AsSpan(1, _length);

    private void Add(int number, long timestamp)
    {
        if (number >= _places.Length)
        {
            Array.Resize(ref _places, Math.Max(number + 1, _places.Length * 2));
        }

        if (_length + 1 == _counts.Length)
        {
            Array.Resize(ref _counts, _counts.Length * 2);
        }

        _counts[++_length] = new Tally(number, timestamp);
        _places[number] = _length;
    }

    /// <summary>How often a number came, and when.</summary>
    public struct Tally(int number, long timestamp)
    {
        public readonly int Number => number;

        public long Count { get; private set; } = 1;

        /// <summary>The earliest time, milliseconds since the epoch.</summary>
        public long First { get; private set; } = timestamp;

        /// <summary>The latest time.</summary>
        public long Last { get; private set; } = timestamp;

        public void Add(long at)
        {
            Count++;
            First = Math.Min(First, at);
            Last = Math.Max(Last, at);
        }

        public void AddLater(long at)
        {
            Count++;
            Last = at;
        }

        public void Add(in Tally other)
        {
            Count += other.Count;
            First = Math.Min(First, other.First);
            Last = Math.Max(Last, other.Last);
        }

        public readonly void Deconstruct(out int ofNumber, out long count, out long first, out long last) =>
            (ofNumber, count, first, last) = (Number, Count, First, Last);
    }
}
