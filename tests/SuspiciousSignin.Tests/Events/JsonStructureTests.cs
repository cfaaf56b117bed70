using System.Text;
using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

/// <summary>What <see cref="JsonStructure"/> passes over at once, beside what <see cref="JsonBytes"/> and System.Text.Json make of it.</summary>
public sealed class JsonStructureTests
{
    private const int Depth = 60;

    private static readonly string[] Containers =
    [
        """{"name":"value \"1766441170\" of a record","n":343068077,"deep":[[1,[2,[3,-0.1E-2]]],null,false,true,{}],"empty":[]}""",
        """[ { "a" : [ ] , "b" : { } } , "\u00e9\\\\\/\b\f\n\r\t" , -1.5e+10 , 0 , 12345678901234567890123 , [ { } , [ ] ] ]""",
        "{\r\n\t\"key\": \"a { in [ a ] string } , : \\\" \\\\\",\r\n\t\"Zoë\": \"\ud83d\ude00 \\ud83d\\ude00\"\r\n}",
        """{"":"","\\":"\\","\"":"\"","[":"]","a":{"b":{"c":{"d":[[[[[[0.5]]]]]]}}}}""",
    ];

    private static readonly string[] Pieces =
    [
        "\"", "\\", "\\\\", "\\\"", "{", "}", "[", "]", ",", ":", " ", "\n", "\t", "\0", "\u001f", "\u007f", "0", "-", "1e5", "01", "5.", "true", "nul", "null", "\\u12", "\\u00e9", "\\x", "é", "{}", "[]", "\"\":1,", "x", "\"a\"\"b\"",
    ];

    [Fact]
    public void Containers_changed_at_random_are_passed_over_as_byte_by_byte_and_are_json()
    {
        var (random, structure) = (new Random(20261124), new JsonStructure());
        var (accepted, refused) = (0, 0);
        for (var i = 0; i < 150_000; i++)
        {
            // In front of it as much as moves every byte to every place of a block.
            var (text, at) = Embed(random.Next(130), Changed(Containers[random.Next(Containers.Length)], random));
            if (text[at] is not ((byte)'{' or (byte)'['))
            {
                continue;
            }

            structure.Clear();
            var end = structure.Skip(text, at, Depth);
            var expected = JsonBytes.SkipValue(text, at, Depth);
            Assert.True(end == expected || end == JsonStructure.Unsure, $"{end}, {expected}: {Convert.ToBase64String(text)}");
            accepted += end >= 0 ? 1 : 0;
            refused += expected < 0 ? 1 : 0;
            if (end >= 0)
            {
                using var document = JsonDocument.Parse(text.AsMemory(at, end - at));
            }
        }

        Assert.InRange(accepted, 30_000, 120_000);
        Assert.InRange(refused, 30_000, 120_000);
    }

    [Fact]
    public void Valid_containers_are_passed_over_wherever_they_stand()
    {
        var structure = new JsonStructure();
        foreach (var container in Containers)
        {
            for (var before = 0; before < 130; before++)
            {
                var (text, at) = Embed(before, container);
                structure.Clear();
                Assert.Equal(at + Encoding.UTF8.GetByteCount(container), structure.Skip(text, at, Depth));
            }
        }
    }

    [Fact]
    public void Of_backslashes_in_a_row_every_other_one_escapes_wherever_a_block_ends()
    {
        var structure = new JsonStructure();
        for (var before = 0; before < 130; before++)
        {
            for (var backslashes = 0; backslashes < 9; backslashes++)
            {
                // Behind an odd number of them, the first quote is part of the string.
                var value = $"\"{new string('x', before)}{new string('\\', backslashes)}\"{(backslashes % 2 == 0 ? "" : "\"")}";
                var (text, at) = Embed(0, $"[{value},[{value}]]");
                structure.Clear();
                Assert.Equal(at + (2 * value.Length) + 5, structure.Skip(text, at, Depth));

                // One quote more where it would open a string, one less where it would close one.
                (text, at) = Embed(0, $"[{(backslashes % 2 == 0 ? value + '"' : value[..^1])}]");
                structure.Clear();
                Assert.Equal(JsonStructure.Unsure, structure.Skip(text, at, Depth));
            }
        }
    }

    [Fact]
    public void Containers_of_one_text_are_passed_over_one_after_the_other()
    {
        var text = Encoding.UTF8.GetBytes($$$"""{"a":{"x":[1,2,{}]},"skipped":"{ [ \" ","b":[],"c":{{{new string(' ', 100)}}}[{"y":"]"}],"d":{"z":null}}""");
        var structure = new JsonStructure();
        foreach (var (name, container) in new[] { ("a", """{"x":[1,2,{}]}"""), ("b", "[]"), ("c", """[{"y":"]"}]"""), ("d", """{"z":null}""") })
        {
            var at = text.AsSpan().IndexOf(Encoding.UTF8.GetBytes($"\"{name}\":")) + 4;
            at = JsonBytes.SkipSpace(text, at);
            Assert.Equal(at + container.Length, structure.Skip(text, at, Depth));
        }
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void It_follows_sixty_four_levels(int levels, bool isFollowed)
    {
        var nested = new string('[', levels) + new string(']', levels);
        var (text, at) = Embed(0, nested);
        Assert.Equal(isFollowed ? at + nested.Length : JsonStructure.Unsure, new JsonStructure().Skip(text, at, 1000));
        Assert.Equal(JsonStructure.Unsure, new JsonStructure().Skip(text, at, levels - 1));
    }

    [Theory]
    [InlineData(65_535, true)]
    [InlineData(65_536, false)]
    public void Texts_longer_than_two_bytes_can_count_are_left_to_others(int length, bool isFollowed)
    {
        var text = Encoding.UTF8.GetBytes($"[\"{new string('x', length - 4)}\"]");
        Assert.Equal(isFollowed ? length : JsonStructure.Unsure, new JsonStructure().Skip(text, 0, Depth));
    }

    private static (byte[] Text, int At) Embed(int before, string container)
    {
        var start = $"{{\"{new string('k', before)}\":";
        return (Encoding.UTF8.GetBytes($"{start}{container},\"behind\":[\"and more than a block of it, so that there is always one \\\\\"]}}"), start.Length);
    }

    private static string Changed(string container, Random random)
    {
        for (var n = random.Next(0, 3); n > 0; n--)
        {
            var at = random.Next(container.Length);
            container = random.Next(3) switch
            {
                0 => container.Remove(at, 1),
                1 => container.Insert(at, Pieces[random.Next(Pieces.Length)]),
                _ => container.Insert(random.Next(container.Length), container.Substring(at, Math.Min(random.Next(1, 40), container.Length - at))),
            };
        }

        return container;
    }
}
