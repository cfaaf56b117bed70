using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.RateLimiting;
using FluentValidation;
using Microsoft.AspNetCore.Mvc.Formatters;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.RateLimiting;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Detections;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Ips;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>What the service is made of.</summary>
internal static class Composition
{
    /// <summary>The rate limiter policy of the endpoints that run the rule.</summary>
    public const string RunsPolicy = "runs";

    /// <summary>The rate limiter policy of the endpoint that takes batches.</summary>
    public const string BatchesPolicy = "batches";

    public static IServiceCollection AddEventStore(this IServiceCollection services) => services
        .AddMetrics()
        .AddSingleton<StoreMetrics>()
#pragma warning disable RS0030 // The composition root is where the system clock is named.
        .AddSingleton(TimeProvider.System)
#pragma warning restore RS0030
        .AddKeyedSingleton<IEventStore>(StoreOptions.MemoryKind, (provider, _) =>
        {
            var options = provider.GetRequiredService<StoreOptions>().Memory;
            var clock = provider.GetRequiredService<TimeProvider>();
            var metrics = provider.GetRequiredService<StoreMetrics>();
            return options.Path is null
                ? new MemoryEventStore(options, clock, metrics)
                : DurableEventStore.Open(
                    options,
                    provider.GetRequiredService<EventReaderOptions>(),
                    clock,
                    metrics,
                    provider.GetRequiredService<ILogger<DurableEventStore>>());
        })
        .AddSingleton(provider => provider.GetRequiredService<StoreOptions>().Elasticsearch)
        .AddElasticsearchEventStore()
        .AddSingleton(provider => provider.GetRequiredKeyedService<IEventStore>(provider.GetRequiredService<StoreOptions>().Kind));

    /// <summary>
    /// Opens the store before the host starts, which would log a stack of why it cannot be opened. The service stops where disk and memory
    /// are no longer the same.
    /// </summary>
    public static IEventStore OpenStore(this IServiceProvider services)
    {
        var store = services.GetRequiredService<IEventStore>();
        if (store is DurableEventStore durable)
        {
            // Whatever supervises the process starts it anew; until then nothing would be stored.
            var lifetime = services.GetRequiredService<IHostApplicationLifetime>();
            _ = durable.OutOfStep.ContinueWith(_ => lifetime.StopApplication(), TaskScheduler.Default);
        }

        return store;
    }

    /// <summary>Which bound of requests going on holds for one: <see cref="RunsPolicy"/>, <see cref="BatchesPolicy"/> or none.</summary>
    public static string? PolicyOf(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<EnableRateLimitingAttribute>()?.PolicyName;

    public static IServiceCollection AddCorrelation(this IServiceCollection services) => services
        .AddSingleton<CorrelationService>()
        .AddSingleton(provider => new IdempotencyCache(
            provider.GetRequiredService<IdempotencyOptions>(), provider.GetRequiredService<TimeProvider>()));

    public static IServiceCollection AddHttpApi(this IServiceCollection services)
    {
        services
            .AddSingleton<IValidator<DetectionRequest>, DetectionRequestValidator>()
            .AddSingleton<IValidator<AddressAlertsRequest>, AddressAlertsRequestValidator>()
            .AddSingleton<IValidator<AddressEventsRequest>, AddressEventsRequestValidator>()
            .AddSingleton<IValidator<EvaluationRequest>, EvaluationRequestValidator>();
        services
            .AddControllers(mvc =>
            {
                mvc.SuppressImplicitRequiredAttributeForNonNullableReferenceTypes = true;
                // No parameter comes in a form. To look for one there, MVC would read the whole body, whatever the bounds say.
                mvc.ValueProviderFactories.RemoveType<FormValueProviderFactory>();
                mvc.ValueProviderFactories.RemoveType<JQueryFormValueProviderFactory>();
                mvc.ValueProviderFactories.RemoveType<FormFileValueProviderFactory>();
                mvc.ModelBinderProviders.Insert(0, new WholeNumberBinder());
                // One for all requests: by its type it would be made for each, and MVC would not keep the filters of an action.
                mvc.Filters.Add(new KnownQueryParametersFilter());
                // RFC 8259: JSON between systems is UTF-8.
                var encodings = mvc.InputFormatters.OfType<SystemTextJsonInputFormatter>().Single().SupportedEncodings;
                encodings.Remove(encodings.Single(encoding => encoding is UnicodeEncoding));
            })
            .ConfigureApiBehaviorOptions(api => api.InvalidModelStateResponseFactory = Problems.OfModelState)
            .AddJsonOptions(json =>
            {
                json.AllowInputFormatterExceptionMessages = false;
                Configure(json.JsonSerializerOptions);
                // Only here: the OpenAPI document does not look into converters.
                json.JsonSerializerOptions.Converters.Add(new PlainTextConverter());
            });
        // The OpenAPI document reads these options, MVC the others: they have to say the same.
        services.ConfigureHttpJsonOptions(json => Configure(json.SerializerOptions));
        services.AddSingleton<IProblemDetailsWriter, ProblemWriter>();
        services.AddProblemDetails(problems => problems.CustomizeProblemDetails = Problems.Complete);
        services.AddExceptionHandler<FaultHandler>();
        services.AddCompressedBodies();
        services.AddRateLimiter(limiter =>
        {
            limiter.OnRejected = Problems.WriteTooManyAsync;
            // First that of the caller: what one caller sends beyond it waits in a queue of its own, before nobody else.
            limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, (string? Policy, string? Caller)>(context =>
            {
                var policy = PolicyOf(context);
                return policy is null
                    ? RateLimitPartition.GetNoLimiter<(string? Policy, string? Caller)>(default)
                    : RateLimitPartition.GetConcurrencyLimiter(
                        (Policy: (string?)policy, Caller: Access.CallerOf(context.User)),
                        key => context.RequestServices.GetRequiredService<RunOptions>().BoundOf(key.Caller));
            });
            // Apart, so that senders who take their time keep nobody from asking.
            foreach (var policy in (string[])[RunsPolicy, BatchesPolicy])
            {
                limiter.AddPolicy(policy, context =>
                    RateLimitPartition.GetConcurrencyLimiter(
                        policy, _ => context.RequestServices.GetRequiredService<RunOptions>().BoundOfAll()));
            }
        });
        return services;
    }

    private static void Configure(JsonSerializerOptions json)
    {
        json.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        // Answers are no part of a page: text stays readable.
        json.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        json.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        json.NumberHandling = JsonNumberHandling.Strict;
        json.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
        json.AllowDuplicateProperties = false;
        json.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        json.TypeInfoResolverChain.Insert(0, ApiJson.Default);
    }
}
