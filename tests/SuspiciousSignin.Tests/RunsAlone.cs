namespace SuspiciousSignin.Tests;

/// <summary>What measures the process runs alone: others would add to its memory, and the metrics of a service tell of every service beside it.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class RunsAlone;
