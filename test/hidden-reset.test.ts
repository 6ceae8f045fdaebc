import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, test } from 'vitest';
import { fromDuplex } from '../src/transports/duplex.node.js';
import { fromAccepted } from '../src/transports/tcp.node.js';
import type { Transport } from '../src/transports/transport.js';
import { plainClient, plainServer, tunnelTo, usePlace } from './cli/place.js';
import { open } from './helpers/kept.js';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection that nobody reads yet, and its peer. */
async function openPair(): Promise<{ accepted: Socket; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  open.push({ [Symbol.asyncDispose]: async () => void server.close() });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const peer = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(peer, 'connect')]);
  sockets.push(accepted, peer);
  return { accepted, peer };
}

/** How it ends, and the number of bytes before that. */
function readToEnd(transport: Transport): Promise<string> {
  let received = 0;
  return new Promise((resolve) => {
    transport.start({
      data: ({ length }) => {
        received += length;
      },
      end: () => resolve(`${received}, end`),
      written: () => {},
      close: (error) => resolve(`${received}, ${(error as NodeJS.ErrnoException | undefined)?.code}`),
    });
  });
}

/** Ends our direction first, as far as the peer. */
async function endBefore(transport: Transport, peer: Socket): Promise<void> {
  transport.end();
  peer.resume();
  await once(peer, 'end');
}

describe.each([
  ['read into our memory', fromAccepted],
  ['read by its events', fromDuplex],
])('a socket, %s', (_, make) => {
  it.each([false, true])(
    'that its peer resets right after some bytes was reset, own end first: %s',
    async (endsFirst) => {
      const { accepted, peer } = await openPair();
      const transport = make(accepted);
      if (endsFirst) await endBefore(transport, peer);
      await new Promise((resolve) => peer.write('half of it', resolve));
      peer.resetAndDestroy();
      await once(peer, 'close');
      expect(await readToEnd(transport)).toBe('10, ECONNRESET');
    },
  );

  it.each([false, true])('that its peer closes has ended, own end first: %s', async (endsFirst) => {
    const { accepted, peer } = await openPair();
    const transport = make(accepted);
    if (endsFirst) await endBefore(transport, peer);
    peer.end('all of it');
    await once(peer, 'finish');
    peer.destroy();
    await once(peer, 'close');
    expect(await readToEnd(transport)).toBe('9, end');
  });
});

usePlace();

test.each([
  ['with streams', []],
  ['one sealed connection for each', ['--carriers', '0']],
])('a target that resets right after its answer is lost, %s', { timeout: 60_000 }, async (_, flags) => {
  const target = await plainServer((socket) => {
    socket.once('data', () => {
      socket.write('half of it');
      socket.resetAndDestroy();
    });
  });
  const { port, client, server } = await tunnelTo(target, { client: flags });
  for (let count = 1; count <= 10; count++) {
    plainClient(port).resume().write('hello');
    const lost = new RegExp(`(?:secure-sockets: lost [^]*){${count}}`);
    await Promise.all([client.until(lost), server.until(lost)]);
  }
});
