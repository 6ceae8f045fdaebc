import { randomBytes } from 'node:crypto';
import { SecureSocketError } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { keptPairs } from './helpers/kept.js';
import { pause, protocols, rejection } from './helpers/sockets.js';
import { bytes, sha256, text } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
  const connectPair = keptPairs(protocol);

  describe('messages', () => {
    it('arrive whole and in order in both directions, whatever their size', async () => {
      const { client, peer } = await connectPair();
      const sizes = [
        0, 1, 15, 16, 17, 31, 32, 33, 1000, 16_384, 32_767, 32_768, 65_536, 1_000_000, 3_000_000, 0, 5,
      ];
      const messages = sizes.map((size) => randomBytes(size));
      const sent = Promise.all([
        ...messages.map((m) => client.send(m)),
        ...messages.map((m) => peer.send(m)),
      ]);
      for (const end of [peer, client]) {
        for (const message of messages) {
          const received = (await end.recv()) as Uint8Array;
          expect(received).not.toBeInstanceOf(Buffer);
          expect(sha256(received)).toBe(sha256(message));
        }
      }
      await sent;
    });

    it('take up to maxMessage and no more', async () => {
      const limits = { maxMessage: 2000 };
      const { client, peer } = await connectPair({ server: limits, client: limits });
      await client.send(new Uint8Array(2000));
      expect((await peer.recv())?.length).toBe(2000);
      const error = await rejection(client.send(new Uint8Array(2001)));
      expect(error).toBeInstanceOf(SecureSocketError);
      expect(error.code).toBe('MESSAGE_TOO_BIG_FOR_PEER');
      await client.send(bytes('still open'));
      expect(text(await peer.recv())).toBe('still open');
    });

    it('leave the buffer to the caller once send() has resolved', async () => {
      const { client, peer } = await connectPair();
      const sizes = [1, 100, 5000, 40_000, 200_000, 1_500_000];
      const rounds = 8;
      const reading = (async () => {
        const seen: string[] = [];
        for (let i = 0; i < sizes.length * rounds; i++) {
          if (i % 7 === 0) await pause(3);
          seen.push(sha256((await peer.recv()) as Uint8Array));
        }
        return seen;
      })();
      const expected: string[] = [];
      for (let round = 0; round < rounds; round++) {
        for (const size of sizes) {
          const buffer = randomBytes(size);
          expected.push(sha256(buffer));
          await client.send(buffer);
          buffer.fill(0);
        }
      }
      expect(await reading).toEqual(expected);
    });

    it('keep the order of concurrent calls, above the high-water mark too', async () => {
      const { client, peer } = await connectPair({ client: { highWaterMark: 1000 } });
      const count = 500;
      const sending = Promise.all(
        Array.from({ length: count }, (_, i) => client.send(bytes(`${i} ${'x'.repeat((i * 37) % 3000)}`))),
      );
      for (let i = 0; i < count; i++) expect(text(await peer.recv())?.split(' ')[0]).toBe(String(i));
      await sending;
    });

    it('belong to their reader: 10,000 kept over many reads are unchanged at the end', async () => {
      const { client, peer } = await connectPair();
      const count = 10_000;
      const kept: Uint8Array[] = [];
      const reading = (async () => {
        for await (const message of peer) if (kept.push(message) === count) return;
      })();
      const hashes: string[] = [];
      for (let i = 0; i < count; i++) {
        const message = randomBytes((i * 31) % 700);
        hashes.push(sha256(message));
        await client.send(message);
      }
      await reading;
      expect(kept.map(sha256)).toEqual(hashes);
    });

    it.each([
      ['a string', 'text'],
      ['a number', 5],
      ['null', null],
      ['an ArrayBuffer', new ArrayBuffer(4)],
    ])('cannot be %s', async (_, wrong) => {
      const { client } = await connectPair();
      const error = await rejection(client.send(wrong as never));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'BAD_ARGUMENT', blame: 'caller' });
      expect(error.message).toContain('Uint8Array');
    });
  });

  describe('receiving', () => {
    it('ends the iteration at a clean end', async () => {
      const { client, peer } = await connectPair();
      await client.send(bytes('a'));
      await client.send(bytes('b'));
      void client.close();
      const seen: (string | null)[] = [];
      for await (const message of peer) seen.push(text(message));
      expect(seen).toEqual(['a', 'b']);
      expect(await peer.recv()).toBeNull();
    });

    it('loses nothing when a loop is left', async () => {
      const { client, peer } = await connectPair();
      for (const word of ['one', 'two', 'three', 'four']) await client.send(bytes(word));
      for await (const message of peer) {
        expect(text(message)).toBe('one');
        break;
      }
      expect(text(await peer.recv())).toBe('two');
      for await (const message of peer) {
        expect(text(message)).toBe('three');
        break;
      }
      expect(text(await peer.recv())).toBe('four');
    });

    it('takes one waiting recv() at a time', async () => {
      const { client, peer } = await connectPair();
      const first = peer.recv();
      expect((await rejection(peer.recv())).code).toBe('RECV_PENDING');
      await client.send(bytes('for the first'));
      expect(text(await first)).toBe('for the first');
    });

    it('can be aborted without losing a message', async () => {
      const { client, peer } = await connectPair();
      const reason = new Error('enough');
      const controller = new AbortController();
      const waiting = peer.recv({ signal: controller.signal });
      controller.abort(reason);
      expect(await rejection(waiting)).toBe(reason);
      await client.send(bytes('kept'));
      expect(text(await peer.recv({ signal: new AbortController().signal }))).toBe('kept');
      expect(await rejection(peer.recv({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    });

    it('stops reading when messages are not received, so that the sender waits', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({
        server: limits,
        client: { highWaterMark: 100_000, maxMessage: 100_000 },
      });
      let accepted = 0;
      const flood = (async () => {
        for (let i = 0; i < 3000; i++) {
          await client.send(new Uint8Array(10_000).fill(i));
          accepted++;
        }
      })();
      let before = -1;
      while (accepted !== before) {
        before = accepted;
        await pause(150);
      }
      expect(accepted).toBeLessThan(2900);
      expect(peer.bytesRead).toBeLessThan(1_500_000);
      for (let i = 0; i < 3000; i++) expect((await peer.recv())?.[9_999]).toBe(i % 256);
      await flood;
    });

    it('notices the end of a connection that is not read from', async () => {
      const { client, peer } = await connectPair();
      await client.send(bytes('unread'));
      await client.close();
      await expect
        .poll(
          async () =>
            (await rejection(peer.send(bytes('x')).then(() => Promise.reject(new Error('open'))))).message,
        )
        .not.toBe('open');
      expect(text(await peer.recv())).toBe('unread');
      expect(await peer.recv()).toBeNull();
    });
  });

  describe('back-pressure', () => {
    it('makes send() wait, and bounds what waits', async () => {
      const { client, peer } = await connectPair({
        client: { highWaterMark: 50_000, maxSendQueue: 300_000 },
      });
      const results: Promise<unknown>[] = [];
      let refused = 0;
      for (let i = 0; i < 2000; i++)
        results.push(
          client
            .send(new Uint8Array(10_000))
            .catch((error) => (refused += error.code === 'SEND_QUEUE_FULL' ? 1 : 0)),
        );
      const reading = (async () => {
        let count = 0;
        for await (const message of peer) count += message.length === 10_000 ? 1 : 0;
        return count;
      })();
      await Promise.all(results);
      expect(refused).toBeGreaterThan(0);
      await client.close();
      expect(await reading).toBe(2000 - refused);
    });

    it('rejects what waits when the connection dies', async () => {
      const { client, peer } = await connectPair({ client: { highWaterMark: 50_000 } });
      const waiting = Array.from({ length: 600 }, () => client.send(new Uint8Array(50_000)));
      await pause(50);
      peer.destroy();
      const outcomes = await Promise.allSettled(waiting);
      const rejected = outcomes.filter((outcome) => outcome.status === 'rejected');
      expect(rejected.length).toBeGreaterThan(0);
      expect((await rejection(client.send(bytes('x')))).code).toBeDefined();
    });
  });
});
