using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Mvc;
using SuspiciousSignin.Api.Detections;
using SuspiciousSignin.Api.Ips;
using SuspiciousSignin.Api.Limits;
using SuspiciousSignin.Api.Rule;

namespace SuspiciousSignin.Api.Hosting;

/// <summary>
/// How answers are written, generated at compile time; naming, converters and the rest come from the options that it is asked with
/// (<see cref="Composition"/>). A type that is missing here is written by reflection.
/// </summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(AddressAlerts))]
[JsonSerializable(typeof(AddressEvents))]
[JsonSerializable(typeof(DetectionRequest))]
[JsonSerializable(typeof(DetectionRun))]
[JsonSerializable(typeof(Evaluation))]
[JsonSerializable(typeof(RuleDescription))]
[JsonSerializable(typeof(ServiceLimits))]
[JsonSerializable(typeof(ProblemDetails))]
// The member 'errors' of a problem.
[JsonSerializable(typeof(Dictionary<string, string[]>))]
internal sealed partial class ApiJson : JsonSerializerContext;
