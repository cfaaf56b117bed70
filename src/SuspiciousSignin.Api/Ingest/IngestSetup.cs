using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ApplicationModels;
using SuspiciousSignin.Api.Settings;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>The endpoint that shippers with an Elasticsearch output send to (section <c>Ingest</c>).</summary>
internal sealed class IngestOptions
{
    /// <summary>Whether there is one. Default: with the in-memory store, since who has Elasticsearch sends there.</summary>
    public bool? Enabled { get; set; }
}

internal static class IngestSetup
{
    /// <summary>The ingest endpoint, where <c>Ingest:Enabled</c> or the kind of store says so.</summary>
    public static IServiceCollection AddIngest(this IServiceCollection services)
    {
        services.AddSingleton(provider => new IngestLimiter(
            provider.GetRequiredService<RunOptions>(), provider.GetRequiredService<TimeProvider>()));
        services.AddOptions<MvcOptions>().Configure<IngestOptions, StoreOptions>((mvc, ingest, store) =>
        {
            if (!(ingest.Enabled ?? store.Kind == StoreOptions.MemoryKind))
            {
                mvc.Conventions.Add(new WithoutIngest());
            }
        });
        return services;
    }

    /// <summary>Clients refuse any answer without this header, errors included.</summary>
    public static void UseIngest(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<SpeaksElasticsearchAttribute>() is not null)
        {
            ElasticsearchErrors.Mark(context);
            context.Response.OnStarting(() =>
            {
                context.Response.Headers["X-Elastic-Product"] = "Elasticsearch";
                return Task.CompletedTask;
            });
        }

        return next(context);
    });

    private sealed class WithoutIngest : IApplicationModelConvention
    {
        public void Apply(ApplicationModel application)
        {
            foreach (var controller in application.Controllers
                .Where(controller => controller.ControllerType == typeof(IngestController)).ToList())
            {
                application.Controllers.Remove(controller);
            }
        }
    }
}
