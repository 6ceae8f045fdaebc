import { describe, expect, it } from 'vitest';
import { contentOf, type Padding, paddedLength } from '../../../src/core/sealed/padding.js';
import { RecordType, TrafficKey } from '../../../src/core/sealed/records.js';
import { Random } from '../../helpers/random.js';
import type { Recorder } from '../../helpers/recorder.js';
import { backends, openPair } from '../../helpers/sealed-ends.js';
import { openEnd, SECRET } from '../../helpers/sealed-open.js';
import file from '../../vectors/sealed.json' with { type: 'json' };

const node = backends[0] as (typeof backends)[number];
const MAX = 2 ** 20 + 4096;

describe('the length of a padded payload', () => {
  it.each(file.paddedLengths)(
    'is what the independent computation gives for $padding',
    ({ padding, lengths }) => {
      for (const [length, pad] of lengths as [number, number][])
        expect(paddedLength(padding as Padding, length, 2 ** 24)).toBe(pad);
    },
  );

  it('is a multiple, up to the longest record', () => {
    expect([3, 4, 255, 256, 257].map((length) => paddedLength(256, length, MAX))).toEqual([
      256, 256, 256, 256, 512,
    ]);
    expect(paddedLength(256, MAX - 5, MAX - 1)).toBe(MAX - 1);
  });

  it('has few significant bits with padme, and at most 12 % more', () => {
    // of an exponent e, floor(log2 e) + 1 bits behind the first are kept
    expect([3, 8, 9, 100, 1000, 1_000_000].map((length) => paddedLength('padme', length, MAX))).toEqual([
      3, 8, 10, 104, 1024, 1_015_808,
    ]);
    const lengths = new Set<number>();
    for (let length = 3; length < 70_000; length++) {
      const pad = paddedLength('padme', length, MAX);
      expect(pad).toBeGreaterThanOrEqual(length);
      expect(pad / length).toBeLessThanOrEqual(1.125);
      lengths.add(pad);
    }
    expect(lengths.size).toBeLessThan(250);
  });
});

describe('the content of a padded record', () => {
  const padded = (stated: number, length: number): Uint8Array => {
    const plaintext = new Uint8Array(4 + length);
    plaintext.set([RecordType.padded, stated >>> 16, stated >>> 8, stated]);
    return plaintext.fill(7, 4, 4 + Math.min(stated, length));
  };

  it.each([
    [0, 0],
    [0, 1],
    [1, 1],
    [255, 1000],
    [256, 1000],
    [65_536, 70_000],
    [1_048_576, 1_048_580],
  ])('is %i bytes of %i', (stated, length) => {
    expect(Buffer.compare(contentOf(padded(stated, length)), new Uint8Array(stated).fill(7))).toBe(0);
  });

  it.each([1, 2, 3])('is missing where there are %i bytes, and that is told', (length) => {
    expect(() => contentOf(padded(0, 0).subarray(0, length))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL', message: expect.stringContaining('without a length') }),
    );
  });

  it.each([
    [1, 0],
    [2, 1],
    [0xff_ff_ff, 1_000_000],
  ])('of %i bytes does not fit into %i', (stated, length) => {
    expect(() => contentOf(padded(stated, length))).toThrow(
      expect.objectContaining({
        code: 'PROTOCOL',
        message: expect.stringContaining('ends before its content'),
      }),
    );
  });

  it('does not hold the memory of a record that is mostly padding, and is not copied otherwise', () => {
    expect(contentOf(padded(10, 1_000_000)).buffer.byteLength).toBe(10);
    expect(contentOf(padded(400_000, 1_000_000)).buffer.byteLength).toBe(400_000);
    const full = padded(900_000, 1_000_000);
    expect(contentOf(full).buffer).toBe(full.buffer);
  });
});

function recordsOf(wire: Uint8Array): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < wire.length; at += 3 + (lengths.at(-1) as number))
    lengths.push(((wire[at] as number) << 16) | ((wire[at + 1] as number) << 8) | (wire[at + 2] as number));
  return lengths;
}

describe.each(backends)('with the backend $name', (backend) => {
  it.each([256, 16_384, 'padme'] as Padding[])(
    'padding %s shows its grain and nothing else',
    async (padding) => {
      const random = new Random(7);
      const { client, server } = await openPair({ backend, padding }, {});
      const sent: Buffer[] = [];
      const seen = new Set<number>();
      for (let i = 0; i < 60; i++) {
        const message = Buffer.from(
          random.bytes(i % 20 === 0 ? 40_000 + random.below(90_000) : random.below(3000)),
        );
        sent.push(message);
        client.opening?.sender.stage(message);
        if (random.below(3) > 0) continue;
        const wire = Buffer.concat((client.opening?.sender.flush() ?? []) as Uint8Array[]);
        for (const length of recordsOf(wire)) seen.add(length - 17);
        server.session.receive(wire);
        server.finishTurns();
      }
      server.session.receive(Buffer.concat((client.opening?.sender.close(0) ?? []) as Uint8Array[]));
      server.finishTurns();
      expect(server.messages.map((message) => Buffer.from(message).toString('hex'))).toEqual(
        sent.map((message) => message.toString('hex')),
      );
      expect(server.endCode).toBe(0);
      for (const length of seen) expect(length).toBe(paddedLength(padding, length, MAX));
    },
  );
});

it('fills a record no further than the peer takes', async () => {
  const { client, server } = await openPair({ padding: 10_000 }, { maxRecord: 16_384 });
  client.opening?.sender.stage(new Uint8Array(100_000).fill(1));
  const wire = Buffer.concat((client.opening?.sender.flush() ?? []) as Uint8Array[]);
  expect(Math.max(...recordsOf(wire)) - 17).toBe(16_384);
  server.session.receive(wire);
  server.finishTurns();
  expect(server.messages.map(({ length }) => length)).toEqual([100_000]);
});

describe('a receiver', () => {
  const key = (): TrafficKey => new TrafficKey(node, 'aesGcm', SECRET.slice());
  const pad = (content: Uint8Array, zeros: number): Uint8Array =>
    Buffer.concat([
      Uint8Array.of(RecordType.padded, 0, content.length >> 8, content.length),
      content,
      new Uint8Array(zeros),
    ]);
  const feed = (end: Recorder, ...plaintexts: Uint8Array[]): Recorder => {
    const keys = key();
    for (const plaintext of plaintexts)
      end.session.receive(Buffer.concat(keys.seal([plaintext], plaintext.length)));
    return end;
  };
  const hello = Buffer.from('\0\0\0\x05hello');

  it('takes PADDED wherever DATA may stand, and mixed with it', () => {
    const end = feed(
      openEnd(),
      pad(hello, 10),
      Buffer.concat([Uint8Array.of(RecordType.data), hello.subarray(0, 6)]),
      pad(hello.subarray(6), 1000),
      pad(Buffer.concat([hello, hello]), 0),
    );
    expect(end.messages.map((message) => Buffer.from(message).toString())).toEqual(
      new Array(4).fill('hello'),
    );
  });

  it('takes cover traffic for no message and no activity', () => {
    const end = feed(openEnd(), pad(hello.subarray(0, 6), 0));
    const { progress } = end;
    feed(end);
    const other = feed(openEnd(), pad(new Uint8Array(0), 100), pad(new Uint8Array(0), 0), pad(hello, 3));
    expect(other.messages.length).toBe(1);
    expect(progress).toBe(1);
    expect(feed(openEnd(), pad(new Uint8Array(0), 100)).progress).toBe(0);
  });

  it('does not hold a large record for a few bytes in it', () => {
    const end = openEnd();
    feed(end, pad(hello, 2 ** 20));
    expect(end.messages[0]?.buffer.byteLength).toBeLessThanOrEqual(16 * 1024);
  });

  it.each([
    ['without a length', Uint8Array.of(RecordType.padded, 0, 0)],
    ['that ends before its content', Uint8Array.of(RecordType.padded, 0, 0, 2, 7)],
    ['that is all but empty', Uint8Array.of(RecordType.padded)],
  ])('refuses a record %s', (_, plaintext) => {
    expect(feed(openEnd(), plaintext).code).toBe('PROTOCOL');
  });

  it('refuses what is in it as it does in DATA', () => {
    const tooBig = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
    expect(feed(openEnd(), pad(tooBig, 5)).code).toBe('MESSAGE_TOO_BIG');
    const end = feed(openEnd(), pad(hello.subarray(0, 7), 5), Uint8Array.of(RecordType.close, 0, 0));
    expect(end.code).toBe('TRUNCATED');
  });
});
