import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { SecureSocketError } from '../errors.js';
import { pathOf } from './file-location.node.js';
import { KnownHosts } from './known-hosts.node.js';

/** Whom a client dials, as a known-hosts file names it: a Unix domain socket is `unix:PATH` with port 0. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** A known-hosts file and what to do with servers that are not in it. */
export interface KnownHostsOption {
  /** Where the file is: a path, or a `file:` URL. */
  readonly path: string | URL;
  /** `'strict'` (default) refuses an unknown server, `'tofu'` writes it down once it has proven its key. */
  readonly mode?: 'strict' | 'tofu';
}

/** The options that say which server to trust. */
export interface TrustSettings {
  readonly serverKey?: string | readonly string[] | undefined;
  readonly knownHosts?: string | URL | KnownHostsOption | undefined;
  readonly verifyServer?: ((spki: Uint8Array, fingerprint: string) => boolean | Promise<boolean>) | undefined;
}

/** How a client decides about a server's key. */
export interface Trust {
  /** Settles to `true`, or rejects with the reason. Asked before anything is encrypted to the key. */
  decide(spki: Uint8Array, fingerprint: string): boolean | Promise<boolean>;
  /** What is to be remembered once the server has proven that the key is its own. */
  confirmed?(fingerprint: string): Promise<void>;
}

/** The way of trusting that the options name. Throws NO_TRUST if they name none: there is no accept-everything. */
export function trustOf(settings: TrustSettings, target: Target | undefined): Trust {
  const { serverKey, knownHosts, verifyServer } = settings;
  if (serverKey !== undefined) return pinned(typeof serverKey === 'string' ? [serverKey] : serverKey);
  if (knownHosts !== undefined) return remembered(knownHosts, target);
  if (verifyServer !== undefined)
    return { decide: (spki, fingerprint) => verifyServer(spki.slice(), fingerprint) };
  throw new SecureSocketError(
    'NO_TRUST',
    "nothing says which server to trust: give new SecureClient({ serverKey: 'SHA256:…' }) with the server's fingerprint, or knownHosts, or verifyServer",
  );
}

/** Exactly the given keys. Fingerprints of whole keys are public, so comparing them as text gives nothing away. */
export function pinned(fingerprints: readonly string[]): Trust {
  const pins = fingerprints.map(parseFingerprint);
  return {
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

function remembered(option: NonNullable<TrustSettings['knownHosts']>, target: Target | undefined): Trust {
  if (target === undefined) {
    throw new SecureSocketError(
      'NO_TRUST',
      'knownHosts looks servers up by host and port, which a Transport does not have: connect(transport, { host, port })',
    );
  }
  const path = pathOf(option);
  const mode = typeof option === 'object' && 'mode' in option ? (option.mode ?? 'strict') : 'strict';
  const store = new KnownHosts(path);
  const { host, port } = target;
  let isNew = false;
  return {
    decide: async (_, fingerprint) => {
      isNew = (await store.check(host, port, fingerprint)) === 'unknown';
      if (!isNew || mode === 'tofu') return true;
      throw new SecureSocketError(
        'UNTRUSTED_SERVER',
        `${path} does not know ${host}${port === 0 ? '' : ` port ${port}`}, whose key is ${fingerprint}: check it, then add it there, or use mode 'tofu'`,
        { fingerprint },
      );
    },
    confirmed: async (fingerprint) => {
      if (isNew) await store.add(host, port, fingerprint);
    },
  };
}
