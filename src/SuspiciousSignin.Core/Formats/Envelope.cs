using System.Text.Json;

namespace SuspiciousSignin.Formats;

/// <summary>What records come wrapped in. An envelope is no event: what it holds is received, each with its own index.</summary>
internal static class Envelope
{
    /// <summary>The object in the response of a search whose member of the same name is the list.</summary>
    public const string Hits = "hits";

    private const string Events = "events";
    private const string Records = "records";
    private const string Value = "value";

    /// <summary>The members of an envelope that events may be in; which of them do, <see cref="MayHoldEvents"/> says.</summary>
    public static readonly string[] EventMembers = [Events, Records, Value, Hits];

    /// <summary>Those of its object <see cref="Hits"/>.</summary>
    public static readonly string[] EventMembersOfHits = [Hits];

    /// <summary>The members by which a page of Microsoft Graph is known.</summary>
    public static readonly string[] GraphMembers = ["@odata.context", "@odata.nextLink"];

    /// <summary>The members that may say that an envelope holds less than there is.</summary>
    public static readonly string[] IncompleteMembers = ["timed_out", "terminated_early", "_shards", "_clusters", "@odata.nextLink"];

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
            return [new Content(root.Get("_source") is { ValueKind: JsonValueKind.Object } source ? source : root.Get("fields"))];
        }

        if (ListsOf(root).FirstOrDefault() is { ValueKind: JsonValueKind.Array } list)
        {
            return All(list);
        }

        if (root.Get("o365audit") is { ValueKind: JsonValueKind.Object } audit)
        {
            return [new Content(audit)];
        }

        return root.GetAnyCase("AuditData") switch
        {
            { ValueKind: JsonValueKind.Object } record => [new Content(record)],
            { ValueKind: JsonValueKind.String } text => [new Content(default, text.GetString(), "/AuditData")],
            _ => null,
        };
    }

    /// <summary>
    /// What the <c>message</c> of a shipped record holds, or null where that is JSON of no known shape: a record, or an envelope of some,
    /// such as a whole Event Hub message. Text that is no JSON is a record too, one that was cut off; whoever reads it says so.
    /// </summary>
    public static IEnumerable<Content>? OpenMessage(JsonElement root)
    {
        if (root.Get("message") is not { ValueKind: JsonValueKind.String } message)
        {
            return null;
        }

        var content = new Content(default, message.GetString(), "/message");
        try
        {
            using var record = JsonDocument.Parse(content.Text!, new JsonDocumentOptions { MaxDepth = EcsBuilder.MaxDepth });
            return IsRecord(record.RootElement)
                || Open(record.RootElement)?.Any(inside => inside.Text is not null || IsRecord(inside.Element)) == true
                ? [content]
                : null;
        }
        catch (JsonException)
        {
            return [content];
        }
    }

    /// <summary>Whether an array may hold events, by the name of its member.</summary>
    /// <param name="name">The name.</param>
    /// <param name="isInHits">Whether the member is one of the object <see cref="Hits"/>, not of the envelope itself.</param>
    /// <param name="isOfGraph">Whether the envelope has one of <see cref="GraphMembers"/>: else anything may be called value.</param>
    public static bool MayHoldEvents(string? name, bool isInHits, bool isOfGraph) => name switch
    {
        Events or Records => !isInHits,
        Value => !isInHits && isOfGraph,
        Hits => isInHits,
        _ => false,
    };

    /// <summary>Whether an object of that name, beside a list of events, may have been meant to hold more of them.</summary>
    public static bool MayHideEvents(string? name) => name is Events or Records or Hits;

    /// <summary>Whether the envelope says that it holds less than there is.</summary>
    public static bool IsIncomplete(JsonElement root) => IncompleteMembers.Any(name => SaysIncomplete(name, root.Get(name)));

    /// <summary>
    /// Whether a member of an envelope says so: failed shards, clusters that were not asked or failed, a search that ended early, a next
    /// page.
    /// </summary>
    public static bool SaysIncomplete(string name, JsonElement value) => name switch
    {
        "timed_out" or "terminated_early" => value.ValueKind == JsonValueKind.True,
        "@odata.nextLink" => value.ValueKind == JsonValueKind.String,
        "_shards" => value.Get("failed").Number() > 0,
        "_clusters" => value.Get("skipped").Number() > 0 || value.Get("failed").Number() > 0 || value.Get("partial").Number() > 0,
        _ => false,
    };

    /// <summary>Whether the envelope itself, not what it holds, has a key twice or several lists: one of the two would be lost.</summary>
    public static bool HasTwice(JsonElement root) =>
        ListsOf(root).Count > 1
        || new[] { root, root.Get(Hits) }
            .Any(level => level.Members().CountBy(member => member.Name, StringComparer.Ordinal).Any(name => name.Value > 1));

    /// <summary>
    /// Whether a document of no known shape has members that only an ECS document has, so that it lacks no more than its time.
    /// </summary>
    public static bool IsMeantAsEcs(JsonElement root) =>
        !root.Members().Any() || root.Members().Any(member => EcsRoots.Contains(member.Name.Split('.')[0], StringComparer.Ordinal));

    private static bool IsRecord(JsonElement document) => RecordShapes.All.Any(shape => shape.Matches(document));

    private static bool IsHit(JsonElement root) =>
        root.Get("_source").ValueKind == JsonValueKind.Object
        || (root.Has("_id") && root.Has("_index") && root.Get("fields").ValueKind == JsonValueKind.Object);

    /// <summary>The lists of events that an envelope has.</summary>
    private static List<JsonElement> ListsOf(JsonElement root)
    {
        var isOfGraph = GraphMembers.Any(name => root.Has(name));
        var lists = new List<JsonElement>();
        foreach (var name in EventMembers)
        {
            var isInHits = name == Hits;
            if (MayHoldEvents(name, isInHits, isOfGraph)
                && (isInHits ? root.Get(Hits) : root).Get(name) is { ValueKind: JsonValueKind.Array } list)
            {
                lists.Add(list);
            }
        }

        return lists;
    }

    private static IEnumerable<Content> All(JsonElement array)
    {
        foreach (var item in array.EnumerateArray())
        {
            yield return new Content(item, IsListed: true);
        }
    }

    /// <summary>One document of an envelope.</summary>
    /// <param name="Element">The document.</param>
    /// <param name="Text">The document where it is text.</param>
    /// <param name="Pointer">Where that text stands.</param>
    /// <param name="IsListed">Whether it is one of a list, so that what names the envelope does not name it.</param>
    internal readonly record struct Content(
        JsonElement Element, string? Text = null, string Pointer = "", bool IsListed = false);
}
