namespace SuspiciousSignin.Stores;

/// <summary>
/// The queries that run, by numbers that go up. What is taken away from the store is used for something else only when the oldest of them
/// began later. A query enters before it takes the store's lock, so that whoever holds that lock afterwards sees it here. Thread-safe.
/// </summary>
internal sealed class RunningQueries
{
    private readonly Lock _gate = new();
    private readonly List<long> _running = [];
    private long _next = 1;
    private long _oldest = 1;

    /// <summary>The number of the next query.</summary>
    public long Next => Volatile.Read(ref _next);

    /// <summary>The number of the oldest query that runs; that of the next one where none does.</summary>
    public long Oldest => Volatile.Read(ref _oldest);

    /// <summary>Begins a query and tells its number.</summary>
    public long Enter()
    {
        lock (_gate)
        {
            var number = _next;
            _running.Add(number);
            Volatile.Write(ref _next, number + 1);
            return number;
        }
    }

    /// <summary>Ends a query: what it was handed out must not be read any more.</summary>
    public void Leave(long number)
    {
        lock (_gate)
        {
            _running.Remove(number);
            Volatile.Write(ref _oldest, _running.Count == 0 ? _next : _running[0]);
        }
    }
}
