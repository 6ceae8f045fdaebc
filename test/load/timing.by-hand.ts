import { createHash, randomBytes, randomInt } from 'node:crypto';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it } from 'vitest';
import { implicitRejection, privateExponentHash } from '../../src/core/classic/pkcs1.js';
import { encodeSpki } from '../../src/core/encodings/der.js';
import { rawRsa } from '../helpers/misbehaving-peer-crypto.js';
import { testKey } from '../helpers/sealed-vectors.js';
import { summarize } from './timing.js';

/**
 * Whether the time that a server takes for a ciphertext tells anything about it: the classes of ciphertext of the Marvin
 * work, in random order, every sample with a ciphertext of its own. Two of the classes are the same, which shows what
 * differences are noise. Takes minutes, wants a quiet machine, and is run by hand: node scripts/timing.mjs
 */
const samples = Number(process.env.TIMING_SAMPLES ?? 2000);

const numbers = testKey('server2048');
const spki = Buffer.from(encodeSpki(numbers));
const key = node.rsaPrivateKey(numbers);
const k = numbers.n.length;
const KEY_LENGTH = 32;
const LABEL = Buffer.from('sealed v1 server key');

/** Blocks of k bytes, by what is wrong with them. */
type Classes = Readonly<Record<string, () => Buffer>>;

const nonZero = (length: number): Buffer => Buffer.from(randomBytes(length).map((byte) => byte || 1));

/** An encoded message of PKCS#1 v1.5, with the separator so many bytes before the end. */
function encode(back: number, change: (block: Buffer) => void = () => {}): Buffer {
  const block = nonZero(k);
  block.set([0, 2]);
  block[k - back - 1] = 0;
  change(block);
  return block;
}

const pkcs1: Classes = {
  valid: () => encode(KEY_LENGTH),
  'valid again': () => encode(KEY_LENGTH),
  'first byte 1': () => encode(KEY_LENGTH, (block) => block.set([1], 0)),
  'second byte 1': () => encode(KEY_LENGTH, (block) => block.set([1], 1)),
  'a zero among the first eight': () => encode(KEY_LENGTH, (block) => block.set([0], 6)),
  'a zero in the middle': () => encode(KEY_LENGTH, (block) => block.set([0], 100)),
  'no separator': () => encode(KEY_LENGTH, (block) => block.set([7], k - KEY_LENGTH - 1)),
  'a message of 0 bytes': () => encode(0),
  'a message of 48 bytes': () => encode(48),
  'a long message': () => encode(k - 11),
  'leading zeros': () => Buffer.concat([Buffer.alloc(16), nonZero(k - 16)]),
};

function mask(seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; 32 * i < length; i++) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(i);
    blocks.push(createHash('sha256').update(seed).update(counter).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)));

/** An encoded message of OAEP (RFC 8017 7.1.1), in which something may be wrong. */
function oaep(message: Buffer, change: (data: Buffer) => void = () => {}, first = 0): Buffer {
  const data = Buffer.alloc(k - 33);
  createHash('sha256').update(LABEL).digest().copy(data);
  data[data.length - message.length - 1] = 1;
  message.copy(data, data.length - message.length);
  change(data);
  const seed = randomBytes(32);
  const masked = xor(data, mask(seed, data.length));
  return Buffer.concat([Buffer.of(first), xor(seed, mask(masked, 32)), masked]);
}

const secret = (): Buffer => randomBytes(32);

const oaepClasses: Classes = {
  'another label': () => oaep(secret(), (data) => data.set([(data[0] as number) ^ 1], 0)),
  'another label again': () => oaep(secret(), (data) => data.set([(data[0] as number) ^ 1], 0)),
  'label wrong at its end': () => oaep(secret(), (data) => data.set([(data[31] as number) ^ 1], 31)),
  'first byte 1': () => oaep(secret(), () => {}, 1),
  'no separator': () => oaep(secret(), (data) => data.fill(0, 32)),
  'a byte before the separator': () => oaep(secret(), (data) => data.set([9], 40)),
  '31 bytes': () => oaep(randomBytes(31)),
  'not encoded at all': () => Buffer.concat([Buffer.alloc(1), randomBytes(k - 1)]),
  valid: () => oaep(secret()),
};

const rejectionSecret = privateExponentHash(node, numbers.d, k);

/** What a classic server does with a ciphertext (K2). */
async function decryptClassic(ciphertext: Buffer): Promise<void> {
  const block = await key.decryptRaw(ciphertext);
  implicitRejection(node, rejectionSecret, ciphertext, block, KEY_LENGTH);
}

/** What a sealed server does with a ciphertext (DECRYPT). */
async function decryptSealed(ciphertext: Buffer): Promise<void> {
  const alternative = node.randomBytes(32);
  await key.decryptOaep(ciphertext, LABEL).catch(() => alternative);
}

async function measure(
  classes: Classes,
  decrypt: (ciphertext: Buffer) => Promise<void>,
): Promise<number[][]> {
  const makers = Object.values(classes);
  const times: number[][] = makers.map(() => []);
  for (let round = -50; round < samples; round++) {
    const order = shuffle(makers.length);
    const ciphertexts = makers.map((make) => rawRsa(spki, make()));
    for (const i of order) {
      const ciphertext = ciphertexts[i] as Buffer;
      const begun = process.hrtime.bigint();
      await decrypt(ciphertext);
      const time = Number(process.hrtime.bigint() - begun);
      if (round >= 0) times[i]?.push(time);
    }
  }
  return times;
}

/** The numbers below `count` in an order that is as likely as any other. */
function shuffle(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

describe.each([
  ['classic', pkcs1, decryptClassic],
  ['sealed', oaepClasses, decryptSealed],
] as const)('%s', (name, classes, decrypt) => {
  it(`${samples} samples of every class`, async () => {
    const times = await measure(classes, decrypt);
    const lines = summarize(Object.keys(classes), times);
    process.stdout.write(`${name}, ${samples} samples a class\n${lines.join('\n')}\n`);
    expect(times.every((each) => each.length === samples)).toBe(true);
  }, 3_600_000);
});
