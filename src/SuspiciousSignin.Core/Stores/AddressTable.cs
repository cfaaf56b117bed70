using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>The series by their addresses, and by the numbers that they get. Not thread-safe.</summary>
internal sealed class AddressTable
{
    /// <summary>No number.</summary>
    public const int Unknown = -1;

    private const int SegmentBits = 10;
    private const int SegmentLength = 1 << SegmentBits;

    private readonly NumberTable _numbers = new(shards: 256);
    private readonly Stack<int> _free = new();
    private readonly ulong _seed = MemoryMarshal.Read<ulong>(RandomNumberGenerator.GetBytes(sizeof(ulong)));
    private readonly ulong _secondSeed = MemoryMarshal.Read<ulong>(RandomNumberGenerator.GetBytes(sizeof(ulong)));
    private AddressSeries[][] _segments = [];
    private int _end;

    /// <summary>How many addresses are held.</summary>
    public int Count => _end - _free.Count;

    /// <summary>One more than the greatest number.</summary>
    public int End => _end;

    public ref AddressSeries this[int number] => ref _segments[number >> SegmentBits][number & (SegmentLength - 1)];

    /// <summary>Loads what stands at the number, most likely on two lines of the cache.</summary>
    public void TouchAt(int number)
    {
        Prefetch.Load(in this[number].Address);
        this[number].TouchEnd();
    }

    /// <summary>A hash that nobody outside can foresee.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong HashOf(SourceAddress address)
    {
        var high = Math.BigMul((ulong)(address.Value >> 64) ^ _seed, (ulong)address.Value ^ _secondSeed, out var low);
        high = Math.BigMul(high ^ low ^ _seed, 0x9E37_79B9_7F4A_7C15, out low);
        return high ^ low;
    }

    /// <summary>Loads what <see cref="Find(SourceAddress, int)"/> looks at first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Touch(ulong hash) => _numbers.Touch(hash);

    /// <summary>The number of some address of the hash, not compared, and loads what stands there; -1 where there is none.</summary>
    public int Peek(ulong hash)
    {
        var place = NumberTable.Start;
        var number = _numbers.Next(hash, ref place);
        if (number >= 0)
        {
            TouchAt(number);
        }

        return number;
    }

    /// <summary>The number of an address; <see cref="Unknown"/> where it is not held.</summary>
    /// <param name="address">The address.</param>
    /// <param name="likely">The number that it had, which may be another's by now, or <see cref="Unknown"/>.</param>
    public int Find(SourceAddress address, int likely = Unknown) =>
        Is(address, likely) ? likely : Find(address, HashOf(address));

    private bool Is(SourceAddress address, int number) => number != Unknown && this[number].Address == address && this[number].IsUsed;

    /// <summary>The number of an address of that hash.</summary>
    private int Find(SourceAddress address, ulong hash)
    {
        var place = NumberTable.Start;
        int number;
        do
        {
            number = _numbers.Next(hash, ref place);
        }
        while (number >= 0 && this[number].Address != address);

        return number;
    }

    /// <summary>The number of an address, made where it is not held.</summary>
    /// <param name="address">The address.</param>
    /// <param name="hash">Its hash.</param>
    /// <param name="likely">What <see cref="Peek"/> told, or <see cref="Unknown"/>.</param>
    public int GetOrAdd(SourceAddress address, ulong hash, int likely)
    {
        var number = Is(address, likely) ? likely : Find(address, hash);
        if (number >= 0)
        {
            return number;
        }

        if (!_free.TryPop(out number))
        {
            number = _end++;
            if (number >> SegmentBits == _segments.Length)
            {
                _segments = [.. _segments, new AddressSeries[SegmentLength]];
            }
        }

        this[number] = new AddressSeries { Address = address };
        _numbers.Add(hash, number);
        return number;
    }

    /// <summary>Takes an address away, which must have given back its entries; its number may be another's at once.</summary>
    public void Remove(int number)
    {
        _numbers.Remove(HashOf(this[number].Address), number);
        this[number] = default;
        _free.Push(number);
    }
}
