using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using FluentValidation.Results;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.RateLimiting;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>Errors as RFC 9457 <c>application/problem+json</c>, whatever part of the service they come from.</summary>
internal static partial class Problems
{
    public const string ContentType = "application/problem+json";

    /// <summary>All that whoever asked is told of a fault of ours.</summary>
    public const string OurFault = "Something failed on our side. The log has more under this traceId.";

    private const string AnyBodyFault = "Not valid JSON, an unknown or repeated member, or a value of another type than expected.";

    public static void UseProblems(this IApplicationBuilder app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
    }

    /// <summary>What every problem has besides its own detail.</summary>
    public static void Complete(ProblemDetailsContext context)
    {
        var problem = context.ProblemDetails;
        problem.Extensions["traceId"] = context.HttpContext.TraceIdentifier;
        if (problem.Status == StatusCodes.Status429TooManyRequests)
        {
            // The framework has no defaults for this one.
            problem.Type ??= "https://tools.ietf.org/html/rfc6585#section-4";
            problem.Title ??= "Too Many Requests";
        }

        problem.Detail ??= problem.Status switch
        {
            StatusCodes.Status404NotFound => "There is nothing at this path. The API begins at /api/v1; see /swagger.",
            StatusCodes.Status405MethodNotAllowed => "This path does not take this method; the Allow header lists those it takes.",
            StatusCodes.Status415UnsupportedMediaType =>
                "This path does not take this Content-Type or Content-Encoding. Send application/json in UTF-8.",
            StatusCodes.Status500InternalServerError => OurFault,
            _ => null,
        };
        // Splunk SOAR and its kin show this member of an answer, whatever the RFC calls it.
        problem.Extensions["message"] = problem.Detail ?? problem.Title;
    }

    /// <summary>A wait as the header tells it: whole seconds, at least one.</summary>
    public static string RetryAfter(TimeSpan wait) =>
        Math.Max(1, Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);

    /// <summary>400 where something cannot be read, else 422.</summary>
    /// <param name="controller">Who answers.</param>
    /// <param name="invalid">The faults.</param>
    /// <param name="inBody">Whether names become JSON pointers into the body.</param>
    public static ObjectResult Invalid(this ControllerBase controller, ValidationResult invalid, bool inBody = false) =>
        Invalid(controller.HttpContext, invalid, inBody);

    /// <inheritdoc cref="Invalid(ControllerBase, ValidationResult, bool)"/>
    public static ObjectResult Invalid(HttpContext context, ValidationResult invalid, bool inBody)
    {
        var errors = invalid.Errors
            .GroupBy(fault => NameOf(fault.PropertyName, inBody), StringComparer.Ordinal)
            .ToDictionary(
                group => group.Key,
                group => group.Select(fault => fault.ErrorMessage).Distinct(StringComparer.Ordinal).ToArray(),
                StringComparer.Ordinal);
        var isMalformed = invalid.Errors.Exists(fault => fault.ErrorCode == RequestRules.Malformed);
        return isMalformed
            ? Result(context, StatusCodes.Status400BadRequest, Detail("The request cannot be read", errors), errors)
            : Result(context, StatusCodes.Status422UnprocessableEntity, Detail("The request cannot be accepted", errors), errors);
    }

    private static string NameOf(string property, bool inBody)
    {
        var name = JsonNamingPolicy.CamelCase.ConvertName(property);
        return inBody ? ToPointer(name) : name;
    }

    /// <summary>A problem with a detail of its own.</summary>
    public static ObjectResult Refuse(
        this ControllerBase controller, int status, string detail, IDictionary<string, string[]>? errors = null) =>
        Result(controller.HttpContext, status, detail, errors);

    /// <summary>A problem with one member or parameter.</summary>
    /// <param name="controller">Who answers.</param>
    /// <param name="status">The status.</param>
    /// <param name="detail">What is wrong.</param>
    /// <param name="at">The JSON pointer or the name of the parameter.</param>
    /// <param name="error">What is told of it; null for the detail.</param>
    public static ObjectResult Refuse(this ControllerBase controller, int status, string detail, string at, string? error = null) =>
        controller.Refuse(status, detail, new Dictionary<string, string[]>(StringComparer.Ordinal) { [at] = [error ?? detail] });

    /// <summary>What could not be bound to the action's parameters.</summary>
    public static IActionResult OfModelState(ActionContext context)
    {
        var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var (name, state) in context.ModelState)
        {
            if (state.ValidationState == ModelValidationState.Invalid)
            {
                var isBody = name.StartsWith('$') || name.Length == 0;
                errors[isBody ? ToPointer(name.TrimStart('$').TrimStart('.')) : JsonNamingPolicy.CamelCase.ConvertName(name)] =
                [
                    isBody ? BodyFault(state, name, context.ActionDescriptor) : Expected(name, context.ActionDescriptor),
                ];
            }
        }

        return Result(context.HttpContext, 400, Detail("The request cannot be read", errors), errors);
    }

    /// <summary>The only fault in words, for playbooks show nothing else; of several, where they are.</summary>
    public static string Detail(string what, Dictionary<string, string[]> errors) =>
        errors.Count == 1 && errors.Single() is { Key: var at, Value: [var error] }
            ? $"{what}. {(at.Length == 0 ? "" : $"{at}: ")}{error}"
            : $"{what}; 'errors' says what to change.";

    /// <summary>
    /// What is wrong in a body. The serializer tells it in words of .NET only, by which the kinds of fault are told apart.
    /// </summary>
    private static string BodyFault(ModelStateEntry state, string path, ActionDescriptor action)
    {
        var fault = state.Errors.FirstOrDefault()?.Exception as JsonException;
        if (fault is { InnerException: JsonException, LineNumber: { } line, BytePositionInLine: { } at })
        {
            // The reader's own fault is inside the serializer's.
            return $"Not valid JSON at line {line + 1}, byte {at + 1}.";
        }

        var told = fault?.Message ?? "";
        return told.Contains("could not be mapped to any .NET member", StringComparison.Ordinal)
            ? $"There is no such member. The members are: {MembersOfBody(action)}."
            : told.StartsWith("The JSON value could not be converted to", StringComparison.Ordinal)
                ? Expected(PathSegment().Match(path.TrimStart('$')).Groups["name"].Value, action, isElement: path.EndsWith(']'))
            : told.StartsWith("Duplicate property", StringComparison.Ordinal) ? "The member is there more than once."
            : AnyBodyFault;
    }

    private static string MembersOfBody(ActionDescriptor action) => string.Join(", ", action.Parameters
        .Where(parameter => parameter.BindingInfo?.BindingSource == BindingSource.Body)
        .SelectMany(
            parameter => parameter.ParameterType.GetProperties(),
            (_, property) => JsonNamingPolicy.CamelCase.ConvertName(property.Name)));

    /// <summary>What a parameter or member takes.</summary>
    private static string Expected(string name, ActionDescriptor action, bool isElement = false)
    {
        var type = action.Parameters
            .Select(parameter => parameter.ParameterType.GetProperties()
                .FirstOrDefault(property => property.Name.Equals(name, StringComparison.OrdinalIgnoreCase)))
            .OfType<PropertyInfo>().FirstOrDefault()?.PropertyType;
        return type == typeof(int?) ? "Expected a whole number, such as 100."
            : type == typeof(bool?) ? "Expected true or false."
            : type == typeof(string) || (isElement && type == typeof(IReadOnlyList<string>)) ? "Expected text, in valid Unicode."
            : type == typeof(IReadOnlyList<string>) ? "Expected a list of texts, in valid Unicode."
            : name.Length == 0 ? $"Expected an object with any of the members: {MembersOfBody(action)}."
            : "Not a value of the expected type.";
    }

    public static async ValueTask WriteTooManyAsync(OnRejectedContext context, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        context.HttpContext.Response.Headers.RetryAfter = "1";
        await WriteAsync(
            context.HttpContext,
            StatusCodes.Status429TooManyRequests,
            $"Too many {Composition.PolicyOf(context.HttpContext)} are going on. Try again after the time in Retry-After.");
    }

    /// <summary>Writes a problem.</summary>
    /// <param name="context">Of the request.</param>
    /// <param name="status">The status.</param>
    /// <param name="detail">What is wrong.</param>
    /// <param name="at">Where, as a JSON pointer; null where no input is at fault.</param>
    public static async Task WriteAsync(HttpContext context, int status, string detail, string? at = null)
    {
        if (ElasticsearchErrors.AreFor(context))
        {
            await ElasticsearchErrors.WriteAsync(context, status, detail);
            return;
        }

        context.Response.StatusCode = status;
        await context.RequestServices.GetRequiredService<IProblemDetailsService>().TryWriteAsync(new ProblemDetailsContext
        {
            HttpContext = context,
            ProblemDetails = new ProblemDetails
            {
                Status = status,
                Detail = detail,
                Extensions = at is null
                    ? []
                    : new Dictionary<string, object?>(StringComparer.Ordinal)
                    {
                        ["errors"] = new Dictionary<string, string[]>(StringComparer.Ordinal) { [at] = [detail] },
                    },
            },
        });
    }

    /// <summary>A problem, with what is at fault by JSON pointer or parameter name; null where no input is.</summary>
    public static ObjectResult Result(HttpContext context, int status, string detail, IDictionary<string, string[]>? errors = null)
    {
        var factory = context.RequestServices.GetRequiredService<ProblemDetailsFactory>();
        var problem = factory.CreateProblemDetails(context, status, detail: detail);
        if (errors is { Count: > 0 })
        {
            problem.Extensions["errors"] = errors;
        }

        return new ObjectResult(problem) { StatusCode = status, ContentTypes = { ContentType } };
    }

    /// <summary>
    /// The RFC 6901 pointer of a path as System.Text.Json and FluentValidation write it: <c>sourceIps[2]</c>, <c>$['odd name']</c>.
    /// </summary>
    private static string ToPointer(string path) => string.Concat(PathSegment().Matches(path)
        .Select(segment => "/" + segment.Groups["name"].Value
            .Replace("~", "~0", StringComparison.Ordinal)
            .Replace("/", "~1", StringComparison.Ordinal)));

    // A name in quotes may hold anything, and is the last: what is unknown is not looked into.
    [GeneratedRegex(@"\['(?<name>.*)'\]\z|\[(?<name>[0-9]+)\]|(?<name>[^.[\]]+)", RegexOptions.Singleline | RegexOptions.NonBacktracking)]
    private static partial Regex PathSegment();
}

/// <summary>Writes problems to every caller: the framework's own writers leave those without an answer who accept, say, CSV only.</summary>
internal sealed class ProblemWriter(ProblemDetailsFactory factory) : IProblemDetailsWriter
{
    public bool CanWrite(ProblemDetailsContext context) => true;

    public ValueTask WriteAsync(ProblemDetailsContext context)
    {
        var (response, told) = (context.HttpContext.Response, context.ProblemDetails);
        var problem = factory.CreateProblemDetails(
            context.HttpContext, told.Status ?? response.StatusCode, told.Title, told.Type, told.Detail, told.Instance);
        foreach (var (name, value) in told.Extensions)
        {
            problem.Extensions[name] = value;
        }

        return new ValueTask(response.WriteAsJsonAsync(problem, options: null, Problems.ContentType));
    }
}

/// <summary>The one place where exceptions become answers.</summary>
internal sealed partial class FaultHandler(ILogger<FaultHandler> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        switch (exception)
        {
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                await Problems.WriteAsync(
                    context,
                    StatusCodes.Status413PayloadTooLarge,
                    "The body is longer than this path takes; GET /api/v1/limits says how long it may be. Send it in several requests.");
                return true;

            case BadHttpRequestException { StatusCode: StatusCodes.Status408RequestTimeout }:
                await Problems.WriteAsync(
                    context,
                    StatusCodes.Status408RequestTimeout,
                    "The body came slower than it may (Requests:MinBytesPerSecond). Nothing of it was stored.");
                return true;

            // The size of a chunk beyond what the server's parser holds.
            case IOException { InnerException: OverflowException }:
                await Problems.WriteAsync(
                    context, StatusCodes.Status400BadRequest, "The request is not valid HTTP: a chunk has no valid size.");
                return true;

            case BadHttpRequestException bad:
                await Problems.WriteAsync(context, bad.StatusCode, "The request broke off or is not valid HTTP.");
                return true;

            // The Brotli stream says so in its own way.
            case InvalidDataException or InvalidOperationException { Source: "System.IO.Compression.Brotli" }:
                await Problems.WriteAsync(
                    context,
                    StatusCodes.Status400BadRequest,
                    "The body is not what its Content-Encoding says, or breaks off. Nothing of it was stored.",
                    at: "");
                return true;

            case StoreUnavailableException unavailable:
                Log.StoreUnavailable(logger, context.TraceIdentifier, ReasonOf(exception));
                Log.StoreUnavailableAt(logger, context.TraceIdentifier, exception);
                context.Response.Headers.RetryAfter = Problems.RetryAfter(unavailable.RetryAfter ?? TimeSpan.FromSeconds(5));
                await Problems.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, unavailable.Message);
                return true;

            case OutOfMemoryException:
                Log.OutOfMemory(logger, context.TraceIdentifier, exception);
                context.Response.Headers.RetryAfter = "60";
                await Problems.WriteAsync(
                    context,
                    StatusCodes.Status503ServiceUnavailable,
                    "The service is out of memory. A part of a batch may be stored. Send smaller batches; its operator has to give it more "
                    + "memory, or to lower Store:Memory:MaxEvents.");
                return true;

            // A connection that is reset in the middle of a body says so before the request is told that it is aborted, and the server
            // would go on to read what is left of the body.
            case ConnectionResetException or ConnectionAbortedException:
                context.Abort();
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return true;

            case OperationCanceledException or IOException when context.RequestAborted.IsCancellationRequested:
                context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
                return true;

            default:
                Log.Failed(logger, context.TraceIdentifier, exception);
                await Problems.WriteAsync(context, StatusCodes.Status500InternalServerError, Problems.OurFault);
                return true;
        }
    }

    /// <summary>
    /// What an exception and those inside it say. While a store is away every request fails so: stacks would fill the log.
    /// </summary>
    private static string ReasonOf(Exception exception)
    {
        var reason = exception.Message;
        for (var inner = exception.InnerException; inner is not null; inner = inner.InnerException)
        {
            reason += reason.Contains(inner.Message, StringComparison.Ordinal) ? "" : $" {inner.GetType().Name}: {inner.Message}";
        }

        return reason;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "The store cannot answer (traceId {TraceId}): {Reason}")]
        public static partial void StoreUnavailable(ILogger logger, string traceId, string reason);

        [LoggerMessage(3, LogLevel.Debug, "Where the store could not answer (traceId {TraceId})")]
        public static partial void StoreUnavailableAt(ILogger logger, string traceId, Exception exception);

        [LoggerMessage(4, LogLevel.Critical,
            "Out of memory (traceId {TraceId}): give the service more of it, or lower Store:Memory:MaxEvents, and restart it")]
        public static partial void OutOfMemory(ILogger logger, string traceId, Exception exception);

        [LoggerMessage(2, LogLevel.Error, "A request failed for a fault of ours (traceId {TraceId})")]
        public static partial void Failed(ILogger logger, string traceId, Exception exception);
    }
}
