import { type ArgumentRules, abortSignal, readArguments } from '../arguments.js';
import { onAbort } from '../connection/on-abort.js';
import { RelayCut, whenSent } from '../connection/relay-cut.js';
import { badArgument, badOption, kindOf, SecureSocketError } from '../errors.js';
import { clientAccess, connectionOf, PortableClient } from './client.js';

/** How to bridge. */
export interface BridgeOptions {
  /** Cuts both connections off; the bridge rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

const rules: ArgumentRules<BridgeOptions> = { signal: abortSignal };

/**
 * The close code with which a bridge ends the sealed side when the classic side has ended. Classic has no message for
 * its end: a peer that was killed between two messages looks like one that has closed, and must not pass for it.
 */
export const CLASSIC_ENDED: number = 0x4002;

/**
 * Carries messages both ways between two open connections, one for one and at the pace of the slower, until both have
 * ended. Each direction ends by itself, with the close code it came with; a classic side's end is told with
 * {@link CLASSIC_ENDED}. What is cut off on one side is cut off on the other, whatever that waits for. Both need
 * `allowHalfOpen: true`, and are the bridge's: they are closed with it. Rejects with the reason of a cut.
 */
export async function bridge(
  one: PortableClient,
  other: PortableClient,
  options: BridgeOptions = {},
): Promise<void> {
  const { signal } = readArguments(options, rules, 'bridge()');
  checkClients(one, other);
  const cut = new RelayCut((error) => {
    for (const client of [one, other]) client.destroy(error instanceof Error ? error : undefined);
  });
  const unfollow = signal && onAbort(signal, () => cut.now(signal.reason));
  if (signal?.aborted) cut.now(signal.reason);
  try {
    await carryBothWays(one, other, cut);
    if (cut.failure) await cut.done;
    await Promise.all([one.close(), other.close()]);
  } finally {
    unfollow?.();
  }
  if (cut.failure) throw cut.failure.error;
}

/** If one side is cut off, so is the other, behind the messages that had arrived from the first. */
async function carryBothWays(one: PortableClient, other: PortableClient, cut: RelayCut): Promise<void> {
  const carrying = new Map([
    [one, carry(one, other)],
    [other, carry(other, one)],
  ]);
  const onCut = (client: PortableClient, error: unknown): void =>
    cut.after(async () => {
      await carrying.get(client)?.catch(() => {});
      await whenSent(connectionOf(client === one ? other : one));
    }, error);
  // a side that waits for room on the other does not read, and would not learn that its own is gone
  for (const client of [one, other]) void whenCut(client).then((error) => onCut(client, error));
  const onFailure = (error: unknown): void => {
    const gone = [one, other].find((client) => connectionOf(client).isOver);
    if (gone) onCut(gone, error);
    else cut.now(error);
  };
  await Promise.all([...carrying.values()].map((direction) => direction.catch(onFailure)));
}

function checkClients(one: PortableClient, other: PortableClient): void {
  for (const client of [one, other]) {
    if (!(client instanceof PortableClient))
      throw badArgument(`bridge() takes two connected clients, not ${kindOf(client)}`);
  }
  if (one === other) throw badArgument('bridge() takes two clients, and both are the same');
  for (const client of [one, other]) checkHalfOpen(client);
}

/** Otherwise the end of one direction would end the other. */
function checkHalfOpen(client: PortableClient): void {
  if (clientAccess.internals(client).settings.allowHalfOpen) return;
  const text = 'bridge() takes connections with allowHalfOpen: true, so that each direction ends by itself';
  throw badOption(text);
}

/**
 * A message is sent before the next is read. That is all the flow control it takes: `send` waits while the far side
 * does not read, meanwhile nothing is read from the near side, and its peer waits in turn.
 */
async function carry(from: PortableClient, to: PortableClient): Promise<void> {
  for await (const message of from) await to.send(message);
  await to.end({ code: codeFor(from, to) });
}

function codeFor(from: PortableClient, to: PortableClient): number {
  if (to.protocol === 'classic') return 0;
  return from.protocol === 'classic' ? CLASSIC_ENDED : (from.closeCode ?? 0);
}

/** Resolves, with the reason, if a connection is over before its peer has ended in order. */
async function whenCut(client: PortableClient): Promise<unknown> {
  const connection = connectionOf(client);
  await connection.closed;
  if (connection.peerCloseCode !== undefined) return new Promise(() => {});
  return connection.end().then(
    () => new SecureSocketError('TRUNCATED', 'the connection closed before the peer ended its side'),
    (error: unknown) => error,
  );
}
