using Microsoft.Win32.SafeHandles;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Stores;

/// <summary>The journal cannot be opened: another instance holds it, or a file of it is damaged. The message says how to mend it.</summary>
public sealed class EventJournalException(string message, Exception? inner = null) : Exception(message, inner)
{
    internal static EventJournalException Damaged(string path, long offset) => new(
        $"The journal is damaged: '{path}' at byte {offset}. Everything before that byte is intact, and nothing was changed. "
        + "Restore the folder from a back-up, or remove the damaged part with 'journal mend FOLDER', which keeps intact records"
        + (offset == 0 ? "; without its header there are none in this file." : "."));

    internal static EventJournalException Misnamed(string path, string name) => new(
        $"The journal is damaged: '{path}' was written as '{name}'. Give it that name back, or remove the copy; nothing was changed.");

    internal static EventJournalException Unusable(string folder, Exception fault) => new(
        $"Store:Memory:Path: the journal in '{folder}' cannot be used: {fault.Message}"
        + fault switch
        {
            UnauthorizedAccessException => " Give all its files to the user the service runs as.",
            OutOfMemoryException => " Give the service more memory, or lower Store:Memory:MaxEvents: "
                + "the earliest events beyond it are then let go for good.",
            _ => "",
        },
        fault);

    internal static EventJournalException Missing(string path, string why) => new(
        $"The journal is damaged: '{path}' is missing, {why}. "
        + "Restore the folder from a back-up, or go on without it by 'journal mend FOLDER'.");
}

/// <summary>
/// Events on the disk, in the order they came, in a folder of append-only files (see docs/decisions/0010). What <see cref="Append"/> has
/// returned from survives the end of the process and of the power. One instance at a time holds a folder. Not thread-safe: its
/// store has one thread that writes.
/// </summary>
internal sealed class EventJournal : IDisposable
{
    /// <summary>A file that has grown to this many bytes is followed by a new one.</summary>
    public const long DefaultSegmentLength = 32L * 1024 * 1024;

    /// <summary>A file of which this much was let go is written anew without it.</summary>
    private const double WornShare = 0.5;

    /// <summary>
    /// Files are looked through once the events let go reach this many milliseconds further, and whenever a file was begun.
    /// </summary>
    private const long PruneStep = 60_000;

    private readonly string _folder;
    private readonly long _segmentLength;
    private readonly FileStream _lock;
    private readonly MemoryStream _buffer = new();
    private readonly List<string> _replaced = [];
    private List<JournalSegment> _closed = [];
    private JournalSegment? _current;
    private SafeFileHandle? _file;
    private readonly string? _lockMark;
    private string? _fileMark;
    private int _lastNumber;
    private int _newestNumber;
    private int _refusedLength;
    private long _prunedThrough = long.MinValue;
    private bool _hasNewCatalogue = true;
    private bool _hasBegunFile;
    private bool _mustStartAnew;
    private bool _isSealed = true;

    private EventJournal(string folder, long segmentLength, FileStream held) =>
        (_folder, _segmentLength, _lock, _lockMark) = (folder, segmentLength, held, JournalFiles.MarkOf(held.SafeFileHandle));

    /// <summary>What the store had let go when it wrote last.</summary>
    public Evictions Evictions { get; private set; } = Evictions.None;

    /// <summary>Bytes behind the last whole record, left by a write that was cut short, and taken away; 0 where there were none.</summary>
    public long TornBytes { get; private set; }

    /// <summary>Where they were.</summary>
    public string? TornAt { get; private set; }

    /// <summary>How many bytes all files have.</summary>
    public long Length => _closed.Sum(segment => segment.Length) + (_current?.Length ?? 0);

    /// <summary>Called before each flush, for tests: may wait, or throw what a disk would.</summary>
    internal Action? BeforeFlush { get; set; }

    /// <summary>Opens the journal in a folder, or makes it; the folder itself is made where its parent exists.</summary>
    /// <exception cref="EventJournalException">The folder cannot be used, another instance holds it, or a file is damaged.</exception>
    public static EventJournal Open(string folder, long segmentLength = DefaultSegmentLength)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var held = JournalFiles.Hold(folder);
        var journal = new EventJournal(folder, segmentLength, held);
        try
        {
            journal.Check();
            return journal;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            journal.GiveBack();
            throw EventJournalException.Unusable(folder, fault);
        }
        catch
        {
            journal.GiveBack();
            throw;
        }
    }

    /// <summary>Reads back all that was not let go, in the order of the files. Call it once, before anything is added.</summary>
    public IEnumerable<(long Sequence, EventRecord Event)> ReadBack()
    {
        foreach (var segment in _current is null ? _closed : [.. _closed, _current])
        {
            foreach (var (sequence, kept) in Read(segment))
            {
                segment.Note(sequence, kept.Timestamp);
                if (!Evictions.Include(kept.Timestamp, sequence))
                {
                    yield return (sequence, kept);
                }
            }
        }
    }

    /// <summary>Writes events as one record, whole or not at all, and flushes it to the disk.</summary>
    /// <exception cref="IOException">The disk is full or failed; nothing was added.</exception>
    public void Append(Evictions evictions, IReadOnlyList<(long Sequence, EventRecord Event)> events)
    {
        var segment = Writable();
        segment.Encode(_buffer, evictions, _hasNewCatalogue ? _closed.ConvertAll(closed => (closed.Number, closed.Length)) : null, events);
        try
        {
            WriteDown(segment, _buffer.GetBuffer().AsSpan(0, (int)_buffer.Length));
        }
        catch (IOException)
        {
            _refusedLength = (int)_buffer.Length;
            throw;
        }

        segment.Length += _buffer.Length;
        foreach (var (sequence, added) in events)
        {
            segment.Note(sequence, added.Timestamp);
        }

        (Evictions, _hasNewCatalogue, _isSealed) = (evictions, false, events.Count == 0);
        if (_buffer.Capacity > _segmentLength)
        {
            _buffer.SetLength(0);
            _buffer.Capacity = 0;
        }
    }

    /// <summary>Finds out whether the disk takes again what it refused last, and leaves nothing of it.</summary>
    /// <exception cref="IOException">It does not.</exception>
    public void Probe()
    {
        var segment = Writable();
        WriteDown(segment, new byte[_refusedLength]);
        TakeBack(segment, flushFailed: false);
    }

    /// <summary>
    /// Gives back the room of what was let go: removes files of which nothing is left, and writes one anew of which little is.
    /// </summary>
    /// <exception cref="IOException">The disk is full or failed; nothing was removed.</exception>
    public void Prune(Evictions evictions)
    {
        DeleteReplaced();
        if (evictions.Timestamp < _prunedThrough + PruneStep && !_hasBegunFile)
        {
            return;
        }

        var gone = _closed.FindAll(segment => segment.ShareLetGo(evictions) >= 1);
        var worn = _closed.Find(segment => segment.ShareLetGo(evictions) is >= WornShare and < 1);
        if (worn is not null)
        {
            gone.Add(worn);
        }

        if (gone.Count == 0)
        {
            (_prunedThrough, _hasBegunFile) = (evictions.Timestamp, false);
            return;
        }

        var left = worn is null
            ? []
            : Read(worn).Where(entry => !evictions.Include(entry.Event.Timestamp, entry.Sequence)).Select(JournalSegment.Copy).ToList();
        Replace(gone, evictions, left);
        (_prunedThrough, _hasBegunFile) = worn is null ? (evictions.Timestamp, false) : (_prunedThrough, true);
        _replaced.AddRange(gone.Select(segment => segment.FilePath));
        DeleteReplaced();
    }

    /// <summary>
    /// Deletes what no list names any more; what cannot be deleted now is tried again with the next batch, and by the next start.
    /// </summary>
    private void DeleteReplaced()
    {
        for (var i = _replaced.Count - 1; i >= 0; i--)
        {
            File.Delete(_replaced[i]);
            _replaced.RemoveAt(i);
        }
    }

    /// <summary>
    /// Removes damaged parts: every intact record of a damaged file is written anew, and the file is kept beside the others as
    /// <c>NAME.damaged</c>. Without its header nothing of a file can be read.
    /// </summary>
    /// <returns>The files that were damaged or missing, and how many events of the damaged ones were written anew.</returns>
    /// <exception cref="EventJournalException">The folder cannot be used, or an instance holds it.</exception>
    public static (IReadOnlyList<string> Damaged, int Kept) Mend(string folder)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (!Directory.Exists(folder))
        {
            throw new EventJournalException($"There is no folder '{folder}'.");
        }

        if (JournalFiles.Segments(folder).Count == 0 && !File.Exists(Path.Combine(folder, JournalFiles.Lock)))
        {
            throw new EventJournalException($"'{folder}' is no journal: name the folder of Store:Memory:Path. Nothing was changed.");
        }

        using var journal = new EventJournal(folder, DefaultSegmentLength, JournalFiles.Hold(folder));
        var files = JournalFiles.Segments(folder);
        var salvage = JournalSalvage.Of(files);
        var newest = JournalFiles.ReadNewest(journal._lock.SafeFileHandle);
        var last = files.Select(file => file.Number).DefaultIfEmpty().Max();
        (journal._closed, journal._lastNumber) = (salvage.Whole, Math.Max(last, newest));
        journal.Append(salvage.Evictions, salvage.Events);
        foreach (var path in salvage.Damaged)
        {
            File.Move(path, path + ".damaged", overwrite: true);
        }

        var missing = newest > last ? salvage.Missing.Append(newest) : salvage.Missing;
        var names = salvage.Damaged.Select(path => Path.GetFileName(path)).Concat(missing.Select(JournalSegment.NameOf));
        return ([.. names], salvage.Events.Count);
    }

    /// <summary>Marks the end, as <see cref="Close"/> does, with what was written last.</summary>
    public void Dispose() => Close(Evictions);

    /// <summary>
    /// Marks the end, with what the store had let go by then, so that damage to the last events can be told; and gives the folder back.
    /// </summary>
    public void Close(Evictions evictions)
    {
        try
        {
            if (!_isSealed || evictions != Evictions)
            {
                Append(evictions, []);
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Whatever was acknowledged is on the disk already.
        }
        finally
        {
            GiveBack();
        }
    }

    /// <summary>Gives the folder back and writes nothing.</summary>
    public void GiveBack()
    {
        _file?.Dispose();
        _lock.Dispose();
        _buffer.Dispose();
    }

    /// <summary>Finds the newest list of files, and checks every record of them.</summary>
    private void Check()
    {
        _newestNumber = JournalFiles.ReadNewest(_lock.SafeFileHandle);
        var files = JournalFiles.Segments(_folder);
        if (_newestNumber > files.Select(file => file.Number).DefaultIfEmpty().Max())
        {
            throw EventJournalException.Missing(Path.Combine(_folder, JournalSegment.NameOf(_newestNumber)), "which was the newest");
        }

        var (isFound, isSealed) = (false, true);
        for (var i = files.Count - 1; i >= 0 && !isFound; i--)
        {
            var (_, path) = files[i];
            using var file = JournalFiles.OpenToRead(path);
            var segment = JournalSegment.Open(path, file);
            (int Number, long Length)[]? catalogue = null;
            foreach (var record in segment.Records(file, RandomAccess.GetLength(file)))
            {
                (segment.Length, Evictions, isSealed) = (record.End, record.Evictions, record.IsMark);
                catalogue = record.Catalogue ?? catalogue;
            }

            CutTornTail(segment, file);
            if (catalogue is not null)
            {
                isFound = true;
                _current = segment;
                CheckClosed(catalogue, files);
            }
            else if (segment.Length == segment.Start)
            {
                // Made, but nothing was ever acknowledged in it. The note goes first: no power cut may leave one of a file that is gone.
                if (_newestNumber == segment.Number)
                {
                    WriteNewest(i == 0 ? 0 : files[i - 1].Number);
                }

                file.Dispose();
                File.Delete(path);
            }
            else
            {
                throw EventJournalException.Damaged(path, segment.Start);
            }
        }

        try
        {
            if (_current is not null && _current.Number != _newestNumber)
            {
                WriteNewest(_current.Number);
            }
        }
        catch (IOException)
        {
            // A folder of an earlier version on a full disk: the next file is noted before it has a record.
        }

        // Held from here on, so that a copy that is put in its place is told from it.
        if (_current is not null)
        {
            OpenCurrent();
        }

        // Last, since nothing is to be written where the journal is refused.
        _isSealed = isSealed;
    }

    private void CheckClosed((int Number, long Length)[] catalogue, List<(int Number, string Path)> files)
    {
        foreach (var (number, length) in catalogue)
        {
            var path = Path.Combine(_folder, JournalSegment.NameOf(number));
            if (!File.Exists(path))
            {
                throw EventJournalException.Missing(path, "and the newer files build on it");
            }

            using var file = JournalFiles.OpenToRead(path);
            var segment = JournalSegment.Open(path, file);
            segment.Length = segment.EndOfWhole(file, length);
            if (segment.Length != length)
            {
                throw EventJournalException.Damaged(path, segment.Length);
            }

            _closed.Add(segment);
        }

        foreach (var (number, path) in files)
        {
            if (number < _current!.Number && !catalogue.Any(entry => entry.Number == number))
            {
                // Let go by the process before, which did not come to remove it.
                File.Delete(path);
            }
        }
    }

    private void CutTornTail(JournalSegment segment, SafeFileHandle file)
    {
        var end = RandomAccess.GetLength(file);
        if (segment.Length == end)
        {
            return;
        }

        if (segment.FindRecordBehind(file, segment.Length, end) is not null)
        {
            throw EventJournalException.Damaged(segment.FilePath, segment.Length);
        }

        (TornBytes, TornAt) = (end - segment.Length, $"{Path.GetFileName(segment.FilePath)} at byte {segment.Length}");
        using var writable = JournalFiles.OpenToWrite(segment.FilePath, FileMode.Open);
        RandomAccess.SetLength(writable, segment.Length);
        RandomAccess.FlushToDisk(writable);
    }

    /// <summary>Nothing is to be acknowledged that the next start would refuse for what is missing before it.</summary>
    private void CheckFilesAreThere()
    {
        if (!IsStill(_lock.Name, _lock.SafeFileHandle, _lockMark)
            || !_closed.TrueForAll(segment => File.Exists(segment.FilePath))
            || (_current is not null && !IsStill(_current.FilePath, _file, _fileMark)))
        {
            throw new FileNotFoundException("Files of the journal were removed or replaced while it was in use.");
        }

        // A copy that was put in the place of a file gets nothing of what is written to the file.
        static bool IsStill(string path, SafeFileHandle? open, string? mark) =>
            File.Exists(path) && (open is null || JournalFiles.MarkOf(open) == mark);
    }

    private JournalSegment Writable()
    {
        CheckFilesAreThere();
        if (_current is null || _mustStartAnew || _current.Length >= _segmentLength || !_current.HasTodaysFields)
        {
            var next = JournalSegment.Create(
                _folder,
                Math.Max(_lastNumber, _current?.Number ?? _closed.Select(segment => segment.Number).DefaultIfEmpty().Max()) + 1);
            WriteNewest(next.Number);
            _file?.Dispose();
            _file = null;
            if (_current is not null)
            {
                _closed.Add(_current);
            }

            (_current, _mustStartAnew, _hasNewCatalogue, _hasBegunFile) = (next, false, true, true);
        }

        if (_file is null)
        {
            OpenCurrent();
        }

        return _current;
    }

    private void OpenCurrent()
    {
        _file = JournalFiles.OpenToWrite(_current!.FilePath, FileMode.Open);
        _fileMark = JournalFiles.MarkOf(_file);
    }

    /// <summary>
    /// Notes which file is the newest, so that a start without it is refused. Always after the file has its name on the disk and before it
    /// has a record.
    /// </summary>
    private void WriteNewest(int number)
    {
        JournalFiles.WriteNewest(_lock.SafeFileHandle, number);
        _newestNumber = number;
    }

    private void WriteDown(JournalSegment segment, ReadOnlySpan<byte> bytes)
    {
        var isWritten = false;
        try
        {
            RandomAccess.Write(_file!, bytes, segment.Length);
            isWritten = true;
            BeforeFlush?.Invoke();
            RandomAccess.FlushToDisk(_file!);
            CheckFilesAreThere();
        }
        catch (Exception fault)
        {
            TakeBack(segment, flushFailed: isWritten);
            if (fault is ArgumentOutOfRangeException)
            {
                // How .NET tells EFBIG: the system limits the length of files.
                throw new IOException("The file cannot grow.", fault);
            }

            throw;
        }
    }

    /// <summary>
    /// Takes a record away that may be on the disk in part. After a failed flush nobody knows what the disk holds, so that file gets no
    /// more: the next one says how far it goes.
    /// </summary>
    private void TakeBack(JournalSegment segment, bool flushFailed)
    {
        _mustStartAnew = true;
        try
        {
            RandomAccess.SetLength(_file!, segment.Length);
            RandomAccess.FlushToDisk(_file!);
            _mustStartAnew = flushFailed;
        }
        catch (IOException)
        {
        }
    }

    /// <summary>Writes what is left of some files, and the list without them, as one record.</summary>
    private void Replace(List<JournalSegment> gone, Evictions evictions, List<(long Sequence, EventRecord Event)> left)
    {
        var before = _closed;
        _closed = _closed.FindAll(segment => !gone.Contains(segment));
        _hasNewCatalogue = true;
        try
        {
            Append(evictions, left);
        }
        catch
        {
            // Whatever the fault is: else the next record would tell a list without files that hold what is kept.
            _closed = [.. before, .. _closed.Except(before)];
            throw;
        }
    }

    private static IEnumerable<(long Sequence, EventRecord Event)> Read(JournalSegment segment)
    {
        using var file = JournalFiles.OpenToRead(segment.FilePath);
        var end = segment.Start;
        foreach (var record in segment.Records(file, segment.Length))
        {
            foreach (var entry in segment.Decode(record))
            {
                yield return entry;
            }

            end = record.End;
        }

        if (end != segment.Length)
        {
            // It was whole when it was opened.
            throw new IOException($"'{segment.FilePath}' cannot be read at byte {end}.");
        }
    }
}
