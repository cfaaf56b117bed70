using System.Runtime.InteropServices;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Correlation;

/// <summary>
/// The accounts behind the sign-ins and mail accesses of one address, joined across the two sources case-insensitively: sign-in logs hold
/// the user principal name in lower case as name and e-mail, audit records split it or keep the case.
/// </summary>
public sealed class Accounts
{
    private readonly Dictionary<AccountKey, int> _places = [];
    private readonly List<Account> _accounts = [];

    /// <summary>Adds what an account did.</summary>
    /// <param name="user">Who, or null where the events do not say.</param>
    /// <param name="azureSignIn">How many sign-ins.</param>
    /// <param name="mailAccess">How many mail accesses.</param>
    public void Add(EventUser? user, long azureSignIn, long mailAccess) => Add(AccountKey.Of(user), user, azureSignIn, mailAccess);

    /// <summary>The accounts, busiest first.</summary>
    public IReadOnlyList<UserActivity> ToActivities()
    {
        var activities = new UserActivity[_accounts.Count];
        for (var i = 0; i < activities.Length; i++)
        {
            activities[i] = _accounts[i].ToActivity();
        }

        Array.Sort(activities, static (left, right) =>
            (right.AzureSignIn + right.MailAccess).CompareTo(left.AzureSignIn + left.MailAccess) is not 0 and var byActivity ? byActivity
            : string.CompareOrdinal(left.Name, right.Name) is not 0 and var byName ? byName
            : string.CompareOrdinal(left.Id, right.Id) is not 0 and var byId ? byId
            : string.CompareOrdinal(left.Email, right.Email));
        return activities;
    }

    /// <summary>Begins with another address.</summary>
    internal void Clear()
    {
        _places.Clear();
        _accounts.Clear();
    }

    /// <inheritdoc cref="Add(EventUser?, long, long)"/>
    /// <param name="key">The key of the user.</param>
    internal void Add(AccountKey key, EventUser? user, long azureSignIn, long mailAccess)
    {
        ref var place = ref CollectionsMarshal.GetValueRefOrAddDefault(_places, key, out var isKnown);
        if (!isKnown)
        {
            place = _accounts.Count;
            _accounts.Add(default);
        }

        CollectionsMarshal.AsSpan(_accounts)[place].Add(user, azureSignIn, mailAccess);
    }

    private struct Account
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
            if (azureSignIn > 0)
            {
                Lower(ref _signInName, user?.Name);
                Lower(ref _signInId, user?.Id);
            }
            else
            {
                Lower(ref _name, user?.Name);
                Lower(ref _id, user?.Id);
            }

            Lower(ref _email, user?.Email);
        }

        // Whatever the order of arrival, the same events name the account the same way; the directory's own name and id come first.
        public readonly UserActivity ToActivity() => new()
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

/// <summary>What joins accounts across sources: the e-mail, else the name with its domain, else the name, else the id, in whatever case.</summary>
internal readonly struct AccountKey : IEquatable<AccountKey>
{
    private readonly string _text;
    private readonly int _hash;

    private AccountKey(string text) => (_text, _hash) = (text, text.GetHashCode(StringComparison.OrdinalIgnoreCase));

    /// <summary>Of an account of which nothing is told.</summary>
    public static AccountKey None { get; } = new("");

    public static AccountKey Of(EventUser? user) => new(
        user?.Email
        ?? (user is { Name: { } name, Domain: { } domain } && !name.Contains('@', StringComparison.Ordinal) ? $"{name}@{domain}" : null)
        ?? user?.Name ?? user?.Id ?? "");

    public bool Equals(AccountKey other) => string.Equals(_text, other._text, StringComparison.OrdinalIgnoreCase);

    public override bool Equals(object? obj) => obj is AccountKey other && Equals(other);

    public override int GetHashCode() => _hash;
}
