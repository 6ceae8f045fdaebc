// server.mjs PROTOCOL BACKEND ROUNDS: one server process. Reports to its parent where it listens, and what each
// client sent.
import { SecureServer } from 'secure-sockets';
import { loadBackend } from './backends.mjs';
import { answer } from './conversation.mjs';

const [, , protocol, backendName, rounds] = process.argv;
const backend = await loadBackend(backendName);

const start = performance.now();
const server = new SecureServer({ protocol, backend, modulusLength: 2048, onHandshakeError: () => {} });
await server.listen({ host: '127.0.0.1', port: 0 });
process.send({ ...server.address, fingerprint: server.fingerprint, startMs: performance.now() - start });

// The parent disconnects when it is done, or ends.
process.once('disconnect', () => server.close());

for await (const client of server) serve(client);

async function serve(client) {
  try {
    process.send({ got: await answer(client, Number(rounds)) });
  } catch (error) {
    process.send({ failed: String(error) });
  }
  await client.close();
}
