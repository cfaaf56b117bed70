using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

public sealed class BulkReaderTests
{
    private const string Body =
        """
        {"create":{"_index":"logs-a","_id":"\"1\""}}
        {"@timestamp":1790000000000,"_id":"own"}
        {"index":{"_index":"logs-b"}}
        {"@timestamp":1790000000000,"_id":"own","_index":"own"}
        {"delete":{"_index":"logs-a","_id":"3"}}
        {"create":{"_index":"logs-a"}}
        {"no":"timestamp"}

        """;

    [Fact]
    public async Task A_document_that_is_kept_has_the_name_that_its_action_gave_it()
    {
        var batch = await ReadAsync(Encoding.UTF8.GetBytes(Body), new EventReaderOptions { KeepDocuments = true });

        using var first = JsonDocument.Parse(batch.Events[0].Document);
        using var second = JsonDocument.Parse(batch.Events[1].Document);
        Assert.Equal(("\"1\"", "logs-a"), NameOf(first));
        Assert.Equal(("own", "logs-b"), NameOf(second));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(100)]
    public async Task It_does_not_matter_in_which_pieces_a_body_arrives(int length)
    {
        var whole = await ReadAsync(Encoding.UTF8.GetBytes(Body), new EventReaderOptions());
        var pipe = new Pipe();
        var reading = BulkReader.ReadAsync(pipe.Reader, null, new EventReaderOptions(), cancellationToken: TestContext.Current.CancellationToken);
        foreach (var piece in Encoding.UTF8.GetBytes(Body).Chunk(length))
        {
            await pipe.Writer.WriteAsync(piece, TestContext.Current.CancellationToken);
        }

        await pipe.Writer.CompleteAsync();
        var (batch, refusal) = await reading;

        Assert.Null(refusal);
        Assert.Equal(whole.Items, batch!.Items);
        Assert.Equal([BulkAction.Create, BulkAction.Index, BulkAction.Delete, BulkAction.Create], batch.Items.Select(item => item.Action));
        Assert.Equal([null, null, 5, 7], batch.Items.Select(item => item.Rejected?.Line));
        Assert.Equal(2, batch.Events.Count);
    }

    [Fact]
    public async Task A_long_line_that_comes_in_small_pieces_is_not_searched_from_its_start_with_each()
    {
        // As a decompressed body comes. Searched so, it takes minutes; else, no time.
        var options = new EventReaderOptions { MaxEventBytes = 64 * 1024 * 1024 };
        var line = new byte[32 * 1024 * 1024];
        line.AsSpan().Fill((byte)' ');
        var pieces = new Pieces([.. """{"create":{"_index":"x"}}"""u8, (byte)'\n', .. line, (byte)'\n'], length: 64);

        var (batch, refusal) = await BulkReader.ReadAsync(pieces, null, options, cancellationToken: TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);

        Assert.Null(refusal);
        Assert.Equal(RejectionCodes.MalformedJson, Assert.Single(batch!.Items).Rejected?.Code);
    }

    private static (string?, string?) NameOf(JsonDocument document) =>
        (document.RootElement.GetProperty("_id").GetString(), document.RootElement.GetProperty("_index").GetString());

    private static async Task<BulkBatch> ReadAsync(byte[] body, EventReaderOptions options)
    {
        var (batch, refusal) = await BulkReader.ReadAsync(PipeReader.Create(new MemoryStream(body)), null, options, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Null(refusal);
        return batch!;
    }

    /// <summary>A body of which each read brings so many bytes more.</summary>
    private sealed class Pieces(byte[] body, int length) : PipeReader
    {
        private int _read;
        private int _come;

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _come = Math.Min(body.Length, _come + length);
            return new(new ReadResult(new ReadOnlySequence<byte>(body, _read, _come - _read), isCanceled: false, isCompleted: _come == body.Length));
        }

        public override void AdvanceTo(SequencePosition consumed) => _read = consumed.GetInteger();

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => AdvanceTo(consumed);

        public override bool TryRead(out ReadResult result) => throw new NotSupportedException();

        public override void CancelPendingRead() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null)
        {
            // Nothing is held.
        }
    }
}
