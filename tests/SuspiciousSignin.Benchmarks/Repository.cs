namespace SuspiciousSignin.Benchmarks;

/// <summary>Where the sources are that benchmarks build from: this program runs out of a folder below them.</summary>
internal static class Repository
{
    /// <summary>The folder of the solution.</summary>
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    /// <summary>The folder of the benchmarks' sources.</summary>
    public static string Benchmarks => Path.Combine(Root, "tests", "SuspiciousSignin.Benchmarks");

    /// <summary>A new empty folder that everybody may enter, for servers that run as another user.</summary>
    public static string Temporary() => Directory.CreateTempSubdirectory("suspicioussignin-").FullName;

    private static string Find(DirectoryInfo? folder)
    {
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "SuspiciousSignin.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("Run the benchmarks where they were built, inside the repository.");
    }
}
