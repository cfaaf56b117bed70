using System.Runtime.InteropServices;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Correlation;

/// <summary>
/// The accounts behind the sign-ins and mail accesses of one address, joined across the two sources case-insensitively: sign-in logs hold
/// the user principal name in lower case as name and e-mail, audit records split it or keep the case.
/// </summary>
public sealed class Accounts
{
    private const int Few = 1_000;

    // Clearing one takes as long as it has ever been large, so that few accounts do not share one with many.
    private readonly Dictionary<AccountKey, int> _placesOfFew = [];
    private readonly Dictionary<AccountKey, int> _placesOfMany = [];
    private readonly List<Account> _accounts = [];
    private readonly List<Ranked> _ranked = [];
    private Dictionary<AccountKey, int> _places;

    /// <summary>Begins with no account.</summary>
    public Accounts() => _places = _placesOfFew;

    /// <summary>Adds what an account did.</summary>
    /// <param name="user">Who, or null where the events do not say.</param>
    /// <param name="azureSignIn">How many sign-ins.</param>
    /// <param name="mailAccess">How many mail accesses.</param>
    public void Add(EventUser? user, long azureSignIn, long mailAccess) => Add(AccountKey.Of(user), user, azureSignIn, mailAccess);

    /// <summary>The accounts, busiest first.</summary>
    public IReadOnlyList<UserActivity> ToActivities()
    {
        _ranked.Clear();
        foreach (ref readonly var account in CollectionsMarshal.AsSpan(_accounts))
        {
            _ranked.Add(new Ranked(account.ToActivity()));
        }

        _ranked.Sort(static (left, right) => left.Compare(right));
        return _ranked.ConvertAll(static place => place.Activity);
    }

    /// <summary>Begins with another address.</summary>
    /// <param name="most">How many accounts there will be at most.</param>
    internal void Clear(int most)
    {
        _places = most <= Few ? _placesOfFew : _placesOfMany;
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

    /// <summary>
    /// An activity by its place in the answer. With the start of the name beside the number of events, few comparisons look any further,
    /// which would take a miss of the cache each.
    /// </summary>
    private readonly struct Ranked(UserActivity activity)
    {
        private readonly long _events = activity.AzureSignIn + activity.MailAccess;
        private readonly UInt128 _name = StartOf(activity.Name);

        public UserActivity Activity => activity;

        public int Compare(in Ranked other) =>
            _events != other._events ? other._events.CompareTo(_events)
            : _name != other._name ? _name.CompareTo(other._name)
            : string.CompareOrdinal(activity.Name, other.Activity.Name) is not 0 and var byName ? byName
            : string.CompareOrdinal(activity.Id, other.Activity.Id) is not 0 and var byId ? byId
            : string.CompareOrdinal(activity.Email, other.Activity.Email) is not 0 and var byEmail ? byEmail
            : other.Activity.AzureSignIn.CompareTo(activity.AzureSignIn);

        /// <summary>Its first eight characters, such that numbers are in the order of the texts.</summary>
        private static UInt128 StartOf(string? text)
        {
            var start = UInt128.Zero;
            for (var i = 0; i < 8; i++)
            {
                start = (start << 16) | (i < text?.Length ? text[i] : '\0');
            }

            return start;
        }
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

/// <summary>
/// What joins accounts across sources, in whatever case: the e-mail, else the user principal name, which is the name, or the name with its
/// domain, else the id, else the name. A name alone, such as a service principal's, may be several accounts'.
/// </summary>
internal readonly struct AccountKey : IEquatable<AccountKey>
{
    private readonly string _text;
    private readonly int _hash;

    private AccountKey(string text) => (_text, _hash) = (text, text.GetHashCode(StringComparison.OrdinalIgnoreCase));

    /// <summary>Of an account of which nothing is told.</summary>
    public static AccountKey None { get; } = new("");

    public static AccountKey Of(EventUser? user) => new(user switch
    {
        null => "",
        { Email: { } email } => email,
        { Name: { } name } when name.Contains('@', StringComparison.Ordinal) => name,
        { Name: { } name, Domain: { } domain } => $"{name}@{domain}",
        _ => user.Id ?? user.Name ?? "",
    });

    public bool Equals(AccountKey other) => string.Equals(_text, other._text, StringComparison.OrdinalIgnoreCase);

    public override bool Equals(object? obj) => obj is AccountKey other && Equals(other);

    public override int GetHashCode() => _hash;
}
