using System.Runtime.CompilerServices;
using System.Text.Unicode;

namespace SuspiciousSignin.Benchmarks;

/// <summary>
/// The same documents for the same seed: 60 % Entra ID sign-ins, 35 % audit records of which a tenth are mail accesses, 5 % alerts. They come in
/// the order in which they were taken in, as logs do; what they tell of happened up to ten minutes before. Sign-ins and audit records come from
/// 200,000 addresses by Zipf's law. Alerts come from 20,000 scanners that never sign in, and 1 in 100 from 200 addresses of those that do, so that
/// over eight hours of ten million events about 200 are suspicious. About 5 % of the addresses are IPv6 and 1 % excluded by the rule.
/// </summary>
/// <param name="seed">Where the random numbers start.</param>
/// <param name="isLarge">Whether a document has some 4 KB that nobody asks for between its fields, rather than none.</param>
/// <param name="total">How many documents the span is divided into.</param>
internal sealed class Documents(int seed, bool isLarge, long total)
{
    /// <summary>The end of the span where nothing else is said, milliseconds since the epoch.</summary>
    public const long DefaultEnd = 1_773_468_000_000;

    private const int Addresses = 200_000;
    private const int Scanners = 20_000;
    private const int Suspicious = 200;
    private const int LongestDelay = 600_000;
    private const int LongestDocument = 8192;

    private readonly Random _random = new(seed);
    private byte[] _buffer = new byte[1 << 20];
    private int _length;
    private long _number;

    /// <summary>When the last document is taken in, milliseconds since the epoch.</summary>
    public long End { get; init; } = DefaultEnd;

    /// <summary>Within how many milliseconds all are taken in. Default 24 hours.</summary>
    public long Span { get; init; } = 86_400_000;

    /// <summary>The one address that all documents come from, or null.</summary>
    public string? Egress { get; init; }

    /// <summary>The address of a rank by Zipf's law; rank 0 is the busiest.</summary>
    public static string AddressOf(int rank) =>
        (rank % 100) switch
        {
            55 => $"10.{rank >> 16}.{(rank >> 8) & 255}.{rank & 255}",
            10 or 30 or 50 or 70 or 90 => $"2a00:1450:4001:{rank >> 16:x}::{rank & 0xFFFF:x}",
            _ => $"{64 + (rank >> 16)}.{(((uint)rank * 2_654_435_761u) >> 24) & 127}.{(rank >> 8) & 255}.{rank & 255}",
        };

    /// <summary>The next documents as NDJSON; good until the next call.</summary>
    public ArraySegment<byte> Lines(int count) => Write(count, "", "\n", "");

    /// <summary>The next documents as a JSON array; good until the next call.</summary>
    public ArraySegment<byte> Array(int count) => Write(count, "[", ",", "]");

    private ArraySegment<byte> Write(int count, string start, string separator, string end)
    {
        _length = 0;
        Append(Rest, $"{start}");
        for (var i = 0; i < count; i++)
        {
            if (_buffer.Length - _length < 2 * LongestDocument)
            {
                System.Array.Resize(ref _buffer, (int)Math.Min(System.Array.MaxLength, _buffer.Length * 2L));
            }

            AppendDocument();
            if (separator == "\n" || i + 1 < count)
            {
                Append(Rest, $"{separator}");
            }
        }

        Append(Rest, $"{end}");
        return new ArraySegment<byte>(_buffer, 0, _length);
    }

    private void AppendDocument()
    {
        var ingested = End - Span + (long)((++_number / (double)total) * Span);
        var at = ingested - _random.Next(LongestDelay);
        var kind = _random.NextDouble();
        Append(Rest, $"{{\"@timestamp\":\"");
        AppendTime(at);
        Append(Rest, $"\",\"event\":{{\"id\":\"{seed:x2}{_number:x10}\",\"ingested\":\"");
        AppendTime(ingested);
        var user = _random.Next(20_000);
        switch (kind)
        {
            case < 0.6:
                Append(Rest, $"\",\"dataset\":\"azure.signinlogs\",\"outcome\":\"{(_random.Next(10) == 0 ? "failure" : "success")}\",\"action\":\"Sign-in activity\",\"category\":[\"authentication\"],\"kind\":\"event\"}},\"source\":{{\"ip\":\"{Egress ?? ZipfAddress()}\"}}");
                Append(Rest, $",\"user\":{{\"name\":\"crew{user}@northwindferry.example\",\"id\":\"u{user}\"}},\"azure\":{{\"signinlogs\":{{\"properties\":{{\"app_display_name\":\"Outlook\",\"device_detail\":{{\"operating_system\":\"Windows10\"}}}}}}}}");
                break;

            case < 0.95:
                Append(Rest, $"\",\"dataset\":\"o365.audit\",\"outcome\":\"success\",\"action\":\"{(_random.Next(10) == 0 ? "MailItemsAccessed" : "FileAccessed")}\",\"category\":[\"web\"],\"kind\":\"event\",\"provider\":\"Exchange\"}},\"source\":{{\"ip\":\"{Egress ?? ZipfAddress()}\"}}");
                Append(Rest, $",\"user\":{{\"email\":\"crew{user}@northwindferry.example\",\"name\":\"crew{user}\",\"domain\":\"northwindferry.example\"}},\"o365\":{{\"audit\":{{\"LogonType\":0,\"ClientInfoString\":\"Client=REST;\"}}}}");
                break;

            default:
                Append(Rest, $"\",\"dataset\":\"suricata.eve\",\"category\":[\"network\",\"intrusion_detection\"],\"kind\":\"signal\",\"severity\":2}},\"source\":{{\"ip\":\"{Egress ?? AlertedAddress()}\"}}");
                Append(Rest, $",\"rule\":{{\"name\":\"LOCAL Repeated logon attempts\",\"id\":\"9000001\"}},\"message\":\"Attempted Information Leak\"");
                break;
        }

        if (isLarge)
        {
            Append(Rest, $",\"raw\":{{\"member\":0");
            for (var i = 0; i < 60; i++)
            {
                Append(Rest, $",\"member_{i}\":{{\"name\":\"value \\\"{_random.Next()}\\\" of a record\",\"n\":{_random.Next()}}}");
            }

            Append(Rest, $"}}");
        }

        // As Kibana writes them, the alert's own fields come last.
        Append(Rest, $"{(kind < 0.95 ? "}" : ",\"kibana.alert.rule.name\":\"External Alerts\",\"kibana.alert.rule.rule_id\":\"eb079c62-4481-4d6e-9643-3ca499df7aaa\"}")}");
    }

    private string ZipfAddress() => AddressOf((int)Math.Pow(Addresses, _random.NextDouble()) - 1);

    private string AlertedAddress()
    {
        if (_random.Next(100) == 0)
        {
            return AddressOf(37 + (_random.Next(Suspicious) * 250));
        }

        var scanner = _random.Next(Scanners);
        return $"45.83.{scanner >> 8}.{scanner & 255}";
    }

    // Formatting a date by its pattern would take longer than the rest of the document.
    private void AppendTime(long milliseconds)
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime;
        at.TryFormat(_buffer.AsSpan(_length), out var written, "O");
        // "O" writes seven digits of a second, then Z.
        _length += written - 4;
        _buffer[_length - 1] = (byte)'Z';
    }

    private Span<byte> Rest => _buffer.AsSpan(_length);

    private void Append(Span<byte> destination, [InterpolatedStringHandlerArgument(nameof(destination))] ref Utf8.TryWriteInterpolatedStringHandler text)
    {
        if (!Utf8.TryWrite(destination, ref text, out var written))
        {
            throw new InvalidOperationException("A document is longer than thought.");
        }

        _length += written;
    }
}
