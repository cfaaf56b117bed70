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

    private static Task<int?> RunAsync(string arguments, TextWriter output) => Commands.RunAsync(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), output);
}
