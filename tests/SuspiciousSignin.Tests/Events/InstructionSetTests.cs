using System.Diagnostics;

namespace SuspiciousSignin.Tests.Events;

/// <summary>
/// What is read with vectors is read otherwise where a processor has no such instructions. Which ones .NET uses is settled when a process starts
/// (https://learn.microsoft.com/dotnet/core/runtime-config/), so the tests of the readers run in processes of their own.
/// </summary>
[Trait("Category", "Process")]
public sealed class InstructionSetTests
{
    [Theory]
    [InlineData("DOTNET_EnableAVX512v3")]
    [InlineData("DOTNET_EnableAVX512")]
    [InlineData("DOTNET_EnableHWIntrinsic")]
    public async Task Processors_without_the_widest_vectors_read_the_same(string instructions)
    {
        var start = new ProcessStartInfo(
            "dotnet", [typeof(InstructionSetTests).Assembly.Location, "-class", typeof(JsonStructureTests).FullName!, "-class", typeof(EcsScannerTests).FullName!]);
        start.Environment[instructions] = "0";
        await using var tests = RunningProcess.Start(start);

        Assert.True(await tests.WaitForExitAsync(TimeSpan.FromMinutes(5)) == 0, tests.Output);
        Assert.Matches(@"Total: \d{2,}, Errors: 0, Failed: 0, Skipped: 0", tests.Output);
    }
}
