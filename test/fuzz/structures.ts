/**
 * Inputs that have the form of the protocols, with a lie now and then. One file, because all of it is made of the same
 * small parts: numbers, bytes behind their length, lines.
 */

import fc, { type Arbitrary } from 'fast-check';
import { testKey } from '../helpers/sealed-vectors.js';

type Bytes = Arbitrary<Uint8Array>;

const exactly = (length: number): Bytes => fc.uint8Array({ minLength: length, maxLength: length });
const upTo = (length: number): Bytes => fc.uint8Array({ maxLength: length });
const fixedBytes = (...bytes: number[]): Bytes => fc.constant(Uint8Array.from(bytes));
const concat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
const sequence = (...parts: Bytes[]): Bytes => fc.tuple(...parts).map((each) => concat(...each));
const many = (part: Bytes, maxLength: number): Bytes =>
  fc.array(part, { maxLength }).map((each) => concat(...each));

/** Usually the one, sometimes the other. */
function mostly<T>(usual: Arbitrary<T>, other: Arbitrary<T>): Arbitrary<T> {
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: other });
}

/** A number in so many bytes, big-endian. */
function number(width: number, value: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** (width - 1 - i)) % 256);
}

/** Bytes behind their length, which is wrong now and then. */
function withPrefix(width: number, content: Bytes, overhead = 0): Bytes {
  return content.chain((bytes) =>
    mostly(fc.constant(bytes.length + overhead), fc.nat(256 ** width - 1)).map((length) =>
      concat(number(width, length), bytes),
    ),
  );
}

const u32 = (usual: number): Bytes =>
  mostly(fc.constant(usual), fc.nat(2 ** 31)).map((value) => number(4, value));

const extensions: Bytes = withPrefix(
  2,
  mostly(
    fixedBytes(),
    fc
      .uniqueArray(fc.nat(65_535), { maxLength: 4 })
      .chain((types) =>
        mostly(fc.constant(types.sort((a, b) => a - b)), fc.constant(types.reverse())).chain((order) =>
          sequence(...order.map((type) => sequence(fc.constant(number(2, type)), withPrefix(2, upTo(20))))),
        ),
      ),
  ),
);

const extension = (type: number, content: Bytes): Bytes =>
  sequence(fc.constant(number(2, type)), withPrefix(2, content));

const ticket = withPrefix(2, mostly(upTo(90), fc.constant(new Uint8Array(2049))));

/** Those of a CLIENT_HELLO that asks for tickets and offers one, and of the SERVER_HELLO that accepts it. */
const offer: Bytes = withPrefix(
  2,
  sequence(
    mostly(extension(0xff01, mostly(fixedBytes(), upTo(2))), fixedBytes()),
    extension(0xfffe, sequence(ticket, mostly(exactly(32), upTo(40)))),
    mostly(fixedBytes(), extension(0xffff, upTo(2))),
  ),
);
const acceptance: Bytes = withPrefix(2, extension(0xfffe, mostly(fixedBytes(), upTo(2))));

/** A handshake message with its header of eight bytes. */
function message(type: number, body: Bytes): Bytes {
  const header = sequence(
    mostly(fc.constant(Uint8Array.from(Buffer.from('SEAL'))), exactly(4)),
    mostly(fixedBytes(type), exactly(1)),
    mostly(fixedBytes(1), exactly(1)),
  );
  return sequence(header, withPrefix(2, body));
}

const suite = fc.oneof(
  fc.constantFrom(0x0101, 0x0102, 0x0103, 0x0104),
  fc.constantFrom(0x0a0a, 0xfafa, 0x0201, 0),
  fc.nat(65_535),
);
const isHybrid = (id: number): boolean => id === 0x0102 || id === 0x0104;
const point = mostly(exactly(32), fc.constant(new Uint8Array(32)));

const clientHello: Bytes = fc
  .array(suite, { minLength: 0, maxLength: 10 })
  .chain((suites) =>
    message(
      1,
      sequence(
        exactly(32),
        mostly(fixedBytes(suites.length), exactly(1)),
        fc.constant(concat(...suites.map((id) => number(2, id)))),
        point,
        withPrefix(2, mostly(exactly(suites.some(isHybrid) ? 1184 : 0), upTo(40))),
        fc.oneof(extensions, offer),
      ),
    ),
  );

const serverHello: Bytes = suite.chain((id) =>
  message(
    2,
    sequence(
      exactly(32),
      fc.constant(number(2, id)),
      point,
      withPrefix(2, mostly(exactly(isHybrid(id) ? 1088 : 0), upTo(40))),
      fc.oneof(extensions, acceptance),
    ),
  ),
);

const reject = message(
  15,
  mostly(
    fc.constantFrom(1, 2).map((code) => Uint8Array.of(code)),
    upTo(3),
  ),
);

const limits = sequence(u32(2 ** 20), u32(16_384));

/** A record as a backend without tags opens it. */
function record(type: number, payload: Bytes): Bytes {
  return withPrefix(3, sequence(mostly(fixedBytes(type), exactly(1)), payload, exactly(16)));
}

const handshake = (type: number, body: Bytes): Bytes => record(1, message(type, body));

/** A piece of a stream of messages, which need not begin or end with one. */
const messages = fc.oneof(
  many(withPrefix(4, upTo(60)), 12),
  withPrefix(4, upTo(600)),
  upTo(5),
  fc.nat(5000).map((length) => concat(number(4, length), new Uint8Array(Math.min(length, 900)))),
  // about as long as a message may be, and a little longer
  fc.integer({ min: 4090, max: 4200 }).map((length) => concat(number(4, length), new Uint8Array(length))),
);

const zeros = fc.nat(700).map((length) => new Uint8Array(length));

const openRecord = fc.oneof(
  { weight: 6, arbitrary: record(2, messages) },
  { weight: 1, arbitrary: record(3, mostly(fixedBytes(), upTo(2))) },
  { weight: 2, arbitrary: record(4, mostly(fixedBytes(), upTo(2))) },
  { weight: 1, arbitrary: record(5, fixedBytes()) },
  {
    weight: 1,
    arbitrary: record(
      6,
      mostly(
        fc.nat(65_535).map((code) => number(2, code)),
        upTo(4),
      ),
    ),
  },
  { weight: 1, arbitrary: record(1, upTo(20)) },
  {
    weight: 1,
    arbitrary: record(
      7,
      sequence(
        u32(3600),
        mostly(exactly(8), fc.constant(new Uint8Array(8))),
        ticket,
        mostly(fixedBytes(), upTo(3)),
      ),
    ),
  },
  { weight: 3, arbitrary: record(8, sequence(withPrefix(3, messages), zeros)) },
);

/** Records of an open connection. */
export const records: Bytes = many(openRecord, 25);

/** All that a client or a server says, from its first byte on. */
export function helloAndRecords(role: 'client' | 'server', spki: Uint8Array): Bytes {
  const key = fc.oneof(
    { weight: 8, arbitrary: fc.constant(spki) },
    { weight: 4, arbitrary: fixedBytes() },
    { weight: 1, arbitrary: upTo(500) },
  );
  if (role === 'server') {
    const identity = handshake(
      3,
      sequence(
        fc.nat(3).map((mode) => Uint8Array.of(mode)),
        limits,
        withPrefix(2, key),
        extensions,
      ),
    );
    // a resumed handshake is the same but for the key, which is not shown in it
    return sequence(
      mostly(serverHello, reject),
      identity,
      handshake(7, mostly(exactly(32), upTo(40))),
      records,
    );
  }
  const proof = fc.oneof(
    sequence(fixedBytes(1), withPrefix(2, key), withPrefix(2, mostly(exactly(256), upTo(300)))),
    sequence(fixedBytes(0), withPrefix(2, fixedBytes()), withPrefix(2, mostly(fixedBytes(), upTo(9)))),
  );
  return sequence(
    clientHello,
    // a client that resumes has none
    fc.oneof(handshake(4, withPrefix(2, mostly(exactly(256), upTo(300)))), fixedBytes()),
    handshake(5, sequence(limits, proof, extensions)),
    handshake(6, mostly(exactly(32), upTo(40))),
    records,
  );
}

/** A session key in `modulusLength` bytes, and frames behind it. */
export function classicFrames(modulusLength: number): Bytes {
  const padded = fc.nat(70).chain((length) => {
    const count = 32 - (length % 32);
    return mostly(
      fc.constant(concat(new Uint8Array(length).fill(7), new Uint8Array(count).fill(count))),
      exactly(32 * Math.ceil((length + 1) / 32)),
    );
  });
  const frame = padded.chain((body) =>
    mostly(
      fc.constant(String(body.length)),
      fc.oneof(fc.nat(10 ** 9).map(String), fc.stringMatching(/^[0-9:/ ]{0,9}$/)),
    ).chain((digits) =>
      mostly(fc.constant(String(digits.length)), fc.stringMatching(/^[0-9]{0,2}$/)).map((count) =>
        concat(Buffer.from(count + digits), body),
      ),
    ),
  );
  return sequence(
    mostly(exactly(modulusLength), fc.constant(new Uint8Array(modulusLength).fill(0xff))),
    many(frame, 12),
  );
}

const lengthOctets = (length: number): Uint8Array =>
  length < 128
    ? Uint8Array.of(length)
    : length < 256
      ? Uint8Array.of(0x81, length)
      : concat(Uint8Array.of(0x82), number(2, length));

function element(tag: number, content: Bytes): Bytes {
  return content.chain((bytes) =>
    mostly(
      fc.constant(lengthOctets(bytes.length)),
      fc.oneof(
        fixedBytes(0x80),
        fixedBytes(0x81, bytes.length % 256),
        fixedBytes(0x82, 0, bytes.length % 256),
        upTo(6),
      ),
    ).chain((length) => mostly(fixedBytes(tag), exactly(1)).map((octet) => concat(octet, length, bytes))),
  );
}

const integerOf = (value: Uint8Array): Bytes => {
  const sign = (value[0] ?? 0) > 127 ? [0] : [];
  return element(2, mostly(fc.constant(concat(Uint8Array.from(sign), value)), upTo(20)));
};

const rsa = testKey('server2048');
const algorithm = mostly(
  fixedBytes(0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0),
  element(0x30, upTo(20)),
);

/** SubjectPublicKeyInfo. */
export const spki: Bytes = element(
  0x30,
  sequence(
    algorithm,
    element(
      3,
      sequence(
        mostly(fixedBytes(0), exactly(1)),
        element(0x30, sequence(integerOf(rsa.n), integerOf(rsa.e))),
      ),
    ),
    mostly(fixedBytes(), upTo(4)),
  ),
);

const rsaPrivateKey = element(
  0x30,
  sequence(
    mostly(fixedBytes(2, 1, 0), element(2, upTo(2))),
    ...[rsa.n, rsa.e, rsa.d, rsa.p, rsa.q, rsa.dp, rsa.dq, rsa.qi].map(integerOf),
    mostly(fixedBytes(), upTo(4)),
  ),
);

/** PKCS#8. */
export const pkcs8: Bytes = element(
  0x30,
  sequence(
    mostly(fixedBytes(2, 1, 0), upTo(4)),
    algorithm,
    element(4, rsaPrivateKey),
    mostly(fixedBytes(), upTo(4)),
  ),
);

const text = (part: Arbitrary<string>): Bytes => part.map((each) => Uint8Array.from(Buffer.from(each)));
const lines = (line: Arbitrary<string>): Bytes =>
  text(
    fc
      .array(fc.tuple(line, mostly(fc.constant('\n'), fc.constantFrom('\r\n', '\r', '', ' \n'))), {
        maxLength: 9,
      })
      .map((each) => each.flat().join('')),
  );

const base64 = fc.uint8Array({ maxLength: 150 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const label = mostly(
  fc.constantFrom('PRIVATE KEY', 'RSA PRIVATE KEY', 'PUBLIC KEY'),
  fc.stringMatching(/^[A-Z0-9 -]{0,12}$/),
);

/** Texts with a PEM block. */
export const pem: Bytes = lines(
  fc.oneof(
    label.map((name) => `-----BEGIN ${name}-----`),
    label.map((name) => `-----END ${name}-----`),
    base64.map((body) => body.slice(0, 64)),
    base64,
    fc.string({ maxLength: 20 }),
  ),
);

const fingerprint = mostly(
  fc.oneof(
    exactly(32).map((digest) => `SHA256:${Buffer.from(digest).toString('base64').slice(0, 43)}`),
    exactly(32).map((digest) => `sha256//${Buffer.from(digest).toString('base64')}`),
    exactly(32).map((digest) => Buffer.from(digest).toString('hex')),
  ),
  fc.oneof(base64, fc.string({ maxLength: 70 })),
);

const word = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }));

/** Known-hosts files. */
export const knownHosts: Bytes = lines(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(
          mostly(fc.constantFrom('example.org', '::1', 'unix:/run/a%20b', 'EXAMPLE.org'), word),
          mostly(fc.nat(70_000).map(String), word),
          fingerprint,
          mostly(fc.constant(''), word),
        )
        .map((fields) => fields.join(' ')),
    },
    { weight: 1, arbitrary: fc.constantFrom('', '# a comment', '   ', '%zz') },
    { weight: 1, arbitrary: word },
  ),
);

/** Files of authorised keys. */
export const authorizedKeys: Bytes = lines(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(fingerprint, mostly(fc.constant('# why'), word)).map((fields) => fields.join(' ')),
    },
    { weight: 1, arbitrary: word },
  ),
);

/** Opcodes of pickles, in the order of a public key's and in others. */
export const pickle: Bytes = (() => {
  const memo = fc.oneof(
    fixedBytes(),
    fixedBytes(0x94),
    fixedBytes(0x71, 1),
    fixedBytes(0x72, 1, 0, 0, 0),
    text(fc.constant('p7\n')),
  );
  const integer = fc.oneof(
    fc.constant(concat(Uint8Array.of(0x8a, rsa.n.length % 256), rsa.n.toReversed())),
    withLittlePrefix(0x8a, upTo(200)),
    text(fc.bigInt({ min: 0n, max: 2n ** 300n }).map((value) => `L${value}L\n`)),
    fixedBytes(0x4a, 1, 0, 1, 0),
    fixedBytes(0x4b, 3),
    fixedBytes(0x4d, 1, 1),
  );
  const name = text(fc.constantFrom('crsa.key\nPublicKey\n', 'crsa.key\nPrivateKey\n', 'cos\nsystem\n'));
  const short = (value: string): Bytes => fixedBytes(0x8c, value.length, ...Buffer.from(value));
  const start = fc.oneof(
    sequence(fixedBytes(0x80, 3), name),
    sequence(fixedBytes(0x80, 4), short('rsa.key'), memo, short('PublicKey'), memo, fixedBytes(0x93)),
    sequence(
      text(fc.constant('ccopy_reg\n_reconstructor\n')),
      memo,
      text(fc.constant('(crsa.key\nPublicKey\n')),
    ),
  );
  const end = mostly(fixedBytes(0x62, 0x2e), fc.oneof(fixedBytes(0x52, 0x2e), upTo(4)));
  return sequence(start, memo, fixedBytes(0x29, 0x81), memo, integer, integer, fixedBytes(0x86), memo, end);
})();

function withLittlePrefix(opcode: number, content: Bytes): Bytes {
  return content.map((bytes) => concat(Uint8Array.of(opcode, bytes.length), bytes));
}

/** PROXY headers of both versions, and something behind them. */
export const proxyHeader: Bytes = (() => {
  const address = mostly(fc.ipV4(), fc.oneof(fc.ipV6(), word));
  const port = mostly(fc.nat(70_000).map(String), word);
  const v1 = text(
    fc
      .tuple(
        mostly(fc.constantFrom('TCP4', 'TCP6', 'UNKNOWN'), word),
        fc.tuple(address, address, port, port),
        mostly(fc.constant('\r\n'), fc.constantFrom('\n', '\r', '')),
      )
      .map(([protocol, fields, end]) => `PROXY ${protocol} ${fields.join(' ')}${end}`),
  );
  const v2 = sequence(
    fixedBytes(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a),
    mostly(
      fc.constantFrom(0x20, 0x21).map((command) => Uint8Array.of(command)),
      exactly(1),
    ),
    mostly(
      fc.constantFrom(0x11, 0x21, 0x00, 0x31).map((family) => Uint8Array.of(family)),
      exactly(1),
    ),
    withPrefix(2, fc.oneof(exactly(12), exactly(36), upTo(60))),
  );
  return sequence(fc.oneof(v1, v2), upTo(30));
})();

/** Our own tickets as the insecure backend makes them: the name of the key, random bytes, the content, a tag. */
export const ownTicket: Bytes = sequence(
  mostly(fc.constant(new Uint8Array(16).fill(0x44)), exactly(16)),
  exactly(32),
  sequence(exactly(32), u32(1), mostly(fc.constant(number(4, 7)), u32(1000)), exactly(32)),
  withPrefix(2, upTo(90)),
  mostly(exactly(16), upTo(20)),
);

/** Messages of `send` and `receive`, with members that are wrong now and then. */
export const transferMessage: Bytes = (() => {
  const count = mostly(
    fc.nat(),
    fc.constantFrom<unknown>(null, -1, 1.5, 2 ** 53, -(2 ** 60), Number.MAX_VALUE, '7', []),
  );
  const header = fc.record(
    {
      name: mostly(fc.string({ unit: 'binary', maxLength: 20 }), count),
      size: count,
      modified: count,
      mode: count,
      batch: mostly(fc.record({ file: count, files: count, bytes: count }, { requiredKeys: [] }), count),
      resume: mostly<unknown>(fc.boolean(), count),
    },
    { requiredKeys: [] },
  );
  const letter = (letters: string): Bytes => text(mostly(fc.constantFrom(...letters), word));
  const json = text(
    mostly(
      header.map((each) => JSON.stringify(each)),
      fc.json(),
    ),
  );
  return fc.oneof(
    { weight: 4, arbitrary: sequence(letter('FM'), json) },
    { weight: 1, arbitrary: sequence(letter('AP'), mostly(exactly(8), upTo(9))) },
  );
})();
