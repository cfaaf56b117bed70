using System.Xml;
using FluentValidation;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Requests;

/// <summary>A request with a window and a revision.</summary>
internal interface IWindowRequest
{
    /// <summary>The lower bound as text, or null.</summary>
    string? From { get; }

    /// <summary>The upper bound as text, or null.</summary>
    string? To { get; }

    /// <summary>The name of the revision, or null.</summary>
    string? Revision { get; }

    /// <summary>Whether raw network alerts count, or null for what the settings say.</summary>
    bool? Promote { get; }
}

/// <summary>The rules that requests share.</summary>
internal static class RequestRules
{
    /// <summary>The error code of what cannot be read at all, answered 400; every other fault is 422.</summary>
    public const string Malformed = "malformed";

    /// <summary>How many alerts or events an answer has where the request does not say.</summary>
    public const int DefaultLimit = 100;

    private static readonly string Revisions = string.Join(", ", RuleCatalogue.RevisionNames);

    /// <param name="endsNow">Whether a window without an end ends now; where a batch is judged, it ends with the events, and those of an
    /// address are all shown.</param>
    public static void AddWindowRules<T>(this AbstractValidator<T> validator, TimeProvider clock, bool endsNow = true)
        where T : IWindowRequest
    {
        validator.RuleFor(request => request.From).IsTime(clock);
        validator.RuleFor(request => request.To).IsTime(clock, roundUp: true);
        validator.RuleFor(request => request.Revision)
            .Must(name => name is null || RuleCatalogue.Find(name) is not null)
            .WithMessage($"There is no such revision. The revisions are: {Revisions}.");
        validator.RuleFor(request => request.From)
            .Must((request, _) => (request.To is null && !endsNow)
                || request.WindowOrNull(clock) is not { } window || window.From < window.To)
            .WithMessage("'from' must be earlier than 'to'.");
    }

    /// <summary>Bounds the window of a run.</summary>
    public static void AddWindowLimit<T>(this AbstractValidator<T> validator, TimeProvider clock, RunOptions runs)
        where T : IWindowRequest => validator.RuleFor(request => request.From)
            .Must((request, _) => request.WindowOrNull(clock) is not { } window
                || window.To - window.From <= (long)runs.MaxWindow.TotalMilliseconds)
            .WithMessage($"The window is longer than {XmlConvert.ToString(runs.MaxWindow)}. Ask in several requests.");

    /// <param name="rule">The rule.</param>
    /// <param name="clock">What tells now.</param>
    /// <param name="roundUp">Whether date math rounds up, as at the end of a window.</param>
    public static void IsTime<T>(this IRuleBuilder<T, string?> rule, TimeProvider clock, bool roundUp = false) => rule
        .Must(text => text is null || TimeExpression.TryParse(text, clock.GetUtcNow(), roundUp, out _))
        .WithErrorCode(Malformed)
        .WithMessage(TimeExpression.Expected);

    /// <summary>The revision asked for.</summary>
    public static RuleRevision Rule(this IWindowRequest request, RunOptions runs) =>
        RuleCatalogue.Find(request.Revision ?? RuleCatalogue.DefaultRevision, request.Promote ?? runs.Promote)!;

    /// <summary>The window of a valid request: by default the rule's look-back until now.</summary>
    public static TimeWindow Window(this IWindowRequest request, TimeProvider clock) => request.WindowOrNull(clock)!.Value;

    /// <summary>A bound of a valid request, milliseconds since the epoch.</summary>
    public static long? Milliseconds(string? text, TimeProvider clock, bool roundUp) =>
        TimeExpression.TryParse(text, clock.GetUtcNow(), roundUp, out var time) ? time.ToUnixTimeMilliseconds() : null;

    private static TimeWindow? WindowOrNull(this IWindowRequest request, TimeProvider clock)
    {
        var now = clock.GetUtcNow();
        var to = now;
        if (request.To is not null && !TimeExpression.TryParse(request.To, now, roundUp: true, out to))
        {
            return null;
        }

        var toMilliseconds = to.ToUnixTimeMilliseconds();
        var from = Math.Max(toMilliseconds - (long)RuleCatalogue.LookBack.TotalMilliseconds, EcsTime.Earliest);
        if (request.From is not null)
        {
            if (!TimeExpression.TryParse(request.From, now, roundUp: false, out var start))
            {
                return null;
            }

            from = start.ToUnixTimeMilliseconds();
        }

        return new TimeWindow(from, toMilliseconds);
    }
}
