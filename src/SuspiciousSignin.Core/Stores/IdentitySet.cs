using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The identities of the events held, in groups that go at once: what a group had is not found any more, and swept part by part. Of the 128
/// bits of an identity it keeps 72: 64 as the key, 8 by the shard. The hash is seeded in each process, so nobody can prepare two that meet;
/// among 50 million events one new event in 9 x 10^13 would be taken for a duplicate by chance. About 13 bytes per identity. Each shard
/// grows by itself and, once it is not small, by an eighth, so that growing is no pause. Not thread-safe.
/// </summary>
internal sealed class IdentitySet
{
    /// <summary>In how many parts it is swept.</summary>
    public const int Shards = 256;

    /// <summary>The group that never goes at once, for those that come when no other is left.</summary>
    public const ushort Ungrouped = 0;

    private const int FirstCapacity = 16;

    /// <summary>
    /// Up to here a shard grows by half: a store of one batch, or of the first million events, would spend its time on growing.
    /// </summary>
    private const int SmallCapacity = 12_288;

    private readonly Shard[] _shards = new Shard[Shards];
    private readonly Queue<ushort> _free = new();
    private bool[]? _gone;
    private List<ushort> _goneBefore = [];
    private List<ushort> _goneSince = [];
    private int _groups = 1;

    /// <summary>How many are held, with those that went and were not swept yet.</summary>
    public int Count => _shards.Sum(static shard => shard.Count);

    /// <summary>A group, good until it is let go; <see cref="Ungrouped"/> where none is left.</summary>
    public ushort TakeGroup() => _free.TryDequeue(out var group) ? group : _groups <= ushort.MaxValue ? (ushort)_groups++ : Ungrouped;

    /// <summary>Lets all identities of a group go.</summary>
    public void LetGo(ushort group)
    {
        _gone ??= new bool[ushort.MaxValue + 1];
        _gone[group] = true;
        _goneSince.Add(group);
    }

    /// <summary>
    /// Makes the places free that one shard has of groups that were let go. After all shards, from the first to the last, the groups
    /// themselves are free that were gone when the first was swept.
    /// </summary>
    public void Sweep(int shard)
    {
        if (shard == 0)
        {
            (_goneBefore, _goneSince) = (_goneSince, _goneBefore);
        }

        _shards[shard].Sweep(_gone);
        if (shard == Shards - 1)
        {
            foreach (var group in _goneBefore)
            {
                _gone![group] = false;
                _free.Enqueue(group);
            }

            _goneBefore.Clear();
        }
    }

    /// <summary>Loads what a later call for the identity looks at first, so that the waits for memory overlap.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Touch(UInt128 identity)
    {
        ref readonly var shard = ref _shards[ShardOf(identity)];
        if (shard.Keys is { } keys)
        {
            var place = PlaceOf(KeyOf(identity), keys.Length);
            Prefetch.Load(in keys[place]);
            Prefetch.Load(in keys[Math.Min(place + Vector512<ulong>.Count - 1, keys.Length - 1)]);
            Prefetch.Load(in shard.Groups![place]);
        }
    }

    public bool Contains(UInt128 identity)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        return shard.Keys is not null && shard.Find(KeyOf(identity), _gone) >= 0;
    }

    /// <summary>Adds an identity to a group; false where it is held.</summary>
    public bool Add(UInt128 identity, ushort group)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        if (shard.Keys is null || (shard.Count + 1) * 5L > shard.Keys.Length * 4L)
        {
            shard.MakeRoom(_goneBefore.Count + _goneSince.Count > 0 ? _gone : null);
        }

        var key = KeyOf(identity);
        var place = shard.Find(key, _gone);
        if (place >= 0)
        {
            return false;
        }

        shard.Put(~place, key, group);
        return true;
    }

    /// <summary>Takes an identity away that is held.</summary>
    public void Remove(UInt128 identity)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        shard.RemoveAt(shard.Find(KeyOf(identity), _gone));
    }

    private static int ShardOf(UInt128 identity) => (int)((uint)(ulong)(identity >> 64) & (Shards - 1));

    // A key of 0 means an empty place.
    private static ulong KeyOf(UInt128 identity) => Math.Max((ulong)identity, 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PlaceOf(ulong key, int capacity) => (int)((((key * 0x9E37_79B9_7F4A_7C15) >> 32) * (ulong)capacity) >> 32);

    private struct Shard
    {
        public ulong[]? Keys;
        public ushort[]? Groups;

        /// <summary>How many places are taken.</summary>
        public int Count;

        /// <summary>Where the key is, else the complement of the place where it would go.</summary>
        public readonly int Find(ulong key, bool[]? gone)
        {
            var keys = Keys!;
            var place = PlaceOf(key, keys.Length);
            // Eight at once: who is not there passes over as many before a place is free.
            for (; place <= keys.Length - Vector512<ulong>.Count; place += Vector512<ulong>.Count)
            {
                var some = Vector512.Create<ulong>(keys.AsSpan(place));
                var ends = (Vector512.Equals(some, Vector512<ulong>.Zero) | Vector512.Equals(some, Vector512.Create(key)))
                    .ExtractMostSignificantBits();
                if (ends != 0)
                {
                    place += BitOperations.TrailingZeroCount(ends);
                    break;
                }
            }

            for (; ; place++)
            {
                place = place == keys.Length ? 0 : place;
                if (keys[place] == 0)
                {
                    return ~place;
                }

                if (keys[place] == key && gone?[Groups![place]] != true)
                {
                    return place;
                }
            }
        }

        public void Put(int place, ulong key, ushort group)
        {
            (Keys![place], Groups![place]) = (key, group);
            Count++;
        }

        /// <summary>Frees a place, and moves back whoever stands further from home than the gap, so that no search ends at it.</summary>
        public void RemoveAt(int gap)
        {
            var (keys, groups) = (Keys!, Groups!);
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
                    (keys[gap], groups[gap]) = (keys[next], groups[next]);
                    gap = next;
                }
            }

            (keys[gap], groups[gap]) = (0, Ungrouped);
            Count--;
        }

        /// <summary>Frees the places of groups that are gone.</summary>
        public void Sweep(bool[]? gone)
        {
            var keys = Keys ?? [];
            if (keys.Length > 0 && gone is not null && Array.IndexOf(gone, true) is >= 0 and var low)
            {
                RemoveGone(keys, gone, (ushort)low, (ushort)Array.LastIndexOf(gone, true));
            }

            if (keys.Length > 4 * FirstCapacity && Count < keys.Length / 4)
            {
                Resize(keys.Length / 2);
            }
        }

        /// <summary>Grows, unless enough of it is gone.</summary>
        public void MakeRoom(bool[]? gone)
        {
            if (gone is not null)
            {
                Sweep(gone);
            }

            var length = Keys?.Length ?? 0;
            if (Count * 10L >= length * 7L)
            {
                Resize(length < SmallCapacity ? Math.Max(FirstCapacity, length * 3 / 2) : length + (length / 8));
            }
        }

        // Groups are given out in turn, so those that are gone are close to each other, and most places are passed over many at once.
        private void RemoveGone(ulong[] keys, bool[] gone, ushort low, ushort high)
        {
            for (var place = NextOf(0, low, high); place < keys.Length; place = NextOf(place + 1, low, high))
            {
                Prefetch.Load(in keys[place]);
                Prefetch.Load(in keys[Math.Min(place + Vector512<ulong>.Count, keys.Length - 1)]);
            }

            for (var place = NextOf(0, low, high); place < keys.Length; place = NextOf(place, low, high))
            {
                if (gone[Groups![place]])
                {
                    RemoveAt(place);
                }
                else
                {
                    place++;
                }
            }
        }

        /// <summary>The first place, at or behind one, of a group between two; the length where there is none.</summary>
        private readonly int NextOf(int place, ushort low, ushort high) =>
            Groups.AsSpan(place).IndexOfAnyInRange(low, high) is >= 0 and var next ? place + next : Groups!.Length;

        private void Resize(int capacity)
        {
            var (keys, groups) = (Keys ?? [], Groups ?? []);
            (Keys, Groups) = (new ulong[capacity], new ushort[capacity]);
            for (var i = 0; i < keys.Length; i++)
            {
                if (keys[i] != 0)
                {
                    var place = PlaceOf(keys[i], capacity);
                    while (Keys[place] != 0)
                    {
                        place = place + 1 == capacity ? 0 : place + 1;
                    }

                    (Keys[place], Groups[place]) = (keys[i], groups[i]);
                }
            }
        }

        private readonly int Distance(int from, int to) => to >= from ? to - from : to - from + Keys!.Length;
    }
}
