namespace SuspiciousSignin.Events;

/// <summary>How the values of a field are read.</summary>
internal enum FieldKind : byte
{
    /// <summary>Shown to analysts only: longer text is cut at <see cref="EcsFields.MaxTextLength"/> bytes.</summary>
    Text,

    /// <summary>Elasticsearch <c>keyword</c> with ECS' <c>ignore_above: 1024</c>: longer text reads as absent.</summary>
    Keyword,

    /// <summary>Elasticsearch <c>date</c>.</summary>
    Date,

    /// <summary>Read by <c>TO_IP</c>, value by value.</summary>
    Ip,
}

/// <summary>Which part of an event a field is kept in, and with which other events that part is shared.</summary>
internal enum FieldPart : byte
{
    /// <summary>With the event alone: <see cref="EventRecord.Payload"/>.</summary>
    Event,

    /// <summary>With all events of the same <see cref="EventTraits"/>.</summary>
    Traits,

    /// <summary>With all events of the same account: <see cref="EventRecord.Account"/>.</summary>
    Account,
}

/// <summary>
/// The ECS, Kibana alert and integration fields that the rule tests or an analyst needs; everything else of a document is skipped.
/// </summary>
internal enum EcsField : byte
{
    Id,
    Index,
    Timestamp,
    Ingested,
    SourceIp,
    Dataset,
    DataStreamDataset,
    OriginalDataset,
    OriginalDataStreamDataset,
    Action,
    Outcome,
    Category,
    Kind,
    Module,
    RuleName,
    RuleId,
    AlertUuid,
    EventId,
    AlertSeverity,
    AlertRiskScore,
    AlertReason,
    Message,
    EventType,
    Severity,
    Provider,
    Code,
    UserName,
    UserId,
    UserEmail,
    UserFullName,
    UserDomain,
    ServiceName,
    UserAgent,
    SourcePort,
    SourceCountry,
    SourceCountryName,
    SourceRegion,
    SourceCity,
    SourceAsNumber,
    SourceAsOrganization,
    Country,
    CountryName,
    Region,
    City,
    DestinationIp,
    DestinationPort,
    Transport,
    VendorRuleName,
    VendorRuleId,
    VendorRuleCategory,
    VendorRuleDescription,
    ObserverVendor,
    ObserverProduct,
    ObserverName,
    HostName,
    TenantId,
    OrganizationId,
    SessionId,
    TokenId,
    SignInCategory,
    ResultType,
    DeviceId,
    DeviceName,
    DeviceOs,
    DeviceBrowser,
    DeviceCompliant,
    DeviceManaged,
    DeviceTrustType,
    ConditionalAccessStatus,
    ConditionalAccessPolicy,
    RiskLevelDuringSignIn,
    RiskLevelAggregated,
    RiskState,
    RiskDetail,
    AppName,
    AppId,
    ResourceName,
    AuthenticationRequirement,
    ClientApp,
    IsInteractive,
    UserType,
    AadSessionId,
    UniqueTokenId,
    ServicePrincipalName,
    ServicePrincipalId,
    MailboxOwner,
    LogonType,
    ExternalAccess,
    ClientInfo,
    ClientAppId,
    AuditAppId,
    AuditSessionId,
    OperationCount,
    ObjectId,
    MailAccessType,
    IsThrottled,
    OperationPropertyValue,
    AuditUserType,
    TacticId,
    TacticName,
    TechniqueId,
    TechniqueName,

    /// <summary>What a document says in data_stream.dataset where the index does not map it: kept, but no column.</summary>
    UnmappedDataStreamDataset,

    /// <summary>By what the event's identity was derived from the document's own (<see cref="DerivedIdentity"/>): no column.</summary>
    Derivation,
}

/// <summary>Where each <see cref="EcsField"/> stands in a document: the one catalogue behind the reader and the ES|QL text.</summary>
internal static class EcsFields
{
    /// <summary>ECS keywords longer than this many characters are not indexed by Elasticsearch (<c>ignore_above</c>).</summary>
    public const int MaxTextLength = 1024;

    /// <summary>Under what <see cref="EcsField.Derivation"/> stands in files: no path that a document could have.</summary>
    private const string DerivationPath = "";

    public static readonly int Count = Enum.GetValues<EcsField>().Length;

    private static readonly (EcsField Field, string Path, FieldKind Kind)[] Catalogue =
    [
        (EcsField.Id, "_id", FieldKind.Keyword),
        (EcsField.Index, "_index", FieldKind.Keyword),
        (EcsField.Timestamp, "@timestamp", FieldKind.Date),
        (EcsField.Ingested, "event.ingested", FieldKind.Date),
        (EcsField.SourceIp, "source.ip", FieldKind.Ip),
        (EcsField.Dataset, "event.dataset", FieldKind.Keyword),
        (EcsField.DataStreamDataset, "data_stream.dataset", FieldKind.Keyword),
        (EcsField.OriginalDataset, "kibana.alert.original_event.dataset", FieldKind.Keyword),
        (EcsField.OriginalDataStreamDataset, "kibana.alert.original_data_stream.dataset", FieldKind.Keyword),
        (EcsField.Action, "event.action", FieldKind.Keyword),
        (EcsField.Outcome, "event.outcome", FieldKind.Keyword),
        (EcsField.Category, "event.category", FieldKind.Keyword),
        (EcsField.Kind, "event.kind", FieldKind.Keyword),
        (EcsField.Module, "event.module", FieldKind.Keyword),
        (EcsField.RuleName, "kibana.alert.rule.name", FieldKind.Text),
        (EcsField.RuleId, "kibana.alert.rule.rule_id", FieldKind.Keyword),
        (EcsField.AlertUuid, "kibana.alert.uuid", FieldKind.Keyword),
        (EcsField.EventId, "event.id", FieldKind.Keyword),
        (EcsField.AlertSeverity, "kibana.alert.severity", FieldKind.Text),
        (EcsField.AlertRiskScore, "kibana.alert.risk_score", FieldKind.Text),
        (EcsField.AlertReason, "kibana.alert.reason", FieldKind.Text),
        (EcsField.Message, "message", FieldKind.Text),
        (EcsField.EventType, "event.type", FieldKind.Text),
        (EcsField.Severity, "event.severity", FieldKind.Text),
        (EcsField.Provider, "event.provider", FieldKind.Text),
        (EcsField.Code, "event.code", FieldKind.Text),
        (EcsField.UserName, "user.name", FieldKind.Keyword),
        (EcsField.UserId, "user.id", FieldKind.Keyword),
        (EcsField.UserEmail, "user.email", FieldKind.Keyword),
        (EcsField.UserFullName, "user.full_name", FieldKind.Keyword),
        (EcsField.UserDomain, "user.domain", FieldKind.Keyword),
        (EcsField.ServiceName, "service.name", FieldKind.Text),
        (EcsField.UserAgent, "user_agent.original", FieldKind.Text),
        (EcsField.SourcePort, "source.port", FieldKind.Text),
        (EcsField.SourceCountry, "source.geo.country_iso_code", FieldKind.Text),
        (EcsField.SourceCountryName, "source.geo.country_name", FieldKind.Text),
        (EcsField.SourceRegion, "source.geo.region_name", FieldKind.Text),
        (EcsField.SourceCity, "source.geo.city_name", FieldKind.Text),
        (EcsField.SourceAsNumber, "source.as.number", FieldKind.Text),
        (EcsField.SourceAsOrganization, "source.as.organization.name", FieldKind.Text),
        (EcsField.Country, "geo.country_iso_code", FieldKind.Text),
        (EcsField.CountryName, "geo.country_name", FieldKind.Text),
        (EcsField.Region, "geo.region_name", FieldKind.Text),
        (EcsField.City, "geo.city_name", FieldKind.Text),
        (EcsField.DestinationIp, "destination.ip", FieldKind.Text),
        (EcsField.DestinationPort, "destination.port", FieldKind.Text),
        (EcsField.Transport, "network.transport", FieldKind.Text),
        (EcsField.VendorRuleName, "rule.name", FieldKind.Text),
        (EcsField.VendorRuleId, "rule.id", FieldKind.Text),
        (EcsField.VendorRuleCategory, "rule.category", FieldKind.Text),
        (EcsField.VendorRuleDescription, "rule.description", FieldKind.Text),
        (EcsField.ObserverVendor, "observer.vendor", FieldKind.Text),
        (EcsField.ObserverProduct, "observer.product", FieldKind.Text),
        (EcsField.ObserverName, "observer.name", FieldKind.Text),
        (EcsField.HostName, "host.name", FieldKind.Text),
        (EcsField.TenantId, "azure.tenant_id", FieldKind.Text),
        (EcsField.OrganizationId, "organization.id", FieldKind.Text),
        (EcsField.SessionId, "session.id", FieldKind.Text),
        (EcsField.TokenId, "token.id", FieldKind.Text),
        (EcsField.SignInCategory, "azure.signinlogs.category", FieldKind.Text),
        (EcsField.ResultType, "azure.signinlogs.result_type", FieldKind.Text),
        (EcsField.DeviceId, "azure.signinlogs.properties.device_detail.device_id", FieldKind.Text),
        (EcsField.DeviceName, "azure.signinlogs.properties.device_detail.display_name", FieldKind.Text),
        (EcsField.DeviceOs, "azure.signinlogs.properties.device_detail.operating_system", FieldKind.Text),
        (EcsField.DeviceBrowser, "azure.signinlogs.properties.device_detail.browser", FieldKind.Text),
        (EcsField.DeviceCompliant, "azure.signinlogs.properties.device_detail.is_compliant", FieldKind.Text),
        (EcsField.DeviceManaged, "azure.signinlogs.properties.device_detail.is_managed", FieldKind.Text),
        (EcsField.DeviceTrustType, "azure.signinlogs.properties.device_detail.trust_type", FieldKind.Text),
        (EcsField.ConditionalAccessStatus, "azure.signinlogs.properties.conditional_access_status", FieldKind.Text),
        (EcsField.ConditionalAccessPolicy, "azure.signinlogs.properties.applied_conditional_access_policies.display_name", FieldKind.Text),
        (EcsField.RiskLevelDuringSignIn, "azure.signinlogs.properties.risk_level_during_signin", FieldKind.Text),
        (EcsField.RiskLevelAggregated, "azure.signinlogs.properties.risk_level_aggregated", FieldKind.Text),
        (EcsField.RiskState, "azure.signinlogs.properties.risk_state", FieldKind.Text),
        (EcsField.RiskDetail, "azure.signinlogs.properties.risk_detail", FieldKind.Text),
        (EcsField.AppName, "azure.signinlogs.properties.app_display_name", FieldKind.Text),
        (EcsField.AppId, "azure.signinlogs.properties.app_id", FieldKind.Text),
        (EcsField.ResourceName, "azure.signinlogs.properties.resource_display_name", FieldKind.Text),
        (EcsField.AuthenticationRequirement, "azure.signinlogs.properties.authentication_requirement", FieldKind.Text),
        (EcsField.ClientApp, "azure.signinlogs.properties.client_app_used", FieldKind.Text),
        (EcsField.IsInteractive, "azure.signinlogs.properties.is_interactive", FieldKind.Text),
        (EcsField.UserType, "azure.signinlogs.properties.user_type", FieldKind.Text),
        (EcsField.AadSessionId, "azure.signinlogs.properties.session_id", FieldKind.Text),
        (EcsField.UniqueTokenId, "azure.signinlogs.properties.unique_token_identifier", FieldKind.Text),
        (EcsField.ServicePrincipalName, "azure.signinlogs.properties.service_principal_name", FieldKind.Keyword),
        (EcsField.ServicePrincipalId, "azure.signinlogs.properties.service_principal_id", FieldKind.Keyword),
        (EcsField.MailboxOwner, "o365.audit.MailboxOwnerUPN", FieldKind.Text),
        (EcsField.LogonType, "o365.audit.LogonType", FieldKind.Text),
        (EcsField.ExternalAccess, "o365.audit.ExternalAccess", FieldKind.Text),
        (EcsField.ClientInfo, "o365.audit.ClientInfoString", FieldKind.Text),
        (EcsField.ClientAppId, "o365.audit.ClientAppId", FieldKind.Text),
        (EcsField.AuditAppId, "o365.audit.AppId", FieldKind.Text),
        (EcsField.AuditSessionId, "o365.audit.SessionId", FieldKind.Text),
        (EcsField.OperationCount, "o365.audit.OperationCount", FieldKind.Text),
        (EcsField.ObjectId, "o365.audit.ObjectId", FieldKind.Text),
        (EcsField.MailAccessType, "o365.audit.OperationProperties.MailAccessType", FieldKind.Text),
        (EcsField.IsThrottled, "o365.audit.OperationProperties.IsThrottled", FieldKind.Text),
        (EcsField.OperationPropertyValue, "o365.audit.OperationProperties.Value", FieldKind.Text),
        (EcsField.AuditUserType, "o365.audit.UserType", FieldKind.Text),
        (EcsField.TacticId, "threat.tactic.id", FieldKind.Text),
        (EcsField.TacticName, "threat.tactic.name", FieldKind.Text),
        (EcsField.TechniqueId, "threat.technique.id", FieldKind.Text),
        (EcsField.TechniqueName, "threat.technique.name", FieldKind.Text),
    ];

    /// <summary>Keys that are no field: what stands there are records, which stand beside a shipper's own fields.</summary>
    private static readonly string[] EnvelopeKeys = ["o365audit", "AuditData", "auditData", "records"];

    private static readonly FieldPart[] Parts = BuildParts();

    /// <summary>The tree of path segments that the reader walks along with a document.</summary>
    public static readonly FieldNode Root = BuildTree();

    /// <summary>How many nodes that tree has.</summary>
    public static int NodeCount { get; private set; }

    /// <summary>The dotted path, as ES|QL names the column.</summary>
    public static string Path(EcsField field) => Catalogue[(int)field].Path;

    /// <summary>How the field's values are read.</summary>
    public static FieldKind KindOf(EcsField field) => Catalogue[(int)field].Kind;

    /// <summary>With what the field is kept.</summary>
    public static FieldPart PartOf(EcsField field) => Parts[(int)field];

    /// <summary>
    /// The path of every field in the order of its number, for files that outlive this catalogue. What the index does not map stands under
    /// the path that the document has it at.
    /// </summary>
    public static string[] Paths() =>
        [.. Catalogue.Select(row => row.Path), Path(EcsField.DataStreamDataset), DerivationPath];

    /// <summary>The field at the path, or null where this version does not know it.</summary>
    public static EcsField? Find(string path)
    {
        var at = Array.FindIndex(Catalogue, row => row.Path == path);
        return at >= 0 ? Catalogue[at].Field : path == DerivationPath ? EcsField.Derivation : null;
    }

    private static FieldPart[] BuildParts()
    {
        var parts = new FieldPart[Count];
        foreach (var field in new[]
        {
            EcsField.Dataset, EcsField.DataStreamDataset, EcsField.UnmappedDataStreamDataset, EcsField.OriginalDataset,
            EcsField.OriginalDataStreamDataset, EcsField.Action, EcsField.Outcome, EcsField.Category, EcsField.Kind, EcsField.Module,
            EcsField.Provider, EcsField.RuleName, EcsField.RuleId,
        })
        {
            parts[(int)field] = FieldPart.Traits;
        }

        foreach (var field in new[]
        {
            EcsField.UserName, EcsField.UserId, EcsField.UserEmail, EcsField.UserFullName, EcsField.UserDomain, EcsField.UserType,
            EcsField.ServiceName, EcsField.ServicePrincipalName, EcsField.ServicePrincipalId,
        })
        {
            parts[(int)field] = FieldPart.Account;
        }

        return parts;
    }

    private static FieldNode BuildTree()
    {
        var root = new FieldNode();
        foreach (var (field, path, kind) in Catalogue)
        {
            root.GetOrAdd(path).SetLeaf(field, kind);
        }

        foreach (var key in EnvelopeKeys)
        {
            root.GetOrAdd(key).SetEnvelope();
        }

        NodeCount = root.NumberFrom(0);
        return root;
    }
}
