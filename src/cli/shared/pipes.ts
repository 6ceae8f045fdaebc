import { writev } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasCode } from '../../errors.js';
import { wholeNumber } from './arguments.js';
import { CommandError, exitCodes, OutputClosed, usageError } from './failure.js';

/** The maximum length of a piece of input: what the system returns from one read. */
const LARGEST_PIECE = 65_536;

/** Programs of the old Python library read a message with one `recv`. */
const PIECE_IN_CLASSIC = 8192;

/** Flags of commands that send standard input. */
export const inputFlags = {
  'message-size': { type: 'string' },
  messages: { type: 'boolean' },
  wait: { type: 'string' },
} as const;

/** The values of those flags: a size in bytes, a time in milliseconds. */
export function inputOptions(values: {
  readonly 'message-size'?: string | undefined;
  readonly messages?: boolean | undefined;
  readonly wait?: string | undefined;
  readonly protocol?: string | undefined;
}): { readonly messageSize: number; readonly wait: number } {
  if (values.messages && values['message-size'] !== undefined)
    throw usageError('--messages and --message-size exclude each other: each message has its own length');
  const messageSize = wholeNumber('message-size', values['message-size'], 1, LARGEST_PIECE);
  const wait = wholeNumber('wait', values.wait, 0, 86_400);
  const usual = values.protocol === 'classic' ? PIECE_IN_CLASSIC : LARGEST_PIECE;
  return { messageSize: messageSize ?? usual, wait: 1000 * (wait ?? 1) };
}

/** The input of a command. */
export interface Source {
  /** The next piece or message; `null` at the end. */
  next(): Promise<Uint8Array | null>;
  /** Whether `next` has given a piece. */
  readonly hasBegun: boolean;
  /** From now on, input that is silent for that many milliseconds has ended. */
  endWhenSilent(milliseconds: number): void;
  /** Stops reading; a waiting call gets the end. */
  close(): void;
}

/** The output of a command. */
export interface Sink {
  /** Resolves when there is room for more. Rejects if an earlier write has failed. */
  write(piece: Uint8Array): Promise<void>;
  /** Resolves when everything is written. */
  flush(): Promise<void>;
  /** Resolves to the error of a write that has failed, at once: there may be no other to notice it. */
  readonly failed: Promise<unknown>;
}

/**
 * Standard input, in pieces of limited length. It is not read further ahead than its own small buffer, so that a peer
 * that does not read stops the program which writes here, and not the command's memory.
 *
 * Read by 'readable' and `read()`, not by iteration: an iterator cannot be asked whether there is input without
 * taking it, and its wait cannot be given up when the peer has closed (`endWhenSilent`).
 */
export class Input implements Source {
  readonly #stream: Readable;
  readonly #pieceSize: number;
  #rest: Uint8Array = new Uint8Array(0);
  #isOver = false;
  #error: Error | undefined;
  #timeout: number | undefined;
  #hasBegun = false;
  #wake: () => void = () => {};

  constructor(stream: Readable, pieceSize: number) {
    this.#stream = stream;
    this.#pieceSize = pieceSize;
    stream.on('readable', () => this.#wake());
    stream.on('end', () => this.#end());
    stream.on('close', () => this.#end());
    stream.on('error', (error) => this.#end(error));
  }

  async next(): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const chunk: Uint8Array | null = this.#stream.read();
      if (chunk !== null) this.#rest = chunk;
      else if (this.#error) throw this.#error;
      else if (this.#isOver || !(await this.#waitForChange())) return null;
    }
    const piece = this.#rest.subarray(0, this.#pieceSize);
    this.#rest = this.#rest.subarray(piece.length);
    this.#hasBegun = true;
    return piece;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  endWhenSilent(milliseconds: number): void {
    this.#timeout = milliseconds;
    this.#wake();
  }

  close(): void {
    this.#end();
    this.#stream.destroy();
  }

  #end(error?: Error): void {
    this.#isOver = true;
    this.#error ??= error;
    this.#wake();
  }

  /** Resolves when there may be something new, or to false after the timeout. */
  #waitForChange(): Promise<boolean> {
    const timeout = this.#timeout;
    return new Promise((resolve) => {
      const timer = timeout === undefined ? undefined : setTimeout(() => resolve(false), timeout);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/** The maximum number of bytes that wait to be written. */
const HIGH_WATER = 2 ** 20;
const MOST_PIECES = 1024;

const write = promisify(writev);

/**
 * A file descriptor written to off the main thread: a slow reader must not keep the process from answering its
 * peer, as it would with `process.stdout`, which blocks on pipes and files. Waiting pieces are written together.
 */
export class Output implements Sink {
  readonly failed: Promise<unknown>;
  readonly #descriptor: number;
  #fail: (error: unknown) => void = () => {};
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;
  #failure: unknown;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#waiting.push(piece);
    this.#bytes += piece.length;
    this.#writing ??= this.#drain();
    while (this.#bytes > HIGH_WATER && this.#failure === undefined) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async flush(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const pieces = this.#waiting.splice(0, MOST_PIECES);
        await writeAll(this.#descriptor, pieces);
        for (const { length } of pieces) this.#bytes -= length;
      }
    } catch (error) {
      this.#failure = error;
      this.#fail(error);
      this.#waiting = [];
    } finally {
      this.#writing = undefined;
    }
  }
}

async function writeAll(descriptor: number, pieces: readonly Uint8Array[]): Promise<void> {
  let rest = pieces;
  while (rest.length > 0) rest = without(rest, await writeSome(descriptor, rest));
}

async function writeSome(descriptor: number, pieces: readonly Uint8Array[]): Promise<number> {
  try {
    const { bytesWritten } = await write(descriptor, [...pieces]);
    return bytesWritten;
  } catch (error) {
    if (hasCode(error, 'EPIPE')) throw new OutputClosed();
    if (!hasCode(error, 'EAGAIN'))
      throw new CommandError(
        exitCodes.damaged,
        `standard output: ${(error as Error).message}; what was received after that is lost`,
        [],
        error,
      );
    // a full pipe that another process has made non-blocking
    await sleep(5);
    return 0;
  }
}

/** The pieces without their first `count` bytes. */
function without(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}
