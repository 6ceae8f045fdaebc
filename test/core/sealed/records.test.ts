import { describe, expect, it } from 'vitest';
import { noble } from '../../../backends/noble.js';
import { node } from '../../../backends/node.js';
import type { AeadName, Backend } from '../../../src/backend.js';
import { RECEIVE_LIMITS } from '../../../src/core/sealed/open.js';
import { RecordType, TrafficKey } from '../../../src/core/sealed/records.js';
import { SecureSocketError } from '../../../src/errors.js';
import type { Recorder } from '../../helpers/recorder.js';
import { backends, byteByByte, type Cutting, MAX_RECORD, whole } from '../../helpers/sealed-ends.js';
import { openEnd, RecordPeer, SECRET } from '../../helpers/sealed-open.js';
import { bytes, hex, type RecordCase, recordCases } from '../../helpers/sealed-vectors.js';

const { data, keyUpdate, ping, pong, close } = RecordType;
const message = (text: string): Uint8Array => Buffer.from(`\0\0\0${String.fromCharCode(text.length)}${text}`);

const closeCodeOf: Record<string, number> = { PROTOCOL: 6, MESSAGE_TOO_BIG: 3, PEER_CLOSED: 0 };

describe.each(backends)('the recorded records on $name', (backend) => {
  const possible = recordCases.filter((recorded) => !backend.lacks?.includes(aeadOf(recorded)));

  it.each(possible)('$cipher: $name', (recorded) => {
    for (const cutting of [whole, byteByByte]) expectReceived(backend, recorded, cutting);
    expectSealed(backend, recorded);
  });
});

describe('a record that is not as it has to be', () => {
  const violations: [string, (peer: RecordPeer) => Uint8Array][] = [
    ['announces 0 bytes', () => Uint8Array.of(0, 0, 0)],
    ['announces 16 bytes, less than a type and a tag', () => Uint8Array.of(0, 0, 16)],
    ['announces a byte more than max_record allows', () => u24(MAX_RECORD + 18)],
    ['announces all that three bytes can', () => u24(2 ** 24 - 1)],
    ['is of type 0', (peer) => peer.record(0)],
    ['is a HANDSHAKE', (peer) => peer.record(1, Buffer.from('SEAL'))],
    ['is a TICKET, which was not asked for', (peer) => peer.record(7)],
    ['is of type 9', (peer) => peer.record(9)],
    ['is of type 255', (peer) => peer.record(255, Uint8Array.of(0))],
    ['is DATA without a byte', (peer) => peer.record(data)],
    ['is a KEY_UPDATE with a payload', (peer) => peer.record(keyUpdate, Uint8Array.of(0))],
    ['is a PING with a payload', (peer) => peer.record(ping, Uint8Array.of(0))],
    ['is a PONG with a payload', (peer) => peer.record(pong, new Uint8Array(8))],
    ['is a CLOSE without a code', (peer) => peer.record(close)],
    ['is a CLOSE with one byte', (peer) => peer.record(close, Uint8Array.of(0))],
    ['is a CLOSE with a text', (peer) => peer.record(close, Uint8Array.of(0, 0, 33))],
  ];

  it.each(violations)('%s: PROTOCOL, CLOSE 6, and what came before stays', (_, violation) => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.session.receive(peer.record(data, message('before')));
    end.session.receive(violation(peer));
    expect(texts(end)).toEqual(['before']);
    expect(end.code).toBe('PROTOCOL');
    expectFinalBytes(end, 6);
    expect(end.opening?.sender.flush()).toEqual([]);
  });

  it('the largest record allowed is taken', () => {
    const [end, peer] = [openEnd({ maxRecord: 16384 }), new RecordPeer()];
    const body = new Uint8Array(16380).fill(1);
    end.session.receive(peer.record(data, Buffer.concat([Uint8Array.of(0, 0, 63, 252), body])));
    expect(end.messages).toEqual([body]);
    end.session.receive(u24(16384 + 18));
    expect(end.code).toBe('PROTOCOL');
  });

  it('every flipped bit of a record is DECRYPT_FAILED or PROTOCOL, and nothing of it is delivered', () => {
    const record = new RecordPeer().record(data, message('secret'));
    for (let bit = 0; bit < record.length * 8; bit++) {
      const end = openEnd();
      const damaged = record.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      end.session.receive(Buffer.concat([damaged, new Uint8Array(MAX_RECORD)]));
      expect(end.messages).toEqual([]);
      expect(end.code).toMatch(/^(DECRYPT_FAILED|PROTOCOL)$/);
      expectFinalBytes(end, end.code === 'PROTOCOL' ? 6 : undefined);
    }
  });

  it('a record replayed, left out or reordered fails like a changed one, in silence', () => {
    const peer = new RecordPeer();
    const [one, two, three] = ['one', 'two', 'three'].map((text) => peer.record(data, message(text)));
    const orders: [unknown[], string[]][] = [
      [[one, one], ['one']],
      [[two], []],
      [[one, three], ['one']],
      [[one, three, two], ['one']],
    ];
    for (const [order, delivered] of orders) {
      const end = openEnd();
      for (const record of order) end.session.receive(record as Uint8Array);
      expect(texts(end)).toEqual(delivered);
      expect(end.code).toBe('DECRYPT_FAILED');
      expectFinalBytes(end, undefined);
    }
  });

  it('nothing is sent after a changed record, not even what was staged', () => {
    const end = openEnd();
    end.opening?.sender.stage(message('staged'));
    end.session.receive(Buffer.concat([u24(17), new Uint8Array(17)]));
    expect(end.code).toBe('DECRYPT_FAILED');
    expect(end.opening?.sender.flush()).toEqual([]);
    expect(end.opening?.sender.close(0)).toEqual([]);
    expect(end.opening?.sender.staged).toBe(0);
  });
});

describe('limits of a receiver', () => {
  it('are those of the protocol unless lowered, and cannot be raised', () => {
    expect(RECEIVE_LIMITS).toEqual({ records: 2 ** 22, bytes: 2 ** 38 });
    const end = openEnd({ sequence: 2 ** 22, keyLimits: { receive: { records: 2 ** 23 } } });
    end.session.receive(u24(17));
    expect(end.code).toBe('PROTOCOL');
  });

  it('count the records under one key, and begin anew with the next', () => {
    const [end, peer] = [openEnd({ keyLimits: { receive: { records: 3 } } }), new RecordPeer()];
    for (const text of ['a', 'b']) end.session.receive(peer.record(data, message(text)));
    end.session.receive(peer.record(keyUpdate));
    for (const text of ['c', 'd', 'e']) end.session.receive(peer.record(data, message(text)));
    expect(end.code).toBeUndefined();
    end.session.receive(u24(17));
    expect(texts(end)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(end.code).toBe('PROTOCOL');
    expectFinalBytes(end, 6);
  });

  it('count the bytes under one key, before the record is there', () => {
    const [end, peer] = [openEnd({ keyLimits: { receive: { bytes: 100 } } }), new RecordPeer()];
    end.session.receive(peer.record(data, message('x'.repeat(50))));
    end.session.receive(u24(29));
    expect(end.code).toBe('PROTOCOL');
    const other = openEnd({ keyLimits: { receive: { bytes: 100 } } });
    other.session.receive(new RecordPeer().record(data, message('x'.repeat(50))));
    other.session.receive(u24(28));
    expect(other.code).toBeUndefined();
  });
});

describe('the end of a connection', () => {
  const codes: [number, string, number | undefined][] = [
    [0, 'ended', 0],
    [1, 'ended', 1],
    [2, 'PEER_CLOSED', 2],
    [3, 'PEER_CLOSED', 3],
    [4, 'PEER_CLOSED', 4],
    [5, 'PEER_CLOSED', 5],
    [6, 'PEER_CLOSED', 6],
    [7, 'PEER_CLOSED', 7],
    [0x3fff, 'PEER_CLOSED', 0x3fff],
    [0x4000, 'ended', 0x4000],
    [0xffff, 'ended', 0xffff],
  ];

  it.each(codes)('CLOSE %i is %s', (code, what, reported) => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.session.receive(peer.record(data, message('last')));
    end.session.receive(peer.record(close, Uint8Array.of(code >> 8, code)));
    expect(texts(end)).toEqual(['last']);
    if (what === 'ended') expect(end.endCode).toBe(reported);
    else expect(end.error).toMatchObject({ code: what, closeCode: reported });
    if (what !== 'ended') expectFinalBytes(end, 0);
  });

  it('leaves the own half open after an orderly CLOSE', () => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.session.receive(peer.record(close, Uint8Array.of(0, 0)));
    end.opening?.sender.stage(message('still here'));
    expect(end.opening?.sender.flush()).toHaveLength(1);
    expect(end.opening?.sender.close(0)).toHaveLength(1);
  });

  it('says nothing more after the own CLOSE, whatever comes', () => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.opening?.sender.close(0);
    end.session.receive(peer.record(9));
    expect(end.code).toBe('PROTOCOL');
    expect(end.finalBytes).toEqual([]);
  });

  it('discards what follows a CLOSE', () => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.session.receive(peer.record(close, Uint8Array.of(0, 0)));
    end.session.receive(peer.record(data, message('too late')));
    end.session.receive(new Uint8Array(100));
    expect(end.messages).toEqual([]);
    expect(end.code).toBeUndefined();
  });

  it.each([0, 2, 3, 10])('without a CLOSE is TRUNCATED, %i bytes into a record', (into) => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.session.receive(peer.record(data, message('first')));
    end.session.receive(peer.record(data, message('second')).subarray(0, into));
    end.session.endOfStream();
    expect(texts(end)).toEqual(['first']);
    expect(end.code).toBe('TRUNCATED');
    expect(end.finalBytes).toBeUndefined();
  });
});

it('a PING is answered, a PONG is not, and both go ahead of what is staged', () => {
  const [end, peer] = [openEnd(), new RecordPeer()];
  end.session.receive(Buffer.concat([peer.record(ping), peer.record(pong), peer.record(ping)]));
  expect(end.answers).toBe(2);
  const sender = end.opening?.sender;
  sender?.stage(message('staged'));
  const [pingRecord, pongRecord] = [sender?.ping?.(), sender?.pong?.()];
  const key = new TrafficKey(node, 'aesGcm', SECRET.slice());
  const plaintexts = [pingRecord, pongRecord, sender?.flush()].map((chunks) =>
    key.open(Buffer.concat(chunks ?? []).subarray(3)),
  );
  expect(plaintexts.map((plaintext) => plaintext?.[0])).toEqual([ping, pong, data]);
});

function expectReceived(backend: Backend, recorded: RecordCase, cutting: Cutting): void {
  const { sequence, records, messages, error, closeCode } = recorded;
  const cipher = aeadOf(recorded);
  const secret = bytes(recorded.secret);
  const end = openEnd({ backend, cipher, secret, sequence });
  for (const piece of cutting(Buffer.concat(records.map(bytes)))) end.session.receive(piece);
  expect(texts(end)).toEqual(messages);
  expect(end.code).toBe(error);
  if (error === undefined) expect(end.endCode).toBe(closeCode);
  else expectFinalBytes(end, closeCodeOf[error], secret, cipher);
  if (error === 'PEER_CLOSED') expect(end.error).toMatchObject({ closeCode });
}

function aeadOf({ cipher }: RecordCase): AeadName {
  return cipher === 'aes-256-gcm' ? 'aesGcm' : 'chaCha20Poly1305';
}

function expectSealed(backend: Backend, recorded: RecordCase): void {
  const { secret, sequence, plaintexts, records } = recorded;
  const key = new TrafficKey(backend, aeadOf(recorded), bytes(secret), sequence);
  const sealed = plaintexts.map((inner) => {
    const record = key.seal([bytes(inner)], inner.length / 2);
    if (inner === '03') key.update();
    return hex(Buffer.concat(record));
  });
  expect(sealed).toEqual(records);
}

/** The last words of an end: a CLOSE with that code, or none. */
function expectFinalBytes(
  end: Recorder,
  code: number | undefined,
  secret: Uint8Array = SECRET,
  cipher: AeadName = 'aesGcm',
): void {
  expect(end.error).toBeInstanceOf(SecureSocketError);
  expect(end.endCode).toBeUndefined();
  if (code === undefined) {
    expect(end.finalBytes).toBeUndefined();
    return;
  }
  const record = Buffer.concat(end.finalBytes as Uint8Array[]);
  const plaintext = new TrafficKey(noble, cipher, secret.slice()).open(record.subarray(3));
  expect([...(plaintext ?? [])]).toEqual([close, code >> 8, code & 255]);
}

function texts(end: Recorder): string[] {
  return end.messages.map((each) => Buffer.from(each).toString());
}

function u24(value: number): Uint8Array {
  return Uint8Array.of(value >> 16, value >> 8, value);
}
