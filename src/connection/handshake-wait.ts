import type { HandshakeResult } from '../core/script.js';
import { SecureSocketError } from '../errors.js';

/** The wait for a handshake: its promise and its deadline. Nothing of it is left once it is done. */
export class HandshakeWait {
  readonly result: Promise<HandshakeResult>;
  #settle: { resolve: (result: HandshakeResult) => void; reject: (error: unknown) => void } | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // a caller that wants to know of a failure awaits the result itself
    this.result.catch(() => {});
  }

  /** `onLate` is called if it is not done within `milliseconds`; never if that is infinite. */
  start(milliseconds: number, onLate: (error: SecureSocketError) => void): void {
    if (milliseconds === Number.POSITIVE_INFINITY) return;
    const text = `the handshake was not done within ${milliseconds} ms`;
    this.#deadline = setTimeout(() => onLate(new SecureSocketError('HANDSHAKE_TIMEOUT', text)), milliseconds);
  }

  complete(result: HandshakeResult): void {
    this.#settle?.resolve(result);
    this.#end();
  }

  /** Nothing, if it is done. */
  fail(error: unknown): void {
    this.#settle?.reject(error);
    this.#end();
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#deadline = this.#settle = undefined;
  }
}
