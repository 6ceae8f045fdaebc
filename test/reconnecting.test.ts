// reconnecting(). One file, because it is one function, tried with a clock of its own and without.

import { getEventListeners, once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import {
  type ClientOptions,
  type ReconnectOptions,
  reconnecting,
  type SecureClient,
  SecureServer,
  type TcpAddress,
} from 'secure-sockets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { reconnect } from '../src/client/reconnecting.js';
import { identityFor, portOf, protocols, rejection, startListening } from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

/** Nothing listens there, which shows at once, without a name lookup. */
const nowhere = { path: '/nonexistent/secure-sockets' };
const trusting: ClientOptions = { verifyServer: () => true };

describe('waits', () => {
  let chance: number;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    chance = 0;
    vi.spyOn(Math, 'random').mockImplementation(() => chance);
  });

  /** Lets what does not wait for a clock go on until then. */
  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise(setImmediate);
  }

  /** The waits before the second to the `count`th attempt, each of them seen to be waited for. */
  async function waitsOf(count: number, options: ReconnectOptions = {}): Promise<number[]> {
    const waits: number[] = [];
    const controller = new AbortController();
    const onError = (error: unknown, delay: number): void => {
      expect((error as { code?: string }).code).toBe('ENOENT');
      waits.push(delay);
    };
    const iteration = reconnecting(nowhere, trusting, { ...options, onError, signal: controller.signal });
    const ended = rejection(iteration.next());
    for (let made = 1; ; made++) {
      await until(() => waits.length === made);
      const delay = waits.at(-1) as number;
      // the client that failed is closed, and then the wait begins
      await until(() => vi.getTimerCount() === 1);
      if (made === count) break;
      await vi.advanceTimersByTimeAsync(Math.floor(delay) - 1);
      expect(waits.length).toBe(made);
      await vi.advanceTimersToNextTimerAsync();
    }
    controller.abort(new Error('enough'));
    expect((await ended).message).toBe('enough');
    expect(vi.getTimerCount()).toBe(0);
    return waits;
  }

  it('begin with a quarter of a second and double up to half a minute', async () => {
    expect(await waitsOf(10)).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('begin and end where they are told to', async () => {
    expect(await waitsOf(4, { initialDelay: 10, maxDelay: 35 })).toEqual([10, 20, 35, 35]);
    expect(await waitsOf(2, { initialDelay: 100, maxDelay: 50 })).toEqual([50, 50]);
  });

  it('are shortened by chance, to a half at most', async () => {
    chance = 0.999_999;
    expect(await waitsOf(2, { initialDelay: 1000 })).toEqual([500, 1000]);
    chance = 0.5;
    expect(await waitsOf(2, { initialDelay: 1000 })).toEqual([750, 1500]);
  });
});

it.each<[ReconnectOptions, string]>([
  [{ initialDelay: 0 }, 'initialDelay'],
  [{ initialDelay: 1.5 }, 'initialDelay'],
  [{ maxDelay: Number.NaN }, 'maxDelay'],
  [{ maxDelay: 2 ** 31 }, 'maxDelay'],
  [{ onError: 'log' as never }, 'onError'],
])('the option %j is refused', async (options, name) => {
  const error = await rejection(reconnecting(nowhere, trusting, options).next());
  expect(error.code).toBe('BAD_OPTION');
  expect(error.message).toContain(`${name} of reconnecting() must be`);
});

describe.each(protocols)('%s', (protocol) => {
  async function clientOptions(): Promise<ClientOptions> {
    const { fingerprint } = await identityFor(protocol);
    const settle = protocol === 'classic' ? { settleMs: 0 } : {};
    return { protocol, serverKey: fingerprint, closeTimeout: 1000, ...settle };
  }

  /** A server, on a port where another one was before, which does so with each client. */
  async function startServer(
    act: (client: SecureClient) => Promise<unknown>,
    port = 0,
  ): Promise<SecureServer> {
    const server = new SecureServer({ protocol, identity: await identityFor(protocol), closeTimeout: 1000 });
    await server.listen({ host: '127.0.0.1', port });
    open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 1 }) });
    void (async () => {
      for await (const client of server) void act(client).catch(() => client.destroy());
    })();
    return server;
  }

  const echo = async (client: SecureClient): Promise<void> => {
    for await (const message of client) await client.send(message);
  };
  const to = (server: SecureServer): TcpAddress => ({ host: '127.0.0.1', port: portOf(server) });

  it('gives one client after the other, the one before closed', async () => {
    const server = await startServer(echo);
    const clients: SecureClient[] = [];
    for await (const client of reconnecting(to(server), await clientOptions(), { initialDelay: 1 })) {
      for (const before of clients) expect((await rejection(before.send(bytes('late')))).code).toBe('CLOSED');
      clients.push(client);
      await client.send(bytes(`hello ${clients.length}`));
      expect(text(await client.recv())).toBe(`hello ${clients.length}`);
      if (clients.length === 3) break;
    }
    const last = clients[2] as SecureClient;
    expect((await rejection(last.send(bytes('late')))).code).toBe('CLOSED');
    expect(server.stats.handshakesCompleted).toBe(3);
  });

  it('closes the client in order when the body throws, and passes the error on', async () => {
    const ends: unknown[] = [];
    const server = await startServer(async (client) => {
      ends.push(text(await client.recv()));
      ends.push(await client.recv());
    });
    const mistake = new Error('a mistake of the program');
    const loop = async (): Promise<void> => {
      for await (const client of reconnecting(to(server), await clientOptions())) {
        await client.send(bytes('before'));
        throw mistake;
      }
    };
    expect(await rejection(loop())).toBe(mistake);
    await expect.poll(() => ends).toEqual(['before', null]);
    expect(server.stats.handshakesCompleted).toBe(1);
  });

  // defence: leaving the loop closes, and does not wait for the peer's end
  it.each(['throws', 'breaks'])('does not wait for a peer that stays when the body %s', async (way) => {
    const server = await startServer(() => new Promise(() => {}));
    const mistake = new Error('a mistake of the program');
    const loop = async (): Promise<SecureClient> => {
      const options = { ...(await clientOptions()), closeTimeout: 60_000 };
      for await (const client of reconnecting(to(server), options)) {
        // what the server does not read keeps it from seeing the end
        for (let i = 0; i < 30; i++) void client.send(new Uint8Array(1_000_000));
        if (way === 'throws') throw mistake;
        return client;
      }
      throw new Error('the loop is endless');
    };
    const begun = performance.now();
    if (way === 'throws') expect(await rejection(loop())).toBe(mistake);
    else expect((await rejection((await loop()).send(bytes('late')))).code).toBe('CLOSED');
    expect(performance.now() - begun).toBeLessThan(20_000);
    await server.close({ timeout: 1 });
  });

  it('waits for a server to start, and goes on with the next one on the same port', async () => {
    const first = await startServer(echo);
    const address = to(first);
    await first.close();
    const refused: (string | undefined)[] = [];
    let server: SecureServer | undefined;
    const replies: unknown[] = [];
    for await (const client of reconnecting(address, await clientOptions(), {
      initialDelay: 5,
      maxDelay: 50,
      onError: (error) => {
        refused.push((error as NodeJS.ErrnoException).code);
        if (refused.length % 3 === 0)
          void startServer(echo, address.port).then((started) => {
            server = started;
          });
      },
    })) {
      await client.send(bytes(`round ${replies.length}`));
      replies.push(text(await client.recv()));
      if (replies.length === 3) break;
      await server?.close({ timeout: 1 });
      expect(await client.recv().catch((error) => error.code)).toSatisfy(
        (end) => end === null || end === 'TRUNCATED',
      );
    }
    expect(replies).toEqual(['round 0', 'round 1', 'round 2']);
    expect(refused.length).toBeGreaterThanOrEqual(9);
    expect(new Set(refused)).toEqual(new Set(['ECONNREFUSED']));
  });

  it.each([
    ['a connection that broke at once lengthens the wait', 0, [80, 160, 640]],
    ['a connection that lived starts it anew', 321, [80, 160, 40]],
  ])('%s', async (_, lifetime, delays) => {
    // time passes for lifetimes alone
    vi.useFakeTimers({ toFake: ['performance'] });
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const server = await startServer(async (client) => client.destroy());
    const address = to(server);
    const waits: number[] = [];
    const times: number[] = [];
    for await (const _client of reconnecting(address, await clientOptions(), {
      initialDelay: 20,
      onError: (_error, delay) => {
        waits.push(delay);
        if (waits.length === 2) void startServer(echo, address.port);
        if (waits.length === 3) void startServer(echo, address.port);
      },
    })) {
      times.push(Date.now());
      // two that broke, two that were refused, one that lives or not, one that was refused, and one more
      if (times.length === 2) await server.close({ timeout: 1 });
      if (times.length === 3) {
        vi.advanceTimersByTime(lifetime);
        await Promise.all(open.map((resource) => resource[Symbol.asyncDispose]()));
      }
      if (times.length === 4) break;
    }
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(19);
    expect(waits).toEqual(delays);
  });

  describe('ends with what another attempt would not change:', () => {
    const attempt = async (
      address: TcpAddress,
      options: ClientOptions,
    ): Promise<Error & { code?: string }> => {
      const errors: unknown[] = [];
      const iteration = reconnecting(address, options, { onError: (error) => errors.push(error) });
      const error = await rejection(iteration.next());
      expect(errors).toEqual([]);
      expect(await iteration.next()).toMatchObject({ done: true });
      return error;
    };

    it('another server', async () => {
      const server = await startServer(echo);
      const options = { ...(await clientOptions()), serverKey: `SHA256:${'A'.repeat(43)}` };
      expect((await attempt(to(server), options)).code).toBe('UNTRUSTED_SERVER');
    });

    it('a wrong option or address', async () => {
      const server = await startServer(echo);
      const options = await clientOptions();
      expect((await attempt(to(server), { ...options, maxMessage: 1 })).code).toBe('BAD_OPTION');
      expect((await attempt({ port: -1 }, options)).code).toBe('BAD_ARGUMENT');
    });

    if (protocol === 'sealed') {
      it('no trust', async () => {
        const server = await startServer(echo);
        expect((await attempt(to(server), {})).code).toBe('NO_TRUST');
      });

      it('a client that is not let in', async () => {
        const server = await startListening(protocol, { authorizedKeys: [`SHA256:${'A'.repeat(43)}`] });
        open.push(server);
        expect((await attempt(to(server), await clientOptions())).code).toBe('UNAUTHORIZED_CLIENT');
      });

      it('a server of something else', async () => {
        const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(20)));
        other.listen(0, '127.0.0.1');
        await once(other, 'listening');
        const { port } = other.address() as AddressInfo;
        expect((await attempt({ host: '127.0.0.1', port }, await clientOptions())).code).toBe('NOT_SEALED');
        other.close();
      });
    }
  });

  describe('ends with the reason of its signal', () => {
    const reason = new Error('enough');

    it('before it begins', async () => {
      const server = await startServer(echo);
      const iteration = reconnecting(to(server), await clientOptions(), {
        signal: AbortSignal.abort(reason),
      });
      expect(await rejection(iteration.next())).toBe(reason);
      expect(server.stats.handshakesCompleted).toBe(0);
    });

    it('during a handshake', async () => {
      const silent = createServer(() => controller.abort(reason)).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const controller = new AbortController();
      const address = { host: '127.0.0.1', port: (silent.address() as AddressInfo).port };
      const iteration = reconnecting(address, await clientOptions(), { signal: controller.signal });
      expect(await rejection(iteration.next())).toBe(reason);
      silent.close();
    });

    it('while a client is in use, which is destroyed', async () => {
      const server = await startServer(echo);
      const controller = new AbortController();
      let ended: unknown;
      const loop = async (): Promise<void> => {
        const { signal } = controller;
        for await (const client of reconnecting(to(server), await clientOptions(), { signal })) {
          setTimeout(() => controller.abort(reason), 20);
          ended = await client.recv().catch((error) => error);
        }
      };
      expect(await rejection(loop())).toBe(reason);
      expect(ended).toBe(reason);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });

    it('between connecting and the body of the loop', async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const closed: unknown[] = [];
      const client = { destroy: (error: Error) => closed.push(error), close: async () => {} };
      const attempts = { client: () => client as never, connect: async () => controller.abort(reason) };
      const iteration = reconnect(attempts, { signal: controller.signal });
      expect(await rejection(iteration.next())).toBe(reason);
      expect(closed).toEqual([reason]);
    });

    // a package for platforms without AbortSignal has no more of it
    it('that has only what every signal has', async () => {
      const { signal, ...controller } = { signal: new EventTarget(), reason: new Error('enough') };
      const bare = Object.assign(signal, { aborted: false, reason: undefined as unknown });
      const attempted = vi.fn(() => {
        Object.assign(bare, { aborted: attempted.mock.calls.length === 2, reason: controller.reason });
      });
      const options = { signal: bare as never, initialDelay: 1, onError: attempted };
      const iteration = reconnecting(
        { path: '/nonexistent/secure-sockets' },
        { verifyServer: () => true },
        options,
      );
      expect(await rejection(iteration.next())).toBe(controller.reason);
      expect(attempted).toHaveBeenCalledTimes(2);
    });

    // defence: the wait for the peer's end is the signal's as well
    it('while the client before waits for a peer that stays', async () => {
      const server = await startServer(() => new Promise(() => {}));
      const controller = new AbortController();
      const options = { ...(await clientOptions()), closeTimeout: 60_000 };
      const clients: SecureClient[] = [];
      const loop = async (): Promise<void> => {
        const { signal } = controller;
        for await (const client of reconnecting(to(server), options, { signal })) {
          clients.push(client);
          // what the server does not read keeps it from seeing the end
          for (let i = 0; i < 30; i++) void client.send(new Uint8Array(1_000_000)).catch((error) => error);
          setTimeout(() => controller.abort(reason), 200);
        }
      };
      const begun = performance.now();
      expect(await rejection(loop())).toBe(reason);
      expect(performance.now() - begun).toBeLessThan(20_000);
      expect(clients).toHaveLength(1);
      expect((await clients[0]?.closed)?.error).toBe(reason);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
      await server.close({ timeout: 1 });
    });

    it('and leaves no listener at it after any number of clients', async () => {
      const server = await startServer(echo);
      const { signal } = new AbortController();
      let count = 0;
      const options = { signal, initialDelay: 1, maxDelay: 1 };
      for await (const _client of reconnecting(to(server), await clientOptions(), options)) {
        expect(getEventListeners(signal, 'abort').length).toBe(1);
        if (++count === 5) break;
      }
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });
  });
});
