import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import { FramedConnection } from './framing.mjs';

export async function serve(_credentials, _options, handle) {
  const server = createServer({ noDelay: true }, (socket) => handle(new FramedConnection(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

export async function connect({ port }) {
  const socket = dial({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return new FramedConnection(socket);
}
