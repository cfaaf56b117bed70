using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using FluentValidation;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Events;

/// <summary>Batches of events.</summary>
[ApiController]
[Authorize(Scopes.EventsWrite)]
[Route("api/v1/events")]
[Tags("Events")]
public sealed class EventsController(
    CorrelationService correlation,
    IValidator<EvaluationRequest> validator,
    IdempotencyCache idempotency,
    IAuthorizationService authorization,
    EventReaderOptions readerOptions,
    RunOptions runs,
    ServiceMetrics metrics,
    IOptions<JsonOptions> json,
    TimeProvider clock) : ControllerBase
{
    private const string AnswerType = "application/json; charset=utf-8";

    /// <summary>Evaluate a batch of events</summary>
    /// <remarks>
    /// Takes ECS documents and raw records (Entra ID sign-in logs, Microsoft 365 audit records, Suricata and Zeek alerts) as a JSON array,
    /// in an envelope such as <c>{"events":[...]}</c>, or one per line; compressed with gzip, br or deflate. Judges the addresses of the
    /// batch and says what became of every event. One bad event is rejected with its position and the rest goes on. An
    /// <c>Idempotency-Key</c> makes the request safe to send again.
    /// </remarks>
    /// <param name="request">How the batch is judged.</param>
    /// <param name="idempotencyKey">
    /// The same request (parameters and body) of the same caller with the same key gets the first answer again. 1 to 255 characters.
    /// </param>
    /// <response code="200">What became of the events, and the alerts of their addresses.</response>
    /// <response code="403">
    /// The credential lacks the scope, or alerts:read for the events (includeEvents) of a stored batch. Without keys: a page of another
    /// site, or, in Development, another machine.
    /// </response>
    /// <response code="400">The body is not JSON, or a parameter cannot be read. Nothing was stored.</response>
    /// <response code="409">A request with this Idempotency-Key is still being carried out.</response>
    /// <response code="413">The body is too long. Nothing was stored.</response>
    /// <response code="415">Another Content-Type or Content-Encoding than those taken.</response>
    /// <response code="422">A parameter is out of range, or the Idempotency-Key was used with another request.</response>
    /// <response code="429">Too many batches are going on, or too many requests; Retry-After says when to try again.</response>
    /// <response code="503">The store cannot answer; Retry-After says when to try again.</response>
    [HttpPost(Name = "evaluateEvents")]
    [EnableRateLimiting(Composition.BatchesPolicy)]
    [ProducesResponseType<Evaluation>(200, "application/json")]
    [ProducesResponseType<ProblemDetails>(403, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(400, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(409, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(413, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(415, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(422, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(429, Problems.ContentType)]
    [ProducesResponseType<ProblemDetails>(503, Problems.ContentType)]
    public async Task<IActionResult> Evaluate(
        [FromQuery] EvaluationRequest request,
        [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey,
        CancellationToken cancellationToken)
    {
        // Not after the body, which may take minutes: the window would be another than the one that was validated.
        var now = clock.GetUtcNow();
        if (validator.Validate(request, now) is { IsValid: false } invalid)
        {
            return this.Invalid(invalid);
        }

        var query = request.ToQuery(now, runs);

        // A batch that is stored is judged beside events that others sent, which whoever only sends may not read.
        if (request is { IncludeEvents: true, Store: not false }
            && !(await authorization.AuthorizeAsync(User, Scopes.AlertsRead)).Succeeded)
        {
            return Forbid(Access.Lacking(Scopes.AlertsRead));
        }

        if (FormatOf(Request) is not { } format)
        {
            return this.Refuse(StatusCodes.Status415UnsupportedMediaType, "Send application/json or application/x-ndjson in UTF-8.");
        }

        // An empty header is bound as if there were none, but who sends one counts on it.
        if (idempotencyKey is null && !Request.Headers.ContainsKey("Idempotency-Key"))
        {
            return (await EvaluateBodyAsync(Request.BodyReader, format, request, query, identityOfRequest: null, cancellationToken)).Result;
        }

        return idempotencyKey is not { Length: > 0 and <= IdempotencyLimits.KeyLength }
            ? this.Refuse(
                StatusCodes.Status422UnprocessableEntity,
                $"Idempotency-Key is 1 to {IdempotencyLimits.KeyLength} characters.",
                at: "Idempotency-Key")
            : await EvaluateOnceAsync(Access.CallerOf(User) ?? "", idempotencyKey, format, request, query, cancellationToken);
    }

    private async Task<IActionResult> EvaluateOnceAsync(
        string caller,
        string key,
        BatchFormat format,
        EvaluationRequest request,
        EvaluationQuery query,
        CancellationToken cancellationToken)
    {
        switch (idempotency.TryClaim(caller, key, out var firstHash, out var firstAnswer))
        {
            case IdempotencyCache.Claim.InProgress:
                Response.Headers.RetryAfter = "1";
                return this.Refuse(StatusCodes.Status409Conflict, "A request with this Idempotency-Key is still being carried out.");

            case IdempotencyCache.Claim.Answered:
                return await AnswerAgainAsync(firstHash, firstAnswer, format, cancellationToken);

            default:
                return await EvaluateFirstAsync(caller, key, format, request, query, cancellationToken);
        }
    }

    private async Task<IActionResult> AnswerAgainAsync(
        byte[] firstHash, byte[] firstAnswer, BatchFormat format, CancellationToken cancellationToken)
    {
        await using var body = HashingBody(out var hash);
        return !await IsWithinBoundAsync(body, cancellationToken) ? Refuse(BodyRefusal.TooLong(readerOptions.MaxBodyBytes))
            : HashOf(hash, format).AsSpan().SequenceEqual(firstHash) ? File(firstAnswer, AnswerType)
            : this.Refuse(
                StatusCodes.Status422UnprocessableEntity,
                "This Idempotency-Key was used with another request. Use a new key for a new request.",
                at: "Idempotency-Key");
    }

    private async Task<IActionResult> EvaluateFirstAsync(
        string caller,
        string key,
        BatchFormat format,
        EvaluationRequest request,
        EvaluationQuery query,
        CancellationToken cancellationToken)
    {
        var isRemembered = false;
        var body = PipeReader.Create(HashingBody(out var hash));
        try
        {
            // Where the answer is lost behind the store, by a fault or since the caller went away, the request sent again finds its events
            // known.
            var (result, answer) = await EvaluateBodyAsync(
                body,
                format,
                request,
                query,
                () => BinaryPrimitives.ReadUInt128LittleEndian(
                    SHA256.HashData([.. HashOf(hash, format), .. Encoding.UTF8.GetBytes($"{caller}\n{key}")])),
                cancellationToken);
            if (answer is null)
            {
                return result;
            }

            isRemembered = idempotency.TryComplete(
                caller, key, HashOf(hash, format), answer, json.Value.JsonSerializerOptions, out var written);
            return isRemembered ? File(written, AnswerType) : result;
        }
        finally
        {
            await body.CompleteAsync();
            if (!isRemembered)
            {
                idempotency.Release(caller, key);
            }
        }
    }

    private async Task<(IActionResult Result, Evaluation? Answer)> EvaluateBodyAsync(
        PipeReader body,
        BatchFormat format,
        EvaluationRequest request,
        EvaluationQuery query,
        Func<UInt128>? identityOfRequest,
        CancellationToken cancellationToken)
    {
        var (batch, refusal) = await EventBatchReader.ReadAsync(body, format, readerOptions, cancellationToken);
        if (refusal is not null)
        {
            return (Refuse(refusal), null);
        }

        var identity = identityOfRequest?.Invoke();
        AppliedTimeShift? applied = null;
        if (TimeShift.TryParse(request.TimeShift, out var shift))
        {
            // Later than the request came: whoever polls by time of ingest meanwhile would never see events moved to that moment.
            var present = clock.GetUtcNow();
            if (shift.Apply(batch!, present, out applied, identity) is { } why)
            {
                return (
                    this.Refuse(
                        StatusCodes.Status422UnprocessableEntity,
                        $"The events cannot be moved: {why} Nothing was stored.",
                        at: "timeShift",
                        why),
                    null);
            }

            // Else a window up to now would end before the newest of them.
            if (shift.IsToPresent)
            {
                if (validator.Validate(request, present) is { IsValid: false } invalid)
                {
                    return (this.Invalid(invalid), null);
                }

                query = request.ToQuery(present, runs);
            }
        }

        if (identity is { } ofRequest)
        {
            // Behind the shift, which is another one when the request is sent again.
            batch!.Identify(ofRequest);
        }

        var judging = correlation.EvaluateAsync(batch!, query, CountEvents, cancellationToken);
        var evaluation = await metrics.CountAsync(judging) with { TimeShift = applied };
        // Only here, where the store is through with the events: where it failed, or the caller went away, it may not be.
        batch!.ReturnMemory();
        return (Ok(evaluation), evaluation);

        // Those of trials are left out: they would look like a source that sends.
        void CountEvents(AppendResult appended)
        {
            if (query.Store)
            {
                metrics.Appended(appended.AcceptedOf(batch!.Events), batch.RejectedTotal, appended.Duplicates.Count);
            }
        }
    }

    private ObjectResult Refuse(BodyRefusal refusal) => refusal.Status == StatusCodes.Status400BadRequest
        ? this.Refuse(refusal.Status, refusal.Detail, at: "")
        : this.Refuse(refusal.Status, refusal.Detail);

    /// <summary>Reads a body to its end, or as far as one of a first request would be read.</summary>
    private async Task<bool> IsWithinBoundAsync(Stream body, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        var (total, read) = (0L, 0);
        do
        {
            read = await body.ReadAsync(buffer, cancellationToken);
            total += read;
        }
        while (read > 0 && total <= readerOptions.MaxBodyBytes);
        return read == 0;
    }

    private CryptoStream HashingBody(out SHA256 hash)
    {
        hash = SHA256.Create();
        HttpContext.Response.RegisterForDispose(hash);
        return new CryptoStream(Request.Body, hash, CryptoStreamMode.Read, leaveOpen: true);
    }

    /// <summary>The hash of body and parameters, in whatever order and case they came.</summary>
    private byte[] HashOf(SHA256 bodyHash, BatchFormat format)
    {
        var parameters = Request.Query
            .Select(parameter => $"{parameter.Key.ToUpperInvariant()}={parameter.Value}")
            .Order(StringComparer.Ordinal);
        return SHA256.HashData([.. bodyHash.Hash!, .. Encoding.UTF8.GetBytes($"{string.Join('&', parameters)}|{format}")]);
    }

    /// <summary>How the body sets its events apart, or null where it is of another type or charset.</summary>
    private static BatchFormat? FormatOf(HttpRequest request)
    {
        return request.ContentType is null ? BatchFormat.Json : request.MediaTypeInUtf8() switch
        {
            "application/json" => BatchFormat.Json,
            "application/x-ndjson" or "application/ndjson" => BatchFormat.NdJson,
            _ => null,
        };
    }
}
