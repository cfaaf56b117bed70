using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The identities of the events held, in groups that go at once: what a group had is not found any more, and swept part by part. Of the 128
/// bits of an identity it keeps 72: 64 as the key, 8 by the shard. The hash is seeded in each process, so nobody can prepare two that meet;
/// among 50 million events one new event in 9 x 10^13 would be taken for a duplicate by chance. 12 to 15 bytes per identity. Each shard
/// grows by itself, so that growing is no pause. Not thread-safe.
/// </summary>
internal sealed class IdentitySet
{
    /// <summary>In how many parts it is swept.</summary>
    public const int Shards = 256;

    /// <summary>The group that never goes at once, for those that come when no other is left.</summary>
    public const ushort Ungrouped = 0;

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
    public void Touch(UInt128 identity) => _shards[ShardOf(identity)].Touch(KeyOf(identity));

    public bool Contains(UInt128 identity) => _shards[ShardOf(identity)].Find(KeyOf(identity), _gone, out _) >= 0;

    /// <summary>Adds an identity to a group; false where it is held.</summary>
    public bool Add(UInt128 identity, ushort group)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        var key = KeyOf(identity);
        if (shard.Find(key, _gone, out _) >= 0)
        {
            return false;
        }

        if (shard.IsFull)
        {
            shard.MakeRoom(_goneBefore.Count + _goneSince.Count > 0 ? _gone : null);
        }

        shard.Put(key, group);
        return true;
    }

    /// <summary>Takes an identity away that is held.</summary>
    public void Remove(UInt128 identity)
    {
        ref var shard = ref _shards[ShardOf(identity)];
        var line = shard.Find(KeyOf(identity), _gone, out var slot);
        shard.RemoveAt(line, slot);
    }

    private static int ShardOf(UInt128 identity) => (int)((uint)(ulong)(identity >> 64) & (Shards - 1));

    // A key of 0 means an empty slot.
    private static ulong KeyOf(UInt128 identity) => Math.Max((ulong)identity, 1);

    /// <summary>
    /// A table of lines. A key is in one of two near each other, whichever had more slots free, and so both are seldom full at nine tenths;
    /// if they were, it is in the first line behind the second that was not.
    /// </summary>
    private struct Shard
    {
        private const int SmallLength = 2_048;
        private const int PinnedLength = 256;

        private ulong[] _memory;
        private int _start;
        private int _length;
        private int _room;

        /// <summary>How many slots are taken.</summary>
        public int Count { get; private set; }

        public readonly bool IsFull => Count == _room;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Touch(ulong key)
        {
            if (_length > 0)
            {
                var (first, second) = LinesOf(key);
                Prefetch.Load(in At(first));
                Prefetch.Load(in At(second));
            }
        }

        /// <summary>The line that has the key, and the slot; -1 where none has.</summary>
        public readonly int Find(ulong key, bool[]? gone, out int slot)
        {
            slot = 0;
            if (_length == 0)
            {
                return -1;
            }

            var (first, second) = LinesOf(key);
            if (At(first).Has(key, gone, out slot))
            {
                return first;
            }

            var line = second;
            do
            {
                if (At(line).Has(key, gone, out slot))
                {
                    return line;
                }
            }
            while (At(line).Passed > 0 && (line = Behind(line)) != second);

            return -1;
        }

        /// <summary>Adds a key that it has not, for which there must be room.</summary>
        public void Put(ulong key, ushort group)
        {
            var (first, second) = LinesOf(key);
            var (free, freeInSecond) = (At(first).SlotsOf(0), At(second).SlotsOf(0));
            var isFirst = BitOperations.PopCount(free) >= BitOperations.PopCount(freeInSecond);
            var line = isFirst ? first : second;
            free = isFirst ? free : freeInSecond;
            if (free == 0)
            {
                for (line = second; (free = At(line).SlotsOf(0)) == 0; line = Behind(line))
                {
                    At(line).Passed++;
                }
            }

            At(line).Set(BitOperations.TrailingZeroCount(free), key, group);
            Count++;
        }

        public void RemoveAt(int line, int slot)
        {
            var (first, second) = LinesOf(At(line).Keys[slot]);
            if (line != first)
            {
                for (; second != line; second = Behind(second))
                {
                    At(second).Passed--;
                }
            }

            At(line).Set(slot, 0, Ungrouped);
            Count--;
        }

        /// <summary>Frees the slots of groups that are gone.</summary>
        public void Sweep(bool[]? gone)
        {
            if (_length > 0 && gone is not null && Array.IndexOf(gone, true) is >= 0 and var low)
            {
                RemoveGone(gone, (ushort)low, (ushort)Array.LastIndexOf(gone, true));
            }

            if (_length > 8 && Count < _room / 4)
            {
                Resize(_length / 2);
            }
        }

        /// <summary>Grows, unless enough of it is gone.</summary>
        public void MakeRoom(bool[]? gone)
        {
            if (gone is not null)
            {
                Sweep(gone);
            }

            if (Count >= _room / 8 * 7)
            {
                // By half while it is small: a store of one batch would spend its time on growing.
                Resize(_length < SmallLength ? Math.Max(1, ((_length * 3) + 1) / 2) : _length + (_length / 4));
            }
        }

        // Groups are given out in turn, so those that are gone are close to each other, and most lines are passed over at once.
        private void RemoveGone(bool[] gone, ushort low, ushort high)
        {
            for (var line = 0; line < _length; line++)
            {
                for (var some = At(line).SlotsOf(low, high); some != 0; some &= some - 1)
                {
                    var slot = BitOperations.TrailingZeroCount(some);
                    if (gone[At(line).Groups[slot]])
                    {
                        RemoveAt(line, slot);
                    }
                }
            }
        }

        private void Resize(int length)
        {
            var before = this;
            // Pinned, so that a line of it stays on one line of the cache; short ones, which die young, would leave holes.
            _memory = GC.AllocateArray<ulong>((length + 1) * Line.Words, pinned: length >= PinnedLength);
            _start = (int)((-Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0) / sizeof(ulong)) & (Line.Words - 1));
            (_length, _room) = (length, (int)(length * (long)Line.Slots * 9 / 10));
            // Placed as Put does, but by counts kept beside the lines: reading them back took a quarter longer.
            var taken = ArrayPool<byte>.Shared.Rent(length);
            taken.AsSpan(0, length).Clear();
            for (var line = 0; line < before._length; line++)
            {
                ref var from = ref before.At(line);
                for (var some = from.SlotsTaken; some != 0; some &= some - 1)
                {
                    var slot = BitOperations.TrailingZeroCount(some);
                    var key = from.Keys[slot];
                    var (first, second) = LinesOf(key);
                    var to = taken[second] < taken[first] ? second : first;
                    if (taken[to] == Line.Slots)
                    {
                        for (to = second; taken[to] == Line.Slots; to = Behind(to))
                        {
                            At(to).Passed++;
                        }
                    }

                    At(to).Set(taken[to]++, key, from.Groups[slot]);
                }
            }

            ArrayPool<byte>.Shared.Return(taken);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly ref Line At(int line) => ref MemoryMarshal.Cast<ulong, Line>(_memory.AsSpan(_start))[line];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly (int First, int Second) LinesOf(ulong key)
        {
            var hash = key * 0x9E37_79B9_7F4A_7C15;
            var first = (int)(((hash >> 32) * (ulong)_length) >> 32);
            // Most often on the same page.
            var second = first + 1 + (int)((hash >> 24) % 32);
            return (first, second < _length ? second : second % _length);
        }

        private readonly int Behind(int line) => line + 1 == _length ? 0 : line + 1;
    }

    /// <summary>One line of the cache: six keys and their groups.</summary>
    private struct Line
    {
        public const int Slots = 6;
        public const int Words = 8;

        public Six<ulong> Keys;
        public Six<ushort> Groups;

        /// <summary>How many keys are further behind because they found this one full.</summary>
        public uint Passed;

        private const uint All = (1 << Slots) - 1;

        /// <summary>The slots that are taken, a bit each.</summary>
        public readonly uint SlotsTaken => ~SlotsOf(0) & All;

        /// <summary>The slots of a key, or with 0 those that are free, a bit each.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly uint SlotsOf(ulong key) =>
            (uint)Vector512.Equals(Unsafe.BitCast<Line, Vector512<ulong>>(this), Vector512.Create(key)).ExtractMostSignificantBits() & All;

        /// <summary>The slots of groups between two, a bit each.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly uint SlotsOf(ushort low, ushort high)
        {
            var groups = Unsafe.BitCast<Line, Vector512<ushort>>(this).GetUpper().GetUpper() - Vector128.Create(low);
            return Vector128.LessThanOrEqual(groups, Vector128.Create((ushort)(high - low))).ExtractMostSignificantBits() & All;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly bool Has(ulong key, bool[]? gone, out int slot)
        {
            for (var some = SlotsOf(key); some != 0; some &= some - 1)
            {
                slot = BitOperations.TrailingZeroCount(some);
                if (gone?[Groups[slot]] != true)
                {
                    return true;
                }
            }

            slot = 0;
            return false;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Set(int slot, ulong key, ushort group) => (Keys[slot], Groups[slot]) = (key, group);
    }

    [InlineArray(Line.Slots)]
    private struct Six<T>
    {
        private T _first;
    }
}
