import { SecureSocketError } from '../errors.js';

// Why a message is not sent; the caller may send another, or the same again.

/** It is larger than the peer, or the protocol, takes. */
export function tooLarge(length: number, limit: number): SecureSocketError {
  const text = `a message of ${length} bytes is more than can be sent here (${limit}): nothing was sent`;
  return new SecureSocketError('MESSAGE_TOO_BIG_FOR_PEER', text);
}

/** A program sends without awaiting, and more than it may. */
export function queueFull(queued: number, maxSendQueue: number): SecureSocketError {
  const text = `${queued} bytes wait to be sent and maxSendQueue is ${maxSendQueue}: await send()`;
  return new SecureSocketError('SEND_QUEUE_FULL', text);
}

/** The peer's end came before the message's turn. */
export function peerHasClosed(): SecureSocketError {
  return new SecureSocketError('CLOSED', 'the peer has closed; this message was not sent');
}
