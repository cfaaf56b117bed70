using System.Net;
using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Limits;

namespace SuspiciousSignin.Api.Auth;

/// <summary>What a caller may do.</summary>
internal static class Scopes
{
    public const string EventsWrite = "events:write";
    public const string DetectionsRun = "detections:run";
    public const string AlertsRead = "alerts:read";
    public const string RuleRead = "rule:read";
    public const string MetricsRead = "metrics:read";

    /// <summary>The policy that asks for no scope: any valid credential will do.</summary>
    public const string Any = "any";

    public static readonly string[] All = [EventsWrite, DetectionsRun, AlertsRead, RuleRead, MetricsRead];
}

/// <summary>
/// Who may call (section <c>Auth</c>). With a key or a provider configured, every caller has to show who it is. Without, the service starts
/// in Development only, and answers only this machine.
/// </summary>
internal sealed class AuthOptions
{
    /// <summary>The keys. Several may share a name, so that a key can be replaced without a gap.</summary>
    public IList<ApiKeyOptions> ApiKeys { get; set; } = [];

    /// <summary>The OpenID Connect provider whose tokens are taken.</summary>
    public JwtOptions Jwt { get; set; } = new();

    /// <summary>Whether the service may start without any credential, open to whoever reaches its port. Default false.</summary>
    public bool AllowAnonymous { get; set; }

    /// <summary>
    /// Failed attempts of one address within <see cref="FailureWindow"/>; further ones are answered 429. Default 20; 1 to 10,000.
    /// </summary>
    public int MaxFailures { get; set; } = 20;

    /// <summary>How long failed attempts are counted. Default 1 minute; 1 second to 1 day.</summary>
    public TimeSpan FailureWindow { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Whether callers have to show who they are.</summary>
    internal bool HasCredentials => ApiKeys.Count > 0 || Jwt.Authority is not null;
}

/// <summary>An OpenID Connect provider.</summary>
internal sealed class JwtOptions
{
    /// <summary>Its issuer, an <c>https</c> URL; keys are read from its discovery document.</summary>
    public string? Authority { get; set; }

    /// <summary>The audience (<c>aud</c>) that stands for this service.</summary>
    public string? Audience { get; set; }
}

/// <summary>Authentication, authorization, and the two counters: failed attempts per address, requests per caller.</summary>
internal static partial class Access
{
    private const string LackingItem = "scope";

    /// <summary>How far the provider's clock and ours may be apart.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);

    /// <summary>How long a call waits for the provider, where its keys are not known yet.</summary>
    private static readonly TimeSpan ProviderTimeout = TimeSpan.FromSeconds(5);

    public static IServiceCollection AddAccess(this IServiceCollection services)
    {
        services.AddAuthentication(ApiKeys.Scheme)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeys.Scheme, configureOptions: null)
            .AddJwtBearer();
        // That brings data protection, for cookies that nobody has here; at start it would write a key file and warn of it.
        foreach (var ofKeys in services.Where(service => service.ServiceType == typeof(IHostedService)
            && service.ImplementationType?.Assembly == typeof(KeyManagementOptions).Assembly).ToList())
        {
            services.Remove(ofKeys);
        }

        services.AddSingleton<ProviderKeys>();
        services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme).Configure<AuthOptions, TimeProvider>(Configure);
        services.AddAuthorization();
        services.AddOptions<AuthorizationOptions>().Configure<AuthOptions>((authorization, auth) =>
        {
            authorization.AddPolicy(Scopes.Any, policy => policy.RequireAssertion(
                context => !auth.HasCredentials || context.User.Identity?.IsAuthenticated == true));
            foreach (var scope in Scopes.All)
            {
                authorization.AddPolicy(scope, policy => policy.RequireAssertion(
                    context => !auth.HasCredentials || context.User.HasClaim("scope", scope)));
            }
        });
        services.AddSingleton(provider =>
        {
            var (clock, window) = (provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<AuthOptions>().FailureWindow);
            return new FailedAttempts(new WindowCounter(clock, window), new WindowCounter(clock, window));
        });
        services.AddSingleton<IValidateOptions<AuthOptions>, CredentialsValidator>();
        return services.AddRequestLimits();
    }

    public static void UseAccess(this WebApplication app)
    {
        var auth = app.Services.GetRequiredService<AuthOptions>();
        WarnAtStart(auth, app.Configuration, app.Services.GetRequiredService<TimeProvider>(), app.Logger);
        if (!auth.HasCredentials && !auth.AllowAnonymous)
        {
            app.Use((context, next) => IsThisMachine(context)
                ? next(context)
                : Problems.WriteAsync(
                    context,
                    StatusCodes.Status403Forbidden,
                    "Without keys, Development answers this machine only, under its own names. Configure a key: README, 'Keys'."));
        }

        if (!auth.HasCredentials)
        {
            app.Use((context, next) =>
                IsNeededFor(context) && IsOfForeignPage(context.Request)
                    ? Problems.WriteAsync(
                        context,
                        StatusCodes.Status403Forbidden,
                        "Without keys, web pages of other sites are not answered: whoever opened one did not mean to call. "
                        + "Call from a program or from Swagger UI here, or configure a key: README, 'Keys'.")
                    : next(context));
        }

        app.UseAuthentication();
        app.UseRequestLimits();
        app.UseAuthorization();
    }

    /// <summary>For a refusal of a caller who lacks a scope beside that of the endpoint.</summary>
    public static AuthenticationProperties Lacking(string scope) =>
        new(new Dictionary<string, string?>(StringComparer.Ordinal) { [LackingItem] = scope });

    /// <summary>The scope of <see cref="Lacking"/>, or null for that of the endpoint.</summary>
    public static string? LackingIn(AuthenticationProperties properties) =>
        properties.Items.TryGetValue(LackingItem, out var scope) ? scope : null;

    /// <summary>
    /// Who called, or null for a caller without credentials. All keys of a name are one caller: a second key for rotation is no second one.
    /// </summary>
    public static string? CallerOf(ClaimsPrincipal user) =>
        user.Identity is { IsAuthenticated: true } caller
            ? $"{caller.AuthenticationType}/{user.FindFirstValue(ClaimTypes.NameIdentifier)}"
            : null;

    /// <summary>The address that called, as a counter knows it: an IPv6 caller commands a whole /64.</summary>
    public static string CounterKeyOf(IPAddress? address)
    {
        if (address is null)
        {
            return "local";
        }

        var bytes = (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).GetAddressBytes();
        return Convert.ToHexString(bytes.AsSpan(0, Math.Min(bytes.Length, 8)));
    }

    private static void Configure(JwtBearerOptions jwt, AuthOptions auth, TimeProvider clock)
    {
        jwt.Authority = auth.Jwt.Authority;
        jwt.RequireHttpsMetadata = true;
        jwt.BackchannelTimeout = ProviderTimeout;
        jwt.MapInboundClaims = false;
        jwt.IncludeErrorDetails = false;
        jwt.Events = new JwtBearerEvents
        {
            // RFC 7515 §4.1.11: what must be understood is not, whatever it is.
            OnTokenValidated = context =>
            {
                if (context.SecurityToken is not JsonWebToken token || token.TryGetHeaderValue<object>("crit", out _))
                {
                    context.Fail("The token has critical headers.");
                }

                return Task.CompletedTask;
            },
        };
        jwt.TokenValidationParameters = new TokenValidationParameters
        {
            ValidAudience = auth.Jwt.Audience,
            IgnoreTrailingSlashWhenValidatingAudience = false,
            RequireSignedTokens = true,
            // A provider's public key must never be taken for a shared secret.
            ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
                SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
                SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
            ],
            LifetimeValidator = (notBefore, expires, _, _) =>
            {
                var now = clock.GetUtcNow().UtcDateTime;
                return expires is { } end && now < end + ClockSkew && (notBefore is not { } start || now >= start - ClockSkew);
            },
        };
    }

    // Nothing is known of the other side of a Unix socket or of a test server: both are on this machine. A page that had its own name
    // resolved to 127.0.0.1 comes from this machine too, but not under a name of it.
    private static bool IsThisMachine(HttpContext context)
    {
        var host = context.Request.Host.Host;
        return (context.Connection.RemoteIpAddress is not { } address || IPAddress.IsLoopback(address))
            && (host is "[::1]" or "127.0.0.1" or "" || host.Equals("localhost", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Whether the endpoint that was found is open to callers with a right only; health and documents are to all.</summary>
    public static bool IsNeededFor(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is not null;

    // A browser sends some requests for any page without asking first. It says for whom in headers that no page can set; programs send
    // neither. Behind a proxy only the first is sure to fit the name that the page was opened under, but browsers send it over HTTPS and
    // to this machine only.
    private static bool IsOfForeignPage(HttpRequest request)
    {
        var (site, origin) = (request.Headers["Sec-Fetch-Site"].ToString(), request.Headers.Origin.ToString());
        return site.Length > 0
            ? site is not ("same-origin" or "none")
            : origin.Length > 0
                && !(Uri.TryCreate(origin, UriKind.Absolute, out var page)
                    && page.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase));
    }

    private static void WarnAtStart(AuthOptions auth, IConfiguration configuration, TimeProvider clock, ILogger logger)
    {
        if (!auth.HasCredentials)
        {
            if (auth.AllowAnonymous)
            {
                Log.Open(logger);
                if (configuration["AllowedHosts"] is null or "" or "*")
                {
                    Log.AnyHost(logger);
                }
            }
            else
            {
                Log.OpenToThisMachine(logger);
            }
        }

        foreach (var key in auth.ApiKeys)
        {
            if (key.ExpiresAt is { } expires && expires <= clock.GetUtcNow() + TimeSpan.FromDays(14))
            {
                Log.Expires(logger, key.Name, expires);
            }
        }
    }

    /// <summary>A service that anybody may use starts only where its owner says so.</summary>
    private sealed class CredentialsValidator(IHostEnvironment environment) : IValidateOptions<AuthOptions>
    {
        public ValidateOptionsResult Validate(string? name, AuthOptions options)
        {
            if (options is { HasCredentials: true, AllowAnonymous: true })
            {
                return ValidateOptionsResult.Fail(
                    "Auth:AllowAnonymous: a credential is configured too, which would be without effect. Take one of them away.");
            }

            return options.HasCredentials || options.AllowAnonymous || environment.IsDevelopment()
                ? ValidateOptionsResult.Success
                : ValidateOptionsResult.Fail(
                    "Auth: no credential is configured, so whoever reaches the port could read and add events; "
                    + $"in {environment.EnvironmentName} the service does not start so. "
                    + "'keys new --name NAME --scope SCOPE' prints a key and the settings that let it in; "
                    + "Auth:Jwt takes tokens of an OpenID Connect provider; "
                    + "Auth:AllowAnonymous=true starts it open, for a trial on an address that nobody else reaches.");
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "No credential is configured: every user of this machine has access, and nobody else")]
        public static partial void OpenToThisMachine(ILogger logger);

        [LoggerMessage(2, LogLevel.Warning, "Auth:AllowAnonymous: whoever reaches the port can read and add events")]
        public static partial void Open(ILogger logger);

        [LoggerMessage(3, LogLevel.Warning, "API key {Name} expired or expires soon: {Expires:u}")]
        public static partial void Expires(ILogger logger, string name, DateTimeOffset expires);

        [LoggerMessage(4, LogLevel.Warning,
            "AllowedHosts names no hosts: a web page whose own name is made to lead here can read and add events through a user's browser")]
        public static partial void AnyHost(ILogger logger);
    }
}
