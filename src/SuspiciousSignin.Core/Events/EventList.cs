using System.Collections;

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
