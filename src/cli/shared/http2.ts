import {
  type ClientHttp2Session,
  connect,
  type Http2Session,
  performServerHandshake,
  type ServerHttp2Session,
} from 'node:http2';
import type { SecureClient } from '../../index.js';

/** How many bytes a stream may hold for a reader that does not read. */
const STREAM_WINDOW = 512 * 1024;

/** Both ends are ours: one stream must not hold up another, so the limit that applies is that of each stream. */
const SESSION_WINDOW = 2 ** 30;

const settings = { initialWindowSize: STREAM_WINDOW, enablePush: false, maxHeaderListSize: 4096 } as const;

/** Node ends a session that reaches its limit, in megabytes; our limits are the window and the number of streams. */
const maxSessionMemory = 4096;

/** The client side of HTTP/2 on a sealed connection. */
export function clientSession(sealed: SecureClient): ClientHttp2Session {
  const session = connect('http://tunnel', {
    createConnection: () => sealed.toDuplex(),
    settings,
    maxSessionMemory,
  });
  return prepare(session);
}

/** The server side. It counts connections itself: beyond a limit of HTTP/2 they would wait without being reported. */
export function serverSession(sealed: SecureClient): ServerHttp2Session {
  const options = { settings: { ...settings, maxConcurrentStreams: 2 ** 31 - 1 }, maxSessionMemory };
  return prepare(performServerHandshake(sealed.toDuplex(), options));
}

/** The payload of a PING that announces the end. */
const NO_MORE = Buffer.from('no more.');

/**
 * How long a client may take to answer two of them, in milliseconds: longer than the slowest way there and back, and
 * shorter than the five seconds that open connections have when a tunnel stops.
 */
const MAX_NOTICE = 4000;

/**
 * Ends a session of the server without losing a stream that the client is just opening, which a GOAWAY would refuse: a
 * PING announces it, as the graceful shutdown of RFC 9113 6.8 does with a GOAWAY that Node cannot send. What the client has
 * begun before it knew is here by the answer to a second PING, since that to the first overtakes frames which wait.
 */
export function endSession(session: ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      session.off('close', end);
      session.close();
      resolve();
    };
    const timer = setTimeout(end, MAX_NOTICE);
    if (session.closed || session.destroyed) return end();
    session.on('close', end);
    // one that is ended meanwhile answers too, with an error
    session.ping(NO_MORE, () => (session.destroyed ? end() : session.ping(NO_MORE, end)));
  });
}

/** Calls back when the server announces the end of a session. */
export function onEndAnnounced(session: ClientHttp2Session, announced: () => void): void {
  session.on('ping', (payload: Uint8Array) => {
    if (NO_MORE.equals(payload)) announced();
  });
}

function prepare<S extends Http2Session>(session: S): S {
  // its streams report the error
  session.on('error', () => {});
  session.setLocalWindowSize(SESSION_WINDOW);
  return session;
}
