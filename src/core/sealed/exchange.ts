import type { Backend, KeyEncapsulation } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import { concat } from './codec.js';
import type { Handshaking } from './handshake.js';
import {
  agreeX25519,
  decapsulate,
  type EitherAgreement,
  type EitherDecapsulationKey,
  encapsulate,
  makeMlKem768,
  makeX25519,
} from './later.js';
import type { ClientHello, ServerHello } from './messages.js';
import { hasHybrid, isHybridId, type SuiteName, suites } from './suites.js';

const NONE = new Uint8Array(0);

/**
 * A client's fresh keys of one connection. They are made for all suites that it offers, before it knows which the
 * server will choose: that is what saves a round trip. Used once and wiped, they are why a key lost later opens no
 * recording.
 */
export interface Offer {
  readonly x25519: EitherAgreement;
  /** Present exactly if a hybrid suite is offered. */
  readonly kem: EitherDecapsulationKey | undefined;
}

/** What a server answers to an offer, and the secret that both ends share by it. */
export interface Answer {
  readonly x25519: Uint8Array;
  readonly kemCiphertext: Uint8Array;
  readonly secret: Uint8Array;
}

/** Fresh keys for the suites that are offered. */
export function* makeOffer(
  backend: Backend,
  names: readonly SuiteName[],
  mlKem768: KeyEncapsulation | undefined,
): Handshaking<Offer> {
  const kem = hasHybrid(names) ? yield* makeMlKem768(backend, mlKem768) : undefined;
  return { x25519: yield* makeX25519(backend), kem };
}

/** Forgets the keys of an offer, which serve for one connection. */
export function wipeOffer({ x25519, kem }: Offer): void {
  x25519.wipe?.();
  kem?.wipe?.();
}

/** The client's half of the exchange: the secret out of the server's answer. */
export function* agree(offer: Offer, hello: ServerHello): Handshaking<Uint8Array> {
  const dh = checkOrder(yield* agreeX25519(offer.x25519, hello.x25519));
  if (!isHybridId(hello.suite)) return dh;
  // SERVER_HELLO names only a suite that was offered, so the key is there
  const kem = offer.kem as EitherDecapsulationKey;
  try {
    return together(yield* decapsulate(kem, hello.kemCiphertext), dh);
  } finally {
    dh.fill(0);
  }
}

/** The server's half of the exchange, with a fresh key. */
export function* respond(
  backend: Backend,
  suite: SuiteName,
  hello: ClientHello,
  mlKem768: KeyEncapsulation | undefined,
): Handshaking<Answer> {
  const own = yield* makeX25519(backend);
  const agreed = yield* agreeX25519(own, hello.x25519);
  own.wipe?.();
  const dh = checkOrder(agreed);
  if (!suites[suite].isHybrid) return { x25519: own.publicKey, kemCiphertext: NONE, secret: dh };
  try {
    const kem = yield* encapsulate(backend, mlKem768, hello.kemKey);
    if (!kem) throw badKemKey();
    return { x25519: own.publicKey, kemCiphertext: kem.ciphertext, secret: together(kem.sharedSecret, dh) };
  } finally {
    dh.fill(0);
  }
}

/** X2: the ML-KEM secret first. */
function together(kemSecret: Uint8Array, dh: Uint8Array): Uint8Array {
  const both = concat(kemSecret, dh);
  kemSecret.fill(0);
  dh.fill(0);
  return both;
}

function checkOrder(dh: Uint8Array | null): Uint8Array {
  if (dh === null) throw new SecureSocketError('PROTOCOL', 'the X25519 key of the peer has low order');
  return dh;
}

function badKemKey(): SecureSocketError {
  return new SecureSocketError('PROTOCOL', 'the ML-KEM key of the peer does not pass the check of FIPS 203');
}
