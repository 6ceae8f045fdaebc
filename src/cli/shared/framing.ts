import { asOne } from '../../core/bytes.js';
import { CommandError, exitCodes } from './failure.js';
import { Input, Output, type Sink, type Source } from './pipes.js';

// Messages on standard input and output, for programs that run the command as a child process: a 4-byte big-endian
// length, then that many bytes.

const HEADER = 4;

/** The longest message that the library accepts by default. */
const MAX_MESSAGE = 2 ** 24;

/** Standard input and output of a command. */
export interface Pipes {
  readonly input: Source;
  readonly output: Sink;
}

/** Opens them, as bytes with a maximum piece size, or as messages. */
export function openPipes(pieceSize: number, asMessages: boolean | undefined): Pipes {
  const [input, output] = [new Input(process.stdin, pieceSize), new Output(1)];
  if (!asMessages) return { input, output };
  return { input: new MessageSource(input), output: new MessageSink(output) };
}

/**
 * Reads whole messages from an input. An input that ends between two messages has ended; inside of one it was cut off,
 * and what has come of it is not sent: the program at the far end would take it for a message.
 */
class MessageSource implements Source {
  readonly #input: Input;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(input: Input) {
    this.#input = input;
  }

  get hasBegun(): boolean {
    return this.#input.hasBegun;
  }

  endWhenSilent(milliseconds: number): void {
    this.#input.endWhenSilent(milliseconds);
  }

  close(): void {
    this.#input.close();
  }

  /** The next message; `null` at the end of the input. */
  async next(): Promise<Uint8Array | null> {
    const header = await this.#take(HEADER);
    if (header === null) return null;
    const length = new DataView(header.buffer, header.byteOffset).getUint32(0);
    if (length > MAX_MESSAGE) throw tooLong(length);
    const message = await this.#take(length);
    if (message === null) throw cutOff(0, length);
    return message;
  }

  /** `length` bytes; `null` at the end. Memory is allocated as bytes arrive, not for the announced length. */
  async #take(length: number): Promise<Uint8Array | null> {
    while (this.#bytes < length) {
      const piece = await this.#input.next();
      if (piece === null && this.#bytes > 0) throw cutOff(this.#bytes, length);
      if (piece === null) return null;
      this.#pieces.push(piece);
      this.#bytes += piece.length;
    }
    // many messages come in one piece, of which each is a view: a copy of the rest for each would take as long as all squared
    const all = asOne(this.#pieces);
    this.#bytes -= length;
    this.#pieces = this.#bytes === 0 ? [] : [all.subarray(length)];
    return all.subarray(0, length);
  }
}

/** Writes whole messages to an output. */
class MessageSink implements Sink {
  readonly failed: Promise<unknown>;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
    this.failed = output.failed;
  }

  async write(message: Uint8Array): Promise<void> {
    const header = new Uint8Array(HEADER);
    new DataView(header.buffer).setUint32(0, message.length);
    // both at once, so that no other message is written in between
    await Promise.all([this.#output.write(header), this.#output.write(message)]);
  }

  flush(): Promise<void> {
    return this.#output.flush();
  }
}

function tooLong(length: number): CommandError {
  const text = `standard input announces a message of ${length} bytes, and ${MAX_MESSAGE} is the longest`;
  const hint = 'with --messages each begins with its length, 4 bytes, big-endian';
  return new CommandError(exitCodes.usage, text, [hint]);
}

function cutOff(bytes: number, length: number): CommandError {
  const text = `standard input ended inside a message, after ${bytes} of ${length} bytes`;
  return new CommandError(exitCodes.damaged, text);
}
