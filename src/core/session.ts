import { SecureSocketError } from '../errors.js';
import { ByteQueue } from './byte-queue.js';
import { isEnoughEarly } from './early-bytes.js';
import type { Action, Ask, Chunk, Effect, Script, Task } from './script.js';
import { TurnBudget } from './turn-budget.js';

/** What a session reports to its owner: an effect of the script, unchanged, or the error that ended the script. */
export type SessionEvent = Task | Exclude<Action, { readonly type: 'finalBytes' }> | Failure;

/** The script has failed; `finalBytes` are the last bytes for the peer, if there are any. The last event. */
export interface Failure {
  readonly type: 'failed';
  readonly error: unknown;
  readonly finalBytes: readonly Chunk[] | undefined;
}

/**
 * Runs one script: bytes in, events out. Synchronous, and the same for every protocol.
 *
 * What goes in (`start`, `receive`, `addFilled`, `endOfStream`, `resume`, `reject`, `beginTurn`) is only taken down.
 * The work is done by `next`, which moves the script on to its next event; the owner calls it after each of those
 * until it gives `undefined`, which means that nothing can be done with what is at hand. From the first event until
 * then the session is being pulled: what goes in meanwhile, because a transport answers within a write, is kept for
 * the pull under way, and an owner that starts a second one inside would turn the order of events around.
 *
 * The script is always in one of four places: it has its next input and can move (`#canMove`), it waits for bytes
 * (`#ask`), it waits for a task (`#taskPending`), or it is over (`#isDone`).
 *
 * Turns: a peer can send tiny requests as fast as they are answered, and one pull would go on for as long as it does.
 * So a pull ends after a number of requests, bytes or messages, although there is more to do, and `turnIsOver` says so:
 * the owner stops the transport and calls `beginTurn` when the event loop has come round. Several pulls may be one turn:
 * it adds up their `load` and calls `endTurn`. `defer` ends a turn before it has begun: bytes of a handshake wait for the
 * scheduler of them all. The transport goes on, up to 4 KiB: an end that does not read does not learn of its peer's end.
 */
export class Session {
  /** Set by the owner while it has no room for more messages; pull after clearing it. */
  paused = false;
  readonly #script: Script;
  readonly #bytes = new ByteQueue();
  // where the script is
  /** What the script waits for, unless it is to move. */
  #ask: Ask | undefined;
  /** Whether the script is to go on with `#input`, as its answer or as an error. */
  #canMove = false;
  #throws = false;
  #input: unknown;
  #taskPending = false;
  /** Whether the step is the decryption of a record of the open connection. */
  #isDecrypting = false;
  #isDone = false;
  // how far the turn has come
  #isPulled = false;
  readonly #budget = new TurnBudget();
  #turnIsOver = false;
  #isDeferred = false;
  // what is known of the stream
  #atEnd = false;
  #isOpen = false;
  /** Bytes of memory that the script itself holds for an unfinished message. */
  #holding = 0;
  #finalBytes: readonly Chunk[] | undefined;

  constructor(script: Script) {
    this.#script = script;
  }

  /** Whether it takes no more bytes at the moment: the owner stops reading. */
  get isBlocked(): boolean {
    if (this.#isDone) return false;
    const isEarly = this.#taskPending || this.#isDeferred;
    return this.paused || this.#turnIsOver || (isEarly && isEnoughEarly(this.#bytes, this.#isDecrypting));
  }

  /** Whether events are being pulled: the loop that does it comes to whatever goes in now. */
  get isPulled(): boolean {
    return this.#isPulled;
  }

  /** Leaves what comes alone until `beginTurn` is called. */
  defer(): void {
    if (!this.#isDone) this.#isDeferred = true;
  }

  /** Whether `beginTurn` is to be called in a later turn of the event loop. */
  get turnIsOver(): boolean {
    return this.#turnIsOver || this.#isDeferred;
  }

  /** How much of a turn the last pull took: 1 is all that a turn has. */
  get load(): number {
    return this.#budget.load;
  }

  /** Bytes of memory held for what has not become a message yet. */
  get held(): number {
    return this.#bytes.capacity + this.#holding;
  }

  start(): void {
    this.#move(undefined);
  }

  /**
   * Takes bytes, which may be reused once they are pulled, or after the call if a pull is under way; or takes their
   * memory over, if it is given.
   */
  receive(chunk: Uint8Array, isGiven = false): void {
    if (this.#isDone) return;
    if (isGiven) this.#bytes.give(chunk);
    else this.#bytes.lend(chunk);
    if (this.#isPulled) this.#bytes.keep(countOf(this.#ask));
  }

  /** Where to read the next bytes to, if they belong to one large request; report them with `addFilled`. */
  target(): Uint8Array | undefined {
    return this.isBlocked || this.#isDone ? undefined : this.#bytes.target(countOf(this.#ask));
  }

  /** `count` bytes were read into `target()`. */
  addFilled(count: number): void {
    this.#bytes.addFilled(count);
  }

  /** The peer's half of the stream has ended. */
  endOfStream(): void {
    this.#atEnd = true;
  }

  /** Leaves what comes for another turn, because pulls before took all of this one. */
  endTurn(): void {
    if (!this.#isDone) this.#turnIsOver = true;
  }

  /** Goes on with what is at hand. */
  beginTurn(): void {
    this.#turnIsOver = this.#isDeferred = false;
  }

  /** The result of the pending task. */
  resume(result: unknown): void {
    this.#taskPending = false;
    this.#move(result);
    this.beginTurn();
  }

  /** The pending task failed. */
  reject(error: unknown): void {
    this.#taskPending = false;
    this.#throw(error);
    this.beginTurn();
  }

  /** Ends the script from outside; there are no more events. */
  stop(): void {
    if (this.#isDone) return;
    this.#finish();
    // a generator that is running cannot be told to return: one that is pulled is told at the end of the pull
    if (!this.#isPulled) this.#script.return();
  }

  /** The next event; `undefined` if there is none before more goes in. */
  next(): SessionEvent | undefined {
    this.#isPulled = true;
    while (!this.#isDone) {
      if (!this.#canMove && !this.#answer()) break;
      const event = this.#advance();
      if (event !== undefined) return event;
    }
    this.#rest();
    return undefined;
  }

  /** The end of a pull: the lender of the chunk may have its memory back. */
  #rest(): void {
    this.#isPulled = false;
    this.#budget.refill();
    if (this.#isDone) this.#script.return();
    else this.#bytes.keep(countOf(this.#ask));
  }

  #move(input: unknown): void {
    this.#canMove = !this.#isDone;
    this.#input = input;
  }

  #throw(error: unknown): void {
    this.#throws = true;
    this.#move(error);
  }

  /** Whether the script can move on by an answer to what it has asked for. */
  #answer(): boolean {
    const ask = this.#ask;
    if (ask === undefined || this.paused || this.turnIsOver) return false;
    if (this.#budget.isSpent) {
      this.#turnIsOver = true;
      return false;
    }
    this.#budget.asks++;
    if (this.#bytes.length >= countOf(ask)) this.#give(ask);
    else if (!this.#atEnd) return false;
    else if (this.#bytes.length === 0 && ask.type === 'peek') this.#move(null);
    else this.#throw(this.#endError());
    return true;
  }

  /** The bytes asked for, which are there. */
  #give(ask: Ask): void {
    const bytes = this.#bytes;
    const answer =
      ask.type === 'read'
        ? bytes.take(ask.count)
        : bytes.peek(ask.min).subarray(0, Math.max(ask.min, this.#budget.maxBytes));
    this.#budget.bytes += answer.length;
    this.#move(answer);
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

  /** One move of the script, to its next effect, and the event that this is, unless it is the session's own concern. */
  #advance(): SessionEvent | undefined {
    const input = this.#input;
    const throws = this.#throws;
    this.#ask = this.#input = undefined;
    this.#canMove = this.#throws = false;
    try {
      const next = throws ? this.#script.throw(input) : this.#script.next(input);
      if (next.done !== true) return this.#isDone ? undefined : this.#note(next.value);
      this.#finish();
      return undefined;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** What an effect means to the session itself. */
  #note(effect: Effect): SessionEvent | undefined {
    switch (effect.type) {
      case 'peek':
        // not before: until this request the script was looking at those bytes
        if (effect.used > 0) this.#bytes.drop(effect.used);
        this.#ask = effect;
        return undefined;
      case 'read':
        this.#ask = effect;
        return undefined;
      case 'task':
        this.#taskPending = true;
        this.#isDecrypting = this.#isOpen && effect.kind === 'record';
        return effect;
    }
    this.#canMove = true;
    return this.#noteAction(effect);
  }

  #noteAction(action: Action): SessionEvent | undefined {
    switch (action.type) {
      case 'received':
        this.#holding = action.held;
        this.#budget.messages += action.batch?.count ?? 0;
        return action;
      case 'open':
        this.#isOpen = true;
        this.#budget.suit(action.result.sender);
        return action;
      case 'finalBytes':
        this.#finalBytes = action.chunks;
        return undefined;
      default:
        return action;
    }
  }

  #fail(error: unknown): Failure | undefined {
    if (this.#isDone) return undefined;
    this.#finish();
    return { type: 'failed', error, finalBytes: this.#finalBytes };
  }

  #finish(): void {
    this.#isDone = true;
    this.#canMove = this.#turnIsOver = this.#isDeferred = false;
    this.#ask = this.#input = undefined;
    this.#holding = 0;
    this.#bytes.clear();
  }
}

function countOf(ask: Ask | undefined): number {
  if (ask === undefined) return 0;
  return ask.type === 'read' ? ask.count : ask.min;
}
