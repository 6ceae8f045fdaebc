// Connects some times and prints who answers: node examples/haproxy/client.mjs PORT FINGERPRINT [TIMES]
import { SecureClient, Sessions } from 'secure-sockets';

const [port, fingerprint, times = 4] = process.argv.slice(2);
// The first connection is given tickets; those after it resume, also at the process that did not give them.
const sessions = new Sessions();

for (let i = 0; i < Number(times); i++) {
  const client = new SecureClient({ serverKey: fingerprint, sessions });
  await client.connect({ host: '127.0.0.1', port: Number(port) });
  await client.send(new TextEncoder().encode('who are you?'));
  const answer = new TextDecoder().decode(await client.recv());
  console.log(`${answer} (${client.resumed ? 'resumed' : 'full handshake'})`);
  await client.close();
}
