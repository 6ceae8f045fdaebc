import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes as fewRandomBytes } from '@noble/hashes/utils.js';
import type { Backend } from '../src/backend.js';
import { requireCount } from './checks.js';
import { equal } from './equal.js';
import { expand } from './hkdf.js';

/** What of a backend @noble/hashes gives, and the platform's random bytes. */
export const nobleHashes: Pick<
  Backend,
  'randomBytes' | 'equal' | 'sha256' | 'hmacSha256' | 'hkdfExtract' | 'hkdfExpand'
> = {
  randomBytes,
  equal,
  sha256: (data) => sha256(data),
  hmacSha256,
  hkdfExtract: hmacSha256,
  hkdfExpand: (pseudoRandomKey, info, length) => expand(hmacSha256, pseudoRandomKey, info, length),
};

function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return hmac(sha256, key, data);
}

/** Browsers give at most this many random bytes a call. */
const RANDOM_QUOTA = 65_536;

function randomBytes(length: number): Uint8Array {
  requireCount('number of random bytes', length, 2 ** 31 - 1);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += RANDOM_QUOTA)
    bytes.set(fewRandomBytes(Math.min(RANDOM_QUOTA, length - at)), at);
  return bytes;
}
