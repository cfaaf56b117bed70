using System.Runtime.InteropServices;
using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Benchmarks;

/// <summary>simdjson On-Demand by our C++ program (simdjson/ondemand.cpp), compiled for this machine and loaded into this process.</summary>
internal sealed unsafe class Simdjson : IDisposable
{
    private readonly nint _library;
    private readonly delegate* unmanaged<byte*, nuint, long> _threeFields;
    private readonly delegate* unmanaged<byte*, nuint, byte*, byte*, long> _allFields;
    private readonly byte* _lines;
    private readonly byte* _paths;
    private readonly byte* _room;
    private readonly nuint _length;

    private Simdjson(nint library, ReadOnlySpan<byte> lines)
    {
        _library = library;
        _threeFields = (delegate* unmanaged<byte*, nuint, long>)NativeLibrary.GetExport(library, "sign_ins_by_three_fields");
        _allFields = (delegate* unmanaged<byte*, nuint, byte*, byte*, long>)NativeLibrary.GetExport(library, "sign_ins_by_all_fields");
        var padding = ((delegate* unmanaged<nuint>)NativeLibrary.GetExport(library, "padding"))();
        _length = (nuint)lines.Length;
        _lines = (byte*)NativeMemory.AllocZeroed(_length + padding);
        lines.CopyTo(new Span<byte>(_lines, lines.Length));
        var paths = Encoding.UTF8.GetBytes(string.Join('\n', EventDocument.Paths) + '\0');
        _paths = (byte*)NativeMemory.Alloc((nuint)paths.Length);
        paths.CopyTo(new Span<byte>(_paths, paths.Length));
        _room = (byte*)NativeMemory.Alloc(1 << 20);
    }

    /// <summary>Compiles and loads it; null, and why, where this machine cannot.</summary>
    /// <param name="lines">The NDJSON that will be read; copied, since simdjson needs room behind it.</param>
    public static Simdjson? Load(ReadOnlySpan<byte> lines)
    {
        try
        {
            var built = Path.Combine(Directory.CreateDirectory(Path.Combine(Repository.Benchmarks, "obj")).FullName, "libondemand.so");
            Rounds.Run("g++", "-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-o", built, Path.Combine(Repository.Benchmarks, "simdjson", "ondemand.cpp"), "-lsimdjson");
            return new Simdjson(NativeLibrary.Load(built), lines);
        }
        catch (Exception missing) when (missing is InvalidOperationException or DllNotFoundException)
        {
            return Rounds.Skipped<Simdjson>("simdjson (apt-get install g++ libsimdjson-dev)", missing.Message.Split('\n')[0]);
        }
    }

    /// <summary>Looks for the fields of the question only.</summary>
    public long ByThreeFields() => Checked(_threeFields(_lines, _length));

    /// <summary>Looks for every field that ours reads and copies what it finds.</summary>
    public long ByAllFields() => Checked(_allFields(_lines, _length, _paths, _room));

    public void Dispose()
    {
        NativeMemory.Free(_lines);
        NativeMemory.Free(_paths);
        NativeMemory.Free(_room);
        NativeLibrary.Free(_library);
    }

    private static long Checked(long found) => found >= 0 ? found : throw new InvalidOperationException($"simdjson error {-1 - found}");
}
