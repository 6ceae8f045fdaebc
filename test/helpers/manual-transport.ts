import type { SecureClient, SecureServer, Transport, TransportEvents } from 'secure-sockets';
import type { Recorder } from './recorder.js';
import { clientEnd } from './sealed-ends.js';

/** A transport whose other end is the test: it takes and gives nothing unless told to. */
export class ManualTransport implements Transport {
  pending = 0;
  written = Buffer.alloc(0);
  isPaused = false;
  isDestroyed = false;
  isEnded = false;
  remoteAddress?: string;
  #events: TransportEvents | undefined;

  start(events: TransportEvents): void {
    this.#events = events;
  }

  write(chunks: readonly Uint8Array[]): void {
    this.written = Buffer.concat([this.written, ...chunks]);
    for (const { length } of chunks) this.pending += length;
  }

  /** What was written, which is thereby taken. */
  take(): Uint8Array {
    const { written } = this;
    this.written = Buffer.alloc(0);
    this.pending = 0;
    this.#events?.written();
    return written;
  }

  give(bytes: Uint8Array): void {
    this.#events?.data(bytes);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    queueMicrotask(() => this.#events?.close());
  }
}

/** A sealed client whose transport is worked by the test, connected to a server. */
export async function attachManually(
  server: SecureServer,
  transport: ManualTransport = new ManualTransport(),
): Promise<{ transport: ManualTransport; client: Recorder; peer: SecureClient }> {
  const client = clientEnd();
  await server.attach(transport);
  const accepted = server.accept();
  client.session.start();
  while (client.opening === undefined) {
    transport.give(client.takeWritten());
    await new Promise((resolve) => setImmediate(resolve));
    client.session.receive(transport.take());
    await client.settle();
  }
  return { transport, client, peer: await accepted };
}
