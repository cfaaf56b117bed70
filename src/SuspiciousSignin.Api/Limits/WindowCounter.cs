namespace SuspiciousSignin.Api.Limits;

/// <summary>
/// Counts by key within windows that begin with a key's first count. Memory is bounded, and the clock may be set meanwhile.
/// </summary>
internal sealed class WindowCounter(TimeProvider clock, TimeSpan window)
{
    /// <summary>Keys counted apart; those that come when there are so many share one count.</summary>
    public const int MaxKeys = 10_000;

    private const string Others = "";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (long Count, long Ends)> _counts = new(StringComparer.Ordinal);
    private readonly long _length = (long)(window.TotalSeconds * clock.TimestampFrequency);
    private long _nextSweep;

    /// <summary>Adds one.</summary>
    /// <returns>The count of the window, this one included, and how long the window still lasts.</returns>
    public (long Count, TimeSpan Left) Add(string key)
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            if (_counts.Count >= MaxKeys && !_counts.ContainsKey(key))
            {
                Sweep(now);
                key = _counts.Count >= MaxKeys ? Others : key;
            }

            var (count, ends) = _counts.GetValueOrDefault(key);
            (count, ends) = count == 0 || ends <= now ? (1, now + _length) : (count + 1, ends);
            _counts[key] = (count, ends);
            return (count, clock.GetElapsedTime(now, ends));
        }
    }

    private void Sweep(long now)
    {
        if (now < _nextSweep)
        {
            return;
        }

        // Not with every request: whoever has many addresses must not buy a walk over all counts with each.
        _nextSweep = now + (_length / 10);
        foreach (var key in _counts.Where(entry => entry.Value.Ends <= now).Select(entry => entry.Key).ToList())
        {
            _counts.Remove(key);
        }
    }
}

/// <summary>What was refused. Apart, so that strangers, who may have many addresses, use up no count of those whom we know.</summary>
/// <param name="OfAddresses">Attempts to show who one is.</param>
/// <param name="OfCallers">Requests for which a known caller has no right.</param>
internal sealed record FailedAttempts(WindowCounter OfAddresses, WindowCounter OfCallers);
