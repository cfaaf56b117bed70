using System.Globalization;
using System.IO.Compression;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Polly.CircuitBreaker;
using Polly.Timeout;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>What the cluster says of itself.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">Its version as it writes it; on Serverless of no meaning.</param>
/// <param name="Major">The major version.</param>
/// <param name="Minor">The minor version.</param>
/// <param name="IsServerless">Whether it is Elastic Cloud Serverless.</param>
internal sealed record ClusterInfo(string Name, string Version, int Major, int Minor, bool IsServerless)
{
    /// <summary>Whether ES|QL takes <c>allow_partial_results</c>: from 8.19 and 9.1.</summary>
    public bool KnowsPartialResults => IsServerless || (Major, Minor).CompareTo((9, 1)) >= 0 || (Major == 8 && Minor >= 19);

    /// <summary>
    /// Whether a filter beside ES|QL that leaves out all indices of a column does no harm: from 8.18 the columns are then looked up without
    /// it.
    /// </summary>
    public bool ResolvesColumnsBeforeFilter => IsServerless || (Major, Minor).CompareTo((8, 18)) >= 0;

    /// <summary>Whether the rule's query runs there: from 8.17.</summary>
    public bool IsSupported => IsServerless || (Major, Minor).CompareTo((8, 17)) >= 0;
}

/// <summary>An error that the cluster answered.</summary>
internal sealed class ElasticsearchException(int status, string type, string reason) : StoreUnavailableException(
    status switch
    {
        401 => $"Elasticsearch refused the credentials: {reason}",
        403 => $"Elasticsearch does not allow this service what it needs: {reason}",
        429 => $"Elasticsearch is overloaded ({type}): {reason}",
        _ => string.Create(CultureInfo.InvariantCulture, $"Elasticsearch answered {status} {type}: {reason}"),
    })
{
    public int Status => status;
}

/// <summary>
/// Speaks the HTTP API. The pipeline below it (<see cref="ElasticsearchRegistration"/>) picks nodes and repeats; here are media types,
/// credentials, the product check, and what an error means.
/// </summary>
internal sealed class ElasticsearchClient(HttpClient http, ElasticsearchOptions options, TimeProvider clock)
{
    private const int MaxReasonLength = 400;
    private const int CompressFrom = 4096;

    /// <summary>Nobody waits longer for what the cluster drops by itself.</summary>
    private static readonly TimeSpan GiveBackTimeout = TimeSpan.FromSeconds(5);

    private static readonly JsonDocumentOptions AnswerOptions = new() { MaxDepth = 1000 };

    private volatile Known? _known;

    /// <summary>Which cluster this is; asked once in a while.</summary>
    public async Task<ClusterInfo> InfoAsync(CancellationToken cancellationToken)
    {
        if (_known is { } known && clock.GetElapsedTime(known.Since) < options.MappingLifetime)
        {
            return known.Info;
        }

        using var answer = await SendAsync(HttpMethod.Get, "", null, cancellationToken);
        var version = answer.Root.GetProperty("version");
        var number = version.GetProperty("number").GetString() ?? throw Misshapen();
        var parts = number.Split('.', '-');
        var info = new ClusterInfo(
            Escape(answer.Root.GetProperty("cluster_name").GetString() ?? throw Misshapen()),
            Escape(number),
            int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : 0,
            parts.Length > 1 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var minor) ? minor : 0,
            version.TryGetProperty("build_flavor", out var flavor) && flavor.ValueEquals("serverless"));
        if (!info.IsSupported)
        {
            throw new StoreUnavailableException($"The cluster runs Elasticsearch {info.Version}; the rule needs 8.17 or later.");
        }

        _known = new Known(info, clock.GetTimestamp());
        return info;
    }

    /// <summary>Sends a call and reads its answer.</summary>
    /// <exception cref="StoreUnavailableException">No node answered, or the cluster answered an error
    /// (<see cref="ElasticsearchException"/>).</exception>
    public async Task<Answer> SendAsync(
        HttpMethod method, string path, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken, string mediaType = "json")
    {
        // A pattern of a remote cluster, such as emea:logs-*, would else be taken for a URL of that scheme.
        using var request = new HttpRequestMessage(method, new Uri("/" + path, UriKind.Relative));
        // 8.x and 9.x know compatibility with 8, and while a cluster is upgraded, its nodes are both; until the version is known, plain
        // JSON suits all.
        var compatible = _known is null ? "application/{0}" : "application/vnd.elasticsearch+{0};compatible-with=8";
        string MediaType(string suffix) => string.Format(CultureInfo.InvariantCulture, compatible, suffix);
        request.Headers.TryAddWithoutValidation("Accept", MediaType("json"));
        request.Headers.Authorization = Credentials();
        request.Headers.UserAgent.ParseAdd("suspicious-signin");
        if (body is { } bytes)
        {
            var isCompressed = bytes.Length >= CompressFrom;
            request.Content = new ReadOnlyMemoryContent(isCompressed ? Compress(bytes) : bytes);
            request.Content.Headers.TryAddWithoutValidation("Content-Type", MediaType(mediaType));
            if (isCompressed)
            {
                request.Content.Headers.ContentEncoding.Add("gzip");
            }
        }

        using var response = await SendAsync(request, cancellationToken);
        var answer = await ReadAsync(response, cancellationToken);
        try
        {
            if (!response.IsSuccessStatusCode)
            {
                throw ErrorOf(response, answer, clock);
            }

            if (!response.Headers.TryGetValues("X-Elastic-Product", out var product)
                || !product.Contains("Elasticsearch", StringComparer.Ordinal))
            {
                throw new StoreUnavailableException(
                    "What answers is not Elasticsearch: the header X-Elastic-Product is missing. Check Store:Elasticsearch:Nodes.");
            }

            return new Answer(answer!, Nodes.MayHaveBeenCarriedOut(request));
        }
        catch (StoreUnavailableException fault)
        {
            answer?.Dispose();
            // After anything but a refusal of this very call it may be another cluster that answers next.
            _known = fault is ElasticsearchException { Status: < 500 } ? _known : null;
            throw;
        }
    }

    /// <summary>Gives back what the cluster keeps for a query, whether or not the caller is still there.</summary>
    /// <returns>Why it could not; null where it is gone.</returns>
    public async Task<Exception?> GiveBackAsync(string path, ReadOnlyMemory<byte>? body)
    {
        using var bound = new CancellationTokenSource(GiveBackTimeout, clock);
        try
        {
            using var answer = await SendAsync(HttpMethod.Delete, path, body, bound.Token);
            return null;
        }
        catch (ElasticsearchException gone) when (gone.Status == 404)
        {
            return null;
        }
        catch (Exception fault) when (fault is StoreUnavailableException or OperationCanceledException)
        {
            return fault;
        }
    }

    /// <summary>
    /// Carries out what reads answers of the cluster. Where one is JSON but not of the shape that its API documents, the store has failed,
    /// not this service. These are what the reader of JSON throws then; the log has the exception at Debug, should it be a fault of ours.
    /// </summary>
    public static async Task<T> ReadingAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (Exception misread) when (misread is KeyNotFoundException or InvalidOperationException or FormatException
            or IndexOutOfRangeException or ArgumentException or OverflowException)
        {
            throw Misshapen(misread);
        }
    }

    /// <summary>An answer that is not what its API documents.</summary>
    internal static StoreUnavailableException Misshapen(Exception? inner = null) =>
        new("The answer of Elasticsearch has not the expected shape. Is there a proxy in between, or is it another product?", inner);

    /// <summary>How long to wait before what failed is sent again, a little by chance.</summary>
    internal static TimeSpan PauseAfter(int attempt) =>
        TimeSpan.FromMilliseconds(500 * Math.Pow(2, attempt) * (0.5 + (RandomNumberGenerator.GetInt32(1000) / 1000.0)));

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await http.SendAsync(request, cancellationToken);
        }
        catch (BrokenCircuitException broken)
        {
            throw new StoreUnavailableException("Elasticsearch failed repeatedly; calls are paused for a while.", broken)
            {
                RetryAfter = options.CircuitBreak,
            };
        }
        catch (TimeoutRejectedException late)
        {
            throw new StoreUnavailableException(
                $"Elasticsearch did not answer within {options.TotalTimeout}, repetitions included. "
                + "See how the cluster does, or raise Store:Elasticsearch:TotalTimeout.",
                late);
        }
        catch (HttpRequestException lost)
        {
            throw new StoreUnavailableException($"No Elasticsearch node could be reached: {Escape(lost.Message)}", lost);
        }
    }

    private static async Task<JsonDocument?> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            return await JsonDocument.ParseAsync(stream, AnswerOptions, cancellationToken);
        }
        catch (JsonException) when (!response.IsSuccessStatusCode)
        {
            return null;
        }
        catch (JsonException broken)
        {
            throw new StoreUnavailableException("The answer of Elasticsearch is no complete JSON.", broken);
        }
    }

    private static ElasticsearchException ErrorOf(HttpResponseMessage response, JsonDocument? answer, TimeProvider clock)
    {
        var status = (int)response.StatusCode;
        var (type, reason) = answer is { RootElement: { ValueKind: JsonValueKind.Object } root }
            && root.TryGetProperty("error", out var error)
            ? ReasonOf(error)
            : (response.StatusCode.ToString(),
                $"the answer is {response.Content.Headers.ContentType?.MediaType ?? "empty"}; is there a proxy in between?");
        return new ElasticsearchException(status, type, reason) { RetryAfter = Nodes.RetryAfter(response, clock) };
    }

    /// <summary>The type and reason of an <c>error</c> object, the root cause where there is one; both fit for callers.</summary>
    internal static (string Type, string Reason) ReasonOf(JsonElement error)
    {
        if (error.ValueKind != JsonValueKind.Object)
        {
            return ("error", Escape(error.ToString()));
        }

        var told = error.TryGetProperty("root_cause", out var causes)
            && causes.ValueKind == JsonValueKind.Array && causes.GetArrayLength() > 0
            ? causes[0]
            : error;
        string Text(string name) => told.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()!
            : error.TryGetProperty(name, out var outer) ? outer.ToString() : "";
        return (Escape(Text("type")), Escape(Text("reason")));
    }

    /// <summary>Text of the cluster on one line, cut to a length fit for a problem or a log line.</summary>
    internal static string Escape(string text)
    {
        var line = string.Concat(text.Take(MaxReasonLength).Select(character => char.IsControl(character) ? ' ' : character));
        return text.Length > MaxReasonLength ? line + "..." : line;
    }

    private AuthenticationHeaderValue? Credentials() => options switch
    {
        { ApiKey: { } key } => new AuthenticationHeaderValue("ApiKey", key),
        { BearerToken: { } token } => new AuthenticationHeaderValue("Bearer", token),
        { Username: { } user } => new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{user}:{options.Password}"))),
        _ => null,
    };

    private static byte[] Compress(ReadOnlyMemory<byte> bytes)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(bytes.Span);
        }

        return compressed.ToArray();
    }

    private sealed record Known(ClusterInfo Info, long Since);

    /// <summary>A successful answer.</summary>
    /// <param name="document">Its JSON.</param>
    /// <param name="isRepeated">Whether an earlier attempt may have been carried out: its answer was lost, or told nothing.</param>
    internal sealed class Answer(JsonDocument document, bool isRepeated) : IDisposable
    {
        public JsonElement Root => document.RootElement;

        public bool IsRepeated => isRepeated;

        public void Dispose() => document.Dispose();
    }
}
