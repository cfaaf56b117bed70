using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Events;
using SuspiciousSignin.FakeElasticsearch;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Oracle;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>A fake cluster, and stores over it as the service composes them.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private readonly List<ServiceProvider> _services = [];
    private readonly FakeElasticsearchServer? _server;
    private readonly string _run = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
    private int _streams;

    private Cluster(FakeElasticsearchServer? server, Uri url)
    {
        _server = server;
        Url = url;
    }

    public static EventReaderOptions Reading { get; } = new() { KeepDocuments = true };

    public Uri Url { get; }

    public FakeElasticsearchServer Server => _server!;

    public FakeCluster Fake => Server.Cluster;

    /// <summary>What the stores logged.</summary>
    public List<string> Logged { get; } = [];

    /// <summary>Starts a cluster that has the index template of the repository, and by default nothing else.</summary>
    /// <param name="clock">The cluster's clock.</param>
    /// <param name="version">Its version.</param>
    /// <param name="stock">Whether it has the data streams and alerts of a stock stack.</param>
    /// <param name="mayBeReal">Whether a real cluster takes its place where the environment names one.</param>
    public static async Task<Cluster> StartAsync(TimeProvider? clock = null, string version = "8.19.3", bool stock = false, bool mayBeReal = false)
    {
        var real = mayBeReal ? Environment.GetEnvironmentVariable("SUSPICIOUSSIGNIN_TEST_ELASTICSEARCH") : null;
        var server = real is not null
            ? null
            : await FakeElasticsearchServer.StartAsync(new FakeElasticsearchOptions { Clock = clock ?? Engine.ClockAt(EventSets.To), Version = version, StockMappings = stock });
        var cluster = new Cluster(server, real is null ? server!.Url : new Uri(real));
        using var put = await cluster.NewServices().GetRequiredService<ElasticsearchClient>().SendAsync(
            HttpMethod.Put, "_index_template/suspicious_signin-events", Encoding.UTF8.GetBytes(Setup("index-template.json")), TestContext.Current.CancellationToken);
        server?.Cluster.ForgetRequests();
        return cluster;
    }

    public static string Setup(string file) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Setup", file));

    /// <summary>A store with a pipeline of its own. Waits in it are real, so they are short.</summary>
    public IEventStore NewStore(Action<ElasticsearchOptions>? with = null) => NewServices(with).GetRequiredKeyedService<IEventStore>(ElasticsearchRegistration.Kind);

    /// <summary>A store over whatever answers at a URL.</summary>
    public static IEventStore StoreOver(Uri url, Action<ElasticsearchOptions>? with = null)
    {
        var options = new ElasticsearchOptions { Nodes = [url] };
        with?.Invoke(options);
        return NewServices(options, []).GetRequiredKeyedService<IEventStore>(ElasticsearchRegistration.Kind);
    }

    /// <summary>A store for which events of these datasets are alerts.</summary>
    public IEventStore NewStore(string[] alertDatasets) =>
        NewServices(null, new EventReaderOptions { AlertDatasets = alertDatasets }).GetRequiredKeyedService<IEventStore>(ElasticsearchRegistration.Kind);

    private ServiceProvider NewServices(Action<ElasticsearchOptions>? with = null, EventReaderOptions? reading = null)
    {
        var options = new ElasticsearchOptions { Nodes = [new Uri(Url.GetLeftPart(UriPartial.Authority))], PollWait = TimeSpan.FromMilliseconds(100) };
        // A busy machine is no fault.
        (options.CallTimeout, options.TotalTimeout) = (TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(5));
        if (Url.UserInfo.Split(':') is [var user, var password])
        {
            (options.Username, options.Password) = (Uri.UnescapeDataString(user), Uri.UnescapeDataString(password));
        }

        options.CertificateFingerprint = _server is null ? Environment.GetEnvironmentVariable("SUSPICIOUSSIGNIN_TEST_ELASTICSEARCH_FINGERPRINT") : null;
        with?.Invoke(options);
        var services = NewServices(options, Logged, reading);
        _services.Add(services);
        return services;
    }

    private static ServiceProvider NewServices(ElasticsearchOptions options, List<string> logged, EventReaderOptions? reading = null) => new ServiceCollection()
        .AddSingleton(options)
        .AddSingleton(reading ?? Reading)
#pragma warning disable RS0030 // Sockets do not follow a fake clock.
        .AddSingleton(TimeProvider.System)
#pragma warning restore RS0030
        .AddLogging(logging => logging.AddProvider(new Listener(logged)).SetMinimumLevel(LogLevel.Trace))
        .AddElasticsearchEventStore()
        .BuildServiceProvider();

    /// <summary>A store over a data stream of its own, which it alone reads.</summary>
    public IEventStore NewEmptyStore(Action<ElasticsearchOptions>? with = null) => NewStore(options =>
    {
        options.DataStream = $"logs-suspicious_signin.events-{_run}.{_streams++}";
        foreach (var revision in RuleCatalogue.RevisionNames)
        {
            options.Indices[revision] = [options.DataStream + "*"];
        }

        with?.Invoke(options);
    });

    /// <summary>Deletes everything that stores of <see cref="NewEmptyStore"/> wrote.</summary>
    public async Task DeleteStreamsAsync()
    {
        var client = _services[0].GetRequiredService<ElasticsearchClient>();
        for (var i = 0; i < _streams; i++)
        {
            try
            {
                using var deleted = await client.SendAsync(HttpMethod.Delete, $"_data_stream/logs-suspicious_signin.events-{_run}.{i}", null, CancellationToken.None);
            }
            catch (ElasticsearchException absent) when (absent.Status == 404)
            {
                // Nothing was written to it.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is null)
        {
            await DeleteStreamsAsync();
        }

        foreach (var services in _services)
        {
            await services.DisposeAsync();
        }

        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    private sealed class Listener(List<string> logged) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (logged)
            {
                logged.Add($"{formatter(state, exception)} {exception}");
            }
        }

        public void Dispose()
        {
        }
    }
}
