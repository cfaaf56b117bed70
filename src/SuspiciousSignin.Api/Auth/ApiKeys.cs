using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using SuspiciousSignin.Api.Requests;

namespace SuspiciousSignin.Api.Auth;

/// <summary>One API key, by its salted hash.</summary>
internal sealed class ApiKeyOptions
{
    /// <summary>The client's name, for the log.</summary>
    public string Name { get; set; } = "";

    /// <summary>As <c>keys new</c> prints it: 32 hexadecimal digits of salt, a colon, 64 of SHA-256 over salt and key.</summary>
    public string Hash { get; set; } = "";

    /// <summary>What the key may do.</summary>
    public IList<string> Scopes { get; set; } = [];

    /// <summary>
    /// From when on the key is refused: RFC 3339, or a date, which begins at midnight; UTC where no zone is given. Default: never.
    /// </summary>
    public string? Expires { get; set; }

    internal DateTimeOffset? ExpiresAt => ApiKeys.TryReadExpiry(Expires, out var expires) ? expires : null;
}

/// <summary>
/// API keys in <c>Authorization: ApiKey</c>, <c>Authorization: Bearer</c> or <c>X-API-Key</c>; never in the URL. Shippers send them
/// together with their name: <c>ApiKey</c> with the Base64 of <c>name:key</c>, or as user and password in <c>Basic</c>.
/// </summary>
internal static class ApiKeys
{
    public const string Scheme = "ApiKey";

    private static readonly string[] ExpiryFormats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd"];

    public static bool TryReadExpiry(string? text, out DateTimeOffset expires) => DateTimeOffset.TryParseExact(
        text, ExpiryFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out expires)
        || (text is not null && TimeExpression.TryParseRfc3339(text, out expires));

    public static string HashOf(string key, byte[] salt) =>
        $"{Convert.ToHexStringLower(salt)}:{Convert.ToHexStringLower(SHA256.HashData([.. salt, .. Encoding.UTF8.GetBytes(key)]))}";

    public static bool IsHash(string? text) =>
        text is { Length: 97 } && text[32] == ':' && text.Remove(32, 1).All(char.IsAsciiHexDigitLower);
}
