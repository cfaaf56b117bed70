namespace SuspiciousSignin.Tests.Formats;

/// <summary>Small raw records of our own in every shape.</summary>
internal static class Raw
{
    public const string Entra = """
        {"time":"2026-03-14T05:02:00.1234567Z","resourceId":"/tenants/t1/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"SignInLogs","tenantId":"t1","resultType":"0","durationMs":"3","correlationId":"c1","Level":4,"location":"NL","properties":{"id":"s1","createdDateTime":"2026-03-14T05:00:00.9999999+00:00","userDisplayName":"Ada","userPrincipalName":"ada@example.com","userId":"u1","appDisplayName":"Mail","ipAddress":"81.2.69.144","status":{"errorCode":0,"additionalDetails":"by claim"},"userAgent":"Firefox","deviceDetail":{"deviceId":"d1","isCompliant":true},"location":{"city":"Delft","state":"ZH","geoCoordinates":{"latitude":52.0,"longitude":4.3}},"riskLevelDuringSignIn":"low","appliedConditionalAccessPolicies":[{"displayName":"MFA"}]}}
        """;

    public const string Graph = """
        {"id":"g1","createdDateTime":"2026-03-14T05:00:00Z","userPrincipalName":"ada@example.com","userId":"u1","ipAddress":"81.2.69.144","correlationId":"c1","status":{"errorCode":50126,"failureReason":"bad password","additionalDetails":null},"deviceDetail":{"isManaged":null},"location":{"city":"Delft","countryOrRegion":"NL"},"signInEventTypes":["nonInteractiveUser"]}
        """;

    public const string LogAnalytics = """
        {"TenantId":"workspace","TimeGenerated [UTC]":"3/14/2026, 5:01:00.000 AM","CreatedDateTime [UTC]":"3/14/2026, 5:00:00.500 AM","OperationName":"Sign-in activity","Category":"SignInLogs","ResultType":"50126","ResultDescription":"bad password","AADTenantId":"t1","Id":"l1","IPAddress":"81.2.69.144","UserPrincipalName":"ada@example.com","IsInteractive":"true","DeviceDetail":"{\"deviceId\":\"d1\",\"isCompliant\":true}","Status":"{\"errorCode\":50126}","LocationDetails":{"city":"Delft"},"Location":"NL","Type":"SigninLogs"}
        """;

    public const string Mail = """
        {"CreationTime":"2026-03-14T05:00:00","Id":"m1","Operation":"MailItemsAccessed","OrganizationId":"ABC","RecordType":50,"ResultStatus":"Succeeded","UserType":0,"Version":1,"Workload":"Exchange","ClientIPAddress":"81.2.69.144","UserId":"Ada@example.com","LogonType":0,"MailboxOwnerUPN":"ada@example.com","ExternalAccess":false,"OperationCount":2,"OperationProperties":[{"Name":"MailAccessType","Value":"Bind"}],"AppAccessContext":{"AADSessionId":"ses","UniqueTokenId":"tok"}}
        """;

    public const string Office = """
        {"TimeGenerated":"2026-03-14T05:00:00Z","RecordType":"50","Operation":"MailItemsAccessed","OfficeWorkload":"Exchange","ResultStatus":"Succeeded","UserId":"ada@example.com","Client_IPAddress":"","ClientIP":"81.2.69.144:4711","OfficeId":"o1","OperationProperties":"[{\"Name\":\"MailAccessType\",\"Value\":\"Sync\"}]","ExternalAccess":"False","Type":"OfficeActivity"}
        """;

    public const string Suricata = """
        {"timestamp":"2026-03-14T04:50:00.836744+0000","flow_id":7,"in_iface":"eth0","event_type":"alert","src_ip":"81.2.69.144","src_port":50000,"dest_ip":"1.2.3.4","dest_port":443,"proto":"TCP","alert":{"action":"blocked","signature_id":2000001,"signature":"Scan","category":"Attempted Recon","severity":1},"flow":{"start":"2026-03-14T04:49:59.000000+0000"},"http":{"http_user_agent":"curl"}}
        """;

    public const string Zeek = """
        {"ts":1773463800.426472,"uid":"C1","id.orig_h":"81.2.69.144","id.orig_p":50000,"id.resp_h":"1.2.3.4","id.resp_p":22,"note":"SSH::Password_Guessing","msg":"guessing","proto":"tcp","dropped":false}
        """;

    public const string AuditLog = """
        {"time":"2026-03-14T05:00:00Z","resourceId":"/tenants/t1","operationName":"Update user","category":"AuditLogs","properties":{"id":"a1"}}
        """;

    /// <summary>One of each, with the name of its shape and its dataset.</summary>
    public static readonly (string Record, string Shape, string Dataset)[] All =
    [
        (Entra, "entraSignIn", "azure.signinlogs"), (Graph, "graphSignIn", "azure.signinlogs"), (LogAnalytics, "logAnalyticsSignIn", "azure.signinlogs"),
        (Mail, "o365Audit", "o365.audit"), (Office, "officeActivity", "o365.audit"), (Suricata, "suricata", "suricata.eve"), (Zeek, "zeekNotice", "zeek.notice"),
        (AuditLog, "azureLog", "azure.auditlogs"),
    ];
}
