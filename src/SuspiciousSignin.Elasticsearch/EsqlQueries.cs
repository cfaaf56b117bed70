using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Runs ES|QL: submitted asynchronously so that no proxy cuts a long query, polled, stopped when it takes too long or the caller is gone,
/// and never left behind.
/// </summary>
internal sealed partial class EsqlQueries(ElasticsearchClient client, ElasticsearchOptions options, TimeProvider clock, ILogger logger)
{
    /// <summary>Runs a query with named parameters.</summary>
    /// <param name="text">The query.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="asksRemotes">Whether it reads of other clusters too; those that were skipped are told to whoever asks for it
    /// only.</param>
    /// <param name="filter">What the indices look up before the query, which may not count on it: clusters before 8.18 are not given it.
    /// Null for nothing.</param>
    public async Task<EsqlTable> RunAsync(
        string text, IReadOnlyDictionary<string, string> parameters, bool asksRemotes, object? filter, CancellationToken cancellationToken)
    {
        var info = await client.InfoAsync(cancellationToken);
        var started = clock.GetTimestamp();
        // Until the answer is there nobody knows the query's id, and without it nothing can be stopped: the caller may go, the call may
        // not.
        var submission = client.SendAsync(
            HttpMethod.Post,
            info.KnowsPartialResults ? "_query/async?allow_partial_results=false" : "_query/async",
            Body(text, parameters, asksRemotes, info.ResolvesColumnsBeforeFilter ? filter : null),
            CancellationToken.None);
        ElasticsearchClient.Answer answer;
        try
        {
            answer = await submission.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = StopAsync(submission);
            throw;
        }

        string? id = null;
        try
        {
            id = IdOf(answer);
            while (answer.Root.TryGetProperty("is_running", out var running) && running.GetBoolean())
            {
                answer.Dispose();
                if (clock.GetElapsedTime(started) > options.QueryTimeout)
                {
                    throw new StoreUnavailableException(
                        $"The query was stopped after {options.QueryTimeout}. "
                        + "Ask for a shorter window or fewer addresses, or raise Store:Elasticsearch:QueryTimeout.");
                }

                answer = await client.SendAsync(
                    HttpMethod.Get,
                    $"_query/async/{Uri.EscapeDataString(id ?? throw ElasticsearchClient.Misshapen())}"
                    + $"?wait_for_completion_timeout={Milliseconds(options.PollWait)}",
                    null,
                    cancellationToken);
            }

            return new EsqlTable(answer);
        }
        catch
        {
            answer.Dispose();
            throw;
        }
        finally
        {
            if (id is not null)
            {
                await DeleteAsync(id);
            }
        }
    }

    private byte[] Body(string text, IReadOnlyDictionary<string, string> parameters, bool asksRemotes, object? filter)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteString("query", text);
            json.WriteStartArray("params");
            foreach (var (name, value) in parameters)
            {
                json.WriteStartObject();
                json.WriteString(name, value);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteString("wait_for_completion_timeout", Milliseconds(options.PollWait));
            json.WriteString("keep_alive", Milliseconds(options.QueryTimeout + options.CallTimeout));
            json.WriteBoolean("keep_on_completion", false);
            if (asksRemotes)
            {
                json.WriteBoolean("include_ccs_metadata", true);
            }

            if (filter is not null)
            {
                json.WritePropertyName("filter");
                JsonSerializer.Serialize(json, filter);
            }

            json.WriteEndObject();
        }

        return body.WrittenSpan.ToArray();
    }

    private async Task StopAsync(Task<ElasticsearchClient.Answer> submission)
    {
        try
        {
            using var answer = await submission;
            if (IdOf(answer) is { } id)
            {
                await DeleteAsync(id);
            }
        }
        catch (Exception fault) when (fault is StoreUnavailableException or InvalidOperationException)
        {
            // Never begun, or begun under an id that cannot be read.
        }
    }

    private async Task DeleteAsync(string id)
    {
        if (await client.GiveBackAsync($"_query/async/{Uri.EscapeDataString(id)}", null) is { } fault)
        {
            Log.NotDeleted(logger, fault);
        }
    }

    private static string? IdOf(ElasticsearchClient.Answer answer) => answer.Root.TryGetProperty("id", out var id) ? id.GetString() : null;

    private static string Milliseconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalMilliseconds}ms");

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A query could not be deleted; the cluster drops it when its keep-alive ends")]
        public static partial void NotDeleted(ILogger logger, Exception exception);
    }
}
