using System.Text.Json.Nodes;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>
/// Marks endpoints whose callers are clients of Elasticsearch: their answers and errors have its form, and any query parameter is taken.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class SpeaksElasticsearchAttribute : Attribute;

/// <summary>Errors as clients of Elasticsearch read them.</summary>
internal static class ElasticsearchErrors
{
    private const string MarkedKey = "Elasticsearch";

    /// <summary>Says of a request that it came to an endpoint for clients of Elasticsearch.</summary>
    public static void Mark(HttpContext context) => context.Items[MarkedKey] = true;

    public static bool AreFor(HttpContext context) => context.Items.ContainsKey(MarkedKey);

    public static JsonObject Of(int status, string reason)
    {
        var type = status switch
        {
            StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden => "security_exception",
            StatusCodes.Status404NotFound => "resource_not_found_exception",
            StatusCodes.Status413PayloadTooLarge => "content_too_large_exception",
            StatusCodes.Status415UnsupportedMediaType => "media_type_header_exception",
            StatusCodes.Status429TooManyRequests => "es_rejected_execution_exception",
            StatusCodes.Status503ServiceUnavailable => "store_unavailable_exception",
            >= StatusCodes.Status500InternalServerError => "exception",
            _ => "illegal_argument_exception",
        };
        return new JsonObject
        {
            ["error"] = new JsonObject
            {
                ["root_cause"] = new JsonArray(new JsonObject { ["type"] = type, ["reason"] = reason }),
                ["type"] = type,
                ["reason"] = reason,
            },
            ["status"] = status,
        };
    }

    public static Task WriteAsync(HttpContext context, int status, string reason)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = ContentTypeFor(context.Request);
        return context.Response.WriteAsync(Of(status, reason).ToJsonString());
    }

    /// <summary>JSON, in the vendor's own spelling and version where the client asked for that.</summary>
    public static string ContentTypeFor(HttpRequest request)
    {
        foreach (var header in StringValues.IsNullOrEmpty(request.Headers.Accept) ? request.Headers.ContentType : request.Headers.Accept)
        {
            if (MediaTypeHeaderValue.TryParse(header, out var type)
                && type.MediaType.Equals("application/vnd.elasticsearch+json", StringComparison.OrdinalIgnoreCase)
                && type.Parameters.FirstOrDefault(
                    parameter => parameter.Name.Equals("compatible-with", StringComparison.OrdinalIgnoreCase)) is { } version
                && int.TryParse(version.Value, out var major))
            {
                return $"application/vnd.elasticsearch+json;compatible-with={major}";
            }
        }

        return "application/json";
    }
}
