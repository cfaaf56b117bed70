using System.Collections;
using System.Runtime.InteropServices;

namespace SuspiciousSignin.Events;

/// <summary>Events in pieces of bounded length, so that a long batch is never copied while it grows, nor lies in one large array.</summary>
internal sealed class EventList(BatchMemory memory) : IReadOnlyList<EventRecord>
{
    /// <summary>How many events a piece holds, but for the first of a short list.</summary>
    public const int PieceLength = 1 << Shift;

    private const int Shift = 9;
    private const int FirstLength = 16;

    private readonly List<EventRecord[]> _pieces = [];

    /// <inheritdoc/>
    public int Count { get; private set; }

    /// <inheritdoc/>
    public EventRecord this[int index] => At(index);

    /// <summary>The event in its place.</summary>
    public ref EventRecord At(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        return ref _pieces[index >> Shift][index & (PieceLength - 1)];
    }

    /// <summary>The events from this on that lie in one piece.</summary>
    public ReadOnlySpan<EventRecord> From(int index) => index == Count
        ? []
        : _pieces[index >> Shift].AsSpan(index & (PieceLength - 1), Math.Min(PieceLength - (index & (PieceLength - 1)), Count - index));

    /// <summary>The place of the next event, to be written and then added.</summary>
    public ref EventRecord Next()
    {
        var (piece, at) = (Count >> Shift, Count & (PieceLength - 1));
        if (piece == _pieces.Count)
        {
            _pieces.Add(piece == 0 ? new EventRecord[FirstLength] : memory.RentRecords());
        }
        else if (at == _pieces[piece].Length)
        {
            var longer = at * 2 < PieceLength ? new EventRecord[at * 2] : memory.RentRecords();
            _pieces[piece].CopyTo(longer, 0);
            _pieces[piece] = longer;
        }

        return ref _pieces[piece][at];
    }

    /// <summary>Adds what was written to <see cref="Next"/>.</summary>
    public void AddNext() => Count++;

    /// <summary>Forgets all events.</summary>
    public void Clear()
    {
        _pieces.Clear();
        Count = 0;
    }

    /// <summary>Adds an event.</summary>
    public void Add(in EventRecord record)
    {
        Next() = record;
        AddNext();
    }

    /// <inheritdoc/>
    public IEnumerator<EventRecord> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
        {
            yield return At(i);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Goes over events where they lie: a record is 112 bytes long, and a list hands out copies.</summary>
internal static class EventsInPlace
{
    /// <summary>The events, by reference.</summary>
    public static Enumerator InPlace(this IReadOnlyList<EventRecord> events) => new(events);

    /// <summary>Some of the events from one on that lie together; none behind the last.</summary>
    public static ReadOnlySpan<EventRecord> From(this IReadOnlyList<EventRecord> events, int index) => events switch
    {
        EventList pieces => pieces.From(index),
        List<EventRecord> list => CollectionsMarshal.AsSpan(list)[index..],
        EventRecord[] array => array.AsSpan(index),
        _ => events.Skip(index).Take(EventList.PieceLength).ToArray(),
    };

    public ref struct Enumerator(IReadOnlyList<EventRecord> events)
    {
        private ReadOnlySpan<EventRecord> _piece;
        private int _next;
        private int _at = -1;

        public readonly ref readonly EventRecord Current => ref _piece[_at];

        public readonly Enumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            if (++_at >= _piece.Length)
            {
                _piece = events.From(_next);
                (_next, _at) = (_next + _piece.Length, 0);
            }

            return _at < _piece.Length;
        }
    }
}
