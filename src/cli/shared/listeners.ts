import { formatAddress, parseAddress } from './address.js';
import { usageError } from './failure.js';

/** Who listens where, in one configuration or command line. Of two at one address the system says only that it is in use. */
export class Listeners {
  readonly #places = new Map<string, string>();

  constructor(metrics?: string) {
    if (metrics !== undefined) this.add(metrics, 'metrics');
  }

  /** Throws if another place listens there. */
  add(text: string, place: string): void {
    const address = parseAddress(text, 'listen');
    if ('port' in address && address.port === 0) return;
    const other = this.#places.get(formatAddress(address));
    if (other !== undefined) throw usageError(`${other} listens at ${formatAddress(address)} as well`);
    this.#places.set(formatAddress(address), place);
  }
}
