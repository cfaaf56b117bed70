using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using SuspiciousSignin.Api.Hosting;

namespace SuspiciousSignin.Tests.Api;

public sealed class ApiKeyTests : IDisposable
{
    private static readonly (string Method, string Path, string Scope)[] Endpoints =
    [
        ("POST", "/api/v1/detections", "detections:run"),
        ("POST", "/api/v1/events?store=false", "events:write"),
        ("GET", "/api/v1/ips/89.160.20.156/alerts", "alerts:read"),
        ("GET", "/api/v1/ips/89.160.20.156/events", "alerts:read"),
        ("GET", "/api/v1/rule", "rule:read"),
        ("GET", "/metrics", "metrics:read"),
    ];

    private readonly WebApplicationFactory<Program> _service = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
    {
        host.UseEnvironment("Production");
        var scopes = Endpoints.Select(endpoint => endpoint.Scope).Distinct().ToArray();
        for (var i = 0; i < scopes.Length; i++)
        {
            host.UseSetting($"Auth:ApiKeys:{i}:Name", scopes[i]);
            host.UseSetting($"Auth:ApiKeys:{i}:Hash", ApiKeys.HashOf(KeyFor(scopes[i]), [.. Enumerable.Repeat((byte)i, 16)]));
            host.UseSetting($"Auth:ApiKeys:{i}:Scopes:0", scopes[i]);
        }
    });

    public static TheoryData<string, string, string, string> Grid()
    {
        var grid = new TheoryData<string, string, string, string>();
        foreach (var (method, path, needed) in Endpoints)
        {
            foreach (var held in Endpoints.Select(endpoint => endpoint.Scope).Distinct())
            {
                grid.Add(method, path, needed, held);
            }
        }

        return grid;
    }

    [Theory]
    [MemberData(nameof(Grid))]
    public async Task A_key_reaches_what_its_scope_allows_and_nothing_else(string method, string path, string needed, string held)
    {
        using var response = await SendAsync(method, path, "X-API-Key", KeyFor(held));

        Assert.Equal(needed == held ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
        if (needed != held)
        {
            Assert.Contains($"'{needed}'", await DetailAsync(response), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Every_endpoint_of_the_document_is_in_the_grid()
    {
        using var client = _service.CreateClient();
        var document = JsonNode.Parse(await client.GetStringAsync("/openapi/v1.json"))!;

        var paths = document["paths"]!.AsObject().Select(path => path.Key.Replace("{ip}", "89.160.20.156", StringComparison.Ordinal));

        Assert.Empty(paths.Except(Endpoints.Select(endpoint => endpoint.Path.Split('?')[0])));
    }

    [Theory]
    [InlineData("X-API-Key", "")]
    [InlineData("Authorization", "ApiKey ")]
    [InlineData("Authorization", "Bearer ")]
    [InlineData("Authorization", "bearer ")]
    public async Task A_key_is_taken_from_any_of_the_usual_headers(string header, string prefix)
    {
        using var response = await SendAsync("GET", "/api/v1/rule", header, prefix + KeyFor("rule:read"));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("X-API-Key", "wrong")]
    [InlineData("Authorization", "Basic cnVsZTpyZWFk")]
    [InlineData("X-None", "x")]
    public async Task No_key_or_an_unknown_one_is_challenged(string header, string value)
    {
        using var response = await SendAsync("GET", "/api/v1/rule", header, value);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith("ApiKey", response.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", await DetailAsync(response), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_in_the_url_is_not_taken()
    {
        using var response = await SendAsync("GET", "/api/v1/rule?apiKey=" + KeyFor("rule:read"), "X-None", "x");

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public void A_new_key_opens_what_its_printed_settings_configure()
    {
        using var output = new StringWriter();

        var exitCode = ApiKeys.New(["keys", "new", "--name", "soar", "--scope", "rule:read", "--scope", "alerts:read"], output);

        var lines = output.ToString().Split(Environment.NewLine);
        var key = lines[0].Split(' ')[^1];
        var hash = lines.Single(line => line.Contains("Hash", StringComparison.Ordinal)).Split('=')[1];
        Assert.Equal(0, exitCode);
        Assert.Equal(hash, ApiKeys.HashOf(key, Convert.FromHexString(hash.AsSpan(0, 32))));
        Assert.Contains("Auth__ApiKeys__0__Scopes__1=alerts:read", lines);
    }

    [Fact]
    public void A_new_key_needs_a_name_and_known_scopes()
    {
        using var output = new StringWriter();

        Assert.Equal(2, ApiKeys.New(["keys", "new", "--name", "soar", "--scope", "everything"], output));
    }

    public void Dispose() => _service.Dispose();

    private static string KeyFor(string scope) => "key-for-" + scope;

    private static async Task<string> DetailAsync(HttpResponseMessage response) =>
        JsonNode.Parse(await response.Content.ReadAsStringAsync())!["detail"]!.GetValue<string>();

    private async Task<HttpResponseMessage> SendAsync(string method, string path, string header, string value)
    {
        using var client = _service.CreateClient();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.TryAddWithoutValidation(header, value);
        if (method == "POST")
        {
            request.Content = new StringContent(path.Contains("events", StringComparison.Ordinal) ? "[]" : "{}", Encoding.UTF8, "application/json");
        }

        return await client.SendAsync(request);
    }
}
