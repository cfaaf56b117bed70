using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.FakeElasticsearch.Http;

/// <summary>Accept and Content-Type as Elasticsearch reads them, the vendor type with its compatible version included.</summary>
internal static partial class MediaTypes
{
    private static readonly Dictionary<string, string> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["*/*"] = "json",
        ["application/*"] = "json",
        ["application/json"] = "json",
        ["application/vnd.elasticsearch+json"] = "json",
        ["application/x-ndjson"] = "ndjson",
        ["application/vnd.elasticsearch+x-ndjson"] = "ndjson",
        ["text/csv"] = "csv",
        ["application/vnd.elasticsearch+csv"] = "csv",
        ["text/tab-separated-values"] = "tsv",
        ["text/plain"] = "txt",
        ["application/yaml"] = "yaml",
        ["application/cbor"] = "cbor",
        ["application/smile"] = "smile",
        ["application/vnd.apache.arrow.stream"] = "arrow",
    };

    /// <summary>Checks both headers; answers what the client wants: json, csv, tsv, txt... or null when it does not say.</summary>
    public static string? Check(string? accept, string? contentType, bool hasBody, bool isBulk, ElasticsearchVersion version)
    {
        var wanted = Parse(accept, out var acceptVersion);
        if (!string.IsNullOrEmpty(accept) && wanted is null) throw Invalid("Accept", $"Accept=[{accept}] is not a media type that is known");
        if (acceptVersion is { } requested) CheckVersion("Accept", requested, accept!, version);
        if (!hasBody) return string.IsNullOrEmpty(accept) || accept.StartsWith("*/*", StringComparison.Ordinal) ? null : wanted;
        if (string.IsNullOrEmpty(contentType)) throw ElasticsearchException.Plain(406, "Content-Type header is missing");
        var sent = Parse(contentType, out var contentVersion);
        if (contentVersion is { } promised) CheckVersion("Content-Type", promised, contentType, version);
        var readable = sent is "json" || (isBulk && sent == "ndjson");
        if (!readable || contentType.Contains('*', StringComparison.Ordinal)) throw ElasticsearchException.Plain(406, $"Content-Type header [{contentType}] is not supported");
        if (acceptVersion is null != contentVersion is null && !string.IsNullOrEmpty(accept) && !accept.StartsWith("*/*", StringComparison.Ordinal))
        {
            throw Invalid(
                "Content-Type, Accept",
                $"A compatible version is required on both Content-Type and Accept headers if either one has requested a compatible version and the compatible versions must match. Accept={accept}, Content-Type={contentType}");
        }

        if (acceptVersion is { } a && contentVersion is { } c && a != c)
        {
            throw Invalid(
                "Content-Type, Accept",
                $"A compatible version is required on both Content-Type and Accept headers if either one has requested a compatible version and the compatible versions must match. Accept={accept}, Content-Type={contentType}");
        }

        return string.IsNullOrEmpty(accept) || accept.StartsWith("*/*", StringComparison.Ordinal) ? null : wanted;
    }

    /// <summary>The Content-Type of a JSON answer.</summary>
    public static string ForJson(string? accept, string? contentType, ContentTypeSpelling spelling)
    {
        Parse(accept, out var version);
        if (version is null && string.IsNullOrEmpty(accept)) Parse(contentType, out version);
        if (version is null || spelling == ContentTypeSpelling.Plain) return "application/json";
        return spelling == ContentTypeSpelling.Vendor
            ? $"application/vnd.elasticsearch+json;compatible-with={version}"
            : "application/vnd.elasticsearch+json";
    }

    private static void CheckVersion(string header, int requested, string text, ElasticsearchVersion version)
    {
        var current = version.Serverless ? 9 : version.Major;
        if (requested == current || requested == current - 1) return;
        throw Invalid(header, $"{header} version must be either version {current} or {current - 1}, but found {requested}. {header}={text}");
    }

    private static ElasticsearchException Invalid(string headers, string cause) => new(
        400,
        "media_type_header_exception",
        $"Invalid media-type value on headers [{headers}]",
        causedBy: new JsonObject { ["type"] = "status_exception", ["reason"] = cause });

    private static string? Parse(string? header, out int? version)
    {
        version = null;
        if (string.IsNullOrEmpty(header)) return null;
        var parts = header.Split(',')[0].Split(';');
        foreach (var parameter in parts.Skip(1))
        {
            if (CompatibleWith().Match(parameter) is { Success: true } match) version = int.Parse(match.Groups["version"].ValueSpan);
        }

        return Known.GetValueOrDefault(parts[0].Trim());
    }

    [GeneratedRegex(@"^\s*compatible-with\s*=\s*(?<version>\d{1,4})\s*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CompatibleWith();
}
