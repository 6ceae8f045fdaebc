import { SecureSocketError } from '../errors.js';

/** How far a connection had come when its transport went. */
export type Stage = 'handshake' | 'receiving' | 'sending';

/**
 * The one error of a connection that was cut, however the system or the transport words it: a reset, a broken pipe, a
 * stream that ended early, a WebSocket that was closed. Their own error is its cause.
 */
export function cutError(stage: Stage, cause: Error | undefined): SecureSocketError {
  if (cause instanceof SecureSocketError && !(cause.code === 'TRANSPORT_FAILED' && stage !== 'handshake'))
    return cause;
  const [code, text] = cuts[stage];
  if (cause === undefined) return new SecureSocketError(code, text);
  const isOfSystem = 'code' in cause && typeof cause.code === 'string' && cause.code !== 'TRANSPORT_FAILED';
  const detail = isOfSystem ? cause.code : cause.message;
  return new SecureSocketError(code, `${text} (${detail})`, { cause });
}

const cuts = {
  handshake: ['HANDSHAKE_FAILED', 'the connection was cut during the handshake'],
  receiving: ['TRUNCATED', 'the connection was cut before the peer ended its side'],
  sending: ['TRUNCATED', 'the connection was cut before everything was sent'],
} as const;
