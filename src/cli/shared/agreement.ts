import { setTimeout as sleep } from 'node:timers/promises';
import { connectionOf } from '../../client/client.js';
import type { SecureClient } from '../../index.js';
import { closeCodes } from './close-codes.js';

// How the two ends of a tunnel agree on HTTP/2. A client that can begins with a message of no bytes, which carries
// nothing to the target of a server that does not know the question. A server that does answers with another, and from
// then on both speak HTTP/2; or closes with a code of its own, if it is not to take streams. A client that does not ask
// never sees either.

const NOTHING = new Uint8Array(0);

/** How a sealed connection is used; `first` was received already and belongs to the plain side. */
export type Agreement = { readonly way: 'streams' } | { readonly way: 'bytes'; readonly first?: Uint8Array };

// Each end waits for the other's message, and must tell a silent one from one that is far away. So one that has heard
// nothing for a while sends a PING: whoever has answered that had everything sent before it, and time to speak.

/** How long, in milliseconds, a server may take to answer, besides the way; it has no other work before that. */
const ANSWER_TIME = 2000;

/**
 * How long a server waits for the question, which follows the handshake immediately, before it sends a PING. A client
 * that says nothing may wait for a target that speaks first: all in all that is held up by a round trip and 250 ms.
 */
const QUESTION_TIME = 150;

/** How long after the PONG something may still come, since the PING may have caught up with what was sent before it. */
const AFTER_PONG = 100;

/** How long a PONG may take. A dead peer is not this file's business. */
const MAX_ROUND_TRIP = 5000;

/**
 * Asks a server for streams. `undefined`: this connection cannot be used, since the server has refused, or has not
 * answered: then it is unknown how it would interpret more bytes.
 */
export async function askForStreams(sealed: SecureClient): Promise<Agreement | undefined> {
  await sealed.send(NOTHING);
  const first = await recvUnlessSilent(sealed, ANSWER_TIME);
  if (first === undefined || hasRefusedStreams(sealed)) return undefined;
  if (first === null) return { way: 'bytes' };
  return first.length === 0 ? { way: 'streams' } : { way: 'bytes', first };
}

/** Whether the server has said that it takes no streams. */
export function hasRefusedStreams({ closeCode }: SecureClient): boolean {
  return closeCode === closeCodes.noStreams;
}

/** Answers a client that asks for streams. `undefined`: it was refused, and will connect again without asking. */
export async function answerForStreams(
  sealed: SecureClient,
  takesStreams: boolean,
): Promise<Agreement | undefined> {
  const first = await recvUnlessSilent(sealed, QUESTION_TIME);
  if (first === undefined || first === null) return { way: 'bytes' };
  if (first.length > 0) return { way: 'bytes', first };
  if (!takesStreams) {
    await sealed.close({ code: closeCodes.noStreams });
    return undefined;
  }
  await sealed.send(NOTHING);
  return { way: 'streams' };
}

/** The next message, `null` at the end, `undefined` if the peer is silent; a later one is not lost. */
async function recvUnlessSilent(sealed: SecureClient, time: number): Promise<Uint8Array | null | undefined> {
  const [silent, received] = [new AbortController(), new AbortController()];
  const isSilent = (): void => silent.abort();
  whenSilent(sealed, time, received.signal).then(isSilent, () => {});
  try {
    return await sealed.recv({ signal: silent.signal });
  } catch (error) {
    if (silent.signal.aborted) return undefined;
    throw error;
  } finally {
    received.abort();
  }
}

/** Resolves when a peer from which nothing has come can have sent it. */
async function whenSilent(sealed: SecureClient, time: number, signal: AbortSignal): Promise<void> {
  await sleep(time, undefined, { signal });
  await Promise.race([connectionOf(sealed).ping(), sleep(MAX_ROUND_TRIP, undefined, { signal })]);
  await sleep(AFTER_PONG, undefined, { signal });
}
