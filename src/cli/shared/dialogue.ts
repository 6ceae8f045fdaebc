import { setTimeout as sleep } from 'node:timers/promises';
import { onAbort } from '../../connection/on-abort.js';
import type { SecureClient } from '../../index.js';
import { closeCodes, stopOf } from './close-codes.js';
import { CommandError, exitCodes, lostConnection } from './failure.js';
import type { Sink, Source } from './pipes.js';

/** How the two directions of a dialogue end. */
export interface DialogueOptions {
  /** Ends the dialogue in order; it then rejects with the reason. */
  readonly stop: AbortSignal;
  /** How long the peer may be silent after the end of our input before our side ends, in milliseconds. */
  readonly wait: number;
  /** Whether a side without any input leaves it to the peer to end. */
  readonly isServer: boolean;
}

/** How long input may be silent, in milliseconds, before it is given up for a peer that has closed. */
const TIMEOUT = 250;

/** How long our end waits for output that is being written, in milliseconds. */
const OUTPUT_TIME = 1000;

/**
 * Carries input to the peer and what the peer sends to output, until both directions have ended. Rejects if either was
 * cut off.
 */
export async function converse(
  client: SecureClient,
  input: Source,
  output: Sink,
  options: DialogueOptions,
): Promise<void> {
  const { stop } = options;
  const close = (): void => {
    input.close();
    void client.close(closeOptions(client, closeCodes.goingAway));
  };
  const unfollow = onAbort(stop, close);
  if (stop.aborted) close();
  const outcome = await new Dialogue(client, input, output, options).run();
  unfollow();
  input.close();
  await output.flush();
  stop.throwIfAborted();
  if (outcome !== undefined) throw lostConnection(outcome.error);
  await client.close();
  const why = stopOf(client);
  if (why !== undefined) throw new CommandError(exitCodes.damaged, why);
}

/** Classic has no close codes. */
function closeOptions({ protocol }: SecureClient, code: number): { readonly code: number } {
  return { code: protocol === 'sealed' ? code : 0 };
}

/**
 * Two directions, each of which may end first.
 *
 * - Our input ends: the peer may still answer. So our side stays open until the peer has been silent for `wait`, and
 *   ends then with the code `readsOn`, which says that answers are still read.
 * - The peer ends with `readsOn`: it has no more to send and still reads, so our input goes on.
 * - The peer ends otherwise: it has closed. Input that is there is still sent, but input that is silent is given up,
 *   since no one is going to read it; a terminal or an open pipe would keep the command for ever.
 * - A side that has received and has no input of its own, such as `listen > file`, does not wait for any.
 *
 * Our end tells the peer that what it sent is written: output is flushed first. If that fails there must be no end, or
 * the peer would believe it.
 */
class Dialogue {
  readonly #client: SecureClient;
  readonly #input: Source;
  readonly #output: Sink;
  readonly #options: DialogueOptions;
  #failure: { readonly error: unknown } | undefined;
  #hasReceived = false;
  #hasPeerEnded = false;
  #onReceive: () => void = () => {};

  constructor(client: SecureClient, input: Source, output: Sink, options: DialogueOptions) {
    this.#client = client;
    this.#input = input;
    this.#output = output;
    this.#options = options;
  }

  /** Each direction goes on after the other has ended, but not after it has failed. Resolves to the first failure. */
  async run(): Promise<{ readonly error: unknown } | undefined> {
    const giveUp = (error: unknown): void => {
      this.#failure ??= { error };
      this.#client.destroy(error instanceof Error ? error : undefined);
      this.#input.close();
      this.#onReceive();
    };
    void this.#output.failed.then(giveUp);
    await Promise.all([this.#receive().catch(giveUp), this.#send().catch(giveUp)]);
    return this.#failure;
  }

  async #receive(): Promise<void> {
    for await (const message of this.#client) {
      this.#hasReceived ||= message.length > 0;
      await this.#output.write(message);
      this.#onReceive();
    }
    // before our end, which tells the peer that all it sent has arrived
    await this.#output.flush();
    this.#hasPeerEnded = true;
    this.#peerIsDone();
    this.#onReceive();
  }

  /** Does not wait for input for a peer that has closed, or of a side that has only received. */
  #peerIsDone(): void {
    const isListening = this.#client.closeCode === closeCodes.readsOn;
    const isSink = this.#hasReceived && !this.#input.hasBegun;
    if (isSink || !isListening) this.#input.endWhenSilent(TIMEOUT);
  }

  /** Gives a peer that ends when we do the time to answer. */
  async #send(): Promise<void> {
    const { stop, wait, isServer } = this.#options;
    const isComplete = await this.#sendInput();
    if (!isComplete || stop.aborted) return;
    const isMute = isServer && !this.#input.hasBegun;
    await this.#silence(isMute ? undefined : wait);
    await this.#outputTime();
    await this.#client.end(closeOptions(this.#client, this.#hasPeerEnded ? 0 : closeCodes.readsOn));
  }

  /** Resolves to whether all of it was sent; false after `stop`. */
  async #sendInput(): Promise<boolean> {
    for (;;) {
      const piece = await this.#input.next();
      if (piece === null) return true;
      try {
        await this.#client.send(piece);
      } catch (error) {
        if (this.#options.stop.aborted) return false;
        throw this.#hasPeerEnded ? unsent(error) : error;
      }
    }
  }

  /**
   * After our end nothing can tell the peer that what it sent was not written. So what is received is written first,
   * unless the reader of our output is slow.
   */
  async #outputTime(): Promise<void> {
    const timer = new AbortController();
    const late = sleep(OUTPUT_TIME, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([this.#output.flush().catch(() => {}), late]);
    timer.abort();
  }

  /** Resolves when the peer has ended, or has been silent for that many milliseconds. */
  async #silence(milliseconds: number | undefined): Promise<void> {
    let isSilent = false;
    while (!isSilent && !this.#hasPeerEnded && !this.#failure) {
      isSilent = await new Promise<boolean>((resolve) => {
        const timer = milliseconds === undefined ? undefined : setTimeout(() => resolve(true), milliseconds);
        this.#onReceive = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
    }
  }
}

function unsent(error: unknown): CommandError {
  const text = 'the peer closed before all of the input was sent';
  return new CommandError(exitCodes.damaged, text, [], error);
}
