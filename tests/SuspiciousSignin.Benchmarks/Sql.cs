using System.Data.Common;
using System.Globalization;

namespace SuspiciousSignin.Benchmarks;

/// <summary>What the benchmarks ask of every database.</summary>
internal static class Sql
{
    public static void Execute(this DbConnection database, string sql)
    {
        using var command = database.Prepared(sql);
        command.ExecuteNonQuery();
    }

    public static long Number(this DbConnection database, string sql)
    {
        using var command = database.Prepared(sql);
        return command.Number();
    }

    /// <summary>A statement that is asked again and again.</summary>
    public static DbCommand Prepared(this DbConnection database, string sql)
    {
        var command = database.CreateCommand();
#pragma warning disable CA2100 // Every statement is written in this project.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.CommandTimeout = 0;
        return command;
    }

    /// <summary>The one number of the answer.</summary>
    public static long Number(this DbCommand command) => Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);

    /// <summary>Reads all rows of three numbers, and tells how many there are.</summary>
    public static long Rows(this DbCommand command)
    {
        using var reader = command.ExecuteReader();
        long rows = 0, sum = 0;
        while (reader.Read())
        {
            sum += reader.GetInt64(0) + reader.GetInt64(1) + reader.GetInt64(2);
            rows++;
        }

        return sum == 0 ? 0 : rows;
    }
}
