// One of several servers behind HAProxy: node examples/haproxy/server.mjs PORT
//
// All of them load the same key, so that a client trusts whichever it is connected to, and the same ticket keys, so
// that it can resume there. They may run on one machine or on many.
import { readFile } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { Identity, SecureServer } from 'secure-sockets';

// Only connections from these addresses may state their origin.
const proxies = new BlockList();
proxies.addAddress(process.env.PROXY ?? '127.0.0.1');

const server = new SecureServer({
  identity: await Identity.load(process.env.KEY_FILE ?? 'server.pem'),
  ticketKeys: await loadTicketKeys(process.env.TICKET_KEYS ?? 'ticket-keys'),
  trustedProxies: proxies,
  onHandshakeError: (error, { remoteAddress }) => {
    // the proxy's own health checks, some of them gone before their address could be asked for
    if (remoteAddress === undefined || proxies.check(remoteAddress)) return;
    console.error(`${remoteAddress}: ${error.message}`);
  },
});
await server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) });
console.log(`${server.address.port} ${server.fingerprint}`);

process.once('SIGTERM', () => server.close());
for await (const client of server) {
  serve(client).catch((error) => {
    console.error(`${client.remoteAddress}: ${error.message}`);
    client.destroy();
  });
}

// Lines of 64 hexadecimal digits: the first key encrypts new tickets, those under the others are still accepted. A
// program that can read this file can impersonate the server: protect it like the key file.
async function loadTicketKeys(path) {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => new Uint8Array(Buffer.from(line, 'hex')));
}

async function serve(client) {
  const answer = `process ${process.pid} serves ${client.remoteAddress}`;
  for await (const _question of client) await client.send(new TextEncoder().encode(answer));
  await client.close();
}
