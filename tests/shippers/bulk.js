// Sends COUNT documents, dated up to START (milliseconds), with the bulk helper of the official client: node bulk.js URL NAME KEY COUNT START.
// Prints one line of JSON at the end: what the client was told of them.
import { Client } from '@elastic/elasticsearch'

const [url, name, key, count, start] = process.argv.slice(2)
const client = new Client({
  node: url,
  auth: { apiKey: { id: name, api_key: key } },
  // A restart takes seconds: try again four times a second for a minute.
  maxRetries: 240,
  retryBackoff: () => 0.25,
  compression: true
})

async function * documents () {
  for (let i = 0; i < Number(count); i++) {
    // The time is not the same for all, and never later than the start.
    yield { id: `js-${i}`, time: Number(start) - (i % 60000), user: `user${i}@example.com` }
    if (i % 100 === 99) {
      // Leaves the test the time to restart the service under us.
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

const acknowledged = new Map()
const dropped = []
const stats = await client.helpers.bulk({
  datasource: documents(),
  flushBytes: 20_000,
  concurrency: 4,
  retries: 20,
  wait: 250,
  onDocument: document => [
    { create: { _index: 'logs-o365.audit-default', _id: document.id } },
    {
      '@timestamp': new Date(document.time).toISOString(),
      source: { ip: '81.2.69.144' },
      event: { dataset: 'o365.audit', action: 'MailItemsAccessed', outcome: 'success' },
      user: { email: document.user }
    }
  ],
  onSuccess: ({ result }) => {
    const id = result.create._id
    acknowledged.set(id, (acknowledged.get(id) ?? 0) + 1)
  },
  onDrop: document => dropped.push(document.status)
})

console.log(JSON.stringify({
  total: stats.total,
  successful: stats.successful,
  failed: stats.failed,
  acknowledged: acknowledged.size,
  acknowledgedTwice: [...acknowledged.values()].filter(times => times > 1).length,
  dropped
}))
