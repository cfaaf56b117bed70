using SuspiciousSignin.Correlation;

namespace SuspiciousSignin.Stores;

/// <summary>
/// What a query takes addresses to and adds them up in: it grows with how many they are and with the busiest of them, so it is handed on
/// from query to query.
/// </summary>
internal sealed class QueryMemory
{
    /// <summary>More accounts than one address has in any but the strangest networks, and more addresses than a batch has.</summary>
    private const int UsualLength = 100_000;

    public List<AddressSlice> Slices { get; } = [];

    public CountTable ByTraits { get; } = new();

    /// <summary>The same of all addresses.</summary>
    public CountTable Total { get; } = new();

    /// <summary>By the number of the account and 1, so that 0 is that of none.</summary>
    public CountTable SignInsByAccount { get; } = new();

    /// <inheritdoc cref="SignInsByAccount"/>
    public CountTable MailAccessesByAccount { get; } = new();

    public Accounts Users { get; } = new();

    /// <summary>Whether it has not grown beyond what others will need.</summary>
    public bool IsWorthKeeping =>
        Slices.Capacity <= UsualLength
        && new[] { ByTraits, Total, SignInsByAccount, MailAccessesByAccount }.All(static table => table.Capacity <= UsualLength);
}
