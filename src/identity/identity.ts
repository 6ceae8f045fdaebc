import type { Backend, RsaPrivateNumbers } from '../backend.js';
import type { Bytes } from '../core/bytes.js';
import { encodePkcs8 } from '../core/encodings/der.js';
import { fingerprintOf } from '../core/encodings/fingerprint.js';
import { encodePem } from '../core/encodings/pem.js';
import { badArgument, SecureSocketError } from '../errors.js';
import { checkSpki, type KeyMaterial, operationsOf, type PlatformKeyPair } from './key.js';
import { keepPrivateKey, noIdentity } from './private-keys.js';
import { type IdentityRole, roleLine } from './roles.js';

/**
 * A key pair and its role: who a server or a client is, and what every platform has of it. The private half is not
 * reachable through it, nor shown by `util.inspect` or `JSON.stringify`; it leaves it as PEM only, and only if it may.
 */
export class PortableIdentity {
  /** What the key is for, for ever. */
  readonly role: IdentityRole;
  /** `SHA256:` and 43 characters of base64: the SHA-256 of the public key as SubjectPublicKeyInfo. */
  readonly fingerprint: string;

  protected constructor(material: KeyMaterial, backend: Pick<Backend, 'sha256'>) {
    if (!hasRole(material))
      throw badArgument(
        'an identity is made by Identity.load(), fromPem() or generate(), not by new Identity()',
      );
    const spki = checkSpki(material);
    this.role = material.role;
    this.fingerprint = fingerprintOf(backend, spki);
    kept.set(this, { material, spki });
    keepPrivateKey(this, (backend) => operationsOf(material, backend));
  }

  /** The public key as SubjectPublicKeyInfo, DER; a copy. */
  get spki(): Bytes {
    return contentOf(this).spki.slice();
  }

  /** The public key as SubjectPublicKeyInfo, PEM. */
  get publicPem(): string {
    return encodePem('PUBLIC KEY', contentOf(this).spki);
  }

  /** Whether the private key may leave this identity, as PEM. */
  get extractable(): boolean {
    return 'numbers' in contentOf(this).material;
  }

  /**
   * The platform's own objects of a key that `generate({ extractable: false })` or `fromKeyPair` made, which
   * IndexedDB can keep; `undefined` for any other.
   */
  get keyPair(): PlatformKeyPair | undefined {
    const { material } = contentOf(this);
    return 'keyPair' in material ? (material.keyPair as PlatformKeyPair) : undefined;
  }

  /** The private key as PKCS#8 PEM, before it a line with the role, which openssl and others pass over. */
  toPem(): string {
    return encodePem('PRIVATE KEY', encodePkcs8(privateNumbersOf(this)), [roleLine(this.role)]);
  }
}

/** Whether it is a key with its role: a program in JavaScript may call the constructor with a path. */
function hasRole(material: unknown): boolean {
  return typeof material === 'object' && material !== null && 'role' in material;
}

/** The internals of an identity, not accessible from outside. */
interface Kept {
  readonly material: KeyMaterial;
  readonly spki: Uint8Array;
}

const kept = new WeakMap<PortableIdentity, Kept>();

function contentOf(identity: PortableIdentity): Kept {
  const found = kept.get(identity);
  if (found !== undefined) return found;
  throw noIdentity();
}

/** The private numbers of an identity, for this library alone: the entry does not export it. */
export function privateNumbersOf(identity: PortableIdentity): RsaPrivateNumbers {
  const { material } = contentOf(identity);
  if ('numbers' in material) return material.numbers;
  throw new SecureSocketError('BAD_IDENTITY', 'the private key of this identity is not extractable');
}
