using System.Runtime.CompilerServices;
using System.Text.Json;

namespace SuspiciousSignin.Events;

/// <summary>
/// Takes the known fields of an ECS document straight from its bytes: what nearly every document is read by. It accepts or refuses only
/// what it is certain of, and leaves the rest (escaped keys, a key twice, an object for a value, dates that are none, too deep) to the
/// token reader, which tells what is wrong.
/// </summary>
internal sealed class EcsScanner(EcsDocument document, int maxDepth)
{
    // Documents of one source have their keys in the same order, so the keys that followed the last times are tried first.
    private readonly Guess[] _following = new Guess[EcsFields.NodeCount];
    private readonly Guess[] _first = new Guess[EcsFields.NodeCount];
    private readonly List<FieldNode> _dotted = [];
    private readonly JsonStructure _structure = new();
    private byte[] _unescaped = new byte[256];

    /// <summary>Reads a document of valid UTF-8 into the <see cref="EcsDocument"/>.</summary>
    /// <returns>Its length where it was read, else what <see cref="JsonBytes"/> returns.</returns>
    public int Read(ReadOnlySpan<byte> json)
    {
        _dotted.Clear();
        _structure.Clear();
        var at = JsonBytes.SkipSpace(json, 0);
        if (JsonBytes.At(json, at) != '{')
        {
            return JsonBytes.Unsure;
        }

        at = ReadObject(json, at + 1, EcsFields.Root, maxDepth - 1);
        if (at < 0)
        {
            return at;
        }

        at = JsonBytes.SkipSpace(json, at);
        return at == json.Length ? at : JsonBytes.Malformed(at);
    }

    private int ReadObject(ReadOnlySpan<byte> json, int at, FieldNode node, int depth)
    {
        var firstDotted = _dotted.Count;
        var seen = 0UL;
        ref var expected = ref _first[node.Number];
        at = JsonBytes.SkipSpace(json, at);
        if (JsonBytes.At(json, at) == '}')
        {
            return at + 1;
        }

        while (true)
        {
            if (JsonBytes.At(json, at) != '"')
            {
                return JsonBytes.Malformed(at);
            }

            at++;
            var isMember = true;
            var behind = expected.Skip(json, at, out var child);
            if (behind < 0)
            {
                var hasEscapes = false;
                var end = JsonBytes.EndOfString(json, at, ref hasEscapes);
                if (end < 0 || hasEscapes)
                {
                    return end < 0 ? end : JsonBytes.Unsure;
                }

                var key = json[at..end];
                at = end + 1;
                child = node.Child(key);
                isMember = child is not null;
                if (isMember)
                {
                    expected.Add(child!);
                }
                else if (key.Contains((byte)'.'))
                {
                    child = node.Find(key, out var passed);
                    document.Marks |= passed;
                    if (child is not null)
                    {
                        if (_dotted.IndexOf(child, firstDotted) >= 0)
                        {
                            return JsonBytes.Unsure;
                        }

                        _dotted.Add(child);
                    }
                }

                at = JsonBytes.SkipSpace(json, at);
                if (JsonBytes.At(json, at) != ':')
                {
                    return JsonBytes.Malformed(at);
                }

                behind = at + 1;
            }

            if (isMember)
            {
                if ((seen & child!.Bit) != 0)
                {
                    return JsonBytes.Unsure;
                }

                seen |= child.Bit;
                expected = ref _following[child.Number];
            }

            at = JsonBytes.SkipSpace(json, behind);
            at = child is null ? SkipValue(json, at, depth) : ReadValue(json, at, child, depth);
            if (at < 0)
            {
                return at;
            }

            var next = JsonBytes.At(json, at);
            if (next is not ((byte)',' or (byte)'}'))
            {
                at = JsonBytes.SkipSpace(json, at);
                next = JsonBytes.At(json, at);
            }

            if (next == ',')
            {
                at = JsonBytes.At(json, at + 1) == '"' ? at + 1 : JsonBytes.SkipSpace(json, at + 1);
                continue;
            }

            if (next != '}')
            {
                return JsonBytes.Malformed(at);
            }

            if (_dotted.Count > firstDotted)
            {
                _dotted.RemoveRange(firstDotted, _dotted.Count - firstDotted);
            }

            return at + 1;
        }
    }

    private int ReadValue(ReadOnlySpan<byte> json, int at, FieldNode node, int depth)
    {
        document.Marks |= node.Marks;
        var from = at;
        switch (JsonBytes.At(json, at))
        {
            case (byte)'"':
                var hasEscapes = false;
                var end = JsonBytes.EndOfString(json, at + 1, ref hasEscapes);
                if (end < 0 || node.Field is null)
                {
                    return end < 0 ? end : end + 1;
                }

                var isTaken = hasEscapes ? TakeEscaped(node, json[at..(end + 1)]) : Take(node, json[(at + 1)..end]);
                return isTaken ? end + 1 : JsonBytes.Unsure;

            case (byte)'{' when node.HasChildren:
                return depth > 0 ? ReadObject(json, at + 1, node, depth - 1) : JsonBytes.Unsure;

            case (byte)'{':
                return node.Kind == FieldKind.Text ? SkipValue(json, at, depth) : JsonBytes.Unsure;

            case (byte)'[':
                return depth > 0 ? ReadArray(json, at + 1, node, depth - 1) : JsonBytes.Unsure;

            case (byte)'n':
                return JsonBytes.SkipScalar(json, at);

            default:
                at = JsonBytes.SkipScalar(json, at);
                return at < 0 || node.Field is null || Take(node, json[from..at]) ? at : JsonBytes.Unsure;
        }
    }

    private int ReadArray(ReadOnlySpan<byte> json, int at, FieldNode node, int depth)
    {
        at = JsonBytes.SkipSpace(json, at);
        if (JsonBytes.At(json, at) == ']')
        {
            return at + 1;
        }

        while (true)
        {
            at = ReadValue(json, at, node, depth);
            if (at < 0)
            {
                return at;
            }

            at = JsonBytes.SkipSpace(json, at);
            switch (JsonBytes.At(json, at))
            {
                case (byte)',':
                    at = JsonBytes.SkipSpace(json, at + 1);
                    break;

                case (byte)']':
                    return at + 1;

                default:
                    return JsonBytes.Malformed(at);
            }
        }
    }

    private int SkipValue(ReadOnlySpan<byte> json, int at, int depth)
    {
        var behind = JsonBytes.At(json, at) is (byte)'{' or (byte)'[' ? _structure.Skip(json, at, depth) : JsonStructure.Unsure;
        return behind >= 0 ? behind : JsonBytes.SkipValue(json, at, depth);
    }

    private bool Take(FieldNode node, ReadOnlySpan<byte> value)
    {
        var (field, kind) = (node.Field!.Value, node.Kind);
        if (kind == FieldKind.Date)
        {
            return EcsTime.TryParse(value, out var milliseconds) && document.TryDate(field, milliseconds);
        }

        document.Take(field, kind, value);
        return true;
    }

    private bool TakeEscaped(FieldNode node, ReadOnlySpan<byte> token)
    {
        if (_unescaped.Length < token.Length)
        {
            _unescaped = new byte[token.Length];
        }

        var reader = new Utf8JsonReader(token);
        reader.Read();
        try
        {
            return Take(node, _unescaped.AsSpan(0, reader.CopyString(_unescaped)));
        }
        catch (InvalidOperationException)
        {
            // An escaped lone surrogate.
            return false;
        }
    }

    /// <summary>Two, since the documents of two sources take turns.</summary>
    private struct Guess
    {
        private FieldNode? _latest;
        private FieldNode? _before;

        /// <summary>The position behind the key and its colon, or -1 where it is neither.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly int Skip(ReadOnlySpan<byte> json, int at, out FieldNode? node)
        {
            node = _latest;
            if (node is null)
            {
                return -1;
            }

            var behind = node.SkipKey(json, at);
            if (behind < 0 && _before is { } before)
            {
                node = before;
                behind = before.SkipKey(json, at);
            }

            return behind;
        }

        public void Add(FieldNode node) => (_latest, _before) = (node, _latest);
    }
}
