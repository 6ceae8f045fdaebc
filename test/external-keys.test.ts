// Keys that are kept elsewhere, by the application or by the platform. One file, because both are tried by the same
// exchange.

import { constants, privateDecrypt, sign as signWith, webcrypto } from 'node:crypto';
import { inspect } from 'node:util';
import {
  type Decrypter,
  Identity,
  SecureClient,
  SecureServer,
  type SecureSocketError,
  type Signer,
} from 'secure-sockets';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { afterEach, beforeAll, describe, expect, it, test } from 'vitest';
import { portOf, rejection } from './helpers/sockets.js';

const { subtle } = webcrypto;
let server: Identity;
let client: Identity;
/** The same, with their numbers kept elsewhere. */
let decrypter: Decrypter;
let signer: Signer;

beforeAll(async () => {
  server = await Identity.generate({ modulusLength: 2048 });
  client = await Identity.generate({ role: 'client', modulusLength: 2048 });
  const key = server.toPem();
  decrypter = {
    spki: server.spki,
    decrypt: async (ciphertext, label) => {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      try {
        return privateDecrypt({ key, padding, oaepHash: 'sha256', oaepLabel: label }, ciphertext);
      } catch {
        return null;
      }
    },
  };
  signer = { spki: client.publicPem, sign: pssWith(client.toPem(), 32) };
});

function pssWith(key: string, saltLength: number): Signer['sign'] {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return async (message) => signWith('sha256', message, { key, padding, saltLength });
}

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

async function listen(
  identity: Identity,
  backend = node,
): Promise<{ to: SecureServer; errors: SecureSocketError[] }> {
  const errors: SecureSocketError[] = [];
  const to = new SecureServer({
    identity,
    backend,
    authorizedKeys: [client.fingerprint],
    clientAuth: 'optional',
    onHandshakeError: (error) => errors.push(error as SecureSocketError),
  });
  await to.listen({ host: '127.0.0.1', port: 0 });
  open.push({ [Symbol.asyncDispose]: () => to.close({ timeout: 50 }) });
  return { to, errors };
}

async function connect(to: SecureServer, identity?: Identity, backend = node): Promise<SecureClient> {
  const one = new SecureClient({ serverKey: to.fingerprint, backend, ...(identity && { identity }) });
  open.push({ [Symbol.asyncDispose]: async () => one.destroy() });
  await one.connect({ host: '127.0.0.1', port: portOf(to) });
  return one;
}

async function exchange(from: Identity, to: Identity, backend = node): Promise<void> {
  const { to: listening } = await listen(to, backend);
  const one = await connect(listening, from, backend);
  const accepted = await listening.accept();
  expect(accepted.peer?.fingerprint).toBe(client.fingerprint);
  await one.send(Uint8Array.of(1, 2, 3));
  expect(await accepted.recv()).toEqual(Uint8Array.of(1, 2, 3));
}

describe('keys that are kept elsewhere', () => {
  it.each([
    ['node', node],
    ['noble', noble],
  ])('open a connection on %s', async (_, backend) => {
    await exchange(Identity.fromSigner(signer), Identity.fromDecrypter(decrypter), backend);
  });

  it('are who their public key says, and do not leave', async () => {
    for (const [identity, same] of [
      [Identity.fromSigner(signer), client],
      [Identity.fromDecrypter(decrypter), server],
    ] as const) {
      expect(identity).toMatchObject({ role: same.role, fingerprint: same.fingerprint, extractable: false });
      expect(identity.spki).toEqual(same.spki);
      expect(identity.publicPem).toBe(same.publicPem);
      expect(identity.keyPair).toBeUndefined();
      expect(() => identity.toPem()).toThrow(expect.objectContaining({ code: 'BAD_IDENTITY' }));
      await expect(identity.save('/nowhere/key.pem')).rejects.toMatchObject({ code: 'BAD_IDENTITY' });
    }
  });

  it('are used as methods, with copies of what they are given', async () => {
    const kept: Uint8Array[] = [];
    class Agent implements Signer {
      readonly spki = client.spki;
      readonly #sign = pssWith(client.toPem(), 32);
      async sign(message: Uint8Array): Promise<Uint8Array> {
        kept.push(message);
        const signature = await this.#sign(message);
        message.fill(0);
        return signature;
      }
    }
    await exchange(Identity.fromSigner(new Agent()), server);
    expect(kept).toHaveLength(1);
  });

  it('are left what they have given', async () => {
    const given: Uint8Array[] = [];
    const decrypt: Decrypter['decrypt'] = async (ciphertext, label) => {
      const message = await decrypter.decrypt(ciphertext, label);
      if (message) given.push(message);
      return message;
    };
    await exchange(client, Identity.fromDecrypter({ ...decrypter, decrypt }));
    expect(given.length).toBeGreaterThan(0);
    for (const message of given) expect(new Set(message)).not.toEqual(new Set([0]));
  });

  it.each<[string, () => Partial<Signer>, string]>([
    ['rejects', () => ({ sign: () => Promise.reject(new Error('the token is out')) }), 'the token is out'],
    [
      'throws',
      () => ({
        sign: () => {
          throw new Error('no agent');
        },
      }),
      'no agent',
    ],
    ['gives no bytes', () => ({ sign: () => 'signature' as unknown as Uint8Array }), 'gave string'],
    ['gives nothing', () => ({ sign: () => null as unknown as Uint8Array }), 'gave null'],
    ['gives too few bytes', () => ({ sign: () => new Uint8Array(255) }), 'does not verify'],
    ['gives very many', () => ({ sign: () => new Uint8Array(2 ** 27) }), 'more than the 256 of its key'],
    ['gives other bytes', () => ({ sign: () => new Uint8Array(256) }), 'does not verify'],
    ['uses another key', () => ({ sign: pssWith(server.toPem(), 32) }), 'does not verify'],
    ['uses another salt', () => ({ sign: pssWith(client.toPem(), 20) }), '32 bytes of salt'],
  ])('fail clearly where a signer %s', async (_, broken, text) => {
    const { to, errors } = await listen(server);
    const error = await rejection(connect(to, Identity.fromSigner({ ...signer, ...broken() })));
    expect(error).toMatchObject({ code: 'BAD_IDENTITY', blame: 'caller' });
    expect(error.message).toContain(text);
    await expect.poll(() => errors.map(({ code }) => code)).toEqual(['HANDSHAKE_FAILED']);
  });

  it('do not hold a client up beyond its deadline', async () => {
    const { to } = await listen(server);
    const identity = Identity.fromSigner({ ...signer, sign: () => new Promise(() => {}) });
    const one = new SecureClient({ serverKey: to.fingerprint, identity, handshakeTimeout: 200 });
    const error = await rejection(one.connect({ host: '127.0.0.1', port: portOf(to) }));
    expect(error.code).toBe('HANDSHAKE_TIMEOUT');
  });

  it.each<[string, () => Partial<Decrypter>, string]>([
    ['rejects', () => ({ decrypt: () => Promise.reject(new Error('the token is out')) }), 'the token is out'],
    ['decrypts nothing', () => ({ decrypt: () => null }), 'does not decrypt RSAES-OAEP'],
    [
      'decrypts to something else',
      () => ({ decrypt: () => new Uint8Array(32) }),
      'does not decrypt RSAES-OAEP',
    ],
    [
      'ignores the label',
      () => ({ decrypt: (text) => decrypter.decrypt(text, new Uint8Array(0)) }),
      'a label',
    ],
    ['gives no bytes', () => ({ decrypt: () => 5 as unknown as Uint8Array }), 'gave number'],
    ['gives very many', () => ({ decrypt: () => new Uint8Array(2 ** 27) }), 'more than the 256 of its key'],
  ])('are noticed when the server begins to listen, where a decrypter %s', async (_, broken, text) => {
    const identity = Identity.fromDecrypter({ ...decrypter, ...broken() });
    const error = await rejection(listen(identity));
    expect(error).toMatchObject({ code: 'BAD_IDENTITY' });
    expect(error.message).toContain(text);
  });

  it('that fail later are reported to the server only, and the next client gets in', async () => {
    let isOut = false;
    const identity = Identity.fromDecrypter({
      ...decrypter,
      decrypt: (ciphertext, label) => {
        if (isOut) throw new Error('the token is out');
        return decrypter.decrypt(ciphertext, label);
      },
    });
    const { to, errors } = await listen(identity);
    isOut = true;
    expect((await rejection(connect(to))).code).toBe('HANDSHAKE_FAILED');
    await expect.poll(() => errors.map(({ code }) => code)).toEqual(['BAD_IDENTITY']);
    expect(errors[0]?.message).toContain('the token is out');
    isOut = false;
    await connect(to);
  });
});

test.each<[string, () => unknown, string]>([
  ['nothing', () => Identity.fromSigner(undefined as unknown as Signer), 'BAD_ARGUMENT'],
  ['no function', () => Identity.fromSigner({ spki: client.spki } as Signer), 'BAD_ARGUMENT'],
  ['no decrypter', () => Identity.fromDecrypter(signer as unknown as Decrypter), 'BAD_ARGUMENT'],
  ['no key', () => Identity.fromSigner({ ...signer, spki: 7 as unknown as string }), 'BAD_ARGUMENT'],
  ['no canonical key', () => Identity.fromSigner({ ...signer, spki: client.spki.slice(1) }), 'BAD_IDENTITY'],
  ['a private key', () => Identity.fromSigner({ ...signer, spki: client.toPem() }), 'BAD_IDENTITY'],
])('an identity over %s is refused', (_, make, code) => {
  expect(make).toThrow(expect.objectContaining({ code }));
});

test('bytes that are handed in or out stay what they were', async () => {
  const given = Buffer.from(client.spki);
  const identity = Identity.fromSigner({ ...signer, spki: given });
  given.fill(0);
  expect(identity.spki).toEqual(client.spki);
  identity.spki.fill(0);
  expect(identity.spki).toEqual(client.spki);
  const { to } = await listen(server);
  const connected = await connect(to, identity);
  connected.peer?.spki.fill(0);
  await connected.close();
  const again = await connect(to, identity);
  expect(again.peer?.spki).toEqual(server.spki);
  expect(again.peer).toBe(again.peer);
});

describe('keys that the platform keeps', () => {
  it('are made, used, cloned and taken up again', async () => {
    const made = await Identity.generate({ role: 'client', modulusLength: 2048, extractable: false });
    expect(made).toMatchObject({ role: 'client', extractable: false });
    expect(made.keyPair?.privateKey).toMatchObject({ extractable: false, type: 'private' });
    expect(() => made.toPem()).toThrow(expect.objectContaining({ code: 'BAD_IDENTITY' }));
    const again = await Identity.fromKeyPair(made.keyPair as webcrypto.CryptoKeyPair, { role: 'client' });
    expect(again.fingerprint).toBe(made.fingerprint);
    expect(inspect(again, { showHidden: true, depth: 9, getters: false })).not.toContain('CryptoKey');
    client = again;
    await exchange(again, server);
  });

  it('serve as a server too', async () => {
    const made = await Identity.generate({ modulusLength: 2048, extractable: false });
    expect(made.role).toBe('server');
    const { to } = await listen(made);
    expect((await connect(to)).peer?.fingerprint).toBe(made.fingerprint);
  });

  it('are the size that was asked for', async () => {
    const made = await Identity.generate({ role: 'client', extractable: false });
    expect(made.spki).toHaveLength(422);
  });

  const pair = (name: string, hash: string, usages: webcrypto.KeyUsage[], modulusLength = 2048) =>
    subtle.generateKey(
      { name, hash, modulusLength, publicExponent: Uint8Array.of(1, 0, 1) },
      false,
      usages,
    ) as Promise<webcrypto.CryptoKeyPair>;

  it.each<[string, () => Promise<webcrypto.CryptoKeyPair>, 'client' | 'server', string, string]>([
    [
      'for another role',
      () => pair('RSA-OAEP', 'SHA-256', ['decrypt', 'encrypt']),
      'client',
      'BAD_IDENTITY',
      'RSA-PSS key with SHA-256',
    ],
    [
      'for another role',
      () => pair('RSA-PSS', 'SHA-256', ['sign', 'verify']),
      'server',
      'BAD_IDENTITY',
      'RSA-OAEP key with SHA-256',
    ],
    [
      'with another hash',
      () => pair('RSA-PSS', 'SHA-1', ['sign', 'verify']),
      'client',
      'BAD_IDENTITY',
      'RSA-PSS SHA-1',
    ],
    [
      'for PKCS#1 signatures',
      () => pair('RSASSA-PKCS1-v1_5', 'SHA-256', ['sign', 'verify']),
      'client',
      'BAD_IDENTITY',
      'RSASSA',
    ],
    [
      'that may not decrypt',
      () => pair('RSA-OAEP', 'SHA-256', ['unwrapKey', 'wrapKey']),
      'server',
      'BAD_IDENTITY',
      'may unwrapKey',
    ],
    [
      'of 1024 bits',
      () => pair('RSA-PSS', 'SHA-256', ['sign', 'verify'], 1024),
      'client',
      'BAD_IDENTITY',
      'modulus of 1024 bits',
    ],
    [
      'with its halves exchanged',
      async () => swap(await pair('RSA-PSS', 'SHA-256', ['sign', 'verify'])),
      'client',
      'BAD_IDENTITY',
      'private RSA-PSS',
    ],
    [
      'of two pairs',
      async () =>
        mix(
          await pair('RSA-PSS', 'SHA-256', ['sign', 'verify']),
          await pair('RSA-PSS', 'SHA-256', ['sign', 'verify']),
        ),
      'client',
      'BAD_IDENTITY',
      'do not belong together',
    ],
    [
      'of two pairs',
      async () =>
        mix(
          await pair('RSA-OAEP', 'SHA-256', ['decrypt', 'encrypt']),
          await pair('RSA-OAEP', 'SHA-256', ['decrypt', 'encrypt']),
        ),
      'server',
      'BAD_IDENTITY',
      'do not belong together',
    ],
    [
      'with a private key in place of the public one',
      async () => {
        const { privateKey } = await pair('RSA-PSS', 'SHA-256', ['sign', 'verify']);
        return { publicKey: privateKey, privateKey };
      },
      'client',
      'BAD_IDENTITY',
      'the public key of the pair cannot be used: it is private',
    ],
    [
      'whose public key is not extractable',
      async () => {
        const { publicKey, privateKey } = await pair('RSA-PSS', 'SHA-256', ['sign', 'verify']);
        const how = { name: 'RSA-PSS', hash: 'SHA-256' };
        const spki = await subtle.exportKey('spki', publicKey);
        return { publicKey: await subtle.importKey('spki', spki, how, false, ['verify']), privateKey };
      },
      'client',
      'BAD_IDENTITY',
      'the public key of the pair cannot be used: ',
    ],
    [
      'that only look like keys',
      async () => {
        const { publicKey, privateKey } = await pair('RSA-PSS', 'SHA-256', ['sign', 'verify']);
        const copy = ({ type, algorithm, usages }: webcrypto.CryptoKey): webcrypto.CryptoKey =>
          ({ type, algorithm, usages }) as webcrypto.CryptoKey;
        return { publicKey: copy(publicKey), privateKey: copy(privateKey) };
      },
      'client',
      'BAD_IDENTITY',
      'the public key of the pair cannot be used: ',
    ],
    [
      'with an algorithm that is none',
      async () => ({ publicKey: key('x'), privateKey: key(null) }),
      'client',
      'BAD_ARGUMENT',
      'CryptoKeyPair',
    ],
    ['that are none', async () => ({}) as webcrypto.CryptoKeyPair, 'client', 'BAD_ARGUMENT', 'CryptoKeyPair'],
  ])('%s are refused', async (_, make, role, code, text) => {
    const error = (await rejection(Identity.fromKeyPair(await make(), { role }))) as SecureSocketError;
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it.each([
    [{ extractable: false, role: 'classic-server' }, 'leave extractable out'],
    [{ extractable: false, backend: node }, 'leave backend out'],
    [{ extractable: 'no' as unknown as boolean }, 'true or false'],
  ] as const)('are not made with %o', async (options, text) => {
    await expect(Identity.generate(options)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(text),
    });
  });

  const key = (algorithm: unknown): webcrypto.CryptoKey => ({ algorithm, usages: [] }) as never;
  const swap = ({ publicKey, privateKey }: webcrypto.CryptoKeyPair): webcrypto.CryptoKeyPair => ({
    publicKey: privateKey,
    privateKey: publicKey,
  });
  const mix = (one: webcrypto.CryptoKeyPair, other: webcrypto.CryptoKeyPair): webcrypto.CryptoKeyPair => ({
    publicKey: one.publicKey,
    privateKey: other.privateKey,
  });
});
