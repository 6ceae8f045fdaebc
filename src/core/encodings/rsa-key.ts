import type { RsaPrivateNumbers, RsaPublicNumbers } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';

/** No protocol takes a larger modulus: the work of an RSA operation grows with the cube of its length. */
const MAX_MODULUS_BITS = 4096;
/** No option admits a smaller classic key: the encrypted key would not fit. */
const CLASSIC_FLOOR_BITS = 512;

/** The number of bits of an unsigned big-endian integer. */
export function bitLength(n: Uint8Array): number {
  const first = n.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : 8 * (n.length - first) - Math.clz32(n[first] ?? 0) + 24;
}

/** Throws BAD_KEY unless the key is one that sealed allows (E1). */
export function checkSealedKey(key: RsaPublicNumbers): void {
  const bits = bitLength(key.n);
  if (bits < 2048 || bits > MAX_MODULUS_BITS || bits % 8 !== 0) {
    throw badKey(`modulus of ${bits} bits; expected 2048 to ${MAX_MODULUS_BITS}, a multiple of 8`);
  }
  if (!isOdd(key.n)) throw badKey('modulus is even');
  if (toBigInt(key.e) !== 65537n) throw badKey('public exponent is not 65537');
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
  const [n, e, d] = [toBigInt(key.n), toBigInt(key.e), toBigInt(key.d)];
  const [p, q, dp, dq] = [toBigInt(key.p), toBigInt(key.q), toBigInt(key.dp), toBigInt(key.dq)];
  const qi = toBigInt(key.qi);
  const fits =
    p > 1n &&
    q > 1n &&
    p * q === n &&
    d < n &&
    dp === d % (p - 1n) &&
    dq === d % (q - 1n) &&
    (e * dp) % (p - 1n) === 1n &&
    (e * dq) % (q - 1n) === 1n &&
    qi < p &&
    (qi * q) % p === 1n;
  if (!fits)
    throw new SecureSocketError('BAD_IDENTITY', 'the numbers of the private key do not fit together');
}

function badKey(message: string): SecureSocketError {
  return new SecureSocketError('BAD_KEY', `RSA key refused: ${message}`);
}

function isOdd(number: Uint8Array): boolean {
  return ((number.at(-1) ?? 0) & 1) === 1;
}

function toBigInt(number: Uint8Array): bigint {
  let hex = '0x0';
  for (const byte of number) hex += byte.toString(16).padStart(2, '0');
  return BigInt(hex);
}
