import { Identity, SecureClient, SecureServer } from 'secure-sockets';

const protocol = process.env.PROTOCOL;
const errors = {};
const server = new SecureServer({
  protocol,
  identity: Identity.fromPem(process.env.KEY),
  onHandshakeError: (error) => {
    errors[error.code] = (errors[error.code] ?? 0) + 1;
  },
});
await server.listen({ port: 0, host: '127.0.0.1' });
const { port } = server.address;
const attempt = async () => {
  const client = new SecureClient({ protocol, serverKey: server.fingerprint });
  const accepted = server.accept({ signal: AbortSignal.timeout(20000) });
  accepted.catch(() => {});
  await client.connect({ port, host: '127.0.0.1' });
  const peer = await accepted;
  await client.send(Uint8Array.of(7));
  const [byte] = await peer.recv();
  client.destroy();
  return byte;
};
await attempt();
process.send(`listening ${port}`);
await new Promise((resolve) => process.once('message', resolve));
const during = server.stats;
process.send(`crowded ${JSON.stringify({ pending: during.pending })}`);
await new Promise((resolve) => process.once('message', resolve));
while (server.stats.pending > 0) await new Promise((resolve) => setTimeout(resolve, 10));
console.log(JSON.stringify({ byte: await attempt(), errors }));
await server.close();
process.disconnect();
