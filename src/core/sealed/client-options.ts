import type { KeyEncapsulation, RsaPrivateKey } from '../../backend.js';
import type { ClientResumption } from './client-resumption.js';
import type { OpenOptions } from './open.js';
import type { SuiteName } from './suites.js';

/** The client's end of sealed. */
export interface SealedClientOptions extends OpenOptions {
  /** In order of preference. */
  readonly suites: readonly SuiteName[];
  /** Needed for the hybrid suites where the backend has no `mlKem768Later`. */
  readonly mlKem768?: KeyEncapsulation | undefined;
  /** Whether to offer a suite that does not exist as well, so that servers stay used to it; `true` if absent. */
  readonly grease?: boolean | undefined;
  /** Shown to servers that ask for one. */
  readonly identity?: { readonly spki: Uint8Array; readonly key: RsaPrivateKey } | undefined;
  /** Whether to trust the server: settles to exactly `true`, or rejects with the reason. */
  readonly decide: (spki: Uint8Array, fingerprint: string) => unknown;
  /** Absent: no tickets are offered or asked for. */
  readonly resumption?: ClientResumption | undefined;
}
