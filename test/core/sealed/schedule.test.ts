import { hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend } from '../../../src/backend.js';
import { expandLabel, exportFrom, hashOfNothing } from '../../../src/core/sealed/schedule.js';
import { clientEnd, converse, identity, serverEnd } from '../../helpers/sealed-ends.js';
import { hex } from '../../helpers/sealed-vectors.js';

const SECRET = new Uint8Array(32).fill(3);
const none = new Uint8Array(0);

it('what one backend computes wrongly is not taken for the result of another', () => {
  const wrong = { ...node, sha256: () => new Uint8Array(32) };
  expect(hashOfNothing(wrong)).toEqual(new Uint8Array(32));
  expect(hashOfNothing(node)).toEqual(node.sha256(none));
});

describe('keying material for the application', () => {
  const exportKey = (label: string, context: Uint8Array, length: number): Uint8Array =>
    exportFrom(node, SECRET, label, context, length);

  it('differs by label, context and length', () => {
    const context = Buffer.from('context');
    const all = [
      exportKey('label', context, 32),
      exportKey('label!', context, 32),
      exportKey('label', Buffer.from('context!'), 32),
      exportKey('label', none, 32),
      exportKey('label', context, 33).subarray(0, 32),
    ];
    expect(new Set(all.map(hex)).size).toBe(all.length);
    expect(exportKey('label', context, 32)).toEqual(all[0]);
  });

  it('is of 1 to 8160 bytes', () => {
    expect(exportKey('x', none, 1)).toHaveLength(1);
    expect(exportKey('x', none, 8160)).toHaveLength(8160);
    for (const length of [0, -1, 8161, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => exportKey('x', none, length)).toThrow(
        expect.objectContaining({
          ...{ code: 'BAD_ARGUMENT', name: 'TypeError' },
          message: `the length must be 1 to 8160 bytes, not ${length}`,
        }),
      );
    }
  });

  it('has no label that UTF-8 cannot express, or two would be one', () => {
    for (const label of ['\ud800', 'a\udc00', '\udc00\ud800'])
      expect(() => exportKey(label, none, 16)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(exportKey('\u{10000}', none, 16)).toHaveLength(16);
  });

  it('has a label of at most 247 bytes, in UTF-8', () => {
    expect(exportKey('x'.repeat(247), none, 16)).toHaveLength(16);
    expect(exportKey('', none, 16)).toHaveLength(16);
    for (const [label, length] of [
      ['x'.repeat(248), 248],
      ['ü'.repeat(124), 248],
    ] as const) {
      expect(() => exportKey(label, none, 16)).toThrow(
        expect.objectContaining({
          ...{ code: 'BAD_ARGUMENT', message: `the label has ${length} bytes, the maximum is 247` },
        }),
      );
    }
    expect(exportKey('ü'.repeat(123), none, 16)).not.toEqual(exportKey('u'.repeat(123), none, 16));
  });

  it('leaves no secret behind on its way', () => {
    const derived: Uint8Array[] = [];
    const spied: Backend = {
      ...node,
      hkdfExpand: (secret, info, length) => {
        derived.push(node.hkdfExpand(secret, info, length));
        return derived.at(-1) as Uint8Array;
      },
    };
    const material = exportFrom(spied, SECRET, 'label', none, 32);
    expect(derived).toHaveLength(2);
    expect(derived[0]).toEqual(new Uint8Array(32));
    expect(derived[1]).toBe(material);
    expect(SECRET).toEqual(new Uint8Array(32).fill(3));
  });
});

it('a label is expanded as RFC 8446 7.1 says, with the prefix of this protocol', () => {
  // HKDF-Expand alone: a key that HKDF-Extract has made is put back by it as HMAC(salt, key)
  const context = Buffer.from('some context');
  const full = Buffer.from('sealed1 some label');
  const info = Buffer.concat([
    Buffer.from([0, 40, full.length]),
    full,
    Buffer.from([context.length]),
    context,
  ]);
  const extracted = node.hkdfExtract(new Uint8Array(32), SECRET);
  const expected = new Uint8Array(hkdfSync('sha256', SECRET, new Uint8Array(32), info, 40));
  expect(expandLabel(node, extracted, 'some label', context, 40)).toEqual(expected);
  expect(expandLabel(node, extracted, Buffer.from('some label'), context, 40)).toEqual(expected);
  // the label is remembered, and is the same the next time
  expect(expandLabel(node, extracted, 'some label', context, 40)).toEqual(expected);
});

describe('a key log', () => {
  it('names the connection by its client random, and has the same six secrets at both ends', async () => {
    const [ours, theirs]: [string[], string[]] = [[], []];
    const client = clientEnd({ keylog: (line) => void ours.push(line), identity: identity(node) });
    const server = serverEnd({ keylog: (line) => void theirs.push(line) });
    client.session.start();
    server.session.start();
    const random = hex((client.written[0] as Uint8Array).subarray(8, 40));
    await converse(client, server);
    expect(client.opening).toBeDefined();
    expect(ours.map((line) => line.split(' ')[0])).toEqual([
      ...['SEALED1_C_HS_TRAFFIC', 'SEALED1_S_HS_TRAFFIC', 'SEALED1_C_AHS_TRAFFIC', 'SEALED1_S_AHS_TRAFFIC'],
      ...['SEALED1_C_AP_TRAFFIC', 'SEALED1_S_AP_TRAFFIC'],
    ]);
    for (const line of ours)
      expect(line).toMatch(new RegExp(`^SEALED1_[CS]_[A-Z]+_TRAFFIC ${random} [0-9a-f]{64}$`));
    expect([...theirs].sort()).toEqual([...ours].sort());
    expect(new Set(ours.map((line) => line.split(' ')[2])).size).toBe(6);
  });
});
