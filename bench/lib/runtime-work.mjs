// One measurement of bench/runtimes.mjs, on whatever runs it: runtime-work.mjs BACKEND MEGABYTES CONNECTIONS KEY-FILE
import { Identity, SecureClient, SecureServer } from '../../dist/index.js';

const MESSAGE = 64 * 1024;
const [name, megabytes, connections, keyFile] = process.argv.slice(2);
const { [name]: backend } = await import(`../../dist/backends/${name}.js`);
const server = new SecureServer({ backend, identity: await Identity.load(keyFile) });
await server.listen({ host: '127.0.0.1', port: 0 });
const options = { backend, serverKey: server.fingerprint };

await connect(20);
await transfer(64e6);
const bytes = Number(megabytes) * 1e6;
const [{ seconds, suite }, perSecond] = [await transfer(bytes), await connect(Number(connections))];
process.stdout.write(
  `${JSON.stringify({ throughput: bytes / 1e6 / seconds, connections: perSecond, suite })}\n`,
);
process.exit(0);

/** Client to server, from the first message to the end of the stream. */
async function transfer(total) {
  const [client, peer] = await open();
  const message = new Uint8Array(MESSAGE).fill(7);
  const begin = performance.now();
  const received = countBytes(peer);
  const count = Math.ceil(total / MESSAGE);
  for (let i = 0; i < count; i++) await client.send(message);
  await client.end();
  if ((await received) !== count * MESSAGE) throw new Error(`${await received} bytes arrived`);
  const seconds = (performance.now() - begin) / 1000;
  await client.close();
  return { seconds, suite: client.suite };
}

async function countBytes(peer) {
  let bytes = 0;
  for await (const message of peer) bytes += message.length;
  return bytes;
}

/** One after the other: handshake, a message there and back, and the end. */
async function connect(count) {
  const begin = performance.now();
  for (let i = 0; i < count; i++) {
    const [client, peer] = await open();
    await client.send(Uint8Array.of(i));
    await peer.send(await peer.recv());
    await client.recv();
    await client.close();
  }
  return count / ((performance.now() - begin) / 1000);
}

async function open() {
  const accepting = server.accept();
  const client = new SecureClient(options);
  await client.connect(server.address);
  return [client, await accepting];
}
