using System.Net;
using Microsoft.Extensions.Logging;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Sends each call to the next living node, round robin. A node that cannot be reached, or answers 502, 503, 504 or no JSON, is left out
/// for 60 seconds, longer each time, unless what it answers is of the cluster or of the call; when all are, the one that was due first is
/// tried again.
/// </summary>
internal sealed partial class Nodes(ElasticsearchOptions options, TimeProvider clock, ILogger<Nodes> logger)
{
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(30);

    private static readonly HttpRequestOptionsKey<string> PathAndQuery = new("elasticsearch.path");
    private static readonly HttpRequestOptionsKey<bool> IsUnclear = new("elasticsearch.unclear");
    private static readonly HttpRequestOptionsKey<bool> ShardsLack = new("elasticsearch.shards");

    private readonly Lock _gate = new();
    private readonly Node[] _nodes = [.. options.Nodes.Select(url => new Node(url))];
    private int _next;

    /// <summary>How many nodes are not left out.</summary>
    public int Living
    {
        get
        {
            lock (_gate)
            {
                return _nodes.Count(node => LeftOut(node) <= TimeSpan.Zero);
            }
        }
    }

    /// <summary>Whether an attempt at the call failed so that nobody knows what became of it.</summary>
    public static bool MayHaveBeenCarriedOut(HttpRequestMessage request) =>
        request.Options.TryGetValue(IsUnclear, out var isUnclear) && isUnclear;

    private Node Next()
    {
        lock (_gate)
        {
            for (var i = 0; i < _nodes.Length; i++)
            {
                var node = _nodes[(_next + i) % _nodes.Length];
                if (LeftOut(node) <= TimeSpan.Zero)
                {
                    _next = (_next + i + 1) % _nodes.Length;
                    return node;
                }
            }

            return _nodes.MinBy(LeftOut)!;
        }
    }

    /// <summary>How much longer a node is left out, whatever the clock is set to meanwhile; not above zero where it is not.</summary>
    private TimeSpan LeftOut(Node node) => node.Rest - clock.GetElapsedTime(node.RestsSince);

    private void Failed(Node node, string why)
    {
        lock (_gate)
        {
            node.Faults++;
            var rest = TimeSpan.FromSeconds(60 * Math.Pow(2, (node.Faults - 1) / 2.0));
            (node.RestsSince, node.Rest) = (clock.GetTimestamp(), rest < LongestRest ? rest : LongestRest);
            if (node.Faults == 1)
            {
                Log.NodeFailed(logger, node.Url.Authority, why);
            }
        }
    }

    private void Answered(Node node)
    {
        lock (_gate)
        {
            if (node.Faults > 0)
            {
                Log.NodeIsBack(logger, node.Url.Authority);
            }

            (node.Faults, node.Rest) = (0, TimeSpan.Zero);
        }
    }

    private sealed class Node(Uri url)
    {
        public Uri Url => url;

        public int Faults { get; set; }

        public long RestsSince { get; set; }

        public TimeSpan Rest { get; set; }
    }

    /// <summary>One attempt at a call: addressed to a node, bounded in time, its answer read to the end.</summary>
    internal sealed class Handler(Nodes nodes, ElasticsearchOptions options, TimeProvider clock) : DelegatingHandler
    {
        private const int MaxAnswerBytes = 512 * 1024 * 1024;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (!request.Options.TryGetValue(PathAndQuery, out var path))
            {
                request.Options.Set(PathAndQuery, path = request.RequestUri!.PathAndQuery);
            }

            var node = nodes.Next();
            request.RequestUri = new Uri(node.Url.AbsoluteUri.TrimEnd('/') + path);
            using var timeout = new CancellationTokenSource(options.CallTimeout, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            HttpResponseMessage? response = null;
            try
            {
                response = await base.SendAsync(request, either.Token);
                await response.Content.LoadIntoBufferAsync(MaxAnswerBytes, either.Token);
            }
            catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException or InvalidDataException
                or InvalidOperationException { Source: "System.IO.Compression.Brotli" })
            {
                response?.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                var why = timeout.IsCancellationRequested ? $"no answer within {options.CallTimeout}" : fault.Message;
                nodes.Failed(node, why);
                request.Options.Set(IsUnclear, true);
                throw new HttpRequestException($"{node.Url.Authority}: {why}", fault);
            }

            // A node that lives says so too of a cluster whose shards do not, or (without content) of a body that is too long.
            var lacksShards = response.StatusCode == HttpStatusCode.ServiceUnavailable
                && IsJson(response)
                && IsOfShards(await response.Content.ReadAsStringAsync(cancellationToken));
            request.Options.Set(ShardsLack, lacksShards);
            if (lacksShards || response.StatusCode == HttpStatusCode.RequestEntityTooLarge)
            {
                nodes.Answered(node);
            }
            else if (response.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout
                || !IsJson(response))
            {
                request.Options.Set(IsUnclear, true);
                nodes.Failed(node, $"status {(int)response.StatusCode}, {response.Content.Headers.ContentType?.MediaType ?? "no content"}");
            }
            else
            {
                nodes.Answered(node);
            }

            return response;
        }
    }

    /// <summary>Whether a node answered that shards cannot be searched, which any other would say as well.</summary>
    internal static bool LacksShards(HttpResponseMessage response) =>
        response.RequestMessage is { } request && request.Options.TryGetValue(ShardsLack, out var lacks) && lacks;

    /// <summary>When to come back, as the answer says it: after some time, or at one.</summary>
    internal static TimeSpan? RetryAfter(HttpResponseMessage response, TimeProvider clock) =>
        response.Headers.RetryAfter is { } told ? told.Delta ?? (told.Date - clock.GetUtcNow()) : null;

    private static bool IsOfShards(string error) =>
        error.Contains("\"search_phase_execution_exception\"", StringComparison.Ordinal)
        || error.Contains("\"no_shard_available_action_exception\"", StringComparison.Ordinal);

    /// <summary>Whether the answer is of a kind that only Elasticsearch gives: JSON, in any of its spellings.</summary>
    internal static bool IsJson(HttpResponseMessage response) =>
        response.Content.Headers.ContentType?.MediaType is { } type
        && (type.Equals("application/json", StringComparison.OrdinalIgnoreCase)
            || type.StartsWith("application/vnd.elasticsearch+json", StringComparison.OrdinalIgnoreCase));

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Elasticsearch node {Node} is left out for a while: {Why}")]
        public static partial void NodeFailed(ILogger logger, string node, string why);

        [LoggerMessage(2, LogLevel.Information, "Elasticsearch node {Node} answers again")]
        public static partial void NodeIsBack(ILogger logger, string node);
    }
}
