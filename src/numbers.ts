/** The number of bits of an unsigned big-endian integer. */
export function bitLength(number: Uint8Array): number {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : 8 * (number.length - first) - Math.clz32(number[first] ?? 0) + 24;
}

/** Whether an unsigned big-endian integer is odd. */
export function isOdd(number: Uint8Array): boolean {
  return ((number.at(-1) ?? 0) & 1) === 1;
}

/** Whether an unsigned big-endian integer is smaller than another one of as many bytes; both are public. */
export function isBelow(number: Uint8Array, limit: Uint8Array): boolean {
  const at = number.findIndex((byte, index) => byte !== limit[index]);
  return at >= 0 && (number[at] as number) < (limit[at] as number);
}

/** OS2IP (RFC 8017 4.2). */
export function toInteger(octets: Uint8Array): bigint {
  let hex = '0x0';
  for (const octet of octets) hex += octet.toString(16).padStart(2, '0');
  return BigInt(hex);
}
