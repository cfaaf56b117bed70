using System.Globalization;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.Api.Requests;

/// <summary>
/// Times in requests: RFC 3339 with a zone, or Elasticsearch date math from <c>now</c>: <c>now</c>, <c>now-8h</c>, <c>now-1d/d</c>. Units
/// y, M, w, d, h (or H), m, s; without an amount it is 1. Rounding (<c>/d</c>) goes down to the start of the unit; for an inclusive upper
/// bound up to its last millisecond.
/// </summary>
internal static partial class TimeExpression
{
    public const string Expected =
        "Expected RFC 3339 with a zone such as 2026-05-22T10:00:00Z, or date math such as now, now-8h or now-1d/d.";

    /// <summary>The longest text of a time, in characters.</summary>
    public const int MaxLength = 64;

    public static bool TryParse(string? text, DateTimeOffset now, bool roundUp, out DateTimeOffset time)
    {
        time = now;
        if (text is null || text.Length > MaxLength)
        {
            return false;
        }

        // A plus that is not escaped in a URL arrives as a space.
        if (text.StartsWith("now", StringComparison.Ordinal))
        {
            return TryAddTerms(text.Replace(' ', '+'), roundUp, ref time);
        }

        if (text is [.., ' ', _, _, ':', _, _])
        {
            text = $"{text[..^6]}+{text[^5..]}";
        }

        return TryParseRfc3339(text, out time);
    }

    /// <summary>Reads RFC 3339 alone, without leap seconds; digits finer than .NET keeps are cut off.</summary>
    public static bool TryParseRfc3339(string text, out DateTimeOffset time)
    {
        time = default;
        // Digits behind the seventh would be rounded up, into the next day at the end of one; those of events are cut off. The offset is
        // read here, since .NET takes none beyond 14 hours.
        if (text.Length > MaxLength
            || Rfc3339().Match(text) is not { Success: true } match
            || !DateTime.TryParse(
                match.Result("${seconds}${ticks}"),
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
                out var local))
        {
            return false;
        }

        var offset = match.Groups["hours"] is { Success: true } hours
            ? new TimeSpan(Number(hours), Number(match.Groups["minutes"]), seconds: 0)
            : TimeSpan.Zero;
        var ticks = local.Ticks + (match.Groups["sign"].Value == "-" ? offset.Ticks : -offset.Ticks);
        if (ticks < DateTime.MinValue.Ticks || ticks > DateTime.MaxValue.Ticks)
        {
            return false;
        }

        time = new DateTimeOffset(ticks, TimeSpan.Zero);
        return true;
    }

    private static int Number(Group digits) => int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture);

    private static bool TryAddTerms(string text, bool roundUp, ref DateTimeOffset time)
    {
        var at = "now".Length;
        foreach (Match term in Terms().Matches(text))
        {
            if (term.Index != at)
            {
                return false;
            }

            at += term.Length;
            var unit = term.Groups["unit"].Value[0];
            if (term.Groups["amount"] is { Success: true } amount)
            {
                if (!int.TryParse(
                        amount.Length == 1 ? amount.Value + "1" : amount.Value,
                        NumberStyles.AllowLeadingSign,
                        CultureInfo.InvariantCulture,
                        out var count)
                    || Add(time, unit, count) is not { } moved)
                {
                    return false;
                }

                time = moved;
            }
            else
            {
                // The last unit of the calendar ends with it.
                var start = RoundDown(time, unit);
                time = roundUp ? Add(start, unit, 1)?.AddMilliseconds(-1) ?? DateTimeOffset.MaxValue : start;
            }
        }

        return at == text.Length;
    }

    private static DateTimeOffset? Add(DateTimeOffset time, char unit, int count)
    {
        try
        {
            return unit switch
            {
                'y' => time.AddYears(count),
                'M' => time.AddMonths(count),
                'w' => time.AddDays(7L * count),
                'd' => time.AddDays(count),
                'm' => time.AddMinutes(count),
                's' => time.AddSeconds(count),
                _ => time.AddHours(count),
            };
        }
        catch (ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    private static DateTimeOffset RoundDown(DateTimeOffset time, char unit)
    {
        var day = new DateTimeOffset(time.UtcDateTime.Date, TimeSpan.Zero);
        return unit switch
        {
            'y' => new DateTimeOffset(day.Year, 1, 1, 0, 0, 0, TimeSpan.Zero),
            'M' => new DateTimeOffset(day.Year, day.Month, 1, 0, 0, 0, TimeSpan.Zero),
            'w' => day.AddDays(-(((int)day.DayOfWeek + 6) % 7)),
            'd' => day,
            'm' => new DateTimeOffset(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerMinute), TimeSpan.Zero),
            's' => new DateTimeOffset(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero),
            _ => new DateTimeOffset(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero),
        };
    }

    [GeneratedRegex(
        @"(?<amount>[+-][0-9]{0,9})(?<unit>[yMwdhHms])|/(?<unit>[yMwdhHms])",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Terms();

    [GeneratedRegex(
        @"^(?<seconds>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})"
        + @"((?<ticks>\.[0-9]{1,7})[0-9]*)?([Zz]|(?<sign>[+-])(?<hours>[01][0-9]|2[0-3]):(?<minutes>[0-5][0-9]))\z",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Rfc3339();
}
