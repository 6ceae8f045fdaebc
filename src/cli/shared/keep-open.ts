import type { SecureClient, SecureServer } from '../../index.js';
import { formatPeer } from './address.js';
import { announceClient, announceLoss } from './announce.js';
import { Broadcast } from './broadcast.js';
import { closeCodes, stopOf } from './close-codes.js';
import { CommandError } from './failure.js';
import type { Report } from './output.js';
import type { Sink, Source } from './pipes.js';

/** What serving many clients needs. */
export interface Stage {
  readonly server: SecureServer;
  readonly input: Source;
  readonly output: Sink;
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
  const broadcast = new Broadcast(report);
  const sending = broadcast.send(input).catch(fail);
  const serving = new Set<Promise<void>>();
  for await (const client of server) {
    announceClient(client, report);
    const remove = broadcast.add(client);
    const one = serve(client, output, sending)
      .catch((error) =>
        error instanceof CommandError
          ? fail(error)
          : announceLoss(`lost ${formatPeer(client)}`, error, report),
      )
      .finally(() => {
        remove();
        serving.delete(one);
      });
    serving.add(one);
  }
  broadcast.leave();
  await Promise.all([sending, ...serving]);
  await output.flush();
  if (failure) throw failure.error;
}

/**
 * Until the client has ended. One that has sent nothing and still listens is left the rest of the input. Our end tells it
 * that all it sent is written: where that is not so there is none.
 */
async function serve(client: SecureClient, output: Sink, sent: Promise<void>): Promise<void> {
  try {
    let hasSent = false;
    for await (const message of client) {
      hasSent ||= message.length > 0;
      await output.write(message);
    }
    if (client.closeCode === closeCodes.readsOn && !hasSent) await sent;
    await output.flush();
  } catch (error) {
    client.destroy();
    throw error;
  }
  await client.close();
  const why = stopOf(client);
  if (why !== undefined) throw new Error(why);
}
