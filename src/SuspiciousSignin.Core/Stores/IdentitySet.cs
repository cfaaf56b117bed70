using System.Runtime.CompilerServices;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The identities of the events held. Of the 128 bits of an identity it keeps 88: 64 as the key, 16 beside it, 8 by the shard. The hash is
/// seeded in each process, so nobody can prepare two that meet; among 50 million events one new event in 6 x 10^18 would be taken for a
/// duplicate by chance. About 15 bytes per identity. Each shard grows by itself and by a quarter, so that growing is no pause. Not safe to
/// call at once.
/// </summary>
internal sealed class IdentitySet
{
    private const int Shards = 256;
    private const int FirstCapacity = 16;

    private readonly Shard[] _shards = new Shard[Shards];

    /// <summary>How many are held.</summary>
    public int Count { get; private set; }

    /// <summary>Loads what a later call for the identity looks at first, so that the waits for memory overlap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Touch(UInt128 identity)
    {
        ref readonly var shard = ref _shards[ShardOf(identity)];
        if (shard.Keys is { } keys)
        {
            var place = PlaceOf(KeyOf(identity), keys.Length);
            Prefetch.Load(in keys[place]);
            Prefetch.Load(in shard.Tags![place]);
        }
    }

    public bool Contains(UInt128 identity)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        return shard.Keys is not null && shard.Find(KeyOf(identity), TagOf(identity)) >= 0;
    }

    /// <summary>Adds an identity; false where it is held.</summary>
    public bool Add(UInt128 identity)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        if (shard.Keys is null || (shard.Count + 1) * 4L > shard.Keys.Length * 3L)
        {
            shard.Resize(shard.Keys is null ? FirstCapacity : Math.Max(FirstCapacity, shard.Keys.Length + (shard.Keys.Length / 4) + 1));
        }

        var place = shard.Find(KeyOf(identity), TagOf(identity));
        if (place >= 0)
        {
            return false;
        }

        shard.Keys![~place] = KeyOf(identity);
        shard.Tags![~place] = TagOf(identity);
        shard.Count++;
        Count++;
        return true;
    }

    /// <summary>Takes an identity away; false where it is not held.</summary>
    public bool Remove(UInt128 identity)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        if (shard.Keys is null || shard.Find(KeyOf(identity), TagOf(identity)) is not (>= 0 and var place))
        {
            return false;
        }

        shard.RemoveAt(place);
        shard.Count--;
        Count--;
        if (shard.Keys.Length > 4 * FirstCapacity && shard.Count < shard.Keys.Length / 4)
        {
            shard.Resize(shard.Keys.Length / 2);
        }

        return true;
    }

    private static int ShardOf(UInt128 identity) => (int)((uint)(ulong)(identity >> 64) & (Shards - 1));

    // A key of 0 means an empty place.
    private static ulong KeyOf(UInt128 identity) => Math.Max((ulong)identity, 1);

    private static ushort TagOf(UInt128 identity) => (ushort)((ulong)(identity >> 64) >> 32);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PlaceOf(ulong key, int capacity) => (int)((((key * 0x9E37_79B9_7F4A_7C15) >> 32) * (ulong)capacity) >> 32);

    private struct Shard
    {
        public ulong[]? Keys;
        public ushort[]? Tags;
        public int Count;

        /// <summary>Where the key is, else the complement of the place where it would go.</summary>
        public readonly int Find(ulong key, ushort tag)
        {
            var keys = Keys!;
            for (var place = PlaceOf(key, keys.Length); ; place = place + 1 == keys.Length ? 0 : place + 1)
            {
                if (keys[place] == 0)
                {
                    return ~place;
                }

                if (keys[place] == key && Tags![place] == tag)
                {
                    return place;
                }
            }
        }

        /// <summary>Moves back whoever stands further from home than the gap, so that no search ends at it.</summary>
        public readonly void RemoveAt(int gap)
        {
            var keys = Keys!;
            for (var next = gap + 1; ; next++)
            {
                next = next == keys.Length ? 0 : next;
                if (keys[next] == 0)
                {
                    break;
                }

                var home = PlaceOf(keys[next], keys.Length);
                if (Distance(home, next) >= Distance(gap, next))
                {
                    (keys[gap], Tags![gap]) = (keys[next], Tags[next]);
                    gap = next;
                }
            }

            keys[gap] = 0;
        }

        public void Resize(int capacity)
        {
            var (keys, tags) = (Keys, Tags);
            (Keys, Tags) = (new ulong[capacity], new ushort[capacity]);
            for (var i = 0; i < (keys?.Length ?? 0); i++)
            {
                if (keys![i] != 0)
                {
                    var place = ~Find(keys[i], tags![i]);
                    (Keys[place], Tags[place]) = (keys[i], tags[i]);
                }
            }
        }

        private readonly int Distance(int from, int to) => to >= from ? to - from : to - from + Keys!.Length;
    }
}
