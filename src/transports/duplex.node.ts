import type { Duplex } from 'node:stream';
import { badArgument, kindOf } from '../errors.js';
import { findHiddenReset } from './hidden-reset.node.js';
import type { Transport, TransportEvents } from './transport.js';

/** The addresses of both ends, as far as there are any. */
interface Addresses {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** What a socket has beyond a Duplex. */
interface SocketFacts extends Addresses {
  resetAndDestroy?(): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

/**
 * The transport of a `node:stream` Duplex, a `net.Socket` among them. The stream must be open, in byte mode and not
 * flowing, and is the transport's from then on: it is destroyed with it. Create it with `allowHalfOpen: true` if the
 * two directions are to end apart.
 */
export function fromDuplex(stream: Duplex): Transport {
  const { write, pause, resume, on } = Object(stream) as Partial<Duplex>;
  if ([write, pause, resume, on].some((method) => typeof method !== 'function'))
    throw badArgument(`fromDuplex() takes a Duplex of node:stream, not ${kindOf(stream)}`);
  return new DuplexTransport(stream);
}

/** Where a stream that does not hand its bytes to 'data' listeners hands them instead. */
export interface DirectReads {
  events: TransportEvents | undefined;
}

/** The transport of a socket whose bytes come by another way than 'data'. `known`: what has its addresses already. */
export function fromDirectSocket(socket: Duplex, reads: DirectReads, known?: Addresses): Transport {
  return new DuplexTransport(socket, reads, known);
}

const NOTHING = new Uint8Array(0);

class DuplexTransport implements Transport {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly #stream: Duplex & SocketFacts;
  readonly #reads: DirectReads | undefined;
  #events: TransportEvents | undefined;
  #pending = 0;
  /** Bun (1.4.5) gives what it has read after `destroy()` too. */
  #isGivenUp = false;
  #error: Error | undefined;

  constructor(stream: Duplex, reads?: DirectReads, known: Addresses = stream as Addresses) {
    this.#stream = stream;
    this.#reads = reads;
    // read now: a socket forgets its addresses when it ends, just when logs want them
    const { remoteAddress, remotePort, localAddress, localPort } = known;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.localAddress = localAddress;
    this.localPort = localPort;
    // from the first moment: an error without a listener would end the process
    stream.on('error', (error) => {
      this.#error ??= error;
    });
  }

  start(events: TransportEvents): void {
    const stream = this.#stream;
    this.#events = events;
    if (stream.destroyed) {
      queueMicrotask(() => events.close(this.#error));
      return;
    }
    stream.on('end', () => this.#onEnd(events));
    whenGone(stream, () => events.close(this.#error));
    if (this.#reads) this.#reads.events = events;
    else stream.on('data', (chunk: Uint8Array) => this.#isGivenUp || events.data(chunk));
    // a stream that was paused on purpose does not flow by a listener alone
    stream.resume();
  }

  #onEnd(events: TransportEvents): void {
    if (this.#isGivenUp) return;
    const reset = findHiddenReset(this.#stream, this.remotePort);
    if (reset) this.#stream.destroy(reset);
    else events.end();
  }

  get pending(): number {
    return this.#pending;
  }

  /** libuv counts what is left of a write, and Node's own socket time-outs go by it; elsewhere whole writes must do. */
  get unsent(): number {
    const { _handle } = this.#stream as { _handle?: { writeQueueSize?: unknown } | null };
    const left = _handle?.writeQueueSize;
    return typeof left === 'number' ? left + this.#stream.writableLength : this.#pending;
  }

  write(chunks: readonly Uint8Array[]): void {
    const stream = this.#stream;
    const last = chunks.length - 1;
    if (last < 0 || stream.destroyed || stream.writableEnded) return;
    if (last > 0) stream.cork();
    for (let i = 0; i < last; i++) {
      const chunk = chunks[i] as Uint8Array;
      this.#pending += chunk.length;
      stream.write(chunk, (error) => {
        if (!error) this.#pending -= chunk.length;
      });
    }
    const chunk = chunks[last] as Uint8Array;
    this.#pending += chunk.length;
    stream.write(chunk, (error) => {
      // what the system has not taken stays pending, so that it is not counted as sent
      if (error) return;
      this.#pending -= chunk.length;
      this.#events?.written();
    });
    if (last > 0) stream.uncork();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  probe(): void {
    if (this.remotePort !== undefined) probeSocket(this.#stream);
  }

  end(): void {
    if (!this.#stream.writableEnded) this.#stream.end();
  }

  destroy(error?: Error): void {
    this.#isGivenUp = true;
    this.#stream.destroy(error);
  }

  /** TCP alone has resets; a TLS socket has the method, and throws. */
  reset(): void {
    this.#isGivenUp = true;
    const stream = this.#stream;
    const isTcp = this.remotePort !== undefined && !('encrypted' in stream);
    if (isTcp && stream.resetAndDestroy) stream.resetAndDestroy();
    else stream.destroy();
  }

  ref(): void {
    this.#stream.ref?.();
  }

  unref(): void {
    this.#stream.unref?.();
  }
}

/**
 * Asks the system whether the peer has reset a connection, by a write of nothing, in answer to which it reports a reset.
 * TCP alone: a Unix domain socket reports a peer that has closed in order, too, whose last bytes may still be read. Which
 * of them it is, a socket no longer knows after the reset.
 */
export function probeSocket(stream: Duplex): void {
  const { writableLength, writableEnded, destroyed } = stream;
  if (writableLength === 0 && !writableEnded && !destroyed) stream.write(NOTHING);
}

/** By its own last step, in case it was made with `emitClose: false`, and by its event if that comes first. */
function whenGone(stream: Duplex, tell: () => void): void {
  let isTold = false;
  const tellOnce = (): void => {
    if (!isTold) tell();
    isTold = true;
  };
  stream.on('close', tellOnce);
  const destroy = stream._destroy;
  stream._destroy = (error, done) =>
    destroy.call(stream, error, (failure) => {
      done(failure);
      setImmediate(tellOnce);
    });
}
