using System.Text.Json;
using SuspiciousSignin.Api.Settings;

namespace SuspiciousSignin.Api.Events;

/// <summary>
/// The first answers to requests with an <c>Idempotency-Key</c>, so that a request may be sent again without being carried out again.
/// Bounded by number, size and age; kept in this process only.
/// </summary>
public sealed class IdempotencyCache
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    // Only what is answered: a key in progress must not be forgotten, or its request could run twice at once.
    private readonly Queue<(string Key, Entry Entry)> _answered = new();
    private readonly IdempotencyOptions _options;
    private readonly TimeProvider _clock;
    private long _bytes;

    internal IdempotencyCache(IdempotencyOptions options, TimeProvider clock) => (_options, _clock) = (options, clock);

    /// <summary>What is known of a key.</summary>
    internal enum Claim
    {
        /// <summary>
        /// Nothing: the caller carries the request out, then says <see cref="TryComplete"/>, or <see cref="Release"/> where there is
        /// nothing to remember.
        /// </summary>
        New,

        /// <summary>Another request with the key is being carried out.</summary>
        InProgress,

        /// <summary>A request with the key has been answered.</summary>
        Answered,
    }

    internal Claim TryClaim(string key, out byte[] bodyHash, out byte[] answer)
    {
        lock (_gate)
        {
            Forget();
            var isNew = _entries.TryAdd(key, Entry.InProgress);
            var entry = _entries[key];
            (bodyHash, answer) = (entry.BodyHash, entry.Answer);
            return isNew ? Claim.New : entry == Entry.InProgress ? Claim.InProgress : Claim.Answered;
        }
    }

    /// <summary>Remembers the answer, unless it alone is longer than all may be.</summary>
    /// <param name="written">The answer as it is remembered, for whoever asked first.</param>
    internal bool TryComplete(string key, byte[] bodyHash, Evaluation answer, JsonSerializerOptions json, out byte[] written)
    {
        written = [];
        try
        {
            using var stream = new BoundedStream(_options.MaxBytes);
            JsonSerializer.Serialize(stream, answer, json);
            written = stream.ToArray();
        }
        catch (IOException)
        {
            return false;
        }

        lock (_gate)
        {
            var entry = new Entry(_clock.GetUtcNow(), bodyHash, written);
            _entries[key] = entry;
            _answered.Enqueue((key, entry));
            _bytes += written.Length;
            Forget();
            return true;
        }
    }

    /// <summary>Frees the key of a request that failed, or whose answer is not remembered.</summary>
    internal void Release(string key)
    {
        lock (_gate)
        {
            _entries.Remove(key);
        }
    }

    private void Forget()
    {
        var oldest = _clock.GetUtcNow() - _options.Lifetime;
        while (_answered.TryPeek(out var first)
            && (first.Entry.At < oldest || _answered.Count > _options.MaxKeys || _bytes > _options.MaxBytes))
        {
            _answered.Dequeue();
            _entries.Remove(first.Key);
            _bytes -= first.Entry.Answer.Length;
        }
    }

    private sealed class Entry(DateTimeOffset at, byte[] bodyHash, byte[] answer)
    {
        public static readonly Entry InProgress = new(default, [], []);

        public DateTimeOffset At => at;

        public byte[] BodyHash => bodyHash;

        public byte[] Answer => answer;
    }

    /// <summary>Takes no more than so many bytes, so that an answer too long to keep is never whole in memory.</summary>
    private sealed class BoundedStream(long maxBytes) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count)
        {
            if (Length + count > maxBytes)
            {
                throw new IOException("The answer is too long to be remembered.");
            }

            base.Write(buffer, offset, count);
        }
    }
}
