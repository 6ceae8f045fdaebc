import { isArrayBuffer, isBytes } from '../core/bytes.js';
import { badArgument, kindOf, reasonOf, SecureSocketError } from '../errors.js';
import { isTransport, missingMethod, type Transport, type TransportEvents } from './transport.js';

/** Transports that carry a connection, or did: each carries one. */
const taken = new WeakSet<Transport>();

/**
 * A transport of the application, held to what the interface says: one that throws or reports nonsense ends its own
 * connection and nothing else, and one that never reports its end is taken for ended soon after `destroy`.
 *
 * Throws BAD_ARGUMENT for what is no transport, and for one that was given before: its reports would go to the later
 * connection only, and the earlier one would wait for them.
 */
export function guardTransport(transport: unknown, method: string): Transport {
  if (!isTransport(transport))
    throw badArgument(
      `${method} takes a Transport, such as webSocket() makes or, on Node, fromDuplex(), not ${kindOf(transport)}`,
    );
  const missing = missingMethod(transport);
  if (missing !== undefined) throw badArgument(`a Transport for ${method} needs a method ${missing}()`);
  if (taken.has(transport)) throw badArgument(`${method} takes a Transport that was not given before`);
  taken.add(transport);
  return new GuardedTransport(transport);
}

/** Milliseconds within which a destroyed transport has to report its end. */
const DESTROY_GRACE = 1000;

class GuardedTransport implements Transport {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly #inner: Transport;
  #events: TransportEvents | undefined;
  #target: Uint8Array | undefined;
  #isGone = false;
  #isDestroyed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #error: Error | undefined;

  constructor(inner: Transport) {
    this.#inner = inner;
    this.remoteAddress = this.#read('remoteAddress', 'string');
    this.remotePort = this.#read('remotePort', 'number');
    this.localAddress = this.#read('localAddress', 'string');
    this.localPort = this.#read('localPort', 'number');
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#attempt(() =>
      this.#inner.start({
        data: (bytes, isGiven) => this.#data(bytes, isGiven),
        end: () => this.#report(() => events.end()),
        written: () => this.#report(() => events.written()),
        close: (error) => this.#close(error),
        target: () => {
          this.#target = this.#isGone ? undefined : events.target?.();
          return this.#target;
        },
      }),
    );
  }

  get pending(): number {
    return this.#read('pending', 'number') ?? 0;
  }

  get unsent(): number {
    return this.#read('unsent', 'number') ?? this.pending;
  }

  write(chunks: readonly Uint8Array[]): void {
    this.#attempt(() => this.#inner.write(chunks));
  }

  pause(): void {
    this.#attempt(() => this.#inner.pause());
  }

  resume(): void {
    this.#attempt(() => this.#inner.resume());
  }

  probe(): void {
    this.#attempt(() => this.#inner.probe?.());
  }

  end(): void {
    this.#attempt(() => this.#inner.end());
  }

  ref(): void {
    this.#attempt(() => this.#inner.ref?.());
  }

  unref(): void {
    this.#attempt(() => this.#inner.unref?.());
  }

  destroy(error?: Error): void {
    this.#giveUp(error, () => this.#inner.destroy(error));
  }

  reset(): void {
    this.#giveUp(undefined, () => (this.#inner.reset ? this.#inner.reset() : this.#inner.destroy()));
  }

  #giveUp(error: Error | undefined, act: () => void): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#error ??= error;
    if (!this.#isGone) this.#timer = setTimeout(() => this.#close(this.#error), DESTROY_GRACE);
    this.#attempt(act);
  }

  /**
   * The bytes of a report, which must be bytes. Those in the memory that `target` returned count as read into their
   * place; a view over another place of that memory would be taken for such, so it is passed on as a copy. So is shared
   * memory: another thread could change a record between the check of its tag and its decryption.
   */
  #data(bytes: unknown, isGiven: unknown): void {
    if (this.#isGone || this.#isDestroyed) return;
    const target = this.#target;
    this.#target = undefined;
    if (!isBytes(bytes)) {
      const text = `the transport reported ${typeof bytes} in place of a Uint8Array`;
      this.#fail(new SecureSocketError('TRANSPORT_FAILED', text));
      return;
    }
    const isInTarget = target !== undefined && bytes.buffer === target.buffer;
    const isInPlace = isInTarget && bytes.byteOffset === target.byteOffset && bytes.length <= target.length;
    const isOwn = isArrayBuffer(bytes.buffer) && (!isInTarget || isInPlace);
    this.#events?.data(isOwn ? bytes : new Uint8Array(bytes), isGiven === true && !isInTarget);
  }

  #report(tell: () => void): void {
    if (!this.#isGone) tell();
  }

  #close(error: unknown): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#timer);
    const reason = this.#error ?? (error === undefined ? undefined : asError(error));
    this.#events?.close(reason);
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      this.#fail(asError(thrown));
    }
  }

  /** The connection is told in a turn of its own, since it may be in the middle of something. */
  #fail(error: Error): void {
    this.#error ??= error;
    queueMicrotask(() => {
      this.destroy(error);
      this.#close(error);
    });
  }

  #read<Type extends 'string' | 'number'>(
    name: keyof Transport,
    type: Type,
  ): (Type extends 'string' ? string : number) | undefined {
    let value: unknown;
    this.#attempt(() => {
      value = this.#inner[name];
    });
    const isRight = typeof value === type && (typeof value !== 'number' || value >= 0);
    return isRight ? (value as Type extends 'string' ? string : number) : undefined;
  }
}

function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  return new SecureSocketError('TRANSPORT_FAILED', `the transport failed: ${reasonOf(thrown)}`, {
    cause: thrown,
  });
}
