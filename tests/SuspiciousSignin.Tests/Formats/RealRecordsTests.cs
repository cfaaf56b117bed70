using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using SuspiciousSignin.Events;
using SuspiciousSignin.Tests.Api;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Formats;

/// <summary>4,804 real audit records of Microsoft 365, sent as they are.</summary>
public sealed class RealRecordsTests
{
    private const string Parameters = "?store=false&promote=true&from=2021-03-01T00:00:00Z&to=2021-08-01T00:00:00Z&includeEvents=true";

    /// <summary>The addresses with failed logons and mail access.</summary>
    private static readonly string[] Suspects = ["178.85.138.132", "34.99.77.20", "34.99.77.38", "5.253.204.108", "80.114.221.214"];

    [Fact]
    public async Task Every_record_is_accounted_for_and_mail_access_agrees_with_an_independent_count()
    {
        if (Shared.Find("data/o365-audit.ndjson.gz") is not { } path)
        {
            Assert.Skip(Shared.Absent);
            return;
        }

        using var service = new TestService();
        var answer = await service.PostAsync(await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken), Parameters, "application/x-ndjson", "gzip");

        var counted = Count(path);
        Assert.Equal(4804, answer.Number("received"));
        Assert.Equal(0, answer.Number("rejectedTotal"));
        Assert.Equal(4804, answer.Number("accepted") + answer.Number("duplicates"));
        Assert.Equal(counted.Distinct, answer.Number("accepted"));
        Assert.Equal("""{"o365Audit":4804}""", answer.Json!["shapes"]!.ToJsonString());
        Assert.Equal(counted.MailAccesses, answer.Number("buckets.mailAccess"));
        Assert.Equal(answer.Number("accepted"), answer.Number("buckets.mailAccess") + answer.Number("buckets.other"));

        // Of the rest, each is counted as failed or of another operation, or says why it does not count.
        Assert.Equal(counted.WithoutAddress, answer.Number("ignored.noSourceIp"));
        Assert.Equal(counted.Excluded, answer.Number("ignored.excludedNetwork"));
        Assert.Empty(answer.Addresses);

        var batch = await Engine.ReadAsync(Text(path), BatchFormat.NdJson);
        var accesses = batch.Events.Where(record => record.Classification.IsMailAccess(Engine.Revision())).SelectMany(record => record.Addresses.ToArray());
        Assert.Equal(counted.AccessesOf.Keys.Order(StringComparer.Ordinal), accesses.Select(address => address.ToString()).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal((269, 133), (counted.MailAccesses, counted.AccessesOf.Count));
    }

    [Fact]
    public async Task With_alerts_for_five_addresses_exactly_those_are_reported_with_users_and_evidence()
    {
        if (Shared.Find("data/o365-audit.ndjson.gz") is not { } path)
        {
            Assert.Skip(Shared.Absent);
            return;
        }

        var alerts = string.Concat(Suspects.Select((address, i) => Suricata(address, "2021-05-05T09:0" + i.ToString(CultureInfo.InvariantCulture)) + "\n"));
        // One more, of an address with failed logons but no access to mail.
        alerts += Suricata("109.36.130.165", "2021-05-05T09:30") + "\n";
        using var service = new TestService();

        var answer = await service.PostAsync(alerts + Text(path), Parameters, "application/x-ndjson");

        Assert.Equal("""{"o365Audit":4804,"suricata":6}""", answer.Json!["shapes"]!.ToJsonString());
        Assert.Equal(Suspects.Order(StringComparer.Ordinal), answer.Addresses.Order(StringComparer.Ordinal));
        var accesses = Count(path).AccessesOf;
        foreach (var alert in answer.Json["alerts"]!.AsArray())
        {
            var address = alert!["sourceIp"]!.GetValue<string>();
            Assert.Equal(accesses[address].Count, alert["counts"]!["mailAccess"]!.GetValue<int>());
            Assert.Equal(1, alert["counts"]!["networkAlert"]!.GetValue<int>());
            Assert.Equal(
                accesses[address].Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase),
                alert["users"]!.AsArray().Where(user => user!["mailAccess"]!.GetValue<int>() > 0).Select(user => user!["email"]!.GetValue<string>()).Order(StringComparer.OrdinalIgnoreCase),
                StringComparer.OrdinalIgnoreCase);
            var events = alert["events"]!.AsArray();
            Assert.Contains(events, one => (string?)one!["network"]?["ruleName"] == "ET POLICY Suspicious inbound logon");
            Assert.Contains(events, one => one!["mail"]?["accessType"] is not null && (string?)one["mail"]!["workload"] == "Exchange");
        }
    }

    private static string Suricata(string address, string minute) => $$$"""
        {"timestamp":"{{{minute}}}:00.000000+0000","flow_id":1,"event_type":"alert","src_ip":"{{{address}}}","src_port":50000,"dest_ip":"20.190.160.2","dest_port":443,"proto":"TCP","alert":{"action":"allowed","signature_id":2000001,"signature":"ET POLICY Suspicious inbound logon","category":"Potentially Bad Traffic","severity":2}}
        """;

    /// <summary>Counts with nothing of the product but the list of networks, whose own tests are elsewhere.</summary>
    private static Counted Count(string path)
    {
        var (seen, counted) = (new HashSet<string>(StringComparer.Ordinal), new Counted());
        foreach (var line in Text(path).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var document = JsonDocument.Parse(line);
            var record = document.RootElement;

            // The kind is part of an event's identity: one id may be both an event and an alert.
            var isAlert = record.GetProperty("RecordType").GetInt32() is 40 or 11 or 13;
            if (!seen.Add($"{record.GetProperty("Id").GetString()} {isAlert}"))
            {
                continue;
            }

            counted.Distinct++;
            var address = AddressOf(record);
            if (address is null)
            {
                counted.WithoutAddress++;
            }
            else if (OracleCidr.IsExcluded(OracleIp.Parse(address)!.Value))
            {
                counted.Excluded++;
            }
            else if (record.GetProperty("Operation").GetString() == "MailItemsAccessed" && Status(record) is not ("failed" or "false"))
            {
                counted.MailAccesses++;
                if (!counted.AccessesOf.TryGetValue(address, out var users))
                {
                    counted.AccessesOf[address] = users = [];
                }

                users.Add(record.GetProperty("UserId").GetString()!);
            }
        }

        return counted;
    }

    private static string? Status(JsonElement record) => record.TryGetProperty("ResultStatus", out var status) ? status.GetString()?.ToLowerInvariant() : null;

    private static string? AddressOf(JsonElement record)
    {
        foreach (var name in new[] { "ClientIPAddress", "ClientIP", "ActorIpAddress" })
        {
            if (record.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String)
            {
                var text = value.GetString()!;
                text = text.StartsWith('[') ? text[1..text.IndexOf(']', StringComparison.Ordinal)] : text.Count(c => c == ':') == 1 ? text.Split(':')[0] : text;
                return OracleIp.Canonical(text);
            }
        }

        return null;
    }

    private static string Text(string path)
    {
        using var file = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        using var reader = new StreamReader(file, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private sealed class Counted
    {
        public int Distinct { get; set; }

        public int WithoutAddress { get; set; }

        public int Excluded { get; set; }

        public int MailAccesses { get; set; }

        public Dictionary<string, List<string>> AccessesOf { get; } = new(StringComparer.Ordinal);
    }
}
