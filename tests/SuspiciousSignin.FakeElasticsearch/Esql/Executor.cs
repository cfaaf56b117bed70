using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>What a request asks of ES|QL.</summary>
internal sealed record EsqlRequest(string Text, JsonArray? Parameters, JsonNode? Filter, bool AllowPartialResults);

/// <summary>The table that a query makes, and what it has to say about it.</summary>
internal sealed record EsqlResult(
    IReadOnlyList<Column> Columns,
    IReadOnlyList<object?[]> Rows,
    IReadOnlyList<string> Warnings,
    IReadOnlyList<(string Index, ShardFailure Failure)> Failures,
    string IndexExpression,
    int Shards,
    int Documents);

/// <summary>Runs a query: resolves its indices and columns, verifies it, and executes it.</summary>
internal sealed class Executor
{
    private static readonly string[] KnownMetadata = ["_index", "_id", "_version", "_ignored"];

    private readonly FakeCluster _cluster;
    private readonly Identity _identity;
    private readonly EsqlRequest _request;
    private readonly Query _query;
    private readonly DateTimeOffset _now;
    private readonly Warnings _warnings;
    private readonly List<(string, ShardFailure)> _failures = [];
    private string _indexExpression = "";
    private int _shards;
    private int _documents;

    private Executor(FakeCluster cluster, Identity identity, EsqlRequest request)
    {
        _cluster = cluster;
        _identity = identity;
        _request = request;
        _now = cluster.Now;
        _query = Parser.Parse(request.Text, request.Parameters, cluster.Version);
        _warnings = new Warnings(_query);
    }

    public static EsqlResult Run(FakeCluster cluster, Identity identity, EsqlRequest request)
    {
        if (!identity.MayAnywhere("read")) throw identity.Refuse("indices:data/read/esql", [], "read", "all");
        var filter = QueryDsl.Compile(request.Filter, cluster.Now);
        try
        {
            return new Executor(cluster, identity, request).Run(filter, useFilterForColumns: request.Filter is not null);
        }
        catch (ElasticsearchException failure) when (failure.Type == "verification_exception" && request.Filter is not null && cluster.Version.Has("8.18"))
        {
            // From 8.18 on the columns are resolved once more, without the filter, before the query is given up.
            return new Executor(cluster, identity, request).Run(filter, useFilterForColumns: false);
        }
        catch (Exception bug) when (bug is not ElasticsearchException)
        {
            // Nobody should take a mistake of the interpreter for an answer of Elasticsearch.
            throw new ElasticsearchException(500, "fake_internal_error", bug.ToString());
        }
    }

    private EsqlResult Run(Clause filter, bool useFilterForColumns)
    {
        var analyzer = new Analyzer(_cluster, _query, _warnings, Instant.From(_now));
        var stages = new List<Func<List<object?[]>, List<object?[]>>>();
        var unmapped = _query.Settings.GetValueOrDefault("unmapped_fields");
        List<Column> columns;
        Func<List<object?[]>> source;
        switch (_query.Commands[0])
        {
            case FromCommand from:
                (columns, source) = From(from, filter, useFilterForColumns, unmapped);
                break;
            case RowCommand row:
                columns = [];
                var fields = new List<Bound>();
                foreach (var field in row.Fields)
                {
                    var bound = analyzer.Bind(field.Value, new Scope([]));
                    columns.Add(new Column(field.Name, bound.Type));
                    fields.Add(bound);
                }

                source = () => [[.. fields.Select(f => f.Eval([]))]];
                break;
            default:
                throw new InvalidOperationException("A query starts with FROM or ROW.");
        }

        var open = unmapped is "nullify" or "load";
        foreach (var command in _query.Commands.Skip(1)) columns = Apply(analyzer, command, columns, stages, ref open);
        if (analyzer.Failures.Count > 0)
            throw Verification(analyzer.Failures);
        var rows = source();
        foreach (var stage in stages) rows = stage(rows);
        var limit = _cluster.MaximumLimit;
        if (!_query.Commands.Any(c => c is LimitCommand))
        {
            limit = Math.Min(limit, _cluster.DefaultLimit);
            _warnings.General($"No limit defined, adding default limit of [{_cluster.DefaultLimit}]");
        }

        if (rows.Count > limit) rows = rows[..limit];
        return new EsqlResult(columns, rows, [.. _warnings.All.Distinct()], _failures, _indexExpression, _shards, _documents);
    }

    private static ElasticsearchException Verification(IReadOnlyList<string> failures) => new(
        400, "verification_exception", $"Found {failures.Count} problem{(failures.Count > 1 ? "s" : "")}\n{string.Join('\n', failures)}");

    private (List<Column> Columns, Func<List<object?[]>> Source) From(FromCommand from, Clause filter, bool useFilter, string? unmapped)
    {
        _indexExpression = string.Join(',', from.Patterns);
        var resolution = _cluster.Resolve(from.Patterns, i => _identity.May(i, "read"));
        if (resolution.Missing.Count > 0 || resolution.Refused.Count > 0)
            throw Verification([$"line {_query.Place(from.PatternSpan)}: Unknown index [{string.Join(',', resolution.Missing.Concat(resolution.Refused))}]"]);
        if (resolution.Indices.Count == 0 && _cluster.EmptyWildcardFails)
            throw Verification([$"line {_query.Place(from.PatternSpan)}: Unknown index [{_indexExpression}]"]);
        var indices = resolution.Indices;
        var forColumns = useFilter ? [.. indices.Where(filter.CanMatch)] : indices;
        var columns = MappedColumns(forColumns);
        foreach (var (name, span) in from.Metadata)
        {
            if (!KnownMetadata.Contains(name)) throw _query.Text.Error(span.Start, $"unsupported metadata field [{name}]");
            columns.Add(new Column(name, name == "_version" ? EsqlType.Long : EsqlType.Keyword));
        }

        if (unmapped == "load") columns.AddRange(UnmappedColumns(indices, columns));
        var loaded = columns;
        return (columns, () =>
        {
            var rows = new List<object?[]>();
            _shards = indices.Count;
            foreach (var index in indices)
            {
                if (_cluster.BrokenShards.TryGetValue(index.Name, out var broken))
                {
                    _failures.Add((index.Name, broken));
                    continue;
                }

                if (!filter.CanMatch(index)) continue;
                var readers = loaded.Select(c => Reader(index, c)).ToArray();
                foreach (var document in index.Visible(_now))
                {
                    if (!filter.Matches(document)) continue;
                    var row = new object?[readers.Length];
                    for (var i = 0; i < row.Length; i++) row[i] = readers[i](document);
                    rows.Add(row);
                }
            }

            if (_failures.Count > 0 && (!_request.AllowPartialResults || _failures.Count == indices.Count))
            {
                var (_, failure) = _failures[0];
                throw new ElasticsearchException(failure.Type is "no_shard_available_action_exception" ? 503 : failure.Type.Contains("reject", StringComparison.Ordinal) || failure.Type.Contains("breaking", StringComparison.Ordinal) ? 429 : 500, failure.Type, failure.Reason);
            }

            _documents = rows.Count;
            if (_cluster.UnspecifiedOrder == UnspecifiedOrder.Reversed) rows.Reverse();
            return rows;
        }
        );
    }

    /// <summary>The columns that the mappings of the indices give, in the order of their names.</summary>
    private List<Column> MappedColumns(IReadOnlyList<FakeIndex> indices)
    {
        var byName = new SortedDictionary<string, List<(FieldMapping Mapping, string Index)>>(StringComparer.Ordinal);
        foreach (var index in indices)
        {
            foreach (var name in index.Mapping.Leaves.Keys)
            {
                if (index.Mapping.IsNested(name) || index.Mapping.Find(name) is not { } mapping) continue;
                if (!byName.TryGetValue(name, out var list)) byName[name] = list = [];
                list.Add((mapping, index.Name));
            }
        }

        var columns = new List<Column>();
        foreach (var (name, mapped) in byName)
        {
            var groups = mapped.GroupBy(m => EsqlTypes.Of(m.Mapping)).OrderBy(g => g.First().Mapping.Family, StringComparer.Ordinal).ToArray();
            if (groups.FirstOrDefault(g => g.Key == EsqlType.Unsupported) is { } unsupported)
            {
                columns.Add(new Column(name, EsqlType.Unsupported) { UnsupportedType = unsupported.First().Mapping.Type });
            }
            else if (groups.Length == 1)
            {
                columns.Add(new Column(name, groups[0].Key));
            }
            else if (_cluster.Version.Has("9.2") && groups.All(g => g.Key.IsDate()))
            {
                columns.Add(new Column(name, EsqlType.DateNanos));
            }
            else
            {
                columns.Add(new Column(name, EsqlType.Unsupported)
                {
                    Variants = [.. groups.Select(g => (g.Key.Formal(), g.Key, (IReadOnlyList<string>)[.. g.Select(m => m.Index).Order(StringComparer.Ordinal)]))],
                });
            }
        }

        return columns;
    }

    private static List<Column> UnmappedColumns(IReadOnlyList<FakeIndex> indices, List<Column> known)
    {
        var names = known.Select(c => c.Name).ToHashSet();
        return
        [
            .. indices
                .SelectMany(i => i.Latest.Values)
                .SelectMany(d => SourceFilter.Leaves(d.Source))
                .Select(l => l.Path)
                .Distinct()
                .Where(p => !names.Contains(p))
                .Order(StringComparer.Ordinal)
                .Select(p => new Column(p, EsqlType.Keyword) { FromSource = true }),
        ];
    }

    private static Func<StoredDocument, object?> Reader(FakeIndex index, Column column)
    {
        switch (column.Name)
        {
            case "_index":
                return d => d.Index.Name;
            case "_id":
                return d => d.Id;
            case "_version":
                return d => d.Version;
            case "_ignored":
                return d => Cell.Of([.. d.Parsed.Ignored.Distinct().Order(StringComparer.Ordinal)]);
        }

        if (index.Mapping.Find(column.Name, out var path) is not { } mapping)
        {
            // Partially unmapped: null, whatever _source has, unless the column is one that is read from _source.
            if (!column.FromSource) return _ => null;
            return d => Cell.Of([.. SourceFilter.Leaves(d.Source).Where(l => l.Path == column.Name).Select(l => (object)l.Value.ToString())]);
        }

        if (column.UnsupportedType is not null) return _ => null;
        if (column.Variants is not null)
        {
            var type = EsqlTypes.Of(mapping);
            return d => new TypedCell(type, Read(index, path, mapping, d));
        }

        return d => Read(index, path, mapping, d);
    }

    private static object? Read(FakeIndex index, string path, FieldMapping mapping, StoredDocument document)
    {
        if (mapping.Type == "constant_keyword") return mapping.Constant;
        if (mapping.Textual)
        {
            foreach (var (sub, _) in mapping.Raw["fields"] as JsonObject ?? [])
            {
                if (index.Mapping.Find($"{path}.{sub}") is { Keywordish: true } && document.Parsed.Fields.TryGetValue($"{path}.{sub}", out var keyword)) return keyword;
            }
        }

        return document.Parsed.Fields.GetValueOrDefault(path);
    }

    private List<Column> Apply(Analyzer analyzer, Command command, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages, ref bool open)
    {
        switch (command)
        {
            case WhereCommand where:
                var condition = analyzer.Condition(where.Condition, new Scope(columns) { UnmappedIsNull = open });
                stages.Add(rows => rows.FindAll(r => condition.Eval(r) is true));
                return columns;
            case KeepCommand keep:
                columns = Keep(analyzer, keep, columns, stages, open);
                open = false;
                return columns;
            case DropCommand drop:
                return Drop(analyzer, drop, columns, stages);
            case RenameCommand rename:
                return Rename(analyzer, rename, columns, stages);
            case EvalCommand eval:
                return Eval(analyzer, eval, columns, stages, open);
            case StatsCommand stats:
                columns = Stats(analyzer, stats, columns, stages, open);
                open = false;
                return columns;
            case SortCommand sort:
                Sort(analyzer, sort, columns, stages, open);
                return columns;
            case LimitCommand limit:
                stages.Add(rows => rows.Count > limit.Rows ? rows[..(int)limit.Rows] : rows);
                return columns;
            case MvExpandCommand expand:
                var at = columns.FindIndex(c => c.Name == expand.Column);
                if (at < 0) analyzer.UnknownColumn(expand.Span, expand.Column, columns.Select(c => c.Name));
                stages.Add(rows =>
                [
                    .. rows.SelectMany(r => r[at] is object[] many
                        ? many.Select(v => (object?[])[.. r[..at], v, .. r[(at + 1)..]])
                        : [r]),
                ]);
                return columns;
            default:
                throw new InvalidOperationException($"{command.GetType().Name} cannot stand here.");
        }
    }

    private static List<Column> Project(IReadOnlyList<(int Slot, Column Column)> chosen, List<Func<List<object?[]>, List<object?[]>>> stages)
    {
        var slots = chosen.Select(c => c.Slot).ToArray();
        stages.Add(rows => rows.ConvertAll(r => Array.ConvertAll(slots, s => s < 0 ? null : r[s])));
        return [.. chosen.Select(c => c.Column)];
    }

    private static List<Column> Keep(Analyzer analyzer, KeepCommand keep, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages, bool open)
    {
        // A name outranks a pattern, a pattern outranks *; of equals the last one places the column.
        var rank = new Dictionary<int, (int Rank, int Order)>();
        var chosen = new List<(int Slot, Column Column, int Order)>();
        var order = 0;
        foreach (var (pattern, span) in keep.Columns)
        {
            var level = pattern == "*" ? 0 : pattern.Contains('*', StringComparison.Ordinal) ? 1 : 2;
            var matches = Enumerable.Range(0, columns.Count).Where(i => level == 2 ? columns[i].Name == pattern : Wildcard.Matches(pattern, columns[i].Name)).ToArray();
            if (matches.Length == 0 && level == 2)
            {
                if (open)
                {
                    chosen.Add((-1, new Column(pattern, EsqlType.Null), order++));
                }
                else
                {
                    analyzer.UnknownColumn(span, pattern, columns.Select(c => c.Name));
                    chosen.Add((-1, new Column(pattern, EsqlType.Error), order++));
                }
            }
            else if (matches.Length == 0 && level == 1)
            {
                analyzer.Fail(span, $"No matches found for pattern [{pattern}]");
            }

            foreach (var i in matches)
            {
                if (!rank.TryGetValue(i, out var before) || level >= before.Rank) rank[i] = (level, order++);
            }
        }

        chosen.AddRange(rank.Select(r => (r.Key, columns[r.Key], r.Value.Order)));
        return Project([.. chosen.OrderBy(c => c.Order).Select(c => (c.Slot, c.Column))], stages);
    }

    private static List<Column> Drop(Analyzer analyzer, DropCommand drop, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages)
    {
        var gone = new HashSet<string>();
        foreach (var (pattern, span) in drop.Columns)
        {
            var matches = columns.Where(c => Wildcard.Matches(pattern, c.Name)).Select(c => c.Name).ToArray();
            if (matches.Length == 0)
            {
                if (pattern.Contains('*', StringComparison.Ordinal)) analyzer.Fail(span, $"No matches found for pattern [{pattern}]");
                else analyzer.UnknownColumn(span, pattern, columns.Select(c => c.Name));
            }

            gone.UnionWith(matches);
        }

        return Project([.. columns.Select((c, i) => (i, c)).Where(c => !gone.Contains(c.c.Name))], stages);
    }

    private static List<Column> Rename(Analyzer analyzer, RenameCommand rename, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages)
    {
        var renamed = columns.Select((c, i) => (Slot: i, Column: c)).ToList();
        foreach (var (old, name, span) in rename.Names)
        {
            var at = renamed.FindIndex(c => c.Column.Name == old);
            if (at < 0)
            {
                analyzer.UnknownColumn(span, old, renamed.Select(c => c.Column.Name));
                continue;
            }

            renamed[at] = (renamed[at].Slot, renamed[at].Column with { Name = name });
            var keep = renamed[at];
            renamed.RemoveAll(c => c.Column.Name == name && c.Slot != keep.Slot);
        }

        return Project(renamed, stages);
    }

    private static List<Column> Eval(Analyzer analyzer, EvalCommand eval, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages, bool open)
    {
        foreach (var field in eval.Fields)
        {
            var bound = analyzer.Bind(field.Value, new Scope(columns) { UnmappedIsNull = open });
            stages.Add(rows => rows.ConvertAll(r => (object?[])[.. r, bound.Eval(r)]));
            var width = columns.Count;
            var column = new Column(field.Name, bound.Type) { NullCase = bound.NullCase };
            columns = Project([.. columns.Select((c, i) => (i, c)).Where(c => c.c.Name != field.Name), (width, column)], stages);
        }

        return columns;
    }

    private List<Column> Stats(Analyzer analyzer, StatsCommand stats, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages, bool open)
    {
        var input = new Scope(columns) { UnmappedIsNull = open };
        var keys = stats.Keys.Select(k => (k.Name, Bound: analyzer.Bind(k.Value, input))).ToArray();
        var keyColumns = keys.Select(k => new Column(k.Name, k.Bound.Type.NoText())).ToArray();
        var scope = new Scope(keyColumns)
        {
            Rows = new Scope(columns.Concat(keyColumns)) { UnmappedIsNull = open },
            FirstAggregateSlot = keys.Length,
        };
        var results = stats.Aggregates.Select(a =>
        {
            var bound = analyzer.Bind(a.Value, scope);
            return (a.Name, Bound: bound);
        }).ToArray();
        stages.Add(rows => Group(rows, keys, scope.Aggregates, results));
        var output = results.Select((r, i) => (Slot: i, Column: new Column(r.Name, r.Bound.Type)))
            .Concat(keyColumns.Select((k, i) => (Slot: results.Length + i, Column: k)))
            .ToList();
        var unique = output.Where((c, i) => output.FindLastIndex(o => o.Column.Name == c.Column.Name) == i).ToList();
        return unique.Count == output.Count ? [.. output.Select(o => o.Column)] : Project(unique, stages);
    }

    private List<object?[]> Group(List<object?[]> rows, (string Name, Bound Bound)[] keys, List<AggregateSpec> aggregates, (string Name, Bound Bound)[] results)
    {
        var groups = new Dictionary<string, (object?[] Keys, List<object?[]> Rows)>();
        var order = new List<string>();
        if (keys.Length == 0)
        {
            groups[""] = ([], rows);
            order.Add("");
        }
        else
        {
            foreach (var row in rows)
            {
                var cells = Array.ConvertAll(keys, k => k.Bound.Eval(row));
                object?[] widened = [.. row, .. cells];
                foreach (var combination in Combinations(cells))
                {
                    var name = string.Join('\u001f', combination.Select(c => c is null ? "\u0000" : c + "\u0001"));
                    if (!groups.TryGetValue(name, out var group))
                    {
                        groups[name] = group = (combination, []);
                        order.Add(name);
                    }

                    group.Rows.Add(widened);
                }
            }
        }

        if (_cluster.UnspecifiedOrder == UnspecifiedOrder.Reversed) order.Reverse();
        var output = new List<object?[]>();
        foreach (var name in order)
        {
            var (groupKeys, members) = groups[name];
            object?[] slots = [.. groupKeys, .. aggregates.Select(a => a.Over(members))];
            output.Add([.. results.Select(r => r.Bound.Eval(slots)), .. groupKeys]);
        }

        return output;
    }

    /// <summary>A row is in the group of each of its key values; duplicates within one key count once.</summary>
    private static IEnumerable<object?[]> Combinations(object?[] cells)
    {
        IEnumerable<object?[]> combinations = [[]];
        foreach (var cell in cells)
        {
            object?[] values = cell is object[] many ? [.. many.Distinct()] : [cell];
            combinations = [.. combinations.SelectMany(c => values.Select(v => (object?[])[.. c, v]))];
        }

        return combinations;
    }

    private static void Sort(Analyzer analyzer, SortCommand sort, List<Column> columns, List<Func<List<object?[]>, List<object?[]>>> stages, bool open)
    {
        var scope = new Scope(columns) { UnmappedIsNull = open };
        var orders = sort.Orders.Select(o => (Bound: analyzer.Bind(o.Value, scope), o.Descending, o.NullsFirst)).ToArray();
        stages.Add(rows =>
        {
            var keyed = rows.ConvertAll(r => (Row: r, Keys: Array.ConvertAll(orders, o => Key(o.Bound.Eval(r), o.Descending))));
            var comparer = Comparer<object?[]>.Create((a, b) =>
            {
                for (var i = 0; i < orders.Length; i++)
                {
                    var (_, descending, nullsFirst) = orders[i];
                    if (a[i] is null && b[i] is null) continue;
                    if (a[i] is null) return nullsFirst ? -1 : 1;
                    if (b[i] is null) return nullsFirst ? 1 : -1;
                    var order = Cell.Compare(a[i]!, b[i]!);
                    if (order != 0) return descending ? -order : order;
                }

                return 0;
            });
            return [.. keyed.OrderBy(k => k.Keys, comparer).Select(k => k.Row)];
        });
    }

    /// <summary>Of several values the least counts when ascending, the greatest when descending.</summary>
    private static object? Key(object? cell, bool descending)
    {
        if (cell is not object[] many) return cell;
        var order = Comparer<object>.Create(Cell.Compare);
        return descending ? many.Max(order) : many.Min(order);
    }
}
