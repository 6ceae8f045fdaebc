import type { SecureClient, SecureServer } from '../../index.js';
import { acceptUntil, CLOSE_TIME, stopAccepting } from './accept.js';
import { formatPeer } from './address.js';
import { announceClient, announceLoss } from './announce.js';
import { Broadcast } from './broadcast.js';
import { closeCodes, stopOf } from './close-codes.js';
import { CommandError } from './failure.js';
import type { Report } from './output.js';
import type { Sink, Source } from './pipes.js';

/** Options of {@link serveMany}. */
export interface Stage {
  readonly server: SecureServer;
  readonly input: Source;
  readonly output: Sink;
  readonly report: Report;
  readonly stop: AbortSignal;
}

/** How long clients may take to end after SIGTERM, in milliseconds. */
export const GRACE = 5000;

/**
 * Serves clients side by side until stopped: input is sent to all of them, and what they send is written to output.
 * A client that fails is reported and does not affect the others; a failure of input or output ends everything. After
 * a stop no more clients are accepted; those that are connected are told, and what they still send is written, within
 * the time allowed.
 */
export async function serveMany(stage: Stage): Promise<void> {
  const { server, input, output, report, stop } = stage;
  let failure: { readonly error: unknown } | undefined;
  const cut = new AbortController();
  const fail = (error: unknown): void => {
    failure ??= { error };
    input.close();
    cut.abort();
    void server.close();
  };
  const whenStopped = AbortSignal.any([stop, cut.signal]);
  void output.failed.then(fail);
  whenStopped.addEventListener('abort', () => input.close(), { once: true });
  const broadcast = new Broadcast(report);
  const sending = broadcast.send(input).catch(fail);
  const serving = new Map<SecureClient, Promise<void>>();
  const lose = (client: SecureClient, error: unknown): void =>
    error instanceof CommandError ? fail(error) : announceLoss(`lost ${formatPeer(client)}`, error, report);
  for (;;) {
    const client = await acceptUntil(whenStopped, server);
    if (client === undefined) break;
    announceClient(client, report);
    const remove = broadcast.add(client);
    const one = serve(client, output, sending)
      .catch((error) => lose(client, error))
      .finally(() => {
        remove();
        serving.delete(client);
      });
    serving.set(client, one);
  }
  stopAccepting(server);
  broadcast.leave();
  for (const client of serving.keys()) void endSending(client, sending);
  await endAll(server, [sending, ...serving.values()]);
  await output.flush();
  if (failure) throw failure.error;
}

/** Waits for all of it, and closes the server if that takes too long. */
async function endAll(server: SecureServer, work: readonly Promise<void>[]): Promise<void> {
  const timer = setTimeout(() => void server.close({ timeout: CLOSE_TIME }), GRACE);
  await Promise.all(work);
  clearTimeout(timer);
}

/** After all that is still to be sent to it, a client is told that there will be no more. */
async function endSending(client: SecureClient, sent: Promise<void>): Promise<void> {
  await sent;
  const code = client.protocol === 'sealed' ? closeCodes.goingAway : 0;
  // if it has failed, the code that reads from it reports it
  await client.end({ code }).catch(() => {});
}

/**
 * Until the client has ended. A client that has sent nothing and still listens receives the rest of the input. Our
 * end confirms that all it sent is written; if not all is written, there is no end.
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
