using System.Buffers.Binary;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>
/// The text that a page of an address's events hands out for the next: the window of the first page, since <c>now-2d</c> is another time
/// with each page, a store's place in the order of the events, and a check by which a cursor of another address or half a cursor is told
/// from one of ours, so that no caller skips events by mistake. It keeps nothing secret.
/// </summary>
public static class EventCursor
{
    /// <summary>The longest cursor.</summary>
    public const int MaxLength = 4096;

    private const int CheckLength = sizeof(uint);
    private const int HeadLength = CheckLength + (2 * sizeof(long));

    /// <summary>Writes the cursor of a place.</summary>
    /// <param name="query">What the page answers.</param>
    /// <param name="place">The place, as the store spells it.</param>
    public static string Write(EventQuery query, string place)
    {
        var (address, window) = (query.Address, query.Window);
        var bytes = new byte[HeadLength + Encoding.UTF8.GetByteCount(place)];
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(CheckLength), window.From);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(CheckLength + sizeof(long)), window.To);
        Encoding.UTF8.GetBytes(place, bytes.AsSpan(HeadLength));
        BinaryPrimitives.WriteUInt32BigEndian(bytes, CheckOf(address, bytes.AsSpan(CheckLength)));
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>Reads what <see cref="Write"/> wrote for the address; false where it did not, or where there is none to read.</summary>
    /// <param name="query">What a caller asks; has the window of the first page thereafter.</param>
    /// <param name="place">The place.</param>
    public static bool TryRead(ref EventQuery query, [NotNullWhen(true)] out string? place)
    {
        place = null;
        if (query.Cursor is not { Length: <= MaxLength } cursor || !Base64Url.IsValid(cursor))
        {
            return false;
        }

        var bytes = Base64Url.DecodeFromChars(cursor).AsSpan();
        if (bytes.Length <= HeadLength || BinaryPrimitives.ReadUInt32BigEndian(bytes) != CheckOf(query.Address, bytes[CheckLength..]))
        {
            return false;
        }

        var (from, to) = (
            BinaryPrimitives.ReadInt64BigEndian(bytes[CheckLength..]),
            BinaryPrimitives.ReadInt64BigEndian(bytes[(CheckLength + sizeof(long))..]));
        query = query with { Window = new TimeWindow(from, to) };
        place = Encoding.UTF8.GetString(bytes[HeadLength..]);
        return true;
    }

    private static uint CheckOf(SourceAddress address, ReadOnlySpan<byte> rest)
    {
        Span<byte> value = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(value, address.Value);
        var hash = new XxHash32();
        hash.Append(value);
        hash.Append(rest);
        return hash.GetCurrentHashAsUInt32();
    }
}

/// <summary>Where a page of the in-memory store's events starts: at the event of this time and number, or where it would be.</summary>
/// <param name="Timestamp">Milliseconds since the epoch.</param>
/// <param name="Sequence">The event's number in the order of arrival, which a journal keeps.</param>
/// <param name="Before">How many events of the window came before it when the cursor was made.</param>
internal readonly record struct EventPlace(long Timestamp, long Sequence, int Before)
{
    /// <summary>Before all events.</summary>
    public static readonly EventPlace Beginning = new(long.MinValue, long.MinValue, 0);

    /// <summary>Reads what <see cref="ToString"/> wrote; false where it is none of ours.</summary>
    public static bool TryParse(string text, out EventPlace place)
    {
        place = default;
        var parts = text.Split('.');
        if (parts.Length != 3
            || !long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var timestamp)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var sequence)
            || !int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var before))
        {
            return false;
        }

        place = new EventPlace(timestamp, sequence, before);
        return true;
    }

    /// <summary>The text of it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Timestamp}.{Sequence}.{Before}");
}
