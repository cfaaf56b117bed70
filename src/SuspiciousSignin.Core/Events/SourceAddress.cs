using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>
/// An IP address as Elasticsearch's <c>ip</c> type holds it: 16 bytes, an IPv4 address as its IPv4-mapped IPv6 form
/// (<c>::ffff:a.b.c.d</c>), so that <c>1.2.3.4</c> and <c>::ffff:1.2.3.4</c> are one address.
/// </summary>
/// <param name="Value">The 16 bytes read as a big-endian number; its order is the order of the addresses.</param>
public readonly record struct SourceAddress(UInt128 Value) : IComparable<SourceAddress>
{
    private const ulong MappedPrefix = 0xFFFF_0000_0000;

    /// <summary>Whether this is an IPv4 address, written either way.</summary>
    public bool IsIPv4 => (Value >> 32) == (MappedPrefix >> 32);

    /// <summary>
    /// Reads an address exactly as ES|QL's <c>TO_IP</c> does: four decimal octets without leading zeros, or IPv6 text with at most one
    /// <c>::</c> and an optional dotted tail; what follows a <c>%</c> (the zone) is ignored on IPv6. No trimming, ports, brackets,
    /// prefixes, octal, hexadecimal or short IPv4 forms.
    /// </summary>
    /// <param name="utf8">The text in UTF-8.</param>
    /// <param name="address">The address, or all zeros where the text is none.</param>
    /// <returns>Whether the text is an address. Never throws.</returns>
    public static bool TryParse(ReadOnlySpan<byte> utf8, out SourceAddress address)
    {
        address = default;
        if (TryParseIPv4(utf8, out var octets))
        {
            address = new SourceAddress(new UInt128(0, MappedPrefix | octets));
            return true;
        }

        var lastColon = utf8.LastIndexOf((byte)':');
        var zone = utf8.IndexOf((byte)'%');
        if (zone >= 0)
        {
            if (zone == utf8.Length - 1)
            {
                return false;
            }

            utf8 = utf8[..zone];
            lastColon = utf8.LastIndexOf((byte)':');
        }

        if (lastColon < 0)
        {
            return false;
        }

        Span<ushort> hextets = stackalloc ushort[8];
        if (!TryParseIPv6(utf8, lastColon, hextets))
        {
            return false;
        }

        UInt128 value = 0;
        foreach (var hextet in hextets)
        {
            value = (value << 16) | hextet;
        }

        address = new SourceAddress(value);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{byte}, out SourceAddress)"/>
    /// <param name="text">The text; null is no address.</param>
    /// <param name="address">The address, or all zeros where the text is none.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, out SourceAddress address)
    {
        address = default;
        if (text is null || text.Length > 128 || !Ascii.IsValid(text))
        {
            return false;
        }

        Span<byte> utf8 = stackalloc byte[text.Length];
        Encoding.ASCII.GetBytes(text, utf8);
        return TryParse(utf8, out address);
    }

    /// <summary>Reads an address that is known to be one.</summary>
    /// <exception cref="FormatException">The text is no IP address.</exception>
    public static SourceAddress Parse(string text) =>
        TryParse(text, out var address) ? address : throw new FormatException("The text is not an IP address.");

    /// <summary>The canonical text: dotted quad for IPv4, RFC 5952 for IPv6.</summary>
    public override string ToString()
    {
        Span<char> text = stackalloc char[45];
        var length = 0;
        if (IsIPv4)
        {
            var octets = (uint)Value;
            for (var shift = 24; shift >= 0; shift -= 8)
            {
                ((octets >> shift) & 0xFF).TryFormat(text[length..], out var written, provider: CultureInfo.InvariantCulture);
                length += written;
                if (shift > 0)
                {
                    text[length++] = '.';
                }
            }

            return new string(text[..length]);
        }

        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, Value);
        var (zerosFrom, zerosLength) = LongestZeroRun(bytes);
        for (var i = 0; i < 8; i++)
        {
            if (i == zerosFrom)
            {
                text[length++] = ':';
                text[length++] = ':';
                i += zerosLength - 1;
                continue;
            }

            if (i > 0 && i != zerosFrom + zerosLength)
            {
                text[length++] = ':';
            }

            BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * i)..])
                .TryFormat(text[length..], out var written, "x", CultureInfo.InvariantCulture);
            length += written;
        }

        return new string(text[..length]);
    }

    /// <inheritdoc/>
    public int CompareTo(SourceAddress other) => Value.CompareTo(other.Value);

    public static bool operator <(SourceAddress left, SourceAddress right) => left.Value < right.Value;

    public static bool operator >(SourceAddress left, SourceAddress right) => left.Value > right.Value;

    public static bool operator <=(SourceAddress left, SourceAddress right) => left.Value <= right.Value;

    public static bool operator >=(SourceAddress left, SourceAddress right) => left.Value >= right.Value;

    private static bool TryParseIPv4(ReadOnlySpan<byte> text, out uint octets)
    {
        octets = 0;
        var (dots, digits, current) = (0, 0, 0);
        foreach (var c in text)
        {
            if (c == '.')
            {
                if (digits == 0 || ++dots > 3)
                {
                    return false;
                }

                octets = (octets << 8) | (uint)current;
                (digits, current) = (0, 0);
            }
            else if (char.IsAsciiDigit((char)c) && !(digits > 0 && current == 0))
            {
                current = (current * 10) + (c - '0');
                digits++;
                if (current > 255)
                {
                    return false;
                }
            }
            else
            {
                return false;
            }
        }

        octets = (octets << 8) | (uint)current;
        return dots == 3 && digits > 0;
    }

    private static bool TryParseIPv6(ReadOnlySpan<byte> text, int lastColon, Span<ushort> hextets)
    {
        var tail = text[(lastColon + 1)..];
        var (room, hasQuad, quad) = (8, false, 0u);
        if (tail.Contains((byte)'.'))
        {
            if (!TryParseIPv4(tail, out quad))
            {
                return false;
            }

            (room, hasQuad) = (6, true);
            // The colon before the quad is kept only where it belongs to a "::".
            text = lastColon > 0 && text[lastColon - 1] == ':' ? text[..(lastColon + 1)] : text[..lastColon];
            if (text.IsEmpty)
            {
                return false;
            }
        }

        var compressed = text.IndexOf("::"u8);
        int count;
        if (compressed < 0)
        {
            if (!TryParseHextets(text, hextets[..room], out count) || count != room)
            {
                return false;
            }
        }
        else
        {
            Span<ushort> after = stackalloc ushort[8];
            if (!TryParseHextets(text[..compressed], hextets[..room], out var before)
                || !TryParseHextets(text[(compressed + 2)..], after[..room], out count)
                || before + count >= room)
            {
                return false;
            }

            hextets[before..room].Clear();
            after[..count].CopyTo(hextets[(room - count)..]);
        }

        if (hasQuad)
        {
            (hextets[6], hextets[7]) = ((ushort)(quad >> 16), (ushort)quad);
        }

        return true;
    }

    private static bool TryParseHextets(ReadOnlySpan<byte> text, Span<ushort> hextets, out int count)
    {
        count = 0;
        if (text.IsEmpty)
        {
            return true;
        }

        foreach (var range in text.Split((byte)':'))
        {
            var hextet = text[range];
            var value = 0;
            foreach (var c in hextet)
            {
                if (!char.IsAsciiHexDigit((char)c))
                {
                    return false;
                }

                // As in Elasticsearch, the value of a group is bounded, not the number of its digits.
                value = (value << 4) | HexValue(c);
                if (value > 0xFFFF)
                {
                    return false;
                }
            }

            if (hextet.IsEmpty || count == hextets.Length)
            {
                return false;
            }

            hextets[count++] = (ushort)value;
        }

        return true;
    }

    private static int HexValue(byte c) => c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

    private static (int From, int Length) LongestZeroRun(ReadOnlySpan<byte> bytes)
    {
        var (bestFrom, bestLength, from) = (-1, 1, -1);
        for (var i = 0; i <= 8; i++)
        {
            if (i < 8 && bytes[2 * i] == 0 && bytes[(2 * i) + 1] == 0)
            {
                from = from < 0 ? i : from;
            }
            else if (from >= 0)
            {
                if (i - from > bestLength)
                {
                    (bestFrom, bestLength) = (from, i - from);
                }

                from = -1;
            }
        }

        return bestFrom < 0 ? (-1, 0) : (bestFrom, bestLength);
    }
}
