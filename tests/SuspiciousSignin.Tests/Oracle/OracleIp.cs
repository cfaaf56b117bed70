using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>TO_IP and IP text by rewriting strings, with a 128-bit number as the address; IPv4 is ::ffff:a.b.c.d.</summary>
public static partial class OracleIp
{
    private const string Octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private static readonly BigInteger MappedPrefix = new BigInteger(0xFFFF) << 32;

    /// <summary>The address, or null where TO_IP gives null.</summary>
    public static BigInteger? Parse(string? text)
    {
        if (text is null)
            return null;
        if (!text.Contains(':', StringComparison.Ordinal))
            return Quad(text) is { } v4 ? MappedPrefix + v4 : null;

        // A scope counts only behind an address with a colon, and must not be empty; what it says is ignored.
        var percent = text.IndexOf('%', StringComparison.Ordinal);
        if (percent >= 0)
        {
            if (percent == text.Length - 1)
                return null;
            text = text[..percent];
        }

        // A dotted tail is two groups.
        if (text.Contains('.', StringComparison.Ordinal))
        {
            var colon = text.LastIndexOf(':');
            if (Quad(text[(colon + 1)..]) is not { } tail)
                return null;
            text = string.Create(CultureInfo.InvariantCulture, $"{text[..(colon + 1)]}{(uint)tail >> 16:x}:{(uint)tail & 0xFFFF:x}");
        }

        // "::" stands for at least one zero group.
        var halves = text.Split("::");
        if (halves.Length > 2)
            return null;
        if (halves.Length == 2)
        {
            var left = halves[0].Length == 0 ? [] : halves[0].Split(':');
            var right = halves[1].Length == 0 ? [] : halves[1].Split(':');
            if (left.Length + right.Length > 7)
                return null;
            text = string.Join(':', [.. left, .. Enumerable.Repeat("0", 8 - left.Length - right.Length), .. right]);
        }

        if (!EightGroups().IsMatch(text))
            return null;
        var address = BigInteger.Zero;
        foreach (var group in text.Split(':'))
        {
            var value = BigInteger.Parse("0" + group, NumberStyles.AllowHexSpecifier);
            if (value > 0xFFFF)
                return null;
            address = (address << 16) + value;
        }

        return address;
    }

    /// <summary>The 16 bytes that are stored, or null where TO_IP gives null.</summary>
    public static byte[]? Bytes(string? text) =>
        Parse(text) is { } address ? [.. Enumerable.Range(0, 16).Select(i => (byte)((address >> (8 * (15 - i))) & 0xFF))] : null;

    /// <summary>The canonical text of the address (RFC 5952, IPv4-mapped as IPv4).</summary>
    public static string Format(BigInteger address)
    {
        if (address >> 32 == 0xFFFF)
            return string.Join('.', Enumerable.Range(0, 4).Select(i => ((address >> (8 * (3 - i))) & 0xFF).ToString()));

        var groups = ":" + string.Concat(Enumerable.Range(0, 8).Select(i => $"{(int)((address >> (16 * (7 - i))) & 0xFFFF):x}:"));
        for (var run = 8; run >= 2; run--)
        {
            var zeros = ":" + string.Concat(Enumerable.Repeat("0:", run));
            var at = groups.IndexOf(zeros, StringComparison.Ordinal);
            if (at < 0)
                continue;
            var left = groups[..at].TrimStart(':');
            var right = groups[(at + zeros.Length)..].TrimEnd(':');
            return $"{left}::{right}";
        }

        return groups.Trim(':');
    }

    /// <summary>The canonical spelling of a spelling, or null where it is no address.</summary>
    public static string? Canonical(string? text) => Parse(text) is { } address ? Format(address) : null;

    private static BigInteger? Quad(string text) => DottedQuad().IsMatch(text)
        ? text.Split('.').Aggregate(BigInteger.Zero, (sum, octet) => (sum * 256) + BigInteger.Parse(octet))
        : null;

    [GeneratedRegex(@$"\A{Octet}(\.{Octet}){{3}}\z", RegexOptions.ExplicitCapture)]
    private static partial Regex DottedQuad();

    [GeneratedRegex(@"\A[0-9a-fA-F]+(:[0-9a-fA-F]+){7}\z", RegexOptions.ExplicitCapture)]
    private static partial Regex EightGroups();
}

/// <summary>CIDR_MATCH on 128-bit numbers, and the networks that the rule excludes.</summary>
public static class OracleCidr
{
    public static IReadOnlyList<string> Excluded { get; } =
    [
        "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32",
        "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24",
        "192.52.193.0/24", "192.168.0.0/16", "192.88.99.0/24", "224.0.0.0/4", "100.64.0.0/10", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::1", "fe80::/10", "ff00::/8",
    ];

    private static readonly (BigInteger First, BigInteger Last)[] ExcludedRanges = [.. Excluded.Select(Range)];

    /// <summary>The first and the last address of a block; host bits are ignored and a bare address is itself.</summary>
    public static (BigInteger First, BigInteger Last) Range(string block)
    {
        var parts = block.Split('/');
        var address = OracleIp.Parse(parts[0]) ?? throw new FormatException($"'{block}' is no block.");
        var hostBits = parts.Length == 1 ? 0 : (parts[0].Contains(':', StringComparison.Ordinal) ? 128 : 32) - int.Parse(parts[1]);
        var size = BigInteger.One << hostBits;
        var first = address - (address % size);
        return (first, first + size - 1);
    }

    public static bool Contains(string block, BigInteger address)
    {
        var (first, last) = Range(block);
        return first <= address && address <= last;
    }

    public static bool IsExcluded(BigInteger address) => ExcludedRanges.Any(range => range.First <= address && address <= range.Last);
}
