using System.Text.Json.Serialization;
using FluentValidation;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.Detections;

/// <summary>A run of the detection. Every member may be left out.</summary>
public sealed record DetectionRequest : IWindowRequest
{
    /// <summary>Events later than this: RFC 3339 or date math. Default: 8 hours before <c>to</c>.</summary>
    public string? From { get; init; }

    /// <summary>Events up to and including this: RFC 3339 or date math. Default: <c>now</c>.</summary>
    public string? To { get; init; }

    /// <summary>Only events whose <c>event.ingested</c>, else <c>@timestamp</c>, is at or after this.</summary>
    public string? IngestedAfter { get; init; }

    /// <summary>The revision: <c>2025-04-29</c> (default), <c>2026-05-22</c> or <c>resilient</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>
    /// Whether network alerts that no Kibana rule promoted count too. Default: what the service is set to (<c>Runs:Promote</c>).
    /// </summary>
    public bool? Promote { get; init; }

    /// <summary>Only these addresses, as many as <c>GET /api/v1/limits</c> says. Default: all.</summary>
    public IReadOnlyList<string>? SourceIps { get; init; }

    /// <summary>The most alerts to return, one per address; 1 to 10,000. Default 100.</summary>
    [JsonConverter(typeof(WholeNumberConverter))]
    public int? Limit { get; init; }

    /// <summary>Whether alerts carry their events. Default false.</summary>
    public bool? IncludeEvents { get; init; }

    internal DetectionQuery ToQuery(DateTimeOffset now, RunOptions runs) => new()
    {
        Revision = this.Rule(runs),
        Window = this.Window(now),
        IngestedAfter = RequestRules.Milliseconds(IngestedAfter, now, roundUp: false),
        SourceIps = SourceIps is null ? null : [.. SourceIps.Select(SourceAddress.Parse).Distinct()],
        Limit = Limit ?? RequestRules.DefaultLimit,
        IncludeEvents = IncludeEvents ?? false,
    };
}

internal sealed class DetectionRequestValidator : AbstractValidator<DetectionRequest>
{
    public DetectionRequestValidator(RunOptions runs)
    {
        this.AddWindowRules();
        this.AddWindowLimit(runs);
        RuleFor(request => request.IngestedAfter).IsTime();
        RuleFor(request => request.Limit).IsLimit();
        RuleFor(request => request.SourceIps)
            .Must(addresses => addresses is null || addresses.Count <= runs.MaxAddresses)
            .WithMessage($"At most {runs.MaxAddresses} addresses. Ask in several requests.");
        RuleForEach(request => request.SourceIps)
            .Must(text => SourceAddress.TryParse(text, out _))
            .WithErrorCode(RequestRules.Malformed)
            .WithMessage("Not an IP address.")
            .When(request => request.SourceIps?.Count <= runs.MaxAddresses);
    }
}
