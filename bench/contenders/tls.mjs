import { once } from 'node:events';
import { createSecureContext, createServer, connect as dial } from 'node:tls';
import { FramedConnection } from './framing.mjs';

/** What sealed uses too, so that versions of Node with other defaults compare the same work. */
const settings = {
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519',
};

export async function serve({ tls }, _options, handle) {
  const { key, cert } = tls;
  const server = createServer({ ...settings, key, cert, noDelay: true }, (socket) =>
    handle(new FramedConnection(socket)),
  );
  server.on('tlsClientError', (error) => {
    throw error;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

let secureContext;

export async function connect({ port, certificate }) {
  secureContext ??= createSecureContext({ ...settings, ca: certificate });
  const socket = dial({ port, host: '127.0.0.1', servername: 'localhost', secureContext });
  socket.setNoDelay(true);
  await once(socket, 'secureConnect');
  return new FramedConnection(socket);
}
