using System.Globalization;
using System.Text;

namespace SuspiciousSignin.FakeElasticsearch.Esql;

/// <summary>What a token may be depends on the command: index patterns and column patterns have letters of their own.</summary>
internal enum LexMode
{
    Expression,
    IndexPattern,
    ColumnPattern,
}

internal enum TokenKind
{
    End,
    Identifier,
    QuotedIdentifier,
    Pattern,
    String,
    Integer,
    Decimal,
    Parameter,
    Symbol,
}

/// <summary>One token with where it is.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Start, int End)
{
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;

    public bool IsWord(string word) => Kind == TokenKind.Identifier && Text.Equals(word, StringComparison.OrdinalIgnoreCase);
}

/// <summary>Cuts the text of a query into tokens, one at a time, in the mode that the parser asks for.</summary>
internal sealed class Lexer(string text)
{
    private static readonly string[] Symbols = ["::", "==", "!=", "<=", ">=", "=~", "|", ",", "(", ")", "[", "]", "=", "<", ">", "+", "-", "*", "/", "%", ":", ";"];

    private int _at;

    public string Source => text;

    /// <summary>Where the next token starts, white space and comments skipped.</summary>
    public int Position
    {
        get
        {
            SkipBlanks();
            return _at;
        }
    }

    public Token Peek(LexMode mode = LexMode.Expression)
    {
        SkipBlanks();
        return Read(mode);
    }

    public Token Next(LexMode mode = LexMode.Expression)
    {
        var token = Peek(mode);
        _at = token.End;
        return token;
    }

    public void Rewind(int position) => _at = position;

    /// <summary>The line and column of a position, both from 1.</summary>
    public (int Line, int Column) Place(int position)
    {
        int line = 1, column = 1;
        for (var i = 0; i < position && i < text.Length; i++)
        {
            if (text[i] == '\n')
            {
                line++;
                column = 1;
            }
            else
            {
                column++;
            }
        }

        return (line, column);
    }

    public ElasticsearchException Error(int position, string message)
    {
        var (line, column) = Place(position);
        return ElasticsearchException.Parsing($"line {line}:{column}: {message}");
    }

    private static bool IsNameStart(char c) => char.IsAsciiLetter(c) || c is '_' or '@';

    private static bool IsNamePart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '@';

    private void SkipBlanks()
    {
        while (_at < text.Length)
        {
            if (char.IsWhiteSpace(text[_at]))
            {
                _at++;
            }
            else if (Starts("//"))
            {
                while (_at < text.Length && text[_at] is not ('\n' or '\r')) _at++;
            }
            else if (Starts("/*"))
            {
                var start = _at;
                var depth = 0;
                do
                {
                    if (Starts("/*"))
                    {
                        depth++;
                        _at += 2;
                    }
                    else if (Starts("*/"))
                    {
                        depth--;
                        _at += 2;
                    }
                    else if (++_at >= text.Length)
                    {
                        throw Error(start, $"token recognition error at: '{text[start..]}'");
                    }
                }
                while (depth > 0);
            }
            else
            {
                return;
            }
        }
    }

    private bool Starts(string what) => string.CompareOrdinal(text, _at, what, 0, what.Length) == 0;

    private Token Read(LexMode mode)
    {
        var start = _at;
        if (start >= text.Length) return new Token(TokenKind.End, "<EOF>", start, start);
        var c = text[start];
        if (c == '"') return QuotedString(start);
        if (mode == LexMode.IndexPattern && c is not (',' or '|' or '[' or ']' or ';'))
        {
            var end = start;
            while (end < text.Length && !char.IsWhiteSpace(text[end]) && text[end] is not (',' or '|' or '"' or '[' or ']' or '=' or '/' or '(' or ')' or ';')) end++;
            if (end > start) return new Token(TokenKind.Pattern, text[start..end], start, end);
        }

        if (mode == LexMode.ColumnPattern && (IsNameStart(c) || c is '*' or '`'))
        {
            var end = start;
            var name = new StringBuilder();
            while (end < text.Length && (IsNamePart(text[end]) || text[end] is '*' or '.' or '`'))
            {
                if (text[end] == '`')
                {
                    var quoted = Backquoted(end);
                    name.Append(quoted.Text);
                    end = quoted.End;
                }
                else
                {
                    name.Append(text[end++]);
                }
            }

            return new Token(TokenKind.Pattern, name.ToString(), start, end);
        }

        if (c == '`' || IsNameStart(c)) return QualifiedName(start);
        if (char.IsAsciiDigit(c) || (c == '.' && start + 1 < text.Length && char.IsAsciiDigit(text[start + 1]))) return Number(start);
        if (c == '?')
        {
            var end = start + 1;
            if (end < text.Length && text[end] == '?') end++;
            while (end < text.Length && IsNamePart(text[end])) end++;
            return new Token(TokenKind.Parameter, text[start..end], start, end);
        }

        foreach (var symbol in Symbols)
        {
            if (Starts(symbol)) return new Token(TokenKind.Symbol, symbol, start, start + symbol.Length);
        }

        throw Error(start, $"token recognition error at: '{c}'");
    }

    private Token QualifiedName(int start)
    {
        var name = new StringBuilder();
        var end = start;
        var quoted = false;
        while (true)
        {
            if (end < text.Length && text[end] == '`')
            {
                var part = Backquoted(end);
                name.Append(part.Text);
                end = part.End;
                quoted = true;
            }
            else
            {
                while (end < text.Length && IsNamePart(text[end])) name.Append(text[end++]);
            }

            if (end + 1 < text.Length && text[end] == '.' && (IsNamePart(text[end + 1]) || text[end + 1] == '`'))
            {
                name.Append('.');
                end++;
                continue;
            }

            return new Token(quoted ? TokenKind.QuotedIdentifier : TokenKind.Identifier, name.ToString(), start, end);
        }
    }

    private Token Backquoted(int start)
    {
        var name = new StringBuilder();
        for (var i = start + 1; i < text.Length; i++)
        {
            if (text[i] != '`')
            {
                name.Append(text[i]);
            }
            else if (i + 1 < text.Length && text[i + 1] == '`')
            {
                name.Append('`');
                i++;
            }
            else
            {
                return new Token(TokenKind.QuotedIdentifier, name.ToString(), start, i + 1);
            }
        }

        throw Error(start, $"token recognition error at: '{text[start..]}'");
    }

    private Token QuotedString(int start)
    {
        if (Starts("\"\"\""))
        {
            var close = text.IndexOf("\"\"\"", start + 3, StringComparison.Ordinal);
            if (close < 0) throw Error(start, $"token recognition error at: '{text[start..]}'");
            var end = close + 3;
            while (end < text.Length && text[end] == '"' && end - close < 5) end++;
            return new Token(TokenKind.String, text[(start + 3)..(end - 3)], start, end);
        }

        var value = new StringBuilder();
        for (var i = start + 1; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '"':
                    return new Token(TokenKind.String, value.ToString(), start, i + 1);
                case '\n' or '\r':
                    throw Error(start, $"token recognition error at: '{text[start..i]}'");
                case '\\' when i + 1 < text.Length:
                    i++;
                    value.Append(text[i] switch
                    {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        '\\' => '\\',
                        '"' => '"',
                        _ => throw Error(start, $"token recognition error at: '{text[start..(i + 1)]}'"),
                    });
                    break;
                default:
                    value.Append(text[i]);
                    break;
            }
        }

        throw Error(start, $"token recognition error at: '{text[start..]}'");
    }

    private Token Number(int start)
    {
        var end = start;
        var isDecimal = false;
        while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
        if (end < text.Length && text[end] == '.')
        {
            isDecimal = true;
            end++;
            while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
        }

        if (end < text.Length && text[end] is 'e' or 'E')
        {
            var exponent = end + 1;
            if (exponent < text.Length && text[exponent] is '+' or '-') exponent++;
            if (exponent < text.Length && char.IsAsciiDigit(text[exponent]))
            {
                isDecimal = true;
                end = exponent;
                while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
            }
        }

        var digits = text[start..end];
        if (!isDecimal && !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out _)) isDecimal = true;
        return new Token(isDecimal ? TokenKind.Decimal : TokenKind.Integer, digits, start, end);
    }
}
