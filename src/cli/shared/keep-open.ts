import type { SecureClient, SecureServer } from '../../index.js';
import { formatPeer } from './address.js';
import { announceClient, announceLoss } from './announce.js';
import { closeCodes, stopOf } from './close-codes.js';
import { CommandError } from './failure.js';
import type { Report } from './output.js';
import type { Input, Output } from './pipes.js';

/** What serving many clients needs. */
export interface Stage {
  readonly server: SecureServer;
  readonly input: Input;
  readonly output: Output;
  readonly report: Report;
  readonly stop: AbortSignal;
}

/**
 * Serves clients side by side until stopped: input goes to all of them, what they send to output. A client that fails is
 * reported and harms no other; input or output that fails ends it all.
 */
export async function serveMany(stage: Stage): Promise<void> {
  const { server, input, output, report, stop } = stage;
  let failure: { readonly error: unknown } | undefined;
  const close = (): void => {
    input.close();
    void server.close();
  };
  const fail = (error: unknown): void => {
    failure ??= { error };
    close();
  };
  stop.addEventListener('abort', close, { once: true });
  const broadcast = new Broadcast(output);
  const sending = broadcast.send(input).catch(fail);
  const serving = new Set<Promise<void>>();
  for await (const client of server) {
    announceClient(client, report);
    const one = broadcast
      .serve(client, sending)
      .catch((error) =>
        error instanceof CommandError
          ? fail(error)
          : announceLoss(`lost ${formatPeer(client)}`, error, report),
      )
      .finally(() => serving.delete(one));
    serving.add(one);
  }
  broadcast.leave();
  await Promise.all([sending, ...serving]);
  await output.flush();
  if (failure) throw failure.error;
}

/** The clients that hear the input. */
class Broadcast {
  readonly #output: Output;
  readonly #clients = new Set<SecureClient>();
  #arrived: () => void = () => {};
  #isLeaving = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Until the client has ended. One that has sent nothing and still listens is left the rest of the input. */
  async serve(client: SecureClient, spoken: Promise<void>): Promise<void> {
    let hasSent = false;
    this.#clients.add(client);
    this.#arrived();
    try {
      for await (const message of client) {
        hasSent ||= message.length > 0;
        await this.#output.write(message);
      }
      if (client.closeCode === closeCodes.readsOn && !hasSent) await spoken;
    } finally {
      this.#clients.delete(client);
      await client.close();
    }
    const why = stopOf(client);
    if (why !== undefined) throw new Error(why);
  }

  /** Sends input to everybody there; while nobody is, it waits. Failed clients are found out when they are read from. */
  async send(input: Input): Promise<void> {
    for (;;) {
      await this.#somebody();
      const piece = await input.next();
      if (piece === null) return;
      await this.#somebody();
      await Promise.allSettled([...this.#clients].map((client) => client.send(piece)));
    }
  }

  /** Nobody is waited for any more. */
  leave(): void {
    this.#isLeaving = true;
    this.#arrived();
  }

  async #somebody(): Promise<void> {
    while (this.#clients.size === 0 && !this.#isLeaving) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}
