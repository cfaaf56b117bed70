using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SuspiciousSignin.Elasticsearch;

/// <summary>
/// Which server certificates are trusted where the options name an authority or a fingerprint: those alone, nothing of the machine's.
/// </summary>
public static class TrustedCertificates
{
    /// <summary>The check to install, or null where the machine's own trust decides.</summary>
    /// <exception cref="CryptographicException">The authority's file holds no certificate.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static RemoteCertificateValidationCallback? Check(ElasticsearchOptions options)
    {
        if (options.CertificateFingerprint is { } fingerprint)
        {
            var trusted = Convert.FromHexString(fingerprint.Replace(":", "", StringComparison.Ordinal));
            return (_, certificate, chain, errors) => certificate is X509Certificate2 leaf && IsPinned(leaf, chain, errors, trusted);
        }

        if (options.CertificateAuthority is not { } file)
        {
            return null;
        }

        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        if (authorities.Count == 0)
        {
            throw new CryptographicException("The file holds no certificate in PEM form.");
        }

        return (_, certificate, chain, errors) => certificate is X509Certificate2 leaf && ComesFrom(leaf, chain, errors, authorities);
    }

    private static bool IsPinned(X509Certificate2 leaf, X509Chain? chain, SslPolicyErrors errors, byte[] fingerprint)
    {
        bool Matches(X509Certificate2 certificate) =>
            CryptographicOperations.FixedTimeEquals(certificate.GetCertHash(HashAlgorithmName.SHA256), fingerprint);

        // The very certificate of the node needs no authority and no name: nobody else has its key.
        return Matches(leaf)
            || (Sent(chain).FirstOrDefault(Matches) is { } authority && ComesFrom(leaf, chain, errors, [authority]));
    }

    private static bool ComesFrom(X509Certificate2 leaf, X509Chain? chain, SslPolicyErrors errors, X509Certificate2Collection authorities)
    {
        if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            return false;
        }

        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(authorities);
        own.ChainPolicy.ExtraStore.AddRange(Sent(chain).ToArray());
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        return own.Build(leaf);
    }

    /// <summary>What came with the certificate.</summary>
    private static IEnumerable<X509Certificate2> Sent(X509Chain? chain) =>
        chain is null ? [] : chain.ChainElements.Select(element => element.Certificate).Concat(chain.ChainPolicy.ExtraStore);
}
