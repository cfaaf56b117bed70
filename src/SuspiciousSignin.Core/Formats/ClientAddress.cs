using System.Globalization;
using System.Text.RegularExpressions;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>A client's address in the forms that Microsoft 365 audit records have, read as Elastic's o365 pipeline reads them.</summary>
/// <param name="Address"><c>client.address</c>: the address as text, valid or not.</param>
/// <param name="Port"><c>client.port</c>.</param>
/// <param name="Domain"><c>client.domain</c>: a name instead of an address.</param>
internal readonly partial record struct ClientAddress(string? Address, long? Port = null, string? Domain = null)
{
    /// <summary>The longest text of an address: IPv6 whose end is written as IPv4.</summary>
    private const int MaxIpLength = 45;

    /// <summary><c>client.ip</c>: the address where it is one.</summary>
    public string? Ip => IsIp(Address) ? Address : null;

    /// <summary>
    /// Reads <c>ip</c>, <c>[ip]</c>, <c>ip:port</c>, <c>[ip]:port</c>, one word (a name), <c>NAME:port …</c>, <c>NAME (address)</c>; else
    /// it is an address of no known form. What follows a port does not count, where the port ends there.
    /// </summary>
    public static ClientAddress Parse(string text)
    {
        // The end of a line is the end to grok, and so is a line feed at the very end.
        text = MappedIPv4().Replace(text.EndsWith('\n') ? text[..^1] : text, "${v4}");
        if (text.Length == 0)
        {
            return default;
        }

        if (text[0] == '[' && text.IndexOf(']', StringComparison.Ordinal) is > 0 and var close && IsIp(text[1..close]))
        {
            if (TryReadPort(text.AsSpan(close + 1), out var port))
            {
                return new ClientAddress(text[1..close], port);
            }

            if (close == text.Length - 1)
            {
                return new ClientAddress(text[1..close]);
            }
        }

        if (IsIp(text))
        {
            return new ClientAddress(text);
        }

        // The last group of an IPv6 address without brackets is its port where the whole is no address.
        for (var colon = LastColon(text, MaxIpLength); colon > 0; colon = LastColon(text, colon - 1))
        {
            if (TryReadPort(text.AsSpan(colon), out var port) && IsIp(text[..colon]))
            {
                return new ClientAddress(text[..colon], port);
            }
        }

        if (!text.Any(char.IsWhiteSpace))
        {
            return new ClientAddress(null, null, text);
        }

        if (NameAndPort().Match(text) is { Success: true } named
            && long.TryParse(named.Groups["port"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var itsPort))
        {
            return new ClientAddress(null, itsPort, named.Groups["name"].Value);
        }

        return NameAndAddress().Match(text) is { Success: true } match
            ? new ClientAddress(match.Groups["address"].Value, null, match.Groups["name"].Value)
            : new ClientAddress(text);
    }

    private static int LastColon(string text, int from) => text.LastIndexOf(':', Math.Min(from, text.Length - 1));

    private static bool IsIp(string? text) => SourceAddress.TryParse(text, out _);

    private static bool TryReadPort(ReadOnlySpan<char> text, out long port)
    {
        port = 0;
        if (text.Length < 2 || text[0] != ':' || text[1] is < '1' or > '9')
        {
            return false;
        }

        var digits = text[1..];
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        return (end < 0 || !(char.IsLetterOrDigit(digits[end]) || digits[end] == '_'))
            && long.TryParse(end < 0 ? digits : digits[..end], NumberStyles.None, CultureInfo.InvariantCulture, out port);
    }

    [GeneratedRegex(@"::ffff:(?<v4>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex MappedIPv4();

    [GeneratedRegex(
        @"^(\[(?<name>\S+)\]|(?<name>\S+)):(?<port>[1-9][0-9]*)\b",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex NameAndPort();

    [GeneratedRegex(
        @"^(\[(?<name>\S+) \((?<address>[^)]*)\)\]|(?<name>\S+) \((?<address>[^)]*)\))$",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex NameAndAddress();
}
