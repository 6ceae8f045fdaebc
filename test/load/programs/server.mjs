// An echo server in a process of its own. Writes its port and fingerprint, and on each line it reads its counters.
import { createInterface } from 'node:readline';
import { Identity, SecureServer } from 'secure-sockets';
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';

const { protocol, backend, pem, ...options } = JSON.parse(process.argv[2]);
const server = new SecureServer({
  protocol,
  backend: { node, forge, noble }[backend],
  identity: Identity.fromPem(pem),
  ...options,
});
await server.listen({ port: 0, host: '127.0.0.1' });
console.log(JSON.stringify({ port: server.address.port, fingerprint: server.fingerprint }));

createInterface(process.stdin).on('line', () => {
  globalThis.gc?.();
  console.log(JSON.stringify({ ...server.stats, rss: process.memoryUsage.rss() }));
});

async function echo(client) {
  for await (const message of client) if (message.length > 0) await client.send(message);
  await client.close();
}

for await (const client of server) echo(client).catch(() => {});
