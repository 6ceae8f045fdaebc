import type { KeyEncapsulation, RsaPrivateKey } from '../../backend.js';
import type { OpenOptions } from './open.js';
import type { TicketIssuer } from './resumption.js';
import type { SuiteName } from './suites.js';

/** The server's end of sealed. */
export interface SealedServerOptions extends OpenOptions {
  readonly spki: Uint8Array;
  readonly key: RsaPrivateKey;
  /** In order of preference, which decides. */
  readonly suites: readonly SuiteName[];
  /** Needed for the hybrid suites where the backend has no `mlKem768Later`. */
  readonly mlKem768?: KeyEncapsulation | undefined;
  /** Whether clients may or must show an identity. */
  readonly clientAuth: 'none' | 'optional' | 'required';
  /** Settles to `true`, or to what is known of the client, to admit it. Asked only about a proven identity. */
  readonly authorize?: ((spki: Uint8Array, fingerprint: string) => unknown) | undefined;
  /** Whether to turn away a client whose CLIENT_HELLO has just come. */
  readonly busy?: (() => boolean) | undefined;
  /** Absent: no ticket is given or taken. */
  readonly tickets?: TicketIssuer | undefined;
}
