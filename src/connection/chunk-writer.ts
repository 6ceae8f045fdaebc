import type { Chunk } from '../core/script.js';
import type { Transport } from '../transports/transport.js';
import { joinSmall } from './chunks.js';
import { Outbox } from './outbox.js';

/**
 * Bytes written at a time; more follow only when those are taken. Smaller slices wake the peer more often: at 256 KiB a
 * stream loses up to a tenth.
 */
const SLICE = 1024 * 1024;

/**
 * Gives a transport what is encrypted, a slice at a time and in order, and then the end of the stream.
 *
 * The next slice follows when the system has taken the one before. To give the transport everything at once would be
 * simpler, but what it has cannot be taken back when the connection fails, and many transports report progress in
 * whole writes only: a peer that takes a large one slowly would seem to take nothing.
 *
 * Buffer ownership: what is given belongs to the transport until it is written; nothing here looks at it again.
 */
export class ChunkWriter {
  readonly #transport: Transport;
  readonly #onEnd: () => void;
  /** Not yet given to the transport. */
  readonly #outbox: Outbox;
  #bytesWritten = 0;
  /** Bytes of which the transport has said that the system has them. */
  #confirmed = 0;
  #state: 'open' | 'ending' | 'ended' | 'stopped' = 'open';
  /** Whether the last bytes of all are in it: nothing else stops them. */
  #isLast = false;

  /**
   * `onEnd` is called when the transport has been given the end; `onFailure` if the platform fails to encrypt, after
   * which nothing can be sent.
   */
  constructor(transport: Transport, onEnd: () => void, onFailure: (error: unknown) => void) {
    this.#transport = transport;
    this.#onEnd = onEnd;
    this.#outbox = new Outbox(() => this.#onArrival(), onFailure);
  }

  /** Bytes handed over here so far, all of which the transport is given unless the connection fails. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Bytes that wait here. */
  get waiting(): number {
    return this.#outbox.bytes;
  }

  /** Bytes that the transport has and the system has not. */
  get pending(): number {
    return this.#transport.pending;
  }

  /** The same as exactly as the transport can tell. */
  get unsent(): number {
    return this.#transport.unsent ?? this.#transport.pending;
  }

  /**
   * Number of bytes that the system is known to have taken, by which a connection that fails tells callers whose
   * message may have arrived from those whose message has not. Once the transport is gone it can say nothing more, and
   * the last count stands.
   */
  confirmedBytes(isGone: boolean): number {
    if (isGone) return this.#confirmed;
    // `unsent` asks the system, which costs too much for every message
    if (this.#isIdle()) return this.#bytesWritten;
    return Math.max(this.#confirmed, this.#bytesWritten - this.#outbox.bytes - this.unsent);
  }

  write(chunks: readonly Chunk[]): void {
    if (this.#state === 'stopped') return;
    const [only] = chunks;
    if (chunks.length === 1 && only instanceof Uint8Array && this.#isIdle()) {
      this.#bytesWritten += only.length;
      this.#transport.write(chunks as readonly Uint8Array[]);
      return;
    }
    for (const chunk of chunks) {
      this.#bytesWritten += chunk.length;
      this.#outbox.push(chunk);
    }
    this.#pump();
  }

  /** The transport has completed a write. */
  onWritten(): void {
    this.#confirmed = this.confirmedBytes(false);
    this.#pump();
  }

  /** Ends the stream behind everything written. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#endIfEmpty();
  }

  /** Writes the last bytes of all, and does not wait for what was written before. */
  writeLast(chunks: readonly Chunk[]): void {
    this.write(chunks);
    this.#isLast = true;
    this.#giveLast();
  }

  /** Drops what waits, unless the last bytes of all are behind it. */
  stop(): void {
    this.#state = 'stopped';
    if (!this.#isLast) this.#outbox.clear();
  }

  /** Whether the system has taken everything. */
  #isIdle(): boolean {
    return this.#outbox.isEmpty && this.#transport.pending === 0;
  }

  /** Gives the transport the next slice, if it has done with the one before. */
  #pump(): void {
    if (this.#transport.pending > 0 || this.#outbox.isEmpty) return;
    const slice = this.#outbox.take(SLICE);
    if (slice.length > 0) this.#give(slice);
    this.#endIfEmpty();
  }

  #endIfEmpty(): void {
    if (this.#state !== 'ending' || !this.#outbox.isEmpty) return;
    this.#state = 'ended';
    this.#transport.end();
    this.#onEnd();
  }

  /** Something is encrypted that the chunks behind it waited for. */
  #onArrival(): void {
    if (this.#isLast) this.#giveLast();
    else this.#pump();
  }

  /** The platform may still be encrypting a part: that follows by `#onArrival`, and the end of the stream behind it. */
  #giveLast(): void {
    const chunks = this.#outbox.take(Number.POSITIVE_INFINITY);
    if (chunks.length > 0) this.#give(chunks);
    if (this.#outbox.isEmpty) this.#transport.end();
  }

  #give(chunks: readonly Uint8Array[]): void {
    this.#transport.write(joinSmall(chunks));
  }
}
