using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;

namespace SuspiciousSignin.Events;

/// <summary>
/// Times as Elasticsearch's <c>date</c> type reads them (<c>strict_date_optional_time||epoch_millis</c>) and keeps them: milliseconds since
/// 1970-01-01T00:00:00Z, finer digits cut off. Text without a zone is UTC.
/// </summary>
public static class EcsTime
{
    private static readonly long MinMilliseconds = DateTimeOffset.MinValue.ToUnixTimeMilliseconds();
    private static readonly long MaxMilliseconds = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    /// <summary>The earliest time that an answer can show, milliseconds since the epoch.</summary>
    public static long Earliest => MinMilliseconds;

    /// <summary>The latest time that an answer can show, milliseconds since the epoch.</summary>
    public static long Latest => MaxMilliseconds;

    /// <summary>The wire form of a stored time.</summary>
    public static DateTime ToDateTime(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime;

    /// <summary>The wire form of a stored time as text, always with milliseconds.</summary>
    public static string ToText(long milliseconds) =>
        ToDateTime(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>
    /// Reads a date from text such as <c>2026-05-22</c>, <c>2026-05-22T10:00:00.123+02:00</c>, <c>1790000000000</c> or
    /// <c>1790000000000.5</c>.
    /// </summary>
    /// <param name="text">The text in UTF-8.</param>
    /// <param name="milliseconds">Milliseconds since the epoch.</param>
    /// <returns>Whether the text is a date of the years 1 to 9999. A leap second (<c>:60</c>) is none.</returns>
    public static bool TryParse(ReadOnlySpan<byte> text, out long milliseconds)
    {
        if (TryParseUsual(text, out milliseconds))
        {
            return true;
        }

        var reader = new Digits(text);
        if (reader.Number(4, out var year) && (reader.AtEnd || reader.Next is (byte)'-' or (byte)'T'))
        {
            return TryParseCalendar(ref reader, year, out milliseconds);
        }

        return Utf8Parser.TryParse(text, out milliseconds, out var used) && IsFraction(text[used..], ref milliseconds, text[0] == '-')
            && milliseconds >= MinMilliseconds && milliseconds <= MaxMilliseconds;
    }

    /// <summary>
    /// Reads the form that nearly all events have, <c>2026-05-22T10:00:00Z</c> or with three to nine digits behind the second.
    /// </summary>
    private static bool TryParseUsual(ReadOnlySpan<byte> text, out long milliseconds)
    {
        milliseconds = 0;
        if (text.Length is not (20 or (>= 24 and <= 30)) || text[^1] != 'Z')
        {
            return false;
        }

        // Eight characters at once: against their template digits become 0 to 9, and what separates them 0.
        var date = BinaryPrimitives.ReadUInt64LittleEndian(text) ^ BinaryPrimitives.ReadUInt64LittleEndian("0000-00-"u8);
        var time = BinaryPrimitives.ReadUInt64LittleEndian(text[8..]) ^ BinaryPrimitives.ReadUInt64LittleEndian("00T00:00"u8);
        var seconds = text.Length == 20
            ? (BinaryPrimitives.ReadUInt64LittleEndian(text[12..]) >> 32) ^ BinaryPrimitives.ReadUInt64LittleEndian(":00Z\0\0\0\0"u8)
            : (BinaryPrimitives.ReadUInt64LittleEndian(text[16..]) << 8 >> 8) ^ BinaryPrimitives.ReadUInt64LittleEndian(":00.000\0"u8);
        var wrong = Above9(date) | Above9(time) | Above9(seconds)
            | (date & 0xFF00_00FF_0000_0000) | (time & 0x0000_FF00_00FF_0000) | (seconds & 0x0000_0000_FF00_00FF);
        if (text.Length > 24 && text[23..^1].ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }

        var (year, month, day) = ((Pair(date, 0) * 100) + Pair(date, 2), Pair(date, 5), Pair(time, 0));
        var (hour, minute, second) = (Pair(time, 3), Pair(time, 6), Pair(seconds, 1));
        if (wrong != 0 || year == 0 || month is 0 or > 12
            || day == 0 || (day > 28 && day > DateTime.DaysInMonth(year, month))
            || hour > 23 || minute > 59 || second > 59)
        {
            return false;
        }

        // Days since the epoch in a calendar whose years begin in March, so that the leap day comes last.
        var (years, months) = month > 2 ? (year, month - 3) : (year - 1, month + 9);
        var days = (365 * years) + (years / 4) - (years / 100) + (years / 400) + (((153 * months) + 2) / 5) + day - 719_469;
        milliseconds = (((((days * 24L) + hour) * 60) + minute) * 60_000)
            + (second * 1000) + (DigitAt(seconds, 4) * 100) + Pair(seconds, 5);
        return true;
    }

    private static ulong Above9(ulong digits) => ((digits + 0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;

    private static int Pair(ulong digits, int at) => (DigitAt(digits, at) * 10) + DigitAt(digits, at + 1);

    private static int DigitAt(ulong digits, int at) => (int)(digits >> (8 * at)) & 0xF;

    private static bool TryParseCalendar(ref Digits reader, int year, out long milliseconds)
    {
        milliseconds = 0;
        var (month, day) = (1, 1);
        if (reader.Take((byte)'-') && (!reader.Number(2, out month) || (reader.Take((byte)'-') && !reader.Number(2, out day))))
        {
            return false;
        }

        if (year < 1 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month))
        {
            return false;
        }

        var (hour, minute, second, millisecond, offsetMinutes) = (0, 0, 0, 0, 0);
        if (reader.Take((byte)'T') && !reader.AtEnd)
        {
            if (!reader.Number(2, out hour)
                || (reader.Take((byte)':') && (!reader.Number(2, out minute)
                    || (reader.Take((byte)':') && (!reader.Number(2, out second) || !reader.Fraction(out millisecond)))))
                || !reader.Offset(out offsetMinutes))
            {
                return false;
            }
        }

        if (!reader.AtEnd || hour > 23 || minute > 59 || second > 59)
        {
            return false;
        }

        var local = new DateTime(year, month, day, hour, minute, second, millisecond, DateTimeKind.Utc);
        milliseconds = ((local.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMillisecond) - (offsetMinutes * 60_000L);
        return milliseconds >= MinMilliseconds && milliseconds <= MaxMilliseconds;
    }

    /// <summary>Reads what may follow milliseconds, a point and up to six digits; they are cut off, towards the past.</summary>
    private static bool IsFraction(ReadOnlySpan<byte> text, ref long milliseconds, bool isNegative)
    {
        if (text is [(byte)'.', .. var digits] && digits.Length <= 6 && digits.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0)
        {
            milliseconds -= isNegative && digits.ContainsAnyExcept((byte)'0') ? 1 : 0;
            return true;
        }

        return text.IsEmpty;
    }

    private ref struct Digits(ReadOnlySpan<byte> text)
    {
        private readonly ReadOnlySpan<byte> _text = text;
        private int _at;

        public readonly bool AtEnd => _at == _text.Length;

        public readonly byte Next => _text[_at];

        public bool Take(byte expected)
        {
            if (AtEnd || Next != expected)
            {
                return false;
            }

            _at++;
            return true;
        }

        public bool Number(int length, out int value)
        {
            value = 0;
            if (_text.Length - _at < length)
            {
                return false;
            }

            for (var end = _at + length; _at < end; _at++)
            {
                var digit = _text[_at] - '0';
                if (digit is < 0 or > 9)
                {
                    return false;
                }

                value = (value * 10) + digit;
            }

            return true;
        }

        public bool Fraction(out int millisecond)
        {
            millisecond = 0;
            if (!Take((byte)'.') && !Take((byte)','))
            {
                return true;
            }

            var (digits, weight) = (0, 100);
            for (; !AtEnd && Next is >= (byte)'0' and <= (byte)'9'; _at++, digits++, weight /= 10)
            {
                millisecond += (Next - '0') * weight;
            }

            return digits is > 0 and <= 9;
        }

        public bool Offset(out int minutes)
        {
            minutes = 0;
            if (AtEnd || Take((byte)'Z'))
            {
                return true;
            }

            var sign = Take((byte)'+') ? 1 : Take((byte)'-') ? -1 : 0;
            if (sign == 0 || !Number(2, out var hours))
            {
                return false;
            }

            var offset = 0;
            if (!AtEnd)
            {
                Take((byte)':');
                if (!Number(2, out offset))
                {
                    return false;
                }
            }

            minutes = sign * ((hours * 60) + offset);
            // As java.time has it.
            return offset < 60 && (hours * 60) + offset <= 18 * 60;
        }
    }
}
