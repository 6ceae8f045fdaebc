import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { settleWithin } from '../../connection/in-time.js';
import { whenSent } from '../../connection/relay-cut.js';
import { hasCode, quote } from '../../errors.js';
import type { SecureClient } from '../../index.js';
import { formatPeer } from './address.js';
import { type Agreement, answerForStreams } from './agreement.js';
import { announceLoss } from './announce.js';
import { endSession, serverSession } from './http2.js';
import type { Links } from './links.js';
import type { Report } from './output.js';
import { dialPlain, dialSocket } from './plain.js';
import { relay } from './relay.js';
import type { Serving } from './station.js';
import { isGone, relayStream, resetStream } from './stream-relay.js';
import { DEFAULT_TARGET, type Targets } from './targets.js';

/** Options of a tunnel server. */
export interface TunnelServerOptions {
  readonly targets: Targets;
  readonly links: Links;
  readonly report: Report;
  /** Milliseconds for a connection to the target. */
  readonly timeout: number;
  /** The settle time of a target after the first bytes in milliseconds, see {@link relay}. */
  readonly settle: number;
  /** Whether clients may use streams. */
  readonly takesStreams: boolean;
}

/** Classic has no empty messages. */
const BYTES: Agreement = { way: 'bytes' };

/** Carries the connections of clients to plain targets. */
export class TunnelServing implements Serving {
  readonly #options: TunnelServerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  #isEnding = false;

  constructor(options: TunnelServerOptions) {
    this.#options = options;
  }

  serve(sealed: SecureClient): void {
    void this.#serve(sealed);
  }

  /** Refuses new streams; open ones go on. */
  async goAway(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([...this.#sessions].map(endSession));
  }

  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** Serves a client with streams or without, as it asks. */
  async #serve(sealed: SecureClient): Promise<void> {
    const { links, report, takesStreams } = this.#options;
    try {
      const agreed = sealed.protocol === 'classic' ? BYTES : await answerForStreams(sealed, takesStreams);
      if (agreed === undefined) return;
      if (agreed.way === 'bytes') links.add(sealed, () => this.#carryBytes(sealed, agreed));
      else this.#serveStreams(sealed);
    } catch (error) {
      sealed.destroy();
      announceLoss(`lost ${formatPeer(sealed)}`, error, report);
    }
  }

  #serveStreams(sealed: SecureClient): void {
    const { links } = this.#options;
    if (!links.hasRoom) {
      links.refuse(sealed);
      return;
    }
    const session = serverSession(sealed);
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    // the removal of a client from the list is reported here; other losses are reported by the streams
    session.on('error', (error) => {
      if (hasCode(error, 'UNAUTHORIZED_CLIENT'))
        announceLoss(`lost ${formatPeer(sealed)}`, error, this.#options.report);
    });
    session.on('stream', (stream, headers) => this.#serveStream(sealed, stream, headers));
    if (this.#isEnding) void endSession(session);
  }

  #serveStream(sealed: SecureClient, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const { links } = this.#options;
    const { remoteAddress, remotePort } = sealed;
    stream.on('error', () => {});
    const isRefused = !links.hasRoom;
    const destroy = (): void => (isRefused ? refuseStream(stream, 503) : resetStream(stream));
    const arrival = { remoteAddress, remotePort, destroy };
    links.add(arrival, () => this.#carryStream(stream, headers));
  }

  async #carryStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const { targets, links, timeout } = this.#options;
    const { ':method': method, ':authority': name = '' } = headers;
    if (method !== 'CONNECT') {
      refuseStream(stream, 405);
      throw new Error(`the client asks for ${quote(method)}, and not to be connected`);
    }
    const target = targets.get(name);
    if (target === undefined) {
      refuseStream(stream, 404);
      throw new Error(`there is no target ${quote(name)}`);
    }
    const socket = await dialSocket(target, { timeout, stop: links.cut }).catch((error: unknown) => {
      refuseStream(stream, 502);
      throw error;
    });
    acceptWithFirst(socket, stream);
    await relayStream(socket, stream, links.cut);
  }

  async #carryBytes(sealed: SecureClient, agreed: { readonly first?: Uint8Array }): Promise<void> {
    const { targets, links, timeout, settle } = this.#options;
    const stop = links.cut;
    try {
      const target = targets.get(DEFAULT_TARGET);
      if (target === undefined)
        throw new Error('the client asks for no target by name, and there is no other');
      await relay(await dialPlain(target, { timeout, stop }), sealed, { ...agreed, stop, settle });
    } catch (error) {
      sealed.destroy();
      throw error;
    }
  }
}

/**
 * Accepts a stream when the target sends its first bytes, or ends, so that both leave together: by itself the response
 * would cost a write as they do, and the client needs it for nothing else. A target that is silent meanwhile gets what
 * the client sends. To be called before anything else listens for data, since the response must go ahead of it.
 */
function acceptWithFirst(target: Socket, stream: ServerHttp2Stream): void {
  const accept = (): void => {
    if (!isGone(stream) && !stream.headersSent) stream.respond({ ':status': 200 });
  };
  // it stays paused, as it was dialled
  target.once('data', accept).once('end', accept);
}

/** How long a client may take to read the reason, in milliseconds. */
const REASON_TIME = 1000;

/** Sends the reason before the reset. nghttp2 drops a response that waits when its stream is reset. */
function refuseStream(stream: ServerHttp2Stream, status: 404 | 405 | 502 | 503): void {
  if (isGone(stream) || stream.headersSent) return;
  stream.respond({ ':status': status });
  const sent = whenSent({
    get unsent() {
      return stream.session?.state.outboundQueueSize ?? 0;
    },
    bytesWritten: 0,
    get isOver() {
      return isGone(stream);
    },
  });
  void settleWithin(REASON_TIME, sent).then(() => resetStream(stream));
}
