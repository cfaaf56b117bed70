using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>Where a piece of the query is.</summary>
internal readonly record struct Span(int Start, int End);

internal abstract record Expr(Span Span);

internal sealed record LiteralExpr(Span Span, EsqlType Type, object? Value) : Expr(Span);

internal sealed record FieldExpr(Span Span, string Name) : Expr(Span);

internal sealed record UnaryExpr(Span Span, string Op, Expr Operand) : Expr(Span);

internal sealed record BinaryExpr(Span Span, string Op, Expr Left, Expr Right) : Expr(Span);

internal sealed record InExpr(Span Span, Expr Value, IReadOnlyList<Expr> List) : Expr(Span);

internal sealed record IsNullExpr(Span Span, Expr Value, bool Negated) : Expr(Span);

internal sealed record LikeExpr(Span Span, Expr Value, string Pattern, bool Regex) : Expr(Span);

internal sealed record CallExpr(Span Span, string Name, IReadOnlyList<Expr> Args, bool Star = false) : Expr(Span);

/// <summary>An aggregate with a filter of its own: COUNT(*) WHERE x > 1.</summary>
internal sealed record FilteredExpr(Span Span, Expr Aggregate, Expr Filter) : Expr(Span);

internal sealed record NamedExpr(string Name, Expr Value, Span Span);

internal sealed record OrderExpr(Expr Value, bool Descending, bool NullsFirst);

internal abstract record Command(Span Span);

internal sealed record FromCommand(Span Span, IReadOnlyList<string> Patterns, Span PatternSpan, IReadOnlyList<(string Name, Span Span)> Metadata) : Command(Span);

internal sealed record RowCommand(Span Span, IReadOnlyList<NamedExpr> Fields) : Command(Span);

internal sealed record WhereCommand(Span Span, Expr Condition) : Command(Span);

internal sealed record KeepCommand(Span Span, IReadOnlyList<(string Pattern, Span Span)> Columns) : Command(Span);

internal sealed record DropCommand(Span Span, IReadOnlyList<(string Pattern, Span Span)> Columns) : Command(Span);

internal sealed record RenameCommand(Span Span, IReadOnlyList<(string Old, string New, Span Span)> Names) : Command(Span);

internal sealed record EvalCommand(Span Span, IReadOnlyList<NamedExpr> Fields) : Command(Span);

internal sealed record StatsCommand(Span Span, IReadOnlyList<NamedExpr> Aggregates, IReadOnlyList<NamedExpr> Keys) : Command(Span);

internal sealed record SortCommand(Span Span, IReadOnlyList<OrderExpr> Orders) : Command(Span);

internal sealed record LimitCommand(Span Span, long Rows) : Command(Span);

internal sealed record MvExpandCommand(Span Span, string Column) : Command(Span);

/// <summary>A whole query: settings before it, and its commands.</summary>
internal sealed record Query(IReadOnlyDictionary<string, string> Settings, IReadOnlyList<Command> Commands, Lexer Text)
{
    public string Source(Span span) => Text.Source[span.Start..span.End];

    public string Place(Span span)
    {
        var (line, column) = Text.Place(span.Start);
        return $"{line}:{column}";
    }
}

/// <summary>The values of the parameters of a request.</summary>
internal sealed class Parameters
{
    private readonly Dictionary<string, LiteralExpr> _named = [];
    private readonly HashSet<string> _identifiers = [];
    private readonly List<LiteralExpr> _positional = [];
    private int _next;

    public Parameters(JsonArray? values)
    {
        var named = 0;
        foreach (var value in values ?? [])
        {
            if (value is JsonObject pair)
            {
                if (pair.Count != 1) throw ElasticsearchException.Parsing($"Cannot parse more than one key:value pair as parameter, found [{pair.ToJsonString()}]");
                var (name, content) = pair.First();
                if (content is JsonObject typed && typed.ContainsKey("identifier"))
                {
                    _identifiers.Add(name);
                    content = typed["identifier"];
                }

                if (name.Length == 0 || !(char.IsAsciiLetter(name[0]) || name[0] == '_') || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
                    throw ElasticsearchException.Parsing($"[1:1] [{name}] is not a valid parameter attribute, a valid attribute starts with a letter or underscore and contains letters, digits and underscores only");
                _named[name] = Literal(content);
                _positional.Add(_named[name]);
                named++;
            }
            else
            {
                _positional.Add(Literal(value));
            }
        }

        if (named > 0 && named < _positional.Count)
        {
            throw ElasticsearchException.Parsing(
                "[1:1] Params cannot contain both named and unnamed parameters; got " + values!.ToJsonString());
        }
    }

    public Expr Resolve(Token token, Lexer lexer, ElasticsearchVersion version)
    {
        var span = new Span(token.Start, token.End);
        var doubled = token.Text.StartsWith("??", StringComparison.Ordinal);
        if (doubled && !version.Has("9.1")) throw lexer.Error(token.Start, $"token recognition error at: '{token.Text}'");
        var name = token.Text.TrimStart('?');
        LiteralExpr? value;
        if (name.Length == 0)
        {
            if (_next >= _positional.Count) throw lexer.Error(token.Start, $"Not enough actual parameters {_positional.Count}");
            value = _positional[_next++];
        }
        else if (char.IsAsciiDigit(name[0]))
        {
            var position = int.Parse(name, CultureInfo.InvariantCulture);
            if (position < 1 || position > _positional.Count)
                throw lexer.Error(token.Start, $"No parameter is defined for position {position}{(_positional.Count > 0 ? $", did you mean position {_positional.Count}?" : "")}");
            value = _positional[position - 1];
        }
        else if (!_named.TryGetValue(name, out value))
        {
            throw lexer.Error(token.Start, $"Unknown query parameter [{name}]");
        }

        return doubled || _identifiers.Contains(name) ? new FieldExpr(span, (string)value.Value!) : value with { Span = span };
    }

    private static LiteralExpr Literal(JsonNode? value)
    {
        if (value is JsonArray many)
        {
            var items = many.Select(Literal).ToArray();
            return new LiteralExpr(default, items.Length == 0 ? EsqlType.Null : items[0].Type, Cell.Of([.. items.Select(i => i.Value!)]));
        }

        if (value is null) return new LiteralExpr(default, EsqlType.Null, null);
        var element = JsonSerializer.SerializeToElement(value);
        return element.ValueKind switch
        {
            JsonValueKind.True or JsonValueKind.False => new LiteralExpr(default, EsqlType.Boolean, element.GetBoolean()),
            JsonValueKind.Number when element.TryGetInt64(out var whole) => new LiteralExpr(default, whole is >= int.MinValue and <= int.MaxValue ? EsqlType.Integer : EsqlType.Long, whole),
            JsonValueKind.Number => new LiteralExpr(default, EsqlType.Double, element.GetDouble()),
            _ => new LiteralExpr(default, EsqlType.Keyword, element.GetString()),
        };
    }
}

/// <summary>Reads a query into commands and expressions.</summary>
internal sealed class Parser
{
    private static readonly string[] Reserved = ["and", "or", "not", "in", "like", "rlike", "is", "null", "true", "false", "asc", "desc", "nulls", "first", "last", "by", "where"];

    private const int MaximumDepth = 400;

    private readonly Lexer _lexer;
    private readonly Parameters _parameters;
    private readonly ElasticsearchVersion _version;
    private int _depth;

    private Parser(string text, Parameters parameters, ElasticsearchVersion version)
    {
        _lexer = new Lexer(text);
        _parameters = parameters;
        _version = version;
    }

    public static Query Parse(string text, JsonArray? parameters, ElasticsearchVersion version)
    {
        if (string.IsNullOrWhiteSpace(text)) throw ElasticsearchException.Parsing("line 1:1: mismatched input '<EOF>' expecting {'explain', 'row', 'from', 'show'}");
        return new Parser(text, new Parameters(parameters), version).Query();
    }

    private Query Query()
    {
        var settings = Settings();
        var commands = new List<Command> { Source() };
        while (_lexer.Peek().Is("|"))
        {
            _lexer.Next();
            commands.Add(Processing());
        }

        if (_lexer.Peek().Kind != TokenKind.End) throw Unexpected(_lexer.Peek());
        return new Query(settings, commands, _lexer);
    }

    private Dictionary<string, string> Settings()
    {
        var settings = new Dictionary<string, string>();
        while (_lexer.Peek().IsWord("set") && _version.Has("9.3"))
        {
            _lexer.Next();
            var name = _lexer.Next();
            Expect("=");
            var value = _lexer.Next();
            if (name.Text != "unmapped_fields") throw _lexer.Error(name.Start, $"Unknown setting [{name.Text}]");
            var known = value.Text.ToLowerInvariant() is "nullify" or "default" or "fail" || (value.Text.Equals("load", StringComparison.OrdinalIgnoreCase) && _version.Has("9.4"));
            if (!known) throw _lexer.Error(name.Start, $"Error validating setting [{name.Text}]: Invalid unmapped_fields resolution [{value.Text}], must be one of [default, nullify]");
            settings[name.Text] = value.Text.ToLowerInvariant();
            Expect(";");
        }

        return settings;
    }

    private Command Source()
    {
        var start = _lexer.Position;
        var word = _lexer.Next();
        if (word.IsWord("from")) return From(start);
        if (word.IsWord("row")) return new RowCommand(SpanFrom(start), NamedList(allowFilter: false));
        throw _lexer.Error(word.Start, $"mismatched input '{word.Text}' expecting {{'explain', 'row', 'from', 'show'}}");
    }

    private FromCommand From(int start)
    {
        var patterns = new List<string>();
        var first = _lexer.Position;
        var end = first;
        do
        {
            var token = _lexer.Next(LexMode.IndexPattern);
            if (token.Kind is not (TokenKind.Pattern or TokenKind.String)) throw Unexpected(token);
            patterns.AddRange(token.Text.Split(','));
            end = token.End;
        }
        while (Accept(",", LexMode.IndexPattern));
        var metadata = new List<(string, Span)>();
        var after = _lexer.Peek(LexMode.IndexPattern);
        var bracket = after.Is("[");
        if (bracket) _lexer.Next(LexMode.IndexPattern);
        if (_lexer.Peek().IsWord("metadata"))
        {
            _lexer.Next();
            do
            {
                var token = _lexer.Next();
                metadata.Add((token.Text, new Span(token.Start, token.End)));
            }
            while (Accept(","));
        }

        if (bracket) Expect("]");
        return new FromCommand(SpanFrom(start), patterns, new Span(first, end), metadata);
    }

    private Command Processing()
    {
        var start = _lexer.Position;
        var word = _lexer.Next();
        if (word.Kind != TokenKind.Identifier) throw Unexpected(word);
        switch (word.Text.ToLowerInvariant())
        {
            case "where":
                var condition = Expression();
                return new WhereCommand(SpanFrom(start), condition);
            case "keep":
                return new KeepCommand(SpanFrom(start), Columns());
            case "drop":
                return new DropCommand(SpanFrom(start), Columns());
            case "rename":
                return Rename(start);
            case "eval":
                return new EvalCommand(SpanFrom(start), NamedList(allowFilter: false));
            case "stats":
                var aggregates = _lexer.Peek().IsWord("by") ? [] : NamedList(allowFilter: true);
                IReadOnlyList<NamedExpr> keys = [];
                if (_lexer.Peek().IsWord("by"))
                {
                    _lexer.Next();
                    keys = NamedList(allowFilter: false);
                }

                if (aggregates.Count + keys.Count == 0) throw _lexer.Error(start, "At least one aggregation or grouping expression required in [stats]");
                return new StatsCommand(SpanFrom(start), aggregates, keys);
            case "sort":
                return Sort(start);
            case "limit":
                var count = _lexer.Next();
                var rows = count.Kind switch
                {
                    TokenKind.Integer => long.Parse(count.Text, CultureInfo.InvariantCulture),
                    TokenKind.Parameter when _parameters.Resolve(count, _lexer, _version) is LiteralExpr { Value: long value } => value,
                    _ => throw Unexpected(count),
                };
                if (rows is < 0 or > int.MaxValue) throw _lexer.Error(start, $"Invalid value for LIMIT [{rows}], expecting a non negative integer");
                return new LimitCommand(SpanFrom(start), rows);
            case "mv_expand":
                var column = _lexer.Next();
                return new MvExpandCommand(new Span(column.Start, column.End), column.Text);
            default:
                throw _lexer.Error(
                    word.Start,
                    $"mismatched input '{word.Text}' expecting {{'drop', 'eval', 'keep', 'limit', 'mv_expand', 'rename', 'sort', 'stats', 'where'}}");
        }
    }

    private RenameCommand Rename(int start)
    {
        var names = new List<(string, string, Span)>();
        do
        {
            var old = _lexer.Next(LexMode.ColumnPattern);
            var link = _lexer.Next();
            var name = _lexer.Next(LexMode.ColumnPattern);
            if (old.Kind != TokenKind.Pattern || name.Kind != TokenKind.Pattern) throw Unexpected(old.Kind == TokenKind.Pattern ? name : old);
            if (link.IsWord("as")) names.Add((old.Text, name.Text, new Span(old.Start, old.End)));
            else if (link.Is("=") && _version.Has("8.19 9.1")) names.Add((name.Text, old.Text, new Span(name.Start, name.End)));
            else throw Unexpected(link);
        }
        while (Accept(","));
        return new RenameCommand(SpanFrom(start), names);
    }

    private SortCommand Sort(int start)
    {
        var orders = new List<OrderExpr>();
        do
        {
            var value = Expression();
            var descending = false;
            if (_lexer.Peek().IsWord("asc"))
            {
                _lexer.Next();
            }
            else if (_lexer.Peek().IsWord("desc"))
            {
                _lexer.Next();
                descending = true;
            }

            var nullsFirst = descending;
            if (_lexer.Peek().IsWord("nulls"))
            {
                _lexer.Next();
                var where = _lexer.Next();
                nullsFirst = where.IsWord("first") || (where.IsWord("last") ? false : throw Unexpected(where));
            }

            orders.Add(new OrderExpr(value, descending, nullsFirst));
        }
        while (Accept(","));
        return new SortCommand(SpanFrom(start), orders);
    }

    private List<(string, Span)> Columns()
    {
        var columns = new List<(string, Span)>();
        do
        {
            var token = _lexer.Next(LexMode.ColumnPattern);
            if (token.Kind == TokenKind.Parameter && _parameters.Resolve(token, _lexer, _version) is FieldExpr field) columns.Add((field.Name, field.Span));
            else if (token.Kind == TokenKind.Pattern) columns.Add((token.Text, new Span(token.Start, token.End)));
            else throw Unexpected(token);
        }
        while (Accept(","));
        return columns;
    }

    private List<NamedExpr> NamedList(bool allowFilter)
    {
        var list = new List<NamedExpr>();
        do
        {
            var start = _lexer.Position;
            string? name = null;
            var first = _lexer.Peek();
            if (first.Kind is TokenKind.Identifier or TokenKind.QuotedIdentifier)
            {
                _lexer.Next();
                if (_lexer.Peek().Is("="))
                {
                    _lexer.Next();
                    name = first.Text;
                }
                else
                {
                    _lexer.Rewind(start);
                }
            }
            else if (first.Kind == TokenKind.Parameter)
            {
                _lexer.Next();
                var named = _lexer.Peek().Is("=");
                _lexer.Rewind(start);
                if (named && _parameters.Resolve(_lexer.Next(), _lexer, _version) is FieldExpr field)
                {
                    _lexer.Next();
                    name = field.Name;
                }
            }

            var valueStart = _lexer.Position;
            var value = Expression();
            if (allowFilter && _lexer.Peek().IsWord("where"))
            {
                var at = _lexer.Next();
                if (!_version.Has("8.18")) throw _lexer.Error(at.Start, $"mismatched input '{at.Text}' expecting {{<EOF>, '|', 'by', ','}}");
                var filter = Expression();
                value = new FilteredExpr(new Span(valueStart, filter.Span.End), value, filter);
            }

            list.Add(new NamedExpr(name ?? DefaultName(value), value, value.Span));
        }
        while (Accept(","));
        return list;
    }

    private string DefaultName(Expr value) => value is FieldExpr field ? field.Name : _lexer.Source[value.Span.Start..value.Span.End];

    private Expr Expression() => Deeper(Or);

    private Expr Deeper(Func<Expr> read)
    {
        if (++_depth > MaximumDepth) throw _lexer.Error(_lexer.Position, $"ESQL statement exceeded the maximum expression depth allowed ({MaximumDepth})");
        var expression = read();
        _depth--;
        return expression;
    }

    private Expr Or()
    {
        var left = And();
        while (_lexer.Peek().IsWord("or"))
        {
            _lexer.Next();
            var right = And();
            left = new BinaryExpr(new Span(left.Span.Start, right.Span.End), "OR", left, right);
        }

        return left;
    }

    private Expr And()
    {
        var left = Not();
        while (_lexer.Peek().IsWord("and"))
        {
            _lexer.Next();
            var right = Not();
            left = new BinaryExpr(new Span(left.Span.Start, right.Span.End), "AND", left, right);
        }

        return left;
    }

    private Expr Not()
    {
        if (!_lexer.Peek().IsWord("not")) return Comparison();
        var token = _lexer.Next();
        var operand = Deeper(Not);
        return new UnaryExpr(new Span(token.Start, operand.Span.End), "NOT", operand);
    }

    private Expr Comparison()
    {
        var left = Additive();
        var start = left.Span.Start;
        var token = _lexer.Peek();
        if (token.Kind == TokenKind.Symbol && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=" or "=~")
        {
            _lexer.Next();
            var right = Additive();
            return new BinaryExpr(new Span(start, right.Span.End), token.Text, left, right);
        }

        if (token.IsWord("is"))
        {
            _lexer.Next();
            var negated = AcceptWord("not");
            var end = _lexer.Next();
            return end.IsWord("null") ? new IsNullExpr(new Span(start, end.End), left, negated) : throw Unexpected(end);
        }

        var before = _lexer.Position;
        var not = AcceptWord("not");
        var op = _lexer.Peek();
        if (op.IsWord("in"))
        {
            _lexer.Next();
            Expect("(");
            var list = new List<Expr>();
            do list.Add(Expression());
            while (Accept(","));
            var close = Expect(")");
            Expr test = new InExpr(new Span(start, close.End), left, list);
            return not ? new UnaryExpr(test.Span, "NOT", test) : test;
        }

        if (op.IsWord("like") || op.IsWord("rlike"))
        {
            _lexer.Next();
            var pattern = _lexer.Next();
            var text = pattern.Kind switch
            {
                TokenKind.String => pattern.Text,
                TokenKind.Parameter when _parameters.Resolve(pattern, _lexer, _version) is LiteralExpr { Value: string value } => value,
                _ => throw Unexpected(pattern),
            };
            Expr test = new LikeExpr(new Span(start, pattern.End), left, text, op.IsWord("rlike"));
            return not ? new UnaryExpr(test.Span, "NOT", test) : test;
        }

        if (not) _lexer.Rewind(before);
        return left;
    }

    private Expr Additive()
    {
        var left = Multiplicative();
        while (_lexer.Peek() is { Kind: TokenKind.Symbol, Text: "+" or "-" } token)
        {
            _lexer.Next();
            var right = Multiplicative();
            left = new BinaryExpr(new Span(left.Span.Start, right.Span.End), token.Text, left, right);
        }

        return left;
    }

    private Expr Multiplicative()
    {
        var left = Signed();
        while (_lexer.Peek() is { Kind: TokenKind.Symbol, Text: "*" or "/" or "%" } token)
        {
            _lexer.Next();
            var right = Signed();
            left = new BinaryExpr(new Span(left.Span.Start, right.Span.End), token.Text, left, right);
        }

        return left;
    }

    private Expr Signed()
    {
        var token = _lexer.Peek();
        if (token.Is("-") || token.Is("+"))
        {
            _lexer.Next();
            var operand = Deeper(Signed);
            var span = new Span(token.Start, operand.Span.End);
            if (token.Is("+")) return operand;
            return operand is LiteralExpr { Value: long or double } number
                ? number with { Span = span, Value = number.Value is long whole ? (object)-whole : -(double)number.Value! }
                : new UnaryExpr(span, "-", operand);
        }

        return Cast();
    }

    private Expr Cast()
    {
        var value = Primary();
        while (_lexer.Peek().Is("::"))
        {
            _lexer.Next();
            var type = _lexer.Next();
            var function = type.Text.ToLowerInvariant() switch
            {
                "ip" => "TO_IP",
                "string" or "keyword" => "TO_STRING",
                "datetime" or "date" => "TO_DATETIME",
                "long" => "TO_LONG",
                "int" or "integer" => "TO_INTEGER",
                "double" => "TO_DOUBLE",
                "bool" or "boolean" => "TO_BOOLEAN",
                _ => throw _lexer.Error(type.Start, $"Unknown data type named [{type.Text}]"),
            };
            value = new CallExpr(new Span(value.Span.Start, type.End), function, [value]);
        }

        return value;
    }

    private Expr Primary()
    {
        var token = _lexer.Next();
        var span = new Span(token.Start, token.End);
        switch (token.Kind)
        {
            case TokenKind.String:
                return new LiteralExpr(span, EsqlType.Keyword, token.Text);
            case TokenKind.Decimal:
                return new LiteralExpr(span, EsqlType.Double, double.Parse(token.Text, CultureInfo.InvariantCulture));
            case TokenKind.Integer:
                return Whole(token);
            case TokenKind.Parameter:
                var parameter = _parameters.Resolve(token, _lexer, _version);
                return parameter is LiteralExpr { Value: long } && TryUnit(out var unit)
                    ? TimeSpanLiteral((long)((LiteralExpr)parameter).Value!, unit, token.Start)
                    : parameter;
            case TokenKind.Symbol when token.Text == "(":
                var inner = Expression();
                var close = Expect(")");
                return inner with { Span = new Span(token.Start, close.End) };
            case TokenKind.Symbol when token.Text == "[":
                return List(token);
            case TokenKind.QuotedIdentifier:
                return new FieldExpr(span, token.Text);
            case TokenKind.Identifier:
                break;
            default:
                throw Unexpected(token);
        }

        if (_lexer.Peek().Is("(")) return Call(token);
        switch (token.Text.ToLowerInvariant())
        {
            case "null":
                return new LiteralExpr(span, EsqlType.Null, null);
            case "true":
                return new LiteralExpr(span, EsqlType.Boolean, true);
            case "false":
                return new LiteralExpr(span, EsqlType.Boolean, false);
            default:
                return Reserved.Contains(token.Text.ToLowerInvariant()) ? throw Unexpected(token) : new FieldExpr(span, token.Text);
        }
    }

    private LiteralExpr Whole(Token token)
    {
        var value = long.Parse(token.Text, CultureInfo.InvariantCulture);
        if (TryUnit(out var unit)) return TimeSpanLiteral(value, unit, token.Start);
        return new LiteralExpr(new Span(token.Start, token.End), value <= int.MaxValue ? EsqlType.Integer : EsqlType.Long, value);
    }

    private bool TryUnit(out Token unit)
    {
        unit = _lexer.Peek();
        return unit.Kind == TokenKind.Identifier && !Reserved.Contains(unit.Text.ToLowerInvariant()) && !unit.IsWord("metadata") && !unit.IsWord("as");
    }

    private LiteralExpr TimeSpanLiteral(long count, Token unit, int start)
    {
        _lexer.Next();
        var span = new Span(start, unit.End);
        return TimeSpanValue.TryRead(count, unit.Text, out var value)
            ? new LiteralExpr(span, value.IsPeriod ? EsqlType.DatePeriod : EsqlType.TimeDuration, value)
            : throw _lexer.Error(start, $"Unexpected temporal unit: '{unit.Text}'");
    }

    private LiteralExpr List(Token open)
    {
        var items = new List<LiteralExpr>();
        do items.Add(Signed() as LiteralExpr ?? throw _lexer.Error(open.Start, "expected a literal inside a list"));
        while (Accept(","));
        var close = Expect("]");
        var type = items.Any(i => i.Type == EsqlType.Double) ? EsqlType.Double : items.Any(i => i.Type == EsqlType.Long) ? EsqlType.Long : items[0].Type;
        var values = items.Select(i => type == EsqlType.Double ? Cell.ToDouble(i.Value!) : i.Value!).ToArray();
        return new LiteralExpr(new Span(open.Start, close.End), type, Cell.Of(values));
    }

    private CallExpr Call(Token name)
    {
        _lexer.Next();
        var args = new List<Expr>();
        var star = false;
        if (_lexer.Peek().Is("*"))
        {
            _lexer.Next();
            star = true;
        }
        else if (!_lexer.Peek().Is(")"))
        {
            do args.Add(Expression());
            while (Accept(","));
        }

        var close = Expect(")");
        return new CallExpr(new Span(name.Start, close.End), name.Text.ToUpperInvariant(), args, star);
    }

    private Span SpanFrom(int start) => new(start, Math.Max(start, _lexer.Position));

    private bool Accept(string symbol, LexMode mode = LexMode.Expression)
    {
        if (!_lexer.Peek(mode).Is(symbol)) return false;
        _lexer.Next(mode);
        return true;
    }

    private bool AcceptWord(string word)
    {
        if (!_lexer.Peek().IsWord(word)) return false;
        _lexer.Next();
        return true;
    }

    private Token Expect(string symbol)
    {
        var token = _lexer.Next();
        return token.Is(symbol) ? token : throw _lexer.Error(token.Start, $"mismatched input '{token.Text}' expecting '{symbol}'");
    }

    private ElasticsearchException Unexpected(Token token) => _lexer.Error(token.Start, token.Kind == TokenKind.End
        ? "mismatched input '<EOF>'"
        : $"extraneous input '{token.Text}'");
}
