import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientOptions,
  Identity,
  KnownHosts,
  SecureClient,
  SecureServer,
  SecureSocketError,
  type ServerOptions,
} from 'secure-sockets';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clientOf, identityFor, pause, portOf, rejection, startListening } from './helpers/sockets.js';

const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

let ann: Identity;
let bob: Identity;
let other: Identity;

beforeAll(async () => {
  ann = await Identity.generate({ role: 'client', modulusLength: 2048 });
  bob = await Identity.generate({ role: 'client', modulusLength: 2048 });
  other = await Identity.generate({ modulusLength: 2048 });
});

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'secure-sockets-'));
}

/** A sealed server and what it reported. */
async function server(
  options: ServerOptions = {},
): Promise<{ server: SecureServer; errors: SecureSocketError[] }> {
  const errors: SecureSocketError[] = [];
  const made = await startListening('sealed', {
    onHandshakeError: (error) => errors.push(error as SecureSocketError),
    ...options,
  });
  open.push({ [Symbol.asyncDispose]: () => made.close({ timeout: 50 }) });
  return { server: made, errors };
}

async function connect(to: SecureServer, options: ClientOptions): Promise<SecureClient> {
  const client = new SecureClient({ closeTimeout: 200, ...options });
  await client.connect({ port: portOf(to), host: '127.0.0.1' });
  open.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  return client;
}

describe('a client', () => {
  it('does not connect when it is not told which servers to trust', async () => {
    const { server: to, errors } = await server();
    const error = await rejection(connect(to, {}));
    expect(error.code).toBe('NO_TRUST');
    expect(error.message).toContain('serverKey');
    await pause(20);
    expect(errors).toEqual([]);
  });

  it('takes the pinned key in each of its forms, and one of several', async () => {
    const { server: to } = await server();
    const base64 = to.fingerprint.slice('SHA256:'.length);
    const hex = Buffer.from(base64, 'base64').toString('hex');
    for (const serverKey of [
      to.fingerprint,
      `sha256//${base64}=`,
      hex,
      [other.fingerprint, to.fingerprint],
    ]) {
      const client = await connect(to, { serverKey });
      expect(client.peer?.fingerprint).toBe(to.fingerprint);
    }
  });

  it('refuses another key, names both, and sends it nothing', async () => {
    const { server: to, errors } = await server();
    const error = (await rejection(connect(to, { serverKey: other.fingerprint }))) as SecureSocketError;
    expect(error.code).toBe('UNTRUSTED_SERVER');
    expect(error.blame).toBe('peer');
    expect(error.fingerprint).toBe(to.fingerprint);
    expect(error.message).toContain(to.fingerprint);
    expect(error.message).toContain(other.fingerprint);
    await expect.poll(() => errors.map(({ code }) => code)).toEqual(['HANDSHAKE_FAILED']);
  });

  it('asks a callback, which must say exactly true', async () => {
    const { server: to } = await server();
    const seen: string[] = [];
    const client = await connect(to, {
      verifyServer: async (spki, fingerprint) => {
        seen.push(fingerprint);
        expect(spki.length).toBeGreaterThan(290);
        return true;
      },
    });
    expect(seen).toEqual([to.fingerprint]);
    expect(client.peer?.fingerprint).toBe(to.fingerprint);
    for (const verdict of [false, 1, 'yes', undefined]) {
      const error = await rejection(connect(to, { verifyServer: () => verdict as boolean }));
      expect(error.code).toBe('UNTRUSTED_SERVER');
    }
    const failed = await rejection(
      connect(to, { verifyServer: () => Promise.reject(new Error('database is down')) }),
    );
    expect(failed.code).toBe('UNTRUSTED_SERVER');
    expect((failed.cause as Error).message).toBe('database is down');
  });

  it('does not wait for a callback beyond handshakeTimeout', async () => {
    const { server: to } = await server();
    const never = await rejection(
      connect(to, { handshakeTimeout: 200, verifyServer: () => new Promise<boolean>(() => {}) }),
    );
    expect(never.code).toBe('HANDSHAKE_TIMEOUT');
  });

  it('knows hosts from a file: strictly, or learning them once they have proven their key', async () => {
    const path = join(folder(), 'known_hosts');
    const { server: to } = await server();
    const strict = await rejection(connect(to, { knownHosts: path }));
    expect(strict.code).toBe('UNTRUSTED_SERVER');
    expect(strict.message).toContain(to.fingerprint);
    await connect(to, { knownHosts: { path, mode: 'tofu' } });
    expect(readFileSync(path, 'utf8')).toContain(`127.0.0.1 ${portOf(to)} ${to.fingerprint}`);
    await connect(to, { knownHosts: path });
    await connect(to, { knownHosts: { path, mode: 'tofu' } });
    expect(readFileSync(path, 'utf8').trim().split('\n').length).toBe(1);

    writeFileSync(path, `# mine\n127.0.0.1 ${portOf(to)} ${other.fingerprint} old\n`);
    for (const mode of ['strict', 'tofu'] as const) {
      const changed = await rejection(connect(to, { knownHosts: { path, mode } }));
      expect(changed.code).toBe('UNTRUSTED_SERVER');
      expect(changed.message).toContain(to.fingerprint);
      expect(changed.message).toContain(other.fingerprint);
      expect(changed.message).toContain(`${path}:2`);
    }
    expect(readFileSync(path, 'utf8')).toContain('old');
  });

  it.skipIf(!hasIPv6)(
    'knows a server by its address, however that is spelled, and refuses another key for it',
    async () => {
      const path = join(folder(), 'known_hosts');
      const made = new SecureServer({ identity: other });
      await made.listen({ port: 0, host: '::1' });
      open.push({ [Symbol.asyncDispose]: () => made.close({ timeout: 50 }) });
      const port = portOf(made);
      for (const mode of ['tofu', 'strict'] as const) {
        // Deno (2.9.6) connects to no address with a zone
        const withZone = process.versions.deno ? [] : ['::1%lo'];
        for (const host of ['::1', '0:0:0:0:0:0:0:1', '0::0001', ...withZone]) {
          const client = new SecureClient({ knownHosts: { path, mode } });
          await client.connect({ host, port });
          client.destroy();
        }
      }
      expect(readFileSync(path, 'utf8')).toBe(`::1 ${port} ${made.fingerprint}\n`);
      writeFileSync(path, `0:0:0:0:0:0:0:1 ${port} ${ann.fingerprint}\n`);
      const client = new SecureClient({ knownHosts: { path, mode: 'tofu' } });
      const error = await rejection(client.connect({ host: '::1', port }));
      expect(error).toMatchObject({ code: 'UNTRUSTED_SERVER' });
    },
  );

  it.each([
    ['a folder', (path: string): void => mkdirSync(path), 'EISDIR', 'read'],
    [
      'in a folder that is a file',
      (path: string): void => writeFileSync(join(path, '..', 'file'), ''),
      'ENOTDIR',
      'read',
    ],
    ['a link to itself', (path: string): void => symlinkSync(path, path), 'ELOOP', 'read'],
    ['a link into nothing', (path: string): void => symlinkSync('no/where', path), 'ENOENT', 'added to'],
  ])('blames only a known-hosts file that is %s', async (kind, make, code, what) => {
    const inside = folder();
    make(join(inside, 'known_hosts'));
    const path = kind.startsWith('in a folder')
      ? join(inside, 'file', 'known_hosts')
      : join(inside, 'known_hosts');
    const { server: to } = await server();
    const error = (await rejection(connect(to, { knownHosts: { path, mode: 'tofu' } }))) as SecureSocketError;
    expect(error).toMatchObject({ code: 'BAD_OPTION', blame: 'caller', cause: { code } });
    expect(error.message).toContain(`the known hosts cannot be ${what}: ${code}`);
    expect(error.message).toContain(path);
  });

  it('keeps known hosts wherever a program keeps them', async () => {
    const { server: to } = await server();
    let kept: string | undefined;
    const load = async (): Promise<string | undefined> => kept;
    const save = async (text: string): Promise<void> => {
      kept = text;
    };
    const knownHosts = new KnownHosts({ load, save, mode: 'tofu' });
    await connect(to, { knownHosts });
    expect(kept).toBe(`127.0.0.1 ${portOf(to)} ${to.fingerprint}\n`);
    await connect(to, { knownHosts: { load, save } });
    expect(await knownHosts.remove('127.0.0.1', portOf(to))).toBe(1);
    expect((await rejection(connect(to, { knownHosts: { load, save } }))).code).toBe('UNTRUSTED_SERVER');
    await knownHosts.add('127.0.0.1', portOf(to), other.fingerprint);
    expect((await rejection(connect(to, { knownHosts }))).code).toBe('UNTRUSTED_SERVER');
    const broken = { load: () => Promise.reject(new Error('no database')), save };
    expect(await rejection(connect(to, { knownHosts: broken }))).toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining('cannot be read: no database'),
    });
  });

  it('does not remember a key that a server only claims', async () => {
    const path = join(folder(), 'known_hosts');
    const { server: to } = await server();
    const mirror = createServer((downstream) => {
      // lets the server's first flight through and then nothing any more
      downstream.on('error', () => {});
      void import('node:net').then(({ connect: dial }) => {
        const upstream = dial(portOf(to), '127.0.0.1');
        upstream.on('error', () => {});
        downstream.once('data', (hello) => upstream.write(hello));
        upstream.on('data', (flight) => downstream.write(flight));
        downstream.on('close', () => upstream.destroy());
      });
    });
    mirror.listen(0, '127.0.0.1');
    await once(mirror, 'listening');
    const client = new SecureClient({ knownHosts: { path, mode: 'tofu' }, handshakeTimeout: 300 });
    const error = await rejection(
      client.connect({ port: (mirror.address() as { port: number }).port, host: '127.0.0.1' }),
    );
    expect(error.code).toBe('HANDSHAKE_TIMEOUT');
    expect(() => readFileSync(path)).toThrow('ENOENT');
    mirror.close();
  });

  it('says so when it meets a classic peer, and the server when it meets one', async () => {
    const classic = await startListening('classic');
    open.push({ [Symbol.asyncDispose]: () => classic.close({ timeout: 50 }) });
    const error = await rejection(connect(classic, { serverKey: other.fingerprint }));
    expect(error.code).toBe('NOT_SEALED');
    expect(error.message.toLowerCase()).toContain('classic');

    const { server: to, errors } = await server({ handshakeTimeout: 400 });
    const old = clientOf(to, { protocol: 'classic', handshakeTimeout: 200 });
    await rejection(old.connect({ port: portOf(to), host: '127.0.0.1' }));
    await expect.poll(() => errors.map(({ code }) => code)).toEqual(['HANDSHAKE_FAILED']);
  });

  it('uses its key in one role only', async () => {
    const { server: to } = await server();
    const error = await rejection(connect(to, { serverKey: to.fingerprint, identity: other }));
    expect(error.code).toBe('BAD_IDENTITY');
    const refused = expect.objectContaining({ code: 'BAD_IDENTITY' });
    expect(() => new SecureServer({ identity: ann })).toThrow(refused);
    expect(() => new SecureServer({ protocol: 'classic', identity: other })).toThrow(refused);
  });

  it('pins in classic too, before it sends its key', async () => {
    const classic = await startListening('classic');
    open.push({ [Symbol.asyncDispose]: () => classic.close({ timeout: 50 }) });
    const wrong = clientOf(classic, { protocol: 'classic', serverKey: other.fingerprint });
    const error = await rejection(wrong.connect({ port: portOf(classic), host: '127.0.0.1' }));
    expect(error.code).toBe('UNTRUSTED_SERVER');
    const right = clientOf(classic, { protocol: 'classic' });
    await right.connect({ port: portOf(classic), host: '127.0.0.1' });
    right.destroy();
  });
});

describe('a server', () => {
  it('asks for no identity by default, even of a client that has one', async () => {
    const { server: to } = await server();
    await connect(to, { serverKey: to.fingerprint, identity: ann });
    expect((await to.accept()).peer).toBeNull();
  });

  it('lets in the authorised and tells the others', async () => {
    const { server: to, errors } = await server({ authorizedKeys: [`${ann.fingerprint} Ann`] });
    const client = await connect(to, { serverKey: to.fingerprint, identity: ann });
    const peer = await to.accept();
    expect(peer.peer).toEqual({ fingerprint: ann.fingerprint, name: 'Ann', spki: ann.spki });
    await client.send(Uint8Array.of(1));
    expect(await peer.recv()).toEqual(Uint8Array.of(1));
    for (const identity of [bob, undefined]) {
      const error = await rejection(
        connect(to, { serverKey: to.fingerprint, ...(identity && { identity }) }),
      );
      expect(error.code).toBe('UNAUTHORIZED_CLIENT');
    }
    await expect
      .poll(() => errors.map(({ code }) => code))
      .toEqual(['UNAUTHORIZED_CLIENT', 'UNAUTHORIZED_CLIENT']);
    expect(errors[0]?.fingerprint).toBe(bob.fingerprint);
  });

  it('with optional clients takes the anonymous, and refuses an identity it does not know', async () => {
    const { server: to } = await server({ clientAuth: 'optional', authorizedKeys: [ann.fingerprint] });
    await connect(to, { serverKey: to.fingerprint });
    expect((await to.accept()).peer).toBeNull();
    await connect(to, { serverKey: to.fingerprint, identity: ann });
    expect((await to.accept()).peer?.fingerprint).toBe(ann.fingerprint);
    const error = await rejection(connect(to, { serverKey: to.fingerprint, identity: bob }));
    expect(error.code).toBe('UNAUTHORIZED_CLIENT');
  });

  it('reads its file of authorised keys again when that has changed', async () => {
    const path = join(folder(), 'authorized_keys');
    writeFileSync(path, `# clients\n${ann.fingerprint} ann\n`);
    const { server: to } = await server({ authorizedKeys: { path } });
    const options = { serverKey: to.fingerprint };
    await connect(to, { ...options, identity: ann });
    expect((await rejection(connect(to, { ...options, identity: bob }))).code).toBe('UNAUTHORIZED_CLIENT');
    await pause(15);
    writeFileSync(path, `${Buffer.from(bob.spki).toString('base64')} bob\n`);
    await connect(to, { ...options, identity: bob });
    expect((await rejection(connect(to, { ...options, identity: ann }))).code).toBe('UNAUTHORIZED_CLIENT');
  });

  it('asks a callback, only about proven identities, which must say exactly true', async () => {
    const seen: string[] = [];
    const { server: to } = await server({
      verifyClient: async (_, fingerprint) => {
        seen.push(fingerprint);
        return fingerprint === ann.fingerprint;
      },
    });
    await connect(to, { serverKey: to.fingerprint, identity: ann });
    expect((await rejection(connect(to, { serverKey: to.fingerprint, identity: bob }))).code).toBe(
      'UNAUTHORIZED_CLIENT',
    );
    expect((await rejection(connect(to, { serverKey: to.fingerprint }))).code).toBe('UNAUTHORIZED_CLIENT');
    expect(seen).toEqual([ann.fingerprint, bob.fingerprint]);
  });

  it('without an identity makes one and says so once', async () => {
    const warnings: string[] = [];
    const texts: string[] = [];
    const hear = ({ code, message }: Error & { code?: string }): void => {
      warnings.push(code ?? '');
      texts.push(message);
    };
    process.on('warning', hear);
    for (let i = 0; i < 2; i++) {
      const made = new SecureServer({ modulusLength: 2048 });
      await made.listen({ port: 0, host: '127.0.0.1' });
      open.push({ [Symbol.asyncDispose]: () => made.close({ timeout: 50 }) });
      await connect(made, { serverKey: made.fingerprint });
    }
    await pause(10);
    process.off('warning', hear);
    expect(warnings.filter((code) => code === 'SECURE_SOCKETS_EPHEMERAL_IDENTITY').length).toBe(1);
    // a client that starts meanwhile must learn why there is no answer
    expect(texts.join()).toContain('it is not listening before listen() resolves');
  });
});

describe('both ends', () => {
  it('export the same keying material, and other material for another label or context', async () => {
    const { server: to } = await server();
    const client = await connect(to, { serverKey: to.fingerprint });
    const peer = await to.accept();
    const context = new TextEncoder().encode('user 1');
    const key = client.exportKey('app token', context, 48);
    expect(key.length).toBe(48);
    expect(peer.exportKey('app token', context, 48)).toEqual(key);
    expect(peer.exportKey('other', context, 48)).not.toEqual(key);
    expect(peer.exportKey('app token', new Uint8Array(0), 48)).not.toEqual(key);
    expect(client.suite).toMatch(/^X25519/);
    expect(peer.suite).toBe(client.suite);
  });

  it('agree on the hybrid suite on request, and on nothing else then', async () => {
    const { server: to, errors } = await server({ suites: ['X25519MLKEM768'] });
    const client = await connect(to, { serverKey: to.fingerprint, suites: ['X25519', 'X25519MLKEM768'] });
    expect(client.suite).toBe('X25519MLKEM768');
    const error = await rejection(connect(to, { serverKey: to.fingerprint, suites: ['X25519'] }));
    expect(error.code).toBe('NO_COMMON_SUITE');
    await expect.poll(() => errors.map(({ code }) => code)).toEqual(['NO_COMMON_SUITE']);
  });

  it('keep their secrets out of inspection', async () => {
    const { inspect } = await import('node:util');
    const { server: to } = await server();
    const client = await connect(to, { serverKey: to.fingerprint });
    const peer = await to.accept();
    const identity = await identityFor('sealed');
    for (const object of [client, peer, to, identity, new SecureSocketError('CLOSED', 'x')]) {
      const shown = inspect(object, { depth: 10, showHidden: true }) + JSON.stringify(object);
      expect(shown).not.toMatch(/privateKey|secret|"d"|\bdp\b|sequence/i);
    }
  });
});
