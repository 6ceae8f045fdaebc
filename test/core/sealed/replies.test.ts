import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { encodeClientHello, encodeServerHello } from '../../../src/core/sealed/messages.js';
import { RecordType, TrafficKey } from '../../../src/core/sealed/records.js';
import { SecureSocketError } from '../../../src/errors.js';
import type { Recorder } from '../../helpers/recorder.js';
import { clientEnd, serverEnd, settle, spkiOf } from '../../helpers/sealed-ends.js';
import { replayClient, replayServer } from '../../helpers/sealed-replay.js';
import { bytes, type SealedVector, vectors } from '../../helpers/sealed-vectors.js';

/** Records made with the keys of the connection, which are known from a recorded handshake. */
const vector = vectors.find(({ client_spki }) => client_spki !== undefined) as SealedVector;
const message = (name: keyof SealedVector['handshake_messages']): Uint8Array =>
  bytes(vector.handshake_messages[name]);

function seal(secret: string, sequence: number, type: number, payload: Uint8Array): Uint8Array {
  const key = new TrafficKey(node, 'aesGcm', bytes(vector.secrets[secret] as string), sequence);
  return Buffer.concat(key.seal([Uint8Array.of(type), payload], 1 + payload.length));
}

/** The recorded client, which has got SERVER_HELLO. */
async function clientWithHello(): Promise<Recorder> {
  const end = await replayClient(vector);
  end.session.receive(message('SH'));
  return end;
}

/** The recorded client, which waits for SERVER_FINISHED. */
async function clientThatWaits(): Promise<Recorder> {
  const end = await replayClient(vector);
  end.session.receive(bytes(vector.flights['2 S->C']));
  await settle(end);
  expect([end.code, end.tasks]).toEqual([undefined, []]);
  return end;
}

const otherTypes = Object.values(RecordType).filter((type) => type !== RecordType.handshake);

describe('a handshake message counts in a HANDSHAKE record only', () => {
  it.each(otherTypes)('SERVER_IDENTITY, not in a record of type %i', async (type) => {
    const end = await clientWithHello();
    end.session.receive(seal('s_hs', 0, type, message('SI')));
    expect(end.code).toBe('PROTOCOL');
    expect(String(end.error)).toContain(
      `the peer's record is malformed: type ${type} instead of a handshake message`,
    );
    expect(end.tasks).toEqual([]);
  });

  it.each(otherTypes)('SERVER_FINISHED, not in a record of type %i', async (type) => {
    const end = await clientThatWaits();
    end.session.receive(seal('s_ahs', 0, type, message('SF')));
    expect([end.code, end.opening]).toEqual(['HANDSHAKE_FAILED', undefined]);
  });

  it.each(otherTypes.flatMap((type) => (['CK', 'CA', 'CF'] as const).map((name) => ({ name, type }))))(
    "a client's $name, not in a record of type $type",
    async ({ name, type }) => {
      const end = await replayServer(vector);
      end.session.receive(message('CH'));
      const places = { CK: ['c_hs', 0], CA: ['c_ahs', 0], CF: ['c_ahs', 1] } as const;
      for (const each of ['CK', 'CA', 'CF'] as const) {
        const [secret, sequence] = places[each];
        end.session.receive(
          seal(secret, sequence, each === name ? type : RecordType.handshake, message(each)),
        );
        await settle(end);
      }
      expect([end.code, end.opening]).toEqual(['HANDSHAKE_FAILED', undefined]);
    },
  );
});

describe('the length of a handshake record', () => {
  it('may be that of the longest message', async () => {
    const spki = spkiOf('server2048');
    const body = new Uint8Array(4096);
    // no clients, limits, the key, and one extension that fills what is left
    const rest = 4096 - 9 - 2 - spki.length - 2 - 4;
    body.set([0, 0, 0, 4, 0, 0, 0, 64, 0, spki.length >> 8, spki.length & 255]);
    body.set(spki, 11);
    body.set([(rest + 4) >> 8, rest + 4, 0, 1, rest >> 8, rest], 11 + spki.length);
    const whole = Uint8Array.of(0x53, 0x45, 0x41, 0x4c, 3, 1, 16, 0, ...body);
    const end = await clientWithHello();
    end.session.receive(seal('s_hs', 0, RecordType.handshake, whole));
    expect(end.code).toBeUndefined();
    expect(end.tasks.map(({ kind }) => kind)).toEqual(['decision']);
  });

  it('is wrong beyond, before the record is there', async () => {
    const end = await clientWithHello();
    end.session.receive(Uint8Array.of(0, 0x10, 0x1a));
    expect(end.code).toBe('HANDSHAKE_FAILED');
  });

  it('is enough for a record without a message, which is malformed', async () => {
    const end = await clientWithHello();
    end.session.receive(seal('s_hs', 0, RecordType.handshake, new Uint8Array(0)));
    expect(end.code).toBe('PROTOCOL');
    expect(String(end.error)).toContain("the peer's SERVER_IDENTITY is malformed: it ends inside its header");
    const short = await clientWithHello();
    short.session.receive(Uint8Array.of(0, 0, 16));
    expect(short.code).toBe('HANDSHAKE_FAILED');
  });
});

describe('in place of SERVER_FINISHED', () => {
  it.each([
    ['CLOSE 2', [0, 2], 'UNAUTHORIZED_CLIENT'],
    ['CLOSE 258, which is another code', [1, 2], 'HANDSHAKE_FAILED'],
    ['CLOSE 6', [0, 6], 'HANDSHAKE_FAILED'],
    ['CLOSE 2 and a byte', [0, 2, 0], 'HANDSHAKE_FAILED'],
    ['CLOSE without a code', [], 'HANDSHAKE_FAILED'],
  ])('%s ends it as it should', async (_, payload, code) => {
    const end = await clientThatWaits();
    end.session.receive(seal('s_ahs', 0, RecordType.close, Uint8Array.from(payload)));
    expect([end.code, end.opening]).toEqual([code, undefined]);
  });

  it('a message that does not decode is an error with its reason', async () => {
    const end = await clientThatWaits();
    end.session.receive(seal('s_ahs', 0, RecordType.handshake, message('SF').subarray(0, 20)));
    expect(end.code).toBe('HANDSHAKE_FAILED');
    const { cause, message: text } = end.error as SecureSocketError;
    expect(cause).toBeInstanceOf(SecureSocketError);
    expect(cause).toMatchObject({ code: 'PROTOCOL', message: text });
  });
});

describe('hellos', () => {
  const share = node.x25519().publicKey;
  const random = new Uint8Array(32);
  const kemKey = new Uint8Array(0);

  it('a server that answers with a suite that was not offered is told so, by its number', () => {
    for (const [suite, shown] of [
      [0x0102, '0x0102'],
      [0x0103, '0x0103'],
      [0x0104, '0x0104'],
      [0x0a0a, '0x0a0a'],
    ] as const) {
      const end = clientEnd({ grease: true });
      end.session.start();
      const kemCiphertext = new Uint8Array(suite === 0x0102 || suite === 0x0104 ? 1088 : 0);
      end.session.receive(encodeServerHello({ random, suite, x25519: share, kemCiphertext }));
      expect(end.code).toBe('PROTOCOL');
      expect((end.error as Error).message).toBe(
        `the peer's SERVER_HELLO is malformed: suite ${shown} was not offered`,
      );
    }
  });

  it('a client that offers nothing that the server has is told what it has', async () => {
    const end = serverEnd({ suites: ['X25519MLKEM768', 'X25519'], mlKem768: await node.mlKem768() });
    end.session.start();
    end.session.receive(encodeClientHello({ random, suites: [0x0a0a], x25519: share, kemKey }));
    expect(end.code).toBe('NO_COMMON_SUITE');
    expect(String(end.error)).toContain('the client offers none of the suites X25519MLKEM768, X25519');
  });

  it('a server whose key is not usable is refused with the reason', async () => {
    const end = await clientWithHello();
    const identity = message('SI');
    const start = identity.length - 2 - bytes(vector.server_spki).length;
    const weak = identity.map((byte, i) => (i >= start ? 0 : byte));
    end.session.receive(seal('s_hs', 0, RecordType.handshake, weak));
    expect(end.code).toBe('PROTOCOL');
    expect(String(end.error)).toContain("the server's key is not usable: malformed DER");
    expect((end.error as Error).cause).toMatchObject({ code: 'BAD_KEY' });
  });
});

it('a server asks for its private key first, and for a decision about the client last', async () => {
  const end = await replayServer(vector);
  end.session.receive(message('CH'));
  end.session.receive(bytes(vector.flights['3 C->S']));
  const kinds: string[] = [];
  for (let next = end.tasks.shift(); next !== undefined; next = end.tasks.shift()) {
    kinds.push(next.kind);
    end.session.resume(await next.run());
  }
  expect(kinds).toEqual(['privateKey', 'decision']);
  expect(end.opening).toBeDefined();
});
