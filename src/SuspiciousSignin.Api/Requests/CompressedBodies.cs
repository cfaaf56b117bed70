using System.IO.Compression;
using Microsoft.AspNetCore.RequestDecompression;

namespace SuspiciousSignin.Api.Requests;

/// <summary>
/// Decompression that takes nothing less than the whole body. .NET's streams end where the compressed data do, and whatever a body holds
/// behind that, such as a second part that was damaged on its way, would be gone without a word.
/// </summary>
internal static class CompressedBodies
{
    public static IServiceCollection AddCompressedBodies(this IServiceCollection services) => services.AddRequestDecompression(options =>
    {
        // RFC 9110, section 8.4.1.3: an old name of the same.
        var gzip = new Provider(body => new GZipStream(body, CompressionMode.Decompress));
        (options.DecompressionProviders["gzip"], options.DecompressionProviders["x-gzip"]) = (gzip, gzip);
        options.DecompressionProviders["deflate"] = new Provider(body => new ZLibStream(body, CompressionMode.Decompress));
        options.DecompressionProviders["br"] = new Provider(body => new BrotliStream(body, CompressionMode.Decompress));
    });

    private sealed class Provider(Func<Stream, Stream> decompress) : IDecompressionProvider
    {
        public Stream GetDecompressionStream(Stream stream)
        {
            var body = new LastByteApart(stream);
            return new Whole(decompress(body), body);
        }
    }

    /// <summary>What comes out, to the end of the body or not at all.</summary>
    private sealed class Whole(Stream decompressed, LastByteApart body) : ForwardStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await decompressed.ReadAsync(buffer, cancellationToken);
            return read > 0 || buffer.IsEmpty || body.IsRead
                ? read
                : throw new InvalidDataException("The compressed data end before the body does.");
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                decompressed.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    /// <summary>
    /// A body whose last byte is handed over by itself, when it is known to be the last. Compressed data that end with the body need it for
    /// their end; those that end earlier never ask for it.
    /// </summary>
    private sealed class LastByteApart(Stream body) : ForwardStream
    {
        private byte? _held;

        /// <summary>Whether everything was handed over.</summary>
        public bool IsRead => _held is null;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.Length < 2)
            {
                var two = new byte[2];
                var one = buffer.IsEmpty ? 0 : await ReadAsync(two, cancellationToken);
                two.AsSpan(0, one).CopyTo(buffer.Span);
                return one;
            }

            var held = _held;
            var read = await body.ReadAsync(held is null ? buffer : buffer[1..], cancellationToken);
            if (held is { } first)
            {
                buffer.Span[0] = first;
                read++;
                _held = null;
                if (read == 1)
                {
                    return 1;
                }
            }
            else if (read == 0)
            {
                return 0;
            }

            _held = buffer.Span[--read];
            return read > 0 ? read : await ReadAsync(buffer, cancellationToken);
        }
    }

    /// <summary>A stream that is read once, asynchronously.</summary>
    private abstract class ForwardStream : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
