using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;
using System.Xml;

namespace SuspiciousSignin.Events;

/// <summary>By how much a replay moved its events.</summary>
/// <param name="Applied">As an ISO 8601 duration such as <c>P2DT1H12M</c>; negative where the events were moved back.</param>
/// <param name="Milliseconds">The same in milliseconds.</param>
public sealed record AppliedTimeShift(string Applied, long Milliseconds)
{
    internal static AppliedTimeShift Of(long milliseconds) => new(
        XmlConvert.ToString(TimeSpan.FromMilliseconds(milliseconds)), milliseconds);
}

/// <summary>
/// A replay: moves all events of a batch by the same time, so that a recorded data set can be judged as if it had just happened. An event
/// that was moved by another time is another event: its identity takes the shift in, so that a recording can be replayed again and again,
/// while the same shift of the same recording is still recognised as sent before.
/// </summary>
public readonly partial record struct TimeShift
{
    /// <summary>What can be asked for.</summary>
    public const string Expected =
        "Expected 'now', a duration such as 2h, -30m or 1d12h (units w, d, h, m, s, ms), or an ISO 8601 duration such as PT2H or -P1DT30M.";

    /// <summary>The longest text of a shift.</summary>
    public const int MaxLength = 64;

    /// <summary>The longest shift: a hundred years.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(36_600);

    /// <summary>How far in the future an event may be dated: what clocks may differ by.</summary>
    internal static readonly TimeSpan ToleratedClockSkew = TimeSpan.FromMinutes(5);

    private readonly TimeSpan? _by;

    private TimeShift(TimeSpan? by) => _by = by;

    /// <summary>Whether the newest event is to be dated now, rather than moved by a duration.</summary>
    public bool IsToPresent => _by is null;

    /// <summary>Whether the shift is within <see cref="Longest"/>.</summary>
    public bool IsInRange => _by is not { } by || (by >= -Longest && by <= Longest);

    /// <summary>
    /// Reads a shift; without a sign it is forward. A space counts as the plus sign that it was before somebody put it into a URL as it
    /// stood.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="shift">The shift.</param>
    /// <returns>Whether the text is one.</returns>
    public static bool TryParse(string? text, out TimeShift shift)
    {
        shift = default;
        if (text is null || text.Length > MaxLength)
        {
            return false;
        }

        if (text == "now")
        {
            return true;
        }

        var isSigned = text.StartsWith('+') || text.StartsWith('-') || text.StartsWith(' ');
        var sign = text.StartsWith('-') ? -1 : 1;
        var unsigned = isSigned ? text[1..] : text;
        if ((TryReadIso(unsigned) ?? TryReadTerms(unsigned)) is not { } duration)
        {
            return false;
        }

        shift = new TimeShift(sign * duration);
        return true;
    }

    /// <summary>Moves the events of a batch, unless one of them cannot be moved; then none is.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="now">The present.</param>
    /// <param name="applied">By how much; nothing where the batch holds no event.</param>
    /// <param name="request">
    /// The identity of the request, where it has one. Its events take that in if they are moved to the present, not the shift: that is
    /// another one when the request is sent again.
    /// </param>
    /// <returns>Null, or why the events cannot be moved.</returns>
    public string? Apply(EventBatch batch, DateTimeOffset now, out AppliedTimeShift applied, UInt128? request = null)
    {
        applied = AppliedTimeShift.Of(0);
        if (batch.Events.Count == 0)
        {
            return null;
        }

        var newest = batch.Events.Max(record => record.Timestamp);
        var milliseconds = _by is { } by ? (long)by.TotalMilliseconds : now.ToUnixTimeMilliseconds() - newest;
        if (Math.Abs(milliseconds) > Longest.TotalMilliseconds)
        {
            return $"The newest event lies more than {Longest.TotalDays} days from now.";
        }

        if (_by is not null && newest + milliseconds > (now + ToleratedClockSkew).ToUnixTimeMilliseconds())
        {
            return "The newest event would be dated in the future. 'now' moves it to the present.";
        }

        var (earliest, latest) = (
            batch.Events.Min(record => Math.Min(record.Timestamp, record.Ingested)),
            batch.Events.Max(record => Math.Max(record.Timestamp, record.Ingested)));
        if (earliest + milliseconds < EcsTime.Earliest || latest + milliseconds > EcsTime.Latest)
        {
            return "An event would be dated outside the years 1 to 9999.";
        }

        var replay = _by is null ? request : null;
        batch.Replace(record => Move(record, milliseconds, replay));
        applied = AppliedTimeShift.Of(milliseconds);
        return null;
    }

    private static EventRecord Move(EventRecord record, long milliseconds, UInt128? replay) => (replay is { } request
        ? DerivedIdentity.OfReplayed(record, request)
        : DerivedIdentity.OfMoved(record, milliseconds)) with
    {
        Timestamp = record.Timestamp + milliseconds,
        Ingested = record.Ingested + milliseconds,
        Document = milliseconds == 0 || record.Document.IsEmpty ? record.Document : EcsTimeRewriter.Move(record.Document, milliseconds),
    };

    private static TimeSpan? TryReadIso(string text)
    {
        // Months and years have no fixed length.
        if (!IsoDuration().IsMatch(text))
        {
            return null;
        }

        try
        {
            return XmlConvert.ToTimeSpan(text);
        }
        catch (Exception tooLong) when (tooLong is OverflowException or FormatException)
        {
            // In form it is one; a number beyond an int is no format to XmlConvert.
            return TimeSpan.MaxValue;
        }
    }

    private static TimeSpan? TryReadTerms(string text)
    {
        var (at, ticks) = (0, BigInteger.Zero);
        foreach (Match term in Term().Matches(text))
        {
            if (term.Index != at)
            {
                return null;
            }

            at += term.Length;
            var unit = term.Groups["unit"].Value switch
            {
                "w" => 7 * TimeSpan.TicksPerDay,
                "d" => TimeSpan.TicksPerDay,
                "m" => TimeSpan.TicksPerMinute,
                "s" => TimeSpan.TicksPerSecond,
                "ms" => TimeSpan.TicksPerMillisecond,
                _ => TimeSpan.TicksPerHour,
            };
            ticks += unit * BigInteger.Parse(term.Groups["amount"].Value, CultureInfo.InvariantCulture);
        }

        return at == text.Length && at > 0 ? new TimeSpan((long)BigInteger.Min(ticks, TimeSpan.MaxValue.Ticks)) : null;
    }

    [GeneratedRegex("(?<amount>[0-9]+)(?<unit>ms|[wdhHms])", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Term();

    [GeneratedRegex(
        @"^P(?=[0-9T])([0-9]+D)?(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]{1,9})?S)?)?\z",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex IsoDuration();
}
