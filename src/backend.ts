/**
 * What a backend supplies: primitives and nothing else. No framing, no nonces, no padding policy, no key format.
 *
 * Integers of RSA keys are unsigned, big-endian and minimal (no leading zero byte). Ciphertexts, signatures and
 * raw blocks are exactly as long as the modulus, leading zeros kept. A backend never keeps or changes a buffer
 * it was given, and never returns memory that it uses again.
 */
export interface Backend {
  /** A short name for error texts, benchmarks and `client.backend`. */
  readonly name: string;
  /**
   * Whether the work is done by native, constant-time code. `false` means JavaScript: a server warns once, RSA
   * private operations run one at a time, and records are kept smaller so that the event loop gets its turns.
   */
  readonly native: boolean;
  /** Primitives that come from another library than the backend's own, and from which. */
  readonly fallbacks: Readonly<Partial<Record<'x25519' | 'mlKem768' | AeadName, string>>>;
  /** The cipher that is faster here: suites with it come first unless `suites` says otherwise. */
  readonly preferredAead: AeadName;
  /** Ciphers that the platform's library does not have: suites with them are neither offered nor taken. */
  readonly lacks?: readonly AeadName[];

  /** Cryptographically secure random bytes, any length. Tests inject a deterministic source here. */
  randomBytes(length: number): Uint8Array;
  /** Compares two byte strings of public length in constant time (as far as the backend can). */
  equal(a: Uint8Array, b: Uint8Array): boolean;

  /** SHA-256 (FIPS 180-4), 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** HMAC-SHA256 (RFC 2104), 32 bytes. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF-Extract with SHA-256 (RFC 5869 2.2), 32 bytes. */
  hkdfExtract(salt: Uint8Array, inputKeyMaterial: Uint8Array): Uint8Array;
  /** HKDF-Expand with SHA-256 (RFC 5869 2.3), `length` bytes, at most 8160. */
  hkdfExpand(pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array;

  /** AES in ECB mode (NIST SP 800-38A) under a key of 16, 24 or 32 bytes. */
  aesEcb(key: Uint8Array): BlockCipher;
  /** AES-256-GCM (NIST SP 800-38D) under a key of 32 bytes. */
  aesGcm(key: Uint8Array): Aead;
  /** ChaCha20-Poly1305 (RFC 8439) under a key of 32 bytes. */
  chaCha20Poly1305(key: Uint8Array): Aead;

  /**
   * An X25519 key pair (RFC 7748). Without `privateKey` (32 bytes) a fresh one from the backend's own random source.
   */
  x25519(privateKey?: Uint8Array): KeyAgreement;
  /** A fresh X25519 key pair of a platform that computes elsewhere. Where it is present, connections use it instead. */
  x25519Later?(): Later<LaterKeyAgreement>;
  /** ML-KEM-768 (FIPS 203), loaded when first asked for. */
  mlKem768(): Promise<KeyEncapsulation>;
  /** The same of a platform that computes elsewhere. Where it is present, connections use it instead, and by default. */
  readonly mlKem768Later?: LaterKeyEncapsulation | undefined;

  /** A new RSA key of `modulusLength` bits with public exponent 65537. */
  generateRsaKey(modulusLength: number): Promise<RsaPrivateNumbers>;
  /** A public key from its numbers. Throws a `RangeError` on numbers that cannot be an RSA key. */
  rsaPublicKey(numbers: RsaPublicNumbers): RsaPublicKey;
  /** A private key from its numbers, all eight of them. Throws a `RangeError` on numbers that do not fit together. */
  rsaPrivateKey(numbers: RsaPrivateNumbers): RsaPrivateKey;
}

/** The ciphers for records, by the method that makes them. */
export type AeadName = 'aesGcm' | 'chaCha20Poly1305';

/** n and e of an RSA public key (RFC 8017 3.1). */
export interface RsaPublicNumbers {
  /** The modulus. */
  readonly n: Uint8Array;
  /** The public exponent. */
  readonly e: Uint8Array;
}

/**
 * An RSA private key with two primes in CRT form (RFC 8017 3.2): dp = d mod (p-1), dq = d mod (q-1), qi = q^-1 mod p.
 */
export interface RsaPrivateNumbers extends RsaPublicNumbers {
  /** The private exponent. */
  readonly d: Uint8Array;
  /** The first prime. */
  readonly p: Uint8Array;
  /** The second prime. */
  readonly q: Uint8Array;
  /** d mod (p-1). */
  readonly dp: Uint8Array;
  /** d mod (q-1). */
  readonly dq: Uint8Array;
  /** q^-1 mod p. */
  readonly qi: Uint8Array;
}

/** Public operations: synchronous, cheap. k is the length of the modulus in bytes. */
export interface RsaPublicKey {
  /** Length of the modulus in bits. */
  readonly modulusLength: number;
  /** RSAES-PKCS1-v1_5 encryption (RFC 8017 7.2.1): at most k - 11 bytes in, k bytes out. */
  encryptPkcs1(message: Uint8Array): Uint8Array;
  /** RSAES-OAEP encryption (RFC 8017 7.1.1), SHA-256 and MGF1-SHA-256: at most k - 66 bytes in, k bytes out. */
  encryptOaep(message: Uint8Array, label: Uint8Array): Uint8Array;
  /** RSASSA-PSS verification (RFC 8017 8.1.2), SHA-256, MGF1-SHA-256, 32 bytes of salt. A wrong length is `false`. */
  verifyPss(message: Uint8Array, signature: Uint8Array): boolean;
  /** Absent where the platform has no such form. Where it is present, connections use it instead. */
  readonly later?: LaterRsaPublicKey;
}

/** Some of the same, of a platform that computes elsewhere. A rejection is a failure of the platform. */
export interface LaterRsaPublicKey {
  /** As {@link RsaPublicKey.encryptOaep}. */
  encryptOaep(message: Uint8Array, label: Uint8Array): Later<Uint8Array>;
  /** As {@link RsaPublicKey.verifyPss}. */
  verifyPss(message: Uint8Array, signature: Uint8Array): Later<boolean>;
}

/** Private operations: asynchronous, because a native backend runs them off the main thread where it can. */
export interface RsaPrivateKey {
  /** Length of the modulus in bits. */
  readonly modulusLength: number;
  /**
   * RSADP (RFC 8017 5.1.2): the k bytes of c^d mod n. Rejects with a `RangeError` if the ciphertext is not k bytes
   * long or not smaller than n, both of them public facts.
   */
  decryptRaw(ciphertext: Uint8Array): Promise<Uint8Array>;
  /** RSAES-OAEP decryption (RFC 8017 7.1.2), SHA-256 and MGF1-SHA-256. Every failure rejects with the same text. */
  decryptOaep(ciphertext: Uint8Array, label: Uint8Array): Promise<Uint8Array>;
  /** RSASSA-PSS signature (RFC 8017 8.1.1), SHA-256, MGF1-SHA-256, 32 bytes of salt; k bytes. */
  signPss(message: Uint8Array): Promise<Uint8Array>;
}

/** A keyed block cipher without padding: whole blocks of 16 bytes in, as many out. Any number of calls. */
export interface BlockCipher {
  /** Encrypts whole blocks. */
  encrypt(blocks: Uint8Array): Uint8Array;
  /** Decrypts whole blocks. */
  decrypt(blocks: Uint8Array): Uint8Array;
}

/** A keyed AEAD (RFC 5116): 12-byte nonce, 16-byte tag. The caller never repeats a nonce. */
export interface Aead {
  /**
   * Encrypts the concatenation of `plaintext`. Returns `prefix`, unchanged, the ciphertext and the tag, in that order:
   * in one piece where the library writes to memory that it is given, and whatever is small; else in several, so that
   * neither side of a large record has to be copied together. `nonce`, `associatedData` and `prefix` may be overwritten
   * after the call, and may be one and the same memory. The pieces may be views of larger memory.
   */
  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix?: Uint8Array,
  ): Uint8Array[];
  /**
   * Decrypts `ciphertext`, its last 16 bytes being the tag. `null` exactly if the tag does not verify. The plaintext
   * has memory of its own, which the backend does not use again: it may become a message of the application. Or it is
   * the beginning of `output`, where the caller offers that, it is long enough and the library can write there.
   */
  open(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    ciphertext: Uint8Array,
    output?: Uint8Array,
  ): Uint8Array | null;
  /** Absent where the platform has no such form, or nothing gains by it. */
  readonly later?: LaterAead;
  /** Overwrites the key, which is not used again. Absent where the platform keeps it and frees it by itself. */
  wipe?(): void;
}

/** What a platform gives when it has it, and not at once. */
export type Later<Result> = Promise<Result>;

/**
 * The same cipher under the same key, of a platform that computes elsewhere: any number of calls may be under way.
 * What is given may be overwritten after the call, and the key wiped. The results are those of the methods of {@link
 * Aead}; a rejection is a failure of the platform.
 */
export interface LaterAead {
  /** Length in bytes from which on the asynchronous form is worth its delay. */
  readonly minLength: number;
  /** As {@link Aead.seal}. */
  seal(
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: readonly Uint8Array[],
    prefix?: Uint8Array,
  ): Later<Uint8Array[]>;
  /** As {@link Aead.open}. */
  open(nonce: Uint8Array, associatedData: Uint8Array, ciphertext: Uint8Array): Later<Uint8Array | null>;
}

/** One side's ephemeral X25519 key. */
export interface KeyAgreement {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The shared secret of 32 bytes, or `null` if it is all zero (RFC 7748 6.1). */
  agree(peerPublicKey: Uint8Array): Uint8Array | null;
  /** Overwrites the private key, which is not used again. Absent where the platform keeps it and frees it by itself. */
  wipe?(): void;
}

/** The same of a platform that computes elsewhere. */
export interface LaterKeyAgreement {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** As {@link KeyAgreement.agree}. */
  agree(peerPublicKey: Uint8Array): Later<Uint8Array | null>;
  /** As that of {@link KeyAgreement}. */
  wipe?(): void;
}

/** ML-KEM-768 (FIPS 203). */
export interface KeyEncapsulation {
  /** A key pair; without `seed` (64 bytes, d || z) a fresh one. */
  keyPair(seed?: Uint8Array): DecapsulationKey;
  /**
   * Encapsulates to a key of 1184 bytes: a ciphertext of 1088 bytes and a shared secret of 32. `null` if the key
   * fails the check of FIPS 203 7.2.
   */
  encapsulate(encapsulationKey: Uint8Array): Encapsulated | null;
}

/** What an encapsulation gives. */
export interface Encapsulated {
  /** For the owner of the key, 1088 bytes. */
  readonly ciphertext: Uint8Array;
  /** 32 bytes. */
  readonly sharedSecret: Uint8Array;
}

/** One side's ML-KEM-768 key pair. */
export interface DecapsulationKey {
  /** 1184 bytes. */
  readonly encapsulationKey: Uint8Array;
  /** The shared secret of 32 bytes. Takes 1088 bytes and never fails on those (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
  /** As that of {@link KeyAgreement}. */
  wipe?(): void;
}

/** ML-KEM-768 of a platform that computes elsewhere. What is given may be overwritten after the call. */
export interface LaterKeyEncapsulation {
  /** As {@link KeyEncapsulation.keyPair}. */
  keyPair(seed?: Uint8Array): Later<LaterDecapsulationKey>;
  /** As {@link KeyEncapsulation.encapsulate}; a rejection is a failure of the platform. */
  encapsulate(encapsulationKey: Uint8Array): Later<Encapsulated | null>;
}

/** One side's ML-KEM-768 key pair, of such a platform. */
export interface LaterDecapsulationKey {
  /** 1184 bytes. */
  readonly encapsulationKey: Uint8Array;
  /** As {@link DecapsulationKey.decapsulate}. */
  decapsulate(ciphertext: Uint8Array): Later<Uint8Array>;
  /** As that of {@link KeyAgreement}. */
  wipe?(): void;
}
