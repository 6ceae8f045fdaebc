import type { SecureClient } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { Broadcast } from '../../src/cli/shared/broadcast.js';
import type { Report } from '../../src/cli/shared/output.js';
import type { Source } from '../../src/cli/shared/pipes.js';

const PIECE = 65_536;
const MEBIBYTE = 2 ** 20;

/** A client that takes `room` bytes at once, and later what `take` gives. */
class Taker {
  remoteAddress = '127.0.0.1';
  readonly remotePort: number;
  received = 0;
  isDestroyed = false;
  #room: number;
  #waiting: { length: number; resolve: () => void }[] = [];

  constructor(room: number, port: number) {
    this.#room = room;
    this.remotePort = port;
  }

  send({ length }: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ length, resolve });
      this.take(0);
    });
  }

  take(bytes: number): void {
    this.#room += bytes;
    for (
      let [next] = this.#waiting;
      next !== undefined && next.length <= this.#room;
      [next] = this.#waiting
    ) {
      this.#waiting.shift();
      this.#room -= next.length;
      this.received += next.length;
      next.resolve();
    }
  }

  destroy(): void {
    this.isDestroyed = true;
  }
}

function setUp(takers: readonly Taker[]): { dropped: string[]; broadcast: Broadcast } {
  const dropped: string[] = [];
  const report = { event: (_: string, text: string) => dropped.push(text) } as unknown as Report;
  const broadcast = new Broadcast(report);
  for (const taker of takers) broadcast.add(taker as unknown as SecureClient);
  return { dropped, broadcast };
}

function pieces(count: number): Source {
  let left = count;
  const next = async (): Promise<Uint8Array | null> => (left-- > 0 ? new Uint8Array(PIECE) : null);
  return { next } as unknown as Source;
}

describe('the input of many', () => {
  test('waits once for all who do not read, whenever they fall behind', { timeout: 30_000 }, async () => {
    const reader = new Taker(Number.POSITIVE_INFINITY, 1);
    const laggards = Array.from({ length: 20 }, (_, index) => new Taker(index * 2 * PIECE, 2 + index));
    const { dropped, broadcast } = setUp([reader, ...laggards]);
    const start = performance.now();
    await broadcast.send(pieces(400));
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(reader.received).toBe(400 * PIECE);
    expect(laggards.every(({ isDestroyed }) => isDestroyed)).toBe(true);
    expect(dropped).toHaveLength(20);
    expect(new Set(dropped).size).toBe(20);
    expect(dropped[0]).toMatch(/^dropped 127\.0\.0\.1:\d+: it is 4194304 bytes behind and does not read$/);
  });

  test('goes at the pace of one that is slow and reads', { timeout: 60_000 }, async () => {
    const reader = new Taker(Number.POSITIVE_INFINITY, 1);
    const slow = new Taker(0, 2);
    const { dropped, broadcast } = setUp([reader, slow]);
    const taking = setInterval(() => slow.take(MEBIBYTE / 2), 1000);
    await broadcast.send(pieces((8 * MEBIBYTE) / PIECE));
    clearInterval(taking);
    expect(dropped).toEqual([]);
    expect(reader.received).toBe(8 * MEBIBYTE);
    expect(reader.received - slow.received).toBeLessThanOrEqual(4 * MEBIBYTE + PIECE);
  });

  test('drops one that takes less than it should, and one on its own only when another comes', {
    timeout: 60_000,
  }, async () => {
    const slow = new Taker(0, 2);
    const { dropped, broadcast } = setUp([slow]);
    const taking = setInterval(() => slow.take(PIECE), 1000);
    const sending = broadcast.send(pieces(200));
    await new Promise((resolve) => setTimeout(resolve, 8000));
    expect(dropped).toEqual([]);
    const reader = new Taker(Number.POSITIVE_INFINITY, 1);
    broadcast.add(reader as unknown as SecureClient);
    await sending;
    clearInterval(taking);
    expect(dropped).toHaveLength(1);
    expect(slow.isDestroyed).toBe(true);
    expect(reader.received).toBeGreaterThan(100 * PIECE);
  });
});
