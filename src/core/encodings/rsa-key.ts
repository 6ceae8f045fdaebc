import type { RsaPrivateNumbers, RsaPublicNumbers } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import { bitLength, isOdd, toInteger } from '../../numbers.js';
import { belongTogether } from '../../rsa-components.js';

/** No protocol takes a larger modulus: the work of an RSA operation grows with the cube of its length. */
const MAX_MODULUS_BITS = 4096;
/** No option admits a smaller classic key: the encrypted key would not fit. */
const CLASSIC_FLOOR_BITS = 512;

/** Throws BAD_KEY unless the key is one that sealed allows (E1). */
export function checkSealedKey(key: RsaPublicNumbers): void {
  const bits = bitLength(key.n);
  if (bits < 2048 || bits > MAX_MODULUS_BITS || bits % 8 !== 0) {
    throw badKey(`modulus of ${bits} bits; expected 2048 to ${MAX_MODULUS_BITS}, a multiple of 8`);
  }
  if (!isOdd(key.n)) throw badKey('modulus is even');
  if (toInteger(key.e) !== 65537n) throw badKey('public exponent is not 65537');
}

/** Throws BAD_KEY unless the key is one that classic allows (K1), with at least `minModulusBits` bits. */
export function checkClassicKey(key: RsaPublicNumbers, minModulusBits: number): void {
  const bits = bitLength(key.n);
  if (bits > MAX_MODULUS_BITS)
    throw badKey(`modulus of ${bits} bits; at most ${MAX_MODULUS_BITS} are accepted`);
  if (bits < CLASSIC_FLOOR_BITS)
    throw badKey(`modulus of ${bits} bits; below ${CLASSIC_FLOOR_BITS} none is accepted`);
  if (bits < minModulusBits) {
    throw badKey(
      `modulus of ${bits} bits; at least ${minModulusBits} are expected, { minModulusBits: ${bits} } admits this weak key`,
    );
  }
  if (!isOdd(key.n)) throw badKey('modulus is even');
  if (!isOdd(key.e) || bitLength(key.e) > 32 || bitLength(key.e) < 2) {
    throw badKey('public exponent is not an odd number from 3 to 4294967295');
  }
}

/** Throws BAD_IDENTITY unless the eight numbers of a private key fit together. Does not test p and q for primality. */
export function checkPrivateKey(key: RsaPrivateNumbers): void {
  if (belongTogether(key)) return;
  throw new SecureSocketError('BAD_IDENTITY', 'the components of the private key are inconsistent');
}

function badKey(message: string): SecureSocketError {
  return new SecureSocketError('BAD_KEY', `RSA key refused: ${message}`);
}
