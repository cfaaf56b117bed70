using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.OpenApi;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.OpenApi;

/// <summary>The OpenAPI documents (3.1, 3.0 and 2.0, as JSON and YAML) and Swagger UI.</summary>
internal static class ApiDocuments
{
    private const string Current = "v1";
    private const string Older = "v1-3.0";

    /// <summary>Swagger, which the generator of Cortex XSOAR and the connectors of Logic Apps ask for.</summary>
    private const string Oldest = "v1-2.0";

    private const string OfBearer = "a key from `keys new`, or a token of the OpenID Connect provider that is configured.";

    public static IServiceCollection AddApiDocuments(this IServiceCollection services) => services
        .AddOpenApi(Current, options => Describe(options, OpenApiSpecVersion.OpenApi3_1))
        .AddOpenApi(Older, options => Describe(options, OpenApiSpecVersion.OpenApi3_0))
        .AddOpenApi(Oldest, options => Describe(options, OpenApiSpecVersion.OpenApi2_0))
        .AddOutputCache();

    public static void MapApiDocuments(this WebApplication app)
    {
        // Anybody may ask for a document, and making one takes longer than most runs.
        app.UseWhen(
            context => context.Request.Path.StartsWithSegments("/openapi", StringComparison.OrdinalIgnoreCase),
            branch => branch.Use(NameYaml).UseOutputCache());
        foreach (var extension in new[] { "json", "yaml" })
        {
            // Any other name is no route at all, and so a 404 like every other.
            app.MapOpenApi($"/openapi/{{documentName:regex(^{Current}(-[23]\\.0)?\\z)}}.{extension}")
                .CacheOutput(policy => policy.AddPolicy<OncePerMinute>(), excludeDefaultPolicy: true);
        }

        // Only there: it would match the path of every other request too.
        app.UseWhen(
            context => context.Request.Path.StartsWithSegments("/swagger", StringComparison.OrdinalIgnoreCase),
            branch => branch.UseSwaggerUI(ui =>
            {
                ui.RoutePrefix = "swagger";
                ui.SwaggerEndpoint($"/openapi/{Current}.json", "SuspiciousSignin (OpenAPI 3.1)");
                ui.SwaggerEndpoint($"/openapi/{Older}.json", "SuspiciousSignin (OpenAPI 3.0)");
                ui.SwaggerEndpoint($"/openapi/{Oldest}.json", "SuspiciousSignin (OpenAPI 2.0)");
                ui.DocumentTitle = "SuspiciousSignin";
                ui.DisplayOperationId();
                ui.EnableDeepLinking();
            }));
    }

    /// <summary>The framework sends YAML under a type that nobody registered; RFC 9512 has one.</summary>
    private static Task NameYaml(HttpContext context, RequestDelegate next)
    {
        context.Response.OnStarting(() =>
        {
            var type = context.Response.ContentType;
            context.Response.ContentType = type?.StartsWith("text/plain+yaml", StringComparison.Ordinal) == true
                ? "application/yaml"
                : type;
            return Task.CompletedTask;
        });
        return next(context);
    }

    private static void Describe(OpenApiOptions options, OpenApiSpecVersion version)
    {
        options.OpenApiVersion = version;
        options.ShouldInclude = description => description.RelativePath?.StartsWith("api/", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer((document, context, _) =>
        {
            document.Servers =
            [
                new OpenApiServer
                {
                    // Else the service that the document came from, by whatever name it is reached.
                    Url = context.ApplicationServices.GetRequiredService<HostingOptions>().PublicUrl ?? "/",
                    Extensions = new Dictionary<string, IOpenApiExtension>(StringComparer.Ordinal)
                    {
                        ["x-internal"] = new JsonNodeExtension(true),
                    },
                },
            ];
            document.Info = new OpenApiInfo
            {
                Title = "SuspiciousSignin",
                Version = "1",
                Description = "Did somebody sign in to Entra ID, or read Microsoft 365 mail, "
                    + "from an address that network sensors had already flagged?",
                License = new OpenApiLicense { Name = "Apache-2.0", Url = new Uri("https://www.apache.org/licenses/LICENSE-2.0") },
            };
            // In the order in which Swagger UI shows them.
            document.Tags = new HashSet<OpenApiTag>
            {
                new() { Name = "Detections", Description = "Runs of the rule over a window." },
                new() { Name = "Events", Description = "Batches of events, judged and kept." },
                new() { Name = "Addresses", Description = "What is known about one address." },
                new() { Name = "Rule", Description = "The rule, its revisions and its queries." },
                new() { Name = "Limits", Description = "The bounds of requests." },
            };
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
            {
                ["apiKey"] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.ApiKey,
                    In = ParameterLocation.Header,
                    Name = "X-API-Key",
                    Description = "A key from `keys new`; also taken as `Authorization: ApiKey KEY` or `Bearer KEY`.",
                },
                // OpenAPI 2.0 knows no scheme of bearer tokens.
                ["bearer"] = version == OpenApiSpecVersion.OpenApi2_0
                    ? new OpenApiSecurityScheme
                    {
                        Type = SecuritySchemeType.ApiKey,
                        In = ParameterLocation.Header,
                        Name = "Authorization",
                        Description = $"`Bearer` and {OfBearer}",
                    }
                    : new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = $"Either {OfBearer}" },
            };
            document.Security =
            [
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("apiKey", document)] = [] },
                new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("bearer", document)] = [] },
            ];
            DocumentedBounds.Apply(
                document,
                context.ApplicationServices.GetRequiredService<EventReaderOptions>(),
                context.ApplicationServices.GetRequiredService<RunOptions>());
            DocumentedTexts.Apply(document, version);
            DocumentedExamples.AddProblems(document, context.ApplicationServices);
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            Require(schema, context.JsonTypeInfo);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, cancellationToken) =>
        {
            DocumentedTexts.NameScope(operation, context.Description.ActionDescriptor);
            return DocumentedExamples.AddAsync(operation, context, version, cancellationToken);
        });
    }

    /// <summary>What cannot be null is in every answer, also what the code works out itself.</summary>
    private static void Require(OpenApiSchema schema, JsonTypeInfo type)
    {
        foreach (var property in type.Properties.Where(property => property is { Get: not null, IsGetNullable: false }))
        {
            if (Nullable.GetUnderlyingType(property.PropertyType) is null && schema.Properties?.ContainsKey(property.Name) == true)
            {
                (schema.Required ??= new HashSet<string>(StringComparer.Ordinal)).Add(property.Name);
            }
        }
    }

    /// <summary>One document for all, however they ask: whoever adds a parameter, a host or a key to the request gets no other.</summary>
    private sealed class OncePerMinute : IOutputCachePolicy
    {
        public ValueTask CacheRequestAsync(OutputCacheContext context, CancellationToken cancellation)
        {
            (context.EnableOutputCaching, context.AllowCacheLookup, context.AllowCacheStorage, context.AllowLocking) =
                (true, true, true, true);
            (context.CacheVaryByRules.QueryKeys, context.CacheVaryByRules.VaryByHost) = (default, false);
            context.ResponseExpirationTimeSpan = TimeSpan.FromMinutes(1);
            return ValueTask.CompletedTask;
        }

        public ValueTask ServeFromCacheAsync(OutputCacheContext context, CancellationToken cancellation) => ValueTask.CompletedTask;

        public ValueTask ServeResponseAsync(OutputCacheContext context, CancellationToken cancellation)
        {
            context.AllowCacheStorage &= context.HttpContext.Response.StatusCode == StatusCodes.Status200OK;
            return ValueTask.CompletedTask;
        }
    }
}
