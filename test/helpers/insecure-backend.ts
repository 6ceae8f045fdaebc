import type {
  Aead,
  Backend,
  BlockCipher,
  KeyEncapsulation,
  RsaPrivateKey,
  RsaPublicKey,
} from '../../src/backend.js';

/**
 * A backend that protects nothing, so that a fuzzer's changed bytes get behind the checks that would stop them: tags
 * are not looked at, MACs and secrets are always the same, RSA and AES change nothing. What has a form keeps it:
 * lengths, the low-order point of X25519, numbers beyond a modulus, ciphertexts that do not decrypt.
 */
export const insecure: Backend = {
  name: 'insecure',
  native: true,
  fallbacks: {},
  preferredAead: 'aesGcm',
  randomBytes: (length) => new Uint8Array(length).fill(0x5a),
  equal: (a, b) => a.length === b.length,
  sha256: () => new Uint8Array(32).fill(0x11),
  hmacSha256: () => new Uint8Array(32).fill(0x22),
  hkdfExtract: () => new Uint8Array(32).fill(0x33),
  hkdfExpand: (_key, _info, length) => new Uint8Array(length).fill(0x44),
  aesEcb: () => transparent,
  aesGcm: () => unchecked,
  chaCha20Poly1305: () => unchecked,
  x25519: () => ({
    publicKey: new Uint8Array(32).fill(9),
    agree: (peer) => (peer.every((byte) => byte === 0) ? null : new Uint8Array(32).fill(0x55)),
  }),
  mlKem768: async () => constantKem,
  generateRsaKey: () => Promise.reject(new Error('the insecure backend makes no keys')),
  rsaPublicKey: (numbers) => publicKey(numbers.n),
  rsaPrivateKey: (numbers) => privateKey(numbers.n),
};

/** ML-KEM in form only. */
export const constantKem: KeyEncapsulation = {
  keyPair: () => ({
    encapsulationKey: new Uint8Array(1184).fill(7),
    decapsulate: () => new Uint8Array(32).fill(0x66),
  }),
  encapsulate: (key) =>
    key[0] === 0xff
      ? null
      : { ciphertext: new Uint8Array(1088).fill(8), sharedSecret: new Uint8Array(32).fill(0x66) },
};

const transparent: BlockCipher = { encrypt: (blocks) => blocks.slice(), decrypt: (blocks) => blocks.slice() };

const TAG = 16;

const unchecked: Aead = {
  seal: (_nonce, _associatedData, plaintext, prefix = new Uint8Array(0)) => [
    prefix.slice(),
    ...plaintext.map((piece) => piece.slice()),
    new Uint8Array(TAG),
  ],
  open: (_nonce, _associatedData, ciphertext) => ciphertext.slice(0, -TAG),
};

function publicKey(n: Uint8Array): RsaPublicKey {
  const pad = (message: Uint8Array): Uint8Array => {
    const block = new Uint8Array(n.length).fill(1);
    block.set([0, 2]);
    block[n.length - message.length - 1] = 0;
    block.set(message, n.length - message.length);
    return block;
  };
  return {
    modulusLength: 8 * n.length,
    encryptPkcs1: pad,
    encryptOaep: pad,
    verifyPss: (_message, signature) => signature.length === n.length,
  };
}

function privateKey(n: Uint8Array): RsaPrivateKey {
  return {
    modulusLength: 8 * n.length,
    decryptRaw: async (ciphertext) => ciphertext.slice(),
    decryptOaep: async (ciphertext) => {
      if ((ciphertext[0] as number) > 0x7f) throw new RangeError('not decryptable');
      return ciphertext.slice(-32);
    },
    signPss: async () => new Uint8Array(n.length).fill(3),
  };
}
