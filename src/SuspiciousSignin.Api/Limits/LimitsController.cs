using System.Xml;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Detections;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.Limits;

/// <summary>The bounds in force. Sizes are bytes, durations ISO 8601.</summary>
/// <param name="Body">Of a body with events.</param>
/// <param name="Events">Of the events in it.</param>
/// <param name="Runs">Of runs of the detection.</param>
/// <param name="Requests">Of all requests of a caller.</param>
/// <param name="Idempotency">Of an <c>Idempotency-Key</c>.</param>
public sealed record ServiceLimits(
    BodyLimits Body, EventLimits Events, RunLimits Runs, CallerLimits Requests, IdempotencyLimits Idempotency)
{
    internal static ServiceLimits Of(
        RequestOptions requests,
        EventReaderOptions events,
        RunOptions runs,
        AlertOptions alerts,
        AuthOptions auth,
        IdempotencyOptions idempotency) => new(
            new BodyLimits(
                RequestLimits.MaxBodyBytes(requests, events),
                events.MaxBodyBytes,
                requests.MinBytesPerSecond,
                XmlConvert.ToString(requests.GracePeriod),
                XmlConvert.ToString(requests.HeadersTimeout)),
            new EventLimits(events.MaxEvents, events.MaxEventBytes, events.MaxDepth, EventReaderOptions.MaxTextLength),
            new RunLimits(
                runs.MaxConcurrent,
                runs.MaxQueued,
                XmlConvert.ToString(runs.MaxWindow),
                runs.MaxAddresses,
                RequestRules.MaxLimit,
                alerts.MaxEvents,
                alerts.MaxEventsPerAnswer,
                DetectionsController.MaxBodyBytes),
            new CallerLimits(
                XmlConvert.ToString(requests.Window),
                auth.MaxFailures,
                XmlConvert.ToString(auth.FailureWindow),
                requests.PerCaller == 0 ? null : requests.PerCaller),
            new IdempotencyLimits(
                IdempotencyLimits.KeyLength, idempotency.MaxKeys, idempotency.MaxBytes, XmlConvert.ToString(idempotency.Lifetime)));
}

/// <summary>Bounds of a body with events; a longer one is 413.</summary>
/// <param name="MaxBytesSent">The longest as it is sent, before decompression (<c>Requests:MaxBodyBytes</c>).</param>
/// <param name="MaxBytesDecompressed">The longest after decompression (<c>Events:MaxBodyBytes</c>).</param>
/// <param name="MinBytesPerSecond">The least speed of sending; slower is cut off with 408 (<c>Requests:MinBytesPerSecond</c>).</param>
/// <param name="GracePeriod">How long a body may come slower at first (<c>Requests:GracePeriod</c>).</param>
/// <param name="HeadersTimeout">How long the headers may take (<c>Requests:HeadersTimeout</c>).</param>
public sealed record BodyLimits(
    long MaxBytesSent, long MaxBytesDecompressed, int MinBytesPerSecond, string GracePeriod, string HeadersTimeout);

/// <summary>Bounds of events.</summary>
/// <param name="MaxPerBatch">The most of a body; more are 413 (<c>Events:MaxEvents</c>).</param>
/// <param name="MaxBytes">The longest; a longer one is rejected, the rest goes on (<c>Events:MaxEventBytes</c>).</param>
/// <param name="MaxDepth">How deep one may nest; a deeper one is rejected (<c>Events:MaxDepth</c>).</param>
/// <param name="MaxTextLength">The longest text of a field that the rule reads; longer reads as absent (ECS <c>ignore_above</c>).</param>
public sealed record EventLimits(int MaxPerBatch, int MaxBytes, int MaxDepth, int MaxTextLength);

/// <summary>Bounds of runs.</summary>
/// <param name="MaxConcurrent">
/// Concurrent runs; likewise batches, and bulk requests (<c>Runs:MaxConcurrent</c>). One caller with a credential has at most all but one.
/// </param>
/// <param name="MaxQueued">How many more of each wait of one caller; one more is 429 (<c>Runs:MaxQueued</c>).</param>
/// <param name="MaxWindow">The longest window; a longer one is 422 (<c>Runs:MaxWindow</c>).</param>
/// <param name="MaxAddresses">The most <c>sourceIps</c>; more are 422 (<c>Runs:MaxAddresses</c>).</param>
/// <param name="MaxAlerts">The greatest <c>limit</c> of <c>POST /detections</c>.</param>
/// <param name="MaxEventsPerAlert">The most events that an alert shows (<c>Alerts:MaxEvents</c>).</param>
/// <param name="MaxEventsPerAnswer">The most events that all alerts of an answer show (<c>Alerts:MaxEventsPerAnswer</c>).</param>
/// <param name="MaxBodyBytes">The longest body that asks for a run.</param>
public sealed record RunLimits(
    int MaxConcurrent,
    int MaxQueued,
    string MaxWindow,
    int MaxAddresses,
    int MaxAlerts,
    int MaxEventsPerAlert,
    int MaxEventsPerAnswer,
    long MaxBodyBytes);

/// <summary>Bounds of all requests of a caller.</summary>
/// <param name="Window">How long the window is (<c>Requests:Window</c>).</param>
/// <param name="MaxFailures">Failed attempts of an address within their window; one more is 429 (<c>Auth:MaxFailures</c>).</param>
/// <param name="FailureWindow">How long that window is (<c>Auth:FailureWindow</c>).</param>
/// <param name="PerCaller">Requests within a window; one more is 429. Absent where there is no bound (<c>Requests:PerCaller</c>).</param>
public sealed record CallerLimits(string Window, int MaxFailures, string FailureWindow, int? PerCaller = null);

/// <summary>Bounds of an <c>Idempotency-Key</c>.</summary>
/// <param name="MaxKeyLength">The longest key, characters.</param>
/// <param name="MaxKeys">How many answers are remembered (<c>Idempotency:MaxKeys</c>).</param>
/// <param name="MaxBytes">How long they are together; a longer one is not remembered (<c>Idempotency:MaxBytes</c>).</param>
/// <param name="Lifetime">For how long (<c>Idempotency:Lifetime</c>).</param>
public sealed record IdempotencyLimits(int MaxKeyLength, int MaxKeys, long MaxBytes, string Lifetime)
{
    internal const int KeyLength = 255;
}

/// <summary>The bounds in force.</summary>
[ApiController]
[Authorize(Scopes.Any)]
[Route("api/v1/limits")]
[Tags("Limits")]
public sealed class LimitsController(ServiceLimits limits) : ControllerBase
{
    /// <summary>The bounds of requests</summary>
    /// <remarks>
    /// What the service takes at most, as it is configured: sizes in bytes, durations in ISO 8601. The answers to all calls say in
    /// <c>RateLimit</c> how many requests are left.
    /// </remarks>
    /// <response code="200">The bounds.</response>
    [HttpGet(Name = "getLimits")]
    [ProducesResponseType<ServiceLimits>(200, "application/json")]
    public IActionResult Get() => Ok(limits);
}
