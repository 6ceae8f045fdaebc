import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readProxyHeader } from '../../src/core/encodings/proxy-header.js';
import { decodeBase64 } from '../../src/core/encodings/text.js';
import { Random } from '../helpers/random.js';
import { Coverage } from './coverage.js';
import { mutateFor } from './engine.js';
import { type Target, verdictOf } from './target.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('coverage', () => {
  let coverage: Coverage;
  beforeEach(() => {
    coverage = new Coverage();
    coverage.reset();
  });
  afterEach(() => coverage.stop());

  it('grows with code that has not run before, and with no other', () => {
    decodeBase64('?');
    expect(coverage.gain()).toBeGreaterThan(0);
    decodeBase64('!');
    expect(coverage.gain()).toBe(0);
    decodeBase64('AAAA');
    expect(coverage.gain()).toBeGreaterThan(0);
    expect(coverage.total).toBeGreaterThan(0);
  });

  it('forgets what came after a snapshot', () => {
    decodeBase64('?');
    coverage.gain();
    const before = coverage.snapshot();
    const { total } = coverage;
    decodeBase64('AAAA');
    const gained = coverage.gain();
    coverage.restore(before);
    expect(coverage.total).toBe(total);
    decodeBase64('AAAA');
    expect(coverage.gain()).toBe(gained);
  });

  it('steers towards inputs that verdicts alone do not tell apart', async () => {
    const silent: Target = {
      name: 'silent',
      seeds: [encode('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n')],
      streams: false,
      verdict: (input) => {
        verdictOf(() => readProxyHeader(input));
        return 'ok';
      },
    };
    const { corpus } = await mutateFor(silent, 300, new Random(1), coverage);
    // the seed, the first of the one verdict, and those that ran something new
    expect(corpus.length).toBeGreaterThan(4);
  });
});
