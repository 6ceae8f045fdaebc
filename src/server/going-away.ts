import { SecureSocketError } from '../errors.js';

/** The CLOSE code of a server that ends. */
export const GOING_AWAY = 1;

/** What those are told who wait for a server that is closed. */
export function serverClosed(): SecureSocketError {
  return new SecureSocketError('CLOSED', 'the server is closed');
}

/** The error of what needs a server that listens. */
export function notListening(what: string): SecureSocketError {
  const hint = what === 'fingerprint' ? ', or attach(); an identity has its fingerprint from the start' : '';
  return new SecureSocketError(
    'NOT_LISTENING',
    `${what} needs a server that listens: await listen() first${hint}`,
  );
}
