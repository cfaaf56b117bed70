namespace SuspiciousSignin.Correlation;

/// <summary>The data that one leg of the correlation had.</summary>
/// <param name="Events">How many events.</param>
/// <param name="Oldest">The oldest of them; absent where there are none.</param>
/// <param name="Newest">The newest of them; absent where there are none.</param>
public sealed record LegCoverage(long Events, DateTime? Oldest = null, DateTime? Newest = null);

/// <summary>
/// What data each leg had: no alerts because nothing happened, or because nothing was there to look at? Where a question names addresses,
/// of their events only.
/// </summary>
/// <param name="AzureSignIn">Successful Entra ID sign-ins.</param>
/// <param name="MailAccess">Successful mail accesses.</param>
/// <param name="NetworkAlert">Network alerts.</param>
public sealed record Coverage(LegCoverage AzureSignIn, LegCoverage MailAccess, LegCoverage NetworkAlert);
