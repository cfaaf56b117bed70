using System.Globalization;
using FluentValidation;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Ips;

/// <summary>The alerts of one address.</summary>
/// <param name="SourceIp">The address, canonical.</param>
/// <param name="Window">The window that was looked at.</param>
/// <param name="Status">Whether the answer is whole.</param>
/// <param name="Total">How many alerts there are: 0 or 1, since a window yields at most one per address.</param>
/// <param name="Truncated">Whether there are more than are shown; false, since a limit is at least 1.</param>
/// <param name="Alerts">The alerts.</param>
/// <param name="Warnings">What the answer does not show by itself.</param>
/// <param name="NextCursor">Reserved; never there today.</param>
public sealed record AddressAlerts(
    string SourceIp,
    WindowBounds Window,
    RunStatus Status,
    int Total,
    bool Truncated,
    IReadOnlyList<Alert> Alerts,
    IReadOnlyList<Warning> Warnings,
    string? NextCursor = null)
{
    internal static AddressAlerts Of(SourceAddress address, DetectionRun run) =>
        new(address.ToString(), run.Window, run.Status, run.Total, run.Truncated, run.Alerts, run.Warnings);
}

/// <summary>The events of one address.</summary>
/// <param name="SourceIp">The address, canonical.</param>
/// <param name="Status">Whether the answer is whole.</param>
/// <param name="Total">How many events there are in all.</param>
/// <param name="Truncated">Whether there are more than this page and those before it.</param>
/// <param name="Events">The events, oldest first.</param>
/// <param name="Warnings">What the answer does not show by itself.</param>
/// <param name="NextCursor">Where the next page starts; absent on the last.</param>
public sealed record AddressEvents(
    string SourceIp,
    RunStatus Status,
    long Total,
    bool Truncated,
    IReadOnlyList<EventDocument> Events,
    IReadOnlyList<Warning> Warnings,
    string? NextCursor = null)
{
    internal static AddressEvents Of(SourceAddress address, EventPage page) => new(
        address.ToString(),
        page.IsPartial ? RunStatus.Partial : RunStatus.Succeeded,
        page.Total ?? 0,
        page.Next is not null,
        page.Events,
        page.Warnings,
        page.Next);
}

/// <summary>What is known about one address.</summary>
[ApiController]
[Authorize(Scopes.AlertsRead)]
[Route("api/v1/ips/{ip}")]
[Tags("Addresses")]
public sealed class IpsController(
    CorrelationService correlation,
    IValidator<AddressAlertsRequest> alertsValidator,
    IValidator<AddressEventsRequest> eventsValidator,
    RunOptions runs,
    HostingOptions hosting,
    ServiceMetrics metrics,
    TimeProvider clock) : ControllerBase
{
    private const string NoAddress = "The text in the path is not an IP address.";

    /// <summary>The correlated alerts of an address</summary>
    /// <remarks>
    /// Who signed in or read mail from the address, and what flagged it. An address without alerts has an empty list. A window yields at
    /// most one alert, of the period in which both legs (network alert, and sign-in or mail access) first came together; for a history,
    /// ask window by window.
    /// </remarks>
    /// <param name="ip" example="89.160.20.156">The address in any valid spelling, IPv4 or IPv6.</param>
    /// <param name="request">Which alerts.</param>
    /// <response code="200">The alerts with their events.</response>
    /// <response code="400">The text is no IP address, or a parameter cannot be read.</response>
    /// <response code="422">The address is private or reserved, or a parameter is out of range.</response>
    /// <response code="429">Too many runs are going on, or too many requests; Retry-After says when to try again.</response>
    /// <response code="503">The store cannot answer; Retry-After says when to try again.</response>
    [HttpGet("alerts", Name = "getAlertsOfAddress")]
    [EnableRateLimiting(Composition.RunsPolicy)]
    [ProducesResponseType<AddressAlerts>(200, "application/json")]
    [ProducesResponseType<ProblemDetails>(400, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(422, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(429, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(503, Problems.ContentType)]
    public async Task<IActionResult> Alerts(string ip, [FromQuery] AddressAlertsRequest request, CancellationToken cancellationToken)
    {
        if (!SourceAddress.TryParse(ip, out var address))
        {
            return this.Refuse(StatusCodes.Status400BadRequest, NoAddress, at: "ip");
        }

        var now = clock.GetUtcNow();
        if (alertsValidator.Validate(request, now) is { IsValid: false } invalid)
        {
            return this.Invalid(invalid);
        }

        if (ExcludedNetworks.Find(address) is { } network)
        {
            var message = string.Create(
                CultureInfo.InvariantCulture,
                $"The address lies in {network}, which the rule excludes: private and reserved addresses never have alerts.");
            return this.Refuse(StatusCodes.Status422UnprocessableEntity, message, at: "ip");
        }

        var run = await metrics.CountAsync(correlation.RunAsync(request.ToQuery(address, now, runs), cancellationToken));
        return Ok(AddressAlerts.Of(address, run));
    }

    /// <summary>Everything known about an address</summary>
    /// <remarks>
    /// All events held that name the address, counted by the rule or not, oldest first, paged. Private addresses too. Where the store let
    /// events of the window go for age or for room, or could not look at all, the status is `partial` and the warnings say so. A cursor
    /// keeps the window of the first page, whatever `from` and `to` come with it. Events that arrive while you read and belong on a page
    /// that you have are told by the warning `lateEvents`.
    /// </remarks>
    /// <param name="ip" example="89.160.20.156">The address in any valid spelling, IPv4 or IPv6.</param>
    /// <param name="request">Which events.</param>
    /// <response code="200">A page of events.</response>
    /// <response code="400">The text is no IP address, or a parameter cannot be read.</response>
    /// <response code="422">A parameter is out of range.</response>
    /// <response code="429">Too many runs are going on, or too many requests; Retry-After says when to try again.</response>
    /// <response code="503">The store cannot answer; Retry-After says when to try again.</response>
    [HttpGet("events", Name = "getEventsOfAddress")]
    [EnableRateLimiting(Composition.RunsPolicy)]
    [ProducesResponseType<AddressEvents>(200, "application/json")]
    [ProducesResponseType<ProblemDetails>(400, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(422, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(429, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(503, Problems.ContentType)]
    public async Task<IActionResult> Events(string ip, [FromQuery] AddressEventsRequest request, CancellationToken cancellationToken)
    {
        if (!SourceAddress.TryParse(ip, out var address))
        {
            return this.Refuse(StatusCodes.Status400BadRequest, NoAddress, at: "ip");
        }

        var now = clock.GetUtcNow();
        if (eventsValidator.Validate(request, now) is { IsValid: false } invalid)
        {
            return this.Invalid(invalid);
        }

        var page = await correlation.EventsOfAsync(request.ToQuery(address, now, runs), cancellationToken);
        if (page is null)
        {
            return this.Refuse(
                StatusCodes.Status400BadRequest,
                "The cursor is not valid for this address. Send the previous page's complete nextCursor, or no cursor.",
                at: "cursor");
        }

        if (page.Next is not null)
        {
            var query = QueryString
                .Create(Request.Query.Where(parameter => !parameter.Key.Equals("cursor", StringComparison.OrdinalIgnoreCase)))
                .Add("cursor", page.Next);
            Response.Headers.Link = $"<{hosting.PublicUrl ?? Request.PathBase}{Request.Path}{query}>; rel=\"next\"";
        }

        return Ok(AddressEvents.Of(address, page));
    }
}
