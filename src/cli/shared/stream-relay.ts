import { constants, type Http2Session, type Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { onAbort } from '../../connection/on-abort.js';
import { PausedProbe } from '../../connection/paused-probe.js';
import { RelayCut } from '../../connection/relay-cut.js';
import { probeSocket } from '../../transports/duplex.node.js';
import { findHiddenReset } from '../../transports/hidden-reset.node.js';
import { PLAIN_PROBE_INTERVAL } from './plain.js';
import { Pump } from './pump.js';

const { NGHTTP2_INTERNAL_ERROR } = constants;

/**
 * Carries bytes both ways between a plain connection and a stream of HTTP/2. Each direction ends as it did at its
 * source; if one is cut off, both sides are, with a reset, behind what had arrived before. Rejects with the reason.
 */
export async function relayStream(plain: Socket, stream: Http2Stream, stop: AbortSignal): Promise<void> {
  const cut = new RelayCut(() => {
    resetPlain(plain);
    resetStream(stream);
  });
  const probe = probeOf(plain);
  const unfollow = onAbort(stop, () => cut.now(stop.reason));
  if (stop.aborted || isGone(stream) || plain.destroyed) cut.now(whyOver(stream, stop));
  else await Promise.race([carryBothWays(plain, stream, cut, probe), cut.done]);
  if (cut.failure) await cut.done;
  unfollow();
  probe.stop();
  if (cut.failure) throw cut.failure.error;
}

/** Resolves when both sides are through. */
function carryBothWays(
  plain: Socket,
  stream: Http2Stream,
  cut: RelayCut,
  probe: PausedProbe,
): Promise<unknown> {
  const { session } = stream; // a stream loses it when it is closed
  const { remotePort: port } = plain;
  const outwards = new Pump(plain, stream, { isOrderly: () => endedInOrder(plain, port), probe });
  const written = (): number => (port === undefined ? 0 : plain.bytesWritten);
  // after a reset Node ends the readable side before it reports the error
  const inwards = new Pump(stream, plain, { isOrderly: () => stream.rstCode === 0, written });
  const onPlainCut = (error: unknown): void => {
    inwards.stop();
    cut.after(() => outwards.flush(), error);
  };
  const onStreamCut = (error?: unknown): void => {
    outwards.stop();
    cut.after(() => inwards.flush(), whyClosed(stream, session, error));
  };
  // an error is followed by the close, which reads the reason
  plain.on('error', onPlainCut);
  stream.on('error', onStreamCut);
  return Promise.all([
    new Promise<void>((through) => {
      plain.on('close', () =>
        isThrough(plain) ? through() : onPlainCut(new Error('the plain side was closed')),
      );
    }),
    new Promise<void>((through) => {
      stream.on('close', () => (isStreamThrough(stream) ? through() : onStreamCut()));
    }),
  ]);
}

/** Whether a plain side that has ended did so in order. One that was reset is destroyed with that error. */
function endedInOrder(plain: Socket, port: number | undefined): boolean {
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
