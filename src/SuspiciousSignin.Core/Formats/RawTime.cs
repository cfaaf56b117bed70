using System.Globalization;
using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>Times as raw records write them. Text without a zone is UTC; digits finer than a millisecond are cut off.</summary>
internal static class RawTime
{
    private const int MaxLength = 64;

    // Month first, as Microsoft writes them. The last but one is what the portal's export of Log Analytics writes.
    private static readonly string[] Formats =
    [
        "M/d/yyyy h:mm:ss tt zzz", "M/d/yyyy h:mm:ss tt 'Z'", "M/d/yyyy h:mm:ss tt", "M/d/yyyy H:mm:ss",
        "M/d/yyyy, h:mm:ss.fff tt", "yyyy-MM-dd'T'H:mm:ss.fff'Z'",
    ];

    /// <summary>Reads a date and time.</summary>
    /// <param name="text">The text.</param>
    /// <param name="milliseconds">Milliseconds since the epoch.</param>
    public static bool TryParse(string text, out long milliseconds)
    {
        milliseconds = 0;
        if (text.Length is < 8 or > MaxLength || !Ascii.IsValid(text))
        {
            return false;
        }

        // A bare number is no time of these sources, though Elasticsearch would read it as one.
        if (text[4] == '-' && EcsTime.TryParse(Encoding.ASCII.GetBytes(text), out milliseconds))
        {
            return true;
        }

        if (!DateTimeOffset.TryParseExact(text, Formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            return false;
        }

        milliseconds = time.ToUnixTimeMilliseconds();
        return true;
    }

    /// <summary>Reads seconds since the epoch with a fraction, as Zeek writes them.</summary>
    public static bool TryParseEpochSeconds(string? text, out long milliseconds)
    {
        milliseconds = 0;
        if (!decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
            || Math.Abs(seconds) > 400_000_000_000m)
        {
            return false;
        }

        milliseconds = (long)Math.Floor(seconds * 1000);
        return milliseconds >= EcsTime.Earliest && milliseconds <= EcsTime.Latest;
    }
}
