namespace SuspiciousSignin.Tests.Oracle;

/// <summary>The reference data that lie beside the project, where they do; the project never depends on them.</summary>
internal static class Shared
{
    public const string Absent = "No shared folder beside the repository, and SUSPICIOUSSIGNIN_SHARED is not set.";

    /// <summary>The path of a file in the shared folder, or null where it is absent.</summary>
    public static string? Find(string relativePath) => Folders()
        .Select(folder => Path.Combine([folder, .. relativePath.Split('/')]))
        .FirstOrDefault(path => File.Exists(path) || Directory.Exists(path));

    private static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable("SUSPICIOUSSIGNIN_SHARED") is { Length: > 0 } named)
            yield return named;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            yield return Path.Combine(folder.FullName, "shared");
    }
}
