using SuspiciousSignin.Events;

namespace SuspiciousSignin.Rules;

/// <summary>The private, reserved and special-purpose networks in which the rule never looks (IANA special-purpose registries).</summary>
public static class ExcludedNetworks
{
    /// <summary>The blocks in the rule's order.</summary>
    public static IReadOnlyList<Cidr> All => Blocks;

    private static readonly Cidr[] Blocks = Array.ConvertAll(
        new[]
        {
            "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32",
            "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.168.0.0/16",
            "192.88.99.0/24", "224.0.0.0/4", "100.64.0.0/10", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "240.0.0.0/4", "::1", "fe80::/10", "ff00::/8",
        },
        Cidr.Parse);

    // Every event asks, and most first octets have no block at all.
    private static readonly Cidr[][] BlocksByFirstOctet =
        [.. Enumerable.Range(0, 256).Select(octet => Array.FindAll(Blocks, Cidr.Parse($"{octet}.0.0.0/8").Overlaps))];
    private static readonly Cidr[] IPv6Blocks = Array.FindAll(Blocks, block => !Cidr.Parse("0.0.0.0/0").Overlaps(block));

    /// <summary>The first block that holds the address, or null where the rule looks at it.</summary>
    public static Cidr? Find(SourceAddress address)
    {
        foreach (var block in address.IsIPv4 ? BlocksByFirstOctet[(byte)(address.Value >> 24)] : IPv6Blocks)
        {
            if (block.Contains(address))
            {
                return block;
            }
        }

        return null;
    }
}
