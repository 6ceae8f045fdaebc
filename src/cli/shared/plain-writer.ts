import { afterTick } from '../../turn.js';
import { FirstFlight } from './first-flight.js';
import type { Plain } from './plain.js';

/** How many bytes may wait to be written in each direction before reading pauses. */
export const READ_AHEAD: number = 2 ** 20;

/**
 * The writing half of a plain connection. Bytes of one tick are written together. If there is a settle time, the
 * first bytes are written on their own, and what follows waits until the target answers or the time has passed: a
 * program of the old Python library would read the session key and the first message as one if they arrived together.
 */
export class PlainWriter {
  readonly #transport: Plain['transport'];
  readonly #settle: number;
  #gathered: Uint8Array[] = [];
  #bytes = 0;
  #bytesWritten = 0;
  #state: 'open' | 'ended' | 'abandoned' = 'open';
  readonly #firstFlight = new FirstFlight();
  #settling: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};

  /** `settle` in milliseconds; 0 for none. */
  constructor({ transport }: Plain, settle = 0) {
    this.#transport = transport;
    this.#settle = settle;
  }

  get isFull(): boolean {
    return this.unsent > READ_AHEAD;
  }

  /** Bytes that the system has not taken yet. */
  get unsent(): number {
    return this.#bytes + this.#transport.pending;
  }

  /** Bytes written so far. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Whether nothing more is written. */
  get isOver(): boolean {
    return this.#state === 'abandoned';
  }

  /** Whether everything is written, including the end. */
  get isFinished(): boolean {
    return this.#state === 'ended' && this.unsent === 0;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.isOver) return;
    this.#bytesWritten += bytes.length;
    if (this.#settle === 0 || this.#firstFlight.isOver) {
      this.#gather(bytes);
      return;
    }
    const first = this.#firstFlight.take(bytes);
    this.#transport.write([first]);
    if (this.#firstFlight.isOver) this.#settling = setTimeout(() => this.#endSettling(), this.#settle);
    if (bytes.length > first.length) this.#gather(bytes.subarray(first.length));
  }

  /** Resolves to true when there is room again, to false when there never will be. */
  async room(): Promise<boolean> {
    while (this.isFull && this.#state === 'open') {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#state === 'open';
  }

  /** The transport has completed a write. */
  onWritten(): void {
    if (!this.isFull) this.#wake();
  }

  /** The target has sent these bytes. */
  onReceive(bytes: Uint8Array): void {
    if (this.#settle === 0) return;
    this.#firstFlight.onReceive(bytes);
    this.#endSettling();
  }

  #endSettling(): void {
    if (this.#settling === undefined) return;
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#flush();
  }

  /** Ends the stream after everything written so far. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#flush();
  }

  /** Nothing more will be written: wakes the caller that waits for room. */
  abandon(): void {
    this.#state = 'abandoned';
    clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#gathered = [];
    this.#bytes = 0;
    this.#wake();
  }

  #gather(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#gathered.push(bytes) === 1) afterTick(() => this.#flush());
  }

  #flush(): void {
    if (this.#settling !== undefined || this.#state === 'abandoned') return;
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    this.#transport.write(gathered);
    if (this.#state === 'ended') this.#transport.end();
  }
}
