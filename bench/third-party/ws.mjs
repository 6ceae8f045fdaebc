import { once } from 'node:events';
import { createServer } from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { MessageQueue } from './queue.mjs';

const HIGH_WATER = 2 ** 20;
const settings = { perMessageDeflate: false, maxPayload: 64 * 2 ** 20, skipUTF8Validation: true };

export async function serve({ tls }, { callbacks }, handle) {
  const { key, cert } = tls;
  const server = createServer({ key, cert, minVersion: 'TLSv1.3', ecdhCurve: 'X25519' });
  new WebSocketServer({ ...settings, server }).on('connection', (socket) =>
    handle(callbacks ? byCallback(socket) : frame(socket)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect({ port, certificate }, { callbacks }) {
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
    ...settings,
    ca: certificate,
    servername: 'localhost',
  });
  const connection = callbacks ? byCallback(socket) : frame(socket);
  await once(socket, 'open');
  return connection;
}

/** Uses the package's own events directly. */
function byCallback(socket) {
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const connection = {
    onmessage: () => {},
    onend: () => {},
    write(message) {
      socket.send(message);
      return socket.bufferedAmount < HIGH_WATER;
    },
    whenDrained: () => new Promise((resolve) => socket.send(EMPTY, () => resolve())),
    close() {
      socket.close();
      return closed;
    },
  };
  socket.on('message', (message) => message.length > 0 && connection.onmessage(message));
  socket.on('error', (error) => connection.onend(error));
  socket.on('close', () => connection.onend());
  return connection;
}

function frame(socket) {
  const queue = new MessageQueue(
    () => socket.pause(),
    () => socket.resume(),
  );
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('message', (message) => queue.push(message));
  socket.on('error', (error) => queue.end(error));
  socket.on('close', () => queue.end());
  return {
    send(message) {
      if (socket.bufferedAmount < HIGH_WATER) {
        socket.send(message);
        return SENT;
      }
      return new Promise((resolve, reject) =>
        socket.send(message, (error) => (error ? reject(error) : resolve())),
      );
    },
    [Symbol.asyncIterator]: () => queue,
    close() {
      socket.close();
      return closed;
    },
  };
}

const SENT = Promise.resolve();
/** When it is written, everything before it is. */
const EMPTY = new Uint8Array(0);
