using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>What the program does instead of serving, where its first argument is a word rather than a setting.</summary>
internal static class Commands
{
    private const string Usage =
        """
        Without arguments, or with settings such as --Alerts:Period=04:00:00, the service starts. Else:

        healthcheck [URL]    checks whether a running service is alive, for container health checks without curl; by default at the
                             address that ASPNETCORE_URLS or ASPNETCORE_HTTP_PORTS names, else at http://127.0.0.1:8080
        keys new --name NAME --scope SCOPE [--scope ..] [--expires TIME]
                             prints a new key once, and the settings that admit it
        journal mend FOLDER  removes the damaged parts of a journal and keeps intact records
        version              prints the version
        """;

    /// <summary>The version with the commit that it was built from.</summary>
    public static string Version { get; } =
        typeof(Commands).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>Does what the arguments say.</summary>
    /// <returns>The exit code: 0, 1 where it failed, 2 where the arguments are not understood; null where they name no command.</returns>
    public static async Task<int?> RunAsync(string[] args, TextWriter output)
    {
        switch (args)
        {
            case ["--help" or "-h" or "-?"]:
                await output.WriteLineAsync(Usage);
                return 0;

            case ["--version" or "version"]:
                await output.WriteLineAsync(Version);
                return 0;

            case [] or [['-' or '/', ..], ..]:
            case [var setting, ..] when setting.Contains('=', StringComparison.Ordinal):
                return null;

            case ["healthcheck"]:
                return await CheckHealthAsync(null, output);

            case ["healthcheck", var url]:
                return await CheckHealthAsync(url, output);

            case ["keys", "new", ..]:
                return NewKey(args, output);

            case ["journal", "mend", var folder]:
                return MendJournal(folder, output);

            default:
                await output.WriteLineAsync(Usage);
                return 2;
        }
    }

    /// <summary>Where a service with these environment variables listens on this machine.</summary>
    internal static string OwnUrl(Func<string, string?> environment)
    {
        var urls = (environment("ASPNETCORE_URLS"), environment("ASPNETCORE_HTTP_PORTS")?.Split(';')[0]) switch
        {
            ({ Length: > 0 } given, _) => given,
            (_, { Length: > 0 } port) => $"http://*:{port}",
            _ => "http://*:8080",
        };
        var address = BindingAddress.Parse(urls.Split(';')[0]);
        var host = address.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : address.Host;
        return $"{address.Scheme}://{host}:{address.Port}";
    }

    /// <summary>The host to ask a service with these environment variables for; null for the one of its address.</summary>
    internal static string? OwnHost(Func<string, string?> environment) =>
        environment("AllowedHosts")?.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) switch
        {
            null or [] => null,
            var hosts when hosts.Contains("*") || hosts.Contains(new Uri(OwnUrl(environment)).Host) => null,
            var hosts => hosts.FirstOrDefault(host => host is "localhost" or "127.0.0.1" or "[::1]")
                ?? hosts[0].Replace("*.", "healthcheck.", StringComparison.Ordinal),
        };

    private static async Task<int> CheckHealthAsync(string? url, TextWriter output)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            client.DefaultRequestHeaders.Host = url is null ? OwnHost(Environment.GetEnvironmentVariable) : null;
            var asked = new Uri(url ?? OwnUrl(Environment.GetEnvironmentVariable));
            using var response = await client.GetAsync(asked.AbsolutePath == "/" ? new Uri(asked, "/health/live") : asked);
            if (!response.IsSuccessStatusCode)
            {
                await output.WriteLineAsync($"{response.RequestMessage?.RequestUri} answered {(int)response.StatusCode}.");
            }

            return response.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException
            or FormatException or InvalidOperationException or NotSupportedException)
        {
            await output.WriteLineAsync(exception.Message);
            return 1;
        }
    }

    /// <summary>
    /// <c>keys new --name NAME --scope SCOPE... [--expires TIME]</c>: prints a new key once, and the settings that let it in.
    /// </summary>
    internal static int NewKey(string[] args, TextWriter output, TimeProvider? clock = null)
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
        output.WriteLine($"Auth__ApiKeys__0__Hash={ApiKeys.HashOf(key, RandomNumberGenerator.GetBytes(16))}");
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

    private static DateTimeOffset? ExpiryOf(string text, DateTimeOffset now) =>
        ApiKeys.TryReadExpiry(text, out var expires) || TimeExpression.TryParse(text, now, roundUp: false, out expires) ? expires : null;

    private static ILookup<string, string> ValuesOf(string[] args, out bool isUnderstood)
    {
        var options = args.Skip(2).Chunk(2).ToList();
        isUnderstood = options.TrueForAll(option => option is ["--name" or "--scope" or "--expires", _]);
        return options.Where(option => option.Length == 2).ToLookup(option => option[0], option => option[1], StringComparer.Ordinal);
    }

    private static int MendJournal(string folder, TextWriter output)
    {
        try
        {
            var (damaged, kept) = DurableEventStore.Mend(folder);
            output.WriteLine(damaged.Count == 0 ? "No file is damaged or missing."
                : !damaged.Any(name => File.Exists(Path.Combine(folder, name + ".damaged")))
                    ? $"Missing: {string.Join(", ", damaged)}. What was in them is lost; no file is damaged, and all others are kept."
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"Damaged or missing: {string.Join(", ", damaged)}. {kept} intact events of them are in a new file; ")
                    + "the damaged files are kept as NAME.damaged.");
            return 0;
        }
        catch (Exception refused) when (refused is EventJournalException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            output.WriteLine(refused.Message);
            return 1;
        }
    }
}
