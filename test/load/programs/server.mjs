// A server in a process of its own. Writes its port and fingerprint, and on each line it reads its counters.
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { Identity, SecureServer } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';

const { protocol, pem, holds, undecided, ...options } = JSON.parse(process.argv[2]);
const operations = {};
const server = new SecureServer({
  protocol,
  backend: countOperations(node),
  identity: Identity.fromPem(pem),
  ...(undecided ? { verifyClient: () => new Promise(() => {}) } : {}),
  ...options,
});
first();
await server.listen({ port: 0, host: '127.0.0.1' });
console.log(JSON.stringify({ port: server.address.port, fingerprint: server.fingerprint }));

// how late a timer of 5 ms is: since the last question, in milliseconds, 99 times of 100
const loop = monitorEventLoopDelay({ resolution: 5 });
loop.enable();

createInterface(process.stdin).on('line', () => {
  const loopDelay = loop.percentile(99) / 1e6;
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const live = heapUsed + arrayBuffers;
  console.log(
    JSON.stringify({ ...server.stats, operations, loopDelay, rss: resident(), live, arrayBuffers }),
  );
  loop.reset();
});

/** What is measured goes before what else the machine does, where that is allowed. */
function first() {
  try {
    setPriority(-10);
  } catch (error) {
    if (error.info?.code !== 'EACCES' && error.info?.code !== 'EPERM') throw error;
  }
}

/** What the process holds of the machine's memory; pages that the system has put away count too. */
function resident() {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const status = readFileSync('/proc/self/status', 'latin1');
  const kibibytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
  return 1024 * (kibibytes('VmRSS') + kibibytes('VmSwap'));
}

/** Sends back what it gets, or leaves it unread. */
async function serve(client) {
  if (holds) return;
  for await (const message of client) if (message.length > 0) await client.send(message);
  await client.close();
}

/** Counts what is computed with keys that are not symmetric. */
function countOperations(backend) {
  const count = (name, operation) => {
    return (...args) => {
      operations[name] = (operations[name] ?? 0) + 1;
      return operation(...args);
    };
  };
  const countAll = (key, names) => {
    const operationsOf = Object.entries(names).map(([method, name]) => [
      method,
      count(name, (...args) => key[method](...args)),
    ]);
    return { ...key, ...Object.fromEntries(operationsOf) };
  };
  return {
    ...backend,
    x25519: count('X25519 key', () => countAll(backend.x25519(), { agree: 'X25519 agreement' })),
    mlKem768: async () => countAll(await backend.mlKem768(), { encapsulate: 'ML-KEM encapsulation' }),
    rsaPublicKey: (numbers) => countAll(backend.rsaPublicKey(numbers), { verifyPss: 'RSA verification' }),
    rsaPrivateKey: (numbers) =>
      countAll(backend.rsaPrivateKey(numbers), {
        decryptRaw: 'RSA private operation',
        decryptOaep: 'RSA private operation',
      }),
  };
}

// kept, so that unread data stays readable
const clients = [];
for await (const client of server) {
  if (holds) clients.push(client);
  serve(client).catch(() => {});
}
