import { Identity, Sessions, type SuiteName } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { webClient } from '../../backends/web-client.js';
import type { Aead, LaterAead, LaterRsaPublicKey } from '../../src/backend.js';
import { isLacking, suiteNames } from '../../src/core/sealed/suites.js';
import { backends, bytes, hex, join, type KeyName, pattern, testKey } from '../helpers/backends.js';
import { clientOf, portOf, startListening } from '../helpers/sockets.js';
import gcmVectors from '../vectors/aes-gcm.json' with { type: 'json' };
import chachaVectors from '../vectors/chacha20-poly1305.json' with { type: 'json' };
import rsaVectors from '../vectors/rsa.json' with { type: 'json' };
import hashVectors from '../vectors/sha256.json' with { type: 'json' };

// What pages compute with by default: the web backend without the forms that a client does not need.

const identity = await Identity.generate({ role: 'client', modulusLength: 2048 });
const messages = [0, 1, 255, 256, 70_000, 300_000].map((length) => pattern(length));

describe('the web backend of clients, on recorded values', () => {
  it.each(hashVectors.sha256)('SHA-256 $digest', ({ message, repeat, digest }) => {
    expect(hex(webClient.sha256(bytes(message.repeat(repeat ?? 1))))).toBe(digest);
  });

  it.each(hashVectors.hmac)('HMAC $mac', ({ key, data, mac }) => {
    expect(hex(webClient.hmacSha256(bytes(key), bytes(data))).slice(0, mac.length)).toBe(mac);
  });

  it.each(hashVectors.hkdf)('HKDF $prk', ({ ikm, salt, info, length, prk, okm }) => {
    const extracted = webClient.hkdfExtract(bytes(salt), bytes(ikm));
    expect(hex(extracted)).toBe(prk);
    expect(hex(webClient.hkdfExpand(extracted, bytes(info), length))).toBe(okm);
  });

  it.each([
    ...gcmVectors.cases.map((each) => ({ ...each, aead: 'aesGcm' as const })),
    ...chachaVectors.cases.map((each) => ({ ...each, aead: 'chaCha20Poly1305' as const })),
  ])('$aead, $name', async ({ aead, key, nonce, associatedData, plaintext, ciphertext, tag }) => {
    const { later } = webClient[aead](bytes(key)) as Aead & { later: LaterAead };
    expect(later.minLength).toBe(0);
    const sealed = join(await later.seal(bytes(nonce), bytes(associatedData), [bytes(plaintext)]));
    expect(hex(sealed)).toBe(ciphertext + tag);
    expect(hex(await later.open(bytes(nonce), bytes(associatedData), sealed))).toBe(plaintext);
    sealed[0] = (sealed[0] as number) ^ 1;
    expect(await later.open(bytes(nonce), bytes(associatedData), sealed)).toBeNull();
  });

  // platforms take no RSA keys whose length is not a multiple of eight
  const keyed = rsaVectors.pss.filter(({ key }) => /^(2048|3072|4096)$/.test(key));
  it.each(keyed)('PSS, $key, message "$message" $bad', async ({ key, message, signature, bad }) => {
    const later = webClient.rsaPublicKey(testKey(key as KeyName)).later as LaterRsaPublicKey;
    expect(await later.verifyPss(bytes(message), bytes(signature))).toBe(bad === undefined);
  });

  it('has no immediate form of what the platform alone computes', () => {
    const key = webClient.rsaPublicKey(testKey('2048'));
    for (const call of [
      () => webClient.x25519(),
      () => webClient.aesEcb(pattern(16)),
      () => webClient.aesGcm(pattern(32)).seal(pattern(12), pattern(0), []),
      () => webClient.chaCha20Poly1305(pattern(32)).open(pattern(12), pattern(0), pattern(16)),
      () => key.encryptOaep(pattern(1), pattern(1)),
      () => key.verifyPss(pattern(1), pattern(256)),
      () => key.encryptPkcs1(pattern(1)),
    ])
      expect(call).toThrow('it has no immediate form');
  });
});

describe.each(backends)('the web backend of clients, to a server with $name', (backend) => {
  const suites = suiteNames.filter((name) => !isLacking(name, backend));

  it.each(suites)('%s, with an identity, and resumed', { timeout: 30_000 }, async (suite: SuiteName) => {
    const server = await startListening('sealed', {
      ...{ backend, suites: [suite], clientAuth: 'required', verifyClient: () => true },
    });
    const sessions = new Sessions();
    for (const resumed of [false, true]) {
      const client = clientOf(server, { backend: webClient, suites: [suite], identity, sessions });
      const to = { port: portOf(server), host: '127.0.0.1' };
      const [, peer] = await Promise.all([client.connect(to), server.accept()]);
      expect([client.suite, client.resumed, peer.peer?.fingerprint]).toEqual([
        ...[suite, resumed, identity.fingerprint],
      ]);
      for (const message of messages) {
        await client.send(message);
        await peer.send((await peer.recv()) as Uint8Array);
        expect(Buffer.compare((await client.recv()) as Uint8Array, message)).toBe(0);
      }
      await client.close();
      expect(await peer.recv()).toBeNull();
    }
    await server.close();
  });
});
