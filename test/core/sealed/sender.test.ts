// The sender of sealed. One file, because packing, keys and the end are tried through one receiver that opens all records.

import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Sender } from '../../../src/core/script.js';
import { RecordType, TrafficKey } from '../../../src/core/sealed/records.js';
import { SEND_LIMITS, SealedSender } from '../../../src/core/sealed/sender.js';
import { digests, openEnd, SECRET } from '../../helpers/sealed-open.js';

interface Wishes {
  readonly maxMessage?: number;
  readonly maxRecord?: number;
  readonly records?: number;
  readonly bytes?: number;
}

type ImmediateSender = Required<Sender<Uint8Array>>;

function sender({ maxMessage, maxRecord, records, bytes }: Wishes = {}): ImmediateSender {
  const own = new SealedSender(new TrafficKey(node, 'aesGcm', SECRET.slice()), {
    ...{ maxMessage: maxMessage ?? 2 ** 24, maxRecord: maxRecord ?? 2 ** 20 + 4096, partLength: 2 ** 22 },
    limits: { records: records ?? SEND_LIMITS.records, bytes: bytes ?? SEND_LIMITS.bytes },
    isPatient: false,
  });
  return own as ImmediateSender;
}

/** The types and payload lengths of records, opened in order. */
class Reader {
  readonly #key = new TrafficKey(node, 'aesGcm', SECRET.slice());

  read(chunks: readonly Uint8Array[]): [number, number][] {
    return this.plaintexts(chunks).map((plaintext) => [plaintext[0] as number, plaintext.length - 1]);
  }

  plaintexts(chunks: readonly Uint8Array[]): Uint8Array[] {
    const out: Uint8Array[] = [];
    const wire = Buffer.concat(chunks);
    for (let at = 0; at < wire.length; ) {
      const end = at + 3 + wire.readUIntBE(at, 3);
      const plaintext = this.#key.open(wire.subarray(at + 3, end));
      if (plaintext === null) throw new Error(`the record at ${at} does not open`);
      if (plaintext[0] === RecordType.keyUpdate) this.#key.update();
      out.push(plaintext);
      at = end;
    }
    return out;
  }
}

const { data, keyUpdate, ping, close } = RecordType;

describe('packing', () => {
  it('puts the small messages of a tick into one record, as one chunk if that is small', () => {
    const own = sender();
    for (let i = 0; i < 10; i++) own.stage(new Uint8Array(64));
    expect(own.staged).toBeGreaterThanOrEqual(640);
    const chunks = own.flush();
    expect(chunks).toHaveLength(1);
    expect(new Reader().read(chunks)).toEqual([[data, 680]]);
    expect(own.staged).toBe(0);
    expect(own.flush()).toEqual([]);
  });

  it("keeps messages in order across small and large ones, and takes no hold of the caller's memory", () => {
    const end = openEnd();
    const own = openEnd().opening?.sender as ImmediateSender;
    const lengths = [0, 5, 40000, 7, 32 * 1024 - 1, 32 * 1024, 200000, 3, 1048576, 1100000, 0, 2200000];
    const sent = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
    for (const message of sent) {
      const lent = message.slice();
      own.stage(lent);
      lent.fill(0xee);
    }
    for (const chunk of own.flush()) end.session.receive(chunk);
    expect(end.code).toBeUndefined();
    expect(digests(end.messages)).toEqual(digests(sent));
  });

  it('seals a message of 1 MiB as one record, without copying it together with its header', () => {
    const own = sender();
    own.stage(new Uint8Array(2 ** 20));
    const chunks = own.flush();
    expect(chunks.length).toBeGreaterThan(1);
    expect(new Reader().read(chunks)).toEqual([[data, 2 ** 20 + 4]]);
  });

  it.each([16384, 20000, 65536])('cuts records at %i bytes', (maxRecord) => {
    const own = sender({ maxRecord });
    for (const length of [100, 16380, 16381, 20000, 31000, 32768, 100000, 1])
      own.stage(new Uint8Array(length));
    const records = new Reader().read(own.flush());
    expect(Math.max(...records.map(([, length]) => length))).toBeLessThanOrEqual(maxRecord);
    const total = records.reduce((sum, [, length]) => sum + length, 0);
    expect(total).toBe(100 + 16380 + 16381 + 20000 + 31000 + 32768 + 100000 + 1 + 8 * 4);
  });

  it('fills a record to its last byte', () => {
    const own = sender({ maxRecord: 16384 });
    for (const length of [8188, 8188, 8188, 8189]) own.stage(new Uint8Array(length));
    expect(new Reader().read(own.flush())).toEqual([
      [data, 16384],
      [data, 8192],
      [data, 8193],
    ]);
  });

  it('goes on in the next record when a busy tick has filled the memory for one', () => {
    const end = openEnd();
    const own = openEnd().opening?.sender as ImmediateSender;
    const sent = Array.from({ length: 300 }, (_, i) => new Uint8Array(500 + i).fill(i));
    for (const message of sent) own.stage(message);
    const chunks = own.flush();
    for (const chunk of chunks) end.session.receive(chunk);
    expect(end.code).toBeUndefined();
    expect(digests(end.messages)).toEqual(digests(sent));
    expect(new Reader().read(chunks).every(([, length]) => length < 65536)).toBe(true);
  });

  it('counts what is staged as it will be on the wire, once it is sealed', () => {
    const own = sender();
    own.stage(new Uint8Array(40000));
    expect(own.staged).toBe(3 + 1 + 4 + 40000 + 16);
    own.stage(new Uint8Array(100));
    expect(own.staged).toBe(40024 + 1 + 4 + 100);
    own.stage(new Uint8Array(50000));
    const staged = own.staged;
    expect(Buffer.concat(own.flush())).toHaveLength(staged);
    expect(own.staged).toBe(0);
  });

  it('takes the lower max_record of both ends', () => {
    const { opening } = openEnd({ maxRecord: 131072, peerMaxRecord: 16384 });
    const other = openEnd({ maxRecord: 16384, peerMaxRecord: 131072 }).opening;
    for (const each of [opening, other]) {
      each?.sender.stage(new Uint8Array(50000));
      const records = new Reader().read(each?.sender.flush() ?? []);
      expect(records).toEqual([
        [data, 16384],
        [data, 16384],
        [data, 16384],
        [data, 852],
      ]);
    }
  });

  it('refuses what is too large for the peer, before anything of it is sent', () => {
    const own = sender({ maxMessage: 1024 });
    own.stage(new Uint8Array(1024));
    expect(() => own.stage(new Uint8Array(1025))).toThrow(
      expect.objectContaining({
        ...{ code: 'MESSAGE_TOO_BIG_FOR_PEER', blame: 'caller' },
        message: 'the message has 1025 bytes, the peer takes 1024; raise its maxMessage or send less',
      }),
    );
    expect(new Reader().read(own.flush())).toEqual([[data, 1028]]);
  });
});

describe('new keys', () => {
  it('the limits are those of the protocol', () => {
    expect(SEND_LIMITS).toEqual({ records: 2 ** 20, bytes: 2 ** 36 });
  });

  it('come so often that no key protects more records than allowed, the KEY_UPDATE included', () => {
    const own = sender({ records: 3 });
    const chunks = Array.from({ length: 5 }, () => {
      own.stage(new Uint8Array(1));
      return own.flush();
    }).flat();
    chunks.push(...own.ping(), ...own.close(0));
    expect(new Reader().read(chunks).map(([type]) => type)).toEqual([
      ...[data, data, keyUpdate, data, data, keyUpdate, data, ping, keyUpdate, close],
    ]);
  });

  it('come so often that no key protects more bytes than allowed', () => {
    const own = sender({ bytes: 200 });
    const reader = new Reader();
    let underKey = 0;
    for (let i = 0; i < 50; i++) {
      own.stage(new Uint8Array(i));
      for (const [type, length] of reader.read(own.flush())) {
        underKey += length + 17;
        expect(underKey).toBeLessThanOrEqual(200);
        if (type === keyUpdate) underKey = 0;
      }
    }
  });

  it('come only when the next record would leave no room for the KEY_UPDATE', () => {
    // a message of one byte takes 22 bytes of a key, a KEY_UPDATE 17
    for (const [bytes, types] of [
      [22 + 22 + 17, [data, data]],
      [22 + 22 + 16, [data, keyUpdate, data]],
    ] as const) {
      const own = sender({ bytes });
      const chunks = [1, 2].flatMap(() => {
        own.stage(new Uint8Array(1));
        return own.flush();
      });
      expect(new Reader().read(chunks).map(([type]) => type)).toEqual(types);
    }
  });

  it('that were asked for come directly before the next DATA, once for several requests', () => {
    const [own, reader] = [sender(), new Reader()];
    own.stage(new Uint8Array(1));
    expect(reader.read(own.flush())).toEqual([[data, 5]]);
    own.rekey();
    own.rekey();
    expect(own.flush()).toEqual([]);
    expect(reader.read(own.ping())).toEqual([[ping, 0]]);
    own.stage(new Uint8Array(2));
    expect(reader.read(own.flush())).toEqual([
      [keyUpdate, 0],
      [data, 6],
    ]);
    own.stage(new Uint8Array(3));
    expect(reader.read(own.flush())).toEqual([[data, 7]]);
  });

  it('come by themselves after an hour, by the clock of the caller of flush, and only before a message', () => {
    const hour = 3_600_000;
    const [own, reader] = [sender(), new Reader()];
    const flush = (now: number): number[] => reader.read(own.flush(now)).map(([type]) => type);
    const send = (now: number): number[] => {
      own.stage(new Uint8Array(1));
      return flush(now);
    };
    expect(flush(5000)).toEqual([]);
    expect(send(6000)).toEqual([data]);
    expect(send(5000 + hour)).toEqual([data]);
    expect(flush(5001 + hour)).toEqual([]);
    expect(send(5002 + hour)).toEqual([keyUpdate, data]);
    // the life of the new key begins with it, whichever end asked for it
    expect(send(5002 + 2 * hour)).toEqual([data]);
    own.rekey();
    expect(send(5003 + 2 * hour)).toEqual([keyUpdate, data]);
    expect(send(5003 + 3 * hour)).toEqual([data]);
    expect(send(5004 + 3 * hour)).toEqual([keyUpdate, data]);
  });

  it('are not asked for twice in a row: under a fresh key there is nothing to renew', () => {
    const [own, reader] = [sender(), new Reader()];
    own.rekey();
    own.stage(new Uint8Array(1));
    expect(reader.read(own.flush())).toEqual([[data, 5]]);
    own.rekey();
    own.stage(new Uint8Array(40000));
    expect(reader.read(own.flush()).map(([type]) => type)).toEqual([keyUpdate, data]);
  });

  it('may stand between the records of one message', () => {
    const own = sender({ maxRecord: 16384, records: 2 });
    const end = openEnd({ maxRecord: 16384 });
    const message = Uint8Array.from({ length: 60000 }, (_, i) => i);
    own.stage(message);
    const chunks = own.flush();
    expect(new Reader().read(chunks).map(([type]) => type)).toEqual([
      data,
      keyUpdate,
      data,
      keyUpdate,
      data,
      keyUpdate,
      data,
    ]);
    for (const chunk of chunks) end.session.receive(chunk);
    expect(digests(end.messages)).toEqual(digests([message]));
  });
});

describe('the end', () => {
  it('sends what is staged and then the code, once', () => {
    const [own, reader] = [sender(), new Reader()];
    own.stage(new Uint8Array(3));
    const plaintexts = reader.plaintexts(own.close(0x4001));
    expect(plaintexts.map((plaintext) => [...plaintext])).toEqual([
      [data, 0, 0, 0, 3, 0, 0, 0],
      [close, 0x40, 1],
    ]);
    expect([own.close(0), own.flush(), own.ping(), own.pong()]).toEqual([[], [], [], []]);
    expect(() => own.stage(new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: 'CLOSED', message: 'the connection has been closed' }),
    );
    expect(own.staged).toBe(0);
  });

  it('takes a large message in parts, with a PING between them, and writes the same as in one', () => {
    const message = Uint8Array.from({ length: 200_000 }, (_, i) => i);
    const [inParts, whole] = [sender({ maxRecord: 16384 }), sender({ maxRecord: 16384 })];
    const wire: Uint8Array[] = [];
    const places: number[] = [];
    for (let at = 0; at < message.length; places.push(at)) {
      at = inParts.stage(message, at, 50_000);
      wire.push(...inParts.flush());
    }
    expect(places).toEqual([65532, 131068, 196604, 200000]);
    expect(whole.stage(message)).toBe(message.length);
    expect(Buffer.concat(wire)).toEqual(Buffer.concat(whole.flush()));
    expect(inParts.stage(message, 0, 1)).toBe(16380);
    const reader = new Reader();
    reader.read(wire);
    expect(reader.read([...inParts.flush(), ...inParts.ping()]).map(([type]) => type)).toEqual([2, 4]);
  });

  it('takes no record more of a large message than it was told to', () => {
    const own = sender({ maxRecord: 16_384 });
    const message = new Uint8Array(200_000);
    const first = own.stage(message, 0, 1);
    expect(first).toBe(16_380);
    expect(own.stage(message, first, 16_384)).toBe(first + 16_384);
    expect(own.stage(message, first + 16_384, 16_385)).toBe(first + 3 * 16_384);
    expect(new Reader().read(own.flush()).map(([, length]) => length)).toEqual(new Array(4).fill(16_384));
  });

  it('wipes the keys', () => {
    const secret = SECRET.slice();
    const own = new SealedSender(new TrafficKey(node, 'aesGcm', secret), {
      ...{ maxMessage: 1024, maxRecord: 16384, partLength: 2 ** 22, limits: SEND_LIMITS, isPatient: false },
    });
    own.close(0);
    expect(secret).toEqual(new Uint8Array(32));
    const updated = SECRET.slice();
    new TrafficKey(node, 'aesGcm', updated).update();
    expect(updated).toEqual(new Uint8Array(32));
  });
});
