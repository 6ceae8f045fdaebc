import { afterTick } from '../../connection/turn.js';
import { FirstFlight } from './first-flight.js';
import type { Plain } from './plain.js';

/** So much may wait to be written in either direction before reading for it pauses, in bytes. */
export const READ_AHEAD: number = 2 ** 20;

/**
 * The writing half of a plain connection. Writes together what comes in one tick, but for the first bytes if there is a
 * settle time: those leave alone, and what follows waits until the target answers, or for that long. A program of the
 * old Python library takes the session key and the first message for one if they arrive together.
 */
export class PlainWriter {
  readonly #transport: Plain['transport'];
  readonly #settle: number;
  #gathered: Uint8Array[] = [];
  #bytes = 0;
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
    return this.#bytes + this.#transport.pending > READ_AHEAD;
  }

  /** Whether everything is written, the end too. */
  get isFinished(): boolean {
    return this.#state === 'ended' && this.#bytes + this.#transport.pending === 0;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#settle === 0 || this.#firstFlight.isOver) {
      this.#gather(bytes);
      return;
    }
    const first = this.#firstFlight.take(bytes);
    this.#transport.write([first]);
    if (this.#firstFlight.isOver) this.#settling = setTimeout(() => this.#endSettling(), this.#settle);
    if (bytes.length > first.length) this.#gather(bytes.subarray(first.length));
  }

  /** Resolves when there is room again, or never will be: to whether there is. */
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

  /** The target has said this. */
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

  /** Ends it after everything written so far. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ended';
    this.#flush();
  }

  /** Nothing will be written any more: what waits for room is told. */
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
