using System.Globalization;
using System.Numerics;
using System.Text.Json;
using CsCheck;

namespace SuspiciousSignin.Tests.Oracle;

/// <summary>A JSON array of documents, and the canonical addresses that most of them come from.</summary>
public sealed record EventSet(string Json, IReadOnlyList<string> Addresses)
{
    public override string ToString() => Json;
}

/// <summary>Small sets of events that crowd the edges of the rule and of the window <see cref="From"/> (exclusive) to <see cref="To"/>.</summary>
/// <remarks>
/// Times keep to spellings that any reader of strict_date_optional_time takes. Left out because rule and contract do not decide them:
/// several @timestamp or event.ingested values, a scope behind a dotted IPv6 tail, duplicate keys, an object where a value is due.
/// </remarks>
public static class EventSets
{
    public const long To = 1_773_468_000_000; // 2026-03-14T06:00:00Z, so that a midnight lies in the window
    public const long From = To - (8 * Hour);

    private const long Minute = 60_000;
    private const long Hour = 60 * Minute;
    private const string ExternalAlertsId = "eb079c62-4481-4d6e-9643-3ca499df7aaa";

    /// <summary>Sets whose every document is acceptable.</summary>
    public static Gen<EventSet> Acceptable => Gen.Frequency<EventSet>((25, Mixed), (1, AroundTheCap));

    /// <summary>The same with documents among them that must be rejected.</summary>
    public static Gen<EventSet> WithUnacceptable => Gen.Select(Acceptable, Gen.Select(UnacceptableDocument, Gen.Int[0, 40]).Array[1, 4], (set, bad) =>
    {
        var documents = JsonDocument.Parse(set.Json).RootElement.EnumerateArray().Select(element => element.GetRawText()).ToList();
        foreach (var (json, at) in bad)
            documents.Insert(Math.Min(at, documents.Count), json);
        return set with { Json = Array(documents) };
    });

    /// <summary>Sets with a question to ask of them: revision, promotion, window, ingestion and address filter.</summary>
    public static Gen<(EventSet Set, OracleQuery Query)> WithQuery => Gen.Select(Acceptable, Query, (set, ask) => (set, ask(set)));

    /// <summary>The same sets for the same seed, on any machine.</summary>
    public static IEnumerable<EventSet> Take(int count, ulong seed = 1) => Take(Acceptable, count, seed);

    /// <inheritdoc cref="Take(int, ulong)"/>
    public static IEnumerable<T> Take<T>(Gen<T> gen, int count, ulong seed = 1)
    {
        var random = new PCG(1, seed);
        for (var i = 0; i < count; i++)
            yield return gen.Generate(random, null, out _);
    }

    // ---- Addresses

    private static readonly string[] Familiar =
        ["203.0.114.7", "203.0.112.255", "8.8.4.4", "1.1.1.1", "52.97.1.2", "0.1.2.3", "2a00:1450:4001:81b::200e", "2a00::1", "fd00::5"];

    /// <summary>Just inside and just outside of each excluded network.</summary>
    private static readonly BigInteger[] Inside =
        [.. OracleCidr.Excluded.Select(OracleCidr.Range).SelectMany(range => new[] { range.First, range.Last }).Distinct()];

    private static readonly BigInteger[] Outside =
    [
        .. OracleCidr.Excluded.Select(OracleCidr.Range).SelectMany(range => new[] { range.First - 1, range.Last + 1 })
            .Where(address => address >= 0 && address >> 128 == 0 && !OracleCidr.IsExcluded(address)).Distinct(),
    ];

    private static readonly Gen<BigInteger> Address = Gen.Frequency<BigInteger>(
        (8, Gen.OneOf(Familiar).Select(text => OracleIp.Parse(text)!.Value)),
        (7, Gen.OneOf(Outside)),
        (5, Gen.OneOf(Inside)),
        (1, Gen.UInt.Select(v4 => ((BigInteger)0xFFFF << 32) + v4)),
        (1, Gen.UInt128.Select(v6 => (BigInteger)v6)),
        (1, Gen.OneOf("::", "::2", "::1.2.3.4", "64:ff9b::8.8.8.8", "1:0:0:4:0:0:7:8").Select(text => OracleIp.Parse(text)!.Value)));

    private static readonly string[] Bogus =
    [
        Quoted("not-an-ip"), Quoted(""), Quoted("1.2.3"), Quoted("1.2.3.4.5"), Quoted("256.1.1.1"), Quoted("203.0.114.07"), Quoted("010.0.0.1"),
        Quoted("203.0.114.7:443"), Quoted("203.0.114.7/32"), Quoted(" 203.0.114.7"), Quoted("203.0.114.7 "), Quoted("203.0.114.7%eth0"),
        Quoted("[2a00::1]"), Quoted("2a00::1/64"), Quoted("1:2:3:4:5:6:7"), Quoted("1:2:3:4:5:6:7:8:9"), Quoted("2a00::1::2"),
        Quoted("1:2:3::4:5:6:7:8"), Quoted("::10000"),
        Quoted("fe80::1%"), Quoted(":1:2:3:4:5:6:7"), Quoted("::1.2.3"), Quoted("0x8.8.8.8"), Quoted("::g"), "134744072", "8.8", "true", "false",
    ];

    /// <summary>source.ip before the set's addresses are known: a form, two slots in the list of addresses, two spellings.</summary>
    private sealed record Source(int Form, int First, int Second, int FirstSpelling, int SecondSpelling)
    {
        public string? Json(BigInteger[] pool)
        {
            string One(int slot, int spelling) => Quoted(Spelling(pool[slot % pool.Length], spelling));
            var bogus = SecondSpelling < Bogus.Length ? Bogus[SecondSpelling] : Quoted(Spoilt(pool[Second % pool.Length], SecondSpelling));
            var first = One(First, FirstSpelling);
            return Form switch
            {
                0 => null,
                1 => "null",
                2 => "[]",
                3 => bogus,
                4 => $"[{bogus},{first}]",
                5 => $"[{first},{One(Second, SecondSpelling)}]",
                6 => $"[{first},{One(First, SecondSpelling)}]",
                7 => $"[null,[{first}],{first}]",
                8 => $"[{first}]",
                _ => first,
            };
        }
    }

    private static readonly Gen<Source> AnySource = Gen.Select(
        Gen.Frequency((1, 0), (1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6), (1, 7), (3, 8), (34, 9)),
        Gen.Int[0, 5],
        Gen.Int[0, 5],
        Gen.Int[0, 40],
        Gen.Int[0, 60],
        (form, first, second, firstSpelling, secondSpelling) => new Source(form, first, second, firstSpelling, secondSpelling));

    /// <summary>Almost a spelling of the address.</summary>
    private static string Spoilt(BigInteger address, int which)
    {
        var text = OracleIp.Format(address);
        string[] spoilt = text.Contains(':', StringComparison.Ordinal)
            ? [
                text + "%", $"[{text}]", text + "/128", " " + text,
                Groups(address, "x") + "::", "1" + Groups(address, "x4"), Groups(address, "x") + ":0",
            ]
            : [text + "%1", text + ":443", text + "/32", text + " ", "0" + text, text + ".", text + ".0", "::ffff:0" + text, text + "\n"];
        return spoilt[which % spoilt.Length];
    }

    /// <summary>The eight groups of the address, none left out.</summary>
    private static string Groups(BigInteger address, string format) => string.Join(':', Enumerable.Range(0, 8)
        .Select(i => ((int)((address >> (16 * (7 - i))) & 0xFFFF)).ToString(format, CultureInfo.InvariantCulture)));

    private static string Spelling(BigInteger address, int which)
    {
        var text = OracleIp.Format(address);
        string Groups(string format) => EventSets.Groups(address, format);
        string[] spellings = text.Contains(':', StringComparison.Ordinal)
            ? [text, text.ToUpperInvariant(), Groups("x"), Groups("x4"), Groups("X6"), text + "%eth0", text + "%1", DottedTail()]
            : [
                text, "::ffff:" + text, "::FFFF:" + text, "0:0:0:0:0:ffff:" + text,
                Groups("x4"), Groups("X"), "::" + Groups("x")["0:0:0:0:0:".Length..] + "%7",
            ];
        return spellings[Math.Max(0, which - 12) % spellings.Length];

        string DottedTail()
        {
            var groups = Groups("x").Split(':');
            return string.Join(':', groups[..6]) + ":" + OracleIp.Format(((BigInteger)0xFFFF << 32) + (address & 0xFFFFFFFF));
        }
    }

    // ---- Times

    private static readonly Gen<long> Time = Gen.Frequency<long>(
        (24, Gen.Int[1, 95].Select(slot => From + (slot * 5 * Minute))),
        (6, Gen.Int[1, (int)(8 * Hour)].Select(ms => From + ms)),
        (6, Gen.OneOf(From - 1, From, From + 1, To - 1, To, To + 1)),
        (1, Gen.Const(To - (6 * Hour))),
        (1, Gen.OneOf(From - (24 * Hour), To + Hour)));

    /// <summary>The time in one of its spellings; digits below the millisecond must not matter.</summary>
    private static string Spelt(long time, int spelling)
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(time);
        string Text(string format, double offset = 0) => Quoted(at.ToOffset(TimeSpan.FromHours(offset)).ToString(format, CultureInfo.InvariantCulture));
        return spelling switch
        {
            1 => Text("yyyy-MM-dd'T'HH:mm:ss.fffzzz", offset: 2),
            2 => Text("yyyy-MM-dd'T'HH:mm:ss.fffzzz", offset: -5.5),
            3 => Text("yyyy-MM-dd'T'HH:mm:ss.fff'+0000'"),
            4 => Text("yyyy-MM-dd'T'HH:mm:ss.fff"),
            5 => Text("yyyy-MM-dd'T'HH:mm:ss.fff'999Z'"),
            6 => Text("yyyy-MM-dd'T'HH:mm:ss.fff'999999Z'"),
            7 => Text(time % 1000 == 0 ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:ss.FFF'Z'"),
            8 when time % Minute == 0 => Text("yyyy-MM-dd'T'HH:mm'Z'"),
            9 when time % (24 * Hour) == 0 => Text("yyyy-MM-dd"),
            10 => time.ToString(CultureInfo.InvariantCulture),
            11 => Quoted(time.ToString(CultureInfo.InvariantCulture)),
            12 => $"[{Text("yyyy-MM-dd'T'HH:mm:ss.fff'Z'")}]",
            _ => Text("yyyy-MM-dd'T'HH:mm:ss.fff'Z'"),
        };
    }

    /// <summary>@timestamp, and how long after it the event was ingested where event.ingested is there at all.</summary>
    private sealed record Moment(long At, int Spelling, long? IngestedAfter, int IngestedSpelling);

    private static readonly Gen<Moment> AnyMoment = Gen.Select(
        Time,
        Gen.Int[0, 24],
        Gen.Frequency<long?>((8, (long?)null), (2, 0), (3, 2 * Minute), (2, 5 * Hour), (1, -10 * Minute), (1, 1)),
        Gen.Int[0, 24],
        (at, spelling, ingestedAfter, ingestedSpelling) => new Moment(at, spelling, ingestedAfter, ingestedSpelling));

    // ---- Fields

    /// <summary>A value, as JSON text, at a path.</summary>
    private sealed record Field(string Path, string Json);

    private static readonly string TooLong = Quoted(new string('x', 1025));
    private static readonly string[] NetworkDatasets = ["zeek.notice", "panw.panos", "suricata.eve", "snort.log"];

    private static readonly Gen<string?> Absent = Gen.Const((string?)null);

    private static readonly Gen<string?> OddDataset = Gen.OneOf<string?>(
        null, null, "null", "[]", "42", "true", Quoted(""), Quoted("O365.Audit"), Quoted("Azure.SigninLogs"), Quoted("azure.signinlogs "),
        TooLong, $"[{TooLong},{Quoted("o365.audit")}]", Quoted(new string('y', 1024)),
        List("o365.audit", "azure.signinlogs"), List("o365.audit", "zeek.notice"), List("a", "b", "a"));

    private static readonly Gen<string?> OddText = Gen.OneOf<string?>(
        null, null, "null", "[]", "7", "false", "1.5", Quoted(""), Quoted("Success"), Quoted("unknown"),
        TooLong, List("success", "failure"), $"[{TooLong},{Quoted("success")}]");

    private static readonly Gen<string?> Outcome = Gen.Frequency<string?>((22, Usual("success")), (3, Usual("failure")), (2, OddText));

    private static readonly Gen<string?> MailAction = Gen.Frequency<string?>(
        (22, Usual("MailItemsAccessed")),
        (1, Gen.OneOf<string?>(Quoted("mailitemsaccessed"), Quoted("MailItemsAccessed "), List("MailItemsAccessed", "Send"), Quoted("Send"))),
        (1, OddText));

    private static readonly Gen<string?> AnyAction = Gen.Frequency<string?>(
        (2, MailAction), (3, Gen.OneOf("Sign-in activity", "UserLoggedIn", "FileAccessed", "Send").SelectMany(Usual)), (1, OddText));

    private static readonly Gen<string?> Category = Gen.OneOf<string?>(
        null, "null", "[1,true,\"web\",null]", Quoted("email"), Quoted("web"),
        List("authentication"), List("web", "email"), List("intrusion_detection", "network"),
        $"[{TooLong},{Quoted("network")}]", Quoted("Zürich 🔒"), Quoted(""));

    private static readonly Gen<string?> Module = Gen.OneOf<string?>(
        null, null, Quoted("suricata"), Quoted("panw"), Quoted("endpoint"), Quoted("endgame"), Quoted("cloud_defend"), Quoted("Endpoint"),
        List("suricata", "endpoint"), List("suricata", "panw"), List("endpoint", "endpoint"), Quoted(""), "[]", "null", "3", TooLong);

    private static readonly Gen<string?> Kind = Gen.Frequency<string?>(
        (8, Gen.OneOf<string?>(Quoted("event"), null)),
        (1, Gen.OneOf<string?>(Quoted("Alert"), Quoted("alert"), List("alert", "event"), "1")));

    private static Gen<string?> Cloud(string dataset) => Gen.Frequency<string?>((26, Usual(dataset)), (1, OddDataset));

    private static readonly Gen<string?> AnyDataset = Gen.Frequency<string?>(
        (3, Usual("azure.signinlogs")), (3, Usual("o365.audit")), (2, Gen.OneOf(NetworkDatasets).SelectMany(Usual)), (3, OddDataset));

    private static readonly Gen<Field[]> SignIn = All(
        Maybe("event.dataset", Cloud("azure.signinlogs")), Maybe("data_stream.dataset", Cloud("azure.signinlogs")), Maybe("event.outcome", Outcome),
        Maybe("event.action", Gen.OneOf("Sign-in activity", "MailItemsAccessed").SelectMany(Usual)),
        Maybe("event.category", Category), Maybe("event.kind", Kind));

    private static readonly Gen<Field[]> Mail = All(
        Maybe("event.dataset", Cloud("o365.audit")), Maybe("data_stream.dataset", Cloud("o365.audit")), Maybe("event.outcome", Outcome),
        Maybe("event.action", MailAction), Maybe("event.category", Category), Maybe("event.kind", Kind));

    private static readonly Gen<Field[]> OtherCloud = All(
        Maybe("event.dataset", Cloud("o365.audit")), Maybe("data_stream.dataset", Cloud("o365.audit")), Maybe("event.outcome", Outcome),
        Maybe("event.action", AnyAction), Maybe("event.category", Category));

    /// <summary>Name and id of the rule behind an alert: promoted by External Alerts with its name kept or overridden, or by something else.</summary>
    private static readonly Gen<Field[]> Promotion = Gen.Frequency<Field[]>(
        (8, All(Maybe("kibana.alert.rule.name", Usual("External Alerts")), Maybe("kibana.alert.rule.rule_id", Usual(ExternalAlertsId)))),
        (4, All(
            Maybe("kibana.alert.rule.name", Gen.OneOf("ET SCAN Nmap", "Port scan", "external alerts").SelectMany(Usual)),
            Maybe("kibana.alert.rule.rule_id", Usual(ExternalAlertsId)))),
        (2, All(
            Maybe("kibana.alert.rule.name", Usual("External Alerts")),
            Maybe("kibana.alert.rule.rule_id", Usual("5b1f7a0e-0000-4000-8000-00000000c0de")))),
        (1, All(Maybe("kibana.alert.rule.rule_id", Usual(ExternalAlertsId)))),
        (1, All(Maybe("kibana.alert.rule.name", Usual("External Alerts")))),
        (2, All(
            Maybe("kibana.alert.rule.name", Gen.OneOf<string?>(
                Quoted("EXTERNAL ALERTS"), Quoted("External Alerts "), "9", TooLong, null, "null",
                List("External Alerts", "Other"), List("External Alerts", "External Alerts"))),
            Maybe("kibana.alert.rule.rule_id", Gen.OneOf<string?>(
                Quoted(ExternalAlertsId.ToUpperInvariant()), null, Quoted("x"),
                List(ExternalAlertsId, "x"), List(ExternalAlertsId, ExternalAlertsId))))));

    private static readonly Gen<Field[]> Alert = Gen.OneOf(NetworkDatasets).SelectMany(dataset => All(
        Promotion,
        Gen.Frequency<Field[]>(
            (6, All(
                Maybe("event.dataset", Gen.Frequency<string?>((12, Usual(dataset)), (2, Absent), (1, OddDataset))),
                Maybe("data_stream.dataset", Gen.Frequency<string?>((9, Usual(dataset)), (4, Absent), (1, OddDataset))))),
            (1, Gen.Const<Field[]>([]))),
        Maybe("kibana.alert.original_event.dataset", Gen.Frequency<string?>((3, Absent), (2, Usual(dataset)), (1, Usual("o365.audit")))),
        Maybe(
            "kibana.alert.original_data_stream.dataset",
            Gen.Frequency<string?>((4, Absent), (2, Usual(dataset)), (1, Usual("azure.signinlogs")))),
        Maybe("event.kind", Gen.Frequency<string?>((12, Usual("signal")), (1, Gen.OneOf<string?>(List("signal", "alert"), Quoted("alert"), null)))),
        Maybe("event.module", Gen.Frequency<string?>((2, Usual(dataset.Split('.')[0])), (1, Module))),
        Maybe("event.category", Category),
        Maybe("event.outcome", OddText)));

    /// <summary>An alert about an event of Entra ID or Microsoft 365 itself, raised by External Alerts or by another rule.</summary>
    private static readonly Gen<Field[]> CloudAlert = All(
        Gen.Frequency<Field[]>((2, Promotion), (1, All(Maybe("kibana.alert.rule.name", Usual("Unusual mailbox access"))))),
        Maybe("event.dataset", Gen.OneOf("o365.audit", "azure.signinlogs").SelectMany(Usual)), Maybe("data_stream.dataset", AnyDataset),
        Maybe("event.action", MailAction), Maybe("event.outcome", Outcome), Maybe("event.kind", Usual("signal")), Maybe("event.category", Category));

    private static readonly Gen<Field[]> RawAlert = Gen.OneOf(NetworkDatasets).SelectMany(dataset => All(
        Maybe("event.kind", Gen.Frequency<string?>((10, Usual("alert")), (1, Gen.OneOf<string?>(Quoted("Alert"), List("alert", "event"), null)))),
        Maybe("event.module", Module),
        Maybe("event.dataset", Gen.Frequency<string?>((10, Usual(dataset)), (2, AnyDataset))),
        Maybe("data_stream.dataset", Gen.Frequency<string?>((10, Usual(dataset)), (2, AnyDataset))),
        Maybe("event.category", Category)));

    private static readonly Gen<Field[]> Noise = All(
        Maybe("event.dataset", AnyDataset),
        Maybe("event.outcome", Outcome),
        Maybe("event.datasets", Usual("o365.audit")),
        Maybe("dataset", Usual("o365.audit")),
        Maybe("sourceip", Usual("203.0.114.7")),
        Maybe("x.source.ip", Usual("203.0.114.7")),
        Maybe("destination.ip", Usual("203.0.114.7")),
        Maybe("kibana.version", Gen.OneOf<string?>(Quoted("9.3.3"), null)),
        Maybe("kibana.alert.rule.names", Gen.OneOf<string?>(Quoted("External Alerts"), null)));

    private static readonly Gen<Field[]> Chaos = All(
        Maybe("event.dataset", AnyDataset), Maybe("data_stream.dataset", AnyDataset), Maybe("event.outcome", Outcome), Maybe("event.action", AnyAction),
        Maybe("event.kind", Kind), Maybe("event.module", Module), Maybe("event.category", Category),
        Gen.Frequency<Field[]>((1, Promotion), (2, Gen.Const<Field[]>([]))),
        Maybe("kibana.alert.original_event.dataset", Gen.Frequency<string?>((3, Absent), (1, AnyDataset))));

    /// <summary>The value, mostly bare, sometimes in one of the lists that read the same.</summary>
    private static Gen<string?> Usual(string value)
    {
        var json = Quoted(value);
        return Gen.Frequency<string?>((20, json), (2, $"[{json}]"), (1, $"[{json},{json}]"), (1, $"[null,[{json}]]"));
    }

    private static Gen<Field[]> Maybe(string path, Gen<string?> json) =>
        json.Select(text => text is null ? System.Array.Empty<Field>() : [new Field(path, text)]);

    private static Gen<Field[]> All(params Gen<Field[]>[] parts) =>
        parts.Aggregate((all, next) => Gen.Select(all, next, (left, right) => (Field[])[.. left, .. right]));

    // ---- Documents

    /// <summary>How the identity of a document is given.</summary>
    private enum Identity
    {
        None,
        IdAndIndex,
        Id,
        EventId,
        AlertUuid,
        AlertUuidWithEventIdOfThePrevious,
        IdAndEventId,
    }

    /// <summary>How paths become keys; the bits choose the order of the fields and where a mixed path breaks.</summary>
    private sealed record Layout(string Style, ulong Bits);

    private sealed record Draft(
        Field[] Fields, Source Source, Moment Moment, Identity Identity, Layout Layout, string Index = "logs-a", string Suffix = "");

    private static readonly Gen<Layout> AnyLayout = Gen.Select(
        Gen.Frequency((6, "nested"), (4, "dotted"), (5, "mixed"), (2, "listed"), (2, "doubled")),
        Gen.ULong,
        (style, bits) => new Layout(style, bits));

    private static readonly Gen<Draft> AnyDraft = Gen.Select(
        Gen.Frequency<Field[]>((5, SignIn), (4, Mail), (2, OtherCloud), (7, Alert), (1, CloudAlert), (3, RawAlert), (1, Noise), (2, Chaos)),
        AnySource,
        AnyMoment,
        Gen.Frequency(
            (6, Identity.None), (3, Identity.IdAndIndex), (1, Identity.Id), (3, Identity.EventId), (2, Identity.AlertUuid),
            (1, Identity.AlertUuidWithEventIdOfThePrevious), (1, Identity.IdAndEventId)),
        AnyLayout,
        (fields, source, moment, identity, layout) => new Draft(fields, source, moment, identity, layout));

    /// <summary>A second sending of a document, perhaps laid out otherwise or with other facts; or one that shares part of its identity.</summary>
    private sealed record Copy(int Of, int How, int Other, Layout Layout, int At);

    private static readonly Gen<Copy> AnyCopy = Gen.Select(
        Gen.Int[0, 39], Gen.Int[0, 7], Gen.Int[0, 39], AnyLayout, Gen.Int[0, 44], (of, how, other, layout, at) => new Copy(of, how, other, layout, at));

    private static Gen<EventSet> Mixed => Gen.Select(
        Address.Array[1, 6],
        Gen.Frequency<Draft[]>((2, AnyDraft.Array[1, 7]), (2, AnyDraft.Array[8, 16]), (1, AnyDraft.Array[17, 36])),
        Gen.Frequency<Copy[]>((1, Gen.Const<Copy[]>([])), (1, AnyCopy.Array[1, 4])),
        Gen.Frequency((9, false), (1, true)),
        Assemble);

    /// <summary>One address with about a hundred kept events, on either side of the cap of 100.</summary>
    private static Gen<EventSet> AroundTheCap => Gen.Select(Gen.OneOf(Familiar), Gen.Int[98, 100], Gen.Int[0, 2], AnyLayout, (address, kept, tooOld, layout) =>
    {
        Draft Simple(int i, long at, string dataset, params (string Path, string Value)[] more) => new(
            With([], [("event.dataset", dataset), ("data_stream.dataset", dataset), .. more]),
            new Source(9, 0, 0, 0, 0),
            new Moment(at, 0, null, 0),
            i % 2 == 0 ? Identity.None : Identity.EventId,
            layout);
        var filler = Enumerable.Range(0, kept - 1 + tooOld).Select(i => Simple(
            i, i < tooOld ? From - i : From + ((i + 1) * Minute), "o365.audit", ("event.action", "FileAccessed"), ("event.outcome", "success")));
        var mail = Simple(0, To, "o365.audit", ("event.action", "MailItemsAccessed"), ("event.outcome", "success"));
        var alert = Simple(
            1, From + 1, "zeek.notice", ("kibana.alert.rule.name", "External Alerts"), ("kibana.alert.rule.rule_id", ExternalAlertsId));
        return Assemble([OracleIp.Parse(address)!.Value], [.. filler, mail, alert], [], escaped: false);
    });

    private static EventSet Assemble(BigInteger[] pool, Draft[] drafts, Copy[] copies, bool escaped)
    {
        var documents = drafts.Select((draft, i) => Write(draft, pool, i)).ToList();
        foreach (var copy in copies)
        {
            var of = copy.Of % drafts.Length;
            if (copy.How is 4 or 5)
                of = Enumerable.Range(0, drafts.Length).Select(i => (of + i) % drafts.Length)
                    .FirstOrDefault(i => drafts[i].Identity == Identity.EventId, of);
            var (original, other) = (drafts[of], drafts[copy.Other % drafts.Length]);
            var again = copy.How switch
            {
                0 => original,
                1 => original with { Layout = copy.Layout },
                2 => original with { Fields = With(original.Fields, ("event.outcome", "success")), Source = other.Source, Moment = other.Moment },
                3 => original with { Index = "logs-b" },
                4 => original with { Fields = With(original.Fields, ("event.kind", "signal"), ("kibana.alert.rule.rule_id", ExternalAlertsId)) },
                5 => original with { Fields = With(original.Fields, ("event.dataset", "corelight.dns"), ("data_stream.dataset", "corelight.dns")) },
                6 => original with { Suffix = "x" },
                _ => original with { Suffix = "x", Moment = other.Moment },
            };
            documents.Insert(Math.Min(copy.At, documents.Count), Write(again, pool, of));
        }

        var json = Array(documents);
        if (escaped)
            json = json.Replace("\"source", "\"\\u0073ource", StringComparison.Ordinal).Replace("\"event", "\"\\u0065vent", StringComparison.Ordinal)
                .Replace("\"External", "\"\\u0045xternal", StringComparison.Ordinal).Replace("audit\"", "audi\\u0074\"", StringComparison.Ordinal);
        return new EventSet(json, [.. pool.Distinct().Select(OracleIp.Format)]);
    }

    private static Field[] With(Field[] fields, params (string Path, string Value)[] changes) =>
        [.. fields.Where(field => changes.All(change => change.Path != field.Path)), .. changes.Select(change => new Field(change.Path, Quoted(change.Value)))];

    private static string Write(Draft draft, BigInteger[] pool, int number)
    {
        var fields = new List<Field>(draft.Fields) { new("@timestamp", Spelt(draft.Moment.At, draft.Moment.Spelling)) };
        if (draft.Source.Json(pool) is { } ip)
            fields.Add(new Field("source.ip", ip));
        if (draft.Moment.IngestedAfter is { } delay)
            fields.Add(new Field("event.ingested", Spelt(draft.Moment.At + delay, draft.Moment.IngestedSpelling)));

        var name = Quoted($"d{number}{draft.Suffix}");
        if (draft.Identity is Identity.IdAndIndex or Identity.Id or Identity.IdAndEventId)
            fields.Add(new Field("_id", name));
        if (draft.Identity is Identity.IdAndIndex or Identity.IdAndEventId)
            fields.Add(new Field("_index", Quoted(draft.Index)));
        if (draft.Identity is Identity.EventId or Identity.IdAndEventId)
            fields.Add(new Field("event.id", Quoted($"d{number}")));
        if (draft.Identity is Identity.AlertUuid or Identity.AlertUuidWithEventIdOfThePrevious)
            fields.Add(new Field("kibana.alert.uuid", name));
        if (draft.Identity is Identity.AlertUuidWithEventIdOfThePrevious)
            fields.Add(new Field("event.id", Quoted($"d{number - 1}")));
        return Write(fields, draft.Layout);
    }

    private static string Write(List<Field> fields, Layout layout)
    {
        var root = new Branch();
        var ordered = fields.Select((field, i) => (field, bits: BitOperations.RotateLeft(layout.Bits, i * 11))).OrderBy(pair => pair.bits).ToArray();
        foreach (var (field, bits) in ordered)
        {
            var nested = layout.Style is "nested" or "listed" || (layout.Style == "doubled" && (bits & 1) == 0);
            root.Put(field.Path, nested ? 0 : layout.Style == "mixed" ? bits : ulong.MaxValue, field.Json);

            // The same value under the other spelling of the path reads as one; not where one value is due.
            var single = !field.Path.Contains('.', StringComparison.Ordinal) || field.Path is "event.ingested" or "event.id" or "kibana.alert.uuid";
            if (layout.Style == "doubled" && !single)
                root.Put(field.Path, nested ? ulong.MaxValue : 0, field.Json);
        }

        return root.Write(layout.Style == "listed", top: true);
    }

    /// <summary>An object under construction.</summary>
    private sealed class Branch
    {
        private readonly List<(string Key, List<string> Values)> leaves = [];
        private readonly List<(string Key, Branch Branch)> branches = [];

        /// <summary>Puts the value at the path; a set bit joins a segment to the next one with a dot, a clear bit nests.</summary>
        public void Put(string path, ulong joins, string json)
        {
            var segments = path.Split('.');
            var length = 1;
            while (length < segments.Length && (joins & 1) == 1)
            {
                joins >>= 1;
                length++;
            }

            var key = string.Join('.', segments[..length]);
            if (length == segments.Length)
            {
                var at = leaves.FindIndex(leaf => leaf.Key == key);
                if (at < 0)
                    leaves.Add((key, [json]));
                else
                    leaves[at].Values.Add(json);
                return;
            }

            var index = branches.FindIndex(branch => branch.Key == key);
            if (index < 0)
            {
                branches.Add((key, new Branch()));
                index = branches.Count - 1;
            }

            branches[index].Branch.Put(string.Join('.', segments[length..]), joins >> 1, json);
        }

        public string Write(bool listed, bool top)
        {
            string[] members =
            [
                .. branches.Select(branch => $"{Quoted(branch.Key)}:{branch.Branch.Write(listed, top: false)}"),
                .. leaves.Select(leaf => $"{Quoted(leaf.Key)}:{(leaf.Values is [var one] ? one : Array(leaf.Values))}"),
            ];
            return listed && !top ? $"[{string.Join(",null,", members.Select(member => $"{{{member}}}"))}]" : $"{{{string.Join(',', members)}}}";
        }
    }

    private static readonly Gen<string> UnacceptableDocument = Gen.OneOf(
        "42", "null", "true", Quoted("text"), "[]", "{}", """{"@timestamp":null}""", """{"@timestamp":"yesterday"}""",
        """{"@timestamp":""}""", """{"@timestamp":[]}""", """{"@timestamp":{}}""", """{"@timestamp":false}""",
        """{"@timestamp":"2026-02-30T00:00:00Z"}""", """{"@timestamp":"2026-03-14T25:00:00Z"}""", """{"@timestamp":"14.03.2026"}""",
        """{"source":{"ip":"203.0.114.7"},"event":{"dataset":"o365.audit","action":"MailItemsAccessed","outcome":"success"}}""",
        """{"timestamp":"2026-03-14T05:00:00Z","_id":"d1","source":{"ip":"203.0.114.7"},"event":{"dataset":"azure.signinlogs","outcome":"success"}}""");

    // ---- Questions

    private static readonly Gen<(long From, long To)> Window = Gen.Frequency<(long, long)>(
        (6, Gen.Const((From, To))),
        (2, Gen.Select(Gen.Int[0, 48], Gen.Int[49, 96], (from, to) => (From + (from * 5 * Minute), From + (to * 5 * Minute)))),
        (1, Gen.Const((From - (72 * Hour), To + (72 * Hour)))));

    private static readonly Gen<Func<EventSet, OracleQuery>> Query = Gen.Select(
        Gen.OneOf(OracleRule.Seed, OracleRule.Head, OracleRule.Resilient),
        Gen.Bool,
        Window,
        Gen.Frequency<long?>((6, (long?)null), (2, To - Hour), (1, From), (1, From + (50 * 5 * Minute))),
        Gen.Frequency((6, -1), (2, 0), (1, 1)),
        Gen.Int[0, 40],
        (revision, promote, window, ingestedAfter, filter, spelling) => (Func<EventSet, OracleQuery>)(set => new OracleQuery(revision, window.From, window.To)
        {
            Promote = promote,
            IngestedAfter = ingestedAfter,
            SourceIps = filter < 0 ? null
                : [
                    "8.8.8.8",
                    .. set.Addresses.Skip(filter).DefaultIfEmpty("203.0.114.200").Select(address => Spelling(OracleIp.Parse(address)!.Value, spelling)),
                ],
        }));

    private static string Quoted(string text) => JsonSerializer.Serialize(text);

    private static string List(params string[] values) => Array(values.Select(Quoted));

    private static string Array(IEnumerable<string> values) => $"[{string.Join(',', values)}]";
}
