FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source

# What restore depends on comes first, so that a change of code reuses the layer with the packages.
COPY global.json Directory.Build.props Directory.Packages.props BannedSymbols.txt ./
COPY src/SuspiciousSignin.Core/SuspiciousSignin.Core.csproj src/SuspiciousSignin.Core/
COPY src/SuspiciousSignin.Elasticsearch/SuspiciousSignin.Elasticsearch.csproj src/SuspiciousSignin.Elasticsearch/
COPY src/SuspiciousSignin.Api/SuspiciousSignin.Api.csproj src/SuspiciousSignin.Api/
RUN dotnet restore src/SuspiciousSignin.Api --use-current-runtime

# The project links appsettings.Development.json for runs on a developer's machine; publish leaves it out.
COPY .editorconfig appsettings.Development.json ./
COPY src/ src/
RUN dotnet publish src/SuspiciousSignin.Api --no-restore --use-current-runtime --self-contained false -c Release -o /app

# Chiseled: no shell and no package manager, hence the health check is the service itself.
FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
WORKDIR /app
COPY LICENSE NOTICE ./
COPY --from=build /app ./

# Nothing is written below /: run it with --read-only. Diagnostics would open a socket in /tmp.
ENV ASPNETCORE_HTTP_PORTS=8080 \
    DOTNET_EnableDiagnostics=0
EXPOSE 8080
USER $APP_UID

HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 \
    CMD ["dotnet", "SuspiciousSignin.Api.dll", "healthcheck"]
ENTRYPOINT ["dotnet", "SuspiciousSignin.Api.dll"]
