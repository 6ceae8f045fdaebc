import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { type Backend, SecureClient, SecureServer, type ServerOptions } from 'secure-sockets';
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it } from 'vitest';
import type { Aead } from '../../src/backend.js';
import { privateNumbersOf } from '../../src/identity/identity.js';
import {
  clientOf,
  identityFor,
  pair,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from '../helpers/sockets.js';

const channels = ['handshake:start', 'handshake:end', 'handshake:error', 'open', 'close', 'limit'];

/** A backend that remembers every secret that passes through it: where it lies, and what it was. */
class Spy {
  readonly backend: Backend;
  readonly #seen: { readonly place: Uint8Array; readonly was: Buffer }[] = [];

  constructor() {
    const note = <T extends Uint8Array | null>(secret: T): T => this.#note(secret);
    this.backend = {
      ...node,
      hkdfExtract: (salt, input) => note(node.hkdfExtract(salt, input)),
      hkdfExpand: (key, info, length) => note(node.hkdfExpand(key, info, length)),
      aesGcm: (key) => node.aesGcm(note(key)),
      chaCha20Poly1305: (key) => node.chaCha20Poly1305(note(key)),
      aesEcb: (key) => node.aesEcb(note(key)),
      x25519: () => {
        const pair = node.x25519();
        return { publicKey: pair.publicKey, agree: (peer) => note(pair.agree(peer)) };
      },
      rsaPrivateKey: (numbers) => {
        const key = node.rsaPrivateKey(numbers);
        return {
          modulusLength: key.modulusLength,
          signPss: (message) => key.signPss(message),
          decryptRaw: async (ciphertext) => note(await key.decryptRaw(ciphertext)),
          decryptOaep: async (ciphertext, label) => note(await key.decryptOaep(ciphertext, label)),
        };
      },
    };
  }

  /** Every secret so far, as it may show in a text. */
  get texts(): string[] {
    return this.#seen.filter(({ was }) => was.some((byte) => byte !== 0)).flatMap(({ was }) => textsOf(was));
  }

  /** Secrets that are no longer needed and still in memory. */
  get left(): number {
    return this.#seen.filter(({ place }) => place.some((byte) => byte !== 0)).length;
  }

  get count(): number {
    return this.#seen.length;
  }

  #note<T extends Uint8Array | null>(secret: T): T {
    if (secret !== null) this.#seen.push({ place: secret, was: Buffer.from(secret) });
    return secret;
  }
}

/** The beginning of a byte string in every form in which Node prints one. */
function textsOf(secret: Buffer): string[] {
  const first = secret.subarray(0, 12);
  const hex = first.toString('hex');
  return [
    hex,
    first.toString('base64').slice(0, 14),
    [...first.subarray(0, 6)].join(', '),
    [...first.subarray(0, 6)].join(','),
    (hex.match(/../g) ?? []).join(' ').slice(0, 26),
  ];
}

/** Everything that can be seen of something. */
function visible(thing: unknown): string {
  const shown = inspect(thing, { depth: 12, showHidden: true, maxArrayLength: 1000, getters: true });
  return `${shown}\n${JSON.stringify(thing, cyclesLeftOut())}\n${String((thing as Error)?.stack ?? '')}`;
}

function cyclesLeftOut(): (key: string, value: unknown) => unknown {
  const seen = new Set<unknown>();
  return (_, value) => {
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return undefined;
    seen.add(value);
    return value;
  };
}

describe.each(protocols)('secrets of %s', (protocol) => {
  /** A good connection and bad ones, and everything that can be seen of them from outside. */
  async function exercise(
    spy: Spy,
  ): Promise<{ seen: unknown[]; client: SecureClient; server: SecureServer }> {
    const seen: unknown[] = [];
    const note = (message: unknown): void => {
      seen.push(message);
    };
    for (const name of channels) subscribe(`secure-sockets:${name}`, note);
    const options: ServerOptions = { protocol, backend: spy.backend, onHandshakeError: note };
    const server = new SecureServer({ ...options, identity: await identityFor(protocol), closeTimeout: 200 });
    await server.listen({ port: 0, host: '127.0.0.1' });
    const client = clientOf(server, { protocol, backend: spy.backend });
    const accepted = server.accept();
    await client.connect({ port: portOf(server), host: '127.0.0.1' });
    const peer = await accepted;
    await client.send(new Uint8Array(100));
    await peer.recv();
    const raw = await rawConnection(server);
    raw.end(Buffer.alloc(100, 1));
    await expect.poll(() => Object.keys(server.stats.rejected).length).toBeGreaterThan(0);
    const refusing = clientOf(server, {
      protocol,
      backend: spy.backend,
      serverKey: `SHA256:${'A'.repeat(43)}`,
    });
    seen.push(await rejection(refusing.connect({ port: portOf(server), host: '127.0.0.1' })));
    seen.push(client, peer, server, server.stats, await identityFor(protocol), refusing);
    client.destroy();
    seen.push(await rejection(client.recv()));
    await peer.close();
    await server.close({ timeout: 100 });
    for (const name of channels) unsubscribe(`secure-sockets:${name}`, note);
    return { seen, client, server };
  }

  // defence: private fields, errors without key material, diagnostics that carry no secrets
  it('are in no error, no inspection, no JSON and no diagnostics', async () => {
    const spy = new Spy();
    const { seen } = await exercise(spy);
    const shown = seen.map(visible).join('\n');
    const { d, p, q } = privateNumbersOf(await identityFor(protocol));
    expect(spy.count).toBeGreaterThan(1);
    const hidden = [...spy.texts, ...[d, p, q].flatMap((number) => textsOf(Buffer.from(number)))];
    expect(hidden.filter((text) => shown.includes(text))).toEqual([]);
    // the search finds what is there
    const spki = (await identityFor(protocol)).spki;
    expect(textsOf(Buffer.from(spki)).some((text) => shown.includes(text))).toBe(true);
  });

  // defence: what is superseded is overwritten, by both ends
  it('are overwritten when they are superseded', async () => {
    const spy = new Spy();
    await exercise(spy);
    expect(spy.count).toBeGreaterThan(1);
    expect(spy.left).toBe(0);
  });
});

describe('keys of one connection', () => {
  const peerKey = noble.x25519().publicKey;
  const ofZeros = noble.x25519(new Uint8Array(32)).agree(peerKey);

  /** A backend that remembers the ephemeral keys and ciphers it made, and can tell those that still work. */
  function remember(backend: Backend): { backend: Backend; made: () => number; left: () => number } {
    const works: (() => boolean)[] = [];
    const watch = (cipher: Aead): Aead => {
      const [nonce, nothing] = [new Uint8Array(12), new Uint8Array(0)];
      const probe = Buffer.concat(cipher.seal(nonce, nothing, [Uint8Array.of(1)]));
      // a cipher that has no key to overwrite goes with the connection
      if (cipher.wipe) works.push(() => cipher.open(nonce, nothing, probe) !== null);
      return cipher;
    };
    const spied: Backend = {
      ...backend,
      x25519: () => {
        const key = backend.x25519();
        works.push(() => !Buffer.from(key.agree(peerKey) ?? []).equals(ofZeros ?? new Uint8Array(0)));
        return key;
      },
      mlKem768: async () => {
        const kem = await backend.mlKem768();
        return {
          encapsulate: (key) => kem.encapsulate(key),
          keyPair: () => {
            const key = kem.keyPair();
            works.push(() => succeeds(() => key.decapsulate(new Uint8Array(1088))));
            return key;
          },
        };
      },
      aesGcm: (key) => watch(backend.aesGcm(key)),
      chaCha20Poly1305: (key) => watch(backend.chaCha20Poly1305(key)),
    };
    return { backend: spied, made: () => works.length, left: () => works.filter((still) => still()).length };
  }

  // defence: wipeOffer() of an offer, wipe() of a server's key and of superseded ciphers
  it.each([
    { backend: noble, name: 'noble', suite: 'X25519MLKEM768' },
    { backend: forge, name: 'forge', suite: 'X25519MLKEM768' },
    { backend: noble, name: 'noble', suite: 'X25519MLKEM768-CHACHA20' },
    { backend: forge, name: 'forge', suite: 'X25519MLKEM768-CHACHA20' },
  ] as const)(
    'of $name over $suite are overwritten, also when a connection comes to nothing',
    async ({ backend, suite }) => {
      const suites = [suite, 'X25519'] as const;
      const [ofServer, ofClient] = [remember(backend), remember(backend)];
      const server = await startListening('sealed', { backend: ofServer.backend, suites });
      for (const verdict of [true, false]) {
        const client = new SecureClient({ backend: ofClient.backend, suites, verifyServer: () => verdict });
        const connecting = client.connect({ port: portOf(server), host: '127.0.0.1' });
        if (verdict) await Promise.all([connecting, server.accept()]);
        else expect((await rejection(connecting)).code).toBe('UNTRUSTED_SERVER');
        client.destroy();
      }
      const silent = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as { port: number };
      const given = new SecureClient({ backend: ofClient.backend, suites, verifyServer: () => true });
      const signal = AbortSignal.timeout(300);
      await rejection(given.connect({ port, host: '127.0.0.1' }, { signal }));
      silent.close();
      await server.close();
      // three X25519 keys and three of ML-KEM at the client, two X25519 keys at the server, and the ciphers of noble
      const ciphers =
        backend === noble || suite.endsWith('-CHACHA20')
          ? { client: 8, server: 8 }
          : { client: 0, server: 0 };
      expect(ofClient.made()).toBe(6 + ciphers.client);
      expect(ofServer.made()).toBe(2 + ciphers.server);
      expect([ofServer.left(), ofClient.left()]).toEqual([0, 0]);
    },
  );

  // defence: forget()
  it('that are exported from are overwritten when this side closes, and not before', async () => {
    for (const end of ['close', 'destroy'] as const) {
      const { server, client, peer } = await pair('sealed');
      const exportFrom = (of: SecureClient): Uint8Array => of.exportKey('label', new Uint8Array(0), 32);
      const before = exportFrom(client);
      await client[end]();
      expect(() => exportFrom(client)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
      await peer.recv().catch((error: Error) => error);
      // a message that is read after the peer has gone may have to be checked against the connection
      expect(exportFrom(peer)).toEqual(before);
      await peer[end]();
      expect(() => exportFrom(peer)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
      await server.close();
    }
  });
});

function succeeds(operation: () => unknown): boolean {
  try {
    operation();
    return true;
  } catch {
    return false;
  }
}

it('options are read once: later changes have no effect', async () => {
  const options: ServerOptions = { identity: await identityFor('sealed'), maxConnections: 5 };
  const server = new SecureServer(options);
  options.maxConnections = 0;
  Object.assign(options, { protocol: 'classic', blockList: { check: () => true } });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const client = clientOf(server);
  await client.connect({ port: portOf(server), host: '127.0.0.1' });
  expect(client.protocol).toBe('sealed');
  client.destroy();
  await server.close();
});
