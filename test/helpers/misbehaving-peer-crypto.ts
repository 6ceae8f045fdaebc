/**
 * What the second, independent peer of sealed v1 is made of: the protocol's description and node:crypto alone, nothing
 * from src.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  sign,
} from 'node:crypto';

export const X25519 = 0x0101;
export const HYBRID = 0x0102;
export const CHACHA20 = 0x0103;
export const HYBRID_CHACHA20 = 0x0104;
export const OAEP_LABEL = Buffer.from('sealed v1 server key');
export const ZEROS = Buffer.alloc(32);
export const EMPTY = Buffer.alloc(0);

export const type = {
  ...{ clientHello: 1, serverHello: 2, serverIdentity: 3, clientKey: 4, clientAuth: 5, clientFinished: 6 },
  ...{ serverFinished: 7, reject: 15 },
} as const;
export const record = {
  ...{ handshake: 1, data: 2, keyUpdate: 3, ping: 4, pong: 5, close: 6, ticket: 7, padded: 8 },
} as const;

// --- bytes

export const concat = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const u8 = (value: number): Buffer => Buffer.from([value]);
export const u16 = (value: number): Buffer => encodeUnsigned(value, 2);
export const u24 = (value: number): Buffer => encodeUnsigned(value, 3);
export const u32 = (value: number): Buffer => encodeUnsigned(value, 4);
export const vec16 = (bytes: Uint8Array): Buffer => concat(u16(bytes.length), bytes);
export const frame = (body: string | Uint8Array): Buffer => concat(u32(body.length), Buffer.from(body));

function encodeUnsigned(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

/** A handshake message. */
export function message(kind: number, ...fields: readonly Uint8Array[]): Buffer {
  return concat(Buffer.from('SEAL'), u8(kind), u8(1), vec16(concat(...fields)));
}

/** The same with one bit of one byte changed. */
export function flip(bytes: Uint8Array, place: number): Buffer {
  const changed = Buffer.from(bytes);
  const at = place < 0 ? changed.length + place : place;
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
}

// --- key schedule

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
const hmac = (key: Uint8Array, bytes: Uint8Array): Buffer => createHmac('sha256', key).update(bytes).digest();

function expandLabel(secret: Uint8Array, label: string, context: Uint8Array, length: number): Buffer {
  const full = Buffer.from(`sealed1 ${label}`);
  const info = concat(u16(length), u8(full.length), full, u8(context.length), context);
  return hmac(secret, concat(info, u8(1))).subarray(0, length);
}

const derive = (secret: Uint8Array, label: string, messages: Uint8Array): Buffer =>
  expandLabel(secret, label, sha256(messages), 32);
const mix = (secret: Uint8Array, input: Uint8Array): Buffer => hmac(derive(secret, 'derived', EMPTY), input);

/** What protects the records, by OpenSSL's names. */
export type Cipher = 'aes-256-gcm' | 'chacha20-poly1305';

/** The cipher of a suite; for an unknown one, any. */
export function cipherOf(suite: number): Cipher {
  return suite === CHACHA20 || suite === HYBRID_CHACHA20 ? 'chacha20-poly1305' : 'aes-256-gcm';
}

// the declarations tell the two apart, the objects are the same
const asCipher = (cipher: Cipher): 'aes-256-gcm' => cipher as 'aes-256-gcm';

/** The keys of one direction. */
export class Keys {
  readonly secret: Buffer;
  readonly #cipher: Cipher;
  readonly #key: Buffer;
  readonly #iv: Buffer;
  #sequence = 0;

  constructor(secret: Buffer, cipher: Cipher) {
    this.secret = secret;
    this.#cipher = cipher;
    this.#key = expandLabel(secret, 'key', EMPTY, 32);
    this.#iv = expandLabel(secret, 'iv', EMPTY, 12);
  }

  seal(kind: number, payload: Uint8Array = EMPTY): Buffer {
    return this.sealRaw(concat(u8(kind), payload));
  }

  sealRaw(plaintext: Uint8Array): Buffer {
    const header = u24(plaintext.length + 16);
    const options = { authTagLength: 16 };
    const cipher = createCipheriv(asCipher(this.#cipher), this.#key, this.#nonce(), options).setAAD(header);
    return concat(header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
  }

  /** The first record in `wire`, or `null` if it does not open. */
  open(wire: Buffer): { kind: number; payload: Buffer; length: number } | null {
    const end = 3 + wire.readUIntBE(0, 3);
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv(asCipher(this.#cipher), this.#key, this.#nonce(), options);
    decipher.setAAD(wire.subarray(0, 3)).setAuthTag(wire.subarray(end - 16, end));
    const plaintext = decipher.update(wire.subarray(3, end - 16));
    try {
      decipher.final();
    } catch {
      return null;
    }
    return { kind: plaintext[0] as number, payload: plaintext.subarray(1), length: end };
  }

  next(): Keys {
    return new Keys(expandLabel(this.secret, 'traffic upd', EMPTY, 32), this.#cipher);
  }

  #nonce(): Buffer {
    const nonce = Buffer.from(this.#iv);
    const low = nonce.readUInt32BE(8) ^ this.#sequence++;
    nonce.writeUInt32BE(low >>> 0, 8);
    return nonce;
  }
}

/** The line of secrets; a liar may leave an input out. */
export class Schedule {
  transcript: Buffer = EMPTY;
  /** Known from SERVER_HELLO on. */
  cipher: Cipher = 'aes-256-gcm';
  #secret: Buffer = hmac(ZEROS, ZEROS);

  add(...messages: readonly Uint8Array[]): void {
    this.transcript = concat(this.transcript, ...messages);
  }

  mix(input: Uint8Array): void {
    this.#secret = mix(this.#secret, input);
  }

  /** Begins with the secret of a ticket in place of zeros. */
  startWith(psk: Uint8Array): void {
    this.#secret = hmac(ZEROS, psk);
  }

  keys(label: string, transcript: Uint8Array = this.transcript): Keys {
    return new Keys(derive(this.#secret, label, transcript), this.cipher);
  }

  /** The secret of a ticket that is given under this nonce. */
  ticketSecret(nonce: Uint8Array, transcript: Uint8Array = this.transcript): Buffer {
    return expandLabel(derive(this.#secret, 'res master', transcript), 'resumption', nonce, 32);
  }

  finishedMac(label: string, transcript: Uint8Array = this.transcript): Buffer {
    return hmac(expandLabel(this.#secret, label, EMPTY, 32), sha256(transcript));
  }
}

/** The MAC that ends a CLIENT_HELLO with a ticket, over what stands before it. */
export function binder(psk: Uint8Array, before: Uint8Array, label = 'res binder'): Buffer {
  const base = derive(hmac(ZEROS, psk), label, EMPTY);
  return hmac(expandLabel(base, 'finished', EMPTY, 32), sha256(before));
}

// --- RSA and X25519

export const spkiOf = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: 'der', type: 'spki' });

export const oaep = (spki: Buffer, secret: Uint8Array, label: Uint8Array = OAEP_LABEL): Buffer =>
  publicEncrypt({ ...publicKey(spki), ...oaepPadding, oaepLabel: label }, secret);

export const pkcs1 = (spki: Buffer, secret: Uint8Array): Buffer =>
  publicEncrypt({ ...publicKey(spki), padding: constants.RSA_PKCS1_PADDING }, secret);

/** A block of the modulus' length, encrypted as it is. */
export const rawRsa = (spki: Buffer, block: Uint8Array): Buffer =>
  publicEncrypt({ ...publicKey(spki), padding: constants.RSA_NO_PADDING }, block);

export const oaepPadding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;
const publicKey = (spki: Buffer): { key: Buffer; format: 'der'; type: 'spki' } => ({
  ...{ key: spki, format: 'der', type: 'spki' },
});

/** The modulus of a key as bytes. */
export function modulusOf(spki: Buffer): Buffer {
  const { n } = createPublicKey(publicKey(spki)).export({ format: 'jwk' });
  return Buffer.from(n as string, 'base64url');
}

export const pss = (key: KeyObject, input: Uint8Array, saltLength = 32): Buffer =>
  sign('sha256', input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

export const signPkcs1 = (key: KeyObject, input: Uint8Array): Buffer => sign('sha256', input, key);

/** The bytes a client signs; `who` is 'client' for one that does it right. */
export const signatureInput = (transcript: Uint8Array, who = 'client'): Buffer =>
  concat(Buffer.alloc(64, 0x20), Buffer.from(`sealed v1, ${who} authentication\0`), sha256(transcript));

/** A fresh X25519 key. */
export class Share {
  readonly #privateKey: KeyObject;
  readonly bytes: Buffer;

  constructor() {
    const pair = generateKeyPairSync('x25519');
    this.#privateKey = pair.privateKey;
    this.bytes = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  }

  agree(other: Buffer): Buffer {
    const key = concat(Buffer.from('302a300506032b656e032100', 'hex'), other);
    return diffieHellman({
      ...{ privateKey: this.#privateKey, publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) },
    });
  }
}

/** Public keys of low order, in all their encodings below 2^255, with and without the bit that is ignored. */
export const lowOrderPoints: readonly Buffer[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].flatMap((digits) => {
  const point = Buffer.from(digits, 'hex');
  const withTopBit = Buffer.from(point);
  withTopBit[31] = (withTopBit[31] as number) | 0x80;
  return [point, withTopBit];
});
