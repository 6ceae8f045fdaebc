import { formatAddress, type ListenAddress } from './address.js';
import type { Handover, Listener } from './listener.js';
import type { Station } from './station.js';

interface Left {
  readonly service: string;
  readonly listener: Listener;
}

/** Listeners that services have given up, for those that listen at the same addresses from now on. */
export class ListenerPool {
  #left: Left[] = [];

  /** Takes those of a service. */
  add(service: string, station: Station): void {
    for (const listener of station.release()) this.#left.push({ service, listener });
  }

  /** Frees the addresses at which none of these services listens, as they may be in the way of others. */
  keepFor(services: Iterable<readonly [string, { readonly station: Station }]>): void {
    const wanted = [...services];
    const isWanted = (left: Left): boolean =>
      wanted.some(([service, { station }]) => station.addresses.some((at) => isFor(left, service, at)));
    const unwanted = this.#left.filter((left) => !isWanted(left));
    this.#left = this.#left.filter(isWanted);
    for (const { listener } of unwanted) listener.close();
  }

  /** What gives them to a service. */
  handoverTo(service: string): Handover {
    return (address) => {
      const index = this.#left.findIndex((left) => isFor(left, service, address));
      return index < 0 ? undefined : this.#left.splice(index, 1)[0]?.listener;
    };
  }

  /** Frees the addresses of those that are left. */
  close(): void {
    this.keepFor([]);
  }
}

/** A free port that the system has chosen stays with its service. */
function isFor({ service, listener }: Left, to: string, address: ListenAddress): boolean {
  const text = formatAddress(address);
  if ('port' in address && address.port === 0) return service === to && listener.key === text;
  return formatAddress(listener.address) === text || listener.key === text;
}
