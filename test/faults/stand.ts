import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ClientOptions,
  type ProtocolName,
  type SecureClient,
  type SecureServer,
  type ServerOptions,
  WEB_SOCKET_PROTOCOL,
  webSocket,
} from 'secure-sockets';
import { WebSocket, WebSocketServer } from 'ws';
import { type Break, type Damage, FaultProxy } from '../helpers/proxy.js';
import type { Random } from '../helpers/random.js';
import { clientOf, portOf, startListening } from '../helpers/sockets.js';
import { type Account, answer, ask } from './conversation.js';

/** Both ends' accounts of one connection. A code stands for a connection that never opened. */
export interface Outcome {
  readonly client: Account | string;
  readonly server: Account | string;
}

/** What carries the bytes of a connection. */
export type Carrier = 'tcp' | 'websocket';

/** What a stand is made of. */
export interface StandOptions {
  readonly protocol: ProtocolName;
  /** Default 'tcp'. */
  readonly carrier?: Carrier;
  readonly server?: ServerOptions;
  /** The same for all connections, or for each by its number. */
  readonly client?: ClientOptions | ((index: number) => ClientOptions);
  readonly damage?: Damage | ((index: number) => Damage);
  readonly seed?: number;
  /** Told how each connection went at the server, which is not kept then: for very many. */
  readonly onServerResult?: (result: Account | string) => void;
}

/** A server that answers every client, and a proxy in front of it that damages connections. */
export class Stand implements AsyncDisposable {
  readonly server: SecureServer;
  readonly proxy: FaultProxy;
  readonly #options: StandOptions;
  readonly #web: Server | undefined;
  readonly #results: (Promise<Account> | string)[] = [];
  readonly #running = new Set<Promise<unknown>>();
  #wake: () => void = () => {};
  #count = 0;

  private constructor(options: StandOptions, server: SecureServer, proxy: FaultProxy, web?: Server) {
    this.#options = options;
    this.server = server;
    this.proxy = proxy;
    this.#web = web;
    void this.#serve();
  }

  static async open(options: StandOptions): Promise<Stand> {
    let stand: Stand | undefined;
    const server = await startListening(options.protocol, {
      ...options.server,
      onHandshakeError: (error) => stand?.note((error as { code?: string }).code ?? 'no code'),
    });
    const web = options.carrier === 'websocket' ? await webSocketServer(server) : undefined;
    const port = web ? (web.address() as AddressInfo).port : portOf(server);
    const proxy = await FaultProxy.listen(port, options.damage, options.seed);
    stand = new Stand(options, server, proxy, web);
    return stand;
  }

  /** One connection from its beginning to the end that both ends see. Not more than one at a time. */
  async converse(lengths: readonly number[]): Promise<Outcome> {
    const client = await this.ask(lengths);
    while (this.#results.length < this.#count) await new Promise<void>((wake) => (this.#wake = wake));
    const server = (await this.#results[this.#count - 1]) as Account | string;
    return { client, server };
  }

  /** The client's half of a connection. Any number at a time. */
  async ask(lengths: readonly number[]): Promise<Account | string> {
    const { protocol, client: options } = this.#options;
    const conversation = this.#count++;
    const own = typeof options === 'function' ? options(conversation) : options;
    const client = clientOf(this.server, { protocol, ...own });
    try {
      await this.#connect(client);
    } catch (error) {
      return (error as { code?: string }).code ?? `no code: ${String(error)}`;
    }
    return ask(client, conversation, lengths);
  }

  /** Resolves once all connections so far are over at the server. */
  async settle(): Promise<void> {
    await Promise.all([...this.#running]);
  }

  /** A connection has come to nothing. */
  note(result: Promise<Account> | string): void {
    const { onServerResult } = this.#options;
    if (onServerResult) {
      const told = Promise.resolve(result).then(onServerResult);
      this.#running.add(told);
      void told.finally(() => this.#running.delete(told));
    } else this.#results.push(result);
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close({ timeout: 100 });
    await this.proxy[Symbol.asyncDispose]();
    this.#web?.closeAllConnections();
    this.#web?.close();
  }

  async #connect(client: SecureClient): Promise<void> {
    const to = { port: this.proxy.port, host: '127.0.0.1' };
    if (!this.#web) return client.connect(to);
    const socket = new WebSocket(`ws://${to.host}:${to.port}`, WEB_SOCKET_PROTOCOL);
    // the name is what tickets are kept under
    return client.connect(webSocket(socket), to);
  }

  async #serve(): Promise<void> {
    for await (const client of this.server) this.note(answer(client));
  }
}

/** WebSockets whose connections are the server's. */
async function webSocketServer(server: SecureServer): Promise<Server> {
  const web = createServer().listen(0, '127.0.0.1');
  await once(web, 'listening');
  new WebSocketServer({ server: web }).on('connection', (socket, { socket: { remoteAddress } }) => {
    void server.attach(webSocket(socket, { remoteAddress }));
  });
  return web;
}

/** Faults that destroy nothing: everything arrives, in time and in pieces of all kinds. */
function gentleDamage(random: Random): Damage {
  const faults = (): Damage['toServer'] => ({
    ...(random.next() < 0.5 ? { delay: [0, random.below(8)] as const } : {}),
    ...(random.next() < 0.4 ? { split: 1 + random.below(1500) } : {}),
    ...(random.next() < 0.3 ? { coalesce: random.below(6) } : {}),
    ...(random.next() < 0.2 ? { bandwidth: 2_000_000 + random.below(8_000_000) } : {}),
  });
  return { toServer: faults() ?? {}, toClient: faults() ?? {} };
}

/** The same, and every other connection breaks in one of the given ways. */
export function roughDamage(random: Random, ways: readonly Break[]): Damage {
  const gentle = gentleDamage(random);
  if (random.next() < 0.5) return gentle;
  const by = random.pick(ways);
  const after = random.next() < 0.3 ? random.below(1500) : random.below(400_000);
  return random.next() < 0.5
    ? { ...gentle, toServer: { ...gentle.toServer, breaks: { after, by } } }
    : { ...gentle, toClient: { ...gentle.toClient, breaks: { after, by } } };
}
