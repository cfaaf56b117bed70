using FluentValidation;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using Replay = SuspiciousSignin.Events.TimeShift;

namespace SuspiciousSignin.Api.Events;

/// <summary>How a batch is judged.</summary>
public sealed record EvaluationRequest : IWindowRequest
{
    /// <summary>
    /// Whether the events are kept for later runs. Default true; with false the batch alone is judged, as is one whose whole window the
    /// store does not keep.
    /// </summary>
    public bool? Store { get; init; }

    /// <summary>The revision: <c>2025-04-29</c> (default), <c>2026-05-22</c> or <c>resilient</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>
    /// Whether network alerts that no Kibana rule promoted count too. Default: what the service is set to (<c>Runs:Promote</c>).
    /// </summary>
    public bool? Promote { get; init; }

    /// <summary>Judge events later than this: RFC 3339 or date math. Default: 8 hours before <c>to</c>.</summary>
    public string? From { get; init; }

    /// <summary>Judge events up to and including this. Default: the newest event of the batch.</summary>
    public string? To { get; init; }

    /// <summary>
    /// Replay a recording: moves all events by the same time, <c>@timestamp</c> and <c>event.ingested</c> alike. <c>now</c> moves the
    /// newest event to the present; a duration (<c>2h</c>, <c>-30m</c>, <c>PT2H</c>) moves by that much, not more than 5 minutes beyond
    /// the present. An event moved by another time is another event, so a recording can be replayed again; an <c>Idempotency-Key</c> makes
    /// one replay safe to send again. Default: events keep their times.
    /// </summary>
    public string? TimeShift { get; init; }

    /// <summary>
    /// Whether alerts carry their events, which takes the scope <c>alerts:read</c> too unless <c>store=false</c>. Default false.
    /// </summary>
    public bool? IncludeEvents { get; init; }

    internal EvaluationQuery ToQuery(DateTimeOffset now, RunOptions runs) => new()
    {
        Revision = this.Rule(runs),
        Store = Store ?? true,
        From = RequestRules.Milliseconds(From, now, roundUp: false),
        To = RequestRules.Milliseconds(To, now, roundUp: true),
        IncludeEvents = IncludeEvents ?? false,
    };
}

internal sealed class EvaluationRequestValidator : AbstractValidator<EvaluationRequest>
{
    public EvaluationRequestValidator()
    {
        this.AddWindowRules(endsNow: false);
        RuleFor(request => request.TimeShift)
            .Must(text => text is null || Replay.TryParse(text, out _))
            .WithErrorCode(RequestRules.Malformed)
            .WithMessage(Replay.Expected);
        RuleFor(request => request.TimeShift)
            .Must(text => !Replay.TryParse(text, out var shift) || shift.IsInRange)
            .WithMessage($"A shift is at most {Replay.Longest.TotalDays} days.");
    }
}
