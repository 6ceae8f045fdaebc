// What test/workerd.test.ts runs in Cloudflare's workerd, bundled with the package: /tcp and /ws connect to a server on Node,
// and a WebSocket to /server is a connection to a server here.
import { connect as openSocket } from 'cloudflare:sockets';
import { connect, Identity, SecureServer, WEB_SOCKET_PROTOCOL, webSocket, webStreams } from 'secure-sockets';

export default {
  async fetch(request, environment, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === '/server') return serve(environment.KEY, context);
    const port = Number(searchParams.get('port'));
    const transport =
      pathname === '/tcp'
        ? webStreams(openSocket({ hostname: '127.0.0.1', port }))
        : webSocket(`ws://127.0.0.1:${port}/`);
    const lengths = searchParams.get('lengths').split(',').map(Number);
    return Response.json(await echo(transport, searchParams.get('serverKey'), lengths));
  },
};

/** The lengths of the messages that come back as they were, and how the connection ends. */
async function echo(transport, serverKey, wanted) {
  const client = await connect(transport, { serverKey });
  const lengths = [];
  for (const length of wanted) {
    await client.send(new Uint8Array(length).fill(7));
    const message = await client.recv();
    if (message.every((byte) => byte === 7)) lengths.push(message.length);
  }
  const { backend, suite } = client;
  const { error } = await client.close();
  return { lengths, backend, suite, error: error?.code };
}

async function serve(key, context) {
  const server = new SecureServer({ identity: await Identity.fromPem(key) });
  const [theirs, ours] = Object.values(new WebSocketPair());
  ours.accept();
  const headers = { 'sec-websocket-protocol': WEB_SOCKET_PROTOCOL };
  context.waitUntil(answer(server, webSocket(ours)));
  return new Response(null, { status: 101, webSocket: theirs, headers });
}

async function answer(server, transport) {
  await server.attach(transport);
  const client = await server.accept();
  for await (const message of client) await client.send(message);
  await client.close();
}
