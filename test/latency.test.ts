import { expect, test } from 'vitest';
import { node } from '../backends/node.js';
import type { Aead, Backend } from '../src/backend.js';
import { pair } from './helpers/sockets.js';

interface Counts {
  sealed: number;
  opened: number;
  preparedSeals: number;
  preparedOpens: number;
}

/** The node backend, and what is asked of its AEADs from `begin` on. */
function counting(): { backend: Backend; counts: Counts } {
  const counts: Counts = { sealed: 0, opened: 0, preparedSeals: 0, preparedOpens: 0 };
  const aesGcm = (key: Uint8Array): Aead => {
    const aead = node.aesGcm(key);
    return {
      seal: (...given) => {
        counts.sealed++;
        return aead.seal(...given);
      },
      open: (...given) => {
        counts.opened++;
        return aead.open(...given);
      },
      prepareSeal: (nonce) => {
        counts.preparedSeals++;
        aead.prepareSeal?.(nonce);
      },
      prepareOpen: (nonce) => {
        counts.preparedOpens++;
        aead.prepareOpen?.(nonce);
      },
    };
  };
  return { backend: { ...node, aesGcm }, counts };
}

test('from the second lone small message on the ciphers of the next are made while there is time', async () => {
  const { backend, counts } = counting();
  await using ends = await pair('sealed', { client: { backend } });
  const { client, peer } = ends;
  for (let i = 0; i < 10; i++) {
    await client.send(new Uint8Array(64).fill(i));
    expect(await peer.recv()).toEqual(new Uint8Array(64).fill(i));
    await peer.send(new Uint8Array(64).fill(i));
    expect(await client.recv()).toEqual(new Uint8Array(64).fill(i));
  }
  // many a connection carries one message and no more
  expect(counts.preparedSeals).toBe(9);
  expect(counts.preparedOpens).toBe(9);
});

test('a stream of messages does not pay for that', async () => {
  const { backend, counts } = counting();
  await using ends = await pair('sealed', { client: { backend } });
  const { client, peer } = ends;
  const total = 20_000;
  const sending = (async () => {
    for (let i = 0; i < total; i++) await client.send(new Uint8Array(64));
  })();
  for (let i = 0; i < total; i++) expect((await peer.recv())?.length).toBe(64);
  await sending;
  // a rest that happens to be small at the end of a tick
  expect(counts.preparedSeals).toBeLessThanOrEqual(counts.sealed / 2);
});
