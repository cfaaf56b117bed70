using System.Buffers.Binary;
using System.IO.Hashing;

namespace SuspiciousSignin.Events;

/// <summary>
/// Other identities than those of the documents: of events that were moved in time, or that only their request can name. How they were
/// derived is kept with the event (<see cref="EcsField.Derivation"/>), so that a later process, whose hashes have another seed, derives
/// the same.
/// </summary>
internal static class DerivedIdentity
{
    private const int RequestLength = 16;

    /// <summary>An event that was moved in time; one moved by 0 milliseconds keeps its identity.</summary>
    public static EventRecord OfMoved(in EventRecord record, long milliseconds)
    {
        if (record.Identity == 0 || milliseconds == 0)
        {
            return record;
        }

        Span<byte> by = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(by, milliseconds);
        return Derive(record, by);
    }

    /// <summary>An event that a request moved to the present.</summary>
    public static EventRecord OfReplayed(in EventRecord record, UInt128 request)
    {
        if (record.Identity == 0)
        {
            return record;
        }

        Span<byte> by = stackalloc byte[RequestLength];
        BinaryPrimitives.WriteUInt128LittleEndian(by, request);
        return Derive(record, by);
    }

    /// <summary>An event without identity: known by its request and its place there.</summary>
    public static EventRecord OfRequest(in EventRecord record, UInt128 request)
    {
        if (record.Identity != 0)
        {
            return record;
        }

        Span<byte> by = stackalloc byte[RequestLength + sizeof(int)];
        BinaryPrimitives.WriteUInt128LittleEndian(by, request);
        BinaryPrimitives.WriteInt32LittleEndian(by[RequestLength..], record.Position);
        return Derive(record, by);
    }

    /// <summary>The identity that was derived so from the document's own.</summary>
    public static UInt128 From(UInt128 identity, ReadOnlySpan<byte> by) => by.Length switch
    {
        sizeof(long) => Hash(identity, BinaryPrimitives.ReadInt64LittleEndian(by)),
        RequestLength => Hash(identity ^ BinaryPrimitives.ReadUInt128LittleEndian(by), 0),
        RequestLength + sizeof(int) =>
            Hash(BinaryPrimitives.ReadUInt128LittleEndian(by), BinaryPrimitives.ReadInt32LittleEndian(by[RequestLength..])),
        _ => identity,
    };

    private static EventRecord Derive(in EventRecord record, ReadOnlySpan<byte> by)
    {
        var payload = new byte[record.Payload.Length + PayloadReader.EntryOverhead + by.Length];
        var entry = payload.AsSpan(record.Payload.Length);
        record.Payload.Span.CopyTo(payload);
        entry[0] = (byte)EcsField.Derivation;
        BinaryPrimitives.WriteUInt16LittleEndian(entry[1..], (ushort)by.Length);
        by.CopyTo(entry[PayloadReader.EntryOverhead..]);
        return record with { Identity = From(record.Identity, by), Payload = payload };
    }

    private static UInt128 Hash(UInt128 identity, long by)
    {
        Span<byte> both = stackalloc byte[RequestLength + sizeof(long)];
        BinaryPrimitives.WriteUInt128LittleEndian(both, identity);
        BinaryPrimitives.WriteInt64LittleEndian(both[RequestLength..], by);
        var hash = XxHash128.HashToUInt128(both);
        return hash == 0 ? 1 : hash;
    }
}
