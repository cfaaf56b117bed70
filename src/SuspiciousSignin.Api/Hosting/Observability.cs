using System.Collections.ObjectModel;
using System.Text.Json;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>Health, metrics, and the line that says where Swagger UI is.</summary>
internal static class Observability
{
    public static IServiceCollection AddObservability(this IServiceCollection services)
    {
        services.AddSingleton<ServiceMetrics>();
        services.AddSingleton<StoreHealthCheck>().AddHealthChecks().AddCheck<StoreHealthCheck>("store", tags: ["ready"]);
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("suspicious-signin", serviceVersion: Commands.Version))
            .WithMetrics(metrics => metrics
                .AddMeter(StoreMetrics.MeterName, "System.Net.Http", "System.Runtime")
                .AddAspNetCoreInstrumentation()
                .AddPrometheusExporter());
        return services.AddHostedService<Greeting>();
    }

    public static void MapObservability(this WebApplication app)
    {
        app.MapHealthChecks(
            "/health/live",
            new HealthCheckOptions { Predicate = _ => false, ResponseWriter = WriteAsync })
            .WithMetadata(new HttpMethodMetadata(["GET", "HEAD"]));
        app.MapHealthChecks(
            "/health/ready",
            new HealthCheckOptions { Predicate = check => check.Tags.Contains("ready"), ResponseWriter = WriteAsync })
            .WithMetadata(new HttpMethodMetadata(["GET", "HEAD"]));
        app.MapPrometheusScrapingEndpoint("/metrics")
            .RequireAuthorization(Scopes.MetricsRead)
            .WithMetadata(new HttpMethodMetadata(["GET"]));
        // Not before: nobody listens yet.
        app.Lifetime.ApplicationStarted.Register(() => BeginSeries(app.Services));
    }

    private static void BeginSeries(IServiceProvider services)
    {
        services.GetRequiredService<ServiceMetrics>().Begin();
        if (services.GetRequiredService<IEventStore>() is MemoryEventStore or DurableEventStore)
        {
            services.GetRequiredService<StoreMetrics>().Begin();
        }
    }

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        if (report.Status == HealthStatus.Unhealthy)
        {
            context.Response.Headers.RetryAfter = "5";
        }

        return context.Response.WriteAsJsonAsync(new
        {
            status = JsonNamingPolicy.CamelCase.ConvertName(report.Status.ToString()),
            checks = report.Entries.Select(entry => new
            {
                name = entry.Key,
                status = JsonNamingPolicy.CamelCase.ConvertName(entry.Value.Status.ToString()),
                description = entry.Value.Description,
                data = entry.Value.Data,
            }),
        });
    }
}

/// <summary>
/// Asks the store, once for all who want to know meanwhile: they need no key, and a cluster that hangs is slow to say so. The log has
/// changes only; the framework would tell of every probe, and is kept from it by <see cref="LogLinesSetup"/>.
/// </summary>
public sealed partial class StoreHealthCheck(IEventStore store, TimeProvider clock, ILogger<StoreHealthCheck> logger) : IHealthCheck
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private Task<StoreHealth>? _asked;
    private bool _wasReady = true;

    /// <inheritdoc/>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var health = await AskAsync(cancellationToken);
        if (Interlocked.Exchange(ref _wasReady, health.IsReady) != health.IsReady)
        {
            if (health.IsReady)
            {
                Log.Ready(logger);
            }
            else
            {
                Log.NotReady(logger, health.Description);
            }
        }

        return health.IsReady
            ? HealthCheckResult.Healthy(health.Description, health.Facts)
            : HealthCheckResult.Unhealthy(health.Description, data: health.Facts);
    }

    /// <summary>The health of the store; one that does not answer within 5 seconds is not ready.</summary>
    public async Task<StoreHealth> AskAsync(CancellationToken cancellationToken)
    {
        Task<StoreHealth> asked;
        lock (_gate)
        {
            asked = _asked = _asked is { IsCompleted: false } ? _asked : StoreHealth.OfAsync(store, CancellationToken.None);
        }

        try
        {
            return await asked.WaitAsync(LongestWait, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            return new StoreHealth(
                false,
                $"The store did not answer within {LongestWait.TotalSeconds} seconds.",
                ReadOnlyDictionary<string, object>.Empty);
        }
        catch (Exception fault) when (fault is not OperationCanceledException)
        {
            Log.Failed(logger, fault);
            throw;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Not ready: {Why}")]
        public static partial void NotReady(ILogger logger, string why);

        [LoggerMessage(2, LogLevel.Information, "Ready again")]
        public static partial void Ready(ILogger logger);

        [LoggerMessage(3, LogLevel.Error, "A check of the store failed for a fault of ours")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}

/// <summary>Says at start where to look and what to know, and at the end what becomes of the events.</summary>
internal sealed partial class Greeting(
    IServer server, IHostApplicationLifetime lifetime, IEventStore store, ILogger<Greeting> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        lifetime.ApplicationStarted.Register(() =>
        {
            Log.Started(logger, Commands.Version);
            foreach (var address in server.Features.Get<IServerAddressesFeature>()?.Addresses ?? [])
            {
                Log.SwaggerUi(logger, address);
            }

            if (store is MemoryEventStore)
            {
                Log.Volatile(logger);
            }
        });
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        if (store is MemoryEventStore memory)
        {
            Log.Forgotten(logger, memory.Count);
        }
        else if (store is DurableEventStore durable)
        {
            Log.Kept(logger, durable.Count);
        }

        return Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(6, LogLevel.Information, "SuspiciousSignin {Version}")]
        public static partial void Started(ILogger logger, string version);

        [LoggerMessage(1, LogLevel.Information, "Swagger UI: {Address}/swagger")]
        public static partial void SwaggerUi(ILogger logger, string address);

        [LoggerMessage(2, LogLevel.Information, "Events are held in memory only and are lost when the service stops")]
        public static partial void Volatile(ILogger logger);

        [LoggerMessage(7, LogLevel.Information, "Stopped; {Events} events are on the disk")]
        public static partial void Kept(ILogger logger, int events);

        [LoggerMessage(5, LogLevel.Information, "Stopped; {Events} events held in memory are forgotten")]
        public static partial void Forgotten(ILogger logger, int events);
    }
}
