using System.ComponentModel;

namespace SuspiciousSignin.Events;

/// <summary>How events are read (section <c>Events</c>).</summary>
public sealed class EventReaderOptions
{
    /// <summary>
    /// The longest text of a field that the rule reads, in UTF-16 code units; a longer one reads as absent, as ECS' <c>ignore_above</c> has
    /// it.
    /// </summary>
    public const int MaxTextLength = EcsFields.MaxTextLength;

    /// <summary>How many different addresses of one event are kept; further ones are passed over.</summary>
    public const int MaxAddresses = EcsDocument.MaxValuesPerField;

    /// <summary>The longest body after decompression, in bytes. Default 134,217,728 (128 MiB); 1 KiB to 2 GiB.</summary>
    public long MaxBodyBytes { get; set; } = 128L * 1024 * 1024;

    /// <summary>
    /// The most events in one body; as many blank lines and empty envelopes may be in it besides. Default 250,000; 1 to 10,000,000.
    /// </summary>
    public int MaxEvents { get; set; } = 250_000;

    /// <summary>The longest single event, in bytes. Default 1,048,576 (1 MiB); 1 KiB to 64 MiB.</summary>
    public int MaxEventBytes { get; set; } = 1024 * 1024;

    /// <summary>How deep an event may nest. Default 64; 8 to 512.</summary>
    public int MaxDepth { get; set; } = 64;

    /// <summary>How many cores read the lines of one long body at once. Default: as many as there are, 8 at most; 1 to 64.</summary>
    public int Readers { get; set; } = Math.Min(Environment.ProcessorCount, 8);

    /// <summary>
    /// Whether an Entra ID sign-in without <c>properties.status</c> takes its outcome from <c>resultType</c>. Default true; Elastic's
    /// pipeline holds it for a success.
    /// </summary>
    public bool SignInResultTypeFallback { get; set; } = true;

    /// <summary>
    /// Whether the address of an Entra ID sign-in may be <c>ip:port</c> or <c>[ip]:port</c>. Default true; Elastic's pipeline sets no
    /// <c>source.ip</c> then.
    /// </summary>
    public bool SignInAddressWithPort { get; set; } = true;

    /// <summary>
    /// Whether an Entra ID sign-in without <c>properties.ipAddress</c> takes <c>callerIpAddress</c>. Default false, as Elastic's pipeline
    /// has it.
    /// </summary>
    public bool SignInCallerAddressFallback { get; set; }

    /// <summary>
    /// Whether alert documents read <c>data_stream.*</c> as null, as on clusters with stock Kibana alert indices, which do not map it.
    /// Default false: the document's own value is read.
    /// </summary>
    public bool StockAlertMapping { get; set; }

    /// <summary>
    /// Datasets whose events <c>promote</c> counts as raw network alerts although their <c>event.kind</c> is not <c>alert</c>, such as
    /// those of a sensor that does not set it. Default none.
    /// </summary>
    public IReadOnlyList<string> AlertDatasets { get; set; } = [];

    /// <summary>
    /// Whether the documents are kept as they came; set by the service where its store needs them, never by configuration.
    /// </summary>
    [Browsable(false)]
    public bool KeepDocuments { get; set; }
}
