namespace SuspiciousSignin.Rules;

/// <summary>
/// One revision of the rule as a value: which documents it keeps, how it classifies them, and from which counts it reports an address. Both
/// engines derive from it: memory evaluates the conditions, Elasticsearch gets their text (<see cref="EsqlQuery"/>).
/// </summary>
public sealed record RuleRevision
{
    /// <summary>The name callers ask for: <c>2025-04-29</c>, <c>2026-05-22</c> or <c>resilient</c>.</summary>
    public required string Name { get; init; }

    /// <summary>
    /// Whether raw network alerts (<c>event.kind: alert</c>) count as if Kibana's External Alerts rule had promoted them.
    /// </summary>
    public bool Promote { get; init; }

    /// <summary>What this revision is, in one sentence.</summary>
    public required string Description { get; init; }

    /// <summary>What sets it apart from the other revisions, one fact each.</summary>
    public required IReadOnlyList<string> Differences { get; init; }

    /// <summary>What this revision is known to miss.</summary>
    public required IReadOnlyList<string> BlindSpots { get; init; }

    /// <summary>How its authors schedule it.</summary>
    public required string Schedule { get; init; }

    /// <summary>The index patterns it reads in Elasticsearch.</summary>
    public required IReadOnlyList<string> Indices { get; init; }

    /// <summary>Where the dataset of a document is read from.</summary>
    public required EsqlColumn Dataset { get; init; }

    /// <summary>Which documents count at all.</summary>
    public required EsqlPredicate Keep { get; init; }

    /// <summary>Which kept documents are successful Entra ID sign-ins.</summary>
    public required EsqlPredicate AzureSignIn { get; init; }

    /// <summary>Which kept documents are successful mail accesses.</summary>
    public required EsqlPredicate MailAccess { get; init; }

    /// <summary>Which kept documents are network security alerts.</summary>
    public required EsqlPredicate NetworkAlert { get; init; }

    /// <summary>Whether a network alert without a dataset counts as one more dataset.</summary>
    public bool MissingDatasetCounts { get; init; }

    /// <summary>From which counts an address is reported.</summary>
    public required EsqlPredicate Report { get; init; }

    /// <summary>The same without any cap on the volume: what <see cref="Report"/> hides only because there were too many events.</summary>
    public EsqlPredicate? ReportIgnoringVolume { get; init; }

    /// <summary>The documents worth a warning because this revision passes them over.</summary>
    public required IReadOnlyList<NearMiss> NearMisses { get; init; }

    /// <summary>The revision's place in <see cref="RuleCatalogue.Revisions"/>; stores keep one verdict per document and slot.</summary>
    internal int Slot { get; init; }
}

/// <summary>Documents that a revision passes over although an analyst would want to know of them.</summary>
/// <param name="Code">The stable code of the warning.</param>
/// <param name="Condition">Which documents; judged on every document, kept or not.</param>
/// <param name="Message">What it means and what to do.</param>
public sealed record NearMiss(string Code, EsqlPredicate Condition, string Message)
{
    /// <summary>Its place in <see cref="RuleCatalogue.NearMisses"/>.</summary>
    internal int Slot { get; init; }

    /// <summary>Whether an Elasticsearch cluster cannot show it, because what is missed there is a mapping.</summary>
    public bool OnlyInMemory { get; init; }
}
