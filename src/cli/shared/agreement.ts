import type { SecureClient } from '../../index.js';
import { closeCodes } from './close-codes.js';

// How the two ends of a tunnel agree on HTTP/2. A client that can begins with a message of no bytes, which carries
// nothing to the target of a server that does not know the question. A server that does answers with another, and from
// then on both speak HTTP/2; or closes with a code of its own, if it is not to take streams. A client that does not ask
// never sees either.

const NOTHING = new Uint8Array(0);

/** How a sealed connection is used; `first` was received already and belongs to the plain side. */
export type Agreement = { readonly way: 'streams' } | { readonly way: 'bytes'; readonly first?: Uint8Array };

/** How long, in milliseconds, a server may take to answer; it has no other work before that. */
const MAX_ANSWER_TIME = 2000;

/**
 * How long a server waits for the request, which follows the handshake immediately, before it connects to the target
 * for a silent client.
 */
const MAX_QUESTION_TIME = 250;

/**
 * Asks a server for streams. `undefined`: this connection cannot be used, since the server has refused, or has not
 * answered: then it is unknown how it would interpret more bytes.
 */
export async function askForStreams(sealed: SecureClient): Promise<Agreement | undefined> {
  await sealed.send(NOTHING);
  const first = await recvWithin(sealed, MAX_ANSWER_TIME);
  if (first === undefined || sealed.closeCode === closeCodes.noStreams) return undefined;
  if (first === null) return { way: 'bytes' };
  return first.length === 0 ? { way: 'streams' } : { way: 'bytes', first };
}

/** Answers a client that asks for streams. `undefined`: it was refused, and will connect again without asking. */
export async function answerForStreams(
  sealed: SecureClient,
  takesStreams: boolean,
): Promise<Agreement | undefined> {
  const first = await recvWithin(sealed, MAX_QUESTION_TIME);
  if (first === undefined || first === null) return { way: 'bytes' };
  if (first.length > 0) return { way: 'bytes', first };
  if (!takesStreams) {
    await sealed.close({ code: closeCodes.noStreams });
    return undefined;
  }
  await sealed.send(NOTHING);
  return { way: 'streams' };
}

/** The next message, `null` at the end, `undefined` if none arrives in time; a later one is not lost. */
async function recvWithin(
  sealed: SecureClient,
  milliseconds: number,
): Promise<Uint8Array | null | undefined> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), milliseconds);
  try {
    return await sealed.recv({ signal: late.signal });
  } catch (error) {
    if (late.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
