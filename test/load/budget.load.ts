import { setImmediate as onNextLoop, setTimeout as pause } from 'node:timers/promises';
import { type ProtocolName, SecureClient } from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import { FaultProxy } from '../helpers/proxy.js';
import { protocols } from '../helpers/sockets.js';
import { slack } from './bounds.js';
import { Cut, dial } from './cut.js';
import { type Address, ask, startServer } from './programs.js';

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

const MEBIBYTE = 2 ** 20;
/** What may wait to be read: maxMessage and maxRecord together. */
const READ_AHEAD = 16 * MEBIBYTE + 1_052_672;

function clientOf(protocol: ProtocolName, { fingerprint }: Address): SecureClient {
  const settle = protocol === 'classic' ? { settleMs: 0 } : {};
  const client = new SecureClient({ protocol, serverKey: fingerprint, ...settle });
  running.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  return client;
}

describe.each(protocols)('a %s connection that is not read', (protocol) => {
  /** Sends until the server reads no more. */
  async function fill(client: SecureClient, perTurn: number, length: number): Promise<void> {
    for (let isTaken = true; isTaken; ) {
      const sends = Array.from({ length: perTurn }, () => client.send(new Uint8Array(length)));
      const sent = Promise.all(sends).then(() => true);
      // what comes after a turn of the event loop is in another record
      await onNextLoop();
      isTaken = await Promise.race([sent, undefined]).then((taken) => taken ?? false);
      if (!isTaken) isTaken = await Promise.race([sent, pause(2000, false)]);
    }
  }

  // defences: what a message and a record cost beside their bytes counts, and reading stops
  it.each([
    ['messages of a byte, each in a record of its own,', 1, 1],
    ['messages of no bytes', 1000, 0],
    ['messages of 20,000 bytes', 1, 20_000],
  ] as const)('full of %s holds what docs/limits.md says', async (what, perTurn, length) => {
    const { program, address } = await startServer(protocol, { holds: true });
    running.push(program);
    const clients = [clientOf(protocol, address), clientOf(protocol, address), clientOf(protocol, address)];
    for (const client of clients) await client.connect({ port: address.port, host: '127.0.0.1' });
    const before = await ask(program);
    for (const client of clients) await fill(client, perTurn, length);
    const after = await ask(program);
    const [buffered, live, rss] = (['buffered', 'live', 'rss'] as const).map(
      (name) => (after[name] - before[name]) / clients.length,
    ) as [number, number, number];
    const shown = [buffered, live, rss].map((bytes) => (bytes / MEBIBYTE).toFixed(1));
    process.stdout.write(`${protocol}, unread ${what} MiB counted, live, resident: ${shown.join(', ')}\n`);
    expect(buffered).toBeGreaterThan(0.9 * READ_AHEAD);
    expect(buffered).toBeLessThan(READ_AHEAD + 2 * MEBIBYTE);
    expect(live).toBeLessThan(1.1 * buffered);
    // the allocator keeps beyond that what it gave for a moment
    expect(rss).toBeLessThan(slack * 2 * READ_AHEAD);
  });

  // defence: memory follows the bytes that have come, and not the length announced
  it.each([
    ['four', 4],
    ['20,000', 20_000],
  ] as const)('holds for %s bytes of a message of 15 MiB about as much', async (_, room) => {
    const message = new Uint8Array(15 * MEBIBYTE);
    const options = protocol === 'sealed' ? { maxRecord: 16_384 } : {};
    const { program, address } = await startServer(protocol, options);
    running.push(program);
    const ends = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = clientOf(protocol, address);
        const transport = new Cut(await dial(address.port));
        await client.connect(transport);
        await client.send(Uint8Array.of(1));
        await client.recv();
        return { client, transport };
      }),
    );
    const before = await ask(program);
    for (const { client, transport } of ends) {
      transport.room = room;
      void client.send(message);
    }
    const count = before.bytesRead + 100 * room;
    await expect.poll(async () => (await ask(program)).bytesRead).toBe(count);
    const after = await ask(program);
    const each = (after.arrayBuffers - before.arrayBuffers) / 100;
    process.stdout.write(`${protocol}, ${room} bytes of a long message: ${each.toFixed(0)} bytes\n`);
    expect(each).toBeLessThan(room < 100 ? 10_000 : 2 * room + 65_536);
  });
});

describe.each(protocols)('a %s server whose clients', (protocol) => {
  // defences: maxBuffered, and that memory is given back
  it('never finish their messages stays below its budget', async () => {
    const budget = 48 * MEBIBYTE;
    const { program, address } = await startServer(protocol, { maxBuffered: budget });
    running.push(program);
    const proxy = await FaultProxy.listen(address.port, {
      toServer: { breaks: { after: 14 * MEBIBYTE, by: 'stall' } },
    });
    running.push(proxy);
    const before = await ask(program);
    const message = new Uint8Array(15 * MEBIBYTE);
    let peak = 0;
    for (let i = 0; i < 16; i++) {
      const client = clientOf(protocol, address);
      await client.connect({ port: proxy.port, host: '127.0.0.1' });
      const sent = proxy.passed.toServer;
      // the part that does not pass is never taken: the promise settles when the test is over
      client.send(message).catch((error: Error) => error);
      await expect
        .poll(() => proxy.passed.toServer - sent, { timeout: 20_000 })
        .toBeGreaterThan(13 * MEBIBYTE);
      const { rss, buffered } = await ask(program);
      peak = Math.max(peak, rss);
      expect(buffered).toBeLessThanOrEqual(budget + 16 * MEBIBYTE);
    }
    const grown = (peak - before.rss) / MEBIBYTE;
    process.stdout.write(
      `${protocol}, unfinished messages: ${grown.toFixed(0)} MiB with a budget of 48 MiB\n`,
    );
    // what the allocator keeps beyond what is held: as much again
    expect(grown).toBeLessThan(slack * (2 * 48 + 32));
  });
});
