using System.Runtime.CompilerServices;

namespace SuspiciousSignin.Stores;

/// <summary>
/// Small numbers by a hash of what they stand for; the caller compares what it finds. Open addressing in shards that grow each by itself,
/// so that growth is no pause. Not thread-safe.
/// </summary>
/// <param name="shards">How many shards; a power of two.</param>
internal sealed class NumberTable(int shards)
{
    /// <summary>Where a search begins.</summary>
    public const int Start = -1;

    private const int FirstCapacity = 8;

    // The upper half of a slot is of the hash, the lower one more than the number; 0 where it is free.
    private readonly ulong[]?[] _slots = new ulong[shards][];
    private readonly int[] _counts = new int[shards];

    /// <summary>Loads what <see cref="Next"/> looks at first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Touch(ulong hash)
    {
        if (_slots[ShardOf(hash)] is { } slots)
        {
            var place = PlaceOf(hash, slots.Length);
            Prefetch.Load(in slots[place]);
            // Searches go on into the next line of the cache often enough.
            Prefetch.Load(in slots[Math.Min(place + 7, slots.Length - 1)]);
        }
    }

    /// <summary>The next number that has the hash, as far as the table knows it; -1 where there is none left.</summary>
    /// <param name="hash">The hash.</param>
    /// <param name="place"><see cref="Start"/>, then what the call before left there.</param>
    public int Next(ulong hash, ref int place)
    {
        if (_slots[ShardOf(hash)] is not { } slots)
        {
            return -1;
        }

        for (place = place == Start ? PlaceOf(hash, slots.Length) : Behind(place, slots.Length);
            slots[place] != 0;
            place = Behind(place, slots.Length))
        {
            if (slots[place] >> 32 == hash >> 32)
            {
                return NumberIn(slots[place]);
            }
        }

        return -1;
    }

    /// <summary>Adds a number under a hash.</summary>
    public void Add(ulong hash, int number)
    {
        var shard = ShardOf(hash);
        if (_slots[shard] is not { } slots || (_counts[shard] + 1) * 4L > slots.Length * 3L)
        {
            slots = Grow(shard);
        }

        Put(slots, (hash & 0xFFFF_FFFF_0000_0000) | (uint)(number + 1));
        _counts[shard]++;
    }

    /// <summary>Takes a number away that was added under the hash.</summary>
    public void Remove(ulong hash, int number)
    {
        var shard = ShardOf(hash);
        var slots = _slots[shard]!;
        var gap = PlaceOf(hash, slots.Length);
        while (NumberIn(slots[gap]) != number)
        {
            gap = Behind(gap, slots.Length);
        }

        // Whoever stands further from home than the gap moves back, so that no search ends at it.
        for (var next = Behind(gap, slots.Length); slots[next] != 0; next = Behind(next, slots.Length))
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

    private ulong[] Grow(int shard)
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

        return slots;
    }

    private int ShardOf(ulong hash) => (int)hash & (_counts.Length - 1);

    private static void Put(ulong[] slots, ulong slot)
    {
        var place = PlaceOf(slot, slots.Length);
        while (slots[place] != 0)
        {
            place = Behind(place, slots.Length);
        }

        slots[place] = slot;
    }

    private static int NumberIn(ulong slot) => (int)((uint)slot - 1);

    private static int Behind(int place, int length) => place + 1 == length ? 0 : place + 1;

    private static int Distance(int from, int to, int length) => to >= from ? to - from : to - from + length;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PlaceOf(ulong hash, int length) => (int)(((hash >> 32) * (ulong)length) >> 32);
}
