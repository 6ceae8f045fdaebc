import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Identity } from 'secure-sockets';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from './helpers/pack.js';

const run = promisify(execFile);

let keys: Record<string, string>;

beforeAll(async () => {
  keys = {
    sealed: (await Identity.generate({ modulusLength: 2048 })).toPem(),
    classic: (await Identity.generate({ role: 'classic-server', modulusLength: 2048 })).toPem(),
  };
});

/** What every script begins with: a server that listens, and how to reach it. */
const prologue = `
import { createServer, connect as dial } from 'node:net';
import { Identity, SecureClient, SecureServer } from 'secure-sockets';
const protocol = process.env.PROTOCOL;
const identity = Identity.fromPem(process.env.KEY);
const server = new SecureServer({ protocol, identity, closeTimeout: 300 });
await server.listen({ port: 0, host: '127.0.0.1' });
const { port } = server.address;
const newClient = (options = {}) => new SecureClient({ protocol, serverKey: server.fingerprint, closeTimeout: 300, ...options });
`;

/** Each of these ends every connection and server it has made, and nothing else: plain node must end by itself. */
const scripts: Record<string, string> = {
  'both ends close': `
    const client = newClient();
    await client.connect({ port });
    const peer = await server.accept();
    await client.send(new Uint8Array(100000));
    await peer.recv();
    await Promise.all([client.close(), peer.close()]);
    await server.close();`,
  'only the server closes': `
    const client = newClient();
    await client.connect({ port });
    await server.accept();
    await server.close();`,
  'a client is destroyed while it sends': `
    const client = newClient();
    await client.connect({ port });
    const peer = await server.accept();
    const sending = client.send(new Uint8Array(8000000)).catch(() => {});
    client.destroy();
    await sending;
    await peer.recv().catch(() => {});
    await server.close();`,
  'an accept and a recv still wait': `
    const client = newClient();
    await client.connect({ port });
    await server.accept();
    const waiting = [server.accept().catch((error) => error.code), client.recv().catch((error) => error.code)];
    await server.close();
    await client.close();
    console.log(JSON.stringify(await Promise.all(waiting)));`,
  'connecting fails in every way': `
    const silent = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const codes = [];
    const attempt = async (client, to, options) => codes.push(await client.connect(to, options).then(() => 'ok', (error) => error.code ?? error.name));
    await attempt(newClient({ handshakeTimeout: 100 }), { port: silent.address().port });
    await attempt(newClient(), { port: silent.address().port }, { signal: AbortSignal.timeout(50) });
    await attempt(newClient({ serverKey: 'SHA256:' + 'A'.repeat(43) }), { port });
    await new Promise((resolve) => silent.close(resolve));
    await attempt(newClient(), { port: silent.address()?.port ?? 1 });
    console.log(JSON.stringify(codes));
    await server.close();`,
  'peers fail at the server': `
    const sockets = await Promise.all([1, 2, 3].map(() => new Promise((resolve) => {
      const socket = dial(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', () => {});
    })));
    sockets[0].end('nonsense, and much of it'.repeat(20));
    sockets[1].resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.close();
    for (const socket of sockets) socket.destroy();`,
};

describe.each(['sealed', 'classic'])('%s: a process ends by itself when', (protocol) => {
  it.each(Object.keys(scripts))('%s', async (name) => {
    const script = prologue + scripts[name];
    const env = { ...process.env, PROTOCOL: protocol, KEY: keys[protocol] };
    // a process that hangs is killed, and the promise rejects
    const args = ['--disable-warning=SECURE_SOCKETS_CLASSIC', '--input-type=module', '--eval', script];
    const { stdout, stderr } = await run(process.execPath, args, { cwd: root, env, timeout: 15_000 });
    expect(stderr).toBe('');
    if (name === 'connecting fails in every way') {
      expect(JSON.parse(stdout)).toEqual(['HANDSHAKE_TIMEOUT', 23, 'UNTRUSTED_SERVER', 'ECONNREFUSED']);
    }
    if (name === 'an accept and a recv still wait') expect(JSON.parse(stdout)).toEqual(['CLOSED', null]);
  });
});

it('a process does not stay for a key that is kept elsewhere and never answers', async () => {
  const script = `${prologue}
    const kept = { spki: (await Identity.generate({ role: 'client', modulusLength: 2048 })).spki };
    const never = () => new Promise(() => {});
    const codes = [];
    const note = (error) => codes.push(error.code);
    const deaf = new SecureServer({ identity: await Identity.fromDecrypter({ spki: identity.spki, decrypt: never }), handshakeTimeout: 300 });
    await deaf.listen({ port: 0, host: '127.0.0.1' }).catch(note);
    const asking = new SecureServer({ identity, verifyClient: () => true });
    await asking.listen({ port: 0, host: '127.0.0.1' });
    const client = newClient({ identity: await Identity.fromSigner({ ...kept, sign: never }), handshakeTimeout: 300 });
    await client.connect(asking.address).catch(note);
    await Promise.all([asking.close(), server.close()]);
    console.log(codes.join());`;
  const env = { ...process.env, PROTOCOL: 'sealed', KEY: keys.sealed };
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, args, { cwd: root, env, timeout: 15_000 });
  expect(stdout).toBe('BAD_IDENTITY,HANDSHAKE_TIMEOUT\n');
});
