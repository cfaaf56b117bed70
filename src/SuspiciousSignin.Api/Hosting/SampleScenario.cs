using System.IO.Pipelines;
using System.Text;
using System.Text.RegularExpressions;
using SuspiciousSignin.Api.Requests;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>The sample scenario (section <c>Samples</c>).</summary>
internal sealed class SampleOptions
{
    /// <summary>Whether a small scenario is loaded at start. Default false; true in Development.</summary>
    public bool Enabled { get; set; }
}

/// <summary>A small scenario of our own, dated relative to now, so that the first run of a newcomer shows an alert.</summary>
internal sealed partial class SampleScenario(
    CorrelationService correlation,
    IEventStore store,
    SampleOptions options,
    TimeProvider clock,
    ILogger<SampleScenario> logger) : IHostedService
{
    /// <summary>The scenario as NDJSON with the times filled in.</summary>
    public static string Text(DateTimeOffset now)
    {
        using var stream = typeof(SampleScenario).Assembly.GetManifestResourceStream("scenario.ndjson")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return Relative().Replace(reader.ReadToEnd(), match =>
            TimeExpression.TryParse(match.Value, now, roundUp: false, out var time)
                ? EcsTime.ToText(time.ToUnixTimeMilliseconds())
                : match.Value);
    }

    /// <summary>Reads the scenario as a batch and judges it, as the service does with one that is sent, but without HTTP.</summary>
    public static async Task<Evaluation> EvaluateAsync(
        CorrelationService correlation, DateTimeOffset now, EvaluationQuery query, CancellationToken cancellationToken)
    {
        // Read as it stands whatever bounds callers have.
        using var body = new MemoryStream(Encoding.UTF8.GetBytes(Text(now)));
        var (batch, _) = await EventBatchReader.ReadAsync(
            PipeReader.Create(body), BatchFormat.NdJson, new EventReaderOptions(), cancellationToken);
        return await correlation.EvaluateAsync(batch!, query, cancellationToken);
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Invented events have no place among real ones that outlive this process.
        if (!options.Enabled || store is not MemoryEventStore)
        {
            return;
        }

        var query = new EvaluationQuery { Revision = RuleCatalogue.Find(RuleCatalogue.DefaultRevision)! };
        var evaluation = await EvaluateAsync(correlation, clock.GetUtcNow(), query, cancellationToken);
        Log.Loaded(logger, evaluation.Accepted, evaluation.Alerts.Count);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [GeneratedRegex("now-[0-9]+m", RegexOptions.NonBacktracking)]
    private static partial Regex Relative();

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Loaded the sample scenario: {Events} events, {Alerts} alert(s)")]
        public static partial void Loaded(ILogger logger, int events, int alerts);
    }
}

internal static class SampleScenarioSetup
{
    public static IServiceCollection AddSamples(this IServiceCollection services) => services.AddHostedService<SampleScenario>();
}
