import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { abortable } from '../../connection/abortable.js';
import type { SecureClient } from '../../index.js';
import { askForStreams, hasRefusedStreams } from './agreement.js';
import { clientSession, onEndAnnounced } from './http2.js';
import type { Dialler } from './trust.js';

/** What a plain connection is carried by: a stream of a carrier, or a sealed connection of its own. */
export type Passage =
  | { readonly way: 'stream'; readonly stream: ClientHttp2Stream }
  | { readonly way: 'bytes'; readonly sealed: SecureClient; readonly first?: Uint8Array };

/** After how many milliseconds a server that did not know streams is asked again. */
const ASK_AGAIN = 300_000;

/** How often in succession a server may leave the question unanswered until it is taken for one that does not know it. */
const MAX_UNANSWERED = 2;

/**
 * A server of HTTP/2 counts the resets of a session, 1000 and 33 more each second, and ends one that has more
 * (nghttp2's defaults, against CVE-2023-44487). Programs may reset as they like: a carrier that comes near takes no
 * new streams.
 */
const MAX_RESETS = 900;
const RESETS_PER_SECOND = 30;

/** A sealed connection that carries streams. */
class Carrier {
  readonly #session: ClientHttp2Session;
  #open = 0;
  #isEnding = false;
  #isDismissed = false;
  #resets = 0;
  #countedAt = performance.now();

  /** `closed` is called when it is gone. */
  constructor(sealed: SecureClient, closed: () => void) {
    this.#session = clientSession(sealed);
    this.#session.once('close', closed);
    onEndAnnounced(this.#session, () => {
      this.#isEnding = true;
      this.retire();
    });
  }

  get open(): number {
    return this.#open;
  }

  /** Whether it accepts new streams. */
  get isUsable(): boolean {
    return !this.isLost && !this.#isDismissed && this.#recentResets() + this.#open < MAX_RESETS;
  }

  /** Whether it is over, or the server has announced that. */
  get isLost(): boolean {
    const { closed, destroyed } = this.#session;
    return closed || destroyed || this.#isEnding;
  }

  /** Opens a stream to the target of that name. */
  request(target: string): ClientHttp2Stream {
    this.#open++;
    const stream = this.#session.request({ ':method': 'CONNECT', ':authority': target });
    stream.once('close', () => {
      this.#open--;
      if (stream.rstCode !== 0) this.#resets++;
      this.retire();
    });
    return stream;
  }

  /** Ends it with its last stream, if it accepts no more. */
  retire(): void {
    if (!this.isUsable && this.#open === 0) this.#session.close();
  }

  /** Gives it up, since another takes its place: it gets no more streams, although some of its own will end. */
  dismiss(): void {
    this.#isDismissed = true;
    this.retire();
  }

  /** Ends it when its streams have ended, or at once. */
  close(isUrgent: boolean): void {
    if (isUrgent) this.#session.destroy();
    else this.#session.close();
  }

  #recentResets(): number {
    const now = performance.now();
    const forgotten = ((now - this.#countedAt) / 1000) * RESETS_PER_SECOND;
    this.#resets = Math.max(0, this.#resets - forgotten);
    this.#countedAt = now;
    return this.#resets;
  }
}

/** How plain connections are carried over sealed ones. */
export interface CarrierOptions {
  /** Sealed connections that carry streams, at most; 0: each plain connection has a sealed one of its own. */
  readonly count: number;
  /** Opens a sealed connection. */
  readonly dial: Dialler;
  /** Aborts connections that are being opened. */
  readonly stop: AbortSignal;
}

/** How often a carrier that is lost while opening is replaced for one plain connection. */
const MAX_LOSSES = 3;

/**
 * The sealed connections to one server that carry streams. Each is opened when it is first needed, and again for the
 * next plain connection after it was lost. A server that does not know streams gets a sealed connection for each.
 *
 * A slot is empty, or holds the promise of a carrier that is being opened, for which all who come to it wait
 * together, or the carrier. Two waits make it less simple. Those who wait for one promise have no stream yet, so a
 * slot's load counts them too, or a burst of connections would all choose the same slot. And a carrier may be lost,
 * or retire, before those who waited for it go on: then they choose again.
 *
 * A server that does not know streams has been asked by opening a connection to it. That connection becomes the passage
 * of the first who needs one (`#spare`). One that refuses is not asked again for five minutes, nor is one that has not
 * answered twice: a single time, its answer may have been late.
 */
export class Carriers {
  readonly #options: CarrierOptions;
  readonly #slots: (Promise<Carrier | undefined> | Carrier | undefined)[];
  /** How many connections wait for the carrier of each slot. */
  readonly #waiting: number[];
  readonly #all = new Set<Carrier>();
  /** Connections whose servers do not know streams, and that are not in use yet. */
  readonly #spare: Extract<Passage, { way: 'bytes' }>[] = [];
  #askAgainAt = 0;
  /** How often in succession the server has not answered. */
  #unanswered = 0;
  /** Counts {@link renew}. */
  #generation = 0;

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#slots = new Array(options.count).fill(undefined);
    this.#waiting = new Array(options.count).fill(0);
  }

  /** How many streams are open. */
  get streams(): number {
    return [...this.#all].reduce((sum, { open }) => sum + open, 0);
  }

  /** A passage to the target of that name. */
  async open(target: string): Promise<Passage> {
    let losses = 0;
    while (this.#asksForStreams()) {
      const carrier = await this.#carrierAt(this.#nextSlot());
      if (carrier === undefined) break;
      if (carrier.isUsable) return { way: 'stream', stream: carrier.request(target) };
      // others that waited for it may have filled it
      if (carrier.isLost && ++losses === MAX_LOSSES)
        throw new Error('the server ends every connection as soon as it is open');
    }
    return this.#spare.pop() ?? { way: 'bytes', sealed: await this.#options.dial(this.#options.stop) };
  }

  /** Connections to come get new carriers; those that are open end with their last stream. */
  renew(): void {
    this.#generation++;
    this.#askAgainAt = 0;
    this.#unanswered = 0;
    this.close(false);
    for (const { sealed } of this.#spare.splice(0)) sealed.destroy();
  }

  /** Ends all carriers: when their streams have ended, or at once. */
  close(isUrgent: boolean): void {
    for (const carrier of this.#all) carrier.close(isUrgent);
  }

  #asksForStreams(): boolean {
    return this.#slots.length > 0 && performance.now() >= this.#askAgainAt;
  }

  /** The carrier with the fewest streams, or an empty slot while all have some. */
  #nextSlot(): number {
    let best = 0;
    let fewest = Number.POSITIVE_INFINITY;
    for (const [index, slot] of this.#slots.entries()) {
      if (slot instanceof Carrier && !slot.isUsable) {
        slot.dismiss();
        this.#slots[index] = undefined;
      }
      const load = loadOf(this.#slots[index]) + (this.#waiting[index] ?? 0);
      if (load < fewest) [best, fewest] = [index, load];
    }
    return best;
  }

  async #carrierAt(index: number): Promise<Carrier | undefined> {
    this.#waiting[index] = (this.#waiting[index] ?? 0) + 1;
    try {
      this.#slots[index] ??= this.#openCarrier(index);
      return await this.#slots[index];
    } finally {
      this.#waiting[index] = (this.#waiting[index] ?? 0) - 1;
    }
  }

  async #openCarrier(index: number): Promise<Carrier | undefined> {
    try {
      const carrier = await this.#dialCarrier();
      this.#slots[index] = carrier;
      return carrier;
    } catch (error) {
      this.#slots[index] = undefined;
      throw error;
    }
  }

  /** `undefined` if the server does not take streams, or has not said that it does. */
  async #dialCarrier(): Promise<Carrier | undefined> {
    const generation = this.#generation;
    const { dial, stop } = this.#options;
    const sealed = await dial(stop);
    const agreed = await abortable(askForStreams(sealed), stop, () => sealed.destroy());
    if (agreed?.way === 'streams') {
      this.#unanswered = 0;
      return this.#carrierOn(sealed, generation);
    }
    if (hasRefusedStreams(sealed) || ++this.#unanswered >= MAX_UNANSWERED)
      this.#askAgainAt = performance.now() + ASK_AGAIN;
    if (agreed) this.#spare.push({ ...agreed, sealed });
    else sealed.destroy();
    return undefined;
  }

  #carrierOn(sealed: SecureClient, generation: number): Carrier {
    const carrier = new Carrier(sealed, () => this.#all.delete(carrier));
    this.#all.add(carrier);
    // opened with the previous key
    if (generation !== this.#generation) carrier.close(false);
    return carrier;
  }
}

/** An empty slot is preferred to a carrier with a stream, and an idle carrier to an empty slot. */
function loadOf(slot: Promise<unknown> | Carrier | undefined): number {
  if (slot === undefined) return 0.5;
  return slot instanceof Carrier ? slot.open : 0;
}
