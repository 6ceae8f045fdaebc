const SIZES = [64, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];
const MODULI = [2048, 3072];
const NONCE = new Uint8Array(12);
const HEADER = new Uint8Array(3);

/**
 * Every primitive of a backend, as `{ id, size?, operation, isAsync?, check }`. `check` gives what can be compared with
 * the other backends, computed once before the clock runs.
 */
export async function primitivesOf(backend, keys) {
  return [
    ...SIZES.flatMap((size) => symmetric(backend, size)),
    ...derivation(backend),
    ...(await agreement(backend)),
    ...(await encapsulation(backend)),
    ...(await Promise.all(MODULI.map((bits) => rsa(backend, keys[bits], bits)))).flat(),
  ];
}

/** RSA keys for all of them, since some take seconds to make one. */
export async function makeKeys(backend) {
  const made = await Promise.all(MODULI.map((bits) => backend.generateRsaKey(bits)));
  return Object.fromEntries(MODULI.map((bits, i) => [bits, made[i]]));
}

function symmetric(backend, size) {
  const data = pattern(size);
  const key = pattern(32);
  const ecb = backend.aesEcb(key);
  const gcm = backend.aesGcm(key);
  const chacha = backend.chaCha20Poly1305(key);
  const blocks = ecb.encrypt(data);
  return [
    { id: 'SHA-256', size, operation: () => backend.sha256(data) },
    { id: 'HMAC-SHA-256', size, operation: () => backend.hmacSha256(key, data) },
    { id: 'AES-256-ECB encrypt', size, operation: () => ecb.encrypt(data) },
    { id: 'AES-256-ECB decrypt', size, operation: () => ecb.decrypt(blocks) },
    ...authenticated('AES-256-GCM', gcm, data),
    ...authenticated('ChaCha20-Poly1305', chacha, data),
    { id: 'random bytes', size, operation: () => backend.randomBytes(size), check: () => size },
    { id: 'constant-time comparison', size, operation: () => backend.equal(data, data) },
  ];
}

/** Of a cipher that has an asynchronous form for records of this size that form, as connections use it. */
function authenticated(name, cipher, data) {
  const size = data.length;
  const isAsync = cipher.later !== undefined && size >= cipher.later.minLength;
  const form = isAsync ? cipher.later : cipher;
  const sealed = join(cipher.seal(NONCE, HEADER, [data]));
  const seal = () => form.seal(NONCE, HEADER, [data]);
  return [
    { id: `${name} seal`, size, isAsync, operation: seal, check: async () => join(await seal()) },
    { id: `${name} open`, size, isAsync, operation: () => form.open(NONCE, HEADER, sealed) },
  ];
}

function derivation(backend) {
  const secret = pattern(32);
  const info = pattern(20);
  return [
    { id: 'HKDF extract', operation: () => backend.hkdfExtract(secret, secret) },
    { id: 'HKDF expand, 32 bytes', operation: () => backend.hkdfExpand(secret, info, 32) },
    { id: 'AES-256-GCM key schedule', operation: () => backend.aesGcm(secret), check: () => undefined },
  ];
}

async function agreement(backend) {
  const own = backend.x25519(pattern(32));
  const { publicKey } = backend.x25519(pattern(64).subarray(32));
  const later = await backend.x25519Later?.();
  const isAsync = later !== undefined;
  const generate = () => (isAsync ? backend.x25519Later() : backend.x25519());
  const agree = () => (later ?? own).agree(publicKey);
  return [
    { id: 'X25519 key pair', isAsync, operation: generate, check: () => own.publicKey },
    { id: 'X25519 agreement', isAsync, operation: agree, check: () => own.agree(publicKey) },
  ];
}

async function encapsulation(backend) {
  const kem = await backend.mlKem768();
  const pair = kem.keyPair(pattern(64));
  const { ciphertext, sharedSecret } = kem.encapsulate(pair.encapsulationKey);
  requireSame('ML-KEM-768', pair.decapsulate(ciphertext), sharedSecret);
  const publicKey = () => pair.encapsulationKey;
  return [
    { id: 'ML-KEM-768 key pair', operation: () => kem.keyPair(), check: publicKey },
    { id: 'ML-KEM-768 encapsulate', operation: () => kem.encapsulate(publicKey()), check: publicKey },
    {
      id: 'ML-KEM-768 decapsulate',
      operation: () => pair.decapsulate(ciphertext),
      check: () => pair.decapsulate(pattern(1088)),
    },
  ];
}

async function rsa(backend, numbers, bits) {
  const publicKey = backend.rsaPublicKey(numbers);
  const privateKey = backend.rsaPrivateKey(numbers);
  const message = pattern(32);
  const label = pattern(20);
  const forOaep = publicKey.encryptOaep(message, label);
  const signature = await privateKey.signPss(message);
  requireSame('RSA-OAEP', await privateKey.decryptOaep(forOaep, label), message);
  requireSame('RSA-PSS', [publicKey.verifyPss(message, signature)], [true]);
  const raw = pattern(bits / 8);
  raw[0] = 0;
  const name = (what) => `RSA-${bits} ${what}`;
  const same = () => message;
  const isAsync = true;
  const { later } = publicKey;
  const open = later ?? publicKey;
  return [
    { id: name('public key import'), operation: () => backend.rsaPublicKey(numbers), check: same },
    { id: name('private key import'), operation: () => backend.rsaPrivateKey(numbers), check: same },
    { id: name('PKCS#1 v1.5 encrypt'), operation: () => publicKey.encryptPkcs1(message), check: same },
    {
      id: name('OAEP encrypt'),
      isAsync: later !== undefined,
      operation: () => open.encryptOaep(message, label),
      check: same,
    },
    {
      id: name('PSS verify'),
      isAsync: later !== undefined,
      operation: () => open.verifyPss(message, signature),
    },
    { id: name('raw decrypt'), isAsync, operation: () => privateKey.decryptRaw(raw) },
    { id: name('OAEP decrypt'), isAsync, operation: () => privateKey.decryptOaep(forOaep, label) },
    { id: name('PSS sign'), isAsync, operation: () => privateKey.signPss(message), check: same },
    { id: name('key generation'), isAsync, operation: () => backend.generateRsaKey(bits), check: same },
  ];
}

/** Bytes that are the same in every run and for every backend. */
function pattern(length) {
  return Uint8Array.from({ length }, (_, i) => (i * 167 + 13) & 0xff);
}

function join(pieces) {
  return new Uint8Array(Buffer.concat(pieces));
}

function requireSame(what, a, b) {
  if (Buffer.compare(Buffer.from(a), Buffer.from(b)) !== 0) throw new Error(`${what} does not come back`);
}
