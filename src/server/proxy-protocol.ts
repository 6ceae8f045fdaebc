import { cutError } from '../connection/cut.js';
import { onAbort } from '../connection/on-abort.js';
import { ByteQueue } from '../core/byte-queue.js';
import { type ProxySource, readProxyHeader } from '../core/encodings/proxy-header.js';
import { SecureSocketError } from '../errors.js';
import type { Transport, TransportEvents } from '../transports/transport.js';

/**
 * A transport behind a proxy: reads the PROXY header and resolves to a transport that has the rest of the bytes and
 * the address of the real peer. Rejects, and destroys the transport, if the header is wrong or late, or by the signal.
 */
export function behindProxy(transport: Transport, timeout: number, signal: AbortSignal): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const bytes = new ByteQueue();
    const fail = (error: unknown): void => {
      stopWaiting();
      transport.destroy();
      reject(error);
    };
    const unfollow = onAbort(signal, () => fail(signal.reason));
    const stopWaiting = (): void => {
      clearTimeout(timer);
      unfollow();
    };
    const timer = setTimeout(() => {
      fail(new SecureSocketError('HANDSHAKE_TIMEOUT', `no PROXY header came within ${timeout} ms`));
    }, timeout);
    const relay = new Relay({
      data: (chunk) => {
        bytes.lend(chunk);
        bytes.keep(0);
        try {
          const header = readProxyHeader(bytes.peek(bytes.length));
          if (header === 'incomplete') return;
          bytes.drop(header.length);
          stopWaiting();
          resolve(handOver(transport, relay, header.source, bytes));
        } catch (error) {
          fail(error);
        }
      },
      end: () =>
        fail(new SecureSocketError('HANDSHAKE_FAILED', 'the proxy closed the connection before its header')),
      written: () => {},
      close: (error) => fail(cutError('handshake', error)),
    });
    transport.start(relay);
  });
}

/** Pauses the transport until the receiver of the rest starts it. `bytes` holds what came behind the header. */
function handOver(
  transport: Transport,
  relay: Relay,
  source: ProxySource | undefined,
  bytes: ByteQueue,
): Transport {
  transport.pause();
  relay.to = undefined;
  return new ProxiedTransport(transport, relay, source, bytes.take(bytes.length).slice());
}

/**
 * Passes events on, to one receiver first and to another later; what comes in between is kept in order.
 *
 * A transport is started once and has one receiver of its events for good. Here the first one reads the header, and the
 * connection that is made then is the second. Between them the transport is paused, but one that cannot pause at once
 * may report more: bytes are copied, since they are the transport's again after the call.
 */
class Relay implements TransportEvents {
  to: TransportEvents | undefined;
  readonly #missed: ((to: TransportEvents) => void)[] = [];

  constructor(to: TransportEvents) {
    this.to = to;
  }

  /** From now on `to` is told, of what it has missed first. */
  handTo(to: TransportEvents): void {
    for (const tell of this.#missed.splice(0)) tell(to);
    this.to = to;
  }

  data(bytes: Uint8Array): void {
    if (this.to) this.to.data(bytes);
    else {
      const copy = new Uint8Array(bytes);
      this.#missed.push((to) => to.data(copy));
    }
  }

  end(): void {
    this.#tell((to) => to.end());
  }

  written(): void {
    this.#tell((to) => to.written());
  }

  close(error?: Error): void {
    this.#tell((to) => to.close(error));
  }

  target(): Uint8Array | undefined {
    return this.to?.target?.();
  }

  #tell(act: (to: TransportEvents) => void): void {
    if (this.to) act(this.to);
    else this.#missed.push(act);
  }
}

class ProxiedTransport implements Transport {
  readonly #inner: Transport;
  readonly #relay: Relay;
  readonly #source: ProxySource | undefined;
  readonly #rest: Uint8Array;

  constructor(inner: Transport, relay: Relay, source: ProxySource | undefined, rest: Uint8Array) {
    this.#inner = inner;
    this.#relay = relay;
    this.#source = source;
    this.#rest = rest;
  }

  start(events: TransportEvents): void {
    // first: the receiver of the rest may want to pause
    this.#inner.resume();
    if (this.#rest.length > 0) events.data(this.#rest);
    this.#relay.handTo(events);
  }

  get remoteAddress(): string | undefined {
    return this.#source ? this.#source.address : this.#inner.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#source ? this.#source.port : this.#inner.remotePort;
  }

  get localAddress(): string | undefined {
    return this.#inner.localAddress;
  }

  get localPort(): number | undefined {
    return this.#inner.localPort;
  }

  get pending(): number {
    return this.#inner.pending;
  }

  get unsent(): number {
    return this.#inner.unsent ?? this.#inner.pending;
  }

  ref(): void {
    this.#inner.ref?.();
  }

  unref(): void {
    this.#inner.unref?.();
  }

  write(chunks: readonly Uint8Array[]): void {
    this.#inner.write(chunks);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  end(): void {
    this.#inner.end();
  }

  destroy(error?: Error): void {
    this.#inner.destroy(error);
  }
}
