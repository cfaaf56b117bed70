using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Net.Http.Headers;
using SuspiciousSignin.Events;
using IPNetwork = System.Net.IPNetwork;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>How the service is reached (section <c>Hosting</c>).</summary>
public sealed class HostingOptions
{
    /// <summary>
    /// Whether calls over plain HTTP are refused; health checks are not. Default false: many run behind a proxy that ends TLS. Calls are
    /// not redirected, since a client that sent its key in the clear must learn of it.
    /// </summary>
    public bool RequireHttps { get; set; }

    /// <summary>
    /// How long browsers that came over HTTPS may use nothing else (<c>Strict-Transport-Security</c>). Default 0, which sends no such
    /// header; up to 730 days.
    /// </summary>
    public TimeSpan HstsMaxAge { get; set; }

    /// <summary>Addresses of proxies whose <c>X-Forwarded-For</c> and <c>X-Forwarded-Proto</c> are believed. Default none.</summary>
    public IList<string> KnownProxies { get; set; } = [];

    /// <summary>Networks of such proxies, as <c>192.0.2.0/24</c>. Default none.</summary>
    public IList<string> KnownNetworks { get; set; } = [];

    /// <summary>
    /// The URL that callers reach the service by, as the OpenAPI documents name it: absolute, HTTP or HTTPS, without a slash at its end.
    /// Default none: the documents name the service that they came from.
    /// </summary>
    public string? PublicUrl { get; set; }

    /// <summary>How many proxies stand in a row. Default 1; 1 to 10.</summary>
    public int ForwardLimit { get; set; } = 1;

    /// <summary>Whether any proxy is believed.</summary>
    internal bool HasProxies => KnownProxies.Count + KnownNetworks.Count > 0;
}

/// <summary>What every answer carries whoever wrote it, and through what the service is reached.</summary>
internal static class Surface
{
    private const string ForData = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    // Swagger UI brings scripts, styles and icons as files of its own, draws some icons from data: URLs, and calls this service. Its script
    // adds one style element, allowed by the hash of its text; .ci/published looks whether another version of it needs another.
    private const string ForSwaggerUi =
        "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; "
        + "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

    public static IServiceCollection AddSurface(this IServiceCollection services)
    {
        // It is told before all else, without our headers: so it is to be empty, not a page.
        services.Configure<HostFilteringOptions>(filtering => filtering.IncludeFailureMessage = false);
        services.AddOptions<ForwardedHeadersOptions>().PostConfigure<HostingOptions>((forwarded, hosting) =>
        {
            // ASPNETCORE_FORWARDEDHEADERS_ENABLED would believe everybody: only what is configured here is.
            forwarded.ForwardedHeaders = hosting.HasProxies
                ? ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto
                : ForwardedHeaders.None;
            forwarded.ForwardLimit = hosting.ForwardLimit;
            forwarded.KnownProxies.Clear();
            forwarded.KnownIPNetworks.Clear();
            foreach (var network in hosting.KnownProxies.Select(ToNetwork).Concat(hosting.KnownNetworks))
            {
                forwarded.KnownIPNetworks.Add(IPNetwork.Parse(network));
            }
        });
        services.AddSingleton<IMemoryPoolFactory<byte>, TransportMemory>();
        return services;
    }

    /// <summary>Comes first, so that no answer lacks the headers.</summary>
    public static void UseSurface(this WebApplication app)
    {
        var hosting = app.Services.GetRequiredService<HostingOptions>();
        app.Use((context, next) =>
        {
            // On the way out, since whoever handles an exception clears the headers set before.
            context.Response.OnStarting(() => Complete(context, hosting));
            return next(context);
        });
        app.UseForwardedHeaders();
    }

    /// <summary>
    /// Refuses calls over plain HTTP where <see cref="HostingOptions.RequireHttps"/> says so, in the form that the endpoint's callers read.
    /// </summary>
    public static void UseRequiredHttps(this WebApplication app)
    {
        if (app.Services.GetRequiredService<HostingOptions>().RequireHttps)
        {
            app.Use((context, next) =>
                context.Request.IsHttps || context.Request.Path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase)
                    ? next(context)
                    : Problems.WriteAsync(
                        context,
                        StatusCodes.Status400BadRequest,
                        "This service is reached over HTTPS only. "
                        + "If you sent a key, replace it: it went over the network in the clear."));
        }
    }

    /// <summary>Text for a header: what is not printable ASCII, or would end a quoted string, becomes a question mark.</summary>
    public static string HeaderText(string text) => string.Create(text.Length, text, static (characters, text) =>
    {
        for (var i = 0; i < text.Length; i++)
        {
            characters[i] = text[i] is >= ' ' and <= '~' and not '"' and not '\\' ? text[i] : '?';
        }
    });

    private static string ToNetwork(string address) =>
        SourceAddress.Parse(address) is { IsIPv4: true } four ? $"{four}/32" : $"{SourceAddress.Parse(address)}/128";

    private static Task Complete(HttpContext context, HostingOptions hosting)
    {
        var headers = context.Response.Headers;
        // Its files are no endpoints. What is one answers with data, such as bulk requests for an index that is called so.
        var isSwaggerUi = context.GetEndpoint() is null
            && context.Response.StatusCode < StatusCodes.Status400BadRequest
            && context.Request.Path.StartsWithSegments("/swagger", StringComparison.OrdinalIgnoreCase);
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers.ContentSecurityPolicy = isSwaggerUi ? ForSwaggerUi : ForData;
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Embedder-Policy"] = "require-corp";
        if (!isSwaggerUi)
        {
            headers.CacheControl = "no-store";
        }

        if (context.Request.IsHttps && hosting.HstsMaxAge > TimeSpan.Zero)
        {
            headers.StrictTransportSecurity = string.Create(
                CultureInfo.InvariantCulture, $"max-age={(long)hosting.HstsMaxAge.TotalSeconds}; includeSubDomains");
        }

        headers.Remove(HeaderNames.Server);
        headers.Remove("x-swagger-ui-version");
        return Task.CompletedTask;
    }
}
