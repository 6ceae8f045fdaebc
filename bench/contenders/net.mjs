import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { FramedConnection } from './framing.mjs';
import { CallbackConnection } from './framing-callback.mjs';

export async function serve(_credentials, { callbacks }, handle) {
  const server = createServer({ noDelay: true }, (socket) => handle(frame(socket, callbacks)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect({ port }, { callbacks }) {
  const socket = dial({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return frame(socket, callbacks);
}

function frame(socket, callbacks) {
  return callbacks ? new CallbackConnection(socket) : new FramedConnection(socket);
}
