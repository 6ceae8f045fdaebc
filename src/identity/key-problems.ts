import { SecureSocketError } from '../errors.js';

/** What a key file is instead of what is wanted, and what to do about it. */
export interface Problem {
  readonly kind: string;
  /** What to do, often a command that can be run as it is. */
  readonly remedy: string;
}

/** The error that says so. */
export function errorOf({ kind, remedy }: Problem, cause?: SecureSocketError): SecureSocketError {
  return new SecureSocketError('BAD_IDENTITY', `${kind}: ${remedy}`, cause === undefined ? {} : { cause });
}

/** What a shell takes for one word. A text that came from no file is one called old.pem. */
export function shellWord(path = 'old.pem'): string {
  return /^[\w./~+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** The remedy that is a command. */
export function convert(command: string): string {
  return `convert it with  ${command}`;
}

/** The remedy for what has no private key in it. */
export const privateOne = 'the file with the private key is needed';

/** The remedy for a key of another algorithm. */
export const makeAnother =
  'no RSA key can be made of it; make one with  secure-sockets keygen -o new.pem  or  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out new.pem';

/** A private key of another algorithm. */
export function other(algorithm: string): Problem {
  return {
    kind: `it is a private key for ${algorithm}, and one for RSA is needed`,
    remedy: makeAnother,
  };
}

/** A PKCS#12 store: the command reads it from the file, or behind `source`, which is a command too. */
export function pkcs12(bytes: Uint8Array, file: string, source = ''): Problem {
  const legacy = includesBytes(bytes, RC2_40) ? '-legacy ' : '';
  const from = source === '' ? `-in ${file} ` : '';
  return {
    kind: 'it is a PKCS#12 store',
    remedy: convert(
      `${source === '' ? '' : `${source} | `}openssl pkcs12 ${legacy}${from}-nocerts -out new.pem`,
    ),
  };
}

/** pbeWithSHAAnd40BitRC2-CBC (RFC 7292 appendix C), which older programs encrypt certificates with. */
const RC2_40 = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x06);

function includesBytes(bytes: Uint8Array, wanted: Uint8Array): boolean {
  return bytes.some((_, start) => wanted.every((byte, index) => bytes[start + index] === byte));
}
