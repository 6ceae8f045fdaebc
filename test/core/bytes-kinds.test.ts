import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { asOne, isArrayBuffer, isBytes, isDetached } from '../../src/core/bytes.js';

describe('bytes are told by what they are', () => {
  test.each<[string, unknown, boolean]>([
    ['a Uint8Array', new Uint8Array(2), true],
    ['a Buffer', Buffer.from('a'), true],
    ['a Uint8Array of another realm', runInNewContext('new Uint8Array(2)'), true],
    ['an array of another kind', new Uint16Array(2), false],
    ['a view of another kind', new DataView(new ArrayBuffer(2)), false],
    ['memory without a view', new ArrayBuffer(2), false],
    ['numbers', [1, 2], false],
    ['a Proxy of one', new Proxy(new Uint8Array(2), {}), false],
    ['what inherits from it', Object.create(Uint8Array.prototype), false],
    ['what says that it is one', { [Symbol.toStringTag]: 'Uint8Array', length: 2 }, false],
    ['a text', 'ab', false],
    ['nothing', undefined, false],
    ['null', null, false],
  ])('%s', (_, value, is) => {
    expect(isBytes(value)).toBe(is);
  });

  test.each<[string, unknown, boolean]>([
    ['an ArrayBuffer', new ArrayBuffer(2), true],
    ['an ArrayBuffer of another realm', runInNewContext('new ArrayBuffer(2)'), true],
    ['shared memory, which someone else may change', new SharedArrayBuffer(2), false],
    ['a view', new Uint8Array(2), false],
    ['an object', {}, false],
    ['null', null, false],
  ])('%s, if asked for memory', (_, value, is) => {
    expect(isArrayBuffer(value)).toBe(is);
  });

  test('that were transferred are told from an empty message', () => {
    const transferred = new Uint8Array(4);
    structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
    expect(transferred).toHaveLength(0);
    expect(isDetached(transferred)).toBe(true);
    expect([new Uint8Array(0), new Uint8Array(1), Buffer.alloc(0)].map(isDetached)).toEqual([
      false,
      false,
      false,
    ]);
    const kept = Uint8Array.of(1, 2);
    expect([isDetached(kept), kept]).toEqual([false, Uint8Array.of(1, 2)]);
  });

  test('in one piece are that piece, and others are copied together', () => {
    const piece = Uint8Array.of(1, 2);
    expect(asOne([piece])).toBe(piece);
    expect(asOne([piece, Uint8Array.of(3)])).toEqual(Uint8Array.of(1, 2, 3));
    expect(asOne([])).toEqual(new Uint8Array(0));
  });
});
