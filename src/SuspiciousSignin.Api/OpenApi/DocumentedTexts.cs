using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.OpenApi;
using SuspiciousSignin.Api.Auth;

namespace SuspiciousSignin.Api.OpenApi;

/// <summary>What the OpenAPI documents say in words beyond the comments in the code.</summary>
internal static class DocumentedTexts
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
}
