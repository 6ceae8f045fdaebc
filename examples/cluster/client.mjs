// Some messages there and back over several connections: node examples/cluster/client.mjs PORT FINGERPRINT
import { SecureClient } from 'secure-sockets';

const [port, fingerprint] = process.argv.slice(2);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

await Promise.all(Array.from({ length: 4 }, (_, i) => talk(`connection ${i + 1}`)));

async function talk(name) {
  const client = new SecureClient({ serverKey: fingerprint });
  await client.connect({ port: Number(port), host: '127.0.0.1' });
  await client.send(encoder.encode(`hello from ${name}`));
  console.log(decoder.decode(await client.recv()));
  await client.close();
}
