import { decodeBase64 } from '../core/encodings/text.js';
import type { SecureSocketError } from '../errors.js';
import { type DerKind, findUnsupportedCipher, hasOldCipher, kindOfDer } from './der-kinds.js';
import {
  convert,
  errorOf,
  makeAnother,
  other,
  type Problem,
  pkcs12,
  privateOne,
  shellWord,
} from './key-problems.js';
import { mentionsRole } from './roles.js';
import { kindWithoutLabel } from './unlabelled-kinds.js';

/** The error that names what a text is instead of a key file, if that can be told. `path` is its file's. */
export function explainText(text: string, path?: string): SecureSocketError | undefined {
  const file = shellWord(path);
  const labels = [...text.matchAll(/-----BEGIN ([^\r\n]*?)-----/g)].map(([, label = '']) => label);
  const problem =
    labels.length === 0
      ? kindWithoutLabel(text, file, (der) => base64(der, file))
      : ofLabels(labels, text, file);
  return problem && errorOf(problem);
}

/** The same for text that looks like a key file and is none in the strict form. */
export function explainPem(
  text: string,
  error: SecureSocketError,
  path?: string,
): SecureSocketError | undefined {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return undefined;
  const algorithm = otherAlgorithmIn(text);
  if (algorithm !== undefined) return errorOf(other(algorithm), error);
  if (!text.includes('-----END')) return errorOf({ kind: error.message, remedy: 'it is cut short' }, error);
  const remedy = `openssl may write it anew:  ${rewrite(text, shellWord(path))}`;
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
  const problem = ofKind(kind, der, shellWord(path));
  if (problem !== undefined) return errorOf(problem, error);
  if (error.message.includes('two primes')) return errorOf(other('RSA with more than two primes'), error);
  const unusual = `${error.message}${kind.detail === undefined ? '' : ` (${kind.detail})`}`;
  const remedy = `openssl may write it anew:  openssl rsa -in ${shellWord(path)} -out new.pem`;
  return errorOf({ kind: unusual, remedy }, error);
}

/** The same for a key file that is not text at all. */
export function explainBytes(bytes: Uint8Array, path: string): SecureSocketError | undefined {
  const file = shellWord(path);
  const kind = kindOfDer(bytes);
  if (kind === undefined) {
    const problem = kindOfBytes(bytes, file);
    return problem && errorOf(problem);
  }
  const command = `openssl pkey ${providersFor(kind, bytes)}-inform DER -in ${file} -out new.pem`;
  const isUsable = kind.algorithm === 'RSA' || kind.algorithm === 'RSA-PSS';
  const problem = isUsable && kind.keyOffset > 0 ? undefined : ofKind(kind, bytes, file);
  return errorOf(problem ?? { kind: 'it is DER, and PEM is needed', remedy: convert(command) });
}

/** The same for a key that could not be decrypted because its cipher has been put aside. */
export function explainEncryption(der: Uint8Array, path?: string): SecureSocketError | undefined {
  const cipher = findUnsupportedCipher(der);
  if (cipher === undefined) return undefined;
  const kind = `it is encrypted with ${cipher}, which OpenSSL has put aside`;
  return errorOf({ kind, remedy: encryptAnew(shellWord(path), true) });
}

const LEGACY = '-provider legacy -provider default ';

function providersFor({ form }: DerKind, der: Uint8Array): string {
  return form === 'encrypted' && hasOldCipher(der) ? LEGACY : '';
}

/** openssl leaves out the line of the role, and a key without it may be taken for one of another role. */
function rewrite(text: string, file: string): string {
  const command = `openssl pkey ${providersIn(text)}-in ${file} -out new.pem`;
  return mentionsRole(text) ? `${command}  and write the line of its role before it again` : command;
}

function providersIn(text: string): string {
  return hasOldCipher(bodyIn(text, 'ENCRYPTED PRIVATE KEY')) ? LEGACY : '';
}

/** DES, RC2, RC4 and MD5 are in a part of OpenSSL 3 that must be asked for. */
function encryptAnew(file: string, isLegacy: boolean): string {
  return convert(`openssl pkcs8 -topk8 ${isLegacy ? LEGACY : ''}-v2 aes-256-cbc -in ${file} -out new.pem`);
}

/** DER that was found in base64 without anything around it. */
function base64(der: Uint8Array, file: string): Problem | undefined {
  const kind = kindOfDer(der);
  if (kind === undefined) return undefined;
  const bare = {
    kind: 'it is base64 without the lines -----BEGIN and -----END',
    remedy: convert(`base64 -d ${file} | openssl pkey ${providersFor(kind, der)}-inform DER -out new.pem`),
  };
  if (kind.form === 'encrypted') return bare;
  const isUsable = /^RSA/.test(kind.algorithm) && (kind.form === 'pkcs8' || kind.form === 'pkcs1');
  return isUsable ? bare : ofKind(kind, der, file);
}

function ofLabels(labels: readonly string[], text: string, file: string): Problem | undefined {
  const known = labels.filter((label) => label !== 'EC PARAMETERS' && label !== 'DSA PARAMETERS');
  const [label = labels[0] ?? ''] = known;
  if (known.length > 1) return several(known, text, file);
  if (label === 'OPENSSH PRIVATE KEY') return openSsh(text, file);
  if (label === 'RSA PRIVATE KEY' && /^Proc-Type: *4,ENCRYPTED/m.test(text))
    return headerEncrypted(text, file);
  if (label === 'PKCS12') return pkcs12(bodyIn(text), file, `sed /^--/d ${file} | base64 -d`);
  if (label === 'PGP PRIVATE KEY BLOCK') return { kind: 'it is a PGP private key', remedy: makeAnother };
  const algorithm = algorithmOfLabel(label);
  if (algorithm !== undefined) return other(algorithm);
  if (!label.endsWith('PRIVATE KEY'))
    return { kind: `it holds ${/^(?:[AEIOUX]|RSA)/.test(label) ? 'an' : 'a'} ${label}`, remedy: privateOne };
  return undefined;
}

function algorithmOfLabel(label: string): string | undefined {
  return /^(EC|DSA|RSA-PSS|DH|X9\.42 DH) PRIVATE KEY$/.exec(label)?.[1];
}

/** What stands between the first BEGIN line with one of the labels and its END line. */
function bodyIn(text: string, label = '[^\\r\\n]*'): Uint8Array {
  const body = new RegExp(`-----BEGIN ${label}-----([\\s\\S]*?)-----END`).exec(text)?.[1] ?? '';
  return decodeBase64(body.replace(/\s/g, '')) ?? new Uint8Array(0);
}

/** The algorithm of the first private key, if it is not RSA. */
function otherAlgorithmIn(text: string): string | undefined {
  const [, label = ''] = /-----BEGIN ([A-Z0-9. ]*PRIVATE KEY)-----/.exec(text) ?? [];
  if (label !== 'PRIVATE KEY') return algorithmOfLabel(label);
  const kind = kindOfDer(bodyIn(text, label));
  return kind === undefined || /^RSA/.test(kind.algorithm) ? undefined : kind.algorithm;
}

function several(labels: readonly string[], text: string, file: string): Problem {
  const counted = [...new Set(labels)].map((label) => {
    const count = labels.filter((one) => one === label).length;
    return count === 1 ? `${/^(?:[AEIOUX]|RSA)/.test(label) ? 'an' : 'a'} ${label}` : `${count} of ${label}`;
  });
  const isPrivate = labels.some((label) => label.endsWith('PRIVATE KEY'));
  const algorithm = otherAlgorithmIn(text);
  if (algorithm !== undefined) return other(algorithm);
  const take = `take the private key alone:  ${rewrite(text, file)}`;
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
  const words = String.fromCharCode(...bodyIn(text).subarray(0, 400));
  const type = /ssh-rsa|ssh-ed\d+|ssh-dss|ecdsa-sha2-\w+|sk-[\w@.-]+/.exec(words)?.[0] ?? '';
  if (type !== 'ssh-rsa' && type !== '')
    return { ...other(type), kind: `it is an OpenSSH private key of type ${type}` };
  const isEncrypted = !words.startsWith('openssh-key-v1\0\0\0\0\u0004none');
  const keygen = `ssh-keygen -p ${isEncrypted ? '' : "-N '' "}-m PKCS8 -f new.pem`;
  return { kind: 'it is an OpenSSH private key', remedy: convert(`cp ${file} new.pem && ${keygen}`) };
}

function ofKind({ form, algorithm, keyOffset }: DerKind, der: Uint8Array, file: string): Problem | undefined {
  if (form === 'pkcs12') return pkcs12(der, file);
  if (form === 'public') return { kind: 'it is a public key', remedy: privateOne };
  if (form === 'certificate') return { kind: 'it is a certificate', remedy: privateOne };
  if (form === 'request') return { kind: 'it is a request for a certificate', remedy: privateOne };
  if (form === 'pkcs7') return { kind: 'it is PKCS#7, which holds certificates', remedy: privateOne };
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

/** Formats of Microsoft's and of Java's that begin with a number of their own. */
function kindOfBytes(bytes: Uint8Array, file: string): Problem | undefined {
  const begins = (...first: number[]): boolean => first.every((byte, index) => bytes[index] === byte);
  if (begins(0x1e, 0xf1, 0xb5, 0xb0)) {
    const isEncrypted = bytes[12] !== 0;
    const command = `openssl rsa ${isEncrypted ? LEGACY : ''}-inform PVK -in ${file} -out new.pem`;
    return { kind: 'it is a PVK file', remedy: convert(command) };
  }
  if (begins(7, 2, 0, 0)) {
    const isRsa = String.fromCharCode(...bytes.subarray(8, 12)) === 'RSA2';
    const remedy = convert(`openssl rsa -inform MSBLOB -in ${file} -out new.pem`);
    return isRsa ? { kind: 'it is a key blob of Microsoft (MSBLOB)', remedy } : other('DSA');
  }
  if (begins(6, 2, 0, 0)) return { kind: 'it is a public key', remedy: privateOne };
  if (begins(0xfe, 0xed, 0xfe, 0xed) || begins(0xce, 0xce, 0xce, 0xce)) return javaStore(file);
  return undefined;
}

function javaStore(file: string): Problem {
  const toStore = `keytool -importkeystore -srckeystore ${file} -destkeystore new.p12 -deststoretype PKCS12`;
  const remedy = convert(`${toStore} && openssl pkcs12 -in new.p12 -nocerts -out new.pem`);
  return { kind: 'it is a key store of Java (JKS)', remedy };
}
