using System.Buffers;
using Microsoft.AspNetCore.Connections;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>
/// What sockets are read into and written from, in blocks of 64 KiB where Kestrel's own have 4: each block is a call of the system, and
/// whatever lies across two of them has to be put together.
/// </summary>
internal sealed class TransportMemory : MemoryPool<byte>, IMemoryPoolFactory<byte>
{
    /// <summary>The least that is lent, in bytes. A connection that waits for a request holds none.</summary>
    private const int BlockBytes = 64 * 1024;

    public override int MaxBufferSize => Shared.MaxBufferSize;

    /// <summary>Lends a block of the process, which .NET trims when memory is short.</summary>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1) => Shared.Rent(Math.Max(minBufferSize, BlockBytes));

    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => this;

    protected override void Dispose(bool disposing)
    {
        // Kestrel disposes of each pool that it made; this one has nothing of its own.
    }
}
