using System.Text.Json.Nodes;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>The OpenAPI documents (3.1 and 3.0) and Swagger UI.</summary>
internal static class ApiDocuments
{
    private const string Current = "v1";
    private const string Older = "v1-3.0";

    public static IServiceCollection AddApiDocuments(this IServiceCollection services) => services
        .AddOpenApi(Current, options => Describe(options, OpenApiSpecVersion.OpenApi3_1))
        .AddOpenApi(Older, options => Describe(options, OpenApiSpecVersion.OpenApi3_0));

    public static void MapApiDocuments(this WebApplication app)
    {
        app.MapOpenApi();
        app.UseSwaggerUI(ui =>
        {
            ui.RoutePrefix = "swagger";
            ui.SwaggerEndpoint($"/openapi/{Current}.json", "SuspiciousSignin (OpenAPI 3.1)");
            ui.SwaggerEndpoint($"/openapi/{Older}.json", "SuspiciousSignin (OpenAPI 3.0)");
            ui.DocumentTitle = "SuspiciousSignin";
            ui.DisplayOperationId();
        });
    }

    private static void Describe(OpenApiOptions options, OpenApiSpecVersion version)
    {
        options.OpenApiVersion = version;
        options.ShouldInclude = description => description.RelativePath?.StartsWith("api/", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "SuspiciousSignin",
                Version = "1",
                Description = "Did somebody sign in to Entra ID, or read Microsoft 365 mail, from an address that network sensors had already flagged?",
                License = new OpenApiLicense { Name = "Apache-2.0", Url = new Uri("https://www.apache.org/licenses/LICENSE-2.0") },
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(AddExamples);
    }

    /// <summary>Examples that work as they stand: they are dated from the moment the document is read.</summary>
    private static Task AddExamples(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken cancellationToken)
    {
        var now = context.ApplicationServices.GetRequiredService<TimeProvider>().GetUtcNow();
        switch (operation.OperationId)
        {
            case "runDetection":
                foreach (var content in operation.RequestBody?.Content?.Values ?? [])
                {
                    content.Example = JsonNode.Parse("""{"from":"now-8h","to":"now","revision":"resilient","includeEvents":true}""");
                }

                break;

            case "evaluateEvents":
                var lines = SampleScenario.Text(now).Split('\n', StringSplitOptions.RemoveEmptyEntries);
                var events = lines.Take(5).Select(line => JsonNode.Parse(line)).ToArray();
                operation.RequestBody = new OpenApiRequestBody
                {
                    Required = true,
                    Description = "ECS documents, nested, dotted or mixed.",
                    Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                    {
                        ["application/json"] = new()
                        {
                            Schema = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.Object } },
                            Example = new JsonArray(events),
                        },
                        ["application/x-ndjson"] = new()
                        {
                            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                            Example = string.Join('\n', lines.Take(5)) + "\n",
                        },
                    },
                };
                break;

            default:
                break;
        }

        return Task.CompletedTask;
    }
}
