// Sends the HTTP server some requests over one connection: node examples/http/client.mjs PORT FINGERPRINT [PATH...]
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { SecureClient } from 'secure-sockets';

const [port, fingerprint, ...paths] = process.argv.slice(2);

/** An agent of node:http whose connections are ours, kept open from one request to the next. */
class SecureAgent extends Agent {
  createConnection(_options, done) {
    const client = new SecureClient({ serverKey: fingerprint });
    client.connect({ host: '127.0.0.1', port: Number(port) }).then(() => done(null, client.toDuplex()), done);
  }
}

const agent = new SecureAgent({ keepAlive: true, maxSockets: 1 });
for (const path of paths) {
  const [response] = await once(request({ agent, path }).end(), 'response');
  process.stdout.write(`${response.statusCode} ${await text(response)}`);
}
agent.destroy();
