using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Tests.Formats;

/// <summary>What a body becomes, as the ECS documents that a store would keep.</summary>
internal static class Normalised
{
    public static async Task<JsonElement> OneAsync(string body, EventReaderOptions? options = null, BatchFormat format = BatchFormat.Json)
    {
        var batch = await Engine.ReadAsync(body, format, Keeping(options));
        Assert.Empty(batch.Rejected);
        return JsonElement.Parse(Assert.Single(batch.Events).Document.Span);
    }

    public static async Task<JsonElement[]> AllAsync(string body, BatchFormat format = BatchFormat.Json)
    {
        var batch = await Engine.ReadAsync(body, format, Keeping(null));
        Assert.Empty(batch.Rejected);
        return [.. batch.Events.Select(record => JsonElement.Parse(record.Document.Span))];
    }

    /// <summary>The values under a dotted path.</summary>
    public static string[] Texts(JsonElement document, string path)
    {
        var element = document;
        foreach (var segment in path.Split('.'))
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(segment, out element))
            {
                return [];
            }
        }

        return element.ValueKind == JsonValueKind.Array ? [.. element.EnumerateArray().Select(item => item.ToString())] : [element.ToString()];
    }

    public static string? Text(JsonElement document, string path) => Texts(document, path) is [var text, ..] ? text : null;

    private static EventReaderOptions Keeping(EventReaderOptions? options) => new()
    {
        KeepDocuments = true,
        SignInAddressWithPort = options?.SignInAddressWithPort ?? true,
        SignInResultTypeFallback = options?.SignInResultTypeFallback ?? true,
        SignInCallerAddressFallback = options?.SignInCallerAddressFallback ?? false,
    };
}
