using System.Security.Cryptography;
using System.Text;

namespace SuspiciousSignin.Correlation;

/// <summary>Ids that are the same however often something is computed.</summary>
internal static class DerivedId
{
    /// <summary>The first 128 bits of SHA-256 over what decides the result, in hexadecimal.</summary>
    public static string Of(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));
}
