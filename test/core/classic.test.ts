import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { node } from '../../backends/node.js';
import type { RsaPrivateKey, RsaPrivateNumbers } from '../../src/backend.js';
import { classicClient, classicServer } from '../../src/core/classic.js';
import { encodeSpki } from '../../src/core/der.js';
import { fingerprintOf } from '../../src/core/fingerprint.js';
import { encodePickle } from '../../src/core/pickle.js';
import { privateExponentHash } from '../../src/core/pkcs1.js';
import { SecureSocketError } from '../../src/errors.js';
import { cut, Recorder } from '../helpers/recorder.js';

let numbers: RsaPrivateNumbers;
let key: RsaPrivateKey;

beforeAll(async () => {
  numbers = await node.generateRsaKey(1024);
  key = node.rsaPrivateKey(numbers);
});

function server(maxMessage = 2 ** 20, keyLength: 16 | 24 | 32 = 32): Recorder {
  const rejectionSecret = privateExponentHash(node, numbers.d, numbers.n.length);
  return new Recorder(
    classicServer({
      backend: node,
      keyLength,
      maxMessage,
      publicKey: numbers,
      privateKey: key,
      rejectionSecret,
    }),
  );
}

function client(options: Partial<Parameters<typeof classicClient>[0]> = {}): Recorder {
  return new Recorder(
    classicClient({
      backend: node,
      keyLength: 32,
      maxMessage: 2 ** 20,
      minModulusBits: 1024,
      settleMs: 100,
      ...options,
    }),
  );
}

/** A server past its handshake and the key it shares with the test. */
async function openServer(maxMessage?: number): Promise<{ end: Recorder; key: Buffer }> {
  const end = server(maxMessage);
  end.session.start();
  const sessionKey = randomBytes(32);
  end.session.receive(node.rsaPublicKey(numbers).encryptPkcs1(sessionKey));
  await end.settle();
  expect(end.opening).toBeDefined();
  return { end, key: sessionKey };
}

/** The seed's frame, computed with node:crypto alone. */
function frame(sessionKey: Uint8Array, message: Uint8Array): Buffer {
  const padding = 32 - (message.length % 32);
  return rawFrame(sessionKey, Buffer.concat([message, Buffer.alloc(padding, padding)]));
}

function rawFrame(sessionKey: Uint8Array, padded: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-ecb', sessionKey, null).setAutoPadding(false);
  const body = Buffer.concat([cipher.update(padded), cipher.final()]);
  const length = String(body.length);
  return Buffer.concat([Buffer.from(`${length.length}${length}`), body]);
}

const texts = (messages: readonly Uint8Array[]): string[] =>
  messages.map((message) => Buffer.from(message).toString());

describe('classic server', () => {
  it('sends the pickle of its key and nothing else before the client has answered', () => {
    const end = server();
    end.session.start();
    expect(end.takeWritten()).toEqual(encodePickle(numbers));
    end.session.receive(new Uint8Array(127));
    expect(end.takeWritten().length).toBe(0);
    expect(end.tasks).toEqual([]);
  });

  it('reads what the seed writes', async () => {
    const { end, key: shared } = await openServer();
    end.session.receive(frame(shared, Buffer.from('first')));
    end.session.receive(
      Buffer.concat([frame(shared, new Uint8Array(0)), frame(shared, Buffer.alloc(40_000, 'x'))]),
    );
    expect(end.messages.map((message) => message.length)).toEqual([5, 0, 40_000]);
    end.session.endOfStream();
    expect(end.endCode).toBe(0);
    expect(end.error).toBeUndefined();
  });

  it('writes what the seed reads', async () => {
    const { end, key: shared } = await openServer();
    const sender = end.opening?.sender;
    const messages = [
      Buffer.from('hello'),
      Buffer.alloc(0),
      Buffer.alloc(32, 1),
      Buffer.alloc(31, 2),
      randomBytes(100_000),
    ];
    for (const message of messages) sender?.stage(message);
    const wire = Buffer.concat(sender?.flush() ?? []);
    const read: Buffer[] = [];
    for (let at = 0; at < wire.length; ) {
      const digits = Number(wire.toString('latin1', at, at + 1));
      const length = Number(wire.toString('latin1', at + 1, at + 1 + digits));
      expect(String(length).length).toBe(digits);
      const body = wire.subarray(at + 1 + digits, at + 1 + digits + length);
      const decipher = createDecipheriv('aes-256-ecb', shared, null).setAutoPadding(false);
      const padded = Buffer.concat([decipher.update(body), decipher.final()]);
      read.push(padded.subarray(0, padded.length - (padded.at(-1) ?? 0)));
      at += 1 + digits + length;
    }
    expect(read).toEqual(messages);
  });

  it.each([
    ['a wrong block type', 1, 1],
    ['a leading byte', 0, 1],
    ['a zero in the padding', 20, 0],
    ['a key of another length', 95, 7],
  ])('answers %s with a key that is a function of the ciphertext, and no error', async (_, at, byte) => {
    const em = Buffer.alloc(128, 0xaa);
    em[0] = 0;
    em[1] = 2;
    em[128 - 33] = 0;
    randomBytes(32).copy(em, 96);
    em[at] = byte;
    // a leading byte of 1 stays below a 1024-bit modulus, whose first byte is at least 0x80
    const n = BigInt(`0x${Buffer.from(numbers.n).toString('hex')}`);
    const e = BigInt(`0x${Buffer.from(numbers.e).toString('hex')}`);
    const ciphertext = Buffer.from(
      power(BigInt(`0x${em.toString('hex')}`), e, n)
        .toString(16)
        .padStart(256, '0'),
      'hex',
    );
    const expected = createHmac(
      'sha256',
      createHmac('sha256', createHash('sha256').update(leftPad(numbers.d, 128)).digest())
        .update(ciphertext)
        .digest(),
    )
      .update('secure-sockets classic key')
      .digest();
    for (let round = 0; round < 2; round++) {
      const end = server();
      end.session.start();
      end.session.receive(ciphertext);
      await end.settle();
      expect(end.error).toBeUndefined();
      end.session.receive(frame(expected, Buffer.from('deterministic')));
      expect(texts(end.messages)).toEqual(['deterministic']);
    }
  });

  it('takes a number beyond its modulus like any other bad ciphertext', async () => {
    const end = server();
    end.session.start();
    end.session.receive(new Uint8Array(128).fill(255));
    await end.settle();
    expect(end.opening).toBeDefined();
    expect(end.error).toBeUndefined();
  });

  it.each([
    ['no digit', 'x'],
    ['zero digits', '0'],
    ['a leading zero', '203'],
    ['a length that is no multiple of 32', '233'],
    ['a length of zero', '10'],
    ['a letter in the length', '23x'],
    ['a length beyond maxMessage', '71048640'],
    ['the longest length', '9999999968'],
  ])('refuses %s as BAD_FRAME before the body', async (_, header) => {
    const { end, key: shared } = await openServer();
    end.session.receive(Buffer.concat([frame(shared, Buffer.from('kept')), Buffer.from(header)]));
    expect(texts(end.messages)).toEqual(['kept']);
    expect(end.code).toBe('BAD_FRAME');
    expect(end.farewell).toBeUndefined();
  });

  it('takes a message of maxMessage bytes and none that is longer', async () => {
    const { end, key: shared } = await openServer(1050);
    end.session.receive(frame(shared, new Uint8Array(1050)));
    expect(end.messages[0]?.length).toBe(1050);
    end.session.receive(frame(shared, new Uint8Array(1051)));
    expect(end.messages.length).toBe(1);
    expect(end.code).toBe('BAD_FRAME');
  });

  it.each([
    ['0', Buffer.alloc(32, 0)],
    ['33', Buffer.alloc(64, 33)],
    ['255', Buffer.alloc(32, 255)],
    ['a count its bytes do not repeat', Buffer.concat([Buffer.alloc(31, 1), Buffer.from([2])])],
    ['a wrong first padding byte', Buffer.concat([Buffer.from([31]), Buffer.alloc(31, 32)])],
  ])(
    'refuses padding of %s with the error of a bad frame, and keeps the messages before',
    async (_, padded) => {
      const { end, key: shared } = await openServer();
      const wire = [
        frame(shared, Buffer.from('one')),
        rawFrame(shared, padded),
        frame(shared, Buffer.from('three')),
      ];
      end.session.receive(Buffer.concat(wire));
      expect(texts(end.messages)).toEqual(['one']);
      expect(end.code).toBe('BAD_FRAME');
    },
  );

  it('calls the end inside a frame TRUNCATED, and during the handshake HANDSHAKE_FAILED', async () => {
    const { end, key: shared } = await openServer();
    const wire = frame(shared, Buffer.from('cut'));
    for (let at = 1; at < wire.length; at++) {
      const { end: other, key: itsKey } = at === 1 ? { end, key: shared } : await openServer();
      other.session.receive(frame(itsKey, Buffer.from('cut')).subarray(0, at));
      other.session.endOfStream();
      expect(other.code).toBe('TRUNCATED');
      expect(other.messages).toEqual([]);
      if (at > 12) break;
    }
    const young = server();
    young.session.start();
    young.session.receive(new Uint8Array(5));
    young.session.endOfStream();
    expect(young.code).toBe('HANDSHAKE_FAILED');
  });

  it('holds no memory for a length that is only announced', async () => {
    const { end } = await openServer(2 ** 28);
    end.session.receive(Buffer.from('9268435456'));
    end.session.receive(new Uint8Array(100));
    expect(end.session.held).toBeLessThan(1024);
  });
});

describe('classic client', () => {
  it('sends the encrypted key, and the server computes the same', async () => {
    const end = client();
    end.session.start();
    end.session.receive(encodePickle(numbers));
    const wire = end.takeWritten();
    expect(wire.length).toBe(128);
    expect(end.opening?.settleMs).toBe(100);
    const other = server();
    other.session.start();
    other.session.receive(wire);
    await other.settle();
    end.opening?.sender.stage(Buffer.from('both ways'));
    for (const chunk of end.opening?.sender.flush() ?? []) other.session.receive(chunk);
    expect(texts(other.messages)).toEqual(['both ways']);
  });

  it('refuses a small modulus and names the option that admits it', () => {
    const end = client({ minModulusBits: 2048 });
    end.session.start();
    end.session.receive(encodePickle(numbers));
    expect(end.code).toBe('BAD_KEY');
    expect(String(end.error)).toContain('minModulusBits');
    expect(end.takeWritten().length).toBe(0);
  });

  it('refuses bytes behind the key', () => {
    const end = client();
    end.session.start();
    end.session.receive(Buffer.concat([encodePickle(numbers), Buffer.from('1')]));
    expect(end.code).toBe('BAD_KEY');
    expect(end.takeWritten().length).toBe(0);
  });

  it('asks for a decision about the key before it encrypts anything', async () => {
    const seen: string[] = [];
    const end = client({
      decide: ({ fingerprint }) => {
        seen.push(fingerprint);
        throw new SecureSocketError('UNTRUSTED_SERVER', 'not this one');
      },
    });
    end.session.start();
    end.session.receive(encodePickle(numbers));
    expect(end.takeWritten().length).toBe(0);
    await end.settle();
    expect(seen).toEqual([fingerprintOf(node, encodeSpki(numbers))]);
    expect(end.code).toBe('UNTRUSTED_SERVER');
    expect(end.takeWritten().length).toBe(0);
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

function leftPad(bytes: Uint8Array, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(length - bytes.length), bytes]);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (
    let bit = exponent, square = base % modulus;
    bit > 0n;
    bit >>= 1n, square = (square * square) % modulus
  ) {
    if (bit & 1n) result = (result * square) % modulus;
  }
  return result;
}
