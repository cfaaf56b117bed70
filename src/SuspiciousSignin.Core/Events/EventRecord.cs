namespace SuspiciousSignin.Events;

/// <summary>One accepted event: what the rule and the stores need of it at hand, the rest compact in <see cref="Payload"/>.</summary>
public readonly record struct EventRecord
{
    /// <summary>Where it stood in its batch, counted from 0.</summary>
    public required int Position { get; init; }

    /// <summary><c>@timestamp</c> in milliseconds since the epoch.</summary>
    public required long Timestamp { get; init; }

    /// <summary><c>event.ingested</c> in milliseconds since the epoch; <see cref="Timestamp"/> where the event has none.</summary>
    public required long Ingested { get; init; }

    /// <summary>The verdicts of every revision.</summary>
    public required Classification Classification { get; init; }

    /// <summary>
    /// A 128-bit hash of the identity (<c>_id</c> with <c>_index</c>, else <c>kibana.alert.uuid</c>, else <c>event.id</c> with dataset and
    /// kind), seeded anew in each process so that collisions cannot be prepared; for stores that keep documents, the first half of its SHA-256.
    /// 0 for an event without identity.
    /// </summary>
    public required UInt128 Identity { get; init; }

    /// <summary>The distinct addresses of <c>source.ip</c>; empty where it holds none.</summary>
    public required ReadOnlyMemory<SourceAddress> Addresses { get; init; }

    /// <summary>The known fields in compact form; <see cref="EventDocument.From"/> reads them.</summary>
    public required ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>The document as it came, for stores that keep documents; empty otherwise.</summary>
    public ReadOnlyMemory<byte> Document { get; init; }
}
