import { SendQueue, type SendQueueLimits } from '../../src/connection/send-queue.js';
import type { Chunk, Sender } from '../../src/core/script.js';
import { bytes, LetterSender, StillTransport } from './letters.js';

/** A transport of which the system takes everything at once, and no write is reported: nothing is ever pending. */
export class SwiftTransport extends StillTransport {
  override write(chunks: readonly Uint8Array[]): void {
    super.write(chunks);
    this.pending = 0;
  }
}

export interface QueueSetup extends Partial<SendQueueLimits> {
  readonly transport?: StillTransport;
  readonly sender?: Sender;
}

export interface Queue {
  readonly queue: SendQueue;
  readonly transport: StillTransport;
  readonly failures: unknown[];
  /** The system takes everything. Returns what the queue says of it: whether messages were in it. */
  take(): boolean;
}

/** A queue whose connection's handshake is not done. */
export function unopenedQueue(setup: QueueSetup = {}): Queue {
  const { transport = new StillTransport(), highWaterMark = 4, maxSendQueue = 10_000 } = setup;
  const failures: unknown[] = [];
  const queue = new SendQueue(transport, { highWaterMark, maxSendQueue }, (error) => failures.push(error));
  const take = (): boolean => {
    transport.pending = 0;
    return queue.onWritten();
  };
  return { queue, transport, failures, take };
}

/** One that can send. */
export function openQueue(setup: QueueSetup = {}): Queue {
  const made = unopenedQueue(setup);
  made.queue.open(setup.sender ?? new LetterSender());
  return made;
}

/** What is being encrypted elsewhere, until `done` is called. */
export function encryptedLater(letters: string): { chunk: Chunk; done(): void } {
  let resolve: ((chunks: Uint8Array[]) => void) | undefined;
  const whenDone = new Promise<Uint8Array[]>((settle) => (resolve = settle));
  return { chunk: { length: letters.length, bytes: whenDone }, done: () => resolve?.([bytes(letters)]) };
}

/** The end of the tick, in which its messages are written; nothing else of the event loop's turn is done. */
export const endOfTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
