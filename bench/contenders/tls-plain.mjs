import { once } from 'node:events';
import { createServer, connect as dial } from 'node:tls';

export async function serve({ tls }, _options, handle) {
  const { key, cert } = tls;
  const server = createServer({ key, cert, minVersion: 'TLSv1.3' }, (socket) => handle(plain(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect({ port, certificate }) {
  const socket = dial({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate });
  await once(socket, 'secureConnect');
  return plain(socket);
}

/** The usual simple framing: one write per message, and a buffer that grows by concatenation. */
function plain(socket) {
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const received = messages(socket);
  return {
    async send(message) {
      const frame = Buffer.allocUnsafe(4 + message.length);
      frame.writeUInt32BE(message.length);
      frame.set(message, 4);
      if (!socket.write(frame)) await once(socket, 'drain');
    },
    [Symbol.asyncIterator]: () => ({ next: () => received.next() }),
    close() {
      socket.end();
      socket.resume();
      return closed;
    },
  };
}

async function* messages(socket) {
  let buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 4) {
      const end = 4 + buffer.readUInt32BE(0);
      if (buffer.length < end) break;
      yield buffer.subarray(4, end);
      buffer = buffer.subarray(end);
    }
  }
}
