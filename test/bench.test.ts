import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const TIMEOUT = 120_000;

interface Row {
  readonly id: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly contenders: Record<
    string,
    {
      median: number;
      spread: number;
      values: number[];
      cpuMicroseconds?: number;
      verified: Record<string, number>;
    }
  >;
}

interface Peers {
  readonly about: Record<string, unknown>;
  readonly contenders: Record<string, { title: string }>;
  readonly results: Row[];
  readonly failures: unknown[];
}

/** What the last run of each benchmark wrote. */
const written = new Map<string, unknown>();

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'secure-sockets-bench-test-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('bench:peers', () => {
  test(
    'measures streams and echoes, and has compared every byte',
    async () => {
      const names = ['net', 'tls', 'tls-callback', 'sealed', 'classic'];
      const { about, contenders, results, failures } = await peers('await-64,ping-64', names);
      expect(failures).toEqual([]);
      expect(Object.keys(contenders)).toEqual(names);
      expect(about).toMatchObject({ rounds: 1, node: process.versions.node });
      expect(results.map(({ id, unit, better }) => [id, unit, better])).toEqual([
        ['await-64', 'k msg/s', 'more'],
        ['ping-64', 'us', 'less'],
        ['ping-64-p99', 'us', 'less'],
      ]);
      const [stream, ping] = results as [Row, Row];
      for (const name of names) {
        const streamed = stream.contenders[name];
        expect(streamed?.values).toHaveLength(1);
        expect(streamed?.median).toBeGreaterThan(0);
        expect(streamed?.verified.bytesCompared).toBeGreaterThan(64_000);
        expect(streamed?.verified.bytesCounted).toBeGreaterThan(64_000);
        expect(streamed?.verified.checksums).toBe(1);
        expect(streamed?.cpuMicroseconds).toBeGreaterThan(0);
        expect(ping.contenders[name]?.verified.echoes).toBeGreaterThan(2);
      }
    },
    TIMEOUT,
  );

  test(
    'measures large messages, handshakes and idle connections',
    async () => {
      const { results, failures } = await peers('stream-1m,connect-32,idle', ['tls-plain', 'sealed']);
      expect(failures).toEqual([]);
      expect(results.map(({ id }) => id)).toEqual(['stream-1m', 'cpu-1m', 'connect-32', 'idle']);
      for (const { id, contenders } of results) {
        expect(Object.keys(contenders)).toEqual(['tls-plain', 'sealed']);
        // memory that shrinks is no error where so few connections are opened
        if (id !== 'idle') expect(contenders.sealed?.median).toBeGreaterThan(0);
      }
      expect(results[3]?.contenders.sealed?.verified.echoes).toBe(20);
    },
    TIMEOUT,
  );

  test(
    'measures many connections, the first moments of a process, and long ways',
    async () => {
      const names = ['tls-callback', 'sealed', 'sealed-sodium'];
      const { results, failures } = await peers('active-10,ping-64-cold,await-64-cold,first-answer', names);
      expect(failures).toEqual([]);
      for (const { contenders } of results) expect(Object.keys(contenders)).toEqual(names);
      const answer = results.find(({ id }) => id === 'first-answer');
      // three round trips of 20 ms, but for that of TCP's own first packets, and one more
      expect(answer?.contenders['tls-callback']?.median).toBeGreaterThan(40);
      expect(answer?.contenders.sealed?.median).toBeGreaterThan(60);
    },
    TIMEOUT,
  );

  test('does not know every contender', async () => {
    const failure = await bench('peers', '--contenders', 'unknown').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 2, stderr: expect.stringContaining('no contender "unknown"') });
  });
});

test(
  'bench compares what the backends compute and says how fast',
  async () => {
    const { primitives } = await json<{
      primitives: { id: string; size?: number; perSecond: Record<string, { median: number }> }[];
    }>('backends', '--rounds', '1', '--duration', '1', '--parts', 'primitives', '--only', 'GCM seal');
    expect(primitives.map(({ size }) => size)).toEqual([64, 1024, 16384, 65536, 1048576]);
    for (const { perSecond } of primitives)
      for (const name of ['node', 'sodium', 'noble', 'forge'])
        expect(perSecond[name]?.median).toBeGreaterThan(0);
  },
  TIMEOUT,
);

test(
  'bench:curves follows sizes and server processes',
  async () => {
    const short = ['--rounds', '1', '--duration', '40', '--contenders', 'sealed'];
    const { curves } = await json<{
      curves: { id: string; points: { at: number; contenders: Record<string, Record<string, unknown>> }[] }[];
    }>('curves', ...short, '--curves', 'sizes,processes', '--largest', '256', '--processes', '1');
    expect(curves.map(({ id, points }) => [id, points.map(({ at }) => at)])).toEqual([
      ['sizes', [64, 256]],
      ['processes', [1]],
    ]);
    expect(Object.keys(curves[0]?.points[0]?.contenders.sealed ?? {})).toHaveLength(3);
  },
  TIMEOUT,
);

describe('the receiver of a benchmark', () => {
  const ring = import(new URL('../bench/lib/ring.mjs', import.meta.url).href) as Promise<{
    makeRing(size: number): { messages: Uint8Array[]; mask: number };
    Inspector: new (
      ring: unknown,
      all: boolean,
    ) => { take(message: Uint8Array): void; count: number; checksum: number };
  }>;

  test('takes the messages in their order', async () => {
    const { makeRing, Inspector } = await ring;
    const { messages, mask } = makeRing(64);
    const inspector = new Inspector(makeRing(64), true);
    for (let i = 0; i < 2 * messages.length; i++) inspector.take(messages[i & mask] as Uint8Array);
    expect(inspector.count).toBe(2 * messages.length);
    expect(inspector.checksum).not.toBe(0);
  });

  test.each([
    ['one is lost', (messages: Uint8Array[]) => messages.slice(1)],
    ['one is repeated', ([first, ...others]: Uint8Array[]) => [first, first, ...others]],
    ['two are exchanged', ([first, second]: Uint8Array[]) => [second, first]],
    ['one is too short', ([first]: Uint8Array[]) => [first?.subarray(1)]],
    ['one bit is wrong', ([first]: Uint8Array[]) => [first?.map((byte, i) => (i === 63 ? byte ^ 1 : byte))]],
  ])('notices when %s', async (_, damage) => {
    const { makeRing, Inspector } = await ring;
    const inspector = new Inspector(makeRing(64), true);
    expect(() => {
      for (const message of damage(makeRing(64).messages)) inspector.take(message as Uint8Array);
    }).toThrow(/message \d+ (has|was)/);
  });
});

describe('the report', () => {
  type Part = { mark: string; text: string; charts?: { name: string; svg: string }[] };
  const draw = { barChart: () => '<svg/>', lineChart: () => '<svg/>' };
  const page = readFileSync(join(root, 'docs/benchmarks/README.md'), 'utf8');

  test.each(['peers', 'backends', 'curves'])('of %s has its places on the page', async (name) => {
    const module = await import(new URL(`../bench/lib/report-${name}.mjs`, import.meta.url).href);
    const report = Object.values(module)[0] as (results: unknown, draws: typeof draw) => Part[];
    const parts = report(written.get(name), draw);
    expect(parts.length).toBeGreaterThan(0);
    for (const { mark, text } of parts) {
      expect(page).toContain(`<!-- ${mark} -->`);
      expect(page).toContain(`<!-- end of ${mark} -->`);
      expect(text).toMatch(/\d/);
      expect(text).not.toMatch(/undefined|NaN/);
    }
  });
});

describe('the targets', () => {
  const targets = import(new URL('../bench/lib/targets.mjs', import.meta.url).href) as Promise<{
    targets: {
      row: string;
      of: string | string[];
      against: string | string[];
      min?: number;
      max?: number;
    }[];
    judge(results: unknown[]): { row: string; against: string; ratio?: number; isReached?: boolean }[];
  }>;

  test('are reached or missed by the ratio of two medians', async () => {
    const { judge } = await targets;
    const row = (id: string, sealed: number, tls: number): unknown => {
      const better = id === 'idle' ? 'less' : 'more';
      // the slower way of reading TLS does not count
      const slower = better === 'less' ? 2 * tls : tls / 2;
      const medians = { sealed, tls, 'tls-callback': slower };
      const contenders = Object.fromEntries(
        Object.entries(medians).map(([name, median]) => [name, { median }]),
      );
      return { id, title: id, better, contenders };
    };
    const verdicts = judge([row('stream-1k', 116, 100), row('stream-1m', 134, 100), row('idle', 4, 10)]);
    const verdict = (id: string): unknown =>
      verdicts.find((one) => one.row === id && /^tls( or|$)/.test(one.against));
    expect(verdict('stream-1k')).toMatchObject({ ratio: 1.16, isReached: true });
    expect(verdict('stream-1m')).toMatchObject({ ratio: 1.34, isReached: false });
    expect(verdict('idle')).toMatchObject({ ratio: 0.4, isReached: true });
    expect(verdict('ping-64')).not.toHaveProperty('ratio');
  });

  test('speak of rows and contenders that there are', async () => {
    const load = (path: string): Promise<Record<string, Record<string, { rows?: { id: string }[] }>>> =>
      import(new URL(`../bench/${path}`, import.meta.url).href);
    const { peerTests = {} } = await load('lib/peer-tests.mjs');
    const { contenders = {} } = await load('contenders/list.mjs');
    const rows = Object.values(peerTests).flatMap((one) => one.rows?.map(({ id }) => id) ?? []);
    for (const { row, of, against, min, max } of (await targets).targets) {
      expect(rows).toContain(row);
      expect(Object.keys(contenders)).toEqual(expect.arrayContaining([of, against].flat()));
      expect((min === undefined) !== (max === undefined)).toBe(true);
    }
  });
});

/** A run as short as can be, of contenders that need nothing installed. */
function peers(tests: string, contenders: readonly string[]): Promise<Peers> {
  const short = ['--rounds', '1', '--duration', '40', '--warm-up', '20', '--connections', '10'];
  return json<Peers>('peers', ...short, '--tests', tests, '--contenders', contenders.join(','));
}

/** The results that a benchmark writes. */
async function json<T>(name: string, ...args: string[]): Promise<T> {
  const file = join(folder, `${name}-${performance.now()}.json`);
  await bench(name, ...args, '--json', file);
  const results: unknown = JSON.parse(readFileSync(file, 'utf8'));
  written.set(name, results);
  return results as T;
}

/** Rejects with the exit code and the output unless it is 0. */
function bench(name: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [join(root, 'bench', `${name}.mjs`), ...args], { cwd: root });
}
