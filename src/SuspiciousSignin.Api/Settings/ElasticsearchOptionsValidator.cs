using System.Security.Cryptography;
using System.Text.RegularExpressions;
using FluentValidation;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Rules;

namespace SuspiciousSignin.Api.Settings;

/// <summary>Checks <see cref="ElasticsearchOptions"/> before the service starts. No message shows a secret.</summary>
internal sealed partial class ElasticsearchOptionsValidator : AbstractValidator<ElasticsearchOptions>
{
    public ElasticsearchOptionsValidator()
    {
        RuleForEach(o => o.Nodes)
            .Must(node => node.IsAbsoluteUri && node.Scheme is "http" or "https").WithMessage("must be an http or https URL.")
            .Must(node => !node.IsAbsoluteUri || (node.UserInfo.Length == 0 && node.Query.Length == 0))
            .WithMessage("must not hold credentials or a query; use ApiKey, or Username and Password.");
        RuleFor(o => o.Nodes)
            .Must(nodes => nodes.Where(node => node.IsAbsoluteUri).Select(node => node.Scheme)
                .Distinct(StringComparer.Ordinal).Count() <= 1)
            .WithMessage("must all be of one scheme.");
        RuleFor(o => o.Nodes)
            .Must((o, nodes) => o.AllowPlainHttp || !HasCredentials(o)
                || nodes.All(node => !node.IsAbsoluteUri || node.Scheme == "https" || node.IsLoopback))
            .WithMessage("would carry credentials over plain HTTP to another machine. "
                + "Use https, or set AllowPlainHttp where the network is yours alone.");
        RuleFor(o => o.ApiKey)
            .Must(key => key is null || IsEncodedKey(key)).WithMessage("must be the 'encoded' form of the key: base64 of id:key.")
            .Must((o, _) => new[] { o.ApiKey, o.Username, o.BearerToken }.Count(each => each is not null) <= 1)
            .WithMessage("Set one of ApiKey, Username with Password, and BearerToken.");
        RuleFor(o => o.BearerToken)
            .Must(token => token is null || (token.Length > 0 && token.All(character => character is > ' ' and <= '~')))
            .WithMessage("must be a token as the cluster gave it, without spaces or line ends.");
        foreach (var rule in new[] { RuleFor(o => o.Username), RuleFor(o => o.Password) })
        {
            rule.Must(text => text?.Any(char.IsControl) != true).WithMessage("must not hold line ends or other control characters.");
        }

        RuleFor(o => o.Password).NotEmpty().When(o => o.Username is not null);
        RuleFor(o => o.Username).NotEmpty().When(o => o.Password is not null);
        RuleFor(o => o.CertificateFingerprint).Matches(Fingerprint()).WithMessage("must be SHA-256 in hexadecimal.");
        RuleFor(o => o.CertificateAuthority)
            .Null().When(o => o.CertificateFingerprint is not null, ApplyConditionTo.CurrentValidator)
            .WithMessage("Set CertificateAuthority or CertificateFingerprint, not both.")
            .Must((o, _) => IsReadable(o))
            .When(o => o.CertificateAuthority is not null && o.CertificateFingerprint is null, ApplyConditionTo.CurrentValidator)
            .WithMessage("must name a readable PEM file with a certificate.");
        RuleFor(o => o.DataStream)
            .Matches(StreamName())
            .WithMessage("must be a data stream's name, such as logs-suspicious_signin.events-default.");
        RuleForEach(o => o.Indices)
            .OverrideIndexer((_, _, patterns, _) => $"[{patterns.Key}]")
            .Must(patterns => RuleCatalogue.RevisionNames.Contains(patterns.Key))
            .WithMessage($"must be keyed by one of {string.Join(", ", RuleCatalogue.RevisionNames)}.")
            .Must(patterns => patterns.Value.Length > 0 && patterns.Value.All(IndexPattern().IsMatch))
            .WithMessage("must be index patterns in lower case, such as logs-*.");
        RuleFor(o => o.CallTimeout).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        RuleFor(o => o.TotalTimeout).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(30));
        RuleFor(o => o.QueryTimeout).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        RuleFor(o => o.PollWait).InclusiveBetween(TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1)).LessThan(o => o.CallTimeout);
        RuleFor(o => o.MaxRetries).InclusiveBetween(1, 10);
        RuleFor(o => o.BulkBytes).InclusiveBetween(64 * 1024, 90 * 1024 * 1024);
        RuleFor(o => o.MappingLifetime).InclusiveBetween(TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        RuleFor(o => o.CircuitCalls).InclusiveBetween(2, 1_000);
        RuleFor(o => o.CircuitBreak).InclusiveBetween(TimeSpan.FromMilliseconds(500), TimeSpan.FromMinutes(10));
    }

    private static bool HasCredentials(ElasticsearchOptions o) =>
        o.ApiKey is not null || o.Username is not null || o.BearerToken is not null;

    private static bool IsEncodedKey(string key)
    {
        Span<byte> decoded = stackalloc byte[1024];
        return key.Length <= 1024 && !key.Any(char.IsWhiteSpace)
            && Convert.TryFromBase64String(key, decoded, out var length) && decoded[..length].Contains((byte)':');
    }

    private static bool IsReadable(ElasticsearchOptions o)
    {
        try
        {
            return TrustedCertificates.Check(o) is not null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return false;
        }
    }

    [GeneratedRegex("^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}\\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Fingerprint();

    [GeneratedRegex("^[a-z0-9][a-z0-9._]*(-[a-z0-9._]+)*\\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex StreamName();

    [GeneratedRegex("^[a-z0-9.*][a-z0-9._*:-]*\\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex IndexPattern();
}
