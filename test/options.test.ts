import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { noble } from '../backends/noble.js';
import { node } from '../backends/node.js';
import {
  type Backend,
  Identity,
  type SealedServerOptions,
  SecureClient,
  SecureServer,
  type ServerOptions,
  Sessions,
  type SuiteName,
} from '../src/index.js';
import { identityFor } from './helpers/sockets.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function fileWith(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'options-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a file');
  writeFileSync(path, text);
  return path;
}

const pin = `SHA256:${'A'.repeat(43)}`;

function refusal(make: () => unknown): Error & { code?: string } {
  try {
    make();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}

describe('lists', () => {
  const inEach = [
    ['serverKey', () => new SecureClient({ serverKey: withHole(pin) })],
    ['suites', () => new SecureClient({ suites: withHole<SuiteName>('X25519') })],
    ['suites', () => new SecureServer({ suites: withHole<SuiteName>('X25519') })],
    ['authorizedKeys', () => new SecureServer({ authorizedKeys: withHole(pin) })],
    ['ticketKeys', () => new SecureServer({ ticketKeys: withHole(new Uint8Array(32)) })],
  ] as const;
  it.each(inEach)('%s has no holes', (name, make) => {
    expect(refusal(make)).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining(name) });
  });

  /** What a program gets that writes `[, one]`, or deletes an element. */
  function withHole<One>(one: One): One[] {
    const list: One[] = [];
    list[1] = one;
    return list;
  }
});

describe('suites', () => {
  const backend: Backend = { ...node, name: 'mine', lacks: ['chaCha20Poly1305'] };
  const suites = ['X25519', 'X25519-CHACHA20', 'X25519MLKEM768-CHACHA20'] as const;
  const problem = {
    code: 'BAD_OPTION',
    message: expect.stringMatching(/mine has no cipher for X25519-CHACHA20, X25519MLKEM768-CHACHA20 here/),
  };

  it('that the backend has no cipher for are refused at either end before there is a connection', () => {
    expect(refusal(() => new SecureServer({ backend, suites }))).toMatchObject(problem);
    expect(refusal(() => new SecureClient({ backend, suites }))).toMatchObject(problem);
  });

  it('that it has a cipher for are taken, and all of them by a backend that lacks nothing', () => {
    new SecureServer({ backend, suites: ['X25519', 'X25519MLKEM768'] });
    new SecureClient({ backend, suites: ['X25519'] });
    new SecureClient({ backend: noble, suites });
  });
});

it('ticketKeys may be bytes of another realm, as of a test runner, and are nothing else', () => {
  const ticketKeys = [runInNewContext('new Uint8Array(32)')];
  expect(new SecureServer({ ticketKeys })).toBeInstanceOf(SecureServer);
  const wrong = [new Uint8Array(31), new ArrayBuffer(32), 'k'.repeat(32), new Uint16Array(32)];
  for (const keys of [[], ...wrong.map((one) => [one])])
    expect(refusal(() => new SecureServer({ ticketKeys: keys as never })).message).toMatch(/32 random bytes/);
});

describe('authorizedKeys', () => {
  it.each([
    ['a word', 'alice'],
    ['a path', './authorized_keys'],
    ['a fingerprint cut short', pin.slice(0, -1)],
    ['a list with a word', [pin, 'alice']],
    ['a list with one key twice', [pin, pin]],
    ['an empty list', []],
    ['a list of numbers', [1]],
    ['an empty path', { path: '' }],
    ['no path', {}],
    ['a path and more', { path: 'a', mode: 'strict' }],
    ['a URL that is no file', new URL('https://example.com/keys')],
    ['a number', 5],
  ])('refuses %s when the server is made', (_, authorizedKeys) => {
    const error = refusal(() => new SecureServer({ authorizedKeys } as ServerOptions));
    expect(error.code).toBe('BAD_OPTION');
    expect(error.message).toMatch(/authorizedKeys/);
  });

  it('says that an empty list is empty', () => {
    expect(refusal(() => new SecureServer({ authorizedKeys: [] })).message).toMatch(/not an empty array$/);
  });

  it('takes text for a fingerprint, and a file as { path } or as its URL', async () => {
    const alice = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const identity = await Identity.generate({ modulusLength: 2048 });
    const path = fileWith(`${alice.fingerprint} alice\n`);
    const ways: SealedServerOptions['authorizedKeys'][] = [
      `${alice.fingerprint} alice`,
      [`${alice.fingerprint} alice`],
      { path },
      { path: pathToFileURL(path) },
      pathToFileURL(path),
    ];
    for (const authorizedKeys of ways) {
      const server = new SecureServer({ identity, authorizedKeys } as ServerOptions);
      await server.listen({ host: '127.0.0.1', port: 0 });
      cleanups.push(() => server.close());
      const client = new SecureClient({ serverKey: server.fingerprint, identity: alice });
      await client.connect(server.address);
      cleanups.push(() => client.destroy());
      expect((await server.accept()).peer?.name).toBe('alice');
    }
  });
});

describe('knownHosts', () => {
  it.each([
    ['a fingerprint', pin],
    ['an unknown mode', { path: 'a', mode: 'lax' }],
    ['no path', { mode: 'tofu' }],
    ['a URL that is no file', new URL('https://example.com/hosts')],
  ])('refuses %s when the client is made', (_, knownHosts) => {
    expect(refusal(() => new SecureClient({ knownHosts } as never)).code).toBe('BAD_OPTION');
  });

  it('takes a path, { path } and the URL of a file', async () => {
    const identity = await Identity.generate({ modulusLength: 2048 });
    const server = new SecureServer({ identity });
    await server.listen({ host: '127.0.0.1', port: 0 });
    cleanups.push(() => server.close());
    if (!('port' in server.address)) throw new Error('no port');
    const path = fileWith(`127.0.0.1 ${server.address.port} ${server.fingerprint}\n`);
    for (const knownHosts of [path, { path }, { path: pathToFileURL(path) }, pathToFileURL(path)]) {
      const client = new SecureClient({ knownHosts });
      await client.connect(server.address);
      cleanups.push(() => client.destroy());
      expect(client.peer?.fingerprint).toBe(server.fingerprint);
    }
  });
});

it('lists are read once: later changes have no effect', async () => {
  const identity = await identityFor('sealed');
  const [suites, serverKey] = [['X25519'] as SuiteName[], [identity.fingerprint]];
  const ticketKeys = [new Uint8Array(32).fill(1)];
  const server = new SecureServer({ identity, suites, ticketKeys });
  const sessions = new Sessions();
  const client = new SecureClient({ suites, serverKey, sessions });
  suites.length = serverKey.length = 0;
  ticketKeys[0]?.fill(0);
  const address = { port: await connectOnce(server, client, 0), host: '127.0.0.1' };
  expect([client.suite, sessions.size]).toEqual(['X25519', 2]);
  const again = new SecureServer({ identity, ticketKeys: [new Uint8Array(32).fill(1)] });
  const other = new SecureClient({ serverKey: identity.fingerprint, sessions });
  await connectOnce(again, other, address.port);
  expect(other.resumed).toBe(true);
});

/** The port. The server's tickets have come by then. */
async function connectOnce(server: SecureServer, client: SecureClient, port: number): Promise<number> {
  await server.listen({ port, host: '127.0.0.1' });
  await client.connect(server.address);
  const peer = await server.accept();
  await peer.send(new Uint8Array(1));
  await client.recv();
  client.destroy();
  const { port: used } = server.address as { port: number };
  await server.close({ timeout: 100 });
  return used;
}
