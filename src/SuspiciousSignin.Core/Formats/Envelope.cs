using System.Text.Json;

namespace SuspiciousSignin.Formats;

/// <summary>What records come wrapped in. An envelope is no event: what it holds is received, each with its own index.</summary>
internal static class Envelope
{
    private static readonly string[] EcsRoots = ["@timestamp", "event", "source", "data_stream", "kibana", "ecs"];

    /// <summary>What an envelope holds, or null where the document is none.</summary>
    public static IEnumerable<Content>? Open(JsonElement root)
    {
        if (root.ValueKind == JsonValueKind.Array)
        {
            // An empty array in place of an event is no event; one that holds some is a message of several.
            return root.GetArrayLength() == 0 ? null : All(root);
        }

        if (root.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        if (IsHit(root))
        {
            var identity = new DocumentIdentity(root.Get("_id").Text(), root.Get("_index").Text());
            return [new Content(root.Get("_source") is { ValueKind: JsonValueKind.Object } source ? source : root.Get("fields"), identity)];
        }

        if (root.Get("events") is { ValueKind: JsonValueKind.Array } events)
        {
            return All(events);
        }

        if (root.Get("records") is { ValueKind: JsonValueKind.Array } records)
        {
            return All(records);
        }

        if (root.Get("value") is { ValueKind: JsonValueKind.Array } value && (root.Has("@odata.context") || root.Has("@odata.nextLink")))
        {
            return All(value);
        }

        if (root.Get("hits").Get("hits") is { ValueKind: JsonValueKind.Array } hits)
        {
            return All(hits);
        }

        if (root.Get("o365audit") is { ValueKind: JsonValueKind.Object } audit)
        {
            return [new Content(audit)];
        }

        return root.GetAnyCase("AuditData") switch
        {
            { ValueKind: JsonValueKind.Object } record => [new Content(record)],
            { ValueKind: JsonValueKind.String } text => [new Content(default, default, text.GetString(), "/AuditData")],
            _ => null,
        };
    }

    /// <summary>
    /// What the <c>message</c> of a shipped record holds, or null where that is JSON of no known shape: a record, or an envelope of some, such as a whole
    /// Event Hub message. Text that is no JSON is a record too, one that was cut off; whoever reads it says so.
    /// </summary>
    public static IEnumerable<Content>? OpenMessage(JsonElement root)
    {
        if (root.Get("message") is not { ValueKind: JsonValueKind.String } message)
        {
            return null;
        }

        var content = new Content(default, default, message.GetString(), "/message");
        try
        {
            using var record = JsonDocument.Parse(content.Text!, new JsonDocumentOptions { MaxDepth = EcsBuilder.MaxDepth });
            return IsRecord(record.RootElement) || Open(record.RootElement)?.Any(inside => inside.Text is not null || IsRecord(inside.Element)) == true ? [content] : null;
        }
        catch (JsonException)
        {
            return [content];
        }
    }

    /// <summary>Whether the envelope says that it holds less than there is: failed shards, a time-out, a next page.</summary>
    public static bool IsIncomplete(JsonElement root) =>
        root.Get("timed_out").ValueKind == JsonValueKind.True || root.Get("@odata.nextLink").ValueKind == JsonValueKind.String || HasFailed(root.Get("_shards"));

    /// <summary>Whether a search could not look into all shards.</summary>
    public static bool HasFailed(JsonElement shards) => shards.Get("failed").Number() > 0;

    /// <summary>Whether the envelope itself, not what it holds, has a key or its list twice: one of the two would be lost.</summary>
    public static bool HasTwice(JsonElement root) =>
        (root.Get("events").ValueKind == JsonValueKind.Array && root.Get("records").ValueKind == JsonValueKind.Array)
        || new[] { root, root.Get("hits") }.Any(level => level.Members().CountBy(member => member.Name, StringComparer.Ordinal).Any(name => name.Value > 1));

    /// <summary>Whether a document of no known shape has members that only an ECS document has, so that it lacks no more than its time.</summary>
    public static bool IsMeantAsEcs(JsonElement root) =>
        !root.Members().Any() || root.Members().Any(member => EcsRoots.Contains(member.Name.Split('.')[0], StringComparer.Ordinal));

    private static bool IsRecord(JsonElement document) => RecordShapes.All.Any(shape => shape.Matches(document));

    private static bool IsHit(JsonElement root) =>
        root.Get("_source").ValueKind == JsonValueKind.Object || (root.Has("_id") && root.Has("_index") && root.Get("fields").ValueKind == JsonValueKind.Object);

    private static IEnumerable<Content> All(JsonElement array)
    {
        foreach (var item in array.EnumerateArray())
        {
            yield return new Content(item, IsListed: true);
        }
    }

    /// <summary>One document of an envelope.</summary>
    /// <param name="Element">The document.</param>
    /// <param name="Identity">What the envelope says beside it.</param>
    /// <param name="Text">The document where it is text.</param>
    /// <param name="Pointer">Where that text stands.</param>
    /// <param name="IsListed">Whether it is one of a list, so that what names the envelope does not name it.</param>
    internal readonly record struct Content(
        JsonElement Element, DocumentIdentity Identity = default, string? Text = null, string Pointer = "", bool IsListed = false);
}
