// An HTTP server on encrypted connections only: node examples/http/server.mjs [PORT]
//
// It is an ordinary server of node:http, or of any framework on top of one. It opens no port; its connections are those
// of a SecureServer.
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { Identity, SecureServer } from 'secure-sockets';

const web = createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end(`${request.method} ${request.url} from ${request.socket.remoteAddress}\n`);
});

const keyFile = process.env.KEY_FILE ?? 'http-server.pem';
if (!existsSync(keyFile)) await (await Identity.generate()).save(keyFile);
const server = new SecureServer({ identity: await Identity.load(keyFile) });
await server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) });
console.log(`${server.address.port} ${server.fingerprint}`);

for await (const client of server) web.emit('connection', client.toDuplex());
