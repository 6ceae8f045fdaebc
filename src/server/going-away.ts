import { SecureSocketError } from '../errors.js';

/** The CLOSE code of a server that ends. */
export const GOING_AWAY = 1;

/** What those are told who wait for a server that is closed. */
export function serverClosed(): SecureSocketError {
  return new SecureSocketError('CLOSED', 'the server is closed');
}
