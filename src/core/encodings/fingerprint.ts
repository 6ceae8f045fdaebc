import type { Backend } from '../../backend.js';
import { badOption, quote } from '../../errors.js';
import { decodeBase64, decodeHex, encodeBase64 } from './text.js';

/** 43 characters of base64 carry 258 bits, so those of 32 bytes end in one whose last two bits are zero. */
const CANONICAL = /^SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/;

/** The fingerprint of a public key (E3): `SHA256:` and the base64 of the SHA-256 of its SPKI, without padding. */
export function fingerprintOf(backend: Pick<Backend, 'sha256'>, spki: Uint8Array): string {
  return fromDigest(backend.sha256(spki));
}

/**
 * The canonical form of a fingerprint given as `SHA256:<base64>`, curl's `sha256//<base64>=` or 64 hex digits. `where` begins
 * the text of the error. White space around it is no part of it, such as what ends the line in a file.
 */
export function parseFingerprint(text: string, where = ''): string {
  const word = typeof text === 'string' ? text.trim() : '';
  if (CANONICAL.test(word)) return word;
  const digest = digestOf(word);
  if (digest === null) {
    throw badOption(
      `${where}not a fingerprint: ${quote(text)}; expected 'SHA256:' and 43 characters of base64, 'sha256//' and 44, or 64 hex digits`,
    );
  }
  return fromDigest(digest);
}

/** Whether a text has a fingerprint in it, in whatever form. */
export function mentionsFingerprint(text: string): boolean {
  return /SHA256:[A-Za-z0-9+/]{43}|sha256\/\/[A-Za-z0-9+/]{43}=|[0-9a-f]{64}/i.test(text);
}

function fromDigest(digest: Uint8Array): string {
  return `SHA256:${encodeBase64(digest).slice(0, -1)}`;
}

function digestOf(text: string): Uint8Array | null {
  if (/^sha256\/\/[^=]{43}=$/.test(text)) return decodeBase64(text.slice(8));
  if (/^[0-9a-fA-F]{64}$/.test(text)) return decodeHex(text);
  return null;
}
