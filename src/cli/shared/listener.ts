import type { Server, Socket } from 'node:net';
import type { SecureServer } from '../../index.js';
import { serverAccess } from '../../server/server.js';
import { createTcpServer, fromAccepted, plainSettings } from '../../transports/tcp.node.js';
import { formatAddress, type ListenAddress } from './address.js';
import { type ListenFlags, listenPlain, listenWhereFree } from './listening.js';

/** What is done with the connections of a listener. */
export interface ListenerHandlers {
  readonly connection: (socket: Socket) => void;
  /** Out of file descriptors and the like: it continues to listen. */
  readonly error: (error: Error) => void;
}

/** Finds a listener at an address that another service has given up. */
export type Handover = (address: ListenAddress) => Listener | undefined;

/** How many connections may wait for the next client to serve. */
const MAX_WAITING = 511;

/**
 * Listens at an address. It can pass from one service to another: connections that arrive in between wait, whereas those
 * that the system holds are reset when a socket is closed, and a descriptor could not be opened again.
 */
export class Listener {
  /** As it was asked for, with port 0. */
  readonly key: string;
  /** With the real port. */
  readonly address: ListenAddress;
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  #handlers: ListenerHandlers | undefined;

  private constructor(key: string, address: ListenAddress, server: Server) {
    this.key = key;
    this.address = address;
    this.#server = server;
    server.on('connection', (socket) => this.#onConnection(socket));
    server.on('error', (error) => this.#handlers?.error(error));
  }

  /** Rejects if it cannot listen there. */
  static async open(address: ListenAddress, flags: ListenFlags): Promise<Listener> {
    const server = createTcpServer(plainSettings);
    let actual = address;
    await listenWhereFree(address, flags, async () => {
      actual = await listenPlain(server, address);
    });
    return new Listener(formatAddress(address), actual, server);
  }

  /** Begins to serve connections, with those that wait. Returns what closes it, unless it has been given up since. */
  serve(handlers: ListenerHandlers): () => void {
    this.#handlers = handlers;
    for (const socket of this.#waiting.splice(0)) handlers.connection(socket);
    return () => {
      if (this.#handlers === handlers) this.close();
    };
  }

  /** Lets connections wait until the next one is served. */
  release(): void {
    this.#handlers = undefined;
  }

  /** Frees the address at once. */
  close(): void {
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    if (this.#handlers !== undefined) this.#handlers.connection(socket);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(socket);
    else socket.destroy();
  }
}

/** How the connections of a listener become those of a server. */
export interface Acceptance {
  readonly connection: (socket: Socket) => void;
  /** How many have come that the server does not know of yet. */
  readonly pending: number;
  /** Cuts these off. */
  cut(): void;
}

/** They are sealed connections, or those of classic. */
export async function acceptSockets(server: SecureServer): Promise<Acceptance> {
  const acceptor = await serverAccess(server).prepare();
  return { connection: (socket) => acceptor.receive(socket, fromAccepted), pending: 0, cut: () => {} };
}

/** Makes a server accept what a listener gets, until it stops accepting. */
export function serveSealed(
  server: SecureServer,
  listener: Listener,
  acceptance: Acceptance,
  onError: (error: Error) => void,
): void {
  const connection = (socket: Socket): void => acceptance.connection(socket);
  const close = listener.serve({ connection, error: onError });
  const stop = async (): Promise<void> => {
    close();
    acceptance.cut();
  };
  serverAccess(server).listens(stop, () => listener.address);
}
