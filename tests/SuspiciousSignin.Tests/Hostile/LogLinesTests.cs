using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Api.Hosting;

namespace SuspiciousSignin.Tests.Hostile;

/// <summary>An attacker's text in the log stays in its line and is seen as what it is.</summary>
public sealed class LogLinesTests
{
    [Theory]
    [InlineData("admin\r\n2026-03-14T06:00:00.000Z info all is well", @"admin\u000D\n2026-03-14T06:00:00.000Z info all is well")]
    [InlineData("\u001b[31mred\u001b]0;title\u0007", @"\u001B[31mred\u001B]0;title\u0007")]
    [InlineData("\u202Etxt.exe\u2066\u2028\u2029\u0085\u009b\uFEFF", @"\u202Etxt.exe\u2066\u2028\u2029\u0085\u009B\uFEFF")]
    [InlineData("\U000E0001tagged", @"\U000E0001tagged")]
    [InlineData(@"\n is not a line break", @"\\n is not a line break")]
    [InlineData("Zoë \U0001F600", "Zoë \U0001F600")]
    public void What_could_begin_a_line_or_move_the_cursor_is_shown_escaped(string text, string shown) =>
        Assert.Equal($"2026-03-14T06:00:00.000Z warn Some.Category[7] said {shown}{Environment.NewLine}", Line("said " + text));

    [Fact]
    public void An_exception_stays_in_the_line_of_its_entry()
    {
        var line = Line("failed", new InvalidOperationException("first\nsecond"));

        Assert.StartsWith("2026-03-14T06:00:00.000Z warn Some.Category[7] failed | System.InvalidOperationException: first\\nsecond", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line[..^Environment.NewLine.Length]);
    }

    [Fact]
    public async Task The_service_logs_a_path_with_line_breaks_in_one_line()
    {
        await using var service = await ServiceProcess.StartAsync(logLevel: "Debug");
        using var client = new HttpClient { BaseAddress = service.Url };
        client.DefaultRequestHeaders.Add("X-API-Key", ServiceProcess.Key);
        using var content = new StringContent("{}");

        var answer = await client.PutAsync(new Uri("/_index_template/a%0D%0A2026-03-14T06%3A00%3A00.000Z%20info%20forged%1B%5B31m", UriKind.Relative), content, TestContext.Current.CancellationToken);
        answer.EnsureSuccessStatusCode();
        await service.StopAsync();

        Assert.Contains("at /_index_template/a%0D%0A2026-03-14", service.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("\n2026-03-14T06:00:00.000Z info forged", service.Log, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', service.Log);
    }

    [Fact]
    public async Task The_service_writes_no_keys_to_its_home_and_warns_of_none()
    {
        var home = Directory.CreateTempSubdirectory();
        await using (var service = await ServiceProcess.StartAsync(environment: ("HOME", home.FullName)))
        {
            Assert.DoesNotContain("DataProtection", service.Log, StringComparison.Ordinal);
        }

        Assert.Empty(home.EnumerateFileSystemInfos());
        home.Delete();
    }

    [Theory]
    [InlineData("Logging__LogLevel__Microsoft.AspNetCore")]
    [InlineData("Logging__Console__LogLevel__Microsoft.AspNetCore.Server.Kestrel.BadRequests")]
    [InlineData("Logging__Console__LogLevel__Default")]
    public async Task A_key_in_a_header_that_breaks_the_rules_is_in_no_log(string levelOf)
    {
        await using var service = await ServiceProcess.StartAsync(
            environment: [("Logging__LogLevel__Microsoft.AspNetCore.Server.Kestrel.Connections", "Debug"), (levelOf, "Debug")]);
        using var client = new TcpClient();
        await client.ConnectAsync(service.Url.Host, service.Url.Port, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\nX-API-Key : a-secret\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);

        using var answer = new StreamReader(client.GetStream());
        Assert.Equal("HTTP/1.1 400 Bad Request", await answer.ReadLineAsync(TestContext.Current.CancellationToken));
        await answer.ReadToEndAsync(TestContext.Current.CancellationToken);
        await service.StopAsync();
        Assert.Contains("Kestrel.Connections", service.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("a-secret", service.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z")]
    [InlineData("HH", "[0-9]{2}")]
    public async Task Json_has_the_time_in_UTC_unless_settings_say_otherwise(string? format, string time)
    {
        (string, string)[] settings = [("Logging__Console__FormatterName", "json"), .. format is null ? [] : new[] { ("Logging__Console__FormatterOptions__TimestampFormat", format) }];
        await using var service = await ServiceProcess.StartAsync(environment: settings);

        Assert.All(service.Log.Split('\n'), line => Assert.Matches($"^{{\"Timestamp\":\"{time}\"", line));
    }

    private static string Line(string message, Exception? exception = null)
    {
        ConsoleFormatter lines = new LogLines(new FakeTimeProvider(new DateTimeOffset(2026, 3, 14, 6, 0, 0, TimeSpan.Zero)));
        using var text = new StringWriter();
        lines.Write(new LogEntry<string>(LogLevel.Warning, "Some.Category", new EventId(7), message, exception, (state, _) => state), null, text);
        return text.ToString();
    }
}
