using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Api.Rule;

/// <summary>The rule as this service runs it.</summary>
public sealed record RuleDescription
{
    /// <summary>The rule's id in Elastic's catalogue.</summary>
    public string Id { get; init; } = RuleCatalogue.RuleId;

    /// <summary>The rule's name.</summary>
    public string Name { get; init; } = RuleCatalogue.RuleName;

    /// <summary>What it detects.</summary>
    public string Description { get; init; } =
        "A successful Entra ID sign-in, or a successful access to Microsoft 365 mail items, "
        + "from a public address that a network security sensor has flagged within the same hours.";

    /// <summary>Who wrote the original.</summary>
    public IReadOnlyList<string> Author { get; init; } = ["Elastic"];

    /// <summary>The licence of the original, of which nothing was copied; this service has its own.</summary>
    public string License { get; init; } = "Elastic License v2";

    /// <summary>How mature Elastic calls the original.</summary>
    public string Maturity { get; init; } = "production";

    /// <summary>The type of the rule in Elastic's terms.</summary>
    public string Type { get; init; } = "esql";

    /// <summary>The language of its query.</summary>
    public string Language { get; init; } = "esql";

    /// <summary>When the original was first published, ISO 8601 date.</summary>
    public string Created { get; init; } = "2025-04-29";

    /// <summary>The least version of the Elastic stack that the original runs on.</summary>
    public string MinStackVersion { get; init; } = "8.17.0";

    /// <summary>The integrations whose data it correlates with network alerts.</summary>
    public IReadOnlyList<string> Integrations { get; init; } = ["azure", "o365"];

    /// <summary>How the original is filed: domain, data sources, use cases, tactic, type.</summary>
    public IReadOnlyList<string> Tags { get; init; } =
    [
        "Domain: Cloud",
        "Domain: SaaS",
        "Data Source: Azure",
        "Data Source: Entra ID",
        "Data Source: Entra ID Sign-in Logs",
        "Data Source: Microsoft 365",
        "Data Source: Microsoft 365 Audit Logs",
        "Use Case: Identity and Access Audit",
        "Use Case: Threat Detection",
        "Tactic: Initial Access",
        "Resources: Investigation Guide",
        "Rule Type: Higher-Order Rule",
    ];

    /// <summary>Severity.</summary>
    public string Severity { get; init; } = RuleCatalogue.Severity;

    /// <summary>Risk score, 0 to 100.</summary>
    public int RiskScore { get; init; } = RuleCatalogue.RiskScore;

    /// <summary>The revision used where a caller names none.</summary>
    public string DefaultRevision { get; init; } = RuleCatalogue.DefaultRevision;

    /// <summary>How far it looks back, ISO 8601 duration.</summary>
    public string LookBack { get; init; } = System.Xml.XmlConvert.ToString(RuleCatalogue.LookBack);

    /// <summary>The place in MITRE ATT&amp;CK.</summary>
    public IReadOnlyList<Threat> Threat { get; init; } = [Correlation.Threat.ValidAccounts];

    /// <summary>What it is known to report wrongly.</summary>
    public IReadOnlyList<string> FalsePositives { get; init; } =
    [
        "Sensor rules that fire on a proxy, VPN or gateway through which your own users reach Azure or Microsoft 365.",
    ];

    /// <summary>Networks in which it never looks.</summary>
    public IReadOnlyList<string> ExcludedNetworks { get; init; } = [.. Rules.ExcludedNetworks.All.Select(network => network.ToString())];

    /// <summary>What to do with an alert.</summary>
    public InvestigationGuide Investigation { get; init; } = new();

    /// <summary>The revisions, oldest first, each without and with promotion.</summary>
    public IReadOnlyList<RevisionDescription> Revisions { get; init; } = [.. RuleCatalogue.Revisions.Select(RevisionDescription.Of)];
}

/// <summary>What to do with an alert.</summary>
public sealed record InvestigationGuide
{
    /// <summary>To find out what happened.</summary>
    public IReadOnlyList<string> Triage { get; init; } =
    [
        "Look at every alert of the source address, not only the one that correlated.",
        "Check what the network alert is about and whether the sensor let the traffic through.",
        "Go through all sign-ins and mail accesses from the address: GET /api/v1/ips/{ip}/events.",
        "Ask whether address and place fit the account.",
        "Ask whether the device is known: registered, managed, compliant?",
        "Look for other alerts of the account in the past 48 hours.",
        "Ask the account's owner, and check planned changes.",
        "Where the account is compromised, find what it touched in the last 24 hours: servers, services, data.",
    ];

    /// <summary>To end it.</summary>
    public IReadOnlyList<string> Response { get; init; } =
    [
        "Start the incident process.",
        "Disable or limit the account, and revoke its sessions.",
        "Assess the impact: the account's role and reach, lateral movement, other accounts, legal duties.",
        "Rotate the credentials and keys that may be exposed.",
        "Remove users that were added without authority, and reset passwords.",
        "Require multi-factor authentication, and follow Microsoft's identity guidance.",
        "Find how it began, and close that way.",
        "Improve logging so that the next one is seen sooner.",
    ];
}

/// <summary>One revision of the rule.</summary>
/// <param name="Name">Its name in requests.</param>
/// <param name="Promote">Whether raw network alerts count.</param>
/// <param name="Description">What it is.</param>
/// <param name="Differences">What sets it apart.</param>
/// <param name="BlindSpots">What it misses.</param>
/// <param name="Schedule">How its authors schedule it.</param>
/// <param name="Indices">The index patterns it reads.</param>
/// <param name="Esql">The ES|QL text this service derives from it.</param>
public sealed record RevisionDescription(
    string Name,
    bool Promote,
    string Description,
    IReadOnlyList<string> Differences,
    IReadOnlyList<string> BlindSpots,
    string Schedule,
    IReadOnlyList<string> Indices,
    string Esql)
{
    internal static RevisionDescription Of(RuleRevision revision) => new(
        revision.Name,
        revision.Promote,
        revision.Description,
        revision.Differences,
        revision.BlindSpots,
        revision.Schedule,
        revision.Indices,
        EsqlQuery.Text(revision));
}

/// <summary>The rule.</summary>
[ApiController]
[Authorize(Scopes.RuleRead)]
[Route("api/v1/rule")]
[Tags("Rule")]
public sealed class RuleController : ControllerBase
{
    private static readonly RuleDescription Description = new();

    /// <summary>The rule and its revisions</summary>
    /// <remarks>
    /// Metadata, revisions with their differences and blind spots, investigation guide, and the ES|QL text of each revision.
    /// </remarks>
    /// <response code="200">The rule.</response>
    [HttpGet(Name = "getRule")]
    [ProducesResponseType<RuleDescription>(200, "application/json")]
    public IActionResult Get() => Ok(Description);
}
