import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodePickle, encodePickle } from '../../src/core/classic/pickle.js';
import { decodePkcs8, decodeSpki, encodePkcs8, encodeSpki } from '../../src/core/encodings/der.js';
import { parseFingerprint } from '../../src/core/encodings/fingerprint.js';
import { canonicalHost } from '../../src/core/encodings/host-name.js';
import { decodePem, encodePem } from '../../src/core/encodings/pem.js';
import { readProxyHeader } from '../../src/core/encodings/proxy-header.js';
import { checkPrivateKey, checkSealedKey } from '../../src/core/encodings/rsa-key.js';
import {
  decodeClientAuth,
  decodeClientHello,
  decodeClientKey,
  decodeFinished,
  decodeReject,
  decodeServerHello,
  decodeServerIdentity,
  encodeClientAuth,
  encodeClientHello,
  encodeClientKey,
  encodeFinished,
  encodeServerHello,
  encodeServerIdentity,
} from '../../src/core/sealed/messages.js';
import { SecureSocketError } from '../../src/errors.js';
import { findUnsupportedCipher, hasOldCipher, kindOfDer } from '../../src/identity/der-kinds.js';
import {
  explainBytes,
  explainDer,
  explainEncryption,
  explainPem,
  explainText,
} from '../../src/identity/key-kinds.js';
import { PortableAuthorizedKeys } from '../../src/trust/authorized-keys.js';
import { KnownHosts } from '../../src/trust/known-hosts.node.js';
import { insecure } from '../helpers/insecure-backend.js';
import { testKey, vectors } from '../helpers/sealed-vectors.js';
import pickles from '../vectors/pickle.json' with { type: 'json' };
import * as structures from './structures.js';
import { requireSame, type Target, verdictOf, verdictOfAsync } from './target.js';

const key = testKey('server2048');
const fingerprint = `SHA256:${'A'.repeat(42)}E`;
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const textOf = (input: Uint8Array): string => Buffer.from(input).toString('utf8');

const der: readonly Target[] = [
  {
    name: 'spki',
    seeds: [encodeSpki(key), encodeSpki(testKey('client2048'))],
    structured: structures.spki,
    streams: false,
    verdict: (input) =>
      verdictOf(() => {
        const numbers = decodeSpki(input);
        requireSame(encodeSpki(numbers), input);
        checkSealedKey(numbers);
        return numbers;
      }),
  },
  {
    name: 'pkcs8',
    seeds: [encodePkcs8(key)],
    structured: structures.pkcs8,
    streams: false,
    verdict: (input) =>
      verdictOf(() => {
        const numbers = decodePkcs8(input);
        requireSame(encodePkcs8(numbers), input);
        checkPrivateKey(numbers);
        return numbers;
      }),
  },
];

const texts: readonly Target[] = [
  {
    name: 'pem',
    seeds: [
      bytes(encodePem('PRIVATE KEY', encodePkcs8(key), ['Role: server'])),
      bytes(encodePem('PUBLIC KEY', encodeSpki(key))),
    ],
    structured: structures.pem,
    streams: false,
    verdict: (input) => verdictOf(() => decodePem(textOf(input))),
  },
  {
    name: 'fingerprint',
    seeds: [bytes(fingerprint), bytes('ab'.repeat(32)), bytes(`sha256//${'A'.repeat(42)}E=`)],
    streams: false,
    verdict: (input) => verdictOf(() => parseFingerprint(textOf(input))),
  },
  {
    name: 'authorized-keys',
    seeds: [
      bytes(`# keys\n${fingerprint} alice\n${Buffer.from(encodeSpki(key)).toString('base64')} bob # why\n`),
    ],
    structured: structures.authorizedKeys,
    streams: false,
    verdict: (input) => verdictOf(() => new PortableAuthorizedKeys(textOf(input).split(/\r?\n/), insecure)),
  },
  knownHostsTarget(),
];

function knownHostsTarget(): Target {
  const path = join(mkdtempSync(join(tmpdir(), 'secure-sockets-fuzz-')), 'known_hosts');
  return {
    name: 'known-hosts',
    seeds: [
      bytes(
        `# hosts\nexample.org 4000 ${fingerprint} mine\nunix:/run/a%20b 0 ${fingerprint}\n::1 1 ${fingerprint}\n`,
      ),
    ],
    structured: structures.knownHosts,
    streams: false,
    verdict: (input) => {
      writeFileSync(path, input);
      return verdictOfAsync(() => new KnownHosts(path).list());
    },
  };
}

const hosts: Target = {
  name: 'canonical-host',
  seeds: [
    ...['example.org', 'EXAMPLE.org.', 'bücher.example', '127.1', '0x7f000001', '192.0.2.7', 'unix:/run/a b'],
    ...[
      '::1',
      '[2001:DB8::0:1]',
      '::ffff:192.0.2.7',
      '0:0:0:0:0:0:0:1',
      'fe80::1%eth0',
      '64:ff9b::192.0.2.7',
    ],
  ].map(bytes),
  streams: false,
  // a name is the name of itself, or one server would have two
  verdict: (input) => {
    const name = canonicalHost(textOf(input));
    if (name === undefined) return 'no name, ok';
    if (canonicalHost(name) !== name) throw new Error(`${name} becomes ${canonicalHost(name)}`);
    const kinds = { unix: /^unix:/, IPv6: /:/, IPv4: /^[\d.]+$/, international: /xn--/ };
    return `${Object.entries(kinds).find(([, form]) => form.test(name))?.[0] ?? 'a name'}, ok`;
  },
};

/** Keys and certificates by their outline alone, damaged or not. */
const encryptedKey = Uint8Array.from(
  Buffer.from('301c300e06092a864886f70d010503300102040a00112233445566778899', 'hex'),
);
const derKinds: Target = {
  name: 'der-kinds',
  seeds: [encodePkcs8(key), encodeSpki(key), encryptedKey],
  structured: structures.pkcs8,
  streams: false,
  verdict: (input) => {
    const { form = 'none', algorithm = '', detail = '' } = kindOfDer(input) ?? {};
    return `${form} ${algorithm} ${detail} ${hasOldCipher(input)} ${findUnsupportedCipher(input) ?? ''}, ok`;
  },
};

/** Whatever a file holds instead of a key, what is said of it is one error of ours, or nothing. */
const keyKinds: Target = {
  name: 'key-kinds',
  seeds: [
    bytes(encodePem('PRIVATE KEY', encodePkcs8(key))),
    bytes(encodePem('ENCRYPTED PRIVATE KEY', encryptedKey)),
    bytes(`${encodePem('PRIVATE KEY', encodePkcs8(key))}${encodePem('CERTIFICATE', encodeSpki(key))}`),
    bytes(encodePem('OPENSSH PRIVATE KEY', bytes('openssh-key-v1\0\0\0\0\u0004none ssh-ed25519'))),
    bytes('-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,00\n\nAA==\n'),
    ...[
      'PuTTY-User-Key-File-3: ssh-rsa',
      'ssh-rsa AAAA',
      '---- BEGIN SSH2 PUBLIC KEY ----',
      '{"kty":"RSA"}',
      '',
    ].map(bytes),
    bytes(Buffer.from(encodePkcs8(key)).toString('base64')),
    encodePkcs8(key),
  ],
  structured: structures.pem,
  streams: false,
  verdict: (input) => {
    const error = new SecureSocketError('BAD_IDENTITY', 'malformed');
    const text = textOf(input);
    const errors = [
      explainText(text, 'a b'),
      explainPem(text, error),
      explainDer(input, error),
      explainBytes(input, "it's"),
      explainEncryption(input),
    ];
    for (const one of errors) if (one !== undefined && one.code !== 'BAD_IDENTITY') throw one;
    return `ok: ${errors.map((one) => one?.message.slice(0, 60) ?? '-').join('; ')}`;
  },
};

/** Each handshake message by its own decoder, and all of them by all others. */
function messages(): Target {
  const decoders = [
    again(decodeClientHello, encodeClientHello),
    again(decodeServerHello, encodeServerHello),
    again(decodeServerIdentity, encodeServerIdentity),
    again(decodeClientKey, encodeClientKey),
    again(decodeClientAuth, encodeClientAuth),
    again(
      (input) => decodeFinished(input, 6),
      (mac) => encodeFinished(6, mac),
    ),
    again(
      (input) => decodeFinished(input, 7),
      (mac) => encodeFinished(7, mac),
    ),
    decodeReject,
  ];
  return {
    name: 'sealed-messages',
    seeds: vectors.flatMap((vector) =>
      Object.values(vector.handshake_messages).map((hex) => Uint8Array.from(Buffer.from(hex, 'hex'))),
    ),
    streams: false,
    verdict: (input) => decoders.map((decode) => verdictOf(() => decode(input))).join('; '),
  };
}

/** Decodes, and holds the result to what would be encoded: the same, or shorter by extensions, which are ignored. */
function again<Content>(
  decode: (input: Uint8Array) => Content,
  encode: (content: Content) => Uint8Array,
): (input: Uint8Array) => Content {
  return (input) => {
    const content = decode(input);
    const written = encode(content);
    if (written.length >= input.length) requireSame(written, input);
    return content;
  };
}

const pickle: Target = {
  name: 'pickle',
  seeds: [
    encodePickle(key),
    ...pickles.keys
      .filter((_, index) => index % 40 === 0)
      .map((vector) => Uint8Array.from(Buffer.from(vector.pickle, 'hex'))),
  ],
  structured: structures.pickle,
  streams: true,
  verdict: (input, cutting) =>
    byPieces(input, cutting, (bytes) => {
      const read = decodePickle(bytes);
      if (read === 'incomplete') return read;
      const written = decodePickle(encodePickle(read.key));
      if (written === 'incomplete' || !same(written.key, read.key))
        throw new Error('the key changes when written');
      return read;
    }),
};

const proxyHeader: Target = {
  name: 'proxy-header',
  seeds: [
    bytes('PROXY TCP4 192.0.2.7 192.0.2.1 4000 5000\r\nrest'),
    bytes('PROXY TCP6 2001:db8::1 2001:db8::2 4000 5000\r\n'),
    bytes('PROXY UNKNOWN\r\n'),
    Uint8Array.from(Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c00002010fa01388ff', 'hex')),
  ],
  structured: structures.proxyHeader,
  streams: true,
  verdict: (input, cutting) => byPieces(input, cutting, readProxyHeader),
};

function same(one: { n: Uint8Array; e: Uint8Array }, other: { n: Uint8Array; e: Uint8Array }): boolean {
  return Buffer.from(one.n).equals(other.n) && Buffer.from(one.e).equals(other.e);
}

/** A parser that is called again with all there is whenever more has come, until it has made up its mind. */
function byPieces(
  input: Uint8Array,
  cutting: 'whole' | 'byte by byte',
  parse: (bytes: Uint8Array) => unknown,
): string {
  for (let length = cutting === 'whole' ? input.length : 1; ; length++) {
    const verdict = verdictOf(() => parse(input.subarray(0, length)));
    if (verdict !== 'ok "incomplete"' || length >= input.length) return verdict;
  }
}

/** Everything that reads bytes or texts and is no session. */
export function parserTargets(): Target[] {
  return [...der, derKinds, keyKinds, ...texts, hosts, messages(), pickle, proxyHeader];
}
