using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Settings;

/// <summary>
/// Tells why the service does not start in a few lines, where it is for whoever started it to mend: a stack would hide them.
/// </summary>
internal static class StartFaults
{
    private const int ExitCode = 1;

    /// <summary>Does so from now on.</summary>
    public static void TellPlainly()
    {
        // Once, however many services a process holds.
        AppDomain.CurrentDomain.UnhandledException -= Tell;
        AppDomain.CurrentDomain.UnhandledException += Tell;
    }

    private static void Tell(object sender, UnhandledExceptionEventArgs args)
    {
        string[] faults = args.ExceptionObject switch
        {
            OptionsValidationException settings => [.. settings.Failures],
            EventJournalException journal => [journal.Message],
            IOException { InnerException: AddressInUseException } address => [address.Message],
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
