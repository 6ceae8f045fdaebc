import type { Backend, RsaPrivateKey } from '../backend.js';
import { badArgument, type SecureSocketError } from '../errors.js';

// Apart from the class: who connects without an identity does not load it.

/** The private key of an identity. */
interface Kept {
  readonly importKey: (backend: Backend) => RsaPrivateKey;
  /** A program that connects often, as a tunnel does, has its key decoded and checked once for each backend. */
  readonly imported: WeakMap<Backend, RsaPrivateKey>;
}

const kept = new WeakMap<object, Kept>();

/** Told of each identity and of how its private key gets onto a backend. */
export function keepPrivateKey(identity: object, importKey: Kept['importKey']): void {
  kept.set(identity, { importKey, imported: new WeakMap() });
}

/** The private operations of an identity on a backend, for this library alone: no entry exports it. */
export function privateKeyOf(identity: object, backend: Backend): RsaPrivateKey {
  const found = kept.get(identity);
  if (found === undefined) throw noIdentity();
  const key = found.imported.get(backend) ?? found.importKey(backend);
  found.imported.set(backend, key);
  return key;
}

/** The error for an object that only looks like an identity. */
export function noIdentity(): SecureSocketError {
  return badArgument('expected an Identity made by Identity.generate or Identity.load');
}
