import PQueue from 'p-queue';
import { abortable } from '../../connection/abortable.js';
import type { Dialler } from './trust.js';

/** A server accepts 32 handshakes from one address at a time by default, and counts them slightly longer than we do. */
const MAX_HANDSHAKES = 24;

/** The same, for any number at a time: those beyond the server's limit wait. */
export function schedule(dial: Dialler): Dialler {
  const queue = new PQueue({ concurrency: MAX_HANDSHAKES });
  return (signal) => {
    const dialled = queue.add(async () => {
      signal.throwIfAborted();
      return dial(signal);
    });
    return abortable(dialled, signal);
  };
}
