import type { Backend, BlockCipher, RsaPrivateKey, RsaPublicNumbers } from '../../backend.js';
import { SecureSocketError } from '../../errors.js';
import { isBelow } from '../../numbers.js';
import { encodeSpki } from '../encodings/der.js';
import { fingerprintOf } from '../encodings/fingerprint.js';
import { checkClassicKey } from '../encodings/rsa-key.js';
import { encodeHex } from '../encodings/text.js';
import type { ProtectMemory } from '../message-memory.js';
import { type PeerKey, peek, perform, read, type Script } from '../script.js';
import { partLengthOf } from '../staging.js';
import { classicFrames } from './frames.js';
import { decodePickle, encodePickle } from './pickle.js';
import { implicitRejection } from './pkcs1.js';
import { ClassicSender } from './sender.js';

export { privateExponentHash } from './pkcs1.js';

/** Length of the session key in bytes, the same on both ends. */
export type KeyLength = 16 | 24 | 32;

/** What both ends of classic need to know. */
interface ClassicOptions {
  readonly backend: Backend;
  readonly keyLength: KeyLength;
  /** The longest message taken, in bytes. */
  readonly maxMessage: number;
  /** How messages are kept from being transferred together. */
  readonly protectMemory?: ProtectMemory | undefined;
  /** Told the session key of the connection, for debugging. */
  readonly keylog?: ((line: string) => void) | undefined;
}

export interface ClassicServerOptions extends ClassicOptions {
  readonly publicKey: RsaPublicNumbers;
  readonly privateKey: RsaPrivateKey;
  /** SHA-256 of the private exponent, from `privateExponentHash`: what a bad ciphertext's key is derived from. */
  readonly rejectionSecret: Uint8Array;
}

export interface ClassicClientOptions extends ClassicOptions {
  /** The smallest modulus taken, in bits. */
  readonly minModulusBits: number;
  /** How long the first message waits for a first byte of the server, in milliseconds. */
  readonly settleMs: number;
  /** Throws, or rejects, if the server's key is not the one wanted. */
  readonly decide?: ((server: PeerKey) => unknown) | undefined;
}

/** The server's end of classic (docs/protocol.md, K1 to K3). */
export function* classicServer(options: ClassicServerOptions): Script {
  const { backend, publicKey, privateKey, rejectionSecret, keyLength } = options;
  yield { type: 'write', chunks: [greetingOf(publicKey)] };
  const view = yield* read(publicKey.n.length);
  const ciphertext = new Uint8Array(view);
  // K2: a number beyond the modulus is a public fact; it goes on like any other bad ciphertext
  const block: Uint8Array = isBelow(ciphertext, publicKey.n)
    ? yield* perform(() => privateKey.decryptRaw(ciphertext), 'privateKey')
    : new Uint8Array(ciphertext.length);
  const key = implicitRejection(backend, rejectionSecret, ciphertext, block, keyLength);
  block.fill(0);
  options.keylog?.(keylogLine(ciphertext, key));
  const cipher = takeKey(backend, key);
  yield { type: 'open', result: { sender: makeSender(cipher, options), peer: null } };
  yield* classicFrames(cipher, { ...options, partLength: partLengthOf(backend) });
}

/**
 * The server's first bytes, encoded once for all clients: an unauthenticated client must cost no more than a copy of
 * them.
 */
const greetings = new WeakMap<RsaPublicNumbers, Uint8Array>();

function greetingOf(publicKey: RsaPublicNumbers): Uint8Array {
  const greeting = greetings.get(publicKey) ?? encodePickle(publicKey);
  greetings.set(publicKey, greeting);
  return greeting.slice();
}

/** The client's end of classic. */
export function* classicClient(options: ClassicClientOptions): Script {
  const { backend, decide } = options;
  const server = yield* readPickle();
  checkClassicKey(server, options.minModulusBits);
  const spki = encodeSpki(server);
  const peer: PeerKey = { spki, fingerprint: fingerprintOf(backend, spki) };
  if (decide) yield* perform(() => decide(peer), 'decision');
  const key = backend.randomBytes(options.keyLength);
  const ciphertext = backend.rsaPublicKey(server).encryptPkcs1(key);
  options.keylog?.(keylogLine(ciphertext, key));
  yield { type: 'write', chunks: [ciphertext] };
  const cipher = takeKey(backend, key);
  yield {
    type: 'open',
    result: { sender: makeSender(cipher, options), peer, settleMs: options.settleMs },
  };
  yield* classicFrames(cipher, { ...options, partLength: partLengthOf(backend) });
}

function* readPickle(): Script<RsaPublicNumbers> {
  let min = 1;
  for (;;) {
    const view = yield* peek(min, 0);
    if (view === null)
      throw new SecureSocketError(
        'HANDSHAKE_FAILED',
        'the server closed the connection before it sent its key',
      );
    const pickle = decodePickle(view);
    if (pickle === 'incomplete') {
      min = view.length + 1;
    } else if (view.length > pickle.length) {
      throw new SecureSocketError(
        'BAD_KEY',
        `${view.length - pickle.length} bytes follow the server's key, which nothing may`,
      );
    } else {
      yield* peek(0, pickle.length);
      return pickle.key;
    }
  }
}

function makeSender(cipher: BlockCipher, { backend, maxMessage }: ClassicOptions): ClassicSender {
  return new ClassicSender(cipher, maxMessage, partLengthOf(backend));
}

/**
 * The substitute key of a bad ciphertext is logged like any other, so that the log does not reveal the padding (K2).
 */
function keylogLine(ciphertext: Uint8Array, key: Uint8Array): string {
  return `CLASSIC_SESSION_KEY ${encodeHex(ciphertext.subarray(0, 32))} ${encodeHex(key)}`;
}

function takeKey(backend: Backend, key: Uint8Array): BlockCipher {
  const cipher = backend.aesEcb(key);
  key.fill(0);
  return cipher;
}
