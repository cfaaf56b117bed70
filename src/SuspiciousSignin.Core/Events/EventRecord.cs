namespace SuspiciousSignin.Events;

/// <summary>One accepted event: what the rule and the stores need of it at hand, the rest in compact form.</summary>
public readonly record struct EventRecord
{
    /// <summary>Where it stood in its batch, counted from 0.</summary>
    public required int Position { get; init; }

    /// <summary><c>@timestamp</c> in milliseconds since the epoch.</summary>
    public required long Timestamp { get; init; }

    /// <summary><c>event.ingested</c> in milliseconds since the epoch; <see cref="Timestamp"/> where the event has none.</summary>
    public required long Ingested { get; init; }

    /// <summary>The fields that the rule tests, and its verdicts; one object for all events of a batch that have the same.</summary>
    public required EventTraits Traits { get; init; }

    /// <summary>
    /// Who acted: the fields of <c>user.*</c>, or of the service principal, in compact form; empty where the event does not say. Lies in
    /// the same array as <see cref="Payload"/>. Stores keep each once.
    /// </summary>
    public ReadOnlyMemory<byte> Account { get; init; }

    /// <summary>
    /// A 128-bit hash of the identity (<c>_id</c> with <c>_index</c>, else <c>kibana.alert.uuid</c>, else <c>event.id</c> with dataset and
    /// kind), seeded anew in each process so that collisions cannot be prepared; for stores that keep documents, the first half of its
    /// SHA-256. 0 for an event without identity.
    /// </summary>
    public required UInt128 Identity { get; init; }

    /// <summary>The distinct addresses of <c>source.ip</c>; empty where it holds none.</summary>
    public required ReadOnlyMemory<SourceAddress> Addresses { get; init; }

    /// <summary>
    /// The other known fields in compact form; <see cref="EventDocument.From(in EventRecord, Rules.RuleRevision)"/> reads them.
    /// </summary>
    public required ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>Whether the document had any <c>kibana.alert.*</c> field.</summary>
    public bool IsKibanaAlert { get; init; }

    /// <summary>The document as it came, for stores that keep documents; empty otherwise.</summary>
    public ReadOnlyMemory<byte> Document { get; init; }

    /// <summary>The verdicts of every revision.</summary>
    public Classification Classification => Traits.Classification;
}
