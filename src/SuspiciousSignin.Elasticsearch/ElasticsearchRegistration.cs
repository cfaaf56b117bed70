using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using Polly;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>Puts the Elasticsearch store into a service.</summary>
public static class ElasticsearchRegistration
{
    private const int MaxHeaderKilobytes = 16 * 1024;

    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SamplingDuration = TimeSpan.FromSeconds(30);

    /// <summary>The key under which the store is registered, and its <c>Store:Kind</c>.</summary>
    public const string Kind = "Elasticsearch";

    /// <summary>
    /// Registers the store and its HTTP pipeline under <see cref="Kind"/>; the options, the clock and logging are the host's.
    /// </summary>
    public static IServiceCollection AddElasticsearchEventStore(this IServiceCollection services)
    {
        // Polly writes lines for every attempt of every request. Nodes tells which node is away, and the host which request failed.
        services.AddLogging(logging => logging.AddFilter("Polly", LogLevel.None));
        services.AddSingleton<Nodes>();
        services.AddHttpClient(nameof(ElasticsearchClient), client =>
            {
                // Addressed by Nodes.Handler; bounded in time by the pipeline.
                client.BaseAddress = new Uri("http://elasticsearch/");
                client.Timeout = Timeout.InfiniteTimeSpan;
            })
            .RemoveAllLoggers()
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .ConfigurePrimaryHttpMessageHandler(provider =>
            {
                var options = provider.GetRequiredService<ElasticsearchOptions>();
                var handler = new SocketsHttpHandler
                {
                    AutomaticDecompression = DecompressionMethods.All,
                    AllowAutoRedirect = false,
                    UseCookies = false,
                    PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                    ConnectTimeout = TimeSpan.FromSeconds(10),
                    // An answer to ES|QL has warnings of every value that is no address, as headers, and nobody bounds their length.
#pragma warning disable CA2262 // It is meant to be so much.
                    MaxResponseHeadersLength = MaxHeaderKilobytes,
#pragma warning restore CA2262
                };
                handler.SslOptions.RemoteCertificateValidationCallback = TrustedCertificates.Check(options);
                return handler;
            })
            .AddResilienceHandler("elasticsearch", (pipeline, context) =>
                AddResilience(
                    pipeline,
                    context.ServiceProvider.GetRequiredService<ElasticsearchOptions>(),
                    context.ServiceProvider.GetRequiredService<TimeProvider>()));
        services.AddHttpClient(nameof(ElasticsearchClient)).AddHttpMessageHandler(provider => new Nodes.Handler(
            provider.GetRequiredService<Nodes>(),
            provider.GetRequiredService<ElasticsearchOptions>(),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ElasticsearchClient(
            provider.GetRequiredService<IHttpClientFactory>().CreateClient(nameof(ElasticsearchClient)),
            provider.GetRequiredService<ElasticsearchOptions>(),
            provider.GetRequiredService<TimeProvider>()));
        return services.AddKeyedSingleton<IEventStore>(Kind, (provider, _) => new ElasticsearchEventStore(
            provider.GetRequiredService<ElasticsearchClient>(),
            provider.GetRequiredService<Nodes>(),
            provider.GetRequiredService<ElasticsearchOptions>(),
            provider.GetRequiredService<EventReaderOptions>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<ElasticsearchEventStore>>()));
    }

    /// <summary>
    /// From the outside in: a bound on the whole; patience with a busy cluster; a circuit that opens when no node answers; the next node
    /// where one fails. Every call may be repeated: queries and deletions by their nature, writes because each document carries its id.
    /// </summary>
    private static void AddResilience(
        ResiliencePipelineBuilder<HttpResponseMessage> pipeline, ElasticsearchOptions options, TimeProvider clock)
    {
        pipeline.TimeProvider = clock;
        pipeline
            .AddTimeout(options.TotalTimeout)
            .AddRetry(new HttpRetryStrategyOptions
            {
                MaxRetryAttempts = options.MaxRetries,
                Delay = TimeSpan.FromMilliseconds(500),
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                ShouldRetryAfterHeader = true,
                ShouldHandle = attempt => ValueTask.FromResult(
                    attempt.Outcome.Result is { StatusCode: HttpStatusCode.TooManyRequests } busy
                        && !(Nodes.RetryAfter(busy, clock) > LongestRetryAfter)),
            })
            .AddCircuitBreaker(new HttpCircuitBreakerStrategyOptions
            {
                FailureRatio = 0.5,
                MinimumThroughput = options.CircuitCalls,
                SamplingDuration = SamplingDuration,
                BreakDuration = options.CircuitBreak,
                ShouldHandle = attempt => ValueTask.FromResult(NodeFailed(attempt.Outcome)),
            })
            .AddRetry(new HttpRetryStrategyOptions
            {
                MaxRetryAttempts = Math.Max(1, options.Nodes.Count - 1),
                Delay = options.Nodes.Count > 1 ? TimeSpan.Zero : TimeSpan.FromMilliseconds(200),
                UseJitter = true,
                ShouldRetryAfterHeader = false,
                ShouldHandle = attempt => ValueTask.FromResult(NodeFailed(attempt.Outcome)),
            });
    }

    private static bool NodeFailed(Outcome<HttpResponseMessage> outcome) => outcome switch
    {
        { Exception: HttpRequestException } => true,
        { Result: { } answer } when Nodes.LacksShards(answer) => false,
        { Result.StatusCode: HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout } => true,
        { Result: { IsSuccessStatusCode: true } response } => !Nodes.IsJson(response),
        _ => false,
    };
}
