import type { Bytes } from '../core/bytes.js';
import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { SecureSocketError } from '../errors.js';

/** The server a client connects to, as a known-hosts file names it: a Unix domain socket is `unix:PATH` with port 0. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** The options that say which server to trust, but for `knownHosts`, whose code others do not load. */
export interface TrustSettings {
  readonly serverKey?: string | readonly string[] | undefined;
  readonly verifyServer?: ((spki: Bytes, fingerprint: string) => boolean | Promise<boolean>) | undefined;
}

/** How a client decides about a server's key. */
export interface Trust {
  /** Settles to `true`, or rejects with the reason. Asked before anything is encrypted to the key. */
  decide(spki: Uint8Array, fingerprint: string): boolean | Promise<boolean>;
  /** Whether the key is trusted already, as things are now: nothing is asked of a person or written down. */
  knows(spki: Uint8Array, fingerprint: string): Promise<boolean>;
  /** What is to be remembered once the server has proven that the key is its own. */
  confirm?(fingerprint: string): Promise<void>;
}

/** The way of trusting that the options name. Throws NO_TRUST if they name none: there is no accept-everything. */
export function trustOf({ serverKey, verifyServer }: TrustSettings): Trust {
  if (serverKey !== undefined) return trustPins(typeof serverKey === 'string' ? [serverKey] : serverKey);
  if (verifyServer !== undefined)
    return {
      decide: (spki, fingerprint) => verifyServer(spki.slice(), fingerprint),
      // what it throws it will throw again when it decides about the full handshake
      knows: async (spki, fingerprint) => settlesTrue(async () => verifyServer(spki.slice(), fingerprint)),
    };
  throw new SecureSocketError(
    'NO_TRUST',
    "serverKey (the server's fingerprint), knownHosts and verifyServer are all undefined: give one",
  );
}

/** Exactly the given keys. Fingerprints of whole keys are public, so comparing them as text gives nothing away. */
export function trustPins(fingerprints: readonly string[]): Trust {
  const pins = fingerprints.map((pin) => parseFingerprint(pin));
  return {
    knows: async (_, fingerprint) => pins.includes(fingerprint),
    decide: (_, fingerprint) => {
      if (pins.includes(fingerprint)) return true;
      throw new SecureSocketError(
        'UNTRUSTED_SERVER',
        `the server's key is ${fingerprint}, but serverKey allows only ${pins.join(', ')}: if the key was changed on purpose, pin the new one`,
        { fingerprint },
      );
    },
  };
}

/** Whether it settles to exactly `true`; what it rejects with is no reason. */
export async function settlesTrue(decision: () => Promise<boolean>): Promise<boolean> {
  return decision().then(
    (verdict) => verdict === true,
    () => false,
  );
}
