// Connects some times and prints who answers: node examples/haproxy/client.mjs PORT FINGERPRINT [TIMES]
import { SecureClient } from 'secure-sockets';

const [port, fingerprint, times = 4] = process.argv.slice(2);

for (let i = 0; i < Number(times); i++) {
  const client = new SecureClient({ serverKey: fingerprint });
  await client.connect({ host: '127.0.0.1', port: Number(port) });
  await client.send(new TextEncoder().encode('who are you?'));
  console.log(new TextDecoder().decode(await client.recv()));
  await client.close();
}
