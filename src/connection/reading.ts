import type { Batch, Script, Task, TaskKind } from '../core/script.js';
import { Session, type SessionEvent } from '../core/session.js';
import type { Transport } from '../transports/transport.js';
import { afterTick, onNextLoop } from '../turn.js';
import { ReceiveQueue } from './receive-queue.js';

/** How a connection reads. Sizes in bytes. */
export interface ReadingSettings {
  /** How much may be received and wait to be read, each message counted with 128 bytes more. */
  readonly readAhead: number;
  /** Runs a step of the script; `isOver` tells that its result is no longer needed. */
  readonly run: (task: () => unknown, kind: TaskKind, isOver: () => boolean) => Promise<unknown>;
  /** Where the steps of a handshake wait for their turn; absent where it need not wait for others. */
  readonly schedule?: Schedule;
}

type Schedule = (step: () => void) => void;

/** What concerns the connection: all but the steps that are done here. */
export type ConnectionEvent = Exclude<SessionEvent, Task>;

/** What comes of reading. */
export interface ReadingOwner {
  /** An event of the session, in the order of the script; messages are in the queue already. */
  handle(event: ConnectionEvent): void;
  /** The session has done what it could: what is held, and whether reading is paused, may have changed. */
  onSettled(): void;
}

/** Records decrypted by the platform that are handled in one turn. */
const RECORDS_A_TURN = 16;
/** How much of a turn may be taken before it is asked when the next one begins: a lone message asks for none. */
const MUCH = 1 / 4;
/** The longest message of a WebSocket that is no cause to let others have a turn: no peer of this library sends longer ones. */
const LONGEST_MESSAGE = 256 * 1024;

/**
 * The receive path: from the transport through the session to the queue of messages, and the scheduling of each.
 *
 * Three things stop the transport: a program that does not read its messages (`session.paused`), a step that takes
 * time, and a session that has used up its turn of the event loop. The session reports this by `isBlocked`, which is
 * passed on to the transport after every pull; if only the turn is used up, the next one is scheduled. A socket may be
 * read many times in one iteration of the loop, and each time is a pull: what they take adds up (`#load`). Steps of a
 * handshake wait in the queue of all handshakes (`schedule`), so that open connections do not wait for them; those of
 * an open connection continue in the next iteration of the event loop.
 *
 * A transport that gives its memory away is one that cannot be stopped (a browser's WebSocket, a message port): what it
 * brought would pile up, as it brings more in each iteration than a turn takes. So its messages are no cause to wait.
 *
 * Buffer ownership: bytes reported by a transport belong to it and are valid only during the call, because all sockets
 * of a process read into one buffer. The exception are bytes read into the memory that `target` returned: these are
 * already in the session's own memory, so only their number is used and nothing is copied. Memory that is given away by
 * its transport becomes the session's.
 */
export class Reading {
  readonly queue: ReceiveQueue;
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #settings: ReadingSettings;
  readonly #owner: ReadingOwner;
  #bytesRead = 0;
  /** Whether this is one of many handshakes, which are done in turn. */
  #isScheduled: boolean;
  #transportIsPaused = false;
  /** Where it waits for its next turn, if it does. */
  #waitsBy: Schedule | undefined;
  #recordsATurn = 0;
  /** How much of its turn it has had. */
  #load = 0;
  /** Whether what comes is to be taken in one turn, however much that is. */
  #cannotWait = false;
  #target: Uint8Array | undefined;
  #isOver = false;

  constructor(transport: Transport, script: Script, settings: ReadingSettings, owner: ReadingOwner) {
    this.#transport = transport;
    this.#session = new Session(script);
    this.#settings = settings;
    this.#owner = owner;
    this.#isScheduled = settings.schedule !== undefined;
    this.queue = new ReceiveQueue(settings.readAhead, () => this.scheduleTurn());
  }

  /** Bytes received on the wire. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes of memory held for what has not become a message yet. */
  get held(): number {
    return this.#session.held;
  }

  /** Whether the program has to read before more can be taken. */
  get isPaused(): boolean {
    return this.#session.paused;
  }

  /** Whether this is a handshake that waits its turn among others. */
  get isScheduled(): boolean {
    return this.#isScheduled;
  }

  start(): void {
    this.#session.start();
    this.#pull();
  }

  /** The handshake is done. */
  open(): void {
    this.#isScheduled = false;
  }

  /** Where the transport may read to. */
  target(): Uint8Array | undefined {
    this.#target = this.#isOver ? undefined : this.#session.target();
    return this.#target;
  }

  /** Bytes of the transport. */
  receive(bytes: Uint8Array, isGiven = false): void {
    this.#bytesRead += bytes.length;
    if (this.#isOver) return;
    // compared by memory: a transport that does not know `target` reports memory of its own
    const isInPlace = this.#target !== undefined && bytes.buffer === this.#target.buffer;
    this.#target = undefined;
    if (this.#isScheduled) this.#session.defer();
    this.#cannotWait = isGiven && !this.#isScheduled && bytes.length <= LONGEST_MESSAGE;
    if (isInPlace) this.#session.addFilled(bytes.length);
    else this.#session.receive(bytes, isGiven);
    this.#pull();
  }

  endOfStream(): void {
    this.#session.endOfStream();
    this.#pull();
  }

  /** The program has read, or does no more: the session may have room again. */
  scheduleTurn(): void {
    afterTick(() => this.#goOn());
  }

  /**
   * Lets what has been received become messages, however many wait already: there will be no other time. The limits of
   * turns and of `readAhead` do not hold here, and need not: nothing more comes, so what is at hand is bounded by them.
   */
  drain(): void {
    this.#cannotWait = true;
    do {
      this.#session.paused = false;
      this.#beginTurn();
      this.#pull();
    } while (this.#session.paused);
  }

  /** For good. */
  stop(): void {
    this.#isOver = true;
    this.#session.stop();
  }

  /** Reads on, with no session behind: what comes is only counted. */
  discard(): void {
    this.#transport.resume();
  }

  /**
   * Takes what the session makes of its input, one event after the other. Whatever an event does may end the
   * connection, after which there is no other; a transport that reports more inside of it comes back here, and leaves
   * that to the loop under way.
   */
  #pull(): void {
    if (this.#session.isPulled) return;
    this.#takeAll();
    while (this.#cannotWait && this.#session.turnIsOver) {
      this.#beginTurn();
      this.#takeAll();
    }
    this.#owner.onSettled();
    if (!this.#isOver) this.#adjust();
  }

  /** As far as the turn goes. */
  #takeAll(): void {
    for (let event = this.#session.next(); event !== undefined; event = this.#session.next()) {
      try {
        this.#take(event);
      } catch (error) {
        this.#owner.handle({ type: 'failed', error, finalBytes: undefined });
      }
    }
    this.#load += this.#session.load;
    if (this.#load >= 1) this.#session.endTurn();
  }

  #take(event: SessionEvent): void {
    if (event.type === 'task') {
      this.#perform(event);
    } else {
      if (event.type === 'received') this.#queueMessages(event.batch);
      this.#owner.handle(event);
    }
  }

  #queueMessages(batch: Batch | undefined): void {
    if (batch === undefined) return;
    this.queue.push(batch);
    if (this.queue.isFull) this.#session.paused = true;
  }

  /** Holds the transport to what the session can take, and arranges for the session's next turn. */
  #adjust(): void {
    const { isBlocked } = this.#session;
    if (isBlocked !== this.#transportIsPaused) {
      this.#transportIsPaused = isBlocked;
      if (isBlocked) this.#transport.pause();
      else this.#transport.resume();
    }
    if (this.#session.turnIsOver || this.#load >= MUCH) this.#awaitTurn();
  }

  #awaitTurn(): void {
    const schedule = (this.#isScheduled ? this.#settings.schedule : undefined) ?? onNextLoop;
    // one that has just become open does not wait where handshakes do
    if (this.#waitsBy === schedule) return;
    this.#waitsBy = schedule;
    schedule(() => {
      if (this.#waitsBy === schedule) this.#waitsBy = undefined;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#isOver) return;
    this.#beginTurn();
    this.#goOn();
  }

  #beginTurn(): void {
    this.#load = 0;
    this.#session.beginTurn();
  }

  #goOn(): void {
    if (this.#isOver) return;
    this.#session.paused = this.queue.isFull;
    this.#pull();
  }

  /** Does a step that takes time, whose result is the session's next input. */
  #perform({ run, kind }: Task): void {
    const schedule = kind === 'record' ? this.#recordSchedule() : this.#settings.schedule;
    const continueWith = (input: () => void): void => {
      const go = (): void => {
        if (this.#isOver) return;
        input();
        this.#pull();
      };
      if (schedule) schedule(go);
      else go();
    };
    this.#settings
      .run(run, kind, () => this.#isOver)
      .then(
        (result) => continueWith(() => this.#session.resume(result)),
        (error: unknown) => continueWith(() => this.#session.reject(error)),
      );
  }

  /** A platform may answer so fast that no other connection gets a turn: after some records they have theirs. */
  #recordSchedule(): Schedule | undefined {
    this.#recordsATurn = (this.#recordsATurn + 1) % RECORDS_A_TURN;
    return this.#recordsATurn === 0 ? onNextLoop : undefined;
  }
}
