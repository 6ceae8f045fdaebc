import { setTimeout as pause } from 'node:timers/promises';
import { sendOne, takeAll } from './conversation.mjs';
import { Inspector, makeRing } from './ring.mjs';
import { cpuSeconds, END_LENGTH, readEnd } from './wire.mjs';

/**
 * The work of a server on a connection: compare what arrives, or send it back. Resolves when the peer has ended.
 * `reading` is `'batches'` for a contender whose connections are to be read that way.
 */
export const behaviours = { sink, echo };

/** What the sink has received, phase by phase. */
export const received = [];

async function sink(connection, { size }, reading) {
  const ring = makeRing(size);
  let inspector = new Inspector(ring, true);
  let cpu = cpuSeconds();
  const take = (message) => {
    if (message.length !== END_LENGTH) {
      inspector.take(message);
      return undefined;
    }
    const { count, bytes, checksum } = inspector;
    if (readEnd(message) !== count) throw new Error(`${readEnd(message)} messages were sent, ${count} came`);
    received.push({ count, bytes, checksum, cpu: cpuSeconds() - cpu });
    inspector = new Inspector(ring, false);
    cpu = cpuSeconds();
    return sendOne(connection, message);
  };
  await takeAll(connection, take, reading);
  await connection.close();
}

async function echo(connection, _settings, reading) {
  await takeAll(connection, (message) => sendOne(connection, message), reading);
  await connection.close();
}

/** Memory after garbage collection. */
export async function settleMemory() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await pause(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heapUsed, external };
}
