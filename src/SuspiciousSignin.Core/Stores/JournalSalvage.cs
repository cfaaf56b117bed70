using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>
/// What is left of a damaged journal. Its files are read from the newest back, since only newer ones tell how long the older ones were.
/// </summary>
internal sealed class JournalSalvage
{
    private Dictionary<int, long>? _lengths;
    private Evictions? _evictions;

    /// <summary>The files that are whole, the oldest first.</summary>
    public List<JournalSegment> Whole { get; } = [];

    /// <summary>The paths of the damaged files, the newest first.</summary>
    public List<string> Damaged { get; } = [];

    /// <summary>The events in whole records of the damaged files, in the order of the files.</summary>
    public List<(long Sequence, EventRecord Event)> Events { get; } = [];

    /// <summary>The numbers of files that were written and are not there.</summary>
    public IReadOnlyList<int> Missing { get; private set; } = [];

    /// <summary>What the store had let go, as the newest whole record tells.</summary>
    public Evictions Evictions => _evictions ?? Evictions.None;

    /// <summary>Reads files, the oldest first.</summary>
    public static JournalSalvage Of(IReadOnlyList<(int Number, string Path)> files)
    {
        var salvage = new JournalSalvage();
        foreach (var (number, path) in files.Reverse())
        {
            // What the list of files leaves out was let go.
            if (salvage._lengths is not { } lengths || lengths.ContainsKey(number))
            {
                salvage.Read(number, path);
            }
        }

        salvage.Missing = [.. salvage._lengths?.Keys.Except(files.Select(file => file.Number)) ?? []];
        return salvage;
    }

    private void Read(int number, string path)
    {
        using var file = JournalFiles.OpenToRead(path);
        if (JournalSegment.TryOpen(path, file) is not { } segment)
        {
            Damaged.Add(path);
            return;
        }

        if (!segment.IsNamedRight)
        {
            throw EventJournalException.Misnamed(path, JournalSegment.NameOf(segment.Number));
        }

        var fileLength = RandomAccess.GetLength(file);
        long? listed = _lengths?[number];
        var end = Math.Min(fileLength, listed ?? fileLength);
        segment.Length = segment.EndOfWhole(file, end);
        var isDamaged = listed is null ? segment.FindRecordBehind(file, segment.Length, end) is not null : segment.Length != listed;

        var (isNewest, catalogue, events) = (_evictions is null, _lengths, new List<(long, EventRecord)>());
        foreach (var record in segment.Records(file, end, skipsDamage: true))
        {
            _evictions = isNewest ? record.Evictions : _evictions;
            catalogue = listed is null && record.Catalogue is { } list
                ? list.ToDictionary(entry => entry.Number, entry => entry.Length)
                : catalogue;
            events.AddRange(isDamaged ? segment.Decode(record).Select(JournalSegment.Copy) : []);
        }

        _lengths = catalogue;
        if (isDamaged)
        {
            Damaged.Add(path);
            Events.InsertRange(0, events);
        }
        else
        {
            Whole.Insert(0, segment);
        }
    }
}
