import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { sodium } from '../../../backends/sodium.js';
import type { Backend } from '../../../src/backend.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import type { SealedClientOptions } from '../../../src/core/sealed/client.js';
import { RecordType, TrafficKey, writeNonce } from '../../../src/core/sealed/records.js';
import { expandLabel } from '../../../src/core/sealed/schedule.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import type { Recorder } from '../../helpers/recorder.js';
import { backends, clientEnd, privateKey, serverEnd } from '../../helpers/sealed-ends.js';
import {
  bytes,
  cipherOf,
  hex,
  nonces,
  possibleWith,
  type Replay,
  replay,
  replaySigner,
  type SealedVector,
  suiteNamesIn,
  vectors,
} from '../../helpers/sealed-vectors.js';
import file from '../../vectors/sealed.json' with { type: 'json' };
import { computeVectors } from '../../vectors/sealed-vectors.mjs';

it.skipIf(node.lacks?.length)('the vectors are what their independent computation gives', () => {
  expect(computeVectors(file.keys)).toEqual(file);
});

it('there are vectors for all suites, all sizes of server keys, with and without client identity and GREASE', () => {
  const traits = (of: (vector: SealedVector) => unknown): unknown[] => [...new Set(vectors.map(of))].sort();
  expect(traits(({ suite, client_bits }) => `${suite} ${client_bits}`)).toEqual([
    '257 2048',
    '257 null',
    '258 2048',
    '258 null',
    '259 2048',
    '259 null',
    '260 2048',
    '260 null',
  ]);
  expect(traits(({ server_bits }) => server_bits)).toEqual([2048, 3072, 4096]);
  expect(traits(({ suites }) => suites.includes(0x0a0a))).toEqual([false, true]);
});

// what a mutant of the core breaks, it breaks with any of them
const some = process.env.MUTATION === undefined ? backends : backends.slice(0, 1);
const cases = some.flatMap((backend) =>
  possibleWith(backend, vectors).flatMap((vector) => {
    const forms = vector.ml_kem_seed ? (['immediate', 'later'] as const) : (['immediate'] as const);
    return forms.map((form) => ({ backend, vector, form }));
  }),
);

describe.each(cases)('$vector.seed on $backend.name, ML-KEM $form', ({ backend, vector, form }) => {
  it('the client sends the recorded flights and derives the recorded secrets', async () => {
    const { end: client, trace } = await startClient(backend, vector, form);
    await client.settle();
    expect(hex(client.takeWritten())).toBe(vector.flights['1 C->S']);
    client.session.receive(bytes(vector.flights['2 S->C']));
    await client.settle();
    expect(hex(client.takeWritten())).toBe(vector.flights['3 C->S']);
    expect(client.opening).toBeUndefined();
    client.session.receive(bytes(vector.flights['4 S->C']));
    expectOpen(client, vector, trace);
    expect(client.opening?.peer?.fingerprint).toBe(fingerprint(vector.server_fingerprint));
    expectRecords(client, vector, 'c', 's');
  });

  it('the server decrypts and verifies the recorded flights, and sends its own', async () => {
    const { end: server, trace } = await startServer(backend, vector, form);
    server.session.receive(bytes(vector.flights['1 C->S']));
    await server.settle();
    expect(hex(server.takeWritten())).toBe(vector.flights['2 S->C']);
    server.session.receive(bytes(vector.flights['3 C->S']));
    await server.settle();
    expect(hex(server.takeWritten())).toBe(vector.flights['4 S->C']);
    expectOpen(server, vector, trace);
    const client = server.opening?.peer ?? null;
    expect(client?.fingerprint).toBe(vector.client_fingerprint && fingerprint(vector.client_fingerprint));
    expect(client && hex(client.spki)).toBe(vector.client_spki ?? null);
    expectRecords(server, vector, 's', 'c');
  });
});

describe.each(backends)('the primitives of $name', (backend) => {
  it('derive what RFC 8448 section 3 derives, with the prefix of TLS', () => {
    const zeros = new Uint8Array(32);
    const early = backend.hkdfExtract(zeros, zeros);
    expect(hex(early)).toBe('33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a');
    const label = Buffer.from('\0\x20\x0dtls13 derived\x20', 'latin1');
    const info = new Uint8Array([...label, ...backend.sha256(new Uint8Array(0))]);
    const derived = '6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba';
    expect(hex(backend.hkdfExpand(early, info, 32))).toBe(derived);
  });

  it('give the recorded key, initialisation vector and next secret of a traffic secret', () => {
    const none = new Uint8Array(0);
    for (const { secrets, traffic } of vectors) {
      const secret = bytes(secrets.c_ap_0 as string);
      expect(hex(expandLabel(backend, secret, 'key', none, 32))).toBe(traffic.c_ap_0.key);
      expect(hex(expandLabel(backend, secret, 'iv', none, 12))).toBe(traffic.c_ap_0.iv);
      expect(hex(expandLabel(backend, secret, 'traffic upd', none, 32))).toBe(secrets.c_ap_1);
    }
  });
});

it('nonces follow the sequence number over all eight bytes', () => {
  for (const { iv, sequence, nonce } of nonces) {
    const written = new Uint8Array(12);
    writeNonce(written, bytes(iv), sequence);
    expect(hex(written)).toBe(nonce);
  }
});

type Form = 'immediate' | 'later';
type Started = { end: Recorder; trace: Replay };

async function startClient(real: Backend, vector: SealedVector, form: Form): Promise<Started> {
  const trace = await replay(real, vector, 'client', form);
  const identity = vector.client_spki && {
    spki: bytes(vector.client_spki),
    key: replaySigner(privateKey(real, 'client2048'), vector),
  };
  const options: Partial<SealedClientOptions> = {
    ...{ backend: trace.backend, mlKem768: trace.mlKem768, suites: suiteNamesIn(vector.suites) },
    grease: vector.suites.includes(0x0a0a),
    decide: (spki, named) =>
      hex(spki) === vector.server_spki && named === fingerprint(vector.server_fingerprint),
    ...(identity && { identity }),
  };
  const end = clientEnd(options);
  end.session.start();
  return { end, trace };
}

async function startServer(real: Backend, vector: SealedVector, form: Form): Promise<Started> {
  const trace = await replay(real, vector, 'server', form);
  const name = `server${vector.server_bits}` as 'server2048' | 'server3072' | 'server4096';
  const options: Partial<SealedServerOptions> = {
    ...{ backend: trace.backend, mlKem768: trace.mlKem768, suites: suiteNamesIn([vector.suite]) },
    ...{ spki: bytes(vector.server_spki), key: privateKey(real, name) },
  };
  const end = serverEnd(options);
  end.session.start();
  return { end, trace };
}

function expectOpen(end: Recorder, vector: SealedVector, { extracted, backend }: Replay): void {
  const { ES, HS, AHS, MS } = vector.secrets;
  expect(extracted).toEqual([ES, HS, AHS, MS]);
  expect(end.opening?.suite).toBe(suiteNamesIn([vector.suite])[0]);
  expect(end.opening?.sender.maxMessage).toBe(2 ** 24);
  for (const { label, context, length, value } of vector.exports) {
    const material = end.opening?.keys?.exportKey(label, Buffer.from(context), length);
    expect(material && hex(material)).toBe(value);
  }
  expect(fingerprintOf(backend, bytes(vector.server_spki))).toBe(fingerprint(vector.server_fingerprint));
}

/** Sends the records of one side and receives those of the other. */
function expectRecords(end: Recorder, vector: SealedVector, own: 'c' | 's', other: 'c' | 's'): void {
  const { sender } = end.opening as NonNullable<Recorder['opening']>;
  const secret = bytes(vector.secrets[`${own}_ap_0`] as string);
  const key = new TrafficKey(sodium, cipherOf(vector.suite), secret);
  for (const { name, sha256 } of vector.records.filter((record) => record.name.startsWith(own))) {
    const plaintext = plaintextOf(name);
    const sealed = key.seal([plaintext], plaintext.length);
    if (plaintext[0] === RecordType.keyUpdate) key.update();
    expect(sha256Of(sealed), name).toBe(sha256);
  }
  for (const { name, record } of vector.records.filter((each) => each.name.startsWith(other))) {
    end.session.receive(record ? bytes(record) : longRecord(vector, name, other));
    end.finishTurns();
  }
  expect(end.code).toBeUndefined();
  expect(end.messages.map((message) => sha256Of([message]))).toEqual(
    messagesOf(other).map((message) => sha256Of([message])),
  );
  expect(end.endCode).toBe(0);
  expect(end.answers).toBe(other === 'c' ? 1 : 0);
  expectSent(sender, vector, own);
}

/** What the sender makes of the same messages, record by record; it cuts long ones elsewhere. */
function expectSent(
  sender: NonNullable<Recorder['opening']>['sender'],
  vector: SealedVector,
  own: 'c' | 's',
): void {
  const readRecorded = (name: string): string | undefined =>
    vector.records.find((record) => record.name === name)?.sha256;
  if (own === 's') {
    expect(sha256Of(sender.pong?.() ?? [])).toBe(readRecorded('s PONG'));
    sender.stage(Buffer.from('hi'));
    expect(sha256Of(sender.flush())).toBe(readRecorded('s DATA: "hi"'));
    expect(sha256Of(sender.close(0))).toBe(readRecorded('s CLOSE 0'));
    return;
  }
  sender.stage(Buffer.from('hello'));
  expect(sha256Of(sender.flush())).toBe(readRecorded('c DATA: one message "hello"'));
  for (const text of ['', 'a', 'bc']) sender.stage(Buffer.from(text));
  expect(sha256Of(sender.flush())).toBe(readRecorded('c DATA: three messages "", "a", "bc" in one record'));
}

const CUT = 131072;
const frame = (body: Uint8Array): Uint8Array => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
};
const longMessage = Uint8Array.from({ length: CUT + 5 }, (_, i) => 7 * i);

function messagesOf(side: 'c' | 's'): Uint8Array[] {
  if (side === 's') return [Buffer.from('hi')];
  const texts = (list: string[]): Uint8Array[] => list.map((text) => Buffer.from(text));
  return [...texts(['hello', '', 'a', 'bc']), longMessage, ...texts(['tail', 'again'])];
}

function plaintextOf(name: string): Uint8Array {
  const data = (...parts: Uint8Array[]): Uint8Array =>
    Buffer.concat([Uint8Array.of(RecordType.data), ...parts]);
  const long = frame(longMessage);
  const text = (body: string): Uint8Array => frame(Buffer.from(body));
  const made: Record<string, Uint8Array> = {
    'c DATA: one message "hello"': data(text('hello')),
    'c DATA: three messages "", "a", "bc" in one record': data(text(''), text('a'), text('bc')),
    'c DATA: first 131072 bytes of a message of 131077': data(long.subarray(0, CUT)),
    'c DATA: its rest, then the message "tail"': data(long.subarray(CUT), text('tail')),
    'c PING': Uint8Array.of(RecordType.ping),
    'c KEY_UPDATE': Uint8Array.of(RecordType.keyUpdate),
    'c DATA after update: "again"': data(text('again')),
    'c CLOSE 0': Uint8Array.of(RecordType.close, 0, 0),
    's PONG': Uint8Array.of(RecordType.pong),
    's DATA: "hi"': data(text('hi')),
    's CLOSE 0': Uint8Array.of(RecordType.close, 0, 0),
  };
  return made[name] as Uint8Array;
}

/** The third record of the client, too long to be in the file: made here, and checked against the recorded hash. */
function longRecord(vector: SealedVector, name: string, side: 'c' | 's'): Uint8Array {
  const place = vector.records
    .filter((record) => record.name.startsWith(side))
    .findIndex((each) => each.name === name);
  const key = new TrafficKey(
    sodium,
    cipherOf(vector.suite),
    bytes(vector.secrets[`${side}_ap_0`] as string),
    place,
  );
  const plaintext = plaintextOf(name);
  const record = Buffer.concat(key.seal([plaintext], plaintext.length));
  expect(sha256Of([record])).toBe(vector.records.find((each) => each.name === name)?.sha256);
  return record;
}

function sha256Of(chunks: readonly Uint8Array[]): string {
  return createHash('sha256').update(Buffer.concat(chunks)).digest('hex');
}

function fingerprint(hexadecimal: string): string {
  return `SHA256:${Buffer.from(hexadecimal, 'hex').toString('base64').replace('=', '')}`;
}
