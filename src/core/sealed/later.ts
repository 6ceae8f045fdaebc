import type {
  Backend,
  DecapsulationKey,
  Encapsulated,
  KeyAgreement,
  KeyEncapsulation,
  LaterDecapsulationKey,
  LaterKeyAgreement,
  RsaPublicKey,
} from '../../backend.js';
import { isBytes } from '../bytes.js';
import { type Chunk, perform, type Script } from '../script.js';
import { concat } from './codec.js';
import { RECORD_HEADER, TAG_LENGTH, type TrafficKey } from './records.js';

// A platform that computes elsewhere gives its results later; a script waits for them by a task. What is computed at
// once is taken at once: then there is no turn of the event loop in between, and no promise.

/** The chunks of a record; where the platform encrypts it elsewhere, one whose bytes are ready later. */
export function sealRecord(
  key: TrafficKey,
  plaintext: readonly Uint8Array[],
  length: number,
  isPatient: boolean,
): Chunk[] {
  const bytes = isPatient ? key.sealLater(plaintext, length) : undefined;
  return bytes ? [{ length: RECORD_HEADER + length + TAG_LENGTH, bytes }] : key.seal(plaintext, length);
}

/** A record's plaintext, at once or when the platform has it, which has begun before anything else happens. */
export function* openRecord(
  key: TrafficKey,
  ciphertext: Uint8Array,
  isPatient: boolean,
): Script<Uint8Array | null> {
  const later = isPatient ? key.openLater(ciphertext) : undefined;
  if (later === undefined) return key.open(ciphertext);
  return yield* perform(() => later, 'record');
}

/** Chunks of one flight: in one piece if all of them are there. */
export function joinFlight(...chunks: readonly Chunk[]): Chunk[] {
  const ready = chunks.filter((chunk) => !('bytes' in chunk));
  return ready.length === chunks.length ? [concat(...(ready as Uint8Array[]))] : [...chunks];
}

/** RSAES-OAEP encryption, wherever it is done. */
export function* encryptOaep(key: RsaPublicKey, message: Uint8Array, label: Uint8Array): Script<Uint8Array> {
  const { later } = key;
  if (later === undefined) return key.encryptOaep(message, label);
  return yield* perform(() => later.encryptOaep(message, label), 'record');
}

/** RSASSA-PSS verification, wherever it is done. */
export function* verifyPss(key: RsaPublicKey, message: Uint8Array, signature: Uint8Array): Script<boolean> {
  const { later } = key;
  if (later === undefined) return key.verifyPss(message, signature);
  return yield* perform(() => later.verifyPss(message, signature), 'record');
}

/** An X25519 key pair, wherever it is made. */
export type EitherAgreement = KeyAgreement | LaterKeyAgreement;

/** A fresh X25519 key pair. */
export function* makeX25519(backend: Backend): Script<EitherAgreement> {
  if (backend.x25519Later === undefined) return backend.x25519();
  return yield* perform(() => (backend as Required<Backend>).x25519Later(), 'record');
}

/** The shared secret, wherever it is computed; `null` for a key of low order. */
export function* agreeX25519(own: EitherAgreement, peerPublicKey: Uint8Array): Script<Uint8Array | null> {
  const secret = own.agree(peerPublicKey);
  return secret === null || isBytes(secret) ? secret : yield* perform(() => secret, 'record');
}

/** An ML-KEM-768 key pair, wherever it is made. */
export type EitherDecapsulationKey = DecapsulationKey | LaterDecapsulationKey;

/** A fresh ML-KEM-768 key pair: the platform's, or else one of `immediate`. */
export function* makeMlKem768(
  { mlKem768Later }: Backend,
  immediate: KeyEncapsulation | undefined,
): Script<EitherDecapsulationKey | undefined> {
  if (mlKem768Later === undefined) return immediate?.keyPair();
  return yield* perform(() => mlKem768Later.keyPair(), 'record');
}

/** A ciphertext and its secret, wherever they are computed; nothing for a key that fails the check of FIPS 203. */
export function* encapsulate(
  { mlKem768Later }: Backend,
  immediate: KeyEncapsulation | undefined,
  encapsulationKey: Uint8Array,
): Script<Encapsulated | null | undefined> {
  if (mlKem768Later === undefined) return immediate?.encapsulate(encapsulationKey);
  return yield* perform(() => mlKem768Later.encapsulate(encapsulationKey), 'record');
}

/** The shared secret, wherever it is computed. */
export function* decapsulate(own: EitherDecapsulationKey, ciphertext: Uint8Array): Script<Uint8Array> {
  const secret = own.decapsulate(ciphertext);
  return isBytes(secret) ? secret : yield* perform(() => secret, 'record');
}
