import type { Backend } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import type { Bytes } from '../bytes.js';
import type { ConnectionKeys } from '../script.js';
import type { ApplicationKeys } from './handshake.js';
import { exportFrom } from './schedule.js';

/** What an open connection does with its keys beside sending and receiving. Takes over the exporter secret. */
export class OpenKeys implements ConnectionKeys {
  readonly #backend: Backend;
  readonly #keys: ApplicationKeys;
  #isForgotten = false;

  constructor(backend: Backend, keys: ApplicationKeys) {
    this.#backend = backend;
    this.#keys = keys;
  }

  exportKey(label: string, context: Uint8Array, length: number): Bytes {
    if (this.#isForgotten) {
      throw new SecureSocketError(
        'CLOSED',
        'the secret for exported keys was overwritten when this side closed',
      );
    }
    const exported = exportFrom(this.#backend, this.#keys.exporterSecret, label, context, length);
    const own = new Uint8Array(exported);
    exported.fill(0);
    return own;
  }

  forget(): void {
    this.#isForgotten = true;
    this.#keys.exporterSecret.fill(0);
  }
}
