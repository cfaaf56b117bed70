using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Hosting;

namespace SuspiciousSignin.Tests.Api;

public sealed class ApiKeyTests : IDisposable
{
    private readonly WebApplicationFactory<Program> _service = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
    {
        host.UseEnvironment("Production");
        host.UseSetting("Auth:ApiKeys:0:Name", "reader");
        host.UseSetting("Auth:ApiKeys:0:Hash", ApiKeys.HashOf(KeyFor("rule:read"), [.. Enumerable.Repeat((byte)1, 16)]));
        host.UseSetting("Auth:ApiKeys:0:Scopes:0", "rule:read");
    });

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
    public async Task A_header_of_two_keys_is_a_wrong_key_whatever_comes_beside_it()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/rule");
        request.Headers.Add("X-API-Key", ["one", "two"]);
        request.Headers.Add("Authorization", "Bearer " + KeyFor("rule:read"));
        using var response = await _service.CreateClient().SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
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

        var exitCode = Commands.NewKey(["keys", "new", "--name", "soar", "--scope", "rule:read", "--scope", "alerts:read"], output);

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

        Assert.Equal(2, Commands.NewKey(["keys", "new", "--name", "soar", "--scope", "everything"], output));
        Assert.Equal(2, Commands.NewKey(["keys", "new", "--scope", "rule:read"], output));
        Assert.Equal(2, Commands.NewKey(["keys", "new", "--name", "soar", "--scope", "rule:read", "--expiry", "2030-01-01"], output));
        Assert.DoesNotContain("Hash", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-03-15", "2026-03-15T00:00:00Z")]
    [InlineData("2026-06-30T12:00:00+02:00", "2026-06-30T10:00:00Z")]
    [InlineData("now+90d", "2026-06-12T06:00:00Z")]
    public void A_new_key_may_expire(string expires, string printed)
    {
        using var output = new StringWriter();

        Assert.Equal(0, Commands.NewKey(["keys", "new", "--name", "soar", "--scope", "rule:read", "--expires", expires], output, new FakeTimeProvider(TestService.Now)));

        Assert.Contains($"Auth__ApiKeys__0__Expires={printed}", output.ToString().Split(Environment.NewLine));
    }

    [Theory]
    [InlineData("2026-03-14T06:00:00Z")]
    [InlineData("now")]
    [InlineData("soon")]
    public void A_new_key_has_to_expire_later_than_now(string expires)
    {
        using var output = new StringWriter();

        Assert.Equal(2, Commands.NewKey(["keys", "new", "--name", "soar", "--scope", "rule:read", "--expires", expires], output, new FakeTimeProvider(TestService.Now)));
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
        return await client.SendAsync(request);
    }
}
