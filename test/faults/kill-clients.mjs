// The clients that kill.test.ts kills: they send and read without end, and write a line when all are connected.
import { SecureClient } from 'secure-sockets';

const { PROTOCOL: protocol, PORT, KEY: serverKey } = process.env;
const all = await Promise.all(
  Array.from({ length: 8 }, async () => {
    const client = new SecureClient({ protocol, serverKey });
    await client.connect({ port: Number(PORT), host: '127.0.0.1' });
    return client;
  }),
);
for (const client of all) {
  void (async () => {
    for await (const _ of client);
  })().catch(() => {});
  void (async () => {
    for (;;) await client.send(new Uint8Array(20_000));
  })().catch(() => {});
}
console.log('ready');
