using SuspiciousSignin.Api.Hosting;

namespace SuspiciousSignin.Api.Events;

/// <summary>
/// The first answers to requests with an <c>Idempotency-Key</c>, so that a request may be sent again without being carried out again. Bounded by
/// number and age; kept in this process only.
/// </summary>
public sealed class IdempotencyCache
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<(string Key, Entry Entry)> _order = new();
    private readonly IdempotencyOptions _options;
    private readonly TimeProvider _clock;

    internal IdempotencyCache(IdempotencyOptions options, TimeProvider clock) => (_options, _clock) = (options, clock);

    /// <summary>What is known of a key.</summary>
    internal enum Claim
    {
        /// <summary>Nothing: the caller carries the request out, then says <see cref="Complete"/> or <see cref="Release"/>.</summary>
        New,

        /// <summary>Another request with the key is being carried out.</summary>
        InProgress,

        /// <summary>A request with the key has been answered.</summary>
        Answered,
    }

    internal Claim TryClaim(string key, out byte[] bodyHash, out Evaluation? answer)
    {
        lock (_gate)
        {
            Forget();
            (bodyHash, answer) = ([], null);
            if (!_entries.TryGetValue(key, out var entry))
            {
                entry = new Entry(_clock.GetUtcNow());
                _entries[key] = entry;
                _order.Enqueue((key, entry));
                return Claim.New;
            }

            (bodyHash, answer) = (entry.BodyHash, entry.Answer);
            return entry.Answer is null ? Claim.InProgress : Claim.Answered;
        }
    }

    internal void Complete(string key, byte[] bodyHash, Evaluation answer)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out var entry))
            {
                (entry.BodyHash, entry.Answer) = (bodyHash, answer);
            }
        }
    }

    internal void Release(string key)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out var entry) && entry.Answer is null)
            {
                _entries.Remove(key);
            }
        }
    }

    private void Forget()
    {
        var oldest = _clock.GetUtcNow() - _options.Lifetime;
        while (_order.TryPeek(out var first) && (first.Entry.At < oldest || _entries.Count >= _options.MaxKeys))
        {
            _order.Dequeue();
            if (_entries.TryGetValue(first.Key, out var entry) && entry == first.Entry)
            {
                _entries.Remove(first.Key);
            }
        }
    }

    private sealed class Entry(DateTimeOffset at)
    {
        public DateTimeOffset At => at;

        public byte[] BodyHash { get; set; } = [];

        public Evaluation? Answer { get; set; }
    }
}
