using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Detections;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ips;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Rule;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.OpenApi;

/// <summary>The OpenAPI documents (3.1, 3.0 and 2.0, as JSON and YAML) and Swagger UI.</summary>
internal static class ApiDocuments
{
    private const string Current = "v1";
    private const string Older = "v1-3.0";

    /// <summary>Swagger, which the generator of Cortex XSOAR and the connectors of Logic Apps ask for.</summary>
    private const string Oldest = "v1-2.0";

    private const string OfBearer = "the same key, or one of the OpenID Connect provider that is configured.";

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
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
            {
                ["apiKey"] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.ApiKey,
                    In = ParameterLocation.Header,
                    Name = "X-API-Key",
                    Description = "Where keys are configured.",
                },
                // OpenAPI 2.0 knows no scheme of bearer tokens.
                ["bearer"] = version == OpenApiSpecVersion.OpenApi2_0
                    ? new OpenApiSecurityScheme
                    {
                        Type = SecuritySchemeType.ApiKey,
                        In = ParameterLocation.Header,
                        Name = "Authorization",
                        Description = $"'Bearer ' and a token: {OfBearer}",
                    }
                    : new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = $"A token: {OfBearer}" },
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
            AddProblems(document, context.ApplicationServices);
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            Require(schema, context.JsonTypeInfo);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer((operation, context, cancellationToken) =>
            AddExamples(operation, context, version, cancellationToken));
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

    /// <summary>Examples that work as they stand: the requests are dated from the moment the document is read.</summary>
    private static async Task AddExamples(
        OpenApiOperation operation,
        OpenApiOperationTransformerContext context,
        OpenApiSpecVersion version,
        CancellationToken cancellationToken)
    {
        AddParameters(operation);
        var clock = context.ApplicationServices.GetRequiredService<TimeProvider>();
        if (operation.OperationId == "runDetection")
        {
            var content = operation.RequestBody!.Content!;
            foreach (var other in content.Keys.Where(type => type != "application/json").ToList())
            {
                content.Remove(other);
            }

            content["application/json"].Example = JsonNode.Parse(
                """{"from":"now-8h","to":"now","revision":"resilient","includeEvents":true}""");
        }
        else if (operation.OperationId == "evaluateEvents")
        {
            operation.RequestBody = BatchBody(
                SampleScenario.Text(clock.GetUtcNow()).Split('\n', StringSplitOptions.RemoveEmptyEntries),
                version);
        }

        if (await AnswerOfAsync(operation.OperationId, clock, cancellationToken) is { } answer)
        {
            operation.Responses!["200"].Content!["application/json"].Example = JsonSerializer.SerializeToNode(
                answer, answer.GetType(), context.ApplicationServices.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions);
        }
    }

    private static void AddParameters(OpenApiOperation operation)
    {
        foreach (var parameter in (operation.Parameters ?? []).OfType<OpenApiParameter>())
        {
            if (parameter.In == ParameterLocation.Header)
            {
                // The comment in the code is found by the name of the parameter there.
                parameter.Description ??=
                    "Makes the request safe to send again: "
                    + "the same key of the same caller with the same body gives the first answer again.";
            }
            else if (parameter.In == ParameterLocation.Query)
            {
                parameter.Name = JsonNamingPolicy.CamelCase.ConvertName(parameter.Name!);
                parameter.Example ??= parameter.Name switch
                {
                    "from" => "now-8h",
                    "to" => "now",
                    "revision" => "resilient",
                    "limit" => 100,
                    _ => null,
                };
            }
        }
    }

    /// <summary>Shows each problem as the service writes it.</summary>
    private static void AddProblems(OpenApiDocument document, IServiceProvider services)
    {
        var factory = services.GetRequiredService<ProblemDetailsFactory>();
        var json = services.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        var http = new DefaultHttpContext { RequestServices = services, TraceIdentifier = "0HN7S1V0Q2F3K:00000001" };
        foreach (var (status, response) in (document.Paths ?? [])
            .SelectMany(path => path.Value.Operations ?? [])
            .SelectMany(operation => operation.Value.Responses ?? []))
        {
            if (response.Content?.TryGetValue(Problems.ContentType, out var problem) == true)
            {
                problem.Example = JsonSerializer.SerializeToNode(
                    factory.CreateProblemDetails(http, int.Parse(status), detail: response.Description), json);
            }
        }
    }

    private static OpenApiRequestBody BatchBody(string[] lines, OpenApiSpecVersion version) => new()
    {
        Required = true,
        Description = "ECS documents, nested, dotted or mixed, and raw records; "
            + "as an array, in an envelope such as {\"events\":[…]}, or one per line.",
        Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
        {
            ["application/json"] = new()
            {
                Schema = BatchSchema(version),
                Example = new JsonArray([.. lines.Select(line => JsonNode.Parse(line))]),
            },
            ["application/x-ndjson"] = new()
            {
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                Example = string.Join('\n', lines) + "\n",
            },
        },
    };

    /// <summary>What the operation answers over the sample scenario; null for one that shows no example.</summary>
    private static async Task<object?> AnswerOfAsync(string? operation, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (operation == "getLimits")
        {
            return ServiceLimits.Of(
                new RequestOptions(),
                new EventReaderOptions(),
                new RunOptions(),
                new AlertOptions(),
                new AuthOptions(),
                new IdempotencyOptions());
        }

        if (operation == "getRule")
        {
            var rule = new RuleDescription();
            return rule with { Revisions = [rule.Revisions[0]] };
        }

        if (operation is not ("evaluateEvents" or "runDetection" or "getAlertsOfAddress" or "getEventsOfAddress"))
        {
            return null;
        }

        var correlation = new CorrelationService(new MemoryEventStore(new MemoryStoreOptions(), clock), clock, new AlertOptions());
        var evaluation = await SampleScenario.EvaluateAsync(correlation, clock.GetUtcNow(), cancellationToken);
        if (operation == "evaluateEvents")
        {
            return evaluation;
        }

        var address = SourceAddress.Parse("89.160.20.156");
        var query = new DetectionRequest { Revision = "resilient" }.ToQuery(clock, new RunOptions());
        if (operation == "getEventsOfAddress")
        {
            var page = await correlation.EventsOfAsync(
                new EventQuery { Address = address, Window = TimeWindow.All, Revision = query.Revision, Limit = 2 }, cancellationToken);
            return AddressEvents.Of(address, page!);
        }

        var run = await correlation.RunAsync(query, cancellationToken);
        var alerts = run.Alerts.Where(alert => alert.SourceIp == address.ToString()).ToList();
        return operation == "runDetection" ? run : new AddressAlerts(address.ToString(), run.Window, run.Status, alerts.Count, alerts, []);
    }

    /// <summary>An array of events, or one object: an event or an envelope. OpenAPI 2.0 can say one of the two only.</summary>
    private static OpenApiSchema BatchSchema(OpenApiSpecVersion version)
    {
        var array = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.Object } };
        return version == OpenApiSpecVersion.OpenApi2_0
            ? array
            : new OpenApiSchema { OneOf = [array, new OpenApiSchema { Type = JsonSchemaType.Object }] };
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
