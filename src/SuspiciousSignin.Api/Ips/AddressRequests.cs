using FluentValidation;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Ips;

/// <summary>Which alerts of an address.</summary>
public sealed record AddressAlertsRequest : IWindowRequest
{
    /// <summary>Events later than this: RFC 3339 or date math. Default: 8 hours before <c>to</c>.</summary>
    public string? From { get; init; }

    /// <summary>Events up to and including this: RFC 3339 or date math. Default: <c>now</c>.</summary>
    public string? To { get; init; }

    /// <summary>The revision: <c>2025-04-29</c> (default), <c>2026-05-22</c> or <c>resilient</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>
    /// Whether network alerts that no Kibana rule promoted count too. Default: what the service is set to (<c>Runs:Promote</c>).
    /// </summary>
    public bool? Promote { get; init; }

    /// <summary>The most alerts to return, 1 to 10,000. Default 100. A window yields at most one.</summary>
    public int? Limit { get; init; }

    /// <summary>Reserved; any value is 400.</summary>
    public string? Cursor { get; init; }

    /// <summary>Whether alerts carry their events. Default true.</summary>
    public bool? IncludeEvents { get; init; }

    internal DetectionQuery ToQuery(SourceAddress address, DateTimeOffset now, RunOptions runs) => new()
    {
        Revision = this.Rule(runs),
        Window = this.Window(now),
        SourceIps = [address],
        Limit = Limit ?? RequestRules.DefaultLimit,
        IncludeEvents = IncludeEvents ?? true,
    };
}

/// <summary>Which events of an address.</summary>
public sealed record AddressEventsRequest : IWindowRequest
{
    /// <summary>Events later than this: RFC 3339 or date math. Default: all.</summary>
    public string? From { get; init; }

    /// <summary>Events up to and including this: RFC 3339 or date math. Default: all.</summary>
    public string? To { get; init; }

    /// <summary>The revision whose verdicts are shown: <c>2025-04-29</c> (default), <c>2026-05-22</c> or <c>resilient</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>
    /// Whether network alerts that no Kibana rule promoted count too. Default: what the service is set to (<c>Runs:Promote</c>).
    /// </summary>
    public bool? Promote { get; init; }

    /// <summary>The most events to return, 1 to 10,000. Default 100.</summary>
    public int? Limit { get; init; }

    /// <summary>Where the next page starts, from <c>nextCursor</c> of an earlier answer.</summary>
    public string? Cursor { get; init; }

    internal EventQuery ToQuery(SourceAddress address, DateTimeOffset now, RunOptions runs) => new()
    {
        Address = address,
        Window = new TimeWindow(
            RequestRules.Milliseconds(From, now, roundUp: false) ?? TimeWindow.All.From,
            RequestRules.Milliseconds(To, now, roundUp: true) ?? TimeWindow.All.To),
        Revision = this.Rule(runs),
        Limit = Limit ?? RequestRules.DefaultLimit,
        Cursor = Cursor,
    };
}

internal sealed class AddressAlertsRequestValidator : AbstractValidator<AddressAlertsRequest>
{
    public AddressAlertsRequestValidator(RunOptions runs)
    {
        this.AddWindowRules();
        this.AddWindowLimit(runs);
        RuleFor(request => request.Limit).IsLimit();
        RuleFor(request => request.Cursor)
            .Null()
            .WithErrorCode(RequestRules.Malformed)
            .WithMessage("Alerts of an address are not paged. Leave 'cursor' out.");
    }
}

internal sealed class AddressEventsRequestValidator : AbstractValidator<AddressEventsRequest>
{
    public AddressEventsRequestValidator()
    {
        this.AddWindowRules(endsNow: false);
        RuleFor(request => request.Limit).IsLimit();
    }
}
