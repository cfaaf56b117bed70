using System.Text.Json;

namespace SuspiciousSignin.Api.Events;

/// <summary>How long answers are remembered for repeated requests (section <c>Idempotency</c>).</summary>
internal sealed class IdempotencyOptions
{
    /// <summary>Keys remembered; beyond it the caller with most loses its oldest. Default 1,000; 1 to 100,000.</summary>
    public int MaxKeys { get; set; } = 1000;

    /// <summary>
    /// Bytes of all answers remembered; beyond it the caller with most loses its oldest, and a longer one is not remembered. Default 64
    /// MiB; 1 MiB to 4 GiB.
    /// </summary>
    public long MaxBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>How long a key is remembered. Default 1 day; 1 minute to 30 days.</summary>
    public TimeSpan Lifetime { get; set; } = TimeSpan.FromDays(1);
}

/// <summary>
/// The first answers to requests with an <c>Idempotency-Key</c>, so that a request may be sent again without being carried out again.
/// Bounded by number, size and age; kept in this process only. Where there are too many, the caller who holds most loses its oldest: nobody
/// pushes out the answers of those who hold fewer.
/// </summary>
public sealed class IdempotencyCache
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Caller, string Key), Entry> _entries = [];

    // Only what is answered: a key in progress must not be forgotten, or its request could run twice at once.
    private readonly Dictionary<string, Answers> _answered = new(StringComparer.Ordinal);
    private readonly IdempotencyOptions _options;
    private readonly TimeProvider _clock;
    private int _count;
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

    /// <param name="caller">Who claims it; the same key of another is another one.</param>
    internal Claim TryClaim(string caller, string key, out byte[] bodyHash, out byte[] answer)
    {
        lock (_gate)
        {
            ForgetOld(caller);
            var isNew = _entries.TryAdd((caller, key), Entry.InProgress);
            var entry = _entries[(caller, key)];
            (bodyHash, answer) = (entry.BodyHash, entry.Answer);
            return isNew ? Claim.New : entry == Entry.InProgress ? Claim.InProgress : Claim.Answered;
        }
    }

    /// <summary>Remembers the answer, unless it alone is longer than all may be.</summary>
    /// <param name="written">The answer as it is remembered, for whoever asked first.</param>
    internal bool TryComplete(
        string caller, string key, byte[] bodyHash, Evaluation answer, JsonSerializerOptions json, out byte[] written)
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
            var entry = new Entry(_clock.GetTimestamp(), bodyHash, written);
            _entries[(caller, key)] = entry;
            if (!_answered.TryGetValue(caller, out var answers))
            {
                _answered[caller] = answers = new Answers();
            }

            answers.Oldest.Enqueue((key, entry));
            answers.Bytes += written.Length;
            _count++;
            _bytes += written.Length;
            Forget();
            return true;
        }
    }

    /// <summary>Frees the key of a request that failed, or whose answer is not remembered.</summary>
    internal void Release(string caller, string key)
    {
        lock (_gate)
        {
            _entries.Remove((caller, key));
        }
    }

    private void Forget()
    {
        foreach (var caller in _answered.Keys.ToList())
        {
            ForgetOld(caller);
        }

        while (_count > _options.MaxKeys)
        {
            ForgetFirst(WhoHoldsMost(answers => answers.Oldest.Count));
        }

        while (_bytes > _options.MaxBytes)
        {
            ForgetFirst(WhoHoldsMost(answers => answers.Bytes));
        }

        // Of several, whoever has held the oldest answer for longest.
        string WhoHoldsMost(Func<Answers, long> measure) =>
            _answered.MaxBy(held => (measure(held.Value), -held.Value.Oldest.Peek().Entry.At)).Key;
    }

    private void ForgetOld(string caller)
    {
        while (_answered.TryGetValue(caller, out var answers) && _clock.GetElapsedTime(answers.Oldest.Peek().Entry.At) > _options.Lifetime)
        {
            ForgetFirst(caller);
        }
    }

    private void ForgetFirst(string caller)
    {
        var answers = _answered[caller];
        var (key, entry) = answers.Oldest.Dequeue();
        _entries.Remove((caller, key));
        answers.Bytes -= entry.Answer.Length;
        _count--;
        _bytes -= entry.Answer.Length;
        if (answers.Oldest.Count == 0)
        {
            _answered.Remove(caller);
        }
    }

    /// <summary>What one caller was answered; never empty.</summary>
    private sealed class Answers
    {
        public Queue<(string Key, Entry Entry)> Oldest { get; } = new();

        public long Bytes { get; set; }
    }

    private sealed class Entry(long at, byte[] bodyHash, byte[] answer)
    {
        public static readonly Entry InProgress = new(default, [], []);

        public long At => at;

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
