import { askSafely } from '../callbacks.js';
import { canonicalHost } from '../core/encodings/host-name.js';
import { readIPv6 } from '../core/encodings/ip-address.js';
import type { AddressList } from '../options/options.js';

/** Up to this many handshakes no connection is dropped at random. */
const ALWAYS_ADMIT = 16;

/**
 * Counts handshakes under way, in all and by source, and says when there are enough. From half of the room on it
 * turns new connections away at random, with a probability that grows as room shrinks (as OpenSSH's MaxStartups): a
 * client that fills the room cannot keep all others out.
 */
export class HandshakeLimiter {
  readonly #max: number;
  readonly #maxPerSource: number;
  readonly #random: () => number;
  readonly #bySource = new Map<string, number>();
  #pending = 0;

  constructor(max: number, maxPerSource: number, random: () => number = Math.random) {
    this.#max = max;
    this.#maxPerSource = maxPerSource;
    this.#random = random;
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#pending;
  }

  /** Lets a connection in and returns how it leaves, which works once; `undefined` if there is no room. */
  enter(remoteAddress: string | undefined): (() => void) | undefined {
    const source = sourceOf(remoteAddress);
    if (this.#pending >= this.#max || this.#isFull(source) || this.#dropAtRandom()) return undefined;
    this.#pending++;
    if (source !== undefined) this.#bySource.set(source, this.#of(source) + 1);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#leave(source);
    };
  }

  #dropAtRandom(): boolean {
    const sure = Math.max(ALWAYS_ADMIT, this.#max / 2);
    return this.#pending > sure && this.#random() * (this.#max - sure) < this.#pending - sure;
  }

  /** Whether there are enough from this source, whatever room there is otherwise. */
  isSourceFull(remoteAddress: string | undefined): boolean {
    return this.#isFull(sourceOf(remoteAddress));
  }

  #isFull(source: string | undefined): boolean {
    return source !== undefined && this.#of(source) >= this.#maxPerSource;
  }

  #of(source: string): number {
    return this.#bySource.get(source) ?? 0;
  }

  #leave(source: string | undefined): void {
    this.#pending--;
    if (source === undefined) return;
    const left = (this.#bySource.get(source) ?? 1) - 1;
    if (left === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, left);
  }
}

/**
 * What counts as one source: an IPv4 address, mapped ones too, or the /64 network of an IPv6 address. `undefined` for
 * loopback addresses and Unix domain sockets, which count towards the total only.
 */
export function sourceOf(remoteAddress: string | undefined): string | undefined {
  if (remoteAddress === undefined) return undefined;
  const address = canonicalHost(remoteAddress) ?? remoteAddress;
  if (!address.includes(':')) return address.startsWith('127.') ? undefined : address;
  return address === '::1' ? undefined : networkOf(address);
}

/** The first four groups of an IPv6 address. */
function networkOf(address: string): string {
  const groups = readIPv6(address)?.slice(0, 4) ?? [];
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`;
}

/** Lists of addresses that the application may give. */
export interface ListSettings {
  readonly blockList?: AddressList | undefined;
  readonly trustedProxies?: AddressList | undefined;
}

/** Whether an address is on a list that the application has given. */
export function isListed(
  settings: ListSettings,
  name: keyof ListSettings,
  address: string | undefined,
): boolean {
  const list = settings[name];
  if (list === undefined || address === undefined) return false;
  // a list that cannot tell lets no one in, and takes no one for a proxy whose word counts
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return askSafely(`${name}.check`, () => list.check(address, family), name === 'blockList');
}
