import type { Socket } from 'node:net';
import type { SecureClient } from '../index.js';

/** So much read from the plain side may wait to be sent before reading pauses, in bytes. */
const READ_AHEAD = 2 ** 20;

/**
 * Carries bytes both ways between a plain socket, paused and made with `allowHalfOpen`, and a sealed connection. Each direction ends
 * as it did at its source. If one is cut off, so is everything, the plain socket with a reset: its peer must not take
 * the cut for an end. Rejects with the reason.
 */
export async function relay(plain: Socket, sealed: SecureClient): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const cut = (error: unknown): void => {
    failure ??= { error };
    plain.resetAndDestroy();
    sealed.destroy(error instanceof Error ? error : undefined);
  };
  await Promise.all([toSealed(plain, sealed).catch(cut), toPlain(sealed, plain).catch(cut)]);
  await sealed.close();
  if (failure) throw failure.error;
}

function toSealed(plain: Socket, sealed: SecureClient): Promise<void> {
  if (plain.destroyed) return Promise.reject(plain.errored ?? new Error('the plain side was closed'));
  return new Promise((resolve, reject) => {
    let unsent = 0;
    const sent = (length: number): void => {
      unsent -= length;
      if (plain.isPaused() && unsent < READ_AHEAD / 2) plain.resume();
    };
    plain.on('data', (chunk: Uint8Array) => {
      unsent += chunk.length;
      if (unsent > READ_AHEAD) plain.pause();
      sealed.send(chunk).then(() => sent(chunk.length), reject);
    });
    plain.on('end', () => sealed.end().then(resolve, reject));
    plain.on('error', reject);
    plain.on('close', () => reject(new Error('the plain side was closed')));
    plain.resume();
  });
}

async function toPlain(sealed: SecureClient, plain: Socket): Promise<void> {
  for await (const message of sealed) {
    if (!plain.write(message)) await writable(plain);
  }
  plain.end();
}

/** Resolves when there is room again, or will never be: then reading fails as well. */
function writable(plain: Socket): Promise<void> {
  if (plain.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = (): void => {
      plain.off('drain', settle).off('close', settle);
      resolve();
    };
    plain.on('drain', settle).on('close', settle);
  });
}
