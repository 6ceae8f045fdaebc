// An echo server of Bun over WebSockets: bun bun.mjs [PORT]
import { bunWebSocket, Identity, SecureServer } from 'secure-sockets';

const identity = await Identity.generate();
const server = new SecureServer({ identity });
const web = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2] ?? 9000),
  fetch: (request, bun) =>
    bun.upgrade(request) ? undefined : new Response('a WebSocket was expected', { status: 426 }),
  websocket: bunWebSocket((transport) => server.attach(transport).catch(console.error)),
});
console.log(`ws://127.0.0.1:${web.port} ${identity.fingerprint}`);

for await (const client of server) serve(client).catch(console.error);

async function serve(client) {
  for await (const message of client) await client.send(message);
}
