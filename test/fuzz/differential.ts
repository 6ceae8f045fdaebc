import { node } from '../../backends/node.js';

import type { Aead, AeadName, Backend, RsaPrivateKey } from '../../src/backend.js';
import { privateExponentHash } from '../../src/core/classic/pkcs1.js';
import { classicServer } from '../../src/core/classic/scripts.js';
import { ClassicSender } from '../../src/core/classic/sender.js';
import { decodeSpki, encodeSpki } from '../../src/core/encodings/der.js';
import { checkSealedKey } from '../../src/core/encodings/rsa-key.js';
import { SecureSocketError } from '../../src/errors.js';
import { backends } from '../helpers/backends.js';
import { Recorder } from '../helpers/recorder.js';
import { privateKey, serverEnd, spkiOf } from '../helpers/sealed-ends.js';
import {
  bytes,
  replay,
  type SealedVector,
  suiteNamesIn,
  testKey,
  vectors,
} from '../helpers/sealed-vectors.js';
import { type Target, verdictOfSession } from './target.js';

const LABEL = Uint8Array.from(Buffer.from('sealed v1 server key'));
const MESSAGE = new Uint8Array(100).fill(7);
const KEY = new Uint8Array(32).fill(3);
const NONCE = new Uint8Array(12).fill(4);
const HEADER = Uint8Array.of(0, 0, 99);

/** What a backend makes of an input, as a text. */
type Judge = (backend: Backend, input: Uint8Array) => Promise<string>;

/** Asks every backend, and throws if they do not say the same. */
function target(name: string, seeds: readonly Uint8Array[], judge: Judge): Target {
  return {
    name: `same-${name}`,
    seeds,
    streams: false,
    verdict: async (input) => {
      const verdicts: string[] = [];
      for (const backend of backends) verdicts.push(await judge(backend, input));
      const [first] = verdicts;
      if (verdicts.every((verdict) => verdict === first)) return `ok ${first}`;
      throw new Error(backends.map(({ name }, i) => `${name} says ${verdicts[i]}`).join(', '));
    },
  };
}

const hex = (result: Uint8Array | null): string => (result ? Buffer.from(result).toString('hex') : 'null');

/** What an operation gives, or that it refuses: with which words is each backend's own affair. */
async function outcome(operation: () => Uint8Array | null | Promise<Uint8Array | null>): Promise<string> {
  try {
    return hex(await operation());
  } catch (error) {
    const isRefusal = error instanceof RangeError || (error as Error).message === 'decryption failed';
    if (isRefusal) return 'refused';
    throw error;
  }
}

const resize = (input: Uint8Array, length: number): Uint8Array => {
  const right = new Uint8Array(length);
  right.set(input.subarray(0, length));
  return right;
};

const join = (...pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(pieces));

function aead(name: string, cipher: AeadName): Target {
  const replaySealed = join(...node[cipher](KEY).seal(NONCE, HEADER, [MESSAGE]));
  const aeads = new Map<Backend, Aead>(backends.map((backend) => [backend, backend[cipher](KEY)]));
  return target(name, [replaySealed], async (backend, input) =>
    outcome(() => aeads.get(backend)?.open(NONCE, HEADER, resize(input, Math.max(17, input.length))) ?? null),
  );
}

function primitives(): Target[] {
  const publicKey = node.rsaPublicKey(testKey('server2048'));
  const keyOf = (backend: Backend): RsaPrivateKey => privateKey(backend, 'server2048');
  return [
    aead('gcm', 'aesGcm'),
    aead('chacha20', 'chaCha20Poly1305'),
    target('x25519', [KEY, node.x25519(KEY).publicKey], (backend, input) =>
      outcome(() => backend.x25519(KEY).agree(resize(input, 32))),
    ),
    target('rsa-public', [encodeSpki(testKey('server2048'))], async (backend, input) => {
      try {
        const numbers = decodeSpki(input);
        checkSealedKey(numbers);
        return await outcome(() => backend.rsaPublicKey(numbers) && MESSAGE);
      } catch (error) {
        if (error instanceof SecureSocketError) return error.code;
        throw error;
      }
    }),
    target('oaep', [publicKey.encryptOaep(KEY, LABEL)], (backend, input) =>
      outcome(() => keyOf(backend).decryptOaep(input, LABEL)),
    ),
    target('raw', [publicKey.encryptPkcs1(KEY)], (backend, input) =>
      outcome(() => keyOf(backend).decryptRaw(input)),
    ),
  ];
}

async function asynchronous(): Promise<Target[]> {
  const signature = await privateKey(node, 'client2048').signPss(MESSAGE);
  const kem = await node.mlKem768();
  const pair = kem.keyPair(new Uint8Array(64).fill(9));
  const encapsulated = kem.encapsulate(pair.encapsulationKey);
  if (encapsulated === null) throw new Error('a key of our own does not pass');
  return [
    target('pss', [signature], async (backend, input) =>
      String(backend.rsaPublicKey(testKey('client2048')).verifyPss(MESSAGE, input)),
    ),
    target('kem-key', [pair.encapsulationKey], async (backend, input) => {
      const result = (await backend.mlKem768()).encapsulate(resize(input, 1184));
      return result ? 'taken' : 'null';
    }),
    target('kem-ciphertext', [encapsulated.ciphertext], async (backend, input) => {
      const own = (await backend.mlKem768()).keyPair(new Uint8Array(64).fill(9));
      return hex(own.decapsulate(resize(input, 1088)));
    }),
  ];
}

/** The same private key, which computes everything once only: JavaScript takes its time. */
function remember(key: RsaPrivateKey): RsaPrivateKey {
  const known = new Map<string, Promise<Uint8Array>>();
  const once = (name: string, input: Uint8Array, compute: () => Promise<Uint8Array>): Promise<Uint8Array> => {
    const place = `${name} ${hex(input)}`;
    const result = known.get(place) ?? compute();
    known.set(place, result);
    return result.then((bytes) => bytes.slice());
  };
  return {
    modulusLength: key.modulusLength,
    decryptRaw: (ciphertext) => once('raw', ciphertext, () => key.decryptRaw(ciphertext)),
    decryptOaep: (ciphertext, label) => once('oaep', ciphertext, () => key.decryptOaep(ciphertext, label)),
    signPss: (message) => key.signPss(message),
  };
}

/** A classic server: the key of a bad ciphertext is the same for all, so that even garbage is decrypted alike. */
function classic(): Target {
  const numbers = testKey('server2048');
  const rejectionSecret = privateExponentHash(node, numbers.d, numbers.n.length);
  const keys = new Map(backends.map((backend) => [backend, remember(privateKey(backend, 'server2048'))]));
  const sender = new ClassicSender(node.aesEcb(KEY), 4096, 4096);
  for (const length of [0, 1, 31, 32, 200]) sender.stage(new Uint8Array(length).fill(5));
  const seed = join(node.rsaPublicKey(numbers).encryptPkcs1(KEY), ...sender.flush());
  return target('classic', [seed], (backend, input) => {
    const make = (): Recorder => {
      const options = { backend, keyLength: 32, maxMessage: 4096, rejectionSecret } as const;
      const key = keys.get(backend) as RsaPrivateKey;
      const end = new Recorder(classicServer({ ...options, publicKey: numbers, privateKey: key }));
      end.session.start();
      return end;
    };
    return verdictOfSession(make, input, 'whole', { maxMessage: 4096 });
  });
}

/** A sealed server that repeats its part of a recorded handshake over such a suite. */
function replaySealed(name: string, isWanted: (vector: SealedVector) => boolean): Target {
  const vector = vectors.find((each) => each.server_bits === 2048 && isWanted(each)) as SealedVector;
  const keys = new Map(backends.map((backend) => [backend, remember(privateKey(backend, 'server2048'))]));
  const flights = [bytes(vector.flights['1 C->S']), bytes(vector.flights['3 C->S'])] as const;
  return target(name, [join(...flights), flights[0]], (backend, input) => {
    const make = async (): Promise<Recorder> => {
      const { backend: replayed, mlKem768 } = await replay(backend, vector, 'server');
      const end = serverEnd({
        ...{ backend: replayed, suites: suiteNamesIn([vector.suite]), mlKem768, spki: spkiOf('server2048') },
        ...{ key: keys.get(backend) as RsaPrivateKey },
      });
      end.session.start();
      return end;
    };
    return verdictOfSession(make, input, 'whole', { alone: flights[0].length, maxMessage: 2 ** 24 });
  });
}

/** All backends against each other: on the same bytes they have to do the same. */
export async function differentialTargets(): Promise<Target[]> {
  const sealedTargets = [
    replaySealed('sealed', ({ suite }) => suite === 0x0101),
    replaySealed('sealed-chacha20', ({ suite }) => suite === 0x0104),
  ];
  return [...primitives(), ...(await asynchronous()), classic(), ...sealedTargets];
}
