// An echo server of Deno over WebSockets: deno run --allow-net deno.mjs [PORT]
import { Identity, SecureServer, WEB_SOCKET_PROTOCOL, webSocket } from 'secure-sockets';

const identity = await Identity.generate();
const server = new SecureServer({ identity });
const web = Deno.serve(
  { hostname: '127.0.0.1', port: Number(Deno.args[0] ?? 9000), onListen: () => {} },
  upgrade,
);
console.log(`ws://127.0.0.1:${web.addr.port} ${identity.fingerprint}`);

for await (const client of server) serve(client).catch(console.error);

function upgrade(request, { remoteAddr: { hostname, port } }) {
  if (request.headers.get('upgrade') !== 'websocket')
    return new Response('a WebSocket was expected', { status: 426 });
  const { socket, response } = Deno.upgradeWebSocket(request, { protocol: WEB_SOCKET_PROTOCOL });
  server.attach(webSocket(socket, { remoteAddress: hostname, remotePort: port })).catch(console.error);
  return response;
}

async function serve(client) {
  for await (const message of client) await client.send(message);
}
