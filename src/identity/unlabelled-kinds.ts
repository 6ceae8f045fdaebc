import { decodeBase64, linesOf } from '../core/encodings/text.js';
import { kindOfDer } from './der-kinds.js';
import { convert, other, type Problem, pkcs12, privateOne } from './key-problems.js';

/** What a text without a BEGIN line is. That of DER in base64 is told by `ofDer`. */
export function kindWithoutLabel(
  text: string,
  file: string,
  ofDer: (der: Uint8Array) => Problem | undefined,
): Problem {
  const [first = ''] = linesOf(text.trim());
  if (first === '') return { kind: 'malformed PEM', remedy: 'it is empty' };
  if (first.startsWith('PuTTY-User-Key-File')) return putty(text, first, file);
  if (/^(ssh-|ecdsa-sha2-|sk-)/.test(first) || first.startsWith('---- BEGIN SSH2 PUBLIC'))
    return { kind: 'it is an SSH public key', remedy: privateOne };
  if (first.startsWith('---- BEGIN SSH2')) return sshCom(text, file);
  if (/^[{[]/.test(first)) return json(text, file);
  if (first.startsWith('<')) return { kind: 'it is XML', remedy: wanted };
  if (/^SHA256:/.test(first)) return { kind: 'it is a fingerprint', remedy: privateOne };
  return base64(text, first, file, ofDer) ?? unknown;
}

const wanted =
  'a private RSA key in PEM is needed, as  secure-sockets keygen  and  openssl genpkey  write it';
const unknown: Problem = { kind: 'malformed PEM: there is no BEGIN line', remedy: wanted };

/** puttygen encrypts the older kind of OpenSSH's files in the old way, which would have to be converted again. */
function viaOpenSsh(file: string): string {
  return convert(`puttygen ${file} -O private-openssh-new -o new.pem && ssh-keygen -p -m PKCS8 -f new.pem`);
}

function putty(text: string, first: string, file: string): Problem {
  const algorithm = /: *(\S+)/.exec(first)?.[1];
  if (algorithm !== undefined && algorithm !== 'ssh-rsa')
    return { ...other(algorithm), kind: `it is a PuTTY key of type ${algorithm}` };
  const isEncrypted = /^Encryption: *(?!none)\S/m.test(text);
  const remedy = isEncrypted ? viaOpenSsh(file) : convert(`puttygen ${file} -O private-openssh -o new.pem`);
  return { kind: 'it is a PuTTY key', remedy };
}

/** A magic number, a length, and then the names of the algorithm and of the cipher, which ssh-keygen has none of. */
function sshCom(text: string, file: string): Problem {
  const body = linesOf(text).filter((line) => !/^----|[:\\]/.test(line));
  const bytes = decodeBase64(padded(body.join('').trim()));
  const words = String.fromCharCode(...(bytes?.subarray(0, 120) ?? []));
  if (words.includes('dl-modp')) return other('DSA');
  const isEncrypted = words !== '' && !words.includes('\0\0\0\u0004none');
  const kind = 'it is a private key of SSH.com';
  return { kind, remedy: isEncrypted ? viaOpenSsh(file) : convert(`ssh-keygen -i -f ${file} > new.pem`) };
}

function padded(text: string): string {
  return text.padEnd(4 * Math.ceil(text.length / 4), '=');
}

function json(text: string, file: string): Problem {
  let value: unknown;
  try {
    value = JSON.parse(text.trim());
  } catch {
    return { kind: 'it is malformed JSON', remedy: wanted };
  }
  const [keys, place] = webKeys(value);
  if (keys.length === 0) return { kind: 'it is JSON, but no JSON Web Key', remedy: wanted };
  const index = Math.max(
    0,
    keys.findIndex(({ kty, d }) => kty === 'RSA' && d !== undefined),
  );
  return webKey(keys[index] as WebKey, place === '' ? '' : `${place}[${index}]`, file);
}

interface WebKey {
  readonly kty: unknown;
  readonly crv?: unknown;
  readonly d?: unknown;
  readonly p?: unknown;
}

/** The JSON Web Keys in a value, and where they are: it may be a key, an array of keys, or a set (RFC 7517 5). */
function webKeys(value: unknown): [keys: readonly WebKey[], place: string] {
  const set = isObject(value) ? value.keys : undefined;
  if (Array.isArray(set)) return [set.filter(isWebKey), '.keys.filter(k=>k.kty)'];
  if (Array.isArray(value)) return [value.filter(isWebKey), '.filter(k=>k.kty)'];
  return [isWebKey(value) ? [value] : [], ''];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isWebKey(value: unknown): value is WebKey {
  return isObject(value) && typeof value.kty === 'string';
}

function webKey({ kty, crv, d, p }: WebKey, place: string, file: string): Problem {
  if (kty !== 'RSA') return other(String(kty === 'OKP' ? crv : kty));
  if (d === undefined) return { kind: 'it is JSON with a public key', remedy: privateOne };
  if (p === undefined)
    return { kind: 'it is JSON with a key without its primes', remedy: 'export it with p, q, dp, dq and qi' };
  const script = `process.stdout.write(crypto.createPrivateKey({key:JSON.parse(fs.readFileSync(process.argv[1]))${place},format:'jwk'}).export({type:'pkcs8',format:'pem'}))`;
  return { kind: 'it is JSON with a private key', remedy: convert(`node -e "${script}" ${file} > new.pem`) };
}

function base64(
  text: string,
  first: string,
  file: string,
  ofDer: (der: Uint8Array) => Problem | undefined,
): Problem | undefined {
  const der = decodeBase64(text.replace(/\s/g, ''));
  if (der !== null && kindOfDer(der)?.form === 'pkcs12') return pkcs12(der, file, `base64 -d ${file}`);
  if (der !== null) return ofDer(der);
  // a line of authorized keys has a name behind the key
  const [word = ''] = first.split(/\s/);
  const key = decodeBase64(word);
  return key !== null && kindOfDer(key)?.form === 'public'
    ? { kind: 'it is a public key', remedy: privateOne }
    : undefined;
}
