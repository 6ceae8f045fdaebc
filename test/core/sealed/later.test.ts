import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend } from '../../../src/backend.js';
import type { SealedClientOptions } from '../../../src/core/sealed/client.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import { suiteNames } from '../../../src/core/sealed/suites.js';
import { SecureSocketError } from '../../../src/errors.js';
import { conversePatiently, laterBackend, PatientRecorder } from '../../helpers/later-backend.js';
import { clientEnd, identity, serverEnd } from '../../helpers/sealed-ends.js';

const mlKem768 = await node.mlKem768();
/** Later versions of Node have ML-KEM of their own, elsewhere. */
const atOnce: Backend = { ...node, mlKem768Later: undefined };
const ALL = 0;
/** CLIENT_KEY and what is longer, and nothing else of a handshake. */
const LONG = 250;
const NONE = Number.POSITIVE_INFINITY;

interface Ends {
  readonly client: PatientRecorder;
  readonly server: PatientRecorder;
}

async function shake(
  clientOptions: Partial<SealedClientOptions>,
  serverOptions: Partial<SealedServerOptions>,
): Promise<Ends> {
  const common = { isPatient: true, mlKem768 };
  const client = clientEnd({ ...common, ...clientOptions }, PatientRecorder) as PatientRecorder;
  const server = serverEnd({ ...common, ...serverOptions }, PatientRecorder) as PatientRecorder;
  client.session.start();
  server.session.start();
  await conversePatiently(client, server);
  return { client, server };
}

const kinds: [string, Backend, Backend][] = [
  ['both ends wait for everything', laterBackend(ALL), laterBackend(ALL)],
  ['the client waits for everything, the server for nothing', laterBackend(ALL), atOnce],
  ['the server waits for everything, the client for nothing', atOnce, laterBackend(ALL)],
  ['both wait for long records', laterBackend(LONG), laterBackend(LONG)],
  ['both wait for all but records', laterBackend(NONE), laterBackend(NONE)],
];

// Bun (1.4.5) has no ChaCha20-Poly1305 in its node:crypto
const suites = suiteNames.filter((name) => !(node.lacks?.length && name.endsWith('CHACHA20')));

describe.each(suites)('a handshake over %s', (suite) => {
  it.each(kinds)('where %s opens as any other', async (_, ours, theirs) => {
    const own = identity(node);
    const { client, server } = await shake(
      { backend: ours, suites: [suite], identity: own },
      { backend: theirs, suites: [suite], clientAuth: 'required' },
    );
    expect([client.code, server.code]).toEqual([undefined, undefined]);
    expect([client.opening?.suite, server.opening?.suite]).toEqual([suite, suite]);
    expect(server.opening?.peer?.spki).toEqual(own?.spki);
    const exported = (end: PatientRecorder): unknown =>
      end.opening?.keys?.exportKey('label', new Uint8Array(0), 32);
    expect(exported(client)).toEqual(exported(server));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.opening?.sender.stage(new Uint8Array(9000).fill(1));
      from.write(from.opening?.sender.flush() ?? []);
      from.opening?.sender.stage(new Uint8Array(9).fill(2));
      from.write(from.opening?.sender.flush() ?? []);
      await conversePatiently(client, server);
      expect(to.messages).toEqual([new Uint8Array(9000).fill(1), new Uint8Array(9).fill(2)]);
    }
    // as these the shell counts and bounds them: what the platform computes is no private operation
    expect(client.kinds).toEqual(new Set(['decision', 'privateKey', ...(ours === atOnce ? [] : ['record'])]));
    expect(server.kinds).toEqual(
      new Set(['decision', 'privateKey', ...(theirs === atOnce ? [] : ['record'])]),
    );
  });
});

describe('a flight', () => {
  it.each([
    ['all of which is there', NONE, [1]],
    ['that waits for one record', LONG, [3]],
    ['that waits for all', ALL, [3]],
  ] as const)('%s is written in as few chunks as can be', async (_, minLength, chunks) => {
    const { client } = await shake({ backend: laterBackend(minLength) }, {});
    expect(client.flights.slice(1).map((flight) => flight.length)).toEqual(chunks);
  });
});

describe('a platform that fails', () => {
  const broken = new Error('out of memory');
  const fail = (error: Error) => (): Promise<never> => Promise.reject(error);
  const closed = new SecureSocketError('CLOSED', 'the connection has been closed');

  it('at the encryption to the server is told as a key that cannot be used', async () => {
    const backend = laterBackend(ALL, { rsa: { encryptOaep: fail(broken), verifyPss: fail(broken) } });
    const { client } = await shake({ backend }, {});
    expect(client.error).toMatchObject({ code: 'PROTOCOL', cause: broken });
    expect(String(client.error)).toContain("the server's key is not usable: out of memory");
    const own = laterBackend(ALL, { rsa: { encryptOaep: fail(closed), verifyPss: fail(closed) } });
    expect((await shake({ backend: own }, {})).client.error).toBe(closed);
  });

  it('at the proof of a client is told as a wrong one', async () => {
    const backend = laterBackend(ALL, { rsa: { encryptOaep: fail(broken), verifyPss: fail(broken) } });
    const options = { identity: identity(node) };
    const { server } = await shake(options, { backend });
    expect([server.code, server.opening]).toEqual(['HANDSHAKE_FAILED', undefined]);
    const own = laterBackend(ALL, { rsa: { encryptOaep: fail(closed), verifyPss: fail(closed) } });
    expect((await shake(options, { backend: own })).server.error).toBe(closed);
  });

  it('at a proof that it computes at once is no failure of the client', async () => {
    const rsaPublicKey: Backend['rsaPublicKey'] = (numbers) => ({
      ...node.rsaPublicKey(numbers),
      verifyPss: () => {
        throw broken;
      },
    });
    const { server } = await shake({ identity: identity(node) }, { backend: { ...node, rsaPublicKey } });
    expect([server.error, server.opening]).toEqual([broken, undefined]);
  });

  it('a wrong signature is one when it is found later, too', async () => {
    const backend = laterBackend(ALL, {
      rsa: { encryptOaep: fail(broken), verifyPss: async () => false },
    });
    const { server } = await shake({ identity: identity(node) }, { backend });
    expect([server.code, server.opening]).toEqual(['HANDSHAKE_FAILED', undefined]);
  });
});

describe('a secret that both ends would not share', () => {
  /** X25519 whose result is handed out, to be looked at after the handshake. */
  function watched(agreed: Uint8Array | null): NonNullable<Backend['x25519Later']> {
    return async () => ({ publicKey: node.x25519().publicKey, agree: async () => agreed });
  }

  it('is refused where X25519 gives none, as a platform that computes later says it', async () => {
    for (const end of ['client', 'server'] as const) {
      const options = { backend: laterBackend(ALL, { x25519Later: watched(null) }) };
      const ends = await shake(end === 'client' ? options : {}, end === 'server' ? options : {});
      expect([ends[end].code, ends[end].opening]).toEqual(['PROTOCOL', undefined]);
      expect(String(ends[end].error)).toContain('low order');
    }
  });

  it('is refused where the ML-KEM key is none, and that of X25519 is wiped', async () => {
    const agreed = new Uint8Array(32).fill(5);
    const mlKem768Later = { keyPair: async () => never(), encapsulate: async () => null };
    const backend = laterBackend(ALL, { x25519Later: watched(agreed), mlKem768Later });
    const suites = ['X25519MLKEM768'] as const;
    const { server } = await shake({ suites }, { suites, backend });
    expect(server.code).toBe('PROTOCOL');
    expect(String(server.error)).toContain('FIPS 203');
    expect(agreed).toEqual(new Uint8Array(32));
  });

  it('is wiped where the connection is given up while ML-KEM is computed', async () => {
    const suites = ['X25519MLKEM768'] as const;
    for (const end of ['client', 'server'] as const) {
      const agreed = new Uint8Array(32).fill(5);
      const real = laterBackend(ALL).mlKem768Later as NonNullable<Backend['mlKem768Later']>;
      let stop = (): void => never();
      const mlKem768Later: Backend['mlKem768Later'] = {
        encapsulate: async (key) => {
          stop();
          return real.encapsulate(key);
        },
        keyPair: async () => ({
          ...(await real.keyPair()),
          decapsulate: async () => {
            stop();
            return new Uint8Array(32);
          },
        }),
      };
      const options = { suites, backend: laterBackend(ALL, { x25519Later: watched(agreed), mlKem768Later }) };
      const client = clientEnd(
        { suites, mlKem768, isPatient: true, ...(end === 'client' && options) },
        PatientRecorder,
      );
      const server = serverEnd(
        { suites, mlKem768, isPatient: true, ...(end === 'server' && options) },
        PatientRecorder,
      );
      const ends = { client: client as PatientRecorder, server: server as PatientRecorder };
      let stopped = 0;
      stop = () => {
        stopped++;
        ends[end].session.stop();
      };
      ends.client.session.start();
      ends.server.session.start();
      await conversePatiently(ends.client, ends.server);
      expect([stopped, ends[end].opening]).toEqual([1, undefined]);
      expect(agreed, end).toEqual(new Uint8Array(32));
    }
  });
});

function never(): never {
  throw new Error('this was not to be called');
}
