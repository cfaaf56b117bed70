using System.Diagnostics;
using SuspiciousSignin.Api.Hosting;

namespace SuspiciousSignin.Tests.Api;

public sealed class CommandsTests
{
    [Theory]
    [InlineData("")]
    [InlineData("--Alerts:Period=04:00:00")]
    [InlineData("--Alerts:Period 04:00:00")]
    [InlineData("/Alerts:Period 04:00:00")]
    [InlineData("Alerts:Period=04:00:00")]
    public async Task Settings_start_the_service(string arguments)
    {
        await using var output = new StringWriter();

        Assert.Null(await RunAsync(arguments, output));
        Assert.Empty(output.ToString());
    }

    [Theory]
    [InlineData("journal")]
    [InlineData("journal mend")]
    [InlineData("journal mend a b")]
    [InlineData("journal fix a")]
    [InlineData("keys")]
    [InlineData("keys list")]
    [InlineData("healthcheck a b")]
    [InlineData("helthcheck")]
    [InlineData("serve")]
    public async Task A_word_that_is_no_command_never_starts_the_service_and_is_told_what_there_is(string arguments)
    {
        await using var output = new StringWriter();

        Assert.Equal(2, await RunAsync(arguments, output));
        Assert.All(["healthcheck [URL]", "keys new", "journal mend FOLDER"], command => Assert.Contains(command, output.ToString(), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("healthcheck http://127.0.0.1:1/health/live")]
    [InlineData("healthcheck nonsense")]
    [InlineData("healthcheck ftp://127.0.0.1")]
    public async Task What_does_not_answer_does_not_live(string arguments)
    {
        await using var output = new StringWriter();

        Assert.Equal(1, await RunAsync(arguments, output));
        Assert.NotEmpty(output.ToString());
    }

    [Theory]
    [Trait("Category", "Process")]
    [InlineData("https://siem.example", "8080")]
    [InlineData("siem.example", "eight")]
    public async Task A_health_check_that_cannot_read_the_settings_of_the_service_fails_without_a_stack(string allowedHosts, string ports)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "SuspiciousSignin.Api.dll"), "healthcheck"])
        {
            Environment = { ["AllowedHosts"] = allowedHosts, ["ASPNETCORE_HTTP_PORTS"] = ports, ["ASPNETCORE_URLS"] = "" },
        };
        await using var check = RunningProcess.Start(start);

        Assert.Equal(1, await check.WaitForExitAsync(TimeSpan.FromMinutes(1)));
        Assert.Single(check.Output.Split('\n'), line => line.Length > 0);
    }

    [Fact]
    public async Task Help_and_version_are_told_without_starting_the_service()
    {
        await using var output = new StringWriter();

        Assert.Equal(0, await RunAsync("--help", output));
        Assert.Equal(0, await RunAsync("version", output));
        Assert.Contains("--expires TIME", output.ToString(), StringComparison.Ordinal);
        Assert.EndsWith(Commands.Version + Environment.NewLine, output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, "http://127.0.0.1:8080")]
    [InlineData(null, "", "http://127.0.0.1:8080")]
    [InlineData("", "9090", "http://127.0.0.1:9090")]
    [InlineData(null, "9090;9091", "http://127.0.0.1:9090")]
    [InlineData("http://+:5000", "9090", "http://127.0.0.1:5000")]
    [InlineData("http://*:5000;https://*:5001", null, "http://127.0.0.1:5000")]
    [InlineData("http://[::]:5000", null, "http://127.0.0.1:5000")]
    [InlineData("http://[::1]:5000", null, "http://[::1]:5000")]
    [InlineData("http://0.0.0.0:5000", null, "http://127.0.0.1:5000")]
    public void The_health_check_asks_where_the_settings_say_that_the_service_listens(string? urls, string? ports, string url) =>
        Assert.Equal(url, Commands.OwnUrl(name => name == "ASPNETCORE_URLS" ? urls : name == "ASPNETCORE_HTTP_PORTS" ? ports : null));

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("*", null)]
    [InlineData("signin.example.org;127.0.0.1", null)]
    [InlineData("signin.example.org; localhost", "localhost")]
    [InlineData("signin.example.org;other.example.org", "signin.example.org")]
    [InlineData("*.example.org", "healthcheck.example.org")]
    public void The_health_check_asks_for_a_host_that_the_service_answers_for(string? allowed, string? host) =>
        Assert.Equal(host, Commands.OwnHost(name => name == "AllowedHosts" ? allowed : null));

    private static Task<int?> RunAsync(string arguments, TextWriter output) => Commands.RunAsync(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), output);
}
