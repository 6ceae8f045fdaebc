import { isBytes, isSame, joinBytes } from '../core/bytes.js';
import { kindOf, reasonOf } from '../errors.js';
import type { Transport, TransportEvents } from '../transports/transport.js';

const recorders = new WeakMap<Transport, Recorder>();
/** A connection may have detached it. */
const givenAway = new WeakSet<ArrayBufferLike>();

/** The recorder that has started a transport. */
export function recorderOf(transport: Transport): Recorder | undefined {
  return recorders.get(transport);
}

/** Starts a transport, writes down what it reports, and complains of what it must never report. */
export class Recorder implements TransportEvents {
  readonly transport: Transport;
  readonly #timeout: number;
  #chunks: Uint8Array[] = [];
  #received = 0;
  #isForgetting = false;
  #writes = 0;
  #ends = 0;
  #closes: (Error | undefined)[] = [];
  #problem: Error | undefined;
  /** Set while one of the transport's own methods runs. */
  #isCalling = false;
  #wake: () => void = () => {};

  constructor(transport: Transport, timeout: number) {
    this.transport = transport;
    this.#timeout = timeout;
    recorders.set(transport, this);
  }

  get received(): number {
    return this.#received;
  }

  /** How often a write was reported done. */
  get writes(): number {
    return this.#writes;
  }

  get hasEnded(): boolean {
    return this.#ends > 0;
  }

  get isClosed(): boolean {
    return this.#closes.length > 0;
  }

  get closeError(): Error | undefined {
    return this.#closes[0];
  }

  /** Everything received, as one piece. */
  bytes(): Uint8Array {
    return joinBytes(this.#chunks);
  }

  /** Lets go of what was received, and keeps no more of it: only complaints are of interest from now on. */
  forget(): void {
    this.#chunks = [];
    this.#isForgetting = true;
  }

  /** Calls a method of the transport, during which it may report nothing. */
  call(act: (transport: Transport) => void): void {
    const before = this.#isCalling;
    this.#isCalling = true;
    try {
      act(this.transport);
    } finally {
      this.#isCalling = before;
    }
  }

  start(): this {
    this.call((transport) => transport.start(this));
    return this;
  }

  /** The same from within a report: what is thrown is complained of later, and not to the transport. */
  callInReport(act: (transport: Transport) => void): void {
    try {
      this.call(act);
    } catch (error) {
      this.#complain(error);
    }
  }

  data(bytes: Uint8Array, isGiven?: boolean): void {
    this.#check('data', this.#ends === 0 ? undefined : 'data() came after end()');
    if (isBytes(bytes)) {
      if (givenAway.has(bytes.buffer)) this.#complain(new Error('data() came in memory that was given away'));
      if (isGiven) givenAway.add(bytes.buffer);
      if (!this.#isForgetting) this.#chunks.push(new Uint8Array(bytes));
      this.#received += bytes.length;
    } else this.#complain(new Error(`data() came with ${kindOf(bytes)}`));
    this.#wake();
  }

  end(): void {
    this.#check('end', this.#ends === 0 ? undefined : 'end() came twice');
    this.#ends++;
    this.#wake();
  }

  written(): void {
    this.#check('written', undefined);
    this.callInReport(({ pending }) => {
      if (!(pending >= 0)) throw new Error(`pending is ${pending}`);
    });
    this.#writes++;
    this.#wake();
  }

  close(error?: Error): void {
    this.#check('close', undefined);
    this.#closes.push(error);
    this.#wake();
  }

  /** Waits until something holds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + this.#timeout;
    for (;;) {
      this.verify();
      if (holds()) return;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${what} did not happen within ${this.#timeout} ms`);
      await this.#change(Math.min(left, 50));
    }
  }

  /** Throws the first complaint. */
  verify(): void {
    if (this.#problem) throw this.#problem;
  }

  #check(event: string, problem: string | undefined): void {
    const text = this.isClosed
      ? `${event}() came after close()`
      : this.#isCalling
        ? `${event}() came from within a call of the transport: report later, as by queueMicrotask()`
        : problem;
    if (text !== undefined) this.#complain(new Error(text));
  }

  #complain(error: unknown): void {
    this.#problem ??= error instanceof Error ? error : new Error(reasonOf(error), { cause: error });
    this.#wake();
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Pauses at every chunk and resumes at once, or a moment later. */
export class PausingRecorder extends Recorder {
  #count = 0;

  override data(bytes: Uint8Array, isGiven?: boolean): void {
    super.data(bytes, isGiven);
    this.callInReport((transport) => transport.pause());
    if (this.#count++ % 2 === 0) this.callInReport((transport) => transport.resume());
    else setTimeout(() => this.callInReport((transport) => transport.resume()), 1);
  }
}

/** Starts both ends of a pair. */
export function startBoth(near: Transport, far: Transport, timeout: number): [Recorder, Recorder] {
  return [new Recorder(near, timeout).start(), new Recorder(far, timeout).start()];
}

/** Waits until these bytes have arrived, and nothing else. */
export async function expectArrival(at: Recorder, chunks: readonly Uint8Array[]): Promise<void> {
  const total = chunks.reduce((sum, { length }) => sum + length, 0);
  await at.until(`the arrival of ${total} bytes`, () => at.received >= total);
  let offset = 0;
  const bytes = at.bytes();
  for (const chunk of chunks) {
    if (!isSame(bytes.subarray(offset, offset + chunk.length), chunk))
      throw new Error(`other bytes arrived than were written, after the first ${offset}`);
    offset += chunk.length;
  }
  if (bytes.length > total) throw new Error(`${bytes.length - total} bytes too many arrived`);
}

/** Waits so many milliseconds, in turns: one may be over before anything else could happen, where the machine was busy. */
export async function pause(milliseconds: number): Promise<void> {
  const turns = Math.min(milliseconds, 10);
  for (let turn = 0; turn < turns; turn++)
    await new Promise((resolve) => setTimeout(resolve, milliseconds / turns));
}
