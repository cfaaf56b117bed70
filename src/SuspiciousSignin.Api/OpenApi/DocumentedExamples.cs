using System.Text.Json;
using System.Text.Json.Nodes;
using FluentValidation;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Detections;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ips;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Rule;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using HttpJson = Microsoft.AspNetCore.Http.Json.JsonOptions;

namespace SuspiciousSignin.Api.OpenApi;

/// <summary>What the OpenAPI documents show of requests and of the answers to them.</summary>
internal static class DocumentedExamples
{
    private const string From = "now-8h";
    private const string To = "now";
    private const string Revision = "resilient";

    // So few that the example shows how pages go on.
    private const int EventsOnPage = 2;

    /// <summary>Examples that work as they stand: the requests are dated from the moment the document is read.</summary>
    public static async Task AddAsync(
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
                $$"""{"from":"{{From}}","to":"{{To}}","revision":"{{Revision}}","includeEvents":true}""");
        }
        else if (operation.OperationId == "evaluateEvents")
        {
            operation.RequestBody = BatchBody(
                SampleScenario.Text(clock.GetUtcNow()).Split('\n', StringSplitOptions.RemoveEmptyEntries),
                version);
        }

        if (await AnswerOfAsync(operation.OperationId, context.ApplicationServices, cancellationToken) is { } answer)
        {
            operation.Responses!["200"].Content!["application/json"].Example = JsonSerializer.SerializeToNode(
                answer, answer.GetType(), context.ApplicationServices.GetRequiredService<IOptions<HttpJson>>().Value.SerializerOptions);
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
                    + "the same request (parameters and body) of the same caller with the same key gets the first answer again.";
            }
            else if (parameter.In == ParameterLocation.Query)
            {
                parameter.Name = JsonNamingPolicy.CamelCase.ConvertName(parameter.Name!);
                parameter.Example ??= parameter.Name switch
                {
                    "from" => From,
                    "to" => To,
                    "revision" => Revision,
                    "limit" => operation.OperationId == "getEventsOfAddress" ? EventsOnPage : RequestRules.DefaultLimit,
                    // In Development the store holds the events of the example already.
                    "store" => false,
                    _ => null,
                };
            }
        }
    }

    /// <summary>Shows each problem as the service writes it.</summary>
    public static void AddProblems(OpenApiDocument document, IServiceProvider services)
    {
        var json = services.GetRequiredService<IOptions<HttpJson>>().Value.SerializerOptions;
        var http = new DefaultHttpContext { RequestServices = services, TraceIdentifier = "0HN7S1V0Q2F3K:00000001" };
        foreach (var (operation, status, response) in (document.Paths ?? [])
            .SelectMany(path => path.Value.Operations ?? [])
            .SelectMany(operation => operation.Value.Responses ?? [], (operation, answer) => (operation.Value, answer.Key, answer.Value)))
        {
            if (response.Content?.TryGetValue(Problems.ContentType, out var problem) == true)
            {
                var result = RefusalOf(operation.OperationId, status, http)
                    ?? Problems.Result(http, int.Parse(status), response.Description ?? "");
                problem.Example = JsonSerializer.SerializeToNode((ProblemDetails)result.Value!, json);
            }
        }
    }

    /// <summary>What a faulty request is answered; null for what is no fault of a member or parameter.</summary>
    private static ObjectResult? RefusalOf(string? operation, string status, HttpContext http)
    {
        const string NoTime = "yesterday";
        return (operation, status) switch
        {
            ("runDetection", "400") => Refusal(new DetectionRequest { From = NoTime }, inBody: true),
            ("runDetection", "422") => Refusal(new DetectionRequest { Limit = 0 }, inBody: true),
            ("evaluateEvents", "400") => Refusal(new EvaluationRequest { From = NoTime }),
            ("evaluateEvents", "422") => Refusal(new EvaluationRequest { Revision = "latest" }),
            ("getAlertsOfAddress", "400") => Refusal(new AddressAlertsRequest { From = NoTime }),
            ("getAlertsOfAddress", "422") => Refusal(new AddressAlertsRequest { Limit = 0 }),
            ("getEventsOfAddress", "400") => Refusal(new AddressEventsRequest { From = NoTime }),
            ("getEventsOfAddress", "422") => Refusal(new AddressEventsRequest { Limit = 0 }),
            (_, "400") => OfUnknownParameter(),
            _ => null,
        };

        ObjectResult Refusal<T>(T request, bool inBody = false) => Problems.Invalid(
            http,
            http.RequestServices.GetRequiredService<IValidator<T>>()
                .Validate(request, http.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow()),
            inBody);

        ObjectResult OfUnknownParameter()
        {
            var errors = new Dictionary<string, string[]>(StringComparer.Ordinal) { ["limit"] = [KnownQueryParametersFilter.TakesNone] };
            return Problems.Result(http, StatusCodes.Status400BadRequest, Problems.Detail("The request cannot be read", errors), errors);
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

    /// <summary>What is answered over the sample scenario to the example of the request; null for what shows no example.</summary>
    private static async Task<object?> AnswerOfAsync(string? operation, IServiceProvider services, CancellationToken cancellationToken)
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

        var (clock, runs) = (services.GetRequiredService<TimeProvider>(), services.GetRequiredService<RunOptions>());
        var correlation = new CorrelationService(
            new MemoryEventStore(new MemoryStoreOptions(), clock), clock, services.GetRequiredService<AlertOptions>());
        var asked = new EvaluationRequest { Store = operation != "evaluateEvents", Revision = Revision, From = From, To = To };
        var now = clock.GetUtcNow();
        var evaluation = await SampleScenario.EvaluateAsync(correlation, now, asked.ToQuery(now, runs), cancellationToken);
        if (operation == "evaluateEvents")
        {
            return evaluation;
        }

        var address = SourceAddress.Parse("89.160.20.156");
        if (operation == "getEventsOfAddress")
        {
            var events = new AddressEventsRequest { Revision = Revision, From = From, To = To, Limit = EventsOnPage };
            var page = await correlation.EventsOfAsync(events.ToQuery(address, now, runs), cancellationToken);
            return AddressEvents.Of(address, page!);
        }

        if (operation == "runDetection")
        {
            var detection = new DetectionRequest { Revision = Revision, From = From, To = To, IncludeEvents = true };
            return await correlation.RunAsync(detection.ToQuery(now, runs), cancellationToken);
        }

        var alerts = new AddressAlertsRequest { Revision = Revision, From = From, To = To };
        var run = await correlation.RunAsync(alerts.ToQuery(address, now, runs), cancellationToken);
        return AddressAlerts.Of(address, run);
    }

    /// <summary>An array of events, or one object: an event or an envelope. OpenAPI 2.0 can say one of the two only.</summary>
    private static OpenApiSchema BatchSchema(OpenApiSpecVersion version)
    {
        var array = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.Object } };
        return version == OpenApiSpecVersion.OpenApi2_0
            ? array
            : new OpenApiSchema { OneOf = [array, new OpenApiSchema { Type = JsonSchemaType.Object }] };
    }
}
