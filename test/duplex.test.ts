import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text as allText } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it, vi } from 'vitest';
import { keptPairs } from './helpers/kept.js';
import { pause, protocols, rejection } from './helpers/sockets.js';
import { bytes, sha256, text } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
  const connectPair = keptPairs(protocol);

  describe('toDuplex()', () => {
    const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-streams-'));

    it('carries a file in a pipeline, whatever the pieces', async () => {
      const { client, peer } = await connectPair();
      const content = randomBytes(3_000_001);
      const [from, to] = [join(folder, 'from'), join(folder, 'to')];
      writeFileSync(from, content);
      await Promise.all([
        pipeline(createReadStream(from, { highWaterMark: 70_001 }), client.toDuplex()),
        pipeline(peer.toDuplex(), createWriteStream(to)),
      ]);
      expect(sha256(readFileSync(to))).toBe(sha256(content));
      rmSync(folder, { recursive: true });
    });

    it('cuts what is larger than the peer takes, and passes empty messages over', async () => {
      const { client, peer } = await connectPair({
        server: { maxMessage: 2000 },
        client: { maxMessage: protocol === 'sealed' ? 16 * 2 ** 20 : 2000 },
      });
      const content = randomBytes(100_000);
      const stream = client.toDuplex();
      stream.write(new Uint8Array(0));
      stream.end(content);
      const sizes: number[] = [];
      const received: Uint8Array[] = [];
      for await (const message of peer) {
        sizes.push(message.length);
        received.push(message);
      }
      expect(Math.max(...sizes)).toBe(2000);
      expect(sizes).not.toContain(0);
      expect(sha256(Buffer.concat(received))).toBe(sha256(content));
    });

    it('keeps apart what many streams write together, in however many pieces', async () => {
      const carried = Array.from({ length: 6 }, async () => {
        const { client, peer } = await connectPair();
        const content = randomBytes(2_000_000);
        const stream = client.toDuplex();
        // all at once, so that most waits for its reader
        for (let at = 0; at < content.length; at += 100_003) {
          stream.cork();
          for (let from = at; from < at + 100_003; from += 9_001)
            stream.write(content.subarray(from, Math.min(from + 9_001, at + 100_003)));
          process.nextTick(() => stream.uncork());
        }
        stream.end();
        const received: Uint8Array[] = [];
        for await (const chunk of peer.toDuplex()) received.push(chunk as Uint8Array);
        expect(sha256(Buffer.concat(received))).toBe(sha256(content));
      });
      await Promise.all(carried);
    });

    it('does not take an empty message for the end', async () => {
      const { client, peer } = await connectPair();
      for (const message of ['', 'a', '', '', 'b', '']) await client.send(bytes(message));
      void client.end();
      expect(await allText(peer.toDuplex())).toBe('ab');
    });

    it('gives the peer the beginning of a long write before its end', async () => {
      const { client, peer } = await connectPair();
      let taken = 0;
      const stream = peer.toDuplex().on('data', (chunk: Uint8Array) => {
        taken = chunk.length;
        stream.destroy();
      });
      client
        .toDuplex()
        .on('error', () => {})
        .write(new Uint8Array(8 * 2 ** 20));
      await once(stream, 'close');
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThanOrEqual(64 * 1024);
    });

    it('ends one direction at a time with allowHalfOpen on both ends', async () => {
      const { client, peer } = await connectPair({
        client: { allowHalfOpen: true },
        server: { allowHalfOpen: true },
      });
      const [near, far] = [client.toDuplex(), peer.toDuplex()];
      near.end('question');
      // an iterator would destroy the stream at its end
      const question: Uint8Array[] = [];
      far.on('data', (chunk) => question.push(chunk));
      await once(far, 'end');
      expect(Buffer.concat(question).toString()).toBe('question');
      far.write('long ');
      await pause(20);
      far.end('answer');
      expect(await allText(near)).toBe('long answer');
      await Promise.all([waitForClose(near), waitForClose(far)]);
    });

    it('is ended with the peer without it', async () => {
      const { client, peer } = await connectPair();
      const far = peer.toDuplex().resume();
      client.toDuplex().resume().end();
      await waitForClose(far);
      expect(far.writableEnded).toBe(true);
      expect(far.errored).toBeNull();
    });

    it('delivers what was written and ended, destroyed at once after that', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({ server: limits, client: limits });
      // a socket closed with something unread resets, and what the peer has not read is lost to it
      for (let i = 0; i < 20; i++) void peer.send(new Uint8Array(20_000)).catch(() => {});
      await expect.poll(() => client.bytesRead).toBeGreaterThan(50_000);
      const content = randomBytes(300_000);
      const stream = client.toDuplex();
      stream.end(content);
      await once(stream, 'finish');
      stream.destroy();
      await pause(50);
      const received: Uint8Array[] = [];
      for await (const message of peer) received.push(message);
      expect(sha256(Buffer.concat(received))).toBe(sha256(content));
      await waitForClose(stream);
    });

    it('gives up the connection when it is destroyed before', async () => {
      const { client, peer } = await connectPair();
      const reason = new Error('given up');
      const stream = client.toDuplex();
      const failed = once(stream, 'error');
      stream.write('begun');
      await pause(20);
      stream.destroy(reason);
      expect((await failed)[0]).toBe(reason);
      expect(await rejection(client.recv())).toBe(reason);
      expect(text(await peer.recv())).toBe('begun');
      if (protocol === 'sealed') expect((await rejection(peer.recv())).code).toBe('TRUNCATED');
      await waitForClose(stream);
    });

    it('fails with the error of the connection', async () => {
      const { client } = await connectPair();
      const reason = new Error('given up');
      const stream = client.toDuplex().resume();
      const failed = once(stream, 'error');
      client.destroy(reason);
      expect((await failed)[0]).toBe(reason);
      await waitForClose(stream);
    });

    it('is closed with the connection by this side, without an error', async () => {
      // more than the client's queue and what a system keeps for a socket, so that the write cannot end
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { peer, server } = await connectPair({ client: limits });
      const { client } = await connectPair();
      const errors: unknown[] = [];
      const far = peer.toDuplex().on('error', (error) => errors.push(error));
      const lost: unknown[] = [];
      far.write(Buffer.alloc(64_000_000), (error) => lost.push(error));
      await pause(20);
      // the client does not read, so the server cannot close in order
      await server.close({ timeout: 1 });
      await waitForClose(far);
      expect(lost).toEqual([expect.objectContaining({ code: 'CLOSED' })]);
      const near = client.toDuplex().on('error', (error) => errors.push(error));
      near.resume();
      client.destroy();
      await waitForClose(near);
      expect(errors).toEqual([]);
    });

    it('tells a writer that the peer has ended', async () => {
      const { client, peer } = await connectPair({ client: { maxSendQueue: 2 ** 30 } });
      const near = client.toDuplex().resume();
      near.write(Buffer.alloc(40_000_000));
      await pause(20);
      peer.destroy();
      const [error] = await once(near, 'error');
      expect(['CLOSED', 'TRUNCATED']).toContain(error.code);
    });

    it('makes the writer wait while the peer does not read', async () => {
      const limits = { maxMessage: 100_000, ...(protocol === 'sealed' ? { maxRecord: 16384 } : {}) };
      const { client, peer } = await connectPair({
        server: limits,
        client: { highWaterMark: 100_000, maxMessage: 100_000 },
      });
      const stream = client.toDuplex();
      const far = peer.toDuplex();
      let written = 0;
      const total = 30_000_000;
      const writing = (async () => {
        while (written < total) {
          written += 50_000;
          if (!stream.write(Buffer.alloc(50_000, 7))) await once(stream, 'drain');
        }
        stream.end();
      })();
      let before = -1;
      while (written !== before) {
        before = written;
        await pause(150);
      }
      expect(written).toBeLessThan(total / 2);
      let received = 0;
      for await (const chunk of far) received += chunk.length;
      await writing;
      expect(received).toBe(total);
    });

    it('tells of silence, once, as a socket does', async () => {
      const { client, peer } = await connectPair();
      const stream = client.toDuplex() as Duplex & { setTimeout(ms: number, listener?: () => void): Duplex };
      stream.resume();
      let times = 0;
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        stream.setTimeout(150, () => times++);
        for (let i = 0; i < 6; i++) {
          vi.advanceTimersByTime(100);
          const seen = i % 2 ? new Promise((resolve) => stream.write('x', resolve)) : once(stream, 'data');
          if (i % 2 === 0) await peer.send(bytes('y'));
          await seen;
        }
        expect(times).toBe(0);
        vi.advanceTimersByTime(1000);
        expect(times).toBe(1);
        expect(stream.destroyed).toBe(false);
        stream.setTimeout(20);
        stream.setTimeout(0);
        stream.once('timeout', () => times++);
        vi.advanceTimersByTime(1000);
        expect(times).toBe(1);
      } finally {
        vi.useRealTimers();
      }
    });
  });
});

async function waitForClose(stream: Duplex): Promise<void> {
  if (!stream.closed) await once(stream, 'close');
}
