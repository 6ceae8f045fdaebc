import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import SecretStream from '@hyperswarm/secret-stream';
import { MessageQueue } from './queue.mjs';

/** Noise XX with keys generated once, as for a server and a client that know each other. */
const keyPair = SecretStream.keyPair();

export async function serve(_credentials, { callbacks }, handle) {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
    handle(connectionOver(new SecretStream(false, socket, { keyPair }), callbacks)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect({ port }, { callbacks }) {
  const socket = dial({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  await once(socket, 'connect');
  const stream = new SecretStream(true, socket, { keyPair });
  const connection = connectionOver(stream, callbacks);
  await stream.opened;
  return connection;
}

function connectionOver(stream, callbacks) {
  return callbacks ? byCallback(stream) : frame(stream);
}

/** Uses the package's own events directly. */
function byCallback(stream) {
  const closed = new Promise((resolve) => stream.once('close', resolve));
  const connection = {
    onmessage: () => {},
    onend: () => {},
    write: (message) => stream.write(message),
    whenDrained: () => once(stream, 'drain'),
    close() {
      stream.end();
      return closed;
    },
  };
  stream.on('data', (message) => connection.onmessage(message));
  stream.on('error', (error) => connection.onend(error));
  stream.on('end', () => connection.onend());
  return connection;
}

function frame(stream) {
  const queue = new MessageQueue(
    () => stream.pause(),
    () => stream.resume(),
  );
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.on('data', (message) => queue.push(message));
  stream.on('error', (error) => queue.end(error));
  stream.on('end', () => queue.end());
  stream.on('close', () => queue.end());
  return {
    send(message) {
      return stream.write(message) ? SENT : once(stream, 'drain');
    },
    [Symbol.asyncIterator]: () => queue,
    close() {
      stream.end();
      stream.resume();
      return closed;
    },
  };
}

const SENT = Promise.resolve();
