// A classic server and client without sockets, and the frames of the old Python library computed apart from src.

import { createCipheriv, randomBytes } from 'node:crypto';
import { beforeAll, expect } from 'vitest';
import { node } from '../../backends/node.js';
import type { RsaPrivateKey, RsaPrivateNumbers } from '../../src/backend.js';
import { privateExponentHash } from '../../src/core/classic/pkcs1.js';
import { classicClient, classicServer } from '../../src/core/classic/scripts.js';
import { Recorder } from './recorder.js';

export let numbers: RsaPrivateNumbers;
export let key: RsaPrivateKey;

beforeAll(async () => {
  numbers = await node.generateRsaKey(1024);
  key = node.rsaPrivateKey(numbers);
});

export function server(maxMessage = 2 ** 20, keyLength: 16 | 24 | 32 = 32): Recorder {
  return serverWith({ maxMessage, keyLength });
}

export function serverWith(options: Partial<Parameters<typeof classicServer>[0]>): Recorder {
  return new Recorder(
    classicServer({
      ...{ backend: node, keyLength: 32, maxMessage: 2 ** 20, publicKey: numbers, privateKey: key },
      rejectionSecret: privateExponentHash(node, numbers.d, numbers.n.length),
      protectMemory: () => {},
      ...options,
    }),
  );
}

export function client(options: Partial<Parameters<typeof classicClient>[0]> = {}): Recorder {
  return new Recorder(
    classicClient({
      backend: node,
      keyLength: 32,
      maxMessage: 2 ** 20,
      minModulusBits: 1024,
      settleMs: 100,
      ...options,
    }),
  );
}

/** A server past its handshake and the key it shares with the test. */
export async function openServer(maxMessage?: number): Promise<{ end: Recorder; key: Buffer }> {
  const end = server(maxMessage);
  end.session.start();
  const sessionKey = randomBytes(32);
  end.session.receive(node.rsaPublicKey(numbers).encryptPkcs1(sessionKey));
  await end.settle();
  expect(end.opening).toBeDefined();
  return { end, key: sessionKey };
}

/** The seed's frame, computed with node:crypto alone. */
export function frame(sessionKey: Uint8Array, message: Uint8Array): Buffer {
  const padding = 32 - (message.length % 32);
  return rawFrame(sessionKey, Buffer.concat([message, Buffer.alloc(padding, padding)]));
}

export function rawFrame(sessionKey: Uint8Array, padded: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-ecb', sessionKey, null).setAutoPadding(false);
  const body = Buffer.concat([cipher.update(padded), cipher.final()]);
  const length = String(body.length);
  return Buffer.concat([Buffer.from(`${length.length}${length}`), body]);
}

export const texts = (messages: readonly Uint8Array[]): string[] =>
  messages.map((message) => Buffer.from(message).toString());
