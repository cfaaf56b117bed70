namespace SuspiciousSignin.Tests;

public sealed class ArchitectureTests
{
    [Fact]
    public void Test_project_builds() => Assert.Equal(4, 2 + 2);
}
