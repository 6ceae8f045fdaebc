// npm run demo: servers and clients in processes of their own over TCP, every pair of backends, both protocols.
// Ends with exit code 1 if anything that arrived differs from what was sent.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { backendNames } from './backends.mjs';
import { sha256Of } from './conversation.mjs';
import { runClient, startServer } from './processes.mjs';
import { hexDump, table, wrap } from './show.mjs';
import { startWiretap } from './wiretap.mjs';

const file = fileURLToPath(new URL('../../docs/images/ecb.png', import.meta.url));
const fileBytes = readFileSync(file);
const expected = { text: 'Grüße! '.repeat(8), sha256: sha256Of(fileBytes) };
// Sixteen characters a time, the size of a cipher block.
const repetitive = 'meet at 9 sharp.'.repeat(3);
const rounds = 20;
const problems = [];
const rows = [];

console.log('secure-sockets: servers and clients in processes of their own, TCP on 127.0.0.1');
console.log(
  `text, and docs/images/ecb.png (${fileBytes.length} bytes) there and back, every pair of backends\n`,
);
const servers = await startServers();

console.log('1. sealed, the default\n');
await showWire(
  'sealed',
  'The record: three bytes of length, ciphertext, and a tag that every change breaks.',
);
await showWrongPin();
await runPairs('sealed');

console.log('2. classic, for peers of the Python library: no authentication, no integrity, ECB\n');
await showWire('classic', 'Equal lines stay equal: an eavesdropper sees that the message repeats itself.');
await runPairs('classic');

await Promise.all(servers.map(({ stop }) => stop()));
console.log('3. Results\n');
const header = ['protocol', 'client', 'server', 'connect ms', 'text ms', 'file ms', 'MB/s', 'SHA-256'];
console.log(table(header, rows));
console.log('\n  text: median of 20 there and back; file: there and back, with SHA-256 at both ends\n');
for (const problem of problems) console.log(`FAILED ${problem}`);
console.log(problems.length === 0 ? 'Everything arrived as it was sent.' : `${problems.length} problem(s).`);
process.exitCode = problems.length === 0 ? 0 : 1;

// Keys take the JavaScript backends a while, so all are made side by side.
async function startServers() {
  const wanted = ['sealed', 'classic'].flatMap((protocol) =>
    backendNames.map((backend) => ({ protocol, backend })),
  );
  const started = await Promise.all(
    wanted.map(async (one) => ({ ...one, ...(await startServer(one.protocol, one.backend, rounds)) })),
  );
  const keys = started.map(({ protocol, backend, startMs, fingerprint }) => [
    protocol,
    backend,
    startMs.toFixed(0),
    fingerprint,
  ]);
  console.log(`${table(['protocol', 'server', 'ms', 'key made at start, 2048 bits'], keys)}\n`);
  return started;
}

function serverOf(protocol, backend) {
  return servers.find((server) => server.protocol === protocol && server.backend === backend);
}

async function runPairs(protocol) {
  for (const backend of backendNames)
    for (const serverBackend of backendNames) await runPair(protocol, backend, serverBackend);
}

async function runPair(protocol, backend, serverBackend) {
  const name = `${protocol}, ${backend} client, ${serverBackend} server`;
  const result = await converse(name, { protocol, backend, text: expected.text }, serverBackend);
  if (result === undefined) return;
  const { connectMs, textMs, fileMs } = result;
  const rate = (2 * fileBytes.length) / fileMs / 1000;
  const numbers = [connectMs.toFixed(0), textMs.toFixed(2), fileMs.toFixed(0), rate.toFixed(0)];
  rows.push([protocol, backend, serverBackend, ...numbers, 'equal']);
}

/** One conversation, checked at both ends. Returns the client's report if all was right. */
async function converse(name, { protocol, backend, text, port }, serverBackend) {
  const server = serverOf(protocol, serverBackend);
  const job = {
    protocol,
    backend,
    text,
    file,
    rounds,
    port: port ?? server.port,
    serverKey: server.fingerprint,
  };
  const client = await runClient(job);
  if (client.error) return fail(name, `${client.error.code ?? client.error.name}: ${client.error.message}`);
  const { got, failed } = await server.next();
  if (failed) return fail(name, failed);
  for (const [end, { text: arrived, sha256 }] of Object.entries({ client, server: got })) {
    if (arrived !== text) return fail(name, `the ${end} got another text: ${arrived}`);
    if (sha256 !== expected.sha256) return fail(name, `the ${end} got another file: ${sha256}`);
  }
  return client;
}

function fail(name, problem) {
  problems.push(`${name}: ${problem}`);
}

/** A conversation through a wiretap, and what that saw of one message. */
async function showWire(protocol, remark) {
  const tap = await startWiretap(serverOf(protocol, 'node').port);
  const job = { protocol, backend: 'node', text: repetitive, port: tap.port };
  const client = await converse(`${protocol}, through a wiretap`, job, 'node');
  const captured = tap.clientBytes();
  tap.stop();
  if (client === undefined) return;
  const plaintext = new TextEncoder().encode(repetitive);
  const message = captured.subarray(client.wire.from, client.wire.to);
  if (message.length < plaintext.length) fail(`${protocol}, through a wiretap`, 'the message was not seen');
  if (captured.includes(repetitive.slice(0, 16)))
    fail(`${protocol}, through a wiretap`, 'the plaintext was seen');
  console.log(
    `  one message, ${plaintext.length} bytes${client.suite ? `, key exchange ${client.suite}` : ''}`,
  );
  console.log(`${hexDump(plaintext)}\n\n  the same on the wire, ${message.length} bytes`);
  console.log(`${hexDump(message.subarray(0, 3))}\n${hexDump(message.subarray(3), 3)}\n\n${wrap(remark)}\n`);
}

async function showWrongPin() {
  const { port } = serverOf('sealed', 'node');
  const serverKey = serverOf('sealed', 'noble').fingerprint;
  const { error } = await runClient({ protocol: 'sealed', backend: 'node', port, serverKey, file });
  if (error?.code !== 'UNTRUSTED_SERVER') fail('a wrong pin', 'the client was not told UNTRUSTED_SERVER');
  console.log(
    `  a client that expects another key is told\n\n${wrap(`${error?.code}: ${error?.message}`, '    ')}\n`,
  );
}
