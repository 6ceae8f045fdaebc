import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { fromAccepted } from '../src/transports/tcp.node.js';
import type { Transport } from '../src/transports/transport.js';
import { open } from './helpers/kept.js';
import { pair } from './helpers/sockets.js';

/** What an accepted socket has inside, undocumented. */
interface Inside {
  _handle: { useUserBuffer?: unknown; readStart?: unknown } | null;
}

/** A connection to a server such as ours makes, its end there not yet read from. */
async function acceptPair(): Promise<{ near: Socket; far: Socket & Inside }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [far] = (await once(server, 'connection')) as [Socket & Inside];
  server.close();
  open.push({
    [Symbol.asyncDispose]: async () => {
      near.destroy();
      far.destroy();
    },
  });
  return { near, far };
}

/** Reads all there is, and tells from which memory. */
function readAll(transport: Transport): Promise<{ bytes: Buffer; memory: Set<ArrayBufferLike> }> {
  const chunks: Uint8Array[] = [];
  const memory = new Set<ArrayBufferLike>();
  return new Promise((resolve, reject) => {
    transport.start({
      data: (bytes) => {
        memory.add(bytes.buffer);
        chunks.push(bytes.slice());
      },
      end: () => {
        transport.destroy();
        resolve({ bytes: Buffer.concat(chunks), memory });
      },
      written: () => {},
      close: (error) => error && reject(error),
    });
  });
}

const content = randomBytes(1_000_000);

it('this Node lets accepted sockets read into our memory, and they do', async () => {
  const { near, far } = await acceptPair();
  const handle = far._handle;
  // should a version of Node lack this, the fallback below serves: then this test may ask for that
  expect(typeof handle?.useUserBuffer).toBe('function');
  expect(typeof handle?.readStart).toBe('function');
  const { remoteAddress, remotePort } = far;
  const transport = fromAccepted(far);
  expect(far._handle).toBeNull();
  expect([transport.remoteAddress, transport.remotePort]).toEqual([remoteAddress, remotePort]);
  near.end(content);
  const { bytes, memory } = await readAll(transport);
  expect(bytes.equals(content)).toBe(true);
  // all of it came through one buffer, which belongs to the process
  expect([...memory].map(({ byteLength }) => byteLength)).toEqual([256 * 1024]);
});

it.each(['useUserBuffer', 'readStart'] as const)('without %s they are read as streams', async (missing) => {
  const { near, far } = await acceptPair();
  const handle = far._handle as object;
  Object.defineProperty(handle, missing, { value: undefined, configurable: true });
  const transport = fromAccepted(far);
  // the stream itself reads with it
  Reflect.deleteProperty(handle, missing);
  expect(far._handle).toBe(handle);
  near.end(content);
  const { bytes, memory } = await readAll(transport);
  expect(bytes.equals(content)).toBe(true);
  for (const { byteLength } of memory) expect(byteLength).toBeLessThan(256 * 1024);
});

it('without a handle too, as of a socket that is gone already', async () => {
  const { far } = await acceptPair();
  far.destroy();
  await once(far, 'close');
  const ended = new Promise((resolve) => {
    fromAccepted(far).start({ data: () => {}, end: () => {}, written: () => {}, close: resolve });
  });
  expect(await ended).toBeUndefined();
});

it('a server reads its connections that way', async () => {
  const sockets: (Socket & Inside)[] = [];
  const look = (facts: unknown): void => void sockets.push((facts as { socket: Socket & Inside }).socket);
  subscribe('net.server.socket', look);
  const { client, peer, ...pairs } = await pair('sealed');
  unsubscribe('net.server.socket', look);
  open.push(pairs);
  expect(sockets.length).toBe(1);
  expect(sockets[0]?._handle).toBeNull();
  await client.send(content);
  expect(Buffer.compare((await peer.recv()) as Uint8Array, content)).toBe(0);
});
