// The server that kill.test.ts kills: it echoes, and writes its port when it listens.
import { Identity, SecureServer } from 'secure-sockets';

const server = new SecureServer({
  protocol: process.env.PROTOCOL,
  identity: Identity.fromPem(process.env.KEY),
});
await server.listen({ port: 0, host: '127.0.0.1' });
console.log(server.address.port);
for await (const client of server)
  void (async () => {
    for await (const message of client) await client.send(message);
  })().catch(() => {});
