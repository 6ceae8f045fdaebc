import { setTimeout as pause } from 'node:timers/promises';
import { Inspector, makeRing } from './ring.mjs';
import { cpuSeconds, END_LENGTH, readEnd } from './wire.mjs';

/** What a server does with a connection: compare what comes, or send it back. Resolves when the peer has ended. */
export const behaviours = { sink, echo };

/** What the sink has received, phase by phase. */
export const received = [];

async function sink(connection, { size }) {
  const ring = makeRing(size);
  let inspector = new Inspector(ring, true);
  let cpu = cpuSeconds();
  for await (const message of connection) {
    if (message.length !== END_LENGTH) {
      inspector.take(message);
      continue;
    }
    const { count, bytes, checksum } = inspector;
    if (readEnd(message) !== count) throw new Error(`${readEnd(message)} messages were sent, ${count} came`);
    received.push({ count, bytes, checksum, cpu: cpuSeconds() - cpu });
    await connection.send(message);
    inspector = new Inspector(ring, false);
    cpu = cpuSeconds();
  }
  await connection.close();
}

async function echo(connection) {
  for await (const message of connection) await connection.send(message);
  await connection.close();
}

/** Memory after everything that can be freed has been. */
export async function settledMemory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await pause(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external };
}
