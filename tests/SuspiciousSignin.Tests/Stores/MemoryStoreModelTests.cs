using System.Globalization;
using CsCheck;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>The in-memory store beside a list of events that is filtered, sorted and counted anew for every answer.</summary>
public sealed class MemoryStoreModelTests
{
    private const long Start = EventSets.To;
    private const long Minute = 60_000;
    private static readonly string[] Addresses = ["203.0.114.7", "8.8.4.4", "2a00::1", "10.0.0.1"];
    private static readonly TimeSpan Retention = TimeSpan.FromHours(2);

    private static readonly Gen<Sent> Events = Gen.Select(
        Gen.Int[0, 3],
        Gen.Frequency((6, Gen.Const(0)), (2, Gen.Const(1)), (1, Gen.Const(2)), (1, Gen.Const(3))),
        Gen.Frequency((4, Gen.Long[-3, 3]), (4, Gen.Long[-20 * Minute, 0]), (1, Gen.Long[-3 * 60 * Minute, 60 * Minute])),
        Gen.Frequency((3, Gen.Const(0L)), (3, Gen.Long[0, 90 * Minute]), (1, Gen.Long[-Minute, 0])),
        Gen.Int[0, 40],
        Gen.Int[0, 3],
        (kind, address, ago, delay, id, user) => new Sent(kind, address, ago, delay, id, user));

    private static readonly Gen<Step> Steps = Gen.Select(
        Events.Array[1, 12],
        Gen.Frequency((6, Gen.Long[0, Minute]), (1, Gen.Long[0, 70 * Minute]), (1, Gen.Long[-20 * Minute, 0])),
        Gen.Long[-100 * Minute, 5],
        Gen.Long[-50 * Minute, 60 * Minute],
        Gen.Int[0, 4],
        Gen.Int[1, 5],
        (sent, passed, from, length, ask, limit) => new Step(sent, passed, from, length, ask, limit));

    [Theory]
    [InlineData(40, ushort.MaxValue)]
    [InlineData(1_000, ushort.MaxValue)]
    [InlineData(60, 2)]
    public void It_answers_as_a_list_of_events_would(int maxEvents, int maxKinds) =>
        Steps.Array[1, 25].Sample(steps => Play(steps, maxEvents, maxKinds), iter: 300, threads: 1);

    private static void Play(Step[] steps, int maxEvents, int maxKinds)
    {
        var (now, clock) = (Start, Engine.ClockAt(Start));
        var store = new MemoryEventStore(new MemoryStoreOptions { MaxEvents = maxEvents, Retention = Retention }, clock, null, maxKinds);
        var model = new List<EventRecord>();
        var (newest, arrived) = (long.MinValue, 0);
        foreach (var step in steps)
        {
            now += step.Passed;
            clock.AdjustTime(DateTimeOffset.FromUnixTimeMilliseconds(now));
            var documents = step.Sent.Select(sent => sent.Document(now, arrived++));
            var events = Engine.ReadAsync($"[{string.Join(',', documents)}]").GetAwaiter().GetResult().Events;
            var duplicates = store.AppendAsync(events, default).GetAwaiter().GetResult().Duplicates;
            var expected = new List<int>();
            foreach (var (i, record) in events.Index())
            {
                if (record.Identity != 0 && model.Exists(held => held.Identity == record.Identity))
                {
                    expected.Add(i);
                    continue;
                }

                model.Add(record);
                newest = Math.Max(newest, record.Timestamp);
            }

            Assert.Equal(expected, duplicates.Order());
            model.RemoveAll(record => record.Timestamp < Math.Min(newest, now) - (long)Retention.TotalMilliseconds);
            foreach (var oldest in model.OrderBy(record => record.Timestamp).Take(model.Count - maxEvents).ToList())
            {
                model.Remove(oldest);
            }

            Assert.Equal(model.Count, store.Count);
            Ask(store, model, step, new TimeWindow(now + step.From, now + step.From + step.Length));
        }

        store.Sweep();
        var held = store.Held;
        Assert.Equal(model.SelectMany(record => record.Addresses.ToArray()).Distinct().Count(), held.Addresses);
        Assert.Equal(model.Count(record => record.Identity != 0), held.Identities);
    }

    private static void Ask(MemoryEventStore store, List<EventRecord> model, Step step, TimeWindow window)
    {
        var revision = RuleCatalogue.Revisions[step.Limit % RuleCatalogue.Revisions.Count];
        var address = SourceAddress.Parse(Addresses[step.Ask % Addresses.Length]);
        foreach (var countedOnly in new[] { false, true })
        {
            var expected = model
                .Where(record => record.Addresses.Span.Contains(address) && window.Contains(record.Timestamp) && (!countedOnly || record.Classification.IsKeptBy(revision)))
                .OrderBy(record => record.Timestamp)
                .Select(record => EventDocument.From(record, revision).Message)
                .ToList();
            var read = new List<string?>();
            string? cursor = null;
            do
            {
                var page = store.ReadEventsAsync(new EventQuery { Address = address, Window = window, Revision = revision, CountedOnly = countedOnly, Limit = step.Limit, Cursor = cursor }, default).GetAwaiter().GetResult()!;
                Assert.Equal(countedOnly ? null : expected.Count, page.Total);
                read.AddRange(page.Events.Select(document => document.Message));
                cursor = page.Next;
            }
            while (cursor is not null);

            Assert.Equal(expected, read);
        }

        foreach (var after in new long?[] { null, window.To })
        {
            var result = store.CorrelateAsync(
                new CorrelationQuery
                {
                    Revision = revision,
                    Window = window,
                    IngestedAfter = after,
                    Addresses = step.Ask == 0 ? new HashSet<SourceAddress> { address } : null,
                    Limit = 100,
                },
                default).GetAwaiter().GetResult();
            var events = model.FindAll(record =>
                window.Contains(record.Timestamp) && (after is null || record.Ingested >= after) && (step.Ask != 0 || record.Addresses.Span.Contains(address)));
            Assert.Equal(Shown(events, record => record.Classification.IsAzureSignIn(revision)), Shown(result.Coverage.AzureSignIn));
            Assert.Equal(Shown(events, record => record.Classification.IsMailAccess(revision)), Shown(result.Coverage.MailAccess));
            Assert.Equal(Shown(events, record => record.Classification.IsNetworkAlert(revision)), Shown(result.Coverage.NetworkAlert));
            foreach (var miss in revision.NearMisses)
            {
                Assert.Equal(events.Count(record => record.Classification.Is(miss)), result.Warnings.FirstOrDefault(warning => warning.Code == miss.Code)?.Count ?? 0);
            }

            Assert.Equal(Findings(events, revision), result.Findings.Select(Shown));
        }
    }

    private static IEnumerable<string> Findings(List<EventRecord> events, RuleRevision revision)
    {
        foreach (var group in events.Where(record => record.Classification.IsKeptBy(revision)).GroupBy(record => record.Addresses.Span[0]).OrderBy(group => group.Key))
        {
            var alerts = group.Where(record => record.Classification.IsNetworkAlert(revision)).ToList();
            var accesses = group.Where(record => record.Classification.IsAzureSignIn(revision) || record.Classification.IsMailAccess(revision)).ToList();
            var documents = group.Select(record => EventDocument.From(record, revision)).ToList();
            var counts = new Measures(
                group.Count(),
                group.Count(record => record.Classification.IsAzureSignIn(revision)),
                group.Count(record => record.Classification.IsMailAccess(revision)),
                alerts.Count,
                documents.Select(document => document.Dataset).Distinct(StringComparer.Ordinal).Count());
            if (revision.Report.Test(counts) == true)
            {
                var users = accesses.Select(record => EventDocument.From(record, revision).User?.Name ?? "").CountBy(name => name).OrderByDescending(user => user.Value)
                    .ThenBy(user => user.Key, StringComparer.Ordinal).Select(user => $"{user.Key}:{user.Value}");
                var gap = alerts.Min(alert => accesses.Min(access => Math.Abs(alert.Timestamp - access.Timestamp)));
                yield return $"{group.Key} {counts} {group.Min(record => record.Timestamp)} {group.Max(record => record.Timestamp)} {gap} {string.Join(' ', users)}";
            }
        }
    }

    private static string Shown(AddressFinding finding) =>
        $"{finding.Address} {finding.Counts} {finding.FirstSeen} {finding.LastSeen} {finding.SmallestGap} {string.Join(' ', finding.Users.Select(user => $"{user.Name}:{user.AzureSignIn + user.MailAccess}"))}";

    private static (long Events, DateTime? Oldest, DateTime? Newest) Shown(LegCoverage leg) => (leg.Events, leg.Oldest, leg.Newest);

    private static (long Events, DateTime? Oldest, DateTime? Newest) Shown(List<EventRecord> events, Func<EventRecord, bool> isOfLeg)
    {
        var times = events.Where(isOfLeg).Select(record => EcsTime.ToDateTime(record.Timestamp)).ToList();
        return times.Count == 0 ? (0, null, null) : (times.Count, times.Min(), times.Max());
    }

    private sealed record Step(Sent[] Sent, long Passed, long From, long Length, int Ask, int Limit);

    private sealed record Sent(int Kind, int Address, long Ago, long Delay, int Id, int User)
    {
        public string Document(long now, int label)
        {
            var ip = Address == 3 ? $"\"{Addresses[0]}\",\"{Addresses[1]}\"" : $"\"{Addresses[Address]}\"";
            var members = Kind switch
            {
                0 => "\"event.dataset\":\"azure.signinlogs\",\"data_stream.dataset\":\"azure.signinlogs\",\"event.outcome\":\"success\"",
                1 => "\"event.dataset\":\"o365.audit\",\"data_stream.dataset\":\"o365.audit\",\"event.action\":\"MailItemsAccessed\",\"event.outcome\":\"success\"",
                2 => $"\"event.dataset\":\"zeek.notice\",\"data_stream.dataset\":\"zeek.notice\",\"kibana.alert.rule.name\":\"External Alerts\",\"kibana.alert.rule.rule_id\":\"{RuleCatalogue.ExternalAlertsRuleId}\"",
                _ => "\"event.dataset\":\"suricata.eve\",\"data_stream.dataset\":\"suricata.eve\",\"event.kind\":\"alert\"",
            };
            var identity = Id < 30 ? $",\"_id\":\"{Id}\"" : "";
            var user = User == 0 ? "" : $",\"user.name\":\"crew{User}\"";
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{{\"@timestamp\":{now + Ago},\"event.ingested\":{now + Ago + Delay},\"source.ip\":[{ip}],{members},\"message\":\"{label}\"{identity}{user}}}");
        }
    }
}
