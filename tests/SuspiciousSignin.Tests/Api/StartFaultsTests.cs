using System.Diagnostics;

namespace SuspiciousSignin.Tests.Api;

/// <summary>What whoever starts the service with a wrong setting sees.</summary>
[Trait("Category", "Process")]
public sealed class StartFaultsTests
{
    private const string CannotListen = "The server cannot listen as 'urls' and 'Kestrel' say: ";

    [Theory]
    [InlineData("--urls=garbage", CannotListen + "Invalid url: 'garbage'")]
    [InlineData("--urls=http://192.0.2.1:5741", CannotListen + "Cannot assign requested address")]
    [InlineData("--urls=https://127.0.0.1:0", CannotListen + "Unable to configure HTTPS endpoint. No server certificate was specified")]
    [InlineData("--Kestrel:Endpoints:Https:Url=https://127.0.0.1:0 --Kestrel:Endpoints:Https:Certificate:Path=/nowhere.pfx", CannotListen + "Could not find file '/nowhere.pfx'")]
    [InlineData("--Logging:LogLevel:Default=Loud", "Logging: Configuration value 'Loud'")]
    public async Task A_fault_of_a_setting_is_told_without_a_stack(string settings, string told)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "SuspiciousSignin.Api.dll"), "--Auth:AllowAnonymous=true", .. settings.Split(' ')])
        {
            // Where no certificate for development is.
            Environment = { ["HOME"] = AppContext.BaseDirectory, ["ASPNETCORE_ENVIRONMENT"] = "Production" },
        };
        await using var service = RunningProcess.Start(start);

        Assert.Equal(1, await service.WaitForExitAsync(TimeSpan.FromMinutes(1)));
        Assert.Contains($"The service does not start:\n- {told}", service.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", service.Output, StringComparison.Ordinal);
    }
}
