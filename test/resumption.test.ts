import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type ClientOptions, reconnecting, SecureClient, Sessions } from 'secure-sockets';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { sessionsAccess } from '../src/sessions/access.js';
import { keep } from './helpers/kept.js';
import { clientOf, rejection } from './helpers/sockets.js';
import { identity, local, other, serve, visit, visits } from './helpers/visits.js';

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-resumption-'));

afterAll(() => rmSync(folder, { recursive: true }));

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
