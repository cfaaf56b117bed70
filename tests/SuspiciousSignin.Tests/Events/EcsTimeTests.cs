using System.Globalization;
using System.Text;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Events;

public sealed class EcsTimeTests
{
    [Fact]
    public void Every_day_from_year_1_to_9999_is_the_day_of_the_calendar()
    {
        for (var day = DateTime.MinValue; day < DateTime.MaxValue.Date; day = day.AddDays(1))
        {
            var text = day.ToString("yyyy-MM-dd'T'00:00:00'Z'", CultureInfo.InvariantCulture);
            Assert.True(EcsTime.TryParse(Encoding.ASCII.GetBytes(text), out var milliseconds), text);
            Assert.True((day - DateTime.UnixEpoch).TotalMilliseconds == milliseconds, text);
        }
    }

    [Theory]
    [InlineData("1773468000000", 1_773_468_000_000)]
    [InlineData("1773468000000.7", 1_773_468_000_000)]
    [InlineData("1773468000000.999999", 1_773_468_000_000)]
    [InlineData("1773468000000.", 1_773_468_000_000)]
    [InlineData("-1.5", -2L)]
    [InlineData("-1.0", -1L)]
    [InlineData("1773468000000.1234567", null)]
    [InlineData("1773468000000.7x", null)]
    [InlineData("1773468000000.-7", null)]
    [InlineData("1773468000000,7", null)]
    [InlineData(".7", null)]
    [InlineData("2026-03-14T06:00:00+18:00", 1_773_403_200_000)]
    [InlineData("2026-03-14T06:00:00-18:00", 1_773_532_800_000)]
    [InlineData("2026-03-14T06:00:00+18:01", null)]
    [InlineData("2026-03-14T06:00:00-18:59", null)]
    public void Milliseconds_may_have_a_fraction_as_in_elasticsearch_and_it_is_cut_off(string text, long? expected) =>
        Assert.Equal(expected, EcsTime.TryParse(Encoding.ASCII.GetBytes(text), out var milliseconds) ? milliseconds : null);

    [Fact]
    public void Times_come_out_alike_however_many_digits_the_second_has()
    {
        var random = new Random(3);
        for (var i = 0; i < 100_000; i++)
        {
            var time = new DateTime(random.NextInt64(DateTime.MaxValue.Ticks));
            var format = "yyyy-MM-dd'T'HH:mm:ss" + (random.Next(8) is > 0 and var digits ? "." + new string('f', digits) : "") + "'Z'";
            var text = time.ToString(format, CultureInfo.InvariantCulture);
            var exact = DateTime.ParseExact(text, format, CultureInfo.InvariantCulture);
            Assert.True(EcsTime.TryParse(Encoding.ASCII.GetBytes(text), out var milliseconds), text);
            Assert.True((exact.Ticks / TimeSpan.TicksPerMillisecond) - (DateTime.UnixEpoch.Ticks / TimeSpan.TicksPerMillisecond) == milliseconds, text);
        }
    }

    [Fact]
    public void A_time_with_one_character_changed_is_read_as_its_longer_spelling_is()
    {
        var (times, others) = (0, 0);
        foreach (var text in new[] { "2024-02-29T23:59:59Z", "2024-12-31T00:00:00.123Z", "2023-10-09T10:20:30.123456789Z" })
        {
            for (var at = 0; at < text.Length - 1; at++)
            {
                for (var character = '\u0001'; character <= '\u007f'; character++)
                {
                    var changed = string.Concat(text.AsSpan(0, at), [character], text.AsSpan(at + 1));
                    var isTime = EcsTime.TryParse(Encoding.ASCII.GetBytes(changed), out var milliseconds);
                    Assert.True(isTime == EcsTime.TryParse(Encoding.ASCII.GetBytes($"{changed[..^1]}+00:00"), out var expected) && milliseconds == expected, changed);
                    _ = isTime ? times++ : others++;
                }
            }
        }

        Assert.True(times > 100 && others > 100);
    }
}
