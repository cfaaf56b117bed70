using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Tests;

public sealed class ArchitectureTests
{
    [Fact]
    public void Core_knows_nothing_of_the_web_framework() => Assert.DoesNotContain(
        typeof(RuleCatalogue).Assembly.GetReferencedAssemblies(), name => name.Name!.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal));

    // An exception is open so that a store can refine it.
    [Fact]
    public void Public_classes_of_core_are_sealed_or_abstract() => Assert.DoesNotContain(
        typeof(RuleCatalogue).Assembly.GetExportedTypes(), type => type is { IsClass: true, IsSealed: false, IsAbstract: false } && !typeof(Exception).IsAssignableFrom(type));
}
