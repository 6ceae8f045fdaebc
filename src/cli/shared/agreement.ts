import type { SecureClient } from '../../index.js';
import { closeCodes } from './close-codes.js';

// How the two ends of a tunnel agree on HTTP/2. A client that can begins with a message of no bytes, which carries
// nothing to the target of a server that does not know the question. A server that does answers with another, and from
// then on both speak HTTP/2; or closes with a code of its own, if it is not to take streams. A client that does not ask
// never sees either.

const NOTHING = new Uint8Array(0);

/** How a sealed connection is to be used; `first` was received already and is for the plain side. */
export type Agreement = { readonly way: 'streams' } | { readonly way: 'bytes'; readonly first?: Uint8Array };

/** So long, in milliseconds, a server may take to answer: it has nothing to do before. */
const MAX_ANSWER_TIME = 2000;

/** So long a server waits for the question, which comes with the end of the handshake, before it dials for a silent client. */
const MAX_QUESTION_TIME = 250;

/**
 * Asks a server for streams. `undefined`: this connection is of no use, since the server has said no, or nothing: then no
 * one can tell what it makes of more bytes.
 */
export async function askForStreams(sealed: SecureClient): Promise<Agreement | undefined> {
  await sealed.send(NOTHING);
  const first = await recvWithin(sealed, MAX_ANSWER_TIME);
  if (first === undefined || sealed.closeCode === closeCodes.noStreams) return undefined;
  if (first === null) return { way: 'bytes' };
  return first.length === 0 ? { way: 'streams' } : { way: 'bytes', first };
}

/** Answers a client that asks for streams. `undefined`: it was told that there are none, and asks again without. */
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

/** The next message, `null` at the end, `undefined` if there is none in time: then none is lost. */
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
