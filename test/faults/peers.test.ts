// Peers that misbehave, vanish or do not read. One file, because each test is one row of the threats in docs/testing.md.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SecureServer, type ServerOptions } from 'secure-sockets';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { probes } from '../helpers/keep-alive.js';
import { attachManually } from '../helpers/manual-transport.js';
import { root } from '../helpers/pack.js';
import { FaultProxy } from '../helpers/proxy.js';
import {
  clientOf,
  identityFor,
  pair,
  portOf,
  protocols,
  rejection,
  startListening,
} from '../helpers/sockets.js';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

/** A sealed client whose transport is worked by the test, connected to a server of its own. */
async function hold(options: ServerOptions = {}): ReturnType<typeof attachManually> {
  const server = new SecureServer({ identity: await identityFor('sealed'), ...options });
  keep({ [Symbol.asyncDispose]: () => server.close({ timeout: 1 }) });
  return attachManually(server);
}

/** Two turns of the event loop. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

const join = (chunks: readonly Uint8Array[] = []): Uint8Array => Buffer.concat(chunks);

describe('a sealed peer', () => {
  // defence: one answer waits at most
  it('that sends PING a thousand times and reads nothing gets one answer', async () => {
    const { transport, client } = await hold();
    transport.take();
    const { sender } = client.opening ?? {};
    transport.give(join(sender?.ping?.()));
    const one = transport.written.length;
    expect(one).toBe(20);
    for (let i = 0; i < 1000; i++) transport.give(join(sender?.ping?.()));
    // 256 of them are a turn of the event loop
    for (let i = 0; i < 4; i++) await turn();
    expect(transport.written.length).toBe(one);
    transport.take();
    transport.give(join(sender?.ping?.()));
    expect(transport.written.length).toBe(one);
  });

  // defence: bytes after CLOSE are not looked at
  it('that goes on after its CLOSE is not listened to', async () => {
    const { transport, client, peer } = await hold();
    const { sender } = client.opening ?? {};
    sender?.stage(Uint8Array.of(1));
    transport.give(join(sender?.close(0)));
    transport.give(Buffer.alloc(100_000, 0xff));
    expect((await peer.recv())?.length).toBe(1);
    expect(await peer.recv()).toBeNull();
    await expect.poll(() => transport.isEnded).toBe(true);
    expect(transport.isDestroyed).toBe(false);
  });

  // defence: closeTimeout
  it('that does not answer our CLOSE is given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { transport, peer } = await hold();
    const closing = peer.close();
    await new Promise((resolve) => setImmediate(resolve));
    transport.take();
    vi.advanceTimersByTime(4990);
    expect(transport.isDestroyed).toBe(false);
    vi.advanceTimersByTime(20);
    await closing;
    expect(transport.isDestroyed).toBe(true);
  });

  // R7.4: nothing is waited for behind both CLOSEs
  it.each(['close() first', 'close() second', 'only answers', 'keeps its half open'])(
    'that never ends its stream is not waited for once both have closed: we %s',
    async (order) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      const { transport, client, peer } = await hold({ allowHalfOpen: order === 'keeps its half open' });
      const { sender } = client.opening ?? {};
      const closing = order === 'close() first' ? peer.close() : undefined;
      transport.give(join(sender?.close(0)));
      await turn();
      if (order === 'keeps its half open') {
        await peer.send(Uint8Array.of(1));
        expect([transport.isEnded, transport.isDestroyed]).toEqual([false, false]);
        void peer.end();
        await turn();
      }
      const closedSecond = order === 'close() second' ? peer.close() : undefined;
      // not before the system has our own CLOSE
      expect(transport.isDestroyed).toBe(false);
      client.session.receive(transport.take());
      await Promise.all([closing, closedSecond, turn()]);
      expect([transport.isEnded, transport.isDestroyed]).toEqual([true, true]);
      expect(client.endCode).toBe(0);
      expect(await peer.recv()).toBeNull();
    },
  );

  // defence: final bytes is bounded in time too
  it('that breaks the protocol and stays is given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { transport, client, peer } = await hold();
    const { sender } = client.opening ?? {};
    // a record of no length
    transport.give(Uint8Array.of(0, 0, 0));
    expect((await rejection(peer.recv())).code).toBe('PROTOCOL');
    expect(sender).toBeDefined();
    expect([transport.isEnded, transport.isDestroyed, transport.isPaused]).toEqual([true, false, false]);
    vi.advanceTimersByTime(5010);
    expect(transport.isDestroyed).toBe(true);
  });

  // defence: heartbeat
  it('that has vanished is noticed after pingInterval and pingTimeout', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { transport, peer } = await hold();
    transport.take();
    vi.advanceTimersByTime(30_010);
    expect(transport.written.length).toBe(20);
    vi.advanceTimersByTime(19_900);
    expect(transport.isDestroyed).toBe(false);
    vi.advanceTimersByTime(200);
    expect((await rejection(peer.recv())).code).toBe('PING_TIMEOUT');
    expect(transport.isDestroyed).toBe(true);
  });

  // defence: reading stops above the limit, and the heartbeat does not take that for death
  it('whose messages are not read is not read from, and not considered dead', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { transport, client, peer } = await hold();
    const { sender } = client.opening ?? {};
    let given = 0;
    while (!transport.isPaused) {
      sender?.stage(new Uint8Array(2 ** 20));
      transport.give(join(sender?.flush()));
      await new Promise((resolve) => setImmediate(resolve));
      given++;
    }
    expect(given).toBeGreaterThan(15);
    expect(given).toBeLessThan(20);
    transport.take();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(10_010);
      expect(transport.take().length).toBe(20);
    }
    expect(transport.isDestroyed).toBe(false);
    for (let i = 0; i < given; i++) expect((await peer.recv())?.length).toBe(2 ** 20);
    await new Promise((resolve) => setImmediate(resolve));
    expect(transport.isPaused).toBe(false);
  });
});

describe.each(protocols)('a %s peer', (protocol) => {
  // defence: idleTimeout, which needs nothing of the protocol
  it('swallowed by the network is noticed by idleTimeout, at both ends', async () => {
    const server = keep(await startListening(protocol, { idleTimeout: 1500 }));
    const proxy = keep(await FaultProxy.listen(portOf(server)));
    const client = clientOf(server, { protocol, idleTimeout: 1500 });
    const accepted = server.accept();
    await client.connect({ port: proxy.port, host: '127.0.0.1' });
    const peer = await accepted;
    await client.send(Uint8Array.of(1));
    await peer.recv();
    proxy.break('blackhole');
    const errors = await Promise.all([rejection(client.recv()), rejection(peer.recv())]);
    expect(errors.map(({ code }) => code)).toEqual(['IDLE_TIMEOUT', 'IDLE_TIMEOUT']);
    client.destroy();
  });

  // defence: send() waits above the high-water mark and refuses above maxSendQueue
  it('that never reads makes send() wait, and then refuse', async () => {
    const server = keep(
      await startListening(protocol, { highWaterMark: 100_000, maxSendQueue: 400_000, maxBuffered: 2 ** 30 }),
    );
    const proxy = keep(await FaultProxy.listen(portOf(server)));
    const client = clientOf(server, { protocol });
    const accepted = server.accept();
    await client.connect({ port: proxy.port, host: '127.0.0.1' });
    const peer = await accepted;
    // the proxy stands still: what is sent fills the system's buffers and then ours
    proxy.break('stall');
    const refusals: (string | undefined)[] = [];
    const sends: Promise<unknown>[] = [];
    while (refusals.length === 0) {
      sends.push(
        peer
          .send(new Uint8Array(50_000))
          .catch((error: Error & { code?: string }) => refusals.push(error.code)),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(refusals).toEqual(['SEND_QUEUE_FULL']);
    expect(server.stats.buffered).toBeLessThan(400_000 + 200_000);
    peer.destroy();
    await Promise.all(sends);
    client.destroy();
  });
});

describe.skipIf(process.platform !== 'linux')('a machine that has gone (Linux only)', () => {
  // defence: TCP keep-alive
  it.each(protocols)(
    'is asked for by the system after a minute of silence, by both ends of %s',
    async (protocol) => {
      for (const keepAlive of [true, false]) {
        const { server, client } = keep(
          await pair(protocol, { server: { keepAlive }, client: { keepAlive } }),
        );
        const probesNow = (): (number | undefined)[] => probes(portOf(server));
        if (!keepAlive) expect(probesNow()).toEqual([undefined, undefined]);
        else
          await expect
            .poll(() => probesNow().filter((due) => due !== undefined && due > 50 && due <= 60))
            .toHaveLength(2);
        client.destroy();
      }
    },
  );

  it('is asked for after a second at least', async () => {
    const options = { keepAliveInitialDelay: 1 };
    const { server, client } = keep(await pair('sealed', { server: options, client: options }));
    await expect
      .poll(() => probes(portOf(server)).filter((due) => due !== undefined && due <= 1))
      .toHaveLength(2);
    client.destroy();
  });
});

describe.each(protocols)('a %s server out of file descriptors', (protocol) => {
  // defence: the listening server outlives EMFILE; Deno (2.9.6) itself panics without descriptors
  it.skipIf(process.versions.deno)('goes on listening, and serves again when there are some', async () => {
    const identity = await identityFor(protocol);
    const script = fileURLToPath(new URL('crowded-server.mjs', import.meta.url));
    const child = spawn('bash', ['-c', 'ulimit -n 40; exec "$0" "$1"', process.execPath, script], {
      cwd: root,
      env: { ...process.env, NODE_NO_WARNINGS: '1', PROTOCOL: protocol, KEY: identity.toPem() },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const output: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
    const [greeting] = (await once(child, 'message')) as [string];
    const port = Number(greeting.split(' ')[1]);
    const clients = Array.from({ length: 60 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    let closed = 0;
    for (const socket of clients) socket.resume().once('close', () => closed++);
    await Promise.all(clients.map((socket) => once(socket, 'connect')));
    child.send('go on');
    const [state] = (await once(child, 'message')) as [string];
    expect(JSON.parse(state.slice('crowded '.length)).pending).toBeLessThan(40);
    // libuv closes at once those it has no descriptor for, and tells no one; Bun leaves them in the backlog
    if (!process.versions.bun) await expect.poll(() => closed).toBeGreaterThanOrEqual(20);
    for (const socket of clients) socket.destroy();
    child.send('go on');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
    const { byte, errors } = JSON.parse(Buffer.concat(output).toString()) as {
      byte: number;
      errors: Record<string, number>;
    };
    expect(byte).toBe(7);
    const total = Object.values(errors).reduce((sum, count) => sum + count, 0);
    const expected = /^(HANDSHAKE_FAILED|ECONNRESET|EMFILE)$/;
    expect(Object.keys(errors).filter((code) => !expected.test(code))).toEqual([]);
    expect(total).toBeLessThanOrEqual(clients.length);
  });
});
