using System.Globalization;
using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Rules;

/// <summary>What a rule counts per source address.</summary>
public enum Measure
{
    /// <summary>All events kept by the rule.</summary>
    Total,

    /// <summary>Successful Entra ID sign-ins.</summary>
    AzureSignIn,

    /// <summary>Successful mail accesses.</summary>
    MailAccess,

    /// <summary>Network security alerts.</summary>
    NetworkAlert,

    /// <summary>Distinct datasets.</summary>
    Datasets,
}

/// <summary>The counts of one source address that a rule's threshold tests.</summary>
public readonly record struct Measures(long Total, long AzureSignIn, long MailAccess, long NetworkAlert, long Datasets)
{
    /// <summary>The count named by <paramref name="measure"/>.</summary>
    public long this[Measure measure] => measure switch
    {
        Measure.Total => Total,
        Measure.AzureSignIn => AzureSignIn,
        Measure.MailAccess => MailAccess,
        Measure.NetworkAlert => NetworkAlert,
        _ => Datasets,
    };
}

/// <summary>A keyword column of the rule: one field, or the first of several that is not null (<c>COALESCE</c>).</summary>
public sealed class EsqlColumn
{
    private readonly EcsField[] _fields;
    private readonly string[] _texts;

    internal EsqlColumn(params EcsField[] fields)
        : this(fields, Array.ConvertAll(fields, EcsFields.Path))
    {
    }

    private EsqlColumn(EcsField[] fields, string[] texts) => (_fields, _texts) = (fields, texts);

    /// <summary>The dotted paths of the fields, first choice first.</summary>
    public IEnumerable<string> Paths => _fields.Select(EcsFields.Path);

    internal IReadOnlyList<EcsField> Fields => _fields;

    /// <summary>The column as a cluster can read it, without the fields that it cannot; null where none is left.</summary>
    /// <param name="column">The ES|QL expression that reads a dotted path, or null where the path is no usable column.</param>
    internal EsqlColumn? Resolve(Func<string, string?> column)
    {
        var left = Array.FindAll(_fields, field => column(EcsFields.Path(field)) is not null);
        return left.Length == 0 ? null : new EsqlColumn(left, Array.ConvertAll(left, field => column(EcsFields.Path(field))!));
    }

    /// <summary>Each field as a column of its own.</summary>
    internal IEnumerable<EsqlColumn> Each() => _fields.Zip(_texts, (field, text) => new EsqlColumn([field], [text]));

    /// <summary>The ES|QL text.</summary>
    public override string ToString() => FirstOf(_texts)!;

    /// <summary>The first of some ES|QL expressions that is not null: one needs no <c>COALESCE</c>. Null where there is none.</summary>
    public static string? FirstOf(params IReadOnlyList<string> texts) =>
        texts.Count switch { 0 => null, 1 => texts[0], _ => $"COALESCE({string.Join(", ", texts)})" };

    /// <summary>How many values the column has in the document, and the first of them.</summary>
    internal int Read(EcsDocument document, out ReadOnlySpan<byte> first)
    {
        foreach (var field in _fields)
        {
            var count = document.Count(field);
            if (count > 0)
            {
                first = document.First(field);
                return count;
            }
        }

        first = default;
        return 0;
    }
}

/// <summary>
/// A condition in ES|QL's three-valued logic. The same value judges documents in memory (<see cref="Test(EcsDocument)"/>) and writes the
/// ES|QL text (<see cref="object.ToString"/>), so that the two engines cannot disagree. Null and multi-valued operands give null, and
/// <c>WHERE</c> and <c>CASE</c> take only true.
/// </summary>
public abstract class EsqlPredicate
{
    /// <summary>How ES|QL reads an address whatever it is mapped as.</summary>
    public const string SourceIpText = "TO_IP(source.ip)";

    /// <summary>The dotted paths of every column that the condition names.</summary>
    public virtual IEnumerable<string> Columns => [];

    internal virtual bool IsComposite => false;

    /// <summary>
    /// The same condition where some columns cannot be read and so are null: comparisons of them fold to null, and AND, OR and NOT fold
    /// with it. As for <c>WHERE</c> and <c>CASE</c>, null then counts as false, so that no null is left in the text.
    /// </summary>
    /// <param name="column">The ES|QL expression that reads a dotted path, or null where the path is no usable column.</param>
    internal EsqlPredicate Resolve(Func<string, string?> column) => Fold(column).AsCondition();

    /// <summary>Whether the condition is known to hold for no document.</summary>
    internal bool IsNever => this is Constant { Value: not true };

    internal virtual EsqlPredicate Fold(Func<string, string?> column) => this;

    /// <summary>
    /// Comparisons of single fields, at least one of which holds for every document that the condition holds for; null where there are
    /// none. A cluster looks these up in its index, which it cannot do for a <c>COALESCE</c> or beneath a <c>NOT</c>.
    /// </summary>
    internal virtual IReadOnlyList<EsqlPredicate>? AnyNecessary => null;

    /// <summary>The condition where null counts as false: below AND and OR, but not below NOT.</summary>
    internal virtual EsqlPredicate AsCondition() => this;

    internal virtual bool? Test(EcsDocument document) => throw new InvalidOperationException($"'{this}' is a condition on counts.");

    internal virtual bool? Test(Measures counts) => throw new InvalidOperationException($"'{this}' is a condition on documents.");

    internal static EsqlPredicate All(params EsqlPredicate[] terms) => new AllOf(terms);

    internal static EsqlPredicate Any(params EsqlPredicate[] terms) => new AnyOf(terms);

    internal static EsqlPredicate Not(EsqlPredicate term) => new Negation(term);

    internal static EsqlPredicate Is(EsqlColumn column, params string[] literals) => new Membership(column, literals);

    internal static EsqlPredicate IsNull(EsqlColumn column) => new NullTest(column);

    internal static EsqlPredicate IsAlertKind() => new AlertKind(new Membership(new EsqlColumn(EcsField.Kind), ["alert"]));

    internal static EsqlPredicate SourceIpParses() => new SourceIpTest();

    internal static EsqlPredicate SourceIpIsMultiValued() => new MultiValuedSourceIp();

    internal static EsqlPredicate SourceIpIn(IReadOnlyList<Cidr> blocks) => new CidrMatch(blocks);

    internal static EsqlPredicate AtLeast(Measure measure, long bound) => new Comparison(measure, ">=", bound);

    internal static EsqlPredicate AtMost(Measure measure, long bound) => new Comparison(measure, "<=", bound);

    /// <summary>The column that holds a count in the ES|QL text.</summary>
    public static string ColumnOf(Measure measure) => measure switch
    {
        Measure.Total => "total",
        Measure.AzureSignIn => "azure_sign_in",
        Measure.MailAccess => "mail_access",
        Measure.NetworkAlert => "network_alert",
        _ => "unique_datasets",
    };

    private static string Quote(string literal) =>
        "\"" + literal.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    /// <summary>A condition whose value is known before any document is read.</summary>
    internal sealed class Constant(bool? value) : EsqlPredicate
    {
        /// <summary>The value.</summary>
        public bool? Value => value;

        /// <inheritdoc/>
        public override string ToString() => value switch { true => "true", false => "false", null => "null" };

        internal override EsqlPredicate AsCondition() => value is null ? new Constant(false) : this;

        internal override bool? Test(EcsDocument document) => value;

        internal override bool? Test(Measures counts) => value;
    }

    private sealed class AllOf(EsqlPredicate[] terms) : EsqlPredicate
    {
        internal override IReadOnlyList<EsqlPredicate>? AnyNecessary =>
            terms.Select(term => term.AnyNecessary).FirstOrDefault(necessary => necessary is not null);

        public override IEnumerable<string> Columns => terms.SelectMany(term => term.Columns);

        internal override bool IsComposite => true;

        internal override EsqlPredicate Fold(Func<string, string?> column)
        {
            var left = Array.ConvertAll(terms, term => term.Fold(column));
            if (Array.Exists(left, term => term is Constant { Value: false }))
            {
                return new Constant(false);
            }

            left = Array.FindAll(left, term => term is not Constant { Value: true });
            return left.Length switch { 0 => new Constant(true), 1 => left[0], _ => new AllOf(left) };
        }

        internal override EsqlPredicate AsCondition()
        {
            var left = Array.ConvertAll(terms, term => term.AsCondition());
            return Array.Exists(left, term => term.IsNever) ? new Constant(false) : new AllOf(left);
        }

        public override string ToString() => Join(terms, " AND ");

        internal override bool? Test(EcsDocument document)
        {
            bool? result = true;
            foreach (var term in terms)
            {
                result &= term.Test(document);
                if (result == false)
                {
                    return false;
                }
            }

            return result;
        }

        internal override bool? Test(Measures counts)
        {
            bool? result = true;
            foreach (var term in terms)
            {
                result &= term.Test(counts);
            }

            return result;
        }
    }

    private sealed class AnyOf(EsqlPredicate[] terms) : EsqlPredicate
    {
        internal override IReadOnlyList<EsqlPredicate>? AnyNecessary =>
            Array.TrueForAll(terms, term => term.AnyNecessary is not null)
                ? [.. terms.SelectMany(term => term.AnyNecessary!).DistinctBy(term => term.ToString(), StringComparer.Ordinal)]
                : null;

        public override IEnumerable<string> Columns => terms.SelectMany(term => term.Columns);

        internal override bool IsComposite => true;

        internal override EsqlPredicate Fold(Func<string, string?> column)
        {
            var left = Array.ConvertAll(terms, term => term.Fold(column));
            if (Array.Exists(left, term => term is Constant { Value: true }))
            {
                return new Constant(true);
            }

            left = Array.FindAll(left, term => term is not Constant { Value: false });
            return left.Length switch { 0 => new Constant(false), 1 => left[0], _ => new AnyOf(left) };
        }

        internal override EsqlPredicate AsCondition()
        {
            var left = Array.FindAll(Array.ConvertAll(terms, term => term.AsCondition()), term => !term.IsNever);
            return left.Length switch { 0 => new Constant(false), 1 => left[0], _ => new AnyOf(left) };
        }

        public override string ToString() => Join(terms, " OR ");

        internal override bool? Test(EcsDocument document)
        {
            bool? result = false;
            foreach (var term in terms)
            {
                result |= term.Test(document);
                if (result == true)
                {
                    return true;
                }
            }

            return result;
        }

        internal override bool? Test(Measures counts)
        {
            bool? result = false;
            foreach (var term in terms)
            {
                result |= term.Test(counts);
            }

            return result;
        }
    }

    private sealed class Negation(EsqlPredicate term) : EsqlPredicate
    {
        public override IEnumerable<string> Columns => term.Columns;

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            term.Fold(column) is var left && left is Constant constant ? new Constant(!constant.Value) : new Negation(left);

        public override string ToString() => "NOT " + Parenthesised(term);

        internal override bool? Test(EcsDocument document) => !term.Test(document);

        internal override bool? Test(Measures counts) => !term.Test(counts);
    }

    private sealed class Membership(EsqlColumn operand, string[] literals) : EsqlPredicate
    {
        private readonly byte[][] _utf8 = Array.ConvertAll(literals, Encoding.UTF8.GetBytes);

        public override IEnumerable<string> Columns => operand.Paths;

        internal override IReadOnlyList<EsqlPredicate>? AnyNecessary =>
            [.. operand.Each().Select(column => new Membership(column, literals))];

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            operand.Resolve(column) is { } left ? new Membership(left, literals) : new Constant(null);

        public override string ToString() => literals.Length == 1
            ? $"{operand} == {Quote(literals[0])}"
            : $"{operand} IN ({string.Join(", ", literals.Select(Quote))})";

        internal override bool? Test(EcsDocument document)
        {
            if (operand.Read(document, out var value) != 1)
            {
                return null;
            }

            foreach (var literal in _utf8)
            {
                if (value.SequenceEqual(literal))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>
    /// Whether the document is an alert: by its <c>event.kind</c>, or by its dataset where the settings say so. For a cluster they say it
    /// in the expression that reads the column.
    /// </summary>
    private sealed class AlertKind(EsqlPredicate kind) : EsqlPredicate
    {
        public override IEnumerable<string> Columns => kind.Columns;

        public override string ToString() => kind.ToString()!;

        internal override EsqlPredicate Fold(Func<string, string?> column) => kind.Fold(column);

        internal override bool? Test(EcsDocument document) => document.IsOfAlertDataset ? true : kind.Test(document);
    }

    private sealed class NullTest(EsqlColumn operand) : EsqlPredicate
    {
        public override IEnumerable<string> Columns => operand.Paths;

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            operand.Resolve(column) is { } left ? new NullTest(left) : new Constant(true);

        public override string ToString() => $"{operand} IS NULL";

        internal override bool? Test(EcsDocument document) => operand.Read(document, out _) == 0;
    }

    private sealed class SourceIpTest(string sourceIp = SourceIpText) : EsqlPredicate
    {
        public override IEnumerable<string> Columns => [EcsFields.Path(EcsField.SourceIp)];

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            SourceIpIn(column) is { } text ? new SourceIpTest(text) : new Constant(false);

        public override string ToString() => $"{sourceIp} IS NOT NULL";

        internal override bool? Test(EcsDocument document) => document.Count(EcsField.SourceIp) > 0;
    }

    private sealed class MultiValuedSourceIp(string sourceIp = SourceIpText) : EsqlPredicate
    {
        public override IEnumerable<string> Columns => [EcsFields.Path(EcsField.SourceIp)];

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            SourceIpIn(column) is { } text ? new MultiValuedSourceIp(text) : new Constant(null);

        public override string ToString() => $"MV_COUNT({sourceIp}) > 1";

        internal override bool? Test(EcsDocument document) =>
            document.Count(EcsField.SourceIp) switch { 0 => null, 1 => false, _ => true };
    }

    private sealed class CidrMatch(IReadOnlyList<Cidr> blocks, string sourceIp = SourceIpText) : EsqlPredicate
    {
        public override IEnumerable<string> Columns => [EcsFields.Path(EcsField.SourceIp)];

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            SourceIpIn(column) is { } text ? new CidrMatch(blocks, text) : new Constant(null);

        public override string ToString()
        {
            var text = new StringBuilder($"CIDR_MATCH({sourceIp}");
            for (var i = 0; i < blocks.Count; i++)
            {
                text.Append(i % 6 == 0 ? ",\n      " : ", ").Append(Quote(blocks[i].ToString()));
            }

            return text.Append(')').ToString();
        }

        internal override bool? Test(EcsDocument document)
        {
            var addresses = document.Addresses;
            if (addresses.Length != 1)
            {
                return null;
            }

            for (var i = 0; i < blocks.Count; i++)
            {
                if (blocks[i].Contains(addresses[0]))
                {
                    return true;
                }
            }

            return false;
        }
    }

    private sealed class Comparison(Measure measure, string sign, long bound) : EsqlPredicate
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{ColumnOf(measure)} {sign} {bound}");

        internal override EsqlPredicate Fold(Func<string, string?> column) =>
            column(ColumnOf(measure)) is null ? new Constant(Test(default(Measures))) : this;

        internal override bool? Test(Measures counts) => sign == ">=" ? counts[measure] >= bound : counts[measure] <= bound;
    }

    private static string? SourceIpIn(Func<string, string?> column) => column(EcsFields.Path(EcsField.SourceIp));

    private static string Join(EsqlPredicate[] terms, string word) => string.Join(word, terms.Select(Parenthesised));

    internal static string Parenthesised(EsqlPredicate term) => term.IsComposite ? $"({term})" : term.ToString()!;
}
