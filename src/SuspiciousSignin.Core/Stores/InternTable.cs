using System.Runtime.CompilerServices;

namespace SuspiciousSignin.Stores;

/// <summary>
/// Gives equal values one small number for as long as an event refers to them. It knows the time of the latest of those events, and is
/// asked from time to time to forget what is earlier. A number is given anew only after the last query that may know it has ended. Writing
/// is not safe to call at once; a <see cref="Reader"/> taken while nobody writes stays good for the numbers that are known then.
/// </summary>
internal sealed class InternTable<T>
    where T : class
{
    private const int SegmentBits = 10;
    private const int SegmentLength = 1 << SegmentBits;

    /// <summary>The latest time of a value that is not to be found any more, though a query may know its number.</summary>
    private const long Forgotten = long.MaxValue;

    private readonly NumberTable _numbers = new(shards: 64);
    private readonly Stack<int> _free = new();
    private readonly Queue<(int Number, long Query)> _retired = new();
    private Entry[][] _segments = [];
    private int _end;

    /// <summary>How many values are held, those included that only a query may still know.</summary>
    public int Count => _end - _free.Count;

    /// <summary>Loads what <see cref="Hold"/> looks at first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Touch(ulong hash) => _numbers.Touch(hash);

    /// <summary>
    /// The number of some value of the hash, not compared with any key, and loads what <see cref="Hold"/> looks at of it; -1 where there is
    /// none.
    /// </summary>
    public int Peek(ulong hash)
    {
        var place = NumberTable.Start;
        var number = _numbers.Next(hash, ref place);
        if (number >= 0)
        {
            Prefetch.Load(in At(number));
        }

        return number;
    }

    /// <summary>The value of a number.</summary>
    public T this[int number] => At(number).Value!;

    /// <summary>The number of a value that an event refers to.</summary>
    /// <param name="key">What the value is known by.</param>
    /// <param name="hash">Of the key; nobody outside may be able to foresee it.</param>
    /// <param name="likely">What <see cref="Peek"/> told, or -1.</param>
    /// <param name="timestamp">The time of the event.</param>
    /// <param name="equals">Whether a value is that of the key.</param>
    /// <param name="make">Makes the value, where it is not held yet.</param>
    public int Hold<TKey>(TKey key, ulong hash, int likely, long timestamp, Func<T, TKey, bool> equals, Func<TKey, T> make)
        where TKey : allows ref struct
    {
        if (likely >= 0 && At(likely).Latest != Forgotten && equals(this[likely], key))
        {
            HoldAgain(likely, timestamp);
            return likely;
        }

        var place = NumberTable.Start;
        for (var number = _numbers.Next(hash, ref place); number >= 0; number = _numbers.Next(hash, ref place))
        {
            if (equals(this[number], key))
            {
                HoldAgain(number, timestamp);
                return number;
            }
        }

        return Add(make(key), hash, timestamp);
    }

    /// <summary>One event more refers to the value.</summary>
    public void HoldAgain(int number, long timestamp)
    {
        ref var entry = ref At(number);
        entry.Latest = Math.Max(entry.Latest, timestamp);
    }

    /// <summary>Forgets what no event refers to any more, in one part of the numbers.</summary>
    /// <param name="part">Which part, of <paramref name="parts"/>.</param>
    /// <param name="parts">In how many parts.</param>
    /// <param name="gone">No event before this time is held.</param>
    /// <param name="nextQuery">The number of the next query: those before may know the values.</param>
    public void Sweep(int part, int parts, long gone, long nextQuery)
    {
        var end = (int)((part + 1L) * _end / parts);
        for (var number = (int)((long)part * _end / parts); number < end; number++)
        {
            ref var entry = ref At(number);
            if (entry.Latest < gone)
            {
                entry.Latest = Forgotten;
                _numbers.Remove(entry.Hash, number);
                _retired.Enqueue((number, nextQuery));
            }
        }
    }

    /// <summary>Makes the numbers free that no query knows any more.</summary>
    /// <param name="oldestQuery">The oldest query that runs.</param>
    public void Reclaim(long oldestQuery)
    {
        while (_retired.TryPeek(out var retired) && retired.Query <= oldestQuery)
        {
            _retired.Dequeue();
            At(retired.Number).Value = null;
            _free.Push(retired.Number);
        }
    }

    /// <summary>What reads values by their numbers.</summary>
    public Reader Read() => new(_segments);

    private int Add(T value, ulong hash, long timestamp)
    {
        if (!_free.TryPop(out var number))
        {
            number = _end++;
            if (number >> SegmentBits == _segments.Length)
            {
                // A new outer array: readers keep the one they have.
                _segments = [.. _segments, new Entry[SegmentLength]];
            }
        }

        At(number) = new Entry { Value = value, Hash = hash, Latest = timestamp };
        _numbers.Add(hash, number);
        return number;
    }

    private ref Entry At(int number) => ref _segments[number >> SegmentBits][number & (SegmentLength - 1)];

    /// <summary>Reads values by their numbers.</summary>
    public readonly struct Reader(Entry[][] segments)
    {
        public T this[int number] => segments[number >> SegmentBits][number & (SegmentLength - 1)].Value!;
    }

    internal struct Entry
    {
        public T? Value;
        public ulong Hash;
        public long Latest;
    }
}
