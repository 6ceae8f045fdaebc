import type { Duplex } from 'node:stream';
import { defaultBackend } from '../defaults.node.js';
import type { Side } from '../diagnostics.js';
import { planClient } from '../options/client-scripts.js';
import type { ClientOptions } from '../options/options.js';
import { nodeScripts } from '../options/scripts.node.js';
import { byteStream } from '../streams/duplex.node.js';
import { readAddress } from '../transports/address.js';
import { dial, type TcpAddress, type UnixAddress } from '../transports/tcp.node.js';
import { isTransport, type Transport } from '../transports/transport.js';
import { type AcceptedClient as Accepted, clientAccess, PortableClient } from './client.js';
import type { ClientPlatform } from './client-lifecycle.js';
import type { ConnectOptions, Destination } from './establish.js';
import { readDialOptions } from './method-options.js';

const platform: ClientPlatform = {
  backend: defaultBackend,
  plan: (settings, target) => planClient(nodeScripts, settings, target),
};

/**
 * An encrypted connection that carries whole messages in both directions: the client's end, and what a server's
 * `accept()` returns. Iterating over it gives the messages received, until the peer has ended its side in order.
 */
export class SecureClient extends PortableClient {
  #duplex: Duplex | undefined;

  /** Throws BAD_OPTION. */
  constructor(options: ClientOptions = {}) {
    super(options, platform);
  }

  /**
   * Connects over TCP, a Unix domain socket or a transport of one's own, and does the handshake: when it resolves, the
   * server has proven that it owns the key trusted here (sealed), and messages can be sent.
   *
   * Rejects with the system's error (`ECONNREFUSED`), with `signal.reason`, or with a {@link SecureSocketError}.
   */
  override async connect(
    to: TcpAddress | UnixAddress | Transport,
    options: ConnectOptions = {},
  ): Promise<void> {
    if (isTransport(to)) await super.connect(to, options);
    else await clientAccess.connect(this, destinationOf(to), readDialOptions(options));
  }

  /**
   * The connection as a stream of bytes without message boundaries, so that HTTP or any other protocol of Node can run
   * over it. For directions that end apart both ends need `allowHalfOpen: true`. The same stream each time.
   */
  toDuplex(): Duplex {
    const { connection, handshake, settings } = clientAccess.internals(this);
    const { maxMessage } = handshake.sender;
    const { allowHalfOpen } = settings;
    this.#duplex ??= byteStream(connection, { maxMessage, allowHalfOpen, owner: this });
    return this.#duplex;
  }
}

/** A client that a server has accepted: it is connected already, and has no `connect`. */
export type AcceptedClient<Client = SecureClient> = Accepted<Client>;

/** What is told of an open connection. */
export interface ConnectionDiagnostics {
  /** Which end this process is. */
  readonly side: Side;
  /** The connection. */
  readonly client: SecureClient;
}

function destinationOf(to: TcpAddress | UnixAddress): Destination {
  const address = readAddress(to, 1);
  const target =
    'path' in address
      ? { host: `unix:${address.path}`, port: 0 }
      : { host: address.host ?? 'localhost', port: address.port };
  return { target, open: (giveUp, settings) => dial(settings, address, giveUp) };
}
