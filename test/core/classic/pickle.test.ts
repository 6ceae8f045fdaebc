// The pickles of public keys. One file, because it tries one function, on recorded pickles, made ones and random bytes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePickle, encodePickle } from '../../../src/core/classic/pickle.js';
import { SecureSocketError } from '../../../src/errors.js';
import vectors from '../../vectors/pickle.json' with { type: 'json' };

const moduli: Record<string, string> = vectors.moduli;
const accepted = vectors.keys.map((vector) => ({
  ...vector,
  name: `${vector.shape}, protocol ${vector.protocol}, ${vector.bits} bits, e ${vector.e}${vector.optimized ? ', optimized' : ''}`,
  key: { n: fromHex(moduli[vector.bits] ?? ''), e: fromNumber(vector.e) },
  bytes: fromHex(vector.pickle),
}));

describe('pickles of CPython', () => {
  test.each(accepted)('$name', ({ key, bytes }) => {
    expect(decodePickle(bytes)).toEqual({ key, length: bytes.length });
  });

  test.each(accepted)('every beginning is incomplete: $name', ({ bytes }) => {
    for (let length = 0; length < bytes.length; length += 1) {
      if (decodePickle(bytes.subarray(0, length)) !== 'incomplete') expect.fail(`${length} bytes`);
    }
  });

  test.each(
    accepted.filter(({ shape, protocol, optimized }) => shape === 'tuple' && protocol === 4 && !optimized),
  )('are written byte for byte: $name', ({ key, bytes }) => {
    expect(encodePickle(key)).toEqual(bytes);
  });

  test('are 114 bytes long for the key of 512 bits', () => {
    expect(encodePickle({ n: fromHex(moduli[512] ?? ''), e: fromNumber(65537) })).toHaveLength(114);
  });

  test('may be followed by anything, which is not read', () => {
    const [{ key, bytes } = fail()] = accepted;
    expect(decodePickle(Uint8Array.of(...bytes, 0x80))).toEqual({ key, length: bytes.length });
  });

  test('may lie in a Buffer, which stays as it is and shares no memory with the key', () => {
    for (const { key, bytes } of accepted.slice(0, 60)) {
      const buffer = Buffer.from(bytes);
      const decoded = decodePickle(buffer);
      expect(Uint8Array.from(buffer)).toEqual(bytes);
      buffer.fill(0xff);
      expect(decoded).toEqual({ key, length: bytes.length });
    }
  });

  test('read anew with every byte that arrives stay affordable', () => {
    const before = process.cpuUsage().user;
    let reads = 0;
    for (const { bytes } of accepted) {
      for (let length = 0; length < bytes.length; length += 1) decodePickle(bytes.subarray(0, length));
      reads += bytes.length;
    }
    // in microseconds of the processor, of which a busy machine takes no more
    expect((process.cpuUsage().user - before) / reads).toBeLessThan(500);
  });
});

describe('what CPython can write and is refused', () => {
  test.each(vectors.refused)('$name, protocol $protocol', ({ pickle }) => {
    const bytes = fromHex(pickle);
    expectRefusal(bytes);
    expect(firstRefusal(bytes)).toBeLessThanOrEqual(bytes.length);
  });
});

describe('encodings that no pickler makes', () => {
  const GLOBAL = Buffer.from('rsa.key\nPublicKey\n').toString('hex');
  const n = '4b07';
  const body = (integers: string): string =>
    `8c077273612e6b65798c095075626c69634b6579932981${integers}86622e`;
  const frame = (length: number): string => `95${length.toString(16).padStart(2, '0')}00000000000000`;
  const bytesOf = (text: string): number => text.length / 2;
  const plain = body(`${n}4b03`);

  test.each([
    ['without a frame', `8004${plain}`],
    ['with a frame', `8004${frame(bytesOf(plain))}${plain}`],
    ['in LONG1', `8004${body('8a01078a0103')}`],
    ['in LONG', `8004${body('4c370a4c334c0a')}`],
    ['in INT', `8004${body('49370a49330a')}`],
    [
      'with LONG_BINPUT, the memo of a long pickler',
      `800263${GLOBAL}7200010000298172010100004b074b03867202010000622e`,
    ],
    ['with PUT of ten digits', `800263${GLOBAL}298170${'31'.repeat(10)}0a4b074b0386622e`],
    ['with slots named by SHORT_BINSTRING', `800263${GLOBAL}29814e7d2855016e4b075501654b037586622e`],
  ])('accepted: %s', (_, hex) => {
    expect(decodePickle(fromHex(hex))).toEqual({
      key: { n: Uint8Array.of(7), e: Uint8Array.of(3) },
      length: hex.length / 2,
    });
  });

  // as pickle.dumps(number, 4) of CPython writes them
  test.each([
    ['1', '01', '4b01'],
    ['255', 'ff', '4bff'],
    ['256', '0100', '4d0001'],
    ['65535', 'ffff', '4dffff'],
    ['65536', '010000', '4a00000100'],
    ['2^31 - 1', '7fffffff', '4affffff7f'],
    ['2^31', '80000000', '8a050000008000'],
    ['2^39 - 1', '7fffffffff', '8a05ffffffff7f'],
  ])('%s has one encoding, which is written and read', (_, hex, encoded) => {
    const key = { n: fromHex(hex), e: Uint8Array.of(3) };
    const pickle = fromHex(`8004${frame(bytesOf(body(`${encoded}4b03`)))}${body(`${encoded}4b03`)}`);
    expect(decodePickle(fromHex(`8004${body(`${encoded}4b03`)}`))).toMatchObject({ key });
    expect(Buffer.from(encodePickle(key)).toString('hex')).toContain(`8194${encoded}4b03`);
    expect(decodePickle(pickle)).toEqual({ key, length: pickle.length });
  });

  test('a number may have 1300 digits', () => {
    const digits = '9'.repeat(1300);
    const hex = body(`4c${Buffer.from(digits).toString('hex')}4c0a4b03`);
    const n = fromHex(BigInt(digits).toString(16));
    expect(decodePickle(fromHex(`8004${hex}`))).toMatchObject({ key: { n, e: Uint8Array.of(3) } });
  });

  test('a frame may make the pickle 4000 bytes long, and not a byte longer', () => {
    expect(decodePickle(fromHex('8004 95 950f000000000000'.replaceAll(' ', '')))).toBe('incomplete');
    expectRefusal(fromHex('800495960f000000000000'), '4000');
  });

  test.each([
    ['a wrong first byte', '81'],
    ['a wrong protocol', '8006'],
    ['a zero', `8004${body(`${n}4b00`).slice(0, -6)}`],
    ['a number that is not minimal', `8004${body(`${n}4dff00`).slice(0, -6)}`],
    ['a negative number', `8004${body(`${n}8a0180`).slice(0, -6)}`],
    ['another byte than the template has', `8004${plain.slice(0, -2)}2f`],
  ])('is refused with the byte that makes it impossible: %s', (_, hex) => {
    const bytes = fromHex(hex);
    expect(firstRefusal(bytes)).toBe(bytes.length);
  });

  test('a frame that is too short is refused where it ends', () => {
    const short = fromHex(`8004${frame(bytesOf(plain) - 1)}${plain}`);
    expect(firstRefusal(short)).toBe(short.length - 1);
  });

  test('the error names the byte that was met and the one that was expected', () => {
    expectRefusal(Uint8Array.of(0x81), 'not the pickle of an rsa.PublicKey: byte 0 is 0x81; expected 0x80');
    expectRefusal(fromHex('80048d'), 'byte 2 is 0x8d; expected 0x8c');
  });

  test.each(['56', '5a', '4e', '00'])('opcode 0x%s names no slot', (opcode) => {
    const named = `800263${GLOBAL}29814e7d28${opcode}016e4b075501654b037586622e`;
    expectRefusal(fromHex(named), `opcode 0x${opcode} in place of the name of a slot`);
  });

  test.each([
    ['BININT1 of zero', body(`${n}4b00`), 'zero'],
    ['BININT2 that fits BININT1', body(`${n}4dff00`), 'minimal'],
    ['BININT that fits BININT2', body(`${n}4affff0000`), 'minimal'],
    ['a negative BININT', body(`${n}4a00000080`), 'negative'],
    ['LONG1 of no bytes', body(`${n}8a00`), 'zero'],
    ['LONG1 of a zero byte', body(`${n}8a0100`), 'minimal'],
    ['LONG1 with a superfluous byte', body(`${n}8a020300`), 'minimal'],
    ['a negative LONG1', body(`${n}8a0180`), 'negative'],
    ['LONG4 that fits LONG1', body(`${n}8bff000000${'01'.repeat(255)}`), 'minimal'],
    ['LONG4 of a negative length', body(`${n}8bffffffff`), 'expected 0x00'],
    ['LONG4 of 64 KiB', body(`${n}8b00000100`), 'expected 0x00'],
    ['LONG4 of 4000 bytes', body(`${n}8ba00f0000`), '4000'],
    ['INT with a leading zero', body(`${n}4930330a`), 'minimal'],
    ['INT of nothing', body(`${n}490a`), 'digit'],
    ['INT True', body(`${n}4930310a`), 'minimal'],
    ['a negative INT', body(`${n}492d330a`), 'digit'],
    ['INT with an L', body(`${n}49334c0a`), 'expected 0x0a'],
    ['LONG with a CR', body(`${n}4c330d0a`), 'expected 0x0a'],
    ['LONG of 1301 digits', body(`${n}4c${'33'.repeat(1301)}`), '1300'],
    ['an opcode for text in place of an integer', body(`${n}8c0133`), 'in place of an integer'],
    ['a GET in place of an integer', body('4b076800'), 'in place of an integer'],
    ['a frame that is longer than the pickle', `${frame(bytesOf(plain) + 1)}${plain}`, 'frame'],
    ['a frame that is shorter than the pickle', `${frame(bytesOf(plain) - 1)}${plain}`, 'frame'],
    ['a frame of 4000 bytes', '95a00f000000000000', '4000'],
    ['a frame of 2^56 bytes', '950000000000000001', 'expected 0x00'],
    ['two frames', `${frame(bytesOf(plain) + 9)}${frame(bytesOf(plain))}${plain}`, 'expected 0x8c'],
    ['PUT with 11 digits', body(`${n}4b03`).replace('2981', `298170${'31'.repeat(11)}`), '10 digits'],
    ['PUT with a negative index', body(`${n}4b03`).replace('2981', '2981702d310a'), 'digit'],
    ['two memo opcodes', body(`${n}4b03`).replace('2981', '29819494'), 'in place of an integer'],
    ['a memo opcode before the end', plain.replace('622e', '62942e'), 'expected 0x2e'],
    ['another module', plain.replace('2e6b6579', '2e6b657a'), 'expected 0x79'],
  ])('refused: %s', (_, hex, text) => {
    expectRefusal(fromHex(`8004${hex}`), text);
  });

  test.each([0, 1, 6, 255])('protocol %i in PROTO', (protocol) => {
    expectRefusal(Uint8Array.of(0x80, protocol), `protocol ${protocol}`);
  });

  test('refused: FRAME in protocol 3', () => {
    expectRefusal(fromHex(`8003${frame(bytesOf(plain))}${plain}`));
  });

  test('more than 4000 bytes of memo never make a pickle', () => {
    const long = fromHex(`8004${body(`8b940f0000${'01'.repeat(3988)}`)}`);
    expectRefusal(long, '4000');
    expect(firstRefusal(long)).toBeLessThan(60);
  });
});

describe('the laws', () => {
  const anyPickle = fc.constantFrom(...accepted);

  test('a pickle that was written is read back', () => {
    const number = fc.uint8Array({ minLength: 1, maxLength: 513 }).filter(([first]) => first !== 0);
    fc.assert(
      fc.property(number, number, (n, e) => {
        const bytes = encodePickle({ n, e });
        expect(decodePickle(bytes)).toEqual({ key: { n, e }, length: bytes.length });
      }),
    );
  });

  test('damage of one byte gives a key, a wait or a refusal, and nothing else', () => {
    fc.assert(
      fc.property(anyPickle, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ bytes }, index, change) => {
        const damaged = bytes.slice();
        damaged[index % bytes.length] = (bytes[index % bytes.length] ?? 0) ^ change;
        const outcome = outcomeOf(damaged);
        if (typeof outcome === 'object') expect(outcome.length).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 3000 },
    );
  });

  test('every flip of every bit of one pickle of each kind gives a key, a wait or a refusal', () => {
    for (const { bytes } of accepted.filter(({ bits, e }) => bits === 512 && e === 65537)) {
      for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
        const damaged = bytes.slice();
        damaged[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        outcomeOf(damaged);
      }
    }
  });

  test('random bytes behind a random beginning give a wait or a refusal', () => {
    fc.assert(
      fc.property(anyPickle, fc.nat(), fc.uint8Array({ maxLength: 100 }), ({ bytes }, cut, noise) => {
        outcomeOf(Uint8Array.of(...bytes.subarray(0, cut % bytes.length), ...noise));
      }),
      { numRuns: 3000 },
    );
  });

  test('once refused, refused with everything that follows; and the same however the bytes are cut', () => {
    fc.assert(
      fc.property(anyPickle, fc.nat(), fc.integer({ min: 0, max: 255 }), ({ bytes }, index, change) => {
        const damaged = bytes.slice();
        damaged[index % bytes.length] = (bytes[index % bytes.length] ?? 0) ^ change;
        const whole = outcomeOf(damaged);
        const steps = Array.from(damaged, (_, length) => outcomeOf(damaged.subarray(0, length + 1)));
        const decided = steps.findIndex((outcome) => outcome !== 'incomplete');
        for (const outcome of decided < 0 ? [] : steps.slice(decided))
          expect(outcome).toEqual(steps[decided]);
        expect(steps.at(-1)).toEqual(whole);
      }),
      { numRuns: 150 },
    );
  });
});

/** What the parser says; anything but its three outcomes fails the test. */
function outcomeOf(bytes: Uint8Array): ReturnType<typeof decodePickle> | 'BAD_KEY' {
  try {
    return decodePickle(bytes);
  } catch (error) {
    if (!(error instanceof SecureSocketError)) throw error;
    expect(error.code).toBe('BAD_KEY');
    return 'BAD_KEY';
  }
}

function firstRefusal(bytes: Uint8Array): number {
  for (let length = 0; length <= bytes.length; length += 1) {
    if (outcomeOf(bytes.subarray(0, length)) === 'BAD_KEY') return length;
  }
  return Number.POSITIVE_INFINITY;
}

function expectRefusal(bytes: Uint8Array, text = 'not the pickle of an rsa.PublicKey'): void {
  expect(() => decodePickle(bytes)).toThrow(
    expect.objectContaining({ code: 'BAD_KEY', message: expect.stringContaining(text) }),
  );
}

function fail(): never {
  throw new Error('there are no vectors');
}

function fromNumber(value: number): Uint8Array {
  const digits = value.toString(16);
  return fromHex(digits.length % 2 === 0 ? digits : `0${digits}`);
}

function fromHex(text: string): Uint8Array {
  const digits = text.length % 2 === 0 ? text : `0${text}`;
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}
