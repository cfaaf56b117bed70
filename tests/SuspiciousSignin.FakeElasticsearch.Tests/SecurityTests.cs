using System.Text;

namespace SuspiciousSignin.FakeElasticsearch.Tests;

/// <summary>Who may do what, and what those who may not get to see.</summary>
public sealed class SecurityTests
{
    private static (string Name, string Value) Basic(string user) => ("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(user + ":secret")));

    [Fact]
    public async Task Nobody_gets_in_without_credentials()
    {
        await using var lab = await SecuredAsync();
        foreach (var reply in new[]
        {
            await lab.GetAsync(""),
            await lab.SendAsync(HttpMethod.Get, "", headers: ("Authorization", "Basic bm86Ym9keQ==")),
            await lab.SendAsync(HttpMethod.Get, "", headers: ("Authorization", "ApiKey nonsense")),
            await lab.SendAsync(HttpMethod.Get, "", headers: ("Authorization", "Bearer nonsense")),
        })
        {
            Assert.Equal((401, "security_exception"), (reply.Status, reply.ErrorType));
            Assert.Contains("ApiKey", string.Join(',', reply.Headers.WwwAuthenticate), StringComparison.Ordinal);
            Assert.NotNull(reply.Json["error"]!["header"]!["WWW-Authenticate"]);
            Assert.Equal(["Elasticsearch"], reply.Headers.GetValues("X-Elastic-Product"));
        }
    }

    [Fact]
    public async Task All_three_kinds_of_credentials_let_their_owner_in()
    {
        await using var lab = await SecuredAsync();
        var key = lab.Cluster.Security.AddApiKey("k", "events");
        lab.Cluster.Security.AddBearerToken("t0ken", "events");
        foreach (var credentials in new[] { Basic("events").Value, "ApiKey " + key.Encoded, "Bearer t0ken" })
            Assert.Equal("events", (string?)(await lab.SendAsync(HttpMethod.Get, "_security/_authenticate", headers: ("Authorization", credentials))).Json["username"]);
        key.Revoked = true;
        Assert.Equal(401, (await lab.SendAsync(HttpMethod.Get, "", headers: ("Authorization", "ApiKey " + key.Encoded))).Status);
    }

    [Fact]
    public async Task An_index_that_may_not_be_read_is_an_unknown_column_and_not_a_403()
    {
        await using var lab = await SecuredAsync();
        var reply = await EsqlAsync(lab, RuleQueries.Seed, "events");
        Assert.Equal((400, "verification_exception"), (reply.Status, reply.ErrorType));
        Assert.Contains("Unknown column [kibana.alert.rule.name]", reply.Reason, StringComparison.Ordinal);
        Assert.Equal(200, (await EsqlAsync(lab, RuleQueries.Seed, "both")).Status);
        Assert.Contains("Unknown index [.alerts-security.alerts-default]", (await EsqlAsync(lab, "FROM .alerts-security.alerts-default", "events")).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_read_nothing_at_all_is_refused_by_name_of_the_action()
    {
        await using var lab = await SecuredAsync();
        var reply = await EsqlAsync(lab, "FROM logs-*", "writer");
        Assert.Equal((403, "action [indices:data/read/esql] is unauthorized for user [writer] with effective roles [writer], this action is granted by the index privileges [read,all]"), (reply.Status, reply.Reason));
    }

    [Fact]
    public async Task Field_capabilities_are_lenient_with_wildcards()
    {
        await using var lab = await SecuredAsync();
        Assert.Equal("[]", (await lab.SendAsync(HttpMethod.Get, ".alerts-security.*/_field_caps?fields=*", headers: Basic("events"))).Json["indices"]!.ToJsonString());
        Assert.Equal(403, (await lab.SendAsync(HttpMethod.Get, ".alerts-security.alerts-default/_field_caps?fields=*", headers: Basic("events"))).Status);
    }

    [Fact]
    public async Task Searching_a_forbidden_index_is_a_403_that_says_what_is_missing()
    {
        await using var lab = await SecuredAsync();
        var reply = await lab.SendAsync(HttpMethod.Post, FakeCluster.Alerts + "/_search", "{}", headers: Basic("events"));
        Assert.Equal((403, "security_exception"), (reply.Status, reply.ErrorType));
        Assert.Equal($"action [indices:data/read/search] is unauthorized for user [events] with effective roles [events] on indices [{FakeCluster.Alerts}], this action is granted by the index privileges [read,all]", reply.Reason);
        Assert.Equal(403, (await lab.SendAsync(HttpMethod.Post, FakeCluster.Alerts + "/_pit?keep_alive=1m", headers: Basic("events"))).Status);
    }

    [Fact]
    public async Task Writing_is_refused_per_item_or_as_a_whole()
    {
        await using var lab = await SecuredAsync();
        const string body = "{\"create\":{\"_index\":\"findings-1\"}}\n{\"@timestamp\":1}\n{\"create\":{\"_index\":\"logs-x\"}}\n{}\n";
        var reply = await lab.SendAsync(HttpMethod.Post, "_bulk", body, "application/x-ndjson", Basic("writer"));
        Assert.Equal(200, reply.Status);
        Assert.Equal([201, 403], reply.Json["items"]!.AsArray().Select(i => (int)i!["create"]!["status"]!));
        Assert.Contains("is unauthorized for user [writer]", (string?)reply.Json["items"]![1]!["create"]!["error"]!["reason"], StringComparison.Ordinal);
        Assert.Equal(403, (await lab.SendAsync(HttpMethod.Post, "_bulk", body, "application/x-ndjson", Basic("events"))).Status);
        var refreshing = await lab.SendAsync(HttpMethod.Post, "_bulk?refresh=true", "{\"create\":{\"_index\":\"findings-1\"}}\n{\"@timestamp\":1}\n", "application/x-ndjson", Basic("writer"));
        Assert.Equal(403, (int)refreshing.Json["items"]![0]!["create"]!["status"]!);
    }

    [Fact]
    public async Task Privileges_are_answered_truthfully()
    {
        await using var lab = await SecuredAsync();
        var reply = await lab.SendAsync(
            HttpMethod.Post,
            "_security/user/_has_privileges",
            """{"cluster":["monitor","manage"],"index":[{"names":["logs-*",".alerts-security.*"],"privileges":["read","write"]}]}""",
            headers: Basic("events"));
        Assert.False((bool)reply.Json["has_all_requested"]!);
        Assert.Equal("""{"monitor":true,"manage":false}""", reply.Json["cluster"]!.ToJsonString());
        Assert.Equal("""{".alerts-security.*":{"read":false,"write":false},"logs-*":{"read":true,"write":false}}""", reply.Json["index"]!.ToJsonString());
    }

    [Fact]
    public async Task A_key_can_do_no_more_than_its_owner()
    {
        await using var lab = await SecuredAsync();
        var made = await lab.SendAsync(
            HttpMethod.Post,
            "_security/api_key",
            """{"name":"k","expiration":"1h","role_descriptors":{"r":{"cluster":["monitor"],"indices":[{"names":["logs-o365*",".alerts-security.*"],"privileges":["read"]}]}}}""",
            headers: Basic("events"));
        (string, string) key = ("Authorization", "ApiKey " + (string)made.Json["encoded"]!);
        Assert.Equal(200, (await lab.SendAsync(HttpMethod.Post, "logs-o365*/_search", "{}", headers: key)).Status);
        var refused = await lab.SendAsync(HttpMethod.Post, FakeCluster.Alerts + "/_search", "{}", headers: key);
        Assert.Contains($"is unauthorized for API key id [{made.Json["id"]}] of user [events]", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(403, (await lab.SendAsync(HttpMethod.Post, FakeCluster.AzureSignInLogs + "/_search", "{}", headers: key)).Status);
        lab.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(401, (await lab.SendAsync(HttpMethod.Get, "", headers: key)).Status);
    }

    [Fact]
    public async Task A_role_can_be_put_by_who_manages_security()
    {
        await using var lab = await SecuredAsync();
        const string role = """{"indices":[{"names":["logs-*"],"privileges":["read"]}]}""";
        Assert.Equal(403, (await lab.SendAsync(HttpMethod.Put, "_security/role/r", role, headers: Basic("events"))).Status);
        Assert.Equal("""{"role":{"created":true}}""", (await lab.SendAsync(HttpMethod.Put, "_security/role/r", role, headers: Basic("boss"))).Text);
    }

    [Fact]
    public async Task An_asynchronous_query_is_its_submitters_alone()
    {
        await using var lab = await SecuredAsync();
        var id = (await lab.SendAsync(HttpMethod.Post, "_query/async", """{"query":"ROW x = 1","keep_on_completion":true}""", headers: Basic("events"))).Json["id"];
        Assert.Equal(404, (await lab.SendAsync(HttpMethod.Get, $"_query/async/{id}", headers: Basic("both"))).Status);
        Assert.Equal(200, (await lab.SendAsync(HttpMethod.Delete, $"_query/async/{id}", headers: Basic("boss"))).Status);
    }

    private static Task<Reply> EsqlAsync(Lab lab, string query, string user) =>
        lab.SendAsync(HttpMethod.Post, "_query", new System.Text.Json.Nodes.JsonObject { ["query"] = query }.ToJsonString(), headers: Basic(user));

    private static async Task<Lab> SecuredAsync()
    {
        var lab = await Lab.OpenAsync(stock: true);
        var security = lab.Cluster.Security;
        security.AddRole("events", ["monitor", "manage_own_api_key"], new IndexPrivileges(["logs-*"], ["read"]));
        security.AddRole("alerts", [], new IndexPrivileges([".alerts-security.*"], ["read", "view_index_metadata"]));
        security.AddRole("writer", ["monitor"], new IndexPrivileges(["findings-*"], ["create_doc", "auto_configure"]));
        security.AddUser("events", "secret", "events");
        security.AddUser("both", "secret", "events", "alerts");
        security.AddUser("writer", "secret", "writer");
        security.AddUser("boss", "secret", "superuser");
        return lab;
    }
}
