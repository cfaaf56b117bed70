namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>One aggregate of a STATS command: what it reads of each row, and what it makes of a group.</summary>
internal sealed record AggregateSpec(EsqlType Type, Bound? Argument, Bound? Filter, Func<IReadOnlyList<object>, long, object?> Finish)
{
    public object? Over(IReadOnlyList<object?[]> rows)
    {
        var values = new List<object>();
        long count = 0;
        foreach (var row in rows)
        {
            if (Filter is not null && Filter.Eval(row) is not true) continue;
            count++;
            if (Argument is null) continue;
            var cell = Argument.Eval(row);
            if (cell is TypedCell) continue;
            values.AddRange(Cell.Values(cell));
        }

        return Finish(values, count);
    }
}

/// <summary>The aggregates.</summary>
internal sealed partial class Analyzer
{
    private static bool IsAggregate(string name) =>
        name is "COUNT" or "COUNT_DISTINCT" or "VALUES" or "MIN" or "MAX" or "SUM" or "AVG" or "TOP" or "MEDIAN";

    private Bound Aggregate(CallExpr call, Scope scope, Bound? filter)
    {
        Bound? argument = null;
        if (call is { Name: "COUNT", Args.Count: 0 })
        {
            argument = null;
        }
        else
        {
            if (call.Star) return Fail(call, $"Unknown function [{call.Name}]");
            var (least, most) = call.Name switch
            {
                "COUNT_DISTINCT" => (1, 2),
                "TOP" => (3, 3),
                _ => (1, 1),
            };
            if (Arity(call, least, most) is { } wrong) return wrong;
            if (call.Args.Any(a => a is CallExpr inner && IsAggregate(inner.Name)))
                return Fail(call.Args[0], $"nested aggregations [{Text(call.Args[0])}] not allowed inside other aggregations [{Text(call)}]");
            argument = Bind(call.Args[0], scope.Rows!);
            if (argument.Type == EsqlType.Error) return argument;
        }

        if (cluster.NullCaseHazard && argument is { NullCase: true })
            throw new ElasticsearchException(500, "esql_illegal_argument_exception", "illegal data type [null]");
        var spec = Spec(call, argument, scope.Rows!, filter);
        if (spec is null) return Bound.Error;
        var slot = scope.FirstAggregateSlot + scope.Aggregates.Count;
        scope.Aggregates.Add(spec);
        return new Bound(spec.Type, row => row[slot]);
    }

    private AggregateSpec? Spec(CallExpr call, Bound? argument, Scope rows, Bound? filter)
    {
        var type = argument?.Type ?? EsqlType.Null;
        AggregateSpec Make(EsqlType result, Func<IReadOnlyList<object>, long, object?> finish) => new(result, argument, filter, finish);
        switch (call.Name)
        {
            case "COUNT":
                return argument is null ? Make(EsqlType.Long, (_, count) => count) : Make(EsqlType.Long, (values, _) => (long)values.Count);
            case "COUNT_DISTINCT":
                if (call.Args.Count > 1)
                {
                    var precision = Bind(call.Args[1], rows);
                    if (precision is not { IsLiteral: true, LiteralValue: long })
                    {
                        Fail(call, $"second argument of [{Text(call)}] must be a constant, received [{Text(call.Args[1])}]");
                        return null;
                    }
                }

                return Make(EsqlType.Long, (values, _) => (long)values.Distinct().Count());
            case "VALUES":
                return Make(type.NoText(), (values, _) =>
                {
                    var distinct = values.Distinct().ToArray();
                    if (cluster.UnspecifiedOrder == UnspecifiedOrder.Reversed) Array.Reverse(distinct);
                    return Cell.Of(distinct);
                });
            case "MIN":
                return Make(type.NoText(), (values, _) => values.Count == 0 ? null : values.Min(Order));
            case "MAX":
                return Make(type.NoText(), (values, _) => values.Count == 0 ? null : values.Max(Order));
            case "TOP":
                if (Bind(call.Args[1], rows) is not { LiteralValue: long limit } || Bind(call.Args[2], rows) is not { LiteralValue: string order })
                {
                    Fail(call, $"second and third argument of [{Text(call)}] must be constants");
                    return null;
                }

                var descending = order.Equals("desc", StringComparison.OrdinalIgnoreCase);
                return Make(type.NoText(), (values, _) => Cell.Of([.. (descending ? values.OrderDescending(Order) : values.Order(Order)).Take((int)limit)]));
        }

        if (!type.IsNumeric() && type != EsqlType.Null)
        {
            Fail(call, $"argument of [{Text(call)}] must be [numeric except unsigned_long or counter types], found value [{Text(call.Args[0])}] type [{type.Formal()}]");
            return null;
        }

        return call.Name switch
        {
            "AVG" => Make(EsqlType.Double, (values, _) => values.Count == 0 ? null : values.Average(Cell.ToDouble)),
            "MEDIAN" => Make(EsqlType.Double, (values, _) => Median(values)),
            _ => type == EsqlType.Double
                ? Make(EsqlType.Double, (values, _) => values.Count == 0 ? null : values.Sum(Cell.ToDouble))
                : Make(EsqlType.Long, (values, _) => values.Count == 0 ? null : Sum(values)),
        };
    }

    private static long Sum(IReadOnlyList<object> values)
    {
        try
        {
            return values.Sum(v => (long)v);
        }
        catch (OverflowException)
        {
            throw new ElasticsearchException(500, "arithmetic_exception", "long overflow");
        }
    }

    private static object? Median(IReadOnlyList<object> values)
    {
        if (values.Count == 0) return null;
        var sorted = values.Select(Cell.ToDouble).Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
