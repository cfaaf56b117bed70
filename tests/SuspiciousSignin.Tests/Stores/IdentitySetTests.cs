using CsCheck;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Tests.Stores;

/// <summary>The identities that are held, beside a dictionary of them.</summary>
public sealed class IdentitySetTests
{
    private const int Slots = 6;

    // Few shards, and keys that stand close to each other.
    private static readonly Gen<UInt128> Identities = Gen.Select(
        Gen.Int[0, 2], Gen.Frequency((1, Gen.ULong[0, 40]), (1, Gen.ULong)), (shard, key) => new UInt128((ulong)shard, key));

    private static readonly Gen<Step> Steps = Gen.Select(
        Gen.Frequency((10, Gen.Const(Do.Add)), (3, Gen.Const(Do.Remove)), (1, Gen.Const(Do.LetGo)), (1, Gen.Const(Do.Sweep))),
        Identities,
        Gen.Int[0, Slots - 1],
        (what, identity, slot) => new Step(what, identity, slot));

    [Fact]
    public void It_holds_what_was_added_until_it_or_its_group_goes() => Steps.Array[1, 400].Sample(
        static steps =>
        {
            var (set, model, swept) = (new IdentitySet(), new Dictionary<UInt128, ushort>(), 0);
            var groups = Enumerable.Range(0, Slots).Select(_ => set.TakeGroup()).ToArray();
            foreach (var (what, identity, slot) in steps)
            {
                // What it keeps of an identity: a key of 0 stands for 1.
                var known = new UInt128((ulong)(identity >> 64), Math.Max((ulong)identity, 1));
                switch (what)
                {
                    case Do.Add:
                        Assert.Equal(model.TryAdd(known, groups[slot]), set.Add(identity, groups[slot]));
                        break;
                    case Do.Remove when model.Remove(known):
                        set.Remove(identity);
                        break;
                    case Do.LetGo:
                        set.LetGo(groups[slot]);
                        foreach (var (gone, _) in model.Where(held => held.Value == groups[slot]).ToList())
                        {
                            model.Remove(gone);
                        }

                        groups[slot] = set.TakeGroup();
                        Assert.Single(groups, groups[slot]);
                        break;
                    case Do.Sweep:
                        set.Sweep(swept++ % IdentitySet.Shards);
                        break;
                }

                Assert.Equal(model.ContainsKey(known), set.Contains(identity));
            }

            Assert.All(model.Keys, held => Assert.True(set.Contains(held)));
            for (var i = swept % IdentitySet.Shards; i < 2 * IdentitySet.Shards; i++)
            {
                set.Sweep(i % IdentitySet.Shards);
            }

            Assert.Equal(model.Count, set.Count);
        },
        iter: 2_000,
        threads: 1);

    [Fact]
    public void Groups_that_went_are_given_anew_only_after_all_was_swept()
    {
        var set = new IdentitySet();
        var first = set.TakeGroup();
        set.Add(7, first);
        for (var i = 1; i < ushort.MaxValue; i++)
        {
            Assert.NotEqual(IdentitySet.Ungrouped, set.TakeGroup());
        }

        Assert.Equal(IdentitySet.Ungrouped, set.TakeGroup());
        set.Sweep(0);
        set.LetGo(first);
        SweepFrom(1);
        // It went after the first part was swept.
        Assert.Equal(IdentitySet.Ungrouped, set.TakeGroup());
        SweepFrom(0);
        Assert.Equal(first, set.TakeGroup());
        Assert.False(set.Contains(7));

        void SweepFrom(int shard)
        {
            for (; shard < IdentitySet.Shards; shard++)
            {
                set.Sweep(shard);
            }
        }
    }

    [Fact]
    public void A_large_set_holds_what_was_added_whatever_was_taken_away_between()
    {
        var (set, random) = (new IdentitySet(), new Random(7));
        var (held, gone) = (new List<UInt128>(), new List<UInt128>());
        var (stays, goes) = (set.TakeGroup(), set.TakeGroup());
        for (var i = 0; i < 200_000; i++)
        {
            var identity = new UInt128((ulong)random.Next(4), (ulong)random.NextInt64(long.MaxValue));
            var doesGo = random.Next(3) == 0;
            Assert.True(set.Add(identity, doesGo ? goes : stays));
            (doesGo ? gone : held).Add(identity);
            if (random.Next(4) == 0 && held.Count > 0)
            {
                var place = random.Next(held.Count);
                set.Remove(held[place]);
                gone.Add(held[place]);
                (held[place], held[^1]) = (held[^1], held[place]);
                held.RemoveAt(held.Count - 1);
            }

            if (i % 5_000 == 0)
            {
                set.LetGo(goes);
                set.Sweep(0);
                Assert.All(held, identity => Assert.True(set.Contains(identity)));
                for (var shard = 1; shard < IdentitySet.Shards; shard++)
                {
                    set.Sweep(shard);
                }

                goes = set.TakeGroup();
                Assert.DoesNotContain(gone, identity => set.Contains(identity));
                gone.Clear();
            }
        }

        Assert.All(held, identity => Assert.False(set.Add(identity, stays)));
    }

    [Fact]
    public void Identities_that_come_and_go_by_groups_take_no_more_room_than_those_held_at_once()
    {
        var (set, next) = (new IdentitySet(), 0UL);
        var groups = new Queue<ushort>();
        for (var round = 0; round < 100; round++)
        {
            groups.Enqueue(set.TakeGroup());
            for (var i = 0; i < 1_000; i++, next++)
            {
                Assert.True(set.Add(new UInt128(next, next * 0x9E37_79B9_7F4A_7C15), groups.Last()));
            }

            if (groups.Count > 10)
            {
                set.LetGo(groups.Dequeue());
            }

            Assert.InRange(set.Count, 0, 20_000);
        }
    }

    private enum Do
    {
        Add,
        Remove,
        LetGo,
        Sweep,
    }

    private sealed record Step(Do What, UInt128 Identity, int Slot);
}
