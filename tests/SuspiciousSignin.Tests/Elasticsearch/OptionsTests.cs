using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>Settings of the Elasticsearch store are checked at start; certificates are trusted as they say and no further.</summary>
public sealed class OptionsTests
{
    public static TheoryData<string, string, string> Faults() => new()
    {
        { "Nodes", "", "Nodes" },
        { "Nodes:0", "ftp://es:21", "must be an http or https URL" },
        { "Nodes:0", "https://user:secret-word@es:9200", "must not hold credentials" },
        { "Nodes:0", "https://es:9200/?secret-word=1", "must not hold credentials or a query" },
        { "Nodes:1", "https://es2:9200", "must all be of one scheme" },
        { "ApiKey", "not-encoded", "'encoded' form" },
        { "ApiKey", "aWQ6a2V5\n", "'encoded' form" },
        { "ApiKey", "b25seSB0aGUga2V5", "'encoded' form" },
        { "Username", "elastic\n", "must not hold line ends" },
        { "BearerToken", "secret-word\n", "without spaces or line ends" },
        { "CertificateFingerprint", string.Concat(Enumerable.Repeat("ab", 32)) + "\n", "SHA-256 in hexadecimal" },
        { "Username", "elastic", "Password" },
        { "Password", "secret-word", "Username" },
        { "CertificateFingerprint", "abc", "SHA-256 in hexadecimal" },
        { "CertificateAuthority", "/nowhere/ca.pem", "readable PEM file" },
        { "DataStream", "Logs Bad", "data stream's name" },
        { "Indices:2020-01-01:0", "logs-*", "must be keyed by one of" },
        { "Indices:2025-04-29:0", "logs-*\" | DROP", "must be index patterns" },
        { "Indices:2025-04-29:0", "-logs-*", "must be index patterns" },
        { "CallTimeout", "00:00:00", "CallTimeout" },
        { "PollWait", "00:00:45", "PollWait" },
        { "BulkBytes", "1", "BulkBytes" },
        { "Retries", "3", "Retries" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_setting_that_cannot_be_right_stops_the_start_and_is_named(string key, string value, string told)
    {
        var settings = new List<(string, string)> { ("Store:Kind", "Elasticsearch"), ($"Store:Elasticsearch:{key}", value) };
        if (!key.StartsWith("Nodes", StringComparison.Ordinal) || key == "Nodes:1")
        {
            settings.Add(("Store:Elasticsearch:Nodes:0", "http://localhost:9200"));
        }

        var fault = Assert.Throws<OptionsValidationException>(() => new TestService(settings: [.. settings]));
        Assert.Contains(told, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-word", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mapping_of_alerts_that_the_cluster_decides_is_not_set_here()
    {
        (string, string)[] settings = [("Store:Kind", "Elasticsearch"), ("Store:Elasticsearch:Nodes:0", "http://localhost:9200"), ("Events:StockAlertMapping", "true")];
        var fault = Assert.Throws<OptionsValidationException>(() => new TestService(settings: settings));
        Assert.Contains("Events:StockAlertMapping: has no meaning", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_setting_of_the_other_store_is_not_passed_over()
    {
        (string, string)[] settings = [("Store:Kind", "Elasticsearch"), ("Store:Elasticsearch:Nodes:0", "http://localhost:9200"), ("Store:Memory:Path", "events")];
        var fault = Assert.Throws<OptionsValidationException>(() => new TestService(settings: settings));
        Assert.Contains("has no meaning with Store:Kind=Elasticsearch", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://es.example.com:9200", false)]
    [InlineData("http://127.0.0.1:9200", true)]
    [InlineData("https://es.example.com:9200", true)]
    public void Credentials_do_not_leave_the_machine_in_the_clear(string node, bool starts)
    {
        (string, string)[] settings =
        [
            ("Store:Kind", "Elasticsearch"), ("Store:Elasticsearch:Nodes:0", node), ("Store:Elasticsearch:ApiKey", Convert.ToBase64String("id:key"u8)),
        ];
        var fault = Record.Exception(() => new TestService(settings: settings).Dispose());
        Assert.Equal(starts, fault is null);
        Assert.True(starts || fault!.Message.Contains("over plain HTTP", StringComparison.Ordinal), fault?.Message);
        using var allowed = new TestService(settings: [.. settings, ("Store:Elasticsearch:AllowPlainHttp", "true")]);
    }

    [Fact]
    public async Task A_lost_cluster_is_told_by_readiness_and_not_by_liveness()
    {
        using var service = new TestService(store: Cluster.StoreOver(new Uri("http://127.0.0.1:1")));
        Assert.Equal(503, (int)(await service.GetAsync("/health/ready")).Status);
        Assert.Equal(200, (int)(await service.GetAsync("/health/live")).Status);
    }

    [Theory]
    [InlineData("authority", "localhost", true)]
    [InlineData("authority", "127.0.0.1", false)]
    [InlineData("nodeFingerprint", "127.0.0.1", true)]
    [InlineData("otherAuthority", "localhost", false)]
    [InlineData("otherFingerprint", "localhost", false)]
    [InlineData("nothing", "localhost", false)]
    public async Task Only_the_named_authority_or_certificate_is_trusted(string trust, string host, bool connects)
    {
        using var authority = NewAuthority("CN=Test CA");
        using var other = NewAuthority("CN=Test CA");
        using var certificate = NewServerCertificate(authority);
        await using var server = await StartAsync(certificate, authority);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, (trust == "otherAuthority" ? other : authority).ExportCertificatePem(), TestContext.Current.CancellationToken);
            var pinned = trust switch { "nodeFingerprint" => certificate, "otherFingerprint" => other, _ => authority };
            var store = Cluster.StoreOver(new Uri($"https://{host}:{new Uri(server.Urls.First()).Port}"), options =>
            {
                options.CertificateAuthority = trust.EndsWith("uthority", StringComparison.Ordinal) ? file : null;
                options.CertificateFingerprint = trust.EndsWith("ingerprint", StringComparison.Ordinal) ? pinned.GetCertHashString(HashAlgorithmName.SHA256) : null;
            });
            var fault = await Record.ExceptionAsync(() => store.CheckAsync(TestContext.Current.CancellationToken));
            Assert.Equal(connects, fault is null);
            Assert.True(connects || fault is StoreUnavailableException, fault?.ToString());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData(SslPolicyErrors.RemoteCertificateChainErrors, true, true)]
    [InlineData(SslPolicyErrors.RemoteCertificateChainErrors | SslPolicyErrors.RemoteCertificateNameMismatch, true, false)]
    [InlineData(SslPolicyErrors.RemoteCertificateChainErrors, false, false)]
    public void An_authority_that_is_sent_along_is_trusted_by_its_fingerprint(SslPolicyErrors errors, bool isPinned, bool isTrusted)
    {
        // Elasticsearch sends its authority along with the certificate; .NET servers leave it out, so there is none to connect to here.
        using var authority = NewAuthority("CN=Test CA");
        using var other = NewAuthority("CN=Test CA");
        using var certificate = NewServerCertificate(authority);
        using var sent = new X509Chain();
        sent.ChainPolicy.ExtraStore.Add(authority);
        sent.ChainPolicy.ExtraStore.Add(other);
        var check = TrustedCertificates.Check(new ElasticsearchOptions { CertificateFingerprint = (isPinned ? authority : other).GetCertHashString(HashAlgorithmName.SHA256) })!;
        Assert.Equal(isTrusted, check(this, certificate, sent, errors));
    }

    private static X509Certificate2 NewAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(Moment.AddDays(-1), Moment.AddDays(30));
    }

    private static X509Certificate2 NewServerCertificate(X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using var signed = request.Create(authority, Moment.AddDays(-1), Moment.AddDays(20), RandomNumberGenerator.GetBytes(8));
        using var whole = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pfx), null);
    }

#pragma warning disable RS0030 // TLS judges certificates by the machine's clock.
    private static DateTimeOffset Moment => TimeProvider.System.GetUtcNow();
#pragma warning restore RS0030

    /// <summary>An HTTPS server that sends its authority along, as Elasticsearch does, and answers as an empty cluster.</summary>
    private static async Task<WebApplication> StartAsync(X509Certificate2 certificate, X509Certificate2 authority)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            listen.UseHttps(new HttpsConnectionAdapterOptions { ServerCertificate = certificate, ServerCertificateChain = [authority] });
        }));
        var application = builder.Build();
        application.Run(async context =>
        {
            context.Response.Headers["X-Elastic-Product"] = "Elasticsearch";
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(context.Request.Path.Value switch
            {
                "/" => """{"cluster_name":"tls","version":{"number":"9.1.0","build_flavor":"default"}}""",
                "/_security/user/_has_privileges" => """{"index":{}}""",
                _ => """{"indices":[],"fields":{}}""",
            });
        });
        await application.StartAsync();
        return application;
    }
}
