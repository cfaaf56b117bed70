using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.Benchmarks;

/// <summary>HTTP by hand on one kept connection, so that the client costs next to nothing beside the server.</summary>
internal sealed class Wire : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private byte[] _buffer = new byte[64 * 1024];
    private int _length;
    private int _bodyStart;

    public Wire(int port) => _socket.Connect(new IPEndPoint(IPAddress.Loopback, port));

    /// <summary>The latest answer's body, decoded.</summary>
    public JsonNode Json => JsonNode.Parse(Body())!;

    /// <summary>The length of the latest answer's body, decoded.</summary>
    public int BodyLength => Body().Length;

    public Wire Get(string path) => Ask(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), default);

    public Wire Post(string path, string type, ReadOnlyMemory<byte> body) =>
        Ask(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n\r\n"), body);

    /// <summary>Sends a request and reads its answer, which has to be 200.</summary>
    public Wire Ask(ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> body)
    {
        SendAll(head.Span);
        SendAll(body.Span);
        _length = 0;
        do
        {
            if (_length == _buffer.Length)
            {
                Array.Resize(ref _buffer, 2 * _length);
            }

            var read = _socket.Receive(_buffer.AsSpan(_length));
            if (read == 0)
            {
                throw new InvalidOperationException("The server closed the connection.");
            }

            _length += read;
        }
        while (!IsWhole());
        return _buffer.AsSpan(0, _length).StartsWith("HTTP/1.1 200"u8)
            ? this
            : throw new InvalidOperationException($"The server answered {Encoding.UTF8.GetString(_buffer, 0, Math.Min(_length, 2000))}");
    }

    public void Dispose() => _socket.Dispose();

    private void SendAll(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[_socket.Send(bytes)..];
        }
    }

    private bool IsWhole()
    {
        var answer = _buffer.AsSpan(0, _length);
        var end = answer.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            return false;
        }

        _bodyStart = end + 4;
        return ContentLength(answer[..end]) is { } length ? _length - _bodyStart >= length : answer[_bodyStart..].EndsWith("0\r\n\r\n"u8);
    }

    private static int? ContentLength(ReadOnlySpan<byte> head)
    {
        var name = "\r\nContent-Length: "u8;
        var at = head.IndexOf(name);
        if (at < 0)
        {
            return null;
        }

        var value = head[(at + name.Length)..];
        var end = value.IndexOf((byte)'\r');
        return int.Parse(end < 0 ? value : value[..end], CultureInfo.InvariantCulture);
    }

    private byte[] Body()
    {
        var body = _buffer.AsSpan(_bodyStart, _length - _bodyStart);
        if (ContentLength(_buffer.AsSpan(0, _bodyStart - 4)) is not null)
        {
            return body.ToArray();
        }

        var whole = new List<byte>();
        while (true)
        {
            var line = body.IndexOf("\r\n"u8);
            var size = int.Parse(body[..line], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (size == 0)
            {
                return [.. whole];
            }

            whole.AddRange(body.Slice(line + 2, size));
            body = body[(line + 2 + size + 2)..];
        }
    }
}
