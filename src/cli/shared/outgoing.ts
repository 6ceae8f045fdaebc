import type { SecureClient } from '../../index.js';
import { explainAnything } from './failure.js';
import { whenGone } from './gone.js';
import type { Dialler } from './trust.js';

/** What became of connections. */
export interface OutgoingCounts {
  /** Handshakes done without a ticket. */
  readonly full: number;
  /** Handshakes done with the ticket of an earlier connection. */
  readonly resumed: number;
  readonly pending: number;
  /** By error code. */
  readonly failed: ReadonlyMap<string, number>;
  readonly open: number;
  readonly received: number;
  readonly sent: number;
}

/** Counts the connections that a tunnel client or a bridge opens, and their bytes on the wire. */
export class Outgoing {
  readonly #open = new Set<SecureClient>();
  readonly #failed = new Map<string, number>();
  #full = 0;
  #resumed = 0;
  #pending = 0;
  /** Of those that are closed. */
  #received = 0;
  #sent = 0;

  get counts(): OutgoingCounts {
    let [received, sent] = [this.#received, this.#sent];
    for (const { bytesRead, bytesWritten } of this.#open) {
      received += bytesRead;
      sent += bytesWritten;
    }
    const [full, resumed, pending] = [this.#full, this.#resumed, this.#pending];
    return { full, resumed, pending, failed: this.#failed, open: this.#open.size, received, sent };
  }

  /** The same dialler, counted. What is given up because the process stops has not failed. */
  counted(dial: Dialler): Dialler {
    return async (signal) => {
      this.#pending++;
      try {
        const client = await dial(signal);
        this.#add(client);
        return client;
      } catch (error) {
        if (!signal.aborted) this.#fail(explainAnything(error).code ?? 'OTHER');
        throw error;
      } finally {
        this.#pending--;
      }
    };
  }

  #add(client: SecureClient): void {
    if (client.resumed) this.#resumed++;
    else this.#full++;
    this.#open.add(client);
    void whenGone(client).then(() => {
      this.#open.delete(client);
      this.#received += client.bytesRead;
      this.#sent += client.bytesWritten;
    });
  }

  #fail(code: string): void {
    this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1);
  }
}
