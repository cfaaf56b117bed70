using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ingest;

namespace SuspiciousSignin.Api.Requests;

/// <summary>
/// Refuses misspelt, repeated and empty query parameters: neither a misspelt bound nor a variable that was not set must mean the default.
/// </summary>
internal sealed class KnownQueryParametersFilter : IActionFilter
{
    /// <summary>What whoever sends a parameter to a path without any is told.</summary>
    public const string TakesNone = "There is no such parameter; this path takes none.";

    private readonly ConcurrentDictionary<ActionDescriptor, HashSet<string>> _known = [];

    public void OnActionExecuting(ActionExecutingContext context)
    {
        if (context.HttpContext.Request.Query.Count == 0
            || context.ActionDescriptor.EndpointMetadata.OfType<SpeaksElasticsearchAttribute>().Any())
        {
            // Clients of Elasticsearch send many that mean nothing here, such as refresh and timeout.
            return;
        }

        var known = _known.GetOrAdd(context.ActionDescriptor, NamesOf);
        var errors = new Dictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var (name, values) in context.HttpContext.Request.Query)
        {
            if (!known.Contains(name))
            {
                errors[Shown(name)] = [known.Count == 0
                    ? TakesNone
                    : $"There is no such parameter. The parameters are: {string.Join(", ", known.Order(StringComparer.Ordinal))}."];
            }
            else if (values.Count > 1)
            {
                errors[Shown(name)] = ["The parameter is given more than once."];
            }
            else if (string.IsNullOrWhiteSpace(values))
            {
                errors[Shown(name)] = ["The parameter has no value. Leave it out for its default."];
            }
        }

        if (errors.Count > 0 && context.Controller is ControllerBase controller)
        {
            context.Result = controller.Refuse(
                StatusCodes.Status400BadRequest, Problems.Detail("The request cannot be read", errors), errors);
        }
    }

    public void OnActionExecuted(ActionExecutedContext context)
    {
        // Nothing to do after the action; the interface asks for both.
    }

    private static string Shown(string name) => name.Length <= 64 ? name : name[..64];

    private static HashSet<string> NamesOf(ActionDescriptor action)
    {
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var parameter in action.Parameters.Where(parameter => parameter.BindingInfo?.BindingSource == BindingSource.Query))
        {
            names.UnionWith(parameter.ParameterType.GetProperties()
                .Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name)));
        }

        return names;
    }
}
