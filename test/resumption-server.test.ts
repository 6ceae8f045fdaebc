import { randomBytes } from 'node:crypto';
import { type Backend, Identity, type SecureServer, type ServerOptions, Sessions } from 'secure-sockets';
import { forge } from 'secure-sockets/backends/forge';
import { noble } from 'secure-sockets/backends/noble';
import { node } from 'secure-sockets/backends/node';
import { sodium } from 'secure-sockets/backends/sodium';
import { web } from 'secure-sockets/backends/web';
import { describe, expect, it, vi } from 'vitest';
import { isLacking } from '../src/core/sealed/suites.js';
import { TicketKeys } from '../src/sessions/ticket-keys.js';
import { keep } from './helpers/kept.js';
import { clientOf, identityFor, rejection } from './helpers/sockets.js';
import { identity, local, serve, visit, visits } from './helpers/visits.js';

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

  it('forgets its ticket keys when it is closed', async () => {
    const forget = vi.spyOn(TicketKeys.prototype, 'close');
    const server = await serve();
    expect(forget).not.toHaveBeenCalled();
    await server.close();
    expect(forget).toHaveBeenCalledOnce();
    forget.mockRestore();
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
