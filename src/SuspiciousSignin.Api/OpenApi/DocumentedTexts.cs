using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.OpenApi;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.OpenApi;

/// <summary>What the OpenAPI documents say in words beyond the comments in the code.</summary>
internal static partial class DocumentedTexts
{
    /// <summary>Says which right an operation needs.</summary>
    public static void NameScope(OpenApiOperation operation, ActionDescriptor action)
    {
        var policy = action.EndpointMetadata.OfType<IAuthorizeData>().Single().Policy;
        var needs = policy == Scopes.Any ? "Needs no scope: any valid credential will do."
            : operation.OperationId == "evaluateEvents"
                ? $"Needs the scope `{policy}`; `includeEvents` needs `{Scopes.AlertsRead}` too, unless `store=false`."
            : $"Needs the scope `{policy}`.";
        operation.Description = $"{operation.Description} {needs}";
    }

    public static void Apply(OpenApiDocument document, OpenApiSpecVersion version)
    {
        var schemas = document.Components!.Schemas!;
        NameKnown(schemas[nameof(Warning)].Properties!["code"], ConstantsOf(typeof(WarningCodes)));
        NameKnown(schemas[nameof(RejectedEvent)].Properties!["code"], ConstantsOf(typeof(RejectionCodes)));
        NameKnown(schemas[nameof(Evaluation)].Properties!["shapes"], EventBatch.KnownShapes);
        foreach (var schema in schemas.Values)
        {
            Tidy(schema);
        }

        foreach (var operation in document.Paths.SelectMany(path => path.Value.Operations ?? []).Select(operation => operation.Value))
        {
            operation.Description = Plain(operation.Description);
            foreach (var parameter in operation.Parameters ?? [])
            {
                parameter.Description = Plain(parameter.Description);
            }

            foreach (var answer in (operation.Responses ?? []).Values)
            {
                answer.Description = Plain(answer.Description);
            }
        }

        if (version == OpenApiSpecVersion.OpenApi3_0)
        {
            KeepBesideReferences(schemas.Values, document);
        }
    }

    private static void Tidy(IOpenApiSchema? any)
    {
        if (any is OpenApiSchemaReference { Reference: { } reference })
        {
            // The schema that it refers to has a description of its own.
            reference.Description = Plain(reference.Description);
        }
        else if (any is OpenApiSchema schema)
        {
            schema.Description = Plain(schema.Description);
            Tidy(schema.Items);
            Tidy(schema.AdditionalProperties);
            foreach (var member in schema.Properties?.Values ?? [])
            {
                Tidy(member);
            }
        }
    }

    /// <summary>Without what is left of the comments in the code: their line breaks, and what XML has for some characters.</summary>
    private static string? Plain(string? comment) => WebUtility.HtmlDecode(comment is null ? null : LineBreak().Replace(comment, " "));

    [GeneratedRegex(@"\s*\n\s*", RegexOptions.NonBacktracking)]
    private static partial Regex LineBreak();

    /// <summary>
    /// OpenAPI 3.0 takes nothing beside a reference. 2.0 does not either, but there generators lose the type of a member that is an
    /// <c>allOf</c>.
    /// </summary>
    private static void KeepBesideReferences(IEnumerable<IOpenApiSchema> schemas, OpenApiDocument document)
    {
        foreach (var members in schemas.Select(schema => schema.Properties).OfType<IDictionary<string, IOpenApiSchema>>())
        {
            foreach (var (name, member) in members.ToArray())
            {
                if (member is OpenApiSchemaReference { Reference: { Id: { } id, Description: { } description } })
                {
                    members[name] = new OpenApiSchema { AllOf = [new OpenApiSchemaReference(id, document)], Description = description };
                }
            }
        }
    }

    /// <summary>Names what callers may branch on. No enumeration, which generated clients take to be all that there will be.</summary>
    private static void NameKnown(IOpenApiSchema schema, IEnumerable<string> names) => schema.Description +=
        $" Among them: {string.Join(", ", names.Select(name => $"`{name}`"))}; later versions may have more.";

    private static IEnumerable<string> ConstantsOf(Type codes) => codes.GetFields().Select(field => (string)field.GetRawConstantValue()!);
}
