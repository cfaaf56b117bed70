using SuspiciousSignin.Api.Auth;
using SuspiciousSignin.Api.Hosting;
using SuspiciousSignin.Api.Ingest;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.OpenApi;
using SuspiciousSignin.Api.Settings;
using SuspiciousSignin.Stores;

if (await Commands.RunAsync(args, Console.Out) is { } exitCode)
{
    return exitCode;
}

StartFaults.TellPlainly();

var builder = WebApplication.CreateBuilder(new WebApplicationOptions
{
    // Settings are read once. To watch their files takes inotify instances, of which a machine with many containers has none left.
    Args = ["--hostBuilder:reloadConfigOnChange=false", .. args],
    // Where the settings were copied to, so that they are read wherever the service is started from.
    ContentRootPath = AppContext.BaseDirectory,
});
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.AddServerHeader = false;
    // Batches are bounded by UseBodyLimit as they are sent and by their reader decompressed; every other body by its endpoint.
    kestrel.Limits.MaxRequestBodySize = null;
});
builder.Logging.AddLogLines();
builder.Services
    .AddServiceOptions()
    .AddEventStore()
    .AddCorrelation()
    .AddHttpApi()
    .AddSurface()
    .AddIngest()
    .AddAccess()
    .AddApiDocuments()
    .AddObservability()
    .AddSamples();

var app = builder.Build();
app.Services.CheckOptions();
var store = app.Services.OpenStore();
app.UseSurface();
app.UseProblems();
app.UseRouting();
app.UseIngest();
app.UseRequiredHttps();
app.UseRequestDecompression();
app.UseBodyLimit();
app.UseAccess();
app.UseKnownEncodings();
app.UseRateLimiter();
app.MapControllers();
app.MapApiDocuments();
app.MapObservability();
await app.RunAsync();
return store is DurableEventStore { OutOfStep.IsCompleted: true } ? 1 : 0;
