using System.Text.Json;
using SuspiciousSignin.Events;

namespace SuspiciousSignin.Formats;

/// <summary>
/// One shape of raw record: how it is told from the others, and which ECS fields it becomes. A shape is one small class in this folder and
/// one line in <see cref="RecordShapes"/>; docs/formats.md says what each reads.
/// </summary>
internal interface IRecordShape
{
    /// <summary>The name under which documents of this shape are counted; part of the contract.</summary>
    string Name { get; }

    /// <summary>Whether the record, a JSON object, is of this shape.</summary>
    bool Matches(JsonElement record);

    /// <summary>Sets the ECS fields of the record, as Elastic's ingest pipeline of that source would; or refuses it.</summary>
    /// <param name="record">The record, without duplicate keys.</param>
    /// <param name="ecs">Takes the fields.</param>
    /// <param name="options">Where the mapping departs from Elastic's.</param>
    void Map(JsonElement record, EcsBuilder ecs, EventReaderOptions options);
}

/// <summary>The raw shapes in the order in which they are tried.</summary>
internal static class RecordShapes
{
    /// <summary>An ECS document that is no alert; read as it is.</summary>
    public const string Ecs = "ecs";

    /// <summary>A Kibana alert document; read as it is.</summary>
    public const string KibanaAlert = "kibanaAlert";

    // Rows of Log Analytics have the members of the records that they come from, so they are tried before those.
    public static readonly IReadOnlyList<IRecordShape> All =
    [
        new LogAnalyticsSignIn(),
        new EntraSignIn(),
        new GraphSignIn(),
        new OfficeActivity(),
        new O365Audit(),
        new SuricataEve(),
        new ZeekNotice(),
        new AzureLog(),
    ];
}
