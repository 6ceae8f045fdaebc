import type {
  AeadName,
  Backend,
  KeyEncapsulation,
  LaterKeyEncapsulation,
  RsaPrivateKey,
  RsaPrivateNumbers,
} from '../../src/backend.js';
import { decodePkcs8 } from '../../src/core/encodings/der.js';
import { decodePem } from '../../src/core/encodings/pem.js';
import { isLacking, type SuiteName, suiteNames, suites } from '../../src/core/sealed/suites.js';
import file from '../vectors/sealed.json' with { type: 'json' };
import { laterKem } from './later-kem.js';

/** One handshake of the vectors, and the records behind it. All bytes are hexadecimal. */
export interface SealedVector {
  readonly seed: string;
  readonly server_bits: number;
  readonly client_bits: number | null;
  readonly suite: number;
  readonly suites: readonly number[];
  readonly server_spki: string;
  readonly server_fingerprint: string;
  readonly client_spki?: string;
  readonly client_fingerprint?: string;
  readonly client_random: string;
  readonly server_random: string;
  readonly x: string;
  readonly y: string;
  readonly oaep_ciphertext: string;
  readonly client_signature?: string;
  readonly client_signature_input?: string;
  readonly ml_kem_seed?: string;
  readonly ml_kem_ciphertext?: string;
  readonly ml_kem_secret?: string;
  readonly handshake_messages: Readonly<Record<'CH' | 'SH' | 'SI' | 'CK' | 'CA' | 'CF' | 'SF', string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly traffic: Readonly<Record<'c_ap_0' | 's_ap_0', { readonly key: string; readonly iv: string }>>;
  readonly exports: readonly { label: string; context: string; length: number; value: string }[];
  readonly flights: Readonly<Record<'1 C->S' | '2 S->C' | '3 C->S' | '4 S->C', string>>;
  readonly records: readonly VectorRecord[];
}

/** One record behind a handshake; long ones are known by their hash. */
export interface VectorRecord {
  readonly name: string;
  readonly inner: string;
  readonly sha256: string;
  readonly record?: string;
}

/** Records of one direction, and what a receiver makes of them. */
export interface RecordCase {
  readonly name: string;
  /** By OpenSSL's name. */
  readonly cipher: string;
  readonly secret: string;
  readonly sequence: number;
  readonly plaintexts: readonly string[];
  readonly records: readonly string[];
  readonly messages: readonly string[];
  readonly closeCode?: number;
  readonly error?: string;
}

export const vectors: readonly SealedVector[] = file.vectors as unknown as readonly SealedVector[];
export const recordCases: readonly RecordCase[] = file.recordCases;
export const nonces: readonly { iv: string; sequence: number; nonce: string }[] = file.nonces;

export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
export const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');

/** The numbers of a test key. */
export function testKey(name: keyof typeof file.keys): RsaPrivateNumbers {
  return decodePkcs8(decodePem(file.keys[name]).der);
}

/** The names of the suites in a list that may hold others. */
export function suiteNamesIn(ids: readonly number[]): SuiteName[] {
  return ids.flatMap((id) => suiteNames.filter((name) => suites[name].id === id));
}

/** The vectors that a backend has all ciphers for: Bun's node:crypto has no ChaCha20-Poly1305. */
export function possibleWith<Vector extends Pick<SealedVector, 'suites'>>(
  backend: Backend,
  all: readonly Vector[],
): Vector[] {
  return all.filter((vector) => !suiteNamesIn(vector.suites).some((name) => isLacking(name, backend)));
}

/** What protects the records of a suite, by its number. */
export function cipherOf(suite: number): AeadName {
  return suites[suiteNamesIn([suite])[0] as SuiteName].cipher;
}

/** A backend that repeats what a vector recorded, where its randomness cannot be given, and notes its secrets. */
export interface Replay {
  readonly backend: Backend;
  /** Absent where the backend has the later form. */
  readonly mlKem768: KeyEncapsulation | undefined;
  /** What HKDF-Extract gave, in order: ES, HS, AHS, MS. */
  readonly extracted: string[];
}

/** `real` in the role of one end of the vector's handshake. */
export async function replay(
  real: Backend,
  vector: SealedVector,
  role: 'client' | 'server',
  form: 'immediate' | 'later' = 'immediate',
): Promise<Replay> {
  const isClient = role === 'client';
  const extracted: string[] = [];
  const randoms = isClient ? clientRandoms(vector) : [vector.server_random, 'ff'.repeat(32)];
  // of X25519 the immediate form is the one that takes what was recorded
  const { x25519Later: _, mlKem768Later, ...immediate } = real;
  const kem = await real.mlKem768();
  const backend: Backend = {
    ...immediate,
    randomBytes: (length) => expectLength(bytes(randoms.shift() ?? ''), length),
    hkdfExtract: (salt, input) => {
      const secret = real.hkdfExtract(salt, input);
      extracted.push(hex(secret));
      return secret;
    },
    x25519: () => real.x25519(bytes(isClient ? vector.x : vector.y)),
    rsaPublicKey: (numbers) => {
      const key = real.rsaPublicKey(numbers);
      return {
        modulusLength: key.modulusLength,
        encryptPkcs1: (message) => key.encryptPkcs1(message),
        encryptOaep: () => bytes(vector.oaep_ciphertext),
        verifyPss: (message, signature) => key.verifyPss(message, signature),
      };
    },
  };
  if (form === 'immediate') return { backend, mlKem768: replayKem(kem, vector), extracted };
  const later = replayLaterKem(mlKem768Later ?? laterKem(kem), vector);
  return { backend: { ...backend, mlKem768Later: later }, mlKem768: undefined, extracted };
}

/** A private key that repeats the vector's signature, once it is asked to sign what was signed. */
export function replaySigner(real: RsaPrivateKey, vector: SealedVector): RsaPrivateKey {
  return {
    modulusLength: real.modulusLength,
    decryptRaw: (ciphertext) => real.decryptRaw(ciphertext),
    decryptOaep: (ciphertext, label) => real.decryptOaep(ciphertext, label),
    signPss: async (message) => {
      if (hex(message) !== vector.client_signature_input) throw new RangeError('another input was signed');
      return bytes(vector.client_signature ?? '');
    },
  };
}

function clientRandoms(vector: SealedVector): string[] {
  const grease = vector.suites.find((id) => (id & 0x0f0f) === 0x0a0a);
  const greaseByte = grease === undefined ? [] : [(grease >>> 8).toString(16).padStart(2, '0')];
  return [vector.client_random, ...greaseByte, vector.secrets.rsa_secret as string];
}

function replayKem(real: KeyEncapsulation, vector: SealedVector): KeyEncapsulation {
  return {
    keyPair: () => real.keyPair(bytes(vector.ml_kem_seed ?? '')),
    encapsulate: (key) =>
      real.encapsulate(key) && {
        ciphertext: bytes(vector.ml_kem_ciphertext ?? ''),
        sharedSecret: bytes(vector.ml_kem_secret ?? ''),
      },
  };
}

function replayLaterKem(real: LaterKeyEncapsulation, vector: SealedVector): LaterKeyEncapsulation {
  return {
    keyPair: () => real.keyPair(bytes(vector.ml_kem_seed ?? '')),
    encapsulate: async (key) =>
      (await real.encapsulate(key)) && {
        ciphertext: bytes(vector.ml_kem_ciphertext ?? ''),
        sharedSecret: bytes(vector.ml_kem_secret ?? ''),
      },
  };
}

function expectLength(data: Uint8Array, length: number): Uint8Array {
  if (data.length !== length) throw new Error(`${length} random bytes asked for, ${data.length} recorded`);
  return data;
}
