namespace SuspiciousSignin.Formats;

/// <summary>How an audited operation is classified in ECS.</summary>
/// <param name="Action"><c>event.action</c>: the operation, save for a few that the pipeline renames.</param>
/// <param name="Kind"><c>event.kind</c>.</param>
/// <param name="Categories"><c>event.category</c>.</param>
/// <param name="Types"><c>event.type</c>.</param>
internal sealed record AuditOperation(string? Action, string Kind, IReadOnlyList<string> Categories, IReadOnlyList<string> Types)
{
    public static AuditOperation Of(string? type, string? operation)
    {
        var (kind, action) = ("event", operation);
        var (categories, types) = (new List<string> { "web" }, new List<string> { "info" });
        void Add(string category, params ReadOnlySpan<string> more)
        {
            if (!categories.Contains(category))
            {
                categories.Add(category);
            }

            foreach (var one in more)
            {
                types.Add(one);
            }
        }

        switch (type, operation)
        {
            case (AuditRecordType.AzureActiveDirectory, "Add user."):
                action = "added-user-account";
                Add("iam", "user", "creation");
                break;
            case (AuditRecordType.AzureActiveDirectory, "Update user."):
                action = "modified-user-account";
                Add("iam", "user", "change");
                break;
            case (AuditRecordType.AzureActiveDirectory or AuditRecordType.MicrosoftTeams, "Delete user."):
                action = "deleted-user-account";
                Add("iam", "user", "deletion");
                break;
            case (AuditRecordType.MicrosoftTeams, "TeamCreated"):
                action = "added-group-account-to";
                Add("iam", "group", "creation");
                break;
            case (AuditRecordType.MicrosoftTeams, "MemberAdded"):
                action = "added-users-to-group";
                Add("iam", "group", "change");
                break;
            case (AuditRecordType.AzureActiveDirectoryStsLogon, _):
                Add("authentication", "start", "access");
                break;
            case (AuditRecordType.ExchangeItem or AuditRecordType.ExchangeItemAggregated, "MailItemsAccessed" or "AttachmentAccess"):
                Add("email", "access");
                break;
            case (AuditRecordType.ExchangeItem or AuditRecordType.ExchangeItemAggregated, _):
                Add("email");
                break;
            case (AuditRecordType.DlpSharePoint or AuditRecordType.DlpExchange, _):
                kind = "alert";
                Add("file", "access");
                break;
            case (AuditRecordType.Alert, _):
                kind = "alert";
                break;
            case (AuditRecordType.Yammer,
                "NetworkConfigurationUpdated" or "SoftDeleteSettingsUpdated" or "ProcessProfileFields" or "SupervisorAdminToggled"):
                Add("configuration", "change");
                break;
            case (AuditRecordType.Yammer, "NetworkSecurityConfigurationUpdated"):
                Add("configuration", "change", "admin");
                Add("iam");
                break;
            case (AuditRecordType.Yammer, "GroupCreation"):
                Add("iam", "creation", "group");
                break;
            case (AuditRecordType.Yammer, "GroupDeletion"):
                Add("iam", "deletion", "group");
                break;
            case (AuditRecordType.Yammer, "NetworkUserSuspended" or "UserSuspension"):
                Add("iam");
                break;
            case (AuditRecordType.Yammer, "FileCreated" or "FileUpdateName"):
                Add("file", "creation");
                break;
            case (AuditRecordType.Yammer, "FileShared" or "FileUpdateDescription" or "FileVisited"):
                Add("file", "access");
                break;
        }

        switch (operation)
        {
            case "FileAccessed" or "FileDownloaded":
                Add("file", "access");
                break;
            case "FileModified" or "FileMoved" or "FileRenamed" or "FileRestored"
                or "FolderModified" or "FolderMoved" or "FolderRenamed" or "FolderRestored":
                Add("file", "change");
                break;
            case "FileDeleted" or "FolderDeleted":
                Add("file", "deletion");
                break;
            case "FileUploaded" or "FolderCopied" or "FolderCreated":
                Add("file", "creation");
                break;
            case "ComplianceSettingChanged":
                Add("configuration", "change");
                break;
        }

        return new AuditOperation(action, kind, categories, types);
    }
}
