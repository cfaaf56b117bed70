using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Hostile;

/// <summary>
/// Whatever bytes come, the readers give an answer in which everything is accounted for. <c>SUSPICIOUSSIGNIN_FUZZ_INPUTS</c> says how many
/// bodies are tried (10,000 where it says nothing), <c>SUSPICIOUSSIGNIN_FUZZ_SEED</c> with which seed the bodies begin.
/// </summary>
public sealed class ReaderFuzzTests(ITestOutputHelper output)
{
    private const int PerSeed = 1000;

    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private static readonly DateTimeOffset Now = new(2026, 3, 14, 6, 0, 0, TimeSpan.Zero);

    internal static int Inputs(int otherwise) => Setting("SUSPICIOUSSIGNIN_FUZZ_INPUTS") ?? otherwise;

    internal static int FirstSeed() => Setting("SUSPICIOUSSIGNIN_FUZZ_SEED") ?? 20260314;

    [Fact]
    public async Task No_body_breaks_a_reader_and_everything_in_it_is_accounted_for()
    {
        var (inputs, first, started) = (Inputs(otherwise: 10_000), FirstSeed(), Stopwatch.GetTimestamp());
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inputs} bodies, seeds from {first}"));
        var (accepted, rejected, refused) = (0L, 0L, 0L);
        await Parallel.ForAsync(0, (inputs + PerSeed - 1) / PerSeed, TestContext.Current.CancellationToken, async (round, cancellationToken) =>
        {
            var text = new HostileText(first + round);
            for (var i = 0; i < Math.Min(PerSeed, inputs - (round * PerSeed)); i++)
            {
                var kind = (HostileBody)text.Next(3);
                var body = text.Body(kind);
                var (pieces, kept) = (1 + text.Next(body.Length + 1), text.Next(2) == 0);
                try
                {
                    var counts = await Task.Run(() => ReadAsync(body, kind, pieces, kept)).WaitAsync(Hang, cancellationToken);
                    Interlocked.Add(ref accepted, counts.Accepted);
                    Interlocked.Add(ref rejected, counts.Rejected);
                    Interlocked.Add(ref refused, counts.Refused);
                }
                catch (Exception fault)
                {
                    throw new InvalidOperationException($"Seed {first + round}, body {i}, {kind}, pieces of {pieces}, kept {kept}: {Convert.ToBase64String(body)}", fault);
                }
            }
        });

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{inputs} bodies in {Stopwatch.GetElapsedTime(started).TotalSeconds:0} s: {accepted} events accepted, {rejected} rejected, {refused} bodies refused"));
        // The grammar is no good if its bodies never get past the first brace, or always do.
        Assert.All([accepted, rejected, refused], count => Assert.True(count > inputs / 20, $"{accepted} accepted, {rejected} rejected, {refused} refused"));
    }

    private static async Task<(int Accepted, int Rejected, int Refused)> ReadAsync(byte[] body, HostileBody kind, int pieces, bool kept)
    {
        var options = new EventReaderOptions { KeepDocuments = kept };
        if (kind == HostileBody.Bulk)
        {
            var whole = await BulkReader.ReadAsync(Whole(body), "logs-zeek.notice-default", options);
            var inPieces = await BulkReader.ReadAsync(InPieces(body, pieces), "logs-zeek.notice-default", options);
            Assert.Equal(whole.Refusal, inPieces.Refusal);
            if (whole.Batch is not { } bulk)
            {
                Assert.Contains(whole.Refusal!.Status, new[] { 400, 413 });
                return (0, 0, 1);
            }

            Assert.Equal(bulk.Items, inPieces.Batch!.Items);
            CheckEvents(bulk.Events, kept);
            return (bulk.Events.Count, bulk.Items.Count(item => item.Rejected is not null), 0);
        }

        var format = kind == HostileBody.Json ? BatchFormat.Json : BatchFormat.NdJson;
        var (batch, refusal) = await EventBatchReader.ReadAsync(Whole(body), format, options);
        var (other, otherRefusal) = await EventBatchReader.ReadAsync(InPieces(body, pieces), format, options);
        Assert.Equal(refusal, otherRefusal);
        if (batch is null)
        {
            Assert.Contains(refusal!.Status, new[] { 400, 413 });
            return (0, 0, 1);
        }

        Assert.Equal(batch.Received, batch.Events.Count + batch.RejectedTotal);
        Assert.Equal(Math.Min(batch.RejectedTotal, EventBatch.MaxRejectionsTold), batch.Rejected.Count);
        Assert.Equal(batch.Events.Count, batch.Shapes.Values.Sum());
        Assert.Equal(batch.Rejected, other!.Rejected);
        Assert.Equal(batch.Events.Select(record => (record.Position, record.Timestamp, record.Classification)), other.Events.Select(record => (record.Position, record.Timestamp, record.Classification)));
        CheckEvents(batch.Events, kept);
        await CheckVerdictAsync(batch);
        return (batch.Events.Count, batch.RejectedTotal, 0);
    }

    // What was accepted can be kept, shown, and read again from what was kept.
    private static void CheckEvents(IReadOnlyList<EventRecord> events, bool kept)
    {
        var reader = new EventReader(new EventReaderOptions { KeepDocuments = kept });
        foreach (var record in events)
        {
            Assert.Equal(record.Identity, reader.ReadAgain(record).Identity);
            if (kept)
            {
                using var document = JsonDocument.Parse(record.Document, new JsonDocumentOptions { MaxDepth = 1000 });
                Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
            }
        }
    }

    private static async Task CheckVerdictAsync(EventBatch batch)
    {
        var clock = new FakeTimeProvider(Now);
        var correlation = new CorrelationService(new MemoryEventStore(new MemoryStoreOptions(), clock), clock, new AlertOptions());
        var query = new EvaluationQuery { Revision = Engine.Revision("resilient", promote: true), Store = false, IncludeEvents = true };
        var evaluation = await correlation.EvaluateAsync(batch, query);
        Assert.Equal(evaluation.Received, evaluation.Accepted + evaluation.Duplicates + evaluation.RejectedTotal);
        JsonSerializer.SerializeToUtf8Bytes(evaluation);
        Assert.True(TimeShift.TryParse("now", out var shift));
        shift.Apply(batch, Now, out _);
    }

    private static PipeReader Whole(byte[] body) => PipeReader.Create(new MemoryStream(body));

    private static PipeReader InPieces(byte[] body, int length) => PipeReader.Create(new Pieces(body, length));

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    /// <summary>A stream that gives no more than a piece at a time, as networks do.</summary>
    private sealed class Pieces(byte[] bytes, int length) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(length, buffer.Length)]);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));
    }
}
