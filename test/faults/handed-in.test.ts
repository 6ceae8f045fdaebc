import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import {
  type AddressList,
  AuthorizedKeys,
  type Backend,
  fromDuplex,
  Identity,
  IdentityStore,
  reconnecting,
  SecureClient,
  SecureServer,
  type ServerOptions,
  type TextStore,
} from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { clientOf, identityFor, pause, portOf, rejection, startListening } from '../helpers/sockets.js';
import { fails, misdeeds, open, serverWith, works } from './handed-in.js';

async function knock(server: SecureServer): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port: portOf(server) });
  socket.on('error', () => {}).resume();
  socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(100));
  await once(socket, 'close');
}

describe('callbacks', () => {
  it.each(misdeeds)('onHandshakeError %s', async (_, misdeed) => {
    const server = await serverWith({ onHandshakeError: misdeed as never });
    await knock(server);
    await works(server);
  });

  it.each(misdeeds)('keylog %s', async (_, misdeed) => {
    for (const protocol of ['sealed', 'classic'] as const) {
      const server = await startListening(protocol, { keylog: misdeed as never });
      open.push(() => server.close({ timeout: 100 }));
      const client = clientOf(server, { protocol, keylog: misdeed as never });
      await client.connect(server.address);
      await client.send(Uint8Array.of(1));
      expect(await (await server.accept()).recv()).toEqual(Uint8Array.of(1));
      client.destroy();
    }
  });

  it.each(misdeeds)('verifyServer %s', async (_, misdeed) => {
    const server = await serverWith({});
    const options = { verifyServer: misdeed as never, handshakeTimeout: 300 };
    const error = await rejection(new SecureClient(options).connect(server.address));
    expect(['UNTRUSTED_SERVER', 'HANDSHAKE_TIMEOUT']).toContain(error.code);
    await works(server);
  });

  it.each(misdeeds)('verifyClient %s', async (_, misdeed) => {
    const server = await serverWith({
      verifyClient: misdeed as never,
      clientAuth: 'optional',
      handshakeTimeout: 300,
    });
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const client = clientOf(server, { identity });
    await client.connect(server.address).catch(() => {});
    await client.recv().catch(() => {});
    expect(server.stats.open).toBe(0);
    client.destroy();
    await works(server);
  });

  it.each(misdeeds)('onError of reconnecting() %s', async (_, misdeed) => {
    const server = await serverWith({});
    const port = portOf(server);
    await server.close();
    const options = { initialDelay: 20, onError: misdeed as never };
    const clients = reconnecting({ host: '127.0.0.1', port }, { verifyServer: () => true }, options);
    const next = clients.next();
    await pause(30);
    const again = new SecureServer({ identity: await identityFor('sealed') });
    open.push(() => again.close({ timeout: 100 }));
    await again.listen({ host: '127.0.0.1', port });
    expect((await next).value).toBeInstanceOf(SecureClient);
    await clients.return(undefined as never);
  });
});

describe('authorised keys', () => {
  it.each(misdeeds)('onError %s, and the last good list stays in use', async (_, misdeed) => {
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-keys-'));
    open.push(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'keys');
    writeFileSync(path, `${identity.fingerprint} me\n`);
    const keys = new AuthorizedKeys({ path }, { onError: misdeed as never });
    const told: string[] = [];
    keys.watch(misdeed as never);
    const unwatch = keys.watch(() => told.push('changed'));
    expect(await keys.check(identity.fingerprint)).not.toBeNull();
    writeFileSync(path, 'no key');
    expect(await keys.check(identity.fingerprint)).not.toBeNull();
    writeFileSync(path, '');
    expect(await keys.check(identity.fingerprint)).toBeNull();
    expect(told).toEqual(['changed', 'changed']);
    unwatch();
  });
});

describe('lists', () => {
  const answers: [string, () => unknown][] = [
    ...misdeeds,
    ['says 0', () => 0],
    ['says nothing', () => undefined],
  ];

  it.each(answers)('a blockList.check that %s keeps all clients out, and does no more', async (_, check) => {
    const codes: unknown[] = [];
    const server = await serverWith({
      blockList: { check } as AddressList,
      onHandshakeError: (error) => codes.push((error as { code?: string }).code),
    });
    await rejection(clientOf(server).connect(server.address));
    expect(codes).toEqual(['BUSY']);
    const [near, far] = duplexPair();
    await server.attach(fromDuplex(far));
    const client = clientOf(server);
    await client.connect(fromDuplex(near));
    expect(server.stats.open).toBe(1);
    client.destroy();
  });

  it.each(answers)('a trustedProxies.check that %s treats no address as a proxy', async (_, check) => {
    const server = await serverWith({ trustedProxies: { check } as AddressList });
    await works(server);
  });
});

describe('what never settles does not hold listen() up', () => {
  const never = (): Promise<never> => new Promise(() => {});
  const start = (options: ServerOptions): { server: SecureServer; listens: Promise<Error> } => {
    const server = new SecureServer({ handshakeTimeout: 200, ...options } as ServerOptions);
    return { server, listens: rejection(server.listen({ host: '127.0.0.1', port: 0 })) };
  };

  it('decrypt of a key', async () => {
    const { spki } = await identityFor('sealed');
    const identity = Identity.fromDecrypter({ spki, decrypt: never });
    const { server, listens } = start({ identity });
    expect(await listens).toMatchObject({
      code: 'BAD_IDENTITY',
      message: "decrypt() of the server's key gave no answer within 200 ms",
    });
    await server.close();
  });

  it('mlKem768 of a backend', async () => {
    const backend: Backend = { ...node, name: 'mine', mlKem768: never, mlKem768Later: undefined };
    const suites = ['X25519MLKEM768'] as const;
    const { listens } = start({ backend, suites, identity: await identityFor('sealed') });
    expect(await listens).toMatchObject({
      code: 'BAD_OPTION',
      message: 'mlKem768() of the backend mine gave no answer within 200 ms',
    });
  });

  it('generateRsaKey of a backend, which takes its time, once the server is closed', async () => {
    const { server, listens } = start({ backend: { ...node, generateRsaKey: never } });
    await pause(300);
    await server.close();
    expect(await listens).toMatchObject({ code: 'CLOSED' });
  });

  it('authorised keys in a FIFO', async () => {
    const path = fifo();
    const { listens } = start({ authorizedKeys: { path }, identity: await identityFor('sealed') });
    expect(await listens).toMatchObject({ code: 'BAD_OPTION' });
  });
});

describe('known hosts', () => {
  const stores: [string, (misdeed: () => unknown) => TextStore][] = [
    ['load', (misdeed) => ({ load: misdeed as never, save: () => {} })],
    ['save', (misdeed) => ({ load: () => '', save: misdeed as never })],
  ];

  describe.each(stores)('%s of a store', (_, store) => {
    it.each(misdeeds)('%s', async (__, misdeed) => {
      const server = await serverWith({});
      const options = { knownHosts: { ...store(misdeed), mode: 'tofu' as const }, handshakeTimeout: 300 };
      const client = new SecureClient(options);
      const error = await client.connect(server.address).catch((thrown: unknown) => thrown);
      if (error !== undefined)
        expect(['BAD_OPTION', 'HANDSHAKE_TIMEOUT']).toContain((error as { code?: string }).code);
      client.destroy();
      await works(server);
    });
  });

  it('that load() gives as something else than text are named so', async () => {
    const server = await serverWith({});
    for (const wrong of [5, {}, ['a'], new Uint8Array(3)]) {
      const knownHosts = { load: () => wrong as never, save: () => {} };
      expect(await rejection(new SecureClient({ knownHosts }).connect(server.address))).toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('load() of knownHosts must give text, and gave'),
      });
    }
  });

  it('in a FIFO without a writer take no thread from other work', async () => {
    const server = await serverWith({});
    const path = fifo();
    const connecting = Array.from({ length: 8 }, () =>
      rejection(new SecureClient({ knownHosts: { path }, handshakeTimeout: 1000 }).connect(server.address)),
    );
    await pause(50);
    const read = readFile(import.meta.filename).then(() => 'another file');
    expect(await Promise.race([read, ...connecting])).toBe('another file');
    for (const error of await Promise.all(connecting)) expect(error.code).toBe('HANDSHAKE_TIMEOUT');
  });
});

describe('IndexedDB', () => {
  const never = {};
  const answer = (result: unknown): object => {
    const request = { result, onsuccess: null as (() => void) | null };
    queueMicrotask(() => request.onsuccess?.());
    return request;
  };
  const makeFactory = (inStore: Record<string, () => unknown>): { open: () => object } => ({
    open: () => answer({ transaction: () => ({ objectStore: () => inStore }), close: () => {} }),
  });
  afterEach(() => void vi.useRealTimers());

  it.each<[string, object]>([
    ['does not open', { open: () => never }],
    ['does not look for what is asked for', makeFactory({ get: () => never })],
    ['throws', { open: fails }],
    ['throws when it is asked', makeFactory({ get: fails })],
    ['has nonsense', makeFactory({ get: () => answer(5) })],
    ['has nothing where something is', makeFactory({ get: () => answer(null) })],
    ['has an identity without its key', makeFactory({ get: () => answer({ role: 'client' }) })],
  ])('that %s gives an error', async (_, indexedDB) => {
    vi.useFakeTimers();
    const loading = rejection(new IdentityStore({ indexedDB }).load('me'));
    await vi.advanceTimersByTimeAsync(10_000);
    const { code, message } = await loading;
    expect(code ?? message).toMatch(/^(BAD_OPTION|BAD_IDENTITY|BAD_ARGUMENT|mine)$/);
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** A named FIFO without a writer. */
function fifo(): string {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-fifo-'));
  open.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

describe('a key that is kept elsewhere', () => {
  it('and never answers keeps no other client waiting for longer than a handshake may take', async () => {
    const key = await identityFor('sealed');
    let isHanging = false;
    const slow: Backend = {
      ...node,
      rsaPrivateKey: (numbers) => {
        const real = node.rsaPrivateKey(numbers);
        const decryptOaep: typeof real.decryptOaep = (...args) =>
          isHanging ? new Promise(() => {}) : real.decryptOaep(...args);
        return new Proxy(real, {
          get: (target, name) => (name === 'decryptOaep' ? decryptOaep : Reflect.get(target, name)),
        });
      },
    };
    const server = await serverWith({ backend: slow, identity: key, handshakeTimeout: 300 });
    isHanging = true;
    const hanging = Array.from({ length: 4 }, () => rejection(clientOf(server).connect(server.address)));
    await Promise.all(hanging);
    isHanging = false;
    await expect
      .poll(() =>
        works(server).then(
          () => 'works',
          (error) => error.code,
        ),
      )
      .toBe('works');
  });
});
