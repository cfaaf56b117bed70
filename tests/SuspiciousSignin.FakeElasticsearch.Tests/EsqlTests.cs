using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>How a column gets its value, and when a query is refused.</summary>
public sealed class EsqlColumnTests
{
    [Fact]
    public async Task An_unmapped_column_refuses_the_whole_query_with_its_place()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"name":{"type":"keyword"}}""", """{"name":"x"}""");
        var reply = await lab.EsqlAsync("FROM a\n| WHERE zzz == \"x\"");
        Assert.Equal((400, "verification_exception", "Found 1 problem\nline 2:9: Unknown column [zzz]"), (reply.Status, reply.ErrorType, reply.Reason));
    }

    [Fact]
    public async Task All_unknown_columns_are_counted_and_similar_names_are_suggested()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"source":{"properties":{"ip":{"type":"ip"}}}}""");
        var reply = await lab.EsqlAsync("FROM a | WHERE source.ipp IS NULL | STATS c = COUNT(*) BY qqqqqq");
        Assert.Equal("Found 2 problems\nline 1:16: Unknown column [source.ipp], did you mean [source.ip]?\nline 1:59: Unknown column [qqqqqq]", reply.Reason);
    }

    [Fact]
    public async Task A_partially_unmapped_column_is_null_even_if_the_source_has_it()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"}}""", """{"f":"x"}""");
        lab.Fill("b", "{}", """{"f":"y"}""");
        Assert.Equal(["\"x\"", null], (await lab.EsqlAsync("FROM a, b | KEEP f")).First);
    }

    [Fact]
    public async Task A_preset_constant_is_there_for_every_document()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.AzureSignInLogs, """{"@timestamp":"2025-06-01T11:00:00Z"}""");
        Assert.Equal(["\"azure.signinlogs\""], (await lab.EsqlAsync("FROM logs-azure* | KEEP event.dataset")).First);
    }

    [Fact]
    public async Task A_constant_without_a_preset_is_set_by_the_first_document_and_refuses_another()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.PanOs, """{"@timestamp":"2025-06-01T11:00:00Z"}""");
        lab.Cluster.Index(FakeCluster.PanOs, """{"@timestamp":"2025-06-01T11:00:00Z","data_stream":{"dataset":"panw.panos"}}""");
        Assert.Equal(["\"panw.panos\"", "\"panw.panos\""], (await lab.EsqlAsync("FROM logs-panw* | KEEP data_stream.dataset")).First);
        var refused = await lab.BulkAsync("", """{"create":{"_index":"logs-panw.panos-default"}}""", """{"@timestamp":"2025-06-01T11:00:00Z","data_stream.dataset":"other"}""");
        Assert.Equal("document_parsing_exception", (string?)refused.Json["items"]![0]!["create"]!["error"]!["type"]);
    }

    [Fact]
    public async Task Keyword_and_constant_keyword_do_not_conflict_but_text_does()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"constant_keyword","value":"c"}}""", "{}");
        lab.Fill("b", """{"f":{"type":"keyword"}}""", """{"f":"k"}""");
        lab.Fill("c", """{"f":{"type":"text"}}""", """{"f":"t"}""");
        Assert.Equal(["\"c\"", "\"k\""], (await lab.EsqlAsync("FROM a, b | SORT f | KEEP f")).First);
        Assert.Contains("[keyword] in [a, b], [text] in [c]", (await lab.EsqlAsync("FROM a, b, c | WHERE f == \"k\"")).Reason, StringComparison.Ordinal);
        Assert.Equal(["\"c\"", "\"k\"", "\"t\""], (await lab.EsqlAsync("FROM a, b, c | EVAL g = TO_STRING(f) | SORT g | KEEP g")).First);
    }

    [Fact]
    public async Task A_value_longer_than_ignore_above_reads_as_null()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword","ignore_above":3}}""", """{"f":"long"}""", """{"f":"ok"}""");
        Assert.Equal([null, "\"ok\""], (await lab.EsqlAsync("FROM a | KEEP f")).First);
    }

    [Fact]
    public async Task A_flattened_column_may_be_kept_but_not_used()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"flattened"}}""", """{"f":{"x":1}}""");
        var kept = await lab.EsqlAsync("FROM a | KEEP f");
        Assert.Equal(["unsupported"], kept.Types);
        Assert.Equal([null], kept.First);
        Assert.Contains("Cannot use field [f] with unsupported type [flattened]", (await lab.EsqlAsync("FROM a | WHERE f IS NULL")).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nested_fields_are_invisible()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"n":{"type":"nested","properties":{"f":{"type":"keyword"}}},"g":{"type":"long"}}""", """{"n":[{"f":"x"}],"g":1}""");
        Assert.Equal(["g"], (await lab.EsqlAsync("FROM a")).Columns);
    }

    [Fact]
    public async Task An_alias_reads_its_target()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.Alerts, """{"kibana.alert.rule.name":"External Alerts"}""");
        Assert.Equal(["\"External Alerts\""], (await lab.EsqlAsync("FROM .alerts-security.* | KEEP signal.rule.name")).First);
    }

    [Fact]
    public async Task Text_is_read_whole_and_compared_exactly()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"text"}}""", """{"f":"Two Words"}""");
        Assert.Equal(["text"], (await lab.EsqlAsync("FROM a | WHERE f == \"Two Words\" | KEEP f")).Types);
        Assert.Empty((await lab.EsqlAsync("FROM a | WHERE f == \"two words\" OR f == \"Two\"")).Rows);
        Assert.Equal(["keyword"], (await lab.EsqlAsync("FROM a | STATS v = VALUES(f)")).Types);
    }

    [Fact]
    public async Task Text_prefers_its_keyword_sub_field()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Cluster.CreateIndex("a");
        lab.Cluster.Index("a", """{"f":["b","a","b"]}""");
        var reply = await lab.EsqlAsync("FROM a");
        Assert.Equal(["f", "f.keyword"], reply.Columns);
        Assert.Equal("""["a","b"]""", reply.First[0]);
    }

    [Fact]
    public async Task Dotted_names_and_nested_objects_are_one_path()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"event":{"properties":{"kind":{"type":"keyword"},"id":{"type":"keyword"}}}}""", """{"event":{"kind":"alert","id":"1"},"event.kind":"signal"}""");
        Assert.Equal("""["alert","signal"]""", (await lab.EsqlAsync("FROM a | KEEP event.kind")).First[0]);
    }

    [Fact]
    public async Task Nulls_in_arrays_are_lost_and_empty_arrays_are_null()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"long"}}""", """{"f":[null,3,null]}""", """{"f":[]}""", """{"f":[2,2]}""");
        Assert.Equal(["3", null, "[2,2]"], (await lab.EsqlAsync("FROM a | KEEP f")).First);
    }

    [Theory]
    [InlineData("8.19.3", 400)]
    [InlineData("9.1.0", 400)]
    [InlineData("9.2.0", 200)]
    public async Task Dates_and_nanosecond_dates_mix_from_9_2_on(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("a", """{"t":{"type":"date"}}""", """{"t":"2025-06-01T00:00:00.123456789Z"}""");
        lab.Fill("b", """{"t":{"type":"date_nanos"}}""", """{"t":"2025-06-01T00:00:00.123456789Z"}""");
        Assert.Equal(status, (await lab.EsqlAsync("FROM a, b | WHERE t > \"2025-01-01\"")).Status);
        Assert.Equal("\"2025-06-01T00:00:00.123Z\"", (await lab.EsqlAsync("FROM a")).First[0]);
        Assert.Equal("\"2025-06-01T00:00:00.123456789Z\"", (await lab.EsqlAsync("FROM b")).First[0]);
    }

    [Theory]
    [InlineData("8.17.0", 400)]
    [InlineData("8.18.0", 200)]
    public async Task Nanoseconds_compare_with_milliseconds_from_8_18_on(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("b", """{"t":{"type":"date_nanos"}}""", """{"t":"2025-06-01T00:00:00.123456789Z"}""");
        Assert.Equal(status, (await lab.EsqlAsync("FROM b | WHERE t > TO_DATETIME(\"2025-01-01\")")).Status);
        Assert.Equal(200, (await lab.EsqlAsync("FROM b | WHERE TO_DATETIME(t) > TO_DATETIME(\"2025-01-01\")")).Status);
    }

    [Fact]
    public async Task A_union_with_an_unsupported_type_is_unsupported_even_in_a_conversion()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"ip"}}""");
        lab.Fill("b", """{"f":{"type":"flattened"}}""");
        Assert.Contains("with unsupported type [flattened]", (await lab.EsqlAsync("FROM a, b | EVAL x = TO_IP(f)")).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_conversion_that_one_of_the_types_does_not_allow_is_refused()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"ip"}}""");
        lab.Fill("b", """{"f":{"type":"long"}}""");
        Assert.Contains("due to ambiguities being mapped as [2] incompatible types: [ip] in [a], [long] in [b]", (await lab.EsqlAsync("FROM a, b | EVAL x = TO_IP(f)")).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_filter_restricts_documents_and_can_remove_a_conflict()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"t":{"type":"date"},"f":{"type":"keyword"}}""", """{"t":"2025-06-01","f":"new"}""", """{"t":"2025-05-01","f":"mid"}""");
        lab.Fill("b", """{"t":{"type":"date"},"f":{"type":"long"}}""", """{"t":"2020-01-01","f":1}""");
        Assert.Equal(400, (await lab.EsqlAsync("FROM a, b | WHERE f == \"new\"")).Status);
        var filtered = await lab.EsqlAsync("FROM a, b | WHERE f IS NOT NULL | KEEP f", """{"filter":{"range":{"t":{"gte":"2025-05-15"}}}}""");
        Assert.Equal(["\"new\""], filtered.First);
    }

    [Theory]
    [InlineData("8.17.0", 400)]
    [InlineData("8.18.0", 200)]
    public async Task A_filter_that_leaves_no_index_breaks_the_columns_before_8_18(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("a", """{"t":{"type":"date"}}""", """{"t":"2020-01-01"}""");
        var reply = await lab.EsqlAsync("FROM a | KEEP t", """{"filter":{"range":{"t":{"gte":"now-1h"}}}}""");
        Assert.Equal(status, reply.Status);
        if (status == 200) Assert.Empty(reply.Rows);
        else Assert.Contains("Unknown column [t]", reply.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wildcards_pass_hidden_indices_by_unless_they_start_with_a_dot()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.Alerts, """{"kibana.alert.rule.name":"r"}""");
        Assert.Equal(["\".internal.alerts-security.alerts-default-000001\""], (await lab.EsqlAsync("FROM .alerts-security.* METADATA _index | KEEP _index")).First);
        Assert.Empty((await lab.EsqlAsync("FROM * METADATA _index | WHERE _index LIKE \"*alerts*\" | KEEP _index")).Rows);
    }

    [Fact]
    public async Task Without_any_alert_index_the_rule_name_is_an_unknown_column()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        await lab.SendAsync(HttpMethod.Delete, FakeCluster.AlertsIndex);
        var reply = await lab.EsqlAsync(RuleQueries.Seed);
        Assert.Equal(400, reply.Status);
        Assert.Contains("Unknown column [kibana.alert.rule.name]", reply.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_concrete_name_that_is_missing_is_an_unknown_index()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", "{}");
        var reply = await lab.EsqlAsync("FROM a, missing");
        Assert.Equal("Found 1 problem\nline 1:6: Unknown index [missing]", reply.Reason);
    }

    [Theory]
    [InlineData("8.19.3", 400)]
    [InlineData("9.3.0", 200)]
    public async Task A_pattern_that_matches_nothing_at_all_is_an_error_in_older_releases(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("a", "{}");
        Assert.Equal(status, (await lab.EsqlAsync("FROM nothing-*")).Status);
        Assert.Equal(200, (await lab.EsqlAsync("FROM a*, nothing-*")).Status);
    }

    [Theory]
    [InlineData("9.2.0", null, 400)]
    [InlineData("9.3.0", null, 200)]
    [InlineData("9.4.0", "\"y\"", 200)]
    public async Task Unmapped_columns_can_be_allowed_from_9_3_on(string version, string? loaded, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("a", """{"f":{"type":"keyword"}}""", """{"f":"x","g":"y"}""");
        var reply = await lab.EsqlAsync($"SET unmapped_fields=\"{(version == "9.4.0" ? "load" : "nullify")}\"; FROM a | KEEP g");
        Assert.Equal(status, reply.Status);
        if (status == 200) Assert.Equal([loaded], reply.First);
    }

    [Fact]
    public async Task Keep_orders_columns_and_patterns_give_way_to_names()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"a1":{"type":"long"},"a2":{"type":"long"},"b":{"type":"long"}}""", """{"a1":1}""");
        Assert.Equal(["a2", "b", "a1"], (await lab.EsqlAsync("FROM a | KEEP a*, *, a1")).Columns.OrderBy(c => c == "a1").ToArray());
        Assert.Equal(["b", "x"], (await lab.EsqlAsync("FROM a | DROP a2 | RENAME a1 AS x | KEEP b, x")).Columns);
        Assert.Contains("No matches found for pattern [q*]", (await lab.EsqlAsync("FROM a | KEEP q*")).Reason, StringComparison.Ordinal);
        Assert.Contains("Unknown column [a2]", (await lab.EsqlAsync("FROM a | KEEP b | WHERE a2 IS NULL")).Reason, StringComparison.Ordinal);
    }
}

/// <summary>Expressions, aggregates, limits and warnings.</summary>
public sealed class EsqlExecutionTests
{
    [Theory]
    [InlineData("COALESCE(null, TO_STRING(5), \"x\")", "\"5\"")]
    [InlineData("TO_LONG(\"12\") + 1", "13")]
    [InlineData("7 / 2", "3")]
    [InlineData("7.0 / 2", "3.5")]
    [InlineData("-3 % 2", "-1")]
    [InlineData("CONCAT(\"a\", TO_LOWER(\"B\"))", "\"ab\"")]
    [InlineData("LENGTH(\"abc\")", "3")]
    [InlineData("GREATEST(1, 3, 2)", "3")]
    [InlineData("LEAST(\"b\", \"a\")", "\"a\"")]
    [InlineData("MV_COUNT([1, 2, 2])", "3")]
    [InlineData("MV_FIRST([3, 1])", "3")]
    [InlineData("MV_MIN([3, 1])", "1")]
    [InlineData("MV_MAX([3, 1])", "3")]
    [InlineData("MV_DEDUPE([1, 1, 2])", "[1,2]")]
    [InlineData("MV_CONCAT([\"a\", \"b\"], \"-\")", "\"a-b\"")]
    [InlineData("DATE_DIFF(\"minutes\", TO_DATETIME(\"2025-01-01T00:00:00Z\"), TO_DT(\"2025-01-01T02:30:59Z\"))", "150")]
    [InlineData("DATE_TRUNC(1 hour, TO_DATETIME(\"2025-01-01T02:30:59Z\"))", "\"2025-01-01T02:00:00.000Z\"")]
    [InlineData("DATE_TRUNC(1 month, TO_DATETIME(\"2025-03-09T02:30:59Z\"))", "\"2025-03-01T00:00:00.000Z\"")]
    [InlineData("DATE_TRUNC(1 week, TO_DATETIME(\"2025-03-09T02:30:59Z\"))", "\"2025-03-03T00:00:00.000Z\"")]
    [InlineData("BUCKET(TO_DATETIME(\"2025-01-01T02:30:59Z\"), 1 day)", "\"2025-01-01T00:00:00.000Z\"")]
    [InlineData("NOW() - 8 hours", "\"2025-06-01T04:00:00.000Z\"")]
    [InlineData("NOW() + 1 month - 1 day", "\"2025-06-30T12:00:00.000Z\"")]
    [InlineData("\"1.1.1.1\"::ip", "\"1.1.1.1\"")]
    [InlineData("\"abc\" LIKE \"a*c\"", "true")]
    [InlineData("\"abc\" LIKE \"A*\"", "false")]
    [InlineData("\"abc\" RLIKE \"a.+\"", "true")]
    [InlineData("NOT \"a\" IN (\"b\")", "true")]
    [InlineData("\"a\" NOT IN (\"a\")", "false")]
    [InlineData("1 IN (2, 3) OR 2 > 1 AND 1 == 1", "true")]
    [InlineData("CASE(null, 1, 2)", "2")]
    [InlineData("TO_BOOLEAN(\"TRUE\")", "true")]
    [InlineData("null AND false", "false")]
    [InlineData("null OR true", "true")]
    [InlineData("null + 1", null)]
    [InlineData("5 /* five */ + // and\n 1", "6")]
    [InlineData("LENGTH(\"\"\"raw \"quoted\" text\"\"\")", "17")]
    [InlineData("MV_SUM([1, 2])", "3")]
    public async Task Expressions_have_their_value(string expression, string? expected)
    {
        await using var lab = await Lab.OpenAsync();
        var reply = await lab.EsqlAsync($"ROW x = {expression} | LIMIT 1");
        Assert.True(reply.Status == 200, reply.Text);
        Assert.Equal(expected, reply.First[0]);
    }

    [Theory]
    [InlineData("1 / 0", "java.lang.ArithmeticException: / by zero")]
    [InlineData("9223372036854775807 + 1", "java.lang.ArithmeticException: long overflow")]
    [InlineData("TO_IP(\"nope\")", "java.lang.IllegalArgumentException: 'nope' is not an IP string literal.")]
    [InlineData("1 == [1, 2]", "java.lang.IllegalArgumentException: single-value function encountered multi-value")]
    public async Task What_fails_in_a_cell_is_null_and_warned_of(string expression, string failure)
    {
        await using var lab = await Lab.OpenAsync();
        var reply = await lab.EsqlAsync($"ROW x = {expression} | LIMIT 1");
        Assert.Null(reply.First[0]);
        Assert.Equal([$"Line 1:9: evaluation of [{expression}] failed, treating result as null. Only first 20 failures recorded.", $"Line 1:9: {failure}"], reply.Warnings);
    }

    [Fact]
    public async Task Of_one_expression_at_most_twenty_failures_are_warned_of()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"}}""", [.. Enumerable.Range(0, 30).Select(i => $$"""{"f":"bad {{i}} \"%é"}""")]);
        var reply = await lab.EsqlAsync("FROM a | EVAL x = TO_IP(f) | LIMIT 100");
        Assert.Equal(21, reply.Warnings.Count);
        Assert.Contains("Line 1:19: java.lang.IllegalArgumentException: 'bad 7 \"%é' is not an IP string literal.", reply.Warnings);
        Assert.Contains(reply.Headers.GetValues("Warning"), w => w.Contains("\\\"%25%C3%A9'", StringComparison.Ordinal) && w.StartsWith("299 Elasticsearch-8.19.3-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_multi_valued_condition_counts_as_false_and_says_so()
    {
        await using var lab = await Lab.OpenAsync();
        var reply = await lab.EsqlAsync("ROW c = [true, true] | EVAL x = CASE(c, 1, 2) | KEEP x | LIMIT 1");
        Assert.Equal("2", reply.First[0]);
        Assert.Contains(reply.Warnings, w => w.Contains("treating result as false", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_illegal_block_fails_the_query_instead_of_reading_as_null()
    {
        await using var lab = await Lab.OpenAsync();
        Assert.Equal("illegal_argument_exception", (await lab.EsqlAsync("ROW x = CIDR_MATCH(TO_IP(\"1.1.1.1\"), \"1.1.1.1/33\")")).ErrorType);
        Assert.Equal(400, (await lab.EsqlAsync("ROW x = CIDR_MATCH(TO_IP(\"1.1.1.1\"), \"::ffff:1.1.1.1/120\")")).Status);
    }

    [Theory]
    [InlineData("WHERE f == 5", "first argument of [f == 5] is [keyword] so second argument must also be [keyword] but was [integer]")]
    [InlineData("WHERE CIDR_MATCH(f, \"10.0.0.0/8\")", "first argument of [CIDR_MATCH(f, \"10.0.0.0/8\")] must be [ip], found value [f] type [keyword]")]
    [InlineData("WHERE n", "Condition expression needs to be boolean, found [LONG]")]
    [InlineData("WHERE n AND true", "first argument of [n AND true] must be [boolean], found value [n] type [long]")]
    [InlineData("WHERE COUNT(*) > 1", "aggregate function [COUNT(*)] not allowed outside STATS command")]
    [InlineData("STATS x = n", "column [n] must appear in the STATS BY clause or be used in an aggregate function")]
    [InlineData("WHERE TO_IP(n) IS NULL", "argument of [TO_IP(n)] must be [ip or string], found value [n] type [long]")]
    [InlineData("EVAL x = MYSTERY(f)", "Unknown function [MYSTERY]")]
    [InlineData("STATS SUM(f)", "argument of [SUM(f)] must be [numeric except unsigned_long or counter types], found value [f] type [keyword]")]
    [InlineData("WHERE i == \"nope\"", "Cannot convert string [nope] to [IP], error ['nope' is not an IP string literal.]")]
    public async Task Types_that_do_not_go_together_are_a_verification_error(string command, string reason)
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"},"n":{"type":"long"},"i":{"type":"ip"}}""");
        var reply = await lab.EsqlAsync("FROM a | " + command);
        Assert.Equal(("verification_exception", true), (reply.ErrorType, reply.Reason.Contains(reason, StringComparison.Ordinal) ? true : throw new Xunit.Sdk.XunitException(reply.Reason)));
    }

    [Theory]
    [InlineData("FROM")]
    [InlineData("SELECT * FROM a")]
    [InlineData("FROM a | WHERE")]
    [InlineData("FROM a | WHERE (f == 1")]
    [InlineData("FROM a | WHERE f == \"open")]
    [InlineData("FROM a | DISSECT f \"%{x}\"")]
    [InlineData("FROM a | LIMIT -1")]
    [InlineData("FROM a || LIMIT 1")]
    [InlineData("FROM a | WHERE f = 1")]
    [InlineData("FROM a /* not closed")]
    public async Task What_cannot_be_read_is_a_parsing_error_with_its_place(string query)
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"long"}}""");
        var reply = await lab.EsqlAsync(query);
        Assert.Equal((400, "parsing_exception"), (reply.Status, reply.ErrorType));
        Assert.StartsWith("line 1:", reply.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_deep_an_expression_is_refused_and_not_the_end_of_the_process()
    {
        await using var lab = await Lab.OpenAsync();
        var deep = await lab.EsqlAsync($"ROW x = {new string('(', 5000)}1{new string(')', 5000)}");
        Assert.Equal("parsing_exception", deep.ErrorType);
        Assert.Equal(400, (await lab.EsqlAsync("ROW x = " + string.Concat(Enumerable.Repeat("NOT ", 5000)) + "true")).Status);
    }

    [Fact]
    public async Task Whatever_is_done_to_a_query_the_answer_is_a_table_or_a_400()
    {
        await using var lab = await Lab.OpenAsync(stock: true);
        lab.Cluster.Index(FakeCluster.AzureSignInLogs, """{"@timestamp":"2025-06-01T11:00:00Z","source.ip":["8.8.8.8","1.1.1.1"],"event.severity":[1,1]}""");
        lab.Cluster.Index(FakeCluster.Alerts, """{"@timestamp":"2025-06-01T11:00:00Z","source.ip":"8.8.8.8","kibana.alert.rule.name":"External Alerts"}""");
        string[] seeds =
        [
            RuleQueries.Seed,
            "FROM logs-* METADATA _index, _id | MV_EXPAND source.ip | EVAL a = event.severity + 1, b = CONCAT(event.action, \"x\"), c = a * 9223372036854775807 | KEEP a, b, c, _id | SORT a DESC NULLS LAST, _id | LIMIT 3",
            "FROM logs-*, .alerts* | STATS n = COUNT(event.severity) + SUM(event.severity), MAX(@timestamp), TOP(source.ip, 2, \"asc\") BY d = DATE_TRUNC(1 hour, @timestamp), event.dataset | WHERE n > 0 OR d IS NULL | RENAME n AS m | DROP d",
        ];
        foreach (var seed in seeds)
        {
            var whole = await lab.EsqlAsync(seed);
            Assert.True(whole.Status == 200, whole.Text);
        }

        var random = new Random(7);
        var tables = 0;
        for (var i = 0; i < 1500; i++)
        {
            var tokens = seeds[i % seeds.Length].Split(' ').ToList();
            for (var change = random.Next(1, 3); change > 0; change--)
            {
                var at = random.Next(tokens.Count);
                switch (random.Next(4))
                {
                    case 0:
                        tokens.RemoveAt(at);
                        break;
                    case 1:
                        tokens.Insert(at, tokens[random.Next(tokens.Count)]);
                        break;
                    case 2:
                        tokens[at] = tokens[random.Next(tokens.Count)];
                        break;
                    default:
                        tokens[at] = tokens[at].Length == 0 ? "?" : tokens[at].Remove(random.Next(tokens[at].Length), 1);
                        break;
                }
            }

            var query = string.Join(' ', tokens);
            var reply = await lab.EsqlAsync(query);
            Assert.True(reply.Status is 200 or 400 or 404, $"{query}\n{reply.Text}");
            if (reply.Status == 200) tables++;
        }

        Assert.InRange(tables, 100, 1400);
    }

    [Fact]
    public async Task Lists_can_be_expanded_and_groups_can_have_several_keys()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"k":{"type":"keyword"},"n":{"type":"long"}}""", """{"k":["x","y"],"n":1}""", """{"k":"x","n":2}""");
        Assert.Equal(["\"x\"", "\"y\"", "\"x\""], (await lab.EsqlAsync("FROM a | MV_EXPAND k | KEEP k")).First);
        Assert.Equal("""[[1,"x",1],[1,"y",1],[1,"x",2]]""", (await lab.EsqlAsync("FROM a | STATS c = COUNT(*) BY k, n")).Rows.ToJsonString());
        Assert.Equal(["a", "k"], (await lab.EsqlAsync("FROM a | STATS a = MAX(n) BY k | SORT k")).Columns);
    }

    [Fact]
    public async Task Text_literals_beside_addresses_and_dates_are_read_as_such()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"i":{"type":"ip"},"t":{"type":"date"}}""", """{"i":"1.1.1.1","t":"2025-06-01T00:00:00Z"}""");
        Assert.Single((await lab.EsqlAsync("FROM a | WHERE i == \"1.1.1.1\" AND i IN (\"1.1.1.1\") AND t >= \"2025-06-01\" AND t < \"2025-06-02T00:00:00.000Z\"")).Rows);
    }

    [Fact]
    public async Task Comparisons_of_time_are_strict_to_the_millisecond()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"t":{"type":"date"}}""", """{"t":"2025-06-01T04:00:00.000Z"}""", """{"t":"2025-06-01T04:00:00.001Z"}""", """{"t":"2025-06-01T04:00:00.000999Z"}""");
        Assert.Equal(["\"2025-06-01T04:00:00.001Z\""], (await lab.EsqlAsync("FROM a | WHERE t > NOW() - 8 hours")).First);
    }

    [Fact]
    public async Task Grouping_nothing_gives_nothing_and_aggregating_nothing_gives_one_row()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"long"}}""");
        Assert.Empty((await lab.EsqlAsync("FROM a | STATS c = COUNT(*) BY f")).Rows);
        var whole = await lab.EsqlAsync("FROM a | STATS c = COUNT(*), d = COUNT_DISTINCT(f), v = VALUES(f), m = MAX(f), s = SUM(f), a = AVG(f)");
        Assert.Equal("[0,0,null,null,null,null]", whole.Rows[0]!.ToJsonString());
    }

    [Fact]
    public async Task Keys_may_be_null_or_many_and_duplicates_of_a_key_count_once()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"k":{"type":"long"},"v":{"type":"long"}}""", """{"k":[1,1,2],"v":[5,5,6]}""", """{"v":7}""", """{"k":2}""");
        var reply = await lab.EsqlAsync("FROM a | STATS rows = COUNT(*), vals = COUNT(v), d = COUNT_DISTINCT(v) BY k | SORT k");
        Assert.Equal("""[[1,3,2,1],[2,3,2,2],[1,1,1,null]]""", reply.Rows.ToJsonString());
    }

    [Fact]
    public async Task Aggregates_come_in_written_order_then_the_keys_and_are_named_after_their_text()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"k":{"type":"keyword"},"v":{"type":"long"}}""", """{"k":"x","v":1}""");
        Assert.Equal(["COUNT(*)", "m", "MAX(v) + 1", "k", "v > 0"], (await lab.EsqlAsync("FROM a | STATS COUNT(*), m = MIN(v), MAX(v) + 1 BY k, v > 0")).Columns);
    }

    [Theory]
    [InlineData("8.17.0", 400)]
    [InlineData("8.18.0", 200)]
    [InlineData("9.0.0", 200)]
    public async Task An_aggregate_may_have_a_filter_from_8_18_on(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("a", """{"v":{"type":"long"}}""", """{"v":1}""", """{"v":2}""", "{}");
        var reply = await lab.EsqlAsync("FROM a | STATS c = COUNT(*) WHERE v > 1, d = COUNT(*)");
        Assert.Equal(status, reply.Status);
        if (status == 200) Assert.Equal("[[1,3]]", reply.Rows.ToJsonString());
    }

    [Fact]
    public async Task Values_flattens_and_drops_duplicates_and_its_order_is_nobodys_business()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"v":{"type":"keyword"}}""", """{"v":["a","b"]}""", """{"v":"a"}""", """{"v":"c"}""");
        Assert.Equal("""["a","b","c"]""", (await lab.EsqlAsync("FROM a | STATS v = VALUES(v)")).First[0]);
        lab.Cluster.UnspecifiedOrder = UnspecifiedOrder.Reversed;
        Assert.NotEqual("""["a","b","c"]""", (await lab.EsqlAsync("FROM a | STATS v = VALUES(v)")).First[0]);
        Assert.Equal("""["c","b"]""", (await lab.EsqlAsync("FROM a | STATS v = TOP(v, 2, \"desc\")")).First[0]);
    }

    [Fact]
    public async Task Nulls_are_last_ascending_and_first_descending_unless_told_otherwise()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"v":{"type":"long"}}""", "{}", """{"v":[1,9]}""", """{"v":5}""");
        Assert.Equal(["[1,9]", "5", null], (await lab.EsqlAsync("FROM a | SORT v")).First);
        Assert.Equal([null, "[1,9]", "5"], (await lab.EsqlAsync("FROM a | SORT v DESC")).First);
        Assert.Equal(["[1,9]", "5", null], (await lab.EsqlAsync("FROM a | SORT v DESC NULLS LAST")).First);
        Assert.Equal([null, "[1,9]", "5"], (await lab.EsqlAsync("FROM a | SORT v ASC NULLS FIRST")).First);
    }

    [Fact]
    public async Task Without_a_limit_a_thousand_rows_come_and_a_warning()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"v":{"type":"long"}}""", [.. Enumerable.Range(0, 1200).Select(i => $$"""{"v":{{i}}}""")]);
        var reply = await lab.EsqlAsync("FROM a");
        Assert.Equal(1000, reply.Rows.Count);
        Assert.Equal(["No limit defined, adding default limit of [1000]"], reply.Warnings);
        Assert.Empty((await lab.EsqlAsync("FROM a | LIMIT 1001")).Warnings);
        Assert.Equal("1200", (await lab.EsqlAsync("FROM a | STATS c = COUNT(*)")).First[0]);
    }

    [Fact]
    public async Task Parameters_are_values_and_never_text_of_the_query()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"},"n":{"type":"long"}}""", """{"f":"x\" OR true OR \"","n":3}""", """{"f":"y","n":4}""");
        Assert.Equal(["3"], (await lab.EsqlAsync("FROM a | WHERE f == ?name AND n < ?top | KEEP n", """{"params":[{"name":"x\" OR true OR \""},{"top":9}]}""")).First);
        Assert.Equal(["4"], (await lab.EsqlAsync("FROM a | WHERE f == ? AND n == ? | KEEP n", """{"params":["y",4]}""")).First);
        Assert.Equal(["4"], (await lab.EsqlAsync("FROM a | WHERE n == ?2 AND f == ?1 | KEEP n | LIMIT ?3", """{"params":["y",4,5]}""")).First);
        Assert.Equal(400, (await lab.EsqlAsync("FROM a | WHERE f == ?other", """{"params":[{"name":"x"}]}""")).Status);
        Assert.Equal(400, (await lab.EsqlAsync("FROM a | WHERE f == ?", """{"params":[{"name":"x"},1]}""")).Status);
        Assert.Equal(400, (await lab.EsqlAsync("FROM a | WHERE f == ?")).Status);
    }

    [Theory]
    [InlineData("8.19.3", 400)]
    [InlineData("9.1.0", 200)]
    public async Task Names_of_columns_can_be_parameters_from_9_1_on(string version, int status)
    {
        await using var lab = await Lab.OpenAsync(version);
        lab.Fill("a", """{"f":{"type":"keyword"}}""", """{"f":"x"}""");
        Assert.Equal(status, (await lab.EsqlAsync("FROM a | WHERE ??col == \"x\"", """{"params":[{"col":"f"}]}""")).Status);
        Assert.Equal(200, (await lab.EsqlAsync("FROM a | WHERE ?col == \"x\"", """{"params":[{"col":{"identifier":"f"}}]}""")).Status);
    }

    [Fact]
    public async Task A_written_null_in_case_under_an_aggregate_breaks_where_the_hazard_is_on()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"}}""", """{"f":"x"}""");
        const string written = "FROM a | EVAL c = CASE(f == \"x\" AND f != \"y\", f, null) | STATS d = COUNT_DISTINCT(c)";
        Assert.Equal(["1"], (await lab.EsqlAsync(written)).First);
        lab.Cluster.NullCaseHazard = true;
        var broken = await lab.EsqlAsync(written);
        Assert.Equal((500, "illegal data type [null]"), (broken.Status, broken.Reason));
        Assert.Equal(["1"], (await lab.EsqlAsync(written.Replace(", null)", ")", StringComparison.Ordinal))).First);
    }

    [Fact]
    public async Task Null_columns_can_be_dropped_and_answers_can_be_columnar()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"},"g":{"type":"double"}}""", """{"g":1}""", """{"g":2.5}""");
        var dropped = await lab.EsqlAsync("FROM a", parameters: "?drop_null_columns=true");
        Assert.Equal(["g"], dropped.Columns);
        Assert.Equal(2, ((JsonArray)dropped.Json["all_columns"]!).Count);
        Assert.Equal("[[null,null],[1.0,2.5]]", (await lab.EsqlAsync("FROM a", """{"columnar":true}""")).Rows.ToJsonString());
    }

    [Fact]
    public async Task Answers_come_as_csv_when_asked_for()
    {
        await using var lab = await Lab.OpenAsync();
        lab.Fill("a", """{"f":{"type":"keyword"}}""", """{"f":["a","b,c"]}""");
        Assert.Equal("f\r\n\"[a,b,c]\"\r\n", (await lab.EsqlAsync("FROM a", parameters: "?format=csv")).Text);
    }

    [Fact]
    public async Task A_broken_shard_is_a_partial_answer_or_a_failure()
    {
        await using var lab = await Lab.OpenAsync("8.19.3");
        lab.Fill("a", """{"f":{"type":"keyword"}}""", """{"f":"x"}""");
        lab.Fill("b", """{"f":{"type":"keyword"}}""", """{"f":"y"}""");
        lab.Cluster.BreakShard("b");
        var partial = await lab.EsqlAsync("FROM a, b");
        Assert.Equal((200, true), (partial.Status, (bool)partial.Json["is_partial"]!));
        Assert.Equal("partial", (string?)partial.Json["_clusters"]!["details"]!["(local)"]!["status"]);
        Assert.Equal(["\"x\""], partial.First);
        Assert.Equal(503, (await lab.EsqlAsync("FROM a, b", parameters: "?allow_partial_results=false")).Status);
        Assert.Equal(503, (await lab.EsqlAsync("FROM b")).Status);
        lab.Cluster.Version = ElasticsearchVersion.Parse("8.17.0");
        Assert.Equal(503, (await lab.EsqlAsync("FROM a, b")).Status);
        lab.Cluster.HealShards();
        Assert.Equal(2, (await lab.EsqlAsync("FROM a, b")).Rows.Count);
    }
}
