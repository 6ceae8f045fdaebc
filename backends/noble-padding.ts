import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { mgf1 } from 'micro-rsa-dsa-dh/rsa.js';

/**
 * EME-OAEP decoding (RFC 8017 7.1.2 step 3) with SHA-256; `null` if anything is wrong. Every byte is looked at, and
 * nothing is decided before the last one, because which check failed and where must not show (Manger's attack).
 */
export function decodeOaep(encoded: Uint8Array, label: Uint8Array): Uint8Array | null {
  const seed = mask(encoded.subarray(1, 33), encoded.subarray(33));
  const block = mask(encoded.subarray(33), seed);
  let bad = encoded[0] as number;
  for (const [index, byte] of sha256(label).entries()) bad |= byte ^ (block[index] as number);
  let inPadding = 1;
  let start = 0;
  for (let index = 32; index < block.length; index++) {
    const byte = block[index] as number;
    const isSeparator = isZero(byte ^ 1);
    bad |= inPadding & ~(isZero(byte) | isSeparator);
    start |= -(inPadding & isSeparator) & (index + 1);
    inPadding &= ~isSeparator;
  }
  return (bad | inPadding) === 0 ? block.slice(start) : null;
}

/** EMSA-PSS encoding (RFC 8017 9.1.1) with SHA-256 and this salt, for a modulus of `modulusLength` bits. */
export function encodePss(message: Uint8Array, salt: Uint8Array, modulusLength: number): Uint8Array {
  const bits = modulusLength - 1;
  const length = Math.ceil(bits / 8);
  const hash = sha256(concatBytes(new Uint8Array(8), sha256(message), salt));
  const block = new Uint8Array(length - hash.length - 1);
  block.set(salt, block.length - salt.length);
  block[block.length - salt.length - 1] = 1;
  const maskedBlock = mask(block, hash);
  maskedBlock[0] = (maskedBlock[0] as number) & (0xff >> (8 * length - bits));
  return concatBytes(maskedBlock, hash, Uint8Array.of(0xbc));
}

const generateMask = mgf1(sha256);

function mask(bytes: Uint8Array, seed: Uint8Array): Uint8Array {
  const generated = generateMask(seed, { dkLen: bytes.length });
  return bytes.map((byte, index) => byte ^ (generated[index] as number));
}

/** 1 for 0, and 0 for any other byte. */
function isZero(byte: number): number {
  return (byte - 1) >>> 31;
}
