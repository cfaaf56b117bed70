namespace SuspiciousSignin.Stores;

/// <summary>
/// The entries of all series, in blocks that few large arrays hold, so that the garbage collector has nothing to look at and ingestion
/// makes none. An array holds blocks of one length; it goes when the last of them is returned. A block that a query may still read is given
/// anew only after that query has ended. Not thread-safe.
/// </summary>
internal sealed class EntryPool
{
    private const int OffsetBits = 13;
    private const int SlabLength = 1 << OffsetBits;
    private const int LongestShared = SlabLength / 4;
    private const int FirstBlocks = 8;
    private const int None = -1;

    private static readonly int[] Lengths = BuildLengths();

    private readonly List<Slab?> _slabs = [];
    private readonly Stack<int> _freeNumbers = new();
    private readonly Stack<Slab>[] _withRoom = [.. Lengths.Select(_ => new Stack<Slab>())];
    private readonly int[] _held = new int[Lengths.Length];
    private readonly Queue<(int Block, long Query)> _retired = new();
    private SeriesEntry[] _scratch = [];

    /// <summary>How many entries all arrays have room for, for tests.</summary>
    public long Capacity => _slabs.Sum(slab => (long)(slab?.Entries.Length ?? 0));

    /// <summary>The entries of a block and those that follow it.</summary>
    public Memory<SeriesEntry> this[int block] => _slabs[block >> OffsetBits]!.Entries.AsMemory(block & (SlabLength - 1));

    /// <summary>The entry at a place of a block.</summary>
    public ref SeriesEntry At(int block, int place) => ref _slabs[block >> OffsetBits]!.Entries[(block & (SlabLength - 1)) + place];

    /// <summary>
    /// A block for at least so many entries, and for so many more that whoever asks for one more each time copies little; what they hold
    /// means nothing.
    /// </summary>
    public int Rent(int length, out int capacity)
    {
        var kind = Array.BinarySearch(Lengths, length);
        kind = kind < 0 ? ~kind : kind;
        if (kind == Lengths.Length)
        {
            capacity = Longer(length);
            return AddSlab(capacity, 1, None).Take();
        }

        capacity = Lengths[kind];
        var withRoom = _withRoom[kind];
        while (withRoom.TryPeek(out var slab))
        {
            if (slab.HasRoom)
            {
                return slab.Take();
            }

            slab.IsListed = false;
            withRoom.Pop();
        }

        // As many again as there are: a store of few events stays small.
        var added = AddSlab(capacity, Math.Min(Math.Max(_held[kind], FirstBlocks), SlabLength / capacity), kind);
        _held[kind] += added.Blocks;
        withRoom.Push(added);
        added.IsListed = true;
        return added.Take();
    }

    /// <summary>Gives a block back.</summary>
    /// <param name="block">The block.</param>
    /// <param name="handedTo">The last query that it was handed to.</param>
    /// <param name="oldestQuery">The oldest query that runs.</param>
    public void Return(int block, long handedTo, long oldestQuery)
    {
        if (handedTo >= oldestQuery)
        {
            _retired.Enqueue((block, handedTo));
        }
        else
        {
            Free(block);
        }
    }

    /// <summary>Makes the blocks free that no query reads any more.</summary>
    /// <param name="oldestQuery">The oldest query that runs.</param>
    public void Reclaim(long oldestQuery)
    {
        while (_retired.TryPeek(out var retired) && retired.Query < oldestQuery)
        {
            _retired.Dequeue();
            Free(retired.Block);
        }
    }

    /// <summary>A copy that is good until the next call.</summary>
    public ReadOnlySpan<SeriesEntry> Copy(ReadOnlySpan<SeriesEntry> entries)
    {
        if (_scratch.Length < entries.Length)
        {
            _scratch = new SeriesEntry[entries.Length * 2];
        }

        entries.CopyTo(_scratch);
        return _scratch.AsSpan(0, entries.Length);
    }

    // By a half at first, then by less and less.
    private static int Longer(int length) => length + Math.Max(1, length / (length < 16 ? 2 : length < 64 ? 4 : 8));

    private static int[] BuildLengths()
    {
        var lengths = new List<int>();
        for (var length = 1; length <= LongestShared; length = Longer(length))
        {
            lengths.Add(length);
        }

        return [.. lengths];
    }

    private Slab AddSlab(int blockLength, int blocks, int kind)
    {
        if (!_freeNumbers.TryPop(out var number))
        {
            number = _slabs.Count;
            _slabs.Add(null);
        }

        var slab = new Slab(number, kind, blockLength, blocks);
        _slabs[number] = slab;
        return slab;
    }

    private void Free(int block)
    {
        var slab = _slabs[block >> OffsetBits]!;
        slab.GiveBack(block & (SlabLength - 1));
        if (slab.IsEmpty && (slab.Kind == None || _withRoom[slab.Kind].Count > 1))
        {
            _slabs[slab.Number] = null;
            _freeNumbers.Push(slab.Number);
            if (slab.Kind != None)
            {
                _held[slab.Kind] -= slab.Blocks;
            }

            slab.Drop();
        }
        else if (!slab.IsListed)
        {
            slab.IsListed = true;
            _withRoom[slab.Kind].Push(slab);
        }
    }

    /// <summary>Blocks of one length.</summary>
    private sealed class Slab(int number, int kind, int blockLength, int blocks)
    {
        private int _used;
        private int _live;
        private int _free = None;

        public int Number => number;

        /// <summary>Which of the lengths, or <see cref="None"/> for a block that has an array for itself.</summary>
        public int Kind => kind;

        public int Blocks => blocks;

        public SeriesEntry[] Entries { get; private set; } = GC.AllocateUninitializedArray<SeriesEntry>(blockLength * blocks);

        /// <summary>Whether it is among those with room; it may have none left.</summary>
        public bool IsListed { get; set; }

        public bool IsEmpty => _live == 0;

        public bool HasRoom => _free != None || _used < Entries.Length;

        public int Take()
        {
            var offset = _free;
            if (offset == None)
            {
                offset = _used;
                _used += blockLength;
            }
            else
            {
                // A free block tells the next one.
                _free = Entries[offset].Account;
            }

            _live++;
            return (number << OffsetBits) | offset;
        }

        public void GiveBack(int offset)
        {
            Entries[offset] = default(SeriesEntry) with { Account = _free };
            _free = offset;
            _live--;
        }

        public void Drop() => (Entries, _used, _free) = ([], 0, None);
    }
}
