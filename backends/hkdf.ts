import { requireCount } from './checks.js';

/** HKDF-Expand (RFC 5869 2.3) over a backend's HMAC-SHA256, for libraries without it. */
export function expand(
  hmacSha256: (key: Uint8Array, data: Uint8Array) => Uint8Array,
  pseudoRandomKey: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  requireCount('HKDF output length', length, 255 * 32);
  if (length <= 32) return firstBlock(hmacSha256, pseudoRandomKey, info, length);
  const output = new Uint8Array(32 * Math.ceil(length / 32));
  const input = new Uint8Array(32 + info.length + 1);
  input.set(info, 32);
  for (let block = 0; block * 32 < length; block++) {
    input[input.length - 1] = block + 1;
    // T(1) has no T(0) before it.
    const block32 = hmacSha256(pseudoRandomKey, block === 0 ? input.subarray(32) : input);
    input.set(block32);
    output.set(block32, 32 * block);
    block32.fill(0);
  }
  const result = output.slice(0, length);
  for (const copy of [input, output]) copy.fill(0);
  return result;
}

/** T(1) and no more, which is all that a key or a secret takes. */
function firstBlock(
  hmacSha256: (key: Uint8Array, data: Uint8Array) => Uint8Array,
  pseudoRandomKey: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const input = new Uint8Array(info.length + 1);
  input.set(info);
  input[info.length] = 1;
  const block = hmacSha256(pseudoRandomKey, input);
  if (length === 32) return block;
  const result = block.slice(0, length);
  block.fill(0);
  return result;
}
