// Mixed ingestion and queries against a running service, at a fixed rate whatever the service makes of it (open loop).
//
//   node tests/load/load.js --url http://127.0.0.1:5080 --rate 2000 --seconds 60 [--batch 100] [--pid PID] [--key KEY]
//
// Per second: rate/batch batches of events with ids, 20 questions about an address, and 1 run over the last 8 hours. Prints the latencies of each
// kind, what became of every event, and the memory of the process. Exits with 1 where an answer was an error or an event is not accounted for.
'use strict';

const http = require('node:http');
const fs = require('node:fs');
const { parseArgs } = require('node:util');

const { values: asked } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:5080' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    batch: { type: 'string', default: '100' },
    pid: { type: 'string' },
    key: { type: 'string' },
  },
});
const url = new URL(asked.url);
const [rate, seconds, batch] = [Number(asked.rate), Number(asked.seconds), Number(asked.batch)];
const agent = new http.Agent({ keepAlive: true, maxSockets: 64, noDelay: true });
const run = process.pid.toString(36) + Date.now().toString(36);
const addresses = 5000;
const latencies = { ingest: [], address: [], run: [] };
const sent = { events: 0, accepted: 0, duplicates: 0, rejected: 0, errors: 0, partial: 0 };
const memory = [];
let sequence = 0;

function ask(kind, method, path, body, type) {
  const started = process.hrtime.bigint();
  return new Promise((resolve) => {
    const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
    if (asked.key) headers['X-API-Key'] = asked.key;
    const request = http.request({ host: url.hostname, port: url.port, method, path, agent, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        latencies[kind]?.push(Number(process.hrtime.bigint() - started) / 1e6);
        if (response.statusCode !== 200) {
          sent.errors++;
          console.error(`${method} ${path}: ${response.statusCode} ${Buffer.concat(chunks).toString().slice(0, 300)}`);
          resolve(null);
          return;
        }

        resolve(Buffer.concat(chunks).toString());
      });
    });
    request.on('error', (error) => {
      sent.errors++;
      console.error(`${method} ${path}: ${error.message}`);
      resolve(null);
    });
    request.end(body);
  });
}

// Few addresses have much, most have little.
function address() {
  const rank = Math.floor(addresses ** Math.random());
  return `81.${2 + (rank >> 16)}.${(rank >> 8) & 255}.${1 + (rank % 250)}`;
}

function event() {
  const kind = Math.random();
  const id = `${run}-${sequence++}`;
  const at = new Date(Date.now() - Math.floor(Math.random() * 60000)).toISOString();
  const source = `"_id":"${id}","@timestamp":"${at}","source":{"ip":"${address()}"}`;
  const user = `"user":{"name":"crew${Math.floor(Math.random() * 2000)}@northwindferry.example"}`;
  return kind < 0.6 ? `{${source},"event":{"dataset":"azure.signinlogs","outcome":"success","category":["authentication"],"action":"Sign-in activity"},${user}}`
    : kind < 0.95 ? `{${source},"event":{"dataset":"o365.audit","outcome":"success","action":"${kind < 0.635 ? 'MailItemsAccessed' : 'FileAccessed'}","category":["web"]},${user}}`
      : `{${source},"event":{"dataset":"suricata.eve","kind":"signal"},"kibana.alert.rule.name":"${kind < 0.951 ? 'External Alerts' : 'ET SCAN'}"}`;
}

async function ingest() {
  sent.events += batch;
  const body = Array.from({ length: batch }, event).join('\n');
  const text = await ask('ingest', 'POST', '/api/v1/events', body, 'application/x-ndjson');
  if (text === null) return;
  const answer = JSON.parse(text);
  sent.accepted += answer.accepted;
  sent.duplicates += answer.duplicates;
  sent.rejected += answer.rejectedTotal;
}

async function detect() {
  const text = await ask('run', 'POST', '/api/v1/detections', '{}', 'application/json');
  if (text !== null && JSON.parse(text).status !== 'succeeded') sent.partial++;
}

function every(perSecond, work) {
  const started = Date.now();
  let done = 0;
  const pending = [];
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsed = Math.min((Date.now() - started) / 1000, seconds);
      while (done < elapsed * perSecond) {
        done++;
        pending.push(work());
      }

      if (elapsed >= seconds) {
        clearInterval(timer);
        resolve(Promise.all(pending));
      }
    }, 5);
  });
}

function told(name, times) {
  times.sort((left, right) => left - right);
  const at = (share) => (times.length ? times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1) : '-');
  return `${name.padEnd(8)} ${String(times.length).padStart(7)} calls  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  max ${at(1)} ms`;
}

async function metric(name) {
  const text = await ask(null, 'GET', '/metrics', '', 'text/plain');
  return (text ?? '').split('\n').filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
}

(async () => {
  // What the first calls wait for is the compiler, not the service.
  for (let i = 0; i < 200; i++) {
    await ingest();
    await ask(null, 'GET', `/api/v1/ips/${address()}/alerts?includeEvents=false`, '', 'application/json');
  }

  await detect();
  Object.values(latencies).forEach((times) => times.splice(0));
  Object.keys(sent).forEach((name) => { sent[name] = 0; });
  const before = { stored: await metric('suspicious_signin_store_events'), evicted: await metric('suspicious_signin_store_evicted_total') };
  const watch = asked.pid && setInterval(() => {
    const line = fs.readFileSync(`/proc/${asked.pid}/status`, 'utf8').split('\n').find((each) => each.startsWith('VmRSS'));
    memory.push(Number(line.replace(/\D+/g, '')) / 1024);
  }, 1000);
  await Promise.all([
    every(rate / batch, ingest),
    every(20, () => ask('address', 'GET', `/api/v1/ips/${address()}/alerts?includeEvents=false`, '', 'application/json')),
    every(1, detect),
  ]);
  clearInterval(watch);
  const stored = await metric('suspicious_signin_store_events') - before.stored;
  const evicted = await metric('suspicious_signin_store_evicted_total') - before.evicted;
  console.log(`${rate} events/s for ${seconds} s in batches of ${batch}`);
  Object.entries(latencies).forEach(([name, times]) => console.log(told(name, times)));
  console.log(JSON.stringify({ ...sent, stored, evicted }));
  if (memory.length) {
    const third = Math.floor(memory.length / 3);
    const mean = (part) => Math.round(part.reduce((sum, each) => sum + each, 0) / Math.max(1, part.length));
    console.log(`memory: ${mean(memory.slice(0, third))} MB in the first third, ${mean(memory.slice(third, 2 * third))} in the second, ${mean(memory.slice(2 * third))} in the last, ${Math.round(Math.max(...memory))} at most`);
  }

  const isWhole = sent.errors === 0 && sent.rejected === 0 && sent.accepted + sent.duplicates === sent.events && stored + evicted === sent.accepted;
  console.log(isWhole ? 'every event is accounted for' : 'EVENTS ARE MISSING, or an answer was an error');
  process.exit(isWhole ? 0 : 1);
})();
