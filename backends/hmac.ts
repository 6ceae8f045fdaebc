/** Writes the SHA-256 of `input` to the 32 bytes of `output`. */
export type HashInto = (output: Uint8Array, input: Uint8Array) => void;

const BLOCK = 64;
const DIGEST = 32;
/** Data up to this length is hashed in memory that is there already; all that a handshake derives is shorter. */
const SHORT = 512;

/** HMAC-SHA256 (RFC 2104) over a library's SHA-256, for libraries that lack it or charge an object for it. */
export function hmacOver(hashInto: HashInto): (key: Uint8Array, data: Uint8Array) => Uint8Array {
  // Both are used up and overwritten within a call.
  const innerInput = new Uint8Array(BLOCK + SHORT);
  const outerInput = new Uint8Array(BLOCK + DIGEST);
  const digest = outerInput.subarray(BLOCK);
  return (key, data) => {
    const length = BLOCK + data.length;
    const inner = length <= innerInput.length ? innerInput.subarray(0, length) : new Uint8Array(length);
    if (key.length <= BLOCK) writePads(key, inner, outerInput);
    else {
      hashInto(digest, key);
      writePads(digest, inner, outerInput);
    }
    inner.set(data, BLOCK);
    hashInto(digest, inner);
    hashInto(digest, outerInput);
    const mac = digest.slice();
    inner.fill(0);
    outerInput.fill(0);
    return mac;
  };
}

/** The key under the two constants of RFC 2104, each a block long. */
function writePads(key: Uint8Array, inner: Uint8Array, outer: Uint8Array): void {
  inner.fill(0x36, 0, BLOCK);
  outer.fill(0x5c, 0, BLOCK);
  for (let i = 0; i < key.length; i++) {
    const byte = key[i] as number;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
}
