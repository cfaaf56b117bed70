using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SuspiciousSignin.FakeElasticsearch.Http;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>One node: a Kestrel listener on the loopback address that serves a cluster. It can die and come back on the same port.</summary>
public sealed class FakeNode : IAsyncDisposable
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions Pretty = new(Plain) { WriteIndented = true };

    private readonly Endpoints _endpoints;
    private WebApplication? _application;
    private int _connectionsToClose;

    private FakeNode(FakeCluster cluster, string name)
    {
        Cluster = cluster;
        Name = name;
        _endpoints = new Endpoints(cluster);
    }

    /// <summary>The cluster that it belongs to.</summary>
    public FakeCluster Cluster { get; }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Where it listens; it stays so after a restart.</summary>
    public Uri Url { get; private set; } = new("http://127.0.0.1:0/");

    /// <summary>Faults of this node alone; they come before those of the cluster.</summary>
    public FaultScript Faults { get; } = new();

    /// <summary>Whether it is listening.</summary>
    public bool IsRunning => _application is not null;

    /// <summary>The requests that this node received.</summary>
    public IReadOnlyList<RecordedRequest> Requests => [.. Cluster.Requests.Where(r => r.Node == Name)];

    /// <summary>Starts a node on a free port.</summary>
    public static async Task<FakeNode> StartAsync(FakeCluster cluster, string name = "fake-node-1")
    {
        ArgumentNullException.ThrowIfNull(cluster);
        var node = new FakeNode(cluster, name);
        await node.StartAsync();
        return node;
    }

    /// <summary>Starts again, on the port it had.</summary>
    public async Task StartAsync()
    {
        if (_application is not null) return;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.AllowSynchronousIO = false;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Listen(IPAddress.Loopback, Url.Port, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => connection =>
                {
                    if (Interlocked.Decrement(ref _connectionsToClose) < 0)
                    {
                        Interlocked.Increment(ref _connectionsToClose);
                        return next(connection);
                    }

                    connection.Abort(new ConnectionAbortedException("a fault"));
                    return Task.CompletedTask;
                });
            });
        });
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromMilliseconds(200));
        var application = builder.Build();
        application.Run(HandleAsync);
        await application.StartAsync();
        Url = new Uri(application.Urls.First().TrimEnd('/') + "/");
        _application = application;
        lock (Cluster.Gate) Cluster.NodeCount++;
    }

    /// <summary>Dies: connections break and new ones are refused.</summary>
    public async Task StopAsync()
    {
        if (_application is not { } application) return;
        _application = null;
        lock (Cluster.Gate) Cluster.NodeCount--;
        Faults.Clear();
        using var impatient = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        try
        {
            await application.StopAsync(impatient.Token);
        }
        catch (OperationCanceledException)
        {
            // Requests in flight are cut off, as by a node that dies.
        }

        await application.DisposeAsync();
    }

    /// <summary>Accepts the next connections and closes them at once.</summary>
    public void CloseNextConnections(int count) => Interlocked.Add(ref _connectionsToClose, count);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task HandleAsync(HttpContext context)
    {
        RecordedRequest request;
        try
        {
            request = await ReadAsync(context.Request);
        }
        catch (ElasticsearchException failure)
        {
            await SendAsync(context, null, Answer.Of(failure), null);
            return;
        }

        Cluster.Record(request);
        var answered = false;
        using var watch = context.RequestAborted.Register(() =>
        {
            if (!Volatile.Read(ref answered)) request.ClientDisconnected = true;
        });
        var fault = Faults.Next(request) ?? Cluster.Faults.Next(request);
        request.Fault = fault?.Name;
        try
        {
            switch (fault?.Kind)
            {
                case FaultKind.CloseBefore:
                    Volatile.Write(ref answered, true);
                    context.Abort();
                    return;
                case FaultKind.Hang:
                    await fault.Gate!.Task.WaitAsync(context.RequestAborted);
                    break;
                case FaultKind.Delay:
                    await Task.Delay(fault.Wait, context.RequestAborted);
                    break;
            }

            var answer = fault?.Kind == FaultKind.Reply ? fault.Canned! : _endpoints.Handle(request, context.Request.Path.Value ?? "/", Name, fault);
            if (fault?.Kind == FaultKind.CloseAfter)
            {
                Volatile.Write(ref answered, true);
                context.Abort();
                return;
            }

            if (fault is { Kind: FaultKind.Rewrite, Change: { } change } && answer.Json is JsonObject json) change(json);
            await SendAsync(context, request, answer, fault);
            Volatile.Write(ref answered, true);
        }
        catch (OperationCanceledException)
        {
            request.ClientDisconnected = true;
        }
    }

    private async Task<RecordedRequest> ReadAsync(HttpRequest request)
    {
        using var raw = new MemoryStream();
        await request.Body.CopyToAsync(raw, request.HttpContext.RequestAborted);
        var length = raw.Length;
        raw.Position = 0;
        var text = "";
        if (length > 0)
        {
            using var plain = new MemoryStream();
            var encoding = request.Headers.ContentEncoding.ToString();
            try
            {
                await using Stream body = encoding switch
                {
                    "" or "identity" => raw,
                    "gzip" or "x-gzip" => new GZipStream(raw, CompressionMode.Decompress),
                    "deflate" => new ZLibStream(raw, CompressionMode.Decompress),
                    _ => throw ElasticsearchException.Plain(415, $"Content-Encoding [{encoding}] is not supported"),
                };
                var buffer = new byte[81920];
                for (int read; (read = await body.ReadAsync(buffer)) > 0;)
                {
                    plain.Write(buffer, 0, read);
                    if (plain.Length > Cluster.MaximumContentLength) throw ElasticsearchException.Plain(413, "entity content is too long");
                }
            }
            catch (InvalidDataException failure)
            {
                throw new ElasticsearchException(400, "zip_exception", failure.Message);
            }

            text = Encoding.UTF8.GetString(plain.GetBuffer(), 0, (int)plain.Length);
        }

        return new RecordedRequest
        {
            Method = request.Method,
            Path = request.Path.Value ?? "/",
            QueryString = request.QueryString.Value?.TrimStart('?') ?? "",
            Query = request.Query.ToDictionary(q => q.Key, q => q.Value.ToString()),
            Headers = request.Headers.ToDictionary(h => h.Key, h => string.Join(", ", (IEnumerable<string?>)h.Value), StringComparer.OrdinalIgnoreCase),
            Body = text,
            BodyLength = length,
            Node = Name,
            ReceivedAt = Cluster.Now,
        };
    }

    private async Task SendAsync(HttpContext context, RecordedRequest? request, Answer answer, Fault? fault)
    {
        var response = context.Response;
        response.StatusCode = answer.Status;
        if (request is not null) request.Status = answer.Status;
        var fromElasticsearch = fault?.HidesProduct != true;
        if (Cluster.ProductHeader && fromElasticsearch) response.Headers["X-Elastic-Product"] = "Elasticsearch";
        if (context.Request.Headers["X-Opaque-Id"] is { Count: > 0 } opaque && fromElasticsearch) response.Headers["X-Opaque-Id"] = opaque;
        foreach (var group in answer.Headers.GroupBy(h => h.Key)) response.Headers[group.Key] = group.Select(h => h.Value).ToArray();
        var accept = context.Request.Headers.Accept.ToString();
        response.ContentType = answer.ContentType ?? MediaTypes.ForJson(accept, context.Request.ContentType, Cluster.ContentTypes);
        var json = answer.Json;
        if (json is not null && context.Request.Query.TryGetValue("filter_path", out var path) && path.ToString().Length > 0) json = FilterPath.Apply(json, path.ToString()) ?? new JsonObject();
        var text = answer.Text ?? json?.ToJsonString(context.Request.Query.ContainsKey("pretty") ? Pretty : Plain) ?? "";
        if (fault?.Kind == FaultKind.TruncateJson) text = text[..(text.Length / 2)];
        if (HttpMethods.IsHead(context.Request.Method)) return;
        var bytes = Encoding.UTF8.GetBytes(text);
        if (context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase) && bytes.Length > 0)
        {
            using var packed = new MemoryStream();
            await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) await gzip.WriteAsync(bytes);
            bytes = packed.ToArray();
            response.Headers.ContentEncoding = "gzip";
        }

        response.ContentLength = bytes.Length;
        switch (fault?.Kind)
        {
            case FaultKind.CutBody:
                await response.Body.WriteAsync(bytes.AsMemory(0, bytes.Length / 2));
                await response.Body.FlushAsync();
                if (request is not null) request.Status = 0;
                context.Abort();
                return;
            case FaultKind.Drip:
                context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
                var piece = Math.Max(1, bytes.Length / 8);
                for (var at = 0; at < bytes.Length; at += piece)
                {
                    await response.Body.WriteAsync(bytes.AsMemory(at, Math.Min(piece, bytes.Length - at)), context.RequestAborted);
                    await response.Body.FlushAsync(context.RequestAborted);
                    await Task.Delay(fault.Wait, context.RequestAborted);
                }

                return;
            default:
                await response.Body.WriteAsync(bytes, context.RequestAborted);
                return;
        }
    }
}

/// <summary>How a server starts.</summary>
public sealed record FakeElasticsearchOptions
{
    /// <summary>What NOW(), refreshes and expiries go by.</summary>
    public required TimeProvider Clock { get; init; }

    /// <summary>"8.17.0", "8.19.3", "9.1.0", "serverless".</summary>
    public string Version { get; init; } = "8.19.3";

    /// <summary>Whether the stock indices are there from the start.</summary>
    public bool StockMappings { get; init; } = true;
}

/// <summary>A cluster of one node: the usual case.</summary>
public sealed class FakeElasticsearchServer : IAsyncDisposable
{
    private FakeElasticsearchServer(FakeNode node) => Node = node;

    /// <summary>The cluster.</summary>
    public FakeCluster Cluster => Node.Cluster;

    /// <summary>Its node.</summary>
    public FakeNode Node { get; }

    /// <summary>Where it listens.</summary>
    public Uri Url => Node.Url;

    /// <summary>The faults that are to come.</summary>
    public FaultScript Faults => Cluster.Faults;

    /// <summary>The requests received.</summary>
    public IReadOnlyList<RecordedRequest> Requests => Cluster.Requests;

    /// <summary>Starts a server on a free port.</summary>
    public static async Task<FakeElasticsearchServer> StartAsync(FakeElasticsearchOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var cluster = options.StockMappings
            ? FakeCluster.WithStockMappings(options.Clock, options.Version)
            : new FakeCluster(options.Clock, options.Version);
        return new FakeElasticsearchServer(await FakeNode.StartAsync(cluster));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Node.DisposeAsync();
}
