using System.Text;
using System.Text.Json.Nodes;

namespace SuspiciousSignin.FakeElasticsearch;

/// <summary>Privileges on some indices.</summary>
/// <param name="Names">Names and wildcards of indices, data streams and aliases.</param>
/// <param name="Privileges">read, write, create_doc, view_index_metadata, auto_configure, maintenance, manage, all...</param>
public sealed record IndexPrivileges(IReadOnlyList<string> Names, IReadOnlyList<string> Privileges);

/// <summary>A role.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Cluster">Cluster privileges: monitor, manage_security, all...</param>
/// <param name="Indices">Index privileges.</param>
public sealed record FakeRole(string Name, IReadOnlyList<string> Cluster, IReadOnlyList<IndexPrivileges> Indices)
{
    internal bool Grants(string clusterPrivilege) => Cluster.Any(c => Implied.Cluster(c).Contains(clusterPrivilege));

    internal bool Grants(string index, string privilege) =>
        Indices.Any(i => i.Names.Any(n => Wildcard.Matches(n, index)) && i.Privileges.Any(p => Implied.Index(p).Contains(privilege)));
}

/// <summary>An API key.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Secret">Its secret.</param>
/// <param name="Name">Its name.</param>
/// <param name="Owner">Who made it; a key can do no more than its owner.</param>
public sealed record FakeApiKey(string Id, string Secret, string Name, string Owner)
{
    /// <summary>What goes after "ApiKey " in the Authorization header.</summary>
    public string Encoded => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Id}:{Secret}"));

    /// <summary>Whether it has been revoked.</summary>
    public bool Revoked { get; set; }

    internal IReadOnlyList<FakeRole> Roles { get; init; } = [];

    internal DateTimeOffset? ExpiresAt { get; init; }
}

/// <summary>Who is asking.</summary>
internal sealed record Identity(string Username, IReadOnlyList<FakeRole> Roles, FakeApiKey? ApiKey, IReadOnlyList<FakeRole>? Limits, string Realm)
{
    /// <summary>Everybody, when there is no security.</summary>
    public static Identity Everybody { get; } = new("_anonymous", [FakeSecurity.Superuser], null, null, "none");

    public bool May(string clusterPrivilege) =>
        Roles.Any(r => r.Grants(clusterPrivilege)) && (Limits is null || Limits.Any(r => r.Grants(clusterPrivilege)));

    public bool May(string index, string privilege) =>
        Roles.Any(r => r.Grants(index, privilege)) && (Limits is null || Limits.Any(r => r.Grants(index, privilege)));

    public bool May(FakeIndex index, string privilege) => index.AllNames.Any(n => May(n, privilege));

    /// <summary>Whether there is any index at all on which the privilege is granted.</summary>
    public bool MayAnywhere(string privilege) =>
        Granted(Roles, privilege) && (Limits is null || Granted(Limits, privilege));

    /// <summary>The refusal of an action, in Elasticsearch's words.</summary>
    public ElasticsearchException Refuse(string action, IReadOnlyList<string> indices, params string[] privileges)
    {
        var who = ApiKey is null
            ? $"user [{Username}] with effective roles [{string.Join(',', Roles.Select(r => r.Name))}]"
            : $"API key id [{ApiKey.Id}] of user [{Username}]";
        var where = indices.Count > 0 ? $" on indices [{string.Join(',', indices)}]" : "";
        var kind = action.StartsWith("cluster:", StringComparison.Ordinal) ? "cluster" : "index";
        return new ElasticsearchException(
            403,
            "security_exception",
            $"action [{action}] is unauthorized for {who}{where}, this action is granted by the {kind} privileges [{string.Join(',', privileges)}]");
    }

    private static bool Granted(IReadOnlyList<FakeRole> roles, string privilege) =>
        roles.Any(r => r.Indices.Any(i => i.Privileges.Any(p => Implied.Index(p).Contains(privilege))));
}

/// <summary>What a privilege brings with it.</summary>
internal static class Implied
{
    private static readonly string[] EveryIndexPrivilege =
    [
        "all", "read", "read_cross_cluster", "write", "index", "create", "create_doc", "delete", "maintenance", "manage", "monitor",
        "view_index_metadata", "auto_configure", "create_index", "delete_index",
    ];

    private static readonly string[] EveryClusterPrivilege =
    [
        "all", "manage", "monitor", "manage_security", "manage_api_key", "manage_own_api_key", "manage_index_templates", "cancel_task",
        "monitor_esql", "cross_cluster_search", "read_security",
    ];

    public static IReadOnlyList<string> Index(string privilege) => privilege switch
    {
        "all" => EveryIndexPrivilege,
        "write" => ["write", "index", "create", "create_doc", "delete"],
        "index" => ["index", "create", "create_doc"],
        "create" => ["create", "create_doc"],
        "manage" => ["manage", "monitor", "maintenance", "view_index_metadata", "create_index", "delete_index", "auto_configure"],
        _ => [privilege],
    };

    public static IReadOnlyList<string> Cluster(string privilege) => privilege switch
    {
        "all" => EveryClusterPrivilege,
        "manage" => [.. EveryClusterPrivilege.Except(["all", "manage_security", "manage_api_key", "read_security"])],
        "manage_security" => ["manage_security", "manage_api_key", "manage_own_api_key", "read_security"],
        "manage_api_key" => ["manage_api_key", "manage_own_api_key"],
        _ => [privilege],
    };
}

/// <summary>Users, keys, tokens and roles of a cluster.</summary>
public sealed class FakeSecurity
{
    private readonly FakeCluster _cluster;
    private readonly Dictionary<string, FakeRole> _roles = new() { ["superuser"] = Superuser };
    private readonly Dictionary<string, (string Password, IReadOnlyList<string> Roles)> _users = [];
    private readonly Dictionary<string, FakeApiKey> _keys = [];
    private readonly Dictionary<string, string> _tokens = [];

    internal FakeSecurity(FakeCluster cluster) => _cluster = cluster;

    /// <summary>Whether requests must say who they come from: from the first user on.</summary>
    public bool Enabled => _users.Count > 0;

    /// <summary>The keys made so far.</summary>
    public IReadOnlyCollection<FakeApiKey> ApiKeys => _keys.Values;

    internal static FakeRole Superuser { get; } = new("superuser", ["all"], [new IndexPrivileges(["*"], ["all"])]);

    /// <summary>Adds or replaces a role.</summary>
    public FakeRole AddRole(string name, IReadOnlyList<string> cluster, params IndexPrivileges[] indices)
    {
        var role = new FakeRole(name, cluster, indices);
        lock (_cluster.Gate) _roles[name] = role;
        return role;
    }

    /// <summary>Adds a user; security is on from then on. The role "superuser" is there already.</summary>
    public void AddUser(string username, string password, params string[] roles)
    {
        lock (_cluster.Gate) _users[username] = (password, roles);
    }

    /// <summary>Makes an API key of a user. With roles it can do what both they and the owner can, without what the owner can.</summary>
    public FakeApiKey AddApiKey(string name, string owner, params FakeRole[] roles)
    {
        lock (_cluster.Gate) return Create(name, owner, roles, null);
    }

    /// <summary>Makes a bearer token of a user.</summary>
    public void AddBearerToken(string token, string username)
    {
        lock (_cluster.Gate) _tokens[token] = username;
    }

    internal FakeApiKey Create(string name, string owner, IReadOnlyList<FakeRole> roles, DateTimeOffset? expiresAt)
    {
        var id = "key" + _cluster.NextId();
        var key = new FakeApiKey(id, "secret-of-" + id, name, owner) { Roles = roles, ExpiresAt = expiresAt };
        _keys[id] = key;
        return key;
    }

    internal bool Put(FakeRole role)
    {
        var created = !_roles.ContainsKey(role.Name);
        _roles[role.Name] = role;
        return created;
    }

    internal Identity Authenticate(string? authorization, string uri)
    {
        if (!Enabled) return Identity.Everybody;
        if (string.IsNullOrEmpty(authorization)) throw Unauthenticated($"missing authentication credentials for REST request [{uri}]");
        var space = authorization.IndexOf(' ', StringComparison.Ordinal);
        var scheme = space < 0 ? authorization : authorization[..space];
        var credentials = space < 0 ? "" : authorization[(space + 1)..].Trim();
        switch (scheme.ToUpperInvariant())
        {
            case "BASIC":
                var (user, password) = Pair(credentials);
                if (!_users.TryGetValue(user, out var known) || known.Password != password)
                    throw Unauthenticated($"unable to authenticate user [{user}] for REST request [{uri}]");
                return new Identity(user, RolesOf(user), null, null, "native1");
            case "APIKEY":
                var (id, secret) = Pair(credentials);
                if (!_keys.TryGetValue(id, out var key) || key.Secret != secret || key.Revoked || key.ExpiresAt <= _cluster.Now)
                    throw Unauthenticated("unable to authenticate with provided credentials and anonymous access is not allowed for this request");
                return new Identity(key.Owner, RolesOf(key.Owner), key, key.Roles.Count > 0 ? key.Roles : null, "_es_api_key");
            case "BEARER":
                if (!_tokens.TryGetValue(credentials, out var owner))
                    throw Unauthenticated("unable to authenticate with provided credentials and anonymous access is not allowed for this request");
                return new Identity(owner, RolesOf(owner), null, null, "token");
            default:
                throw Unauthenticated($"missing authentication credentials for REST request [{uri}]");
        }
    }

    private static (string First, string Second) Pair(string base64)
    {
        var bytes = new byte[base64.Length];
        if (!Convert.TryFromBase64String(base64, bytes, out var length)) return ("", "");
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? (text, "") : (text[..colon], text[(colon + 1)..]);
    }

    private static ElasticsearchException Unauthenticated(string reason)
    {
        string[] challenges = ["Basic realm=\"security\", charset=\"UTF-8\"", "Bearer realm=\"security\"", "ApiKey"];
        var exception = new ElasticsearchException(401, "security_exception", reason, new JsonObject
        {
            ["header"] = new JsonObject { ["WWW-Authenticate"] = new JsonArray([.. challenges.Select(c => JsonValue.Create(c))]) },
        });
        exception.Headers.AddRange(challenges.Select(c => KeyValuePair.Create("WWW-Authenticate", c)));
        return exception;
    }

    private IReadOnlyList<FakeRole> RolesOf(string username) => _users.TryGetValue(username, out var user)
        ? [.. user.Roles.Select(r => _roles.GetValueOrDefault(r)).OfType<FakeRole>()]
        : [];
}
