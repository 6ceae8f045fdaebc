import { Duplex } from 'node:stream';
import { fromDuplex, SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { keep } from '../helpers/kept.js';
import { FaultProxy } from '../helpers/proxy.js';
import { clientOf, identityFor, portOf, protocols, startListening } from '../helpers/sockets.js';

const MEBIBYTE = 2 ** 20;
const maxMessage = 64 * MEBIBYTE;

/**
 * The system takes bytes in steps of up to four megabytes, which on this link is one every third of a second. It holds
 * eight itself: the answers are long enough to be waited for beyond closeTimeout.
 */
const closeTimeout = 2500;
const link = { bandwidth: 12_000_000 };

describe.each(protocols)('a %s server whose client has ended its half, on a slow link,', (protocol) => {
  /** What a client gets that asks, ends its half and then reads. */
  async function answerTo(allowHalfOpen: boolean, lengths: readonly number[]): Promise<number[]> {
    const server = keep(await startListening(protocol, { allowHalfOpen, closeTimeout, maxMessage }));
    const proxy = keep(await FaultProxy.listen(portOf(server), { toClient: link }));
    const client = clientOf(server, { protocol, maxMessage });
    keep({ [Symbol.asyncDispose]: async () => client.destroy() });
    const accepted = server.accept();
    await client.connect({ port: proxy.port, host: '127.0.0.1' });
    const peer = await accepted;
    await client.send(Uint8Array.of(1));
    await peer.recv();
    const asked = client.end();
    if (allowHalfOpen) expect(await peer.recv()).toBeNull();
    for (const length of lengths) void peer.send(new Uint8Array(length));
    if (allowHalfOpen) void peer.end();
    await asked;
    const received: number[] = [];
    for await (const { length } of client) received.push(length);
    return received;
  }

  // defence: closeTimeout begins anew while the peer takes what is sent, whichever end has ended first
  it('sends its answer wholly, however long that takes', async () => {
    const lengths = new Array<number>(48).fill(MEBIBYTE);
    expect(await answerTo(true, lengths)).toEqual(lengths);
  });

  it('and answers the end with its own, sends wholly what was under way', async () => {
    expect(await answerTo(false, [48 * MEBIBYTE])).toEqual([48 * MEBIBYTE]);
  });
});

/** One end of a stream that never tells its close, as some libraries make them. */
class Quiet extends Duplex {
  peer: Quiet | undefined;

  constructor() {
    super({ allowHalfOpen: true, emitClose: false });
  }

  static pair(): [Quiet, Quiet] {
    const [near, far] = [new Quiet(), new Quiet()];
    near.peer = far;
    far.peer = near;
    return [near, far];
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _: string, done: () => void): void {
    this.peer?.push(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.peer?.push(null);
    done();
  }
}

describe.each(protocols)('over streams that never emit close, %s', (protocol) => {
  async function connectPair(): Promise<{
    server: SecureServer;
    client: ReturnType<typeof clientOf>;
    streams: Quiet[];
  }> {
    const patient = { closeTimeout: 60_000 };
    const server = new SecureServer({ protocol, identity: await identityFor(protocol), ...patient });
    const streams = Quiet.pair();
    await server.attach(fromDuplex(streams[1]));
    const client = clientOf(server, { protocol, ...patient });
    await client.connect(fromDuplex(streams[0]));
    return { server, client, streams };
  }

  // defence: the transport sees the stream's own last step
  it('close() resolves when both ends have ended', async () => {
    const { server, client } = await connectPair();
    const peer = await server.accept();
    await client.send(Uint8Array.of(1));
    expect((await peer.recv())?.length).toBe(1);
    await Promise.all([client.close(), peer.close()]);
    await server.close();
    expect(server.stats.open).toBe(0);
  });

  it('destroy() and a broken stream end the connection, and server.close() resolves', async () => {
    for (const act of ['destroy', 'break'] as const) {
      const { server, client, streams } = await connectPair();
      const peer = await server.accept();
      if (act === 'destroy') client.destroy();
      else streams[0]?.destroy(Object.assign(new Error('cut'), { code: 'ECONNRESET' }));
      await expect(client.recv()).rejects.toMatchObject(
        act === 'destroy'
          ? { code: 'CLOSED' }
          : { code: 'TRUNCATED', blame: 'network', cause: { code: 'ECONNRESET' } },
      );
      await client.close();
      await server.close({ timeout: 50 });
      await expect(peer.recv()).rejects.toMatchObject({ code: 'CLOSED' });
      expect(server.stats).toMatchObject({ open: 0, pending: 0 });
    }
  });
});
