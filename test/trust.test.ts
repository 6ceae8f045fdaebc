import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { KnownHosts, SecureClient, SecureServer, SecureSocketError } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { clientOf, identityFor, pause, portOf, rejection, startListening } from './helpers/sockets.js';
import { ann, connect, folder, open, other, server } from './helpers/trusting-servers.js';

const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

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
