using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Api;

/// <summary>The tables of settings in the README say what the service does.</summary>
public sealed partial class SettingsTableTests
{
    private static readonly (string Key, string Default, string Meaning)[] Rows = [.. ReadRows()];

    // Those bounds depend on other settings, or are told in words.
    private static readonly (string Key, long Low, long High)[] Ranges =
    [
        .. Rows.Select(row => (row.Key, Range: Bounds().Match(row.Meaning)))
            .Where(row => row.Range.Success && row.Key != "Store:Elasticsearch:PollWait")
            .Select(row => (row.Key, Number(row.Range, "low"), Number(row.Range, "high"))),
    ];

    [Fact]
    public void Every_default_is_the_one_that_the_table_tells()
    {
        using var service = new TestService();
        var told = Rows.Where(row => row.Default.StartsWith('`') && row.Key is not ("Logging:Console:FormatterName" or "Auth:AllowAnonymous")).ToArray();
        Assert.InRange(told.Length, 40, 100);
        Assert.All(told, row => Assert.Equal(row.Default.Trim('`'), DefaultOf(row.Key), ignoreCase: true));
    }

    [Fact]
    public void Every_setting_is_told()
    {
        var readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md"));
        Assert.All(
            Sections().SelectMany(section => section.Type.GetProperties().Where(IsSetting).Select(property => (section.Name, Property: property.Name))),
            setting => Assert.Matches($"`({setting.Name}:)?{setting.Property}(:(REVISION:)?0)?`", readme));
    }

    [Fact]
    public void Both_ends_of_every_range_that_the_table_tells_are_taken()
    {
        Assert.InRange(Ranges.Length, 25, 60);
        foreach (var end in new Func<(string, long Low, long High), long>[] { range => range.Low, range => range.High })
        {
            using var service = new TestService(settings: Cluster(Ranges.Select(range => (range.Key, Text(range.Key, end(range))))));
        }
    }

    [Fact]
    public void What_is_beyond_either_end_is_refused_by_name()
    {
        foreach (var beyond in new Func<(string Key, long Low, long High), long>[] { range => range.Low - 1, range => range.High + 1 })
        {
            var refused = Assert.Throws<OptionsValidationException>(() => new TestService(settings: Cluster(Ranges.Select(range => (range.Key, Text(range.Key, beyond(range)))))));
            Assert.All(Ranges, range => Assert.Contains(refused.Failures, failure => failure.StartsWith($"{range.Key}: ", StringComparison.Ordinal)));
        }
    }

    private static (string, string)[] Cluster(IEnumerable<(string, string)> settings) =>
        [.. settings, ("Store:Elasticsearch:Nodes:0", "http://localhost:9200"), ("Store:Elasticsearch:PollWait", "00:00:00.1")];

    private static IEnumerable<(string Key, string Default, string Meaning)> ReadRows()
    {
        var prefix = "";
        foreach (var line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "README.md")))
        {
            prefix = line.StartsWith("| Key under `", StringComparison.Ordinal) ? line.Split('`')[1] + ":" : line.StartsWith("| Key ", StringComparison.Ordinal) ? "" : prefix;
            if (line.Split(" | ", 3) is [var keys, var defaults, var meaning] && keys.StartsWith("| `", StringComparison.Ordinal) && (prefix.Length > 0 || keys.Contains(':', StringComparison.Ordinal)))
            {
                var names = keys[2..].Split(", ").Select(key => key.Trim('`')).Where(key => key != "...").ToArray();
                var values = defaults.Split(", ").Length == names.Length ? defaults.Split(", ") : [.. names.Select(_ => defaults)];
                for (var i = 0; i < names.Length; i++)
                {
                    var section = names[0].Contains(':', StringComparison.Ordinal) && i > 0 && !names[i].Contains(':', StringComparison.Ordinal) ? names[0].Split(':')[0] + ":" : "";
                    yield return (prefix + section + names[i], values[i], names.Length == 1 ? meaning : "");
                }
            }
        }
    }

    private static IEnumerable<(string Name, Type Type)> Sections() =>
    [
        ("Store:Memory", typeof(MemoryStoreOptions)), ("Store:Elasticsearch", typeof(ElasticsearchOptions)),
        ("Events", typeof(EventReaderOptions)), ("Alerts", typeof(AlertOptions)), ("Runs", typeof(RunOptions)), ("Requests", typeof(RequestOptions)),
        ("Ingest", typeof(IngestOptions)), ("Idempotency", typeof(IdempotencyOptions)), ("Auth", typeof(AuthOptions)), ("Hosting", typeof(HostingOptions)), ("Samples", typeof(SampleOptions)),
    ];

    private static bool IsSetting(PropertyInfo property) =>
        property.SetMethod?.IsPublic == true && property.GetCustomAttribute<BrowsableAttribute>() is not { Browsable: false };

    private static string DefaultOf(string key)
    {
        if (key == "Store:Kind")
        {
            return new StoreOptions().Kind;
        }

        var (name, type) = Sections().Single(section => key.StartsWith(section.Name + ":", StringComparison.Ordinal));
        return Convert.ToString(type.GetProperty(key[(name.Length + 1)..])!.GetValue(Activator.CreateInstance(type)), CultureInfo.InvariantCulture)!;
    }

    /// <summary>A number of a unit of the table: bytes, or milliseconds.</summary>
    private static long Number(Match range, string end) =>
        long.Parse(range.Groups[end].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture) * (range.Groups[end + "Unit"].Value.TrimEnd('s') switch
        {
            "KiB" => 1024L,
            "MiB" => 1024 * 1024,
            "GiB" => 1024 * 1024 * 1024,
            "second" => 1_000,
            "minute" => 60_000,
            "hour" => 3_600_000,
            "day" => 86_400_000,
            _ => 1,
        });

    private static string Text(string key, long value) => DefaultOf(key).Contains(':', StringComparison.Ordinal)
        ? TimeSpan.FromMilliseconds(value).ToString("c", CultureInfo.InvariantCulture)
        : value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(@"; (?<low>[0-9,]+)( (?<lowUnit>[a-zA-Z]+))? to (?<high>[0-9,]*[0-9])( (?<highUnit>KiB|MiB|GiB|ms|seconds?|minutes?|hours?|days?))?")]
    private static partial Regex Bounds();
}
