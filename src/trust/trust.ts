import type { Bytes } from '../core/bytes.js';
import { parseFingerprint } from '../core/encodings/fingerprint.js';
import { reasonOf, SecureSocketError } from '../errors.js';
import type { PortableKnownHosts } from './known-hosts.js';

/** The server a client connects to, as a known-hosts file names it: a Unix domain socket is `unix:PATH` with port 0. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** The options that say which server to trust. */
export interface TrustSettings {
  readonly serverKey?: string | readonly string[] | undefined;
  readonly knownHosts?: PortableKnownHosts | undefined;
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
export function trustOf(settings: TrustSettings, target: Target | undefined): Trust {
  const { serverKey, knownHosts, verifyServer } = settings;
  if (serverKey !== undefined) return trustPins(typeof serverKey === 'string' ? [serverKey] : serverKey);
  if (knownHosts !== undefined) return trustKnownHosts(knownHosts, target);
  if (verifyServer !== undefined)
    return {
      decide: (spki, fingerprint) => verifyServer(spki.slice(), fingerprint),
      // what it throws it will throw again when it decides about the full handshake
      knows: async (spki, fingerprint) => settlesTrue(async () => verifyServer(spki.slice(), fingerprint)),
    };
  throw new SecureSocketError(
    'NO_TRUST',
    "nothing says which server to trust: give new SecureClient({ serverKey: 'SHA256:…' }) with the server's fingerprint, or knownHosts, or verifyServer",
  );
}

/** Exactly the given keys. Fingerprints of whole keys are public, so comparing them as text gives nothing away. */
export function trustPins(fingerprints: readonly string[]): Trust {
  const pins = fingerprints.map(parseFingerprint);
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

function trustKnownHosts(hosts: PortableKnownHosts, target: Target | undefined): Trust {
  if (target === undefined) {
    throw new SecureSocketError(
      'NO_TRUST',
      'knownHosts looks servers up by host and port, which a Transport does not have: connect(transport, { host, port })',
    );
  }
  const { host, port } = target;
  let isNew = false;
  return {
    knows: (_, fingerprint) =>
      settlesTrue(async () => (await hosts.check(host, port, fingerprint)) === 'known'),
    decide: async (_, fingerprint) => {
      isNew = (await possible('read', hosts.check(host, port, fingerprint))) === 'unknown';
      if (!isNew || hosts.mode === 'tofu') return true;
      throw new SecureSocketError(
        'UNTRUSTED_SERVER',
        `${hosts.name} does not know ${host}${port === 0 ? '' : ` port ${port}`}, whose key is ${fingerprint}: check it, then add it there, or use mode 'tofu'`,
        { fingerprint },
      );
    },
    confirm: async (fingerprint) => {
      if (isNew) await possible('added to', hosts.add(host, port, fingerprint));
    },
  };
}

async function settlesTrue(decision: () => Promise<boolean>): Promise<boolean> {
  return decision().then(
    (verdict) => verdict === true,
    () => false,
  );
}

/** A system error of a local file is this side's: the server must not be blamed for it. */
async function possible<Result>(what: string, operation: Promise<Result>): Promise<Result> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof SecureSocketError) throw error;
    const reason = reasonOf(error);
    throw new SecureSocketError(
      'BAD_OPTION',
      `the known hosts cannot be ${what}: ${reason}; mend that, name another file, or give serverKey`,
      { cause: error },
    );
  }
}
