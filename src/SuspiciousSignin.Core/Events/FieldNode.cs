using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>
/// One segment of the paths in <see cref="EcsFields"/>. Elasticsearch reads <c>{"event":{"id":1}}</c>, <c>{"event.id":1}</c> and any mix as
/// one path, so a key may walk several segments at once.
/// </summary>
internal sealed class FieldNode
{
    private readonly List<(byte[] Name, FieldNode Node)> _children = [];

    /// <summary>The field that ends here, or null where the path goes on.</summary>
    public EcsField? Field { get; private set; }

    public FieldKind Kind { get; private set; }

    /// <summary>Whether only Kibana alert documents reach this node.</summary>
    public bool IsKibanaAlert { get; private set; }

    /// <summary>Whether this is a field of ECS' <c>event.*</c>, which every ECS document has.</summary>
    public bool IsEventField { get; private set; }

    public bool HasChildren => _children.Count > 0;

    /// <summary>The node that a key leads to, or null where no field lies that way.</summary>
    public FieldNode? Find(ReadOnlySpan<byte> key)
    {
        var node = this;
        while (true)
        {
            var dot = key.IndexOf((byte)'.');
            node = node.Child(dot < 0 ? key : key[..dot]);
            if (node is null || dot < 0)
            {
                return node;
            }

            key = key[(dot + 1)..];
        }
    }

    public FieldNode GetOrAdd(string path)
    {
        var (node, soFar) = (this, "");
        foreach (var segment in path.Split('.'))
        {
            var name = Encoding.UTF8.GetBytes(segment);
            soFar += segment + ".";
            var child = node.Child(name);
            if (child is null)
            {
                child = new FieldNode
                {
                    IsKibanaAlert = soFar.StartsWith("kibana.alert.", StringComparison.Ordinal),
                    IsEventField = soFar.StartsWith("event.", StringComparison.Ordinal) && soFar.Length > "event.".Length,
                };
                node._children.Add((name, child));
            }

            node = child;
        }

        return node;
    }

    public void SetLeaf(EcsField field, FieldKind kind) => (Field, Kind) = (field, kind);

    private FieldNode? Child(ReadOnlySpan<byte> name)
    {
        foreach (var (childName, child) in _children)
        {
            if (name.SequenceEqual(childName))
            {
                return child;
            }
        }

        return null;
    }
}
