using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;

namespace SuspiciousSignin.Api.Auth;

/// <summary>
/// Whether the keys that the provider signs tokens with are known. Until they are, all calls wait for one fetch: each with its own, one
/// after another as the library does it, strangers could make everybody wait for minutes.
/// </summary>
internal sealed partial class ProviderKeys(IOptionsMonitor<JwtBearerOptions> jwt, TimeProvider clock, ILogger<ProviderKeys> logger)
{
    /// <summary>How long a failure is the answer to all calls.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private Task<bool>? _fetch;
    private bool _areKnown;
    private long _ended;

    /// <summary>Whether they are known, after a fetch where it takes one.</summary>
    public Task<bool> AreKnownAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_fetch is null || (_fetch.IsCompleted && !_areKnown && clock.GetElapsedTime(_ended) >= Pause))
            {
                // Not on the account of the call that happens to be the first, which may go away.
                _fetch = Task.Run(FetchAsync, CancellationToken.None);
            }

            return _fetch.WaitAsync(cancellationToken);
        }
    }

    private async Task<bool> FetchAsync()
    {
        try
        {
            // The library keeps what it got, and renews it beside the calls.
            await jwt.Get(JwtBearerDefaults.AuthenticationScheme).ConfigurationManager!.GetConfigurationAsync(CancellationToken.None);
            return _areKnown = true;
        }
        catch (InvalidOperationException unreachable)
        {
            Log.NoProvider(logger, unreachable);
            return false;
        }
        finally
        {
            _ended = clock.GetTimestamp();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning,
            "The OpenID Connect provider cannot be asked for its keys; calls with its tokens are answered 503")]
        public static partial void NoProvider(ILogger logger, Exception exception);
    }
}
