import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { noble } from '../../backends/noble.js';
import { web } from '../../backends/web.js';
import type { Aead, Backend, LaterAead } from '../../src/backend.js';
import { clientOf, pair, rejection, startListening } from '../helpers/sockets.js';

const KEY = new Uint8Array(32).fill(3);
const NONCE = new Uint8Array(12).fill(4);
const HEADER = Uint8Array.of(0, 1, 2);

function laterOf(aead: Aead): LaterAead {
  if (aead.later === undefined) throw new Error('there is no later form');
  return aead.later;
}

describe('AES-GCM of the platform', () => {
  it.each([0, 1, 255, 256, 70_000, 300_000])(
    'gives what the immediate form gives, %i bytes',
    async (length) => {
      const text = randomBytes(length);
      const pieces = [text.subarray(0, 1), text.subarray(1)];
      const now = Buffer.concat(noble.aesGcm(KEY).seal(NONCE, HEADER, pieces, HEADER));
      const later = laterOf(web.aesGcm(KEY));
      expect(Buffer.concat(await later.seal(NONCE, HEADER, pieces, HEADER)).equals(now)).toBe(true);
      expect(text.equals((await later.open(NONCE, HEADER, now.subarray(3))) as Uint8Array)).toBe(true);
    },
  );

  it('lets everything given be overwritten after the call, and the key be wiped', async () => {
    const wanted = Buffer.concat(noble.aesGcm(KEY).seal(NONCE, HEADER, [new Uint8Array(1000)], HEADER));
    for (const warm of [false, true]) {
      const aead = web.aesGcm(KEY);
      const later = laterOf(aead);
      if (warm) await later.seal(NONCE, HEADER, [HEADER]);
      const [nonce, header, text, ciphertext] = [NONCE, HEADER, new Uint8Array(1000), wanted.subarray(3)].map(
        (bytes) => Uint8Array.from(bytes),
      ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      const sealing = later.seal(nonce, header, [text], header);
      const opening = later.open(nonce, header, ciphertext);
      for (const bytes of [nonce, header, text, ciphertext]) bytes.fill(255);
      aead.wipe?.();
      expect(Buffer.concat(await sealing).equals(wanted)).toBe(true);
      expect(await opening).toEqual(new Uint8Array(1000));
    }
  });

  it('opens nothing that was changed or is too short', async () => {
    const later = laterOf(web.aesGcm(KEY));
    const ciphertext = Buffer.concat(await later.seal(NONCE, HEADER, [new Uint8Array(1000)]));
    for (const at of [0, 500, ciphertext.length - 1]) {
      const changed = Buffer.from(ciphertext);
      changed[at] = (changed[at] as number) ^ 1;
      expect(await later.open(NONCE, HEADER, changed)).toBeNull();
    }
    expect(await later.open(NONCE, Uint8Array.of(9), ciphertext)).toBeNull();
    expect(await later.open(NONCE, HEADER, new Uint8Array(15))).toBeNull();
  });
});

/** The web backend with a platform that takes its time, each operation another. */
function slow(
  delay: (operation: 'seal' | 'open', count: number, length: number) => Promise<unknown>,
): Backend {
  let count = 0;
  return {
    ...web,
    aesGcm: (key) => {
      const aead = web.aesGcm(key);
      const inner = laterOf(aead);
      const later: LaterAead = {
        minLength: inner.minLength,
        seal: async (...given) => {
          const result = inner.seal(...given);
          await delay('seal', count++, Buffer.concat(given[2]).length);
          return result;
        },
        open: async (...given) => {
          const result = inner.open(...given);
          await delay('open', count++, given[2].length);
          return result;
        },
      };
      return {
        seal: (...given) => aead.seal(...given),
        open: (...given) => aead.open(...given),
        wipe: () => aead.wipe?.(),
        later,
      };
    },
  };
}

describe('a connection whose platform computes later', () => {
  const suites = ['X25519'] as const;

  it.each([
    ['the web backend', () => web],
    ['a platform that answers in any order', () => slow((_, count) => pause((count * 7) % 5))],
  ])('keeps the order of messages and controls, with %s', async (_, make) => {
    const backend = make();
    await using ends = await pair('sealed', { client: { backend, suites }, server: { backend, suites } });
    const { client, peer } = ends;
    const lengths = [0, 10, 300, 70_000, 5, 40_000, 300_000, 1, 256, 239, 1_000_000, 3];
    const messages = lengths.map((length, i) => new Uint8Array(length).fill(i));
    for (const [from, to] of [
      [client, peer],
      [peer, client],
    ] as const) {
      const sending = messages.map((message, i) => {
        if (i === 5) from.rekey();
        return from.send(message);
      });
      for (const message of messages)
        expect(Buffer.compare((await to.recv()) as Uint8Array, message)).toBe(0);
      await Promise.all(sending);
    }
    await client.send(new Uint8Array(100_000));
    await client.close();
    expect(await peer.recv()).toHaveLength(100_000);
    expect(await peer.recv()).toBeNull();
  });

  it('gives the buffer back when send() resolves', async () => {
    const backend = slow(() => pause(20));
    await using ends = await pair('sealed', { client: { backend, suites } });
    const message = new Uint8Array(50_000).fill(1);
    await ends.client.send(message);
    message.fill(2);
    expect(await ends.peer.recv()).toEqual(new Uint8Array(50_000).fill(1));
  });

  it('bounds what is under way, as it bounds what waits for the network', async () => {
    let underWay = 0;
    let max = 0;
    const backend = slow(async (operation) => {
      if (operation === 'open') return;
      max = Math.max(max, ++underWay);
      await pause(5);
      underWay--;
    });
    await using ends = await pair('sealed', { client: { backend, suites } });
    const receiving = (async () => {
      for (let i = 0; i < 200; i++) await ends.peer.recv();
    })();
    for (let i = 0; i < 200; i++) await ends.client.send(new Uint8Array(65_536));
    await receiving;
    expect(max).toBeGreaterThan(1);
    // the high-water mark of a mebibyte, and what one send() may add
    expect(max).toBeLessThanOrEqual(18);
  });

  it('fails if the platform fails, on either half', async () => {
    for (const failing of ['seal', 'open'] as const) {
      const backend = slow(async (operation, _, length) => {
        if (operation === failing && length >= 10_000) throw new Error('out of memory');
      });
      await using ends = await pair('sealed', { client: { backend, suites } });
      const { client, peer } = ends;
      const receiving = rejection(client.recv());
      if (failing === 'seal') await client.send(new Uint8Array(10_000));
      else await peer.send(new Uint8Array(10_000));
      expect((await receiving).message).toBe('out of memory');
      expect((await rejection(client.send(new Uint8Array(1)))).message).toBe('out of memory');
    }
  });

  it('fails if the platform fails in the handshake, on either end', async () => {
    for (const failing of ['seal', 'open'] as const) {
      const backend = slow(async (operation) => {
        if (operation === failing) throw new Error('out of memory');
      });
      for (const options of [{ client: { backend, suites } }, { server: { backend, suites } }]) {
        const failed = await rejection(pair('sealed', options));
        expect(failed.message).toMatch(
          options.client ? /^out of memory$/ : /closed the connection|not connected/,
        );
      }
    }
  }, 30_000);

  it('sends final bytes behind what is still being encrypted', async () => {
    const backend = slow((operation) => (operation === 'seal' ? pause(50) : pause(0)));
    const server = await startListening('sealed', { maxMessage: 2000 });
    const client = clientOf(server, { backend, suites, maxMessage: 2000 });
    const accepted = server.accept();
    const { address } = server;
    await client.connect('port' in address ? { port: address.port, host: '127.0.0.1' } : address);
    const peer = await accepted;
    // in the same turn: a large record under way, and CLOSE behind it
    const sending = client.send(new Uint8Array(2000).fill(7));
    await client.end({ code: 20_000 });
    await sending;
    expect(await peer.recv()).toEqual(new Uint8Array(2000).fill(7));
    expect(await peer.recv()).toBeNull();
    expect(peer.closeCode).toBe(20_000);
    client.destroy();
    await server.close({ timeout: 100 });
  });

  it('decrypts nothing more, and keeps nothing, when it is destroyed meanwhile', async () => {
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const backend = slow((operation, _, length) =>
      operation === 'open' && length >= 10_000 ? gate : pause(0),
    );
    await using ends = await pair('sealed', { client: { backend, suites } });
    await ends.peer.send(new Uint8Array(10_000));
    const receiving = rejection(ends.client.recv());
    await pause(50);
    ends.client.destroy();
    expect((await receiving).code).toBe('CLOSED');
    release();
    await pause(20);
    expect((await rejection(ends.client.recv())).code).toBe('CLOSED');
  });

  it('notices a changed record', async () => {
    const backend = slow(() => pause(1));
    const spoiled: Backend = {
      ...backend,
      aesGcm: (key) => {
        const aead = backend.aesGcm(key);
        const later = laterOf(aead);
        return {
          seal: (...given) => aead.seal(...given),
          open: (...given) => aead.open(...given),
          later: {
            ...later,
            open: async (...given) => {
              const text = await later.open(...given);
              return given[2].length < 10_000 ? text : null;
            },
          },
        };
      },
    };
    await using ends = await pair('sealed', { client: { backend: spoiled, suites } });
    await ends.peer.send(new Uint8Array(10_000));
    expect((await rejection(ends.client.recv())).code).toBe('DECRYPT_FAILED');
  });

  it('lets others have their turn, however fast the platform is', async () => {
    const backend = slow(async () => {});
    await using ends = await pair('sealed', { client: { backend, suites, maxMessage: 1024 } });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const sending = (async () => {
      for (let i = 0; i < 3000; i++) await ends.peer.send(new Uint8Array(1000));
    })();
    for (let i = 0; i < 3000; i++) await ends.client.recv();
    await sending;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });
});
