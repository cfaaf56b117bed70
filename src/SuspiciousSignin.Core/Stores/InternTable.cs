using System.Runtime.CompilerServices;

namespace SuspiciousSignin.Stores;

/// <summary>
/// Gives equal values one small number for as long as an event refers to them. Whoever sends ever new values makes it no larger than the events
/// that are held. A number is given anew only after the last query that may know it has ended. Writing is not safe to call at once; a
/// <see cref="Reader"/> taken while nobody writes stays good for the numbers that are known then.
/// </summary>
internal sealed class InternTable<T>
    where T : class
{
    private const int Shards = 64;
    private const int FirstCapacity = 8;
    private const int SegmentBits = 10;
    private const int SegmentLength = 1 << SegmentBits;

    // The upper half of a slot is of the hash, the lower one more than the number; 0 where it is free. Each shard grows by itself.
    private readonly ulong[]?[] _slots = new ulong[Shards][];
    private readonly int[] _counts = new int[Shards];
    private readonly Stack<int> _free = new();
    private readonly Queue<(int Number, long Query)> _retired = new();
    private Entry[][] _segments = [];
    private int _end;

    /// <summary>How many values are held, those included that only a query may still know.</summary>
    public int Count => _end - _free.Count;

    /// <summary>Loads what <see cref="Hold"/> looks at first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Touch(ulong hash)
    {
        var slots = _slots[(int)(hash & (Shards - 1))];
        return slots is null ? 0 : slots[PlaceOf(hash, slots.Length)];
    }

    /// <summary>The number of a value, which is held from now on once more.</summary>
    /// <param name="key">What the value is known by.</param>
    /// <param name="hash">Of the key; nobody outside may be able to foresee it.</param>
    /// <param name="equals">Whether a value is that of the key.</param>
    /// <param name="make">Makes the value, where it is not held yet.</param>
    public int Hold<TKey>(TKey key, ulong hash, Func<T, TKey, bool> equals, Func<TKey, T> make)
        where TKey : allows ref struct
    {
        var shard = (int)(hash & (Shards - 1));
        if (_slots[shard] is { } slots)
        {
            for (var place = PlaceOf(hash, slots.Length); slots[place] != 0; place = Next(place, slots.Length))
            {
                if (slots[place] >> 32 == hash >> 32)
                {
                    ref var entry = ref At(NumberIn(slots[place]));
                    if (equals(entry.Value!, key))
                    {
                        entry.Holders++;
                        return NumberIn(slots[place]);
                    }
                }
            }
        }

        return Add(make(key), hash, shard);
    }

    /// <summary>One event more refers to the value.</summary>
    public void HoldAgain(int number) => At(number).Holders++;

    /// <summary>One event less refers to the value.</summary>
    /// <param name="number">The value's number.</param>
    /// <param name="nextQuery">The number of the next query: those before may know the value.</param>
    public void Release(int number, long nextQuery)
    {
        ref var entry = ref At(number);
        if (--entry.Holders == 0)
        {
            RemoveSlot(number, entry.Hash);
            _retired.Enqueue((number, nextQuery));
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

    private int Add(T value, ulong hash, int shard)
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

        At(number) = new Entry { Value = value, Hash = hash, Holders = 1 };
        if (_slots[shard] is not { } slots || (_counts[shard] + 1) * 4L > slots.Length * 3L)
        {
            Grow(shard);
        }

        Put(_slots[shard]!, (hash & 0xFFFF_FFFF_0000_0000) | (uint)(number + 1));
        _counts[shard]++;
        return number;
    }

    private void RemoveSlot(int number, ulong hash)
    {
        var shard = (int)(hash & (Shards - 1));
        var slots = _slots[shard]!;
        var gap = PlaceOf(hash, slots.Length);
        while (NumberIn(slots[gap]) != number)
        {
            gap = Next(gap, slots.Length);
        }

        // Whoever stands further from home than the gap moves back, so that no search ends at it.
        for (var next = Next(gap, slots.Length); slots[next] != 0; next = Next(next, slots.Length))
        {
            var home = PlaceOf(slots[next], slots.Length);
            if (Distance(home, next, slots.Length) >= Distance(gap, next, slots.Length))
            {
                slots[gap] = slots[next];
                gap = next;
            }
        }

        slots[gap] = 0;
        _counts[shard]--;
    }

    private void Grow(int shard)
    {
        var before = _slots[shard] ?? [];
        var slots = _slots[shard] = new ulong[Math.Max(FirstCapacity, before.Length * 3 / 2)];
        foreach (var slot in before)
        {
            if (slot != 0)
            {
                Put(slots, slot);
            }
        }
    }

    private ref Entry At(int number) => ref _segments[number >> SegmentBits][number & (SegmentLength - 1)];

    private static void Put(ulong[] slots, ulong slot)
    {
        var place = PlaceOf(slot, slots.Length);
        while (slots[place] != 0)
        {
            place = Next(place, slots.Length);
        }

        slots[place] = slot;
    }

    private static int NumberIn(ulong slot) => (int)((uint)slot - 1);

    private static int Next(int place, int length) => place + 1 == length ? 0 : place + 1;

    private static int Distance(int from, int to, int length) => to >= from ? to - from : to - from + length;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PlaceOf(ulong hash, int length) => (int)(((hash >> 32) * (ulong)length) >> 32);

    /// <summary>Reads values by their numbers.</summary>
    public readonly struct Reader(Entry[][] segments)
    {
        public T this[int number] => segments[number >> SegmentBits][number & (SegmentLength - 1)].Value!;
    }

    internal struct Entry
    {
        public T? Value;
        public ulong Hash;
        public int Holders;
    }
}
