using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Tests.Rules;

public sealed class RuleCatalogueTests
{
    [Fact]
    public void Every_verdict_has_bits_of_its_own()
    {
        // Four bits a revision from the first, one a near miss from bit 40, three facts from bit 60: see Classification.
        Assert.Equal(Enumerable.Range(0, RuleCatalogue.Revisions.Count), RuleCatalogue.Revisions.Select(revision => revision.Slot));
        Assert.Equal(Enumerable.Range(0, RuleCatalogue.NearMisses.Count), RuleCatalogue.NearMisses.Select(miss => miss.Slot));
        Assert.InRange(RuleCatalogue.Revisions.Count * 4, 1, 40);
        Assert.InRange(RuleCatalogue.NearMisses.Count, 1, 20);
    }

    [Fact]
    public void What_a_revision_nearly_counts_is_in_the_catalogue_as_the_revision_has_it() => Assert.All(
        RuleCatalogue.Revisions.SelectMany(revision => revision.NearMisses), miss => Assert.Equal(RuleCatalogue.NearMisses[miss.Slot], miss));
}
