using System.Text.Json;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>What became of every action of a bulk request, as clients of Elasticsearch read it.</summary>
internal static class BulkAnswer
{
    private static readonly string[] ActionNames = ["index", "create", "update", "delete"];

    private static readonly ItemResult TooManyRequests = new(
        429, null, "es_rejected_execution_exception", "Too many requests are going on. Send the document again.");

    /// <summary>The results of a request that was carried out.</summary>
    public static List<ItemResult> ResultsOf(BulkBatch batch, AppendResult appended)
    {
        var refused = appended.Rejected.ToDictionary(rejected => rejected.Index);
        return [.. batch.Items.Select(ResultOf)];

        ItemResult ResultOf(BulkItem item)
        {
            var rejected = item.Rejected;
            var isNew = false;
            for (var i = item.FirstEvent; i < item.FirstEvent + item.EventCount; i++)
            {
                rejected ??= refused.GetValueOrDefault(batch.Events[i].Position);
                isNew |= !appended.Duplicates.Contains(i);
            }

            return (rejected, isNew, item.Action) switch
            {
                ({ } why, _, _) => OfRejected(why),
                (_, true, _) => new ItemResult(201, "created"),
                // An envelope in which there is nothing.
                _ when item.EventCount == 0 => new ItemResult(200, "noop"),
                (_, _, BulkAction.Create) => new ItemResult(
                    409,
                    null,
                    "version_conflict_engine_exception",
                    "version conflict, document already exists: an event of this identity is kept already."),
                // Elasticsearch would replace the document. Here events never change, and a known one is kept as it is.
                _ => new ItemResult(200, "noop"),
            };
        }
    }

    /// <summary>The results of a request that there is no room for now: clients send every item again.</summary>
    public static List<ItemResult> AllTooMany(BulkBatch batch) => [.. batch.Items.Select(_ => TooManyRequests)];

    public static void Write(
        Utf8JsonWriter json, BulkBatch batch, IReadOnlyList<ItemResult> results, long tookMilliseconds, FilterPath filter)
    {
        json.WriteStartObject();
        if (filter.Keeps("errors"))
        {
            json.WriteBoolean("errors", results.Any(result => result.Error is not null));
        }

        if (filter.Keeps("took"))
        {
            json.WriteNumber("took", tookMilliseconds);
        }

        var members = Enum.GetValues<BulkAction>().Select(action => Members.Of(filter, ActionNames[(int)action])).ToArray();
        var isInItems = false;
        for (var i = 0; i < results.Count; i++)
        {
            var (item, result) = (batch.Items[i], results[i]);
            var kept = members[(int)item.Action];
            if (!kept.HasAny(item, result))
            {
                continue;
            }

            if (!isInItems)
            {
                json.WriteStartArray("items");
                isInItems = true;
            }

            WriteItem(json, item, result, kept);
        }

        if (isInItems)
        {
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteItem(Utf8JsonWriter json, BulkItem item, ItemResult result, Members kept)
    {
        json.WriteStartObject();
        json.WriteStartObject(ActionNames[(int)item.Action]);
        if (kept.Index)
        {
            json.WriteString("_index", item.Index);
        }

        if (kept.Id && item.Id is not null)
        {
            json.WriteString("_id", item.Id);
        }

        if (kept.Status)
        {
            json.WriteNumber("status", result.Status);
        }

        if (kept.Result && result.Result is not null)
        {
            json.WriteString("result", result.Result);
        }

        if (result.Error is not null && (kept.ErrorType || kept.ErrorReason))
        {
            json.WriteStartObject("error");
            if (kept.ErrorType)
            {
                json.WriteString("type", result.Error);
            }

            if (kept.ErrorReason)
            {
                json.WriteString("reason", result.Reason);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    // 400 also where the document is too long: Logstash sends items of any other failure again, for ever.
    private static ItemResult OfRejected(RejectedEvent rejected) => new(
        400,
        null,
        rejected.Code switch
        {
            RejectionCodes.UnsupportedAction or RejectionCodes.InvalidId => "illegal_argument_exception",
            _ => "document_parsing_exception",
        },
        rejected.Pointer.Length == 0
            ? $"{rejected.Code}: {rejected.Message}"
            : $"{rejected.Code} at {rejected.Pointer}: {rejected.Message}");

    /// <summary>What became of one action.</summary>
    internal readonly record struct ItemResult(int Status, string? Result, string? Error = null, string? Reason = null);

    /// <summary>The members of an item that the client wants.</summary>
    private readonly record struct Members(bool Index, bool Id, bool Status, bool Result, bool ErrorType, bool ErrorReason)
    {
        public static Members Of(FilterPath filter, string action) => new(
            filter.Keeps("items", action, "_index"),
            filter.Keeps("items", action, "_id"),
            filter.Keeps("items", action, "status"),
            filter.Keeps("items", action, "result"),
            filter.Keeps("items", action, "error", "type"),
            filter.Keeps("items", action, "error", "reason"));

        public bool HasAny(BulkItem item, ItemResult result) =>
            Index || Status || (Id && item.Id is not null) || (Result && result.Result is not null)
            || (result.Error is not null && (ErrorType || ErrorReason));
    }
}
