import type { Batch, Chunk, HandshakeResult, Script, Sender, Task } from '../../src/core/script.js';
import { Session, type SessionEvent } from '../../src/core/session.js';
import { SecureSocketError } from '../../src/errors.js';

/** Of scripts that are not patient: they leave nothing to the platform, and chunks are bytes. */
export interface ImmediateResult extends HandshakeResult {
  readonly sender: Sender<Uint8Array>;
}

/** A session that is pulled after everything that goes in, as a connection does it. */
export class PulledSession extends Session {
  readonly #handle: (event: SessionEvent) => void;

  constructor(script: Script, handle: (event: SessionEvent) => void) {
    super(script);
    this.#handle = handle;
  }

  override start(): void {
    super.start();
    this.#pull();
  }

  override receive(chunk: Uint8Array, isGiven = false): void {
    super.receive(chunk, isGiven);
    this.#pull();
  }

  override addFilled(count: number): void {
    super.addFilled(count);
    this.#pull();
  }

  override endOfStream(): void {
    super.endOfStream();
    this.#pull();
  }

  override resume(result: unknown): void {
    super.resume(result);
    this.#pull();
  }

  override reject(error: unknown): void {
    super.reject(error);
    this.#pull();
  }

  /** Goes on with what is at hand. */
  work(): void {
    this.beginTurn();
    this.#pull();
  }

  #pull(): void {
    if (this.isPulled) return;
    for (let event = this.next(); event !== undefined; event = this.next()) this.#handle(event);
  }
}

/** A session without a socket: keeps what its script does, and performs tasks when told to `settle`. */
export class Recorder {
  readonly session: PulledSession;
  readonly messages: Uint8Array[] = [];
  readonly tasks: Task[] = [];
  opening: ImmediateResult | undefined;
  written: Uint8Array[] = [];
  finalBytes: readonly Uint8Array[] | undefined;
  error: unknown;
  endCode: number | undefined;
  answers = 0;
  /** Bytes of each PONG. */
  readonly answered: number[] = [];
  progress = 0;

  constructor(script: Script) {
    this.session = new PulledSession(script, (event) => this.#handle(event));
  }

  /** What was written since the last call, as one. */
  takeWritten(): Uint8Array {
    const bytes = Buffer.concat(this.written);
    this.written = [];
    return new Uint8Array(bytes);
  }

  /** Gives the session all the turns it wants. */
  finishTurns(): void {
    while (this.session.turnIsOver) this.session.work();
  }

  /** Performs pending tasks until none is left. */
  async settle(): Promise<void> {
    for (let next = this.tasks.shift(); next !== undefined; next = this.tasks.shift()) {
      try {
        this.session.resume(await next.run());
      } catch (error) {
        if (error instanceof SecureSocketError || error instanceof RangeError) this.session.reject(error);
        else throw error;
      }
    }
  }

  /** The code of the error it ended with. */
  get code(): string | undefined {
    if (this.error === undefined) return undefined;
    if (!(this.error instanceof SecureSocketError)) throw this.error;
    return this.error.code;
  }

  #handle(event: SessionEvent): void {
    switch (event.type) {
      case 'write':
        this.write(event.chunks as readonly Uint8Array[]);
        break;
      case 'open':
        this.onOpen(event.result);
        break;
      case 'received':
        this.onReceived(event.batch);
        break;
      case 'task':
        this.tasks.push(event);
        break;
      case 'pong':
        this.answer();
        break;
      case 'answered':
        this.answered.push(event.bytes);
        break;
      case 'ended':
        this.onEnded(event.closeCode);
        break;
      case 'failed':
        this.onFailed(event.error, event.finalBytes);
    }
  }

  write(chunks: readonly Uint8Array[]): void {
    this.written.push(...chunks.map((chunk) => chunk.slice()));
  }

  onOpen(opening: HandshakeResult): void {
    this.opening = opening as ImmediateResult;
  }

  onReceived(batch: Batch | undefined): void {
    this.progress++;
    if (batch === undefined) return;
    for (let message = batch.next(); message !== undefined; message = batch.next())
      this.messages.push(message);
  }

  answer(): void {
    this.answers++;
  }

  onEnded(closeCode: number): void {
    this.endCode = closeCode;
  }

  onFailed(error: unknown, finalBytes: readonly Chunk[] | undefined): void {
    this.error = error;
    this.finalBytes = finalBytes as readonly Uint8Array[] | undefined;
  }
}

/** Cuts bytes at the given places. */
export function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const to of [...sorted, bytes.length]) {
    if (to > from) pieces.push(bytes.slice(from, to));
    from = to;
  }
  return pieces;
}
