using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using SuspiciousSignin.Elasticsearch;
using SuspiciousSignin.Tests.Api;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>Which node is asked, and for how long one that failed is not.</summary>
public sealed class NodesTests : IDisposable
{
    private readonly FakeTimeProvider _clock = new(TestService.Now);
    private readonly Wire _wire = new();
    private readonly Nodes _nodes;
    private readonly HttpMessageInvoker _calls;

    public NodesTests()
    {
        var options = new ElasticsearchOptions { Nodes = [new Uri("http://a"), new Uri("http://b")] };
        _nodes = new Nodes(options, _clock, NullLogger<Nodes>.Instance);
        _calls = new HttpMessageInvoker(new Nodes.Handler(_nodes, options, _clock) { InnerHandler = _wire });
    }

    public void Dispose() => _calls.Dispose();

    [Fact]
    public async Task A_node_rests_for_a_minute_and_longer_with_each_failure_but_never_for_more_than_half_an_hour()
    {
        _wire.Dead.Add("b");
        var rests = new List<double>();
        for (var failures = 0; failures < 12; failures++)
        {
            await AskTwiceAsync();
            Assert.Equal(1, _nodes.Living);
            var rest = TimeSpan.FromSeconds(Math.Min(1800, 60 * Math.Pow(2, failures / 2.0)));
            _clock.Advance(rest - TimeSpan.FromMilliseconds(1));
            Assert.Equal(1, _nodes.Living);
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            Assert.Equal(2, _nodes.Living);
            rests.Add(rest.TotalSeconds);
        }

        Assert.Equal((60, 1800, 1800), (rests[0], rests[^2], rests[^1]));
    }

    [Fact]
    public async Task A_node_that_answered_again_is_as_good_as_one_that_never_failed()
    {
        _wire.Dead.Add("b");
        await AskTwiceAsync();
        _clock.Advance(TimeSpan.FromMinutes(1));
        _wire.Dead.Clear();
        await AskTwiceAsync();

        _wire.Dead.Add("b");
        await AskTwiceAsync();
        _clock.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(2, _nodes.Living);
    }

    [Fact]
    public async Task Where_all_are_left_out_the_one_that_is_due_first_is_asked()
    {
        _wire.Dead.Add("b");
        await AskTwiceAsync();
        _clock.Advance(TimeSpan.FromSeconds(10));
        _wire.Dead.Add("a");
        await AskAsync();

        _wire.Asked.Clear();
        await AskAsync();

        Assert.Equal(["b"], _wire.Asked);
    }

    [Fact]
    public void When_to_come_again_may_be_told_as_a_time()
    {
        using var answer = new HttpResponseMessage(HttpStatusCode.TooManyRequests);
        Assert.Null(Nodes.RetryAfter(answer, _clock));

        answer.Headers.RetryAfter = new RetryConditionHeaderValue(TestService.Now.AddSeconds(90));
        Assert.Equal(TimeSpan.FromSeconds(90), Nodes.RetryAfter(answer, _clock));

        answer.Headers.RetryAfter = new RetryConditionHeaderValue(TimeSpan.FromSeconds(7));
        Assert.Equal(TimeSpan.FromSeconds(7), Nodes.RetryAfter(answer, _clock));
    }

    private async Task AskTwiceAsync()
    {
        await AskAsync();
        await AskAsync();
    }

    private async Task AskAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://any/");
        try
        {
            using var answer = await _calls.SendAsync(request, TestContext.Current.CancellationToken);
        }
        catch (HttpRequestException)
        {
            // A dead node.
        }
    }

    /// <summary>Nodes that answer, or do not.</summary>
    private sealed class Wire : HttpMessageHandler
    {
        public HashSet<string> Dead { get; } = [];

        public List<string> Asked { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Asked.Add(request.RequestUri!.Host);
            return Dead.Contains(request.RequestUri.Host)
                ? throw new HttpRequestException("Nobody is there.")
                : Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("{}", Encoding.UTF8, "application/json") });
        }
    }
}
