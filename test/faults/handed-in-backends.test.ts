import { type Backend, Identity, SecureServer } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it } from 'vitest';
import { laterKem } from '../helpers/later-kem.js';
import { clientOf, identityFor, pair, pause, rejection } from '../helpers/sockets.js';
import { misdeeds, open, serverWith, works } from './handed-in.js';

describe('backends', () => {
  const methods = Object.keys(node).filter((name) => typeof node[name as keyof Backend] === 'function');
  const nonsense: [string, () => unknown][] = [
    ...misdeeds,
    ['gives nothing', () => undefined],
    ['gives a number', () => 5],
    ['gives empty bytes', () => new Uint8Array(0)],
  ];

  it.each(methods)('%s may do anything', async (name) => {
    const standing = await pair('sealed');
    open.push(() => standing[Symbol.asyncDispose]());
    for (const [, misdeed] of nonsense) {
      const backend = { ...node, [name]: misdeed } as Backend;
      const server = await serverWith({ handshakeTimeout: 200 });
      const client = clientOf(server, { backend, handshakeTimeout: 200, closeTimeout: 100 });
      await client.connect(server.address).catch(() => {});
      await client.send(new Uint8Array(10)).catch(() => {});
      client.destroy();
      await works(server);
      const identity = await identityFor('sealed');
      const own = new SecureServer({ backend, identity, handshakeTimeout: 200, closeTimeout: 100 });
      const listens = await Promise.race([
        own.listen({ host: '127.0.0.1', port: 0 }).then(
          () => true,
          () => false,
        ),
        pause(300).then(() => false),
      ]);
      if (listens) {
        const guest = clientOf(own, { handshakeTimeout: 300, closeTimeout: 100 });
        await guest.connect(own.address).catch(() => {});
        await guest.send(new Uint8Array(10)).catch(() => {});
        await guest.recv({ signal: AbortSignal.timeout(20) }).catch(() => {});
        guest.destroy();
      }
      await own.close({ timeout: 100 });
    }
    await standing.client.send(Uint8Array.of(1));
    expect(await standing.peer.recv()).toEqual(Uint8Array.of(1));
  });
});

describe('what backends make', () => {
  type Made = Record<string, (...given: never[]) => unknown>;
  const factories = {
    aesGcm: ['seal', 'open', 'wipe'],
    x25519: ['agree', 'wipe'],
    mlKem768: ['keyPair', 'encapsulate'],
    rsaPublicKey: ['encryptOaep', 'verifyPss'],
    rsaPrivateKey: ['decryptOaep', 'signPss'],
  } as const;
  const cases = Object.entries(factories).flatMap(([factory, names]) =>
    names.map((name) => [factory, name] as const),
  );
  const nonsense: [string, () => unknown][] = [...misdeeds, ['gives nothing', () => undefined]];

  /** An object whose method does what it should not. */
  const spoil = (made: Made, name: string, misdeed: () => unknown): Made =>
    new Proxy(made, {
      get: (target, member) => {
        if (member === name) return misdeed;
        const found = Reflect.get(target, member, target);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });

  it.each(cases)('%s: %s may do anything', async (factory, name) => {
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    for (const [, misdeed] of nonsense) {
      const make = node[factory as keyof Backend] as (...given: unknown[]) => Made | Promise<Made>;
      const makeWrong = (...given: unknown[]): unknown => {
        const made = make(...given);
        return made instanceof Promise
          ? made.then((one) => spoil(one, name, misdeed))
          : spoil(made, name, misdeed);
      };
      const backend = { ...node, [factory]: makeWrong } as Backend;
      const server = await serverWith({
        verifyClient: () => true,
        clientAuth: 'optional',
        suites: ['X25519MLKEM768', 'X25519'],
        handshakeTimeout: 300,
      });
      const client = clientOf(server, { backend, identity, handshakeTimeout: 300, closeTimeout: 100 });
      await client.connect(server.address).catch(() => {});
      await client.send(new Uint8Array(10)).catch(() => {});
      client.destroy();
      await works(server);
      const own = new SecureServer({
        backend,
        identity: await identityFor('sealed'),
        handshakeTimeout: 300,
        closeTimeout: 100,
      });
      open.push(() => own.close({ timeout: 100 }));
      await own.listen({ host: '127.0.0.1', port: 0 });
      const guest = clientOf(own, { handshakeTimeout: 300, closeTimeout: 100 });
      await guest.connect(own.address).catch(() => {});
      await guest.send(new Uint8Array(10)).catch(() => {});
      guest.destroy();
    }
  });

  const opens = (connecting: Promise<unknown>): Promise<boolean> =>
    connecting.then(
      () => true,
      () => false,
    );
  /** Short where the time-out is what ends the handshake, long where a busy machine is to end it as well. */
  const limitsFor = (isToOpen: boolean): { handshakeTimeout: number; closeTimeout: number } => ({
    handshakeTimeout: isToOpen ? 10_000 : 300,
    closeTimeout: 100,
  });
  const ofPlatforms = ['keyPair', 'encapsulate', 'decapsulate'] as const;
  it.each(ofPlatforms)('mlKem768Later: %s may do anything', async (name) => {
    for (const [, misdeed] of nonsense) {
      const inner = laterKem(await node.mlKem768());
      const mlKem768Later = {
        ...inner,
        keyPair: async () => ({
          ...(await inner.keyPair()),
          ...(name === 'decapsulate' && { [name]: misdeed }),
        }),
        ...(name !== 'decapsulate' && { [name]: misdeed }),
      } as unknown as NonNullable<Backend['mlKem768Later']>;
      const backend: Backend = { ...node, mlKem768Later };
      const suites = ['X25519MLKEM768'] as const;
      const isServers = name === 'encapsulate';
      const server = await serverWith({ suites: ['X25519MLKEM768', 'X25519'], ...limitsFor(isServers) });
      const client = clientOf(server, { backend, suites, ...limitsFor(isServers) });
      expect(await opens(client.connect(server.address))).toBe(isServers);
      client.destroy();
      await works(server);
      const identity = await identityFor('sealed');
      const own = new SecureServer({ backend, identity, suites, ...limitsFor(!isServers) });
      open.push(() => own.close({ timeout: 100 }));
      await own.listen({ host: '127.0.0.1', port: 0 });
      const guest = clientOf(own, { suites, ...limitsFor(!isServers) });
      expect(await opens(guest.connect(own.address))).toBe(!isServers);
      guest.destroy();
    }
  });

  it.each([
    [
      'nothing that it must have',
      {},
      'an object with keyPair, encapsulate, and gave an object of class Object',
    ],
    [
      'a key that is too short',
      { keyPair: async () => ({ encapsulationKey: new Uint8Array(5), decapsulate: 1 }), encapsulate: 1 },
      'a Uint8Array of 1184 bytes, and gave 5 bytes',
    ],
  ])('mlKem768Later with %s is named', async (_, mlKem768Later, text) => {
    const server = await serverWith({});
    const backend = { ...node, name: 'mine', mlKem768Later } as unknown as Backend;
    expect(await rejection(clientOf(server, { backend }).connect(server.address))).toMatchObject({
      code: 'BAD_OPTION',
      message: `mlKem768Later of the backend mine must give ${text}`,
    });
  });

  it('is named where it is wrong', async () => {
    const server = await serverWith({});
    const backend: Backend = { ...node, name: 'mine', sha256: () => new Uint8Array(31) };
    expect(await rejection(clientOf(server, { backend }).connect(server.address))).toMatchObject({
      code: 'BAD_OPTION',
      message: 'sha256() of the backend mine must give a Uint8Array of 32 bytes, and gave 31 bytes',
    });
  });
});
