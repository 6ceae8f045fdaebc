import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { pause, rejection } from './helpers/sockets.js';
import { ann, bob, connect, folder, open, server } from './helpers/trusting-servers.js';

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
    const onWarning = ({ code, message }: Error & { code?: string }): void => {
      warnings.push(code ?? '');
      texts.push(message);
    };
    process.on('warning', onWarning);
    for (let i = 0; i < 2; i++) {
      const made = new SecureServer({ modulusLength: 2048 });
      await made.listen({ port: 0, host: '127.0.0.1' });
      open.push({ [Symbol.asyncDispose]: () => made.close({ timeout: 50 }) });
      await connect(made, { serverKey: made.fingerprint });
    }
    await pause(10);
    process.off('warning', onWarning);
    expect(warnings.filter((code) => code === 'SECURE_SOCKETS_EPHEMERAL_IDENTITY').length).toBe(1);
    // a client that starts meanwhile must learn why there is no answer
    expect(texts.join()).toContain('it is not listening before listen() resolves');
  });
});
