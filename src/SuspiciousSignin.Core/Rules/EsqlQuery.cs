using System.Globalization;
using System.Text;

namespace SuspiciousSignin.Rules;

/// <summary>The ES|QL text of a revision. The window travels as the named parameters <c>?from</c> and <c>?to</c>, never in the text.</summary>
public static class EsqlQuery
{
    /// <summary>Writes the query that reports the suspicious addresses of a window.</summary>
    /// <param name="revision">The revision.</param>
    /// <param name="limit">How many addresses to return at most, 1 to 10,000 (the hard maximum of ES|QL).</param>
    public static string Text(RuleRevision revision, int limit = 10_000)
    {
        var query = new StringBuilder()
            .Append("// Revision ").Append(revision.Name).AppendLine(revision.Promote ? ", raw network alerts promoted" : "")
            .Append("FROM ").AppendLine(string.Join(", ", revision.Indices))
            .AppendLine("| WHERE @timestamp > ?from AND @timestamp <= ?to")
            .AppendLine("// Which events count: a usable public source address, and one of the two sources or a network alert.")
            .Append("| WHERE ").AppendLine(revision.Keep.ToString())
            .AppendLine("// What each of them is; a condition that is null counts as not met.")
            .Append("| EVAL dataset = ").Append(DatasetText(revision))
            .AppendLine(",")
            .Append("    azure_sign_in_at = CASE(").Append(revision.AzureSignIn).AppendLine(", @timestamp),")
            .Append("    mail_access_at = CASE(").Append(revision.MailAccess).AppendLine(", @timestamp),")
            .Append("    network_alert_at = CASE(").Append(revision.NetworkAlert).AppendLine(", @timestamp)")
            .AppendLine("| STATS total = COUNT(*),")
            .AppendLine("    azure_sign_in = COUNT(azure_sign_in_at),")
            .AppendLine("    mail_access = COUNT(mail_access_at),")
            .AppendLine("    network_alert = COUNT(network_alert_at),")
            .AppendLine("    unique_datasets = COUNT_DISTINCT(dataset),")
            .AppendLine("    datasets = VALUES(dataset),")
            .AppendLine("    rule_names = VALUES(kibana.alert.rule.name),")
            .AppendLine("    categories = VALUES(event.category),")
            .AppendLine("    first_seen = MIN(@timestamp), last_seen = MAX(@timestamp),")
            .AppendLine("    first_azure_sign_in = MIN(azure_sign_in_at), last_azure_sign_in = MAX(azure_sign_in_at),")
            .AppendLine("    first_mail_access = MIN(mail_access_at), last_mail_access = MAX(mail_access_at),")
            .AppendLine("    first_network_alert = MIN(network_alert_at), last_network_alert = MAX(network_alert_at)")
            .AppendLine("  BY source_ip = TO_IP(source.ip)")
            .Append("| WHERE ").AppendLine(revision.Report.ToString())
            .AppendLine("| SORT source_ip")
            .Append("| LIMIT ").Append(limit.ToString(CultureInfo.InvariantCulture));
        return query.ToString();
    }

    private static string DatasetText(RuleRevision revision) => revision.MissingDatasetCounts
        ? $"COALESCE({string.Join(", ", revision.Dataset.Paths)}, \"\")"
        : revision.Dataset.ToString();
}
