namespace SuspiciousSignin.Tests.Stores;

/// <summary>A clock that fails, as nothing else in the way of events into memory does.</summary>
internal sealed class StoppingClock(long now) : TimeProvider
{
    public bool IsStopped { get; set; }

    public override DateTimeOffset GetUtcNow() =>
        IsStopped ? throw new InvalidOperationException("The clock stopped.") : DateTimeOffset.FromUnixTimeMilliseconds(now);
}
