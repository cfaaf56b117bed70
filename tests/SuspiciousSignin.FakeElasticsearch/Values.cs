using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>An address in the 16-byte form in which Elasticsearch stores it; IPv4 is kept as ::ffff:a.b.c.d.</summary>
internal readonly record struct Ip(UInt128 Bits) : IComparable<Ip>, IComparable
{
    private static readonly UInt128 MappedPrefix = (UInt128)0xFFFF << 32;

    /// <summary>Whether the address is IPv4, directly or in its mapped form.</summary>
    public bool IsV4 => (Bits >> 32) == 0xFFFF;

    public static bool TryParse(string text, out Ip ip) => text.Contains(':', StringComparison.Ordinal)
        ? TryParseV6(text, out ip)
        : TryParseV4(text, out ip);

    /// <summary>
    /// The reader of 8.19 and 9.x as its source reads: it looks at four octets, never at what follows the fourth dot, and lets
    /// a 32-bit number wrap. See the facts about TO_IP.
    /// </summary>
    public static bool TryParseLoosely(string text, out Ip ip)
    {
        if (text.Contains(':', StringComparison.Ordinal)) return TryParseV6(text, out ip);
        ip = default;
        uint address = 0;
        int octets = 0, digits = 0, value = 0;
        var leadingZero = false;
        for (var i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || text[i] == '.')
            {
                if (digits == 0 || (leadingZero && digits > 1) || value is < 0 or > 255) return false;
                address = (address << 8) | (uint)value;
                octets++;
                if (octets == 4) break;
                digits = 0;
                value = 0;
            }
            else if (char.IsAsciiDigit(text[i]))
            {
                if (digits == 0) leadingZero = text[i] == '0';
                digits++;
                value = unchecked((value * 10) + (text[i] - '0'));
            }
            else
            {
                return false;
            }
        }

        if (octets != 4) return false;
        ip = new Ip(MappedPrefix | address);
        return true;
    }

    public int CompareTo(Ip other) => Bits.CompareTo(other.Bits);

    public int CompareTo(object? obj) => obj is Ip other ? CompareTo(other) : 1;

    public override string ToString()
    {
        if (IsV4)
        {
            var v4 = (uint)(Bits & uint.MaxValue);
            return $"{v4 >> 24}.{(v4 >> 16) & 255}.{(v4 >> 8) & 255}.{v4 & 255}";
        }

        Span<ushort> groups = stackalloc ushort[8];
        for (var i = 0; i < 8; i++) groups[i] = (ushort)((Bits >> (112 - (16 * i))) & 0xFFFF);
        int bestStart = -1, bestLength = 1;
        for (var i = 0; i < 8;)
        {
            var end = i;
            while (end < 8 && groups[end] == 0) end++;
            if (end - i > bestLength)
            {
                bestStart = i;
                bestLength = end - i;
            }

            i = Math.Max(end, i + 1);
        }

        var text = new StringBuilder();
        for (var i = 0; i < 8; i++)
        {
            if (i == bestStart)
            {
                text.Append("::");
                i += bestLength - 1;
                continue;
            }

            if (text.Length > 0 && text[^1] != ':') text.Append(':');
            text.Append(groups[i].ToString("x", CultureInfo.InvariantCulture));
        }

        return text.ToString();
    }

    private static bool TryParseV4(string text, out Ip ip)
    {
        ip = default;
        var parts = text.Split('.');
        if (parts.Length != 4) return false;
        uint address = 0;
        foreach (var part in parts)
        {
            if (part.Length is 0 or > 3 || !part.All(char.IsAsciiDigit) || (part.Length > 1 && part[0] == '0')) return false;
            var octet = int.Parse(part, CultureInfo.InvariantCulture);
            if (octet > 255) return false;
            address = (address << 8) | (uint)octet;
        }

        ip = new Ip(MappedPrefix | address);
        return true;
    }

    private static bool TryParseV6(string text, out Ip ip)
    {
        ip = default;
        var percent = text.IndexOf('%', StringComparison.Ordinal);
        if (percent >= 0)
        {
            if (percent == text.Length - 1) return false;
            text = text[..percent];
        }

        var dot = text.IndexOf('.', StringComparison.Ordinal);
        if (dot >= 0)
        {
            var lastColon = text.LastIndexOf(':');
            if (lastColon > dot || !TryParseV4(text[(lastColon + 1)..], out var tail)) return false;
            var low = (uint)(tail.Bits & uint.MaxValue);
            text = string.Create(CultureInfo.InvariantCulture, $"{text[..(lastColon + 1)]}{low >> 16:x}:{low & 0xFFFF:x}");
        }

        var gap = text.IndexOf("::", StringComparison.Ordinal);
        if (gap >= 0 && text.IndexOf("::", gap + 1, StringComparison.Ordinal) >= 0) return false;
        var head = gap < 0 ? text : text[..gap];
        var rest = gap < 0 ? "" : text[(gap + 2)..];
        if (!TryGroups(head, out var left) || !TryGroups(rest, out var right)) return false;
        if (gap < 0 ? left.Count != 8 : left.Count + right.Count > 7) return false;
        UInt128 bits = 0;
        foreach (var group in left) bits = (bits << 16) | group;
        bits <<= 16 * (8 - left.Count);
        UInt128 lowBits = 0;
        foreach (var group in right) lowBits = (lowBits << 16) | group;
        ip = new Ip(bits | lowBits);
        return true;
    }

    private static bool TryGroups(string text, out List<ushort> groups)
    {
        groups = [];
        if (text.Length == 0) return true;
        foreach (var part in text.Split(':'))
        {
            // More than four digits are fine as long as the number fits.
            if (part.Length == 0 || !part.All(char.IsAsciiHexDigit)) return false;
            if (!ushort.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var group)) return false;
            groups.Add(group);
        }

        return true;
    }
}

/// <summary>A block of addresses: a prefix, or one bare address.</summary>
internal readonly record struct IpBlock(Ip Base, int PrefixBits)
{
    public bool Contains(Ip ip) => PrefixBits == 0 || (ip.Bits >> (128 - PrefixBits)) == (Base.Bits >> (128 - PrefixBits));

    /// <summary>Reads a block; the message of a failure is what Elasticsearch says.</summary>
    public static IpBlock Parse(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var address = slash < 0 ? text : text[..slash];
        if (!Ip.TryParse(address, out var ip)) throw new FormatException($"'{address}' is not an IP string literal.");
        if (slash < 0) return new IpBlock(ip, 128);
        var written4 = !address.Contains(':', StringComparison.Ordinal);
        if (ip.IsV4 && !written4)
            throw new FormatException($"CIDR notation is not allowed with IPv6-mapped IPv4 address [{address}]");
        if (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var prefix) || prefix > (written4 ? 32 : 128))
            throw new FormatException($"Illegal prefix length [{text[(slash + 1)..]}] in [{text}]. Must be 0-32 for IPv4 ranges, 0-128 for IPv6 ranges");
        return new IpBlock(ip, written4 ? prefix + 96 : prefix);
    }
}

/// <summary>A point in time: milliseconds since 1970, plus the nanoseconds inside the millisecond that only date_nanos keeps.</summary>
internal readonly record struct Instant(long Millis, int Nanos = 0) : IComparable<Instant>, IComparable
{
    private const long MinMillis = -62135596800000;
    private const long MaxMillis = 253402300799999;

    public int CompareTo(Instant other) => Millis != other.Millis ? Millis.CompareTo(other.Millis) : Nanos.CompareTo(other.Nanos);

    public int CompareTo(object? obj) => obj is Instant other ? CompareTo(other) : 1;

    public DateTime ToDateTime() => DateTime.UnixEpoch.AddMilliseconds(Math.Clamp(Millis, MinMillis, MaxMillis));

    public static Instant From(DateTimeOffset time) => new(time.ToUnixTimeMilliseconds());

    public static Instant From(DateTime time) => new((time.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMillisecond);

    /// <summary>ISO-8601 in UTC with milliseconds, or more digits if there are any.</summary>
    public override string ToString()
    {
        var text = ToDateTime().ToString("yyyy-MM-ddTHH:mm:ss.fff", CultureInfo.InvariantCulture);
        return Nanos == 0 ? text + "Z" : text + Nanos.ToString("D6", CultureInfo.InvariantCulture).TrimEnd('0') + "Z";
    }

    /// <summary>Reads strict_date_optional_time, or epoch_millis, which may have a fraction, when the text is a number and not a year.</summary>
    public static bool TryParse(string text, out Instant instant, bool epochMillis = true)
    {
        instant = default;
        var at = 0;
        if (!Digits(text, ref at, 4, out var year)) return epochMillis && TryEpoch(text, out instant);
        int month = 1, day = 1, hour = 0, minute = 0, second = 0;
        long nanos = 0;
        var offset = TimeSpan.Zero;
        if (at < text.Length && text[at] == '-')
        {
            at++;
            if (!Digits(text, ref at, 2, out month)) return false;
            if (at < text.Length && text[at] == '-')
            {
                at++;
                if (!Digits(text, ref at, 2, out day)) return false;
            }
        }

        if (at < text.Length && text[at] == 'T')
        {
            at++;
            if (at < text.Length)
            {
                if (!Digits(text, ref at, 2, out hour)) return false;
                if (at < text.Length && text[at] == ':')
                {
                    at++;
                    if (!Digits(text, ref at, 2, out minute)) return false;
                    if (at < text.Length && text[at] == ':')
                    {
                        at++;
                        if (!Digits(text, ref at, 2, out second)) return false;
                        if (at < text.Length && text[at] is '.' or ',')
                        {
                            var start = ++at;
                            while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
                            if (at == start || at - start > 9) return false;
                            nanos = long.Parse(text[start..at].PadRight(9, '0'), CultureInfo.InvariantCulture);
                        }
                    }
                }

                if (!Zone(text, ref at, out offset)) return false;
            }
        }

        if (at != text.Length) return epochMillis && TryEpoch(text, out instant);
        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59)
            return false;
        var time = new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc);
        var millis = ((time.Ticks - DateTime.UnixEpoch.Ticks - offset.Ticks) / TimeSpan.TicksPerMillisecond) + (nanos / 1_000_000);
        instant = new Instant(millis, (int)(nanos % 1_000_000));
        return true;
    }

    private static bool TryEpoch(string text, out Instant instant)
    {
        instant = default;
        const NumberStyles WithFraction = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (!decimal.TryParse(text, WithFraction, CultureInfo.InvariantCulture, out var millis) || Math.Abs(millis) > long.MaxValue / 2 || text.Length - text.IndexOf('.') > 7 && text.Contains('.')) return false;
        var whole = decimal.Floor(millis);
        instant = new Instant((long)whole, (int)((millis - whole) * 1_000_000));
        return true;
    }

    private static bool Digits(string text, ref int at, int count, out int value)
    {
        value = 0;
        if (at + count > text.Length) return false;
        for (var i = 0; i < count; i++)
        {
            if (!char.IsAsciiDigit(text[at + i])) return false;
            value = (value * 10) + (text[at + i] - '0');
        }

        at += count;
        return true;
    }

    private static bool Zone(string text, ref int at, out TimeSpan offset)
    {
        offset = TimeSpan.Zero;
        if (at == text.Length) return true;
        if (text[at] == 'Z')
        {
            at++;
            return true;
        }

        if (text[at] is not ('+' or '-')) return false;
        var sign = text[at++] == '-' ? -1 : 1;
        var minutes = 0;
        if (!Digits(text, ref at, 2, out var hours)) return false;
        if (at < text.Length)
        {
            if (text[at] == ':') at++;
            if (!Digits(text, ref at, 2, out minutes)) return false;
        }

        offset = sign * new TimeSpan(hours, minutes, 0);
        return hours <= 18 && minutes <= 59;
    }
}

/// <summary>
/// What is in one cell: null, one value, or an array of two or more. Whole numbers are long, fractions double, texts string,
/// then bool, <see cref="Ip"/> and <see cref="Instant"/>.
/// </summary>
internal static class Cell
{
    public static object? Of(IReadOnlyList<object> values) => values.Count switch
    {
        0 => null,
        1 => values[0],
        _ => values.ToArray(),
    };

    public static IReadOnlyList<object> Values(object? cell) => cell switch
    {
        null => [],
        object[] many => many,
        _ => [cell],
    };

    public static int Compare(object a, object b) => (a, b) switch
    {
        (long x, long y) => x.CompareTo(y),
        (long or double, long or double) => ToDouble(a).CompareTo(ToDouble(b)),
        (string x, string y) => CompareUtf8(x, y),
        (bool x, bool y) => x.CompareTo(y),
        (Ip x, Ip y) => x.CompareTo(y),
        (Instant x, Instant y) => x.CompareTo(y),
        _ => throw new InvalidOperationException($"Cells of {a.GetType().Name} and {b.GetType().Name} have no order."),
    };

    public static double ToDouble(object value) => value switch
    {
        long whole => whole,
        double fraction => fraction,
        bool flag => flag ? 1 : 0,
        Instant instant => instant.Millis,
        _ => throw new InvalidOperationException($"{value.GetType().Name} is not a number."),
    };

    public static JsonNode? ToJson(object? cell)
    {
        switch (cell)
        {
            case null:
                return null;
            case object[] many:
                var array = new JsonArray();
                foreach (var value in many) array.Add(ToJson(value));
                return array;
            case string text:
                return JsonValue.Create(text);
            case long whole:
                return JsonValue.Create(whole);
            case bool flag:
                return JsonValue.Create(flag);
            case double fraction:
                return Fraction(fraction);
            default:
                return JsonValue.Create(cell.ToString());
        }
    }

    /// <summary>A fraction as Java writes it: 2 is 2.0.</summary>
    private static JsonNode? Fraction(double value)
    {
        if (!double.IsFinite(value)) return null;
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        if (!text.AsSpan().ContainsAny('.', 'E')) text += ".0";
        using var document = JsonDocument.Parse(text);
        return JsonValue.Create(document.RootElement.Clone());
    }

    private static int CompareUtf8(string a, string b)
    {
        // Ordinal UTF-16 order differs from UTF-8 order only where surrogates meet U+E000..U+FFFF.
        var length = Math.Min(a.Length, b.Length);
        for (var i = 0; i < length; i++)
        {
            if (a[i] == b[i]) continue;
            int x = a[i], y = b[i];
            if (x >= 0xD800 && y >= 0xD800)
            {
                x = char.IsSurrogate(a[i]) ? x + 0x2000 : x >= 0xE000 ? x - 0x800 : x;
                y = char.IsSurrogate(b[i]) ? y + 0x2000 : y >= 0xE000 ? y - 0x800 : y;
            }

            return x.CompareTo(y);
        }

        return a.Length.CompareTo(b.Length);
    }
}

/// <summary>Patterns with * (and ? where asked for), as index and field names use them.</summary>
internal static class Wildcard
{
    public static bool Matches(string pattern, string text, bool questionMark = false)
    {
        int p = 0, t = 0, star = -1, mark = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                mark = t;
            }
            else if (p < pattern.Length && ((questionMark && pattern[p] == '?') || pattern[p] == text[t]))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                t = ++mark;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*') p++;
        return p == pattern.Length;
    }
}
