import { SecureSocketError } from '../../errors.js';
import { decodeBase64, encodeBase64, linesOf } from './text.js';

const COLUMNS = 64;

/** A textual encoding (RFC 7468): explanatory lines, BEGIN, base64 in 64 columns, END. */
export function encodePem(label: string, der: Uint8Array, explanatory: readonly string[] = []): string {
  const body = encodeBase64(der).match(/.{1,64}/g) ?? [];
  return [...explanatory, `-----BEGIN ${label}-----`, ...body, `-----END ${label}-----`, ''].join('\n');
}

/** What a text with one textual encoding holds. */
export interface Pem {
  readonly label: string;
  readonly der: Uint8Array;
  /** The lines before the BEGIN line. */
  readonly explanatory: readonly string[];
}

/**
 * Reads a text with exactly one textual encoding in the strict form of RFC 7468 (figure 3), and any explanatory lines
 * before it. A byte-order mark, CRLF or CR at the end of lines and blank lines behind make no difference. Anything else
 * is BAD_IDENTITY.
 */
export function decodePem(text: string): Pem {
  const lines = linesOf(text);
  const begin = lines.findIndex((line) => line.includes('-----BEGIN'));
  if (begin < 0) fail('there is no BEGIN line');
  const label = /^-----BEGIN ([A-Z0-9]+(?:[ -][A-Z0-9]+)*)-----$/.exec(lines[begin] ?? '')?.[1];
  if (label === undefined) fail(`line ${begin + 1} is not a valid BEGIN line`);
  const end = lines.indexOf(`-----END ${label}-----`, begin);
  if (end < 0) fail(`there is no END line for ${label}`);
  if (lines.slice(end + 1).some((line) => line.trim() !== '')) fail(`there is text after line ${end + 1}`);
  const der = body(lines.slice(begin + 1, end), begin + 2);
  return { label, der, explanatory: lines.slice(0, begin) };
}

function body(lines: readonly string[], firstLine: number): Uint8Array {
  const last = lines.length - 1;
  const odd = lines.findIndex(
    (line, index) => line.length === 0 || line.length > COLUMNS || (index < last && line.length < COLUMNS),
  );
  if (odd >= 0) fail(`line ${firstLine + odd} does not have ${COLUMNS} characters`);
  const der = decodeBase64(lines.join(''));
  if (der === null || der.length === 0) fail('what stands between BEGIN and END is not canonical base64');
  return der;
}

function fail(problem: string): never {
  throw new SecureSocketError('BAD_IDENTITY', `malformed PEM: ${problem}`);
}
