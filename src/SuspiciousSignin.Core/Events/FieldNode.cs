using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>
/// One segment of the paths in <see cref="EcsFields"/>. Elasticsearch reads <c>{"event":{"id":1}}</c>, <c>{"event.id":1}</c> and any mix as
/// one path, so a key may walk several segments at once.
/// </summary>
internal sealed class FieldNode
{
    private readonly byte[] _name;
    private readonly byte[] _key;
    private readonly Vector128<byte> _start;
    private readonly Vector128<byte> _startMask;
    private FieldNode? _next;
    private int _childCount;

    // Chains of children whose names have the same hash. A power of two, so that a remainder is a mask.
    private FieldNode?[] _children = new FieldNode?[2];

    private FieldNode(byte[] name)
    {
        _name = name;
        _key = [.. name, (byte)'"', (byte)':'];
        Span<byte> start = stackalloc byte[Vector128<byte>.Count];
        Span<byte> mask = stackalloc byte[Vector128<byte>.Count];
        start.Clear();
        mask.Clear();
        var length = Math.Min(_key.Length, start.Length);
        _key.AsSpan(0, length).CopyTo(start);
        mask[..length].Fill(byte.MaxValue);
        (_start, _startMask) = (Vector128.Create<byte>(start), Vector128.Create<byte>(mask));
    }

    /// <summary>An empty tree.</summary>
    public FieldNode()
        : this([])
    {
    }

    /// <summary>The field that ends here, or null where the path goes on.</summary>
    public EcsField? Field { get; private set; }

    public FieldKind Kind { get; private set; }

    /// <summary>
    /// The position behind the key at this position, its last quote and its colon, where it is this node's; -1 where it is another, or
    /// space comes before the colon.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int SkipKey(ReadOnlySpan<byte> json, int at)
    {
        if (json.Length - at >= Vector128<byte>.Count)
        {
            var key = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(json), (nuint)at);
            if (((key ^ _start) & _startMask) != Vector128<byte>.Zero)
            {
                return -1;
            }

            if (_key.Length <= Vector128<byte>.Count)
            {
                return at + _key.Length;
            }
        }

        return json[at..].StartsWith(_key) ? at + _key.Length : -1;
    }

    /// <summary>A bit of its own among its siblings.</summary>
    public ulong Bit { get; private set; }

    /// <summary>Its place among all nodes of the tree, the root's being 0.</summary>
    public int Number { get; private set; }

    /// <summary>What a document that has this key is.</summary>
    public DocumentMarks Marks { get; private set; }

    public bool HasChildren => _childCount > 0;

    /// <summary>The node that a key leads to, or null where no field lies that way.</summary>
    /// <param name="key">The key.</param>
    /// <param name="passed">What a document that has the key is, be it of a field that nobody reads.</param>
    public FieldNode? Find(ReadOnlySpan<byte> key, out DocumentMarks passed)
    {
        var node = this;
        passed = DocumentMarks.None;
        while (true)
        {
            var dot = key.IndexOf((byte)'.');
            node = node.Child(dot < 0 ? key : key[..dot]);
            if (node is null || dot < 0)
            {
                return node;
            }

            passed |= node.Marks;
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
                child = new FieldNode(name)
                {
                    Marks = soFar.StartsWith("kibana.alert.", StringComparison.Ordinal) ? DocumentMarks.KibanaAlert
                        : soFar.StartsWith("event.", StringComparison.Ordinal) && soFar.Length > "event.".Length ? DocumentMarks.EventField
                        : DocumentMarks.None,
                };
                node.AddChild(child);
            }

            node = child;
        }

        return node;
    }

    /// <summary>Marks a document that has the key as one that may hold records.</summary>
    public void SetEnvelope() => Marks = DocumentMarks.Envelope;

    public void SetLeaf(EcsField field, FieldKind kind) => (Field, Kind) = (field, kind);

    /// <summary>Numbers the nodes of the tree from this one on; gives the number after the last.</summary>
    public int NumberFrom(int number)
    {
        Number = number++;
        foreach (var first in _children)
        {
            for (var child = first; child is not null; child = child._next)
            {
                number = child.NumberFrom(number);
            }
        }

        return number;
    }

    /// <summary>The node of a child by its name.</summary>
    public FieldNode? Child(ReadOnlySpan<byte> name)
    {
        var child = _children[SlotOf(name, _children.Length)];
        while (child is not null && !name.SequenceEqual(child._name))
        {
            child = child._next;
        }

        return child;
    }

    private void AddChild(FieldNode added)
    {
        added.Bit = 1UL << _childCount++;
        if (_childCount * 2 > _children.Length)
        {
            var old = _children;
            _children = new FieldNode?[old.Length * 2];
            foreach (var first in old)
            {
                for (var child = first; child is not null;)
                {
                    var next = child._next;
                    Chain(child);
                    child = next;
                }
            }
        }

        Chain(added);
    }

    private void Chain(FieldNode child)
    {
        ref var first = ref _children[SlotOf(child._name, _children.Length)];
        (child._next, first) = (first, child);
    }

    private static int SlotOf(ReadOnlySpan<byte> name, int slots) =>
        name.IsEmpty ? 0 : ((name.Length * 5) + name[0] + (name[^1] * 3)) & (slots - 1);
}
