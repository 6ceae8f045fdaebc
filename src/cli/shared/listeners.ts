import { formatAddress, type ListenAddress, parseAddress } from './address.js';
import { usageError } from './failure.js';

/** Who listens where, in one configuration or command line. Of two at one address the system says only that it is in use. */
export class Listeners {
  readonly #places = new Map<string, string>();

  /** `metrics` is their address, `name` how messages call them. */
  constructor(metrics?: string, name = 'metrics') {
    if (metrics !== undefined) this.add(parseAddress(metrics, 'listen'), name);
  }

  /** Throws if another place listens there. */
  add(address: ListenAddress, place: string): void {
    if ('port' in address && address.port === 0) return;
    const other = this.#places.get(formatAddress(address));
    if (other !== undefined) throw usageError(`${other} listens at ${formatAddress(address)} as well`);
    this.#places.set(formatAddress(address), place);
  }
}
