using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Api.Limits;

namespace SuspiciousSignin.Api.Auth;

/// <summary>
/// Tells who calls: the owner of a key, found in time that does not depend on how much of it is right, or whom a token of the provider
/// names. Failed attempts are counted per address; who shows a valid key is never kept out by the attempts of others behind the same
/// address.
/// </summary>
internal sealed partial class ApiKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ILoggerFactory loggers,
    UrlEncoder encoder,
    AuthOptions auth,
    FailedAttempts failures,
    ProviderKeys provider,
    TimeProvider clock)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, loggers, encoder)
{
    private static readonly string[] ScopeClaims = ["scope", "scp", "roles"];
    private static readonly string[] NameClaims = ["azp", "appid", "client_id", "sub"];

    private string? _hint;
    private TimeSpan? _retryAfter;
    private bool _isProviderAway;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var keys = KeysOf(Request);
        // Whoever needs no credential is not to cost a check of one.
        if (keys.Count == 0 || !auth.HasCredentials || !Access.IsNeededFor(Context))
        {
            return AuthenticateResult.NoResult();
        }

        if (OwnerOf(keys) is { } owner)
        {
            if (owner.ExpiresAt is { } expires && clock.GetUtcNow() >= expires)
            {
                _hint = "The key has expired.";
                return Refuse(() => Log.Expired(Logger, owner.Name, expires));
            }

            return Success(owner.Name, owner.Name, owner.Scopes, ApiKeys.Scheme);
        }

        if (auth.Jwt.Authority is not null && IsBearer(Request))
        {
            _hint = "The token is not valid here, or no longer.";
            if (!new JsonWebTokenHandler().CanReadToken(keys[0].Key))
            {
                return Refuse(() => Log.BadToken(Logger, "it is not a JWT"));
            }

            if (!await provider.AreKnownAsync(Context.RequestAborted))
            {
                // No failed attempt: nobody can tell whether the token is good, and it may be.
                _isProviderAway = true;
                return AuthenticateResult.Fail("The provider's keys are not known.");
            }

            var token = await Context.AuthenticateAsync(JwtBearerDefaults.AuthenticationScheme);
            if (token.Succeeded)
            {
                var claims = token.Principal.Claims.ToList();
                var named = NameClaims.Select(type => claims.Find(claim => claim.Type == type)).FirstOrDefault(claim => claim is not null);
                return Success(
                    Printable(named?.Value ?? "unnamed"),
                    Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{named?.Type}={named?.Value}"))),
                    // Of texts and lists of texts only: the value of any other is its JSON, in which words have another meaning.
                    claims.Where(claim => ScopeClaims.Contains(claim.Type) && claim.ValueType == ClaimValueTypes.String)
                        .SelectMany(claim => claim.Value.Split(' '))
                        .Intersect(Scopes.All, StringComparer.Ordinal),
                    JwtBearerDefaults.AuthenticationScheme);
            }

            return Refuse(() => Log.BadToken(Logger, token.Failure?.GetType().Name));
        }

        // A name is what the caller says: only one that we gave out goes into the log.
        var claimed = keys.Select(key => key.Name).FirstOrDefault(name => auth.ApiKeys.Any(key => key.Name == name));
        return Refuse(() => Log.Unknown(Logger, claimed ?? "(none)"));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (_isProviderAway)
        {
            Response.Headers.RetryAfter = "10";
            return Problems.WriteAsync(
                Context,
                StatusCodes.Status503ServiceUnavailable,
                "The OpenID Connect provider cannot be asked for the keys that tokens are signed with. "
                + "Try again after the time in Retry-After.");
        }

        if (_retryAfter is { } wait)
        {
            Response.Headers.RetryAfter = Problems.RetryAfter(wait);
            return Problems.WriteAsync(
                Context,
                StatusCodes.Status429TooManyRequests,
                "Too many failed attempts from this address. Try again after the time in Retry-After, with a valid key.");
        }

        Response.Headers.WWWAuthenticate = "ApiKey realm=\"SuspiciousSignin\"";
        if (ElasticsearchErrors.AreFor(Context))
        {
            // Clients of HTTP libraries that send a password only where asked for one.
            Response.Headers.Append("WWW-Authenticate", "Basic realm=\"SuspiciousSignin\", charset=\"UTF-8\"");
        }
        else if (auth.Jwt.Authority is not null)
        {
            Response.Headers.Append(
                "WWW-Authenticate",
                _hint is null ? "Bearer realm=\"SuspiciousSignin\"" : "Bearer realm=\"SuspiciousSignin\", error=\"invalid_token\"");
        }

        const string HowTo = "Send a valid key as 'Authorization: ApiKey KEY', 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.";
        return Problems.WriteAsync(Context, StatusCodes.Status401Unauthorized, _hint is null ? HowTo : $"{_hint} {HowTo}");
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        var scope = Access.LackingIn(properties) ?? Context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>()?.Policy;
        // Counted for the log only, which is not to be filled from outside.
        if (failures.OfCallers.Add($"{Access.CallerOf(Context.User)}/{scope}").Count <= auth.MaxFailures)
        {
            Log.Forbidden(Logger, Context.User.Identity?.Name, scope);
        }

        return Problems.WriteAsync(
            Context,
            StatusCodes.Status403Forbidden,
            $"The credential lacks the scope '{scope}'. A key is granted it in Auth:ApiKeys, a token by its identity provider.");
    }

    private ApiKeyOptions? OwnerOf(List<(string? Name, string Key)> keys)
    {
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

        return owner;
    }

    /// <param name="name">What the log calls the caller.</param>
    /// <param name="caller">What tells the caller from all others.</param>
    /// <param name="scopes">What the caller may do.</param>
    /// <param name="scheme">How the caller showed who it is.</param>
    private static AuthenticateResult Success(string name, string caller, IEnumerable<string> scopes, string scheme)
    {
        var claims = scopes.Select(scope => new Claim("scope", scope))
            .Append(new Claim(ClaimTypes.Name, name))
            .Append(new Claim(ClaimTypes.NameIdentifier, caller));
        return AuthenticateResult.Success(
            new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(claims, scheme)), ApiKeys.Scheme));
    }

    /// <summary>Counts the attempt, and logs it unless there were too many: a log is not to be filled from outside.</summary>
    private AuthenticateResult Refuse(Action log)
    {
        var address = Context.Connection.RemoteIpAddress;
        var (count, left) = failures.OfAddresses.Add(Access.CounterKeyOf(address));
        if (count <= auth.MaxFailures)
        {
            log();
        }
        else
        {
            _retryAfter = left;
            if (count == auth.MaxFailures + 1)
            {
                Log.Throttled(Logger, address, left.TotalSeconds);
            }
        }

        return AuthenticateResult.Fail("No valid credential.");
    }

    /// <summary>The header as it came: sent twice, it is no key that anybody has.</summary>
    private static string? HeaderKeyOf(HttpRequest request) => request.Headers["X-API-Key"].ToString() is { Length: > 0 } key ? key : null;

    private static bool IsBearer(HttpRequest request) =>
        HeaderKeyOf(request) is null && request.Headers.Authorization.ToString().StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase);

    private static string Printable(string name) =>
        string.Concat(name.Take(64).Select(character => character is >= ' ' and <= '~' ? character : '?'));

    /// <summary>What the request may mean as a key, with the owner's name where it came with one.</summary>
    private static List<(string? Name, string Key)> KeysOf(HttpRequest request)
    {
        if (HeaderKeyOf(request) is { } header)
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
        if (!Convert.TryFromBase64String(base64, bytes, out var length))
        {
            return [];
        }

        // The name may have a colon in it, or the key.
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        return
        [
            .. new[] { text.IndexOf(':', StringComparison.Ordinal), text.LastIndexOf(':') }
                .Where(colon => colon >= 0 && colon + 1 < text.Length)
                .Distinct()
                .Select(colon => ((string?)text[..colon], text[(colon + 1)..])),
        ];
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A call with an unknown API key was refused; it named {Name}")]
        public static partial void Unknown(ILogger logger, string name);

        [LoggerMessage(2, LogLevel.Warning, "{Name} was refused: it lacks the scope {Scope}")]
        public static partial void Forbidden(ILogger logger, string? name, string? scope);

        [LoggerMessage(3, LogLevel.Warning, "API key {Name} was refused: it expired at {Expires:u}")]
        public static partial void Expired(ILogger logger, string name, DateTimeOffset expires);

        [LoggerMessage(4, LogLevel.Warning, "A bearer token was refused: {Reason}")]
        public static partial void BadToken(ILogger logger, string? reason);

        [LoggerMessage(5, LogLevel.Warning,
            "Too many failed attempts from {Address}: they are answered 429 and not logged for {Seconds:0} s")]
        public static partial void Throttled(ILogger logger, System.Net.IPAddress? address, double seconds);
    }
}
