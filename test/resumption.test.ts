import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  type Backend,
  type ClientOptions,
  Identity,
  reconnecting,
  SecureClient,
  type SecureServer,
  type ServerOptions,
  Sessions,
} from 'secure-sockets';
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { sodium } from 'secure-sockets/backends/sodium';
import { web } from 'secure-sockets/backends/web';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isLacking } from '../src/core/sealed/suites.js';
import { sessionsAccess } from '../src/sessions/access.js';
import { clientOf, identityFor, portOf, rejection, startListening } from './helpers/sockets.js';

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-resumption-'));
afterAll(() => rmSync(folder, { recursive: true }));
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

let identity: Identity;
let other: Identity;
beforeAll(async () => {
  identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
  other = await Identity.generate({ role: 'client', modulusLength: 2048 });
});

const local = (server: SecureServer): { port: number; host: string } => ({
  port: portOf(server),
  host: '127.0.0.1',
});

/** Connects, has both ends send and receive a message, and closes. */
async function visit(
  server: SecureServer,
  options: ClientOptions,
  to: { port: number; host: string } = local(server),
): Promise<{ client: SecureClient; peer: SecureClient }> {
  const client = clientOf(server, options);
  const accepted = server.accept();
  accepted.catch(() => {});
  await client.connect(to);
  const peer = await accepted;
  await client.send(Buffer.from('there'));
  await peer.send(Buffer.from('back'));
  expect(String(Buffer.from((await peer.recv()) as Uint8Array))).toBe('there');
  expect(String(Buffer.from((await client.recv()) as Uint8Array))).toBe('back');
  const context = Buffer.from('context');
  expect(client.exportKey('label', context, 40)).toEqual(peer.exportKey('label', context, 40));
  client.rekey();
  peer.rekey();
  await client.send(Buffer.from('again'));
  await peer.send(Buffer.from('again'));
  expect((await client.recv())?.length).toBe(5);
  expect((await peer.recv())?.length).toBe(5);
  await Promise.all([client.close(), peer.close()]);
  expect([client.closeCode, peer.closeCode]).toEqual([0, 0]);
  expect(peer.resumed).toBe(client.resumed);
  return { client, peer };
}

const resumptionsOf = async (...visits: Promise<{ client: SecureClient }>[]): Promise<boolean[]> =>
  (await Promise.all(visits)).map(({ client }) => client.resumed);

/** Visits one after the other, and which of them were resumed. */
async function visits(server: SecureServer, ...options: ClientOptions[]): Promise<boolean[]> {
  const seen: boolean[] = [];
  for (const each of options) seen.push(...(await resumptionsOf(visit(server, each))));
  return seen;
}

const serve = async (options: ServerOptions = {}): Promise<SecureServer> =>
  keep(await startListening('sealed', options));

describe('a client with sessions', () => {
  it('resumes, without RSA at either end, and knows the same peer', async () => {
    const server = await serve();
    const sessions = new Sessions();
    const first = await visit(server, { sessions });
    expect(first.client.resumed).toBe(false);
    expect(sessions.size).toBe(2);
    expect(server.stats.privateKeyOperations).toBe(1);
    for (let i = 0; i < 5; i++) {
      const { client } = await visit(server, { sessions });
      expect(client.resumed).toBe(true);
      expect(client.peer).toEqual(first.client.peer);
      expect(client.suite).toBe(first.client.suite);
    }
    expect(server.stats.privateKeyOperations).toBe(1);
    expect(sessions.size).toBe(2);
  });

  it('asks for nothing without them', async () => {
    const server = await serve();
    expect(await visits(server, {}, {})).toEqual([false, false]);
  });

  it('uses a ticket once, and falls back to a full handshake when none is left', async () => {
    const server = await serve();
    const sessions = new Sessions();
    await visit(server, { sessions });
    const four = [1, 2, 3, 4].map(() => clientOf(server, { sessions }));
    const accepting = four.map(() => server.accept());
    await Promise.all(four.map((client) => client.connect(local(server))));
    expect(four.map(({ resumed }) => resumed).sort()).toEqual([false, false, true, true]);
    for (const peer of await Promise.all(accepting)) peer.destroy();
    for (const client of four) client.destroy();
  });

  it('with an identity stays the client that it was, and each identity has its own tickets', async () => {
    const server = await serve({
      authorizedKeys: [identity.fingerprint, other.fingerprint],
    });
    const sessions = new Sessions();
    const first = await visit(server, { sessions, identity });
    const second = await visit(server, { sessions, identity });
    expect(second.client.resumed).toBe(true);
    expect(second.peer.peer).toEqual(first.peer.peer);
    expect(second.peer.peer?.fingerprint).toBe(identity.fingerprint);
    const visitor = await visit(server, { sessions, identity: other });
    expect(visitor.client.resumed).toBe(false);
    expect(visitor.peer.peer?.fingerprint).toBe(other.fingerprint);
  });

  it('resumes only with whom it dials, however the host is spelled', async () => {
    const server = await serve();
    const sessions = new Sessions();
    await visit(server, { sessions });
    const { port } = local(server);
    const elsewhere = await visit(server, { sessions }, { port, host: 'localhost' });
    expect(elsewhere.client.resumed).toBe(false);
    const spelled = await visit(server, { sessions }, { port, host: 'LOCALHOST' });
    expect(spelled.client.resumed).toBe(true);
  });

  it('does not resume where trust was withdrawn', async () => {
    const server = await serve();
    const sessions = new Sessions();
    let trusted = true;
    let asked = 0;
    const options = (): ClientOptions => ({
      sessions,
      verifyServer: () => {
        asked++;
        return trusted;
      },
    });
    const connect = async (): Promise<SecureClient> => {
      const client = new SecureClient(options());
      const accepted = server.accept();
      accepted.catch(() => {});
      await client.connect(local(server));
      const peer = await accepted;
      await peer.send(Uint8Array.of(1));
      await client.recv();
      await client.close();
      return client;
    };
    expect((await connect()).resumed).toBe(false);
    expect((await connect()).resumed).toBe(true);
    expect(asked).toBe(2);
    trusted = false;
    const left = sessions.size;
    const error = await rejection(connect());
    expect(error.code).toBe('UNTRUSTED_SERVER');
    // neither was the ticket offered
    expect(sessions.size).toBe(left);
  });

  it.each(['serverKey', 'knownHosts'] as const)(
    'offers no ticket where %s does not have the server any more',
    async (rule) => {
      const server = await serve();
      const sessions = new Sessions();
      const path = join(folder, `${rule}.known-hosts`);
      void (async () => {
        for await (const peer of server) void peer.send(Uint8Array.of(1)).then(() => peer.recv());
      })();
      const connect = async (trust: object): Promise<boolean> => {
        const client = new SecureClient({ sessions, closeTimeout: 1000, ...trust } as ClientOptions);
        await client.connect(local(server));
        await client.recv();
        await client.close();
        return client.resumed;
      };
      const trusting: object =
        rule === 'serverKey'
          ? { serverKey: [other.fingerprint, server.fingerprint] }
          : { knownHosts: { path, mode: 'tofu' } };
      expect([await connect(trusting), await connect(trusting)]).toEqual([false, true]);
      const known = rule === 'knownHosts' ? await readFile(path, 'utf8') : '';
      if (rule === 'knownHosts') await writeFile(path, '');
      const left = sessions.size;
      const withdrawn = rule === 'serverKey' ? { serverKey: other.fingerprint } : { knownHosts: path };
      const error = await rejection(connect(withdrawn));
      expect(error.code).toBe('UNTRUSTED_SERVER');
      expect(sessions.size).toBe(left);
      if (rule === 'knownHosts') await writeFile(path, known);
      expect(await connect(trusting)).toBe(true);
    },
  );

  it('gives a ticket up with the CLIENT_HELLO that carries it, whatever becomes of that', async () => {
    const server = await serve();
    const sessions = new Sessions();
    await visit(server, { sessions });
    expect(sessions.size).toBe(2);
    const deaf = createServer((socket) => socket.once('data', () => socket.destroy()));
    keep(deaf);
    const { port, host } = local(server);
    await server.close();
    deaf.listen(port, host);
    await once(deaf, 'listening');
    const error = await rejection(clientOf(server, { sessions }).connect({ port, host }));
    expect(error).toBeInstanceOf(Error);
    expect(sessions.size).toBe(1);
  });

  it('knows when a chain began however often it is resumed', async () => {
    const server = await serve();
    const sessions = new Sessions();
    const keep = vi.spyOn(sessionsAccess, 'keep');
    const now = vi.spyOn(Date, 'now');
    const begun = Date.now();
    for (const hours of [0, 1, 2]) {
      now.mockReturnValue(begun + hours * 3_600_000);
      const { client } = await visit(server, { sessions });
      expect(client.resumed).toBe(hours > 0);
    }
    now.mockRestore();
    expect(keep.mock.calls.map(([, , , since]) => since - begun)).toEqual([0, 0, 0, 0]);
    keep.mockRestore();
  });

  it('shows nothing of its tickets, and forgets them when told to', async () => {
    const server = await serve();
    const sessions = new Sessions();
    await visit(server, { sessions });
    expect(`${inspect(sessions, { depth: 9, showHidden: true })}${JSON.stringify(sessions)}`).not.toMatch(
      /psk|ticket|Uint8Array/,
    );
    sessions.clear();
    expect(sessions.size).toBe(0);
    expect(await visits(server, { sessions })).toEqual([false]);
  });

  it('comes back with tickets on its own where it reconnects', async () => {
    const server = await serve();
    void (async () => {
      for await (const peer of server) void peer.send(Uint8Array.of(1)).then(() => peer.recv());
    })();
    const seen: boolean[] = [];
    const options = { initialDelay: 1, maxDelay: 1 };
    for await (const client of reconnecting(local(server), { serverKey: server.fingerprint }, options)) {
      await client.recv();
      seen.push(client.resumed);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([false, true, true]);
  });
});

describe('a server', () => {
  it('takes tickets only of its own key', async () => {
    const key = randomBytes(32);
    const ticketKeys = [key];
    const identityOfOther = await Identity.generate({ modulusLength: 2048 });
    const [one, another] = [
      await serve({ ticketKeys }),
      await serve({ ticketKeys, identity: identityOfOther }),
    ];
    const sessions = new Sessions();
    await visit(one, { sessions });
    const trusting = { serverKey: [one.fingerprint, another.fingerprint] };
    expect((await visit(one, { sessions, ...trusting })).client.resumed).toBe(true);
    // another server on the same address
    const { port } = local(one);
    await one.close();
    const moved = keep(await listenAt(port, { ticketKeys, identity: identityOfOther }));
    const { client } = await visit(moved, { sessions, ...trusting });
    expect(client.resumed).toBe(false);
    expect(client.peer?.fingerprint).toBe(identityOfOther.fingerprint);
  });

  it('takes tickets of another process with its ticket keys, and none under keys that it does not have', async () => {
    const [old, young, strange] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const sessions = new Sessions();
    const first = await serve({ ticketKeys: [old] });
    const { port } = local(first);
    await visit(first, { sessions });
    await first.close();
    // rotated: the old one is still taken, and the young one encrypts
    const second = keep(await listenAt(port, { ticketKeys: [young, old] }));
    expect(await visits(second, { sessions })).toEqual([true]);
    await second.close();
    const third = keep(await listenAt(port, { ticketKeys: [strange] }));
    expect(await visits(third, { sessions }, { sessions })).toEqual([false, true]);
  });

  it('gives and takes none with ticketLifetime 0, and none that is older than ticketLifetime', async () => {
    const sessions = new Sessions();
    expect(await visits(await serve({ ticketLifetime: 0 }), { sessions }, { sessions })).toEqual([
      false,
      false,
    ]);
    expect(sessions.size).toBe(0);
    const brief = await serve({ ticketLifetime: 1500 });
    expect(await visits(brief, { sessions }, { sessions })).toEqual([false, true]);
    await new Promise((resolve) => setTimeout(resolve, 1600));
    expect(sessions.size).toBe(0);
    expect(await visits(brief, { sessions })).toEqual([false]);
  });

  it('asks anew whether a client is let in, and refuses in a full handshake who is not', async () => {
    const admitted = new Set([identity.fingerprint]);
    const server = await serve({ verifyClient: (_, fingerprint) => admitted.has(fingerprint) });
    const sessions = new Sessions();
    expect(await visits(server, { sessions, identity }, { sessions, identity })).toEqual([false, true]);
    admitted.clear();
    const error = await rejection(clientOf(server, { sessions, identity }).connect(local(server)));
    expect(error.code).toBe('UNAUTHORIZED_CLIENT');
    await expect.poll(() => server.stats.rejected).toEqual({ UNAUTHORIZED_CLIENT: 1 });
  });

  it.each([
    ['none', { clientAuth: 'none' }, null],
    ['required', { authorizedKeys: 'all' }, 'identity'],
  ] as const)('that has come to ask for %s does not resume what does not fit', async (_, wanted, shown) => {
    const ticketKeys = [randomBytes(32)];
    const keys = [identity.fingerprint];
    const sessions = new Sessions();
    const before = await serve({
      ticketKeys,
      ...(shown === null ? { authorizedKeys: keys } : { authorizedKeys: keys, clientAuth: 'optional' }),
    });
    const { port } = local(before);
    await visit(before, shown === null ? { sessions, identity } : { sessions });
    await before.close();
    const now = keep(
      await listenAt(port, {
        ticketKeys,
        ...('clientAuth' in wanted ? { clientAuth: 'none' } : { authorizedKeys: keys }),
      }),
    );
    if (shown === null) {
      const { client, peer } = await visit(now, { sessions, identity });
      expect([client.resumed, peer.peer]).toEqual([false, null]);
    } else {
      const error = await rejection(clientOf(now, { sessions }).connect(local(now)));
      expect(error.code).toBe('UNAUTHORIZED_CLIENT');
    }
  });
});

describe('every pair of backends resumes, over every suite', () => {
  const backends: readonly Backend[] = [node, sodium, web, noble, forge];
  const suites = ['X25519', 'X25519MLKEM768', 'X25519-CHACHA20', 'X25519MLKEM768-CHACHA20'] as const;
  const cases = backends.flatMap((there) =>
    backends.map((here) => [here.name, there.name, here, there] as const),
  );
  it.each(cases)('%s with %s', async (_, __, here, there) => {
    const common = suites.filter((suite) => !isLacking(suite, here) && !isLacking(suite, there));
    for (const suite of common) {
      const server = await serve({
        backend: there,
        suites: common,
        authorizedKeys: [identity.fingerprint],
      });
      const sessions = new Sessions();
      const options = { sessions, identity, backend: here };
      // any suite resumes any ticket
      const next = common[(common.indexOf(suite) + 1) % common.length] as (typeof common)[number];
      expect(await visits(server, { ...options, suites: [suite] }, { ...options, suites: [next] })).toEqual([
        false,
        true,
      ]);
      await server.close();
    }
  });
});

async function listenAt(port: number, options: ServerOptions): Promise<SecureServer> {
  const { SecureServer: Server } = await import('secure-sockets');
  const server = new Server({ identity: await identityFor('sealed'), closeTimeout: 1000, ...options });
  await server.listen({ port, host: '127.0.0.1' });
  return server;
}
