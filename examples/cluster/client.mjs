// Some messages there and back over several connections: node examples/cluster/client.mjs PORT FINGERPRINT
import { SecureClient, Sessions } from 'secure-sockets';

const [port, fingerprint] = process.argv.slice(2);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
// The first connection is given tickets; those after it resume, also at workers that did not give them.
const sessions = new Sessions();

for (let i = 1; i <= 4; i++) await talk(`connection ${i}`);

async function talk(name) {
  const client = new SecureClient({ serverKey: fingerprint, sessions });
  await client.connect({ port: Number(port), host: '127.0.0.1' });
  await client.send(encoder.encode('which worker?'));
  await client.send(encoder.encode(`hello from ${name}`));
  const worker = decoder.decode(await client.recv());
  const answer = decoder.decode(await client.recv());
  console.log(`${worker}: ${answer} (${client.resumed ? 'resumed' : 'full handshake'})`);
  await client.close();
}
