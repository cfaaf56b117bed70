using Microsoft.Extensions.Options;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Settings;

/// <summary>
/// Tells why the service does not start in a few lines, where it is for whoever started it to mend: a stack would hide them.
/// </summary>
internal static class StartFaults
{
    private const int ExitCode = 1;

    /// <summary>From here on, faults of settings, of the journal and of the addresses to listen at are told without a stack.</summary>
    public static void TellPlainly()
    {
        // Once, however many services a process holds.
        AppDomain.CurrentDomain.UnhandledException -= Tell;
        AppDomain.CurrentDomain.UnhandledException += Tell;
    }

    private static void Tell(object sender, UnhandledExceptionEventArgs args)
    {
        string[] faults = (Exception)args.ExceptionObject switch
        {
            OptionsValidationException settings => [.. settings.Failures],
            EventJournalException journal => [journal.Message],
            // Where the server begins to listen and nothing of ours fails, it is for an address, a certificate, or a right to use them.
            { StackTrace: { } stack } server when stack.Contains("KestrelServerImpl.BindAsync", StringComparison.Ordinal)
                && !stack.Contains("at SuspiciousSignin.", StringComparison.Ordinal) =>
                [$"The server cannot listen as 'urls' and 'Kestrel' say: {server.Message.Split('\n')[0]}"],
            InvalidOperationException { Source: "Microsoft.Extensions.Logging.Configuration" } level => [$"Logging: {level.Message}"],
            _ => [],
        };
        if (faults.Length > 0)
        {
            Console.Error.WriteLine("The service does not start:");
            foreach (var fault in faults)
            {
                Console.Error.WriteLine($"- {fault}");
            }

            Environment.Exit(ExitCode);
        }
    }
}
