using System.Threading.RateLimiting;
using FluentValidation;
using Microsoft.Extensions.Options;
using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Events;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Correlation;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Events;
using SuspiciousSignin.Rules;
using SuspiciousSignin.Stores;

namespace SuspiciousSignin.Api.Settings;

/// <summary>Which store holds the events (section <c>Store</c>).</summary>
internal sealed class StoreOptions
{
    /// <summary>The kind that needs nothing else installed.</summary>
    public const string MemoryKind = "Memory";

    /// <summary>The kind of store: <c>Memory</c>, the default, or <c>Elasticsearch</c>.</summary>
    public string Kind { get; set; } = MemoryKind;

    /// <summary>The bounds of the in-memory store.</summary>
    public MemoryStoreOptions Memory { get; set; } = new();

    /// <summary>How the cluster is reached and read.</summary>
    public ElasticsearchOptions Elasticsearch { get; set; } = new();
}

/// <summary>How many runs may go on at once, and what they count (section <c>Runs</c>).</summary>
public sealed class RunOptions
{
    /// <summary>
    /// Concurrent runs; likewise batches, and bulk requests. One caller with a credential has at most all but one. Default 8; 1 to 1,000.
    /// </summary>
    public int MaxConcurrent { get; set; } = 8;

    /// <summary>How many more of each may wait of one caller; one more is answered 429. Default 16; 0 to 10,000.</summary>
    public int MaxQueued { get; set; } = 16;

    /// <summary>
    /// How many runs, or batches, or bulk requests of all callers together may go on. Any number may wait here, since
    /// <see cref="BoundOf"/> lets through only so many of each caller.
    /// </summary>
    internal ConcurrencyLimiterOptions BoundOfAll() => new() { PermitLimit = MaxConcurrent, QueueLimit = int.MaxValue };

    /// <summary>How many runs, or batches, or bulk requests of one caller may go on and wait: one place is left to other callers.</summary>
    /// <param name="caller">The caller; null where no credential is needed, so that nobody is another caller.</param>
    internal ConcurrencyLimiterOptions BoundOf(string? caller) => new()
    {
        PermitLimit = caller is null ? MaxConcurrent : Math.Max(1, MaxConcurrent - 1),
        QueueLimit = MaxQueued,
    };

    /// <summary>The longest window of a run. Default 3,660 days; 8 hours to 36,600 days.</summary>
    public TimeSpan MaxWindow { get; set; } = TimeSpan.FromDays(3660);

    /// <summary>The most addresses that a run may be confined to. Default 1,000; 1 to 1,000.</summary>
    public int MaxAddresses { get; set; } = 1000;

    /// <summary>Whether raw network alerts count as External Alerts where a request does not say. Default false.</summary>
    public bool Promote { get; set; }
}

internal static class ServiceOptionsSetup
{
    /// <summary>Binds every section, refuses misspelt keys, and checks all values before the service starts.</summary>
    public static IServiceCollection AddServiceOptions(this IServiceCollection services)
    {
        // Not by the options of the store, whose faults would then be told twice.
        services.AddOptions<EventReaderOptions>().PostConfigure<IConfiguration>(
            (reader, configuration) => reader.KeepDocuments = configuration["Store:Kind"] == ElasticsearchRegistration.Kind);
        services.AddSingleton<IValidateOptions<EventReaderOptions>, StockAlertMappingValidator>();
        return services.AddSections();
    }

    private static IServiceCollection AddSections(this IServiceCollection services) => services
        .AddChecked<StoreOptions>("Store", options =>
        {
            options.RuleFor(o => o.Kind)
                .Must(kind => kind is StoreOptions.MemoryKind or ElasticsearchRegistration.Kind)
                .WithMessage("must be 'Memory' or 'Elasticsearch'.");
            options.RuleFor(o => o.Elasticsearch).SetValidator(new ElasticsearchOptionsValidator());
            options.RuleFor(o => o.Elasticsearch.Nodes)
                .NotEmpty().When(o => o.Kind == ElasticsearchRegistration.Kind)
                .WithMessage("needs at least one node, such as https://localhost:9200.");
            options.RuleFor(o => o.Memory.Retention).InclusiveBetween(TimeSpan.FromHours(1), TimeSpan.FromDays(90));
            options.RuleFor(o => o.Memory.MaxEvents).InclusiveBetween(1_000, 50_000_000);
            options.RuleFor(o => o.Memory.Path)
                .Must(path => path is null || (!string.IsNullOrWhiteSpace(path) && !path.Contains('\0', StringComparison.Ordinal)))
                .WithMessage("must name a folder; leave the key out for a store that forgets when the service stops.")
                .Must((o, path) => path is null || o.Kind == StoreOptions.MemoryKind)
                .WithMessage("has no meaning with Store:Kind=Elasticsearch.");
        })
        .AddChecked<EventReaderOptions>("Events", options =>
        {
            options.RuleFor(o => o.MaxBodyBytes).InclusiveBetween(1024, 2L * 1024 * 1024 * 1024);
            options.RuleFor(o => o.MaxEvents).InclusiveBetween(1, 10_000_000);
            options.RuleFor(o => o.MaxEventBytes).InclusiveBetween(1024, 64 * 1024 * 1024);
            options.RuleFor(o => o.MaxDepth).InclusiveBetween(8, 512);
            options.RuleFor(o => o.Readers).InclusiveBetween(1, 64);
            options.RuleFor(o => o.AlertDatasets).Must(datasets => datasets.Count <= 100).WithMessage("must be at most 100 datasets.");
            options.RuleForEach(o => o.AlertDatasets)
                .Matches(@"^[a-z0-9_.-]{1,100}\z")
                .WithMessage("must be a dataset such as suricata.eve.");
        })
        .AddChecked<AlertOptions>("Alerts", options =>
        {
            options.RuleFor(o => o.Period)
                .InclusiveBetween(TimeSpan.FromHours(1), TimeSpan.FromDays(30))
                .Must(period => period > TimeSpan.Zero
                    && (TimeSpan.TicksPerDay % period.Ticks == 0 || period.Ticks % TimeSpan.TicksPerDay == 0))
                .WithMessage("must divide a day, or be whole days.");
            options.RuleFor(o => o.MaxEvents).InclusiveBetween(1, 10_000);
            options.RuleFor(o => o.MaxEventsPerAnswer).InclusiveBetween(1, 1_000_000);
        })
        .AddChecked<RunOptions>("Runs", options =>
        {
            options.RuleFor(o => o.MaxConcurrent).InclusiveBetween(1, 1_000);
            options.RuleFor(o => o.MaxQueued).InclusiveBetween(0, 10_000);
            options.RuleFor(o => o.MaxWindow).InclusiveBetween(RuleCatalogue.LookBack, TimeSpan.FromDays(36_600));
            options.RuleFor(o => o.MaxAddresses).InclusiveBetween(1, 1000);
        })
        .AddChecked<IngestOptions>("Ingest", _ => { })
        .AddChecked<IdempotencyOptions>("Idempotency", options =>
        {
            options.RuleFor(o => o.MaxKeys).InclusiveBetween(1, 100_000);
            options.RuleFor(o => o.MaxBytes).InclusiveBetween(1024 * 1024, 4L * 1024 * 1024 * 1024);
            options.RuleFor(o => o.Lifetime).InclusiveBetween(TimeSpan.FromMinutes(1), TimeSpan.FromDays(30));
        })
        .AddChecked<RequestOptions>("Requests", options =>
        {
            options.RuleFor(o => o.MaxBodyBytes).InclusiveBetween(1024, 2L * 1024 * 1024 * 1024);
            options.RuleFor(o => o.PerCaller).InclusiveBetween(0, 100_000_000);
            options.RuleFor(o => o.Window).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
            options.RuleFor(o => o.MinBytesPerSecond).InclusiveBetween(1, 1_000_000);
            options.RuleFor(o => o.GracePeriod).InclusiveBetween(TimeSpan.FromSeconds(2), TimeSpan.FromMinutes(5));
            options.RuleFor(o => o.HeadersTimeout).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        })
        .AddChecked<AuthOptions>("Auth", options =>
        {
            options.RuleForEach(o => o.ApiKeys).ChildRules(key =>
            {
                key.RuleFor(k => k.Name).NotEmpty();
                key.RuleFor(k => k.Hash).Must(ApiKeys.IsHash).WithMessage("must be the hash that 'keys new' prints.");
                key.RuleFor(k => k.Scopes).NotEmpty();
                key.RuleForEach(k => k.Scopes)
                    .Must(scope => Scopes.All.Contains(scope))
                    .WithMessage($"must be one of {string.Join(", ", Scopes.All)}.");
                key.RuleFor(k => k.Expires)
                    .Must(text => text is null || ApiKeys.TryReadExpiry(text, out _))
                    .WithMessage("must be a time such as 2027-06-30T00:00:00Z, or a date.");
            });
            options.RuleFor(o => o.Jwt).ChildRules(jwt =>
            {
                jwt.RuleFor(j => j.Authority)
                    .Must(text => Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == Uri.UriSchemeHttps)
                    .WithMessage("must be the https URL of the issuer.")
                    .When(j => j.Authority is not null || j.Audience is not null);
                jwt.RuleFor(j => j.Audience).NotEmpty().When(j => j.Authority is not null);
            });
            options.RuleFor(o => o.MaxFailures).InclusiveBetween(1, 10_000);
            options.RuleFor(o => o.FailureWindow).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        })
        .AddChecked<HostingOptions>("Hosting", options =>
        {
            options.RuleFor(o => o.HstsMaxAge).InclusiveBetween(TimeSpan.Zero, TimeSpan.FromDays(730));
            options.RuleFor(o => o.ForwardLimit).InclusiveBetween(1, 10);
            options.RuleFor(o => o.PublicUrl)
                .Must(text => !text!.Any(char.IsWhiteSpace) && Uri.TryCreate(text, UriKind.Absolute, out var url)
                    && url.Scheme is "https" or "http" && url is { Query: "", Fragment: "", UserInfo: "" } && !text.EndsWith('/'))
                .When(o => o.PublicUrl is not null)
                .WithMessage("must be an absolute URL such as https://signin.example.com, without a slash at its end.");
            options.RuleForEach(o => o.KnownProxies)
                .Must(text => SourceAddress.TryParse(text, out _))
                .WithMessage("must be an IP address.");
            options.RuleForEach(o => o.KnownNetworks)
                .Must(text => System.Net.IPNetwork.TryParse(text, out _))
                .WithMessage("must be a network such as 192.0.2.0/24.");
        })
        .AddChecked<SampleOptions>("Samples", _ => { });

    /// <summary>Stops the start where any setting is misspelt or out of range, with all faults in one message.</summary>
    /// <exception cref="OptionsValidationException">The faults.</exception>
    public static void CheckOptions(this IServiceProvider services)
    {
        var configuration = services.GetRequiredService<IConfiguration>();
        var faults = new List<string>();
        foreach (var section in services.GetServices<Section>())
        {
            var unreadable = SettingKeys.FaultsOf(configuration.GetSection(section.Name), section.Type).ToList();
            faults.AddRange(unreadable.Select(fault => fault.ToString()));
            faults.AddRange(section.Judge(services, Without(unreadable.Select(fault => fault.Key), configuration)));
        }

        faults.AddRange(MisspeltSections(configuration, [.. services.GetServices<Section>().Select(section => section.Name)]));
        faults.AddRange(FaultsOfPorts(configuration));
        if (LogLines.FaultOf(configuration) is { } formOfLog)
        {
            faults.Add(formOfLog);
        }

        if (faults.Count > 0)
        {
            throw new OptionsValidationException("Settings", typeof(ServiceOptionsSetup), faults);
        }
    }

    /// <summary>
    /// Ports that are no numbers. The server takes them for a part of the name, and listens on port 80 of all interfaces; addresses that it
    /// cannot read otherwise it tells by itself.
    /// </summary>
    private static IEnumerable<string> FaultsOfPorts(IConfiguration configuration)
    {
        const StringSplitOptions Each = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;
        foreach (var key in new[] { "HTTP_PORTS", "HTTPS_PORTS" })
        {
            if (!Array.TrueForAll((configuration[key] ?? "").Split(';', Each), static port => ushort.TryParse(port, out _)))
            {
                yield return $"{key}: must be port numbers, with ';' between them.";
            }
        }

        if (Array.Exists((configuration["URLS"] ?? "").Split(';', Each), HasOddPort))
        {
            yield return "URLS: a port is no number.";
        }

        static bool HasOddPort(string url)
        {
            try
            {
                var address = BindingAddress.Parse(url);
                return !address.IsUnixPipe && !address.IsNamedPipe && address.Host.Contains(':') && !address.Host.StartsWith('[');
            }
            catch (FormatException)
            {
                return false;
            }
        }
    }

    /// <summary>The configuration but for some keys and what is under them, so that the others can be judged whatever those say.</summary>
    private static IConfiguration Without(IEnumerable<string> keys, IConfiguration configuration)
    {
        var left = configuration.AsEnumerable().Where(setting => setting.Value is not null);
        foreach (var key in keys)
        {
            left = left.Where(setting => !$"{setting.Key}:".StartsWith($"{key}:", StringComparison.OrdinalIgnoreCase));
        }

        return new ConfigurationBuilder().AddInMemoryCollection(left).Build();
    }

    /// <summary>
    /// Sections that are nearly one of ours. Others are left alone: they may be the host's, or an environment variable that has nothing to
    /// do with this service.
    /// </summary>
    private static IEnumerable<string> MisspeltSections(IConfiguration configuration, string[] known) => configuration.GetChildren()
        .Where(section => section.GetChildren().Any()
            && !known.Contains(section.Key, StringComparer.OrdinalIgnoreCase)
            && Array.Exists(known, name => SettingKeys.IsNearly(name, section.Key)))
        .Select(section => $"{section.Key}: no such section{SettingKeys.Meant(section.Key, known)}");

    private static IServiceCollection AddChecked<T>(this IServiceCollection services, string section, Action<InlineValidator<T>> rules)
        where T : class, new()
    {
        var validator = new InlineValidator<T>();
        rules(validator);
        services.AddSingleton<IValidateOptions<T>>(new SectionValidator<T>(section, validator));
        services.AddOptions<T>().BindConfiguration(section);
        services.AddSingleton(new Section(section, typeof(T), (provider, readable) =>
        {
            var options = readable.GetSection(section).Get<T>() ?? new T();
            return provider.GetServices<IValidateOptions<T>>().SelectMany(one => one.Validate(Options.DefaultName, options).Failures ?? []);
        }));
        return services.AddSingleton(provider => provider.GetRequiredService<IOptions<T>>().Value);
    }

    /// <summary>What a cluster maps is read from the cluster.</summary>
    private sealed class StockAlertMappingValidator(IConfiguration configuration) : IValidateOptions<EventReaderOptions>
    {
        public ValidateOptionsResult Validate(string? name, EventReaderOptions options) =>
            options.StockAlertMapping && configuration["Store:Kind"] == ElasticsearchRegistration.Kind
                ? ValidateOptionsResult.Fail(
                    "Events:StockAlertMapping: has no meaning with Store:Kind=Elasticsearch, whose own mapping of alerts decides.")
                : ValidateOptionsResult.Success;
    }

    private sealed record Section(string Name, Type Type, Func<IServiceProvider, IConfiguration, IEnumerable<string>> Judge);

    private sealed class SectionValidator<T>(string section, InlineValidator<T> validator) : IValidateOptions<T>
        where T : class
    {
        public ValidateOptionsResult Validate(string? name, T options)
        {
            var faults = validator.Validate(options).Errors
                .ConvertAll(fault => $"{section}:{KeyOf(fault.PropertyName)}: {WithoutName(fault)}");
            return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
        }

        // The key is there already.
        private static string WithoutName(FluentValidation.Results.ValidationFailure fault) =>
            fault.FormattedMessagePlaceholderValues?.GetValueOrDefault("PropertyName") is string name
            && fault.ErrorMessage.StartsWith($"'{name}' ", StringComparison.Ordinal)
                ? fault.ErrorMessage[(name.Length + 3)..]
                : fault.ErrorMessage;

        private static string KeyOf(string property) =>
            property.Replace('.', ':').Replace('[', ':').Replace("]", "", StringComparison.Ordinal);
    }
}
