import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Identity, SecureClient } from 'secure-sockets';
import { beforeAll, describe, expect, test } from 'vitest';
import { portOf } from './command.js';
import {
  addressOf,
  plainClient,
  plainServer,
  type Tunnel,
  tunnelClient,
  tunnelServer,
  tunnelTo,
  usePlace,
} from './place.js';

// Streams of a tunnel that carry much move to a sealed connection of their own.

const place = usePlace();

beforeAll(async () => {
  const other = await Identity.generate({ role: 'client', modulusLength: 2048 });
  await other.save(join(place.folder, 'other.pem'));
  appendFileSync(join(place.folder, 'keys'), `${other.fingerprint} other\n`);
});

const MIB = 2 ** 20;
const data = Buffer.alloc(64 * MIB, (() => createHash('sha512').update('data').digest())());
const sizes = [0, 4, 8, 16, 64]
  .map((size) => size * MIB)
  .concat(8 * MIB - 1, 8 * MIB + 1, Math.floor(8.2 * MIB), 9 * MIB + 7);

/** Every program here may be slow on a busy machine. */
const slow = { timeout: 60_000 };

describe('a stream that carries much', slow, () => {
  test('has all bytes of a download, and its end, wherever it is when it moves', async () => {
    const { port, server } = await tunnelTo(await sourceOf());
    await Promise.all(
      sizes.map(async (size) => {
        const socket = plainClient(port);
        socket.end(`${size}\n`);
        expect((await buffer(socket)).equals(data.subarray(0, size))).toBe(true);
      }),
    );
    expect(sealedOf(server)).toBeGreaterThan(1);
    expect(server.errors().match(/lost .*/g)).toBeNull();
  });

  test('of an upload, which ends before the answer comes', async () => {
    const target = await plainServer((socket) => {
      const received: Buffer[] = [];
      socket.on('data', (chunk) => received.push(chunk));
      socket.on('end', () => {
        const bytes = Buffer.concat(received);
        socket.end(bytes.equals(data.subarray(0, bytes.length)) ? `${bytes.length} right` : 'wrong');
      });
    });
    const { port, server, client } = await tunnelTo(target);
    await Promise.all(
      sizes.map(async (size) => {
        const socket = plainClient(port);
        socket.end(data.subarray(0, size));
        expect(String(await buffer(socket))).toBe(`${size} right`);
      }),
    );
    expect(sealedOf(server)).toBeGreaterThan(1);
    expect(`${server.errors()}${client.errors()}`).not.toContain('lost');
  });

  test('and of both directions at once', async () => {
    const { port, server } = await tunnelTo(await plainServer((socket) => socket.pipe(socket)));
    const sockets = [1, 2, 3].map(() => plainClient(port));
    await Promise.all(
      sockets.map(async (socket) => {
        socket.end(data);
        expect((await buffer(socket)).equals(data)).toBe(true);
      }),
    );
    expect(sealedOf(server)).toBeGreaterThan(1);
  });

  test('stays where it is below that', async () => {
    const { port, server } = await tunnelTo(await sourceOf());
    for (let count = 0; count < 4; count++) {
      const socket = plainClient(port);
      socket.end(`${4 * MIB}\n`);
      expect((await buffer(socket)).length).toBe(4 * MIB);
    }
    expect(sealedOf(server)).toBe(1);
  });

  test('is through, and not lost, when its last bytes and its end leave together', async () => {
    const { port, server, client } = await tunnelTo(await sourceOf());
    const asked = Array.from({ length: 40 }, async () => {
      const socket = plainClient(port);
      socket.end(`${MIB}\n`);
      expect((await buffer(socket)).length).toBe(MIB);
    });
    await Promise.all(asked);
    await expect.poll(() => server.errors().match(/: (ended|lost) /g)?.length, { timeout: 20_000 }).toBe(40);
    expect(`${server.errors()}${client.errors()}`).not.toContain('lost');
  });

  test('goes on as it is if there is no other connection', async () => {
    const target = await sourceOf();
    const proxy = await proxyTo(await portOf(await tunnelServer(target)));
    proxy.max = 1;
    const { port, running } = await tunnelClient(proxy.port);
    const socket = plainClient(port);
    socket.end(`${data.length}\n`);
    expect((await buffer(socket)).equals(data)).toBe(true);
    await expect.poll(() => proxy.refused).toBe(1);
    expect(running.errors()).not.toContain('lost');
  });
});

describe('a stream that has moved', slow, () => {
  test.each(['target', 'client'])('is reset when its %s is', async (which) => {
    const targets: Socket[] = [];
    const target = await plainServer((socket) => {
      targets.push(socket);
      socket.once('data', () => pour(socket));
    });
    const { port, server } = await tunnelTo(target);
    const socket = await readUntilMoved(port, server, 2);
    const other = which === 'target' ? socket : (targets[0] as Socket);
    const failed = once(other, 'error');
    (which === 'target' ? (targets[0] as Socket) : socket).resetAndDestroy();
    expect(await failed).toMatchObject([{ code: expect.stringMatching(/ECONNRESET|EPIPE/) }]);
    await server.until(/lost /);
  });

  test('is reset when its connection is lost, and no other is', async () => {
    const target = await plainServer((socket) => socket.pipe(socket));
    const proxy = await proxyTo(await portOf(await tunnelServer(target)));
    const { port } = await tunnelClient(proxy.port);
    const other = plainClient(port);
    other.write('before');
    await once(other, 'data');
    const socket = plainClient(port);
    const failed = once(socket, 'error');
    socket.write(data);
    socket.resume();
    const stopPouring = pour(socket);
    await expect.poll(() => proxy.carried(1) > 2 * MIB, { timeout: 40_000 }).toBe(true);
    proxy.open[1]?.resetAndDestroy();
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
    stopPouring();
    other.write('after');
    expect(String((await once(other, 'data'))[0])).toBe('after');
  });

  test('ends at SIGTERM though neither side reads', async () => {
    const target = await plainServer((socket) => {
      socket.once('data', () => {
        socket.pause();
        pour(socket);
      });
    });
    const { port, server, client } = await tunnelTo(target);
    const socket = await readUntilMoved(port, server, 2);
    socket.pause().write(data);
    const begun = performance.now();
    const codes = await Promise.all([server.stop(), client.stop()]);
    expect(codes).toMatchObject([{ code: 0 }, { code: 0 }]);
    expect(performance.now() - begun).toBeLessThan(15_000);
  });
});

describe('a request to move', slow, () => {
  test('moves the stream of the client that was told the token, once', async () => {
    const { server, session, sealed, token } = await sessionByHand(
      await plainServer((socket) => socket.pipe(socket)),
    );
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'default' });
    stream.write('on the stream ');
    expect(String((await once(stream, 'data'))[0])).toBe('on the stream ');
    const own = await agreed(await dialled(server, 'client.pem'));
    await own.send(moveOf(token, stream.id));
    expect((await own.recv())?.length).toBe(0);
    stream.end('last ');
    const last: Buffer[] = [];
    stream.on('data', (chunk) => last.push(chunk));
    await once(stream, 'end');
    await own.send(Buffer.from('on its own'));
    await own.end();
    let received = Buffer.concat(last).toString();
    for await (const message of own) received += Buffer.from(message).toString();
    expect(received).toBe('last on its own');
    const again = await agreed(await dialled(server, 'client.pem'));
    await again.send(moveOf(token, stream.id));
    expect(await again.recv()).toBeNull();
    expect(again.closeCode).toBe(0x4003);
    sealed.destroy();
  });

  test.each([
    ['of another client', 'other.pem', (token: Uint8Array, id: number) => moveOf(token, id)],
    ['with another token', 'client.pem', (_: Uint8Array, id: number) => moveOf(Buffer.alloc(8, 7), id)],
    ['of another stream', 'client.pem', (token: Uint8Array, id: number) => moveOf(token, id + 2)],
  ])('%s is refused, and the stream goes on', async (_, key, request) => {
    const { server, session, token } = await sessionByHand(
      await plainServer((socket) => socket.pipe(socket)),
    );
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'default' });
    stream.write('before');
    await once(stream, 'data');
    const own = await agreed(await dialled(server, key));
    await own.send(request(token, stream.id as number));
    expect(await own.recv()).toBeNull();
    expect(own.closeCode).toBe(0x4003);
    stream.write('after');
    expect(String((await once(stream, 'data'))[0])).toBe('after');
  });

  test.each([[1], [12], [14], [100_000]])(
    'of %i bytes is not understood, and cuts only itself',
    async (length) => {
      const target = await plainServer((socket) => socket.pipe(socket));
      const server = await portOf(await tunnelServer(target));
      const own = await agreed(await dialled(server, 'client.pem'));
      await own.send(new Uint8Array(length));
      await expect(own.recv()).rejects.toThrow();
      const { port } = await tunnelClient(server);
      const socket = plainClient(port);
      socket.end('still there');
      expect(String(await buffer(socket))).toBe('still there');
    },
  );
});

/** Sends as many bytes as its client asks for, and ends. */
function sourceOf(): Promise<Server> {
  return plainServer((socket) => {
    socket.once('data', (line) => socket.end(data.subarray(0, Number(line))));
  });
}

/** Asks an endless target, and reads until the stream has moved to the sealed connection of that number. */
async function readUntilMoved(port: number, server: Tunnel['server'], number: number): Promise<Socket> {
  const socket = plainClient(port);
  socket.write('go');
  socket.resume();
  await expect.poll(() => sealedOf(server), { timeout: 40_000 }).toBe(number);
  // the handshake is before the move
  const before = socket.bytesRead;
  await expect.poll(() => socket.bytesRead > before + 32 * MIB, { timeout: 40_000 }).toBe(true);
  return socket;
}

/** Goes on writing, at the pace of the reader. */
function pour(socket: Socket): () => void {
  let isOn = true;
  const next = (error?: Error | null): void => {
    if (error || !isOn || socket.destroyed || !socket.writable) return;
    socket.write(data.subarray(0, MIB), (failure) => setImmediate(next, failure));
  };
  next();
  return () => {
    isOn = false;
  };
}

function sealedOf(server: Tunnel['server']): number {
  return server.errors().match(/connected: /g)?.length ?? 0;
}

interface Proxy {
  readonly port: number;
  /** How many it accepts. */
  max: number;
  refused: number;
  readonly open: Socket[];
  /** How many bytes of a client it has carried on the connection of that index. */
  carried(index: number): number;
}

/** Stands before a tunnel server. */
async function proxyTo(port: number): Promise<Proxy> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  place.undo.push(() => server.close());
  const proxy: Proxy = {
    port: Number(addressOf(server).split(':')[1]),
    max: 100,
    refused: 0,
    open: [],
    carried: (index) => proxy.open[index]?.bytesRead ?? 0,
  };
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    if (proxy.open.length >= proxy.max) {
      proxy.refused++;
      socket.resetAndDestroy();
      return;
    }
    const onward = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    onward.on('error', () => {}).on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    place.undo.push(() => socket.destroy());
    proxy.open.push(socket);
    socket.pipe(onward).pipe(socket);
  });
  return proxy;
}

async function dialled(port: number, key: string): Promise<SecureClient> {
  const identity = await Identity.load(join(place.folder, key), { role: 'client' });
  const client = new SecureClient({ serverKey: place.serverKey, identity, allowHalfOpen: true });
  await client.connect({ host: '127.0.0.1', port });
  place.undo.push(() => client.destroy());
  return client;
}

/** Agrees on streams. */
async function agreed(sealed: SecureClient): Promise<SecureClient> {
  await sealed.send(new Uint8Array(0));
  expect((await sealed.recv())?.length).toBe(0);
  return sealed;
}

/** A session of HTTP/2 as a tunnel client has one, with the token that the server tells. */
async function sessionByHand(
  target: Server,
): Promise<{ server: number; session: ClientHttp2Session; sealed: SecureClient; token: Uint8Array }> {
  const server = await portOf(await tunnelServer(target));
  const sealed = await agreed(await dialled(server, 'client.pem'));
  const session = connectHttp2('http://tunnel', { createConnection: () => sealed.toDuplex() });
  session.on('error', () => {});
  place.undo.push(() => session.destroy());
  const [token] = (await once(session, 'ping')) as [Uint8Array];
  return { server, session, sealed, token: Uint8Array.from(token) };
}

function moveOf(token: Uint8Array, id: number | undefined): Uint8Array {
  const message = Buffer.alloc(13);
  message.set(token, 1);
  message.writeUInt32BE(id ?? 0, 9);
  return message;
}
