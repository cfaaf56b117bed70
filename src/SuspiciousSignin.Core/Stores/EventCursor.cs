using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace SuspiciousSignin.Stores;

/// <summary>Where a page of the in-memory store's events starts: at the event of this time and number, or where it would be.</summary>
/// <param name="Timestamp">Milliseconds since the epoch.</param>
/// <param name="Sequence">The event's number in the order of arrival, which a journal keeps.</param>
internal readonly record struct EventCursor(long Timestamp, long Sequence)
{
    /// <summary>Before all events.</summary>
    public static readonly EventCursor Beginning = new(long.MinValue, long.MinValue);

    /// <summary>Reads what <see cref="ToString"/> wrote; false where it is none of ours.</summary>
    public static bool TryParse(string text, out EventCursor cursor)
    {
        cursor = default;
        Span<byte> bytes = stackalloc byte[64];
        if (text.Length > 64 || !Base64Url.IsValid(text) || !Base64Url.TryDecodeFromChars(text, bytes, out var length))
        {
            return false;
        }

        var parts = Encoding.ASCII.GetString(bytes[..length]).Split('.');
        if (parts.Length != 2
            || !long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var timestamp)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var sequence))
        {
            return false;
        }

        cursor = new EventCursor(timestamp, sequence);
        return true;
    }

    /// <summary>The text that callers hand back.</summary>
    public override string ToString() =>
        Base64Url.EncodeToString(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Timestamp}.{Sequence}")));
}
