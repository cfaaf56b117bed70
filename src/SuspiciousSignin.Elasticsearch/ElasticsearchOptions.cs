namespace SuspiciousSignin.Elasticsearch;

/// <summary>How the cluster is reached and read (section <c>Store:Elasticsearch</c>).</summary>
public sealed class ElasticsearchOptions
{
    /// <summary>The nodes, such as <c>https://es1:9200</c>; all of one scheme. Required. Credentials do not belong here.</summary>
    public IReadOnlyList<Uri> Nodes { get; set; } = [];

    /// <summary>The API key in the form that Elasticsearch calls <c>encoded</c>: base64 of <c>id:key</c>. A secret.</summary>
    public string? ApiKey { get; set; }

    /// <summary>The user for basic authentication; with <see cref="Password"/>.</summary>
    public string? Username { get; set; }

    /// <summary>The password. A secret.</summary>
    public string? Password { get; set; }

    /// <summary>A bearer token, such as a service account's. A secret.</summary>
    public string? BearerToken { get; set; }

    /// <summary>
    /// A PEM file of the certificate authorities that the nodes' certificates must come from, instead of those that the machine trusts.
    /// </summary>
    public string? CertificateAuthority { get; set; }

    /// <summary>
    /// SHA-256 of the one certificate authority or node certificate that is trusted, in hexadecimal, colons allowed: what Elasticsearch
    /// prints at its first start.
    /// </summary>
    public string? CertificateFingerprint { get; set; }

    /// <summary>Whether credentials may travel over plain HTTP to other machines. Default false.</summary>
    public bool AllowPlainHttp { get; set; }

    /// <summary>
    /// The index patterns to read, by revision name, instead of the revision's own. The data stream that this service writes is always
    /// read.
    /// </summary>
    public IDictionary<string, string[]> Indices { get; set; } = new Dictionary<string, string[]>(StringComparer.Ordinal);

    /// <summary>The data stream that events are written to. Default <c>logs-suspicious_signin.events-default</c>.</summary>
    public string DataStream { get; set; } = "logs-suspicious_signin.events-default";

    /// <summary>How long one HTTP call may take, its answer included. Default 30 seconds; 1 second to 10 minutes.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a call may take in all with its repetitions. Default 2 minutes; 1 second to 30 minutes.</summary>
    public TimeSpan TotalTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long one ES|QL query may run before it is stopped. Default 5 minutes; 1 second to 1 hour.</summary>
    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long the cluster may hold a call open for a running query. Default 5 seconds; 100 milliseconds to 1 minute, below
    /// <see cref="CallTimeout"/>.
    /// </summary>
    public TimeSpan PollWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How often a call is repeated that the cluster was too busy for (429), and events of a bulk request that failed for no fault of
    /// theirs. Default 3; 1 to 10.
    /// </summary>
    public int MaxRetries { get; set; } = 3;

    /// <summary>The size of one bulk request, bytes. Default 5 MiB; 64 KiB to 90 MiB (the cluster's own bound is 100 MB).</summary>
    public int BulkBytes { get; set; } = 5 * 1024 * 1024;

    /// <summary>How long what was learned of mappings is used. Default 5 minutes; 1 second to 1 day.</summary>
    public TimeSpan MappingLifetime { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Of how many calls within 30 seconds half must have failed, on every node tried, to open the circuit, so that a lost cluster is not
    /// asked by every request. Default 10; 2 to 1,000.
    /// </summary>
    public int CircuitCalls { get; set; } = 10;

    /// <summary>How long the circuit stays open. Default 10 seconds; 500 milliseconds to 10 minutes.</summary>
    public TimeSpan CircuitBreak { get; set; } = TimeSpan.FromSeconds(10);
}
