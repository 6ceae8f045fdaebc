import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import type { Socket } from 'node:net';
import { formatAddress, type ListenAddress } from './address.js';
import { announceWarning } from './announce.js';
import { wholeNumber } from './arguments.js';
import { Carriers, type Passage } from './carriers.js';
import { usageError } from './failure.js';
import { schedule } from './handshake-queue.js';
import type { Links } from './links.js';
import { type Handover, Listener } from './listener.js';
import { Outgoing } from './outgoing.js';
import type { Report } from './output.js';
import { adoptPlain } from './plain.js';
import { relay } from './relay.js';
import type { Station } from './station.js';
import { relayStream, resetPlain } from './stream-relay.js';
import { DEFAULT_TARGET, type Listens } from './targets.js';
import type { ReloadableDialler } from './trust.js';

/** Options of a tunnel client. */
export interface TunnelClientOptions {
  /** Where it listens, by the name of the target. */
  readonly listens: Listens;
  readonly dialler: ReloadableDialler;
  readonly links: Links;
  readonly report: Report;
  /** Sealed connections that carry streams, at most. */
  readonly carriers: number;
  readonly unlink: boolean;
}

/** Found by measuring, see docs/benchmarks/tunnel.md. */
const CARRIERS = 1;

/** The value of `--carriers`. */
export function carrierCount(text: string | undefined, protocol: string | undefined): number {
  const count = wholeNumber('carriers', text, 0, 64);
  if (protocol !== 'classic') return count ?? CARRIERS;
  if (count) throw usageError('classic carries one connection in each: leave out --carriers');
  return 0;
}

/**
 * Accepts plain connections and carries them.
 *
 * It outlives its options: after SIGHUP a new one takes over the listeners of the old one (`release`, `begin`), so that
 * no connection is refused in between, and the old one goes on with what it carries (`retire`). New keys alone need no
 * new one: the carriers are renewed, and those that are open end with their last stream.
 */
export class TunnelClient implements Station {
  readonly links: Links;
  readonly outgoing: Outgoing = new Outgoing();
  readonly #options: TunnelClientOptions;
  readonly #carriers: Carriers;
  readonly #listeners = new Map<string, Listener>();

  constructor(options: TunnelClientOptions) {
    const { carriers: count, links, dialler } = options;
    this.links = links;
    this.#options = options;
    const dial = schedule(this.outgoing.counted(dialler.dial));
    this.#carriers = new Carriers({ count, dial, stop: links.cut });
  }

  get streams(): number {
    return this.#carriers.streams;
  }

  get addresses(): readonly ListenAddress[] {
    return [...this.#options.listens.values()];
  }

  /** Nothing: the dialler has read everything already. */
  async check(): Promise<void> {}

  /** Serves when it listens at all its addresses. */
  async begin(handover: Handover = () => undefined): Promise<void> {
    for (const [name, address] of this.#options.listens)
      this.#listeners.set(name, handover(address) ?? (await Listener.open(address, this.#options)));
    for (const [name, listener] of this.#listeners) this.#serve(name, listener);
  }

  release(): Listener[] {
    const listeners = [...this.#listeners.values()];
    this.#listeners.clear();
    for (const listener of listeners) listener.release();
    return listeners;
  }

  /** After a change of the key, new connections get new carriers. */
  async reload(): Promise<void> {
    if (await this.#options.dialler.reload()) this.#carriers.renew();
  }

  async retire(): Promise<void> {
    this.#stopListening();
    await this.links.whenIdle();
    this.#carriers.close(false);
  }

  async stop(): Promise<void> {
    this.#stopListening();
    this.#carriers.close(false);
    await this.links.end(Promise.resolve());
    this.#carriers.close(true);
  }

  #stopListening(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
  }

  #serve(name: string, listener: Listener): void {
    const { links, report } = this.#options;
    const connection = (socket: Socket): void => {
      const { remoteAddress, remotePort } = socket;
      const arrival = { remoteAddress, remotePort, destroy: () => resetPlain(socket) };
      links.add(arrival, () => carry(socket, name, this.#carriers, links.cut));
    };
    listener.serve({ connection, error: (error) => announceWarning(error, report) });
    const address = formatAddress(listener.address);
    const isNamed = name !== DEFAULT_TARGET;
    report.event('listening', `listening at ${address}${isNamed ? ` for ${name}` : ''}`, {
      address,
      ...(isNamed && { target: name }),
    });
  }
}

async function carry(socket: Socket, name: string, carriers: Carriers, stop: AbortSignal): Promise<void> {
  // one that disconnects meanwhile is detected when it is carried
  socket.on('error', () => {});
  const passage = await carriers.open(name).catch((error: unknown) => {
    resetPlain(socket);
    throw error;
  });
  if (passage.way === 'bytes') await carryBytes(socket, name, passage, stop);
  else await carryStream(socket, name, passage.stream, stop);
}

async function carryBytes(
  socket: Socket,
  name: string,
  passage: Extract<Passage, { way: 'bytes' }>,
  stop: AbortSignal,
): Promise<void> {
  const plain = adoptPlain(socket);
  if (name === DEFAULT_TARGET) return relay(plain, passage.sealed, { ...passage, stop });
  passage.sealed.destroy();
  plain.destroy();
  throw new Error(
    `the server knows no targets by name, and so not ${name}: it is older, or has --carriers 0`,
  );
}

/**
 * A refusal arrives as a status and then a reset (`refuseStream` of the server). The reset is what ends the relay, and
 * says nothing, so the status is kept to give it as the reason.
 */
async function carryStream(
  socket: Socket,
  name: string,
  stream: ClientHttp2Stream,
  stop: AbortSignal,
): Promise<void> {
  let refusal: string | undefined;
  stream.once('response', (headers) => {
    refusal = refusalIn(headers, name);
  });
  try {
    await relayStream(socket, stream, stop);
  } catch (error) {
    throw refusal === undefined ? error : new Error(refusal);
  }
}

function refusalIn(
  { ':status': status }: IncomingHttpHeaders & IncomingHttpStatusHeader,
  name: string,
): string | undefined {
  if (status === 200) return undefined;
  if (status === 404) return `the server has no target ${name}`;
  if (status === 503) return 'the server has as many connections as it takes';
  return 'the server cannot reach its target';
}
