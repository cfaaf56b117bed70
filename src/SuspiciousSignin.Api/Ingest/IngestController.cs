using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>
/// What an Elasticsearch output of a shipper asks for: bulk requests, and the calls that clients begin with. Events sent here are read,
/// bounded and kept as those of <c>POST /api/v1/events</c>; they are not judged until a run.
/// </summary>
[SpeaksElasticsearch]
[Authorize(Scopes.EventsWrite)]
[ApiExplorerSettings(IgnoreApi = true)]
public sealed partial class IngestController(
    CorrelationService correlation,
    EventReaderOptions readerOptions,
    IngestLimiter limiter,
    StoreHealthCheck health,
    ServiceMetrics metrics,
    TimeProvider clock,
    ILogger<IngestController> logger) : ControllerBase
{
    /// <summary>
    /// The version whose ingest API this is. Beats refuse a cluster older than themselves, and newer rsyslog and Vector leave out mapping
    /// types where the major version is 8 or more; <c>build_flavor</c> and <c>tagline</c> say what this really is.
    /// </summary>
    private const string CompatibleVersion = "9.4.3";

    private const string Product = "suspicious-signin";

    /// <summary>Takes events in bulk.</summary>
    /// <param name="index">The index of actions that name none.</param>
    [HttpPost("_bulk")]
    [HttpPut("_bulk")]
    [HttpPost("{index}/_bulk")]
    [HttpPut("{index}/_bulk")]
    public async Task<IActionResult> Bulk([FromRoute] string? index, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        if (!IsBulkBody(Request))
        {
            return Error(StatusCodes.Status415UnsupportedMediaType, "Send application/x-ndjson or application/json in UTF-8.");
        }

        using var lease = await limiter.AcquireAsync(Access.CallerOf(User), cancellationToken);
        using var toRefuse = lease.IsAcquired ? null : limiter.AcquireToRefuse();
        if (toRefuse is { IsAcquired: false })
        {
            Response.Headers.RetryAfter = "1";
            return Error(
                StatusCodes.Status429TooManyRequests, "Too many bulk requests are going on. Try again after the time in Retry-After.");
        }

        var (batch, refusal) = await BulkReader.ReadAsync(Request.BodyReader, index, readerOptions, lease.IsAcquired, cancellationToken);
        if (refusal is not null)
        {
            return Error(refusal.Status, refusal.Detail);
        }

        if (batch!.NamesPipeline || Request.Query.ContainsKey("pipeline"))
        {
            TellUnused("pipelines");
        }

        if (!lease.IsAcquired)
        {
            // Per item: most clients send such items again, but not every client a request that was answered 429 as a whole.
            if (limiter.IsToTell("tooMany"))
            {
                Log.TooMany(logger, batch.Items.Count);
            }

            metrics.Deferred(batch.Items.Count);
            return await AnswerAsync(batch, BulkAnswer.AllTooMany(batch), started, cancellationToken);
        }

        var appended = await correlation.AppendAsync(batch.Events, cancellationToken);
        var results = BulkAnswer.ResultsOf(batch, appended);
        metrics.Appended(
            appended.AcceptedOf(batch.Events),
            batch.Batch.RejectedTotal + appended.Rejected.Count,
            appended.Duplicates.Count);
        foreach (var warning in appended.Warnings)
        {
            if (limiter.IsToTell(warning.Code))
            {
                Log.Warned(logger, warning.Code, warning.Count);
            }

            Response.Headers.Append(
                HeaderNames.Warning,
                $"299 {Product} \"{Surface.HeaderText($"{warning.Code}: {warning.Count} events. {warning.Message}")}\"");
        }

        var answer = await AnswerAsync(batch, results, started, cancellationToken);
        // Only here, where the store is through with the events: where it failed, it may not be.
        batch.Batch.ReturnMemory();
        return answer;
    }

    /// <summary>Says what this is.</summary>
    [HttpGet("/")]
    [HttpHead("/")]
    public ContentResult Info() => Answer(new JsonObject
    {
        ["name"] = Product,
        ["cluster_name"] = Product,
        ["cluster_uuid"] = Product,
        ["version"] = new JsonObject
        {
            ["number"] = CompatibleVersion,
            ["build_flavor"] = Product,
            ["build_type"] = "none",
            ["build_hash"] = "unknown",
            ["build_date"] = "1970-01-01T00:00:00Z",
            ["build_snapshot"] = false,
            ["lucene_version"] = "none",
            ["minimum_wire_compatibility_version"] = "8.0.0",
            ["minimum_index_compatibility_version"] = "8.0.0",
        },
        ["tagline"] = "Not Elasticsearch: SuspiciousSignin, which takes bulk requests for events",
    });

    /// <summary>Whether the store can answer.</summary>
    [HttpGet("_cluster/health")]
    [HttpHead("_cluster/health")]
    public async Task<ContentResult> Health(CancellationToken cancellationToken)
    {
        var isReady = (await health.AskAsync(cancellationToken)).IsReady;
        var nodes = isReady ? 1 : 0;
        return Answer(
            new JsonObject
            {
                ["cluster_name"] = Product,
                ["status"] = isReady ? "green" : "red",
                ["timed_out"] = false,
                ["number_of_nodes"] = nodes,
                ["number_of_data_nodes"] = nodes,
                ["active_primary_shards"] = 0,
                ["active_shards"] = 0,
                ["relocating_shards"] = 0,
                ["initializing_shards"] = 0,
                ["unassigned_shards"] = 0,
                ["delayed_unassigned_shards"] = 0,
                ["number_of_pending_tasks"] = 0,
                ["number_of_in_flight_fetch"] = 0,
                ["task_max_waiting_in_queue_millis"] = 0,
                ["active_shards_percent_as_number"] = isReady ? 100.0 : 0.0,
            },
            isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>The same in a line of text: rsyslog asks before it sends again after a failure.</summary>
    [HttpGet("_cat/health")]
    [HttpHead("_cat/health")]
    public async Task<ContentResult> HealthInALine(CancellationToken cancellationToken)
    {
        var isReady = (await health.AskAsync(cancellationToken)).IsReady;
        return new ContentResult
        {
            Content = $"{Product} {(isReady ? "green" : "red")}\n",
            ContentType = "text/plain; charset=utf-8",
            StatusCode = isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable,
        };
    }

    /// <summary>The least of licences: nothing that needs more is offered.</summary>
    [HttpGet("_license")]
    public ContentResult License() => Answer(new JsonObject
    {
        ["license"] = new JsonObject
        {
            ["status"] = "active",
            ["uid"] = "00000000-0000-0000-0000-000000000000",
            ["type"] = "basic",
            ["issued_to"] = "nobody: SuspiciousSignin is not Elasticsearch and needs no licence of it",
            ["issuer"] = Product,
        },
    });

    /// <summary>The same as older clients ask for it, and that there is no index lifecycle management.</summary>
    [HttpGet("_xpack")]
    public ContentResult XPack() => Answer(new JsonObject
    {
        ["build"] = new JsonObject { ["hash"] = "unknown", ["date"] = "1970-01-01T00:00:00Z" },
        ["license"] = new JsonObject
        {
            ["uid"] = "00000000-0000-0000-0000-000000000000",
            ["type"] = "basic",
            ["mode"] = "basic",
            ["status"] = "active",
        },
        ["features"] = new JsonObject
        {
            ["ilm"] = new JsonObject { ["available"] = false, ["enabled"] = false },
            ["security"] = new JsonObject { ["available"] = true, ["enabled"] = true },
        },
        ["tagline"] = "Not Elasticsearch: SuspiciousSignin",
    });

    /// <summary>There are no templates, policies, pipelines, aliases or data streams to read.</summary>
    [HttpGet("_index_template/{**name}")]
    [HttpHead("_index_template/{**name}")]
    [HttpGet("_component_template/{**name}")]
    [HttpHead("_component_template/{**name}")]
    [HttpGet("_template/{**name}")]
    [HttpHead("_template/{**name}")]
    [HttpGet("_ilm/{**name}")]
    [HttpHead("_ilm/{**name}")]
    [HttpGet("_ingest/pipeline/{**name}")]
    [HttpHead("_ingest/pipeline/{**name}")]
    [HttpGet("_alias/{**name}")]
    [HttpHead("_alias/{**name}")]
    [HttpGet("{target}/_alias/{**name}")]
    [HttpHead("{target}/_alias/{**name}")]
    [HttpGet("_aliases")]
    [HttpHead("_aliases")]
    [HttpGet("_data_stream/{**name}")]
    [HttpHead("_data_stream/{**name}")]
    public ContentResult NothingThere() =>
        Error(StatusCodes.Status404NotFound, "There are no templates, policies, pipelines, aliases and data streams here.");

    /// <summary>There are no indices to read. Without this, all other unknown paths would be answered 405 instead of 404.</summary>
    [Route("{target:regex(^<.+>$)}")]
    public ContentResult NoIndex() => NothingThere();

    /// <summary>Accepted, so that clients begin to send, and unused: events are read as ECS whatever a template says.</summary>
    [HttpPut("_index_template/{**name}")]
    [HttpPost("_index_template/{**name}")]
    [HttpPut("_component_template/{**name}")]
    [HttpPost("_component_template/{**name}")]
    [HttpPut("_template/{**name}")]
    [HttpPost("_template/{**name}")]
    [HttpPut("_ilm/policy/{**name}")]
    [HttpPut("_ingest/pipeline/{**name}")]
    [HttpPut("_data_stream/{**name}")]
    [HttpPost("_aliases")]
    [HttpPut("{target}/_alias/{name}")]
    [HttpPost("{target}/_alias/{name}")]
    [HttpPut("{target:regex(^<.+>$)}")]
    public ContentResult AcceptedAndUnused()
    {
        TellUnused(Request.Path.Value!.Split('/')[1] switch
        {
            "_ilm" => "lifecycle policies",
            "_ingest" => "pipelines",
            "_data_stream" => "data streams",
            "_index_template" or "_component_template" or "_template" => "templates",
            _ => "aliases and indices",
        });
        return Answer(new JsonObject { ["acknowledged"] = true });
    }

    private void TellUnused(string what)
    {
        Log.Unused(logger, what, Request.Path);
        Response.Headers.Append(
            HeaderNames.Warning,
            $"299 {Product} \"Accepted and unused: there are no {what} here. Events are read as ECS.\"");
    }

    private async Task<IActionResult> AnswerAsync(
        BulkBatch batch, IReadOnlyList<BulkAnswer.ItemResult> results, long started, CancellationToken cancellationToken)
    {
        Response.ContentType = ElasticsearchErrors.ContentTypeFor(Request);
        await using (var json = new Utf8JsonWriter(Response.BodyWriter))
        {
            BulkAnswer.Write(json, batch, results, (long)clock.GetElapsedTime(started).TotalMilliseconds, new FilterPath(Request));
        }

        await Response.BodyWriter.FlushAsync(cancellationToken);
        return new EmptyResult();
    }

    private ContentResult Answer(JsonObject answer, int status = StatusCodes.Status200OK) => new()
    {
        Content = new FilterPath(Request).Apply(answer).ToJsonString(),
        ContentType = ElasticsearchErrors.ContentTypeFor(Request),
        StatusCode = status,
    };

    private ContentResult Error(int status, string reason) => new()
    {
        Content = ElasticsearchErrors.Of(status, reason).ToJsonString(),
        ContentType = ElasticsearchErrors.ContentTypeFor(Request),
        StatusCode = status,
    };

    private static bool IsBulkBody(HttpRequest request) => request.ContentType is null
        || request.MediaTypeInUtf8() is "application/json" or "application/x-ndjson" or "application/ndjson"
            or "application/vnd.elasticsearch+json" or "application/vnd.elasticsearch+x-ndjson";

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Debug, "A client asked for {What} at {Path}: accepted and unused")]
        public static partial void Unused(ILogger logger, string what, PathString path);

        [LoggerMessage(2, LogLevel.Warning, "A bulk request of {Items} items was put off: too many are going on (told once a minute)")]
        public static partial void TooMany(ILogger logger, int items);

        [LoggerMessage(3, LogLevel.Warning, "Bulk request: {Code}, {Events} events (told once a minute)")]
        public static partial void Warned(ILogger logger, string code, long? events);
    }
}
