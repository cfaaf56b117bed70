using System.Xml;
using FluentValidation;
using FluentValidation.Results;
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

    /// <summary>The most alerts or events of one answer.</summary>
    public const int MaxLimit = 10_000;

    private static readonly string Revisions = string.Join(", ", RuleCatalogue.RevisionNames);

    /// <summary>Validates a request that came at a time.</summary>
    /// <param name="validator">The rules.</param>
    /// <param name="request">The request.</param>
    /// <param name="now">What date math counts from: the same as where the query is made, so that no other one is validated.</param>
    public static ValidationResult Validate<T>(this IValidator<T> validator, T request, DateTimeOffset now)
    {
        var context = new ValidationContext<T>(request);
        context.RootContextData[nameof(now)] = now;
        return validator.Validate(context);
    }

    /// <param name="endsNow">Whether a window without an end ends now; where a batch is judged, it ends with the events, and those of an
    /// address are all shown.</param>
    public static void AddWindowRules<T>(this AbstractValidator<T> validator, bool endsNow = true)
        where T : IWindowRequest
    {
        validator.RuleFor(request => request.From).IsTime();
        validator.RuleFor(request => request.To).IsTime(roundUp: true);
        validator.RuleFor(request => request.Revision)
            .Must(name => name is null || RuleCatalogue.Find(name) is not null)
            .WithMessage($"There is no such revision. The revisions are: {Revisions}.");
        validator.RuleFor(request => request.From)
            .Must((request, _, context) => (request.To is null && !endsNow)
                || request.WindowOrNull(context.Now()) is not { } window || window.From < window.To)
            .WithMessage("'from' must be earlier than 'to'.");
    }

    /// <summary>Bounds the window of a run.</summary>
    public static void AddWindowLimit<T>(this AbstractValidator<T> validator, RunOptions runs)
        where T : IWindowRequest => validator.RuleFor(request => request.From)
            .Must((request, _, context) => request.WindowOrNull(context.Now()) is not { } window
                || window.To - window.From <= (long)runs.MaxWindow.TotalMilliseconds)
            .WithMessage($"The window is longer than {XmlConvert.ToString(runs.MaxWindow)}. Ask in several requests.");

    /// <param name="rule">The rule.</param>
    /// <param name="roundUp">Whether date math rounds up, as at the end of a window.</param>
    public static void IsTime<T>(this IRuleBuilder<T, string?> rule, bool roundUp = false) => rule
        .Must((request, text, context) => text is null || TimeExpression.TryParse(text, context.Now(), roundUp, out _))
        .WithErrorCode(Malformed)
        .WithMessage(TimeExpression.Expected);

    /// <summary>1 to <see cref="MaxLimit"/>.</summary>
    public static void IsLimit<T>(this IRuleBuilder<T, int?> rule) =>
        rule.InclusiveBetween(1, MaxLimit).WithMessage($"'limit' is 1 to {MaxLimit}.");

    /// <summary>The revision asked for.</summary>
    public static RuleRevision Rule(this IWindowRequest request, RunOptions runs) =>
        RuleCatalogue.Find(request.Revision ?? RuleCatalogue.DefaultRevision, request.Promote ?? runs.Promote)!;

    /// <summary>The window of a valid request: by default the rule's look-back until now.</summary>
    public static TimeWindow Window(this IWindowRequest request, DateTimeOffset now) => request.WindowOrNull(now)!.Value;

    /// <summary>A bound of a valid request, milliseconds since the epoch.</summary>
    public static long? Milliseconds(string? text, DateTimeOffset now, bool roundUp) =>
        TimeExpression.TryParse(text, now, roundUp, out var time) ? time.ToUnixTimeMilliseconds() : null;

    private static DateTimeOffset Now<T>(this ValidationContext<T> context) => (DateTimeOffset)context.RootContextData["now"];

    private static TimeWindow? WindowOrNull(this IWindowRequest request, DateTimeOffset now)
    {
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
