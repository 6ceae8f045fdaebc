// Sends words and prints what comes back: node examples/echo/client.mjs PORT FINGERPRINT [WORD...]
import { SecureClient } from 'secure-sockets';

const [port, fingerprint, ...words] = process.argv.slice(2);

const client = new SecureClient({ serverKey: fingerprint });
await client.connect({ host: '127.0.0.1', port: Number(port) });
for (const word of words) {
  await client.send(new TextEncoder().encode(word));
  console.log(new TextDecoder().decode(await client.recv()));
}
await client.close();
