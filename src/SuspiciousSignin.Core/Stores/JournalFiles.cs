using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace SuspiciousSignin.Stores;

/// <summary>The files of a journal: readable by their owner only, and really on the disk.</summary>
internal static class JournalFiles
{
    public const string Unfinished = ".new";
    public const string Lock = "lock";

    private const int WouldBlockOnLinux = 11;
    private const int WouldBlockOnMac = 35;
    private const int SharingViolationOnWindows = unchecked((int)0x80070020);
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Makes the folder where needed, and takes it for this process alone; the system gives it back however the process ends.
    /// </summary>
    public static FileStream Hold(string folder)
    {
        try
        {
            if (!Directory.Exists(folder))
            {
                if (!Directory.Exists(Path.GetDirectoryName(folder)))
                {
                    throw new EventJournalException(
                        $"Store:Memory:Path: the folder '{folder}' cannot be made because its parent does not exist. "
                        + "Make it, or mount the volume it is on.");
                }

                if (OperatingSystem.IsWindows())
                {
                    Directory.CreateDirectory(folder);
                }
                else
                {
                    Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
                }

                FlushFolder(Path.GetDirectoryName(folder)!);
            }

            var held = Stream(Path.Combine(folder, Lock), FileMode.OpenOrCreate, FileShare.None);
            try
            {
                foreach (var unfinished in Directory.EnumerateFiles(folder, "*.journal" + Unfinished))
                {
                    File.Delete(unfinished);
                }

                return held;
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new EventJournalException(
                $"Store:Memory:Path: this user may not write to '{folder}'. Give it to the user the service runs as.",
                denied);
        }
        catch (IOException inUse) when (inUse.HResult is WouldBlockOnLinux or WouldBlockOnMac or SharingViolationOnWindows)
        {
            throw new EventJournalException(
                $"Store:Memory:Path: another instance holds '{folder}'. Each instance needs a folder of its own.",
                inUse);
        }
        catch (IOException fault)
        {
            throw new EventJournalException($"Store:Memory:Path: the folder '{folder}' cannot be used: {fault.Message}", fault);
        }
    }

    public static List<(int Number, string Path)> Segments(string folder) =>
        [.. Directory.EnumerateFiles(folder)
            .Select(path => (Number: JournalSegment.NumberOf(Path.GetFileName(path)), Path: path))
            .Where(file => file.Number is not null)
            .Select(file => (file.Number!.Value, file.Path))
            .OrderBy(file => file.Value)];

    /// <summary>The number of the newest file as noted in the lock; 0 where none is, or where the note was cut short.</summary>
    public static int ReadNewest(SafeFileHandle held)
    {
        Span<byte> note = stackalloc byte[sizeof(int) + sizeof(ulong)];
        return RandomAccess.Read(held, note, 0) == note.Length
            && BinaryPrimitives.ReadUInt64LittleEndian(note[sizeof(int)..]) == XxHash3.HashToUInt64(note[..sizeof(int)])
            ? BinaryPrimitives.ReadInt32LittleEndian(note)
            : 0;
    }

    /// <summary>Writes the note and flushes it.</summary>
    public static void WriteNewest(SafeFileHandle held, int number)
    {
        Span<byte> note = stackalloc byte[sizeof(int) + sizeof(ulong)];
        BinaryPrimitives.WriteInt32LittleEndian(note, number);
        BinaryPrimitives.WriteUInt64LittleEndian(note[sizeof(int)..], XxHash3.HashToUInt64(note[..sizeof(int)]));
        RandomAccess.Write(held, note, 0);
        RandomAccess.FlushToDisk(held);
    }

    /// <summary>
    /// What stays the same of an open file until it is removed, moved or replaced: on Linux its name as the kernel tells it, which becomes
    /// another then; elsewhere nothing, for Windows keeps open files in their place.
    /// </summary>
    public static string? MarkOf(SafeFileHandle open) =>
        OperatingSystem.IsLinux() ? new FileInfo($"/proc/self/fd/{open.DangerousGetHandle()}").LinkTarget : null;

    public static SafeFileHandle OpenToRead(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

    public static SafeFileHandle OpenToWrite(string path, FileMode mode)
    {
        if (mode == FileMode.Create)
        {
            using var made = Stream(path, mode, FileShare.ReadWrite);
        }

        return File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
    }

    /// <summary>Makes sure that a new name in the folder is on the disk.</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = NativeMethods.Open(folder, 0);
        if (descriptor < 0)
        {
            throw new IOException($"The folder cannot be flushed (error {Marshal.GetLastPInvokeError()}).");
        }

        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        RandomAccess.FlushToDisk(handle);
    }

    private static FileStream Stream(string path, FileMode mode, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return new FileStream(path, options);
    }

    private static class NativeMethods
    {
        // .NET opens no folders, and a new file's name is safe only once its folder is flushed.
        [DllImport("libc", EntryPoint = "open", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);
    }
}
