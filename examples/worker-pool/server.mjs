// Has every message worked on by a pool of threads: node examples/worker-pool/server.mjs [PORT] [THREADS]
//
// The main thread only handles connections. A client has one message in the pool at a time: its next one is not even
// read before, so the queue is never longer than the number of clients.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Identity, SecureServer } from 'secure-sockets';
import { Pool } from './pool.mjs';

const [port = 0, threads = availableParallelism()] = process.argv.slice(2).map(Number);
const pool = new Pool(new URL('./worker.mjs', import.meta.url), threads);

const keyFile = process.env.KEY_FILE ?? 'worker-pool-server.pem';
if (!existsSync(keyFile)) await (await Identity.generate()).save(keyFile);
const server = new SecureServer({ identity: await Identity.load(keyFile), maxConnections: 1000 });
await server.listen({ host: '127.0.0.1', port });
console.log(`${server.address.port} ${server.fingerprint}`);

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
for await (const client of server) {
  const { remoteAddress } = client;
  serve(client).catch((error) => {
    console.error(`${remoteAddress}: ${error.message}`);
    client.destroy();
  });
}
await pool.close();

async function serve(client) {
  for await (const message of client) await client.send(await pool.run(message));
  await client.close();
}
