using System.Collections;
using System.ComponentModel;
using System.Reflection;
using System.Text.RegularExpressions;

namespace SuspiciousSignin.Api.Settings;

/// <summary>
/// What a binder would tell one by one, and in words of .NET: settings that nothing reads, and values that cannot be read. No value is
/// repeated.
/// </summary>
internal static partial class SettingKeys
{
    private const string OneForSettings = "holds one value where settings are expected.";

    /// <summary>The faults of a section.</summary>
    /// <param name="section">The section.</param>
    /// <param name="type">What it is bound to.</param>
    public static IEnumerable<SettingFault> FaultsOf(IConfigurationSection section, Type type)
    {
        var (isOptional, read) = (Nullable.GetUnderlyingType(type) is not null, Nullable.GetUnderlyingType(type) ?? type);
        if (read != typeof(string) && read.IsAssignableTo(typeof(IEnumerable)))
        {
            if (section.Value is { Length: > 0 })
            {
                var isByName = read.GetGenericArguments().Length == 2;
                return [new(
                    section.Path,
                    isByName ? OneForSettings : $"holds one value where a list is expected: {section.Path}:0 is its first.")];
            }

            var element = read.GetElementType() ?? read.GetGenericArguments()[^1];
            return section.GetChildren().SelectMany(child => FaultsOf(child, element));
        }

        var converter = TypeDescriptor.GetConverter(read);
        if (converter.CanConvertFrom(typeof(string)))
        {
            return section.GetChildren().Any() ? [new(section.Path, "holds settings where one value is expected.")]
                : section.Value is { } text && !(isOptional && text.Length == 0) && !CanRead(converter, read, text)
                    ? [new(section.Path, $"must be {Expected(read)}.")]
                : [];
        }

        if (section.Value is { Length: > 0 })
        {
            return [new(section.Path, OneForSettings)];
        }

        var properties = Array.FindAll(read.GetProperties(BindingFlags.Public | BindingFlags.Instance), IsSetting);
        return section.GetChildren().SelectMany(child =>
            Array.Find(properties, property => string.Equals(property.Name, child.Key, StringComparison.OrdinalIgnoreCase)) is { } known
                ? FaultsOf(child, known.PropertyType)
                : [new(child.Path, $"no such setting{Meant(child.Key, properties.Select(property => property.Name))}")]);
    }

    /// <summary>
    /// How a fault of a name that is not known ends: with what was meant, where one letter is missing, too many or another, or two have
    /// changed places.
    /// </summary>
    /// <param name="written">The name.</param>
    /// <param name="known">What it could be.</param>
    public static string Meant(string written, IEnumerable<string> known) =>
        known.FirstOrDefault(name => IsNearly(name, written)) is { } meant ? $"; did you mean '{meant}'?" : ".";

    /// <summary>Whether a name is nearly another.</summary>
    public static bool IsNearly(string name, string written)
    {
        var (left, right) = (name.ToUpperInvariant(), written.ToUpperInvariant());
        var start = left.AsSpan().CommonPrefixLength(right);
        var (restOfLeft, restOfRight) = (left[start..], right[start..]);
        return (restOfLeft.Length, restOfRight.Length) switch
        {
            ( > 0, > 0) when restOfLeft[1..] == restOfRight[1..] => true,
            ( > 1, > 1) when restOfLeft[0] == restOfRight[1] && restOfLeft[1] == restOfRight[0] => restOfLeft[2..] == restOfRight[2..],
            ( > 0, _) when restOfLeft[1..] == restOfRight => true,
            (_, > 0) => restOfLeft == restOfRight[1..],
            _ => false,
        };
    }

    private static bool IsSetting(PropertyInfo property) => property.GetCustomAttribute<BrowsableAttribute>() is not { Browsable: false };

    private static bool CanRead(TypeConverter converter, Type type, string text)
    {
        // To .NET, 24:00:00 are 24 days, and so is 24.
        if (type == typeof(TimeSpan) && !Duration().IsMatch(text))
        {
            return false;
        }

        try
        {
            return converter.ConvertFromInvariantString(text) is not null;
        }
        catch (Exception unreadable) when (unreadable is FormatException or ArgumentException or OverflowException or NotSupportedException)
        {
            return false;
        }
    }

    [GeneratedRegex(
        @"^([0-9]{1,8}\.)?([01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]{1,7})?\z",
        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Duration();

    private static string Expected(Type type) =>
        type == typeof(int) || type == typeof(long) ? "a whole number"
        : type == typeof(bool) ? "true or false"
        : type == typeof(TimeSpan) ? "a duration, [days.]hours:minutes:seconds, with at most 23 hours"
        : type == typeof(Uri) ? "a URL"
        : $"one that can be read as {type.Name}";
}

/// <summary>What is wrong with a setting.</summary>
/// <param name="Key">The whole key, such as <c>Runs:MaxQueued</c>.</param>
/// <param name="Message">What is wrong; the value is not repeated.</param>
internal readonly record struct SettingFault(string Key, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Key}: {Message}";
}
