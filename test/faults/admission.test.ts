import { once } from 'node:events';
import { BlockList, type Socket } from 'node:net';
import { SecureServer, type Transport, type TransportEvents } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { HandshakeLimiter } from '../../src/server/handshake-limiter.js';
import { keep } from '../helpers/kept.js';
import {
  clientOf,
  identityFor,
  pause,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from '../helpers/sockets.js';

/** Connects and says nothing. Whether the server keeps it shows later. */
async function silent(server: SecureServer, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) sockets.push(await rawConnection(server));
  keep({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
    },
  });
  return sockets;
}

/** A connection from an address of one's choice that says nothing. */
class SilentTransport implements Transport {
  readonly pending = 0;
  readonly remoteAddress: string;
  isDestroyed = false;
  /** Whether the server has let go of it, with a last word or without. */
  isLetGo = false;
  #events: TransportEvents | undefined;

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress;
  }

  start(events: TransportEvents): void {
    this.#events = events;
  }

  write(): void {}
  pause(): void {}
  resume(): void {}

  end(): void {
    this.isLetGo = true;
  }

  destroy(): void {
    this.isLetGo = true;
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    queueMicrotask(() => this.#events?.close());
  }
}

describe('the room for handshakes', () => {
  // defence: random early drop
  it('from half on takes newcomers by chance, with odds that fall with the room left', () => {
    let luck = 0;
    const admission = new HandshakeLimiter(256, 1000, () => luck);
    const enter = (): boolean => admission.enter('192.0.2.1') !== undefined;
    luck = 0;
    for (let i = 0; i < 129; i++) expect(enter(), `${i}`).toBe(true);
    expect(enter()).toBe(false);
    luck = 0.999;
    for (let i = 129; i < 192; i++) expect(enter(), `${i}`).toBe(true);
    luck = 0.49;
    expect(enter()).toBe(false);
    luck = 0.51;
    expect(enter()).toBe(true);
    luck = 0.9999;
    while (enter());
    expect(admission.pending).toBe(256);
  });

  // defence: random early drop spares small limits
  it('is given out to the last place where there is little', () => {
    const admission = new HandshakeLimiter(16, 1000, () => 0);
    for (let i = 0; i < 16; i++) expect(admission.enter('192.0.2.1')).toBeDefined();
    expect(admission.enter('192.0.2.1')).toBeUndefined();
  });
});

describe.each(protocols)('a %s server', (protocol) => {
  // defence: maxPendingHandshakes, random early drop
  it('under 600 silent sockets never has more than 256 handshakes, and a good client gets in', async () => {
    const server = keep(await startListening(protocol));
    let max = 0;
    const watch = setInterval(() => {
      max = Math.max(max, server.stats.pending);
    }, 1);
    await silent(server, 600);
    await expect.poll(() => server.stats.pending + (server.stats.rejected.BUSY ?? 0)).toBe(600);
    expect(server.stats.pending).toBeGreaterThan(128);
    let attempts = 0;
    for (let isIn = false; !isIn; attempts++) {
      const client = clientOf(server, { protocol });
      isIn = await client.connect({ port: portOf(server), host: '127.0.0.1' }).then(
        () => true,
        () => false,
      );
      client.destroy();
    }
    clearInterval(watch);
    expect(attempts).toBeGreaterThan(0);
    expect(Math.max(max, server.stats.pending)).toBeLessThanOrEqual(256);
  });

  // defence: maxPendingPerSource
  it('gives one source 32 places at most, whatever form its address has', async () => {
    const server = keep(await startListening(protocol));
    const attach = async (address: string): Promise<SilentTransport> => {
      const transport = new SilentTransport(address);
      await server.attach(transport);
      return transport;
    };
    for (let i = 0; i < 16; i++) {
      await attach('192.0.2.7');
      await attach('::ffff:192.0.2.7');
      await attach(`2001:db8:1:2::${i}`);
      await attach(`2001:db8:1:2:ffff::${i}`);
    }
    expect(server.stats.pending).toBe(64);
    for (const address of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8:1:2:3::4'])
      expect((await attach(address)).isLetGo).toBe(true);
    for (const address of ['192.0.2.8', '2001:db8:1:3::1'])
      expect((await attach(address)).isLetGo).toBe(false);
    expect(server.stats.rejected).toEqual({ BUSY: 3 });
  });

  // defence: maxConnections
  it('takes maxConnections connections, open ones included', async () => {
    const server = keep(await startListening(protocol, { maxConnections: 2 }));
    const client = clientOf(server, { protocol });
    await client.connect({ port: portOf(server), host: '127.0.0.1' });
    // a client of classic is connected before its server is
    await expect.poll(() => server.stats.open).toBe(1);
    const [first, second] = await silent(server, 2);
    await once((second as Socket).resume(), 'close');
    expect(first?.destroyed).toBe(false);
    expect(server.stats).toMatchObject({ open: 1, pending: 1, rejected: { BUSY: 1 } });
    client.destroy();
    first?.destroy();
    await expect.poll(() => server.stats.open + server.stats.pending).toBe(0);
    const later = clientOf(server, { protocol });
    await later.connect({ port: portOf(server), host: '127.0.0.1' });
    later.destroy();
  });

  // defence: turned-away.ts, bounded in number, in time and in bytes
  it('tells those it turns away that it is busy, 32 at a time, and waits for none of them', async () => {
    if (protocol === 'classic') return;
    const server = keep(await startListening(protocol, { maxConnections: 1 }));
    await silent(server, 1);
    await expect.poll(() => server.stats.pending).toBe(1);
    const told: Buffer[] = [];
    const kept = await silent(server, 40);
    for (const socket of kept) socket.on('data', (chunk: Buffer) => told.push(chunk));
    await Promise.all(kept.map((socket) => socket.destroyed || once(socket, 'close')));
    expect(told.length).toBe(32);
    expect(new Set(told.map((chunk) => chunk.toString('hex')))).toEqual(new Set(['5345414c0f01000102']));
    expect(server.stats).toMatchObject({ pending: 1, open: 0, rejected: { BUSY: 40 } });
  });

  it.each(['maxConnections', 'maxPendingHandshakes', 'backlog'])(
    'lets a client beyond %s know that it is busy, where the protocol has a word for that',
    async (limit) => {
      const server = keep(
        new SecureServer({
          ...{ protocol, identity: await identityFor(protocol), closeTimeout: 100 },
          ...(limit === 'maxConnections' ? { maxConnections: 1 } : { maxPendingHandshakes: 1 }),
          ...(limit === 'backlog' ? { backlog: 1 } : {}),
        }),
      );
      await server.listen({ port: 0, host: '127.0.0.1' });
      if (limit === 'backlog') {
        for (let i = 1; i <= 2; i++) {
          const client = clientOf(server, { protocol });
          await client.connect({ port: portOf(server), host: '127.0.0.1' });
          await expect.poll(() => server.stats.waiting).toBe(i);
        }
      } else {
        await silent(server, 1);
        await expect.poll(() => server.stats.pending).toBe(1);
      }
      for (let i = 0; i < 20; i++) {
        const client = clientOf(server, { protocol });
        const error = await rejection(client.connect({ port: portOf(server), host: '127.0.0.1' }));
        expect(error).toMatchObject(
          protocol === 'sealed' ? { code: 'BUSY', blame: 'network' } : { code: 'HANDSHAKE_FAILED' },
        );
      }
      expect(server.stats.rejected).toEqual({ BUSY: 20 });
      const closing = performance.now();
      await server.close({ timeout: 200 });
      expect(performance.now() - closing).toBeLessThan(5000);
    },
  );

  // defence: blockList
  it('has no word for addresses on its block list', async () => {
    const blockList = new BlockList();
    blockList.addSubnet('127.0.0.0', 8);
    const seen: string[] = [];
    const server = keep(
      await startListening(protocol, { blockList, onHandshakeError: (error) => seen.push(error.message) }),
    );
    const [socket] = await silent(server, 1);
    let bytes = 0;
    socket?.on('data', (chunk) => {
      bytes += chunk.length;
    });
    await once(socket as Socket, 'close');
    expect(bytes).toBe(0);
    expect(seen).toEqual([expect.stringContaining('block list')]);
  });

  // defence: the backlog of accept() counts
  it('does no handshakes for clients beyond a backlog that is not accepted', async () => {
    const server = keep(
      new SecureServer({
        protocol,
        identity: await identityFor(protocol),
        maxPendingHandshakes: 2,
        backlog: 3,
      }),
    );
    await server.listen({ port: 0, host: '127.0.0.1' });
    const connect = async (): Promise<string> => {
      const client = clientOf(server, { protocol });
      keep({ [Symbol.asyncDispose]: async () => client.destroy() });
      return client.connect({ port: portOf(server), host: '127.0.0.1' }).then(
        () => 'in',
        () => 'out',
      );
    };
    for (let i = 1; i <= 5; i++) {
      expect(await connect()).toBe('in');
      // a client of classic is connected before its server is
      await expect.poll(() => server.stats.waiting).toBe(i);
    }
    expect(await connect()).toBe('out');
    expect(server.stats.rejected).toEqual({ BUSY: 1 });
    await server.accept();
    expect(await connect()).toBe('in');
  });

  // defence: the acceptor lets go of connections whose proxy is silent, and takes none when it is closed
  it('that closes lets go of connections whose proxy has not said who is behind it', async () => {
    const proxies = new BlockList();
    proxies.addAddress('127.0.0.1');
    const server = await startListening(protocol, { trustedProxies: proxies, handshakeTimeout: 60_000 });
    const [socket] = await silent(server, 1);
    await expect.poll(() => server.stats.pending).toBe(1);
    const gone = once(socket as Socket, 'close');
    await server.close({ timeout: 100 });
    await gone;
    const transport = new SilentTransport('192.0.2.1');
    await expect(server.attach(transport)).rejects.toMatchObject({ code: 'CLOSED' });
    await pause(0);
    expect(server.stats).toMatchObject({ pending: 0, open: 0 });
  });
});
