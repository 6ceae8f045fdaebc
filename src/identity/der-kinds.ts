/** What DER holds, as far as its outline tells. */
export interface DerKind {
  readonly form:
    | 'pkcs8'
    | 'pkcs1'
    | 'sec1'
    | 'encrypted'
    | 'pkcs12'
    | 'pkcs7'
    | 'public'
    | 'certificate'
    | 'request';
  /** Of the key; `'RSA'` too where the outline does not say. */
  readonly algorithm: string;
  /** Where the key's own encoding begins, for `openssl asn1parse -strparse`. */
  readonly keyOffset: number;
  /** What is unusual about it, if anything is. */
  readonly detail?: string;
}

/** Tells the kinds of keys and certificates apart by their outermost elements. Nothing is checked. */
export function kindOfDer(der: Uint8Array): DerKind | undefined {
  const [top] = elements(der, 0);
  if (top?.tag !== SEQUENCE) return undefined;
  const [first, second, third, ...rest] = elements(top.content, top.start);
  if (first === undefined || second === undefined) return undefined;
  const shape = [first, second].map(({ tag }) => names[tag] ?? '').join(' ');
  const algorithm = (holder: Element): string => algorithmName(identifier(holder));
  if (shape === 'INTEGER SEQUENCE') {
    if (identifier(second) === PKCS7_DATA) return { form: 'pkcs12', algorithm: 'RSA', keyOffset: 0 };
    const detail =
      third !== undefined && rest.length > 0 ? { detail: 'attributes or a public key in it' } : {};
    return { form: 'pkcs8', algorithm: algorithm(second), keyOffset: third?.offset ?? 0, ...detail };
  }
  if (shape === 'INTEGER INTEGER') return ofIntegers([first, second, third, ...rest].length);
  if (shape === 'INTEGER OCTET STRING') return { form: 'sec1', algorithm: 'EC', keyOffset: 0 };
  if (shape === 'SEQUENCE OCTET STRING') return { form: 'encrypted', algorithm: 'RSA', keyOffset: 0 };
  if (shape === 'SEQUENCE BIT STRING') return { form: 'public', algorithm: algorithm(first), keyOffset: 0 };
  if (shape === 'SEQUENCE SEQUENCE') return { form: signedForm(first), algorithm: 'RSA', keyOffset: 0 };
  if (first.tag === 6) return { form: 'pkcs7', algorithm: 'RSA', keyOffset: 0 };
  return undefined;
}

/** The name of the cipher of an EncryptedPrivateKeyInfo, if it is one that OpenSSL has put aside. */
export function findUnsupportedCipher(der: Uint8Array): string | undefined {
  const [scheme, cipher] = encryptionOf(der) ?? [];
  if (scheme === undefined) return undefined;
  if (cipher === undefined) return oldSchemes[scheme] ?? `the scheme ${scheme}`;
  return `PBES2 and ${ciphers[cipher] ?? `the cipher ${cipher}`}`;
}

/** Whether an EncryptedPrivateKeyInfo is encrypted in a way that is older than PBES2 with AES. */
export function hasOldCipher(der: Uint8Array): boolean {
  const [scheme, cipher] = encryptionOf(der) ?? [];
  return scheme !== undefined && (scheme in oldSchemes || (cipher !== undefined && cipher in ciphers));
}

/** The scheme of an EncryptedPrivateKeyInfo, and the cipher that PBES2 names. */
function encryptionOf(der: Uint8Array): readonly [scheme: string, cipher?: string] | undefined {
  const [top] = elements(der, 0);
  const [algorithm] = top === undefined ? [] : elements(top.content, top.start);
  if (algorithm === undefined) return undefined;
  const scheme = identifier(algorithm);
  if (scheme !== PBES2) return [scheme];
  const [, parameters] = elements(algorithm.content, algorithm.start);
  const [, cipher] = parameters === undefined ? [] : elements(parameters.content, parameters.start);
  return [scheme, cipher === undefined ? '' : identifier(cipher)];
}

/** A request (RFC 2986) has the subject's public key where a certificate has the issuer's name. */
function signedForm({ content, start }: Element): 'certificate' | 'request' {
  const [, , third] = elements(content, start);
  const [, key] = third === undefined ? [] : elements(third.content, third.start);
  return key !== undefined && names[key.tag] === 'BIT STRING' ? 'request' : 'certificate';
}

function ofIntegers(count: number): DerKind {
  if (count === 2) return { form: 'public', algorithm: 'RSA', keyOffset: 0 };
  if (count === 6) return { form: 'pkcs1', algorithm: 'DSA', keyOffset: 0 };
  return { form: 'pkcs1', algorithm: 'RSA', keyOffset: 0 };
}

const SEQUENCE = 0x30;
const names: Readonly<Record<number, string>> = {
  2: 'INTEGER',
  3: 'BIT STRING',
  4: 'OCTET STRING',
  [SEQUENCE]: 'SEQUENCE',
};

const PKCS7_DATA = '1.2.840.113549.1.7.1';
const PBES2 = '1.2.840.113549.1.5.13';

const algorithms: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': 'RSA',
  '1.2.840.113549.1.1.10': 'RSA-PSS',
  '1.2.840.113549.1.3.1': 'DH',
  '1.2.840.10040.4.1': 'DSA',
  '1.2.840.10045.2.1': 'EC',
  '1.2.840.10046.2.1': 'DH',
  '1.3.101.110': 'X25519',
  '1.3.101.111': 'X448',
  '1.3.101.112': 'Ed25519',
  '1.3.101.113': 'Ed448',
};

/** PBES1 (RFC 8018 A.3) and those of PKCS#12 (RFC 7292 appendix C). */
const oldSchemes: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.5.1': 'PBES1 (MD2 and DES)',
  '1.2.840.113549.1.5.3': 'PBES1 (MD5 and DES)',
  '1.2.840.113549.1.5.4': 'PBES1 (MD2 and RC2)',
  '1.2.840.113549.1.5.6': 'PBES1 (MD5 and RC2)',
  '1.2.840.113549.1.5.10': 'PBES1 (SHA-1 and DES)',
  '1.2.840.113549.1.5.11': 'PBES1 (SHA-1 and RC2)',
  '1.2.840.113549.1.12.1.1': 'PBES1 of PKCS#12 (SHA-1 and RC4)',
  '1.2.840.113549.1.12.1.2': 'PBES1 of PKCS#12 (SHA-1 and RC4)',
  '1.2.840.113549.1.12.1.3': 'PBES1 of PKCS#12 (SHA-1 and 3DES)',
  '1.2.840.113549.1.12.1.4': 'PBES1 of PKCS#12 (SHA-1 and 2DES)',
  '1.2.840.113549.1.12.1.5': 'PBES1 of PKCS#12 (SHA-1 and RC2)',
  '1.2.840.113549.1.12.1.6': 'PBES1 of PKCS#12 (SHA-1 and RC2)',
};

const ciphers: Readonly<Record<string, string>> = {
  '1.2.410.200004.1.4': 'SEED',
  '1.2.840.113533.7.66.10': 'CAST5',
  '1.2.840.113549.3.2': 'RC2',
  '1.2.840.113549.3.7': '3DES',
  '1.3.6.1.4.1.188.7.1.1.2': 'IDEA',
  '1.3.6.1.4.1.3029.1.2': 'Blowfish',
  '1.3.14.3.2.7': 'DES',
};

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Where the element and its content begin in the whole. */
  readonly offset: number;
  readonly start: number;
}

/** The elements that follow each other in DER; none from where it is malformed. */
function elements(bytes: Uint8Array, base: number): Element[] {
  const found: Element[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const [tag = 0, first = 0] = bytes.subarray(at);
    const octets = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || octets > 4) return found;
    const start = at + 2 + octets;
    const length =
      octets === 0 ? first : bytes.subarray(at + 2, start).reduce((sum, byte) => sum * 256 + byte, 0);
    if (start + length > bytes.length) return found;
    const content = bytes.subarray(start, start + length);
    found.push({ tag, content, offset: base + at, start: base + start });
    at = start + length;
  }
  return found;
}

/** The OBJECT IDENTIFIER that an element begins with, in dots. */
function identifier(holder: Element): string {
  const [oid] = elements(holder.content, holder.start);
  if (oid?.tag !== 6) return '';
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of oid.content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) arc = arcs.push(arc) && 0;
  }
  const [first = 0, ...others] = arcs;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - 40 * root, ...others].join('.');
}

function algorithmName(id: string): string {
  return algorithms[id] ?? `the algorithm ${id}`;
}
