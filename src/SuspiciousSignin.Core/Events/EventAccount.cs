using SuspiciousSignin.Correlation;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Events;

/// <summary>
/// An account that events share, in the compact form of <see cref="EventRecord.Account"/>; decoded once, when an answer first shows it.
/// </summary>
internal sealed class EventAccount(byte[] fields)
{
    private const int CacheLine = 64;

    private EventUser? _user;
    private AccountKey _key;
    private volatile bool _isDecoded;

    /// <summary>The compact form.</summary>
    public ReadOnlySpan<byte> Fields => fields;

    /// <summary>Loads the compact form, which most often takes two lines of the cache.</summary>
    public void Touch()
    {
        Prefetch.LoadObject(fields);
        Prefetch.LoadObject(fields, CacheLine);
    }

    /// <summary>Who, or null where the fields do not say.</summary>
    public EventUser? User => Decoded()._user;

    /// <summary>What joins it with other accounts.</summary>
    public AccountKey Key => Decoded()._key;

    // Two queries at once decode the same.
    private EventAccount Decoded()
    {
        if (!_isDecoded)
        {
            _user = EventUser.From(fields);
            _key = AccountKey.Of(_user);
            _isDecoded = true;
        }

        return this;
    }
}
