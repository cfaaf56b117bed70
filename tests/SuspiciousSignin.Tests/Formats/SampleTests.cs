using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Formats;

/// <summary>The raw records in <c>http/samples</c>, sent as the README says.</summary>
public sealed class SampleTests
{
    [Fact]
    public async Task The_samples_give_the_answer_that_the_readme_shows()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "samples");
        var body = string.Concat(Directory.EnumerateFiles(folder, "*.ndjson").Order(StringComparer.Ordinal).Select(File.ReadAllText));
        using var service = new TestService();

        var answer = await service.PostAsync(body, "?store=false&promote=true&includeEvents=true", "application/x-ndjson");

        Assert.Equal((15, 14, 1, 0), (answer.Number("received"), answer.Number("accepted"), answer.Number("duplicates"), answer.Number("rejectedTotal")));
        Assert.Equal("""{"azureLog":1,"entraSignIn":4,"o365Audit":6,"suricata":3,"zeekNotice":1}""", answer.Json!["shapes"]!.ToJsonString());
        Assert.Equal("""{"azureSignIn":1,"mailAccess":4,"networkAlert":3,"other":6}""", answer.Json["buckets"]!.ToJsonString());
        Assert.Equal("""{"noSourceIp":1,"excludedNetwork":1,"otherDataset":1,"multiValued":0,"outsideWindow":0}""", answer.Json["ignored"]!.ToJsonString());
        Assert.Equal(["81.2.69.142"], answer.Addresses);
        var alert = answer.Json["alerts"]![0]!;
        Assert.Equal("""{"total":7,"azureSignIn":1,"mailAccess":2,"networkAlert":2,"datasets":4}""", alert["counts"]!.ToJsonString());
        Assert.Equal("megan@northwindferry.example", ((string?)Assert.Single(alert["users"]!.AsArray())!["email"])!, StringComparer.OrdinalIgnoreCase);
        Assert.Equal(7, alert["events"]!.AsArray().Count);
    }
}
