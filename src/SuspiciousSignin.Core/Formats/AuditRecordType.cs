using System.Collections.Frozen;

namespace SuspiciousSignin.Formats;

/// <summary>
/// The record types of the audit log by number, as Microsoft's Management Activity API schema lists them. A number that is not here has no
/// name; a type given by name keeps it.
/// </summary>
internal static class AuditRecordType
{
    public const string ExchangeAdmin = "ExchangeAdmin";
    public const string ExchangeItem = "ExchangeItem";
    public const string ExchangeItemGroup = "ExchangeItemGroup";
    public const string ExchangeItemAggregated = "ExchangeItemAggregated";
    public const string AzureActiveDirectory = "AzureActiveDirectory";
    public const string AzureActiveDirectoryStsLogon = "AzureActiveDirectoryStsLogon";
    public const string DlpSharePoint = "ComplianceDLPSharePoint";
    public const string DlpExchange = "ComplianceDLPExchange";
    public const string Yammer = "Yammer";
    public const string MicrosoftTeams = "MicrosoftTeams";
    public const string Alert = "SecurityComplianceAlerts";

    private static readonly FrozenDictionary<string, string> Names = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["1"] = ExchangeAdmin,
        ["2"] = ExchangeItem,
        ["3"] = ExchangeItemGroup,
        ["4"] = "SharePoint",
        ["6"] = "SharePointFileOperation",
        ["7"] = "OneDrive",
        ["8"] = AzureActiveDirectory,
        ["9"] = "AzureActiveDirectoryAccountLogon",
        ["10"] = "DataCenterSecurityCmdlet",
        ["11"] = DlpSharePoint,
        ["12"] = "Sway",
        ["13"] = DlpExchange,
        ["14"] = "SharePointSharingOperation",
        ["15"] = AzureActiveDirectoryStsLogon,
        ["18"] = "SecurityComplianceCenterEOPCmdlet",
        ["19"] = "ExchangeAggregatedOperation",
        ["20"] = "PowerBIAudit",
        ["21"] = "CRM",
        ["22"] = Yammer,
        ["24"] = "Discovery",
        ["25"] = MicrosoftTeams,
        ["28"] = "ThreatIntelligence",
        ["29"] = "MailSubmission",
        ["30"] = "MicrosoftFlow",
        ["36"] = "SharePointListOperation",
        ["37"] = "SharePointCommentOperation",
        ["38"] = "DataGovernance",
        ["40"] = Alert,
        ["41"] = "ThreatIntelligenceUrl",
        ["42"] = "SecurityComplianceInsights",
        ["43"] = "MIPLabel",
        ["47"] = "ThreatIntelligenceAtpContent",
        ["50"] = ExchangeItemAggregated,
        ["51"] = "HygieneEvent",
        ["52"] = "DataInsightsRestApiAudit",
        ["54"] = "SharePointListItemOperation",
        ["55"] = "SharePointContentTypeOperation",
        ["56"] = "SharePointFieldOperation",
        ["57"] = "MicrosoftTeamsAdmin",
        ["62"] = "Campaign",
        ["63"] = "DLPEndpoint",
        ["64"] = "AirInvestigation",
        ["65"] = "Quarantine",
        ["66"] = "MicrosoftForms",
        ["68"] = "ComplianceSupervisionExchange",
        ["78"] = "WDATPAlerts",
        ["82"] = "SensitivityLabelPolicyMatch",
        ["83"] = "SensitivityLabelAction",
        ["85"] = "AttackSim",
        ["87"] = "SecurityComplianceRBAC",
        ["98"] = "MCASAlerts",
        ["101"] = "ExchangeSearch",
        ["102"] = "SharePointSearch",
        ["106"] = "SecurityComplianceUserChange",
        ["113"] = "MS365DCustomDetection",
        ["147"] = "CoreReportingSettings",
        ["148"] = "ComplianceConnector",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The name of a type given as number, number in text, or name.</summary>
    public static string? NameOf(string? recordType) => recordType switch
    {
        null => null,
        _ when Names.TryGetValue(recordType, out var name) => name,
        [>= '0' and <= '9' or '-', ..] => null,
        _ => recordType,
    };
}
