using System.Threading.RateLimiting;
using SuspiciousSignin.Api.Settings;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>
/// How many bulk requests are worked on at once (the bounds of section <c>Runs</c>, counted apart from runs, so that neither starves the
/// other).
/// </summary>
public sealed class IngestLimiter : IDisposable
{
    private readonly ConcurrencyLimiter _limiter;

    internal IngestLimiter(RunOptions options) => _limiter = new ConcurrencyLimiter(options.ToLimiterOptions());

    /// <summary>Waits for a place; a lease that is not acquired means that too many wait already.</summary>
    public ValueTask<RateLimitLease> AcquireAsync(CancellationToken cancellationToken) => _limiter.AcquireAsync(1, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _limiter.Dispose();
}
