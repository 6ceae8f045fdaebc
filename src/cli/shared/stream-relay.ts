import { constants, type Http2Session, type Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { onAbort } from '../../connection/on-abort.js';
import { PausedProbe } from '../../connection/paused-probe.js';
import { afterTick } from '../../connection/turn.js';
import { probeSocket } from '../../transports/duplex.node.js';
import { findHiddenReset } from '../../transports/hidden-reset.node.js';
import { PLAIN_PROBE_INTERVAL } from './plain-writer.js';

const { NGHTTP2_INTERNAL_ERROR } = constants;

/** How many bytes may wait to be written in each direction before reading pauses. */
const READ_AHEAD = 256 * 1024;

/**
 * Carries bytes both ways between a plain connection and a stream of HTTP/2. Each direction ends as it did at its
 * source; if one is cut off, both sides are, with a reset. Rejects with the reason.
 */
export function relayStream(plain: Socket, stream: Http2Stream, stop: AbortSignal): Promise<void> {
  const { session } = stream; // a stream loses it when it is closed
  const { remotePort: port } = plain;
  return new Promise((resolve, reject) => {
    const relay = { isSettled: false, open: 2 };
    const probe = probeOf(plain);
    const unfollow = onAbort(stop, () => cut(stop.reason));
    const settle = (act: () => void): void => {
      if (relay.isSettled) return;
      relay.isSettled = true;
      unfollow();
      probe.stop();
      act();
    };
    const cut = (error: unknown): void =>
      settle(() => {
        resetPlain(plain);
        resetStream(stream);
        reject(error);
      });
    const onClose = (isThrough: boolean, reason: () => unknown): void => {
      if (!isThrough) cut(reason());
      else if (--relay.open === 0) settle(resolve);
    };
    if (stop.aborted || isGone(stream) || plain.destroyed) return cut(whyOver(stream, stop));
    // an error is followed by the close, which reads the reason
    plain
      .on('error', cut)
      .on('close', () => onClose(isThrough(plain), () => new Error('the plain side was closed')));
    stream
      .on('error', (error) => cut(whyClosed(stream, session, error)))
      .on('close', () => onClose(isStreamThrough(stream), () => whyClosed(stream, session)));
    pump(plain, stream, () => isEnd(plain, port), probe);
    // after a reset Node ends the readable side before it reports the error
    pump(stream, plain, () => stream.rstCode === 0);
  });
}

/** Whether a plain side that has ended was not reset. */
function isEnd(plain: Socket, port: number | undefined): boolean {
  const reset = findHiddenReset(plain, port);
  if (reset) plain.destroy(reset);
  return reset === undefined;
}

/** Only TCP can be probed. */
function probeOf(plain: Socket): PausedProbe {
  const probed = plain.remotePort === undefined ? {} : { probe: () => probeSocket(plain) };
  return new PausedProbe(probed, PLAIN_PROBE_INTERVAL);
}

/**
 * Whether a stream is over, in order or not. A reset that the peer calls no error leaves it `closed` and not `destroyed`
 * until everything is read; it takes no response from then on, but throws.
 */
export function isGone(stream: Http2Stream): boolean {
  return stream.closed || stream.destroyed;
}

/** Over TCP the peer sees a reset, not an end; Unix domain sockets have no reset. */
export function resetPlain(plain: Socket): void {
  if (plain.remoteAddress === undefined) plain.destroy();
  else plain.resetAndDestroy();
}

/**
 * Resets a stream. `close(code)` does not serve: it ends the writing half first, which the peer would mistake for
 * an end. Destroying it with an error resets it with INTERNAL_ERROR.
 */
export function resetStream(stream: Http2Stream): void {
  // the caller of `destroy` reports the reason
  stream.on('error', () => {});
  stream.destroy(new Error('cut off'));
}

/**
 * Carries one direction at the reader's pace, to its end if that is in order. What arrives in one tick is written as
 * one: a record brings several frames of at most 16 KiB. Reading pauses by how much waits, and not by what `write`
 * returns: the limit of Node's streams is 16 KiB here, and would have every piece wait for the one before it.
 */
function pump(from: Duplex, to: Duplex, isOrderly: () => boolean, probe?: PausedProbe): void {
  let isPaused = false;
  let isCorked = false;
  const setPaused = (wanted: boolean): void => {
    isPaused = wanted;
    if (wanted) from.pause();
    else from.resume();
    probe?.setPaused(wanted);
  };
  const onWritten = (): void => {
    if (isPaused && to.writableLength <= READ_AHEAD / 2) setPaused(false);
  };
  const uncork = (): void => {
    isCorked = false;
    to.uncork();
  };
  from.on('data', (chunk: Uint8Array) => {
    if (!isCorked) {
      isCorked = true;
      to.cork();
      afterTick(uncork);
    }
    to.write(chunk, onWritten);
    if (!isPaused && to.writableLength > READ_AHEAD) setPaused(true);
  });
  from.on('end', () => {
    if (isOrderly()) to.end();
  });
  from.resume();
}

/** Why there is nothing to begin with: one side ended while the other was opened, and does not report it again. */
function whyOver(stream: Http2Stream, stop: AbortSignal): unknown {
  if (stop.aborted) return stop.reason;
  return isGone(stream) ? whyClosed(stream, stream.session) : new Error('the plain side was closed');
}

function isThrough(stream: Duplex): boolean {
  return stream.readableEnded && stream.writableFinished;
}

/**
 * Node may close a stream before it calls back for the last write, since the end goes with it: `writableFinished` is false
 * then, though nghttp2, which closes a stream that was not reset when both ends have been sent, has all of it.
 */
function isStreamThrough({ rstCode, readableEnded, writableEnded }: Http2Stream): boolean {
  return rstCode === 0 && readableEnded && writableEnded;
}

function whyClosed({ rstCode }: Http2Stream, session: Http2Session | undefined, cause?: unknown): unknown {
  if (session === undefined || session.destroyed)
    return new Error('the sealed connection that carried it was lost', { cause });
  if (rstCode === NGHTTP2_INTERNAL_ERROR) return new Error('the peer was cut off on its side', { cause });
  return cause ?? new Error(`the stream was reset with code ${rstCode}`);
}
