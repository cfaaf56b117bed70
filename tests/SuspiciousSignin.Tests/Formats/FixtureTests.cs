using System.Text.Json;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Formats;

/// <summary>Raw records and what Elastic's own pipelines made of them, field by field.</summary>
public sealed class FixtureTests
{
    /// <summary>The fields that the expected files tell; one that a file does not name is absent.</summary>
    private static readonly string[] Asked =
    [
        "@timestamp", "source.ip", "source.port", "event.action", "event.outcome", "event.category", "user.name", "user.domain", "user.email", "user.id",
    ];

    public static TheoryData<string> Names
    {
        get
        {
            var names = new TheoryData<string>();
            if (Shared.Find("fixtures") is not { } folder)
            {
                names.Add("(absent)");
                return names;
            }

            foreach (var path in Directory.EnumerateFiles(folder, "*.raw.json").Order(StringComparer.Ordinal))
            {
                names.Add(Path.GetFileName(path)[..^".raw.json".Length]);
            }

            return names;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_raw_record_becomes_what_elastics_pipeline_makes_of_it(string name)
    {
        if (Shared.Find("fixtures") is not { } folder)
        {
            Assert.Skip(Shared.Absent);
            return;
        }

        var derived = Path.Combine(folder, name + ".derived.json");
        using var expected = JsonDocument.Parse(File.ReadAllText(File.Exists(derived) ? derived : Path.Combine(folder, name + ".expected.json")));
        var document = await Normalised.OneAsync(File.ReadAllText(Path.Combine(folder, name + ".raw.json")));

        Assert.Equal(Lines(WithNewestUser(name, ToFields(expected.RootElement))), Lines(Asked.ToDictionary(field => field, field => Normalised.Texts(document, field))));
        if (expected.RootElement.TryGetProperty("event.dataset", out var dataset))
        {
            Assert.Equal([dataset.GetString()!], Normalised.Texts(document, "event.dataset"));
        }
    }

    [Theory]
    [InlineData("ecs-panw-threat-url.json", "ecs", "192.168.0.2")]
    [InlineData("ecs-zeek-notice-portscan.json", "ecs", "8.42.77.171")]
    [InlineData("ecs-snort-icmp.json", "ecs", "10.50.10.88")]
    [InlineData("ecs-fortigate-utm-appctrl.json", "ecs", null)]
    [InlineData("ecs-o365-pageviewed.json", "ecs", "213.97.47.133")]
    [InlineData("kibana-alert-zeek-constructed.json", "kibanaAlert", "8.42.77.171")]
    public async Task A_document_in_ecs_is_read_as_it_is(string name, string shape, string? address)
    {
        if (Shared.Find("fixtures/" + name) is not { } path)
        {
            Assert.Skip(Shared.Absent);
            return;
        }

        var batch = await Engine.ReadAsync($"[{File.ReadAllText(path)}]");

        Assert.Equal([shape], batch.Shapes.Keys);
        if (address is not null)
        {
            Assert.Equal(address, Assert.Single(batch.Events[0].Addresses.ToArray()).ToString());
        }
    }

    private static Dictionary<string, string[]> ToFields(JsonElement expected) => Asked.ToDictionary(
        field => field,
        field => expected.TryGetProperty(field, out var value)
            ? value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Select(item => item.ToString()).ToArray() : [value.ToString()]
            : []);

    /// <summary>Older pipelines split the principal's name; the newest, which we follow, does not (fixtures/INDEX.md).</summary>
    private static Dictionary<string, string[]> WithNewestUser(string name, Dictionary<string, string[]> fields)
    {
        if (name.StartsWith("entra-", StringComparison.Ordinal) && fields["user.domain"] is [var domain])
        {
            var principal = fields["user.name"][0] + "@" + domain;
            (fields["user.name"], fields["user.email"], fields["user.domain"]) = ([principal], [principal], []);
        }

        return fields;
    }

    private static string Lines(Dictionary<string, string[]> fields) => string.Join('\n', fields.Select(field => $"{field.Key}: {string.Join(' ', field.Value)}"));
}
