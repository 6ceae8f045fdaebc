import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { fromDuplex, type Transport, type TransportEvents } from 'secure-sockets';

/** A transport that lets so many bytes more through, and keeps the rest to itself. */
export class Cut implements Transport {
  readonly pending = 0;
  room = Number.POSITIVE_INFINITY;
  readonly socket: Socket;
  readonly #inner: Transport;
  readonly #cut: (bytes: Uint8Array) => Uint8Array;

  constructor(socket: Socket, cut: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) {
    this.socket = socket;
    this.#inner = fromDuplex(socket);
    this.#cut = cut;
  }

  start(events: TransportEvents): void {
    this.#inner.start(events);
  }

  write(chunks: readonly Uint8Array[]): void {
    const bytes = this.#cut(Buffer.concat(chunks)).subarray(0, this.room);
    this.room -= bytes.length;
    if (bytes.length > 0) this.#inner.write([bytes]);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  end(): void {}

  destroy(): void {
    this.#inner.destroy();
  }
}

/** A TCP connection, whatever becomes of it. */
export async function dial(port: number): Promise<Socket> {
  const socket = createConnection(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  return socket;
}
