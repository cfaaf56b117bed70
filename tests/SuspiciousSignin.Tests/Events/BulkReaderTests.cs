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

    private static (string?, string?) NameOf(JsonDocument document) =>
        (document.RootElement.GetProperty("_id").GetString(), document.RootElement.GetProperty("_index").GetString());

    private static async Task<BulkBatch> ReadAsync(byte[] body, EventReaderOptions options)
    {
        var (batch, refusal) = await BulkReader.ReadAsync(PipeReader.Create(new MemoryStream(body)), null, options, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Null(refusal);
        return batch!;
    }
}
