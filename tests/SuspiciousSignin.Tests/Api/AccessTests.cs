using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Limits;

namespace SuspiciousSignin.Tests.Api;

public sealed class AccessTests : IDisposable
{
    private const string Issuer = "https://login.example/tenant";
    private const string Audience = "api://suspicious-signin";
    private const string Rule = "/api/v1/rule";

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly RSA _otherRsa = RSA.Create(2048);

    public void Dispose()
    {
        _rsa.Dispose();
        _otherRsa.Dispose();
    }

    // Keys

    [Theory]
    [InlineData("2026-03-14T06:00:01Z", 200)]
    [InlineData("2026-03-14T06:00:00.5Z", 200)]
    [InlineData("2026-03-14T06:00:00Z", 401)]
    [InlineData("2026-03-14T05:59:59Z", 401)]
    [InlineData("2026-03-14T08:00:01+02:00", 200)]
    [InlineData("2026-03-14T08:00:00+02:00", 401)]
    [InlineData("2026-03-14t06:00:00.123456789z", 200)]
    [InlineData("2026-03-15", 200)]
    [InlineData("2026-03-14", 401)]
    public async Task A_key_is_taken_until_it_expires(string expires, int status)
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Auth:ApiKeys:0:Expires", expires)]);

        var answer = await GetAsync(service, "K");

        Assert.Equal(status, (int)answer.Status);
        if (status == 401)
        {
            answer.Problem(401);
            Assert.Contains("expired", (string?)answer.Json!["detail"], StringComparison.Ordinal);
            Assert.Contains(service.Log, line => line.StartsWith("Warning API key soar was refused: it expired", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_key_expires_while_the_service_runs_and_its_successor_goes_on()
    {
        using var service = new TestService(settings:
            [.. TestService.KeySettings(0, "soar", "old", "rule:read"), ("Auth:ApiKeys:0:Expires", "2026-03-14T07:00:00Z"), .. TestService.KeySettings(1, "soar", "new", "rule:read")]);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), ((await GetAsync(service, "old")).Status, (await GetAsync(service, "new")).Status));
        service.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), ((await GetAsync(service, "old")).Status, (await GetAsync(service, "new")).Status));
        Assert.Contains(service.Log, line => line.Contains("API key soar expired or expires soon", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("2026-03-28T06:00:00Z", true)]
    [InlineData("2026-03-28T06:00:01Z", false)]
    public void A_key_that_expires_within_two_weeks_is_told_of_at_start(string expires, bool isTold)
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Auth:ApiKeys:0:Expires", expires)]);

        Assert.Equal(isTold, service.Log.Any(line => line.Contains("API key soar expired or expires soon", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Failures_are_logged_with_the_name_of_the_key_and_never_its_value()
    {
        using var service = new TestService(settings:
            [.. TestService.KeySettings(0, "soar", "the-secret", "alerts:read"), .. TestService.KeySettings(1, "shipper", "another-secret", "events:write")]);

        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(service, "the-secret")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(service, "wrong-secret")).Status);
        await service.SendAsync(HttpMethod.Get, Rule, null, null, ("Authorization", "ApiKey " + Base64("soar:wrong-secret")));
        await service.SendAsync(HttpMethod.Get, Rule, null, null, ("Authorization", "ApiKey " + Base64("evil\r\nInjected:wrong-secret")));

        Assert.Contains(service.Log, line => line.Contains("soar was refused: it lacks the scope rule:read", StringComparison.Ordinal));
        Assert.Contains(service.Log, line => line.Contains("it named soar", StringComparison.Ordinal));
        Assert.DoesNotContain(service.Log, line => line.Contains("secret", StringComparison.Ordinal) || line.Contains("Injected", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Refusals_for_a_scope_are_logged_no_more_than_failed_attempts()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "key", "alerts:read"), ("Auth:MaxFailures", "2")]);
        foreach (var path in new[] { Rule, Rule, Rule, Rule, "/metrics" })
        {
            Assert.Equal(HttpStatusCode.Forbidden, (await service.SendAsync(HttpMethod.Get, path, null, null, ("X-API-Key", "key"))).Status);
        }

        Assert.Equal(2, service.Log.Count(line => line.Contains("lacks the scope rule:read", StringComparison.Ordinal)));
        Assert.Single(service.Log, line => line.Contains("lacks the scope metrics:read", StringComparison.Ordinal));
        service.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(service, "key")).Status);
        Assert.Equal(3, service.Log.Count(line => line.Contains("lacks the scope rule:read", StringComparison.Ordinal)));
    }

    // Failed attempts

    [Fact]
    public async Task Failed_attempts_are_throttled_until_their_window_ends_and_lock_nobody_out()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Auth:MaxFailures", "3"), ("Auth:FailureWindow", "00:01:00")]);

        for (var i = 0; i < 3; i++)
        {
            (await GetAsync(service, "wrong")).Problem(401);
            service.Clock.Advance(TimeSpan.FromSeconds(10));
        }

        var throttled = await GetAsync(service, "wrong");
        throttled.Problem(429);
        Assert.Equal(TimeSpan.FromSeconds(30), throttled.Headers.RetryAfter?.Delta);
        (await GetAsync(service, "wrong")).Problem(429);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(service, "K")).Status);
        Assert.Equal(3, service.Log.Count(line => line.Contains("unknown API key", StringComparison.Ordinal)));
        Assert.Single(service.Log, line => line.Contains("Too many failed attempts", StringComparison.Ordinal));
        Assert.DoesNotContain(service.Log, line => line.Contains("was not authenticated", StringComparison.Ordinal) || line.Contains("was challenged", StringComparison.Ordinal));

        service.Clock.Advance(TimeSpan.FromSeconds(29));
        (await GetAsync(service, "wrong")).Problem(429);
        service.Clock.Advance(TimeSpan.FromSeconds(1));
        (await GetAsync(service, "wrong")).Problem(401);
    }

    [Fact]
    public async Task Who_comes_again_after_the_time_told_is_not_a_moment_too_early()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Auth:MaxFailures", "1"), ("Auth:FailureWindow", "00:01:00")]);
        (await GetAsync(service, "wrong")).Problem(401);
        service.Clock.Advance(TimeSpan.FromMilliseconds(500));

        var throttled = await GetAsync(service, "wrong");

        throttled.Problem(429);
        Assert.Equal(TimeSpan.FromSeconds(60), throttled.Headers.RetryAfter?.Delta);
    }

    [Fact]
    public void Counters_are_bounded_whatever_addresses_come()
    {
        var clock = new FakeTimeProvider(TestService.Now);
        var counter = new WindowCounter(clock, TimeSpan.FromMinutes(1));

        for (var i = 0; i < WindowCounter.MaxKeys; i++)
        {
            Assert.Equal(1, counter.Add($"a{i}").Count);
        }

        Assert.Equal(1, counter.Add("b1").Count);
        Assert.Equal(2, counter.Add("b2").Count);
        Assert.Equal(2, counter.Add("a7").Count);
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, counter.Add("b3").Count);
        Assert.Equal(1, counter.Add("b4").Count);
    }

    [Theory]
    [InlineData("81.2.69.144", "::ffff:81.2.69.144", true)]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    [InlineData("81.2.69.144", "81.2.69.145", false)]
    public void Addresses_that_one_caller_commands_are_counted_as_one(string one, string other, bool isSame)
    {
#pragma warning disable RS0030 // Canonical text of the test.
        Assert.Equal(isSame, Access.CounterKeyOf(IPAddress.Parse(one)) == Access.CounterKeyOf(IPAddress.Parse(other)));
#pragma warning restore RS0030
    }

    // Without credentials

    [Theory]
    [InlineData("Production")]
    [InlineData("Staging")]
    public void Without_a_credential_the_service_does_not_start_and_says_how_to_mend_it(string environment)
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(environment, settings: ("Auth:AllowAnonymous", "false")));

        Assert.All(["keys new", "Auth:Jwt", "Auth:AllowAnonymous=true"], way => Assert.Contains(way, refusal.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_service_with_keys_is_not_open_at_the_same_time() => Assert.Contains("Auth:AllowAnonymous", Assert.Throws<OptionsValidationException>(
        () => new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Auth:AllowAnonymous", "true")])).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Open_by_choice_it_says_so_at_start()
    {
        using var service = new TestService();

        Assert.Equal(HttpStatusCode.OK, (await service.GetAsync(Rule)).Status);
        Assert.Contains(service.Log, line => line.StartsWith("Warning Auth:AllowAnonymous: whoever reaches the port", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("127.0.0.1", "localhost", 200)]
    [InlineData("127.0.0.1", "LOCALHOST:5080", 200)]
    [InlineData("::1", "[::1]:5080", 200)]
    [InlineData("::ffff:127.0.0.1", "127.0.0.1:5080", 200)]
    [InlineData("192.168.1.7", "localhost", 403)]
    [InlineData("2001:db8::7", "localhost", 403)]
    [InlineData("127.0.0.1", "rebound.example", 403)]
    public async Task In_development_without_keys_only_this_machine_is_answered(string address, string host, int status)
    {
        using var service = new TestService("Development", null, services => services.AddSingleton<IStartupFilter>(new From(address)));

        var answer = await service.SendAsync(HttpMethod.Get, Rule, null, null, ("Host", host));

        Assert.Equal(status, (int)answer.Status);
        Assert.Contains(service.Log, line => line.Contains("every user of this machine has access", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("cross-site", null, 403)]
    [InlineData("same-site", "http://localhost", 403)]
    [InlineData("same-origin", "https://other.name.of.a.proxy", 200)]
    [InlineData("none", null, 200)]
    [InlineData(null, "https://evil.example", 403)]
    [InlineData(null, "http://localhost:3000", 403)]
    [InlineData(null, "null", 403)]
    [InlineData(null, "http://LOCALHOST", 200)]
    [InlineData(null, "https://localhost", 200)]
    [InlineData(null, null, 200)]
    public async Task Without_a_credential_a_web_page_of_another_site_is_refused(string? site, string? origin, int status)
    {
        (string, string)[] headers = [.. new[] { ("Sec-Fetch-Site", site), ("Origin", origin) }.Where(header => header.Item2 is not null).Select(header => (header.Item1, header.Item2!))];
        foreach (var environment in new[] { "Development", "Production" })
        {
            using var service = new TestService(environment);
            using var body = new ByteArrayContent("[]"u8.ToArray());

            var written = await service.SendAsync(HttpMethod.Post, "/api/v1/events", body, null, headers);
            using var lines = new ByteArrayContent("{\"create\":{\"_index\":\"x\"}}\n{}\n"u8.ToArray());
            var bulk = await service.SendAsync(HttpMethod.Post, "/_bulk", lines, null, headers);
            var read = await service.SendAsync(HttpMethod.Get, Rule, null, null, headers);

            Assert.Equal((status, status, status), ((int)written.Status, (int)bulk.Status, (int)read.Status));
            Assert.Equal(HttpStatusCode.OK, (await service.SendAsync(HttpMethod.Get, "/swagger/index.html", null, null, headers)).Status);
            if (status == 403)
            {
                written.Problem(403);
                Assert.Contains("configure a key", written.Text, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task With_a_key_it_does_not_matter_from_where_it_is_sent()
    {
        using var service = new TestService(settings: [.. TestService.KeySettings(0, "soar", "K", "rule:read")]);

        Assert.Equal(HttpStatusCode.OK, (await service.SendAsync(HttpMethod.Get, Rule, null, null, ("X-API-Key", "K"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://portal.example"))).Status);
    }

    [Theory]
    [InlineData("localhost;127.0.0.1", "localhost:8080", 200)]
    [InlineData("localhost;127.0.0.1", "127.0.0.1:8080", 200)]
    [InlineData("localhost;127.0.0.1", "rebound.example", 400)]
    [InlineData("*", "rebound.example", 200)]
    public async Task A_host_that_is_not_allowed_is_refused(string allowed, string host, int status)
    {
        using var service = new TestService(settings: ("AllowedHosts", allowed));

        var answer = await service.SendAsync(HttpMethod.Get, Rule, null, null, ("Host", host));
        Assert.Equal((status, status == 400), ((int)answer.Status, answer.Text.Length == 0));
        Assert.Equal(allowed == "*", service.Log.Any(line => line.Contains("AllowedHosts names no hosts", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task In_development_with_keys_any_machine_may_show_one()
    {
        using var service = new TestService(
            "Development", null, services => services.AddSingleton<IStartupFilter>(new From("192.168.1.7")), [.. TestService.KeySettings(0, "soar", "K", "rule:read")]);

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(service, "K")).Status);
        (await service.GetAsync(Rule)).Problem(401);
    }

    [Fact]
    public void Faults_of_the_settings_are_listed_by_key()
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings:
        [
            .. TestService.KeySettings(0, "soar", "K", "rule:read"), ("Auth:ApiKeys:0:Expires", "soon"), ("Auth:Jwt:Authority", "http://login.example"), ("Auth:MaxFailures", "0"),
            ("Requests:MaxBodyBytes", "1"), ("Requests:GracePeriod", "00:00:01"), ("Runs:MaxAddresses", "1001"), ("Runs:MaxWindow", "00:59:59"),
        ]));

        Assert.Equal(
            [
                "Auth:ApiKeys:0:Expires", "Auth:Jwt:Audience", "Auth:Jwt:Authority", "Auth:MaxFailures",
                "Requests:GracePeriod", "Requests:MaxBodyBytes", "Runs:MaxAddresses", "Runs:MaxWindow",
            ],
            refusal.Failures.Select(fault => fault[..fault.IndexOf(": ", StringComparison.Ordinal)]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_hundred_datasets_may_be_alerts_and_no_more()
    {
        (string, string)[] Datasets(int count) => [.. Enumerable.Range(0, count).Select(i => ($"Events:AlertDatasets:{i}", $"sensor{i}.alerts"))];
        using var most = new TestService(settings: Datasets(100));

        var refusal = Assert.Throws<OptionsValidationException>(() => new TestService(settings: Datasets(101)));

        Assert.Equal("Events:AlertDatasets: must be at most 100 datasets.", Assert.Single(refusal.Failures));
    }

    // Tokens

    public static TheoryData<string, int> Tokens() => new()
    {
        { "good", 200 },
        { "good, scp", 200 },
        { "good, roles", 200 },
        { "good, list", 200 },
        { "no scope", 403 },
        { "scope in an object", 403 },
        { "scope in an object of a list", 403 },
        { "scope in a list of a list", 403 },
        { "other scope", 403 },
        { "expired", 401 },
        { "expired within the skew", 200 },
        { "not yet", 401 },
        { "not yet, within the skew", 200 },
        { "without expiry", 401 },
        { "wrong audience", 401 },
        { "audience and a slash", 401 },
        { "no audience", 401 },
        { "wrong issuer", 401 },
        { "wrong key", 401 },
        { "alg none", 401 },
        { "HS256 with the public key", 401 },
        { "tampered", 401 },
        { "critical header", 401 },
        { "rubbish", 401 },
    };

    [Theory]
    [MemberData(nameof(Tokens))]
    public async Task A_token_of_the_provider_is_taken_and_no_other(string kind, int status)
    {
        using var service = NewServiceWithProvider();

        var answer = await BearerAsync(service, TokenOf(kind));

        Assert.True(status == (int)answer.Status, $"{(int)answer.Status}: {answer.Text} {string.Join('\n', service.Log)}");
        if (status == 401)
        {
            answer.Problem(401);
            Assert.Equal(["ApiKey", "Bearer"], answer.Headers.WwwAuthenticate.Select(challenge => challenge.Scheme));
            Assert.Contains(service.Log, line => line.StartsWith("Warning A bearer token was refused", StringComparison.Ordinal));
        }
        else if (status == 403)
        {
            Assert.Contains("rule:read", answer.Text, StringComparison.Ordinal);
            Assert.Contains("identity provider", answer.Text, StringComparison.Ordinal);
            Assert.Contains(service.Log, line => line.Contains("playbook was refused: it lacks the scope rule:read", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("café", "cafü")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123-1", "0123456789012345678901234567890123456789012345678901234567890123-2")]
    public async Task Tokens_of_several_clients_are_several_callers_however_the_log_shows_them(string one, string other)
    {
        using var service = NewServiceWithProvider(("Requests:PerCaller", "1"));

        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, TokenOf("good", one))).Status);
        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, TokenOf("good", other))).Status);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await BearerAsync(service, TokenOf("good", one))).Status);
    }

    [Fact]
    public async Task A_client_is_another_caller_than_the_person_who_has_its_name()
    {
        using var service = NewServiceWithProvider(("Requests:PerCaller", "1"));

        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, TokenOf("good", "7"))).Status);
        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, TokenOf("good, of a person"))).Status);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await BearerAsync(service, TokenOf("good, of a person"))).Status);
    }

    [Fact]
    public async Task A_bearer_that_is_a_key_stays_a_key()
    {
        using var service = NewServiceWithProvider([.. TestService.KeySettings(0, "soar", "K", "rule:read")]);

        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, "K")).Status);
        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, TokenOf("good"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(service, TokenOf("good"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await BearerAsync(service, "wrong")).Status);
    }

    [Fact]
    public async Task While_the_provider_cannot_be_reached_nobody_is_told_that_the_token_is_wrong_nor_kept_out()
    {
        using var service = new TestService(settings:
            [("Auth:Jwt:Authority", "https://127.0.0.1:1/tenant"), ("Auth:Jwt:Audience", Audience), ("Auth:MaxFailures", "2"), .. TestService.KeySettings(0, "soar", "K", "rule:read")]);

        for (var i = 0; i < 5; i++)
        {
            var answer = await BearerAsync(service, TokenOf("good"));
            answer.Problem(503);
            Assert.Equal(TimeSpan.FromSeconds(10), answer.Headers.RetryAfter?.Delta);
        }

        // A failure is the answer for a while, so that it is logged once.
        Assert.Single(service.Log, line => line.Contains("The OpenID Connect provider cannot be asked", StringComparison.Ordinal));
        (await BearerAsync(service, "no token")).Problem(401);
        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, "K")).Status);
    }

    [Fact]
    public async Task Until_the_keys_of_the_provider_are_known_all_calls_wait_for_one_fetch_and_a_failure_is_the_answer_for_a_while()
    {
        var provider = new SlowProvider();
        using var service = NewService(services => services.Configure<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme, jwt => jwt.ConfigurationManager = provider));
        using var gone = new CancellationTokenSource();

        var left = service.SendAsync(HttpMethod.Get, Rule, null, null, gone.Token, ("Authorization", "Bearer " + TokenOf("good")));
        await provider.Asked.WaitAsync();
        var calls = Enumerable.Range(0, 20).Select(_ => BearerAsync(service, TokenOf("good"))).ToList();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        provider.Answer.SetException(new InvalidOperationException("Nobody is there."));
        Assert.All(await Task.WhenAll(calls), answer => answer.Problem(503));
        (await BearerAsync(service, TokenOf("good"))).Problem(503);
        Assert.Equal(1, provider.Fetches);

        provider.Answer = new TaskCompletionSource<OpenIdConnectConfiguration>();
        provider.Answer.SetResult(Configuration());
        service.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(HttpStatusCode.OK, (await BearerAsync(service, TokenOf("good"))).Status);
    }

    [Theory]
    [InlineData("/health/live", 200)]
    [InlineData("/openapi/v1.json", 200)]
    [InlineData("/nothing/there", 404)]
    public async Task Where_no_credential_is_needed_none_is_checked(string path, int status)
    {
        var provider = new SlowProvider();
        using var service = NewService(services => services.Configure<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme, jwt => jwt.ConfigurationManager = provider));

        Assert.Equal(status, (int)(await service.SendAsync(HttpMethod.Get, path, null, null, ("Authorization", "Bearer " + TokenOf("good")))).Status);
        Assert.Equal(0, provider.Fetches);
    }

    private static string Base64(string text) => Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text));

    private static Task<Answer> GetAsync(TestService service, string key) => service.SendAsync(HttpMethod.Get, Rule, null, null, ("X-API-Key", key));

    private static Task<Answer> BearerAsync(TestService service, string token) => service.SendAsync(HttpMethod.Get, Rule, null, null, ("Authorization", "Bearer " + token));

    private TestService NewServiceWithProvider(params (string Key, string Value)[] settings) => NewService(
        services => services.Configure<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme, jwt => jwt.Configuration = Configuration()), settings);

    private static TestService NewService(Action<IServiceCollection> configure, params (string Key, string Value)[] settings) =>
        new("Production", null, configure, [("Auth:Jwt:Authority", Issuer), ("Auth:Jwt:Audience", Audience), .. settings]);

    private OpenIdConnectConfiguration Configuration() => new() { Issuer = Issuer, SigningKeys = { new RsaSecurityKey(_rsa) { KeyId = "k1" } } };

    private string TokenOf(string kind, string client = "playbook")
    {
        var now = TestService.Now.UtcDateTime;
        var (scopeClaim, scopes) = kind switch
        {
            "good, scp" => ("scp", "openid rule:read"),
            "good, roles" => ("roles", "rule:read"),
            "good, list" => ("scope", """["openid","rule:read"]"""),
            "no scope" => ("scope", ""),
            "scope in an object" => ("scope", """{"a":"x rule:read y"}"""),
            "scope in an object of a list" => ("scope", """[{"a":"x rule:read y"}]"""),
            "scope in a list of a list" => ("scope", """[["x rule:read y"]]"""),
            "other scope" => ("scope", "alerts:read rule:readable"),
            _ => ("scope", "rule:read"),
        };
        var ofScopes = scopes.FirstOrDefault() switch { '{' => JsonClaimValueTypes.Json, '[' => JsonClaimValueTypes.JsonArray, _ => ClaimValueTypes.String };
        var description = new SecurityTokenDescriptor
        {
            Issuer = kind == "wrong issuer" ? "https://evil.example" : Issuer,
            Audience = kind switch { "wrong audience" => "api://other", "audience and a slash" => Audience + "/", "no audience" => null, _ => Audience },
            Subject = new ClaimsIdentity([new Claim("sub", "7"), .. kind == "good, of a person" ? Array.Empty<Claim>() : [new Claim("azp", client)], new Claim(scopeClaim, scopes, ofScopes)]),
            NotBefore = kind switch { "not yet" => now.AddMinutes(2), "not yet, within the skew" => now.AddSeconds(59), _ => now.AddHours(-1) },
            IssuedAt = now.AddHours(-1),
            AdditionalHeaderClaims = kind == "critical header" ? new Dictionary<string, object>(StringComparer.Ordinal) { ["crit"] = new[] { "exp" } } : null,
            Expires = kind switch { "expired" => now.AddMinutes(-1), "expired within the skew" => now.AddSeconds(-59), "without expiry" => null, _ => now.AddHours(1) },
            SigningCredentials = kind switch
            {
                "alg none" => null,
                "wrong key" => new SigningCredentials(new RsaSecurityKey(_otherRsa) { KeyId = "k1" }, SecurityAlgorithms.RsaSha256),
                "HS256 with the public key" => new SigningCredentials(new SymmetricSecurityKey(_rsa.ExportSubjectPublicKeyInfo()), SecurityAlgorithms.HmacSha256),
                _ => new SigningCredentials(new RsaSecurityKey(_rsa) { KeyId = "k1" }, SecurityAlgorithms.RsaSha256),
            },
        };
        var token = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(description);
        return kind switch
        {
            "rubbish" => "eyJh.b.c",
            "tampered" => string.Join('.', token.Split('.')[0], Base64Url.Encode(token.Split('.')[1]), token.Split('.')[2]),
            _ => token,
        };
    }

    private static class Base64Url
    {
        // The same claims, but for the scope.
        public static string Encode(string payload) => Base64UrlEncoder.Encode(Base64UrlEncoder.Decode(payload).Replace("rule:read", "alerts:read rule:read", StringComparison.Ordinal));
    }

    /// <summary>A provider that answers when the test says so.</summary>
    private sealed class SlowProvider : IConfigurationManager<OpenIdConnectConfiguration>
    {
        private int _fetches;

        public SemaphoreSlim Asked { get; } = new(0);

        public TaskCompletionSource<OpenIdConnectConfiguration> Answer { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Fetches => _fetches;

        public Task<OpenIdConnectConfiguration> GetConfigurationAsync(CancellationToken cancel)
        {
            Interlocked.Increment(ref _fetches);
            Asked.Release();
            return Answer.Task;
        }

        public void RequestRefresh()
        {
            // There is nothing newer.
        }
    }

    /// <summary>Requests as if they came from an address.</summary>
    private sealed class From(string address) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, rest) =>
            {
#pragma warning disable RS0030 // Canonical text of the test.
                context.Connection.RemoteIpAddress = IPAddress.Parse(address);
#pragma warning restore RS0030
                return rest(context);
            });
            next(app);
        };
    }
}
