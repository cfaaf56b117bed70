using CsCheck;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Stores;

public sealed class EntryPoolTests
{
    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency((5, Gen.Int[1, 12]), (3, Gen.Int[13, 400]), (1, Gen.Int[8_000, 12_000])),
        Gen.Frequency((5, Gen.Const(Act.Rent)), (4, Gen.Const(Act.Return)), (2, Gen.Const(Act.Begin)), (2, Gen.Const(Act.End))),
        Gen.Int[0, 1000],
        (length, act, pick) => new Step(act, length, pick));

    private enum Act
    {
        Rent,
        Return,
        Begin,
        End,
    }

    [Fact]
    public void No_block_is_given_anew_while_it_is_held_or_a_query_may_read_it() => Steps.Array[1, 400].Sample(Play, iter: 300, threads: 1);

    [Fact]
    public void What_was_returned_goes_or_is_used_again()
    {
        var pool = new EntryPool();
        for (var round = 0; round < 3; round++)
        {
            foreach (var length in new[] { 1, 3, 40, 20_000 })
            {
                var blocks = Enumerable.Range(0, 30_000 / length).Select(_ => pool.Rent(length, out var _)).ToList();
                Assert.InRange(pool.Capacity, 30_000 / length * length, 150_000);
                blocks.ForEach(block => pool.Return(block, handedTo: 0, oldestQuery: 1));
                Assert.InRange(pool.Capacity, 0, 80_000);
            }
        }
    }

    /// <summary>Marks every block with a number of its own and looks whether the marks of those in use stay.</summary>
    private static void Play(Step[] steps)
    {
        var pool = new EntryPool();
        var (held, read) = (new List<Held>(), new List<Held>());
        var (next, running, mark) = (1L, new List<long>(), 0);
        foreach (var step in steps)
        {
            var oldest = running.Count == 0 ? next : running[0];
            switch (step.Act)
            {
                case Act.Rent:
                    pool.Reclaim(oldest);
                    var block = pool.Rent(step.Length, out var capacity);
                    Assert.InRange(capacity, step.Length, Math.Max(2, step.Length * 3 / 2));
                    pool[block].Span[..capacity].Fill(new SeriesEntry(++mark, 0, 0, 0));
                    held.Add(new Held(block, capacity, mark, pool[block][..capacity], HandedTo: 0));
                    break;

                case Act.Return when held.Count > 0:
                    var returned = held[step.Pick % held.Count];
                    held.Remove(returned);
                    pool.Return(returned.Block, returned.HandedTo, oldest);
                    read.Add(returned);
                    break;

                case Act.Begin when held.Count > 0:
                    // A query that is handed one of the blocks.
                    var at = step.Pick % held.Count;
                    held[at] = held[at] with { HandedTo = next };
                    running.Add(next++);
                    break;

                case Act.End when running.Count > 0:
                    running.RemoveAt(step.Pick % running.Count);
                    break;
            }

            read.RemoveAll(block => running.Count == 0 || block.HandedTo < running[0]);
            foreach (var block in held.Concat(read))
            {
                Assert.True(block.Entries.Span.IndexOfAnyExcept(new SeriesEntry(block.Mark, 0, 0, 0)) < 0, "Somebody else wrote into a block that is in use.");
            }
        }
    }

    private sealed record Step(Act Act, int Length, int Pick);

    private sealed record Held(int Block, int Capacity, int Mark, ReadOnlyMemory<SeriesEntry> Entries, long HandedTo);
}
