// client.mjs JOB: one client process, which connects once and tells its parent what came back and how long it took.
import { readFileSync } from 'node:fs';
import { SecureClient } from 'secure-sockets';
import { loadBackend } from './backends.mjs';
import { ask } from './conversation.mjs';

const { protocol, backend, serverKey, port, text, file, rounds } = JSON.parse(process.argv[2]);

// Waiting for the server's first byte is for Python servers only.
const more = protocol === 'classic' ? { settleMs: 0 } : {};
const client = new SecureClient({ protocol, backend: await loadBackend(backend), serverKey, ...more });
try {
  const start = performance.now();
  await client.connect({ host: '127.0.0.1', port });
  const connectMs = performance.now() - start;
  const result = await ask(client, text, readFileSync(file), rounds);
  process.send({ ...result, connectMs, suite: client.suite });
} catch ({ name, code, message }) {
  process.send({ error: { name, code, message } });
}
await client.close();
process.disconnect();
