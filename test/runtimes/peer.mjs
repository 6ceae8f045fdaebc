// One end of the pairings of test/runtimes.test.ts, on whatever runs it: peer.mjs serve|converse FOLDER
//
// serve: listens with every backend and prints where, as JSON; ends with its input. converse: reads that line, talks to
// each of these servers with each backend, and prints what became of it. FOLDER has the keys.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Identity, SecureClient, SecureServer, Sessions } from '../../dist/index.js';

const [mode, folder] = process.argv.slice(2);
const SIZES = [0, 1, 1000, 65_536, 2 ** 18 + 1];
const HYBRIDS = ['X25519MLKEM768', 'X25519MLKEM768-CHACHA20'];

if (mode === 'serve') await serve();
else await converse();

async function serve() {
  const { backends, missing } = await loadBackends();
  const listeners = [];
  for (const [name, backend] of Object.entries(backends))
    listeners.push(await listenSealed(name, backend), await listenClassic(name, backend));
  print({ listeners: listeners.map(({ server, ...told }) => told), missing });
  await text(process.stdin);
  await Promise.all(listeners.map(({ server }) => server.close({ timeout: 1000 })));
}

/** Hybrids are named, so that they are tried also where they are not the default. */
async function listenSealed(name, backend) {
  const suites = [...HYBRIDS, 'X25519', 'X25519-CHACHA20'].filter((each) => isPossible(backend, each));
  const identity = await Identity.load(join(folder, 'server.pem'));
  const verifyClient = () => true;
  const server = new SecureServer({ backend, identity, suites, verifyClient, clientAuth: 'optional' });
  return { protocol: 'sealed', backend: name, suites, ...(await startListening(server)), server };
}

async function listenClassic(name, backend) {
  const identity = await Identity.load(join(folder, 'classic.pem'));
  const server = new SecureServer({ protocol: 'classic', backend, identity });
  return { protocol: 'classic', backend: name, ...(await startListening(server)), server };
}

async function startListening(server) {
  await server.listen({ host: '127.0.0.1', port: 0 });
  void echoAll(server);
  return { port: server.address.port, fingerprint: server.fingerprint };
}

async function echoAll(server) {
  for await (const client of server) echo(client).catch((error) => console.error('echo:', error));
}

/** First whom it takes the client for, then everything back. */
async function echo(client) {
  await client.send(new TextEncoder().encode(client.peer?.fingerprint ?? 'no one'));
  for await (const message of client) await client.send(message);
  const { error } = await client.closed;
  if (error) throw error;
}

async function converse() {
  const { listeners } = JSON.parse(await text(process.stdin));
  const { backends, missing } = await loadBackends();
  const pairings = [];
  for (const listener of listeners) {
    for (const [name, backend] of Object.entries(backends)) {
      const pairing = { protocol: listener.protocol, client: name, server: listener.backend };
      const talk = listener.protocol === 'sealed' ? sealed : classic;
      const problem = await talk(listener, backend).then(() => null, inspect);
      pairings.push({ ...pairing, problem });
    }
  }
  print({ pairings, missing });
}

/** Every suite that both have, a client that shows who it is, a connection that is resumed, and a key that is not the pinned one. */
async function sealed({ port, fingerprint, suites }, backend) {
  const identity = await Identity.load(join(folder, 'client.pem'));
  const common = suites.filter((each) => isPossible(backend, each));
  assert(common.length > 0, 'no suite in common');
  for (const suite of common) {
    const sessions = new Sessions();
    const options = { backend, serverKey: fingerprint, identity, sessions, suites: [suite] };
    for (const resumed of [false, true]) {
      const sizes = resumed ? SIZES.slice(0, 3) : SIZES;
      const client = await exchange(new SecureClient(options), port, identity.fingerprint, sizes);
      assert.deepEqual([client.suite, client.resumed], [suite, resumed]);
    }
  }
  const other = new SecureClient({ backend, serverKey: `SHA256:${'A'.repeat(43)}` });
  await assert.rejects(other.connect({ host: '127.0.0.1', port }), { code: 'UNTRUSTED_SERVER', fingerprint });
}

async function classic({ port, fingerprint }, backend) {
  const client = new SecureClient({ protocol: 'classic', backend, serverKey: fingerprint, settleMs: 0 });
  await exchange(client, port, 'no one', SIZES);
}

/** Each size there and back, all under way at once; then this end ends, and the other after it. */
async function exchange(client, port, own, sizes) {
  await client.connect({ host: '127.0.0.1', port });
  assert.equal(new TextDecoder().decode(await client.recv()), own);
  const sent = Promise.all(sizes.map((size) => client.send(content(size))));
  for (const size of sizes)
    assert(Buffer.compare((await client.recv()) ?? [], content(size)) === 0, `${size} bytes`);
  await sent;
  await client.end();
  assert.equal(await client.recv(), null);
  assert.equal((await client.close()).error, undefined);
  return client;
}

function content(size) {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7 + size) & 255);
}

/** Those that this runtime can load, and what keeps it from the others. */
async function loadBackends() {
  const backends = {};
  const missing = {};
  for (const name of ['node', 'web', 'noble', 'sodium']) {
    try {
      backends[name] = (await import(`../../dist/backends/${name}.js`))[name];
    } catch (error) {
      missing[name] = inspect(error);
    }
  }
  return { backends, missing };
}

function isPossible({ lacks = [] }, suite) {
  return !lacks.includes(suite.endsWith('-CHACHA20') ? 'chaCha20Poly1305' : 'aesGcm');
}

function inspect(error) {
  return String(error?.stack ?? error);
}

function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
