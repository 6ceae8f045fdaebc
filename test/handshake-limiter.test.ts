import { describe, expect, it } from 'vitest';
import { HandshakeLimiter, sourceOf } from '../src/server/handshake-limiter.js';

describe('a source', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2::99', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::2', '0:0:0:0::/64'],
    ['127.0.0.1', undefined],
    ['127.9.9.9', undefined],
    ['::ffff:127.0.0.1', undefined],
    ['::1', undefined],
    [undefined, undefined],
  ])('%s is %s', (address, expected) => {
    expect(sourceOf(address)).toBe(expected);
  });
});

describe('admission', () => {
  it('counts in all and by source, and admits the next one after one has left', () => {
    const admission = new HandshakeLimiter(3, 2);
    const first = admission.enter('192.0.2.7');
    const second = admission.enter('::ffff:192.0.2.7');
    expect(first && second).toBeDefined();
    expect(admission.enter('192.0.2.7')).toBeUndefined();
    expect(admission.enter('192.0.2.8')).toBeDefined();
    expect(admission.enter('192.0.2.9')).toBeUndefined();
    first?.();
    first?.();
    expect(admission.pending).toBe(2);
    expect(admission.enter('192.0.2.7')).toBeDefined();
  });

  it('counts loopback and Unix peers towards the total only', () => {
    const admission = new HandshakeLimiter(4, 1);
    for (const address of ['127.0.0.1', '127.0.0.1', undefined, '::1'])
      expect(admission.enter(address)).toBeDefined();
    expect(admission.enter(undefined)).toBeUndefined();
  });
});
