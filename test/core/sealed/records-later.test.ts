import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Aead, Backend } from '../../../src/backend.js';
import type { Chunk, LaterChunk } from '../../../src/core/script.js';
import { RecordType, TrafficKey } from '../../../src/core/sealed/records.js';
import { laterAead } from '../../helpers/later-backend.js';
import { openEnd, RecordPeer, SECRET } from '../../helpers/sealed-open.js';

const { data, keyUpdate, close } = RecordType;
const MIN = 1000;

/** The node backend with ciphers of a platform that computes elsewhere. */
function laterBackend(change: Partial<NonNullable<Aead['later']>> = {}): Backend {
  const aesGcm = (key: Uint8Array): Aead => {
    const aead = laterAead(node.aesGcm(key), MIN);
    return { ...aead, later: { ...(aead.later as NonNullable<Aead['later']>), ...change } };
  };
  return { ...node, aesGcm };
}

const keyOf = (backend: Backend): TrafficKey => new TrafficKey(backend, 'aesGcm', SECRET.slice(), 258);

function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(4 + message.length);
  framed.writeUInt32BE(message.length);
  framed.set(message, 4);
  return framed;
}

describe('a record that the platform computes elsewhere', () => {
  it.each([MIN, MIN + 1, 70_000])(
    'of %i bytes is the one that is computed at once, and counts the same',
    async (length) => {
      const plaintext = Uint8Array.from({ length }, (_, i) => i);
      const [own, other, atOnce] = [keyOf(laterBackend()), keyOf(laterBackend()), keyOf(node)];
      const sealed = own.sealLater([plaintext.subarray(0, 9), plaintext.subarray(9)], length);
      expect([own.sequence, own.bytes]).toEqual([259, length + 16]);
      const record = Buffer.concat((await sealed) ?? []);
      expect(record.equals(Buffer.concat(atOnce.seal([plaintext], length)))).toBe(true);
      const opened = other.openLater(record.subarray(3));
      expect([other.sequence, other.bytes]).toEqual([259, length + 16]);
      expect(Buffer.from((await opened) ?? []).equals(plaintext)).toBe(true);
      // a second one follows under the next nonce
      const second = Buffer.concat((await own.sealLater([plaintext], length)) ?? []);
      expect(second.equals(Buffer.concat(atOnce.seal([plaintext], length)))).toBe(true);
      expect([own.sequence, own.bytes]).toEqual([260, 2 * (length + 16)]);
      expect(Buffer.from((await other.openLater(second.subarray(3))) ?? []).equals(plaintext)).toBe(true);
      expect([other.sequence, other.bytes]).toEqual([260, 2 * (length + 16)]);
    },
  );

  it('is not one that is too short for it to be worth while: nothing is counted then', () => {
    const key = keyOf(laterBackend());
    expect(key.sealLater([new Uint8Array(MIN - 1)], MIN - 1)).toBeUndefined();
    expect(key.openLater(new Uint8Array(MIN - 1 + 16))).toBeUndefined();
    expect([key.sequence, key.bytes]).toEqual([258, 0]);
  });

  it('is none where the platform has no such form, nor under a key that was wiped', () => {
    for (const key of [keyOf(node), keyOf(laterBackend())]) {
      key.wipe();
      expect(key.sealLater([new Uint8Array(5000)], 5000)).toBeUndefined();
      expect(key.openLater(new Uint8Array(5000))).toBeUndefined();
      expect(() => key.seal([new Uint8Array(5000)], 5000)).toThrow('the key has been wiped');
    }
  });
});

describe('an end that waits for the platform', () => {
  const long = new Uint8Array(5000).fill(7);

  it('goes on where it was when a record is there, and reads nothing meanwhile', async () => {
    const [end, peer] = [openEnd({ backend: laterBackend(), isPatient: true }), new RecordPeer()];
    const wire = [
      peer.record(data, frame(long)),
      peer.record(data, frame(Uint8Array.of(1))),
      peer.record(keyUpdate),
      peer.record(data, frame(long)),
      peer.record(close, Uint8Array.of(0, 1)),
    ];
    end.session.receive(Buffer.concat(wire));
    expect(end.messages).toEqual([]);
    expect(end.tasks).toMatchObject([{ kind: 'record' }]);
    await end.settle();
    expect(end.messages).toEqual([long, Uint8Array.of(1), long]);
    expect([end.code, end.endCode]).toEqual([undefined, 1]);
  });

  it('refuses a record that was changed, and one that comes twice', async () => {
    for (const act of ['changed', 'twice']) {
      const [end, peer] = [openEnd({ backend: laterBackend(), isPatient: true }), new RecordPeer()];
      const record = peer.record(data, frame(long));
      if (act === 'twice') end.session.receive(record.slice());
      else record[100] = (record[100] as number) ^ 1;
      await end.settle();
      end.session.receive(record);
      await end.settle();
      expect([end.code, end.messages.length]).toEqual(['DECRYPT_FAILED', act === 'twice' ? 1 : 0]);
    }
  });

  it.each([true, false, undefined])(
    'leaves what it sends to the platform as well (%s)',
    async (isPatient) => {
      const end = openEnd({ backend: laterBackend(), isPatient });
      const sender = end.opening?.sender;
      sender?.stage(long);
      const chunks = (sender?.flush() ?? []) as readonly Chunk[];
      const waiting = chunks.filter((chunk): chunk is LaterChunk => 'bytes' in chunk);
      expect(waiting).toHaveLength(isPatient ? 1 : 0);
      const pieces = await Promise.all(chunks.map((chunk) => ('bytes' in chunk ? chunk.bytes : [chunk])));
      const wire = Buffer.concat(pieces.flat());
      // what it will take on the wire is known before it is there
      for (const { length } of waiting) expect(length).toBe(wire.length);
      expect(wire.equals(new RecordPeer().record(data, frame(long)))).toBe(true);
    },
  );

  it('computes at once what it was not told to wait for', () => {
    const never = (): never => {
      throw new Error('nothing was to be computed elsewhere');
    };
    const backend = laterBackend({ seal: never, open: never });
    for (const isPatient of [false, undefined]) {
      const end = openEnd({ backend, isPatient });
      end.session.receive(new RecordPeer().record(data, frame(long)));
      end.opening?.sender.stage(long);
      end.opening?.sender.flush();
      expect([end.messages, end.tasks]).toEqual([[long], []]);
    }
  });
});
