import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { MessageMemory } from '../src/core/message-memory.js';
import { backends } from './helpers/backends.js';
import { open } from './helpers/kept.js';
import { type Pair, pair, protocols, rejection } from './helpers/sockets.js';

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

// What is sent is the program's until send() has settled. If it gives the memory away before, it is told, nothing else is
// sent in its place, and no other message is affected.
describe.each(protocols)('a message to be sent in %s whose memory is gone', (protocol) => {
  const makeDetached = (length: number): Uint8Array => {
    const message = new Uint8Array(length);
    structuredClone(null, { transfer: [message.buffer] });
    return message;
  };

  it.each([0, 1, 100_000])('is refused, and nothing is sent: %i bytes', async (length) => {
    await using ends = await pair(protocol);
    const error = await rejection(ends.client.send(makeDetached(length)));
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT', message: expect.stringContaining('transferred') });
    await ends.client.send(Uint8Array.of(7));
    expect(await ends.peer.recv()).toEqual(Uint8Array.of(7));
  });

  it.each([0, 10, 3000, 3_000_000])(
    'while it waits is refused, and all others arrive: %i bytes',
    async (length) => {
      await using ends = await pair(protocol);
      const messages = [200_000, 3_000_000, length, 10, 0].map((size, i) => new Uint8Array(size).fill(i));
      const outcomes = messages.map((message) =>
        ends.client.send(message).then(
          () => 'sent',
          ({ code }) => code,
        ),
      );
      structuredClone(null, { transfer: [messages[2]?.buffer as ArrayBuffer] });
      for (const i of [0, 1, 3, 4]) expect(await ends.peer.recv()).toEqual(messages[i]);
      expect(await Promise.all(outcomes)).toEqual(['sent', 'sent', 'BAD_ARGUMENT', 'sent', 'sent']);
    },
  );

  it('and is written to a WritableStream ends that, and not the connection', async () => {
    await using ends = await pair(protocol);
    const writer = ends.client.writable.getWriter();
    const messages = [1, 2, 3].map((byte) => new Uint8Array(10).fill(byte));
    const writing = messages.map((message) =>
      writer.write(message).then(
        () => 'sent',
        ({ code }) => code,
      ),
    );
    structuredClone(null, { transfer: [messages[1]?.buffer as ArrayBuffer] });
    expect(await Promise.all(writing)).toEqual(['sent', 'BAD_ARGUMENT', 'BAD_ARGUMENT']);
    expect(await rejection(writer.closed)).toMatchObject({ code: 'BAD_ARGUMENT' });
    await ends.client.send(Uint8Array.of(7));
    expect(await ends.peer.recv()).toEqual(messages[0]);
    expect(await ends.peer.recv()).toEqual(Uint8Array.of(7));
  });

  it.each([
    ['one of several', 1, [10, 10, 10]],
    ['a long one', 0, [3_000_000]],
    ['a long one of several', 2, [10, 10, 3_000_000]],
  ])('and is written to a Duplex ends it: %s', async (_, victim, sizes) => {
    await using ends = await pair(protocol);
    const stream = ends.client.toDuplex();
    const failed = once(stream, 'error');
    const chunks = sizes.map((size) => new Uint8Array(size).fill(1));
    const writing = chunks.map((chunk) => new Promise((resolve) => stream.write(chunk, resolve)));
    structuredClone(null, { transfer: [chunks[victim]?.buffer as ArrayBuffer] });
    expect(await failed).toMatchObject([{ code: 'BAD_ARGUMENT' }]);
    expect((await Promise.all(writing))[victim]).toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(stream.destroyed).toBe(true);
    let received = 0;
    for (let m = await ends.peer.recv().catch(() => null); m; m = await ends.peer.recv().catch(() => null)) {
      expect(m.every((byte) => byte === 1)).toBe(true);
      received += m.length;
    }
    expect(received).toBeLessThan(sizes.reduce((sum, size) => sum + size, 0));
  });
});
