using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>One answer of the fake.</summary>
internal sealed record Reply(int Status, string Text, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders)
{
    public JsonObject Json => (JsonObject)JsonNode.Parse(Text)!;

    public string ErrorType => (string)Json["error"]!["type"]!;

    public string Reason => (string)Json["error"]!["reason"]!;

    public IReadOnlyList<string> Warnings => Headers.TryGetValues("Warning", out var values)
        ? [.. values.Select(v => Uri.UnescapeDataString(v[(v.IndexOf('"', StringComparison.Ordinal) + 1)..v.LastIndexOf('"')].Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal)))]
        : [];

    public IReadOnlyList<string> Columns => [.. ((JsonArray)Json["columns"]!).Select(c => (string)c!["name"]!)];

    public IReadOnlyList<string> Types => [.. ((JsonArray)Json["columns"]!).Select(c => (string)c!["type"]!)];

    public JsonArray Rows => (JsonArray)Json["values"]!;

    public JsonNode? Cell(int row, string column) => Rows[row]![Columns.ToList().IndexOf(column)];

    /// <summary>Row by row, the first column as text.</summary>
    public IReadOnlyList<string?> First => [.. Rows.Select(r => r![0]?.ToJsonString())];
}

/// <summary>A fake cluster at a fixed time, and a client for it.</summary>
internal sealed class Lab : IAsyncDisposable
{
    private Lab(FakeElasticsearchServer server, FakeTimeProvider clock)
    {
        Server = server;
        Clock = clock;
        Client = new HttpClient { BaseAddress = server.Url };
    }

    public static DateTimeOffset Noon { get; } = new(2025, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public FakeElasticsearchServer Server { get; }

    public FakeCluster Cluster => Server.Cluster;

    public FakeTimeProvider Clock { get; }

    public HttpClient Client { get; }

    public static async Task<Lab> OpenAsync(string version = "8.19.3", bool stock = false)
    {
        var clock = new FakeTimeProvider(Noon);
        var server = await FakeElasticsearchServer.StartAsync(new FakeElasticsearchOptions { Clock = clock, Version = version, StockMappings = stock });
        return new Lab(server, clock);
    }

    public Task<Reply> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    public Task<Reply> PostAsync(string path, string? body = null) => SendAsync(HttpMethod.Post, path, body);

    public Task<Reply> EsqlAsync(string query, string? extra = null, string parameters = "") =>
        PostAsync("_query" + parameters, $$"""{"query":{{JsonValue.Create(query).ToJsonString()}}{{(extra is null ? "" : "," + extra[1..^1])}}}""");

    public Task<Reply> BulkAsync(string parameters, params string[] lines) => SendAsync(HttpMethod.Post, "_bulk" + parameters, string.Join('\n', lines) + "\n", "application/x-ndjson");

    public async Task<Reply> SendAsync(HttpMethod method, string path, string? body = null, string contentType = "application/json", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            if (contentType.Length > 0) request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        }

        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content!.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Client.SendAsync(request);
        return new Reply((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers, response.Content.Headers);
    }

    /// <summary>An index with one document per JSON, mapped as given.</summary>
    public void Fill(string index, string properties, params string[] documents)
    {
        Cluster.CreateIndex(index, $$"""{"dynamic":"false","properties":{{properties}}}""");
        foreach (var document in documents) Cluster.Index(index, document);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
    }
}

/// <summary>The files shared beside the repository: SUSPICIOUSSIGNIN_SHARED, or a folder "shared" next to any parent folder.</summary>
internal static class Shared
{
    public static string? Find(params string[] path)
    {
        var roots = new List<string>();
        if (Environment.GetEnvironmentVariable("SUSPICIOUSSIGNIN_SHARED") is { Length: > 0 } shared) roots.Add(shared);
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent) roots.Add(Path.Combine(at.FullName, "shared"));
        return roots.Select(r => Path.Combine([r, .. path])).FirstOrDefault(File.Exists);
    }
}
