import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';

/**
 * Between a client and a server on the loopback interface: delays bytes by `milliseconds` in each direction, so that
 * a round trip takes twice as long. The first packets of TCP itself are answered here and are not delayed.
 */
export async function startDelayingProxy({ port, milliseconds }) {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = dial({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    forward(near, far, milliseconds);
    forward(far, near, milliseconds);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port };
}

function forward(from, to, milliseconds) {
  from.on('data', (chunk) => setTimeout(() => to.writable && to.write(chunk), milliseconds));
  from.on('end', () => setTimeout(() => to.end(), milliseconds));
  // a broken connection is detected by the measurement at its own end
  from.on('error', () => to.destroy());
}
