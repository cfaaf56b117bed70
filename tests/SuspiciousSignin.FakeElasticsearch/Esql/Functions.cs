using System.Globalization;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>The scalar functions.</summary>
internal sealed partial class Analyzer
{
    private Bound Call(CallExpr call, Scope scope)
    {
        if (IsAggregate(call.Name))
        {
            return scope.Rows is null
                ? Fail(call, $"aggregate function [{Text(call)}] not allowed outside STATS command")
                : Aggregate(call, scope, null);
        }

        if (call.Star) return Fail(call, $"Unknown function [{call.Name}]");
        if (Conversion(call.Name) is { } target) return Convert(call, target, scope);
        if (call.Name == "CASE") return Case(call, scope);
        var args = call.Args.Select(a => Bind(a, scope)).ToArray();
        if (Array.Exists(args, a => a.Type == EsqlType.Error)) return Bound.Error;
        switch (call.Name)
        {
            case "NOW":
                return Arity(call, 0, 0) ?? Bound.Literal(EsqlType.Date, now);
            case "CIDR_MATCH":
                return CidrMatch(call, args);
            case "COALESCE":
                return Coalesce(call, args);
            case "GREATEST" or "LEAST":
                return Extreme(call, args);
            case "CONCAT":
                return Arity(call, 2, int.MaxValue) ?? Strings(call, args) ?? Scalar(call, EsqlType.Keyword, args, v => string.Concat(v));
            case "TO_LOWER":
                return Arity(call, 1, 1) ?? Strings(call, args) ?? Each(call, EsqlType.Keyword, args[0], v => ((string)v).ToLowerInvariant());
            case "TO_UPPER":
                return Arity(call, 1, 1) ?? Strings(call, args) ?? Each(call, EsqlType.Keyword, args[0], v => ((string)v).ToUpperInvariant());
            case "TRIM":
                return Arity(call, 1, 1) ?? Strings(call, args) ?? Scalar(call, EsqlType.Keyword, args, v => ((string)v[0]).Trim());
            case "LENGTH":
                return Arity(call, 1, 1) ?? Strings(call, args) ?? Scalar(call, EsqlType.Integer, args, v => (long)new StringInfo((string)v[0]).LengthInTextElements);
            case "STARTS_WITH":
                return Arity(call, 2, 2) ?? Strings(call, args) ?? Scalar(call, EsqlType.Boolean, args, v => ((string)v[0]).StartsWith((string)v[1], StringComparison.Ordinal));
            case "ENDS_WITH":
                return Arity(call, 2, 2) ?? Strings(call, args) ?? Scalar(call, EsqlType.Boolean, args, v => ((string)v[0]).EndsWith((string)v[1], StringComparison.Ordinal));
            case "SUBSTRING":
                return Arity(call, 2, 3) ?? Scalar(call, EsqlType.Keyword, args, Substring);
            case "SPLIT":
                return Arity(call, 2, 2) ?? Strings(call, args) ?? Scalar(call, EsqlType.Keyword, args, v => Cell.Of([.. ((string)v[0]).Split((string)v[1])]));
            case "DATE_DIFF":
                return Arity(call, 3, 3) ?? DateDiff(call, args);
            case "DATE_TRUNC":
                return Arity(call, 2, 2) ?? DateTrunc(call, args[0], args[1]);
            case "BUCKET":
                return Arity(call, 2, 2) ?? Bucket(call, args);
            case "MV_COUNT":
                return Arity(call, 1, 1) ?? OnCell(EsqlType.Integer, args[0], v => (long)v.Count);
            case "MV_FIRST":
                return Arity(call, 1, 1) ?? OnCell(args[0].Type.NoText(), args[0], v => v[0]);
            case "MV_LAST":
                return Arity(call, 1, 1) ?? OnCell(args[0].Type.NoText(), args[0], v => v[^1]);
            case "MV_MIN":
                return Arity(call, 1, 1) ?? OnCell(args[0].Type.NoText(), args[0], v => v.Min(Order));
            case "MV_MAX":
                return Arity(call, 1, 1) ?? OnCell(args[0].Type.NoText(), args[0], v => v.Max(Order));
            case "MV_SUM":
                return Arity(call, 1, 1) ?? OnCell(args[0].Type, args[0], v => args[0].Type == EsqlType.Double ? (object)v.Sum(Cell.ToDouble) : v.Sum(i => (long)i));
            case "MV_DEDUPE":
                return Arity(call, 1, 1) ?? OnCell(args[0].Type.NoText(), args[0], v => Cell.Of([.. v.Distinct()]));
            case "MV_SORT":
                return Arity(call, 1, 2) ?? MvSort(args);
            case "MV_CONCAT":
                return Arity(call, 2, 2) ?? Strings(call, args) ?? new Bound(EsqlType.Keyword, row =>
                    args[0].Eval(row) is { } cell && args[1].Eval(row) is string separator ? string.Join(separator, Cell.Values(cell)) : null);
            case "MV_CONTAINS" when cluster.Version.Has("9.2"):
                return Arity(call, 2, 2) ?? new Bound(EsqlType.Boolean, row =>
                {
                    var all = Cell.Values(args[0].Eval(row));
                    return Cell.Values(args[1].Eval(row)).All(w => all.Any(v => Cell.Compare(v, w) == 0));
                });
            case "ABS":
                return Arity(call, 1, 1) ?? Scalar(call, args[0].Type, args, v => v[0] is long whole ? Checked(args[0].Type, () => Math.Abs(whole)) : Math.Abs((double)v[0]));
            case "ROUND":
                return Arity(call, 1, 2) ?? Scalar(call, args[0].Type, args, v => v[0] is double x ? Math.Round(x, v.Length > 1 ? (int)(long)v[1] : 0, MidpointRounding.AwayFromZero) : v[0]);
            default:
                return Fail(call, $"Unknown function [{call.Name}]");
        }
    }

    private static Comparer<object> Order { get; } = Comparer<object>.Create(Cell.Compare);

    private static EsqlType? Conversion(string name) => name switch
    {
        "TO_IP" => EsqlType.Ip,
        "TO_STRING" or "TO_STR" => EsqlType.Keyword,
        "TO_DATETIME" or "TO_DT" => EsqlType.Date,
        "TO_DATE_NANOS" or "TO_DATENANOS" => EsqlType.DateNanos,
        "TO_LONG" => EsqlType.Long,
        "TO_INTEGER" or "TO_INT" => EsqlType.Integer,
        "TO_DOUBLE" or "TO_DBL" => EsqlType.Double,
        "TO_BOOLEAN" or "TO_BOOL" => EsqlType.Boolean,
        _ => null,
    };

    private Bound? Arity(CallExpr call, int least, int most)
    {
        if (call.Args.Count >= least && call.Args.Count <= most) return null;
        var wanted = least == most ? $"exactly {Word(least)}" : most == int.MaxValue ? $"at least {Word(least)}" : $"between {Word(least)} and {Word(most)}";
        return Fail(call, $"error building [{call.Name.ToLowerInvariant()}]: expects {wanted} argument{(least == 1 && most == 1 ? "" : "s")}");
    }

    private static string Word(int number) => number switch
    {
        0 => "zero",
        1 => "one",
        2 => "two",
        3 => "three",
        _ => number.ToString(CultureInfo.InvariantCulture),
    };

    private Bound? Strings(CallExpr call, Bound[] args)
    {
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i].Type.IsString() || args[i].Type == EsqlType.Null) continue;
            var which = args.Length == 1 ? "" : Ordinal(i + 1) + " ";
            return Fail(call, $"{which}argument of [{Text(call)}] must be [string], found value [{Text(call.Args[i])}] type [{args[i].Type.Formal()}]");
        }

        return null;
    }

    /// <summary>Applies a function to each element of a cell; elements for which it fails are dropped with a warning.</summary>
    private Bound Each(Expr expression, EsqlType type, Bound arg, Func<object, object> function) => new(type, row =>
    {
        var cell = arg.Eval(row);
        if (cell is null) return null;
        var results = new List<object>();
        foreach (var value in Cell.Values(cell))
        {
            try
            {
                results.Add(function(value));
            }
            catch (EvaluationException failure)
            {
                warnings.Add(expression, failure.Warning);
            }
        }

        return Cell.Of(results);
    });

    private static Bound OnCell(EsqlType type, Bound arg, Func<IReadOnlyList<object>, object?> function) =>
        new(type, row => arg.Eval(row) is { } cell ? function(Cell.Values(cell)) : null);

    private Bound Convert(CallExpr call, EsqlType target, Scope scope)
    {
        if (Arity(call, 1, 1) is { } wrong) return wrong;
        var arg = call.Args[0] is FieldExpr field ? Field(field, scope, inConversion: true) : Bind(call.Args[0], scope);
        if (arg.Type == EsqlType.Error) return arg;
        if (arg.Union is { } union)
        {
            if (union.Any(t => !Accepts(target, t)) && scope.TryGet(((FieldExpr)call.Args[0]).Name, out _, out var column))
                return Fail(call.Args[0], WhyUnusable(column)!);
            return new Bound(target, row => row is null || arg.Eval(row) is not TypedCell cell
                ? null
                : Each(call, target, new Bound(cell.Type, _ => cell.Value), v => Convert(target, cell.Type, v)).Eval(row));
        }

        if (!Accepts(target, arg.Type))
        {
            var wanted = target switch
            {
                EsqlType.Ip => "ip or string",
                EsqlType.Boolean => "boolean or numeric or string",
                _ => "boolean or datetime or numeric or string",
            };
            return Fail(call, $"argument of [{Text(call)}] must be [{wanted}], found value [{Text(call.Args[0])}] type [{arg.Type.Formal()}]");
        }

        return arg.Type == EsqlType.Null ? new Bound(target, _ => null) : Each(call, target, arg, v => Convert(target, arg.Type, v));
    }

    private static bool Accepts(EsqlType target, EsqlType from) => from == EsqlType.Null || from.IsString() || target switch
    {
        EsqlType.Ip => from == EsqlType.Ip,
        EsqlType.Keyword => from is not (EsqlType.Unsupported or EsqlType.TimeDuration or EsqlType.DatePeriod),
        EsqlType.Boolean => from == EsqlType.Boolean || from.IsNumeric(),
        EsqlType.Date or EsqlType.DateNanos => from.IsDate() || from.IsNumeric(),
        _ => from.IsNumeric() || from.IsDate() || from == EsqlType.Boolean,
    };

    private object Convert(EsqlType target, EsqlType from, object value)
    {
        switch (target)
        {
            case EsqlType.Ip:
                if (value is Ip) return value;
                var text = (string)value;
                return (cluster.LooseIpReading ? Ip.TryParseLoosely(text, out var ip) : Ip.TryParse(text, out ip))
                    ? ip
                    : throw EvaluationException.Argument($"'{text}' is not an IP string literal.");
            case EsqlType.Keyword:
                return value switch
                {
                    bool flag => flag ? "true" : "false",
                    double number => Cell.ToJson(number)?.ToJsonString() ?? "NaN",
                    _ => value.ToString()!,
                };
            case EsqlType.Date or EsqlType.DateNanos:
                if (value is Instant instant) return target == EsqlType.Date ? new Instant(instant.Millis) : instant;
                if (value is string written)
                {
                    return Instant.TryParse(written, out var read, epochMillis: false)
                        ? target == EsqlType.Date ? new Instant(read.Millis) : read
                        : throw EvaluationException.Argument($"failed to parse date field [{written}] with format [strict_date_optional_time]");
                }

                var number2 = (long)Cell.ToDouble(value);
                return target == EsqlType.Date ? new Instant(number2) : new Instant(number2 / 1_000_000, (int)(number2 % 1_000_000));
            case EsqlType.Long or EsqlType.Integer:
                return Whole(target, value);
            case EsqlType.Double:
                if (value is string digits)
                {
                    return double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed)
                        ? parsed
                        : throw new EvaluationException("org.elasticsearch.xpack.esql.core.InvalidArgumentException", $"Cannot parse number [{digits}]");
                }

                return Cell.ToDouble(value);
            case EsqlType.Boolean:
                return value switch
                {
                    bool flag => flag,
                    string word => word.Equals("true", StringComparison.OrdinalIgnoreCase),
                    _ => Cell.ToDouble(value) != 0,
                };
            default:
                throw EvaluationException.Argument($"cannot convert [{from.Formal()}] to [{target.Formal()}]");
        }
    }

    private static object Whole(EsqlType target, object value)
    {
        var number = value switch
        {
            long whole => whole,
            bool flag => flag ? 1L : 0L,
            Instant instant => instant.Millis,
            string text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var parsed) => parsed,
            string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) && Math.Abs(parsed) < 9.2e18 => (long)Math.Round(parsed, MidpointRounding.AwayFromZero),
            double fraction when Math.Abs(fraction) < 9.2e18 => (long)Math.Round(fraction, MidpointRounding.AwayFromZero),
            _ => throw new EvaluationException("org.elasticsearch.xpack.esql.core.InvalidArgumentException", $"Cannot parse number [{value}]"),
        };
        return target == EsqlType.Integer && number is < int.MinValue or > int.MaxValue
            ? throw new EvaluationException("org.elasticsearch.xpack.esql.core.InvalidArgumentException", $"[{number}] out of [integer] range")
            : number;
    }

    private Bound Case(CallExpr call, Scope scope)
    {
        if (Arity(call, 2, int.MaxValue) is { } wrong) return wrong;
        var args = call.Args.Select(a => Bind(a, scope)).ToArray();
        if (Array.Exists(args, a => a.Type == EsqlType.Error)) return Bound.Error;
        var branches = new List<(Expr ConditionExpr, Bound Condition, Bound Value)>();
        for (var i = 0; i + 1 < args.Length; i += 2)
        {
            if (args[i].Type is not (EsqlType.Boolean or EsqlType.Null))
                return Fail(call, $"{Ordinal(i + 1)} argument of [{Text(call)}] must be [boolean], found value [{Text(call.Args[i])}] type [{args[i].Type.Formal()}]");
            branches.Add((call.Args[i], args[i], args[i + 1]));
        }

        var otherwise = args.Length % 2 == 1 ? args[^1] : null;
        var type = EsqlType.Null;
        foreach (var (index, value) in branches.Select((b, i) => ((2 * i) + 1, b.Value)).Concat(otherwise is null ? [] : [(args.Length - 1, otherwise)]))
        {
            if (EsqlTypes.Common(type, value.Type) is not { } common)
                return Fail(call, $"{Ordinal(index + 1)} argument of [{Text(call)}] must be [{type.Formal()}], found value [{Text(call.Args[index])}] type [{value.Type.Formal()}]");
            type = common.NoText();
        }

        return new Bound(type, row =>
        {
            foreach (var (conditionExpr, condition, value) in branches)
            {
                var test = condition.Eval(row);
                if (test is object[]) warnings.Add(conditionExpr, MultiValue, "false");
                else if (test is true) return Widen(value.Eval(row), type);
            }

            return otherwise is null ? null : Widen(otherwise.Eval(row), type);
        })
        {
            NullCase = otherwise is { IsLiteral: true, LiteralValue: null },
        };
    }

    private static object? Widen(object? cell, EsqlType type) =>
        type == EsqlType.Double && cell is not null ? Cell.Of([.. Cell.Values(cell).Select(v => (object)Cell.ToDouble(v))]) : cell;

    private Bound CidrMatch(CallExpr call, Bound[] args)
    {
        if (Arity(call, 2, int.MaxValue) is { } wrong) return wrong;
        if (args[0].Type is not (EsqlType.Ip or EsqlType.Null))
            return Fail(call, $"first argument of [{Text(call)}] must be [ip], found value [{Text(call.Args[0])}] type [{args[0].Type.Formal()}]");
        for (var i = 1; i < args.Length; i++)
        {
            if (!args[i].Type.IsString() && args[i].Type != EsqlType.Null)
                return Fail(call, $"{Ordinal(i + 1)} argument of [{Text(call)}] must be [string], found value [{Text(call.Args[i])}] type [{args[i].Type.Formal()}]");
        }

        var blocks = args[1..];
        var constants = new Dictionary<string, IpBlock>();
        return Scalar(call, EsqlType.Boolean, args, v =>
        {
            var match = false;
            foreach (var text in v.Skip(1).Cast<string>())
            {
                if (!constants.TryGetValue(text, out var block))
                {
                    try
                    {
                        constants[text] = block = IpBlock.Parse(text);
                    }
                    catch (FormatException failure)
                    {
                        throw ElasticsearchException.Argument(failure.Message);
                    }
                }

                match |= block.Contains((Ip)v[0]);
            }

            return match;
        });
    }

    private Bound Coalesce(CallExpr call, Bound[] args)
    {
        if (Arity(call, 1, int.MaxValue) is { } wrong) return wrong;
        var type = EsqlType.Null;
        for (var i = 0; i < args.Length; i++)
        {
            if (EsqlTypes.Common(type, args[i].Type) is not { } common)
                return Fail(call, $"{Ordinal(i + 1)} argument of [{Text(call)}] must be [{type.Formal()}], found value [{Text(call.Args[i])}] type [{args[i].Type.Formal()}]");
            type = common.NoText();
        }

        return new Bound(type, row => Widen(args.Select(a => a.Eval(row)).FirstOrDefault(c => c is not null), type));
    }

    private Bound Extreme(CallExpr call, Bound[] args)
    {
        if (Arity(call, 1, int.MaxValue) is { } wrong) return wrong;
        var type = args.Aggregate((EsqlType?)EsqlType.Null, (t, a) => t is { } known ? EsqlTypes.Common(known, a.Type) : null);
        if (type is not { } common) return Fail(call, $"arguments of [{Text(call)}] must have one type");
        var greatest = call.Name == "GREATEST";
        return Scalar(call, common.NoText(), args, v => greatest ? v.Max(Order) : v.Min(Order));
    }

    private static object Substring(object[] values)
    {
        var text = (string)values[0];
        var start = (int)(long)values[1];
        var length = values.Length > 2 ? (int)(long)values[2] : text.Length;
        if (length < 0) throw EvaluationException.Argument($"Length parameter cannot be negative, found [{length}]");
        var from = start > 0 ? start - 1 : start < 0 ? Math.Max(0, text.Length + start) : 0;
        if (from >= text.Length) return "";
        return text.Substring(from, Math.Min(length, text.Length - from));
    }

    private Bound DateDiff(CallExpr call, Bound[] args)
    {
        for (var i = 1; i < 3; i++)
        {
            if (args[i] is { IsLiteral: true, Type: EsqlType.Keyword }) args[i] = ReadLiteral(call.Args[i], args[i], EsqlType.Date);
            if (!args[i].Type.IsDate() && args[i].Type != EsqlType.Null)
                return args[i].Type == EsqlType.Error ? args[i] : Fail(call, $"{Ordinal(i + 1)} argument of [{Text(call)}] must be [datetime or date_nanos], found value [{Text(call.Args[i])}] type [{args[i].Type.Formal()}]");
        }

        return Scalar(call, EsqlType.Integer, args, v =>
        {
            Instant start = (Instant)v[1], end = (Instant)v[2];
            var millis = end.Millis - start.Millis;
            var difference = ((string)v[0]).ToLowerInvariant() switch
            {
                "millisecond" or "milliseconds" or "ms" => millis,
                "second" or "seconds" or "ss" or "s" => millis / 1000,
                "minute" or "minutes" or "mi" or "n" => millis / 60_000,
                "hour" or "hours" or "hh" => millis / 3_600_000,
                "day" or "days" or "dd" or "d" => millis / 86_400_000,
                "week" or "weeks" or "wk" or "ww" => millis / 604_800_000,
                "month" or "months" or "mm" or "m" => Months(start.ToDateTime(), end.ToDateTime()),
                "quarter" or "quarters" or "qq" or "q" => Months(start.ToDateTime(), end.ToDateTime()) / 3,
                "year" or "years" or "yyyy" or "yy" => Months(start.ToDateTime(), end.ToDateTime()) / 12,
                _ => throw EvaluationException.Argument($"A value of [YEAR, QUARTER, MONTH, DAY, WEEK, HOUR, MINUTE, SECOND, MILLISECOND] or their aliases is required; received [{v[0]}]"),
            };
            return difference is >= int.MinValue and <= int.MaxValue
                ? difference
                : throw new EvaluationException("org.elasticsearch.xpack.esql.core.InvalidArgumentException", $"[{difference}] out of [integer] range");
        });
    }

    private static long Months(DateTime start, DateTime end)
    {
        var months = ((end.Year - start.Year) * 12) + end.Month - start.Month;
        if (months > 0 && start.AddMonths(months) > end) months--;
        if (months < 0 && start.AddMonths(months) < end) months++;
        return months;
    }

    private Bound DateTrunc(CallExpr call, Bound span, Bound date)
    {
        if (date is { IsLiteral: true, Type: EsqlType.Keyword }) date = ReadLiteral(call, date, EsqlType.Date);
        if (date.Type == EsqlType.Error) return date;
        if (!span.Type.IsSpan() || (!date.Type.IsDate() && date.Type != EsqlType.Null))
            return Fail(call, $"argument of [{Text(call)}] must be [dateperiod or timeduration] and [datetime or date_nanos], found [{span.Type.Formal()}] and [{date.Type.Formal()}]");
        return Scalar(call, date.Type, [span, date], v => ((TimeSpanValue)v[0]).Truncate((Instant)v[1]));
    }

    private Bound Bucket(CallExpr call, Bound[] args)
    {
        if (args[1].Type.IsSpan()) return DateTrunc(call, args[1], args[0]);
        return args[0].Type.IsNumeric() && args[1].Type.IsNumeric()
            ? Scalar(call, EsqlType.Double, args, v => Math.Floor(Cell.ToDouble(v[0]) / Cell.ToDouble(v[1])) * Cell.ToDouble(v[1]))
            : Fail(call, $"first argument of [{Text(call)}] must be [datetime or numeric], found value [{Text(call.Args[0])}] type [{args[0].Type.Formal()}]");
    }

    private static Bound MvSort(Bound[] args)
    {
        var descending = args.Length > 1 && args[1].LiteralValue is string order && order.Equals("desc", StringComparison.OrdinalIgnoreCase);
        return OnCell(args[0].Type.NoText(), args[0], v => Cell.Of([.. descending ? v.OrderDescending(Order) : v.Order(Order)]));
    }
}
