using System.Globalization;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Rules;

/// <summary>
/// A block of addresses as ES|QL's <c>CIDR_MATCH</c> reads it: everything is compared in 16-byte form, host bits are ignored, and an
/// address without a prefix means exactly that address. An IPv4 block holds IPv4 addresses only; <c>::1/64</c> holds 127.0.0.1.
/// </summary>
public sealed class Cidr
{
    private readonly string _text;
    private readonly UInt128 _mask;
    private readonly UInt128 _network;

    private Cidr(string text, SourceAddress address, int prefix)
    {
        _text = text;
        _mask = prefix == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - prefix);
        _network = address.Value & _mask;
    }

    /// <summary>Reads <c>address/prefix</c> or a bare address.</summary>
    /// <exception cref="FormatException">
    /// Not an address, a prefix beyond 32 (IPv4) or 128 (IPv6), or a prefix on an IPv4-mapped IPv6 address.
    /// </exception>
    public static Cidr Parse(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var address = SourceAddress.Parse(slash < 0 ? text : text[..slash]);
        if (slash < 0)
        {
            return new Cidr(text, address, 128);
        }

        var writtenAsIPv4 = !text.Contains(':', StringComparison.Ordinal);
        if (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var prefix)
            || prefix > (writtenAsIPv4 ? 32 : 128)
            || (!writtenAsIPv4 && address.IsIPv4))
        {
            throw new FormatException("The text is not an address block in CIDR notation.");
        }

        return new Cidr(text, address, writtenAsIPv4 ? 96 + prefix : prefix);
    }

    /// <summary>Whether the address lies in the block.</summary>
    public bool Contains(SourceAddress address) => (address.Value & _mask) == _network;

    /// <summary>Whether any address lies in both blocks.</summary>
    internal bool Overlaps(Cidr other) => ((_network ^ other._network) & _mask & other._mask) == 0;

    /// <summary>The block as it was written.</summary>
    public override string ToString() => _text;
}
