using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SuspiciousSignin.Events;

/// <summary>
/// Passes over JSON (RFC 8259) in valid UTF-8 without making tokens of it, as strictly as <see cref="System.Text.Json.Utf8JsonReader"/>:
/// what this accepts that accepts, and the other way round (a test compares both on mutated documents). Positions go in and come out; a
/// negative one is <see cref="Unsure"/>, or says where the text is malformed.
/// </summary>
internal static class JsonBytes
{
    /// <summary>Neither accepted nor refused here: somebody with more time has to look.</summary>
    public const int Unsure = int.MinValue;

    /// <summary>The deepest nesting that <see cref="SkipValue"/> follows.</summary>
    public const int MaxDepth = 1024;

    private const int BitsPerWord = 64;

    /// <summary>The text is no JSON; the position where it went wrong is told by <see cref="PositionOf"/>.</summary>
    public static int Malformed(int at) => ~at;

    /// <summary>Where the text went wrong.</summary>
    public static int PositionOf(int malformed) => ~malformed;

    /// <summary>The byte at the position; 0, which stands nowhere between tokens, at the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte At(ReadOnlySpan<byte> json, int at) => (uint)at < (uint)json.Length ? json[at] : (byte)0;

    /// <summary>The first position that is not white space.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SkipSpace(ReadOnlySpan<byte> json, int at) => At(json, at) > ' ' ? at : SkipMoreSpace(json, at);

    /// <summary>The position of the quote that ends the string, or malformed.</summary>
    /// <param name="json">The text.</param>
    /// <param name="at">Just behind the quote that begins it.</param>
    /// <param name="hasEscapes">Set where the string holds a backslash; left as it is otherwise.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int EndOfString(ReadOnlySpan<byte> json, int at, ref bool hasEscapes)
    {
        if (json.Length - at >= Vector256<byte>.Count)
        {
            var special = Special(Load(json, at));
            var end = at + BitOperations.TrailingZeroCount(special);
            if (special != 0 && json[end] == '"')
            {
                return end;
            }
        }

        return EndOfLongString(json, at, ref hasEscapes);
    }

    /// <summary>The position behind a value that begins here.</summary>
    /// <param name="json">The text.</param>
    /// <param name="at">Where the value begins.</param>
    /// <param name="depth">How many more levels it may nest; at most <see cref="MaxDepth"/>.</param>
    public static int SkipValue(ReadOnlySpan<byte> json, int at, int depth)
    {
        // A bit per open container, set for an object, the innermost lowest. A stack of its own, so that hostile nesting costs no stack
        // frames.
        var (open, objects) = (0, 0UL);
        Span<ulong> outer = stackalloc ulong[MaxDepth / BitsPerWord];
        while (true)
        {
            var first = At(json, at);
            if (first == '"')
            {
                var ignored = false;
                at = EndOfString(json, at + 1, ref ignored);
                if (at < 0)
                {
                    return at;
                }

                at++;
            }
            else if (first is (byte)'{' or (byte)'[')
            {
                if (open >= depth)
                {
                    return Unsure;
                }

                at = SkipSpace(json, at + 1);
                if (At(json, at) == first + 2)
                {
                    // Empty: each bracket that closes is two behind the one that opens.
                    at++;
                }
                else
                {
                    if (open % BitsPerWord == 0)
                    {
                        outer[open / BitsPerWord] = objects;
                    }

                    open++;
                    objects = (objects << 1) | (first == '{' ? 1UL : 0);
                    if (first == '{')
                    {
                        at = SkipKey(json, at);
                        if (at < 0)
                        {
                            return at;
                        }
                    }

                    continue;
                }
            }
            else
            {
                at = SkipScalar(json, at);
                if (at < 0)
                {
                    return at;
                }
            }

            while (true)
            {
                if (open == 0)
                {
                    return at;
                }

                at = SkipSpace(json, at);
                var next = At(json, at);
                if (next == ',')
                {
                    at = SkipSpace(json, at + 1);
                    if ((objects & 1) != 0)
                    {
                        at = SkipKey(json, at);
                        if (at < 0)
                        {
                            return at;
                        }
                    }

                    break;
                }

                if (next != ((objects & 1) != 0 ? '}' : ']'))
                {
                    return Malformed(at);
                }

                at++;
                objects >>= 1;
                if (--open % BitsPerWord == 0)
                {
                    objects = outer[open / BitsPerWord];
                }
            }
        }
    }

    /// <summary>The position behind a number or a literal.</summary>
    public static int SkipScalar(ReadOnlySpan<byte> json, int at) => At(json, at) switch
    {
        (byte)'t' => SkipLiteral(json, at, "true"u8),
        (byte)'f' => SkipLiteral(json, at, "false"u8),
        (byte)'n' => SkipLiteral(json, at, "null"u8),
        _ => SkipNumber(json, at),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int SkipKey(ReadOnlySpan<byte> json, int at)
    {
        if (At(json, at) != '"')
        {
            return Malformed(at);
        }

        var ignored = false;
        at = EndOfString(json, at + 1, ref ignored);
        if (at < 0)
        {
            return at;
        }

        at = At(json, at + 1) == ':' ? at + 1 : SkipSpace(json, at + 1);
        return At(json, at) == ':' ? SkipSpace(json, at + 1) : Malformed(at);
    }

    /// <summary>Whether a line, or as much of it as came, is longer than so many bytes; of CR LF both end the line.</summary>
    public static bool IsLongerThan(in ReadOnlySequence<byte> line, int bytes) =>
        line.Length > bytes && !(line.Length == bytes + 1L && line.Slice(bytes).FirstSpan[0] == '\r');

    /// <summary>Whether there is nothing but space on a line.</summary>
    public static bool IsBlank(in ReadOnlySequence<byte> line)
    {
        foreach (var segment in line)
        {
            if (segment.Span.ContainsAnyExcept(" \t\r"u8))
            {
                return false;
            }
        }

        return true;
    }

    private static int SkipMoreSpace(ReadOnlySpan<byte> json, int at)
    {
        while (At(json, at) is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r')
        {
            at++;
        }

        return at;
    }

    // Whoever calls has compared the length.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Load(ReadOnlySpan<byte> json, int at) =>
        Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(json), (nuint)at);

    /// <summary>A bit per byte that ends a string, begins an escape, or may not stand in a string.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Special(Vector256<byte> bytes) =>
        (Vector256.Equals(bytes, Vector256.Create((byte)'"'))
            | Vector256.Equals(bytes, Vector256.Create((byte)'\\'))
            | Vector256.Equals(Vector256.Min(bytes, Vector256.Create((byte)0x1F)), bytes)).ExtractMostSignificantBits();

    private static int EndOfLongString(ReadOnlySpan<byte> json, int at, ref bool hasEscapes)
    {
        while (json.Length - at >= Vector256<byte>.Count)
        {
            var special = Special(Load(json, at));
            var next = at + Vector256<byte>.Count;
            while (special != 0)
            {
                var end = at + BitOperations.TrailingZeroCount(special);
                if (json[end] == '"')
                {
                    return end;
                }

                if (json[end] != '\\')
                {
                    return Malformed(end);
                }

                hasEscapes = true;
                var behind = At(json, end + 1) == '"' ? end + 2 : SkipEscape(json, end + 1);
                if (behind < 0)
                {
                    return behind;
                }

                next = Math.Max(next, behind);
                special = behind - at < Vector256<byte>.Count ? special & (uint.MaxValue << (behind - at)) : 0;
            }

            at = next;
        }

        while (true)
        {
            var next = At(json, at);
            while (next >= 0x20 && next is not ((byte)'"' or (byte)'\\'))
            {
                next = At(json, ++at);
            }

            switch (next)
            {
                case (byte)'"':
                    return at;

                case (byte)'\\':
                    hasEscapes = true;
                    at = SkipEscape(json, at + 1);
                    if (at < 0)
                    {
                        return at;
                    }

                    break;

                default:
                    return Malformed(at);
            }
        }
    }

    /// <summary>The position behind what follows a backslash.</summary>
    public static int SkipEscape(ReadOnlySpan<byte> json, int at)
    {
        switch (At(json, at))
        {
            case (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t':
                return at + 1;

            case (byte)'u':
                for (var digit = 1; digit <= 4; digit++)
                {
                    if (!char.IsAsciiHexDigit((char)At(json, at + digit)))
                    {
                        return Malformed(at + digit);
                    }
                }

                return at + 5;

            default:
                return Malformed(at);
        }
    }

    private static int SkipLiteral(ReadOnlySpan<byte> json, int at, ReadOnlySpan<byte> literal)
    {
        for (var i = 1; i < literal.Length; i++)
        {
            if (At(json, at + i) != literal[i])
            {
                return Malformed(at + i);
            }
        }

        return at + literal.Length;
    }

    private static int SkipNumber(ReadOnlySpan<byte> json, int at)
    {
        var first = At(json, at);
        if (first == '-')
        {
            first = At(json, ++at);
        }

        at = first == '0' ? at + 1 : SkipDigits(json, at);
        return at < 0 || At(json, at) is not ((byte)'.' or (byte)'e' or (byte)'E') ? at : SkipFraction(json, at);
    }

    private static int SkipFraction(ReadOnlySpan<byte> json, int at)
    {
        if (At(json, at) == '.')
        {
            at = SkipDigits(json, at + 1);
        }

        if (at >= 0 && At(json, at) is (byte)'e' or (byte)'E')
        {
            at++;
            at = SkipDigits(json, At(json, at) is (byte)'+' or (byte)'-' ? at + 1 : at);
        }

        return at;
    }

    private static int SkipDigits(ReadOnlySpan<byte> json, int at)
    {
        var from = at;
        while (json.Length - at >= Vector128<byte>.Count)
        {
            var values = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(json), (nuint)at) - Vector128.Create((byte)'0');
            var digits = BitOperations.TrailingZeroCount(
                ~Vector128.Equals(Vector128.Min(values, Vector128.Create((byte)9)), values).ExtractMostSignificantBits());
            at += digits;
            if (digits < Vector128<byte>.Count)
            {
                return at > from ? at : Malformed(at);
            }
        }

        while (char.IsAsciiDigit((char)At(json, at)))
        {
            at++;
        }

        return at > from ? at : Malformed(at);
    }
}
