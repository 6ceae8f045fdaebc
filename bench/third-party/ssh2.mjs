import { createHash } from 'node:crypto';
import { once } from 'node:events';
import ssh2 from 'ssh2';
import { CallbackConnection } from '../contenders/framing-callback.mjs';

/** SSH with the server's RSA key pinned and any client let in: a forwarded channel, with a framing of `u32` lengths. */
export async function serve({ tls }, _options, handle) {
  const server = new ssh2.Server({ hostKeys: [tls.key] }, (client) => {
    client.setNoDelay(true);
    client.on('authentication', (attempt) => attempt.accept());
    client.on('tcpip', (accept) => handle(new CallbackConnection(accept())));
    // a client that hangs up without a word is measured by what it has received
    client.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    fingerprint: fingerprintOf(ssh2.utils.parseKey(tls.key).getPublicSSH()),
  };
}

export async function connect({ port, fingerprint }) {
  const client = new ssh2.Client();
  client.connect({
    host: '127.0.0.1',
    port,
    username: 'bench',
    hostVerifier: (key) => fingerprintOf(key) === fingerprint,
  });
  client.setNoDelay(true);
  await once(client, 'ready');
  const channel = await new Promise((resolve, reject) =>
    client.forwardOut('127.0.0.1', 0, '127.0.0.1', 1, (error, stream) =>
      error ? reject(error) : resolve(stream),
    ),
  );
  const connection = new CallbackConnection(channel);
  const close = connection.close.bind(connection);
  connection.close = async () => {
    await close();
    client.end();
  };
  return connection;
}

function fingerprintOf(key) {
  return createHash('sha256').update(key).digest('base64');
}
