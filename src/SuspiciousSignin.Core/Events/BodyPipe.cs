using System.IO.Pipelines;

namespace SuspiciousSignin.Events;

/// <summary>How the body of a request is waited for.</summary>
internal static class BodyPipe
{
    /// <summary>Reads what has arrived of a body, once there is as much as is wanted, or nothing more will come.</summary>
    /// <param name="body">The body.</param>
    /// <param name="wanted">
    /// How many bytes. Where something broke off, twice of what there was of it: a line or value that comes in many small pieces, as
    /// decompressed bodies do, would else be read from its start with each of them.
    /// </param>
    public static async ValueTask<ReadResult> ReadAsync(PipeReader body, long wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Not ReadAtLeastAsync, for which a stream's reader would take one block of that size.
            var result = await body.ReadAsync(cancellationToken);
            if (result.IsCompleted || result.Buffer.Length >= wanted)
            {
                return result;
            }

            body.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }
}
