import { decodePickle } from '../../core/classic/pickle.js';
import { SecureSocketError } from '../../index.js';

/** Upper bound on the length of a public key of the old Python library. */
const MAX_GREETING = 4000;

/**
 * How many of the client's first bytes must reach a program of the old Python library on their own. That program
 * reads the session key with one `recv`; its length is that of the modulus of the server's key.
 */
export class FirstFlight {
  #greeting: Uint8Array = new Uint8Array(0);
  #isOver = false;
  #left: number | undefined;

  /** The target has sent these bytes. */
  onReceive(bytes: Uint8Array): void {
    if (this.#isOver || this.#left !== undefined) return;
    this.#greeting = Buffer.concat([this.#greeting, bytes]).subarray(0, MAX_GREETING);
    this.#left = modulusLength(this.#greeting);
  }

  /** Takes its part of the client's first bytes; all of them if the target has sent no key. */
  take(bytes: Uint8Array): Uint8Array {
    const first = bytes.subarray(0, this.#left ?? bytes.length);
    this.#left = (this.#left ?? first.length) - first.length;
    this.#isOver = this.#left === 0;
    return first;
  }

  /** Whether all of it has been taken. */
  get isOver(): boolean {
    return this.#isOver;
  }
}

function modulusLength(greeting: Uint8Array): number | undefined {
  try {
    const found = decodePickle(greeting);
    return found === 'incomplete' ? undefined : found.key.n.length;
  } catch (error) {
    if (error instanceof SecureSocketError) return undefined;
    throw error;
  }
}
