import { decodePickle } from '../../core/classic/pickle.js';
import { SecureSocketError } from '../../index.js';

/** A public key of the old Python library is shorter. */
const MAX_GREETING = 4000;

/**
 * How much of what a client sends first is to reach a program of the old Python library alone. That reads the session key
 * with one `recv`: it is as long as the modulus of the key that the server has shown.
 */
export class FirstFlight {
  #greeting: Uint8Array = new Uint8Array(0);
  #isOver = false;
  #left: number | undefined;

  /** The target has said this. */
  onReceive(bytes: Uint8Array): void {
    if (this.#isOver || this.#left !== undefined) return;
    this.#greeting = Buffer.concat([this.#greeting, bytes]).subarray(0, MAX_GREETING);
    this.#left = modulusLength(this.#greeting);
  }

  /** Takes what belongs to it from the first bytes of the client; all of them, if the target has shown no key. */
  take(bytes: Uint8Array): Uint8Array {
    const first = bytes.subarray(0, this.#left ?? bytes.length);
    this.#left = (this.#left ?? first.length) - first.length;
    this.#isOver = this.#left === 0;
    return first;
  }

  /** Whether all of it was taken. */
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
