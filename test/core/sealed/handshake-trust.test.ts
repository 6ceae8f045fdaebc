import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend, RsaPrivateKey } from '../../../src/backend.js';
import type { SealedClientOptions } from '../../../src/core/sealed/client.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import { SecureSocketError } from '../../../src/errors.js';
import { clientFingerprint, serverFingerprint } from '../../helpers/handshake-ends.js';
import { clientEnd, identity, openPair, privateKey, serverEnd, spkiOf } from '../../helpers/sealed-ends.js';
import { hex } from '../../helpers/sealed-vectors.js';

describe('trust in the server', () => {
  it.each([[false], [undefined], [null], [1], ['true'], [{}], [[true]]])(
    'is not given by %j',
    async (verdict) => {
      const { client, server } = await openPair({ decide: () => verdict });
      expect(client.error).toMatchObject({
        ...{ code: 'UNTRUSTED_SERVER', fingerprint: serverFingerprint },
        message: `the server key ${serverFingerprint} is not trusted`,
      });
      expect(client.finalBytes).toBeUndefined();
      expect(server.opening).toBeUndefined();
    },
  );

  it('is asked for once, with the key and its fingerprint, before anything is encrypted to the key', async () => {
    const calls: [string, string][] = [];
    let encryptions = 0;
    const backend: Backend = {
      ...node,
      rsaPublicKey: (numbers) => {
        const key = node.rsaPublicKey(numbers);
        return {
          ...key,
          verifyPss: key.verifyPss.bind(key),
          encryptOaep: (message, label) => {
            encryptions++;
            return key.encryptOaep(message, label);
          },
        };
      },
    };
    const decide = async (spki: Uint8Array, fingerprint: string): Promise<boolean> => {
      calls.push([hex(spki), fingerprint]);
      expect(encryptions).toBe(0);
      return true;
    };
    const { client } = await openPair({ backend, decide });
    expect(client.opening).toBeDefined();
    expect(calls).toEqual([[hex(spkiOf('server2048')), serverFingerprint]]);
    expect(encryptions).toBe(1);
  });

  it('denied by an error of the library passes that error, by another one says so with its cause', async () => {
    const own = new SecureSocketError('UNTRUSTED_SERVER', 'known under another key');
    const { client } = await openPair({ decide: () => Promise.reject(own) });
    expect(client.error).toBe(own);
    const cause = new RangeError('the trust store is gone');
    const other = await openPair({ decide: () => Promise.reject(cause) });
    expect(other.client.error).toMatchObject({
      ...{ code: 'UNTRUSTED_SERVER', fingerprint: serverFingerprint, cause },
      message: `it could not be decided whether to trust the server key ${serverFingerprint}`,
    });
  });
});

describe('who the client is', () => {
  const known: Partial<SealedClientOptions> = { identity: identity(node) };

  it.each([
    ['none', 'no identity', null],
    ['none', 'an identity', null],
    ['optional', 'no identity', null],
    ['optional', 'an identity', clientFingerprint],
    ['required', 'an identity', clientFingerprint],
  ] as const)('with clients %j and %s is seen as it should', async (clientAuth, having, shown) => {
    const client = having === 'an identity' ? known : {};
    const pair = await openPair(client, { clientAuth });
    expect(pair.client.opening).toBeDefined();
    expect(pair.server.opening?.peer?.fingerprint ?? null).toBe(shown);
  });

  it('carries the name that it was admitted under', async () => {
    const { server } = await openPair(known, { authorize: async () => ({ name: 'alice' }) });
    expect(server.opening?.peer).toEqual({
      ...{ spki: spkiOf('client2048'), fingerprint: clientFingerprint, name: 'alice' },
    });
    for (const verdict of [{}, { name: 5 }, { other: 'alice' }]) {
      const unnamed = await openPair(known, { authorize: () => verdict });
      expect(unnamed.server.opening?.peer).toEqual({
        spki: spkiOf('client2048'),
        fingerprint: clientFingerprint,
      });
    }
  });

  const refusals: [string, Partial<SealedClientOptions>, Partial<SealedServerOptions>][] = [
    ['no identity where one is required', {}, { clientAuth: 'required' }],
    ['authorize says false', known, { authorize: () => false }],
    ['authorize says nothing', known, { authorize: () => undefined }],
    ['authorize says 1', known, { authorize: () => 1 }],
    ['authorize says a text', known, { authorize: () => 'true' }],
    ['authorize fails', known, { authorize: () => Promise.reject(new RangeError('no database')) }],
    ['there is no authorize', known, { authorize: undefined }],
    [
      'it is shown where it is optional, and refused',
      known,
      { clientAuth: 'optional', authorize: () => null },
    ],
  ];

  it.each(refusals)('%s: UNAUTHORIZED_CLIENT at both ends', async (_, clientOptions, serverOptions) => {
    const { client, server } = await openPair(clientOptions, serverOptions);
    const shown = clientOptions.identity && clientFingerprint;
    expect(server.error).toMatchObject({ code: 'UNAUTHORIZED_CLIENT', ...(shown && { fingerprint: shown }) });
    // an operator reads in the log whom to admit
    expect(String(server.error)).toContain(shown ?? 'the client shows no identity, which is required');
    expect([client.opening, server.opening]).toEqual([undefined, undefined]);
    expect(server.finalBytes?.[0]).toHaveLength(22);
    client.session.receive(server.finalBytes?.[0] as Uint8Array);
    expect(client.code).toBe('UNAUTHORIZED_CLIENT');
    expect(String(client.error)).toContain('the server does not admit this client');
    expect(client.finalBytes).toBeUndefined();
  });

  it('that could not be decided says so, with its cause', async () => {
    const cause = new RangeError('no database');
    const { server } = await openPair(known, { authorize: () => Promise.reject(cause) });
    expect(server.error).toMatchObject({
      ...{ code: 'UNAUTHORIZED_CLIENT', cause },
      message: `it could not be decided whether to admit the client key ${clientFingerprint}`,
    });
    const refused = await openPair(known, { authorize: () => false });
    const alone = await openPair(known, { authorize: undefined });
    for (const { error } of [refused.server, alone.server])
      expect(error).toMatchObject({ message: `the client key ${clientFingerprint} is not authorised` });
  });

  it('is decided only about a key whose possession was proven', async () => {
    let asked = 0;
    const spki = spkiOf('server3072');
    const { client, server } = await openPair(
      { identity: { spki, key: privateKey(node, 'client2048') } },
      { authorize: () => ++asked > 0 },
    );
    expect(server.code).toBe('HANDSHAKE_FAILED');
    expect([asked, client.opening, server.opening]).toEqual([0, undefined, undefined]);
  });

  it('cannot be shown with a key that cannot sign', async () => {
    const cause = new RangeError('the token was pulled');
    const key: RsaPrivateKey = {
      ...breakKey(privateKey(node, 'client2048')),
      signPss: () => Promise.reject(cause),
    };
    const { client } = await openPair({ identity: { spki: spkiOf('client2048'), key } });
    expect(client.error).toMatchObject({
      ...{ code: 'BAD_IDENTITY', cause, message: 'the key of the client could not sign' },
    });
    const busy = new SecureSocketError('BUSY', 'as an example');
    const full = { ...key, signPss: () => Promise.reject(busy) };
    const other = await openPair({ identity: { spki: spkiOf('client2048'), key: full } });
    expect(other.client.error).toBe(busy);
  });
});

describe('RSA private operations', () => {
  it('are asked for only after the record that carries the ciphertext was verified, and once', async () => {
    const [client, server] = [clientEnd(), serverEnd()];
    client.session.start();
    server.session.start();
    server.session.receive(client.takeWritten());
    expect(server.tasks).toEqual([]);
    client.session.receive(server.takeWritten());
    await client.settle();
    const flight = client.takeWritten();
    const keyRecord = 3 + ((flight[1] as number) << 8) + (flight[2] as number);
    server.session.receive(flight.subarray(0, keyRecord - 1));
    expect(server.tasks).toEqual([]);
    server.session.receive(flight.subarray(keyRecord - 1));
    expect(server.tasks.map(({ kind }) => kind)).toEqual(['privateKey']);
    // the peer's death must not go unnoticed meanwhile
    expect(server.session.isBlocked).toBe(false);
    await server.settle();
    expect(server.opening).toBeDefined();
  });

  it('are of the client too, for its signature', async () => {
    const [client, server] = [clientEnd({ identity: identity(node) }), serverEnd()];
    client.session.start();
    server.session.start();
    server.session.receive(client.takeWritten());
    client.session.receive(server.takeWritten());
    const decision = client.tasks.shift();
    expect(decision?.kind).toBe('decision');
    client.session.resume(await decision?.run());
    expect(client.tasks.map(({ kind }) => kind)).toEqual(['privateKey']);
  });

  it('that the shell has no room for end the handshake with its BUSY', async () => {
    const busy = new SecureSocketError('BUSY', 'too many handshakes');
    const key: RsaPrivateKey = {
      ...breakKey(privateKey(node, 'server2048')),
      decryptOaep: () => Promise.reject(busy),
    };
    const { server } = await openPair({}, { key });
    expect(server.error).toBe(busy);
  });

  it.each([
    ['fails', () => Promise.reject(new RangeError('decryption failed'))],
    ['gives 31 bytes', () => Promise.resolve(new Uint8Array(31))],
    ['gives 33 bytes', () => Promise.resolve(new Uint8Array(33))],
    ['gives other 32 bytes', () => Promise.resolve(new Uint8Array(32))],
  ])('when decryption %s the next record fails, as with any wrong client', async (_, decryptOaep) => {
    const key: RsaPrivateKey = { ...breakKey(privateKey(node, 'server2048')), decryptOaep };
    const { client, server } = await openPair({}, { key });
    expect(server.code).toBe('HANDSHAKE_FAILED');
    expect([server.finalBytes, client.opening, server.opening]).toEqual([undefined, undefined, undefined]);
    expect(String(server.error)).toBe(uniformText);
  });
});

const uniformText =
  'SecureSocketError: the client did not complete the handshake: a key, a signature or a record of it is wrong';

/** A key with all operations bound, some to be replaced. */
function breakKey(key: RsaPrivateKey): RsaPrivateKey {
  return {
    modulusLength: key.modulusLength,
    decryptRaw: (ciphertext) => key.decryptRaw(ciphertext),
    decryptOaep: (ciphertext, label) => key.decryptOaep(ciphertext, label),
    signPss: (message) => key.signPss(message),
  };
}
