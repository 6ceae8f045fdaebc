// One of several servers behind HAProxy: node examples/haproxy/server.mjs PORT
//
// All of them load the same key, so that a client finds the server it trusts whichever of them it is given to. They may
// run on one machine or on many.
import { BlockList } from 'node:net';
import { Identity, SecureServer } from 'secure-sockets';

// Only what comes from here may say where it comes from.
const proxies = new BlockList();
proxies.addAddress(process.env.PROXY ?? '127.0.0.1');

const server = new SecureServer({
  identity: await Identity.load(process.env.KEY_FILE ?? 'server.pem'),
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
  serve(client).catch((error) => console.error(`${client.remoteAddress}: ${error.message}`));
}

async function serve(client) {
  const answer = `process ${process.pid} serves ${client.remoteAddress}`;
  for await (const _question of client) await client.send(new TextEncoder().encode(answer));
  await client.close();
}
