using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace SuspiciousSignin.Events;

/// <summary>What the keys of a document say it is.</summary>
[Flags]
internal enum DocumentMarks : byte
{
    /// <summary>Nothing yet.</summary>
    None,

    /// <summary>It has a field of <c>kibana.alert.*</c>, which only Kibana alert documents have.</summary>
    KibanaAlert = 1,

    /// <summary>It has a known field of <c>event.*</c>, which every ECS document has.</summary>
    EventField = 2,

    /// <summary>It has a key under which shippers and services put whole records.</summary>
    Envelope = 4,
}

/// <summary>
/// The known fields of the document being read, as Elasticsearch's doc values would hold them: arrays flattened, nulls dropped, equal
/// keywords and equal addresses kept once. One instance is reused for a whole batch.
/// </summary>
internal sealed class EcsDocument
{
    /// <summary>No rule asks for more than "one or several", so further distinct values of a field are dropped.</summary>
    public const int MaxValuesPerField = 64;

    private readonly Slot[] _slots = new Slot[EcsFields.Count];

    // Where the values of fields stand behind their first, each with the place here of the one before it.
    private readonly List<(int Start, int Length, int Previous)> _further = [];
    private readonly int[] _latest = new int[EcsFields.Count];
    private readonly SourceAddress[] _addresses = new SourceAddress[MaxValuesPerField];
    private readonly Entries[] _parts = [new(), new(), new()];
    private int _addressCount;
    private UInt128 _named;

    /// <summary>Milliseconds since the epoch, of the only <c>@timestamp</c>.</summary>
    public long? Timestamp { get; set; }

    /// <summary>Milliseconds since the epoch, of the only <c>event.ingested</c>.</summary>
    public long? Ingested { get; set; }

    /// <summary>What its keys say it is.</summary>
    public DocumentMarks Marks { get; set; }

    /// <summary>Whether any <c>kibana.alert.*</c> field was seen.</summary>
    public bool IsKibanaAlert => Marks.HasFlag(DocumentMarks.KibanaAlert);

    /// <summary>Whether it is of a dataset whose events are alerts whatever <c>event.kind</c> says.</summary>
    public bool IsOfAlertDataset { get; set; }

    /// <summary>Whether any <c>source.ip</c> value was there, an address or not.</summary>
    public bool HasSourceIpText { get; set; }

    /// <summary>The distinct addresses of <c>source.ip</c>, values that are no address left out.</summary>
    public ReadOnlySpan<SourceAddress> Addresses => _addresses.AsSpan(0, _addressCount);

    /// <summary>The fields of that part in the compact form that <see cref="PayloadReader"/> reads.</summary>
    public ReadOnlySpan<byte> Part(FieldPart part) => _parts[(int)part].Written;

    /// <summary>How many bytes <see cref="Part"/> has.</summary>
    public int Length(FieldPart part) => _parts[(int)part].Length;

    public void Clear()
    {
        Array.Clear(_slots);
        _further.Clear();
        foreach (ref var part in _parts.AsSpan())
        {
            part.Length = 0;
        }

        (_addressCount, _named, IsOfAlertDataset) = (0, 0, false);
        (Timestamp, Ingested, Marks, HasSourceIpText) = (null, null, DocumentMarks.None, false);
    }

    /// <summary>How many distinct values the field has: 0 is null, more than 1 is multi-valued.</summary>
    public int Count(EcsField field) => field == EcsField.SourceIp ? _addressCount : _slots[(int)field].Count;

    /// <summary>The first value of a field that has one.</summary>
    public ReadOnlySpan<byte> First(EcsField field)
    {
        var slot = _slots[(int)field];
        return Part(EcsFields.PartOf(field)).Slice(slot.Start, slot.Length);
    }

    /// <summary>All values of a field, in the order in which they came, set apart by NUL.</summary>
    public ReadOnlySpan<byte> All(EcsField field)
    {
        if (Count(field) <= 1)
        {
            return Count(field) == 0 ? default : First(field);
        }

        var all = new List<byte>();
        var reader = new PayloadReader(Part(EcsFields.PartOf(field)));
        while (reader.Read())
        {
            if (reader.Field == field)
            {
                all.AddRange([.. reader.Value, 0]);
            }
        }

        return CollectionsMarshal.AsSpan(all);
    }

    /// <summary>Sets a field for good: what the document itself says there is not taken.</summary>
    public void Name(EcsField field, ReadOnlySpan<byte> value)
    {
        Add(field, EcsFields.KindOf(field), value);
        _named |= UInt128.One << (int)field;
    }

    /// <summary>Takes one value of a field that is no date, as it stands in the document.</summary>
    public void Take(EcsField field, FieldKind kind, ReadOnlySpan<byte> value)
    {
        if (kind == FieldKind.Ip)
        {
            AddAddress(value);
        }
        else if (_named == 0 || (_named >> (int)field & 1) == 0)
        {
            Add(field, kind, value);
        }
    }

    /// <summary>
    /// Takes <c>@timestamp</c> or <c>event.ingested</c>, in milliseconds since the epoch; false where it has another value already.
    /// </summary>
    public bool TryDate(EcsField field, long milliseconds)
    {
        if (field == EcsField.Timestamp)
        {
            (var earlier, Timestamp) = (Timestamp, milliseconds);
            return earlier is null || earlier == milliseconds;
        }

        (var before, Ingested) = (Ingested, milliseconds);
        return before is null || before == milliseconds;
    }

    /// <summary>Adds one value of <c>source.ip</c>; text that is no address adds none.</summary>
    public void AddAddress(ReadOnlySpan<byte> text)
    {
        HasSourceIpText = true;
        if (SourceAddress.TryParse(text, out var address))
        {
            AddAddress(address);
        }
    }

    /// <summary>Adds one address of <c>source.ip</c>.</summary>
    public void AddAddress(SourceAddress address)
    {
        if (_addressCount < MaxValuesPerField && !Addresses.Contains(address))
        {
            _addresses[_addressCount++] = address;
        }
    }

    /// <summary>Adds one value of a field unless the field has it already.</summary>
    public void Add(EcsField field, FieldKind kind, ReadOnlySpan<byte> value)
    {
        if (value.Length > EcsFields.MaxTextLength)
        {
            if (kind == FieldKind.Keyword && CountUtf16(value) > EcsFields.MaxTextLength)
            {
                return;
            }

            value = kind == FieldKind.Keyword ? value : CutAtCharacter(value, EcsFields.MaxTextLength);
        }

        ref var slot = ref _slots[(int)field];
        if (slot.Count > 0 && (slot.Count >= MaxValuesPerField || Contains(field, slot, value)))
        {
            return;
        }

        var start = _parts[(int)EcsFields.PartOf(field)].Add(field, value);
        if (slot.Count == 0)
        {
            slot = new Slot(1, (ushort)value.Length, start);
            return;
        }

        _further.Add((start, value.Length, LatestOf(field, slot)));
        _latest[(int)field] = _further.Count - 1;
        slot = slot with { Count = (ushort)(slot.Count + 1) };
    }

    /// <summary>Makes the rule read the field as null; what the document says is kept under another name.</summary>
    public void Hide(EcsField field, EcsField keptAs)
    {
        _slots[(int)field] = default;
        var entries = _parts[(int)EcsFields.PartOf(field)].Written;
        while (!entries.IsEmpty)
        {
            var reader = new PayloadReader(entries);
            reader.Read();
            entries[0] = reader.Field == field ? (byte)keptAs : entries[0];
            entries = entries[(PayloadReader.EntryOverhead + reader.Value.Length)..];
        }
    }

    /// <summary>Where the latest value behind the first stands in the list of those; -1 where there is none.</summary>
    private int LatestOf(EcsField field, in Slot slot) => slot.Count == 1 ? -1 : _latest[(int)field];

    // Only the field's own values are looked at: of all that are kept, a document of many equal values would take forever.
    private bool Contains(EcsField field, in Slot slot, ReadOnlySpan<byte> value)
    {
        var entries = Part(EcsFields.PartOf(field));
        if (entries.Slice(slot.Start, slot.Length).SequenceEqual(value))
        {
            return true;
        }

        for (var at = LatestOf(field, slot); at >= 0;)
        {
            var (start, length, previous) = _further[at];
            if (entries.Slice(start, length).SequenceEqual(value))
            {
                return true;
            }

            at = previous;
        }

        return false;
    }

    private static int CountUtf16(ReadOnlySpan<byte> utf8) => Encoding.UTF8.GetCharCount(utf8);

    private static ReadOnlySpan<byte> CutAtCharacter(ReadOnlySpan<byte> utf8, int length)
    {
        while ((utf8[length] & 0xC0) == 0x80)
        {
            length--;
        }

        return utf8[..length];
    }

    private readonly record struct Slot(ushort Count, ushort Length, int Start);

    /// <summary>What is kept of an event, as it is being written.</summary>
    private struct Entries()
    {
        private byte[] _bytes = new byte[1024];

        /// <summary>How many bytes are written.</summary>
        public int Length { get; set; }

        public readonly Span<byte> Written => _bytes.AsSpan(0, Length);

        /// <summary>Adds an entry; gives the position of its value.</summary>
        public int Add(EcsField field, ReadOnlySpan<byte> value)
        {
            var start = Length + PayloadReader.EntryOverhead;
            if (start + value.Length >= _bytes.Length)
            {
                Array.Resize(ref _bytes, 2 * (start + value.Length));
            }

            // Four bytes at once; the value is written over the last.
            BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(Length), PayloadReader.Header(field, value.Length));
            value.CopyTo(_bytes.AsSpan(start));
            Length = start + value.Length;
            return start;
        }
    }
}

/// <summary>
/// Reads what is kept of an event: entries of one byte field, two bytes little-endian length, and the value in UTF-8. Forward only, no
/// allocation.
/// </summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> payload)
{
    public const int EntryOverhead = 3;

    private ReadOnlySpan<byte> _rest = payload;

    public EcsField Field { get; private set; }

    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>What an entry begins with, little-endian.</summary>
    public static int Header(EcsField field, int length) => (length << 8) | (byte)field;

    public bool Read()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        Field = (EcsField)_rest[0];
        var length = BinaryPrimitives.ReadUInt16LittleEndian(_rest[1..]);
        Value = _rest.Slice(EntryOverhead, length);
        _rest = _rest[(EntryOverhead + length)..];
        return true;
    }
}
