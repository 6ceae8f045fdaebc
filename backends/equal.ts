/**
 * Compares in constant time, as far as JavaScript can: no exit before the end, and no branch on a byte. That of
 * @noble/ciphers does the same, and brings 4 kB of other helpers with it into every page.
 */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= (a[at] as number) ^ (b[at] as number);
  return difference === 0;
}
