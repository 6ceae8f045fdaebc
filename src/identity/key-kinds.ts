import { decodeBase64, linesOf } from '../core/encodings/text.js';
import { SecureSocketError } from '../errors.js';
import { type DerKind, findUnsupportedCipher, hasOldCipher, kindOfDer } from './der-kinds.js';

/** What a key file is instead of what is wanted, and what to do about it. */
interface Problem {
  readonly kind: string;
  /** What to do, often a command that can be run as it is. */
  readonly remedy: string;
}

/** The error that names what a text is instead of a key file, if that can be told. `path` is its file's. */
export function explainText(text: string, path?: string): SecureSocketError | undefined {
  const file = shellWord(path);
  const labels = [...text.matchAll(/-----BEGIN ([^\r\n]*?)-----/g)].map(([, label = '']) => label);
  const problem = labels.length === 0 ? withoutLabel(text, file) : ofLabels(labels, text, file);
  return problem && errorOf(problem);
}

/** The same for text that looks like a key file and is none in the strict form. */
export function explainPem(
  text: string,
  error: SecureSocketError,
  path?: string,
): SecureSocketError | undefined {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return undefined;
  const remedy = `openssl may write it anew:  openssl pkey ${providersIn(text)}-in ${shellWord(path)} -out new.pem`;
  return errorOf({ kind: error.message, remedy }, error);
}

/** The same for DER that is no RSA private key in PKCS#8 or PKCS#1. */
export function explainDer(
  der: Uint8Array,
  error: SecureSocketError,
  path?: string,
): SecureSocketError | undefined {
  const kind = kindOfDer(der);
  if (kind === undefined) return undefined;
  const problem = ofKind(kind, shellWord(path));
  if (problem !== undefined) return errorOf(problem, error);
  if (error.message.includes('two primes')) return errorOf(other('RSA with more than two primes'), error);
  const unusual = `${error.message}${kind.detail === undefined ? '' : ` (${kind.detail})`}`;
  const remedy = `openssl may write it anew:  openssl rsa -in ${shellWord(path)} -out new.pem`;
  return errorOf({ kind: unusual, remedy }, error);
}

/** The same for a key file that is not text at all. */
export function explainBytes(bytes: Uint8Array, path: string): SecureSocketError | undefined {
  const kind = kindOfDer(bytes);
  if (kind === undefined) return undefined;
  const command = `openssl pkey ${providersFor(kind, bytes)}-inform DER -in ${shellWord(path)} -out new.pem`;
  const isUsable = kind.algorithm === 'RSA' || kind.algorithm === 'RSA-PSS';
  const problem = isUsable && kind.keyOffset > 0 ? undefined : ofKind(kind, shellWord(path));
  return errorOf(problem ?? { kind: 'it is DER, and PEM is needed', remedy: convert(command) });
}

/** The same for a key that could not be decrypted because its cipher has been put aside. */
export function explainEncryption(der: Uint8Array, path?: string): SecureSocketError | undefined {
  const cipher = findUnsupportedCipher(der);
  if (cipher === undefined) return undefined;
  const kind = `it is encrypted with ${cipher}, which OpenSSL has put aside`;
  return errorOf({ kind, remedy: encryptAnew(shellWord(path), true) });
}

function errorOf({ kind, remedy }: Problem, cause?: SecureSocketError): SecureSocketError {
  return new SecureSocketError('BAD_IDENTITY', `${kind}: ${remedy}`, cause === undefined ? {} : { cause });
}

/** What a shell takes for one word. A text that came from no file is one called old.pem. */
function shellWord(path = 'old.pem'): string {
  return /^[\w./~+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function convert(command: string): string {
  return `convert it with  ${command}`;
}

const privateOne = 'the file with the private key is needed';
const makeAnother =
  'no RSA key can be made of it; make one with  secure-sockets keygen -o new.pem  or  openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out new.pem';

const LEGACY = '-provider legacy -provider default ';

function providersFor({ form }: DerKind, der: Uint8Array | null): string {
  return form === 'encrypted' && der !== null && hasOldCipher(der) ? LEGACY : '';
}

function providersIn(text: string): string {
  const body = /-----BEGIN ENCRYPTED PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1] ?? '';
  const der = decodeBase64(body.replace(/\s/g, ''));
  return der !== null && hasOldCipher(der) ? LEGACY : '';
}

/** DES, RC2, RC4 and MD5 are in a part of OpenSSL 3 that must be asked for. */
function encryptAnew(file: string, isLegacy: boolean): string {
  return convert(`openssl pkcs8 -topk8 ${isLegacy ? LEGACY : ''}-v2 aes-256-cbc -in ${file} -out new.pem`);
}

function pkcs12(file: string): Problem {
  return {
    kind: 'it is a PKCS#12 store',
    remedy: convert(`openssl pkcs12 -in ${file} -nocerts -out new.pem`),
  };
}

function withoutLabel(text: string, file: string): Problem | undefined {
  const [first = ''] = linesOf(text.trim());
  if (first === '') return { kind: 'malformed PEM', remedy: 'it is empty' };
  if (first.startsWith('PuTTY-User-Key-File'))
    return { kind: 'it is a PuTTY key', remedy: convert(`puttygen ${file} -O private-openssh -o new.pem`) };
  if (/^(ssh-|ecdsa-sha2-|sk-)/.test(first) || first.startsWith('---- BEGIN SSH2 PUBLIC'))
    return { kind: 'it is an SSH public key', remedy: privateOne };
  if (first.startsWith('---- BEGIN SSH2'))
    return { kind: 'it is a private key of SSH.com', remedy: convert(`ssh-keygen -i -f ${file} > new.pem`) };
  if (first.startsWith('{'))
    return { kind: 'it is JSON', remedy: `convert a JSON Web Key with  ${fromJwk(file)}` };
  return base64(text, file);
}

function fromJwk(file: string): string {
  const script =
    "process.stdout.write(crypto.createPrivateKey({key:JSON.parse(fs.readFileSync(process.argv[1])),format:'jwk'}).export({type:'pkcs8',format:'pem'}))";
  return `node -e "${script}" ${file} > new.pem`;
}

function base64(text: string, file: string): Problem | undefined {
  const der = decodeBase64(text.replace(/\s/g, ''));
  const kind = der === null ? undefined : kindOfDer(der);
  if (kind === undefined) return undefined;
  const bare = {
    kind: 'it is base64 without the lines -----BEGIN and -----END',
    remedy: convert(`base64 -d ${file} | openssl pkey ${providersFor(kind, der)}-inform DER -out new.pem`),
  };
  if (kind.form === 'encrypted') return bare;
  const isUsable = /^RSA/.test(kind.algorithm) && (kind.form === 'pkcs8' || kind.form === 'pkcs1');
  return isUsable ? bare : ofKind(kind, file);
}

function ofLabels(labels: readonly string[], text: string, file: string): Problem | undefined {
  const known = labels.filter((label) => label !== 'EC PARAMETERS' && label !== 'DSA PARAMETERS');
  const [label = labels[0] ?? ''] = known;
  if (known.length > 1) return several(known, text, file);
  if (label === 'OPENSSH PRIVATE KEY') return openSsh(text, file);
  if (label === 'RSA PRIVATE KEY' && /^Proc-Type: *4,ENCRYPTED/m.test(text))
    return headerEncrypted(text, file);
  const algorithm = /^(EC|DSA|RSA-PSS|DH|X9\.42 DH) PRIVATE KEY$/.exec(label)?.[1];
  if (algorithm !== undefined) return other(algorithm);
  if (!label.endsWith('PRIVATE KEY'))
    return { kind: `it holds ${/^(?:[AEIOU]|RSA)/.test(label) ? 'an' : 'a'} ${label}`, remedy: privateOne };
  return undefined;
}

function several(labels: readonly string[], text: string, file: string): Problem {
  const counted = [...new Set(labels)].map((label) => {
    const count = labels.filter((one) => one === label).length;
    return count === 1 ? `${/^(?:[AEIOU]|RSA)/.test(label) ? 'an' : 'a'} ${label}` : `${count} of ${label}`;
  });
  const isPrivate = labels.some((label) => label.endsWith('PRIVATE KEY'));
  const take = `take the private key alone:  openssl pkey ${providersIn(text)}-in ${file} -out new.pem`;
  return {
    kind: `it holds ${counted.join(' and ')}, and a single private key is needed`,
    remedy: isPrivate ? take : privateOne,
  };
}

function headerEncrypted(text: string, file: string): Problem {
  const cipher = /^DEK-Info: *([^,\s]+)/m.exec(text)?.[1] ?? '';
  const isLegacy = /^(DES-CBC|RC2|RC4|IDEA|BF|CAST|SEED)/i.test(cipher);
  const kind = `it is PKCS#1 encrypted the old way (Proc-Type, DEK-Info ${cipher})`;
  return { kind, remedy: encryptAnew(file, isLegacy) };
}

/** The algorithm stands in the public key, which is never encrypted. `ssh-keygen -p` changes the file that it is given. */
function openSsh(text: string, file: string): Problem {
  const body = /-----BEGIN [^\r\n]*-----([\s\S]*?)-----END/.exec(text)?.[1] ?? '';
  const bytes = decodeBase64(body.replace(/\s/g, '')) ?? new Uint8Array(0);
  const words = String.fromCharCode(...bytes.subarray(0, 400));
  const type = /ssh-rsa|ssh-ed25519|ssh-dss|ecdsa-sha2-\w+|sk-[\w@.-]+/.exec(words)?.[0] ?? '';
  if (type !== 'ssh-rsa' && type !== '')
    return { ...other(type), kind: `it is an OpenSSH private key of type ${type}` };
  const isEncrypted = !words.startsWith('openssh-key-v1\0\0\0\0\u0004none');
  const keygen = `ssh-keygen -p ${isEncrypted ? '' : "-N '' "}-m PKCS8 -f new.pem`;
  return { kind: 'it is an OpenSSH private key', remedy: convert(`cp ${file} new.pem && ${keygen}`) };
}

function other(algorithm: string): Problem {
  return {
    kind: `it is a private key for ${algorithm}, and one for RSA is needed`,
    remedy: makeAnother,
  };
}

function ofKind({ form, algorithm, keyOffset }: DerKind, file: string): Problem | undefined {
  if (form === 'pkcs12') return pkcs12(file);
  if (form === 'public') return { kind: 'it is a public key', remedy: privateOne };
  if (form === 'certificate') return { kind: 'it is a certificate', remedy: privateOne };
  if (algorithm === 'RSA-PSS') return restrictedKey(keyOffset, file);
  return algorithm === 'RSA' ? undefined : other(algorithm);
}

/** Such a key may sign and nothing else, which is what a client's does. */
function restrictedKey(offset: number, file: string): Problem {
  const parse = `openssl asn1parse -in ${file} -strparse ${offset} -noout -out new.der`;
  return {
    kind: 'it is a private key for RSA-PSS, which is bound to signing, and one for RSA is needed',
    remedy: `make another with  secure-sockets keygen -o new.pem ; one that is to stay a client's is converted with  ${parse} && openssl pkey -inform DER -in new.der -out new.pem`,
  };
}
