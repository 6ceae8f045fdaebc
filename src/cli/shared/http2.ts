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

function prepare<S extends Http2Session>(session: S): S {
  // its streams report the error
  session.on('error', () => {});
  session.setLocalWindowSize(SESSION_WINDOW);
  return session;
}
