/**
 * Computes the test vectors of sealed v1 (sealed.json beside this file) from the protocol's description alone: nothing
 * here comes from src. `node test/vectors/sealed-vectors.mjs` writes the file anew around the keys it holds.
 *
 * Every random input is derived from a seed by name. OAEP and PSS are written out, because their randomness has to be
 * given; X25519, AES-GCM, ChaCha20-Poly1305, SHA-256 and HMAC are those of node:crypto, ML-KEM-768 is that of
 * @noble/post-quantum. It is one file, so that it can be checked against the description from top to bottom.
 */
import * as crypto from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';

const FILE = new URL('./sealed.json', import.meta.url);
const MAX_MESSAGE = 2 ** 24;
const MAX_RECORD = 2 ** 20 + 4096;
/** Where the vectors cut a long message. */
const CUT = 131072;
const X25519 = 0x0101;
const HYBRID = 0x0102;
const CHACHA20 = 0x0103;
const HYBRID_CHACHA20 = 0x0104;
const GREASE = 0x0a0a;

/** All vectors, as plain data, for the test keys (PKCS#8 PEM). */
export function computeVectors(keys) {
  checkAgainstRfc8448();
  const { server2048, server3072, server4096, client2048 } = keys;
  const vectors = [
    handshake('vector-1 anonymous', { server: server3072 }),
    handshake('vector-2 client auth', { server: server3072, client: client2048, suites: [GREASE, X25519] }),
    handshake('vector-3 hybrid', { server: server3072, suite: HYBRID, suites: [HYBRID, X25519] }),
    handshake('vector-4 hybrid client auth', {
      ...{ server: server3072, client: client2048, suite: HYBRID, suites: [GREASE, X25519, HYBRID] },
    }),
    handshake('vector-5 server 2048', { server: server2048 }),
    handshake('vector-6 server 4096', { server: server4096, client: client2048, suites: [GREASE, X25519] }),
    handshake('vector-7 chacha20', { server: server3072, suite: CHACHA20, suites: [CHACHA20] }),
    handshake('vector-8 chacha20 client auth', {
      ...{ server: server3072, client: client2048, suite: CHACHA20, suites: [GREASE, X25519, CHACHA20] },
    }),
    handshake('vector-9 hybrid chacha20', {
      ...{ server: server2048, suite: HYBRID_CHACHA20, suites: [GREASE, HYBRID_CHACHA20, HYBRID, CHACHA20, X25519] },
    }),
    handshake('vector-10 hybrid chacha20 client auth', {
      ...{ server: server3072, client: client2048, suite: HYBRID_CHACHA20, suites: [HYBRID_CHACHA20] },
    }),
  ];
  const [anonymous, known, , hybrid] = vectors;
  const resumed = [
    makeResumedHandshake('resumed-1 anonymous', anonymous, { suites: [GREASE, X25519] }),
    makeResumedHandshake('resumed-2 of a client with an identity, another suite', known, {
      ...{ suite: CHACHA20, suites: [CHACHA20, X25519] },
    }),
    makeResumedHandshake('resumed-3 hybrid', hybrid, { suite: HYBRID, suites: [HYBRID, X25519] }),
    makeResumedHandshake('resumed-4 hybrid chacha20, without a request', hybrid, {
      ...{ suite: HYBRID_CHACHA20, suites: [HYBRID_CHACHA20], request: false },
    }),
  ];
  return { specification: 'sealed v1', keys, vectors, resumed, recordCases: [AES, CHACHA].flatMap(recordCases), paddedLengths: listPaddedLengths(), nonces: nonces() };
}

// --- bytes

const text = (string) => Buffer.from(string, 'ascii');
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const concat = (...parts) => Buffer.concat(parts);
const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ b[i]));

function encodeUnsigned(value, length) {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}
const u8 = (value) => encodeUnsigned(value, 1);
const u16 = (value) => encodeUnsigned(value, 2);
const u24 = (value) => encodeUnsigned(value, 3);
const u32 = (value) => encodeUnsigned(value, 4);
const vec16 = (bytes) => concat(u16(bytes.length), bytes);
const EMPTY = Buffer.alloc(0);
const ZEROS = Buffer.alloc(32);

// --- hashes

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest();
const hmac = (key, bytes) => crypto.createHmac('sha256', key).update(bytes).digest();

function expand(key, info, length) {
  const blocks = [];
  for (let block = EMPTY, i = 1; blocks.length * 32 < length; i++) {
    block = hmac(key, concat(block, info, u8(i)));
    blocks.push(block);
  }
  return concat(...blocks).subarray(0, length);
}

function expandLabel(secret, label, context, length, prefix = 'sealed1 ') {
  const full = text(prefix + label);
  return expand(secret, concat(u16(length), u8(full.length), full, u8(context.length), context), length);
}

const deriveSecret = (secret, label, messages) => expandLabel(secret, label, sha256(messages), 32);
const extract = (salt, input) => hmac(salt, input);

/** RFC 8448 section 3: "derived" from the early secret without a PSK. */
function checkAgainstRfc8448() {
  const derived = expandLabel(extract(ZEROS, ZEROS), 'derived', sha256(EMPTY), 32, 'tls13 ');
  const published = '6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba';
  if (hex(derived) !== published) throw new Error('HKDF-Expand-Label differs from RFC 8448');
}

// --- RSA, with the randomness of OAEP and PSS given

function rsaKey(pem) {
  const key = crypto.createPrivateKey(pem);
  const { n, e, d } = key.export({ format: 'jwk' });
  const number = (base64) => BigInt(`0x${Buffer.from(base64, 'base64url').toString('hex')}`);
  const spki = crypto.createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { n: number(n), e: number(e), d: number(d), size: Buffer.from(n, 'base64url').length, spki };
}

function power(base, exponent, modulus) {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === '1') result = (result * base) % modulus;
  }
  return result;
}

function rsa(block, exponent, { n, size }) {
  const result = power(BigInt(`0x${hex(block)}`), exponent, n);
  return Buffer.from(result.toString(16).padStart(2 * size, '0'), 'hex');
}

function mgf1(seed, length) {
  const blocks = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(sha256(concat(seed, u32(i))));
  return concat(...blocks).subarray(0, length);
}

/** RFC 8017 7.1.1. */
function oaepEncrypt(key, message, seed) {
  const label = sha256(text('sealed v1 server key'));
  const data = concat(label, Buffer.alloc(key.size - message.length - 66), u8(1), message);
  const maskedData = xor(data, mgf1(seed, data.length));
  const maskedSeed = xor(seed, mgf1(maskedData, 32));
  return rsa(concat(u8(0), maskedSeed, maskedData), key.e, key);
}

/** RFC 8017 8.1.1 and 9.1.1, for a modulus of a multiple of 8 bits. */
function pssSign(key, message, salt) {
  const hash = sha256(concat(Buffer.alloc(8), sha256(message), salt));
  const data = concat(Buffer.alloc(key.size - 66), u8(1), salt);
  const masked = xor(data, mgf1(hash, data.length));
  masked[0] &= 0x7f;
  return rsa(concat(masked, hash, u8(0xbc)), key.d, key);
}

// --- X25519

const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

function x25519(secret) {
  const privateKey = crypto.createPrivateKey({ key: concat(PKCS8_PREFIX, secret), format: 'der', type: 'pkcs8' });
  const publicKey = crypto.createPublicKey(privateKey);
  const share = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { share, agree: (other) => crypto.diffieHellman({ privateKey, publicKey: other.publicKey }), publicKey };
}

// --- records

const nonceOf = (iv, sequence) => {
  const counter = Buffer.alloc(12);
  counter.writeBigUInt64BE(BigInt(sequence), 4);
  return xor(iv, counter);
};

const AES = 'aes-256-gcm';
const CHACHA = 'chacha20-poly1305';
const cipherOf = (suite) => (suite === CHACHA20 || suite === HYBRID_CHACHA20 ? CHACHA : AES);

/** The keys of one direction. */
function traffic(algorithm, secret, sequence = 0) {
  const [key, iv] = [expandLabel(secret, 'key', EMPTY, 32), expandLabel(secret, 'iv', EMPTY, 12)];
  let next = sequence;
  return {
    ...{ secret, key, iv },
    seal(inner) {
      const header = encodeUnsigned(inner.length + 16, 3);
      const nonce = nonceOf(iv, next++);
      const cipher = crypto.createCipheriv(algorithm, key, nonce, { authTagLength: 16 }).setAAD(header);
      return concat(header, cipher.update(inner), cipher.final(), cipher.getAuthTag());
    },
    update: () => traffic(algorithm, expandLabel(secret, 'traffic upd', EMPTY, 32)),
  };
}

const HANDSHAKE = u8(1);
const DATA = u8(2);
const KEY_UPDATE = u8(3);
const PING = u8(4);
const PONG = u8(5);
const PADDED = u8(8);
const close = (code) => concat(u8(6), u16(code));
const message = (body) => concat(u32(body.length), body);

// --- handshake

const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const SERVER_IDENTITY = 3;
const CLIENT_KEY = 4;
const CLIENT_AUTH = 5;
const CLIENT_FINISHED = 6;
const SERVER_FINISHED = 7;
const handshakeMessage = (type, ...fields) => concat(text('SEAL'), u8(type), u8(1), vec16(concat(...fields)));

const isHybrid = (suite) => suite === HYBRID || suite === HYBRID_CHACHA20;

/** One handshake and the records behind it. */
function handshake(seed, { server, client, suite = X25519, suites = [X25519] }) {
  const random = (name, length = 32) => expand(sha256(text(seed)), text(`sealed-vector ${name}`), length);
  const [serverKey, clientKey] = [rsaKey(server), client && rsaKey(client)];
  const [x, y] = [x25519(random('x')), x25519(random('y'))];
  const kem = suites.some(isHybrid) ? ml_kem768.keygen(random('ml-kem seed', 64)) : undefined;
  const encapsulated = isHybrid(suite) ? ml_kem768.encapsulate(kem.publicKey, random('ml-kem message')) : undefined;

  const CH = handshakeMessage(
    ...[CLIENT_HELLO, random('client random'), u8(suites.length), ...suites.map(u16), x.share],
    ...[vec16(kem?.publicKey ?? EMPTY), vec16(EMPTY)],
  );
  const SH = handshakeMessage(
    ...[SERVER_HELLO, random('server random'), u16(suite), y.share, vec16(encapsulated?.cipherText ?? EMPTY), vec16(EMPTY)],
  );
  const dh = concat(encapsulated?.sharedSecret ?? EMPTY, x.agree(y));
  const ES = extract(ZEROS, ZEROS);
  const HS = extract(deriveSecret(ES, 'derived', EMPTY), dh);
  const hello = concat(CH, SH);
  const keys = (secret) => traffic(cipherOf(suite), secret);
  const c_hs = keys(deriveSecret(HS, 'c hs traffic', hello));
  const s_hs = keys(deriveSecret(HS, 's hs traffic', hello));

  const limits = concat(u32(MAX_MESSAGE), u32(MAX_RECORD));
  const SI = handshakeMessage(SERVER_IDENTITY, u8(1), limits, vec16(serverKey.spki), vec16(EMPTY));
  const rs = random('rsa secret');
  const ciphertext = oaepEncrypt(serverKey, rs, random('oaep seed'));
  const CK = handshakeMessage(CLIENT_KEY, vec16(ciphertext));
  const toKey = concat(hello, SI, CK);
  const AHS = extract(deriveSecret(HS, 'derived', EMPTY), rs);
  const c_ahs = keys(deriveSecret(AHS, 'c ahs traffic', toKey));
  const s_ahs = keys(deriveSecret(AHS, 's ahs traffic', toKey));
  const MS = extract(deriveSecret(AHS, 'derived', EMPTY), ZEROS);

  const signed = concat(Buffer.alloc(64, 0x20), text('sealed v1, client authentication\0'), sha256(toKey));
  const signature = clientKey ? pssSign(clientKey, signed, random('pss salt')) : EMPTY;
  const CA = handshakeMessage(
    ...[CLIENT_AUTH, limits, u8(clientKey ? 1 : 0), vec16(clientKey?.spki ?? EMPTY), vec16(signature), vec16(EMPTY)],
  );
  const toAuth = concat(toKey, CA);
  const CF = handshakeMessage(CLIENT_FINISHED, hmac(expandLabel(MS, 'c finished', EMPTY, 32), sha256(toAuth)));
  const toClient = concat(toAuth, CF);
  const c_ap_0 = keys(deriveSecret(MS, 'c ap traffic', toClient));
  const SF = handshakeMessage(SERVER_FINISHED, hmac(expandLabel(MS, 's finished', EMPTY, 32), sha256(toClient)));
  const all = concat(toClient, SF);
  const s_ap_0 = keys(deriveSecret(MS, 's ap traffic', all));
  const exporter = deriveSecret(MS, 'exp master', all);
  const rms = deriveSecret(MS, 'res master', all);

  const seal = (keys, inner) => keys.seal(concat(HANDSHAKE, inner));
  const flights = {
    '1 C->S': CH,
    '2 S->C': concat(SH, seal(s_hs, SI)),
    '3 C->S': concat(seal(c_hs, CK), seal(c_ahs, CA), seal(c_ahs, CF)),
    '4 S->C': seal(s_ahs, SF),
  };
  return {
    seed,
    ...{ server_bits: 8 * serverKey.size, client_bits: clientKey ? 8 * clientKey.size : null, suite, suites },
    ...{ server_spki: hex(serverKey.spki), server_fingerprint: hex(sha256(serverKey.spki)) },
    ...(clientKey && { client_spki: hex(clientKey.spki), client_fingerprint: hex(sha256(clientKey.spki)) }),
    ...{ client_random: hex(random('client random')), server_random: hex(random('server random')) },
    ...{ x: hex(random('x')), y: hex(random('y')) },
    ...{ oaep_seed: hex(random('oaep seed')), oaep_ciphertext: hex(ciphertext) },
    ...(clientKey && { pss_salt: hex(random('pss salt')), client_signature: hex(signature) }),
    ...(clientKey && { client_signature_input: hex(signed) }),
    ...(kem && { ml_kem_seed: hex(random('ml-kem seed', 64)), ml_kem_key: hex(kem.publicKey) }),
    ...(encapsulated && {
      ml_kem_message: hex(random('ml-kem message')),
      ml_kem_ciphertext: hex(encapsulated.cipherText),
      ml_kem_secret: hex(encapsulated.sharedSecret),
    }),
    long_message: { length: CUT + 5, byte_i: '7 * i mod 256', cut_after_payload_bytes: CUT },
    handshake_messages: hexes({ CH, SH, SI, CK, CA, CF, SF }),
    secrets: {
      ...hexes({ dh, ES, HS, c_hs: c_hs.secret, s_hs: s_hs.secret, rsa_secret: rs, AHS, c_ahs: c_ahs.secret }),
      ...hexes({ s_ahs: s_ahs.secret, MS, c_ap_0: c_ap_0.secret, s_ap_0: s_ap_0.secret, exporter }),
      ...hexes({ c_ap_1: c_ap_0.update().secret, rms, transcript_hash: sha256(all) }),
    },
    traffic: {
      c_ap_0: hexes({ key: c_ap_0.key, iv: c_ap_0.iv }),
      s_ap_0: hexes({ key: s_ap_0.key, iv: s_ap_0.iv }),
    },
    exports: exportsOf(exporter),
    flights: hexes(flights),
    flight_bytes: Object.fromEntries(Object.entries(flights).map(([name, bytes]) => [name, bytes.length])),
    records: applicationRecords(c_ap_0, s_ap_0),
  };
}

const TICKET_REQUEST = 0xff01;
const RESUME = 0xfffe;
const extension = (type, data) => concat(u16(type), vec16(data));

/** A handshake that resumes the connection of another vector, by the second ticket of it. */
function makeResumedHandshake(seed, of, { suite = X25519, suites = [X25519], request = true }) {
  const random = (name, length = 32) => expand(sha256(text(seed)), text(`sealed-vector ${name}`), length);
  const bytes = (digits) => Buffer.from(digits, 'hex');
  const [x, y] = [x25519(random('x')), x25519(random('y'))];
  const kem = suites.some(isHybrid) ? ml_kem768.keygen(random('ml-kem seed', 64)) : undefined;
  const encapsulated = isHybrid(suite) ? ml_kem768.encapsulate(kem.publicKey, random('ml-kem message')) : undefined;
  const nonce = bytes('0000000000000001');
  const psk = expandLabel(bytes(of.secrets.rms), 'resumption', nonce, 32);
  const ticket = random('ticket', 80);

  const ES = extract(ZEROS, psk);
  const requests = request ? extension(TICKET_REQUEST, EMPTY) : EMPTY;
  const withBinder = (binder) =>
    handshakeMessage(
      ...[CLIENT_HELLO, random('client random'), u8(suites.length), ...suites.map(u16), x.share],
      ...[vec16(kem?.publicKey ?? EMPTY), vec16(concat(requests, extension(RESUME, concat(vec16(ticket), binder))))],
    );
  const binderKey = expandLabel(deriveSecret(ES, 'res binder', EMPTY), 'finished', EMPTY, 32);
  const binder = hmac(binderKey, sha256(withBinder(ZEROS).subarray(0, -32)));
  const CH = withBinder(binder);
  const SH = handshakeMessage(
    ...[SERVER_HELLO, random('server random'), u16(suite), y.share, vec16(encapsulated?.cipherText ?? EMPTY)],
    vec16(extension(RESUME, EMPTY)),
  );
  const dh = concat(encapsulated?.sharedSecret ?? EMPTY, x.agree(y));
  const HS = extract(deriveSecret(ES, 'derived', EMPTY), dh);
  const hello = concat(CH, SH);
  const keys = (secret) => traffic(cipherOf(suite), secret);
  const c_hs = keys(deriveSecret(HS, 'c hs traffic', hello));
  const s_hs = keys(deriveSecret(HS, 's hs traffic', hello));
  const limits = concat(u32(MAX_MESSAGE), u32(MAX_RECORD));
  const SI = handshakeMessage(SERVER_IDENTITY, u8(0), limits, vec16(EMPTY), vec16(EMPTY));
  const AHS = extract(deriveSecret(HS, 'derived', EMPTY), ZEROS);
  const MS = extract(deriveSecret(AHS, 'derived', EMPTY), ZEROS);
  const toIdentity = concat(hello, SI);
  const SF = handshakeMessage(SERVER_FINISHED, hmac(expandLabel(MS, 's finished', EMPTY, 32), sha256(toIdentity)));
  const CA = handshakeMessage(CLIENT_AUTH, limits, u8(0), vec16(EMPTY), vec16(EMPTY), vec16(EMPTY));
  const toAuth = concat(toIdentity, SF, CA);
  const CF = handshakeMessage(CLIENT_FINISHED, hmac(expandLabel(MS, 'c finished', EMPTY, 32), sha256(toAuth)));
  const all = concat(toAuth, CF);
  const c_ap_0 = keys(deriveSecret(MS, 'c ap traffic', all));
  const s_ap_0 = keys(deriveSecret(MS, 's ap traffic', all));
  const exporter = deriveSecret(MS, 'exp master', all);
  const rms = deriveSecret(MS, 'res master', all);
  const nextPsk = expandLabel(rms, 'resumption', Buffer.alloc(8), 32);
  const TICKET = concat(u8(7), u32(28800), Buffer.alloc(8), vec16(random('next ticket', 70)));
  const seal = (keys, inner) => keys.seal(concat(HANDSHAKE, inner));
  const flights = {
    '1 C->S': CH,
    '2 S->C': concat(SH, seal(s_hs, SI), seal(s_hs, SF)),
    '3 C->S': concat(seal(c_hs, CA), seal(c_hs, CF)),
    '4 S->C': s_ap_0.seal(TICKET),
  };
  return {
    ...{ seed, of: of.seed, suite, suites, request },
    ...{ server_spki: of.server_spki, client_spki: of.client_spki ?? '' },
    ...hexes({ nonce, psk, ticket, binder, next_ticket: random('next ticket', 70), next_psk: nextPsk }),
    ...{ client_random: hex(random('client random')), server_random: hex(random('server random')) },
    ...{ x: hex(random('x')), y: hex(random('y')) },
    ...(kem && { ml_kem_seed: hex(random('ml-kem seed', 64)), ml_kem_key: hex(kem.publicKey) }),
    ...(encapsulated && {
      ml_kem_message: hex(random('ml-kem message')),
      ml_kem_ciphertext: hex(encapsulated.cipherText),
      ml_kem_secret: hex(encapsulated.sharedSecret),
    }),
    handshake_messages: hexes({ CH, SH, SI, SF, CA, CF }),
    secrets: {
      ...hexes({ dh, ES, HS, c_hs: c_hs.secret, s_hs: s_hs.secret, AHS, MS, c_ap_0: c_ap_0.secret }),
      ...hexes({ s_ap_0: s_ap_0.secret, exporter, rms, transcript_hash: sha256(all) }),
    },
    exports: exportsOf(exporter),
    flights: hexes(flights),
  };
}

const hexes = (values) => Object.fromEntries(Object.entries(values).map(([name, bytes]) => [name, hex(bytes)]));

function exportsOf(exporter) {
  const cases = [
    ['channel binding', '', 32],
    ['channel binding', 'context', 32],
    ['token', 'context', 100],
  ];
  return cases.map(([label, context, length]) => {
    const derived = deriveSecret(exporter, label, EMPTY);
    const value = expandLabel(derived, 'exporter', sha256(text(context)), length);
    return { label, context, length, value: hex(value) };
  });
}

function applicationRecords(c_ap_0, s_ap_0) {
  const records = [];
  const add = (name, keys, inner) => {
    const record = keys.seal(inner);
    const shown = inner.length < 64 ? hex(inner) : `${hex(inner.subarray(0, 8))}..${inner.length}`;
    const form = record.length < 200 ? { record: hex(record) } : { length: record.length };
    records.push({ name, inner: shown, sha256: hex(sha256(record)), ...form });
  };
  const long = message(Buffer.from(Array.from({ length: CUT + 5 }, (_, i) => (7 * i) & 255)));
  add('c DATA: one message "hello"', c_ap_0, concat(DATA, message(text('hello'))));
  const three = concat(...['', 'a', 'bc'].map((body) => message(text(body))));
  add('c DATA: three messages "", "a", "bc" in one record', c_ap_0, concat(DATA, three));
  add('c DATA: first 131072 bytes of a message of 131077', c_ap_0, concat(DATA, long.subarray(0, CUT)));
  const rest = concat(long.subarray(CUT), message(text('tail')));
  add('c DATA: its rest, then the message "tail"', c_ap_0, concat(DATA, rest));
  add('c PING', c_ap_0, PING);
  add('c KEY_UPDATE', c_ap_0, KEY_UPDATE);
  const c_ap_1 = c_ap_0.update();
  add('c DATA after update: "again"', c_ap_1, concat(DATA, message(text('again'))));
  add('c CLOSE 0', c_ap_1, close(0));
  add('s PONG', s_ap_0, PONG);
  add('s DATA: "hi"', s_ap_0, concat(DATA, message(text('hi'))));
  add('s CLOSE 0', s_ap_0, close(0));
  return records;
}

// --- records of one direction, from a given traffic secret and count of records before

function recordCases(algorithm) {
  const secret = sha256(text('sealed-vector records'));
  const data = (...parts) => concat(DATA, ...parts);
  const [hello, tail] = [message(text('hello')), message(text('tail'))];
  const last = 2 ** 22 - 1;
  const make = (name, plaintexts, expected, sequence = 0) => {
    let keys = traffic(algorithm, secret, sequence);
    const records = plaintexts.map((inner) => {
      const record = keys.seal(inner);
      if (inner.equals(KEY_UPDATE)) keys = keys.update();
      return hex(record);
    });
    return { name, cipher: algorithm, secret: hex(secret), sequence, plaintexts: plaintexts.map(hex), records, ...expected };
  };
  const ends = (messages, closeCode = 0) => ({ messages, closeCode });
  const fails = (messages, error) => ({ messages, error });
  return [
    make('one short message', [data(hello), close(0)], ends(['hello'])),
    make('an empty message', [data(message(EMPTY)), close(0)], ends([''])),
    make('many messages in one record', [data(hello, message(EMPTY), tail), close(0)], ends(['hello', '', 'tail'])),
    make(
      'one message over three records',
      [data(hello.subarray(0, 5)), data(hello.subarray(5, 7)), data(hello.subarray(7), tail), close(0)],
      ends(['hello', 'tail']),
    ),
    make('a length split over two records', [data(hello.subarray(0, 2)), data(hello.subarray(2)), close(0)], ends(['hello'])),
    make(
      'a length in four records',
      [...[0, 1, 2, 3].map((i) => data(hello.subarray(i, i + 1))), data(hello.subarray(4)), close(0)],
      ends(['hello']),
    ),
    make('PING, PONG and KEY_UPDATE inside a message', [
      ...[data(hello.subarray(0, 6)), PING, KEY_UPDATE, PONG, data(hello.subarray(6)), close(1)],
    ], ends(['hello'], 1)),
    make('CLOSE of the application', [data(hello), close(0x4000)], ends(['hello'], 0x4000)),
    make('CLOSE 0 inside a message', [data(hello.subarray(0, 8)), close(0)], fails([], 'TRUNCATED')),
    make('CLOSE 0 inside a length', [data(hello, hello.subarray(0, 1)), close(0)], fails(['hello'], 'TRUNCATED')),
    make('CLOSE 5 inside a message', [data(hello.subarray(0, 8)), close(5)], { messages: [], error: 'PEER_CLOSED', closeCode: 5 }),
    make('CLOSE 7, which is not assigned', [data(hello), close(7)], { messages: ['hello'], error: 'PEER_CLOSED', closeCode: 7 }),
    make('KEY_UPDATE as the first record', [KEY_UPDATE], fails([], 'PROTOCOL')),
    make('two KEY_UPDATEs', [data(hello), KEY_UPDATE, KEY_UPDATE], fails(['hello'], 'PROTOCOL')),
    make('an empty DATA record', [data()], fails([], 'PROTOCOL')),
    make('the last record of a key', [data(hello), data(tail)], fails(['hello'], 'PROTOCOL'), last),
    make('KEY_UPDATE as the last record of a key', [KEY_UPDATE, data(tail), close(0)], ends(['tail']), last),
    make('a padded message', [pad(hello, Buffer.alloc(244)), close(0)], ends(['hello'])),
    make('PADDED without zeros', [pad(hello), close(0)], ends(['hello'])),
    make('PADDED with something else than zeros', [pad(hello, text('anything')), close(0)], ends(['hello'])),
    make('many messages in one PADDED', [pad(concat(hello, message(EMPTY), tail), Buffer.alloc(9)), close(0)], ends(['hello', '', 'tail'])),
    make(
      'one message over PADDED, DATA and PADDED',
      [
        ...[pad(hello.subarray(0, 3), Buffer.alloc(7)), data(hello.subarray(3, 5))],
        ...[pad(concat(hello.subarray(5), tail), Buffer.alloc(1)), close(0)],
      ],
      ends(['hello', 'tail']),
    ),
    make(
      'cover traffic, also inside a message',
      [pad(EMPTY, Buffer.alloc(40)), data(hello.subarray(0, 6)), pad(EMPTY), data(hello.subarray(6)), close(0)],
      ends(['hello']),
    ),
    make('PADDED with its message in the zeros', [pad(hello.subarray(0, 4), hello.subarray(4)), close(0)], fails([], 'TRUNCATED')),
    make('PADDED without a payload', [data(hello), PADDED], fails(['hello'], 'PROTOCOL')),
    make('PADDED of two bytes', [data(hello), concat(PADDED, u16(0))], fails(['hello'], 'PROTOCOL')),
    make('PADDED with less than it announces', [data(hello), concat(PADDED, u24(5), text('four'))], fails(['hello'], 'PROTOCOL')),
    make('PADDED that announces 2^24-1 bytes', [concat(PADDED, u24(2 ** 24 - 1), hello)], fails([], 'PROTOCOL')),
  ];
}

function pad(content, fill = EMPTY) {
  return concat(PADDED, u24(content.length), content, fill);
}

/** Lengths of payloads with their three bytes, before and after padding (R8), where nothing else bounds them. */
function listPaddedLengths() {
  const lengths = [4, 5, 8, 9, 10, 15, 16, 17, 100, 255, 256, 257, 1000, 4096, 4097, 65_535, 65_537, 1_000_000, 1_048_576];
  return [16, 256, 1000, 'padme'].map((padding) => ({
    padding,
    lengths: lengths.map((length) => [length, padding === 'padme' ? padme(length) : multiple(length, padding)]),
  }));
}

function multiple(length, grain) {
  while (length % grain > 0) length += 1;
  return length;
}

/** Nikitin et al. 2019, algorithm 1, in the integers that it is written for. */
function padme(length) {
  const exponent = length.toString(2).length - 1;
  const significant = exponent.toString(2).length;
  const mask = (1n << BigInt(exponent - significant)) - 1n;
  return Number((BigInt(length) + mask) & ~mask);
}

function nonces() {
  const iv = sha256(text('sealed-vector iv')).subarray(0, 12);
  const sequences = [0, 1, 255, 256, 2 ** 22 - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5];
  return sequences.map((sequence) => ({ iv: hex(iv), sequence, nonce: hex(nonceOf(iv, sequence)) }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { keys } = JSON.parse(readFileSync(FILE, 'utf8'));
  writeFileSync(FILE, `${JSON.stringify(computeVectors(keys), null, 1)}\n`);
}
