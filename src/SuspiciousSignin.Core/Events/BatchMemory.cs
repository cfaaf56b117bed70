using System.Buffers;

namespace SuspiciousSignin.Events;

/// <summary>
/// The arrays that the events of a batch lie in. They are lent, so that batch after batch makes no garbage: <see cref="Return"/> gives them
/// back once nobody reads the events any more. What is never given back is collected like anything else. Not thread-safe.
/// </summary>
internal sealed class BatchMemory
{
    // Of each length so many are kept for later batches: 16 MiB of the longest bytes, as much of all shorter ones, 4 MiB of addresses, 14
    // of records.
    private static readonly Lender<byte> Bytes = new(longest: 64 * 1024, count: 256, clear: false);
    private static readonly Lender<SourceAddress> Addresses = new(longest: 1024, count: 256, clear: false);
    private static readonly Lender<EventRecord> Records = new(EventList.PieceLength, count: 256, clear: true);

    private readonly List<byte[]> _bytes = [];
    private readonly List<SourceAddress[]> _addresses = [];
    private readonly List<EventRecord[]> _records = [];

    /// <summary>An array of at least so many bytes.</summary>
    public byte[] RentBytes(int length) => Bytes.Rent(length, _bytes);

    /// <summary>An array of at least so many addresses.</summary>
    public SourceAddress[] RentAddresses(int length) => Addresses.Rent(length, _addresses);

    /// <summary>An array for a piece of events.</summary>
    public EventRecord[] RentRecords() => Records.Rent(EventList.PieceLength, _records);

    /// <summary>Holds from now on what another holds.</summary>
    public void TakeOver(BatchMemory other)
    {
        _bytes.AddRange(other._bytes);
        _addresses.AddRange(other._addresses);
        _records.AddRange(other._records);
        other.Forget();
    }

    /// <summary>Gives all arrays back; nothing that lies in them may be read any more.</summary>
    public void Return()
    {
        Bytes.Return(_bytes);
        Addresses.Return(_addresses);
        Records.Return(_records);
        Forget();
    }

    private void Forget()
    {
        _bytes.Clear();
        _addresses.Clear();
        _records.Clear();
    }

    /// <summary>Lends arrays up to a length; longer ones are made and left to the collector.</summary>
    private sealed class Lender<T>(int longest, int count, bool clear)
    {
        private readonly ArrayPool<T> _pool = ArrayPool<T>.Create(longest, count);

        public T[] Rent(int length, List<T[]> lent)
        {
            if (length > longest)
            {
                return new T[length];
            }

            var array = _pool.Rent(length);
            lent.Add(array);
            return array;
        }

        public void Return(List<T[]> lent)
        {
            foreach (var array in lent)
            {
                _pool.Return(array, clear);
            }
        }
    }
}
