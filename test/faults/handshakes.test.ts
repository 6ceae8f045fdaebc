import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { SecureClient, type SecureServer, type ServerOptions } from 'secure-sockets';
import { describe, expect, it, vi } from 'vitest';
import { FaultProxy } from '../helpers/proxy.js';
import {
  clientOf,
  pair,
  pause,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from '../helpers/sockets.js';
import { countOperations, keep, local, slowDown } from './handshake-attackers.js';

/** The first bytes that a client of the protocol sends; a classic one waits for the server's key first. */
async function firstBytes(protocol: 'sealed' | 'classic'): Promise<Buffer> {
  if (protocol === 'classic') return Buffer.alloc(256, 1);
  const chunks: Buffer[] = [];
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      socket.destroy();
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const client = new SecureClient({ verifyServer: () => true });
  await rejection(client.connect({ port, host: '127.0.0.1' }));
  listener.close();
  return Buffer.concat(chunks);
}

describe.each(protocols)('a %s handshake', (protocol) => {
  const server = async (options: ServerOptions = {}): Promise<SecureServer> =>
    keep(await startListening(protocol, options));

  // defence: one deadline that no byte moves
  it('that comes a byte a second is over after ten seconds', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const errors: (string | undefined)[] = [];
    const target = await server({
      onHandshakeError: (error) => errors.push((error as { code?: string }).code),
    });
    vi.useRealTimers();
    const bytes = await firstBytes(protocol);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const socket = await rawConnection(target);
    socket.resume();
    await untilTrue(() => target.stats.pending === 1);
    for (let second = 0; second < 9; second++) {
      const before = target.stats.bytesRead;
      socket.write(bytes.subarray(second, second + 1));
      await untilTrue(() => target.stats.bytesRead > before);
      vi.advanceTimersByTime(1000);
      expect(errors).toEqual([]);
    }
    const gone = once(socket, 'close');
    vi.advanceTimersByTime(1010);
    await untilTrue(() => errors.length > 0);
    expect(errors).toEqual(['HANDSHAKE_TIMEOUT']);
    await gone;
  });

  // defence: handshakes run side by side, each with its own deadline
  it('is not delayed by a hundred that never end', async () => {
    const target = await server();
    const bytes = await firstBytes(protocol);
    const slow: Socket[] = [];
    for (let i = 0; i < 100; i++) {
      const socket = await rawConnection(target);
      socket.write(bytes.subarray(0, 20));
      slow.push(socket);
    }
    const client = clientOf(target, { protocol });
    await Promise.all([client.connect(local(target)), target.accept()]);
    expect(target.stats).toMatchObject({ handshakesCompleted: 1, pending: 100 });
    client.destroy();
    for (const socket of slow) socket.destroy();
  });

  // defence: at most two private operations at a time, and the event loop goes on meanwhile
  it('costs one private operation, two of them at a time', async () => {
    const seen = countOperations();
    const target = await server({ backend: seen.backend });
    const clients = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const client = clientOf(target, { protocol });
        await client.connect(local(target));
        return client;
      }),
    );
    await expect.poll(() => target.stats.handshakesCompleted).toBe(60);
    expect(seen.count).toBe(60);
    expect(seen.max).toBeLessThanOrEqual(2);
    expect(target.stats.privateKeyOperations).toBe(60);
    for (const client of clients) client.destroy();
  });

  // defences: what an unauthenticated client can cost before any check: in sealed nothing but the key exchange
  it('of garbage costs no private operation in sealed, and one in classic', async () => {
    const seen = countOperations();
    const target = await server({ backend: seen.backend });
    const bytes = await firstBytes(protocol);
    for (let i = 0; i < 30; i++) {
      const socket = await rawConnection(target);
      socket.resume();
      // in classic it is reset
      socket.once('error', () => {});
      const gone = new Promise((resolve) => socket.once('close', resolve));
      // in sealed a whole record where CLIENT_KEY belongs, whose tag is wrong; in classic a ciphertext of zeros and ones
      if (protocol === 'sealed')
        socket.end(Buffer.concat([bytes, Buffer.from([0, 1, 30]), Buffer.alloc(286, i)]));
      else socket.end(Buffer.concat([Buffer.alloc(100), bytes.subarray(100), Buffer.from('x')]));
      await gone;
    }
    expect(seen.count).toBe(protocol === 'sealed' ? 0 : 30);
  });

  // defences: reading goes on while an operation waits, and one whose connection has died is skipped
  it('that was given up costs no private operation any more', async () => {
    const seen = countOperations();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const target = await server({ backend: slowDown(seen.backend, () => held) });
    const proxy = keep(await FaultProxy.listen(portOf(target)));
    const connecting = Array.from({ length: 12 }, async () => {
      const client = clientOf(target, { protocol });
      await client.connect({ port: proxy.port, host: '127.0.0.1' }).catch((error: Error) => error);
      return client;
    });
    // as many run as the backend may do beside everything else
    const running = protocol === 'sealed' ? 2 : 1;
    await expect.poll(() => target.stats.privateKeyOperationsWaiting).toBe(12 - running);
    proxy.break('reset');
    for (const client of await Promise.all(connecting)) client.destroy();
    await expect.poll(() => target.stats.pending).toBe(0);
    release();
    await expect.poll(() => target.stats.privateKeyOperationsWaiting).toBe(0);
    expect(target.stats).toMatchObject({ privateKeyOperations: running, handshakesCompleted: 0 });
  });

  // defence: what is sent to an unauthenticated client that has sent nothing
  it('gives a silent client nothing but the key of classic', async () => {
    const target = await server({ handshakeTimeout: 300 });
    const socket = await rawConnection(target);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await once(socket, 'close');
    const written = Buffer.concat(chunks);
    if (protocol === 'sealed') expect(written.length).toBe(0);
    else expect(written.toString('latin1')).toMatch(/^.{12,30}rsa\.key.*PublicKey.*\.$/s);
  });
});

describe('decisions that never come', () => {
  const never = (): Promise<boolean> => new Promise(() => {});

  // defence: the deadline covers the server's decision, and the connection is counted out
  it('by verifyClient end with the deadline, and a late one changes nothing', async () => {
    const { Identity } = await import('secure-sockets');
    const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
    let decide: (verdict: boolean) => void = () => {};
    const asked: string[] = [];
    const target = keep(
      await startListening('sealed', {
        handshakeTimeout: 400,
        verifyClient: (_, fingerprint) => {
          asked.push(fingerprint);
          return new Promise((resolve) => {
            decide = resolve;
          });
        },
      }),
    );
    const client = clientOf(target, { identity });
    expect((await rejection(client.connect(local(target)))).code).toMatch(/^(HANDSHAKE_FAILED|ECONNRESET)$/);
    expect(asked).toEqual([identity.fingerprint]);
    expect(target.stats.rejected).toEqual({ HANDSHAKE_TIMEOUT: 1 });
    decide(true);
    await pause(20);
    expect(target.stats).toMatchObject({ handshakesCompleted: 0, waiting: 0, pending: 0, open: 0 });
  });

  // defence: the deadline covers the client's decision
  it('by verifyServer end with the deadline, and a late one changes nothing', async () => {
    const target = keep(await startListening('sealed'));
    const client = new SecureClient({ handshakeTimeout: 300, verifyServer: never });
    expect((await rejection(client.connect(local(target)))).code).toBe('HANDSHAKE_TIMEOUT');
    await expect.poll(() => target.stats.rejected).toEqual({ HANDSHAKE_FAILED: 1 });
  });
});

describe.each(protocols)('closing a %s server', (protocol) => {
  // defence: close() ends handshakes, destroys who does not end, and always resolves
  it('resolves in bounded time, whatever its connections do', async () => {
    const { server: target, client, peer } = await pair(protocol, { server: { highWaterMark: 2 ** 26 } });
    const silent = await rawConnection(target);
    await untilTrue(() => target.stats.pending === 1);
    // the client never reads, so that the end cannot leave
    const flood = (async () => {
      for (let sent = 0; sent < 40; sent++) await peer.send(new Uint8Array(2 ** 20));
    })().catch((error: Error) => error);
    await target.close({ timeout: 200 });
    await flood;
    expect(target.stats).toMatchObject({ open: 0, pending: 0 });
    client.destroy();
    silent.destroy();
  });
});

/** Lets input and output happen until something is true, without a timer. */
async function untilTrue(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
