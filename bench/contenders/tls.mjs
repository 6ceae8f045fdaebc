import { once } from 'node:events';
import { createSecureContext, createServer, connect as dial } from 'node:tls';
import { FramedConnection } from './framing.mjs';
import { CallbackConnection } from './framing-callback.mjs';

/** The cipher that sealed uses too, so that versions of Node with other defaults do the same work. */
const settings = {
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519',
};

export async function serve({ tls }, { callbacks }, handle) {
  const { key, cert } = tls;
  const server = createServer({ ...settings, key, cert, noDelay: true }, (socket) =>
    handle(frame(socket, callbacks)),
  );
  server.on('tlsClientError', (error) => {
    throw error;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

let secureContext;
/** The server's last ticket; each is used for the next connection. */
let session;

export async function connect({ port, certificate }, { callbacks, resume }) {
  secureContext ??= createSecureContext({ ...settings, ca: certificate });
  const offered = resume ? session : undefined;
  const socket = dial({ port, host: '127.0.0.1', servername: 'localhost', secureContext, session: offered });
  socket.setNoDelay(true);
  if (resume)
    socket.on('session', (ticket) => {
      session = ticket;
    });
  await once(socket, 'secureConnect');
  if (offered !== undefined && !socket.isSessionReused()) throw new Error('the session was not resumed');
  return frame(socket, callbacks);
}

function frame(socket, callbacks) {
  return callbacks ? new CallbackConnection(socket) : new FramedConnection(socket);
}
