import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend, BlockCipher, RsaPrivateKey, RsaPrivateNumbers } from '../../../src/backend.js';
import { encodePickle } from '../../../src/core/classic/pickle.js';
import { privateExponentHash } from '../../../src/core/classic/pkcs1.js';
import { classicClient, classicServer } from '../../../src/core/classic/scripts.js';
import { encodeSpki } from '../../../src/core/encodings/der.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import { SecureSocketError } from '../../../src/errors.js';
import { cut, Recorder } from '../../helpers/recorder.js';

let numbers: RsaPrivateNumbers;
let key: RsaPrivateKey;

beforeAll(async () => {
  numbers = await node.generateRsaKey(1024);
  key = node.rsaPrivateKey(numbers);
});

function server(maxMessage = 2 ** 20, keyLength: 16 | 24 | 32 = 32): Recorder {
  return serverWith({ maxMessage, keyLength });
}

function serverWith(options: Partial<Parameters<typeof classicServer>[0]>): Recorder {
  return new Recorder(
    classicServer({
      ...{ backend: node, keyLength: 32, maxMessage: 2 ** 20, publicKey: numbers, privateKey: key },
      rejectionSecret: privateExponentHash(node, numbers.d, numbers.n.length),
      protectMemory: () => {},
      ...options,
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

  it('decrypts exactly the numbers below its modulus', () => {
    const n = numbers.n;
    const change = (at: number, by: number): Uint8Array =>
      n.map((byte, i) => (i === at ? byte + by : i > at ? 255 : byte));
    const middle = n.findIndex((byte, i) => i > 0 && byte > 0 && byte < 255);
    const last = n.length - 1;
    for (const [ciphertext, tasks] of [
      [n, 0],
      [n.map((byte, i) => (i === last ? byte - 1 : byte)), 1],
      [n.map((byte, i) => (i > middle ? 0 : byte + (i === middle ? 1 : 0))), 0],
      [change(middle, -1), 1],
      [change(0, -1), 1],
      [new Uint8Array(128), 1],
    ] as const) {
      const end = server();
      end.session.start();
      end.session.receive(ciphertext);
      expect(end.tasks).toHaveLength(tasks);
      expect(end.opening !== undefined).toBe(tasks === 0);
    }
  });

  it('keeps the encrypted key of a client for itself while it is decrypted', async () => {
    const end = server();
    end.session.start();
    const [good, bad] = [randomBytes(32), new Uint8Array(128).fill(1)];
    const wire = node.rsaPublicKey(numbers).encryptPkcs1(good);
    end.session.receive(wire);
    wire.fill(0);
    await end.settle();
    end.session.receive(frame(good, Buffer.from('as it was')));
    expect(texts(end.messages)).toEqual(['as it was']);
    const [one, other] = [server(), server()];
    for (const each of [one, other]) each.session.start();
    one.session.receive(bad.slice());
    other.session.receive(bad);
    bad.fill(0);
    await one.settle();
    await other.settle();
    one.opening?.sender.stage(Buffer.from('the same key'));
    for (const chunk of one.opening?.sender.flush() ?? []) other.session.receive(chunk);
    expect(texts(other.messages)).toEqual(['the same key']);
  });

  it('asks for its private key as such, and for nothing else', () => {
    const end = server();
    end.session.start();
    end.session.receive(new Uint8Array(128));
    expect(end.tasks.map(({ kind }) => kind)).toEqual(['privateKey']);
  });

  it.each([16, 24, 32] as const)(
    'shares a key of %i bytes with a client that has the same option',
    async (keyLength) => {
      const [one, other] = [client({ keyLength }), server(1000, keyLength)];
      one.session.start();
      other.session.start();
      one.session.receive(other.takeWritten());
      other.session.receive(one.takeWritten());
      await other.settle();
      for (const [from, to] of [
        [one, other],
        [other, one],
      ] as const) {
        from.opening?.sender.stage(Buffer.from('there'));
        for (const chunk of from.opening?.sender.flush() ?? []) to.session.receive(chunk);
        expect(texts(to.messages)).toEqual(['there']);
      }
      expect([one.opening?.peer?.fingerprint, other.opening?.peer]).toEqual([
        fingerprintOf(node, encodeSpki(numbers)),
        null,
      ]);
      expect([one.opening?.sender.maxMessage, other.opening?.sender.maxMessage]).toEqual([2 ** 20, 1000]);
    },
  );

  it('overwrites the decrypted block and the session key', async () => {
    const secrets: Uint8Array[] = [];
    const remember = (secret: Uint8Array): Uint8Array => {
      secrets.push(secret);
      return secret;
    };
    const backend = { ...node, aesEcb: (secret: Uint8Array) => node.aesEcb(remember(secret)) };
    const privateKey: RsaPrivateKey = {
      modulusLength: 1024,
      decryptRaw: async (ciphertext) => remember(await key.decryptRaw(ciphertext)),
      decryptOaep: (ciphertext, label) => key.decryptOaep(ciphertext, label),
      signPss: (text) => key.signPss(text),
    };
    const [one, other] = [client({ backend }), serverWith({ backend, privateKey })];
    one.session.start();
    other.session.start();
    one.session.receive(other.takeWritten());
    other.session.receive(one.takeWritten());
    await other.settle();
    expect([one.opening, other.opening].map((each) => each !== undefined)).toEqual([true, true]);
    expect(secrets.map(({ length }) => length).sort()).toEqual([128, 32, 32]);
    expect(secrets.every((secret) => secret.every((byte) => byte === 0))).toBe(true);
  });

  it.each([
    ['no digit', 'x'],
    ['zero digits', '0'],
    ['a leading zero', '203'],
    ['a leading zero before a length that would do', '3032'],
    ['a length that is no multiple of 32', '233'],
    ['a length of zero', '10'],
    ['a letter in the length', '23x'],
    ['a letter that counts as 22, and would make 32', '21F'],
    ['a sign that counts as -8, and would make 32', '24('],
    ['a first letter that counts as 32', '2P0'],
    ['a length beyond maxMessage', '71048640'],
    ['the longest length', '9999999968'],
  ])('refuses %s as BAD_FRAME before the body', async (_, header) => {
    const { end, key: shared } = await openServer();
    end.session.receive(Buffer.concat([frame(shared, Buffer.from('kept')), Buffer.from(header)]));
    expect(texts(end.messages)).toEqual(['kept']);
    expect(end.code).toBe('BAD_FRAME');
    expect(end.finalBytes).toBeUndefined();
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
    expect(end.code).toBeUndefined();
    expect(end.session.held).toBeLessThan(1024);
  });
});

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

  it('says how much follows the key', () => {
    const end = client();
    end.session.start();
    end.session.receive(Buffer.concat([encodePickle(numbers), Buffer.alloc(12)]));
    expect(String(end.error)).toContain("12 bytes follow the server's key, which nothing may");
  });

  it('reads the key however it arrives, and no byte of what comes after the answer', () => {
    const end = client();
    end.session.start();
    for (const byte of encodePickle(numbers)) {
      expect(end.opening).toBeUndefined();
      end.session.receive(Uint8Array.of(byte));
    }
    expect(end.opening).toBeDefined();
    expect(end.session.held).toBe(0);
    end.session.receive(Buffer.from('0'));
    expect(end.code).toBe('BAD_FRAME');
    expect(String(end.error)).toContain(
      `not a message of at most ${2 ** 20} bytes under this connection's key`,
    );
  });

  it('calls an end before or inside the key HANDSHAKE_FAILED', () => {
    const [silent, broken] = [client(), client()];
    for (const end of [silent, broken]) end.session.start();
    silent.session.endOfStream();
    expect(silent.code).toBe('HANDSHAKE_FAILED');
    expect(String(silent.error)).toContain('closed the connection before it sent its key');
    broken.session.receive(encodePickle(numbers).subarray(0, 50));
    broken.session.endOfStream();
    expect(broken.code).toBe('HANDSHAKE_FAILED');
    expect(String(broken.error)).toContain('the peer closed the connection during the handshake');
  });

  it('goes on with what was decided to be the right key', async () => {
    const end = client({ decide: () => undefined });
    end.session.start();
    end.session.receive(encodePickle(numbers));
    expect(end.tasks.map(({ kind }) => kind)).toEqual(['decision']);
    await end.settle();
    expect(end.takeWritten()).toHaveLength(128);
    expect(end.opening).toBeDefined();
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

describe('messages that arrive together', () => {
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
