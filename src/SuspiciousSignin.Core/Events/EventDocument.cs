using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Events;

/// <summary>
/// What an analyst needs of one event for triage, named after ECS and the integrations. Absent means the event does not say.
/// </summary>
public sealed record EventDocument
{
    /// <summary>When it happened: <c>@timestamp</c>, UTC.</summary>
    public DateTime Timestamp { get; init; }

    /// <summary>When Elasticsearch took it in: <c>event.ingested</c>, UTC. Absent where it is not known, or the same as the time.</summary>
    public DateTime? Ingested { get; init; }

    /// <summary>Its identity: <c>_id</c>, else <c>kibana.alert.uuid</c>, else <c>event.id</c>.</summary>
    public string? Id { get; init; }

    /// <summary>The index it came from: <c>_index</c>.</summary>
    public string? Index { get; init; }

    /// <summary>What it is to the revision asked for.</summary>
    public EventBucket Bucket { get; init; }

    /// <summary>Whether the revision asked for counts it.</summary>
    public bool Counted { get; init; }

    /// <summary>
    /// The dataset, from <c>event.dataset</c>, else <c>data_stream.dataset</c>, else what Kibana kept of the original event.
    /// </summary>
    public string? Dataset { get; init; }

    /// <summary><c>event.action</c>.</summary>
    public string? Action { get; init; }

    /// <summary><c>event.outcome</c>.</summary>
    public string? Outcome { get; init; }

    /// <summary><c>event.kind</c>.</summary>
    public string? Kind { get; init; }

    /// <summary><c>event.code</c>; of Microsoft 365 the type of the record, such as <c>ExchangeItemAggregated</c>.</summary>
    public string? Code { get; init; }

    /// <summary><c>event.category</c>.</summary>
    public IReadOnlyList<string>? Categories { get; init; }

    /// <summary>The name on the Kibana alert: <c>kibana.alert.rule.name</c>.</summary>
    public string? RuleName { get; init; }

    /// <summary>The id of the Kibana rule that raised the alert: <c>kibana.alert.rule.rule_id</c>.</summary>
    public string? RuleId { get; init; }

    /// <summary><c>message</c>.</summary>
    public string? Message { get; init; }

    /// <summary>Who.</summary>
    public EventUser? User { get; init; }

    /// <summary>From which device, as Entra ID knows it.</summary>
    public EventDevice? Device { get; init; }

    /// <summary>From where, as Microsoft or GeoIP place the address.</summary>
    public EventGeo? Geo { get; init; }

    /// <summary>The autonomous system of the address: <c>source.as.*</c>.</summary>
    public EventAutonomousSystem? As { get; init; }

    /// <summary>The sign-in: application, client, conditional access, risk.</summary>
    public EventSignIn? SignIn { get; init; }

    /// <summary>The mail access: mailbox, how, how many items.</summary>
    public EventMail? Mail { get; init; }

    /// <summary>The network alert: the sensor's rule, severity, whether the traffic was let through.</summary>
    public EventNetwork? Network { get; init; }

    /// <summary>The MITRE ATT&amp;CK tactics and techniques that the source names: <c>threat.*</c>.</summary>
    public EventThreat? Threat { get; init; }

    /// <summary><c>user_agent.original</c>.</summary>
    public string? UserAgent { get; init; }

    /// <summary>The session to pivot on: <c>session.id</c>, else the sign-in's or the audit record's.</summary>
    public string? SessionId { get; init; }

    /// <summary>The token to pivot on: <c>token.id</c>, else the sign-in's unique token identifier.</summary>
    public string? TokenId { get; init; }

    /// <summary>The tenant: <c>azure.tenant_id</c>, else <c>organization.id</c>.</summary>
    public string? TenantId { get; init; }

    /// <summary>The dotted paths of every field that an event is read from.</summary>
    public static IReadOnlyList<string> Paths { get; } =
        [.. Enum.GetValues<EcsField>().Where(field => field < EcsField.UnmappedDataStreamDataset).Select(EcsFields.Path)];

    /// <summary>Shows an event.</summary>
    /// <param name="record">The event.</param>
    /// <param name="revision">The revision whose verdict is shown.</param>
    public static EventDocument From(in EventRecord record, RuleRevision revision) =>
        From(record.Timestamp, record.Ingested, record.Traits, EventUser.From(record.Account.Span), record.Payload.Span, revision);

    /// <summary>Reads an event out of its compact form; times in milliseconds since the epoch.</summary>
    internal static EventDocument From(
        long timestamp, long ingested, EventTraits traits, EventUser? user, ReadOnlySpan<byte> payload, RuleRevision revision)
    {
        var classification = traits.Classification;
        var text = Texts.Of(traits.Texts, payload);
        return new EventDocument
        {
            Timestamp = EcsTime.ToDateTime(timestamp),
            Ingested = ingested == timestamp ? null : EcsTime.ToDateTime(ingested),
            Id = text.Any(EcsField.Id, EcsField.AlertUuid, EcsField.EventId),
            Index = text[EcsField.Index],
            Bucket = classification.BucketOf(revision),
            Counted = classification.IsKeptBy(revision),
            Dataset = text.Any(
                EcsField.Dataset, EcsField.DataStreamDataset, EcsField.OriginalDataset, EcsField.OriginalDataStreamDataset),
            Action = text[EcsField.Action],
            Outcome = text[EcsField.Outcome],
            Kind = text[EcsField.Kind],
            Code = text[EcsField.Code],
            Categories = traits.Categories,
            RuleName = text[EcsField.RuleName],
            RuleId = text[EcsField.RuleId],
            Message = text[EcsField.Message],
            User = user,
            Device = EventDevice.From(text),
            Geo = EventGeo.From(text),
            As = EventAutonomousSystem.From(text),
            SignIn = EventSignIn.From(text),
            Mail = EventMail.From(text),
            Network = EventNetwork.From(text),
            Threat = EventThreat.From(text),
            UserAgent = text[EcsField.UserAgent],
            SessionId = text.Any(EcsField.SessionId, EcsField.AadSessionId, EcsField.AuditSessionId),
            TokenId = text.Any(EcsField.TokenId, EcsField.UniqueTokenId),
            TenantId = text.Any(EcsField.TenantId, EcsField.OrganizationId),
        };
    }
}

/// <summary>Who acted: ECS <c>user.*</c>; for a workload identity its service principal.</summary>
public sealed record EventUser
{
    /// <summary>The fields of a name, first choice first; below those of an id, an address of mail and a domain.</summary>
    internal static readonly EcsField[] NameFields = [EcsField.UserName, EcsField.ServiceName, EcsField.ServicePrincipalName];

    internal static readonly EcsField[] IdFields = [EcsField.UserId, EcsField.ServicePrincipalId];

    internal static readonly EcsField[] EmailFields = [EcsField.UserEmail];

    internal static readonly EcsField[] DomainFields = [EcsField.UserDomain];

    /// <summary><c>user.name</c>, else the service principal's name.</summary>
    public string? Name { get; init; }

    /// <summary><c>user.id</c>, else the service principal's id.</summary>
    public string? Id { get; init; }

    /// <summary><c>user.email</c>.</summary>
    public string? Email { get; init; }

    /// <summary><c>user.full_name</c>.</summary>
    public string? FullName { get; init; }

    /// <summary><c>user.domain</c>.</summary>
    public string? Domain { get; init; }

    /// <summary>Entra ID's kind of user, such as <c>Member</c> or <c>Guest</c>.</summary>
    public string? Type { get; init; }

    /// <summary>Reads who acted out of the compact form of <see cref="EventRecord.Account"/>; null where it does not say.</summary>
    internal static EventUser? From(ReadOnlySpan<byte> account)
    {
        if (account.IsEmpty)
        {
            return null;
        }

        var text = Texts.Of([], account);
        var user = new EventUser
        {
            Name = text.Least(NameFields),
            Id = text.Least(IdFields),
            Email = text.Least(EmailFields),
            FullName = text.Least(EcsField.UserFullName),
            Domain = text.Least(DomainFields),
            Type = text.Least(EcsField.UserType),
        };
        return user is { Name: null, Id: null, Email: null, FullName: null } ? null : user;
    }
}

/// <summary>The device: Entra ID <c>deviceDetail</c>. Neither compliant nor managed, and no id, means unregistered or unknown.</summary>
public sealed record EventDevice
{
    private static readonly EventDevice Nothing = new();

    /// <summary>The device's object id.</summary>
    public string? Id { get; init; }

    /// <summary>Its display name.</summary>
    public string? Name { get; init; }

    /// <summary>Its operating system.</summary>
    public string? OperatingSystem { get; init; }

    /// <summary>The browser.</summary>
    public string? Browser { get; init; }

    /// <summary>Whether it meets the organisation's compliance policy.</summary>
    public bool? IsCompliant { get; init; }

    /// <summary>Whether it is managed.</summary>
    public bool? IsManaged { get; init; }

    /// <summary>How it is joined, such as <c>Azure AD joined</c>.</summary>
    public string? TrustType { get; init; }

    internal static EventDevice? From(Texts text)
    {
        var device = new EventDevice
        {
            Id = text[EcsField.DeviceId],
            Name = text[EcsField.DeviceName],
            OperatingSystem = text[EcsField.DeviceOs],
            Browser = text[EcsField.DeviceBrowser],
            IsCompliant = text.Flag(EcsField.DeviceCompliant),
            IsManaged = text.Flag(EcsField.DeviceManaged),
            TrustType = text[EcsField.DeviceTrustType],
        };
        return device == Nothing ? null : device;
    }
}

/// <summary>
/// Where the address is: <c>source.geo.*</c> of GeoIP, else Microsoft's <c>geo.*</c>; never some of either, which may be a place that
/// neither means.
/// </summary>
public sealed record EventGeo
{
    /// <summary>ISO 3166-1 alpha-2 country code.</summary>
    public string? CountryIsoCode { get; init; }

    /// <summary>Country name.</summary>
    public string? CountryName { get; init; }

    /// <summary>Region or state.</summary>
    public string? RegionName { get; init; }

    /// <summary>City.</summary>
    public string? CityName { get; init; }

    internal static EventGeo? From(Texts text) =>
        From(text, EcsField.SourceCountry, EcsField.SourceCountryName, EcsField.SourceRegion, EcsField.SourceCity)
        ?? From(text, EcsField.Country, EcsField.CountryName, EcsField.Region, EcsField.City);

    private static EventGeo? From(Texts text, EcsField code, EcsField country, EcsField region, EcsField city) =>
        text.HasAny(code, country, region, city)
            ? new EventGeo { CountryIsoCode = text[code], CountryName = text[country], RegionName = text[region], CityName = text[city] }
            : null;
}

/// <summary>The autonomous system that announces the address: <c>source.as.*</c>.</summary>
public sealed record EventAutonomousSystem
{
    private static readonly EventAutonomousSystem Nothing = new();

    /// <summary>Its number.</summary>
    public long? Number { get; init; }

    /// <summary>The organisation it belongs to.</summary>
    public string? OrganizationName { get; init; }

    internal static EventAutonomousSystem? From(Texts text)
    {
        var system = new EventAutonomousSystem
        {
            Number = text.Number(EcsField.SourceAsNumber),
            OrganizationName = text[EcsField.SourceAsOrganization],
        };
        return system == Nothing ? null : system;
    }
}

/// <summary>Facts of an Entra ID sign-in: <c>azure.signinlogs.properties.*</c>.</summary>
public sealed record EventSignIn
{
    private static readonly EventSignIn Nothing = new();

    /// <summary>The kind of sign-in log, such as <c>NonInteractiveUserSignInLogs</c>.</summary>
    public string? Category { get; init; }

    /// <summary>Entra ID's code of the outcome, such as <c>50126</c>; <c>0</c> is success.</summary>
    public string? ResultType { get; init; }

    /// <summary>The application signed in to.</summary>
    public string? AppName { get; init; }

    /// <summary>Its id.</summary>
    public string? AppId { get; init; }

    /// <summary>The resource asked for.</summary>
    public string? ResourceName { get; init; }

    /// <summary>The client, such as <c>Browser</c> or a legacy protocol.</summary>
    public string? ClientApp { get; init; }

    /// <summary>Whether a person was there.</summary>
    public bool? IsInteractive { get; init; }

    /// <summary><c>singleFactorAuthentication</c> or <c>multiFactorAuthentication</c>.</summary>
    public string? AuthenticationRequirement { get; init; }

    /// <summary><c>success</c>, <c>failure</c> or <c>notApplied</c>.</summary>
    public string? ConditionalAccessStatus { get; init; }

    /// <summary>The conditional access policies considered.</summary>
    public IReadOnlyList<string>? ConditionalAccessPolicies { get; init; }

    /// <summary>Entra ID's risk at the time: none, low, medium, high or hidden.</summary>
    public string? RiskLevel { get; init; }

    /// <summary>Entra ID's aggregated risk.</summary>
    public string? RiskLevelAggregated { get; init; }

    /// <summary>The state of that risk, such as <c>atRisk</c> or <c>remediated</c>.</summary>
    public string? RiskState { get; init; }

    /// <summary>Why the risk has this state.</summary>
    public string? RiskDetail { get; init; }

    internal static EventSignIn? From(Texts text)
    {
        var signIn = new EventSignIn
        {
            Category = text[EcsField.SignInCategory],
            ResultType = text[EcsField.ResultType],
            AppName = text[EcsField.AppName],
            AppId = text[EcsField.AppId],
            ResourceName = text[EcsField.ResourceName],
            ClientApp = text[EcsField.ClientApp],
            IsInteractive = text.Flag(EcsField.IsInteractive),
            AuthenticationRequirement = text[EcsField.AuthenticationRequirement],
            ConditionalAccessStatus = text[EcsField.ConditionalAccessStatus],
            ConditionalAccessPolicies = text.All(EcsField.ConditionalAccessPolicy),
            RiskLevel = text[EcsField.RiskLevelDuringSignIn],
            RiskLevelAggregated = text[EcsField.RiskLevelAggregated],
            RiskState = text[EcsField.RiskState],
            RiskDetail = text[EcsField.RiskDetail],
        };
        // A policy without a name says nothing.
        var hasPolicy = text[EcsField.ConditionalAccessPolicy] is not null;
        return !hasPolicy && signIn with { ConditionalAccessPolicies = null } == Nothing ? null : signIn;
    }
}

/// <summary>Facts of a Microsoft 365 audit record: <c>o365.audit.*</c>.</summary>
public sealed record EventMail
{
    private static readonly EventMail Nothing = new();

    /// <summary>The workload, such as <c>Exchange</c>: <c>event.provider</c>.</summary>
    public string? Workload { get; init; }

    /// <summary>Whose mailbox; another than the user means delegate or admin access.</summary>
    public string? MailboxOwner { get; init; }

    /// <summary>As text: 0 owner, 1 admin, 2 delegated, 3 transport, 4 system, 5 best access, 6 delegated admin.</summary>
    public string? LogonType { get; init; }

    /// <summary>
    /// Whose account acted, as text: 0 regular, 2 admin, 3 data centre admin, 4 system, 5 application, 6 service principal, 10 guest.
    /// </summary>
    public string? UserType { get; init; }

    /// <summary><c>Bind</c> (messages) or <c>Sync</c> (folders).</summary>
    public string? AccessType { get; init; }

    /// <summary>Whether there were so many accesses that Exchange left some out. Absent for documents of Elastic's integration.</summary>
    public bool? IsThrottled { get; init; }

    /// <summary>How many items the record stands for.</summary>
    public long? OperationCount { get; init; }

    /// <summary>The client as Exchange describes it.</summary>
    public string? ClientInfo { get; init; }

    /// <summary>The application's id.</summary>
    public string? AppId { get; init; }

    /// <summary>Whether someone outside the organisation acted.</summary>
    public bool? ExternalAccess { get; init; }

    /// <summary>What was acted on.</summary>
    public string? ObjectId { get; init; }

    internal static EventMail? From(Texts text)
    {
        var mail = new EventMail
        {
            Workload = text[EcsField.Provider],
            MailboxOwner = text[EcsField.MailboxOwner],
            LogonType = text[EcsField.LogonType],
            UserType = text[EcsField.AuditUserType],
            // A list of names and values, as Elastic's integration keeps it, has lost which is whose; no other property has these values.
            AccessType = text[EcsField.MailAccessType]
                ?? text.All(EcsField.OperationPropertyValue)?.FirstOrDefault(value => value is "Bind" or "Sync"),
            IsThrottled = text.Flag(EcsField.IsThrottled),
            OperationCount = text.Number(EcsField.OperationCount),
            ClientInfo = text[EcsField.ClientInfo],
            AppId = text.Any(EcsField.ClientAppId, EcsField.AuditAppId),
            ExternalAccess = text.Flag(EcsField.ExternalAccess),
            ObjectId = text[EcsField.ObjectId],
        };
        // Any event may name a provider; alone it is no fact of a mail access.
        return mail with { Workload = null } == Nothing ? null : mail;
    }
}

/// <summary>Facts of a network alert: ECS <c>rule.*</c>, <c>observer.*</c>, <c>destination.*</c>, and Kibana's severity.</summary>
public sealed record EventNetwork
{
    private static readonly EventNetwork Nothing = new();

    /// <summary>The sensor's rule or signature: <c>rule.name</c>.</summary>
    public string? RuleName { get; init; }

    /// <summary><c>rule.id</c>.</summary>
    public string? RuleId { get; init; }

    /// <summary><c>rule.category</c>.</summary>
    public string? RuleCategory { get; init; }

    /// <summary><c>rule.description</c>.</summary>
    public string? RuleDescription { get; init; }

    /// <summary>The sensor's own severity: <c>event.severity</c>, as text. Its scale is the sensor's.</summary>
    public string? Severity { get; init; }

    /// <summary>Kibana's severity: low, medium, high or critical.</summary>
    public string? AlertSeverity { get; init; }

    /// <summary>Kibana's risk score, 0 to 100, as text.</summary>
    public string? AlertRiskScore { get; init; }

    /// <summary>Why Kibana's rule raised the alert, in a sentence: <c>kibana.alert.reason</c>.</summary>
    public string? AlertReason { get; init; }

    /// <summary><c>allowed</c> or <c>denied</c>, where <c>event.type</c> says so.</summary>
    public string? Verdict { get; init; }

    /// <summary>The sensor: <c>observer.vendor</c>, <c>observer.product</c>, <c>observer.name</c>.</summary>
    public string? Observer { get; init; }

    /// <summary>The host that it is about: <c>host.name</c>.</summary>
    public string? HostName { get; init; }

    /// <summary><c>destination.ip</c>, canonical where it is an address.</summary>
    public string? DestinationIp { get; init; }

    /// <summary><c>destination.port</c>, as text.</summary>
    public string? DestinationPort { get; init; }

    /// <summary><c>source.port</c>, as text.</summary>
    public string? SourcePort { get; init; }

    /// <summary><c>network.transport</c>.</summary>
    public string? Transport { get; init; }

    internal static EventNetwork? From(Texts text)
    {
        var types = text.All(EcsField.EventType) ?? [];
        var network = new EventNetwork
        {
            RuleName = text[EcsField.VendorRuleName],
            RuleId = text[EcsField.VendorRuleId],
            RuleCategory = text[EcsField.VendorRuleCategory],
            RuleDescription = text[EcsField.VendorRuleDescription],
            Severity = text[EcsField.Severity],
            AlertSeverity = text[EcsField.AlertSeverity],
            AlertRiskScore = text[EcsField.AlertRiskScore],
            AlertReason = text[EcsField.AlertReason],
            Verdict = types.Contains("denied") ? "denied" : types.Contains("allowed") ? "allowed" : null,
            Observer = text.Joined(EcsField.ObserverVendor, EcsField.ObserverProduct, EcsField.ObserverName),
            DestinationIp = Canonical(text[EcsField.DestinationIp]),
            DestinationPort = text[EcsField.DestinationPort],
            SourcePort = text[EcsField.SourcePort],
            Transport = text[EcsField.Transport],
        };
        if (network == Nothing)
        {
            return null;
        }

        // Any event may name a host; alone it is no fact of an alert.
        return text[EcsField.HostName] is { } host ? network with { HostName = host } : network;
    }

    private static string? Canonical(string? address) => SourceAddress.TryParse(address, out var parsed) ? parsed.ToString() : address;
}

/// <summary>MITRE ATT&amp;CK tactics and techniques: ECS <c>threat.*</c>.</summary>
public sealed record EventThreat
{
    private static readonly EventThreat Nothing = new();

    /// <summary><c>threat.tactic.id</c>, such as <c>TA0043</c>.</summary>
    public IReadOnlyList<string>? TacticIds { get; init; }

    /// <summary><c>threat.tactic.name</c>.</summary>
    public IReadOnlyList<string>? TacticNames { get; init; }

    /// <summary><c>threat.technique.id</c>, such as <c>T1046</c>.</summary>
    public IReadOnlyList<string>? TechniqueIds { get; init; }

    /// <summary><c>threat.technique.name</c>.</summary>
    public IReadOnlyList<string>? TechniqueNames { get; init; }

    internal static EventThreat? From(Texts text)
    {
        var threat = new EventThreat
        {
            TacticIds = text.NonEmpty(EcsField.TacticId),
            TacticNames = text.NonEmpty(EcsField.TacticName),
            TechniqueIds = text.NonEmpty(EcsField.TechniqueId),
            TechniqueNames = text.NonEmpty(EcsField.TechniqueName),
        };
        return threat == Nothing ? null : threat;
    }
}
