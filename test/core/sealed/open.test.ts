import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Aead, Backend } from '../../../src/backend.js';
import { RecordType } from '../../../src/core/sealed/records.js';
import { type IssuedTicket, TicketReceiver } from '../../../src/core/sealed/resumption.js';
import { SecureSocketError } from '../../../src/errors.js';
import type { Recorder } from '../../helpers/recorder.js';
import { backends } from '../../helpers/sealed-ends.js';
import { digests, openEnd, RecordPeer, SECRET } from '../../helpers/sealed-open.js';

const { data, ping, pong, close } = RecordType;
const SLAB = 16 * 1024;

function frame(...lengths: number[]): Uint8Array {
  return Buffer.concat(
    lengths.flatMap((length, i) => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(length);
      return [head, Buffer.alloc(length, i + 1)];
    }),
  );
}

const messages = (...lengths: number[]): Uint8Array[] =>
  lengths.map((length, i) => new Uint8Array(length).fill(i + 1));

describe.each(backends)('an open end on $name', (backend) => {
  it.each([
    ['a record of small messages', new Array<number>(850).fill(70)],
    ['a full record of small messages', new Array<number>(885).fill(70)],
    ['a record beyond what small messages are packed into', new Array<number>(1300).fill(70)],
    ['a record of middling messages', [9000, 9000, 9000, 9000, 9000, 9000]],
    ['a record of one large message', [300_000]],
    ['a record of a small message and a large one', [5, 100_000]],
  ])('hands out the messages of %s with at most 16 KiB of memory beside them', (_, lengths) => {
    const [end, peer] = [openEnd({ backend, protectMemory: () => {} }), new RecordPeer()];
    end.session.receive(peer.record(data, frame(...lengths)));
    expect(end.code).toBeUndefined();
    expect(digests(end.messages)).toEqual(digests(messages(...lengths)));
    for (const message of end.messages)
      expect(message.buffer.byteLength - message.length).toBeLessThanOrEqual(SLAB);
    const stores = new Set(end.messages.map((message) => message.buffer)).size;
    expect(stores).toBeLessThanOrEqual(Math.max(lengths.length > 100 ? 12 : lengths.length));
  });
});

describe('a message in several records', () => {
  it('holds the memory of what has come of it, and none when it is complete', () => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    const payload = frame(100_000);
    end.session.receive(peer.record(data, payload.subarray(0, 40_000)));
    expect(end.progress).toBe(1);
    expect(end.session.held).toBeGreaterThanOrEqual(39_996);
    expect(end.session.held).toBeLessThanOrEqual(2 * 40_000);
    end.session.receive(peer.record(data, payload.subarray(40_000)));
    expect(digests(end.messages)).toEqual(digests(messages(100_000)));
    expect(end.session.held).toBe(0);
  });

  it('may be followed by others in its last record', () => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    const payload = frame(50_000, 3, 0, 20_000);
    end.session.receive(peer.record(data, payload.subarray(0, 30_000)));
    end.session.receive(peer.record(data, payload.subarray(30_000)));
    expect(digests(end.messages)).toEqual(digests(messages(50_000, 3, 0, 20_000)));
  });

  it('that is too big is refused at its length, and the messages before it are not', () => {
    const [end, peer] = [openEnd({ maxMessage: 1024 }), new RecordPeer()];
    end.session.receive(peer.record(data, frame(1024, 1025)));
    expect(end.messages).toHaveLength(1);
    expect(end.code).toBe('MESSAGE_TOO_BIG');
    expect(String(end.error)).toContain('the peer began a message of 1025 bytes, maxMessage is 1024');
  });
});

describe('memory', () => {
  it('of a large record is not held for few small messages behind a part of a large one', () => {
    const [end, peer] = [openEnd({ protectMemory: () => {} }), new RecordPeer()];
    const payload = frame(700_000, 10, 10, 700_000);
    end.session.receive(peer.record(data, payload.subarray(0, 100_000)));
    end.session.receive(peer.record(data, payload.subarray(100_000, 1_100_000)));
    end.session.receive(peer.record(data, payload.subarray(1_100_000)));
    expect(digests(end.messages)).toEqual(digests(messages(700_000, 10, 10, 700_000)));
    for (const message of end.messages)
      expect(message.buffer.byteLength - message.length).toBeLessThanOrEqual(SLAB);
  });
});

describe('records without messages', () => {
  const { ticket, keyUpdate } = RecordType;
  /** An end that asked for tickets, or did not. */
  function endWith(wantsTickets: boolean): { end: Recorder; peer: RecordPeer; tickets: IssuedTicket[] } {
    const tickets: IssuedTicket[] = [];
    const of = { peer: { spki: new Uint8Array(3), fingerprint: 'SHA256:' }, resumed: false };
    const ticketReceiver = new TicketReceiver(node, SECRET.slice(), of, (each) => tickets.push(each));
    return { end: openEnd(wantsTickets ? { ticketReceiver } : {}), peer: new RecordPeer(), tickets };
  }
  const TICKET = Uint8Array.of(0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0xaa, 0xbb);

  it.each([true, false])('are told apart where tickets were asked for: %s', (wantsTickets) => {
    const { end, peer, tickets } = endWith(wantsTickets);
    end.session.receive(peer.record(ping));
    expect([end.answers, end.answered]).toEqual([1, []]);
    end.session.receive(peer.record(pong));
    // header, type and tag: what it costs to ask for one, which the peer may not be paid for
    expect([end.answers, end.answered]).toEqual([1, [20]]);
    end.session.receive(peer.record(keyUpdate));
    end.session.receive(peer.record(data, frame(3)));
    expect([end.messages, end.progress, tickets, end.code]).toEqual([messages(3), 1, [], undefined]);
    end.session.receive(peer.record(9, TICKET));
    expect([tickets, end.code]).toEqual([[], 'PROTOCOL']);
  });

  it('a ticket is taken where it was asked for, and is a violation elsewhere', () => {
    const asking = endWith(true);
    asking.end.session.receive(asking.peer.record(ticket, TICKET));
    expect(asking.tickets).toMatchObject([{ ticket: Uint8Array.of(0xaa, 0xbb), seconds: 60 }]);
    expect(asking.end.code).toBeUndefined();
    for (const payload of [TICKET, new Uint8Array(0)]) {
      const { end, peer } = endWith(false);
      end.session.receive(peer.record(ticket, payload));
      expect(end.code).toBe('PROTOCOL');
      expect(String(end.error)).toContain('the peer sent a ticket that was not asked for');
    }
  });
});

describe('the reason of the end', () => {
  const errorOf = (act: (peer: RecordPeer) => Uint8Array): string => {
    const [end, peer] = [openEnd(), new RecordPeer()];
    end.session.receive(act(peer));
    expect(end.error).toBeInstanceOf(SecureSocketError);
    return (end.error as Error).message;
  };

  it.each([
    [2, 'unauthorized'],
    [3, 'message too big'],
    [4, 'idle timeout'],
    [5, 'internal error'],
    [6, 'protocol error'],
    [7, 'an error that this version does not know'],
    [255, 'an error that this version does not know'],
  ])('CLOSE %i is told in words', (code, words) => {
    expect(errorOf((peer) => peer.record(close, Uint8Array.of(0, code)))).toBe(
      `the peer closed the connection with code ${code} (${words})`,
    );
  });

  it.each([
    ['a record too short', () => Uint8Array.of(0, 0, 16), 'a record of 16 bytes, which is not 17 to 1052689'],
    ['a record without data', (peer: RecordPeer) => peer.record(data), 'an empty DATA record'],
    [
      'a PING with a payload',
      (peer: RecordPeer) => peer.record(ping, Uint8Array.of(1)),
      'a record of type 4 with a payload',
    ],
    [
      'a PONG with a payload',
      (peer: RecordPeer) => peer.record(pong, Uint8Array.of(1)),
      'a record of type 5 with a payload',
    ],
    ['a record of no type', (peer: RecordPeer) => peer.record(9), 'a record of type 9'],
    [
      'a CLOSE of one byte',
      (peer: RecordPeer) => peer.record(close, Uint8Array.of(1)),
      'a CLOSE without a code of two bytes',
    ],
    [
      'an update at once',
      (peer: RecordPeer) => peer.record(RecordType.keyUpdate),
      'a KEY_UPDATE as the first record under its key',
    ],
  ])('%s is told', (_, act, words) => {
    expect(errorOf(act)).toBe(`the peer sent ${words}`);
  });

  it('is told for a used up key, a changed record and a message that stays unfinished', () => {
    const end = openEnd({ keyLimits: { receive: { records: 0 } } });
    end.session.receive(Uint8Array.of(0, 0, 17));
    expect(String(end.error)).toContain(
      'the peer sent more under one key than 0 records or 274877906944 bytes',
    );
    expect(errorOf(() => Uint8Array.from({ length: 20 }, (_, i) => (i === 2 ? 17 : 0)))).toBe(
      'a record was changed, repeated or reordered in transit',
    );
    expect(
      errorOf((peer) =>
        Buffer.concat([peer.record(data, frame(9).subarray(0, 5)), peer.record(close, Uint8Array.of(0, 0))]),
      ),
    ).toBe('the peer closed inside a message');
  });
});

/** The node backend, which notes the order in which keys came into being that are wiped. */
function noteWipes(): { backend: Backend; wiped: number[] } {
  const wiped: number[] = [];
  let made = 0;
  const aesGcm = (key: Uint8Array): Aead => {
    const [place, aead] = [made++, node.aesGcm(key)];
    return {
      seal: (...given) => aead.seal(...given),
      open: (nonce, header, ciphertext) => aead.open(nonce, header, ciphertext),
      wipe: () => void wiped.push(place),
    };
  };
  return { backend: { ...node, aesGcm }, wiped };
}

describe('keys are overwritten', () => {
  const [SENDING, RECEIVING] = [0, 1];

  it('of the direction that ended in order, while the other goes on', () => {
    const { backend, wiped } = noteWipes();
    const end = openEnd({ backend });
    end.session.receive(new RecordPeer().record(close, Uint8Array.of(0, 0)));
    expect([end.endCode, wiped]).toEqual([0, [RECEIVING]]);
    end.opening?.sender.close(0);
    expect(wiped).toEqual([RECEIVING, SENDING]);
  });

  it('of both directions when the connection fails or is given up', () => {
    for (const over of ['failed', 'stopped']) {
      const { backend, wiped } = noteWipes();
      const end = openEnd({ backend });
      if (over === 'failed') end.session.receive(Uint8Array.of(0, 0, 0));
      else end.session.stop();
      expect(new Set(wiped)).toEqual(new Set([SENDING, RECEIVING]));
    }
  });
});
