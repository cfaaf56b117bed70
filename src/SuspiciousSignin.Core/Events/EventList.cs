using System.Collections;

namespace SuspiciousSignin.Events;

/// <summary>Events in pieces of bounded length, so that a long batch is never copied while it grows, nor lies in one large array.</summary>
internal sealed class EventList : IReadOnlyList<EventRecord>
{
    private const int Shift = 9;
    private const int PieceLength = 1 << Shift;
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
            _pieces.Add(new EventRecord[piece == 0 ? FirstLength : PieceLength]);
        }
        else if (at == _pieces[piece].Length)
        {
            var longer = _pieces[piece];
            Array.Resize(ref longer, at * 2);
            _pieces[piece] = longer;
        }

        return ref _pieces[piece][at];
    }

    /// <summary>Adds what was written to <see cref="Next"/>.</summary>
    public void AddNext() => Count++;

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
