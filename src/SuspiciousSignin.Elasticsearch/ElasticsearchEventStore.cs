using System.Globalization;
using Microsoft.Extensions.Logging;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Events in Elasticsearch, correlated where they are: the rule runs there as ES|QL (<see cref="EsqlQuery"/>) and only aggregates come
/// back. This class holds nothing that another instance of the service would miss.
/// </summary>
internal sealed class ElasticsearchEventStore : IEventStore
{
    /// <summary>The most addresses in one query's parameters.</summary>
    private const int AddressesPerQuery = 1_000;

    /// <summary>The most pages of <see cref="EsqlQuery.MaxRows"/> rows read for the smallest gaps of a run.</summary>
    private const int MaxTimePages = 20;

    private readonly ElasticsearchClient _client;
    private readonly ElasticsearchOptions _options;
    private readonly Nodes _nodes;
    private readonly Mappings _mappings;
    private readonly EsqlQueries _esql;
    private readonly EventWriter _writer;
    private readonly EvidenceReader _evidence;

    public ElasticsearchEventStore(
        ElasticsearchClient client,
        Nodes nodes,
        ElasticsearchOptions options,
        EventReaderOptions readerOptions,
        TimeProvider clock,
        ILogger<ElasticsearchEventStore> logger)
    {
        (_client, _nodes, _options) = (client, nodes, options);
        _mappings = new Mappings(client, options, readerOptions.AlertDatasets, clock);
        _esql = new EsqlQueries(client, options, clock, logger);
        _writer = new EventWriter(client, options, clock);
        _evidence = new EvidenceReader(client, readerOptions.AlertDatasets, logger);
    }

    /// <inheritdoc/>
    public string Kind => "elasticsearch";

    /// <inheritdoc/>
    public async Task<AppendResult> AppendAsync(IReadOnlyList<EventRecord> events, CancellationToken cancellationToken)
    {
        try
        {
            return await ElasticsearchClient.ReadingAsync(() => _writer.WriteAsync(events, cancellationToken));
        }
        finally
        {
            // Even where it failed: some of it may be there.
            _mappings.Written();
        }
    }

    /// <inheritdoc/>
    public Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, CancellationToken cancellationToken) =>
        ElasticsearchClient.ReadingAsync(() => WithFreshMappingsAsync(
            query.Revision, indices => CorrelateAsync(query, indices, cancellationToken), cancellationToken));

    /// <inheritdoc/>
    public Task<EventPage?> ReadEventsAsync(EventQuery query, CancellationToken cancellationToken)
    {
        if (!EvidenceReader.TryReadCursor(ref query, out var start))
        {
            return Task.FromResult<EventPage?>(null);
        }

        return ElasticsearchClient.ReadingAsync(() => WithFreshMappingsAsync<EventPage?>(
            query.Revision,
            async indices =>
            {
                if (!indices.Any)
                {
                    // What could not be looked at may hold events.
                    return indices.Unread is { } unread
                        ? throw new StoreUnavailableException(unread.Message)
                        : new EventPage([], query.IsOfAll ? 0 : null, null) { Warnings = indices.Warnings, IsPartial = indices.IsPartial };
                }

                var page = await _evidence.ReadAsync(query, indices, start, cancellationToken);
                return page with
                {
                    Warnings = [.. indices.Warnings, .. page.Warnings],
                    IsPartial = indices.IsPartial || indices.SourceIpIsText || page.IsPartial,
                };
            },
            cancellationToken));
    }

    /// <inheritdoc/>
    public Task<StoreHealth> CheckAsync(CancellationToken cancellationToken) =>
        ElasticsearchClient.ReadingAsync(() => LookAsync(cancellationToken));

    private async Task<StoreHealth> LookAsync(CancellationToken cancellationToken)
    {
        var info = await _client.InfoAsync(cancellationToken);
        var facts = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["cluster"] = info.Name,
            ["version"] = info.IsServerless ? "serverless" : info.Version,
            ["nodes"] = _options.Nodes.Count,
        };
        var patterns = RuleCatalogue.Revisions.SelectMany(_mappings.PatternsOf)
            .Where(pattern => !RemoteClusters.IsOfRemote(pattern))
            .Distinct(StringComparer.Ordinal)
            .ToArray();
        var privileges = await _mappings.PrivilegesAsync(
            [(patterns, ["read"]), ([_options.DataStream], ["create_doc", "auto_configure", "maintenance"])], cancellationToken);
        // After the calls, which find out.
        facts["livingNodes"] = _nodes.Living;
        var lacking = privileges?.Where(privilege => !privilege.Value).Select(privilege => privilege.Key).ToArray() ?? [];
        var told = lacking.Select(privilege => $"{privilege.Privilege} on {privilege.Pattern}").Order(StringComparer.Ordinal).ToArray();
        var description = "The cluster answers and the credentials suffice.";
        if (told.Length > 0)
        {
            facts["lackingPrivileges"] = told;
            description = $"The credentials lack {string.Join(", ", told)}.";
        }

        if (Array.Exists(lacking, privilege => privilege.Privilege == "read"))
        {
            return new StoreHealth(false, description, facts);
        }

        var warnings = (await _mappings.FindAsync(RuleCatalogue.Find(RuleCatalogue.DefaultRevision)!, cancellationToken)).Warnings;
        if (warnings.Count > 0)
        {
            facts["warnings"] = warnings.Select(warning => warning.Message).ToArray();
        }

        // Without the privileges of writing everything but POST /events works, which may be what is wanted.
        return new StoreHealth(true, description, facts);
    }

    private async Task<CorrelationResult> CorrelateAsync(CorrelationQuery query, MappedIndices indices, CancellationToken cancellationToken)
    {
        var summary = new WindowSummary(query);
        var run = new Run(query, indices);
        if (indices.Any && indices.Column("source.ip") is not null)
        {
            foreach (var addresses in ChunksOf(query.Addresses))
            {
                await DetectAsync(run, addresses, cancellationToken);
                await CoverAsync(run, addresses, summary, cancellationToken);
            }
        }

        var reported = run.Found.Where(found => found.IsReported)
            .Select(found => found.Finding)
            .OrderBy(finding => finding.Address)
            .ToArray();
        var findings = await CompleteAsync(run, [.. reported.Take(query.Limit)], cancellationToken);
        return new CorrelationResult
        {
            Findings = findings,
            Total = reported.Length,
            Coverage = summary.Coverage,
            Warnings = [.. indices.Warnings, .. run.Warnings, .. summary.Warnings(), .. HiddenByVolume(run)],
            IsPartial = indices.IsPartial || run.IsPartial,
        };
    }

    /// <summary>The addresses in portions of what fits one query; one portion of null for all addresses.</summary>
    private static IReadOnlyList<SourceAddress[]?> ChunksOf(IReadOnlySet<SourceAddress>? addresses) =>
        addresses is null ? [null] : [.. addresses.Order().Chunk(AddressesPerQuery)];

    private async Task DetectAsync(Run run, SourceAddress[]? addresses, CancellationToken cancellationToken)
    {
        var query = run.QueryOf(addresses);
        if (!query.CanReport)
        {
            return;
        }

        using var table = await RunAsync(run, query.Detection(), addresses, null, cancellationToken);
        var rows = 0;
        foreach (var row in table.Rows)
        {
            rows++;
            run.Found.Add((FindingOf(row), row.Flag("reported") ?? true));
        }

        if (rows == EsqlQuery.MaxRows)
        {
            run.Incomplete(new Warning(
                WarningCodes.TooManyAddresses,
                $"The cluster returns at most {EsqlQuery.MaxRows} addresses and there may be more. Ask for a shorter window.",
                rows));
        }
    }

    private static AddressFinding FindingOf(EsqlTable.Row row)
    {
        (long First, long Last) Span(params ReadOnlySpan<Measure> legs)
        {
            var span = (First: long.MaxValue, Last: long.MinValue);
            foreach (var leg in legs)
            {
                span = (
                    Math.Min(span.First, row.Time(EsqlQuery.FirstOf(leg)) ?? long.MaxValue),
                    Math.Max(span.Last, row.Time(EsqlQuery.LastOf(leg)) ?? long.MinValue));
            }

            return span;
        }

        // No revision reports an address without both legs, and none begins after its end.
        var (alerts, accesses) = (Span(Measure.NetworkAlert), Span(Measure.AzureSignIn, Measure.MailAccess));
        if (!IsSpan(alerts) || !IsSpan(accesses))
        {
            throw ElasticsearchClient.Misshapen();
        }

        return new AddressFinding
        {
            Address = row.Address("source_ip"),
            Counts = new Measures(
                row.Count(Measure.Total),
                row.Count(Measure.AzureSignIn),
                row.Count(Measure.MailAccess),
                row.Count(Measure.NetworkAlert),
                row.Count(Measure.Datasets)),
            Datasets = row.Texts("datasets"),
            RuleNames = row.Texts("rule_names"),
            Categories = row.Texts("categories"),
            Users = [],
            FirstSeen = row.TimeIn("first_seen"),
            LastSeen = row.TimeIn("last_seen"),
            NetworkAlerts = alerts,
            Accesses = accesses,
            SmallestGap = alerts.Last <= accesses.First ? accesses.First - alerts.Last
                : accesses.Last <= alerts.First ? alerts.First - accesses.Last
                : long.MaxValue,
        };
    }

    private static bool IsSpan((long First, long Last) span) =>
        span.First <= span.Last && span.First >= EcsTime.Earliest && span.Last <= EcsTime.Latest;

    private async Task CoverAsync(Run run, SourceAddress[]? addresses, WindowSummary summary, CancellationToken cancellationToken)
    {
        var query = run.QueryOf(addresses);
        using var table = await RunAsync(run, query.Coverage(), addresses, null, cancellationToken);
        foreach (var row in table.Rows)
        {
            foreach (var leg in new[] { Measure.AzureSignIn, Measure.MailAccess, Measure.NetworkAlert })
            {
                summary.Add(leg, row.Count(leg), row.Time(EsqlQuery.FirstOf(leg)) ?? 0, row.Time(EsqlQuery.LastOf(leg)) ?? 0);
            }

            for (var i = 0; i < query.Misses.Count; i++)
            {
                summary.Add(query.Misses[i].Miss, row.Count(string.Create(CultureInfo.InvariantCulture, $"miss_{i}")));
            }
        }
    }

    /// <summary>
    /// Adds what takes a second look at the reported addresses: their accounts, and the smallest gap where the legs interleave.
    /// </summary>
    private async Task<IReadOnlyList<AddressFinding>> CompleteAsync(Run run, AddressFinding[] findings, CancellationToken cancellationToken)
    {
        var accounts = findings.ToDictionary(finding => finding.Address, _ => new Accounts());
        foreach (var addresses in findings.Select(finding => finding.Address).Chunk(AddressesPerQuery))
        {
            using var table = await RunAsync(run, run.QueryOf(addresses).Accounts(), addresses, null, cancellationToken);
            var rows = 0;
            foreach (var row in table.Rows)
            {
                rows++;
                var user = new EventUser
                {
                    Email = row.Text("user_email"),
                    Name = row.Text("user_name"),
                    Id = row.Text("user_id"),
                    Domain = row.Text("user_domain"),
                };
                if (accounts.TryGetValue(row.Address("source_ip"), out var ofAddress))
                {
                    ofAddress.Add(user, row.Count(Measure.AzureSignIn), row.Count(Measure.MailAccess));
                }
            }

            if (rows == EsqlQuery.MaxRows)
            {
                run.Incomplete(new Warning(
                    WarningCodes.TooManyAccounts,
                    $"The cluster returns at most {EsqlQuery.MaxRows} accounts for these addresses; some are not shown.",
                    rows));
            }
        }

        var gaps = await SmallestGapsAsync(run, [.. findings.Where(finding => finding.SmallestGap == long.MaxValue)], cancellationToken);
        return Array.ConvertAll(findings, finding => finding with
        {
            Users = accounts[finding.Address].ToActivities(),
            SmallestGap = gaps.GetValueOrDefault(finding.Address, finding.SmallestGap),
        });
    }

    private async Task<Dictionary<SourceAddress, long>> SmallestGapsAsync(
        Run run, AddressFinding[] interleaved, CancellationToken cancellationToken)
    {
        var gaps = new Dictionary<SourceAddress, long>();
        var (pages, isExact) = (0, true);
        foreach (var addresses in interleaved.Select(finding => finding.Address).Chunk(AddressesPerQuery))
        {
            var (address, at, alert, access) = (default(SourceAddress), run.Window.From, (long?)null, (long?)null);
            var rows = EsqlQuery.MaxRows;
            for (; rows == EsqlQuery.MaxRows && pages < MaxTimePages; pages++)
            {
                using var table = await RunAsync(run, run.QueryOf(addresses).Times(), addresses, (address, at), cancellationToken);
                rows = 0;
                foreach (var row in table.Rows)
                {
                    rows++;
                    if (row.Address("source_ip") is var next && next != address)
                    {
                        (address, alert, access) = (next, null, null);
                    }

                    at = row.TimeIn("at");
                    alert = row.Count(Measure.NetworkAlert) > 0 ? at : alert;
                    access = row.Count(Measure.AzureSignIn) + row.Count(Measure.MailAccess) > 0 ? at : access;
                    if (alert is not null && access is not null)
                    {
                        gaps[address] = Math.Min(gaps.GetValueOrDefault(address, long.MaxValue), Math.Abs(alert.Value - access.Value));
                    }
                }
            }

            isExact &= rows < EsqlQuery.MaxRows;
        }

        if (!isExact)
        {
            run.Warnings.Add(new Warning(
                WarningCodes.GapNotExact,
                $"There are more than {MaxTimePages * EsqlQuery.MaxRows} moments to compare; "
                + "the smallest gaps shown are the smallest of those.",
                interleaved.Length));
        }

        // An address that was not reached has its legs within its own span, which bounds the gap.
        foreach (var finding in interleaved)
        {
            gaps.TryAdd(finding.Address, finding.LastSeen - finding.FirstSeen);
        }

        return gaps;
    }

    private async Task<EsqlTable> RunAsync(
        Run run, string text, SourceAddress[]? addresses, (SourceAddress Address, long At)? after, CancellationToken cancellationToken)
    {
        var parameters = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["from"] = Iso(run.Window.From),
            ["to"] = Iso(run.Window.To),
        };
        if (run.IngestedAfter is { } ingestedAfter)
        {
            parameters["ingested_after"] = Iso(ingestedAfter);
        }

        if (after is var (address, at))
        {
            (parameters["after_ip"], parameters["after"]) = (address.ToString(), Iso(at));
        }

        for (var i = 0; i < addresses?.Length; i++)
        {
            parameters[string.Create(CultureInfo.InvariantCulture, $"ip{i}")] = addresses[i].ToString();
        }

        var table = await _esql.RunAsync(text, parameters, run.AsksRemotes, run.TimeFilter, cancellationToken);
        if (table.PartialBecause is { } reason)
        {
            run.Incomplete(RemoteClusters.Partial(reason));
        }

        return table;
    }

    /// <summary>Asks, and where the mappings turn out to be others than those known, learns them anew and asks once more.</summary>
    private async Task<T> WithFreshMappingsAsync<T>(
        RuleRevision revision, Func<MappedIndices, Task<T>> ask, CancellationToken cancellationToken)
    {
        try
        {
            return await ask(await _mappings.FindAsync(revision, cancellationToken));
        }
        catch (ElasticsearchException changed) when (changed.Status is 400 or 404)
        {
            _mappings.Forget();
            return await ask(await _mappings.FindAsync(revision, cancellationToken));
        }
    }

    private static IEnumerable<Warning> HiddenByVolume(Run run) => run.Found.Count(found => !found.IsReported) is > 0 and var hidden
        ? [Warning.HiddenByVolume(hidden)]
        : [];

    /// <summary>A time as Elasticsearch takes it, in its bounds.</summary>
    internal static string Iso(long milliseconds) => EcsTime.ToText(Math.Clamp(milliseconds, EcsTime.Earliest, EcsTime.Latest));

    /// <summary>One question on its way through several queries.</summary>
    private sealed class Run(CorrelationQuery query, MappedIndices indices)
    {
        public TimeWindow Window => query.Window;

        public long? IngestedAfter => query.IngestedAfter;

        public bool AsksRemotes => indices.Patterns.Any(RemoteClusters.IsOfRemote);

        /// <summary>The window once more, where the text converts <c>@timestamp</c> and so no index can look it up.</summary>
        public object? TimeFilter => indices.Column("@timestamp") == "@timestamp" ? null : EvidenceReader.Within(Window, indices);

        public List<(AddressFinding Finding, bool IsReported)> Found { get; } = [];

        public List<Warning> Warnings { get; } = [];

        public bool IsPartial { get; private set; }

        public EsqlQuery QueryOf(SourceAddress[]? addresses) => new(query.Revision, indices.Patterns, indices.Column)
        {
            HasIngestedAfter = query.IngestedAfter is not null,
            Addresses = addresses?.Length ?? 0,
        };

        public void Incomplete(Warning because)
        {
            IsPartial = true;
            if (!Warnings.Exists(warning => warning.Code == because.Code))
            {
                Warnings.Add(because);
            }
        }
    }
}
