using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.OpenApi;
using SuspiciousSignin.Api.Detections;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.OpenApi;

/// <summary>
/// How long and how many, in the OpenAPI documents: what validation enforces for requests; for answers what cannot be exceeded, so that
/// generated clients know what to expect. Also what every answer may be besides what its controller says.
/// </summary>
internal static class DocumentedBounds
{
    // What JSON readers take exactly (RFC 8259, section 6): many know no other numbers than doubles.
    private const long MaxWhole = (1L << 53) - 1;

    // Nothing of our own writing is longer: the longest is the ES|QL text of a revision.
    private const int LongestOwnText = 65_536;

    private const string NotThisMachine = "Without keys: a page of another site, or, in Development, another machine.";

    private static readonly Dictionary<string, int> MaxLengths = new(StringComparer.Ordinal)
    {
        ["ip"] = 128,
        ["from"] = TimeExpression.MaxLength,
        ["to"] = TimeExpression.MaxLength,
        ["ingestedAfter"] = TimeExpression.MaxLength,
        ["timeShift"] = TimeShift.MaxLength,
        ["cursor"] = EventCursor.MaxLength,
        ["Idempotency-Key"] = IdempotencyLimits.KeyLength,
    };

    private static readonly Dictionary<string, int> MaxItems = new(StringComparer.Ordinal)
    {
        ["alerts"] = RequestRules.MaxLimit,
        ["events"] = RequestRules.MaxLimit,
        ["rejected"] = EventBatch.MaxRejectionsTold,
    };

    public static void Apply(OpenApiDocument document, EventReaderOptions events, RunOptions runs)
    {
        var longest = Math.Max(LongestOwnText, events.MaxEventBytes);
        foreach (var (name, schema) in document.Components?.Schemas ?? new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal))
        {
            if (name == "ProblemDetails" && schema is OpenApiSchema { Properties: { } members } own)
            {
                own.Description = "An error (RFC 9457).";
                DescribeProblem(members);
                own.Required = new HashSet<string>(["type", "title", "status", "detail", "traceId", "message"], StringComparer.Ordinal);
            }

            if (name == nameof(DetectionRequest) && schema.Properties is { } ofRun)
            {
                ((OpenApiSchema)ofRun["sourceIps"]).MaxItems = runs.MaxAddresses;
                foreach (var (member, value) in ofRun)
                {
                    SetDefault(value, member, "runDetection", runs);
                }
            }

            if (name == nameof(Evaluation) && schema.Properties?["alerts"] is OpenApiSchema alerts)
            {
                // Each address of its events may have one.
                alerts.MaxItems = (int)Math.Min(int.MaxValue, (long)events.MaxEvents * EventReaderOptions.MaxAddresses);
            }

            Bound(schema, name: "", longest, isRequest: name.EndsWith("Request", StringComparison.Ordinal));
        }

        foreach (var operation in (document.Paths ?? [])
            .SelectMany(path => path.Value.Operations ?? [])
            .Select(operation => operation.Value))
        {
            foreach (var parameter in operation.Parameters ?? [])
            {
                if (parameter is OpenApiParameter { Schema: { } schema } own)
                {
                    own.Schema = NeverNull(schema);
                    SetDefault(own.Schema, parameter.Name ?? "", operation.OperationId, runs);
                }

                Bound(parameter.Schema, parameter.Name ?? "", longest, isRequest: true);
            }

            foreach (var content in (operation.RequestBody?.Content
                ?? new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)).Values)
            {
                content.Schema = content.Schema is null ? null : NeverNull(content.Schema);
                foreach (var array in (content.Schema?.OneOf ?? []).Append(content.Schema)
                    .OfType<OpenApiSchema>()
                    .Where(any => any.Type == JsonSchemaType.Array))
                {
                    array.MaxItems = events.MaxEvents;
                }

                if (content.Schema is OpenApiSchema { Type: JsonSchemaType.String } text)
                {
                    text.MaxLength = (int)Math.Min(int.MaxValue, events.MaxBodyBytes);
                }
            }

            CompleteAnswers(operation, document);
        }
    }

    /// <summary>What holds where a request does not say: generated clients else send their own, such as a limit of 0.</summary>
    private static void SetDefault(IOpenApiSchema any, string name, string? operation, RunOptions runs)
    {
        if (any is OpenApiSchema schema)
        {
            schema.Default = name switch
            {
                "limit" => RequestRules.DefaultLimit,
                "revision" => RuleCatalogue.DefaultRevision,
                "promote" => runs.Promote,
                "store" => true,
                "includeEvents" => operation == "getAlertsOfAddress",
                _ => null,
            };
        }
    }

    /// <summary>What any endpoint may answer, and the headers that come with answers.</summary>
    private static void CompleteAnswers(OpenApiOperation operation, OpenApiDocument document)
    {
        var answers = operation.Responses ??= [];
        answers.TryAdd("400", Problem("A parameter cannot be read, or there is none of that name.", document));
        answers.TryAdd("401", Problem("No key or token; or an unknown or expired key, or a token that is refused.", document));
        answers.TryAdd(
            "403",
            Problem(
                operation.OperationId == "getLimits" ? NotThisMachine : $"The credential lacks the scope. {NotThisMachine}",
                document));
        answers.TryAdd("415", Problem("The body has a Content-Encoding that is not taken.", document));
        answers.TryAdd("408", Problem("The request was sent too slowly.", document));
        answers.TryAdd("429", Problem("Too many requests; Retry-After says when to try again.", document));
        answers.TryAdd("503", Problem("The provider of tokens cannot be asked; Retry-After says when to try again.", document));
        answers.TryAdd("500", Problem("Something failed on our side; the log has more under the traceId.", document));
        foreach (var (status, answer) in answers)
        {
            if (answer is not OpenApiResponse response)
            {
                continue;
            }

            response.Headers ??= new Dictionary<string, IOpenApiHeader>(StringComparer.Ordinal);
            response.Headers["RateLimit-Policy"] = Header(
                "How many requests the caller has in how many seconds (draft-ietf-httpapi-ratelimit-headers). "
                + "Absent where no rate limit holds for the call.",
                JsonSchemaType.String);
            response.Headers["RateLimit"] = Header(
                "What is left to the caller (draft-ietf-httpapi-ratelimit-headers). "
                + "Absent where no rate limit holds for the call.",
                JsonSchemaType.String);
            if (status == "401")
            {
                response.Headers["WWW-Authenticate"] = Header(
                    "How to show who calls: `ApiKey`, and `Bearer` where tokens of a provider are taken (RFC 9110).",
                    JsonSchemaType.String);
            }

            if (status[0] == '2' && operation.OperationId == "getEventsOfAddress")
            {
                response.Headers["Link"] = Header(
                    "Where the next page is (rel=\"next\", RFC 8288). Absent on the last.",
                    JsonSchemaType.String);
            }

            if (status is "409" or "429" or "503")
            {
                response.Headers["Retry-After"] = Header("Seconds to wait before the next try.", JsonSchemaType.Integer);
            }
        }
    }

    private static OpenApiResponse Problem(string description, OpenApiDocument document) => new()
    {
        Description = description,
        Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
        {
            [Problems.ContentType] = new() { Schema = new OpenApiSchemaReference("ProblemDetails", document) },
        },
    };

    private static OpenApiHeader Header(string description, JsonSchemaType type)
    {
        var schema = new OpenApiSchema { Type = type, Format = type == JsonSchemaType.Integer ? "int32" : null };
        Bound(schema, name: "", longest: 256, isRequest: false);
        return new OpenApiHeader { Description = description, Schema = schema };
    }

    private static void DescribeProblem(IDictionary<string, IOpenApiSchema> members)
    {
        members["type"].Description = "The kind of problem, as the URL of what defines it.";
        members["title"].Description = "The kind of problem in words.";
        members["status"].Description = "The status of the answer.";
        members["detail"].Description = "What is wrong, and what to do.";
        members["instance"].Description = "Reserved; never there today.";
        members["traceId"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "What the log calls the request." };
        members["message"] = new OpenApiSchema
        {
            Type = JsonSchemaType.String,
            Description = "The detail again, for playbooks that show this member.",
        };
        members["errors"] = new OpenApiSchema
        {
            Type = JsonSchemaType.Object,
            Description = "What is at fault, by JSON pointer or parameter name.",
            AdditionalProperties = new OpenApiSchema
            {
                Type = JsonSchemaType.Array,
                Items = new OpenApiSchema { Type = JsonSchemaType.String },
            },
        };
    }

    private static void Bound(IOpenApiSchema? any, string name, int longest, bool isRequest)
    {
        if (any is not OpenApiSchema schema)
        {
            return;
        }

        // What a converter of ours reads has no type.
        schema.Type ??= schema.Enum is { Count: > 0 } ? JsonSchemaType.String
            : schema.Format == "int32" ? JsonSchemaType.Integer
            : null;
        if (Is(schema, JsonSchemaType.String) && schema.Enum is not { Count: > 0 })
        {
            if (isRequest && name == "revision")
            {
                schema.Enum = [.. RuleCatalogue.RevisionNames.Select(revision => JsonValue.Create(revision))];
            }
            else
            {
                schema.MinLength ??= name == "Idempotency-Key" ? 1 : null;
                schema.MaxLength ??= isRequest ? MaxLengths.GetValueOrDefault(name, 128) : longest;
            }
        }

        if (Is(schema, JsonSchemaType.Integer))
        {
            var (least, most) = (isRequest, schema.Format) switch
            {
                // The limit is the only number in a request.
                (true, _) => (1L, RequestRules.MaxLimit),
                // By how much a recording was moved, and what events say themselves; everything else is counted.
                (_, "int64") => (name is "milliseconds" or "operationCount" or "number" ? -MaxWhole : 0, MaxWhole),
                _ => (0, int.MaxValue),
            };
            schema.Minimum ??= least.ToString(CultureInfo.InvariantCulture);
            schema.Maximum ??= most.ToString(CultureInfo.InvariantCulture);
        }

        if (Is(schema, JsonSchemaType.Array))
        {
            schema.MaxItems ??= MaxItems.GetValueOrDefault(name, int.MaxValue);
            Bound(schema.Items, name: "ip", longest, isRequest);
        }

        Bound(schema.AdditionalProperties, name: "", longest, isRequest);
        foreach (var (member, inner) in schema.Properties?.ToArray() ?? [])
        {
            schema.Properties![member] = NeverNull(inner);
            Bound(schema.Properties[member], member, longest, isRequest);
        }
    }

    /// <summary>
    /// What may be null in the code is absent in an answer, and may be left out of a request. To say so needs no null, which OpenAPI 2.0
    /// does not know, 3.0 not beside a reference, and of 3.1 many importers not.
    /// </summary>
    private static IOpenApiSchema NeverNull(IOpenApiSchema any)
    {
        if (any is not OpenApiSchema schema)
        {
            return any;
        }

        schema.Type &= ~JsonSchemaType.Null;
        return schema.OneOf?.OfType<OpenApiSchemaReference>().SingleOrDefault() ?? any;
    }

    private static bool Is(OpenApiSchema schema, JsonSchemaType type) => schema.Type?.HasFlag(type) == true;
}
