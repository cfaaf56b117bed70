using SuspiciousSignin.Events;
using SuspiciousSignin.Stores;
using SuspiciousSignin.Tests.Stores;

namespace SuspiciousSignin.Tests.Elasticsearch;

/// <summary>
/// The contract of every store, over a fake cluster; or over a real one, such as <c>https://elastic:secret@localhost:9200</c>, where the
/// environment variable SUSPICIOUSSIGNIN_TEST_ELASTICSEARCH names it.
/// </summary>
public sealed class ElasticsearchEventStoreTests : EventStoreContract, IAsyncLifetime
{
    private Cluster _cluster = null!;

    protected override EventReaderOptions Reading => Cluster.Reading;

    protected override int AppendsPerTask => 40;

    public async ValueTask InitializeAsync() => _cluster = await Cluster.StartAsync(Clock, mayBeReal: true);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    protected override IEventStore Create() => _cluster.NewEmptyStore();
}
