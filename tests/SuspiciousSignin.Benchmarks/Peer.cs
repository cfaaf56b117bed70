using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace SuspiciousSignin.Benchmarks;

/// <summary>
/// What one would write instead of the service, as a web application of its own (<c>peer URL</c>): MVC controllers as their template has them, and a
/// handler that only drains the body.
/// </summary>
internal static class Peer
{
    public static async Task RunAsync(string url)
    {
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseUrls(url);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        builder.Logging.ClearProviders();
        builder.Services.AddControllers();
        var app = builder.Build();
        app.MapControllers();
        app.MapPost("/drain", DrainAsync);
        await app.RunAsync();
    }

    private static async Task DrainAsync(HttpContext context)
    {
        var bytes = 0L;
        while (true)
        {
            var read = await context.Request.BodyReader.ReadAsync();
            bytes += read.Buffer.Length;
            context.Request.BodyReader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                await context.Response.WriteAsync($"{{\"bytes\":{bytes}}}");
                return;
            }
        }
    }
}

/// <summary>Batches as a list of classes.</summary>
[ApiController]
[Route("list")]
public sealed class ListController : ControllerBase
{
    /// <summary>Counts sign-ins.</summary>
    [HttpPost]
    public IActionResult Count([FromBody] List<Poco.Document> events) => Ok(new { received = events.Count, azureSignIn = events.Count(each => each.IsSignIn) });
}

/// <summary>Answers of a length.</summary>
[ApiController]
[Route("answers")]
public sealed class AnswersController : ControllerBase
{
    /// <summary>One event as it is shown.</summary>
    public sealed record Shown(
        DateTime Timestamp, string Id, string Bucket, bool Counted, string Dataset, string Action, string Outcome, string Kind, IReadOnlyList<string> Categories, Person User, string UserAgent);

    /// <summary>Who.</summary>
    public sealed record Person(string Name, string Id, string Email);

    /// <summary>An answer of about as many bytes.</summary>
    /// <param name="bytes">How many.</param>
    [HttpGet]
    public IActionResult Get(int bytes)
    {
        // Each is about 300 bytes; the last one's user agent fills up what is missing.
        const int Each = 300;
        var events = new List<Shown>();
        for (var left = bytes; left > 0; left -= Each)
        {
            var filling = left < 2 * Each ? new string('x', Math.Max(0, left - Each)) : "";
            events.Add(new Shown(
                DateTime.UnixEpoch.AddMilliseconds(Documents.DefaultEnd + left), "sample-signin-1", "azureSignIn", true, "azure.signinlogs", "Sign-in activity", "success", "event", ["authentication"],
                new Person("crew1@northwindferry.example", "u1", "crew1@northwindferry.example"), filling));
            left -= filling.Length;
        }

        return Ok(new { sourceIp = "81.2.69.144", total = events.Count, events });
    }
}
