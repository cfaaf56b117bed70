using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.Limits;

/// <summary>The bounds of every request, whatever it asks for (section <c>Requests</c>).</summary>
public sealed class RequestOptions
{
    /// <summary>
    /// The longest body as it is sent, before decompression, in bytes. Default: as <c>Events:MaxBodyBytes</c>; 1 KiB to 2 GiB.
    /// </summary>
    public long? MaxBodyBytes { get; set; }

    /// <summary>
    /// Requests of one caller within <see cref="Window"/>; further ones are answered 429. Default 60,000; up to 100,000,000; 0 for no
    /// bound.
    /// </summary>
    public int PerCaller { get; set; } = 60_000;

    /// <summary>How long requests are counted. Default 1 minute; 1 second to 1 day.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>The least speed at which a body has to come, bytes per second. Default 240; 1 to 1,000,000.</summary>
    public int MinBytesPerSecond { get; set; } = 240;

    /// <summary>How long a body may come slower at first. Default 5 seconds; 2 seconds to 5 minutes.</summary>
    public TimeSpan GracePeriod { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the headers may take to come. Default 15 seconds; 1 second to 5 minutes.</summary>
    public TimeSpan HeadersTimeout { get; set; } = TimeSpan.FromSeconds(15);
}

/// <summary>Bounds of bodies, of slow senders, and of requests per caller.</summary>
internal static class RequestLimits
{
    public static IServiceCollection AddRequestLimits(this IServiceCollection services) =>
        services.AddSingleton(provider => ServiceLimits.Of(
            provider.GetRequiredService<RequestOptions>(),
            provider.GetRequiredService<EventReaderOptions>(),
            provider.GetRequiredService<RunOptions>(),
            provider.GetRequiredService<AlertOptions>(),
            provider.GetRequiredService<AuthOptions>(),
            provider.GetRequiredService<IdempotencyOptions>()));

    /// <summary>
    /// The slowest rate at which an answer may be read, bytes per second: whoever does not read holds the place of a run. Kestrel's own is
    /// 240.
    /// </summary>
    private static readonly MinDataRate SlowestReader = new(16 * 1024, TimeSpan.FromSeconds(10));

    /// <summary>How long a body may be as it is sent.</summary>
    public static long MaxBodyBytes(RequestOptions requests, EventReaderOptions events) => requests.MaxBodyBytes ?? events.MaxBodyBytes;

    /// <summary>
    /// Bounds how slowly requests may be sent, and bodies as they are sent. After the decompression: that takes the bound it finds for the
    /// one of what it gives out, and the readers bound that themselves.
    /// </summary>
    public static void UseBodyLimit(this WebApplication app)
    {
        var requests = app.Services.GetRequiredService<RequestOptions>();
        // Only here: the server's options are read while it is built, where a fault of a setting would hide all others.
        var server = app.Services.GetRequiredService<IOptions<KestrelServerOptions>>().Value.Limits;
        server.MinRequestBodyDataRate = new MinDataRate(requests.MinBytesPerSecond, requests.GracePeriod);
        server.RequestHeadersTimeout = requests.HeadersTimeout;
        server.MinResponseDataRate = SlowestReader;
        var limit = MaxBodyBytes(requests, app.Services.GetRequiredService<EventReaderOptions>());
        app.Use((context, next) =>
        {
            if (context.GetEndpoint()?.Metadata.GetMetadata<IRequestSizeLimitMetadata>() is null
                && context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            {
                size.MaxRequestBodySize = limit;
            }

            return next(context);
        });
    }

    /// <summary>
    /// Refuses bodies in an encoding that nobody here takes back; whoever reads on would take them for what they are not.
    /// </summary>
    public static void UseKnownEncodings(this WebApplication app) => app.Use((context, next) =>
        // The decompression takes the header away where it knows the encoding.
        context.Request.Headers.ContentEncoding.ToString().ToUpperInvariant() is not ("" or "IDENTITY")
        && context.GetEndpoint() is not null
        && context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true
            ? Problems.WriteAsync(
                context,
                StatusCodes.Status415UnsupportedMediaType,
                "Send the body plain, or with one Content-Encoding of gzip, br or deflate.")
            : next(context));

    /// <summary>
    /// Counts the requests of each caller, and says in each answer how many are left (draft-ietf-httpapi-ratelimit-headers).
    /// </summary>
    public static void UseRequestLimits(this WebApplication app)
    {
        var requests = app.Services.GetRequiredService<RequestOptions>();
        if (requests.PerCaller == 0)
        {
            return;
        }

        // Apart, so that strangers, who may have many addresses, use up nothing of those whom we know.
        var clock = app.Services.GetRequiredService<TimeProvider>();
        var (callers, strangers) = (new WindowCounter(clock, requests.Window), new WindowCounter(clock, requests.Window));
        var policy = string.Create(
            CultureInfo.InvariantCulture, $"\"requests\";q={requests.PerCaller};w={(int)requests.Window.TotalSeconds}");
        app.Use((context, next) =>
        {
            if (!Access.IsNeededFor(context))
            {
                return next(context);
            }

            var (count, left) = Access.CallerOf(context.User) is { } caller
                ? callers.Add(caller)
                : strangers.Add(Access.CounterKeyOf(context.Connection.RemoteIpAddress));
            var seconds = Problems.RetryAfter(left);
            var headers = context.Response.Headers;
            // On the way out, since whoever handles an exception clears the headers set before.
            context.Response.OnStarting(() =>
            {
                headers["RateLimit-Policy"] = policy;
                headers["RateLimit"] = string.Create(
                    CultureInfo.InvariantCulture, $"\"requests\";r={Math.Max(0, requests.PerCaller - count)};t={seconds}");
                return Task.CompletedTask;
            });
            if (count <= requests.PerCaller)
            {
                return next(context);
            }

            headers.RetryAfter = seconds;
            return Problems.WriteAsync(context, StatusCodes.Status429TooManyRequests, string.Create(
                CultureInfo.InvariantCulture,
                $"More than {requests.PerCaller} requests within {requests.Window.TotalSeconds} seconds. "
                + $"Try again after the time in Retry-After."));
        });
    }
}
