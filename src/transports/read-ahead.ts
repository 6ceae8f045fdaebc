import { type ArgumentRules, anything, integer, type Rule, text } from '../arguments.js';
import { Queue } from '../core/queue.js';
import { badOption, SecureSocketError } from '../errors.js';
import type { TransportEvents } from './transport.js';

/** What a transport may hold by default while its reader pauses, in bytes. */
const MAX_READ_AHEAD = 16 * 1024 * 1024;
/** What a chunk costs beside its bytes, so that a million empty ones are not free. */
const CHUNK_COST = 128;

/** What every transport takes whose source cannot pause at once. */
export interface ReadAheadOptions {
  /**
   * How much may arrive while reading is paused, in bytes, each chunk counted with 128 more. Beyond it the transport
   * ends with BUFFER_LIMIT. Default 16 MiB (16777216); 65536 to 2147483647.
   */
  readonly maxReadAhead?: number | undefined;
}

/** What every such transport knows; the rest is checked by {@link readMaxReadAhead}. */
export const readAheadRules: ArgumentRules<ReadAheadOptions> = { maxReadAhead: anything };

/** Options that say where a peer is. */
export const addressRules: { readonly remoteAddress: Rule; readonly remotePort: Rule } = {
  remoteAddress: text,
  remotePort: integer(0, 65_535),
};

/** Checks the option and fills in the default. */
export function readMaxReadAhead({ maxReadAhead = MAX_READ_AHEAD }: ReadAheadOptions): number {
  if (Number.isInteger(maxReadAhead) && maxReadAhead >= 65_536 && maxReadAhead < 2 ** 31) return maxReadAhead;
  throw badOption(
    `maxReadAhead must be a whole number of bytes from 65536 to 2147483647, not ${String(maxReadAhead)}`,
  );
}

/**
 * Passes on what arrives, in order: bytes, the peer's end, the end of all. While its reader pauses it holds them, which
 * is bounded, and it never calls the reader from within a call of the reader's own. Chunks are handed over to it.
 *
 * Not from within: a reader that resumes in the middle of its own work would be called for the next chunk before it has
 * finished with this one, and its view of the order would be turned around. So `resume`, `end` and `close` deliver in a
 * microtask. Bytes that arrive are delivered at once, as their source has called and not the reader, unless a
 * delivery is under way, which then comes to them itself.
 */
export class ReadAhead {
  readonly #max: number;
  readonly #overflow: (error: SecureSocketError) => void;
  readonly #isGiven: boolean;
  #events: TransportEvents | undefined;
  readonly #chunks = new Queue<Uint8Array>();
  #held = 0;
  #isPaused = false;
  #isDelivering = false;
  #isScheduled = false;
  /** Each is told once, when everything before it has been passed on. */
  #end: 'open' | 'due' | 'told' = 'open';
  #close: 'open' | 'due' | 'told' = 'open';
  #error: Error | undefined;

  /**
   * `overflow` is told once that more has arrived than may be held. `isGiven`: whether nothing else has the memory of the
   * chunks, so that the reader may keep or detach it.
   */
  constructor(max: number, overflow: (error: SecureSocketError) => void, isGiven = false) {
    this.#max = max;
    this.#overflow = overflow;
    this.#isGiven = isGiven;
  }

  /** Whether nothing more is taken. */
  get isOver(): boolean {
    return this.#close !== 'open';
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#schedule();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  /** Bytes have arrived. */
  data(bytes: Uint8Array): void {
    if (this.isOver || this.#end !== 'open' || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#held += bytes.length + CHUNK_COST;
    if (this.#canDeliver()) this.#deliver();
    if (this.#held > this.#max && !this.isOver) this.#overflow(tooMuch(this.#held, this.#max));
  }

  /** The peer has ended its half. */
  end(): void {
    if (this.isOver || this.#end !== 'open') return;
    this.#end = 'due';
    this.#schedule();
  }

  /**
   * Nothing more will come, and nothing can be sent. After an error what is held is passed on even if reading is
   * paused: there may never be a reason to resume.
   */
  close(error?: Error): void {
    if (this.isOver) return;
    this.#close = 'due';
    if (error) this.#isPaused = false;
    this.#error = error;
    this.#schedule();
  }

  /** The reader has given up: it is told the end of all and nothing else. */
  abandon(error?: Error): void {
    if (this.#close === 'told') return;
    this.#chunks.clear();
    this.#held = 0;
    this.#end = 'told';
    this.#close = 'due';
    this.#isPaused = false;
    this.#error = error;
    this.#schedule();
  }

  #canDeliver(): boolean {
    return this.#events !== undefined && !this.#isPaused && !this.#isDelivering;
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#canDeliver()) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.#canDeliver()) this.#deliver();
    });
  }

  /** As far as the reader takes it, who may pause, resume or give up at every step. */
  #deliver(): void {
    const events = this.#events as TransportEvents;
    this.#isDelivering = true;
    try {
      while (this.#chunks.count > 0 && !this.#isPaused) {
        const chunk = this.#chunks.take() as Uint8Array;
        this.#held -= chunk.length + CHUNK_COST;
        events.data(chunk, this.#isGiven);
      }
      if (this.#chunks.count > 0) return;
      if (this.#end === 'due' && !this.#isPaused) {
        this.#end = 'told';
        events.end();
      }
      if (this.#close === 'due' && !this.#isPaused) {
        this.#close = 'told';
        events.close(this.#error);
      }
    } finally {
      this.#isDelivering = false;
    }
  }
}

function tooMuch(held: number, max: number): SecureSocketError {
  return new SecureSocketError(
    'BUFFER_LIMIT',
    `${held} bytes arrived while reading was paused, maxReadAhead is ${max}: read faster, or raise it`,
  );
}
