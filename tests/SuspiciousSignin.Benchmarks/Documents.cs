using System.Globalization;
using System.Text;

namespace SuspiciousSignin.Benchmarks;

/// <summary>
/// The same documents for the same seed: 60 % Entra ID sign-ins, 35 % audit records of which a tenth are mail accesses, 5 % alerts, over 24
/// hours; addresses by Zipf's law from 200,000, of which 5 % IPv6 and 1 % excluded.
/// </summary>
internal sealed class Documents(int seed, bool isLarge)
{
    /// <summary>The end of the 24 hours, milliseconds since the epoch.</summary>
    public const long To = 1_773_468_000_000;

    private const int Addresses = 200_000;
    private const int Day = 86_400_000;
    private const int Suspicious = 200;

    private readonly Random _random = new(seed);
    private readonly StringBuilder _text = new(8192);

    /// <summary>Documents as NDJSON.</summary>
    public byte[] Lines(int count)
    {
        _text.Clear();
        for (var i = 0; i < count; i++)
        {
            Append(i);
            _text.Append('\n');
        }

        return Encoding.UTF8.GetBytes(_text.ToString());
    }

    private void Append(int number)
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(To - _random.Next(Day)).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        var kind = _random.NextDouble();
        _text.Append(CultureInfo.InvariantCulture, $"{{\"@timestamp\":\"{at}\",\"event\":{{\"id\":\"{number:x12}\",\"ingested\":\"{at}\",");
        var user = _random.Next(20_000);
        switch (kind)
        {
            case < 0.6:
                _text.Append(CultureInfo.InvariantCulture, $"\"dataset\":\"azure.signinlogs\",\"outcome\":\"{(_random.Next(10) == 0 ? "failure" : "success")}\",\"action\":\"Sign-in activity\",\"category\":[\"authentication\"],\"kind\":\"event\"}}");
                Source(ZipfAddress());
                _text.Append(CultureInfo.InvariantCulture, $",\"user\":{{\"name\":\"crew{user}@northwindferry.example\",\"id\":\"u{user}\"}},\"azure\":{{\"signinlogs\":{{\"properties\":{{\"app_display_name\":\"Outlook\",\"device_detail\":{{\"operating_system\":\"Windows10\"}}}}}}}}");
                break;

            case < 0.95:
                _text.Append(CultureInfo.InvariantCulture, $"\"dataset\":\"o365.audit\",\"outcome\":\"success\",\"action\":\"{(_random.Next(10) == 0 ? "MailItemsAccessed" : "FileAccessed")}\",\"category\":[\"web\"],\"kind\":\"event\",\"provider\":\"Exchange\"}}");
                Source(ZipfAddress());
                _text.Append(CultureInfo.InvariantCulture, $",\"user\":{{\"email\":\"crew{user}@northwindferry.example\",\"name\":\"crew{user}\",\"domain\":\"northwindferry.example\"}},\"o365\":{{\"audit\":{{\"LogonType\":0,\"ClientInfoString\":\"Client=REST;\"}}}}");
                break;

            default:
                _text.Append("\"dataset\":\"suricata.eve\",\"category\":[\"network\",\"intrusion_detection\"],\"kind\":\"signal\",\"severity\":2}");
                Source(Address(_random.Next(Suspicious) * (Addresses / Suspicious)));
                _text.Append(",\"rule\":{\"name\":\"LOCAL Repeated logon attempts\",\"id\":\"9000001\"},\"message\":\"Attempted Information Leak\"");
                break;
        }

        if (isLarge)
        {
            _text.Append(",\"raw\":{");
            for (var i = 0; i < 60; i++)
            {
                _text.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ",")}\"member_{i}\":{{\"name\":\"value \\\"{_random.Next()}\\\" of a record\",\"n\":{_random.Next()}}}");
            }

            _text.Append('}');
        }

        // As Kibana writes them, the alert's own fields come last.
        _text.Append(kind < 0.95
            ? "}"
            : ",\"kibana.alert.rule.name\":\"External Alerts\",\"kibana.alert.rule.rule_id\":\"eb079c62-4481-4d6e-9643-3ca499df7aaa\"}");
    }

    private void Source(string address) => _text.Append(",\"source\":{\"ip\":\"").Append(address).Append("\"}");

    private string ZipfAddress() => Address((int)Math.Pow(Addresses, _random.NextDouble()) - 1);

    private static string Address(int rank)
    {
        // Spread over the ranks, whatever the rank.
        var mixed = (uint)rank * 2_654_435_761u;
        return (mixed % 100) switch
        {
            0 => string.Create(CultureInfo.InvariantCulture, $"10.{rank >> 16}.{(rank >> 8) & 255}.{rank & 255}"),
            < 6 => string.Create(CultureInfo.InvariantCulture, $"2a00:1450:4001:{rank >> 16:x}::{rank & 0xFFFF:x}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{64 + (rank >> 16)}.{(mixed >> 24) & 127}.{(rank >> 8) & 255}.{rank & 255}"),
        };
    }
}
