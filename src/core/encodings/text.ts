/** Standard base64 with padding (RFC 4648 4). Not constant-time: key files are the only secrets that pass through. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The bytes of canonical, padded base64 without white space; `null` for any other text. */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  const binary = atob(text);
  // atob ignores the unused low bits of the last character
  if (btoa(binary) !== text) return null;
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** The bytes of an even number of hexadecimal digits. */
export function decodeHex(digits: string): Uint8Array {
  const byteAt = (index: number): number => Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16);
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) => byteAt(index));
}

/** Hexadecimal digits, two a byte. */
export function encodeHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What some programs end a line with, and others (this one too) do not; a tab is the one control character of a line. */
const HIDDEN_BREAK = /(?!\t)[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Whether a line could hide another one: form feeds, U+2028 and the like look like an end of line in many editors. */
export function hidesLine(line: string): boolean {
  return HIDDEN_BREAK.test(line.trim());
}

/** The lines of a text as an editor shows them: LF, CRLF or CR between them, a byte-order mark before them. */
export function linesOf(text: string): string[] {
  return text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
}
