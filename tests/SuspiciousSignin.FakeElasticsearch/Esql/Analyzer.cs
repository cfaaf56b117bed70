using System.Text.RegularExpressions;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>A cell of a column that is mapped differently in different indices: the value with the type it has here.</summary>
internal sealed record TypedCell(EsqlType Type, object? Value);

/// <summary>One column between two commands.</summary>
internal sealed record Column(string Name, EsqlType Type)
{
    /// <summary>The types of a union column, with the indices that have each.</summary>
    public IReadOnlyList<(string TypeName, EsqlType Type, IReadOnlyList<string> Indices)>? Variants { get; init; }

    /// <summary>The mapped type that ES|QL cannot read.</summary>
    public string? UnsupportedType { get; init; }

    /// <summary>Whether it is a CASE with the null written out, which some releases cannot aggregate.</summary>
    public bool NullCase { get; init; }

    /// <summary>Whether it is mapped nowhere and read from _source.</summary>
    public bool FromSource { get; init; }
}

/// <summary>An expression that has a type and can be evaluated on a row.</summary>
internal sealed record Bound(EsqlType Type, Func<object?[], object?> Eval)
{
    public bool IsLiteral { get; init; }

    public object? LiteralValue { get; init; }

    public bool NullCase { get; init; }

    /// <summary>Set on a union column that stands directly in a conversion.</summary>
    public IReadOnlyList<EsqlType>? Union { get; init; }

    public static Bound Error { get; } = new(EsqlType.Error, _ => null);

    public static Bound Literal(EsqlType type, object? value) => new(type, _ => value) { IsLiteral = true, LiteralValue = value };
}

/// <summary>The columns that an expression can see, and where they are in a row.</summary>
internal sealed class Scope
{
    private readonly Dictionary<string, (int Slot, Column Column)> _columns = [];

    public Scope(IEnumerable<Column> columns)
    {
        var slot = 0;
        foreach (var column in columns) _columns[column.Name] = (slot++, column);
    }

    /// <summary>Set where aggregates may stand: they are evaluated first, on the rows of this scope.</summary>
    public Scope? Rows { get; init; }

    public List<AggregateSpec> Aggregates { get; } = [];

    public int FirstAggregateSlot { get; init; }

    /// <summary>Whether unknown names read as null: SET unmapped_fields.</summary>
    public bool UnmappedIsNull { get; init; }

    public IEnumerable<string> Names => _columns.Keys;

    public bool TryGet(string name, out int slot, out Column column)
    {
        var found = _columns.TryGetValue(name, out var entry);
        (slot, column) = found ? entry : (-1, new Column(name, EsqlType.Error));
        return found;
    }
}

/// <summary>
/// Gives every expression a type, collects what is wrong with the query, and turns expressions into functions on rows. Three-valued
/// logic, single-value functions and failures as null plus warning are here.
/// </summary>
internal sealed partial class Analyzer(FakeCluster cluster, Query query, Warnings warnings, Instant now)
{
    private const string MultiValue = "java.lang.IllegalArgumentException: single-value function encountered multi-value";

    private readonly List<string> _failures = [];

    public IReadOnlyList<string> Failures => _failures;

    public Bound Bind(Expr expression, Scope scope) => expression switch
    {
        LiteralExpr literal => Bound.Literal(literal.Type, literal.Value),
        FieldExpr field => Field(field, scope),
        UnaryExpr unary => Unary(unary, scope),
        BinaryExpr binary => Binary(binary, scope),
        InExpr test => In(test, scope),
        IsNullExpr test => IsNull(test, scope),
        LikeExpr test => Like(test, scope),
        CallExpr call => Call(call, scope),
        FilteredExpr filtered => Filtered(filtered, scope),
        _ => Fail(expression, "Unknown expression"),
    };

    public Bound Condition(Expr expression, Scope scope)
    {
        var condition = Bind(expression, scope);
        if (condition.Type is EsqlType.Boolean or EsqlType.Null or EsqlType.Error) return condition;
        return Fail(expression, $"Condition expression needs to be boolean, found [{condition.Type.Formal().ToUpperInvariant()}]");
    }

    public Bound Fail(Expr expression, string message) => Fail(expression.Span, message);

    public Bound Fail(Span span, string message)
    {
        var failure = $"line {query.Place(span)}: {message}";
        if (!_failures.Contains(failure)) _failures.Add(failure);
        return Bound.Error;
    }

    public Bound UnknownColumn(Span span, string name, IEnumerable<string> known)
    {
        var similar = known
            .Select(k => (Name: k, Score: Similarity(name, k)))
            .Where(k => k.Score >= 0.5)
            .OrderByDescending(k => k.Score)
            .Select(k => k.Name)
            .Take(5)
            .ToArray();
        var hint = similar.Length switch
        {
            0 => "",
            1 => $", did you mean [{similar[0]}]?",
            _ => $", did you mean any of [{string.Join(", ", similar)}]?",
        };
        return Fail(span, $"Unknown column [{name}]{hint}");
    }

    /// <summary>What is said of a column that cannot be used, or null if it can.</summary>
    public static string? WhyUnusable(Column column)
    {
        if (column.UnsupportedType is { } type) return $"Cannot use field [{column.Name}] with unsupported type [{type}]";
        if (column.Variants is not { } variants) return null;
        var types = variants.Select(v =>
        {
            var shown = v.Indices.Count > 3
                ? $"{string.Join(", ", v.Indices.Take(3))}] and [{v.Indices.Count - 3}] other {(v.Indices.Count == 4 ? "index" : "indices")}"
                : string.Join(", ", v.Indices) + "]";
            return $"[{v.TypeName}] in [{shown}";
        });
        return $"Cannot use field [{column.Name}] due to ambiguities being mapped as [{variants.Count}] incompatible types: {string.Join(", ", types)}";
    }

    /// <summary>Evaluates a function of single values: null or several values in, null out; several also warn.</summary>
    private Bound Scalar(Expr expression, EsqlType type, IReadOnlyList<Bound> args, Func<object[], object?> function)
    {
        if (args.Any(a => a.Type == EsqlType.Error)) return Bound.Error;
        return new Bound(type, row =>
        {
            var values = new object[args.Count];
            var isNull = false;
            for (var i = 0; i < args.Count; i++)
            {
                var cell = args[i].Eval(row);
                if (cell is object[])
                {
                    warnings.Add(expression, MultiValue);
                    return null;
                }

                if (cell is null) isNull = true;
                else values[i] = cell;
            }

            if (isNull) return null;
            try
            {
                return function(values);
            }
            catch (EvaluationException failure)
            {
                warnings.Add(expression, failure.Warning);
                return null;
            }
        });
    }

    private Bound Field(FieldExpr field, Scope scope, bool inConversion = false)
    {
        if (!scope.TryGet(field.Name, out var slot, out var column))
        {
            if (scope.UnmappedIsNull) return Bound.Literal(EsqlType.Null, null);
            if (scope.Rows is { } rows && rows.TryGet(field.Name, out _, out _))
                return Fail(field, $"column [{field.Name}] must appear in the STATS BY clause or be used in an aggregate function");
            return UnknownColumn(field.Span, field.Name, (scope.Rows ?? scope).Names);
        }

        if (column.Type == EsqlType.Error) return Bound.Error;
        if (inConversion && column.Variants is { } variants && column.UnsupportedType is null)
            return new Bound(EsqlType.Unsupported, row => row[slot]) { Union = [.. variants.Select(v => v.Type)] };
        if (WhyUnusable(column) is { } why) return Fail(field, why);
        return new Bound(column.Type, row => row[slot]) { NullCase = column.NullCase };
    }

    private Bound Unary(UnaryExpr unary, Scope scope)
    {
        var operand = Bind(unary.Operand, scope);
        if (operand.Type == EsqlType.Error) return operand;
        if (unary.Op == "NOT")
        {
            if (operand.Type is not (EsqlType.Boolean or EsqlType.Null))
                return Fail(unary, $"argument of [{Text(unary)}] must be [boolean], found value [{Text(unary.Operand)}] type [{operand.Type.Formal()}]");
            return Scalar(unary, EsqlType.Boolean, [operand], v => !(bool)v[0]);
        }

        if (operand.Type == EsqlType.Null) return operand;
        if (operand.LiteralValue is TimeSpanValue span)
            return Bound.Literal(operand.Type, new TimeSpanValue(-span.Months, -span.Days, -span.Millis));
        if (!operand.Type.IsNumeric()) return Fail(unary, $"argument of [{Text(unary)}] must be [numeric, date_period or time_duration], found value [{Text(unary.Operand)}] type [{operand.Type.Formal()}]");
        return Scalar(unary, operand.Type, [operand], v => v[0] is long whole ? Checked(operand.Type, () => checked(-whole)) : -(double)v[0]);
    }

    private Bound Binary(BinaryExpr binary, Scope scope)
    {
        var left = Bind(binary.Left, scope);
        var right = Bind(binary.Right, scope);
        if (left.Type == EsqlType.Error || right.Type == EsqlType.Error) return Bound.Error;
        switch (binary.Op)
        {
            case "AND" or "OR":
                return Logical(binary, left, right);
            case "+" or "-" or "*" or "/" or "%":
                return Arithmetic(binary, left, right);
            default:
                (left, right) = Harmonise(binary.Left, left, binary.Right, right);
                if (left.Type == EsqlType.Error || right.Type == EsqlType.Error) return Bound.Error;
                if (binary.Op == "=~")
                    return Scalar(binary, EsqlType.Boolean, [left, right], v => string.Equals((string)v[0], (string)v[1], StringComparison.OrdinalIgnoreCase));
                if (!Comparable(left.Type, right.Type))
                    return Fail(binary, $"first argument of [{Text(binary)}] is [{Group(left.Type)}] so second argument must also be [{Group(left.Type)}] but was [{right.Type.Formal()}]");
                if (left.Type == EsqlType.Boolean && binary.Op is not ("==" or "!="))
                    return Fail(binary, $"first argument of [{Text(binary)}] must be [date_nanos, datetime, double, integer, ip, keyword, long, text, unsigned_long or version], found value [{Text(binary.Left)}] type [boolean]");
                return Scalar(binary, EsqlType.Boolean, [left, right], v => Holds(binary.Op, Cell.Compare(v[0], v[1])));
        }
    }

    private static bool Holds(string op, int order) => op switch
    {
        "==" => order == 0,
        "!=" => order != 0,
        "<" => order < 0,
        "<=" => order <= 0,
        ">" => order > 0,
        _ => order >= 0,
    };

    private Bound Logical(BinaryExpr binary, Bound left, Bound right)
    {
        foreach (var (side, bound, name) in new[] { (binary.Left, left, "first"), (binary.Right, right, "second") })
        {
            if (bound.Type is not (EsqlType.Boolean or EsqlType.Null))
                return Fail(binary, $"{name} argument of [{Text(binary)}] must be [boolean], found value [{Text(side)}] type [{bound.Type.Formal()}]");
        }

        var decisive = binary.Op == "OR";
        return new Bound(EsqlType.Boolean, row =>
        {
            // Both sides are always evaluated, as Elasticsearch does block by block.
            var a = Single(binary, left.Eval(row));
            var b = Single(binary, right.Eval(row));
            if (a is bool x && x == decisive) return decisive;
            if (b is bool y && y == decisive) return decisive;
            return a is null || b is null ? null : !decisive;
        });
    }

    private object? Single(Expr expression, object? cell)
    {
        if (cell is not object[]) return cell;
        warnings.Add(expression, MultiValue);
        return null;
    }

    private Bound Arithmetic(BinaryExpr binary, Bound left, Bound right)
    {
        if (left.Type.IsDate() && right.Type.IsSpan() && binary.Op is "+" or "-")
            return Scalar(binary, left.Type, [left, right], v => ((TimeSpanValue)v[1]).AddTo((Instant)v[0], binary.Op == "-" ? -1 : 1));
        if (left.Type.IsSpan() && right.Type.IsDate() && binary.Op == "+")
            return Scalar(binary, right.Type, [left, right], v => ((TimeSpanValue)v[0]).AddTo((Instant)v[1], 1));
        if ((left.Type == EsqlType.Null && right.Type.IsDate()) || (right.Type == EsqlType.Null && left.Type.IsDate()))
            return new Bound(left.Type.IsDate() ? left.Type : right.Type, _ => null);
        if (left.LiteralValue is TimeSpanValue a && right.LiteralValue is TimeSpanValue b && left.Type == right.Type && binary.Op is "+" or "-")
        {
            var sign = binary.Op == "-" ? -1 : 1;
            return Bound.Literal(left.Type, new TimeSpanValue(a.Months + (sign * b.Months), a.Days + (sign * b.Days), a.Millis + (sign * b.Millis)));
        }

        var common = EsqlTypes.Common(left.Type, right.Type);
        if (common is not { } type || !(type.IsNumeric() || type == EsqlType.Null))
            return Fail(binary, $"[{binary.Op}] has arguments with incompatible types [{left.Type.Formal()}] and [{right.Type.Formal()}]");
        if (left.Type == EsqlType.Null || right.Type == EsqlType.Null) return new Bound(type, _ => null);
        return Scalar(binary, type, [left, right], v =>
        {
            if (type == EsqlType.Double)
            {
                double x = Cell.ToDouble(v[0]), y = Cell.ToDouble(v[1]);
                var result = binary.Op switch
                {
                    "+" => x + y,
                    "-" => x - y,
                    "*" => x * y,
                    "/" => x / y,
                    _ => x % y,
                };
                if (y == 0 && binary.Op is "/" or "%") throw EvaluationException.Arithmetic("/ by zero");
                return double.IsFinite(result) ? result : throw EvaluationException.Arithmetic($"not a finite double number: {result}");
            }

            long m = (long)v[0], n = (long)v[1];
            if (n == 0 && binary.Op is "/" or "%") throw EvaluationException.Arithmetic("/ by zero");
            return Checked(type, () => binary.Op switch
            {
                "+" => checked(m + n),
                "-" => checked(m - n),
                "*" => checked(m * n),
                "/" => m / n,
                _ => m % n,
            });
        });
    }

    private static object Checked(EsqlType type, Func<long> compute)
    {
        try
        {
            var result = compute();
            if (type == EsqlType.Integer && result is < int.MinValue or > int.MaxValue) throw EvaluationException.Arithmetic("integer overflow");
            return result;
        }
        catch (OverflowException)
        {
            throw EvaluationException.Arithmetic("long overflow");
        }
    }

    private bool Comparable(EsqlType a, EsqlType b)
    {
        if (a == EsqlType.Null || b == EsqlType.Null) return true;
        if (a.IsDate() && b.IsDate() && a != b && !cluster.Version.Has("8.18")) return false;
        return EsqlTypes.Common(a, b) is { } common && !common.IsSpan();
    }

    private static string Group(EsqlType type) => type.IsNumeric() ? "numeric" : type.IsString() ? "keyword" : type.Formal();

    /// <summary>A text literal beside a date or an address is read as one.</summary>
    private (Bound Left, Bound Right) Harmonise(Expr leftExpr, Bound left, Expr rightExpr, Bound right)
    {
        if (left is { IsLiteral: true, Type: EsqlType.Keyword } && !right.Type.IsString()) left = ReadLiteral(leftExpr, left, right.Type);
        else if (right is { IsLiteral: true, Type: EsqlType.Keyword } && !left.Type.IsString()) right = ReadLiteral(rightExpr, right, left.Type);
        return (left, right);
    }

    private Bound ReadLiteral(Expr expression, Bound literal, EsqlType wanted)
    {
        if (wanted is not (EsqlType.Date or EsqlType.DateNanos or EsqlType.Ip or EsqlType.Boolean)) return literal;
        try
        {
            return Bound.Literal(wanted, Cell.Of([.. Cell.Values(literal.LiteralValue).Select(v => Convert(wanted, EsqlType.Keyword, v))]));
        }
        catch (EvaluationException failure)
        {
            return Fail(expression, $"Cannot convert string [{literal.LiteralValue}] to [{wanted.Formal().ToUpperInvariant()}], error [{failure.Message}]");
        }
    }

    private Bound In(InExpr test, Scope scope)
    {
        var value = Bind(test.Value, scope);
        var list = test.List.Select(e =>
        {
            var item = Bind(e, scope);
            return item is { IsLiteral: true, Type: EsqlType.Keyword } && !value.Type.IsString() ? ReadLiteral(e, item, value.Type) : item;
        }).ToArray();
        if (value.Type == EsqlType.Error || Array.Exists(list, i => i.Type == EsqlType.Error)) return Bound.Error;
        for (var i = 0; i < list.Length; i++)
        {
            if (!Comparable(value.Type, list[i].Type))
                return Fail(test, $"{Ordinal(i + 1)} argument of [{Text(test)}] must be [{Group(value.Type)}], found value [{Text(test.List[i])}] type [{list[i].Type.Formal()}]");
        }

        return new Bound(EsqlType.Boolean, row =>
        {
            var wanted = Single(test, value.Eval(row));
            if (wanted is null) return null;
            var unknown = false;
            foreach (var item in list)
            {
                var candidate = Single(test, item.Eval(row));
                if (candidate is null) unknown = true;
                else if (Cell.Compare(wanted, candidate) == 0) return true;
            }

            return unknown ? null : false;
        });
    }

    private Bound IsNull(IsNullExpr test, Scope scope)
    {
        var value = Bind(test.Value, scope);
        return value.Type == EsqlType.Error ? value : new Bound(EsqlType.Boolean, row => (value.Eval(row) is null) != test.Negated);
    }

    private Bound Like(LikeExpr test, Scope scope)
    {
        var value = Bind(test.Value, scope);
        if (value.Type == EsqlType.Error) return value;
        if (!value.Type.IsString() && value.Type != EsqlType.Null)
            return Fail(test, $"argument of [{Text(test)}] must be [string], found value [{Text(test.Value)}] type [{value.Type.Formal()}]");
        var pattern = test.Regex ? test.Pattern : LikeToRegex(test.Pattern);
        Regex regex;
        try
        {
            regex = new Regex($"\\A(?:{pattern})\\z", RegexOptions.NonBacktracking | RegexOptions.Singleline | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException)
        {
            return Fail(test, $"Invalid regex pattern for RLIKE [{test.Pattern}]");
        }

        return Scalar(test, EsqlType.Boolean, [value], v => regex.IsMatch((string)v[0]));
    }

    private static string LikeToRegex(string pattern)
    {
        var regex = new System.Text.StringBuilder();
        for (var i = 0; i < pattern.Length; i++)
        {
            regex.Append(pattern[i] switch
            {
                '*' => ".*",
                '?' => ".",
                '\\' when i + 1 < pattern.Length => Regex.Escape(pattern[++i].ToString()),
                _ => Regex.Escape(pattern[i].ToString()),
            });
        }

        return regex.ToString();
    }

    private Bound Filtered(FilteredExpr filtered, Scope scope)
    {
        if (scope.Rows is null || filtered.Aggregate is not CallExpr call || !IsAggregate(call.Name))
            return Fail(filtered, $"WHERE clause allowed only for aggregate functions, none found in [{Text(filtered)}]");
        var condition = Condition(filtered.Filter, scope.Rows);
        return condition.Type == EsqlType.Error ? condition : Aggregate(call, scope, condition);
    }

    private string Text(Expr expression) => query.Source(expression.Span);

    private static string Ordinal(int number) => number switch
    {
        1 => "first",
        2 => "second",
        3 => "third",
        4 => "fourth",
        5 => "fifth",
        _ => $"{number}th",
    };

    private static double Similarity(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = row[j];
                row[j] = cost;
            }
        }

        return 1.0 - ((double)row[b.Length] / Math.Max(1, Math.Max(a.Length, b.Length)));
    }
}
