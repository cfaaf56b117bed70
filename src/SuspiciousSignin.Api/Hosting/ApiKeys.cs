using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Api.Ingest;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>What a key may do.</summary>
internal static class Scopes
{
    public const string EventsWrite = "events:write";
    public const string DetectionsRun = "detections:run";
    public const string AlertsRead = "alerts:read";
    public const string RuleRead = "rule:read";
    public const string MetricsRead = "metrics:read";

    public static readonly string[] All = [EventsWrite, DetectionsRun, AlertsRead, RuleRead, MetricsRead];
}

/// <summary>Who may call (section <c>Auth</c>). Without any key every caller may do everything.</summary>
internal sealed class AuthOptions
{
    /// <summary>The keys. Several may share a name, so that a key can be replaced without a gap.</summary>
    public IList<ApiKeyOptions> ApiKeys { get; set; } = [];
}

/// <summary>One API key, by its salted hash.</summary>
internal sealed class ApiKeyOptions
{
    /// <summary>The client's name, for the log.</summary>
    public string Name { get; set; } = "";

    /// <summary>As <c>keys new</c> prints it: 32 hexadecimal digits of salt, a colon, 64 of SHA-256 over salt and key.</summary>
    public string Hash { get; set; } = "";

    /// <summary>What the key may do.</summary>
    public IList<string> Scopes { get; set; } = [];
}

/// <summary>
/// API keys in <c>Authorization: ApiKey</c>, <c>Authorization: Bearer</c> or <c>X-API-Key</c>; never in the URL. Shippers send them together with
/// their name: <c>ApiKey</c> with the Base64 of <c>name:key</c>, or as user and password in <c>Basic</c>.
/// </summary>
internal static class ApiKeys
{
    public const string Scheme = "ApiKey";

    public static IServiceCollection AddApiKeys(this IServiceCollection services)
    {
        services.AddAuthentication(Scheme).AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(Scheme, configureOptions: null);
        services.AddAuthorization();
        services.AddOptions<AuthorizationOptions>().Configure<AuthOptions>((authorization, auth) =>
        {
            foreach (var scope in Scopes.All)
            {
                authorization.AddPolicy(scope, policy => policy.RequireAssertion(
                    context => auth.ApiKeys.Count == 0 || context.User.HasClaim("scope", scope)));
            }
        });
        return services;
    }

    /// <summary><c>keys new --name NAME --scope SCOPE...</c>: prints a new key once, and the settings that let it in.</summary>
    public static int New(string[] args, TextWriter output)
    {
        var name = args.SkipWhile(arg => arg != "--name").Skip(1).FirstOrDefault();
        var scopes = args.Where((_, i) => i > 0 && args[i - 1] == "--scope").ToList();
        if (name is null || scopes.Count == 0 || scopes.Except(Scopes.All, StringComparer.Ordinal).Any())
        {
            output.WriteLine($"keys new --name NAME --scope SCOPE [--scope SCOPE ...]; the scopes are {string.Join(", ", Scopes.All)}.");
            return 2;
        }

        var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        output.WriteLine($"Key (shown once): {key}");
        output.WriteLine($"Auth__ApiKeys__0__Name={name}");
        output.WriteLine($"Auth__ApiKeys__0__Hash={HashOf(key, RandomNumberGenerator.GetBytes(16))}");
        for (var i = 0; i < scopes.Count; i++)
        {
            output.WriteLine($"Auth__ApiKeys__0__Scopes__{i}={scopes[i]}");
        }

        return 0;
    }

    public static string HashOf(string key, byte[] salt) =>
        $"{Convert.ToHexStringLower(salt)}:{Convert.ToHexStringLower(SHA256.HashData([.. salt, .. Encoding.UTF8.GetBytes(key)]))}";

    public static bool IsHash(string? text) =>
        text is { Length: 97 } && text[32] == ':' && text.Remove(32, 1).All(char.IsAsciiHexDigitLower);
}

/// <summary>Tells who a key belongs to, in time that does not depend on how much of it is right.</summary>
internal sealed partial class ApiKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory loggers, UrlEncoder encoder, AuthOptions auth)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var keys = KeysOf(Request);
        if (keys.Count == 0)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        ApiKeyOptions? owner = null;
        foreach (var candidate in auth.ApiKeys)
        {
            var salt = Convert.FromHexString(candidate.Hash.AsSpan(0, 32));
            foreach (var (name, key) in keys)
            {
                var isIt = CryptographicOperations.FixedTimeEquals(
                    Encoding.ASCII.GetBytes(ApiKeys.HashOf(key, salt)), Encoding.ASCII.GetBytes(candidate.Hash));
                owner = isIt && (name is null || name == candidate.Name) ? candidate : owner;
            }
        }

        if (owner is null)
        {
            Log.Unknown(Logger);
            return Task.FromResult(AuthenticateResult.Fail("Unknown key."));
        }

        var claims = owner.Scopes.Select(scope => new Claim("scope", scope)).Append(new Claim(ClaimTypes.Name, owner.Name));
        var caller = new ClaimsPrincipal(new ClaimsIdentity(claims, ApiKeys.Scheme));
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(caller, ApiKeys.Scheme)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = "ApiKey realm=\"SuspiciousSignin\"";
        if (ElasticsearchErrors.AreFor(Context))
        {
            // Clients of HTTP libraries that send a password only where asked for one.
            Response.Headers.Append("WWW-Authenticate", "Basic realm=\"SuspiciousSignin\", charset=\"UTF-8\"");
        }

        return Problems.WriteAsync(Context, StatusCodes.Status401Unauthorized, "Send a valid key as 'Authorization: ApiKey KEY', 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.");
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        var scope = Context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>()?.Policy;
        Log.Forbidden(Logger, Context.User.Identity?.Name, scope);
        return Problems.WriteAsync(Context, StatusCodes.Status403Forbidden, $"The key lacks the scope '{scope}'.");
    }

    /// <summary>What the request may mean as a key, with the owner's name where it came with one.</summary>
    private static List<(string? Name, string Key)> KeysOf(HttpRequest request)
    {
        if (request.Headers["X-API-Key"] is [{ Length: > 0 } header])
        {
            return [(null, header)];
        }

        var authorization = request.Headers.Authorization.ToString().Split(' ', 2, StringSplitOptions.TrimEntries);
        if (authorization is not [var scheme, { Length: > 0 } text])
        {
            return [];
        }

        return scheme.ToUpperInvariant() switch
        {
            "BEARER" => [(null, text)],
            "APIKEY" => [(null, text), .. NamedKey(text)],
            "BASIC" => NamedKey(text),
            _ => [],
        };
    }

    private static List<(string? Name, string Key)> NamedKey(string base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out var length)
            && Encoding.UTF8.GetString(bytes, 0, length).Split(':', 2) is [var name, { Length: > 0 } key]
            ? [(name, key)]
            : [];
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A call with an unknown API key was refused")]
        public static partial void Unknown(ILogger logger);

        [LoggerMessage(2, LogLevel.Warning, "API key {Name} was refused: it lacks the scope {Scope}")]
        public static partial void Forbidden(ILogger logger, string? name, string? scope);
    }
}
