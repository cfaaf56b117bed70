using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace SuspiciousSignin.Events;

/// <summary>
/// Passes over objects and arrays by where their tokens begin, which is found for 64 bytes at once, so that the bytes in between need not
/// be looked at one by one. It accepts as strictly as <see cref="JsonBytes"/>, and leaves whatever it does not accept to that, which tells
/// what is wrong.
/// </summary>
internal sealed class JsonStructure
{
    /// <summary>Neither accepted nor refused here.</summary>
    public const int Unsure = -1;

    private const int BlockLength = 64;

    /// <summary>How deep it follows, a bit for each container.</summary>
    private const int MaxDepth = 64;

    /// <summary>Places in longer texts would need more than two bytes each.</summary>
    private const int LongestText = ushort.MaxValue;

    /// <summary>Places are written so many at once, whether there are so many or not.</summary>
    private const int Stride = 8;

    /// <summary>The tokens before the value of an object's first member, as two bytes.</summary>
    private const uint FirstMember = '"' | (':' << 8);

    /// <summary>The tokens between a member and the value of the next, as three bytes.</summary>
    private const uint NextMember = ',' | (FirstMember << 8);

    /// <summary>For each byte where its bits are set, the lowest first, a byte each.</summary>
    private static readonly ulong[] Places = PlacesOfBits();

    // Where tokens begin, counted from where the index does, and the byte that is there; behind the last, the end of the text and 0.
    private ushort[] _tokens = new ushort[1024];
    private byte[] _firsts = new byte[1024];
    private readonly byte[] _last = new byte[BlockLength];
    private int _start;
    private int _next;
    private State _state;

    private enum State
    {
        NotIndexed,
        Indexed,
        NotIndexable,
    }

    /// <summary>Begins with another text.</summary>
    public void Clear() => _state = State.NotIndexed;

    /// <summary>The position behind the object or the array that begins here, or <see cref="Unsure"/>.</summary>
    /// <param name="json">The text, valid UTF-8; the same until it is cleared.</param>
    /// <param name="at">Where its bracket stands; not before one that was asked for.</param>
    /// <param name="depth">How many more levels it may nest.</param>
    public int Skip(ReadOnlySpan<byte> json, int at, int depth)
    {
        if (_state == State.NotIndexed)
        {
            _next = 0;
            _state = json.Length - at is >= BlockLength and <= LongestText && TryIndex(json, at) ? State.Indexed : State.NotIndexable;
        }

        if (_state == State.NotIndexable)
        {
            return Unsure;
        }

        while (_tokens[_next] < at - _start)
        {
            _next++;
        }

        var behind = _tokens[_next] == at - _start ? SkipTokens(json[_start..], Math.Min(depth, MaxDepth)) : Unsure;
        return behind == Unsure ? Unsure : _start + behind;
    }

    // By itself, as the indexing is: where both become part of what calls them, the compiler has no room left to inline what they call.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private int SkipTokens(ReadOnlySpan<byte> json, int depth)
    {
        var tokens = _tokens.AsSpan();
        var firsts = _firsts.AsSpan();
        var (token, open, objects) = (_next, 0, 0UL);
        while (true)
        {
            var first = firsts[token++];
            if (first is (byte)'{' or (byte)'[')
            {
                if (open == depth)
                {
                    return Unsure;
                }

                if (firsts[token] == first + 2)
                {
                    // Empty: each bracket that closes is two behind the one that opens.
                    token++;
                }
                else
                {
                    open++;
                    objects = (objects << 1) | (first == '{' ? 1UL : 0);
                    if (first == '{')
                    {
                        if (BinaryPrimitives.ReadUInt16LittleEndian(firsts[token..]) != FirstMember)
                        {
                            return Unsure;
                        }

                        token += 2;
                    }

                    continue;
                }
            }
            else if (first != '"' && !IsNumber(json, tokens[token - 1], tokens[token]) && !IsScalar(json, tokens[token - 1]))
            {
                return Unsure;
            }

            while (true)
            {
                if (open == 0)
                {
                    _next = token;
                    return tokens[token - 1] + 1;
                }

                var next = BinaryPrimitives.ReadUInt32LittleEndian(firsts[token..]);
                var isObject = (objects & 1) != 0;
                if (isObject ? (next & 0xFF_FFFF) == NextMember : (byte)next == ',')
                {
                    token += isObject ? 3 : 1;
                    break;
                }

                if ((byte)next != (isObject ? '}' : ']'))
                {
                    return Unsure;
                }

                token++;
                open--;
                objects >>= 1;
            }
        }
    }

    /// <summary>Whether it is all digits up to the next token, as most numbers are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsNumber(ReadOnlySpan<byte> json, int at, int next)
    {
        if (next - at > Vector128<byte>.Count || json.Length - at < Vector128<byte>.Count || json[at] == '0')
        {
            return false;
        }

        var values = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(json), (nuint)at) - Vector128.Create((byte)'0');
        var others = ~Vector128.Equals(Vector128.Min(values, Vector128.Create((byte)9)), values).ExtractMostSignificantBits();
        return BitOperations.TrailingZeroCount(others) >= next - at;
    }

    private static bool IsScalar(ReadOnlySpan<byte> json, int at)
    {
        var end = JsonBytes.SkipScalar(json, at);
        return end >= 0
            && JsonBytes.At(json, end) is (byte)',' or (byte)'}' or (byte)']' or (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';
    }

    /// <summary>Finds the tokens from here on; false where the text cannot be valid.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryIndex(ReadOnlySpan<byte> json, int at)
    {
        _start = at;
        var most = json.Length - at + (2 * BlockLength);
        if (_tokens.Length < most)
        {
            _tokens = new ushort[Math.Max(most, 2 * _tokens.Length)];
            _firsts = new byte[_tokens.Length];
        }

        // What the block before hands on: all bits where it ends in a string, the lowest where it ends in a scalar or in a backslash that
        // escapes.
        var (inString, inScalar, isEscaped) = (0UL, 0UL, 0UL);
        ref var text = ref MemoryMarshal.GetReference(json);
        ref var tokens = ref MemoryMarshal.GetArrayDataReference(_tokens);
        ref var firsts = ref MemoryMarshal.GetArrayDataReference(_firsts);
        var count = 0;
        for (; at < json.Length; at += BlockLength)
        {
            ref var block = ref Unsafe.Add(ref text, at);
            if (json.Length - at < BlockLength)
            {
                // Behind the end of the text, spaces.
                json[at..].CopyTo(_last);
                _last.AsSpan(json.Length - at).Fill((byte)' ');
                block = ref MemoryMarshal.GetArrayDataReference(_last);
            }

            var bytes = Vector512.LoadUnsafe(ref block);
            var backslashes = Vector512.Equals(bytes, Vector512.Create((byte)'\\')).ExtractMostSignificantBits();
            var quotes = Vector512.Equals(bytes, Vector512.Create((byte)'"')).ExtractMostSignificantBits();
            var controls = Vector512.LessThan(bytes, Vector512.Create((byte)' ')).ExtractMostSignificantBits();
            var spaces = Vector512.LessThanOrEqual(bytes, Vector512.Create((byte)' ')).ExtractMostSignificantBits();
            var punctuation = IsPunctuation(bytes).ExtractMostSignificantBits();
            if ((backslashes | isEscaped) != 0)
            {
                var escaped = EscapedBy(backslashes, ref isEscaped);
                var others = escaped & ~(quotes | backslashes);
                if (others != 0 && !AreEscapes(json, at, others))
                {
                    return false;
                }

                quotes &= ~escaped;
            }

            var strings = PrefixXor(quotes) ^ inString;
            inString = (ulong)((long)strings >> (BlockLength - 1));
            if (controls != 0 && ((controls & strings) != 0 || !AreSpaces(ref block, controls)))
            {
                return false;
            }

            var scalars = ~(punctuation | quotes | spaces);
            var starts = ((punctuation | (scalars & ~((scalars << 1) | inScalar))) & ~strings) | (quotes & strings);
            inScalar = scalars >> (BlockLength - 1);
            Write(starts, at - _start, ref block, ref Unsafe.Add(ref tokens, count), ref Unsafe.Add(ref firsts, count));
            count += BitOperations.PopCount(starts);
        }

        _tokens[count] = (ushort)(json.Length - _start);
        _firsts.AsSpan(count, sizeof(uint)).Clear();
        return inString == 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> IsPunctuation(Vector512<byte> bytes)
    {
        // Square brackets differ from curly ones in one bit.
        var curly = bytes | Vector512.Create((byte)0x20);
        return Vector512.Equals(curly, Vector512.Create((byte)'{')) | Vector512.Equals(curly, Vector512.Create((byte)'}'))
            | Vector512.Equals(bytes, Vector512.Create((byte)':')) | Vector512.Equals(bytes, Vector512.Create((byte)','));
    }

    /// <summary>
    /// Writes the places of the bits and the bytes there, many at once: a loop over single ones would take longer than all else here.
    /// </summary>
    /// <param name="starts">A bit for each byte of a block where a token begins.</param>
    /// <param name="at">The place of the block.</param>
    /// <param name="block">The block.</param>
    /// <param name="tokens">Where the places go; so many are written as the block has bytes.</param>
    /// <param name="firsts">Where the bytes go, likewise.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(ulong starts, int at, ref byte block, ref ushort tokens, ref byte firsts)
    {
        if (Avx512Vbmi2.IsSupported)
        {
            // For each of 64 bits, the byte of eight that it is in, and its place there.
            var byteOfBit = Vector512.Create(
                0UL, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303,
                0x0404040404040404, 0x0505050505050505, 0x0606060606060606, 0x0707070707070707).AsByte();
            var bitOfByte = Vector512.Create(0x8040201008040201).AsByte();
            var isStart = Vector512.Equals(Avx512BW.Shuffle(Vector512.Create(starts).AsByte(), byteOfBit) & bitOfByte, bitOfByte);
            Avx512Vbmi2.Compress(Vector512<byte>.Zero, isStart, Vector512.LoadUnsafe(ref block)).StoreUnsafe(ref firsts);
            var places = Avx512Vbmi2.Compress(Vector512<byte>.Zero, isStart, Vector512<byte>.Indices);
            (Vector512.WidenLower(places) + Vector512.Create((ushort)at)).StoreUnsafe(ref tokens);
            if (BitOperations.PopCount(starts) > Vector512<ushort>.Count)
            {
                (Vector512.WidenUpper(places) + Vector512.Create((ushort)at)).StoreUnsafe(ref tokens, (nuint)Vector512<ushort>.Count);
            }

            return;
        }

        ref var placesOfBits = ref MemoryMarshal.GetArrayDataReference(Places);
        var (count, offset) = (0, Vector128.Create((ushort)at));
        for (var stride = 0; stride < BlockLength; stride += Stride)
        {
            var eight = (byte)(starts >> stride);
            var places = Vector128.CreateScalarUnsafe(Unsafe.Add(ref placesOfBits, (int)eight)).AsByte();
            var bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref block, stride))).AsByte();
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref firsts, count), Vector128.Shuffle(bytes, places).AsUInt64().ToScalar());
            (Vector128.WidenLower(places) + offset).StoreUnsafe(ref tokens, (nuint)count);
            offset += Vector128.Create((ushort)Stride);
            count += BitOperations.PopCount(eight);
        }
    }

    /// <summary>The bytes behind backslashes that are not themselves behind one.</summary>
    /// <param name="backslashes">The backslashes of a block.</param>
    /// <param name="isFirstEscaped">Whether the first byte of the block is behind one; of the next block then.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong EscapedBy(ulong backslashes, ref ulong isFirstEscaped)
    {
        var escaped = (backslashes << 1) | isFirstEscaped;
        if ((escaped & backslashes) != 0)
        {
            // Of backslashes in a row, only every other one escapes.
            escaped = isFirstEscaped;
            for (var rest = backslashes & ~escaped; rest != 0;)
            {
                var behind = (rest & (0 - rest)) << 1;
                escaped |= behind;
                rest &= (rest - 1) & ~behind;
            }
        }

        isFirstEscaped = (backslashes & ~escaped) >> (BlockLength - 1);
        return escaped;
    }

    private static bool AreEscapes(ReadOnlySpan<byte> json, int block, ulong escaped)
    {
        for (; escaped != 0; escaped &= escaped - 1)
        {
            if (JsonBytes.SkipEscape(json, block + BitOperations.TrailingZeroCount(escaped)) < 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether the control characters are those that may stand between tokens.</summary>
    private static bool AreSpaces(ref byte block, ulong controls)
    {
        var bytes = Vector512.LoadUnsafe(ref block);
        var allowed = Vector512.Equals(bytes, Vector512.Create((byte)'\n'))
            | Vector512.Equals(bytes, Vector512.Create((byte)'\r'))
            | Vector512.Equals(bytes, Vector512.Create((byte)'\t'));
        return (controls & ~allowed.ExtractMostSignificantBits()) == 0;
    }

    /// <summary>
    /// A bit is set where an odd number of bits up to its own is: from each quote that opens to before the one that closes.
    /// </summary>
    private static ulong PrefixXor(ulong bits)
    {
        bits ^= bits << 1;
        bits ^= bits << 2;
        bits ^= bits << 4;
        bits ^= bits << 8;
        bits ^= bits << 16;
        return bits ^ (bits << 32);
    }

    private static ulong[] PlacesOfBits()
    {
        var places = new ulong[256];
        for (var bits = 0; bits < places.Length; bits++)
        {
            var at = 0;
            for (var rest = bits; rest != 0; rest &= rest - 1)
            {
                places[bits] |= (ulong)BitOperations.TrailingZeroCount(rest) << (8 * at++);
            }
        }

        return places;
    }
}
