// An echo server on all cores: node examples/cluster/server.mjs [PORT] [WORKERS]
//
// Every worker listens on the same port with the same key; the primary distributes connections to them. Nothing about a
// connection is shared between workers. They share a ticket key, so that clients resume at any of them.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Identity, SecureServer } from 'secure-sockets';

/** What is answered instead of sent back. */
const question = Buffer.from('which worker?');
const keyFile = process.env.KEY_FILE ?? 'cluster-server.pem';
const port = Number(process.argv[2] ?? 0);
const workers = Number(process.argv[3] ?? availableParallelism());

if (cluster.isPrimary) await runPrimary();
else await runWorker();

async function runPrimary() {
  if (!existsSync(keyFile)) await (await Identity.generate()).save(keyFile);
  const { fingerprint } = await Identity.load(keyFile);
  // not in the environment, which others can read
  const ticketKey = randomBytes(32).toString('hex');
  cluster.on('message', (worker) => worker.send({ ticketKey }));
  let address;
  for (let i = 0; i < workers; i++) {
    [address] = await once(cluster.fork(), 'listening');
  }
  cluster.on('exit', (worker, code, signal) => {
    console.error(`worker ${worker.id} ended (${signal ?? code}), another one takes its place`);
    cluster.fork();
  });
  console.log(`${address.port} ${fingerprint}`);
}

async function runWorker() {
  // asked for, since what is sent before anyone listens is lost
  process.send('which ticket key?');
  const [{ ticketKey }] = await once(process, 'message');
  const server = new SecureServer({
    identity: await Identity.load(keyFile),
    ticketKeys: [new Uint8Array(Buffer.from(ticketKey, 'hex'))],
  });
  // port 0 too is the same for all of them: the primary chooses it
  await server.listen({ port, host: '127.0.0.1' });
  for await (const client of server) {
    const { remoteAddress } = client;
    serve(client).catch((error) => {
      console.error(`${remoteAddress}: ${error.message}`);
      client.destroy();
    });
  }
}

async function serve(client) {
  for await (const message of client) {
    await client.send(question.equals(message) ? Buffer.from(`worker ${cluster.worker.id}`) : message);
  }
  await client.close();
}
