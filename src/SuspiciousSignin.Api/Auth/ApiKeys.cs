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

    /// <summary>
    /// <c>keys new --name NAME --scope SCOPE... [--expires TIME]</c>: prints a new key once, and the settings that let it in.
    /// </summary>
    public static int New(string[] args, TextWriter output, TimeProvider? clock = null)
    {
#pragma warning disable RS0030 // A command of its own, outside of the service's composition.
        var now = (clock ?? TimeProvider.System).GetUtcNow();
#pragma warning restore RS0030
        var values = ValuesOf(args, out var isUnderstood);
        var name = values["--name"].LastOrDefault();
        var scopes = values["--scope"].Distinct(StringComparer.Ordinal).ToList();
        var expires = values["--expires"].LastOrDefault();
        var unknown = scopes.Except(Scopes.All, StringComparer.Ordinal).FirstOrDefault();
        if (!isUnderstood || string.IsNullOrWhiteSpace(name) || scopes.Count == 0 || unknown is not null)
        {
            if (unknown is not null)
            {
                output.WriteLine($"There is no scope '{unknown}'.");
            }

            output.WriteLine("keys new --name NAME --scope SCOPE [--scope SCOPE ...] [--expires TIME]");
            output.WriteLine($"The scopes are {string.Join(", ", Scopes.All)}.");
            output.WriteLine("TIME is a date, RFC 3339, or date math such as now+90d.");
            return 2;
        }

        var expiry = expires is null ? null : ExpiryOf(expires, now);
        if (expires is not null && !(expiry > now))
        {
            output.WriteLine("--expires: a date such as 2027-06-30, RFC 3339, or date math such as now+90d, later than now.");
            return 2;
        }

        var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        output.WriteLine($"Key (shown once): {key}");
        output.WriteLine($"Auth__ApiKeys__0__Name={name}");
        output.WriteLine($"Auth__ApiKeys__0__Hash={HashOf(key, RandomNumberGenerator.GetBytes(16))}");
        for (var i = 0; i < scopes.Count; i++)
        {
            output.WriteLine($"Auth__ApiKeys__0__Scopes__{i}={scopes[i]}");
        }

        if (expiry is { } end)
        {
            output.WriteLine(
                $"Auth__ApiKeys__0__Expires={end.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}");
        }

        output.WriteLine(
            "Beside other keys, write the next free number instead of the first 0. "
            + "To replace a key, configure the new one too, under the same name, and take the old one away later.");
        return 0;
    }

    public static bool TryReadExpiry(string? text, out DateTimeOffset expires) => DateTimeOffset.TryParseExact(
        text, ExpiryFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out expires)
        || (text is not null && TimeExpression.TryParseRfc3339(text, out expires));

    private static DateTimeOffset? ExpiryOf(string text, DateTimeOffset now) =>
        TryReadExpiry(text, out var expires) || TimeExpression.TryParse(text, now, roundUp: false, out expires) ? expires : null;

    private static ILookup<string, string> ValuesOf(string[] args, out bool isUnderstood)
    {
        var options = args.Skip(2).Chunk(2).ToList();
        isUnderstood = options.TrueForAll(option => option is ["--name" or "--scope" or "--expires", _]);
        return options.Where(option => option.Length == 2).ToLookup(option => option[0], option => option[1], StringComparer.Ordinal);
    }

    public static string HashOf(string key, byte[] salt) =>
        $"{Convert.ToHexStringLower(salt)}:{Convert.ToHexStringLower(SHA256.HashData([.. salt, .. Encoding.UTF8.GetBytes(key)]))}";

    public static bool IsHash(string? text) =>
        text is { Length: 97 } && text[32] == ':' && text.Remove(32, 1).All(char.IsAsciiHexDigitLower);
}
