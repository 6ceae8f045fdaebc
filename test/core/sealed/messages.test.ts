// The handshake messages. One file, because the tables of what is malformed are made from the same well-formed messages.

import { describe, expect, it } from 'vitest';
import {
  bodyLength,
  decodeClientAuth,
  decodeClientHello,
  decodeClientKey,
  decodeFinished,
  decodeReject,
  decodeServerHello,
  decodeServerIdentity,
  encodeClientAuth,
  encodeClientHello,
  encodeClientKey,
  encodeFinished,
  encodeReject,
  encodeServerHello,
  encodeServerIdentity,
  signatureInput,
} from '../../../src/core/sealed/messages.js';
import { hex, vectors } from '../../helpers/sealed-vectors.js';

/** Distinct bytes, so that fields that change places are seen. */
const bytes = (length: number, first = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i);
const u16 = (value: number): number[] => [value >> 8, value & 255];
const u32 = (value: number): number[] => [...u16(Math.floor(value / 65536)), ...u16(value % 65536)];
const vec16 = (content: ArrayLike<number>): number[] => [...u16(content.length), ...Array.from(content)];

/** A message by the letter of M0, computed without the sources. */
function message(type: number, ...body: (number | ArrayLike<number>)[]): Uint8Array {
  const flat = body.flatMap((part) => (typeof part === 'number' ? [part] : Array.from(part)));
  return Uint8Array.from([0x53, 0x45, 0x41, 0x4c, type, 1, ...u16(flat.length), ...flat]);
}

const expectMalformed = (name: string, text = ''): unknown =>
  expect.objectContaining({
    code: 'PROTOCOL',
    message: expect.stringMatching(new RegExp(`peer's ${name} is malformed: .*${text}`)),
  });

const [random, share] = [bytes(32), bytes(32, 100)];
const [kemKey, kemCiphertext] = [bytes(1184, 3), bytes(1088, 9)];
const none: number[] = [];
const noExtensions = [0, 0];
const someLimits = [...u32(70000), ...u32(20000)];
const theLimits = { maxMessage: 70000, maxRecord: 20000 };

describe('what is written is what the specification shows, and is read back', () => {
  it('CLIENT_HELLO', () => {
    const plain = {
      ...{ random, suites: [0x0101, 0x0a0a], x25519: share, kemKey: new Uint8Array(0) },
      wantsTickets: false,
    };
    const wire = message(1, random, 2, [1, 1, 0x0a, 0x0a], share, vec16(none), noExtensions);
    expect(encodeClientHello(plain)).toEqual(wire);
    expect(decodeClientHello(wire)).toEqual(plain);
    const hybrid = { ...plain, suites: [0x0102], kemKey };
    const other = message(1, random, 1, [1, 2], share, vec16(kemKey), noExtensions);
    expect(encodeClientHello(hybrid)).toEqual(other);
    expect(decodeClientHello(other)).toEqual(hybrid);
    const resume = { ticket: bytes(50), binder: bytes(32) };
    const resuming = { ...plain, wantsTickets: true, resume };
    const entries = [...[0xff, 0x01, 0, 0], ...[0xff, 0xfe, ...u16(84)], ...vec16(bytes(50)), ...bytes(32)];
    const third = message(1, random, 2, [1, 1, 0x0a, 0x0a], share, vec16(none), vec16(entries));
    expect(encodeClientHello(resuming)).toEqual(third);
    expect(decodeClientHello(third)).toEqual(resuming);
  });

  it('SERVER_HELLO', () => {
    const plain = {
      ...{ random, suite: 0x0101, x25519: share, kemCiphertext: new Uint8Array(0) },
      resumed: false,
    };
    const wire = message(2, random, [1, 1], share, vec16(none), noExtensions);
    expect(encodeServerHello(plain)).toEqual(wire);
    expect(decodeServerHello(wire)).toEqual(plain);
    const hybrid = { ...plain, suite: 0x0102, kemCiphertext };
    const other = message(2, random, [1, 2], share, vec16(kemCiphertext), noExtensions);
    expect(encodeServerHello(hybrid)).toEqual(other);
    expect(decodeServerHello(other)).toEqual(hybrid);
    const resumed = { ...plain, resumed: true };
    const third = message(2, random, [1, 1], share, vec16(none), vec16([0xff, 0xfe, 0, 0]));
    expect(encodeServerHello(resumed)).toEqual(third);
    expect(decodeServerHello(third)).toEqual(resumed);
  });

  it.each([0, 1, 2])('SERVER_IDENTITY with mode %i', (clients) => {
    const identity = { clients, ...theLimits, spki: bytes(300) };
    const wire = message(3, clients, someLimits, vec16(bytes(300)), noExtensions);
    expect(encodeServerIdentity(identity)).toEqual(wire);
    expect(decodeServerIdentity(wire)).toEqual(identity);
  });

  it('CLIENT_KEY', () => {
    const wire = message(4, vec16(bytes(256)));
    expect(encodeClientKey(bytes(256))).toEqual(wire);
    expect(decodeClientKey(wire)).toEqual(bytes(256));
  });

  it('CLIENT_AUTH, with a proof and without', () => {
    const proof = { spki: bytes(294), signature: bytes(256, 7) };
    const wire = message(5, someLimits, 1, vec16(proof.spki), vec16(proof.signature), noExtensions);
    expect(encodeClientAuth({ ...theLimits, proof })).toEqual(wire);
    expect(decodeClientAuth(wire)).toEqual({ ...theLimits, proof });
    const anonymous = message(5, someLimits, 0, vec16(none), vec16(none), noExtensions);
    expect(encodeClientAuth({ ...theLimits, proof: null })).toEqual(anonymous);
    expect(decodeClientAuth(anonymous)).toEqual({ ...theLimits, proof: null });
  });

  it.each([6, 7] as const)('the FINISHED of type %i', (type) => {
    expect(encodeFinished(type, random)).toEqual(message(type, random));
    expect(decodeFinished(message(type, random), type)).toEqual(random);
  });

  it('REJECT', () => {
    expect(encodeReject(1)).toEqual(message(15, 1));
    expect(encodeReject(2)).toEqual(message(15, 2));
    expect(decodeReject(message(15, 1))).toMatchObject({ code: 'NO_COMMON_SUITE', blame: 'peer' });
    expect(decodeReject(message(15, 2))).toMatchObject({ code: 'BUSY', blame: 'network' });
  });

  it('what a client signs', () => {
    const text = `${' '.repeat(64)}sealed v1, client authentication\0`;
    expect(signatureInput(bytes(32))).toEqual(Uint8Array.from([...Buffer.from(text), ...bytes(32)]));
  });

  it('the recorded messages', () => {
    for (const { handshake_messages: recorded } of vectors) {
      const read = (name: keyof typeof recorded): Uint8Array => Buffer.from(recorded[name], 'hex');
      expect(hex(encodeClientHello(decodeClientHello(read('CH'))))).toBe(recorded.CH);
      expect(hex(encodeServerHello(decodeServerHello(read('SH'))))).toBe(recorded.SH);
      expect(hex(encodeServerIdentity(decodeServerIdentity(read('SI'))))).toBe(recorded.SI);
      expect(hex(encodeClientKey(decodeClientKey(read('CK'))))).toBe(recorded.CK);
      expect(hex(encodeClientAuth(decodeClientAuth(read('CA'))))).toBe(recorded.CA);
      expect(hex(encodeFinished(6, decodeFinished(read('CF'), 6)))).toBe(recorded.CF);
      expect(hex(encodeFinished(7, decodeFinished(read('SF'), 7)))).toBe(recorded.SF);
    }
  });
});

describe('a CLIENT_HELLO is malformed', () => {
  const hello = (suites: number[], kem: ArrayLike<number> = none, extensions: number[] = noExtensions) =>
    message(1, random, suites.length, suites.flatMap(u16), share, vec16(kem), extensions);

  it.each([
    ['without suites', hello([]), 'the number of suites 0 is not 1 to 8'],
    ['with nine suites', hello([257, 2, 3, 4, 5, 6, 7, 8, 9]), 'the number of suites 9'],
    ['with a suite twice', hello([257, 2570, 257]), 'a suite is offered twice'],
    [
      'with a key for ML-KEM that it does not offer',
      hello([257], kemKey),
      'the ML-KEM key 1184 is not 0 to 0',
    ],
    ['without the key for ML-KEM that it offers', hello([258]), 'the ML-KEM key 0 is not 1184'],
    ['with a short key for ML-KEM', hello([258], bytes(1183)), 'the ML-KEM key 1183'],
    ['with a long key for ML-KEM', hello([258], bytes(1185)), 'the ML-KEM key 1185'],
  ])('%s', (_, wire, text) => {
    expect(() => decodeClientHello(wire)).toThrow(expectMalformed('CLIENT_HELLO', text));
  });

  it('not with eight suites', () => {
    expect(decodeClientHello(hello([257, 2, 3, 4, 5, 6, 7, 8])).suites).toHaveLength(8);
  });
});

describe('a SERVER_HELLO is malformed', () => {
  it.each([
    ['with a ciphertext of ML-KEM in the plain suite', 0x0101, kemCiphertext],
    ['with a short ciphertext of ML-KEM', 0x0102, bytes(1087)],
    ['with a long ciphertext of ML-KEM', 0x0102, bytes(1089)],
    ['without the ciphertext of ML-KEM', 0x0102, none],
  ])('%s', (_, suite, ciphertext) => {
    const wire = message(2, random, u16(suite), share, vec16(ciphertext), noExtensions);
    expect(() => decodeServerHello(wire)).toThrow(
      expectMalformed('SERVER_HELLO', 'the length of the ML-KEM ciphertext'),
    );
  });
});

describe('the limits of the peer', () => {
  const decoders = [
    [
      'SERVER_IDENTITY',
      (limits: number[]) => decodeServerIdentity(message(3, 0, limits, vec16(none), noExtensions)),
    ],
    [
      'CLIENT_AUTH',
      (limits: number[]) => decodeClientAuth(message(5, limits, 0, vec16(none), vec16(none), noExtensions)),
    ],
  ] as const;

  it.each(decoders)('in %s are taken from end to end of their ranges', (_, decode) => {
    for (const [maxMessage, maxRecord] of [
      [1024, 16384],
      [2147483647, 1052672],
    ] as const) {
      expect(decode([...u32(maxMessage), ...u32(maxRecord)])).toMatchObject({ maxMessage, maxRecord });
    }
  });

  it.each(decoders)('in %s are malformed beyond', (name, decode) => {
    for (const [maxMessage, maxRecord, text] of [
      [1023, 16384, 'max_message 1023 is not 1024 to 2147483647'],
      [2147483648, 16384, 'max_message 2147483648'],
      [4294967295, 16384, 'max_message 4294967295'],
      [1024, 16383, 'max_record 16383 is not 16384 to 1052672'],
      [1024, 1052673, 'max_record 1052673'],
    ] as const) {
      expect(() => decode([...u32(maxMessage), ...u32(maxRecord)])).toThrow(expectMalformed(name, text));
    }
  });
});

describe('a message is malformed', () => {
  it.each([
    [
      'SERVER_IDENTITY of mode 3',
      () => decodeServerIdentity(message(3, 3, someLimits, vec16(none), noExtensions)),
      'client authentication 3',
    ],
    [
      'CLIENT_AUTH of mode 2',
      () => decodeClientAuth(message(5, someLimits, 2, vec16(none), vec16(none), noExtensions)),
      'the mode 2',
    ],
    [
      'CLIENT_AUTH that is anonymous, with a key',
      () => decodeClientAuth(message(5, someLimits, 0, vec16([1]), vec16(none), noExtensions)),
      'an anonymous client shows a key',
    ],
    [
      'CLIENT_AUTH that is anonymous, with a signature',
      () => decodeClientAuth(message(5, someLimits, 0, vec16(none), vec16([1]), noExtensions)),
      'an anonymous client shows a key',
    ],
    ['REJECT of code 0', () => decodeReject(message(15, 0)), 'the code 0 is not 1 to 2'],
    ['REJECT of code 3', () => decodeReject(message(15, 3)), 'the code 3'],
  ])('that is a %s', (name, decode, text) => {
    expect(decode).toThrow(expectMalformed((name as string).split(' ')[0] as string, text));
  });

  const complete: [string, Uint8Array, (wire: Uint8Array) => unknown][] = [
    ['CLIENT_HELLO', message(1, random, 1, [1, 1], share, vec16(none), noExtensions), decodeClientHello],
    ['SERVER_HELLO', message(2, random, [1, 1], share, vec16(none), noExtensions), decodeServerHello],
    ['SERVER_IDENTITY', message(3, 0, someLimits, vec16(bytes(3)), noExtensions), decodeServerIdentity],
    ['CLIENT_KEY', message(4, vec16(bytes(3))), decodeClientKey],
    [
      'CLIENT_AUTH',
      message(5, someLimits, 1, vec16(bytes(3)), vec16(bytes(3)), noExtensions),
      decodeClientAuth,
    ],
    ['CLIENT_FINISHED', message(6, random), (wire) => decodeFinished(wire, 6)],
    ['SERVER_FINISHED', message(7, random), (wire) => decodeFinished(wire, 7)],
    ['REJECT', message(15, 1), decodeReject],
  ];

  it.each(complete)('%s with a byte too many, or with any byte too few', (name, wire, decode) => {
    const body = wire.subarray(8);
    const type = wire[4] as number;
    expect(() => decode(wire)).not.toThrow();
    expect(() => decode(message(type, body, 0))).toThrow(expectMalformed(name, '1 bytes too many'));
    for (let length = 0; length < body.length; length++) {
      expect(() => decode(message(type, body.subarray(0, length)))).toThrow(
        expectMalformed(name, 'it ends inside a field'),
      );
    }
  });

  it.each(complete)('%s whose header does not fit', (name, wire, decode) => {
    const change = (at: number, value: number): Uint8Array =>
      wire.map((byte, i) => (i === at ? value : byte));
    expect(() => decode(wire.subarray(0, 7))).toThrow(expectMalformed(name, 'it ends inside its header'));
    for (const at of [0, 1, 2, 3]) {
      expect(() => decode(change(at, 0x20))).toThrow(expectMalformed(name, 'it does not begin with SEAL'));
    }
    expect(() => decode(change(5, 2))).toThrow(expectMalformed(name, 'its layout is 2, not 1'));
    expect(() => decode(wire.subarray(0, -1))).toThrow(
      expectMalformed(name, `its length says ${wire.length - 8}`),
    );
    expect(() => decode(Uint8Array.of(...wire, 0))).toThrow(
      expectMalformed(name, `its length says ${wire.length - 8}`),
    );
    expect(() => decode(change(4, 9))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL', message: `expected ${name}, got type 9` }),
    );
  });

  const extended: [string, (extensions: number[]) => unknown][] = [
    [
      'CLIENT_HELLO',
      (list) => decodeClientHello(message(1, random, 1, [1, 1], share, vec16(none), vec16(list))),
    ],
    ['SERVER_IDENTITY', (list) => decodeServerIdentity(message(3, 0, someLimits, vec16(none), vec16(list)))],
    [
      'CLIENT_AUTH',
      (list) => decodeClientAuth(message(5, someLimits, 0, vec16(none), vec16(none), vec16(list))),
    ],
  ];

  it.each(extended)('%s whose extensions are in disorder; in order they are accepted', (name, decode) => {
    const extension = (type: number, content: number[]): number[] => [...u16(type), ...vec16(content)];
    expect(() =>
      decode([...extension(0, []), ...extension(1, [1, 2]), ...extension(65535, [0])]),
    ).not.toThrow();
    const disorder = 'its extensions are not in ascending order';
    expect(() => decode([...extension(2, []), ...extension(1, [])])).toThrow(expectMalformed(name, disorder));
    expect(() => decode([...extension(2, []), ...extension(2, [])])).toThrow(expectMalformed(name, disorder));
    for (const rest of [[0], [0, 1], [0, 1, 0], [0, 1, 0, 1]])
      expect(() => decode(rest)).toThrow(expectMalformed(name, 'it ends inside a field'));
  });
});

describe('a header', () => {
  it('tells the length of its body, up to 4096', () => {
    expect(bodyLength(message(1).fill(0, 6), [1])).toBe(0);
    expect(bodyLength(Uint8Array.from([...message(2).subarray(0, 6), 0x10, 0]), [2, 15])).toBe(4096);
    expect(() => bodyLength(Uint8Array.from([...message(2).subarray(0, 6), 0x10, 1]), [2, 15])).toThrow(
      expectMalformed('SERVER_HELLO or REJECT', 'its body of 4097 bytes is beyond 4096'),
    );
  });

  it('of another message is refused by name', () => {
    expect(() => bodyLength(message(1), [2, 15])).toThrow(
      'expected SERVER_HELLO or REJECT, got CLIENT_HELLO',
    );
    expect(() => bodyLength(message(200), [1])).toThrow('expected CLIENT_HELLO, got type 200');
  });
});
