// Connects several times and prints which server answers: node examples/haproxy/client.mjs PORT FINGERPRINT [TIMES]
import { SecureClient, Sessions } from 'secure-sockets';

const [port, fingerprint, times = 4] = process.argv.slice(2);
// The first connection gets tickets; later ones resume, also at a process that did not issue them.
const sessions = new Sessions();

for (let i = 0; i < Number(times); i++) {
  const client = new SecureClient({ serverKey: fingerprint, sessions });
  await client.connect({ host: '127.0.0.1', port: Number(port) });
  await client.send(new TextEncoder().encode('who are you?'));
  const answer = new TextDecoder().decode(await client.recv());
  console.log(`${answer} (${client.resumed ? 'resumed' : 'full handshake'})`);
  await client.close();
}
