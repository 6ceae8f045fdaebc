import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend, BlockCipher } from '../../../src/backend.js';
import { frame, numbers, openServer, rawFrame, serverWith, texts } from '../../helpers/classic-ends.js';
import { cut, type Recorder } from '../../helpers/recorder.js';

describe('a message larger than is decrypted at once', () => {
  /** What JavaScript decrypts at once. */
  const PART = 128 * 1024;
  const slow: Backend = { ...node, native: false };

  function* piecesOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  async function openSlow(): Promise<{ end: Recorder; key: Buffer; parts: number[] }> {
    const parts: number[] = [];
    const aesEcb = (bytes: Uint8Array): BlockCipher => {
      const cipher = node.aesEcb(bytes);
      return {
        encrypt: (plaintext) => cipher.encrypt(plaintext),
        decrypt: (ciphertext) => {
          parts.push(ciphertext.length);
          return cipher.decrypt(ciphertext);
        },
      };
    };
    const end = serverWith({ backend: { ...slow, aesEcb } });
    end.session.start();
    const sessionKey = randomBytes(32);
    end.session.receive(node.rsaPublicKey(numbers).encryptPkcs1(sessionKey));
    await end.settle();
    return { end, key: sessionKey, parts };
  }

  it.each([PART - 32, PART - 31, PART - 1, PART, PART + 1, 2 * PART, 1_000_000])(
    'of %i bytes arrives between its neighbours, however the bytes come',
    async (length) => {
      const message = randomBytes(length);
      for (const size of [1000, 65_536, 400_000]) {
        const { end, key: sessionKey, parts } = await openSlow();
        const sent = ['before', message, 'after'].map((each) => frame(sessionKey, Buffer.from(each)));
        for (const chunk of piecesOf(Buffer.concat(sent), size)) {
          end.session.receive(chunk);
          end.finishTurns();
        }
        expect(end.error).toBeUndefined();
        expect(texts(end.messages.slice(0, 1))).toEqual(['before']);
        expect(message.equals(end.messages[1] as Uint8Array)).toBe(true);
        expect(texts(end.messages.slice(2))).toEqual(['after']);
        expect(Math.max(...parts)).toBeLessThanOrEqual(PART);
        expect(end.session.held).toBe(0);
      }
    },
  );

  it('is decrypted a part a turn', async () => {
    const { end, key: sessionKey, parts } = await openSlow();
    end.session.receive(frame(sessionKey, randomBytes(3 * PART)));
    const turns = [parts.length];
    while (end.session.turnIsOver) {
      end.session.work();
      turns.push(parts.length);
    }
    expect(turns.at(-1)).toBe(4);
    for (const [i, done] of turns.entries()) expect(done - (turns[i - 1] ?? 0)).toBeLessThanOrEqual(1);
    expect(end.messages.map(({ length }) => length)).toEqual([3 * PART]);
  });

  it('is refused for its padding, TRUNCATED at an end inside it, and counted as far as it has come', async () => {
    const bad = await openSlow();
    bad.end.session.receive(rawFrame(bad.key, new Uint8Array(2 * PART)));
    bad.end.finishTurns();
    expect([bad.end.error, bad.end.messages]).toEqual([expect.objectContaining({ code: 'BAD_FRAME' }), []]);

    const cutOff = await openSlow();
    cutOff.end.session.receive(frame(cutOff.key, randomBytes(2 * PART)).subarray(0, PART + 9));
    cutOff.end.finishTurns();
    expect(cutOff.end.session.held).toBeGreaterThanOrEqual(PART);
    expect(cutOff.end.session.held).toBeLessThan(3 * PART + 1024);
    cutOff.end.session.endOfStream();
    expect(cutOff.end.error).toMatchObject({ code: 'TRUNCATED' });
    expect(cutOff.end.session.held).toBe(0);
  });
});

describe('messages that arrive together', () => {
  it('are taken in turns of 4,096, and 1,024 are looked at at once', async () => {
    const { end, key: shared } = await openServer();
    const empty = frame(shared, Buffer.alloc(0));
    const groups: number[] = [];
    end.onReceived = (batch) => groups.push(batch?.count ?? 0);
    end.session.receive(Buffer.concat(new Array<Buffer>(10_000).fill(empty)));
    const turns = [groups.splice(0)];
    while (end.session.turnIsOver) {
      end.session.work();
      turns.push(groups.splice(0));
    }
    const sums = turns.map((counts) => counts.reduce((sum, count) => sum + count, 0));
    expect(sums).toEqual([4096, 4096, 10_000 - 8192]);
    expect(Math.max(...turns.flat())).toBeLessThanOrEqual(1024);
  });

  it('share memory of at most 16 KiB, and one that is longer is alone in its own', async () => {
    const { end, key: shared } = await openServer();
    const lengths = [...new Array<number>(600).fill(70), 20_000, 16_383, 0, 16_000, 300, 100, 40_000, 1];
    const wire = Buffer.concat(lengths.map((length, i) => frame(shared, Buffer.alloc(length, i))));
    const before = end.messages.length;
    end.session.receive(wire);
    const messages = end.messages.slice(before);
    expect(messages.map(({ length }) => length)).toEqual(lengths);
    expect(messages.every((message, i) => message.every((byte) => byte === (i & 255)))).toBe(true);
    for (const message of messages)
      expect(message.buffer.byteLength - message.length).toBeLessThanOrEqual(16 * 1024);
    // not each in memory of its own
    expect(new Set(messages.map(({ buffer }) => buffer)).size).toBeLessThan(20);
  });

  it('are counted as they are read', async () => {
    const { end, key: shared } = await openServer();
    const seen: [number, number][] = [];
    end.onReceived = (batch) => {
      if (batch === undefined) return;
      seen.push([batch.count, batch.bytes]);
      while (batch.next() !== undefined) seen.push([batch.count, batch.bytes]);
      expect(batch.next()).toBeUndefined();
    };
    end.session.receive(Buffer.concat([3, 0, 40].map((length) => frame(shared, Buffer.alloc(length)))));
    expect(seen).toEqual([
      [3, 43],
      [2, 40],
      [1, 40],
      [0, 0],
    ]);
  });

  it('before a bad one are handed over, and none if it is the first', async () => {
    const { end, key: shared } = await openServer();
    let batches = 0;
    end.onReceived = (batch) => {
      batches++;
      expect(batch?.count).toBe(2);
    };
    const good = frame(shared, Buffer.from('good'));
    end.session.receive(Buffer.concat([good, good, rawFrame(shared, Buffer.alloc(32))]));
    expect([batches, end.code]).toEqual([1, 'BAD_FRAME']);
    const other = await openServer();
    other.end.onReceived = () => {
      batches++;
    };
    other.end.session.receive(rawFrame(other.key, Buffer.alloc(32)));
    expect([batches, other.end.code]).toEqual([1, 'BAD_FRAME']);
  });
});

describe('the two laws', () => {
  it('any cutting of the bytes yields the same messages', async () => {
    const sizes = fc.array(
      fc.oneof(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 15_000, max: 40_000 })),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.nat(), { maxLength: 20 }), async (lengths, places) => {
        const { end, key: shared } = await openServer();
        const messages = lengths.map((length, i) => Buffer.alloc(length, i));
        const wire = Buffer.concat(messages.map((message) => frame(shared, message)));
        for (const piece of cut(wire, places)) {
          end.session.receive(piece);
          piece.fill(0xee);
        }
        end.session.endOfStream();
        expect(end.messages.map(({ length }) => length)).toEqual(lengths);
        // comparing as one is quick where comparing element by element is not
        expect(Buffer.concat(end.messages).equals(Buffer.concat(messages))).toBe(true);
        expect(end.endCode).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('byte by byte too', async () => {
    const { end, key: shared } = await openServer();
    const wire = Buffer.concat(
      [0, 1, 31, 32, 33, 100].map((length) => frame(shared, Buffer.alloc(length, 5))),
    );
    for (const byte of wire) end.session.receive(Uint8Array.of(byte));
    expect(end.messages.map((message) => message.length)).toEqual([0, 1, 31, 32, 33, 100]);
  });

  it('any flipped byte yields a SecureSocketError, a shorter wait, or another message: never another exception', async () => {
    const original = await openServer();
    const wire = Buffer.concat([
      frame(original.key, Buffer.from('hello')),
      frame(original.key, Buffer.alloc(64, 1)),
    ]);
    for (let at = 0; at < wire.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        const { end, key: shared } = await openServer();
        const damaged = Buffer.concat([
          frame(shared, Buffer.from('hello')),
          frame(shared, Buffer.alloc(64, 1)),
        ]);
        damaged[at] = (damaged[at] as number) ^ flip;
        end.session.receive(damaged);
        end.session.endOfStream();
        expect([undefined, 'BAD_FRAME', 'TRUNCATED']).toContain(end.code);
      }
    }
  });
});
