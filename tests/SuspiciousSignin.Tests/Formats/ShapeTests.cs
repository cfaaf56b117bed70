using System.Text.Json;
using System.Text.Json.Nodes;
using SuspiciousSignin.Events;
using SuspiciousSignin.Formats;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Formats;

public sealed class ShapeTests
{
    [Fact]
    public async Task Shapes_mix_in_one_batch_in_any_form_of_body_and_the_answer_counts_them()
    {
        string[] records = [.. Raw.All.Select(raw => raw.Record), Ecs.SignIn(), Ecs.NetworkAlert()];
        var bodies = new (string Body, BatchFormat Format)[]
        {
            ($"[{string.Join(',', records)}]", BatchFormat.Json),
            ($"{{\"events\":[{string.Join(',', records)}]}}", BatchFormat.Json),
            ($"{{\"records\":[{string.Join(',', records)}]}}", BatchFormat.Json),
            (string.Join('\n', records), BatchFormat.NdJson),
            ($"{{\"records\":[{string.Join(',', records)}]}}\n", BatchFormat.NdJson),
            ($"[{string.Join(',', records)}]\r\n", BatchFormat.NdJson),
            ($"[{{\"records\":[{string.Join(',', records)}]}}]", BatchFormat.Json),
        };
        foreach (var (body, format) in bodies)
        {
            var batch = await Engine.ReadAsync(body, format);
            Assert.Equal((10, 10, 0), (batch.Received, batch.Events.Count, batch.RejectedTotal));
            Assert.Equal(Enumerable.Range(0, 10), batch.Events.Select(record => record.Position));
            Assert.Equal([.. Raw.All.Select(raw => raw.Shape).Append("ecs").Append("kibanaAlert").Order(StringComparer.Ordinal)], batch.Shapes.Keys);
            Assert.All(batch.Shapes.Values, count => Assert.Equal(1, count));
        }
    }

    [Fact]
    public async Task Every_record_becomes_an_ecs_document_of_its_dataset()
    {
        foreach (var (record, shape, dataset) in Raw.All)
        {
            var batch = await Engine.ReadAsync(record);
            Assert.Equal([shape], batch.Shapes.Keys);
            var document = await Normalised.OneAsync(record);
            Assert.Equal(dataset, Normalised.Text(document, "event.dataset"));
            Assert.Equal(dataset, Normalised.Text(document, "data_stream.dataset"));
            Assert.Equal(shape == "azureLog" ? null : "81.2.69.144", Normalised.Text(document, "source.ip"));

            // What was written reads as what it is: an ECS document.
            Assert.Equal(["ecs"], (await Engine.ReadAsync(document.GetRawText())).Shapes.Keys);
        }
    }

    [Theory]
    [InlineData("AccessGovernance", """{\"f3u\":\"eve@example.com\",\"suid\":\"x@example.com\"}""", "eve@example.com")]
    [InlineData("ThreatManagement", """{\"etype\":\"User\",\"suid\":\"eve@example.com\"}""", null)]
    [InlineData("DataLossPrevention", "no json", null)]
    public async Task An_alert_in_the_audit_log_is_of_no_other_category_whatever_it_warns_of(string category, string data, string? email)
    {
        var document = await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","Id":"a1","Operation":"AlertTriggered","RecordType":40,"Category":"{{category}}","Data":"{{data}}","Name":"Admin rights given","Comments":"New alert","PolicyId":"p1","AlertEntityId":"eve@example.com","EntityType":"User","UserId":"SecurityComplianceAlerts","Severity":"Low"}""");

        Assert.Equal(["web"], Normalised.Texts(document, "event.category"));
        Assert.Equal(("alert", "success", "Admin rights given", "Admin rights given"), (Normalised.Text(document, "event.kind"), Normalised.Text(document, "event.outcome"), Normalised.Text(document, "rule.name"), Normalised.Text(document, "message")));
        Assert.Equal(("SecurityComplianceAlerts", email, null), (Normalised.Text(document, "user.id"), Normalised.Text(document, "user.email"), Normalised.Text(document, "event.severity")));
    }

    [Theory]
    [InlineData("DlpRuleMatch", "[\"NotifyUser\"]", "null", "success")]
    [InlineData("DlpRuleMatch", "[\"NotifyUser\",\"BlockAccess\"]", "null", "failure")]
    [InlineData("DlpRuleMatch", "[\"BlockAccess\"]", "{\"Reason\":\"false positive\"}", "success")]
    [InlineData("DlpRuleMatch", "[\"BlockAccess\"]", "{}", "failure")]
    [InlineData("DlpRuleMatch", "[\"BlockAccess\"]", "\"false positive\"", "success")]
    [InlineData("DlpRuleUndo", "[\"BlockAccess\"]", "null", "success")]
    [InlineData("DlpInfo", "[\"BlockAccess\"]", "\"false positive\"", "failure")]
    public async Task Data_loss_prevention_tells_its_rules_the_severest_and_whether_the_access_was_let_be(string operation, string actions, string exception, string outcome)
    {
        var document = await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","Id":"d1","Operation":"{{operation}}","RecordType":13,"ExceptionInfo":{{exception}},"ExchangeMetaData":{"Subject":"Cards"},"SharePointMetaData":{"From":"Ada@example.com"},"PolicyDetails":[{"Rules":[{"RuleId":"r1","RuleName":"Many","Severity":"High","Actions":[]},{"RuleId":"r2","RuleName":"Some","Severity":"Low","Actions":{{actions}}}]}]}""");

        Assert.Equal(["web", "file"], Normalised.Texts(document, "event.category"));
        Assert.Equal(("alert", outcome, "4", "Cards"), (Normalised.Text(document, "event.kind"), Normalised.Text(document, "event.outcome"), Normalised.Text(document, "event.severity"), Normalised.Text(document, "message")));
        Assert.Equal(["r1", "r2", "Many", "Some"], [.. Normalised.Texts(document, "rule.id"), .. Normalised.Texts(document, "rule.name")]);
        Assert.Equal(("Ada@example.com", "Ada", "example.com"), (Normalised.Text(document, "user.id"), Normalised.Text(document, "user.name"), Normalised.Text(document, "user.domain")));
    }

    [Theory]
    [InlineData("Low", "High", "4")]
    [InlineData("High", "Low", "4")]
    [InlineData("Low", "Medium", "3")]
    public async Task The_severity_of_data_loss_prevention_is_that_of_the_severest_rule_wherever_it_stands(string first, string second, string severity) => Assert.Equal(
        severity,
        Normalised.Text(
            await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","Id":"d1","Operation":"DlpRuleMatch","RecordType":13,"PolicyDetails":[{"Rules":[{"RuleId":"r1","RuleName":"a","Severity":"{{first}}"}]},{"Rules":[{"RuleId":"r2","RuleName":"b","Severity":"{{second}}"}]}]}"""),
            "event.severity"));

    [Fact]
    public async Task How_somebody_logged_on_is_text_in_every_record_and_found_under_either_name()
    {
        var mail = await Normalised.OneAsync(Raw.Mail.Replace("\"LogonType\":0", "\"LogonType\":2,\"InternalLogonType\":1", StringComparison.Ordinal));
        var office = await Normalised.OneAsync(Raw.Office.Replace("\"ExternalAccess\"", "\"Logon_Type\":\"Delegated\",\"ExternalAccess\"", StringComparison.Ordinal));

        var audit = mail.GetProperty("o365").GetProperty("audit");
        Assert.Equal(("2", "1"), (audit.GetProperty("LogonType").GetString(), audit.GetProperty("InternalLogonType").GetString()));
        Assert.Equal("Delegated", Normalised.Text(office, "o365.audit.LogonType"));
    }

    [Theory]
    [InlineData("""{"Type":"OfficeActivity","TimeGenerated":"2026-03-14T05:00:00Z","TimeGenerated [UTC]":"2026-03-14T06:00:00Z","OfficeId":"o1","Client_IPAddress":"81.2.69.144","ClientIP":"1.1.1.1"}""", "o365.audit.TimeGenerated [UTC]", "2026-03-14T06:00:00Z")]
    [InlineData("""{"Type":"OfficeActivity","TimeGenerated":"2026-03-14T05:00:00Z","OfficeId":"o1","Client_IPAddress":"1.1.1.1","ClientIPAddress":"81.2.69.144"}""", "o365.audit.Client_IPAddress", "1.1.1.1")]
    [InlineData("""{"Type":"OfficeActivity","TimeGenerated":"2026-03-14T05:00:00Z","Id":"o1","SourceRecordId":"s1","ClientIP":"81.2.69.144"}""", "o365.audit.SourceRecordId", "s1")]
    [InlineData("""{"Type":"OfficeActivity","TimeGenerated":"2026-03-14T05:00:00Z","SourceRecordId":"s1","OfficeId":"o1","ClientIP":"81.2.69.144"}""", "o365.audit.SourceRecordId", "s1")]
    [InlineData("""{"Type":"SigninLogs","TimeGenerated [UTC]":"2026-03-14T06:00:00Z","TimeGenerated":"2026-03-14T05:00:00Z","Id":"o1","ResultType":"0","IPAddress":"81.2.69.144"}""", "azure.signinlogs.properties.time_generated [utc]", "2026-03-14T06:00:00Z")]
    [InlineData("""{"category":"SignInLogs","properties":{"createdDateTime":"2026-03-14T05:00:00Z","id":"o1","ipAddress":"81.2.69.144","conditionalAccessPolicies":"old","appliedConditionalAccessPolicies":[]}}""", "azure.signinlogs.properties.conditional_access_policies", "old")]
    public async Task Of_two_columns_that_mean_the_same_the_one_of_the_mapped_name_or_the_first_counts_and_the_other_is_kept(string record, string kept, string value)
    {
        var document = await Normalised.OneAsync(record);

        Assert.Equal(("2026-03-14T05:00:00.000Z", "81.2.69.144", "o1"), (Normalised.Text(document, "@timestamp"), Normalised.Text(document, "source.ip"), Normalised.Text(document, "event.id")));
        Assert.Equal(value, Normalised.Text(document, kept));
    }

    [Theory]
    [InlineData("""{"Type":"SigninLogs","TimeGenerated":"2026-03-14T05:00:00Z","Status":{},"STATUS":{}}""")]
    [InlineData("""{"category":"SignInLogs","properties":{"createdDateTime":"2026-03-14T05:00:00Z","ipAddress":"1.1.1.1","IpAddress":"2.2.2.2"}}""")]
    public async Task One_key_in_two_casings_is_rejected_for_which_one_is_meant_cannot_be_told(string record)
    {
        var batch = await Engine.ReadAsync(record);
        Assert.Equal([RejectionCodes.DuplicateKey], batch.Rejected.Select(rejected => rejected.Code));
    }

    [Fact]
    public async Task A_user_agent_that_looks_like_json_stays_the_text_that_it_is()
    {
        var document = await Normalised.OneAsync("""{"Type":"SigninLogs","TimeGenerated":"2026-03-14T05:00:00Z","ResultType":"0","UserAgent":"{\"a\":1}","DeviceDetail":"{\"displayName\":\"PC\"}"}""");

        Assert.Equal("""{"a":1}""", Normalised.Text(document, "user_agent.original"));
        Assert.Equal("PC", Normalised.Text(document, "azure.signinlogs.properties.device_detail.display_name"));
    }

    [Fact]
    public async Task A_status_that_is_kept_as_text_tells_the_outcome_too()
    {
        var document = await Normalised.OneAsync("""{"category":"SignInLogs","properties":{"createdDateTime":"2026-03-14T05:00:00Z","status":"{\"errorCode\":50126}"}}""");

        Assert.Equal("failure", Normalised.Text(document, "event.outcome"));
    }

    [Fact]
    public void Every_shape_has_a_name_of_its_own()
    {
        var names = RecordShapes.All.Select(shape => shape.Name).Append(RecordShapes.Ecs).Append(RecordShapes.KibanaAlert).ToArray();
        Assert.Equal(names.Length, names.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task A_diagnostic_record_takes_the_time_of_the_sign_in_and_tells_who_where_and_with_what()
    {
        var document = await Normalised.OneAsync(Raw.Entra);

        Assert.Equal("2026-03-14T05:00:00.999Z", Normalised.Text(document, "@timestamp"));
        Assert.Equal("by claim", Normalised.Text(document, "message"));
        Assert.Equal("3000000", Normalised.Text(document, "event.duration"));
        Assert.Equal("4", Normalised.Text(document, "log.level"));
        Assert.Equal("t1", Normalised.Text(document, "azure.tenant_id"));
        Assert.Equal(("NL", "Delft", "ZH"), (Normalised.Text(document, "geo.country_iso_code"), Normalised.Text(document, "geo.city_name"), Normalised.Text(document, "geo.region_name")));
        var shown = EventDocumentOf(await Engine.ReadAsync(Raw.Entra));
        Assert.Equal(("ada@example.com", "ada@example.com", "u1", "Ada"), (shown.User!.Name, shown.User.Email, shown.User.Id, shown.User.FullName));
        Assert.Equal(("d1", true), (shown.Device!.Id, shown.Device.IsCompliant));
        Assert.Equal(("Mail", "low", "SignInLogs"), (shown.SignIn!.AppName, shown.SignIn.RiskLevel, shown.SignIn.Category));
        Assert.Equal(["MFA"], shown.SignIn.ConditionalAccessPolicies!);
    }

    [Theory]
    [InlineData("SignInLogs")]
    [InlineData("NonInteractiveUserSignInLogs")]
    [InlineData("ServicePrincipalSignInLogs")]
    [InlineData("ManagedIdentitySignInLogs")]
    [InlineData("ADFSSignInLogs")]
    public async Task All_sign_in_logs_are_read_whatever_the_casing_of_their_keys(string category)
    {
        var record = Raw.Entra.Replace("\"SignInLogs\"", $"\"{category}\"", StringComparison.Ordinal);
        var expected = Fields(await Normalised.OneAsync(record));
        foreach (var casing in new Func<string, string>[] { Pascal, SnakeCase.Of, key => key.ToLowerInvariant(), key => key.ToUpperInvariant() })
        {
            Assert.Equal(expected, Fields(await Normalised.OneAsync(Rekey(JsonNode.Parse(record)!, casing).ToJsonString())));
        }

        static string Pascal(string key) => char.ToUpperInvariant(key[0]) + key[1..];
        static string Fields(System.Text.Json.JsonElement document) => string.Join('|', new[]
        {
            "@timestamp", "source.ip", "event.outcome", "event.action", "event.id", "user.name", "user.id", "message", "geo.city_name",
            "geo.country_iso_code", "azure.tenant_id",
        }.Select(path => Normalised.Text(document, path)));
    }

    [Theory]
    [InlineData("""{"errorCode":0}""", "success")]
    [InlineData("""{"errorCode":"0"}""", "success")]
    [InlineData("""{"errorCode":50126}""", "failure")]
    [InlineData("""{"errorCode":"50126"}""", "failure")]
    [InlineData("{}", "success")]
    [InlineData("null", "success")]
    [InlineData("""{"errorCode":null}""", "success")]
    [InlineData("""{"errorCode":""}""", "success")]
    [InlineData("""{"errorCode":"AADSTS50126"}""", null)]
    [InlineData("""{"errorCode":[50126]}""", null)]
    [InlineData("""{"errorCode":{}}""", null)]
    [InlineData("""{"errorCode":true}""", null)]
    [InlineData("""{"errorCode":99999999999999999999}""", "failure")]
    [InlineData("""{"errorCode":1e400}""", "failure")]
    [InlineData("""{"errorCode":"9000000000000000"}""", "failure")]
    [InlineData("""{"errorCode":"0.0"}""", "success")]
    [InlineData("""{"errorCode":"Infinity"}""", null)]
    [InlineData("""{"errorCode":-1}""", null)]
    public async Task The_outcome_of_a_sign_in_is_its_error_code(string status, string? expected) => Assert.Equal(
        expected,
        Normalised.Text(await Normalised.OneAsync($$$"""{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","properties":{"status":{{{status}}}}}"""), "event.outcome"));

    [Theory]
    [InlineData("""{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","resultType":"50126","properties":{"status":{"errorCode":"AADSTS50126"}}}""", "failure")]
    [InlineData("""{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","resultType":"0","properties":{"status":{"errorCode":"none"}}}""", "success")]
    [InlineData("""{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","resultType":"0","properties":{"status":{"errorCode":50126}}}""", "failure")]
    [InlineData("""{"createdDateTime":"2026-03-14T05:00:00Z","ipAddress":"1.1.1.1","status":{"errorCode":"AADSTS50126"}}""", null)]
    [InlineData("""{"Type":"SigninLogs","TimeGenerated":"2026-03-14T05:00:00Z","Status":{"errorCode":"AADSTS50126"}}""", null)]
    [InlineData("""{"Type":"SigninLogs","TimeGenerated":"2026-03-14T05:00:00Z","ResultType":"","Status":{"errorCode":"AADSTS50126"}}""", null)]
    public async Task An_error_code_that_cannot_be_read_is_no_success_unless_the_result_type_says_so(string record, string? expected) =>
        Assert.Equal(expected, Normalised.Text(await Normalised.OneAsync(record), "event.outcome"));

    [Theory]
    [InlineData("0", "success")]
    [InlineData("50126", "failure")]
    [InlineData("-1", "failure")]
    public async Task A_sign_in_of_graph_succeeded_where_its_error_code_is_zero_and_failed_otherwise(string errorCode, string expected) => Assert.Equal(
        expected,
        Normalised.Text(await Normalised.OneAsync($$$"""{"createdDateTime":"2026-03-14T05:00:00Z","ipAddress":"81.2.69.144","status":{"errorCode":{{{errorCode}}}}}"""), "event.outcome"));

    [Fact]
    public async Task The_properties_of_a_diagnostic_record_may_be_text() => Assert.Equal(
        "failure",
        Normalised.Text(await Normalised.OneAsync("""{"category":"SignInLogs","properties":"{\"createdDateTime\":\"2026-03-14T05:00:00Z\",\"status\":{\"errorCode\":50126}}"}"""), "event.outcome"));

    [Fact]
    public async Task A_document_of_an_integrations_index_has_its_dataset()
    {
        var batch = await Engine.ReadAsync("""{"hits":{"hits":[{"_index":".ds-logs-azure.signinlogs-default-2026.03.14-000001","_id":"1","_source":{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"8.8.8.8"},"event":{"outcome":"success"}}}]}}""");

        Assert.True(Assert.Single(batch.Events).Classification.IsAzureSignIn(Engine.Revision()));
    }

    [Fact]
    public async Task A_sign_in_of_one_line_is_a_success_without_address()
    {
        var document = await Normalised.OneAsync("""{"Category":"SignInLogs","Time":"2026-03-14T05:00:00Z"}""");

        Assert.Equal(("success", null), (Normalised.Text(document, "event.outcome"), Normalised.Text(document, "source.ip")));
    }

    [Fact]
    public async Task Where_a_sign_in_departs_from_elastics_pipeline_a_setting_switches_it()
    {
        const string NoStatus = """{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","resultType":"50126","properties":{"id":"1"}}""";
        const string WithPort = """{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","properties":{"ipAddress":"81.2.69.144:443"}}""";
        const string Caller = """{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","callerIpAddress":"81.2.69.144","properties":{"ipAddress":""}}""";
        var elastic = new EventReaderOptions { SignInResultTypeFallback = false, SignInAddressWithPort = false, SignInCallerAddressFallback = false };

        Assert.Equal("failure", Normalised.Text(await Normalised.OneAsync(NoStatus), "event.outcome"));
        // A status that names no error is one, and says success.
        Assert.Equal("success", Normalised.Text(await Normalised.OneAsync(NoStatus.Replace("\"id\":\"1\"", "\"status\":{}", StringComparison.Ordinal)), "event.outcome"));
        Assert.Equal("success", Normalised.Text(await Normalised.OneAsync(NoStatus, elastic), "event.outcome"));
        Assert.Equal("81.2.69.144", Normalised.Text(await Normalised.OneAsync(WithPort), "source.ip"));
        Assert.Equal((null, "81.2.69.144:443"), (Normalised.Text(await Normalised.OneAsync(WithPort, elastic), "source.ip"), Normalised.Text(await Normalised.OneAsync(WithPort, elastic), "source.address")));
        Assert.Null(Normalised.Text(await Normalised.OneAsync(Caller), "source.ip"));
        // The address that the sign-in itself names goes before the caller's, under whichever of its names.
        Assert.Equal("1.1.1.1", Normalised.Text(
            await Normalised.OneAsync(Caller.Replace("\"ipAddress\":\"\"", "\"ip_address\":\"1.1.1.1\"", StringComparison.Ordinal), new EventReaderOptions { SignInCallerAddressFallback = true }), "source.ip"));
        Assert.Equal("81.2.69.144", Normalised.Text(await Normalised.OneAsync(Caller, new EventReaderOptions { SignInCallerAddressFallback = true }), "source.ip"));
    }

    [Theory]
    [InlineData("", "", "success")]
    [InlineData("\"ResultType\":\"\",", "", "failure")]
    [InlineData("\"ResultType\":\"\",", "\"Status\":{\"errorCode\":0},", "success")]
    [InlineData("\"ResultType\":\"0\",", "", "success")]
    [InlineData("\"ResultType\":\"50126\",", "", "failure")]
    public async Task A_row_without_result_is_a_success_only_where_nothing_speaks_against_it(string resultType, string status, string outcome)
    {
        var row = await Normalised.OneAsync($$"""{{{resultType}}{{status}}"Type":"SigninLogs","IPAddress":"1.1.1.1","TimeGenerated":"2026-03-14T05:00:00Z"}""");

        Assert.Equal(outcome, Normalised.Text(row, "event.outcome"));
    }

    [Theory]
    [InlineData("1", "S-1-5-21-1")]
    [InlineData("2", "S-1-5-21-1")]
    [InlineData("3", "S-1-5-21-1")]
    [InlineData("50", "S-1-5-21-1")]
    [InlineData("6", null)]
    public async Task An_exchange_record_without_user_has_the_id_of_who_logged_on(string recordType, string? id)
    {
        var record = await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","Id":"o","Operation":"MailItemsAccessed","RecordType":{{recordType}},"LogonUserSid":"S-1-5-21-1","ClientIPAddress":"81.2.69.1"}""");

        Assert.Equal(id, Normalised.Text(record, "user.id"));
    }

    [Fact]
    public async Task A_graph_sign_in_is_read_with_its_nulls()
    {
        var document = await Normalised.OneAsync(Raw.Graph);

        Assert.Equal(("failure", "bad password", "Sign-in activity"), (Normalised.Text(document, "event.outcome"), Normalised.Text(document, "message"), Normalised.Text(document, "event.action")));
        Assert.Equal(("NonInteractiveUserSignInLogs", "NL"), (Normalised.Text(document, "azure.signinlogs.category"), Normalised.Text(document, "geo.country_iso_code")));
    }

    [Fact]
    public async Task A_row_of_log_analytics_is_read_with_its_objects_in_text()
    {
        var document = await Normalised.OneAsync(Raw.LogAnalytics);

        Assert.Equal(("2026-03-14T05:00:00.500Z", "failure", "t1"), (Normalised.Text(document, "@timestamp"), Normalised.Text(document, "event.outcome"), Normalised.Text(document, "azure.tenant_id")));
        Assert.Equal(("Delft", "NL"), (Normalised.Text(document, "geo.city_name"), Normalised.Text(document, "geo.country_iso_code")));
        var shown = EventDocumentOf(await Engine.ReadAsync(Raw.LogAnalytics));
        Assert.Equal(("d1", true, true), (shown.Device!.Id, shown.Device.IsCompliant, shown.SignIn!.IsInteractive));
        Assert.Equal("success", Normalised.Text(await Normalised.OneAsync("""{"ResultType":0,"IPAddress":"1.1.1.1","TimeGenerated":"2026-03-14T05:00:00Z","Status":"{broken"}"""), "event.outcome"));
    }

    [Fact]
    public async Task Mail_access_keeps_what_triage_needs()
    {
        var shown = EventDocumentOf(await Engine.ReadAsync(Raw.Mail));

        Assert.Equal(("Ada", "example.com", "Ada@example.com", "Ada@example.com"), (shown.User!.Name, shown.User.Domain, shown.User.Email, shown.User.Id));
        Assert.Equal(("Exchange", "ada@example.com", "0", "Bind", 2L, false), (shown.Mail!.Workload, shown.Mail.MailboxOwner, shown.Mail.LogonType, shown.Mail.AccessType, shown.Mail.OperationCount, shown.Mail.ExternalAccess));
        Assert.Equal(("ses", "tok", "abc"), (shown.SessionId, shown.TokenId, shown.TenantId));
        var document = await Normalised.OneAsync(Raw.Mail);
        Assert.Equal(["web", "email"], Normalised.Texts(document, "event.category"));
        Assert.Equal(["info", "access"], Normalised.Texts(document, "event.type"));
        Assert.Equal("ExchangeItemAggregated", Normalised.Text(document, "event.code"));
    }

    [Theory]
    [InlineData("6", 6L)]
    [InlineData("\"6\"", 6L)]
    [InlineData("6.0", 6L)]
    [InlineData("\"1e1\"", 10L)]
    [InlineData("\"6.5\"", null)]
    [InlineData("1e30", null)]
    public async Task A_count_may_be_written_as_any_number_that_is_whole(string count, long? expected) => Assert.Equal(
        expected, EventDocumentOf(await Engine.ReadAsync(Raw.Mail.Replace("\"OperationCount\":2", $"\"OperationCount\":{count}", StringComparison.Ordinal))).Mail!.OperationCount);

    [Theory]
    [InlineData("""{"MailAccessType":"Bind"}""", "Bind")]
    [InlineData("""[{"Name":"MailAccessType","Value":"Bind"},{"Name":"IsThrottled","Value":"False"}]""", "Bind")]
    [InlineData("""[{"Name":"IsThrottled","Value":"False"},{"Name":"MailAccessType","Value":"Sync"}]""", "Sync")]
    [InlineData("""{"Name":["IsThrottled","MailAccessType"],"Value":["False","Sync"]}""", "Sync")]
    [InlineData("""[{"Name":"IsThrottled","Value":"False"}]""", null)]
    public async Task How_mail_was_accessed_is_found_in_ecs_documents_whichever_way_they_keep_it(string properties, string? access)
    {
        var shown = EventDocumentOf(await Engine.ReadAsync(
            $$"""{"@timestamp":"2026-03-14T05:00:00Z","event.dataset":"o365.audit","event.action":"MailItemsAccessed","source.ip":"81.2.69.144","o365.audit.LogonType":"0","o365.audit.OperationProperties":{{properties}} }"""));

        Assert.Equal(("0", access), (shown.Mail!.LogonType, shown.Mail.AccessType));
    }

    [Theory]
    [InlineData("True", true)]
    [InlineData("False", false)]
    public async Task A_mail_access_tells_whether_exchange_left_records_out_and_whose_account_acted(string throttled, bool expected)
    {
        var mail = EventDocumentOf(await Engine.ReadAsync(
            $$"""{"CreationTime":"2026-03-14T05:00:00","Id":"m1","Operation":"MailItemsAccessed","RecordType":50,"UserType":5,"Workload":"Exchange","ClientIPAddress":"81.2.69.144","OperationProperties":[{"Name":"MailAccessType","Value":"Sync"},{"Name":"IsThrottled","Value":"{{throttled}}"}]}""")).Mail!;

        Assert.Equal(("Sync", expected, "5"), (mail.AccessType, mail.IsThrottled, mail.UserType));
    }

    [Fact]
    public async Task A_row_of_office_activity_is_the_same_record_under_other_names()
    {
        var document = await Normalised.OneAsync(Raw.Office);

        Assert.Equal(("81.2.69.144", "4711", "o1"), (Normalised.Text(document, "source.ip"), Normalised.Text(document, "source.port"), Normalised.Text(document, "event.id")));
        Assert.Equal(("MailItemsAccessed", "success", "Exchange"), (Normalised.Text(document, "event.action"), Normalised.Text(document, "event.outcome"), Normalised.Text(document, "event.provider")));
        Assert.Equal("Sync", EventDocumentOf(await Engine.ReadAsync(Raw.Office)).Mail!.AccessType);
    }

    [Theory]
    [InlineData("\"Succeeded\"", "success")]
    [InlineData("\"PARTIALLYSUCCEEDED\"", "success")]
    [InlineData("\"true\"", "success")]
    [InlineData("\"failed\"", "failure")]
    [InlineData("\"False\"", "failure")]
    [InlineData("\"FALSE\"", "failure")]
    [InlineData("\"Failure\"", "success")]
    [InlineData("\"InProgress\"", "success")]
    [InlineData("\"\"", "success")]
    [InlineData("null", "success")]
    public async Task The_outcome_of_an_audit_record_is_read_as_the_pipeline_reads_it(string status, string expected) => Assert.Equal(
        expected,
        Normalised.Text(await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","RecordType":1,"Operation":"x","ResultStatus":{{status}}}"""), "event.outcome"));

    [Theory]
    [InlineData("81.2.69.144", "81.2.69.144", null, null)]
    [InlineData("81.2.69.144:443", "81.2.69.144", "443", null)]
    [InlineData("[81.2.69.144]:443", "81.2.69.144", "443", null)]
    [InlineData("[81.2.69.144]", "81.2.69.144", null, null)]
    [InlineData("::ffff:81.2.69.144", "81.2.69.144", null, null)]
    [InlineData("[::ffff:81.2.69.144]:443", "81.2.69.144", "443", null)]
    [InlineData("::FFFF:81.2.69.144", "::FFFF:81.2.69.144", null, null)]
    [InlineData("2a02:cf40::1", "2a02:cf40::1", null, null)]
    [InlineData("[2a02:cf40::1]:443", "2a02:cf40::1", "443", null)]
    [InlineData("[2a02:cf40::1]", "2a02:cf40::1", null, null)]
    [InlineData("::1", "::1", null, null)]
    [InlineData("81.2.69.144:0", null, null, "81.2.69.144:0")]
    [InlineData("81.2.69.144:443abc", null, null, "81.2.69.144:443abc")]
    [InlineData("[81.2.69.144]:443_", null, null, "[81.2.69.144]:443_")]
    [InlineData("81.2.69.144:443-x", "81.2.69.144", "443", null)]
    [InlineData("81.2.69.144:443 x", "81.2.69.144", "443", null)]
    [InlineData("2a01:111:f400:7e8b::1:54321", "2a01:111:f400:7e8b::1", "54321", null)]
    [InlineData("2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6:443", "2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6", "443", null)]
    [InlineData("2a02:cf40::9.8.7.6:443", "2a02:cf40::9.8.7.6", "443", null)]
    [InlineData("2a02:cf40::1:4432", "2a02:cf40::1:4432", null, null)]
    [InlineData("HOST:443 (45.9.9.9)", null, "443", "HOST")]
    [InlineData("[HOST]:443 (45.9.9.9)", null, "443", "HOST")]
    [InlineData("HOST:443x (45.9.9.9)", "45.9.9.9", null, "HOST:443x")]
    [InlineData("81.2.69.144\\n", "81.2.69.144", null, null)]
    [InlineData("81.2.69.144\\r\\n", null, null, null)]
    [InlineData("localhost", null, null, "localhost")]
    [InlineData("[localhost]:12345", null, null, "[localhost]:12345")]
    [InlineData("host.example:12345", null, null, "host.example:12345")]
    [InlineData("NAME (10.90.0.1)", "10.90.0.1", null, "NAME")]
    [InlineData("[NAME (10.90.0.1)]", "10.90.0.1", null, "NAME")]
    [InlineData("NAME (10.900.0.1)", null, null, "NAME")]
    [InlineData("81.2.69.999", null, null, "81.2.69.999")]
    [InlineData("010.0.0.1", null, null, "010.0.0.1")]
    [InlineData("１.１.１.１", null, null, "１.１.１.１")]
    [InlineData("no address at all", null, null, null)]
    [InlineData("", null, null, null)]
    public async Task An_address_is_read_in_every_form_that_audit_records_have(string text, string? ip, string? port, string? domain)
    {
        var document = await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","RecordType":50,"Operation":"x","ClientIPAddress":"{{text}}","ClientIP":"9.9.9.9"}""");

        Assert.Equal((ip, port, domain), (Normalised.Text(document, "source.ip"), Normalised.Text(document, "source.port"), Normalised.Text(document, "client.domain")));
    }

    [Theory]
    [InlineData("81.2.69.144", "81.2.69.144", null)]
    [InlineData("::ffff:81.2.69.144", "::ffff:81.2.69.144", null)]
    [InlineData("81.2.69.144:443", "81.2.69.144", "443")]
    [InlineData("2a01:111:f400:7e8b::1:54321", "2a01:111:f400:7e8b::1", "54321")]
    [InlineData("HOST (81.2.69.144)", null, null)]
    [InlineData("HOST:443 x", null, null)]
    public async Task The_address_of_a_sign_in_may_have_a_port_but_no_name(string text, string? ip, string? port)
    {
        var document = await Normalised.OneAsync($$$"""{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","properties":{"ipAddress":"{{{text}}}"}}""");

        Assert.Equal((ip, port, text), (Normalised.Text(document, "source.ip"), Normalised.Text(document, "source.port"), Normalised.Text(document, "source.address")));
    }

    [Theory]
    [InlineData("[\"81.2.69.1\"]")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("\"\"")]
    public async Task An_address_that_is_not_null_hides_the_next_one_though_it_cannot_be_read(string address) => Assert.Null(
        Normalised.Text(await Normalised.OneAsync($$"""{"CreationTime":"2026-03-14T05:00:00","RecordType":15,"ClientIPAddress":{{address}},"ClientIP":"9.9.9.9"}"""), "source.ip"));

    [Fact]
    public async Task The_first_address_that_is_not_null_counts() => Assert.Equal(
        "9.9.9.9",
        Normalised.Text(await Normalised.OneAsync("""{"CreationTime":"2026-03-14T05:00:00","RecordType":15,"ClientIPAddress":null,"ActorIpAddress":"9.9.9.9"}"""), "source.ip"));

    [Theory]
    [InlineData("2026-03-14T06:00:00Z")]
    [InlineData("2026-03-14T06:00:00.0009999Z")]
    [InlineData("2026-03-14T08:00:00.000000000+02:00")]
    [InlineData("2026-03-14T06:00:00")]
    [InlineData("3/14/2026 6:00:00 AM +00:00")]
    [InlineData("3/14/2026 8:00:00 AM +02:00")]
    [InlineData("3/14/2026 6:00:00 AM")]
    [InlineData("3/14/2026 6:00:00")]
    [InlineData("03/14/2026 06:00:00")]
    [InlineData("2026-03-14T6:00:00.000Z")]
    public async Task A_time_is_read_in_every_form_that_azure_writes(string text)
    {
        var batch = await Engine.ReadAsync($$"""{"category":"SignInLogs","time":"{{text}}"}""");

        Assert.Equal(1_773_468_000_000, Assert.Single(batch.Events).Timestamp);
    }

    [Theory]
    [InlineData("\"yesterday\"", "invalidTimestamp")]
    [InlineData("\"14/3/2026 6:00:00\"", "invalidTimestamp")]
    [InlineData("\"2026-03-14T06:00:60Z\"", "invalidTimestamp")]
    [InlineData("1773468000000", "invalidTimestamp")]
    [InlineData("1e400", "invalidTimestamp")]
    [InlineData("null", "missingTimestamp")]
    [InlineData("\"\"", "missingTimestamp")]
    [InlineData("{}", "missingTimestamp")]
    public async Task A_record_without_a_usable_time_is_rejected_where_its_time_should_be(string time, string code)
    {
        var rejected = Assert.Single((await Engine.ReadAsync($$"""[{"CreationTime":{{time}},"RecordType":50,"Operation":"x"}]""")).Rejected);

        Assert.Equal((code, "/CreationTime"), (rejected.Code, rejected.Pointer));
    }

    [Fact]
    public async Task A_suricata_alert_is_a_network_alert_and_a_flow_is_not()
    {
        var document = await Normalised.OneAsync(Raw.Suricata);
        Assert.Equal(("2026-03-14T04:50:00.836Z", "alert", "1"), (Normalised.Text(document, "@timestamp"), Normalised.Text(document, "event.kind"), Normalised.Text(document, "event.severity")));
        Assert.Equal(["denied"], Normalised.Texts(document, "event.type"));
        Assert.Equal(("Scan", "2000001", "Attempted Recon", "Attempted Recon"), (Normalised.Text(document, "rule.name"), Normalised.Text(document, "rule.id"), Normalised.Text(document, "rule.category"), Normalised.Text(document, "message")));
        Assert.Equal(("tcp", "1.2.3.4", "443", "curl"), (Normalised.Text(document, "network.transport"), Normalised.Text(document, "destination.ip"), Normalised.Text(document, "destination.port"), Normalised.Text(document, "user_agent.original")));
        Assert.Equal(("2026-03-14T04:49:59.000Z", "7"), (Normalised.Text(document, "event.start"), Normalised.Text(document, "suricata.eve.flow_id")));
        Assert.Equal((null, null, null), (Normalised.Text(document, "event.action"), Normalised.Text(document, "event.outcome"), Normalised.Text(document, "event.id")));
        var promoted = Engine.Revision(promote: true);
        Assert.True((await Engine.ReadAsync(Raw.Suricata)).Events[0].Classification.IsNetworkAlert(promoted));
        Assert.False((await Engine.ReadAsync(Raw.Suricata.Replace("\"alert\",", "\"flow\",", StringComparison.Ordinal))).Events[0].Classification.IsNetworkAlert(promoted));
        Assert.Single((await Engine.ReadAsync("""{"timestamp":"2026-03-14T04:50:00.836744+0000","event_type":"stats","stats":{}}""")).Events);
    }

    [Theory]
    [InlineData("alert", """ "flow":{"state":"new"},"alert":{"action":"allowed"} """, "alert", "network intrusion_detection", "start allowed", null, null)]
    [InlineData("ALERT", """ "app_proto":"SSH" """, "alert", "network intrusion_detection", "", null, "ssh")]
    [InlineData("flow", """ "flow":{"state":"closed"},"app_proto":"failed" """, "event", "network", "connection end", null, null)]
    [InlineData("http", """ "http":{"status":200} """, "event", "network web", "access protocol", "success", "http")]
    [InlineData("http", """ "http":{"status":399} """, "event", "network web", "access protocol", "success", "http")]
    [InlineData("http", """ "http":{"status":400} """, "event", "network web", "access protocol", "failure", "http")]
    [InlineData("http", """ "http":{"status":404} """, "event", "network web", "access protocol", "failure", "http")]
    [InlineData("http", """ "http":{} """, "event", "network web", "access protocol", null, "http")]
    [InlineData("http2", """ "http":{"status":200} """, "event", "network web", "access protocol", null, "http")]
    [InlineData("dns", """ "app_proto":"template" """, "event", "network", "protocol", null, "dns")]
    [InlineData("ftp_data", """ "app_proto":"failed" """, "event", "network", "protocol", null, "ftp")]
    [InlineData("rfb", """ "app_proto":"failed" """, "event", "network", "protocol", null, "rdp")]
    [InlineData("tls", """ "app_proto":"tls" """, "event", "network", "protocol", null, "tls")]
    [InlineData("drop", """ "alert":{"action":"blocked"} """, "event", "network", "denied", null, null)]
    [InlineData("stats", """ "stats":{} """, "metric", "network", "", null, null)]
    public async Task A_line_of_suricata_is_classified_by_its_type(string type, string members, string kind, string categories, string types, string? outcome, string? protocol)
    {
        var document = await Normalised.OneAsync($$"""{"timestamp":"2026-03-14T04:50:00.836744+0000","event_type":"{{type}}","src_ip":"81.2.69.144",{{members}}}""");

        Assert.Equal((kind, categories, types), (Normalised.Text(document, "event.kind"), string.Join(' ', Normalised.Texts(document, "event.category")), string.Join(' ', Normalised.Texts(document, "event.type"))));
        Assert.Equal((outcome, protocol), (Normalised.Text(document, "event.outcome"), Normalised.Text(document, "network.protocol")));
        Assert.Equal(type.ToLowerInvariant(), Normalised.Text(document, "suricata.eve.event_type"));
    }

    [Fact]
    public async Task A_packet_that_suricata_dropped_tells_the_rule_that_did_it()
    {
        var document = await Normalised.OneAsync(Raw.Suricata.Replace("\"alert\",", "\"drop\",", StringComparison.Ordinal));

        Assert.Equal(("event", "1", "Scan", "2000001", "Attempted Recon"), (Normalised.Text(document, "event.kind"), Normalised.Text(document, "event.severity"), Normalised.Text(document, "rule.name"), Normalised.Text(document, "rule.id"), Normalised.Text(document, "message")));
    }

    [Theory]
    [InlineData("1551393388.426472", "2019-02-28T22:36:28.426Z")]
    [InlineData("\"1551393388.426472\"", "2019-02-28T22:36:28.426Z")]
    [InlineData("\"2019-02-28T22:36:28.426472Z\"", "2019-02-28T22:36:28.426Z")]
    public async Task A_notice_of_zeek_tells_its_time_in_seconds_or_as_a_date(string time, string expected) =>
        Assert.Equal(expected, Normalised.Text(await Normalised.OneAsync($$"""{"ts":{{time}},"note":"x"}"""), "@timestamp"));

    [Theory]
    [InlineData("\"nonInteractiveUser\"")]
    [InlineData("[\"nonInteractiveUser\"]")]
    public async Task A_graph_sign_in_is_known_in_any_casing(string types)
    {
        var document = await Normalised.OneAsync($$$"""{"Id":"g1","CreatedDateTime":"2026-03-14T05:00:00Z","IpAddress":"81.2.69.144","Status":{"ErrorCode":50126},"SignInEventTypes":{{{types}}}}""");

        Assert.Equal(("g1", "failure", "81.2.69.144", "NonInteractiveUserSignInLogs"), (Normalised.Text(document, "event.id"), Normalised.Text(document, "event.outcome"), Normalised.Text(document, "source.ip"), Normalised.Text(document, "azure.signinlogs.category")));
    }

    [Fact]
    public async Task Two_zeek_notices_of_one_connection_are_two_events()
    {
        var document = await Normalised.OneAsync(Raw.Zeek);
        Assert.Equal(("2026-03-14T04:50:00.426Z", "alert", "C1"), (Normalised.Text(document, "@timestamp"), Normalised.Text(document, "event.kind"), Normalised.Text(document, "event.id")));
        Assert.Equal(("SSH::Password_Guessing", "guessing"), (Normalised.Text(document, "rule.name"), Normalised.Text(document, "rule.description")));
        Assert.Equal(["info", "allowed"], Normalised.Texts(document, "event.type"));

        var other = Raw.Zeek.Replace("guessing", "guessing again", StringComparison.Ordinal);
        var batch = await Engine.ReadAsync($"[{Raw.Zeek},{Raw.Zeek},{other}]");
        Assert.Equal(batch.Events[0].Identity, batch.Events[1].Identity);
        Assert.NotEqual(batch.Events[0].Identity, batch.Events[2].Identity);
        Assert.Equal("8.8.8.8", Normalised.Text(await Normalised.OneAsync("""{"ts":"2026-03-14T04:50:00Z","note":"Scan::Port_Scan","src":"8.8.8.8","dst":"1.1.1.1","p":22}"""), "source.ip"));
    }

    [Theory]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","category":"SignInLogs","time":"2026-03-14T05:00:00Z"}""", "entraSignIn")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"original":"x"},"timestamp":"2026-03-14T05:00:00+0000","event_type":"alert","src_ip":"8.8.8.8"}""", "suricata")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","ecs":{"version":"8.0.0"},"host":{"name":"h"},"ts":1773468000.5,"note":"x"}""", "zeekNotice")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"kind":"alert"},"category":"SignInLogs"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"category":"SignInLogs","time":"2026-03-14T05:00:00Z"}""", "entraSignIn")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"source":{"ip":"8.8.8.8"},"category":"SignInLogs"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit","kind":"event"},"o365audit":{"CreationTime":"2026-03-14T05:00:00","RecordType":50}}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit"},"source":{"ip":"8.8.8.8"},"o365audit":{"CreationTime":"2026-03-14T05:00:00","RecordType":50}}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"ingested":"2026-03-14T06:00:00Z"},"AuditData":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"kind":"event"},"records":[{"CreationTime":"2026-03-14T05:00:00","RecordType":50}]}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"kind":"event"},"records":[]}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","kibana.alert.uuid":"1","records":[{"CreationTime":"2026-03-14T05:00:00","RecordType":50}]}""", "kibanaAlert")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit"},"message":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","data_stream":{"dataset":"o365.audit"},"message":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit","kind":"alert"},"message":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"nginx.access"},"message":"{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit"},"message":"{\"any\":\"json\"}"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit"},"message":" \n{\"CreationTime\":\"2026-03-14T05:00:00\",\"RecordType\":50}"}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"message":"{\"records\":[{\"category\":\"SignInLogs\",\"time\":\"2026-03-14T05:00:00Z\"}]}"}""", "entraSignIn")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit"},"message":"{\"AuditData\":\"{\\\"CreationTime\\\":\\\"2026-03-14T05:00:00\\\",\\\"RecordType\\\":50}\"}"}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"message":"{\"records\":[{\"any\":\"json\"}]}"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"message":"[{\"category\":\"SignInLogs\",\"time\":\"2026-03-14T05:00:00Z\"}]"}""", "entraSignIn")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"message":"[1] text of a log"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","kibana.alert.workflow_status":"open","kibana.alert.depth":1}""", "kibanaAlert")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","kibana":{"alert.depth":1}}""", "kibanaAlert")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","kibana.space_ids":"x","kibana":{"version":1}}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"message":"{\"records\":[]}"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","source":{"ip":"8.8.8.8"},"records":[1,2]}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","kibana":{"alert":{"uuid":"1"}},"event_type":"alert","src_ip":"8.8.8.8"}""", "kibanaAlert")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.events"},"data_stream":{"dataset":"azure.events"},"message":"{\"category\":\"SignInLogs\",\"time\":\"2026-03-14T05:00:00Z\"}"}""", "entraSignIn")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","note":"SSH::Password_Guessing","src":"app-7"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","note":"login from partner","src":"81.2.69.144"}""", "ecs")]
    [InlineData("""{"@timestamp":1773468000000,"note":"SSH::Password_Guessing","src":"81.2.69.144"}""", "zeekNotice")]
    [InlineData("""{"@timestamp":["2026-03-14T06:00:00Z"],"RecordType":"50","Operation":"x","Workload":"Exchange"}""", "o365Audit")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"custom.dns"},"RecordType":"AAAA","Operation":"query","ClientIP":"9.9.9.9"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","RecordType":28,"Operation":"query","ClientIP":"9.9.9.9"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event_type":"alert","src_ip":"9.9.9.9","product":"honeypot"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","RecordType":{"a":1},"Operation":"x"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","RecordType":50,"Operation":["create"]}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","note":"text"}""", "ecs")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","Operation":"x"}""", "ecs")]
    public async Task A_raw_record_is_known_under_what_a_shipper_adds_and_ecs_stays_ecs(string record, string shape) =>
        Assert.Equal([shape], (await Engine.ReadAsync($"[{record}]")).Shapes.Keys);

    [Theory]
    [InlineData("""{TIME"event_type":"alert","src_ip":"81.2.69.142","alert":{"signature":"s"}}""", "suricata")]
    [InlineData("""{TIME"note":"SSH::Password_Guessing","msg":"m","src":"81.2.69.142"}""", "zeekNotice")]
    [InlineData("""{TIME"note":"SSH::Password_Guessing","id.orig_h":"81.2.69.142"}""", "zeekNotice")]
    [InlineData("""{TIME"note":"SSH::Password_Guessing","id":{"orig_h":"81.2.69.142"}}""", "zeekNotice")]
    [InlineData("""{TIME"Id":"i1","Operation":"MailItemsAccessed","RecordType":50,"Workload":"Exchange","ClientIPAddress":"81.2.69.142"}""", "o365Audit")]
    public async Task A_record_whose_own_time_the_shipper_moved_has_the_shippers(string record, string shape)
    {
        var batch = await Engine.ReadAsync($"[{record.Replace("TIME", "\"@timestamp\":\"2026-03-14T06:00:00Z\",", StringComparison.Ordinal)}]");
        Assert.Equal([shape], batch.Shapes.Keys);
        Assert.Equal((1_773_468_000_000, "81.2.69.142"), (batch.Events[0].Timestamp, batch.Events[0].Addresses.Span[0].ToString()));

        // Nothing dates it otherwise: a notice is then none.
        var undated = Assert.Single((await Engine.ReadAsync($"[{record.Replace("TIME", "", StringComparison.Ordinal)}]")).Rejected);
        Assert.Equal(shape == "zeekNotice" ? "unknownShape" : "missingTimestamp", undated.Code);
    }

    [Fact]
    public async Task Two_notices_that_only_the_shippers_time_tells_apart_are_two_events()
    {
        const string Notice = """{"@timestamp":"2026-03-14T06:0MINUTE:00Z","note":"Scan::Port_Scan","msg":"m","src":"81.2.69.142"}""";
        var batch = await Engine.ReadAsync($"[{Notice.Replace("MINUTE", "0", StringComparison.Ordinal)},{Notice.Replace("MINUTE", "5", StringComparison.Ordinal)},{Notice.Replace("MINUTE", "5", StringComparison.Ordinal)}]");
        Assert.NotEqual(batch.Events[0].Identity, batch.Events[1].Identity);
        Assert.Equal(batch.Events[1].Identity, batch.Events[2].Identity);
    }

    [Fact]
    public async Task A_record_in_message_has_no_time_but_its_own()
    {
        var record = """{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit"},"message":"{\"Operation\":\"MailItemsAccessed\",\"RecordType\":50,\"UserType\":0,\"ClientIPAddress\":\"81.2.69.142\"}"}""";
        var rejected = Assert.Single((await Engine.ReadAsync($"[{record}]")).Rejected);
        Assert.Equal(("missingTimestamp", "/message/CreationTime"), (rejected.Code, rejected.Pointer));
    }

    [Fact]
    public async Task The_milliseconds_of_a_zeek_that_writes_such_are_told_as_what_they_are()
    {
        var rejected = Assert.Single((await Engine.ReadAsync("""[{"ts":1320435875879278,"note":"x"}]""")).Rejected);
        Assert.Equal(("invalidTimestamp", "/ts"), (rejected.Code, rejected.Pointer));
        Assert.Contains("TS_MILLIS", rejected.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"foo":1}""", "unknownShape")]
    [InlineData("""{"message":"text","host":"h"}""", "unknownShape")]
    [InlineData("""{"category":"SignInLogsBackup"}""", "unknownShape")]
    [InlineData("{}", "missingTimestamp")]
    [InlineData("""{"event":{"dataset":"o365.audit"}}""", "missingTimestamp")]
    [InlineData("""{"event.dataset":"o365.audit"}""", "missingTimestamp")]
    [InlineData("""{"source.ip":"8.8.8.8"}""", "missingTimestamp")]
    [InlineData("""{"@timestamp":null,"foo":1}""", "missingTimestamp")]
    public async Task What_is_neither_ecs_nor_of_a_known_shape_is_rejected_as_such(string record, string code) =>
        Assert.Equal(code, Assert.Single((await Engine.ReadAsync($"[{record}]")).Rejected).Code);

    [Theory]
    [InlineData("""{\"event_type\":\"alert\",\"src_ip\":\"8.8.8.8\",\"timest""", "unexpectedType", "/message")]
    [InlineData("""{\"event_type\":\"alert\",\"src_ip\":\"8.8.8.8\",\"src_ip\":\"9.9.9.9\",\"timestamp\":\"2026-03-14T05:00:00Z\"}""", "duplicateKey", "/message")]
    [InlineData("""{\"event_type\":\"alert\",\"src_ip\":\"8.8.8.8\",\"timestamp\":\"yesterday\"}""", "invalidTimestamp", "/message/timestamp")]
    public async Task A_record_in_message_that_cannot_be_read_is_rejected_like_any_other(string message, string code, string pointer)
    {
        var rejected = Assert.Single((await Engine.ReadAsync($$"""[{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"suricata.eve"},"message":"{{message}}"}]""")).Rejected);

        Assert.Equal((code, pointer), (rejected.Code, rejected.Pointer));
    }

    [Theory]
    [InlineData("""{ "id": {"resp_h":"1.1.1.1", "orig_h":"8.8.8.8"}, "note":"N", "ts":1773468000.5 }""", true)]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"ingested":"2026-03-14T05:59:00Z"},"event.module":"zeek","ts":1773468000.5,"note":"N","id":{"orig_h":"8.8.8.8","resp_h":"1.1.1.1"}}""", true)]
    [InlineData("""{"ts":1773468000.5,"note":"N","id":{"orig_h":"8.8.8.8","resp_h":"1.1.1.2"}}""", false)]
    [InlineData("""{"ts":1773468000.5,"note":"N","id":{"orig_h":"8.8.8.8","resp_h":"1.1.1.1"},"n":1}""", false)]
    public async Task A_zeek_notice_is_known_again_however_it_is_written_and_shipped(string other, bool isTheSame)
    {
        var batch = await Engine.ReadAsync($$$"""[{"ts":1773468000.5,"note":"N","id":{"orig_h":"8.8.8.8","resp_h":"1.1.1.1"}},{{{other}}}]""");

        Assert.Equal(isTheSame, batch.Events[0].Identity == batch.Events[1].Identity);
    }

    [Theory]
    [InlineData("""{"@timestamp":"never","CreationTime":"2026-03-14T01:00:00","RecordType":50,"event":{"kind":{},"ingested":"2026-03-14T05:59:00Z"}}""")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event.ingested":"2026-03-14T05:59:00Z","CreationTime":"2026-03-14T01:00:00","RecordType":50}""")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit","ingested":"2026-03-14T05:59:00Z"},"message":"{\"CreationTime\":\"2026-03-14T01:00:00\",\"RecordType\":50}"}""")]
    [InlineData("""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"o365.audit","ingested":"2026-03-14T05:59:00Z"},"records":[{"CreationTime":"2026-03-14T01:00:00","RecordType":50}]}""")]
    public async Task When_a_record_was_ingested_is_what_its_shipper_says(string shipped)
    {
        var record = Assert.Single((await Engine.ReadAsync($"[{shipped}]")).Events);

        Assert.Equal(("2026-03-14T01:00:00.000Z", "2026-03-14T05:59:00.000Z"), (EcsTime.ToText(record.Timestamp), EcsTime.ToText(record.Ingested)));
    }

    [Fact]
    public async Task An_event_hub_message_in_message_holds_each_of_its_records()
    {
        const string Message = """{"records":[{"category":"SignInLogs","time":"2026-03-14T05:00:00Z","properties":{"createdDateTime":"2026-03-14T05:00:00Z","ipAddress":"8.8.8.8","id":"a"}},{"category":"AuditLogs"},{"category":"SignInLogs","time":"2026-03-14T05:01:00Z","properties":{"createdDateTime":"2026-03-14T05:01:00Z","ipAddress":"9.9.9.9","id":"b"}}]}""";
        var shipped = $$"""{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"azure.signinlogs"},"message":{{JsonSerializer.Serialize(Message)}}}""";

        var batch = await Engine.ReadAsync($"[{shipped}]");

        Assert.Equal(["8.8.8.8", "9.9.9.9"], batch.Events.Select(record => record.Addresses.Span[0].ToString()));
        Assert.Equal((1, "unknownShape"), (Assert.Single(batch.Rejected).Index, batch.Rejected[0].Code));
        Assert.Equal(3, batch.Received);
    }

    [Fact]
    public async Task A_record_in_message_that_nests_too_deep_is_rejected_as_such()
    {
        var record = "{\\\"event_type\\\":\\\"alert\\\",\\\"src_ip\\\":\\\"8.8.8.8\\\",\\\"x\\\":" + new string('[', 70) + new string(']', 70) + "}";

        Assert.Equal("tooDeep", Assert.Single((await Engine.ReadAsync($$"""[{"@timestamp":"2026-03-14T06:00:00Z","event":{"dataset":"suricata.eve"},"message":"{{record}}"}]""")).Rejected).Code);
    }

    [Theory]
    [InlineData("events", "[]")]
    [InlineData("records", "[]")]
    [InlineData("events", "[{\"a\":1}]")]
    public async Task An_event_with_a_list_of_its_own_is_one_event_however_it_is_sent(string name, string list)
    {
        var one = $$"""{"@timestamp":"2026-03-14T05:00:00Z","source":{"ip":"8.8.8.8"},"event":{"dataset":"o365.audit"},"{{name}}":{{list}}}""";
        foreach (var (text, format) in new[] { (one, BatchFormat.Json), ($"[{one}]", BatchFormat.Json), (one + "\n", BatchFormat.NdJson) })
        {
            var batch = await Engine.ReadAsync(text, format);
            Assert.Equal((1, 1, 0), (batch.Received, batch.Events.Count, batch.RejectedTotal));
        }
    }

    [Fact]
    public async Task A_known_record_that_the_rule_does_not_count_is_accepted_and_ignored()
    {
        using var service = new TestService();

        var answer = await service.PostAsync($"[{Raw.AuditLog},{Raw.Suricata.Replace("\"alert\",", "\"dns\",", StringComparison.Ordinal)}]");

        Assert.Equal(2, answer.Number("accepted"));
        Assert.Equal((1, 1), (answer.Number("ignored.noSourceIp"), answer.Number("ignored.otherDataset")));
        Assert.Equal("""{"azureLog":1,"suricata":1}""", answer.Json!["shapes"]!.ToJsonString());
    }

    [Fact]
    public async Task Raw_records_alone_give_an_alert()
    {
        using var service = new TestService();

        var answer = await service.PostAsync($"[{Raw.Suricata},{Raw.Mail},{Raw.Entra},{Raw.Graph}]", "?promote=true&includeEvents=true");

        Assert.Equal(["81.2.69.144"], answer.Addresses);
        Assert.Equal((1, 1, 1, 1), (answer.Number("buckets.azureSignIn"), answer.Number("buckets.mailAccess"), answer.Number("buckets.networkAlert"), answer.Number("buckets.other")));
        Assert.Equal("ada@example.com", ((string?)answer.Json!["alerts"]![0]!["users"]![0]!["email"])!, StringComparer.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task What_elastic_agent_sends_to_a_pipeline_gives_an_alert_without_one()
    {
        using var service = new TestService();
        static string Shipped(string dataset, string member) =>
            $$$"""{"@timestamp":"2026-03-14T06:00:00Z","agent":{"type":"filebeat"},"data_stream":{"dataset":"{{{dataset}}}"},"event":{"dataset":"{{{dataset}}}"},{{{member}}}}""";
        static string Message(string record) => "\"message\":" + System.Text.Json.JsonSerializer.Serialize(record.Trim());

        var answer = await service.PostAsync(
            $"[{Shipped("suricata.eve", Message(Raw.Suricata))},{Shipped("azure.signinlogs", Message(Raw.Entra))},{Shipped("o365.audit", "\"o365audit\":" + Raw.Mail)}]",
            "?promote=true");

        Assert.Equal(["81.2.69.144"], answer.Addresses);
        Assert.Equal((1, 1, 1), (answer.Number("buckets.azureSignIn"), answer.Number("buckets.mailAccess"), answer.Number("buckets.networkAlert")));
        Assert.Equal("""{"entraSignIn":1,"o365Audit":1,"suricata":1}""", answer.Json!["shapes"]!.ToJsonString());
    }

    [Fact]
    public async Task A_setting_promotes_raw_alerts_where_a_request_does_not_say()
    {
        using var service = new TestService(settings: [("Runs:Promote", "true")]);
        var batch = $"[{Raw.Suricata},{Raw.Mail}]";

        Assert.Equal(["81.2.69.144"], (await service.PostAsync(batch)).Addresses);
        Assert.Equal(["81.2.69.144"], (await service.RunAsync()).Addresses);
        Assert.Equal(["81.2.69.144"], (await service.GetAsync("/api/v1/ips/81.2.69.144/alerts")).Addresses);
        Assert.Contains("networkAlert", (await service.GetAsync("/api/v1/ips/81.2.69.144/events")).Text, StringComparison.Ordinal);
        Assert.Empty((await service.RunAsync("""{"promote":false}""")).Addresses);
        Assert.Empty((await service.PostAsync(batch, "?promote=false")).Addresses);
    }

    private static EventDocument EventDocumentOf(EventBatch batch)
    {
        var record = Assert.Single(batch.Events);
        return EventDocument.From(record, Engine.Revision());
    }

    private static JsonNode Rekey(JsonNode node, Func<string, string> casing) => node switch
    {
        JsonObject members => new JsonObject(members.Select(member => KeyValuePair.Create(casing(member.Key), member.Value is null ? null : Rekey(member.Value, casing)))),
        JsonArray items => new JsonArray([.. items.Select(item => item is null ? null : Rekey(item, casing))]),
        _ => node.DeepClone(),
    };
}
