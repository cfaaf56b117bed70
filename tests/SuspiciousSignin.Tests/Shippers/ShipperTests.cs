using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.Tests.Shippers;

/// <summary>
/// Real clients against a real process. The in-memory store forgets at a restart, so what has to add up is what the first process held when it
/// had answered its last request, and what the second one holds: together every document, and none twice.
/// </summary>
public sealed class ShipperTests
{
    private const int Documents = 10_000;
    private const string Address = "81.2.69.144";

    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task The_javascript_client_loses_none_of_ten_thousand_documents()
    {
        await using var service = await ServiceProcess.StartAsync();
        await using var client = StartJavaScriptClient(service);

        var told = await EndAsync(client);

        Assert.Equal((Documents, Documents, 0, 0), told);
        AssertEachOnce(await service.UsersAsync(Address));
    }

    [Fact]
    public async Task The_javascript_client_loses_none_while_the_service_is_restarted()
    {
        await using var first = await ServiceProcess.StartAsync();
        await using var client = StartJavaScriptClient(first);
        await first.WaitForAsync(Documents / 4, client);

        var held = await first.StopAsync();
        await using var second = await ServiceProcess.StartAsync(first.Url.Port);
        var told = await EndAsync(client);

        Assert.InRange(held, Documents / 4, Documents - 1);
        Assert.Equal((Documents, Documents, 0, 0), told);
        Assert.Equal(Documents, held + await second.CountAsync());
    }

    [Fact]
    public async Task Rsyslog_loses_none_of_ten_thousand_documents()
    {
        await using var service = await ServiceProcess.StartAsync();
        using var folder = new TemporaryFolder();
        folder.Append(0, Documents);
        await using var rsyslog = StartRsyslog(service, folder);

        await service.WaitForAsync(Documents, rsyslog);
        await rsyslog.TerminateAsync();
        await rsyslog.WaitForExitAsync(Hung);

        AssertEachOnce(await service.UsersAsync(Address));
    }

    [Fact]
    public async Task Rsyslog_loses_none_while_the_service_is_restarted()
    {
        await using var first = await ServiceProcess.StartAsync();
        using var folder = new TemporaryFolder();
        folder.Append(0, Documents / 2);
        await using var rsyslog = StartRsyslog(first, folder);
        await first.WaitForAsync(Documents / 4, rsyslog);

        var stopped = first.StopAsync();
        folder.Append(Documents / 2, Documents / 2);
        var held = await stopped;
        await using var second = await ServiceProcess.StartAsync(first.Url.Port);
        await second.WaitForAsync(Documents - held, rsyslog);
        await rsyslog.TerminateAsync();
        await rsyslog.WaitForExitAsync(Hung);

        Assert.InRange(held, Documents / 4, Documents - 1);
        Assert.Equal(Documents, held + await second.CountAsync());
    }

    private static void AssertEachOnce(List<string> users)
    {
        Assert.Equal(Documents, users.Count);
        Assert.Equal(Enumerable.Range(0, Documents).Select(UserOf).Order(StringComparer.Ordinal), users.Order(StringComparer.Ordinal));
    }

    private static string UserOf(int i) => string.Create(CultureInfo.InvariantCulture, $"user{i}@example.com");

    private static RunningProcess StartJavaScriptClient(ServiceProcess service)
    {
        var node = RunningProcess.Find("node");
        var folder = Find("tests/shippers");
        Assert.SkipWhen(node is null, "node is not installed.");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules")), "The JavaScript client is not installed: npm ci --prefix tests/shippers");
        return RunningProcess.Start(new ProcessStartInfo(
            node,
            [
                Path.Combine(folder, "bulk.js"), service.Url.ToString(), ServiceProcess.KeyName, ServiceProcess.Key,
                Documents.ToString(CultureInfo.InvariantCulture), ServiceProcess.Now.ToString(CultureInfo.InvariantCulture),
            ]));
    }

    private static async Task<(int Acknowledged, int Successful, int Failed, int AcknowledgedTwice)> EndAsync(RunningProcess client)
    {
        Assert.True(await client.WaitForExitAsync(Hung) == 0, client.Output);
        var told = JsonNode.Parse(client.Output)!;
        Assert.Empty(told["dropped"]!.AsArray());
        return ((int)told["acknowledged"]!, (int)told["successful"]!, (int)told["failed"]!, (int)told["acknowledgedTwice"]!);
    }

    private static RunningProcess StartRsyslog(ServiceProcess service, TemporaryFolder folder)
    {
        var rsyslogd = RunningProcess.Find("rsyslogd");
        Assert.SkipWhen(rsyslogd is null, "rsyslogd is not installed: apt-get install rsyslog rsyslog-elasticsearch");
        Assert.SkipWhen(
            Directory.GetFiles("/usr/lib", "omelasticsearch.so", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3, IgnoreInaccessible = true }).Length == 0,
            "rsyslog's omelasticsearch is not installed: apt-get install rsyslog-elasticsearch");
        var configuration = folder.Write(
            "rsyslog.conf",
            $$"""
            global(workDirectory="{{folder.Path}}")
            module(load="imfile")
            module(load="omelasticsearch")
            template(name="document" type="string" string="%msg%")
            input(type="imfile" file="{{folder.Events}}" tag="events:" ruleset="ship")
            ruleset(name="ship" queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="500") {
              action(
                type="omelasticsearch" server="127.0.0.1" serverport="{{service.Url.Port}}" uid="{{ServiceProcess.KeyName}}" pwd="{{ServiceProcess.Key}}"
                template="document" searchIndex="logs-o365.audit-default" searchType="" bulkmode="on" errorfile="{{folder.Path}}/errors"
                action.resumeRetryCount="-1" action.resumeInterval="1")
            }
            """);
        return RunningProcess.Start(new ProcessStartInfo(rsyslogd, ["-n", "-f", configuration, "-i", Path.Combine(folder.Path, "pid")]));
    }

    private static string Find(string relativePath)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Path.Combine(folder.FullName, relativePath) is var path && Directory.Exists(path))
            {
                return path;
            }
        }

        return relativePath;
    }

    /// <summary>A folder for one run of rsyslog.</summary>
    private sealed class TemporaryFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("suspicious-signin-");
        private readonly long _start = ServiceProcess.Now;

        public string Path => _folder.FullName;

        public string Events => System.IO.Path.Combine(Path, "events.ndjson");

        public string Write(string name, string text)
        {
            var path = System.IO.Path.Combine(Path, name);
            File.WriteAllText(path, text);
            return path;
        }

        /// <summary>Adds documents, without identity: one sent twice would be held twice.</summary>
        public void Append(int from, int count) => File.AppendAllLines(Events, Enumerable.Range(from, count).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $$$"""{"@timestamp":{{{_start - i}}},"source":{"ip":"{{{Address}}}"},"event":{"dataset":"o365.audit","action":"MailItemsAccessed","outcome":"success"},"user":{"email":"{{{UserOf(i)}}}"}}""")));

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
