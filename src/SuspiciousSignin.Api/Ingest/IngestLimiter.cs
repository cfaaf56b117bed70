using System.Threading.RateLimiting;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Settings;

namespace SuspiciousSignin.Api.Ingest;

/// <summary>
/// How many bulk requests are worked on at once (the bounds of section <c>Runs</c>, counted apart from runs, so that neither starves the
/// other).
/// </summary>
public sealed class IngestLimiter : IDisposable
{
    private readonly PartitionedRateLimiter<string?> _ofCallers;
    private readonly PartitionedRateLimiter<string?> _ofAll;
    private readonly PartitionedRateLimiter<string?> _limiter;
    private readonly ConcurrencyLimiter _refused;
    private readonly WindowCounter _told;

    internal IngestLimiter(RunOptions options, TimeProvider clock)
    {
        _told = new WindowCounter(clock, TimeSpan.FromMinutes(1));
        _ofCallers = PartitionedRateLimiter.Create<string?, string>(
            caller => RateLimitPartition.GetConcurrencyLimiter(caller ?? "", _ => options.BoundOf(caller)));
        _ofAll = PartitionedRateLimiter.Create<string?, string>(
            _ => RateLimitPartition.GetConcurrencyLimiter("", _ => options.BoundOfAll()));
        _limiter = PartitionedRateLimiter.CreateChained(_ofCallers, _ofAll);
        _refused = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = options.MaxConcurrent, QueueLimit = 0 });
    }

    /// <summary>Waits for a place; a lease that is not acquired means that too many requests of the caller wait already.</summary>
    public ValueTask<RateLimitLease> AcquireAsync(string? caller, CancellationToken cancellationToken) =>
        _limiter.AcquireAsync(caller, 1, cancellationToken);

    /// <summary>
    /// A place for a request that is refused item by item, for which it has to be read; a lease that is not acquired means that even those
    /// are too many.
    /// </summary>
    public RateLimitLease AcquireToRefuse() => _refused.AttemptAcquire();

    /// <summary>
    /// Whether to log something of a request: the first in a minute. Shippers send many requests a second, and all of one cause.
    /// </summary>
    internal bool IsToTell(string what) => _told.Add(what).Count == 1;

    /// <inheritdoc/>
    public void Dispose()
    {
        _limiter.Dispose();
        _ofCallers.Dispose();
        _ofAll.Dispose();
        _refused.Dispose();
    }
}
