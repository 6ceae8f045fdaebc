import { SecureSocketError } from '../errors.js';
import { ByteQueue } from './bytes.js';
import type { Action, Ask, Batch, Chunk, Effect, HandshakeResult, Script, Task, TaskKind } from './script.js';

/** Who performs what a script wants. Calls arrive while the session is working, in the order of the script. */
export interface Host {
  write(chunks: readonly Chunk[]): void;
  opened(opening: HandshakeResult): void;
  /** Messages have come, or bytes of one that is not complete. */
  received(batch: Batch | undefined): void;
  /** Does the step and calls `resume` or `reject` later, never before returning. */
  perform(task: () => unknown, kind: TaskKind): void;
  answer(): void;
  ended(closeCode: number): void;
  /** The script has failed; `finalBytes` are the last bytes for the peer, if there are any to be said. */
  failed(error: unknown, finalBytes: readonly Chunk[] | undefined): void;
}

/** So many requests of a script are answered in one go, then the other connections have their turn. */
const ASKS_A_TURN = 512;
/** The same for bytes, until a sender says how many are worth encrypting, and so decrypting, at once. */
const BYTES_A_TURN = 64 * 1024;

/** So many bytes may come early, while a step is under way or before its turn: reading on is how the peer's death is noticed. */
const EARLY_BYTES = 4096;

/** Runs one script: bytes in, effects out. Synchronous, and the same for every protocol. */
export class Session {
  /** Set by the host while it has no room for more messages; call `work` after clearing it. */
  paused = false;
  readonly #script: Script;
  readonly #host: Host;
  readonly #bytes = new ByteQueue();
  #ask: Ask | undefined;
  #bytesATurn = BYTES_A_TURN;
  #finalBytes: readonly Chunk[] | undefined;
  #holding = 0;
  #atEnd = false;
  #isOpen = false;
  #isDone = false;
  #isRunning = false;
  #taskPending = false;
  #turnIsOver = false;
  #isDeferred = false;

  constructor(script: Script, host: Host) {
    this.#script = script;
    this.#host = host;
  }

  /** Whether it takes no more bytes at the moment: the host stops reading. */
  get isBlocked(): boolean {
    const isEarly = (this.#taskPending || this.#isDeferred) && this.#bytes.length > EARLY_BYTES;
    return !this.#isDone && (this.paused || isEarly || this.#turnIsOver);
  }

  /** Leaves what comes alone until `work` is called. */
  defer(): void {
    if (!this.#isDone) this.#isDeferred = true;
  }

  /** Whether `work` is to be called again in a later turn of the event loop. */
  get turnIsOver(): boolean {
    return this.#turnIsOver || this.#isDeferred;
  }

  /** Bytes of memory held for what has not become a message yet. */
  get held(): number {
    return this.#bytes.capacity + this.#holding;
  }

  start(): void {
    this.#step(undefined);
    if (!this.turnIsOver) this.work();
  }

  /** Takes bytes, which may be reused after the call. */
  receive(chunk: Uint8Array): void {
    if (this.#isDone) return;
    this.#bytes.lend(chunk);
    if (!this.turnIsOver) this.#run();
    this.#bytes.keep(wanted(this.#ask));
  }

  /** Where to read the next bytes to, if they belong to one large request; report them with `filled`. */
  target(): Uint8Array | undefined {
    return this.isBlocked || this.#isDone ? undefined : this.#bytes.target(wanted(this.#ask));
  }

  /** `count` bytes were read into `target()`. */
  filled(count: number): void {
    this.#bytes.filled(count);
    this.work();
  }

  /** The peer's half of the stream has ended. */
  endOfStream(): void {
    this.#atEnd = true;
    if (!this.turnIsOver) this.work();
  }

  /** Goes on with what is at hand. */
  work(): void {
    this.#turnIsOver = this.#isDeferred = false;
    this.#run();
    this.#bytes.keep(wanted(this.#ask));
  }

  /** The result of the pending task. */
  resume(result: unknown): void {
    this.#taskPending = false;
    this.#step(result);
    this.work();
  }

  /** The pending task failed. */
  reject(error: unknown): void {
    this.#taskPending = false;
    this.#throw(error);
    this.work();
  }

  /** Ends the script from outside; nothing is reported any more. */
  stop(): void {
    if (this.#isDone) return;
    this.#finish();
    if (!this.#isRunning) this.#script.return();
  }

  #run(): void {
    let asks = 0;
    let bytes = 0;
    while (!this.#isDone && !this.paused && this.#ask !== undefined) {
      if (asks++ === ASKS_A_TURN || bytes >= this.#bytesATurn) {
        this.#turnIsOver = true;
        return;
      }
      const answer = this.#answer(this.#ask);
      if (answer === undefined) return;
      bytes += answer?.length ?? 0;
      this.#step(answer);
    }
  }

  /** The bytes asked for, `null` at a permitted end, `undefined` if they are not there yet. */
  #answer(ask: Ask): Uint8Array | null | undefined {
    const bytes = this.#bytes;
    if (bytes.length >= wanted(ask))
      return ask.type === 'read'
        ? bytes.take(ask.count)
        : bytes.peek(ask.atLeast).subarray(0, Math.max(ask.atLeast, this.#bytesATurn));
    if (!this.#atEnd) return undefined;
    if (bytes.length === 0 && ask.type === 'peek') return null;
    this.#throw(this.#endError());
    return undefined;
  }

  #endError(): SecureSocketError {
    if (!this.#isOpen)
      return new SecureSocketError(
        'HANDSHAKE_FAILED',
        'the peer closed the connection during the handshake: its own log may say why',
      );
    const where = this.#bytes.length + this.#holding > 0 ? 'inside a message' : 'without a close message';
    return new SecureSocketError('TRUNCATED', `the connection was cut: the peer's bytes end ${where}`);
  }

  #step(answer: unknown): void {
    this.#advance(() => this.#script.next(answer));
  }

  #throw(error: unknown): void {
    this.#advance(() => this.#script.throw(error));
  }

  /** One move of the script, and on through its effects to its next request. */
  #advance(move: () => IteratorResult<Effect, void>): void {
    this.#ask = undefined;
    this.#isRunning = true;
    try {
      let next = move();
      while (next.done !== true && !this.#isDone && this.#perform(next.value)) next = this.#script.next();
      if (next.done === true) this.#finish();
      else if (this.#isDone) this.#script.return();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Whether the script can go on at once. */
  #perform(effect: Effect): boolean {
    if (effect.type === 'read' || effect.type === 'peek') return this.#await(effect);
    if (effect.type === 'task') return this.#begin(effect);
    this.#act(effect);
    return !this.#isDone;
  }

  #await(ask: Ask): false {
    if (ask.type === 'peek' && ask.used > 0) this.#bytes.drop(ask.used);
    this.#ask = ask;
    return false;
  }

  #begin({ run, kind }: Task): false {
    this.#taskPending = true;
    this.#host.perform(run, kind);
    return false;
  }

  #act(action: Action): void {
    switch (action.type) {
      case 'received':
        this.#holding = action.held;
        this.#host.received(action.batch);
        break;
      case 'write':
        this.#host.write(action.chunks);
        break;
      case 'pong':
        this.#host.answer();
        break;
      case 'open':
        this.#isOpen = true;
        this.#bytesATurn = action.result.sender.partLength;
        this.#host.opened(action.result);
        break;
      case 'finalBytes':
        this.#finalBytes = action.chunks;
        break;
      case 'ended':
        this.#host.ended(action.closeCode);
    }
  }

  #fail(error: unknown): void {
    if (this.#isDone) return;
    this.#finish();
    this.#host.failed(error, this.#finalBytes);
  }

  #finish(): void {
    this.#isDone = true;
    this.#turnIsOver = this.#isDeferred = false;
    this.#holding = 0;
    this.#bytes.clear();
  }
}

function wanted(ask: Ask | undefined): number {
  if (ask === undefined) return 0;
  return ask.type === 'read' ? ask.count : ask.atLeast;
}
