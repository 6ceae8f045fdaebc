// Peers that misbehave, vanish or do not read. One file, because each test is one row of the threats in docs/testing.md.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { SecureServer, type ServerOptions } from 'secure-sockets';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { inHand } from '../helpers/hand.js';
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

/** A sealed client in the test's hand, connected to a server of its own. */
async function hold(options: ServerOptions = {}): ReturnType<typeof inHand> {
  const server = new SecureServer({ identity: await identityFor('sealed'), ...options });
  keep({ [Symbol.asyncDispose]: () => server.close({ timeout: 1 }) });
  return inHand(server);
}

/** Two turns of the event loop. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

const join = (chunks: readonly Uint8Array[] = []): Uint8Array => Buffer.concat(chunks);

describe('a sealed peer', () => {
  // defence: one answer waits at most
  it('that sends PING a thousand times and reads nothing gets one answer', async () => {
    const { hand, client } = await hold();
    hand.take();
    const { sender } = client.opening ?? {};
    hand.give(join(sender?.ping?.()));
    const one = hand.written.length;
    expect(one).toBe(20);
    for (let i = 0; i < 1000; i++) hand.give(join(sender?.ping?.()));
    expect(hand.written.length).toBe(one);
    hand.take();
    hand.give(join(sender?.ping?.()));
    expect(hand.written.length).toBe(one);
  });

  // defence: bytes after CLOSE are not looked at
  it('that goes on after its CLOSE is not listened to', async () => {
    const { hand, client, peer } = await hold();
    const { sender } = client.opening ?? {};
    sender?.stage(Uint8Array.of(1));
    hand.give(join(sender?.close(0)));
    hand.give(Buffer.alloc(100_000, 0xff));
    expect((await peer.recv())?.length).toBe(1);
    expect(await peer.recv()).toBeNull();
    await expect.poll(() => hand.isEnded).toBe(true);
    expect(hand.isDestroyed).toBe(false);
  });

  // defence: closeTimeout
  it('that does not answer our CLOSE is given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { hand, peer } = await hold();
    const closing = peer.close();
    await new Promise((resolve) => setImmediate(resolve));
    hand.take();
    vi.advanceTimersByTime(4990);
    expect(hand.isDestroyed).toBe(false);
    vi.advanceTimersByTime(20);
    await closing;
    expect(hand.isDestroyed).toBe(true);
  });

  // R7.4: nothing is waited for behind both CLOSEs
  it.each(['close() first', 'close() second', 'only answers', 'keeps its half open'])(
    'that never ends its stream is not waited for once both have closed: we %s',
    async (order) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      const { hand, client, peer } = await hold({ allowHalfOpen: order === 'keeps its half open' });
      const { sender } = client.opening ?? {};
      const closing = order === 'close() first' ? peer.close() : undefined;
      hand.give(join(sender?.close(0)));
      await turn();
      if (order === 'keeps its half open') {
        await peer.send(Uint8Array.of(1));
        expect([hand.isEnded, hand.isDestroyed]).toEqual([false, false]);
        void peer.end();
        await turn();
      }
      const closedSecond = order === 'close() second' ? peer.close() : undefined;
      // not before the system has our own CLOSE
      expect(hand.isDestroyed).toBe(false);
      client.session.receive(hand.take());
      await Promise.all([closing, closedSecond, turn()]);
      expect([hand.isEnded, hand.isDestroyed]).toEqual([true, true]);
      expect(client.endCode).toBe(0);
      expect(await peer.recv()).toBeNull();
    },
  );

  // defence: final bytes is bounded in time too
  it('that breaks the protocol and stays is given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { hand, client, peer } = await hold();
    const { sender } = client.opening ?? {};
    // a record of no length
    hand.give(Uint8Array.of(0, 0, 0));
    expect((await rejection(peer.recv())).code).toBe('PROTOCOL');
    expect(sender).toBeDefined();
    expect([hand.isEnded, hand.isDestroyed, hand.isPaused]).toEqual([true, false, false]);
    vi.advanceTimersByTime(5010);
    expect(hand.isDestroyed).toBe(true);
  });

  // defence: heartbeat
  it('that has vanished is noticed after pingInterval and pingTimeout', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { hand, peer } = await hold();
    hand.take();
    vi.advanceTimersByTime(30_010);
    expect(hand.written.length).toBe(20);
    vi.advanceTimersByTime(19_900);
    expect(hand.isDestroyed).toBe(false);
    vi.advanceTimersByTime(200);
    expect((await rejection(peer.recv())).code).toBe('PING_TIMEOUT');
    expect(hand.isDestroyed).toBe(true);
  });

  // defence: reading stops above the limit, and the heartbeat does not take that for death
  it('whose messages are not read is not read from, and not considered dead', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { hand, client, peer } = await hold();
    const { sender } = client.opening ?? {};
    let given = 0;
    while (!hand.isPaused) {
      sender?.stage(new Uint8Array(2 ** 20));
      hand.give(join(sender?.flush()));
      await new Promise((resolve) => setImmediate(resolve));
      given++;
    }
    expect(given).toBeGreaterThan(15);
    expect(given).toBeLessThan(20);
    hand.take();
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(10_010);
      expect(hand.take().length).toBe(20);
    }
    expect(hand.isDestroyed).toBe(false);
    for (let i = 0; i < given; i++) expect((await peer.recv())?.length).toBe(2 ** 20);
    await new Promise((resolve) => setImmediate(resolve));
    expect(hand.isPaused).toBe(false);
  });
});

describe.each(protocols)('a %s peer', (protocol) => {
  // defence: idleTimeout, which needs nothing of the protocol
  it('swallowed by the network is noticed by idleTimeout, at both ends', async () => {
    const server = keep(await startListening(protocol, { idleTimeout: 300 }));
    const proxy = keep(await FaultProxy.listen(portOf(server)));
    const client = clientOf(server, { protocol, idleTimeout: 300 });
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

/** Whether the system probes the connections at a port, and when it will, in seconds: one entry an end. */
function probes(port: number): (number | undefined)[] {
  const isOf = (address: string): boolean => Number.parseInt(address.split(':')[1] ?? '', 16) === port;
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', remote = '', state]) => state === '01' && (isOf(local) || isOf(remote)))
    .map(([, , , , , timer = '']) => {
      const [kind, when = ''] = timer.split(':');
      return kind === '02' ? Number.parseInt(when, 16) / CLOCK_TICKS : undefined;
    });
}

/** What the kernel counts time in for programs, a second. */
const CLOCK_TICKS = 100;

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
});

/** A server of its own with few file descriptors, all of which unauthenticated clients use up. */
const crowded = `
import { connect } from 'node:net';
import { Identity, SecureClient, SecureServer } from 'secure-sockets';
const protocol = process.env.PROTOCOL;
const errors = {};
const server = new SecureServer({ protocol, identity: Identity.fromPem(process.env.KEY),
  onHandshakeError: (error) => { errors[error.code] = (errors[error.code] ?? 0) + 1; } });
await server.listen({ port: 0, host: '127.0.0.1' });
const { port } = server.address;
const attempt = async () => {
  const client = new SecureClient({ protocol, serverKey: server.fingerprint });
  const accepted = server.accept({ signal: AbortSignal.timeout(20000) });
  accepted.catch(() => {});
  await client.connect({ port, host: '127.0.0.1' });
  const peer = await accepted;
  await client.send(Uint8Array.of(7));
  const [byte] = await peer.recv();
  client.destroy();
  return byte;
};
await attempt();
process.send('listening ' + port);
await new Promise((resolve) => process.once('message', resolve));
const during = server.stats;
process.send('crowded ' + JSON.stringify({ pending: during.pending }));
await new Promise((resolve) => process.once('message', resolve));
while (server.stats.pending > 0) await new Promise((resolve) => setTimeout(resolve, 10));
console.log(JSON.stringify({ byte: await attempt(), errors }));
await server.close();
process.disconnect();
`;

describe.each(protocols)('a %s server out of file descriptors', (protocol) => {
  // defence: the listening server outlives EMFILE
  it('goes on listening, and serves again when there are some', async () => {
    const identity = await identityFor(protocol);
    const script = `ulimit -n 40; exec "$0" --disable-warning=SECURE_SOCKETS_CLASSIC --input-type=module --eval "$SCRIPT"`;
    const child = spawn('bash', ['-c', script, process.execPath], {
      cwd: root,
      env: { ...process.env, SCRIPT: crowded, PROTOCOL: protocol, KEY: identity.toPem() },
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
    // libuv closes at once those it has no descriptor for, and tells no one
    await expect.poll(() => closed).toBeGreaterThanOrEqual(20);
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
    expect(Object.keys(errors).every((code) => /^(HANDSHAKE_FAILED|ECONNRESET|EMFILE)$/.test(code))).toBe(
      true,
    );
    expect(total).toBeLessThanOrEqual(clients.length);
  });
});
