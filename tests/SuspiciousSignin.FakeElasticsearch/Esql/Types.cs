using System.Globalization;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>The types of ES|QL that are known here. Error marks what has been complained about already.</summary>
internal enum EsqlType
{
    Error,
    Null,
    Boolean,
    Integer,
    Long,
    Double,
    Keyword,
    Text,
    Ip,
    Date,
    DateNanos,
    TimeDuration,
    DatePeriod,
    Unsupported,
}

internal static class EsqlTypes
{
    public static string Name(this EsqlType type) => type switch
    {
        EsqlType.DateNanos => "date_nanos",
        EsqlType.TimeDuration => "time_duration",
        EsqlType.DatePeriod => "date_period",
        _ => type.ToString().ToLowerInvariant(),
    };

    /// <summary>The name in complaints, where a date is called datetime.</summary>
    public static string Formal(this EsqlType type) => type == EsqlType.Date ? "datetime" : type.Name();

    public static bool IsNumeric(this EsqlType type) => type is EsqlType.Integer or EsqlType.Long or EsqlType.Double;

    public static bool IsString(this EsqlType type) => type is EsqlType.Keyword or EsqlType.Text;

    public static bool IsDate(this EsqlType type) => type is EsqlType.Date or EsqlType.DateNanos;

    public static bool IsSpan(this EsqlType type) => type is EsqlType.TimeDuration or EsqlType.DatePeriod;

    /// <summary>What a function or aggregate makes of it: text becomes keyword.</summary>
    public static EsqlType NoText(this EsqlType type) => type == EsqlType.Text ? EsqlType.Keyword : type;

    /// <summary>The type of a mapped field.</summary>
    public static EsqlType Of(FieldMapping mapping) => mapping.Family switch
    {
        "keyword" => EsqlType.Keyword,
        "text" => EsqlType.Text,
        "ip" => EsqlType.Ip,
        "date" => EsqlType.Date,
        "date_nanos" => EsqlType.DateNanos,
        "long" or "unsigned_long" => EsqlType.Long,
        "integer" or "short" or "byte" => EsqlType.Integer,
        "double" or "float" or "half_float" or "scaled_float" => EsqlType.Double,
        "boolean" => EsqlType.Boolean,
        _ => EsqlType.Unsupported,
    };

    /// <summary>The type that holds both, or null if they do not go together.</summary>
    public static EsqlType? Common(EsqlType a, EsqlType b)
    {
        if (a == b || b == EsqlType.Null) return a;
        if (a == EsqlType.Null) return b;
        if (a.IsString() && b.IsString()) return EsqlType.Keyword;
        if (a.IsNumeric() && b.IsNumeric()) return a == EsqlType.Double || b == EsqlType.Double ? EsqlType.Double : EsqlType.Long;
        if (a.IsDate() && b.IsDate()) return EsqlType.DateNanos;
        return null;
    }
}

/// <summary>A time-span literal: months, days and milliseconds.</summary>
internal readonly record struct TimeSpanValue(long Months, long Days, long Millis)
{
    public bool IsPeriod => Millis == 0 && (Months != 0 || Days != 0);

    public static bool TryRead(long count, string unit, out TimeSpanValue value)
    {
        value = default;
        if (count is > int.MaxValue or < int.MinValue) return false;
        TimeSpanValue? read = unit.ToLowerInvariant() switch
        {
            "millisecond" or "milliseconds" or "ms" => new(0, 0, count),
            "second" or "seconds" or "sec" or "s" => new(0, 0, count * 1000),
            "minute" or "minutes" or "min" or "m" => new(0, 0, count * 60_000),
            "hour" or "hours" or "h" => new(0, 0, count * 3_600_000),
            "day" or "days" or "d" => new(0, count, 0),
            "week" or "weeks" or "w" => new(0, count * 7, 0),
            "month" or "months" or "mo" => new(count, 0, 0),
            "quarter" or "quarters" or "q" => new(count * 3, 0, 0),
            "year" or "years" or "yr" or "y" => new(count * 12, 0, 0),
            _ => null,
        };
        value = read ?? default;
        return read is not null;
    }

    public Instant AddTo(Instant instant, int sign)
    {
        try
        {
            var time = instant.ToDateTime();
            if (Months != 0) time = time.AddMonths(checked((int)(sign * Months)));
            if (Days != 0) time = time.AddDays(sign * Days);
            return new Instant(checked(Instant.From(time).Millis + (sign * Millis)), instant.Nanos);
        }
        catch (Exception failure) when (failure is ArgumentOutOfRangeException or OverflowException)
        {
            throw new EvaluationException("java.time.DateTimeException", "Exceeds capacity of Duration");
        }
    }

    public Instant Truncate(Instant instant)
    {
        var time = instant.ToDateTime();
        if (Months > 0)
        {
            var months = ((time.Year - 1) * 12L) + time.Month - 1;
            months -= months % Months;
            return Instant.From(new DateTime((int)(months / 12) + 1, (int)(months % 12) + 1, 1, 0, 0, 0, DateTimeKind.Utc));
        }

        if (Days > 0)
        {
            // Weeks begin on Monday; other numbers of days count from 1970.
            var day = Floor(instant.Millis, 86_400_000) / 86_400_000;
            var shift = Days % 7 == 0 ? 3 : 0;
            return new Instant((Floor(day + shift, Days) - shift) * 86_400_000);
        }

        return new Instant(Floor(instant.Millis, Math.Max(1, Millis)));
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"P{Months}M{Days}DT{Millis / 1000.0}S");

    private static long Floor(long value, long unit)
    {
        var rest = value % unit;
        return rest < 0 ? value - rest - unit : value - rest;
    }
}

/// <summary>A value for which a function fails: the cell becomes null and the query warns.</summary>
internal sealed class EvaluationException(string javaClass, string message) : Exception(message)
{
    public string Warning => $"{javaClass}: {Message}";

    public static EvaluationException Argument(string message) => new("java.lang.IllegalArgumentException", message);

    public static EvaluationException Arithmetic(string message) => new("java.lang.ArithmeticException", message);
}

/// <summary>What went wrong in single cells, per expression: the first twenty different failures.</summary>
internal sealed class Warnings(Query query)
{
    private readonly Dictionary<Span, (string Head, List<string> Failures)> _byExpression = [];
    private readonly List<string> _general = [];

    public IEnumerable<string> All => _general.Concat(_byExpression.Values.SelectMany(w => w.Failures.Prepend(w.Head)));

    public void General(string text) => _general.Add(text);

    public void Add(Expr expression, string failure, string treatedAs = "null")
    {
        var place = query.Place(expression.Span);
        if (!_byExpression.TryGetValue(expression.Span, out var warning))
        {
            warning = ($"Line {place}: evaluation of [{query.Source(expression.Span)}] failed, treating result as {treatedAs}. Only first 20 failures recorded.", []);
            _byExpression[expression.Span] = warning;
        }

        var text = $"Line {place}: {failure}";
        if (warning.Failures.Count < 20 && !warning.Failures.Contains(text)) warning.Failures.Add(text);
    }

    /// <summary>The value of a Warning header: quotes and backslashes escaped, percent signs and what HTTP does not allow encoded.</summary>
    public static string Header(string text, ElasticsearchVersion version)
    {
        var value = new System.Text.StringBuilder();
        foreach (var b in System.Text.Encoding.UTF8.GetBytes(text))
        {
            if (b is (byte)'"' or (byte)'\\') value.Append('\\').Append((char)b);
            else if (b == '\t' || (b >= 0x20 && b < 0x7F && b != '%')) value.Append((char)b);
            else value.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
        }

        return $"299 Elasticsearch-{version}-0123456789abcdef0123456789abcdef01234567 \"{value}\"";
    }
}
