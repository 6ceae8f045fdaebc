import { SecureSocketError } from '../../errors.js';
import { readU24 } from './records.js';

/** To which lengths the payloads of records are filled up: multiples of a number, or lengths with few significant bits. */
export type Padding = number | 'padme';

/** Bytes of a PADDED payload before the message stream: how many of it there are. */
export const PADDED_HEADER = 3;

/** R8: the length of a PADDED payload that has `length` bytes without its zeros. */
export function paddedLength(padding: Padding, length: number, limit: number): number {
  const wanted = padding === 'padme' ? padme(length) : Math.ceil(length / padding) * padding;
  return Math.min(wanted, limit);
}

/** Nikitin et al., Reducing Metadata Leakage from Encrypted Files and Communication with PURBs, 2019, section 4. */
function padme(length: number): number {
  const exponent = Math.floor(Math.log2(length));
  const significant = Math.floor(Math.log2(exponent)) + 1;
  const grain = 2 ** (exponent - significant);
  return Math.ceil(length / grain) * grain;
}

/** What a PADDED record holds of the message stream, behind its type and header; empty: nothing. Throws PROTOCOL. */
export function contentOf(plaintext: Uint8Array): Uint8Array {
  const start = 1 + PADDED_HEADER;
  if (plaintext.length < start)
    throw new SecureSocketError('PROTOCOL', 'the peer sent a PADDED record without a length');
  const end = start + readU24(plaintext.subarray(1));
  if (end > plaintext.length)
    throw new SecureSocketError('PROTOCOL', 'the peer sent a PADDED record that ends before its content');
  const content = plaintext.subarray(start, end);
  // few bytes must not hold, uncounted, the memory of a large record
  return content.length < plaintext.length / 2 ? new Uint8Array(content) : content;
}
