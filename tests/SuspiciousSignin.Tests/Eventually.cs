using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace SuspiciousSignin.Tests;

/// <summary>Waits for what happens a moment later, and fails where it never does, instead of waiting on.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(60);

    public static Task IsAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "") =>
        IsAsync(() => Task.FromResult(condition()), what);

    public static async Task IsAsync(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var waited = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.True(waited.Elapsed < Hung, $"Still not so after {Hung}: {what}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
