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
