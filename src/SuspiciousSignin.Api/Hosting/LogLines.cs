using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>
/// The log on the console, a line for each entry. Parts of an entry may have been written by an attacker (a path, what a cluster says of a
/// document): they cannot begin a line, move the cursor, or turn the direction of the text, because every such character is escaped as in
/// C#: <c>\n</c>, <c>\u001B</c>, <c>\U000E0001</c>; and so is the backslash. <c>Logging:Console:FormatterName</c> may be <c>json</c>
/// instead, which escapes them too.
/// </summary>
internal sealed class LogLines(TimeProvider clock) : ConsoleFormatter(FormName)
{
    public const string FormName = "lines";

    private const string FormKey = "Logging:Console:FormatterName";

    /// <summary>
    /// What is wrong with the form of the log; null where nothing is. Any other form than these two, and for .NET any misspelt one, lets
    /// lines be forged.
    /// </summary>
    public static string? FaultOf(IConfiguration configuration) =>
        configuration[FormKey] is { } form
        && !form.Equals(FormName, StringComparison.OrdinalIgnoreCase)
        && !form.Equals(ConsoleFormatterNames.Json, StringComparison.OrdinalIgnoreCase)
            ? $"{FormKey}: must be '{FormName}' or '{ConsoleFormatterNames.Json}'."
            : null;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var line = new StringBuilder()
            .Append(EcsTime.ToText(clock.GetUtcNow().ToUnixTimeMilliseconds()))
            .Append(CultureInfo.InvariantCulture, $" {NameOf(logEntry.LogLevel)} {logEntry.Category}[{logEntry.EventId.Id}] ");
        AppendEscaped(line, logEntry.Formatter(logEntry.State, null));
        if (logEntry.Exception is { } exception)
        {
            line.Append(" | ");
            AppendEscaped(line, exception.ToString());
        }

        textWriter.WriteLine(line.ToString());
    }

    internal static void AppendEscaped(StringBuilder line, string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == '\n')
            {
                line.Append("\\n");
            }
            else if (rune.Value == '\\')
            {
                line.Append("\\\\");
            }
            else if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
            {
                line.Append(rune.IsBmp ? "\\u" : "\\U").Append(rune.Value.ToString(rune.IsBmp ? "X4" : "X8", CultureInfo.InvariantCulture));
            }
            else
            {
                line.Append(rune.ToString());
            }
        }
    }

    private static string NameOf(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "error",
        _ => "critical",
    };
}

internal static class LogLinesSetup
{
    private const string BadRequests = "Microsoft.AspNetCore.Server.Kestrel.BadRequests";

    public static void AddLogLines(this ILoggingBuilder logging)
    {
        logging
            .AddConsoleFormatter<LogLines, ConsoleFormatterOptions>()
            .AddConsole(console => console.FormatterName ??= LogLines.FormName)
            // The framework tells of every refused call under this name too, twice; what is worth telling is a warning of ours, and
            // bounded.
            .AddFilter(typeof(ApiKeyHandler).FullName, LogLevel.Warning)
            // At Debug, headers that break the rules of HTTP, such as a key with a space before its colon. For the console once more: what
            // settings say of one form of log comes before what is said of all.
            .AddFilter(BadRequests, LogLevel.Information)
            .AddFilter<ConsoleLoggerProvider>(BadRequests, LogLevel.Information)
            // Why the host does not start or stop ends the process, and is told there.
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None)
            // An error at every probe that fails; ours says when that begins and ends.
            .AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        logging.Services.PostConfigure<JsonConsoleFormatterOptions>(json =>
        {
            // .NET writes no time by default. Whoever sets a format decides on the zone too.
            if (json.TimestampFormat is null)
            {
                (json.TimestampFormat, json.UseUtcTimestamp) = ("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", true);
            }
        });
    }
}
