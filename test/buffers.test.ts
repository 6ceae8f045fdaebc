import { Sessions } from 'secure-sockets';
import { expect, it } from 'vitest';
import { node } from '../backends/node.js';
import type { Aead, Backend } from '../src/backend.js';
import { clientOf, portOf, startListening } from './helpers/sockets.js';

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A backend as programs write them over node:crypto: whatever it gives is a Buffer, whose `slice` is a view. */
const buffers: Backend = {
  ...node,
  name: 'buffers',
  randomBytes: (length) => toBuffer(node.randomBytes(length)),
  sha256: (data) => toBuffer(node.sha256(data)),
  hmacSha256: (key, data) => toBuffer(node.hmacSha256(key, data)),
  hkdfExtract: (salt, input) => toBuffer(node.hkdfExtract(salt, input)),
  hkdfExpand: (key, info, length) => toBuffer(node.hkdfExpand(key, info, length)),
  aesGcm: (key) => bufferAead(node.aesGcm(key)),
  x25519: (privateKey) => {
    const own = node.x25519(privateKey);
    return {
      publicKey: toBuffer(own.publicKey),
      agree: (peer) => {
        const secret = own.agree(peer);
        return secret && toBuffer(secret);
      },
    };
  },
};

function bufferAead(inner: Aead): Aead {
  return {
    seal: (...given) => inner.seal(...given).map(toBuffer),
    open: (...given) => {
      const plaintext = inner.open(...given);
      return plaintext && toBuffer(plaintext);
    },
  };
}

it.each(['client', 'server'] as const)(
  'a backend that gives Buffers serves many connections of a %s',
  async (end) => {
    const backend = { backend: buffers, suites: ['X25519'] } as const;
    const server = await startListening('sealed', end === 'server' ? backend : {});
    const options = { ...(end === 'client' ? backend : {}), sessions: new Sessions() };
    const resumed: boolean[] = [];
    for (let i = 0; i < 4; i++) {
      if (i === 2) options.sessions.clear();
      await using client = clientOf(server, options);
      const accepted = server.accept();
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      await using peer = await accepted;
      await client.send(new Uint8Array(10).fill(i));
      expect(await peer.recv()).toEqual(new Uint8Array(10).fill(i));
      await peer.send(new Uint8Array(500).fill(i));
      expect(await client.recv()).toEqual(new Uint8Array(500).fill(i));
      resumed.push(client.resumed);
    }
    expect(resumed).toEqual([false, true, false, true]);
    await server.close();
  },
);
