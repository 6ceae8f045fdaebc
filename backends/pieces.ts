/** Nothing, where bytes may be left out. */
export const NONE: Uint8Array = new Uint8Array(0);
/**
 * Up to this length the parts of a record are copied into one chunk: each chunk that is written costs more than the
 * copy.
 */
const SMALL = 8 * 1024;

/** How long pieces are together. */
export function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

/** Writes pieces one behind the other, from a place on. */
export function write(pieces: readonly Uint8Array[], memory: Uint8Array, from: number): void {
  let at = from;
  for (const piece of pieces) {
    memory.set(piece, at);
    at += piece.length;
  }
}

/** A prefix and what a cipher gave, as the result of `seal`: in one piece if that is small, in memory from `allocate`. */
export function joinRecord(
  prefix: Uint8Array,
  pieces: Uint8Array[],
  allocate: (length: number) => Uint8Array = clearedBytes,
): Uint8Array[] {
  const length = prefix.length + lengthOf(pieces);
  if (length >= SMALL) return prefix.length === 0 ? pieces : [new Uint8Array(prefix), ...pieces];
  if (prefix.length === 0 && pieces.length === 1) return pieces;
  const whole = allocate(length);
  whole.set(prefix);
  write(pieces, whole, prefix.length);
  return [whole];
}

function clearedBytes(length: number): Uint8Array {
  return new Uint8Array(length);
}
