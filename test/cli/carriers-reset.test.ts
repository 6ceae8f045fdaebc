import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { Identity, SecureClient } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { data, describeFrames, opening, request, reset } from '../helpers/http2-frames.js';
import { portOf, type Running } from './command.js';
import { plainClient, plainServer, tunnelClient, tunnelServer, usePlace } from './place.js';

// A client that resets its streams before the server has looked at them, which no library does on purpose.

const place = usePlace();

describe('streams that are reset at once', () => {
  const codes = [
    ['without an error', 0],
    ['as cancelled', 8],
  ] as const;

  test.each(codes)('%s end at the target too, and hold no place', async (_, code) => {
    const open = new Set<Socket>();
    const target = await plainServer((socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      socket.pipe(socket);
    });
    const server = await tunnelServer(target, 0, ['--max-connections', '40']);
    const port = await portOf(server);
    const carrier = await rawCarrier(port);
    for (let stream = 1; stream < 80; stream += 2) carrier.write(resetAtOnce(stream, code));
    await expect.poll(() => server.errors().split('lost ').length - 1).toBe(40);
    await expect.poll(() => open.size).toBe(0);
    await expectEcho((await tunnelClient(port)).port);
  });

  test.each(codes)('%s may be beyond the limit of connections', async (_, code) => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const server = await tunnelServer(target, 0, ['--max-connections', '1']);
    const port = await portOf(server);
    const carrier = await rawCarrier(port);
    carrier.write(request(1, connectTo('default')));
    for (let stream = 3; stream < 23; stream += 2) carrier.write(resetAtOnce(stream, code));
    await expect.poll(() => server.errors().split('refused ').length - 1).toBe(10);
    carrier.write(reset(1, 8));
    await server.until(/lost /);
    await expectEcho((await tunnelClient(port)).port);
  });

  test.each(codes)('%s may be for a target that there is not', async (_, code) => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const server = await tunnelServer(target);
    const port = await portOf(server);
    const carrier = await rawCarrier(port);
    carrier.write(Buffer.concat([request(1, connectTo('nowhere')), reset(1, code)]));
    await server.until(/there is no target/);
    await expectEcho((await tunnelClient(port)).port);
  });
});

describe('a stream is accepted', () => {
  test.each([
    ['the first bytes of its target', (socket: Socket) => socket.write('answer'), ['headers', 'data']],
    ['the end of its target', (socket: Socket) => socket.end(), ['headers', 'data', 'end']],
  ])('together with %s', async (_, act, words) => {
    const { carrier, plain } = await carrierTo();
    const messages: string[][] = [];
    carrier.on('data', (message: Buffer) => messages.push(describeFrames(message)));
    carrier.write(request(1, connectTo('default')));
    const socket = await plain;
    // what a silent target is sent does not wait for that
    carrier.write(data(1, 'question'));
    expect(String((await once(socket, 'data'))[0])).toBe('question');
    act(socket);
    await expect.poll(() => messages.filter((message) => message.length > 0)).toEqual([words]);
  });

  test('but not if its target resets', async () => {
    const { carrier, plain, server } = await carrierTo();
    const messages: string[][] = [];
    carrier.on('data', (message: Buffer) => messages.push(describeFrames(message)));
    carrier.write(request(1, connectTo('default')));
    const socket = await plain;
    // it is known to be connected when that has arrived
    carrier.write(data(1, 'question'));
    await once(socket, 'data');
    socket.resetAndDestroy();
    await server.until(/lost .*ECONNRESET/);
    await expect.poll(() => messages.flat()).toEqual(['reset']);
  });
});

test.each(['GET', 'HEAD', 'POST'])('%s opens no stream', async (method) => {
  const target = await plainServer((socket) => socket.pipe(socket));
  let connections = 0;
  target.on('connection', () => connections++);
  const server = await tunnelServer(target);
  const port = await portOf(server);
  const carrier = await rawCarrier(port);
  carrier.write(request(1, { ':method': method, ':scheme': 'http', ':path': '/', ':authority': 'default' }));
  await server.until(new RegExp(`lost .*${method}`));
  expect(connections).toBe(0);
  await expectEcho((await tunnelClient(port)).port);
});

/** One to a server with a target, and the first connection to that. */
async function carrierTo(): Promise<{ carrier: Duplex; plain: Promise<Socket>; server: Running }> {
  let accept: (socket: Socket) => void = () => {};
  const plain = new Promise<Socket>((resolve) => {
    accept = resolve;
  });
  const server = await tunnelServer(await plainServer((socket) => accept(socket)));
  return { carrier: await rawCarrier(await portOf(server)), plain, server };
}

/** A sealed connection on which the server speaks HTTP/2, and this side whatever is written. */
async function rawCarrier(port: number): Promise<Duplex> {
  const identity = await Identity.load(join(place.folder, 'client.pem'));
  const client = new SecureClient({ serverKey: place.serverKey, identity });
  await client.connect({ host: '127.0.0.1', port });
  place.undo.push(() => client.destroy());
  await client.send(new Uint8Array(0));
  expect(await client.recv()).toHaveLength(0);
  const carrier = client.toDuplex().on('error', () => {});
  carrier.resume().write(opening);
  return carrier;
}

/** Both frames in one message, so that they are there at the same time. */
function resetAtOnce(stream: number, code: number): Buffer {
  return Buffer.concat([request(stream, connectTo('default')), reset(stream, code)]);
}

function connectTo(target: string): Record<string, string> {
  return { ':method': 'CONNECT', ':authority': target };
}

async function expectEcho(port: number): Promise<void> {
  const socket = plainClient(port);
  socket.write('echo');
  expect(String((await once(socket, 'data'))[0])).toBe('echo');
}
