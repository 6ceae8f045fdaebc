import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { MessageChannel } from 'node:worker_threads';
import {
  fromDuplex,
  messagePort,
  type StreamPair,
  type Transport,
  WEB_SOCKET_PROTOCOL,
  webSocket,
  webStreams,
} from 'secure-sockets';
import { type CheckTransportOptions, checkTransport } from 'secure-sockets/testing';
import { afterEach, describe, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { asStandard } from './helpers/web-sockets.js';

type Pair = readonly [Transport, Transport];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server on loopback, gone after the test, and its port. */
async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function tcpPair(): Promise<[Socket, Socket]> {
  const server = createTcpServer({ allowHalfOpen: true, pauseOnConnect: true });
  const port = await listen(server);
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
    [Socket],
    unknown,
  ];
  return [near, far];
}

/** Both ends of an open WebSocket of the `ws` package. */
async function wsPair(): Promise<[WebSocket, WebSocket]> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  const port = await listen(http);
  const near = new WebSocket(`ws://127.0.0.1:${port}`, WEB_SOCKET_PROTOCOL);
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'open')])) as [
    [WebSocket, IncomingMessage],
    unknown,
  ];
  cleanups.push(() => far.terminate());
  return [near, far];
}

const kinds: [name: string, pair: () => Promise<Pair>, options?: CheckTransportOptions][] = [
  [
    'fromDuplex() over TCP',
    async () => {
      const [near, far] = await tcpPair();
      return [fromDuplex(near), fromDuplex(far)];
    },
  ],
  [
    'webSocket() over ws',
    async () => {
      const [near, far] = await wsPair();
      return [webSocket(near), webSocket(far)];
    },
  ],
  [
    'webSocket() over a standard WebSocket',
    async () => {
      const [near, far] = await wsPair();
      return [
        webSocket(asStandard(near), { maxReadAhead: 2 ** 28 }),
        webSocket(asStandard(far), { maxReadAhead: 2 ** 28 }),
      ];
    },
    { hasBackPressure: false },
  ],
  [
    'webSocket() that is connecting, with ws and a standard WebSocket',
    async () => {
      const http = createServer();
      const server = new WebSocketServer({ server: http });
      const port = await listen(http);
      const near = webSocket(`ws://127.0.0.1:${port}`, { WebSocket, maxReadAhead: 2 ** 28 });
      const [far] = (await once(server, 'connection')) as [WebSocket];
      return [near, webSocket(far)];
    },
  ],
  [
    'webStreams() over TransformStreams',
    async () => {
      const there = new TransformStream<Uint8Array, Uint8Array>();
      const back = new TransformStream<Uint8Array, Uint8Array>();
      return [
        webStreams({ readable: back.readable, writable: there.writable }),
        webStreams({ readable: there.readable, writable: back.writable }),
      ];
    },
  ],
  [
    'webStreams() over TCP',
    async () => {
      const [near, far] = await tcpPair();
      return [webStreams(toWeb(near)), webStreams(toWeb(far))];
    },
  ],
  [
    'messagePort() over a MessageChannel of Node',
    async () => {
      const { port1, port2 } = new MessageChannel();
      return [messagePort(port1), messagePort(port2)];
    },
  ],
];

/** By hand: `Duplex.toWeb()` of Node 20 tells of the peer's end only when both halves have ended. */
function toWeb(socket: Socket): StreamPair {
  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => {
      socket.on('data', (chunk) => {
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) socket.pause();
      });
      // Bun emits it after destroy() too, when the stream has been cancelled
      socket.on('end', () => socket.destroyed || controller.close());
      socket.on('error', (error) => controller.error(error));
    },
    pull: () => void socket.resume(),
    cancel: () => void socket.destroy(),
  });
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      socket.on('error', (error) => controller.error(error));
    },
    write: (chunk) =>
      new Promise((resolve, reject) => socket.write(chunk, (error) => (error ? reject(error) : resolve()))),
    close: () => new Promise((resolve) => socket.end(resolve)),
    abort: () => void socket.destroy(),
  });
  return { readable, writable };
}

describe.each(kinds)('%s', (_, pair, options) => {
  it('keeps the contract of a transport', () => checkTransport(pair, options), 120_000);
});
