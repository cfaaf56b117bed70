using SuspiciousSignin.Api.Hosting;

if (args is ["healthcheck", ..])
{
    return await SelfCheck.RunAsync(args);
}

if (args is ["keys", "new", ..])
{
    return ApiKeys.New(args, Console.Out);
}

// The content root is where the settings were copied to, so that they are read wherever the service is started from.
var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
builder.Services
    .AddServiceOptions()
    .AddEventStore()
    .AddCorrelation()
    .AddHttpApi()
    .AddApiKeys()
    .AddApiDocuments()
    .AddObservability()
    .AddSamples();

var app = builder.Build();
app.Services.CheckOptions();
app.UseProblems();
app.UseRequestDecompression();
app.UseRouting();
app.UseAuthentication();
app.UseAuthorization();
app.UseRateLimiter();
app.MapControllers();
app.MapApiDocuments();
app.MapObservability();
await app.RunAsync();
return 0;
