import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { MessageMemory } from '../src/core/message-memory.js';
import { backends } from './helpers/backends.js';
import { type Pair, pair, protocols } from './helpers/sockets.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

/** What fills a record with many messages, and what has a record or more of its own. */
const sizes = [
  ...[0, 1, 63, 64, 65, 100, 300, 1000, 4095, 4096, 64, 65, 12_000, 300, 20_000, 100, 70_000, 65, 1],
  ...Array.from({ length: 500 }, (_, i) => 60 + (i % 90)),
  ...[200_000, 100, 100, 1_500_000, 65],
];

/** What a program may do with memory that it owns. */
const uses: [string, (message: Uint8Array) => void][] = [
  [
    'transferred',
    (message) => transfer(() => structuredClone(message, { transfer: [message.buffer as ArrayBuffer] })),
  ],
  [
    'posted to a worker',
    (message) => {
      const { port1, port2 } = new MessageChannel();
      transfer(() => port1.postMessage(message, [message.buffer as ArrayBuffer]));
      port1.close();
      port2.close();
    },
  ],
  ['detached', (message) => transfer(() => (message.buffer as { transfer?: () => void }).transfer?.())],
  ['overwritten', (message) => message.fill(0xff)],
];

describe.each(protocols)('a received message of %s', (protocol) => {
  describe.each(backends)('on $name', (backend) => {
    it.each(uses)('may be %s, and no other message notices', async (_, use) => {
      const { client, peer } = await connectPair({ server: { backend }, client: { backend } });
      const messages = sizes.map((size) => randomBytes(size));
      const sending = Promise.all(messages.map((message) => client.send(message)));
      const kept: [Uint8Array, Uint8Array][] = [];
      for (const [i, sent] of messages.entries()) {
        const received = (await peer.recv()) as Uint8Array;
        expect(Buffer.compare(received, sent)).toBe(0);
        // as the type of messages says
        expect(received.constructor).toBe(Uint8Array);
        expect(received.buffer.constructor).toBe(ArrayBuffer);
        if (i % 2 === 0) use(received);
        else kept.push([received, sent]);
      }
      await sending;
      for (const [received, sent] of kept) expect(Buffer.compare(received, sent)).toBe(0);
    });
  });

  async function connectPair(options: Parameters<typeof pair>[1]): Promise<Pair> {
    const made = await pair(protocol, options);
    open.push(made);
    return made;
  }
});

describe.each(protocols)('what %s has not delivered yet', (protocol) => {
  // defence: nothing that is still to be read lies in memory that was handed out
  it('does not suffer from what a program does with the whole buffer of a message', async () => {
    await using ends = await pair(protocol);
    const messages = sizes.map((size) => randomBytes(size));
    const sending = Promise.all(messages.map((message) => ends.client.send(message)));
    for (const sent of messages) {
      const received = (await ends.peer.recv()) as Uint8Array;
      expect(Buffer.compare(received, sent)).toBe(0);
      new Uint8Array(received.buffer).fill(0xff);
    }
    await sending;
  });

  // defence: a slab that was detached all the same is not used again
  it('does not suffer from memory that is gone in spite of its protection', () => {
    const lengths = Array.from({ length: 400 }, (_, i) => 65 + (i % 300));
    const plaintext = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0)).map((_, i) => i);
    const memory = new MessageMemory(plaintext, () => {});
    let [at, bytes] = [0, plaintext.length];
    for (const [i, length] of lengths.entries()) {
      const message = memory.cut(at, length, { count: lengths.length - i, bytes });
      expect(message).toEqual(plaintext.subarray(at, at + length));
      if (i % 7 === 0) structuredClone(null, { transfer: [message.buffer as ArrayBuffer] });
      at += length;
      bytes -= length;
    }
  });
});

/** Memory that messages share may refuse to be moved; it may not be moved with what others own. */
function transfer(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    expect(error).toMatchObject({ name: expect.stringMatching(/DataCloneError|TypeError/) });
  }
}
