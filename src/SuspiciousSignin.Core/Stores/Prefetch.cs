using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace SuspiciousSignin.Stores;

/// <summary>Asks for memory ahead of its use, so that the waits for many places overlap.</summary>
internal static class Prefetch
{
    /// <summary>Loads what is at the place into the cache, where the processor can be asked to; it changes nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Load<T>(ref readonly T place)
    {
        if (Sse.IsSupported)
        {
            // A place that the garbage collector moves meanwhile is a load in vain.
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.AsRef(in place)));
        }
    }

    /// <summary>
    /// Loads what is in an object, so many bytes behind its start, without asking for a field of it, which would wait for the object.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void LoadObject(object value, int offset = 0)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(*(byte**)Unsafe.AsPointer(ref value) + offset);
        }
    }
}
