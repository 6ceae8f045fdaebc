/** OS2IP by way of hexadecimal, apart from the one under test. */
export function toInteger(octets: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(octets).toString('hex')}`);
}

/** I2OSP, minimal or of a given length. */
export function toOctets(integer: bigint, length?: number): Uint8Array {
  const hex = integer.toString(16);
  const digits = length === undefined ? hex.length + (hex.length % 2) : 2 * length;
  return Uint8Array.from(Buffer.from(hex.padStart(digits, '0'), 'hex'));
}

/** EME-PKCS1-v1_5 decoding (RFC 8017 7.2.2 step 3) as a test may do it, with early exits; `null` if it is wrong. */
export function unpadPkcs1(encoded: Uint8Array): Uint8Array | null {
  if (encoded[0] !== 0 || encoded[1] !== 2) return null;
  const separator = encoded.indexOf(0, 2);
  return separator < 10 ? null : encoded.slice(separator + 1);
}

/** base ^ exponent mod modulus, the plain way. */
export function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === '1') result = (result * base) % modulus;
  }
  return result;
}
