// A wiretap on the path: forwards bytes in both directions and keeps a copy of what the client wrote.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export async function startWiretap(port) {
  const captured = [];
  const sockets = new Set();
  const tap = createServer((client) => {
    const server = connect({ host: '127.0.0.1', port });
    client.on('data', (bytes) => captured.push(bytes));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      sockets.add(from);
      from.on('error', () => to.destroy()).pipe(to);
    }
  });
  tap.listen({ host: '127.0.0.1', port: 0 });
  await once(tap, 'listening');
  return {
    port: tap.address().port,
    clientBytes: () => Buffer.concat(captured),
    stop() {
      for (const socket of sockets) socket.destroy();
      tap.close();
    },
  };
}
