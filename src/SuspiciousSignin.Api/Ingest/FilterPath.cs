using System.IO.Enumeration;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>
/// Elasticsearch's <c>filter_path</c>: which members of an answer the client wants. Shippers send it to keep answers short. Names may hold
/// <c>*</c>; <c>**</c> stands for any number of names; a leading <c>-</c> leaves members out. A path that leads to an object keeps all of
/// it.
/// </summary>
internal sealed class FilterPath
{
    private readonly List<string[]> _wanted = [];
    private readonly List<string[]> _unwanted = [];

    public FilterPath(HttpRequest request)
    {
        foreach (var path in request.Query["filter_path"]
            .SelectMany(value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)))
        {
            // Several ** in a row mean what one does, and each would be a choice to try with every name.
            var names = path.TrimStart('-').Split('.');
            (path[0] == '-' ? _unwanted : _wanted).Add([.. names.Where((name, at) => name != "**" || at == 0 || names[at - 1] != "**")]);
        }
    }

    /// <summary>Whether the value at this path is part of the answer.</summary>
    public bool Keeps(params ReadOnlySpan<string> path) =>
        (_wanted.Count == 0 || LeadsTo(_wanted, path)) && !LeadsTo(_unwanted, path);

    /// <summary>What is left of an answer of objects and values.</summary>
    public JsonObject Apply(JsonObject answer)
    {
        Trim(answer, []);
        return answer;
    }

    private void Trim(JsonObject node, string[] path)
    {
        foreach (var (name, value) in node.ToList())
        {
            string[] here = [.. path, name];
            if (value is JsonObject inner)
            {
                Trim(inner, here);
            }

            if (value is JsonObject { Count: 0 } || (value is not JsonObject && !Keeps(here)))
            {
                node.Remove(name);
            }
        }
    }

    private static bool LeadsTo(List<string[]> patterns, ReadOnlySpan<string> path)
    {
        foreach (var pattern in patterns)
        {
            if (LeadsTo(pattern, path))
            {
                return true;
            }
        }

        return false;
    }

    private static bool LeadsTo(ReadOnlySpan<string> pattern, ReadOnlySpan<string> path)
    {
        if (pattern.IsEmpty)
        {
            return true;
        }

        if (pattern[0] == "**")
        {
            return LeadsTo(pattern[1..], path) || (!path.IsEmpty && LeadsTo(pattern, path[1..]));
        }

        return !path.IsEmpty
            && FileSystemName.MatchesSimpleExpression(pattern[0], path[0], ignoreCase: false)
            && LeadsTo(pattern[1..], path[1..]);
    }
}
