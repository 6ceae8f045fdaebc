// The server's end of classic. One file, because its order is that of the protocol: key, session key, frames, end.

import { createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { RsaPrivateKey } from '../../../src/backend.js';
import { encodePickle } from '../../../src/core/classic/pickle.js';
import { encodeSpki } from '../../../src/core/encodings/der.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import {
  client,
  frame,
  key,
  numbers,
  openServer,
  rawFrame,
  server,
  serverWith,
  texts,
} from '../../helpers/classic-ends.js';

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
