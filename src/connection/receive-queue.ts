import type { Bytes } from '../core/bytes.js';
import { Inbox } from '../core/inbox.js';
import type { Batch } from '../core/script.js';
import { SecureSocketError } from '../errors.js';
import { onNextLoop } from '../turn.js';
import { onAbort } from './on-abort.js';

/** A call that waits for the next message. `null`: the peer has ended. */
interface Reader {
  deliver(message: Bytes | null): void;
  readonly fail: (error: unknown) => void;
}

/**
 * Messages given without a pause; before the next one other connections get a turn. A reader's promises settle
 * without one: a flood of small messages would keep the event loop from all other connections.
 */
const MESSAGES_A_TURN = 4096;
/** A batch has no more messages, so that its array is short-lived and others get their turn. */
const MESSAGES_A_BATCH = 1024;

const DONE: IteratorResult<never> = { value: undefined, done: true };

/**
 * The receiving half of a connection: messages until they are read, and then how it ended.
 *
 * A program that loops over messages which are there already keeps the event loop to itself: each `await` continues
 * in a microtask, before any other connection is looked at. So after a number of messages in a row the next one is
 * promised as if it were not there, and delivered in the next turn of the event loop (`#serveLate`). Meanwhile there
 * may be a reader and messages at the same time, and the end of the connection waits for that reader, too.
 */
export class ReceiveQueue {
  readonly #inbox = new Inbox();
  readonly #readAhead: number;
  readonly #onRoom: () => void;
  #reader: Reader | undefined;
  #inARow = 0;
  /** Whether the reader waits for its turn, and not for a message. */
  #isLate = false;
  #end: { readonly error?: unknown } | undefined;
  #isDiscarding = false;

  /** `readAhead`: how many bytes may wait here, overhead included; `onRoom` is called when reading makes room again. */
  constructor(readAhead: number, onRoom: () => void) {
    this.#readAhead = readAhead;
    this.#onRoom = onRoom;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Whether no more messages are to be taken for now. */
  get isFull(): boolean {
    return !this.#isDiscarding && this.#inbox.cost > this.#readAhead;
  }

  /** Whether a reader waits, and nothing is there for it. */
  get isAwaited(): boolean {
    return this.#reader !== undefined && this.#inbox.cost === 0;
  }

  /** Bytes waiting to be read, overhead included. */
  get cost(): number {
    return this.#inbox.cost;
  }

  push(batch: Batch): void {
    if (this.#isDiscarding && this.#inbox.cost > this.#readAhead) {
      this.fail(
        new SecureSocketError('CLOSED', 'messages received after close() and not read are discarded'),
      );
      return;
    }
    if (this.isOver) return;
    this.#inbox.push(batch);
    // where there is no room, a transport that cannot be stopped would not wait
    if (this.#reader && (!this.#isLate || this.isFull)) this.#serve(this.#reader);
  }

  /** The peer has ended in order. */
  finish(): void {
    this.#settle({});
  }

  /** There will be no more messages, because of `error`; those already here stay readable. */
  fail(error: unknown): void {
    this.#settle({ error });
  }

  /** Gives up what waits to be read: a call that asks for it is told `error`. */
  drop(error: unknown): void {
    this.fail(error);
    if (this.#inbox.cost === 0) return;
    this.#inbox.clear();
    this.#end = { error };
  }

  /** From now on what no call waits for may be discarded. */
  discard(): void {
    this.#isDiscarding = true;
  }

  /** The next message, or `null` at the end. One call at a time. */
  recv(signal?: AbortSignal): Promise<Bytes | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#reader) return Promise.reject(recvPending());
    const message = this.#atOnce();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#end && this.#inbox.cost === 0)
      return 'error' in this.#end ? Promise.reject(this.#end.error) : Promise.resolve(null);
    return new Promise((resolve, reject) => this.#await({ deliver: resolve, fail: reject }, signal));
  }

  /** The same for an iterator: one promise a message, no generator in between. */
  next(): Promise<IteratorResult<Bytes>> {
    if (this.#reader) return Promise.reject(recvPending());
    const message = this.#atOnce();
    if (message !== undefined) return Promise.resolve({ value: message, done: false });
    if (this.#end && this.#inbox.cost === 0)
      return 'error' in this.#end ? Promise.reject(this.#end.error) : Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#await(new Step(resolve, reject)));
  }

  /** The same for an iterator over what is there, in one array: at least one message, or the end. */
  nextBatch(): Promise<IteratorResult<Bytes[]>> {
    if (this.#reader) return Promise.reject(recvPending());
    const first = this.#atOnce();
    if (first !== undefined) return Promise.resolve({ value: this.#batchFrom(first), done: false });
    if (this.#end && this.#inbox.cost === 0)
      return 'error' in this.#end ? Promise.reject(this.#end.error) : Promise.resolve(DONE);
    return new Promise((resolve, fail) => {
      const deliver = (message: Bytes | null): void =>
        resolve(message === null ? DONE : { value: this.#batchFrom(message), done: false });
      this.#await({ deliver, fail });
    });
  }

  /** A message, and those behind it that are there too. */
  #batchFrom(first: Bytes): Bytes[] {
    const batch = [first];
    while (batch.length < MESSAGES_A_BATCH) {
      const message = this.#shift();
      if (message === undefined) break;
      batch.push(message);
    }
    this.#inARow += batch.length - 1;
    return batch;
  }

  #atOnce(): Bytes | undefined {
    if (this.#inARow >= MESSAGES_A_TURN) return undefined;
    this.#inARow++;
    return this.#shift();
  }

  #await(reader: Reader, signal?: AbortSignal): void {
    this.#inARow = 0;
    this.#isLate = this.#inbox.cost > 0;
    if (this.#isLate) onNextLoop(() => this.#serveLate());
    if (signal === undefined) {
      this.#reader = reader;
      return;
    }
    const stop = onAbort(signal, () => {
      this.#reader = undefined;
      reader.fail(signal.reason);
    });
    const settle = <T>(act: (value: T) => void, value: T): void => {
      stop();
      act(value);
    };
    this.#reader = {
      deliver: (message) => settle((value) => reader.deliver(value), message),
      fail: (error) => settle(reader.fail, error),
    };
  }

  #serve(reader: Reader): void {
    const message = this.#shift();
    if (message === undefined) return;
    this.#reader = undefined;
    reader.deliver(message);
  }

  /** A reader had to wait for its turn, and what it waits for may be gone by now. */
  #serveLate(): void {
    this.#isLate = false;
    if (this.#reader) this.#serve(this.#reader);
    if (this.#end) this.#settleReader(this.#end);
  }

  #shift(): Bytes | undefined {
    const inbox = this.#inbox;
    const before = inbox.cost;
    const message = inbox.shift();
    const half = this.#readAhead / 2;
    // at half, and once on the way down: to resume for each message would stop and start the transport all the time
    if (before > half && inbox.cost <= half) this.#onRoom();
    return message;
  }

  #settle(end: { readonly error?: unknown }): void {
    if (this.#end) return;
    this.#end = end;
    // a reader may still have to wait for its turn, and gets what is there first
    if (this.#inbox.cost === 0) this.#settleReader(end);
  }

  #settleReader(end: { readonly error?: unknown }): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    if ('error' in end) reader.fail(end.error);
    else reader.deliver(null);
  }
}

/** A step of an iteration. A class, since many an idle connection holds one. */
class Step implements Reader {
  readonly #resolve: (result: IteratorResult<Bytes>) => void;
  readonly fail: (error: unknown) => void;

  constructor(resolve: (result: IteratorResult<Bytes>) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.fail = reject;
  }

  deliver(message: Bytes | null): void {
    this.#resolve(message === null ? DONE : { value: message, done: false });
  }
}

function recvPending(): SecureSocketError {
  return new SecureSocketError(
    'RECV_PENDING',
    'a recv() or iteration step is already waiting on this connection: one at a time',
  );
}
