import { privateDecrypt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthorizedKeys,
  Identity,
  SecureClient,
  SecureServer,
  type ServerOptions,
  Sessions,
} from 'secure-sockets';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { TicketKeys } from '../src/sessions/ticket-keys.js';
import { pause, portOf, rejection, startListening } from './helpers/sockets.js';

let ann: Identity;
let bob: Identity;
let path: string;
const open: AsyncDisposable[] = [];

beforeAll(async () => {
  ann = await Identity.generate({ role: 'client', modulusLength: 2048 });
  bob = await Identity.generate({ role: 'client', modulusLength: 2048 });
});

beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'secure-sockets-')), 'authorized_keys');
  writeFileSync(path, `${ann.fingerprint} ann\n${bob.fingerprint} bob\n`);
});

afterEach(async () => {
  for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
});

interface Pair {
  readonly client: SecureClient;
  readonly accepted: SecureClient;
}

async function pairs(options: ServerOptions): Promise<{ server: SecureServer; ann: Pair; bob: Pair }> {
  const server = await startListening('sealed', options);
  open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 50 }) });
  return { server, ann: await pair(server, ann), bob: await pair(server, bob) };
}

async function pair(server: SecureServer, identity: Identity): Promise<Pair> {
  const client = new SecureClient({ serverKey: server.fingerprint, identity, closeTimeout: 200 });
  await client.connect({ port: portOf(server), host: '127.0.0.1' });
  open.push({ [Symbol.asyncDispose]: async () => client.destroy() });
  return { client, accepted: await server.accept() };
}

async function isOpen({ client, accepted }: Pair): Promise<boolean> {
  await client.send(Uint8Array.of(1));
  const message = await accepted.recv().catch(() => null);
  return message !== null;
}

describe('a client whose key is removed', () => {
  it('is disconnected where that was asked for, and no other client is', async () => {
    const ends = await pairs({ authorizedKeys: { path }, disconnectRevoked: true });
    const recv = [rejection(ends.ann.client.recv()), rejection(ends.ann.accepted.recv())] as const;
    writeFileSync(path, `${bob.fingerprint} bob\n`);
    const [client, accepted] = await Promise.all(recv);
    expect(accepted).toMatchObject({ code: 'UNAUTHORIZED_CLIENT', fingerprint: ann.fingerprint });
    expect(client).toMatchObject({ code: 'PEER_CLOSED', closeCode: 2 });
    expect(await isOpen(ends.bob)).toBe(true);
    expect((await rejection(pair(ends.server, ann))).code).toBe('UNAUTHORIZED_CLIENT');
  });

  it('stays connected otherwise', async () => {
    const ends = await pairs({ authorizedKeys: { path } });
    writeFileSync(path, `${bob.fingerprint} bob\n`);
    await pause(2500);
    expect(await isOpen(ends.ann)).toBe(true);
    expect((await rejection(pair(ends.server, ann))).code).toBe('UNAUTHORIZED_CLIENT');
  });

  it('is disconnected if it is removed from a list that the program holds', async () => {
    const authorizedKeys = new AuthorizedKeys([ann.fingerprint, bob.fingerprint]);
    const ends = await pairs({ authorizedKeys, disconnectRevoked: true });
    const ended = rejection(ends.ann.accepted.recv());
    expect(await authorizedKeys.remove(ann.fingerprint)).toBe(true);
    expect((await ended).code).toBe('UNAUTHORIZED_CLIENT');
    expect(await isOpen(ends.bob)).toBe(true);
  });

  it('and put back within a moment, as editors do it, stays connected', async () => {
    const ends = await pairs({ authorizedKeys: { path }, disconnectRevoked: true });
    const text = `${bob.fingerprint} bob\n${ann.fingerprint} ann\n`;
    writeFileSync(path, '');
    await rejection(pair(ends.server, ann));
    writeFileSync(path, text);
    await pause(2500);
    expect([await isOpen(ends.ann), await isOpen(ends.bob)]).toEqual([true, true]);
  });
});

describe('a file of keys that is damaged or removed', () => {
  it.each([
    ['damaged', () => writeFileSync(path, `${bob.fingerprint} bob\nnonsense\n`), ':2: not a fingerprint'],
    ['removed', () => rmSync(path), 'ENOENT'],
  ])(
    '%s disconnects no client, lets in the same ones, and is reported without a new client',
    async (_, damage, text) => {
      const errors: string[] = [];
      const authorizedKeys = new AuthorizedKeys({ path }, { onError: ({ message }) => errors.push(message) });
      const ends = await pairs({ authorizedKeys, disconnectRevoked: true });
      damage();
      await expect.poll(() => errors.length, { timeout: 5000 }).toBe(1);
      expect(errors[0]).toContain(path);
      expect(errors[0]).toContain(text);
      await pause(1500);
      expect(errors.length).toBe(1);
      expect([await isOpen(ends.ann), await isOpen(ends.bob)]).toEqual([true, true]);
      expect(await isOpen(await pair(ends.server, ann))).toBe(true);
    },
  );

  it('keeps a server from listening that never had a good one', async () => {
    writeFileSync(path, 'nonsense\n');
    const server = new SecureServer({ authorizedKeys: { path } });
    await expect(server.listen({ port: 0, host: '127.0.0.1' })).rejects.toThrow(
      `${path}:1: not a fingerprint`,
    );
    rmSync(path);
    await expect(server.listen({ port: 0, host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      cause: { code: 'ENOENT', path },
    });
    writeFileSync(path, `${ann.fingerprint}\n`);
    await server.listen({ port: 0, host: '127.0.0.1' });
    open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 50 }) });
    expect(await isOpen(await pair(server, ann))).toBe(true);
  });
});

describe('reload()', () => {
  it('takes another identity for the connections to come, and lets the others go on', async () => {
    const ends = await pairs({ authorizedKeys: { path } });
    const before = ends.server.fingerprint;
    const identity = await Identity.generate({ modulusLength: 2048 });
    await ends.server.reload({ identity });
    expect(ends.server.fingerprint).toBe(identity.fingerprint);
    expect(await isOpen(ends.ann)).toBe(true);
    expect(await isOpen(await pair(ends.server, ann))).toBe(true);
    const old = new SecureClient({ serverKey: before, identity: ann });
    const error = await rejection(old.connect({ port: portOf(ends.server), host: '127.0.0.1' }));
    expect(error).toMatchObject({ code: 'UNTRUSTED_SERVER', fingerprint: identity.fingerprint });
  });

  it('reads the authorised keys anew, and says what is wrong with them', async () => {
    const ends = await pairs({ authorizedKeys: { path }, disconnectRevoked: true });
    const ended = rejection(ends.ann.accepted.recv());
    writeFileSync(path, `${bob.fingerprint} bob\n`);
    await ends.server.reload();
    expect((await ended).code).toBe('UNAUTHORIZED_CLIENT');
    writeFileSync(path, 'nonsense\n');
    const identity = await Identity.generate({ modulusLength: 2048 });
    const before = ends.server.fingerprint;
    await expect(ends.server.reload({ identity })).rejects.toThrow(`${path}:1: not a fingerprint`);
    expect(ends.server.fingerprint).toBe(before);
    expect(await isOpen(ends.bob)).toBe(true);
  });

  it('called while another is under way takes effect after it, and undoes nothing of it', async () => {
    const ends = await pairs({ authorizedKeys: { path } });
    const identities = await Promise.all([1, 2].map(() => Identity.generate({ modulusLength: 2048 })));
    const [one, other] = identities as [Identity, Identity];
    // the first waits for a key that is tried before it is used
    const slow = Identity.fromDecrypter({
      spki: one.spki,
      decrypt: async (ciphertext, oaepLabel) => {
        await pause(100);
        return privateDecrypt({ key: one.toPem(), oaepHash: 'sha256', oaepLabel }, ciphertext);
      },
    });
    const first = ends.server.reload({ identity: slow }).then(() => ends.server.fingerprint);
    await Promise.all([ends.server.reload({ identity: other }), ends.server.reload()]);
    expect(await first).toBe(one.fingerprint);
    expect(ends.server.fingerprint).toBe(other.fingerprint);
  });

  it('is refused once the server is closed, also while it is under way', async () => {
    const { server } = await pairs({ authorizedKeys: { path } });
    const before = server.fingerprint;
    const identity = await Identity.generate({ modulusLength: 2048 });
    const late = rejection(server.reload({ identity }));
    await server.close({ timeout: 50 });
    expect((await late).code).toBe('CLOSED');
    expect(server.fingerprint).toBe(before);
    await expect(server.reload({ identity })).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('leaves the ticket keys of the identity before to the handshakes that have begun, and to no others', async () => {
    const server = await startListening('sealed', { handshakeTimeout: 300 });
    open.push(server);
    const sessions = new Sessions();
    const visitServer = async (): Promise<boolean> => {
      await using client = new SecureClient({ verifyServer: () => true, sessions });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      const accepted = await server.accept();
      await accepted.send(Uint8Array.of(1));
      await client.recv();
      return client.resumed;
    };
    expect(await visitServer()).toBe(false);
    const closed = vi.spyOn(TicketKeys.prototype, 'close');
    for (let i = 0; i < 3; i++)
      await server.reload({ identity: await Identity.generate({ modulusLength: 2048 }) });
    expect(await visitServer()).toBe(false);
    expect(await visitServer()).toBe(true);
    await expect.poll(() => closed.mock.calls.length).toBe(3);
    await server.close();
    expect(closed).toHaveBeenCalledTimes(4);
    closed.mockRestore();
  });

  it('refuses what is no identity of a server, and a server that does not listen', async () => {
    const { server } = await pairs({ authorizedKeys: { path } });
    const before = server.fingerprint;
    await expect(server.reload({ identity: ann })).rejects.toMatchObject({ code: 'BAD_IDENTITY' });
    await expect(server.reload({ identity: 7 as never })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(server.reload({ identities: ann } as never)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(server.fingerprint).toBe(before);
    await expect(new SecureServer().reload()).rejects.toMatchObject({ code: 'NOT_LISTENING' });
  });
});

it('disconnectRevoked needs authorised keys', () => {
  expect(() => new SecureServer({ disconnectRevoked: true, verifyClient: () => true })).toThrow(
    'authorizedKeys',
  );
});
