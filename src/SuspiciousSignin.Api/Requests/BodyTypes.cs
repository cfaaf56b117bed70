using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.Net.Http.Headers;

namespace SuspiciousSignin.Api.Requests;

/// <summary>What a body is.</summary>
internal static class BodyTypes
{
    /// <summary>The media type in lower case, without its parameters; null where there is none, or the text is not UTF-8.</summary>
    public static string? MediaTypeInUtf8(this HttpRequest request) =>
        MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
        && HeaderUtilities.RemoveQuotes(type.Charset) is var charset
        && (charset.Length == 0 || charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            ? type.MediaType.Value?.ToLowerInvariant()
            : null;
}

/// <summary>
/// Says that an action takes JSON in UTF-8, and hands the type on in one spelling: MVC's own reader of types fails on some, such as
/// <c>application/json; charset=</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TakesJsonAttribute : Attribute, IResourceFilter
{
    private const string Json = "application/json";

    public void OnResourceExecuting(ResourceExecutingContext context)
    {
        var request = context.HttpContext.Request;
        if (request.MediaTypeInUtf8() == Json)
        {
            request.ContentType = Json;
        }
        else if (!string.IsNullOrEmpty(request.ContentType))
        {
            context.Result = new StatusCodeResult(StatusCodes.Status415UnsupportedMediaType);
        }
    }

    public void OnResourceExecuted(ResourceExecutedContext context)
    {
        // Nothing to do after the action; the interface asks for both.
    }
}
