// Sends every message back: node examples/echo/server.mjs [PORT]
//
// Prints its port and fingerprint, serves any number of clients, and on Ctrl-C lets them finish before it ends.
import { existsSync } from 'node:fs';
import { Identity, SecureServer } from 'secure-sockets';

const keyFile = process.env.KEY_FILE ?? 'echo-server.pem';
if (!existsSync(keyFile)) await (await Identity.generate()).save(keyFile);

const server = new SecureServer({
  identity: await Identity.load(keyFile),
  onHandshakeError: (error, { remoteAddress }) => console.error(`${remoteAddress}: ${error.message}`),
});
await server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) });
console.log(`${server.address.port} ${server.fingerprint}`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());

// clients are served concurrently: the loop does not wait for one of them to finish
for await (const client of server) {
  const { remoteAddress } = client;
  serve(client).catch((error) => {
    console.error(`${remoteAddress}: ${error.message}`);
    client.destroy();
  });
}

async function serve(client) {
  for await (const message of client) await client.send(message);
  await client.close();
}
