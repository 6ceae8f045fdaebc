import type {
  Aead,
  Backend,
  BlockCipher,
  DecapsulationKey,
  Encapsulated,
  KeyAgreement,
  KeyEncapsulation,
  LaterAead,
  LaterDecapsulationKey,
  LaterKeyAgreement,
  LaterKeyEncapsulation,
  LaterRsaPublicKey,
  RsaPrivateKey,
  RsaPublicKey,
} from '../backend.js';
import { asPlain, isBytes } from '../core/bytes.js';
import { badOption, kindOf, type SecureSocketError } from '../errors.js';

/**
 * A backend of the application, held to what the interface says. What a method gives that cannot be right is
 * BAD_OPTION, which names it. A promise where there must be none is that too, and its rejection, which no one would
 * handle, is taken care of: it must not end the process.
 *
 * What can be checked is kind and length, not whether the bytes are right: a backend is trusted with keys, and one
 * that computes wrongly fails against its peer. The check is for the mistake that would otherwise show far from its
 * cause, as a `TypeError` in the key schedule or a record whose length does not fit its header. A Buffer, as `node:crypto`
 * gives, goes on as a plain array: what is made of it by `slice` is a copy only then. The
 * backends of the package are not wrapped: their records would pay for a check that test/backends makes once.
 */
export function guardBackend(backend: Backend): Backend {
  const found = guarded.get(backend) ?? guard(backend);
  guarded.set(backend, found);
  return found;
}

/** One for each: keys that were imported are kept by backend. */
const guarded = new WeakMap<Backend, Backend>();

function guard(backend: Backend): Backend {
  const { name, native, fallbacks, preferredAead, lacks, mlKem768Later } = backend;
  const of = (method: string): string => `${method}() of the backend ${String(name)}`;
  return {
    ...{ name, native, fallbacks, preferredAead, ...(lacks && { lacks }) },
    randomBytes: (length) => bytes(of('randomBytes'), backend.randomBytes(length), length),
    equal: (a, b) => truth(of('equal'), backend.equal(a, b)),
    sha256: (data) => bytes(of('sha256'), backend.sha256(data), 32),
    hmacSha256: (key, data) => bytes(of('hmacSha256'), backend.hmacSha256(key, data), 32),
    hkdfExtract: (salt, input) => bytes(of('hkdfExtract'), backend.hkdfExtract(salt, input), 32),
    hkdfExpand: (key, info, length) => bytes(of('hkdfExpand'), backend.hkdfExpand(key, info, length), length),
    aesEcb: (key) => blockCipher(of('aesEcb'), backend.aesEcb(key)),
    aesGcm: (key) => new GuardedAead(of('aesGcm'), backend.aesGcm(key)),
    chaCha20Poly1305: (key) => new GuardedAead(of('chaCha20Poly1305'), backend.chaCha20Poly1305(key)),
    x25519: (key) => keyAgreement(of('x25519'), backend.x25519(key)),
    ...(backend.x25519Later && {
      x25519Later: async () => laterAgreement(of('x25519Later'), await backend.x25519Later?.()),
    }),
    mlKem768: async () => keyEncapsulation(of('mlKem768'), await backend.mlKem768()),
    ...(mlKem768Later !== undefined && {
      mlKem768Later: laterEncapsulation(`mlKem768Later of the backend ${String(name)}`, mlKem768Later),
    }),
    generateRsaKey: async (length) =>
      object(of('generateRsaKey'), await backend.generateRsaKey(length), ['n', 'e', 'd']),
    rsaPublicKey: (numbers) => publicKey(of('rsaPublicKey'), backend.rsaPublicKey(numbers)),
    rsaPrivateKey: (numbers) => privateKey(of('rsaPrivateKey'), backend.rsaPrivateKey(numbers)),
  };
}

/** The one object here that costs every record something: a class, and no closures. */
class GuardedAead implements Aead {
  readonly later?: LaterAead;
  readonly #what: string;
  readonly #inner: Aead;

  constructor(what: string, inner: Aead) {
    this.#what = what;
    this.#inner = object(what, inner, ['seal', 'open']);
    if (inner.later) this.later = laterAead(what, inner.later);
  }

  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix?: Uint8Array,
  ): Uint8Array[] {
    return pieces(this.#what, this.#inner.seal(nonce, associatedData, plaintext, prefix));
  }

  open(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array,
    output?: Uint8Array,
  ): Uint8Array | null {
    const plaintext = this.#inner.open(nonce, associatedData, ciphertext, output);
    return plaintext === null ? null : bytes(this.#what, plaintext, ciphertext.length - 16);
  }

  wipe(): void {
    checkNothing(this.#what, this.#inner.wipe?.());
  }
}

function laterAead(what: string, inner: LaterAead): LaterAead {
  return {
    minLength: inner.minLength,
    seal: async (...given) => pieces(what, await inner.seal(...given)),
    open: async (nonce, associatedData, ciphertext) => {
      const plaintext = await inner.open(nonce, associatedData, ciphertext);
      return plaintext === null ? null : bytes(what, plaintext, ciphertext.length - 16);
    },
  };
}

function blockCipher(what: string, inner: BlockCipher): BlockCipher {
  object(what, inner, ['encrypt', 'decrypt']);
  return {
    encrypt: (blocks) => bytes(what, inner.encrypt(blocks), blocks.length),
    decrypt: (blocks) => bytes(what, inner.decrypt(blocks), blocks.length),
  };
}

function keyAgreement(what: string, inner: KeyAgreement): KeyAgreement {
  object(what, inner, ['agree']);
  return {
    publicKey: bytes(what, inner.publicKey, 32),
    agree: (peerPublicKey) => {
      const shared = inner.agree(peerPublicKey);
      return shared === null ? null : bytes(what, shared, 32);
    },
    wipe: () => checkNothing(what, inner.wipe?.()),
  };
}

function laterAgreement(what: string, inner: LaterKeyAgreement | undefined): LaterKeyAgreement {
  const own = object(what, inner, ['agree']);
  return {
    publicKey: bytes(what, own.publicKey, 32),
    agree: async (peerPublicKey) => {
      const shared = await own.agree(peerPublicKey);
      return shared === null ? null : bytes(what, shared, 32);
    },
    wipe: () => checkNothing(what, own.wipe?.()),
  };
}

function keyEncapsulation(what: string, inner: KeyEncapsulation): KeyEncapsulation {
  object(what, inner, ['keyPair', 'encapsulate']);
  return {
    keyPair: (seed) => decapsulationKey(what, inner.keyPair(seed)),
    encapsulate: (key) => encapsulated(what, inner.encapsulate(key)),
  };
}

function laterEncapsulation(what: string, inner: LaterKeyEncapsulation): LaterKeyEncapsulation {
  // looked at where it is used: only there can it be refused as everything else is
  const own = (): LaterKeyEncapsulation => object(what, inner, ['keyPair', 'encapsulate']);
  return {
    keyPair: async (seed) => laterDecapsulationKey(what, await own().keyPair(seed)),
    encapsulate: async (key) => encapsulated(what, await own().encapsulate(key)),
  };
}

function encapsulated(what: string, result: Encapsulated | null): Encapsulated | null {
  if (result === null) return null;
  const { ciphertext, sharedSecret } = object(what, result, ['ciphertext', 'sharedSecret']);
  return { ciphertext: bytes(what, ciphertext, 1088), sharedSecret: bytes(what, sharedSecret, 32) };
}

function laterDecapsulationKey(what: string, inner: LaterDecapsulationKey): LaterDecapsulationKey {
  object(what, inner, ['decapsulate']);
  return {
    encapsulationKey: bytes(what, inner.encapsulationKey, 1184),
    decapsulate: async (ciphertext) => bytes(what, await inner.decapsulate(ciphertext), 32),
    wipe: () => checkNothing(what, inner.wipe?.()),
  };
}

function decapsulationKey(what: string, inner: DecapsulationKey): DecapsulationKey {
  object(what, inner, ['decapsulate']);
  return {
    encapsulationKey: bytes(what, inner.encapsulationKey, 1184),
    decapsulate: (ciphertext) => bytes(what, inner.decapsulate(ciphertext), 32),
    wipe: () => checkNothing(what, inner.wipe?.()),
  };
}

function publicKey(what: string, inner: RsaPublicKey): RsaPublicKey {
  const { modulusLength } = object(what, inner, ['modulusLength']);
  const k = modulusBytes(what, modulusLength);
  return {
    modulusLength,
    encryptPkcs1: (message) => bytes(what, inner.encryptPkcs1(message), k),
    encryptOaep: (message, label) => bytes(what, inner.encryptOaep(message, label), k),
    verifyPss: (message, signature) => truth(what, inner.verifyPss(message, signature)),
    ...(inner.later && { later: laterPublicKey(what, inner.later, k) }),
  };
}

function laterPublicKey(what: string, inner: LaterRsaPublicKey, k: number): LaterRsaPublicKey {
  object(what, inner, ['encryptOaep', 'verifyPss']);
  return {
    encryptOaep: async (message, label) => bytes(what, await inner.encryptOaep(message, label), k),
    verifyPss: async (message, signature) => truth(what, await inner.verifyPss(message, signature)),
  };
}

function privateKey(what: string, inner: RsaPrivateKey): RsaPrivateKey {
  const { modulusLength } = object(what, inner, ['modulusLength']);
  const k = modulusBytes(what, modulusLength);
  return {
    modulusLength,
    decryptRaw: async (ciphertext) => bytes(what, await inner.decryptRaw(ciphertext), k),
    decryptOaep: async (ciphertext, label) => bytes(what, await inner.decryptOaep(ciphertext, label)),
    signPss: async (message) => bytes(what, await inner.signPss(message), k),
  };
}

function modulusBytes(what: string, bits: unknown): number {
  if (Number.isInteger(bits)) return Math.ceil((bits as number) / 8);
  throw wrong(what, bits, 'a modulusLength in bits');
}

function bytes(what: string, value: unknown, length?: number): Uint8Array {
  if (isBytes(value) && (length === undefined || value.length === length)) return asPlain(value);
  throw wrong(what, value, length === undefined ? 'a Uint8Array' : `a Uint8Array of ${length} bytes`);
}

function truth(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(what, value, 'true or false');
}

function pieces(what: string, value: unknown): Uint8Array[] {
  if (Array.isArray(value) && areBytes(value)) return value;
  throw wrong(what, value, 'an array of Uint8Arrays');
}

/** A loop without a closure, since every record passes here. */
function areBytes(values: readonly unknown[]): boolean {
  for (const value of values) if (!isBytes(value)) return false;
  return true;
}

function object<Value extends object>(
  what: string,
  value: Value | undefined,
  members: readonly (keyof Value & string)[],
): Value {
  if (typeof value === 'object' && value !== null && members.every((name) => name in value)) return value;
  throw wrong(what, value, `an object with ${members.join(', ')}`);
}

/** Of what gives nothing, only a promise matters. */
function checkNothing(what: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) throw wrong(what, value, 'nothing');
}

function wrong(what: string, value: unknown, expected: string): SecureSocketError {
  // of whatever kind a promise is, and whatever its `then` does
  if (typeof value === 'object' && value !== null) Promise.resolve(value).catch(() => {});
  const given = isBytes(value) ? `${value.length} bytes` : kindOf(value);
  return badOption(`${what} must give ${expected}, and gave ${given}`);
}
