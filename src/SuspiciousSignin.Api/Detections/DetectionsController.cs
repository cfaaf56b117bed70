using FluentValidation;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.RateLimiting;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;

namespace SuspiciousSignin.Api.Detections;

/// <summary>Runs of the detection.</summary>
[ApiController]
[Authorize(Scopes.DetectionsRun)]
[Route("api/v1/detections")]
[Tags("Detections")]
public sealed class DetectionsController(
    CorrelationService correlation,
    IValidator<DetectionRequest> validator,
    RunOptions runs,
    ServiceMetrics metrics,
    TimeProvider clock) : ControllerBase
{
    /// <summary>The longest body, bytes.</summary>
    public const long MaxBodyBytes = 1024 * 1024;

    /// <summary>Run the detection over a window</summary>
    /// <remarks>
    /// Reports the addresses from which somebody signed in to Entra ID or read Microsoft 365 mail and which a network sensor had flagged,
    /// in the window given. A window yields at most one alert per address, of the period in which both legs (network alert, and sign-in or
    /// mail access) first came together; for a history, ask window by window. The same window over the same events gives the same alerts
    /// with the same ids.
    /// </remarks>
    /// <param name="request">What to run; an empty body runs the default revision over the last 8 hours.</param>
    /// <response code="200">The alerts, the data each leg had, and warnings.</response>
    /// <response code="400">The request cannot be read.</response>
    /// <response code="413">The body is longer than 1 MiB.</response>
    /// <response code="415">The body is not JSON in UTF-8.</response>
    /// <response code="422">The request can be read but not carried out.</response>
    /// <response code="429">Too many runs are going on, or too many requests; Retry-After says when to try again.</response>
    /// <response code="503">The store cannot answer; Retry-After says when to try again.</response>
    [HttpPost(Name = "runDetection")]
    [EnableRateLimiting(Composition.RunsPolicy)]
    [RequestSizeLimit(MaxBodyBytes)]
    [TakesJson]
    [ProducesResponseType<DetectionRun>(200, "application/json")]
    [ProducesResponseType<ProblemDetails>(400, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(413, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(415, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(422, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(429, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(503, Problems.ContentType)]
    public async Task<IActionResult> Run(
        [FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] DetectionRequest? request, CancellationToken cancellationToken)
    {
        request ??= new DetectionRequest();
        var now = clock.GetUtcNow();
        if (validator.Validate(request, now) is { IsValid: false } invalid)
        {
            return this.Invalid(invalid, inBody: true);
        }

        return Ok(await metrics.CountAsync(correlation.RunAsync(request.ToQuery(now, runs), cancellationToken)));
    }
}
