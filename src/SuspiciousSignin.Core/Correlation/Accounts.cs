using SuspiciousSignin.Events;

namespace SuspiciousSignin.Correlation;

/// <summary>
/// The accounts behind the sign-ins and mail accesses of one address, joined across the two sources case-insensitively: sign-in logs hold
/// the user principal name in lower case as name and e-mail, audit records split it or keep the case.
/// </summary>
public sealed class Accounts
{
    private readonly Dictionary<string, Account> _accounts = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Adds what an account did.</summary>
    /// <param name="user">Who, or null where the events do not say.</param>
    /// <param name="azureSignIn">How many sign-ins.</param>
    /// <param name="mailAccess">How many mail accesses.</param>
    public void Add(EventUser? user, long azureSignIn, long mailAccess)
    {
        var key = user?.Email
            ?? (user is { Name: { } name, Domain: { } domain } && !name.Contains('@', StringComparison.Ordinal) ? $"{name}@{domain}" : null)
            ?? user?.Name ?? user?.Id ?? "";
        if (!_accounts.TryGetValue(key, out var account))
        {
            _accounts[key] = account = new Account();
        }

        account.Add(user, azureSignIn, mailAccess);
    }

    /// <summary>The accounts, busiest first.</summary>
    public IReadOnlyList<UserActivity> ToActivities() =>
    [
        .. _accounts.Values.Select(account => account.ToActivity())
            .OrderByDescending(user => user.AzureSignIn + user.MailAccess)
            .ThenBy(user => user.Name, StringComparer.Ordinal)
            .ThenBy(user => user.Id, StringComparer.Ordinal),
    ];

    private sealed class Account
    {
        private string? _name;
        private string? _id;
        private string? _email;
        private string? _signInName;
        private string? _signInId;
        private long _azureSignIn;
        private long _mailAccess;

        public void Add(EventUser? user, long azureSignIn, long mailAccess)
        {
            _azureSignIn += azureSignIn;
            _mailAccess += mailAccess;
            Lower(ref azureSignIn > 0 ? ref _signInName : ref _name, user?.Name);
            Lower(ref azureSignIn > 0 ? ref _signInId : ref _id, user?.Id);
            Lower(ref _email, user?.Email);
        }

        // Whatever the order of arrival, the same events name the account the same way; the directory's own name and id come first.
        public UserActivity ToActivity() => new()
        {
            Name = _signInName ?? _name,
            Id = _signInId ?? _id,
            Email = _email,
            AzureSignIn = _azureSignIn,
            MailAccess = _mailAccess,
        };

        private static void Lower(ref string? lowest, string? value)
        {
            if (value is not null && (lowest is null || string.CompareOrdinal(value, lowest) < 0))
            {
                lowest = value;
            }
        }
    }
}
